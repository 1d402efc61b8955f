"""The Judge: how far an interpretation is to be believed, and what follows from that.

Two logistic regressions over a few pieces of evidence (Platt scaling with more than one score:
J. Platt, Probabilistic Outputs for Support Vector Machines, 1999): one says how probably the best
label is right, the other how probably the wanted node is among the three best. Their coefficients
and the limits for acting and asking are chosen on the tuning set by ``python -m service eval
--tune`` and lie in ``prompts/judge.yaml`` with the figures that chose them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from service.core.model import Rule, Scale

LONG = 30
"""Syllables from which on a text counts as long."""


@dataclass(frozen=True)
class Evidence:
    """What speaks for and against an interpretation. Numbers but ``length`` from 0 to 1."""

    best: float
    """Probability of the best label; 0 if that is to say no."""
    second: float
    """Probability of the next."""
    outside: float
    """Probability that it is not for the guide."""
    pairs: float
    """Share of the syllables that stand in known pairs."""
    triples: float
    """The same of known runs of three."""
    length: int
    """Syllables."""
    command: bool = False
    """True if the best label is a command or a key."""
    spoken: bool = False
    """True if it was heard and not typed."""
    agreement: float = 1.0
    """How far the two decoders heard the same."""
    closed: float = 1.0
    """Confidence of the closed grammar."""
    opened: float = 1.0
    """Confidence of the open decoder."""

    def features(self) -> tuple[float, ...]:
        """As the regressions take it."""
        common = (_log_odds(self.best), _log(self.best) - _log(self.second), _log(self.outside),
                  self.pairs, self.triples, min(self.length, LONG) / LONG, float(self.command))
        if not self.spoken:
            return common
        # What the open decoder is sure of and the closed grammar has not heard at all, speaks against it.
        return (*common, self.agreement, self.closed, self.opened, self.opened * (1 - self.agreement))


@dataclass(frozen=True)
class Verdict:
    """What to do with an interpretation."""

    confidence: float
    """How probably the best label is right."""
    acts: bool
    """True if that is enough to go to a node."""
    obeys: bool
    """True if it is enough to obey a command."""
    asks: bool


class Judge:
    """Immutable."""

    def __init__(self, typed: Rule, spoken: Rule):
        self._typed, self._spoken = typed, spoken

    def judge(self, evidence: Evidence) -> Verdict:
        """What follows from the evidence."""
        rule, features = self._spoken if evidence.spoken else self._typed, evidence.features()
        right = _probability(rule.right, features)
        served = _probability(rule.served, features)
        known = evidence.best > 0
        return Verdict(right, known and right >= rule.act, known and right >= rule.obey,
                       max(right, served) >= rule.ask)


def _probability(scale: Scale, features: tuple[float, ...]) -> float:
    odds = scale.bias + sum(c * f for c, f in zip(scale.coefficients, features, strict=True))
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, odds))))


def _log(probability: float) -> float:
    return math.log(max(probability, 1e-6))


def _log_odds(probability: float) -> float:
    return _log(probability) - _log(1 - probability)
