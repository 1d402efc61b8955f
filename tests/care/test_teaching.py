"""What was not understood, and the check before it is taught, over real databases and the shipped guide."""

import dataclasses
import datetime
import functools
import threading
import time
from types import SimpleNamespace

import pytest

from service.care import teaching
from service.care.teaching import KEPT, MOST_MISSES, MOST_WAITING, Checks, Misses, Wish, suggested
from service.content.effects import neighbours
from service.content.problems import Problem
from service.content.proposal import Proposal, refused
from service.core.understanding import Understanding, labelled_lines
from service.errors import ModelError, NotFound, Refused
from service.store.database import open_database, transaction
from service.store.tables import MissRow, PersonRow, TalkRow, TurnRow
from service.talks import Edition
from tests.support import edition

NOON = datetime.datetime(2026, 11, 2, 12, tzinfo=datetime.UTC)
PHRASE = "红匣匣底下那张"
HERE = "m2_med"
MOST_REQUESTS = 3


@functools.cache
def small() -> Edition:
    """The shipped guide with few ways of asking, so that a check takes no time."""
    guide = edition().guide
    nodes = {i: dataclasses.replace(n, requests=n.requests[:MOST_REQUESTS],
                                    aspect_requests={a: lines[:1] for a, lines in n.aspect_requests.items()})
             for i, n in guide.nodes.items()}
    commands = {i: dataclasses.replace(c, phrases=c.phrases[:MOST_REQUESTS]) for i, c in guide.commands.items()}
    guide = dataclasses.replace(guide, nodes=nodes, commands=commands)
    return Edition(guide, Understanding(guide, without_learning(guide)), ())


def without_learning(_guide):
    return edition().understanding._classifier


def minutes(number: int) -> datetime.timedelta:
    return datetime.timedelta(minutes=number)


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch):
    monkeypatch.setattr(teaching, "PAUSE_S", 0)


@pytest.fixture
def engine(database_url):
    engine = open_database(database_url)
    with transaction(engine) as orm:
        orm.add_all(PersonRow(id=n, name=f"person {n}", created_at=NOON) for n in (1, 2, 3))
    yield engine
    engine.dispose()


@pytest.fixture
def misses(engine) -> Misses:
    return Misses(engine, lambda: NOON + minutes(60))


@pytest.fixture
def miss(engine):
    """Writes one; gives its number."""
    def add(person: int, text: str, count: int = 1, at: int = 0, kind="not_understood", meant=None,
            settled=None) -> int:
        with transaction(engine) as orm:
            row = MissRow(person_id=person, text=text, kind=kind, meant=meant, count=count, last_at=NOON + minutes(at),
                          settled_at=settled)
            orm.add(row)
            orm.flush()
            return row.id
    return add


# --- misses --------------------------------------------------------------------------------------------------

def test_the_same_sentence_of_several_people_is_one_and_the_most_frequent_is_first(misses, miss):
    first = miss(1, "甲", 2, at=1)
    second = miss(2, "甲", 3, at=5, kind="corrected", meant="m2")
    third = miss(1, "乙", 4, at=9)
    found = misses.open([1, 2])
    assert [(m.text, m.count, m.ids) for m in found] == [("甲", 5, (second, first)), ("乙", 4, (third,))]
    assert (found[0].kind, found[0].meant, found[0].last_at, found[0].person_ids) == (
        "corrected", "m2", NOON + minutes(5), (1, 2))
    assert [m.text for m in misses.open([1])] == ["乙", "甲"]


def test_equally_frequent_ones_come_by_time(misses, miss):
    miss(1, "甲", 2, at=1)
    miss(1, "乙", 2, at=2)
    assert [m.text for m in misses.open([1])] == ["乙", "甲"]


def test_nothing_of_other_people_and_nothing_that_is_settled_is_seen(misses, miss):
    miss(1, "甲", settled=NOON)
    own, other = miss(1, "乙"), miss(3, "乙", 9)
    assert [(m.text, m.count) for m in misses.open([1, 2])] == [("乙", 1)]
    assert misses.open([]) == []
    assert misses.get(own, [1]).count == 1
    with pytest.raises(NotFound):
        misses.get(other, [1, 2])
    with pytest.raises(NotFound):
        misses.get(10_000, [1])


def test_at_most_so_many_are_listed(engine, misses):
    with transaction(engine) as orm:
        orm.add_all(MissRow(person_id=1, text=str(n), kind="not_understood", count=n, last_at=NOON)
                    for n in range(1, MOST_MISSES + 11))
    found = misses.open([1])
    assert len(found) == MOST_MISSES and found[0].text == str(MOST_MISSES + 10)


