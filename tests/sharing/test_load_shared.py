"""Shared load: who is let in is decided by the room that there is in all processes that decode."""

import pytest

from service.sharing.line import Line
from service.sharing.load import FREE, HERE, SharedLoad


@pytest.mark.parametrize("own", [True, False])
def test_as_long_as_nobody_tells_each_decides_for_itself(line, own):
    assert SharedLoad(line).is_full(own) is own
    away = Line("redis://127.0.0.1:9")
    SharedLoad(away).tell(False)
    assert SharedLoad(away).is_full(own) is own
    away.close()


def test_one_that_has_room_is_enough_and_none_is_not(line):
    pages, first, second = SharedLoad(line), SharedLoad(line), SharedLoad(line)
    first.tell(True)
    second.tell(False)
    assert not pages.is_full(False) and not first.is_full(True), "whoever comes is sent to the other"
    second.tell(True)
    assert pages.is_full(False) and first.is_full(True)
    first.tell(False)
    assert not pages.is_full(False)


def test_one_that_ended_counts_no_more(line):
    full = SharedLoad(line)
    line.client.zadd(HERE, {"ended": 1})
    line.client.zadd(FREE, {"ended": 1})
    full.tell(True)
    assert SharedLoad(line).is_full(False)
