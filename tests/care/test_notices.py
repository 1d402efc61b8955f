"""Notices: planned, due, read out on the right device, and answered, over a real database."""

import datetime
import threading
from types import SimpleNamespace

import pytest
from sqlalchemy import event

from service.care.adjusting import Adjustment
from service.care.care import open_care
from service.care.feed import Feed, device_topic, person_topic
from service.care.notices import LONGEST_TEXT, MOST_OF_A_DEVICE, WAITS, following
from service.core.dialog import Notice
from service.errors import NotFound, Refused
from service.store.database import open_database
from service.store.talks import TalkStore
from service.talks import Talks
from tests.meeting import code_of
from tests.support import QUICK_HASHER, edition

NOON = datetime.datetime(2026, 11, 23, 12, 0).astimezone()
"""Local time, as quiet hours are."""
HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)
SILENT = SimpleNamespace(prepare=lambda *_: None)


class Home:
    """Two devices of a person whom 小芳 cares for."""

    def __init__(self, url):
        self.now, self.engine = NOON, open_database(url)
        self.care = open_care(self.engine, bytes(32), lambda: self.now, QUICK_HASHER)
        self.owner = self.care.accounts.create_owner(self.care.accounts.owner_code(), "小芳", "correct horse").id
        self.person = self.care.people.create(self.owner, "妈妈", False)
        self.device, self.other = self.pair("客厅"), self.pair("卧室")
        self.talks = Talks(SimpleNamespace(edition=edition()), TalkStore(self.engine), SILENT, lambda: self.now,
                           self.care)

    def pair(self, name):
        device = self.care.devices.by_token(self.care.devices.register())
        return self.care.devices.pair(self.care.devices.new_code(device.id), self.person, name)

    @property
    def notices(self):
        return self.care.notices

    def plan(self, text="今天降温", at=None, repeats="once", node=None):
        return self.notices.plan(self.device, self.owner, node, text, at, repeats)

    def due(self):
        """Number of the reading that waits for the device now."""
        self.notices.come_due()
        return self.notices.waiting(self.device)

    def play(self, delivery, turn="notice"):
        """Read it out in a talk of its own."""
        talk = self.talks.open(device=self.care.devices.get(self.device)).talk_id
        return talk, self.talks.notice(talk, turn, delivery)

    @property
    def last(self):
        """The newest notice as the panel shows it."""
        return self.notices.of_device(self.device)[0]


@pytest.fixture
def home(database_url):
    home = Home(database_url)
    yield home
    home.engine.dispose()


@pytest.fixture
def alone(tmp_path):
    """The same where the kind of database does not matter."""
    home = Home(f"sqlite:///{tmp_path / 'guide.db'}")
    yield home
    home.engine.dispose()


# --- planning -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options, code", [
    ({"text": None}, "notice_empty"), ({"text": " \n "}, "notice_empty"), ({"text": "好", "node": "m1"}, "notice_empty"),
    ({"text": "好" * (LONGEST_TEXT + 1)}, "notice_long"), ({"text": "打 138 1234 5678"}, "notice_number"),
    ({"text": "密码是一三五七"}, "notice_number"), ({"repeats": "hourly"}, "repeats_unknown")], ids=repr)
def test_what_cannot_be_read_out_is_refused(alone, options, code):
    assert code_of(alone.plan, **options) == code
    assert alone.notices.of_device(alone.device) == []


@pytest.mark.parametrize("text", ["2026年12月5号去", "2026-12-05复查", "二零二六年", "8:30-10:00", "10-12点", "10-12岁", "带1000元", "打12333",
                                  "打96110"])
def test_days_times_amounts_and_telephones_of_services_are_no_numbers_of_somebody(alone, text):
    assert alone.plan(text)


@pytest.mark.parametrize("text", ["把验证码报给小王", "你去银行转账给他", "把钱转到安全账户", "密码告诉我一下"])
def test_what_swindlers_ask_for_is_refused_whoever_asks(alone, text):
    assert code_of(alone.plan, text) == "notice_money"


@pytest.mark.parametrize("text", ["验证码不要告诉别人", "有人喊你转账莫理他", "讲要密码的都是骗子", "把药吃了"])
def test_a_warning_of_swindlers_is_read_out(alone, text):
    assert alone.plan(text)


@pytest.mark.parametrize("text", ["打13812345678", "430404195001011234", "密码123456", "6217 2026 1234 5678", "0734-8123456",
                                  "打１２３４５６７８"])
