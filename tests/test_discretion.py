"""Discretion: what listeners said about themselves is there for the talk, and nowhere else."""

import datetime
import logging

import pytest
from sqlalchemy import text

from service import discretion
from service.discretion import FORGOTTEN_AFTER, REPLIES_KEPT, Discretion
from service.store.database import open_database
from service.store.tables import TurnRow
from tests.care.test_recording import Place

NOW = datetime.datetime(2026, 11, 24, 8, 0, tzinfo=datetime.UTC)
SESSION = {"form": None, "answers": {"kind": "M60"}, "held": ()}
PRIVATE = ("1965", "一九六五", "六五年", "六十岁", "M60", "birth_year")
"""What would betray the listener of ``told``."""


@pytest.fixture
def kept() -> Discretion:
    one = Discretion()
    one.keep("talk", "t1", SESSION, {"sentences": ["您是男的。"]}, NOW)
    return one


def test_what_was_said_is_there_for_the_same_talk_alone(kept):
    assert kept.session("talk", NOW)["answers"] == {"kind": "M60"}
    assert kept.reply("talk", "t1", NOW) == {"sentences": ["您是男的。"]}
    assert kept.session("other", NOW) == {} and kept.reply("other", "t1", NOW) is None


def test_it_is_forgotten_with_the_talk_and_when_nobody_is_there_any_more(kept):
    assert kept.session("talk", NOW + FORGOTTEN_AFTER) != {}
    assert kept.session("talk", NOW + FORGOTTEN_AFTER + datetime.timedelta(seconds=1)) == {}
    kept.keep("talk", "t1", SESSION, None, NOW)
    kept.forget("talk")
    kept.forget("talk")
    assert kept.session("talk", NOW) == {}


def test_a_turn_that_leaves_nothing_private_forgets_what_was_before(kept):
    kept.keep("talk", "t2", {}, None, NOW)
    assert kept.session("talk", NOW) == {} and kept.reply("talk", "t1", NOW) is None


def test_only_the_last_replies_and_so_many_talks_are_held(kept, monkeypatch):
    for n in range(2, REPLIES_KEPT + 2):
        kept.keep("talk", f"t{n}", SESSION, {}, NOW)
    assert kept.reply("talk", "t1", NOW) is None and kept.reply("talk", "t2", NOW) == {}
    monkeypatch.setattr(discretion, "MOST_TALKS", 2)
    for name in ("a", "b"):
        kept.keep(name, "t1", SESSION, None, NOW)
    assert kept.session("talk", NOW) == {} and kept.session("a", NOW) and kept.session("b", NOW)


# --- in a talk at a device whose person lets others look ---------------------------------------------

@pytest.fixture
def place(database_url):
    one = Place(database_url)
    yield one
    one.engine.dispose()


def told(place) -> str:
    """A listener tells all and hears the result."""
    place.say("我是六五年五月的，男的，几时退休")
    assert any("一九六五年" in s for s in place.say("你讲么子").sentences)
    return "".join(place.say("对").sentences)


def test_the_calculator_answers_and_nothing_of_it_is_in_the_database_or_the_log(place, database_url, caplog):
    caplog.set_level(logging.DEBUG)
    assert "六十岁" in told(place)
    place.press("4", "4")
    engine = open_database(database_url)
    with engine.connect() as connection:
        tables = [row[0] for row in connection.execute(text(
            "select name from sqlite_master where type = 'table'" if engine.dialect.name == "sqlite" else
            "select tablename from pg_tables where schemaname = current_schema()"))]
        everything = "".join(str(row) for name in tables for row in connection.execute(text(f'select * from "{name}"')))
    engine.dispose()
    assert "m4_age" in everything, "that it was used is known"
    for betrayed in PRIVATE:
        assert betrayed not in everything and betrayed not in caplog.text, betrayed


def test_what_was_said_to_a_calculator_is_no_sentence_to_teach(place):
    place.say("我是六五年五月的，男的，几时退休", "风吹草低见牛羊", "我儿子在深圳打工")
    assert place.misses() == []


def test_the_answer_can_be_heard_again_until_it_is_forgotten_and_then_is_asked_for(place):
    result = told(place)
    last = place.talks.last(place.talk)
    assert "".join(last.reply.sentences) == result
    assert place.talks.sentence(place.talk, last.turn_id, 0) == last.reply.sentences[0]
    place.now += FORGOTTEN_AFTER + datetime.timedelta(seconds=1)
    assert "一九六五" not in "".join(place.talks.last(place.talk).reply.sentences)
    again = place.talks.rejoin(place.talk, place.turn())
    assert "您是男的还是女的？" in again.reply.sentences and again.reply.state == "form"


def test_who_says_goodbye_is_forgotten_at_once(place):
    told(place)
    place.say("不问了")
    assert "您是男的还是女的？" in place.say("我几时退休").sentences


@pytest.mark.parametrize("said", ["我养老账户里有六万块", "我交了十五年", "我今年六十一岁了，怎么查养老", "我六五年生的，医保卡丢了怎么办"])
def test_what_is_said_about_oneself_elsewhere_is_not_kept_either(place, said):
    place.say(said)
    assert [row.said for row in place.rows(TurnRow) if row.said] == [] and place.misses() == []
