"""Understanding: from what was said to Match, Ask or NoMatch.

Three ways, in this order: the phrase is listed (by its characters, then by its sound); it is a
correction ("不是这个，我问的是…"); otherwise a linear classifier over the characters and merged
syllables of all listed phrases weighs which of them it is like. The classifier is ridge
regression on tf-idf n-grams (one-vs-all, closed form: Rifkin & Klautau, In Defense of One-Vs-All
Classification, JMLR 2004), fitted when the guide is loaded: no training step, no model file.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from dataclasses import dataclass
from typing import Iterable, Sequence

import numpy as np

from service.core.dialog import Ask, Match, NoMatch
from service.core.grammar import bare
from service.core.model import HELP, Guide
from service.core.pinyin import distance, syllables

OUTSIDE = "~"
"""Label of sentences that are not for the guide."""
RIDGE = 1.0
"""Weight of the penalty in the ridge regression."""
SHARPNESS = 6.0
"""Factor from scores to log odds in the softmax."""
TRUSTED = 0.75
"""The closed grammar's listed phrase is taken from this trust on."""
SURE = 0.85
"""Confidence of a decoder that is sure of its words."""
SHORT = 3
"""Characters of a short word."""
EXPECTED_BONUS = 0.15
"""Added to the score of what the guide has just offered."""


@dataclass(frozen=True)
class Thresholds:
    """When to act, when to ask, when to say no. All are probabilities, 0 to 1."""

    match: float = 0.40
    """Act on a request from here."""
    margin: float = 0.10
    """Act only if it leads the next by this much."""
    ask: float = 0.20
    """Ask if the nodes on offer have this much together."""
    offer: float = 0.05
    """A node is offered from here."""
    match_coverage: float = 0.60
    """Act only if this share of the syllables stands in word pairs that the listed phrases have."""
    ask_coverage: float = 0.52
    """Ask only from this share."""
    outside: float = 0.50
    """Say no from here, if the sentence looks like one that is not for the guide."""


@dataclass(frozen=True)
class Expectation:
    """What was said before, as far as it changes what is meant now."""

    node: str = ""
    """Where the listener is; a correction does not lead there."""
    asked: tuple[str, ...] = ()
    """Nodes of the open question."""


