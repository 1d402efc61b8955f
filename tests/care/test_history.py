"""History: what needs attention, who takes care of it, and talks as they were lived, over a real database."""

import datetime
import threading
from types import SimpleNamespace

import pytest
from sqlalchemy import event

from service.care.care import open_care
from service.care.feed import Feed, device_topic, person_topic
from service.care.history import LONGEST_NOTE, SILENT_AFTER, SHOWN
from service.core.redaction import NUMBER
from service.errors import NotFound, Refused, StoreError
from service.store.database import open_database, transaction
from service.store.talks import TalkStore
from service.talks import Talks
from service.store.tables import IncidentRow
from tests.meeting import code_of
from tests.support import QUICK_HASHER, edition

NOON = datetime.datetime(2026, 11, 23, 4, 0, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)
SILENT = SimpleNamespace(prepare=lambda *_: None)


class Home:
    """A device of 妈妈, whom 小芳 and 老李 care for."""

    def __init__(self, url):
        self.now, self.engine, self.turns = NOON, open_database(url), 0
        self.care = open_care(self.engine, bytes(32), lambda: self.now, QUICK_HASHER)
        self.owner = self.care.accounts.create_owner(self.care.accounts.owner_code(), "小芳", "correct horse").id
        with transaction(self.engine) as orm:
            self.other = self.care.accounts.create(orm, "老李", "correct horse").id
        self.person = self.care.people.create(self.owner, "妈妈", False)
        device = self.care.devices.by_token(self.care.devices.register())
        self.device = self.care.devices.pair(self.care.devices.new_code(device.id), self.person, "客厅")
        self.talks = Talks(SimpleNamespace(edition=edition()), TalkStore(self.engine), SILENT, lambda: self.now,
                           self.care)

    @property
    def history(self):
        return self.care.history

    def talk(self, *keys):
        """A talk in which these keys are pressed, a minute apart."""
        talk = self.talks.open(device=self.care.devices.get(self.device)).talk_id
        for number, key in enumerate(keys):
            self.now += 60 * SECOND
            self.talks.press(talk, f"t{number}", key)
        return talk

    def seen(self, account=None):
        return self.history.open_incidents(self.care.people.of(account or self.owner))

    def done(self):
        return self.history.closed_incidents(self.care.people.of(self.owner))

    def calls_for_help(self):
        """Number of an open incident."""
        self.talk("0")
        return self.seen()[0].id


@pytest.fixture
def home(database_url):
    home = Home(database_url)
    yield home
    home.engine.dispose()


# --- attention --------------------------------------------------------------------------------------------------

def test_the_most_urgent_is_first_and_of_equals_the_last(home):
    home.talk("1", "1", "#", "#", "#")
    talk = home.talks.open(device=home.care.devices.get(home.device)).talk_id
    for turn in "ab":
        home.talks.say(talk, turn, "阿弥陀佛保佑")
    home.talk("1", "0")
    home.now += SECOND
    home.talk("0")
    assert [(i.kind, i.node) for i in home.seen()] == [
        ("help", "root"), ("help", "m1"), ("stuck", "m1_counter"), ("not_understood", "root")]
    first = home.seen()[0]
    assert (first.person, first.device, first.count, first.closed_at, first.note) == ("妈妈", "客厅", 1, None, "")
    assert home.history.incident(first.id) == first
    assert home.seen(home.other) == [], "who has no role sees nothing"
    with pytest.raises(NotFound):
        home.history.incident(999)


def test_a_call_for_help_is_on_the_list_however_much_else_is_newer(home):
    home.calls_for_help()
    later = home.now + 60 * SECOND
    with transaction(home.engine) as orm:
        orm.add_all(IncidentRow(person_id=home.person, device_id=home.device, kind="not_understood", node=f"n{n}",
                                opened_at=later, updated_at=later) for n in range(SHOWN + 1))
    found = home.seen()
    assert len(found) == SHOWN and found[0].kind == "help"


def test_who_takes_care_of_it_is_seen_by_the_others(home):
    incident = home.calls_for_help()
    home.now += SECOND
    home.history.claim(incident, home.owner)
    found = home.history.incident(incident)
    assert (found.claimed_by, found.claimed_name, found.claimed_at) == (home.owner, "小芳", home.now)
    assert code_of(home.history.claim, incident, home.other) == "claimed_by_other"
    home.history.claim(incident, home.owner)
    assert code_of(home.history.release, incident, home.other) == "not_claimed"
    home.history.release(incident, home.owner)
    assert home.history.incident(incident).claimed_by is None
    assert code_of(home.history.release, incident, home.owner) == "not_claimed"
    home.history.claim(incident, home.other)
    assert home.history.incident(incident).claimed_name == "老李"


