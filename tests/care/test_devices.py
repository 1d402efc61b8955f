"""Devices: paired by a code, cut off, heard of now and then, over a real database."""

import datetime
import threading

import pytest
from sqlalchemy import event

from service.care.adjusting import Adjustment
from service.care.devices import CODE_LASTS, SEEN_EVERY, DeviceGone
from service.care.feed import Feed, device_topic, person_topic
from service.core.dialog import Session
from service.errors import NotFound, Refused, StoreError
from service.store.database import transaction
from tests.care.conftest import NOW
from tests.meeting import code_of

SECOND = datetime.timedelta(seconds=1)


@pytest.fixture
def people(care):
    """Two people whom one account cares for."""
    owner = care.accounts.create_owner(care.accounts.owner_code(), "小芳", "correct horse")
    return [care.people.create(owner.id, name, False) for name in ("妈妈", "外婆")]


@pytest.fixture
def token(care):
    return care.devices.register()


@pytest.fixture
def device(care, token):
    return care.devices.by_token(token)


def told(care, *topics) -> tuple[Feed, list]:
    feed, calls = Feed(care.engine), []
    for topic in topics:
        feed.subscribe([topic], lambda topic=topic: calls.append(topic))
    return feed, calls


# --- pairing ------------------------------------------------------------------------------------------------

def test_a_new_device_belongs_to_nobody_and_knows_itself_by_its_token(care, token, device):
    assert not device.paired and not device.watched and device.adjustment == Adjustment()
    assert care.devices.get(device.id) == device == care.devices.by_token(token)
    assert care.devices.by_token(care.devices.register()).id != device.id
    for wrong in ("", token[:-1], token + "x"):
        with pytest.raises(DeviceGone):
            care.devices.by_token(wrong)


def test_a_code_gives_the_device_to_a_person(care, people, token, device):
    code = care.devices.new_code(device.id)
    assert len(code) == 6 and code.isdigit()
    feed, calls = told(care, device_topic(device.id), person_topic(people[0]))
    assert care.devices.pair(f" {code} ", people[0], " 客厅 ") == device.id
    feed.look()
    assert sorted(calls) == sorted([device_topic(device.id), person_topic(people[0])])
    paired = care.devices.by_token(token)
    assert (paired.person_id, paired.person, paired.name) == (people[0], "妈妈", "客厅")
    assert paired.paired and paired.watched and paired.version > device.version
    assert [row.id for row in care.devices.of_person(people[0])] == [device.id]
    assert care.devices.row(device.id).paired_at == NOW


def test_a_code_pairs_once(care, people, device):
    code = care.devices.new_code(device.id)
    care.devices.pair(code, people[0], "客厅")
    for person in people:
        assert code_of(care.devices.pair, code, person, "客厅") == "code_wrong"
    assert code_of(care.devices.new_code, device.id) == "device_paired"
    assert care.devices.get(device.id).person_id == people[0]


def test_a_newer_code_ends_the_one_before_and_a_wrong_one_pairs_nothing(care, people, device):
    first, second = care.devices.new_code(device.id), care.devices.new_code(device.id)
    while first == second:
        second = care.devices.new_code(device.id)
    wrong = next(c for c in ("000000", "000001", "000002") if c not in (first, second))
    for code in (first, wrong, ""):
        assert code_of(care.devices.pair, code, people[0], "客厅") == "code_wrong"
    assert care.devices.pair(second, people[0], "客厅") == device.id


@pytest.mark.parametrize("passed, refused", [
    (CODE_LASTS, None), (CODE_LASTS + SECOND, "code_expired"), (-CODE_LASTS, None),
    (-CODE_LASTS - SECOND, "code_expired")], ids=["last moment", "late", "set back", "set far back"])
def test_a_code_lasts_so_long_also_by_a_clock_that_was_set_back(care, people, device, clock, passed, refused):
    code = care.devices.new_code(device.id)
    clock.now += passed
    if refused:
        assert code_of(care.devices.pair, code, people[0], "客厅") == refused
    else:
        assert care.devices.pair(code, people[0], "客厅") == device.id


def test_two_devices_never_show_the_same_code(care, people, device, monkeypatch):
    codes = iter(["123456", "123456", "123456", "654321"])
    monkeypatch.setattr(care.devices._secrets, "code", lambda: next(codes))
    other = care.devices.by_token(care.devices.register())
    assert care.devices.new_code(device.id) == "123456" and care.devices.new_code(other.id) == "654321"
    assert care.devices.pair("123456", people[0], "客厅") == device.id
    assert care.devices.pair("654321", people[0], "卧室") == other.id


