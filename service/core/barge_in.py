"""Barge-in: which words may interrupt the guide while it speaks.

Keys always may. By voice only short commands do, and cries for help: free interruption by any sound does not work
beside a loudspeaker. What the guide is just saying itself is never one.
"""

from __future__ import annotations

from service.core.dialog import Match, Outcome
from service.core.grammar import bare
from service.core.pinyin import syllables

INTERRUPTING = frozenset(
    "repeat next back up top first slower faster louder softer pause stop resume no yes".split())
"""Commands that interrupt."""
LONGEST = 8
"""Syllables; a longer utterance beside the guide's own voice is talk, not a command."""


def interrupts(outcome: Outcome, heard: str, speaking: str) -> bool:
    """True if ``heard``, understood as ``outcome``, interrupts the guide saying ``speaking``."""
    if not isinstance(outcome, Match) or not (outcome.urgent or outcome.command in INTERRUPTING or outcome.key):
        return False
    sounds = syllables(bare(heard))
    # A cry for help may be a long story.
    return 0 < len(sounds) and (outcome.urgent or len(sounds) <= LONGEST) and not _within(sounds, syllables(bare(speaking)))


def _within(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    """True if the part's syllables stand one after the other in the whole: its own echo."""
    return any(whole[i:i + len(part)] == part for i in range(len(whole) - len(part) + 1))