class Understanding:
    """All phrases of one Guide, compiled. Immutable after construction, so threads may share it."""

    def __init__(self, guide: Guide, thresholds: Thresholds = Thresholds()):
        self._guide, self._thresholds = guide, thresholds
        self._padding = _Padding(guide)
        labelled = [(p, label) for p, label in labelled_phrases(guide)]
        # A menu reads titles aloud, so that people repeat them; what is listed goes before.
        titles = [(node.title, node.id) for node in guide.nodes.values()]
        self._exact = {bare(p): label for p, label in reversed(labelled + titles)}
        self._sound: dict[tuple[str, ...], str | None] = {}
        for phrase, label in labelled + titles:
            key = syllables(bare(phrase))
            # Phrases of two nodes that sound the same are left to the characters.
            same = self._sound.setdefault(key, label) == label
            self._sound[key] = label if same else None
        self._choices = {bare(w): nodes for w, nodes in guide.choices.items()}
        self._choices |= {self._padding.plain(w): n for w, n in guide.choices.items()}
        examples = labelled + [(p, OUTSIDE) for p in guide.outside] + titles
        self._classifier = _Classifier([(self._padding.plain(p), label) for p, label in examples])

    def phrases(self) -> list[str]:
        """Everything listed that can be said, for the grammar."""
        listed = [p for p, _ in labelled_phrases(self._guide)] + list(self._guide.choices)
        listed += [node.title for node in self._guide.nodes.values()]
        return [self._guide.lexicon.heard(p) for p in listed]

    # --- one text --------------------------------------------------------------------------

    def interpret(self, text: str, expect: Expectation = Expectation()) -> Match | Ask | NoMatch:
        """What a text means to somebody who is at ``expect``. Never raises, whatever the text."""
        return self._interpret([(text, 1.0)], self._known(expect))

    def hear(self, closed: str, opened: str, closed_confidence: float, opened_confidence: float,
             expect: Expectation = Expectation()) -> Match | Ask | NoMatch:
        """What an utterance means of which two decoders wrote down what they heard.

        The closed grammar hears known phrases well, and hears them in everything; so it is
        believed as far as the open decoder heard something that sounds alike.
        """
        closed, opened, expect = bare(closed), bare(opened), self._known(expect)
        if not opened:
            trust = closed_confidence
        else:
            apart = distance(syllables(closed), syllables(opened))
            trust = closed_confidence * max(0.0, 1.0 - 1.2 * apart)
        # A short word that the open decoder was unsure of: 对, heard openly as 多位.
        short = closed_confidence >= SURE > opened_confidence and abs(len(closed) - len(opened)) <= 1
        if closed and (trust >= TRUSTED or short and len(closed) <= SHORT):
            listed = self._listed(closed, expect)
            if listed:
                return listed
        return self._interpret([(opened, 1.0), (closed, trust)], expect)

    def is_complete(self, closed: str, opened: str) -> bool:
        """True if what was heard so far is a whole phrase, so that a short silence ends it."""
        for text in filter(None, (bare(closed), bare(opened))):
            if text in self._exact or text in self._choices:
                return True
        return bool(opened) and isinstance(self.interpret(opened), Match)

    # --- how ---------------------------------------------------------------------------------

    def _known(self, expect: Expectation) -> Expectation:
        """Without nodes that the guide has lost since they were offered."""
        asked = tuple(n for n in expect.asked if n in self._guide.nodes)
        return dataclasses.replace(expect, asked=asked)

    def _interpret(self, texts: Sequence[tuple[str, float]], expect: Expectation):
        texts = [(t, weight) for t, weight in ((bare(t), w) for t, w in texts) if t and weight > 0]
        if not texts:
            return NoMatch()
        found = self._listed(texts[0][0], expect) or self._corrected(texts, expect)
        if found:
            return found
        if all(len(text) < 2 for text, _ in texts):
            return NoMatch()  # One sign that is not listed tells nothing: 龙 only sounds like 农.
        total = sum(weight for _, weight in texts)
        scores = sum(self._scores(text, expect) * (weight / total) for text, weight in texts)
        # A closed grammar hears known words in everything; only the first text can tell how much
        # of what was said is known at all.
        return self._decide(scores, self._classifier.coverage(self._padding.plain(texts[0][0])))

    def _scores(self, text: str, expect: Expectation) -> np.ndarray:
        scores = self._classifier.scores(self._padding.plain(text))
        for node in expect.asked:
            scores[self._classifier.index[node]] += EXPECTED_BONUS
        return scores

    def _listed(self, text: str, expect: Expectation) -> Match | Ask | None:
        """The outcome of a phrase that stands in ``prompts/``."""
        plain = self._padding.plain(text)
        for form in (text, self._padding.trim(text), plain):
            if form in self._exact:
                return self._outcome(self._exact[form], 1.0)
            among = self._among_asked(form, expect)
            if among:
                return among
            if form in self._choices:
                return self._choice(self._choices[form], expect)
        label = self._sound.get(syllables(self._padding.trim(text))) or self._sound.get(syllables(text))
        return self._outcome(label, 0.9) if label else None

    def _choice(self, nodes: tuple[str, ...], expect: Expectation) -> Match | Ask:
        among = [n for n in expect.asked if n in nodes]
        return Match(node=among[0], score=0.9) if len(among) == 1 else Ask(nodes)

    def _among_asked(self, text: str, expect: Expectation) -> Match | None:
        """The one node of the open question whose title has the answer in it."""
        if len(text) < 2:
            return None
        fits = [n for n in expect.asked if text in self._guide.nodes[n].title]
        return Match(node=fits[0], score=0.95) if len(fits) == 1 else None

    def _corrected(self, texts: Sequence[tuple[str, float]], expect: Expectation) -> Match | Ask | None:
        """The outcome of what follows 不是这个，我问的是…, if the first text begins so."""
        rests = [(self._padding.correction(text), weight) for text, weight in texts]
        if rests[0][0] is None:
            return None
        found = self._interpret([(r, w) for r, w in rests if r], Expectation(asked=expect.asked))
        if isinstance(found, Match) and (found.node is None or found.node != expect.node):
            return dataclasses.replace(found, corrected=True)
        if isinstance(found, Ask):
            return Ask(tuple(c for c in found.candidates if c != expect.node), found.scores)
        return None

    def _outcome(self, label: str, score: float) -> Match:
        if label.startswith("!"):
            name = label[1:]
            return Match(node=HELP, score=score) if name == "help" else Match(command=name, score=score)
        return Match(key=label[1:], score=score) if label.startswith("#") else Match(node=label, score=score)

    def _decide(self, scores: np.ndarray, coverage: float) -> Match | Ask | NoMatch:
        odds = np.exp(SHARPNESS * (scores - scores.max()))
        shares = odds / odds.sum()
        order = np.argsort(-shares)
        labels = self._classifier.labels
        ranked = [(labels[i], float(shares[i])) for i in order]
        nodes = [(label, p) for label, p in ranked if _is_node(label)][:3]
        (best, p), (_, second) = ranked[0], ranked[1]
        limits = self._thresholds
        clear = best != OUTSIDE and p >= limits.match and p - second >= limits.margin
        if clear and coverage >= limits.match_coverage:
            return self._outcome(best, p)
        offered = [(label, p) for label, p in nodes if p >= limits.offer]
        outside = dict(ranked)[OUTSIDE]
        likely = sum(p for _, p in offered) >= limits.ask and coverage >= limits.ask_coverage
        if offered and outside < limits.outside and likely:
            return Ask(tuple(n for n, _ in offered), tuple(p for _, p in offered))
        return NoMatch(tuple(n for n, _ in nodes), tuple(p for _, p in nodes))


