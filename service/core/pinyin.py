"""Pinyin: how a phrase sounds, with the mergers that speakers from Hunan make.

n/l, h/f before u, zh/z, ch/c, sh/s, in/ing, en/eng and the tones are one and the same here,
because many listeners do not tell them apart and the recogniser mixes them up.
"""

from __future__ import annotations

import functools
from typing import Callable

from pypinyin import Style, lazy_pinyin
from pypinyin.seg.simpleseg import seg

_INITIALS = ("zh", "ch", "sh", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q",
             "x", "r", "z", "c", "s")
TONE_COST, MERGER_COST, HALF_COST = 0.05, 0.15, 0.6
"""What a difference in tone alone, a merger, and a different initial or final cost; another syllable
costs 1."""
_MERGED_INITIALS = {"zh": "z", "ch": "c", "sh": "s", "n": "l"}


@functools.lru_cache(maxsize=8192)
def syllables(text: str) -> tuple[str, ...]:
    """The syllables of Chinese characters, toneless and merged: 湖南 -> (fu, lan)."""
    return tuple(s for word in seg(text) for s in _of_a_word(word))


@functools.lru_cache(maxsize=65536)
def _of_a_word(word: str) -> tuple[str, ...]:
    """The same of one word as pypinyin cuts texts: a few thousand words make up all phrases."""
    return tuple(map(merge, lazy_pinyin(word)))


@functools.lru_cache(maxsize=4096)
def merge(syllable: str) -> str:
    """One toneless syllable with its mergers: hui -> fei, zheng -> zen."""
    initial, final = _split(syllable)
    if initial == "h" and final.startswith("u"):
        # Spelt ui and un, said uei and uen: 灰 is then 飞, 混 is 粪.
        initial, final = "f", {"": "u", "i": "ei", "n": "en"}.get(final[1:], final[1:])
    if final.endswith(("ing", "eng")):
        final = final[:-1]
    return _MERGED_INITIALS.get(initial, initial) + final


@functools.lru_cache(maxsize=8192)
def spoken(text: str) -> tuple[str, ...]:
    """The syllables of Chinese characters as they are, with a tone digit: 湖南 -> (hu2, nan2)."""
    return tuple(lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True))


@functools.lru_cache(maxsize=65536)
def syllable_cost(a: str, b: str) -> float:
    """How unlike two syllables with tone digits sound to a listener from Hunan, 0 to 1."""
    if a == b:
        return 0.0
    a, b = a.rstrip("12345"), b.rstrip("12345")
    if a == b:
        return TONE_COST
    a, b = merge(a), merge(b)
    if a == b:
        return MERGER_COST
    (initial_a, final_a), (initial_b, final_b) = _split(a), _split(b)
    return HALF_COST if initial_a == initial_b or final_a == final_b else 1.0


def sound_distance(a: str, b: str) -> float:
    """How unlike two texts sound, 0 to 1: the least cost of edits, a share of the longer one."""
    return _share_of_edits(spoken(a), spoken(b), syllable_cost)


def _split(syllable: str) -> tuple[str, str]:
    initial = next((i for i in _INITIALS if syllable.startswith(i)), "")
    return initial, syllable[len(initial):]


def distance(a: tuple[str, ...], b: tuple[str, ...]) -> float:
    """Edits to turn one sequence of syllables into the other, a share of the longer one (0 to 1)."""
    return _share_of_edits(a, b, lambda x, y: float(x != y))


def _share_of_edits(a: tuple[str, ...], b: tuple[str, ...], cost: Callable[[str, str], float]) -> float:
    """The least cost of insertions and deletions (1 each) and of substitutions (``cost``)."""
    if not a or not b:
        return float(a != b)
    row = [float(j) for j in range(len(b) + 1)]
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], float(i)
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + cost(x, y))
    return row[-1] / max(len(a), len(b))