def test_numbers_of_somebody_are_still_refused(alone, text):
    assert code_of(alone.plan, text) == "notice_number"


def test_so_many_of_a_device_are_planned_at_most(alone):
    for _ in range(MOST_OF_A_DEVICE):
        alone.plan(at=NOON + DAY)
    assert code_of(alone.plan) == "notices_many"
    alone.notices.cancel(alone.device, alone.last.id)
    assert alone.plan()


def test_a_notice_for_now_is_due_at_once_and_one_for_later_at_its_time(home):
    home.plan("现在")
    home.plan("晚一点", at=NOON + HOUR)
    home.plan("早就过了", at=NOON - DAY)
    assert home.last.first_at == NOON and home.last.state == "planned"
    home.notices.come_due()
    assert [n.state for n in home.notices.of_device(home.device)] == ["waiting", "planned", "waiting"]
    assert home.notices.read(home.device, home.due()) == Notice(home.due(), "小芳", text="现在")
    assert home.notices.waiting(home.other) is None
    home.now += HOUR
    home.notices.come_due()
    assert all(n.state == "waiting" and n.next_at is None for n in home.notices.of_device(home.device))


def test_the_device_and_the_panel_hear_of_what_is_due(alone):
    feed, calls = Feed(alone.engine), []
    for topic in (device_topic(alone.device), person_topic(alone.person), device_topic(alone.other)):
        feed.subscribe([topic], lambda topic=topic: calls.append(topic))
    alone.plan()
    alone.notices.come_due()
    feed.look()
    assert sorted(calls) == [device_topic(alone.device), person_topic(alone.person)]


