"""The render queue: what is urgent comes first, once, and its error reaches who asked."""

import threading

import pytest

from service.errors import VoiceError
from service.speech.queue import LONGEST, NOW, SOON, SPARE, RenderQueue
from service.speech.voice import Speech

SPEECH = Speech(b"RIFF")


class Gate:
    """A rendering that keeps the only thread busy until it is let go, and notes what comes behind it."""

    def __init__(self):
        self.open, self.begun, self.rendered = threading.Event(), threading.Event(), []

    def hold(self) -> Speech:
        self.begun.set()
        assert self.open.wait(10)
        return SPEECH

    def render(self, name: str):
        return lambda: self.rendered.append(name) or SPEECH


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def queue(gate):
    queue = RenderQueue()
    queue.submit("held", gate.hold, NOW)
    assert gate.begun.wait(10)
    yield queue
    gate.open.set()
    queue.close()


def test_the_most_urgent_comes_first_and_equals_in_their_order(queue, gate):
    jobs = [("spare", SPARE), ("soon", SOON), ("now", NOW), ("now too", NOW), ("soon too", SOON)]
    futures = [queue.submit(name, gate.render(name), urgency) for name, urgency in jobs]
    gate.open.set()
    assert [f.result(10) for f in futures] == [SPEECH] * 5
    assert gate.rendered == ["now", "now too", "soon", "soon too", "spare"]


def test_what_is_asked_for_again_is_rendered_once_and_becomes_more_urgent(queue, gate):
    first = queue.submit("same", gate.render("same"), SPARE)
    queue.submit("other", gate.render("other"), SOON)
    again = queue.submit("same", gate.render("same"), NOW)
    queue.submit("same", gate.render("same"), SPARE)
    gate.open.set()
    assert again.result(10) is first.result(10) is SPEECH
    queue.submit("last", gate.render("last"), SPARE).result(10)
    assert gate.rendered == ["same", "other", "last"]


def test_what_is_being_rendered_is_not_rendered_again(queue, gate):
    again = queue.submit("held", gate.render("held"), NOW)
    gate.open.set()
    assert again.result(10) is SPEECH
    queue.submit("last", gate.render("last"), SPARE).result(10)
    assert gate.rendered == ["last"]


def test_what_was_rendered_before_is_rendered_anew(queue, gate):
    gate.open.set()
    for _ in range(2):
        queue.submit("same", gate.render("same"), NOW).result(10)
    assert gate.rendered == ["same", "same"]


@pytest.mark.parametrize("raised", [VoiceError("no voice"), OSError("disk"), ValueError("x")])
def test_an_error_reaches_who_asked_and_the_next_is_rendered(queue, gate, raised):
    def fail():
        raise raised
    failing = queue.submit("failing", fail, NOW)
    gate.open.set()
    with pytest.raises(VoiceError):
        failing.result(10)
    assert queue.submit("next", gate.render("next"), NOW).result(10) is SPEECH


def test_a_rendering_that_its_asker_gave_up_is_left_out_and_can_be_asked_for_again(queue, gate):
    assert queue.submit("dropped", gate.render("dropped"), SOON).cancel()
    gate.open.set()
    queue.submit("next", gate.render("next"), SPARE).result(10)
    assert gate.rendered == ["next"]
    assert queue.submit("dropped", gate.render("dropped"), NOW).result(10) is SPEECH


def test_too_many_spare_ones_are_refused_and_urgent_ones_are_not(queue, gate):
    for number in range(LONGEST):
        queue.submit(number, gate.render("spare"), SPARE)
    with pytest.raises(VoiceError):
        queue.submit("one more", gate.render("one more"), SPARE).result(1)
    urgent = queue.submit("urgent", gate.render("urgent"), NOW)
    gate.open.set()
    assert urgent.result(10) is SPEECH
    assert gate.rendered[0] == "urgent"


def test_a_closed_queue_lets_everybody_go_and_takes_nothing_more(queue, gate):
    waiting = queue.submit("waiting", gate.render("waiting"), NOW)
    queue.close()
    with pytest.raises(VoiceError):
        waiting.result(10)
    with pytest.raises(VoiceError):
        queue.submit("late", gate.render("late"), NOW).result(10)
    gate.open.set()
    queue._thread.join(10)
    assert not queue._thread.is_alive() and gate.rendered == []


def test_what_is_being_rendered_when_it_is_closed_still_reaches_who_asked(queue, gate):
    held = queue.submit("held", gate.hold, NOW)
    queue.close()
    gate.open.set()
    assert held.result(10) is SPEECH
