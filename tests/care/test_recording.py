"""Recording: what a turn at a device leaves behind, and what it does not, over a real database."""

import datetime
import threading
from types import SimpleNamespace

import pytest
from sqlalchemy import event, select

from service.care.care import open_care
from service.core.redaction import NAME, NUMBER
from service.errors import NotFound, StoreError
from service.store.database import open_database, transaction
from service.store.tables import AuditRow, CountRow, IncidentRow, MissRow, TalkRow, TurnRow
from service.store.talks import TalkStore
from service.talks import Talks
from tests.support import QUICK_HASHER, edition

NOW = datetime.datetime(2026, 11, 30, 4, 0, tzinfo=datetime.UTC)
NONSENSE = "阿弥陀佛保佑"
NOTED = "您要人帮忙，我记下了，照看您的人看得到。"
SILENT = SimpleNamespace(prepare=lambda *_: None)


class Place:
    """A device of somebody, or of everybody, and one talk at it."""

    def __init__(self, url, shared=False):
        self.now, self.engine, self.turns = NOW, open_database(url), 0
        self.care = open_care(self.engine, bytes(32), lambda: self.now, QUICK_HASHER)
        self.owner = self.care.accounts.create_owner(self.care.accounts.owner_code(), "小芳", "correct horse").id
        self.person = self.care.people.create(self.owner, "社区" if shared else "妈妈", shared)
        self.token = self.care.devices.register()
        self.care.devices.pair(self.care.devices.new_code(self.device.id), self.person, "客厅")
        self.talks = Talks(SimpleNamespace(edition=edition()), TalkStore(self.engine), SILENT, lambda: self.now,
                           self.care)
        self.talk = self.open()

    @property
    def device(self):
        return self.care.devices.by_token(self.token)

    def open(self):
        return self.talks.open(device=self.device).talk_id

    def turn(self):
        self.turns += 1
        return f"t{self.turns}"

    def say(self, *texts):
        for text in texts:
            view = self.talks.say(self.talk, self.turn(), text)
        return view.reply

    def do(self, *names):
        for name in names:
            view = self.talks.command(self.talk, self.turn(), name)
        return view.reply

    def press(self, *keys):
        for key in keys:
            view = self.talks.press(self.talk, self.turn(), key)
        return view.reply

    def rows(self, table, **wanted):
        with transaction(self.engine) as orm:
            return list(orm.scalars(select(table).filter_by(**wanted)))

    def count(self, measure, node=None):
        return sum(row.count for row in self.rows(CountRow, measure=measure) if node in (None, row.node))

    def misses(self):
        return [(row.text, row.kind, row.meant, row.count) for row in self.rows(MissRow)]

    def incidents(self):
        return [(i.kind, i.node, i.step, i.count)
                for i in self.care.history.open_incidents(self.care.people.of(self.owner))]


@pytest.fixture
def home(database_url):
    home = Place(database_url)
    yield home
    home.engine.dispose()


@pytest.fixture
def hall(tmp_path):
    """A place whose device is for everybody."""
    hall = Place(f"sqlite:///{tmp_path / 'hall.db'}", shared=True)
    yield hall
    hall.engine.dispose()


@pytest.fixture
def alone(tmp_path):
    """As ``home``, where the kind of database does not matter."""
    home = Place(f"sqlite:///{tmp_path / 'guide.db'}")
    yield home
    home.engine.dispose()


# --- words --------------------------------------------------------------------------------------------------

def test_what_was_said_is_kept_without_numbers_and_names_with_what_was_understood(home):
    home.say("我叫王桂兰，电话13812345678，医保卡里的钱")
    home.say("下一步", NONSENSE)
    home.press("1")
    kept = [(t.said, t.meaning) for t in home.care.history.talk(home.talk).turns[1:]]
    assert kept[0] == (f"我叫{NAME}，电话{NUMBER}，医保卡里的钱", "m2_med")
    assert kept[1:] == [("下一步", "!next"), (NONSENSE, None), (None, None)], "and never which key was pressed"


def test_at_a_device_that_is_not_paired_nothing_is_kept(alone):
    device = alone.care.devices.by_token(alone.care.devices.register())
    talk = alone.talks.open(device=device).talk_id
    before = len(alone.rows(CountRow))
    for number, text in enumerate(("医保卡里的钱", NONSENSE, NONSENSE, "叫个人来帮我")):
        view = alone.talks.say(talk, f"u{number}", text)
    assert NOTED not in view.reply.sentences
    assert not [t for t in alone.rows(TurnRow, talk_id=talk) if t.said or t.meaning]
    assert (len(alone.rows(CountRow)), alone.rows(IncidentRow), alone.rows(MissRow)) == (before, [], [])
    with pytest.raises(NotFound):
        alone.care.history.talk(talk)


# --- incidents ------------------------------------------------------------------------------------------------