def _is_node(label: str) -> bool:
    return label[0] not in "!#~"


def labelled_phrases(guide: Guide) -> Iterable[tuple[str, str]]:
    """Every listed phrase with its label: a node id, !command or #key."""
    for node in guide.nodes.values():
        for phrase in node.requests:
            yield phrase, node.id
    for command in guide.commands.values():
        for phrase in command.phrases:
            yield phrase, f"!{command.name}"
    for key, phrases in guide.key_phrases.items():
        for phrase in phrases:
            yield phrase, f"#{key}"


class _Padding:
    """Takes away what people say around a request, and turns Hunan words into plain ones."""

    def __init__(self, guide: Guide):
        fillers = sorted(map(bare, guide.padding.fillers), key=len, reverse=True)
        long = "|".join(re.escape(f) for f in fillers if len(f) > 1)
        short = "".join(f for f in fillers if len(f) == 1)
        self._long = re.compile(long or r"(?!)")
        self._ends = re.compile(f"^[{short}]+|[{short}]+$" if short else r"(?!)")
        negations = sorted(map(bare, guide.padding.negations), key=len, reverse=True)
        self._negation = re.compile("|".join(map(re.escape, negations)) or r"(?!)")
        self._heard = guide.lexicon.heard
        words = {self._heard(k): v for k, v in guide.padding.dialect.items()}
        self._words = dict(sorted(words.items(), key=lambda kv: -len(kv[0])))
        self._dialect = re.compile("|".join(map(re.escape, self._words)) or r"(?!)")

    def trim(self, text: str) -> str:
        """Characters only, without fillers; the text itself if nothing would be left."""
        text = bare(text)
        return self._ends.sub("", self._long.sub("", text)) or text

    def plain(self, text: str) -> str:
        """Trimmed, in plain words."""
        return self._dialect.sub(lambda m: self._words[m[0]], self._heard(self.trim(text)))

    def correction(self, text: str) -> str | None:
        """What follows the opening of a correction, or None if there is no opening."""
        text = rest = self.trim(text)
        # All openings at once, but never the last words: 不对不对 is itself an answer.
        while (match := self._negation.match(rest)) and 0 < match.end() < len(rest):
            rest = rest[match.end():]
        return rest if rest != text and len(rest) >= 2 else None


