"""Discretion: what listeners said about themselves is there for the talk, and nowhere else."""

import datetime
import logging
import re

import pytest
from sqlalchemy import text

from service.sharing.discretion import FORGOTTEN_AFTER
from service.store.database import open_database
from service.store.tables import TurnRow
from tests.care.test_recording import Place

PRIVATE = ("1965", "一九六五", "六五年", "六十岁", "M60", "birth_year")
"""What would betray the listener of ``told``."""


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
        # Digits within the fraction of a duration are no year.
        found = re.compile(rf"(?<![\d.]){betrayed}(?!\d)")
        assert not found.search(everything) and not found.search(caplog.text), betrayed


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
