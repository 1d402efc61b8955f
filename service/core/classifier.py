"""The Classifier: which node, command or nothing a text is like.

Multinomial logistic regression over tf-idf weights of n-grams of characters and of merged
syllables, so that what sounds the same to a listener from Hunan counts as the same. Which aspect
of a node is meant is weighed within the node, by a regression of its own. Here is only what uses
them; ``service.fitting`` learns the coefficients from the listed phrases.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import Iterable, Sequence

import numpy as np

from service.core import labels
from service.core.pinyin import syllables

SYLLABLE_GRAMS, CHARACTER_GRAMS = (1, 2, 3), (1, 2)
"""Lengths of the n-grams."""


@dataclass(frozen=True)
class Coefficients:
    """What was learnt."""

    labels: tuple[str, ...]
    grams: tuple[str, ...]
    """n-grams in the order of the rows below."""
    inverse_frequency: np.ndarray
    """Weight of each n-gram, shape (grams,)."""
    weights: np.ndarray
    """Log odds for each n-gram and label, shape (grams, labels)."""
    bias: np.ndarray
    """Log odds of each label before anything is known, shape (labels,)."""
    aspects: tuple[str, ...]
    """Labels of nodes and their aspects, of the nodes that have any."""
    aspect_weights: np.ndarray
    """The same as ``weights`` for these, each against the others of its node, shape (grams, aspects)."""
    aspect_bias: np.ndarray
    """The same as ``bias``, shape (aspects,)."""


class Classifier:
    """Weighs texts. Immutable, so threads may share it."""

    def __init__(self, learnt: Coefficients):
        self.labels = learnt.labels
        self.index = {label: i for i, label in enumerate(learnt.labels)}
        self._learnt = learnt
        self._place = {gram: i for i, gram in enumerate(learnt.grams)}
        self._aspects: dict[str, list[int]] = collections.defaultdict(list)
        for i, label in enumerate(learnt.aspects):
            self._aspects[labels.whole(label)].append(i)

    def log_probabilities(self, text: str) -> np.ndarray:
        """Natural logarithm of each label's probability, shape (labels,)."""
        return self._weighed(text, self._learnt.weights, self._learnt.bias)

    def aspect(self, node: str, text: str) -> tuple[str, float]:
        """The aspect of a node that a text most probably means, and how probably; an empty one is the node as such."""
        columns = self._aspects.get(node)
        if not columns:
            return "", 1.0
        found = self._weighed(text, self._learnt.aspect_weights, self._learnt.aspect_bias, columns)
        best = int(np.argmax(found))
        return labels.parts(self._learnt.aspects[columns[best]])[1], float(np.exp(found[best]))

    def _weighed(self, text: str, weights: np.ndarray, bias: np.ndarray,
                 columns: slice | list[int] = slice(None)) -> np.ndarray:
        places = [self._place[g] for g in grams(text) if g in self._place]
        odds = bias[columns].astype(np.float64)
        if places:
            values = self._learnt.inverse_frequency[places]
            odds = odds + (values / np.linalg.norm(values)) @ weights[places][:, columns]
        return odds - odds.max() - np.log(np.exp(odds - odds.max()).sum())

    def coverage(self, text: str, length: int) -> float:
        """Share of the syllables (0 to 1) that stand in a run of ``length`` syllables that examples have."""
        sounds = syllables(text)
        known = [False] * len(sounds)
        for start in range(len(sounds) - length + 1):
            if "s" + " ".join(sounds[start:start + length]) in self._place:
                known[start:start + length] = [True] * length
        return sum(known) / len(known) if len(known) >= length else 1.0


def grams(text: str) -> set[str]:
    """The n-grams of a text, syllables with an s in front and characters with a c."""
    sounds = syllables(text)
    found = {"s" + " ".join(part) for part in _parts(sounds, SYLLABLE_GRAMS)}
    return found | {"c" + part for part in _parts(text, CHARACTER_GRAMS)}


def _parts(whole: Sequence, lengths: Iterable[int]) -> Iterable[Sequence]:
    for n in lengths:
        for start in range(len(whole) - n + 1):
            yield whole[start:start + n]