def test_a_notice_is_made_due_once_also_by_two_who_look_at_once(home):
    for repeats in ("once", "daily"):
        home.plan(repeats=repeats)
    gate, met = threading.Barrier(2), []

    def hold(_connection, _cursor, sql, *_):
        if sql.startswith("SELECT notices.id"):
            met.append(gate.wait(5))
    event.listen(home.engine, "after_cursor_execute", hold)
    threads = [threading.Thread(target=home.notices.come_due) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    event.remove(home.engine, "after_cursor_execute", hold)
    assert sorted(met) == [0, 1], "both have read the same notices before either takes one"
    played = 0
    while home.due():
        home.play(home.due())
        played += 1
    assert played == 2


# --- again and again ----------------------------------------------------------------------------------------------

def dates(first, repeats, count):
    """The next days from the first on."""
    found, at = [], first
    for _ in range(count):
        at = following(first, repeats, at)
        found.append(at.astimezone().date().isoformat())
    return found


@pytest.mark.parametrize("first, repeats, days", [
    ("2026-11-23", "daily", ["2026-11-24", "2026-11-25"]), ("2026-12-30", "weekly", ["2027-01-06", "2027-01-13"]),
    ("2027-12-31", "monthly", ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]),
    ("2027-01-31", "monthly", ["2027-02-28", "2027-03-31"]),
    ("2028-02-29", "yearly", ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"])])
def test_a_day_that_a_month_lacks_becomes_its_last_one(first, repeats, days):
    at = datetime.datetime.fromisoformat(f"{first}T09:30").astimezone()
    assert dates(at, repeats, len(days)) == days
    assert following(at, repeats, at).astimezone().time() == datetime.time(9, 30)


def test_what_was_missed_is_not_made_up_for(alone):
    first = NOON + HOUR
    assert following(first, "daily", first + 10 * DAY) == first + 11 * DAY, "after, not at"
    assert following(first, "once", first) is None
    alone.plan(at=first, repeats="daily")
    alone.now = first + 3 * DAY + HOUR
    assert alone.due() is None, "the first one is too old by now"
    assert alone.last.next_at == first + 4 * DAY


def test_a_repeated_notice_is_due_again_and_again_until_it_is_cancelled(alone):
    notice = alone.plan(repeats="daily")
    first = alone.due()
    alone.play(first)
    assert alone.due() is None
    alone.now += DAY
    second = alone.due()
    assert second not in (first, None) and alone.last.state == "waiting"
    alone.notices.cancel(alone.device, notice)
    alone.now += DAY
    assert alone.due() is None and alone.last.next_at is None
    assert alone.last.played_at == NOON, "what was read out stays in the list"


# --- not at every time ----------------------------------------------------------------------------------------------

def test_nothing_becomes_due_in_quiet_hours_but_after_them(alone):
    alone.care.devices.adjust(alone.device, Adjustment(quiet_from="22:00", quiet_to="07:00"))
    alone.plan(at=NOON.replace(hour=23))
    for now in (NOON.replace(hour=23), NOON.replace(hour=23, minute=59), (NOON + DAY).replace(hour=6)):
        alone.now = now
        assert alone.due() is None
    alone.now = (NOON + DAY).replace(hour=7)
    assert alone.due() and alone.last.due_at == NOON.replace(hour=23)


def test_what_could_not_be_read_before_the_quiet_hours_waits_for_their_end(alone):
    alone.care.devices.adjust(alone.device, Adjustment(quiet_from="22:00", quiet_to="07:00"))
    alone.plan(at=NOON.replace(hour=21, minute=59))
    alone.now = NOON.replace(hour=21, minute=59)
    assert alone.due()
    alone.now = NOON.replace(hour=23)
    assert alone.due() is None


def test_a_reading_that_nobody_could_be_given_is_dropped(alone):
    alone.plan()
    assert alone.due()
    alone.now += WAITS - datetime.timedelta(seconds=1)
    assert alone.due()
    alone.now += datetime.timedelta(seconds=1)
    assert alone.due() is None


def test_the_panel_shows_that_a_reading_was_dropped(alone):
    alone.plan()
    alone.notices.come_due()
    alone.now += WAITS + HOUR
    assert alone.last.state == "not_heard"


def test_a_device_that_was_cut_off_gets_nothing(alone):
    alone.plan()
    alone.care.devices.revoke(alone.device)
    assert alone.due() is None


# --- of whom it is ----------------------------------------------------------------------------------------------------

def test_what_is_of_another_device_is_not_found(home):
    notice = home.plan()
    delivery = home.due()
    for call in (lambda: home.notices.read(home.other, delivery), lambda: home.notices.cancel(home.other, notice),
                 lambda: home.notices.read(home.device, delivery + 1), lambda: home.notices.cancel(home.device, 99)):
        with pytest.raises((NotFound, Refused)):
            call()
    talk = home.talks.open(device=home.care.devices.get(home.other)).talk_id
    with pytest.raises(Refused):
        home.talks.notice(talk, "a", delivery)
    with pytest.raises(Refused):
        home.talks.notice(home.talks.open().talk_id, "a", delivery)
    assert home.due() == delivery, "it still waits"


def test_a_notice_that_was_cancelled_in_time_is_not_read_out(home):
    notice = home.plan()
    delivery = home.due()
    home.notices.cancel(home.device, notice)
    assert home.due() is None
    with pytest.raises(Refused):
        home.play(delivery)


# --- in a talk --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("press, answer", [("1", "heard"), ("2", "declined")])
def test_how_a_notice_was_answered_is_seen(home, press, answer):
    home.plan("今天降温")
    talk, view = home.play(home.due())
    assert view.reply.sentences[:2] == ("小芳有话跟您说。", "今天降温。") and view.reply.state == "notice"
    assert home.last.state == "played" and home.last.played_at == home.now and home.due() is None
    home.now += HOUR
    home.talks.press(talk, "answer", press)
    assert home.last.state == home.last.answer == answer and home.last.answered_at == home.now
    home.talks.press(talk, "later", "1")
    assert home.last.answer == answer


def test_a_section_is_read_out_and_what_nobody_answers_stays_played(alone):
    alone.plan(None, node="m5_fraud")
    talk, view = alone.play(alone.due())
    assert view.reply.state == "notice" and alone.last.node == "m5_fraud"
    assert alone.talks.press(talk, "a", "9").reply.node == "root"
    alone.talks.press(talk, "b", "1")
    assert alone.last.state == "played"


def test_a_notice_is_answered_where_nobody_may_look_too(alone):
    alone.care.people.share(alone.person, False)
    alone.plan()
    talk, _ = alone.play(alone.due())
    alone.talks.press(talk, "a", "1")
    assert alone.last.state == "heard"


def test_the_same_turn_reads_a_notice_once(alone):
    alone.plan()
    delivery = alone.due()
    talk, view = alone.play(delivery)
    assert alone.talks.notice(talk, "notice", delivery) == view and alone.talks.last(talk) == view


def test_a_reading_that_was_answered_is_not_read_again(alone):
    alone.plan()
    delivery = alone.due()
    talk, _ = alone.play(delivery)
    alone.talks.press(talk, "a", "1")
    with pytest.raises(Refused):
        alone.play(delivery, "again")
