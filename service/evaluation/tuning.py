"""Tuning: chooses the Judge's coefficients and limits on the tuning set.

The coefficients are those of logistic regressions on the items that are not listed; the limits
are the pair with the most right and served among a grid, as far as what is wrong, accepted and
asked stays within the project's targets.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Sequence

import numpy as np

from service.core.judge import Judge
from service.core.model import Rule, Scale
from service.core.understanding import Weighed, decide
from service.evaluation.scoring import Outcome, judge, shares
from service.evaluation.sets import Item

GRID = tuple(np.round(np.arange(0.04, 0.97, 0.02), 2))
"""Limits that are tried."""
LEAST_OBEYED = 0.56
"""A command that is less sure than this is not obeyed, however many would be right."""
LEAST_ASKED = 0.2
"""Nothing is asked that helps less probably than this, however many would be served."""
STRENGTH = 1.0
"""Inverse of the penalty on large coefficients."""


@dataclass(frozen=True)
class Limits:
    """What must not be exceeded, shares from 0 to 1."""

    wrong: float
    accepted: float
    asked: float


@dataclass(frozen=True)
class Case:
    """One item for tuning: either already decided, because it is listed, or weighed."""

    item: Item
    listed: Outcome | None
    weighed: Weighed | None


def choose(cases: Sequence[Case], limits: Limits) -> tuple[Rule, dict]:
    """The rule, and the figures that chose it."""
    weighed = [c for c in cases if c.weighed]
    features = np.array([c.weighed.evidence.features() for c in weighed])
    right = [c.item.wants(c.weighed.ranked[0][0]) and c.weighed.evidence.best > 0 for c in weighed]
    nodes = [[label for label, _ in c.weighed.ranked if label[0] not in "!#~"][:3] for c in weighed]
    served = [any(c.item.wants(n) for n in offered) or r for c, offered, r in zip(weighed, nodes, right)]
    scales = _scale(features, right), _scale(features, served)
    rule = Rule(*scales, act=0.7, obey=0.7, ask=0.3)
    # The limits hardly touch each other: chosen in turn, twice.
    for name in ("act", "ask", "obey") * 2:
        tried = (dataclasses.replace(rule, **{name: float(limit)}) for limit in GRID
                 if limit >= {"obey": LEAST_OBEYED, "ask": LEAST_ASKED}.get(name, 0))
        rule = max(tried, key=lambda r: _value(_figures(cases, r), limits))
    return rule, _figures(cases, rule)


def _scale(features: np.ndarray, wanted: Sequence[bool]) -> Scale:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=STRENGTH, max_iter=1000).fit(features, wanted)
    return Scale(round(float(model.intercept_[0]), 4), tuple(round(float(c), 4) for c in model.coef_[0]))


def _figures(cases: Sequence[Case], rule: Rule) -> dict:
    judged_by = Judge(rule, rule)
    judged = [judge(c.item, c.listed or decide(c.weighed, judged_by.judge(c.weighed.evidence))) for c in cases]
    return {group: {k: round(v, 4) for k, v in shares(judged, group).items()}
            for group in ("requests", "commands", "outside")}


def _value(figures: dict, limits: Limits) -> float:
    requests, outside = figures["requests"], figures["outside"]
    over = (max(0.0, requests["wrong"] - limits.wrong) + 2.0 * max(0.0, outside["accepted"] - limits.accepted)
            + 0.3 * max(0.0, outside["asked"] - limits.asked))
    commands = figures["commands"]
    return requests["right"] + requests["served"] + commands["right"] - commands["wrong"] - 4 * over
