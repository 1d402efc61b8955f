"""Closeness: requests of two nodes that sound alike, so that one is easily heard for the other."""

from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import Iterable

from service.core.grammar import bare
from service.core.model import Guide
from service.core.pinyin import sound_distance, syllables
from service.core.templates import templates
from service.core.understanding import labelled_lines

ALIKE = 0.88
"""Pairs from this likeness on are reported."""
COMMON = 60
"""A pair of syllables that more lines have says nothing about likeness."""
SHORTEST = 3
"""Characters; shorter phrases are told apart by the classifier's context alone."""


@dataclass(frozen=True)
class Pair:
    """Two phrases that sound alike and mean different things."""

    likeness: float
    """1: the same to a listener who merges sounds; see ``sound_distance``."""
    first: str
    second: str
    labels: tuple[str, str]


def close_pairs(guide: Guide, alike: float = ALIKE) -> list[Pair]:
    """Every such pair, the closest first. Of a template the first sentence stands for all."""
    reader = templates(guide.words)
    lines = [(bare(reader.expand(line)[0]), label) for line, label in labelled_lines(guide)]
    lines = [(text, label) for text, label in lines if len(text) >= SHORTEST]
    holders = collections.defaultdict(list)
    for place, (text, _) in enumerate(lines):
        for run in _runs(syllables(text)):
            holders[run].append(place)
    pairs = []
    for place, (text, label) in enumerate(lines):
        near = {other for run in _runs(syllables(text)) if len(holders[run]) <= COMMON for other in holders[run]}
        for other in near:
            if other <= place or lines[other][1] == label or abs(len(lines[other][0]) - len(text)) > 2:
                continue
            likeness = 1 - sound_distance(text, lines[other][0])
            if likeness >= alike:
                pairs.append(Pair(round(likeness, 3), text, lines[other][0], (label, lines[other][1])))
    return sorted(pairs, key=lambda p: (-p.likeness, p.first, p.second))


def _runs(sounds: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """Its pairs of syllables."""
    return {sounds[i:i + 2] for i in range(len(sounds) - 1)}
