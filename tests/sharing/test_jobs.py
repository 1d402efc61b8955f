"""Jobs: done once, by one of the processes that there are, and by this one if there is no queue."""

import logging
import threading
import time

import pytest

from service.errors import NotFound
from service.sharing.jobs import SLOW, Jobs, Regular

KEY = b"k" * 32


def wait_for(condition) -> bool:
    until = time.monotonic() + 10
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


@pytest.fixture(params=["own", "shared"])
def make(request):
    """Makes Jobs that work, of this process alone or of several."""
    made, line = [], None
    if request.param == "shared":
        line = request.getfixturevalue("line")

    def make(**work) -> Jobs:
        jobs = Jobs(line, KEY)
        for name, function in work.items():
            jobs.add(name, function, SLOW if name == "slow" else "quick")
        made.append(jobs)
        return jobs
    yield make
    for jobs in made:
        jobs.close()


def test_what_is_submitted_is_done_elsewhere(make):
    done = []
    jobs = make(note=lambda *args: done.append((args, threading.current_thread().name)), slow=lambda: time.sleep(0.5))
    jobs.start()
    jobs.submit("slow")
    jobs.submit("note", "一", 2)
    assert wait_for(lambda: done) and done[0][0] == ("一", 2)
    assert done[0][1] != threading.current_thread().name


def test_a_result_is_waited_for(make):
    jobs = make(double=lambda n: 2 * n)
    jobs.start()
    assert jobs.ask("double", 21, wait_s=10) == 42


def test_what_nobody_takes_is_done_here(make):
    assert make(double=lambda n: 2 * n).ask("double", 21, wait_s=0.1) == 42


def test_what_fails_says_so_to_whoever_asked_and_in_the_log_without_its_text(make, caplog):
    def gone() -> None:
        raise NotFound("no such card")

    def foreign() -> None:
        raise ValueError("secret words")
    jobs = make(gone=gone, foreign=foreign, fine=lambda: "fine")
    jobs.start()
    with pytest.raises(NotFound):
        jobs.ask("gone", wait_s=10)
    jobs.submit("foreign")
    assert jobs.ask("fine", wait_s=10) == "fine", "the next one is done"
    assert wait_for(lambda: "foreign failed: ValueError" in caplog.text) and "secret" not in caplog.text


def test_something_regular_comes_again_and_again_and_a_failure_does_not_end_it(make):
    times, jobs = [], make()

    def work() -> None:
        times.append(1)
        if len(times) == 1:
            raise ValueError
    jobs.every(Regular("tick", every_s=0.1, first_after_s=0.01), work)
    jobs.start()
    assert wait_for(lambda: len(times) >= 3)


# --- several processes, and none to be had ------------------------------------------------------------------

def test_something_regular_is_done_by_one_of_many(line):
    times = []
    many = [Jobs(line, KEY) for _ in range(4)]
    for jobs in many:
        jobs.every(Regular("tick", every_s=0.5), lambda: times.append(time.monotonic()))
        jobs.start()
    assert wait_for(lambda: len(times) >= 3)
    for jobs in many:
        jobs.close()
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert min(gaps) > 0.2, "not once for each of them"


def test_what_was_queued_by_one_that_ended_is_done_by_another(line):
    done = []
    Jobs(line, KEY).close()
    first = Jobs(line, KEY)
    first.add("note", done.append)
    first.submit("note", 1)
    first.close()
    second = Jobs(line, KEY)
    second.add("note", done.append)
    second.start()
    assert wait_for(lambda: done == [1])
    second.close()


def test_a_forged_message_is_not_unpacked(line):
    done = []
    stranger, jobs = Jobs(line, b"x" * 32), Jobs(line, KEY)
    for one in (stranger, jobs):
        one.add("note", done.append)
    stranger.submit("note", "forged")
    jobs.submit("note", "ours")
    jobs.start()
    assert wait_for(lambda: done) and done == ["ours"]
    jobs.close()


def test_with_the_queue_away_everything_is_done_here_and_later_there_again(redis, line, caplog):
    caplog.set_level(logging.INFO)
    done = []
    jobs = Jobs(line, KEY)
    jobs.add("note", lambda n: done.append(n) or n)
    jobs.every(Regular("tick", every_s=0.2), lambda: done.append("tick"))
    jobs.start()
    redis.halt()
    jobs.submit("note", 1)
    assert 1 in done and jobs.ask("note", 2, wait_s=10) == 2
    done.clear()
    assert wait_for(lambda: "tick" in done), "something regular goes on"
    redis.start()
    assert wait_for(lambda: line.answers())
    assert jobs.ask("note", 3, wait_s=10) == 3
    jobs.close()
    assert "Traceback" not in caplog.text