def test_of_two_who_claim_at_once_one_has_it(home):
    incident, gate, results = home.calls_for_help(), threading.Barrier(2), []

    def hold(_connection, _cursor, sql, *_):
        if sql.startswith("UPDATE incidents"):
            gate.wait(5)

    def claim(account):
        try:
            home.history.claim(incident, account)
            results.append(account)
        except (Refused, StoreError) as e:
            results.append(e)
    event.listen(home.engine, "before_cursor_execute", hold)
    threads = [threading.Thread(target=claim, args=(account,)) for account in (home.owner, home.other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [r.code for r in results if isinstance(r, Refused)] == ["claimed_by_other"]
    assert home.history.incident(incident).claimed_by in results


def test_what_is_done_leaves_the_list_with_its_first_note(home):
    incident = home.calls_for_help()
    home.history.close(incident, home.other, f"  打了13812345678 {'好' * 500} ")
    (done,) = home.done()
    assert home.seen() == [] and done.id == incident and done.closed_name == "老李" and done.closed_at == home.now
    assert done.note.startswith(f"打了{NUMBER} 好") and len(done.note) == LONGEST_NOTE
    assert code_of(home.history.close, incident, home.owner, "又一次") == "closed_already"
    assert code_of(home.history.claim, incident, home.owner) == "claimed_by_other"
    assert home.history.incident(incident).note == done.note
    home.talk("0")
    assert [i.id != incident and i.count for i in home.seen()] == [1], "what happens afterwards is another one"


def test_the_panel_and_the_device_hear_of_each_change(home):
    incident = home.calls_for_help()
    feed, calls = Feed(home.engine), []
    for topic in (person_topic(home.person), device_topic(home.device)):
        feed.subscribe([topic], lambda topic=topic: calls.append(topic))
    for change in (lambda: home.history.claim(incident, home.owner), lambda: home.history.release(incident, home.owner),
                   lambda: home.history.close(incident, home.owner, "")):
        calls.clear()
        change()
        feed.look()
        assert len(calls) == 2
    with pytest.raises(Refused):
        home.history.close(incident, home.owner, "")
    feed.look()
    assert len(calls) == 2, "a refusal is no change"


# --- devices ----------------------------------------------------------------------------------------------------

def test_a_device_is_deaf_or_mute_or_silent(home):
    faults = lambda: [f.kind for f in home.history.faults(home.care.people.of(home.owner))]
    assert faults() == []
    home.care.devices.check_in(home.device, False, False)
    assert faults() == ["deaf", "mute"]
    home.care.devices.check_in(home.device, True, False)
    assert faults() == ["mute"]
    home.now += SILENT_AFTER
    assert faults() == ["mute"]
    home.now += SECOND
    assert faults() == ["silent"]
    assert home.history.faults(home.care.people.of(home.other)) == []
    home.care.devices.revoke(home.device)
    assert faults() == []


# --- talks ------------------------------------------------------------------------------------------------------

def test_a_talk_is_shown_as_it_was_lived(home):
    talk = home.talk("1", "1")
    home.now += 5 * SECOND
    home.talks.say(talk, "said", "医保卡里的钱")
    view = home.history.talk(talk)
    assert (view.person_id, view.device, view.ended_at, view.incidents) == (home.person, "客厅", None, ())
    assert [t.number for t in view.turns] == [1, 2, 3, 4] and [t.source for t in view.turns] == [
        "start", "key", "key", "text"]
    assert [t.pause_s for t in view.turns] == [0, 60, 60, 5]
    assert view.turns[2].step == (1, 7) and view.turns[2].node == "m1_counter"
    last = view.turns[-1]
    assert (last.said, last.meaning, last.node) == ("医保卡里的钱", "m2_med", "m2_med")
    assert last.answer == home.talks.last(talk).reply.sentences
    home.talks.end(talk)
    assert home.history.talk(talk).ended_at == home.now


def test_the_newest_talks_are_first_and_go_on_behind_a_time(home):
    talks = []
    for _ in range(3):
        home.now += 60 * SECOND
        talks.append(home.talk())
    found = home.history.talks(home.person)
    assert [t.id for t in found] == talks[::-1] and found[0].turns == 1 and found[0].device == "客厅"
    assert [t.id for t in home.history.talks(home.person, before=found[1].created_at)] == talks[:1]
    assert home.history.talks(home.person + 1) == []


def test_a_talk_that_is_nobodys_to_see_is_not_found(home):
    for talk in (home.talks.open().talk_id, "unknown"):
        with pytest.raises(NotFound):
            home.history.talk(talk)
    assert home.history.talks(home.person) == []


def test_the_incidents_of_a_talk_are_shown_with_it(home):
    talk = home.talk("1", "1", "0")
    (incident,) = home.history.talk(talk).incidents
    assert (incident.kind, incident.node, incident.step, incident.talk_id) == ("help", "m1_counter", 1, talk)
