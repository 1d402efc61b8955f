"""Pinyin: how a phrase sounds, with the mergers that speakers from Hunan make.

n/l, h/f before u, zh/z, ch/c, sh/s, in/ing, en/eng and the tones are one and the same here,
because many listeners do not tell them apart and the recogniser mixes them up.
"""

from __future__ import annotations

import functools

from pypinyin import lazy_pinyin

_INITIALS = ("zh", "ch", "sh", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q",
             "x", "r", "z", "c", "s")
_MERGED_INITIALS = {"zh": "z", "ch": "c", "sh": "s", "n": "l"}


@functools.lru_cache(maxsize=8192)
def syllables(text: str) -> tuple[str, ...]:
    """The syllables of Chinese characters, toneless and merged: 湖南 -> (fu, lan)."""
    return tuple(merge(s) for s in lazy_pinyin(text))


@functools.lru_cache(maxsize=4096)
def merge(syllable: str) -> str:
    """One toneless syllable with its mergers: hui -> fei, zheng -> zen."""
    initial = next((i for i in _INITIALS if syllable.startswith(i)), "")
    final = syllable[len(initial):]
    if initial == "h" and final.startswith("u"):
        # Spelt ui and un, said uei and uen: 灰 is then 飞, 混 is 粪.
        initial, final = "f", {"": "u", "i": "ei", "n": "en"}.get(final[1:], final[1:])
    if final.endswith(("ing", "eng")):
        final = final[:-1]
    return _MERGED_INITIALS.get(initial, initial) + final


def distance(a: tuple[str, ...], b: tuple[str, ...]) -> float:
    """Edits to turn one sequence of syllables into the other, a share of the longer one (0 to 1)."""
    if not a or not b:
        return float(a != b)
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1] / max(len(a), len(b))
