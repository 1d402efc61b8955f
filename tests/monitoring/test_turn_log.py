"""The turn log: one line a turn, with its first sound if that is asked for in time."""

import datetime
import json
import logging

import pytest

from service.monitoring.metrics import Metrics
from service.monitoring.steps import COMMIT, Steps
from service.monitoring.turn_log import MOST_WAITING, SOUND_WITHIN_S, TurnLog
from service.store.talks import Turn
from tests.fakes import FakeClock

SECRET = "4304221950"
AT = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def turn_log(clock: FakeClock, metrics: Metrics, caplog) -> TurnLog:
    caplog.set_level(logging.INFO)
    return TurnLog(metrics, clock.now)


def take(turn_log: TurnLog, clock: FakeClock, turn_id: str = "a", number: int = 2) -> None:
    """A turn that took 0.25 s, half of it to be kept."""
    steps = Steps(clock=clock.now)
    clock.advance(0.125)
    with steps.step(COMMIT):
        clock.advance(0.125)
    turn_log.taken(Turn(SECRET, turn_id, number, "text", "match", "m1", AT, 1.0, {"sentences": [SECRET]}, SECRET,
                        SECRET), steps)


def lines(caplog) -> list[dict]:
    return [json.loads(r.getMessage().removeprefix("turn ")) for r in caplog.records]


def test_a_line_is_written_with_the_first_sound_and_nothing_private(turn_log, clock, metrics, caplog):
    take(turn_log, clock)
    assert not lines(caplog)
    clock.advance(0.5)
    for _ in range(2):
        turn_log.sounded(SECRET, "a")
    turn_log.close()
    assert lines(caplog) == [{"number": 2, "source": "text", "outcome": "match", "node": "m1",
                              "ms": {"total": 250, "commit": 125, "first_sound": 750}}]
    assert SECRET not in caplog.text
    assert "guide_first_sound_seconds_sum 0.75" in metrics.text().decode()


def test_without_a_sound_in_time_the_line_is_written_all_the_same(turn_log, clock, metrics, caplog):
    take(turn_log, clock)
    clock.advance(SOUND_WITHIN_S - 0.5)
    turn_log.write_due()
    assert not lines(caplog)
    clock.advance(0.25)
    turn_log.write_due()
    turn_log.sounded(SECRET, "a")
    assert [line["ms"]["first_sound"] for line in lines(caplog)] == [None]
    assert "guide_first_sound_seconds_count 0.0" in metrics.text().decode()


def test_another_turns_sound_is_not_taken_for_it(turn_log, clock, caplog):
    take(turn_log, clock)
    turn_log.sounded(SECRET, "b")
    turn_log.sounded("another talk", "a")
    assert not lines(caplog)


def test_what_waits_is_bounded_and_no_line_is_lost(turn_log, clock, caplog):
    for number in range(MOST_WAITING + 3):
        take(turn_log, clock, str(number), number)
    assert [line["number"] for line in lines(caplog)] == [0, 1, 2]
    turn_log.close()
    assert [line["number"] for line in lines(caplog)] == list(range(MOST_WAITING + 3))