class _Classifier:
    """Ridge regression from n-grams of characters and syllables to labels."""

    def __init__(self, examples: Sequence[tuple[str, str]]):
        self.labels = sorted({label for _, label in examples})
        self.index = {label: i for i, label in enumerate(self.labels)}
        grams = [_grams(text) for text, _ in examples]
        counts = collections.Counter(g for one in grams for g in one)
        # A longer n-gram that occurs once only tells its own phrase; single signs are kept.
        kept = [g for g, n in counts.items() if n > 1 or len(g) == 2]
        self._place = {g: i for i, g in enumerate(kept)}
        self._weight = np.array([np.log(len(examples) / counts[g]) + 1 for g in kept], np.float32)
        rows = [self._places(g) for g in grams]
        scale = [1 / np.linalg.norm(self._weight[r]) if len(r) else 0.0 for r in rows]
        targets = np.full((len(examples), len(self.labels)), -1, np.float32)
        targets[np.arange(len(examples)), [self.index[label] for _, label in examples]] = 1
        users = collections.defaultdict(list)
        for example, places in enumerate(rows):
            for place in places:
                users[place].append(example)
        # The matrix of examples by n-grams is nearly empty: sums over each n-gram's users are
        # twenty times quicker than the dense products.
        kernel = np.zeros((len(examples), len(examples)), np.float32)
        scale = np.array(scale, np.float32)
        for place, who in users.items():
            values = scale[who] * self._weight[place]
            kernel[np.ix_(who, who)] += np.outer(values, values)
        kernel[np.diag_indices_from(kernel)] += RIDGE
        dual = np.linalg.solve(kernel, targets)
        self._coefficients = np.zeros((len(kept), len(self.labels)), np.float32)
        for place, who in users.items():
            self._coefficients[place] = (scale[who] * self._weight[place]) @ dual[who]

    def scores(self, text: str) -> np.ndarray:
        """A score for each label, shape (labels,): about 1 for a sure yes, -1 for a sure no."""
        places = self._places(_grams(text))
        if not len(places):
            flat = np.full(len(self.labels), -1, np.float32)
            flat[self.index[OUTSIDE]] = 0
            return flat
        weights = self._weight[places]
        return (weights / np.linalg.norm(weights)) @ self._coefficients[places]

    def coverage(self, text: str) -> float:
        """Share of the syllables (0 to 1) that stand in a pair of syllables of some example."""
        sounds = syllables(text)
        pairs = [("s", *sounds[i:i + 2]) in self._place for i in range(len(sounds) - 1)]
        known = [a or b for a, b in zip([False, *pairs], [*pairs, False])]
        return sum(known) / len(known) if len(known) > 1 else 1.0

    def _places(self, grams: Iterable[tuple]) -> np.ndarray:
        return np.array([self._place[g] for g in grams if g in self._place], int)


def _grams(text: str) -> set[tuple]:
    """Unigrams to trigrams of syllables, unigrams and bigrams of characters; first the kind."""
    sounds = syllables(text)
    found = {("s", *sounds[i:i + n]) for n in (1, 2, 3) for i in range(len(sounds) - n + 1)}
    return found | {("c", *text[i:i + n]) for n in (1, 2) for i in range(len(text) - n + 1)}
