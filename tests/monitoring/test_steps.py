"""Steps: their times are summed up, kept in the order of a turn, and told as the standard has it."""

import pytest

from service.monitoring.steps import ADVANCE, COMMIT, ENDPOINT, INTERPRET, RECEIVE, Steps
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def steps(clock: FakeClock) -> Steps:
    return Steps(clock=clock.now)


def test_repeats_are_summed_up_and_absent_steps_are_left_out(clock: FakeClock, steps: Steps):
    for seconds in (0.25, 0.5):
        with steps.step(INTERPRET):
            clock.advance(seconds)
    assert steps.seconds == {INTERPRET: 0.75}
    assert steps.elapsed_s() == 0.75


def test_they_stand_in_the_order_of_a_turn(steps: Steps):
    for name in (COMMIT, ADVANCE, ENDPOINT, RECEIVE):
        steps.add(name, 1)
    assert list(steps.seconds) == [RECEIVE, ENDPOINT, ADVANCE, COMMIT]


def test_a_step_that_fails_counts_too(clock: FakeClock, steps: Steps):
    with pytest.raises(ValueError), steps.step(COMMIT):
        clock.advance(2)
        raise ValueError
    assert steps.seconds == {COMMIT: 2}


def test_what_passed_before_the_work_is_receive(clock: FakeClock):
    clock.advance(5)
    steps = Steps(arrived_s=2, clock=clock.now)
    steps.begin()
    assert steps.seconds == {RECEIVE: 3}


def test_the_header_is_in_milliseconds(steps: Steps):
    assert steps.server_timing() == ""
    steps.add(RECEIVE, 0.0012346)
    steps.add(COMMIT, 2)
    assert steps.server_timing() == "receive;dur=1.23, commit;dur=2000.0"
