"""Misheard: what the open decoder writes in place of the guide's terms, learnt from the tuning set.

人社局 is heard as 人设局, 缴费 as 叫非. Each transcript is aligned with what was said by the least
cost of edits between their sounds (R. Wagner and M. Fischer, 1974); what stands where a term was
said, and is no word and in no phrase of the guide, is kept in ``prompts/misheard.yaml``.
"""

from __future__ import annotations

import collections
from typing import Iterable

import jieba

from service.core.grammar import bare
from service.core.pinyin import spoken, syllable_cost

ALIKE = 0.6
"""Mean cost of a syllable up to which one is heard for the other."""
SHORTEST = 2
"""Characters of what is heard."""
ENOUGH = {2: 2}
"""How often something so short must be heard; longer ones once."""


def learn(terms: Iterable[str], pairs: Iterable[tuple[str, str]], listed: str) -> dict[str, str]:
    """What is heard, to the term that was said.

    ``pairs``: (said, heard); ``listed``: all phrases of the guide as one text.
    """
    jieba.initialize()
    terms = sorted(map(bare, terms), key=len, reverse=True)
    counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for said, heard in ((bare(s), bare(h)) for s, h in pairs):
        places = align(said, heard) if said and heard else []
        for term in terms:
            start = said.find(term)
            if start < 0 or not places:
                continue
            found = [p for p in places[start:start + len(term)] if p is not None]
            span = heard[min(found):max(found) + 1] if found else ""
            if span != term and _is_like(span, term) and span not in listed and not jieba.get_FREQ(span):
                counts[span][term] += 1
    return {span: best[0] for span, held in sorted(counts.items())
            if (best := held.most_common(1)[0])[1] >= ENOUGH.get(len(span), 1)}


def _is_like(span: str, term: str) -> bool:
    if len(span) < SHORTEST or len(span) != len(term):
        return False
    costs = [syllable_cost(a, b) for a, b in zip(spoken(span), spoken(term))]
    return sum(costs) / len(costs) <= ALIKE


def align(said: str, heard: str) -> list[int | None]:
    """For each character said the place of the one heard for it, or None."""
    a, b = spoken(said), spoken(heard)
    if len(a) != len(said) or len(b) != len(heard):
        return []
    cost = [[float(i + j) if not i or not j else 0.0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            cost[i][j] = min(cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                             cost[i - 1][j - 1] + syllable_cost(a[i - 1], b[j - 1]))
    places: list[int | None] = [None] * len(a)
    i, j = len(a), len(b)
    while i and j:
        if cost[i][j] == cost[i - 1][j - 1] + syllable_cost(a[i - 1], b[j - 1]):
            i, j = i - 1, j - 1
            places[i] = j
        elif cost[i][j] == cost[i - 1][j] + 1:
            i -= 1
        else:
            j -= 1
    return places
