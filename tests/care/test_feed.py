"""Feed: each change that was committed is told once to everybody who waits for it, in every process."""

import datetime
import logging
import threading

import pytest

from service.care import feed as feeds
from service.care.feed import OVERLAP, Feed, device_topic, person_topic, publish
from service.errors import StoreError
from service.store.database import open_database, transaction
from service.store.tables import ChangeRow

NOW = datetime.datetime(2026, 11, 23, 8, 0, tzinfo=datetime.UTC)


@pytest.fixture
def engine(database_url):
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def other_engine(database_url):
    """That of another process."""
    engine = open_database(database_url)
    yield engine
    engine.dispose()


def change(engine, *topics):
    with transaction(engine) as orm:
        for topic in topics:
            publish(orm, topic, NOW)
            orm.flush()


def listening(feed, *topics):
    """A list that grows with each call for these topics, and the function that ends it."""
    calls = []
    return calls, feed.subscribe(list(topics), lambda: calls.append(1))


def test_a_change_is_told_once_within_one_look_in_two_processes(engine, other_engine):
    here, there = Feed(engine), Feed(other_engine)
    heard, heard_there = listening(here, device_topic(1))[0], listening(there, device_topic(1))[0]
    change(engine, device_topic(1))
    here.look(), there.look()
    assert (len(heard), len(heard_there)) == (1, 1)
    here.look(), there.look()
    assert (len(heard), len(heard_there)) == (1, 1)
    change(other_engine, device_topic(1))
    here.look(), there.look()
    assert (len(heard), len(heard_there)) == (2, 2)


def test_only_who_waits_for_a_topic_is_called_and_once_for_several_changes(engine):
    feed = Feed(engine)
    both, _ = listening(feed, device_topic(1), person_topic(1))
    other, _ = listening(feed, device_topic(11))
    change(engine, device_topic(1), person_topic(1), device_topic(1), person_topic(2))
    feed.look()
    assert (len(both), len(other)) == (1, 0)


def test_what_was_before_is_not_told_and_who_left_is_not_called(engine):
    change(engine, device_topic(1))
    feed = Feed(engine)
    heard, end = listening(feed, device_topic(1))
    stays, _ = listening(feed, device_topic(1))
    feed.look()
    assert not heard
    end()
    change(engine, device_topic(1))
    feed.look()
    assert not heard and len(stays) == 1


def test_a_change_that_was_rolled_back_is_not_told(engine):
    feed = Feed(engine)
    heard, _ = listening(feed, device_topic(1))
    with pytest.raises(ZeroDivisionError), transaction(engine) as orm:
        publish(orm, device_topic(1), NOW)
        orm.flush()
        1 / 0
    feed.look()
    assert not heard
    change(engine, device_topic(1))
    feed.look()
    assert len(heard) == 1, "also where the number of the lost one is given again"


def test_a_change_that_is_committed_after_later_ones_is_not_lost(engine, other_engine):
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    feed = Feed(engine)
    slow, _ = listening(feed, device_topic(1))
    quick, _ = listening(feed, device_topic(2))
    with transaction(other_engine) as orm:
        publish(orm, device_topic(1), NOW)
        orm.flush()
        change(engine, *[device_topic(2)] * (OVERLAP // 2))
        feed.look()
        assert (len(slow), len(quick)) == (0, 1)
    feed.look()
    assert (len(slow), len(quick)) == (1, 1)
    late = Feed(engine)
    heard, _ = listening(late, device_topic(1), device_topic(2))
    late.look()
    assert not heard


def test_after_very_many_changes_each_is_still_told_once(engine):
    feed = Feed(engine)
    heard, _ = listening(feed, device_topic(1))
    with transaction(engine) as orm:
        orm.add_all(ChangeRow(topic=device_topic(1), at=NOW) for _ in range(3 * OVERLAP))
    feed.look(), feed.look()
    change(engine, device_topic(1))
    feed.look(), feed.look()
    assert len(heard) == 2


def test_it_looks_by_itself_until_it_is_stopped_and_goes_on_after_a_fault(engine, monkeypatch, caplog):
    monkeypatch.setattr(feeds, "LOOK_EVERY_S", 0.01)
    feed, stop, heard, looks = Feed(engine), threading.Event(), threading.Event(), []
    look = feed.look

    def failing_at_first():
        looks.append(1)
        if len(looks) <= 3:
            raise StoreError("away")
        look()
    monkeypatch.setattr(feed, "look", failing_at_first)
    feed.subscribe([device_topic(1)], heard.set)
    runs = threading.Thread(target=feed.run, args=(stop,), daemon=True)
    with caplog.at_level(logging.WARNING):
        runs.start()
        change(engine, device_topic(1))
        assert heard.wait(10)
    stop.set()
    runs.join(10)
    assert not runs.is_alive() and len(caplog.records) == 1, "one line for one outage"


def test_a_subscriber_that_fails_keeps_nobody_else_from_hearing(engine):
    def gone():
        raise RuntimeError("event loop is closed")
    feed = Feed(engine)
    for _ in range(3):
        feed.subscribe([device_topic(1)], lambda: gone())
    heard = [listening(feed, device_topic(1))[0] for _ in range(3)]
    change(engine, device_topic(1))
    feed.look()
    assert all(len(calls) == 1 for calls in heard)