def test_of_two_who_type_one_code_at_once_one_gets_the_device(care, people, device):
    code, gate, results = care.devices.new_code(device.id), threading.Barrier(2), []

    def hold(_connection, _cursor, sql, *_):
        if sql.startswith("UPDATE devices"):
            gate.wait(5)

    def pair(person):
        try:
            results.append(care.devices.pair(code, person, "客厅"))
        except (Refused, StoreError) as e:
            results.append(e)
    event.listen(care.engine, "before_cursor_execute", hold)
    threads = [threading.Thread(target=pair, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [r.code for r in results if isinstance(r, Refused)] == ["code_wrong"] and device.id in results
    assert sum(bool(care.devices.of_person(person)) for person in people) == 1


# --- cutting off ----------------------------------------------------------------------------------------------

def test_a_device_that_was_cut_off_is_gone(care, people, token, device):
    care.devices.pair(care.devices.new_code(device.id), people[0], "客厅")
    feed, calls = told(care, device_topic(device.id), person_topic(people[0]))
    care.devices.revoke(device.id)
    feed.look()
    assert len(calls) == 2 and care.devices.get(device.id) is None and care.devices.of_person(people[0]) == []
    with pytest.raises(DeviceGone) as gone:
        care.devices.by_token(token)
    assert (gone.value.status, gone.value.code) == (401, "device_gone")
    with pytest.raises(NotFound):
        care.devices.row(device.id)


def test_a_device_that_was_cut_off_before_it_was_paired_takes_no_code(care, people, device):
    code = care.devices.new_code(device.id)
    care.devices.revoke(device.id)
    assert code_of(care.devices.pair, code, people[0], "客厅") == "code_wrong"


def test_a_device_that_is_not_paired_has_no_page(care, device):
    for number in (device.id, device.id + 1):
        with pytest.raises(NotFound):
            care.devices.row(number)


# --- heard of -------------------------------------------------------------------------------------------------

def test_that_a_device_is_there_is_written_now_and_then_and_a_change_at_once(care, people, device, clock):
    care.devices.pair(care.devices.new_code(device.id), people[0], "客厅")
    feed, calls = told(care, person_topic(people[0]))
    seen = lambda: care.devices.row(device.id).last_seen_at
    clock.now += SECOND
    care.devices.check_in(device.id, True, True)
    assert seen() == NOW
    care.devices.check_in(device.id, False, True)
    assert seen() == clock.now and not care.devices.row(device.id).listening
    feed.look()
    assert len(calls) == 1
    clock.now += SEEN_EVERY
    care.devices.check_in(device.id, False, True)
    feed.look()
    assert seen() == clock.now and len(calls) == 1, "nothing new for the panel"
    clock.now -= datetime.timedelta(days=1)
    care.devices.check_in(device.id, False, True)
    assert seen() == clock.now, "a clock that was set back leaves no device in the future"


# --- settings ---------------------------------------------------------------------------------------------------

def test_what_is_set_from_afar_counts_from_the_next_version_on(care, people, device):
    care.devices.pair(care.devices.new_code(device.id), people[0], "客厅")
    before = care.devices.get(device.id)
    feed, calls = told(care, device_topic(device.id))
    care.devices.adjust(device.id, Adjustment(pace_cpm=140, large_type=True))
    feed.look()
    after = care.devices.get(device.id)
    assert calls and after.version > before.version and after.adjustment == Adjustment(pace_cpm=140, large_type=True)
    assert after.applied(before.applied(Session(), NOW), NOW).pace_cpm == 140


def test_a_wish_of_the_listener_does_not_undo_what_was_set_from_afar_meanwhile(care, people, device):
    care.devices.pair(care.devices.new_code(device.id), people[0], "客厅")
    at_the_turn = care.devices.get(device.id)
    care.devices.adjust(device.id, Adjustment(wait_s=20.0))
    with transaction(care.engine) as orm:
        care.devices.liked(orm, at_the_turn, Session(), Session(loudness_db=6))
    kept = care.devices.get(device.id).adjustment
    assert (kept.loudness_db, kept.wait_s) == (6, 20.0)
