"""Discretion: the same promises by one process's memory and by that which several share."""

import datetime

import pytest

from service.core.form import CHECK, Filling
from service.sharing import discretion
from service.sharing.discretion import FORGOTTEN_AFTER, NEWEST, TURNS_KEPT, OwnDiscretion, SharedDiscretion

NOW = datetime.datetime(2026, 11, 24, 8, 0, tzinfo=datetime.UTC)
KEY = b"k" * 32
SESSION = {"form": Filling("m4_age", CHECK, "birth", asked=("kind",)), "answers": {"kind": "M60"}, "held": ("再讲。",)}
REPLY = {"sentences": ["您是男的。"], "step": None}


@pytest.fixture(params=["own", "shared"])
def kept(request):
    one = OwnDiscretion() if request.param == "own" else SharedDiscretion(request.getfixturevalue("line"), KEY)
    one.keep("talk", "t1", SESSION, REPLY, NOW)
    return one


def test_what_was_said_is_there_for_the_same_talk_alone(kept):
    assert kept.session("talk", "t1", NOW) == SESSION
    assert kept.reply("talk", "t1", NOW) == REPLY
    assert kept.session("other", "t1", NOW) == {} and kept.reply("other", "t1", NOW) is None


def test_each_turn_has_its_own_and_one_that_was_not_kept_has_nothing(kept):
    later = SESSION | {"answers": {"kind": "M60", "birth": "1965"}}
    kept.keep("talk", "t2", later, None, NOW)
    assert kept.session("talk", "t1", NOW) == SESSION and kept.session("talk", "t2", NOW) == later
    assert kept.session("talk", NEWEST, NOW) == later
    assert kept.session("talk", "t3", NOW) == {}, "a turn of somebody else came in between"
    assert kept.reply("talk", "t2", NOW) is None


def test_a_turn_that_leaves_nothing_private_forgets_what_was_before(kept):
    kept.keep("talk", "t2", {"form": None, "answers": {}, "held": ()}, None, NOW)
    assert kept.session("talk", "t1", NOW) == {} and kept.reply("talk", "t1", NOW) is None


def test_it_is_forgotten_with_the_talk(kept):
    kept.forget("talk")
    kept.forget("talk")
    assert kept.session("talk", "t1", NOW) == {} and kept.session("talk", NEWEST, NOW) == {}


def test_one_process_forgets_when_nobody_is_there_any_more():
    kept = OwnDiscretion()
    kept.keep("talk", "t1", SESSION, None, NOW)
    assert kept.session("talk", "t1", NOW + FORGOTTEN_AFTER) == SESSION
    assert kept.session("talk", "t1", NOW + FORGOTTEN_AFTER + datetime.timedelta(seconds=1)) == {}


def test_one_process_holds_the_last_turns_and_so_many_talks(monkeypatch):
    kept = OwnDiscretion()
    for n in range(TURNS_KEPT + 1):
        kept.keep("talk", f"t{n}", SESSION, REPLY, NOW)
    assert kept.reply("talk", "t0", NOW) is None and kept.reply("talk", "t1", NOW) == REPLY
    monkeypatch.setattr(discretion, "MOST_TALKS", 2)
    for name in ("a", "b"):
        kept.keep(name, "t1", SESSION, None, NOW)
    assert kept.session("talk", "t1", NOW) == {} and kept.session("a", "t1", NOW) and kept.session("b", "t1", NOW)


# --- shared -------------------------------------------------------------------------------------------------

def test_another_process_has_it_and_the_server_can_read_nothing_and_forgets_by_itself(line):
    SharedDiscretion(line, KEY).keep("talk", "t1", SESSION, REPLY, NOW)
    assert SharedDiscretion(line, KEY).session("talk", "t1", NOW) == SESSION
    (name,) = line.client.keys()
    there = b"".join([name, *line.client.hgetall(name).values()])
    for private in ("M60", "您是男的", "m4_age", "kind"):
        assert private.encode() not in there
    assert 0 < line.client.ttl(name) <= FORGOTTEN_AFTER.total_seconds()


def test_another_key_gives_nothing_and_says_so(line, caplog):
    SharedDiscretion(line, KEY).keep("talk", "t1", SESSION, REPLY, NOW)
    assert SharedDiscretion(line, b"x" * 32).session("talk", "t1", NOW) == {}
    assert "same secret key" in caplog.text


def test_while_the_server_is_away_the_process_itself_remembers(redis, line):
    kept = SharedDiscretion(line, KEY)
    kept.keep("talk", "t1", SESSION, REPLY, NOW)
    redis.halt()
    try:
        assert kept.session("talk", "t1", NOW) == SESSION, "what was kept before"
        kept.keep("talk", "t2", SESSION, None, NOW)
        assert kept.session("talk", "t2", NOW) == SESSION
        assert SharedDiscretion(line, KEY).session("talk", "t2", NOW) == {}, "another one asks again"
    finally:
        redis.start()
