"""Scores: what came of items, counted as the project's targets count it."""

from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import Callable, Iterable, Sequence

from service.core.dialog import Ask, Match, NoMatch
from service.core.model import ROOT
from service.evaluation.sets import Item

OFFERED = 3
"""Nodes of a question that count as offered."""
Outcome = Match | Ask | NoMatch
VERDICTS = ("right", "asked", "wrong", "lost")
"""Of requests and commands: found; asked with the wanted node on offer; sent the wrong way; neither."""
OUTSIDE_VERDICTS = ("accepted", "asked", "rejected")


@dataclass(frozen=True)
class Judged:
    """One item with what came of it."""

    item: Item
    outcome: Outcome
    verdict: str


def label_of(outcome: Match) -> str:
    """The label that a match stands for."""
    if outcome.node == ROOT:
        return "!top"
    return outcome.node or (f"!{outcome.command}" if outcome.command else f"#{outcome.key}")


def judge(item: Item, outcome: Outcome) -> Judged:
    """The verdict on one outcome."""
    if item.group == "outside":
        kinds = {Match: "accepted", Ask: "asked", NoMatch: "rejected"}
        return Judged(item, outcome, kinds[type(outcome)])
    if isinstance(outcome, Match):
        return Judged(item, outcome, "right" if item.wants(label_of(outcome)) else "wrong")
    offered = isinstance(outcome, Ask) and any(item.wants(c) for c in outcome.candidates[:OFFERED])
    return Judged(item, outcome, "asked" if offered else "lost")


def shares(judged: Iterable[Judged], group: str) -> dict[str, float]:
    """Share of each verdict (0 to 1) among the items of a group, with ``n`` and ``served``."""
    count = collections.Counter(j.verdict for j in judged if j.item.group == group)
    n = sum(count.values())
    names = OUTSIDE_VERDICTS if group == "outside" else VERDICTS
    found = {"n": n} | {name: count[name] / n if n else 0.0 for name in names}
    if group != "outside":
        found["served"] = found["right"] + found["asked"]
    return found


def by(judged: Sequence[Judged], key: Callable[[Item], str]) -> dict[str, list[Judged]]:
    """The items in groups, by what ``key`` says of them."""
    groups = collections.defaultdict(list)
    for one in judged:
        groups[key(one.item)].append(one)
    return dict(sorted(groups.items()))


def confusions(judged: Iterable[Judged], at_most: int) -> list[tuple[str, str, int]]:
    """(wanted, taken for, how often) of what was sent the wrong way, the most frequent first."""
    count = collections.Counter((j.item.label, label_of(j.outcome)) for j in judged
                                if isinstance(j.outcome, Match) and j.verdict in ("wrong", "accepted"))
    return [(wanted, taken, n) for (wanted, taken), n in count.most_common(at_most)]


def reliability(pairs: Iterable[tuple[float, bool]], bins: int = 10) -> list[tuple[float, float, float, int]]:
    """The reliability curve: (lower limit, mean confidence, share right, how many) of each bin that is
    not empty (A. Niculescu-Mizil and R. Caruana, Predicting Good Probabilities, 2005)."""
    held = collections.defaultdict(list)
    for confidence, right in pairs:
        held[min(bins - 1, int(confidence * bins))].append((confidence, right))
    return [(i / bins, sum(c for c, _ in held[i]) / len(held[i]), sum(r for _, r in held[i]) / len(held[i]),
             len(held[i])) for i in sorted(held)]
