"""Pairing: which item of an edited list goes back to which one of the old list."""

from __future__ import annotations

import collections
import difflib
from typing import Sequence

Pairing = list[int | None]
"""For each new item the place of the old one that it goes back to; None: there is none."""
MOST_COMPARED = 10_000
"""Pairs of items. More are paired in their order: comparing them would take seconds."""
COMPARED_CHARACTERS = 120
LEAST_ALIKE = 0.35
"""A sentence less like an old one than this is a new one, if there are more or fewer than before."""


def pairing(old: Sequence[str], new: Sequence[str]) -> Pairing:
    """Equal texts belong together wherever they stand; the rest by their place, or by likeness in order."""
    out: list[int | None] = [None] * len(new)
    places = collections.defaultdict(list)
    for i, text in enumerate(old):
        places[text].append(i)
    for j, text in enumerate(new):
        if places[text]:
            out[j] = places[text].pop(places[text].index(j) if j in places[text] else 0)
    _by_place(out, len(old))
    free, left = sorted(set(range(len(old))) - set(out)), [j for j, i in enumerate(out) if i is None]
    for a, b in _alike([old[i] for i in free], [new[j] for j in left]):
        out[left[b]] = free[a]
    _by_place(out, len(old))
    return out


def _by_place(out: list[int | None], count: int) -> None:
    """What stands between the same neighbours as before is the same item with other words."""
    free = set(range(count)) - set(out)
    if len(out) == count:
        for j in free & {j for j, i in enumerate(out) if i is None}:
            out[j] = j
        return
    for j, i in enumerate(out):
        before = -1 if j == 0 else out[j - 1]
        after = count if j == len(out) - 1 else out[j + 1]
        if i is None and before is not None and after == before + 2 and before + 1 in free:
            out[j] = before + 1


def is_alike(old: str, new: str) -> bool:
    """True if a text may be another one in other words."""
    return _likeness(old, new) >= LEAST_ALIKE


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one[:COMPARED_CHARACTERS], other[:COMPARED_CHARACTERS]).ratio()


def _alike(old: list[str], new: list[str]) -> list[tuple[int, int]]:
    if len(old) * len(new) > MOST_COMPARED:
        return list(zip(range(len(old)), range(len(new))))
    # The best sum of likenesses without crossing; best[a][b] is for the first a of the old and b of the new.
    best = [[(0.0, ())] * (len(new) + 1) for _ in range(len(old) + 1)]
    for a, one in enumerate(old, 1):
        for b, other in enumerate(new, 1):
            score, pairs = best[a - 1][b - 1]
            likeness = _likeness(one, other)
            both = (score + likeness, (*pairs, (a - 1, b - 1))) if likeness >= LEAST_ALIKE else (0.0, ())
            best[a][b] = max(both, best[a - 1][b], best[a][b - 1], key=lambda found: found[0])
    return list(best[-1][-1][1])
