"""Alarms: words that come before every other reading, whatever was asked or is being said.

They are data (``prompts/alarms.yaml``), with what does not count: 吓死我了, 电视里讲有人跳楼. What else sounds
like a cry for help is left to the Classifier.
"""

from __future__ import annotations

import itertools
import re

from service.core.grammar import any_of, bare, longest_first
from service.core.model import Alarm, Alarms

NEAR = 10
"""Characters that may stand between the words of an alarm."""
_CLAUSE, _I = re.compile(r"\w+\W*"), "我"
_BEFORE_I = re.compile(r"(?<=\w{6})(?=我)")
"""Where a clause ends in what was heard, which has no signs."""
_GAP = " " * (NEAR + 1)
"""Stands for what was struck out: nothing reaches across it."""


class AlarmFinder:
    """Finds the first alarm of a text. Immutable."""

    def __init__(self, alarms: Alarms):
        self._patterns = tuple(map(_Pattern, alarms.alarms))
        self._struck, self._told = any_of(longest_first(alarms.struck)), any_of(longest_first(alarms.told))
        self._past, self._now = any_of(longest_first(alarms.past)), any_of(longest_first(alarms.now))

    def find(self, text: str, at: str = "") -> Alarm | None:
        """The alarm of a text, if it has one that counts; ``at``: the node where the listener is."""
        text = self._struck.sub(_GAP, bare(text))
        return next((p.alarm for p in self._patterns if p.counts_at(at) and p.is_in(text)), None)

    def here_and_now(self, text: str) -> str:
        """The clauses of a text without those that tell of elsewhere or of long ago.

        Such a word goes for what follows it, until 我 or a word of the present begins a clause that has none.
        """
        kept, away = [], False
        for clause in (c for part in _CLAUSE.findall(text) for c in _BEFORE_I.split(part)):
            told, past = self._told.search(clause), self._past.search(clause)
            now = self._now.search(clause) is not None
            if told or past and not now:
                kept.append(clause[:told.start()] if told else "")
                away = True
            elif now or clause.startswith(_I):
                away = False
            if not away:
                kept.append(clause)
        return "".join(kept)


class _Pattern:
    """One alarm, ready to be looked for."""

    def __init__(self, alarm: Alarm):
        self.alarm = alarm
        self._groups = [any_of(longest_first(group)) for group in alarm.words]
        self._unless = any_of(longest_first(alarm.unless))

    def counts_at(self, node: str) -> bool:
        """True if it counts for a listener who is there."""
        return not self.alarm.at or node in self.alarm.at

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