def test_only_the_sentences_of_these_people_are_put_aside_and_only_once(engine, misses, miss):
    own, other = miss(1, "甲"), miss(2, "甲")
    assert misses.settle([own, other], [1]) == 1
    assert misses.settle([own], [1]) == 0
    assert [m.ids for m in misses.open([1, 2])] == [(other,)]
    with transaction(engine) as orm:
        assert orm.get(MissRow, own).settled_at == NOON + minutes(60)


@pytest.mark.parametrize("text, marked", [("我叫〔姓名〕", True), ("我的号码是〔号码〕", True), ("查社保", False)])
def test_what_was_redacted_is_known(misses, miss, text, marked):
    assert misses.get(miss(1, text), [1]).marked is marked


def test_suggestions_are_where_it_led_to_and_the_best_guesses():
    guide, understanding = edition().guide, edition().understanding
    found = suggested(guide, understanding, PHRASE, "m5_fraud")
    assert found[0] == "m5_fraud" and 2 <= len(found) <= 5 and len(set(found)) == len(found)
    assert set(found) <= guide.nodes.keys() - {"root"}
    assert suggested(guide, understanding, "查社保", "gone")[0] == "m1"
    assert suggested(guide, understanding, "", None) == ()


# --- the check -----------------------------------------------------------------------------------------------

def proposal(node_id: str = HERE, phrase: str = PHRASE, **changes) -> Proposal:
    """The guide with a phrase more, without a file."""
    guide = small().guide
    node = dataclasses.replace(guide.nodes[node_id], requests=(*guide.nodes[node_id].requests, phrase))
    return Proposal({"requests/taught.yaml": ("", phrase)}, (),
                    dataclasses.replace(guide, nodes={**guide.nodes, node_id: node}, **changes))


def wish(found: Proposal | None = None, phrase: str | None = PHRASE, account: int = 1) -> Wish:
    return Wish(account, "teach", HERE, proposal() if found is None else found, phrase)