def test_what_happens_again_at_one_place_is_counted_and_elsewhere_it_is_another_one(home):
    assert home.press("0").sentences[0] == NOTED
    home.press("9", "0", "9", "1", "0")
    assert sorted(home.incidents()) == [("help", "m1", None, 1), ("help", "root", None, 2)]
    home.press("9", "1", "1", "1", "#", "#", "#")
    home.do("stop")
    assert {("stuck", "m1_counter", 2, 1), ("gave_up", "m1_counter", 2, 1)} <= set(home.incidents())


def test_the_newest_talk_and_time_of_an_incident_count_and_when_it_began(alone):
    alone.press("0")
    alone.now += datetime.timedelta(hours=1)
    alone.talk = alone.open()
    alone.press("0")
    (row,) = alone.rows(IncidentRow)
    assert (row.talk_id, row.opened_at, row.updated_at, row.count) == (alone.talk, NOW, alone.now, 2)


def test_who_cannot_be_understood_needs_somebody(alone):
    alone.say(NONSENSE, NONSENSE, NONSENSE)
    assert alone.incidents() == [("not_understood", "root", None, 1)]


# --- sentences that were not understood -------------------------------------------------------------------------

def test_what_was_not_understood_is_kept_once_and_counted(home):
    home.say(NONSENSE, "医保卡里的钱", NONSENSE, "我叫王桂兰，哎哟喂哎哟喂")
    assert home.misses() == [(NONSENSE, "not_understood", None, 2),
                             (f"我叫{NAME}，哎哟喂哎哟喂", "not_understood", None, 1)]


def test_a_correction_keeps_the_sentence_before_with_where_it_led(home):
    assert home.say("查一下医保卡里的钱").node == "m2_med"
    assert home.say("不对，我问的是开缴费证明").node == "m3_cert"
    assert home.misses() == [("查一下医保卡里的钱", "corrected", "m3_cert", 1)]


def test_a_correction_is_of_the_last_request_and_not_of_a_command_since_then(alone):
    alone.say("查一下医保卡里的钱", "讲慢一点")
    assert alone.say("不对，我问的是开缴费证明").node == "m3_cert"
    assert alone.misses() == [("查一下医保卡里的钱", "corrected", "m3_cert", 1)]


def test_a_correction_with_nothing_said_before_keeps_nothing(alone):
    alone.press("1")
    alone.say("不对，我问的是开缴费证明")
    assert alone.misses() == []


@pytest.mark.parametrize("rest", ["pause", "stop"])
def test_what_others_say_beside_a_listener_who_rests_is_no_miss(alone, rest):
    alone.do(rest)
    alone.say("晚上吃么子菜咯", NONSENSE)
    assert alone.misses() == []


