"""Two processes, one database, one Redis: whichever takes the next turn goes on with the talk."""

from types import SimpleNamespace

import pytest

from service.errors import Refused
from service.sharing.discretion import SharedDiscretion
from service.sharing.line import Line
from service.store.talks import TalkStore
from service.talks import Talks
from tests.care.test_recording import SILENT, Place
from tests.support import edition

KEY = b"k" * 32


class Places:
    """A device whose turns go now to one process, now to the other."""

    def __init__(self, url: str, lines: tuple[Line, Line]):
        self.place = Place(url)
        self.processes = [Talks(SimpleNamespace(edition=edition()), TalkStore(self.place.engine), SILENT,
                                lambda: self.place.now, self.place.care, discretion=SharedDiscretion(line, KEY))
                          for line in lines]

    def say(self, process: int, text: str) -> str:
        view = self.processes[process].say(self.place.talk, self.place.turn(), text)
        return "".join(view.reply.sentences)


@pytest.fixture
def places(database_url, line, redis):
    other = Line(redis.url)
    one = Places(database_url, (line, other))
    yield one
    other.close()
    one.place.engine.dispose()


def test_a_calculator_goes_on_at_the_other_process(places):
    places.say(0, "我是六五年五月的，男的，几时退休")
    assert "一九六五年" in places.say(1, "你讲么子")
    assert "六十岁" in places.say(0, "对")
    last = places.processes[1].last(places.place.talk)
    assert "六十岁" in "".join(last.reply.sentences), "also what was told, for who reloads the page"
    assert places.processes[0].expects(places.place.talk) == places.processes[1].expects(places.place.talk)


def test_a_turn_that_was_sent_to_both_happens_once(places):
    turn = places.place.turn()
    first, second = [talks.press(places.place.talk, turn, "1") for talks in places.processes]
    assert first.number == second.number and first.reply == second.reply


def test_a_reminder_is_read_out_once_whoever_makes_it_due(places):
    place = places.place
    place.care.notices.plan(place.device.id, place.owner, None, "记得吃药。", None, "once")
    for _ in places.processes:
        place.care.notices.come_due()
    waiting = place.care.notices.waiting(place.device.id)
    view = places.processes[0].notice(place.talk, place.turn(), waiting)
    assert any("记得吃药" in s for s in view.reply.sentences)
    with pytest.raises(Refused, match="gone"):
        places.processes[1].notice(place.talk, place.turn(), waiting)
    assert place.care.notices.waiting(place.device.id) is None