@pytest.fixture
def engine_of_checks(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'checks.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def alone(engine_of_checks) -> Checks:
    """Checks without a turn to compare."""
    return Checks(engine_of_checks, small, without_learning)


@pytest.fixture
def checks(engine) -> Checks:
    return Checks(engine, small, without_learning)


def finished(check, seconds: float = 20):
    until = time.monotonic() + seconds
    while not check.done:
        assert time.monotonic() < until, "the check does not end"
        time.sleep(0.01)
    return check


@pytest.fixture
def turn(engine):
    def add(person: int, said: str | None, meaning: str | None, outcome: str = "match", at: int = 0) -> None:
        with transaction(engine) as orm:
            talk = f"{person}-{said}-{at}"
            orm.add(TalkRow(id=talk, session={}, turns=1, created_at=NOON, updated_at=NOON, person_id=person))
            orm.flush()
            orm.add(TurnRow(talk_id=talk, id="1", number=1, source="voice", outcome=outcome, node="root",
                            received_at=NOON + minutes(at), took_ms=1, reply={}, said=said, meaning=meaning))
    return add


def test_the_quick_part_is_there_at_once(alone):
    check = alone.start(wish())
    assert (check.understood, check.problems) == (None, ()) and check.id
    assert check.near == neighbours(small().guide, HERE, PHRASE) and check.near[0].node != HERE
    finished(check)


def test_a_new_way_of_asking_is_understood_then_and_breaks_nothing(alone):
    check = finished(alone.start(wish()))
    found = check.findings
    assert found.breaks == () and [(c.text, c.label, c.before, c.after) for c in found.mends] == [
        (PHRASE, HERE, None, HERE)]
    assert found.right_after == found.right_before + 1 and found.compared > len(small().guide.nodes)
    assert check.percent == 100 and check.allowed


def test_every_listed_way_of_asking_is_compared_and_right(alone):
    found = finished(alone.start(wish())).findings
    assert found.compared <= len(list(labelled_lines(small().guide))) + 1
    assert found.right_after == found.compared


def test_what_would_be_taken_away_is_reported(checks, turn):
    # Taught for another node, it takes away what is said and understood today.
    phrase, said = "医保卡上头的钱还有好多", "那个医保卡上头的钱还有好多啊"
    turn(1, said, "m2_med")
    found = finished(checks.start(wish(proposal("m5_fraud", phrase), phrase), [1])).findings
    assert [(c.text, c.label, c.before, c.after) for c in found.breaks] == [(said, "m2_med", "m2_med", "m5_fraud")]


def test_the_sentence_that_is_taught_is_right_where_it_is_taught(checks, turn):
    turn(1, PHRASE, "m5_fraud")
    found = finished(checks.start(wish(), [1])).findings
    assert PHRASE in {c.text for c in found.mends} and found.breaks == ()


def test_only_what_these_people_said_and_nobody_corrected_is_compared(checks, turn, miss):
    def compared() -> int:
        return finished(checks.start(wish(), [1])).findings.compared
    listed = compared()
    turn(1, "随便说一句甲", "m1")
    turn(2, "随便说一句乙", "m1")
    turn(1, "随便说一句丙", "!next")
    turn(1, "随便说一句丁", "#1")
    turn(1, "随便说一句戊", "?m1,m2", "ask")
    turn(1, None, "m1")
    turn(1, "随便说一句己", None, "no_match")
    assert compared() == listed + 1
    miss(1, "随便说一句甲", kind="corrected", meant="m2")
    assert compared() == listed


def test_with_a_problem_nothing_is_learnt_and_nothing_allowed(engine_of_checks):
    checks = Checks(engine_of_checks, small, lambda _: pytest.fail("learnt"))
    check = checks.start(wish(refused(Problem("f", "p", "fault", "remedy"))))
    assert check.done and not check.allowed and check.findings is None


@pytest.mark.parametrize("phrase", ["我叫〔姓名〕要查社保", "〔号码〕"])
def test_a_mark_is_a_problem(alone, phrase):
    check = alone.start(wish(phrase=phrase))
    assert "隐去" in check.problems[0].fault and not check.allowed


def test_where_only_what_is_said_changes_nothing_is_learnt(engine_of_checks):
    guide = small().guide
    node = dataclasses.replace(guide.nodes["m1"], say=guide.nodes["m1"].say[:1])
    edited = Proposal({}, (), dataclasses.replace(guide, version="2", nodes={**guide.nodes, "m1": node}))
    checks = Checks(engine_of_checks, small, lambda _: pytest.fail("learnt"))
    check = checks.start(Wish(1, "node", "m1", edited))
    assert check.done and check.allowed and check.findings.compared == 0


@pytest.mark.parametrize("error, code", [(ModelError("no"), "model_missing"), (ValueError("x"), "internal")])
def test_a_check_that_fails_says_so_and_allows_nothing(engine_of_checks, error, code):
    def learn(_guide):
        raise error
    check = finished(Checks(engine_of_checks, small, learn).start(wish()))
    assert check.failed == code and not check.allowed


def test_one_at_a_time_and_not_too_many(engine_of_checks):
    going, at_once, most = threading.Event(), [], []

    def learn(_guide):
        at_once.append(1)
        most.append(len(at_once))
        going.wait(10)
        at_once.pop()
        raise ModelError("enough")
    checks = Checks(engine_of_checks, small, learn)
    started = [checks.start(wish()) for _ in range(MOST_WAITING)]
    with pytest.raises(Refused, match="checks many"):
        checks.start(wish())
    waiting = [c for c in started if c.started is None]
    assert len(waiting) >= MOST_WAITING - 1 and {c.percent for c in waiting} == {0}
    going.set()
    for check in started:
        finished(check)
    assert max(most) == 1


def test_a_check_is_its_own_accounts_and_the_oldest_are_forgotten(engine_of_checks):
    checks = Checks(engine_of_checks, small, without_learning)
    broken = refused(Problem("f", "p", "fault", "remedy"))
    first = checks.start(wish(broken))
    assert checks.get(first.id, 1) is first
    for account, check_id in ((2, first.id), (1, "unknown")):
        with pytest.raises(NotFound):
            checks.get(check_id, account)
    with_words = checks.start(wish(broken), [1, 2])
    assert checks.get(with_words.id, 1, [1, 2, 3]) is with_words
    with pytest.raises(NotFound):
        checks.get(with_words.id, 1, [1])
    for _ in range(KEPT):
        checks.start(wish(broken))
    with pytest.raises(NotFound):
        checks.get(first.id, 1)


def test_the_percentage_only_grows(alone):
    check = alone.start(wish())
    seen = []
    while not check.done:
        seen.append(check.percent)
        time.sleep(0.005)
    assert seen == sorted(seen) and all(0 <= p < 100 for p in seen) and check.percent == 100


def test_the_edition_of_the_moment_is_asked(engine_of_checks):
    running = SimpleNamespace(guide=proposal().guide, understanding=small().understanding)
    # What is running has the phrase already: nothing changes.
    check = Checks(engine_of_checks, lambda: running, without_learning).start(wish())
    assert check.done and check.findings.compared == 0