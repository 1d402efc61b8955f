"""Talks and turns: committed together, kept through a kill, told apart from anybody else's."""

import datetime
import json
import signal
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest
from sqlalchemy import text

from service.core.dialog import Key, Session, advance
from service.errors import Ended, NotFound, StoreError
from service.store import database
from service.store.database import open_database
from service.store.talks import Conflict, TalkStore, Turn
from tests.support import ROOT, guide

NOW = datetime.datetime(2026, 11, 23, 8, 0, tzinfo=datetime.UTC)
FIRST = Turn("talk", "t1", 1, "start", "start", "root", NOW, 1.5, {"sentences": ["您好。"]})


def numbered(number: int, turn_id: str = "", talk_id: str = "talk") -> Turn:
    return replace(FIRST, id=turn_id or f"t{number}", number=number, source="key", outcome="key", talk_id=talk_id,
                   reply={"sentences": [f"第{number}句。"]})


@pytest.fixture
def store(engine) -> TalkStore:
    store = TalkStore(engine)
    store.create({"node": "root"}, FIRST)
    return store


def test_a_talk_is_kept_with_its_first_turn(store: TalkStore):
    talk = store.load("talk")
    assert (talk.id, talk.session, talk.turns) == ("talk", {"node": "root"}, 1)
    assert store.last_turn("talk").reply == {"sentences": ["您好。"]}


def test_a_commit_keeps_the_session_and_the_turn(store: TalkStore):
    store.commit({"node": "m1"}, numbered(2))
    assert store.load("talk").session == {"node": "m1"}
    assert store.load("talk").turns == 2
    assert store.turn("talk", "t2").reply == {"sentences": ["第2句。"]}
    assert store.last_turn("talk").number == 2


@pytest.mark.parametrize("late", [numbered(2, "other"), numbered(4), numbered(3, "t2")],
                         ids=["the number is taken", "a number is left out", "the turn's id is taken"])
def test_a_commit_that_does_not_follow_is_a_conflict_and_changes_nothing(store: TalkStore, late: Turn):
    store.commit({"node": "m1"}, numbered(2))
    with pytest.raises(Conflict):
        store.commit({"node": "m5"}, late)
    assert store.load("talk").session == {"node": "m1"} and store.load("talk").turns == 2
    assert store.turn("talk", "t2").number == 2
    assert store.last_turn("talk").id == "t2"


def test_two_talks_may_use_the_same_turn_ids(store: TalkStore):
    store.create({"node": "root"}, replace(FIRST, talk_id="other"))
    store.commit({"node": "m2"}, numbered(2, talk_id="other"))
    assert store.turn("talk", "t2") is None
    assert store.load("talk").session == {"node": "root"}


def test_an_ended_talk_takes_no_turns_and_may_be_ended_twice(store: TalkStore):
    store.end("talk", NOW)
    store.end("talk", NOW)
    with pytest.raises(Ended):
        store.load("talk")
    with pytest.raises(Conflict):
        store.commit({"node": "m1"}, numbered(2))
    assert store.last_turn("talk").number == 1


def test_an_unknown_talk_is_not_found(store: TalkStore):
    with pytest.raises(NotFound):
        store.load("nobody")
    with pytest.raises(NotFound):
        store.end("nobody", NOW)
    with pytest.raises(StoreError):
        store.commit({"node": "m1"}, numbered(2, talk_id="nobody"))
    assert store.turn("nobody", "t1") is None and store.last_turn("nobody") is None


def test_the_turns_of_a_removed_talk_are_removed_with_it(store: TalkStore, engine):
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM talks"))
        assert connection.scalar(text("SELECT count(*) FROM turns")) == 0


def test_a_database_locked_for_too_long_is_a_store_error_without_the_talks_id(sqlite_url, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    store = TalkStore(open_database(sqlite_url))
    secret = replace(FIRST, talk_id="secret-talk")
    store.create({"node": "root"}, secret)
    holder = sqlite3.connect(tmp_path / "guide.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError) as error:
        store.commit({"node": "m1"}, numbered(2, talk_id="secret-talk"))
    assert "secret-talk" not in str(error.value) and "OperationalError" in str(error.value)
    assert store.load("secret-talk").turns == 1, "reading goes on while another writes"
    holder.execute("ROLLBACK")
    store.commit({"node": "m1"}, numbered(2, talk_id="secret-talk"))


def test_a_row_locked_for_too_long_is_a_store_error_without_the_talks_id(postgres, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    with postgres.database() as url:
        engine = open_database(url)
        store = TalkStore(engine)
        store.create({"node": "root"}, replace(FIRST, talk_id="secret-talk"))
        with engine.connect() as holder:
            holder.execute(text("UPDATE talks SET turns = turns"))
            with pytest.raises(StoreError) as error:
                store.commit({"node": "m1"}, numbered(2, talk_id="secret-talk"))
            assert "secret-talk" not in str(error.value) and "OperationalError" in str(error.value)
            assert store.load("secret-talk").turns == 1, "reading goes on while another writes"
        store.commit({"node": "m1"}, numbered(2, talk_id="secret-talk"))
        engine.dispose()


WALKER = textwrap.dedent("""
    import itertools, json, sys
    from service.core.dialog import Key, Session, advance
    from service.store.database import open_database
    from service.store.talks import TalkStore
    from tests.store.test_talk_store import FIRST, NOW, guide, numbered
    store, session = TalkStore(open_database(sys.argv[1])), Session()
    store.create(session.to_json(), FIRST)
    for number in itertools.count(2):
        key = "11"[number - 2] if number < 4 else "1113"[number % 4]
        session, reply = advance(guide(), session, Key(key), NOW.date())
        store.commit(session.to_json(), numbered(number))
        print(json.dumps([number, session.to_json()]), flush=True)
""")


def test_what_was_committed_outlives_a_kill_in_the_middle_of_many_turns(url: str):
    walker = subprocess.Popen([sys.executable, "-c", WALKER, url], cwd=ROOT, text=True, stdout=subprocess.PIPE)
    told = [json.loads(walker.stdout.readline()) for _ in range(25)]
    walker.send_signal(signal.SIGKILL)
    told += [json.loads(line) for line in walker.stdout if line.endswith("]\n")]
    assert walker.wait() == -signal.SIGKILL

    store = TalkStore(open_database(url))
    talk, (last, session) = store.load("talk"), told[-1]
    assert talk.turns in (last, last + 1), "the one that was being told may be there too"
    assert all(store.turn("talk", f"t{number}").number == number for number, _ in told)
    if talk.turns == last:
        assert talk.session == session
    before = Session.from_json(talk.session)
    assert before.node == "m1_counter"
    after, reply = advance(guide(), before, Key("#"), NOW.date())
    assert (after.part, reply.step) == (before.part, (before.part + 1, 7))
    store.commit(after.to_json(), numbered(talk.turns + 1))
    assert store.load("talk").turns == talk.turns + 1
