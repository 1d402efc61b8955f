"""Effects: what a new way of asking could be taken for."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field

from service.core import labels
from service.core.grammar import bare
from service.core.model import Guide
from service.core.pinyin import sound_distance, syllables
from service.core.templates import templates
from service.core.understanding import labelled_lines

MOST_COMPARED = 300
"""Ways of asking that share the most syllables; only these are compared sound by sound."""


@dataclass(frozen=True)
class Neighbour:
    """A way of asking for another node."""

    phrase: str
    node: str
    score: float
    """1: the same to a listener who merges sounds; see ``sound_distance``."""


@dataclass
class _Index:
    """Every way of asking of a guide, by its syllables and pairs of syllables."""

    guide: Guide
    lines: list[tuple[str, str]] = field(default_factory=list)
    holders: dict[object, list[int]] = field(default_factory=lambda: collections.defaultdict(list))

    def __post_init__(self):
        reader = templates(self.guide.words)
        for line, label in labelled_lines(self.guide):
            if labels.is_node(label):
                # Of a template the first sentence stands for all, as in close_pairs.
                self.lines.append((bare(reader.expand(line)[0]), labels.whole(label)))
        for place, (text, _) in enumerate(self.lines):
            for sound in _sounds(text):
                self.holders[sound].append(place)


_indexes: list[_Index] = []


def neighbours(guide: Guide, node_id: str, phrase: str, at_most: int = 3) -> tuple[Neighbour, ...]:
    """The ways of asking for other nodes that sound closest to the phrase, the closest first."""
    index, text = _index(guide), bare(phrase)
    shared: collections.Counter = collections.Counter()
    for sound in _sounds(text):
        for place in index.holders.get(sound, ()):
            if index.lines[place][1] != node_id:
                shared[place] += 1
    # A long line shares more by chance; what it has besides counts against it.
    by_share = sorted(shared, key=lambda p: (abs(len(index.lines[p][0]) - len(text)) / 2 - shared[p], p))
    found = {}
    for place in by_share[:MOST_COMPARED]:
        other, label = index.lines[place]
        found[other, label] = Neighbour(other, label, round(1 - sound_distance(text, other), 3))
    return tuple(sorted(found.values(), key=lambda n: (-n.score, n.phrase, n.node))[:at_most])


def _sounds(text: str) -> set:
    sounds = syllables(text)
    return {*sounds, *zip(sounds, sounds[1:])}


def _index(guide: Guide) -> _Index:
    """The index of that guide; those of the last two are kept, the running one and one that is proposed."""
    global _indexes
    for index in _indexes:
        if index.guide is guide:
            return index
    index = _Index(guide)
    # Assigned as a whole: two threads may both make one, and neither sees half of it.
    _indexes = [index, *_indexes[:1]]
    return index
