"""Admission: who is let in when there is much to decode, with a played clock."""

import pytest

from service.admission import Admission
from service.errors import Busy

MIB = 2**20
CHUNK_S = 0.1
HALF = 0.5
"""Work that a second of audio is, for each that speaks here; with two threads four of them fill all the time."""


class Clock:
    """Stands still until it is set."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def admission(clock):
    return Admission(decoders=2, clock=clock)


def let_in(admission: Admission) -> bool:
    try:
        admission.admit()
    except Busy:
        return False
    return True


def speak(admission: Admission, clock: Clock, talks: int, wait_s: float = 0.0, work: float = HALF,
          seconds: float = 6) -> None:
    """So many speak for a while, and each chunk waits like that."""
    for _ in range(round(seconds / CHUNK_S)):
        for stream in range(talks):
            admission.decoded(stream, wait_s, CHUNK_S, work * CHUNK_S)
        clock.now_s += CHUNK_S


def test_where_nobody_speaks_everybody_is_let_in(admission):
    assert let_in(admission)


@pytest.mark.parametrize("talks, room", [(1, True), (2, True), (3, False), (5, False)])
def test_somebody_is_let_in_as_long_as_there_is_room_for_one_more(admission, clock, talks, room):
    speak(admission, clock, talks)
    assert let_in(admission) == room


def test_a_refusal_says_when_to_ask_again(admission, clock):
    speak(admission, clock, 4)
    with pytest.raises(Busy) as refusal:
        admission.admit()
    assert refusal.value.status == 503 and refusal.value.retry_after_s > 0


def test_less_work_leaves_room_for_more(admission, clock):
    speak(admission, clock, 8, work=0.1)
    assert let_in(admission)


def test_those_who_have_just_begun_are_counted_as_well(admission, clock):
    speak(admission, clock, 1)
    speak(admission, clock, 3, seconds=0.3)
    assert not let_in(admission)


@pytest.mark.parametrize("wait_s, work", [(0.0, 1.5), (0.6, 0.1)])
def test_nobody_is_kept_out_while_each_can_have_a_thread(admission, clock, wait_s, work):
    speak(admission, clock, 1, wait_s, work)
    assert let_in(admission)
    speak(admission, clock, 2, wait_s, work)
    assert not let_in(admission)


def test_one_core_that_is_half_taken_has_room_for_one_more_and_else_not(clock):
    for work, room in ((0.4, True), (0.7, False)):
        single = Admission(decoders=1, clock=clock)
        speak(single, clock, 1, work=work)
        assert let_in(single) == room


def test_long_waits_keep_people_out_whatever_the_work(admission, clock):
    speak(admission, clock, 2, wait_s=0.6, work=0.1)
    assert not let_in(admission)


def test_the_beginning_of_an_utterance_that_makes_a_few_wait_does_not(admission, clock):
    for _ in range(3):
        speak(admission, clock, 2, wait_s=0.6, seconds=0.5)
        speak(admission, clock, 2, seconds=1.5)
    assert let_in(admission)


@pytest.mark.parametrize("between", [{"wait_s": 0.15, "talks": 2, "work": 0.1}, {"talks": 3, "work": 0.45}])
def test_between_the_limits_nothing_changes(admission, clock, between):
    speak(admission, clock, **between)
    assert let_in(admission)
    speak(admission, clock, 5, wait_s=0.6)
    assert not let_in(admission)
    speak(admission, clock, **between)
    assert not let_in(admission)


def test_when_it_has_been_calm_for_a_while_people_are_let_in_again(admission, clock):
    speak(admission, clock, 5, wait_s=0.6)
    assert not let_in(admission)
    speak(admission, clock, 1, seconds=1)
    assert not let_in(admission)
    speak(admission, clock, 1, seconds=5)
    assert let_in(admission)


def test_when_all_have_gone_as_well(admission, clock):
    speak(admission, clock, 5, wait_s=0.6)
    assert not let_in(admission)
    clock.now_s += 5
    assert let_in(admission)


def test_memory_over_its_limit_keeps_people_out_until_it_is_below(clock):
    resident = [90 * MIB]
    admission = Admission(100 * MIB, clock=clock, memory_bytes=lambda: resident[0])
    assert let_in(admission)
    resident[0] = 101 * MIB
    clock.now_s += 1
    assert not let_in(admission)
    resident[0] = 99 * MIB
    clock.now_s += 1
    assert let_in(admission)


def test_memory_is_read_once_a_second_at_the_most(clock):
    reads = []
    admission = Admission(100 * MIB, clock=clock, memory_bytes=lambda: reads.append(1) or 0)
    for _ in range(10):
        admission.admit()
        clock.now_s += 0.25
    assert len(reads) == 3


def test_the_real_memory_of_this_process_is_above_one_byte_and_below_a_tebibyte():
    assert not let_in(Admission(1))
    assert let_in(Admission(2**40))


@pytest.mark.parametrize("all_full", [True, False])
def test_what_is_known_of_the_other_processes_decides(clock, all_full):
    asked = []
    admission = Admission(decoders=2, clock=clock, are_all_full=lambda own: asked.append(own) or all_full)
    assert let_in(admission) is not all_full
    speak(admission, clock, 5)
    assert let_in(admission) is not all_full
    assert asked == [False, True], "how it is here"
