"""Alarms: words that come before every other reading, whatever was asked or is being said.

They are data (``prompts/alarms.yaml``), each with what does not count: 吓死我了, 电视里讲有人跳楼. What else
sounds like a cry for help is left to the Classifier.
"""

from __future__ import annotations

import functools
import itertools
import re
from typing import Callable

from service.core.grammar import bare
from service.core.model import Alarm, Guide

NEAR = 10
"""Characters that may stand between the words of an alarm."""
_CUT = "\n"
"""Stands for what does not count."""


def alarm_finder(guide: Guide) -> Callable[[str], Alarm | None]:
    """What finds the first alarm of a text."""
    return functools.partial(_find, tuple(map(_Pattern, guide.alarms)))


def _find(patterns: tuple[_Pattern, ...], text: str) -> Alarm | None:
    text = bare(text)
    return next((p.alarm for p in patterns if p.is_in(text)), None)


class _Pattern:
    """One alarm, ready to be looked for."""

    def __init__(self, alarm: Alarm):
        self.alarm = alarm
        self._groups = [re.compile("|".join(map(re.escape, sorted(group, key=len, reverse=True))))
                        for group in alarm.words]
        self._unless = re.compile("|".join(map(re.escape, alarm.unless)) or r"(?!)")

    def is_in(self, text: str) -> bool:
        """True if one of each group stands near the others."""
        found = [[m.span() for m in group.finditer(text)] for group in self._groups]
        if not all(found):
            return False
        return not self._unless.search(text) and any(map(_are_near, itertools.product(*found)))


def _are_near(spans: tuple[tuple[int, int], ...]) -> bool:
    """True if no more than NEAR characters stand between each word and the next."""
    ordered = sorted(spans)
    return all(0 <= later[0] - earlier[1] <= NEAR for earlier, later in itertools.pairwise(ordered))