def test_at_two_devices_the_same_said_at_once_is_answered_at_both(home):
    token = home.care.devices.register()
    home.care.devices.pair(home.care.devices.new_code(home.care.devices.by_token(token).id), home.person, "卧室")
    talks = [home.talk, home.talks.open(device=home.care.devices.by_token(token)).talk_id]
    gate, results = threading.Barrier(2), []

    def hold(_connection, _cursor, sql, *_):
        if sql.startswith("INSERT INTO misses"):
            try:
                gate.wait(0.5)
            except threading.BrokenBarrierError:
                pass

    def say(talk):
        try:
            results.append(home.talks.say(talk, "at-once", NONSENSE).number)
        except StoreError as e:
            results.append(str(e))
    event.listen(home.engine, "before_cursor_execute", hold)
    threads = [threading.Thread(target=say, args=(talk,)) for talk in talks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == [2, 2]
    assert home.misses() == [(NONSENSE, "not_understood", None, 2)]


# --- counts -----------------------------------------------------------------------------------------------------

def test_what_happens_is_counted_by_hour_for_the_figures(home):
    home.press("1", "2", "1", "1")
    home.say("医保卡里的钱", NONSENSE, "医保")
    assert (home.count("talk"), home.count("begun", "m1_kiosk"), home.count("finished", "m1_kiosk")) == (1, 1, 1)
    assert [home.count(measure, "m2_med") for measure in ("visit", "understood", "missed")] == [1, 1, 1]
    home.now += datetime.timedelta(hours=2)
    home.talk = home.open()
    rows = home.rows(CountRow, measure="talk")
    local = NOW.astimezone()
    assert sorted((r.device_id, r.day, r.hour, r.count) for r in rows) == sorted(
        (home.device.id, at.date(), at.hour, 1) for at in (local, home.now.astimezone()))


def test_the_same_is_counted_up_and_not_while_the_listener_rests(home):
    home.press("1", "9", "1")
    assert home.count("visit", "m1") == 2
    home.do("pause")
    home.say(NONSENSE, NONSENSE)
    assert home.count("missed") == 0
    home.press("1")
    assert home.count("begun") == 1


# --- nobody may look ----------------------------------------------------------------------------------------------

def test_while_nobody_may_look_nothing_is_kept_but_a_call_for_help_is_heard(home):
    home.care.people.share(home.person, False)
    home.talk = home.open()
    before = len(home.rows(CountRow))
    home.say("医保卡里的钱", NONSENSE, NONSENSE)
    home.press("9", "1", "1", "1", "#", "#", "#")
    assert len(home.rows(CountRow)) == before and home.rows(IncidentRow) == home.rows(MissRow) == []
    assert home.press("0").sentences[0] == NOTED
    assert home.incidents() == [("help", "m1_counter", 2, 1)]
    (row,) = home.rows(IncidentRow)
    assert row.talk_id is None, "but not what was talked about"
    assert not [t for t in home.rows(TurnRow, talk_id=home.talk) if t.said or t.meaning]
    assert home.rows(TalkRow, id=home.talk)[0].person_id is None
    home.care.people.share(home.person, True)
    with pytest.raises(NotFound):
        home.care.history.talk(home.talk)


def test_whoever_says_so_takes_the_whole_talk_away_from_view(home):
    home.say("医保卡里的钱")
    earlier = home.talk
    home.now += datetime.timedelta(hours=2)
    beside, home.talk = home.open(), home.open()
    home.say("去大厅窗口查", "叫个人来帮我")
    reply = home.say("不要让别人看我的记录")
    assert reply.sentences[0] == "好，从现在起，别人看不到了。" and not home.device.watched
    assert home.rows(TalkRow, id=home.talk)[0].person_id is None
    with pytest.raises(NotFound):
        home.care.history.talk(home.talk)
    assert [t.id for t in home.care.history.talks(home.person)] == [earlier]
    assert home.rows(TalkRow, id=beside)[0].person_id is None, "another one that was going on, too"
    assert home.incidents() == [("help", "m1_counter", 1, 1)]
    home.say(NONSENSE)
    assert home.misses() == []
    assert home.say("可以让我女儿看").sentences[0] == "好，照看您的人又可以看了。"
    assert home.device.watched
    with pytest.raises(NotFound):
        home.care.history.talk(home.talk)
    assert [(a.action, a.account_id) for a in home.rows(AuditRow)] == [("private", None), ("share", None)]


def test_saying_it_twice_changes_nothing_more(alone):
    alone.do("private", "private")
    assert [a.action for a in alone.rows(AuditRow)] == ["private"]


def test_of_who_wants_nobody_to_look_only_calls_for_help_are_shown(alone):
    alone.press("0", "9", "1", "1", "#", "#", "#")
    assert {i[0] for i in alone.incidents()} == {"help", "stuck"}
    alone.care.people.share(alone.person, False)
    assert [i[0] for i in alone.incidents()] == ["help"]


# --- who looked ---------------------------------------------------------------------------------------------------

def test_who_looked_is_named_to_the_listener(home):
    assert home.do("looked").sentences[0] == "这个月还没有人看过您的记录。"
    home.care.audit.looked(home.owner, [home.person], "talks")
    home.care.audit.looked(home.owner, [home.person], "talks")
    assert len(home.rows(AuditRow)) == 1, "the same within minutes is written down once"
    assert home.say("谁看过我的记录").sentences[0] == "这个月看过的人有，小芳。"
    home.now += datetime.timedelta(days=32)
    assert home.do("looked").sentences[0] == "这个月还没有人看过您的记录。"


@pytest.mark.parametrize("command", ["looked", "private", "share"])
def test_at_a_place_for_everybody_nobody_can_say_for_the_others(hall, command):
    assert hall.do(command).sentences[0] == "这台机器大家都用，不记您是哪一位。"
    assert hall.device.watched and hall.rows(AuditRow) == []


# --- pairing ------------------------------------------------------------------------------------------------------

def test_the_code_is_said_and_shown_and_pairs_the_device(alone):
    token = alone.care.devices.register()
    alone.talk = alone.talks.open(device=alone.care.devices.by_token(token)).talk_id
    reply = alone.do("pair")
    (code,) = reply.shown
    alone.care.devices.pair(code, alone.person, "卧室")
    assert alone.talks.joined(alone.talk, "joined").reply.sentences[0] == "".join(
        edition().guide.prompts["paired"][:1])
    assert alone.press("0").sentences[0] == NOTED
    assert alone.care.devices.by_token(token).person == "妈妈"
    assert alone.do("pair").sentences[0] == "已经连着妈妈了，不用再连。"


def test_who_was_cut_off_is_not_told_that_somebody_sees_the_call(alone):
    alone.press("1")
    alone.care.devices.revoke(alone.device.id)
    assert alone.talks.joined(alone.talk, "joined").reply.sentences[0] == "这台机器跟家里人断开了。"
    reply = alone.press("0")
    assert alone.rows(IncidentRow) == [] and NOTED not in reply.sentences
