"""The fault run in its short form: what breaks, breaks under a real service, and every answered turn is kept once."""

import contextlib
import datetime
import os
import random
import shutil
import sqlite3
import time
from types import SimpleNamespace

import pytest
from sqlalchemy import event

from service.app import create_flask
from service.faults import disk, processes
from service.faults import scene as scenes
from service.faults.databases import locked_for
from service.faults.run import FAULTS, tried
from service.faults.scene import AS_USUAL, Skipped, lost, scene, until
from service.lab.process import RunningService
from service.listening import Listening
from service.store.database import open_database
from service.store.talks import TalkStore
from service.talks import Talks
from tests import support
from tests.support import PROMPTS, edition

TURNS, KILLS = 40, 3
NEXT_S = 60
"""A next turn comes within this on any machine; what it takes on a quiet one measures `bench faults`."""
NOW = datetime.datetime(2026, 11, 24, 9, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A service with a guide of its own that may be edited, a listener in a talk at a paired device, a caregiver."""
    folder = tmp_path_factory.mktemp("faults")
    prompts = shutil.copytree(PROMPTS, folder / "prompts")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(scenes, "RESTART_S", 0)
        with scene(folder / "data", random.Random(7), PROMPTS_DIR=str(prompts)) as found:
            found.prompts = prompts
            yield found


def kept_once(found, waits: int = 1) -> None:
    """Nothing that was answered is missing or there twice, and it went on soon."""
    assert lost(found.listener, f"sqlite:///{found.service.folder / 'guide.db'}") == 0
    assert len(found.waits_s) >= waits and max(found.waits_s[-waits:]) < NEXT_S


def test_kill_at_any_moment_loses_and_doubles_no_turn(found):
    killed_in = set(found.chance.sample(range(TURNS), KILLS))
    for number in range(TURNS):
        if number in killed_in:
            processes.killed_in_a_turn(found)
        else:
            found.turn()
    kept_once(found, KILLS)
    assert found.caregiver.look() == AS_USUAL


def test_sigterm_in_a_sentence_and_in_a_turn_ends_well_and_the_talk_goes_on_at_its_step(found):
    assert processes.terminated_once(found)
    kept_once(found)


def test_a_locked_database_is_waited_for(found):
    locked_for(found, found.service.folder / "guide.db", 0.5)
    kept_once(found)


def test_a_database_that_is_taken_away_is_told_and_used_again_when_it_is_back(found):
    file = found.service.folder / "guide.db"
    aside = file.with_name("aside.db")
    os.rename(file, aside)
    assert not found.try_turn() and found.listener.told, "the listener is told"
    assert found.caregiver.look() != AS_USUAL
    os.rename(aside, file)
    found.next_turn(time.monotonic())
    kept_once(found)


def test_half_an_edit_is_refused_and_the_whole_one_taken_up(found):
    rest = disk.half_written(found.prompts)
    assert until(lambda: found.log_says("edit of the guide refused"), NEXT_S)
    found.next_turn(time.monotonic())
    assert not found.log_says(disk.TAKEN_UP)
    rest()
    assert until(lambda: found.log_says(disk.TAKEN_UP), NEXT_S)
    found.next_turn(time.monotonic())
    kept_once(found, 2)


def test_a_second_start_on_the_port_goes_away_by_itself_and_says_why(found):
    second = RunningService(found.service.folder, "second.log", VOICE="light")
    second.port = found.service.port
    assert processes.refused_start(second) not in (0, None)
    assert "in use" in second.log.read_text()
    found.next_turn(time.monotonic())
    kept_once(found)


# --- the comparison itself would notice --------------------------------------------------------------------

@pytest.mark.parametrize("damage", [
    "DELETE FROM turns WHERE number = 3 AND talk_id = :talk",
    "UPDATE turns SET number = number + 100 WHERE number = 5 AND talk_id = :talk",
    "UPDATE turns SET id = 'nobodys' WHERE number = 4 AND talk_id = :talk",
    "INSERT INTO turns SELECT talk_id, 'again', number + 10000, source, outcome, node, received_at, took_ms, reply, "
    "said, meaning FROM turns WHERE number = 2 AND talk_id = :talk",
    "UPDATE talks SET turns = turns + 1 WHERE id = :talk",
])
def test_what_is_lost_or_done_twice_is_counted(found, tmp_path, damage):
    copy = tmp_path / "copy.db"
    with contextlib.closing(sqlite3.connect(found.service.folder / "guide.db")) as kept, \
            contextlib.closing(sqlite3.connect(copy)) as damaged:
        kept.backup(damaged)
        assert lost(found.listener, f"sqlite:///{copy}") == 0
        assert damaged.execute(damage, {"talk": found.listener.talk_id}).rowcount == 1
        damaged.commit()
    assert lost(found.listener, f"sqlite:///{copy}") > 0


def test_what_cannot_be_tried_is_no_fault_that_was_survived(monkeypatch):
    def impossible(_lab):
        raise Skipped("not here")
    monkeypatch.setitem(FAULTS, "redis", impossible)
    assert tried("redis", 1).survived is None


# --- within one process ------------------------------------------------------------------------------------

@pytest.fixture
def world(tmp_path):
    """A service without its server: its database can be made read-only and its clock be set."""
    engine = open_database(f"sqlite:///{tmp_path / 'guide.db'}")
    world = SimpleNamespace(read_only=False, now=NOW, engine=engine)
    speaker = support.speaker(tmp_path)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(
        f"PRAGMA query_only={int(world.read_only)}"))
    world.talks = Talks(SimpleNamespace(edition=edition()), TalkStore(engine), speaker, lambda: world.now)
    world.client = create_flask(world.talks, Listening(None, SimpleNamespace(edition=edition()), "both")).test_client()
    yield world
    speaker.close()
    engine.dispose()


def test_a_read_only_database_is_told_and_no_turn_is_made_until_it_takes_again(world):
    talk = world.client.post("/api/v1/sessions").json["session"]

    def press():
        return world.client.post(f"/api/v1/sessions/{talk}/turns", json={"turn_id": "one", "key": "1"})
    world.read_only = True
    refused, error = press().status_code, press().json["error"]
    assert (refused, error["code"]) == (503, "store_failed") and error["say"]
    world.read_only = False
    assert press().json["number"] == press().json["number"] == 2, "the same turn, once"


@pytest.mark.parametrize("leap", [datetime.timedelta(hours=-1), datetime.timedelta(days=365)], ids=["back", "forward"])
def test_a_clock_that_leaps_leaves_the_talk_where_it_is(world, leap):
    talk = world.talks.open().talk_id
    world.talks.press(talk, "one", "1")
    world.now += leap
    assert world.talks.press(talk, "two", "#").number == 3
    assert world.talks.last(talk).reply.node == world.talks.rejoin(talk, "three").reply.node
    world.now = NOW
    assert world.talks.press(talk, "four", "9").number == 5
