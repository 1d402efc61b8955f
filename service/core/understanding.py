"""Understanding: from what was said to Match, Ask or NoMatch.

In this order: the phrase is listed (by its characters, then by its sound); it is a correction
("不是这个，我问的是…"); it holds two requests; otherwise a Classifier weighs what it is like, and a
Judge says how far that is to be believed: enough to act on, enough to ask, or not at all.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from dataclasses import dataclass
from typing import Callable, Iterable, Mapping, NamedTuple, Sequence

import numpy as np

from service.core import labels
from service.core.alarms import AlarmFinder
from service.core.answers import Reading, answer_reader
from service.core.classifier import Classifier
from service.core.dialog import Ask, Fill, Match, NoMatch, Session
from service.core.form import BIRTH_YEAR, CHOICE, TOLD
from service.core.grammar import any_of, bare, longest_first, spelled_out
from service.core.judge import Evidence, Judge, Verdict
from service.core.labels import OUTSIDE
from service.core.model import HELP, ROOT, Alarm, Guide
from service.core.pinyin import distance, syllables
from service.core.spoken_numbers import Said, spoken_numbers
from service.core.templates import templates

TRUSTED = 0.75
"""The closed grammar's listed phrase is taken from this trust on."""
SURE = 0.85
"""Confidence of a decoder that is sure of its words."""
SHORT = 3
"""Characters of a short word."""
EXPECTED_BONUS = 1.0
"""Log odds that are added to what the guide has just offered."""
EXAMPLES_OF_A_TEMPLATE = 6
"""So many of a template's sentences are learnt."""
TOPIC_BONUS = 2.5
"""Log odds that are added to the topic that was just told: people ask on."""
ANAPHORA_BONUS = 5.0
"""The same for who points back to it: 那我老伴呢."""
DETAIL_BONUS = 8.0
"""The same for who asks for a part of it, behind a lost card: 我走不动，我崽帮我去行不."""
SURE_DETAIL = 0.85
"""Probability among the parts of the topic from which one of them is asked for."""
REFUSED = 4.0
"""Log odds that are taken from what the listener has just refused, and from that it is no request."""
RATHER_RIGHT = 0.5
"""Confidence from which a correction is acted on."""
OFFERED = 3
"""Nodes in a question, at the most."""
LEAST_OFFERED = 0.04
"""A node is offered from this probability on."""
LEAST_BESIDE = 0.1
"""The same as a share of the best one's: three are not offered just to have three."""
URGENT = 0.25
"""Probability from which help is told at once: a false alarm costs two sentences, a miss may cost a life."""
LEAST_HEARD = 0.5
"""Share of a decoder's text from which its words are believed by themselves."""
CITY_NAME = "衡阳"
"""What stands for a district or county when a request is weighed."""
PART_LENGTHS = (6, 8, 10, 13, 17, 22)
"""Characters at the beginning and at the end of what was heard that are weighed by themselves: a cry may stand before
or behind a story."""
LEAST_OF_A_PART = 4
"""Characters from which a clause that was typed is weighed by itself."""
URGENT_PART = 0.82
"""Probability of such a part from which help is told at once."""
SURELY_URGENT = 0.5
"""The same where an answer to a question is expected."""
OWN_ASPECT = 0.5
"""Probability within a node from which one of its aspects is what was asked for."""
LEAST_OF_TWO = 4
"""Characters of a request that stands beside another in one breath."""
SURE_OF_EACH = 0.8
"""Each of two requests must be as sure as this, or they are taken for one."""
MOST_BESIDE = 4
"""Characters that somebody may say beside the answer to a question and still only answer it."""
MOST_OF_A_CASE = 5
"""Characters beside another answer to a question whose result was told: 要是交了…呢."""
CLOSED_SHARE = 0.75
"""Weight of the closed grammar's text beside the open decoder's, of 1: it mishears half as much."""

ALIKE = 0.25
"""Agreement of the two decoders from which the closed grammar has its whole share."""


class Example(NamedTuple):
    """One sentence to learn from."""

    text: str
    """In plain words, without fillers."""
    label: str
    weight: float


@dataclass(frozen=True)
class Expectation:
    """What was said before, as far as it changes what is meant now."""

    node: str = ""
    """Where the listener is; a correction does not lead there."""
    topic: str = ""
    """The node that was told last and may be asked on about; none while something else is open."""
    asked: tuple[str, ...] = ()
    """Nodes of the open question."""
    refused: tuple[str, ...] = ()
    """Nodes that were just refused; who does so speaks to the guide."""
    corrects: bool = False
    """True for who says that they were misunderstood."""
    today: datetime.date | None = None
    """Without it no year is understood."""
    form: str = ""
    """Node whose questions are being answered, or were."""
    field: str = ""
    """The open question among them."""
    answered: tuple[str, ...] = ()
    """Those before it."""
    told: bool = False
    """True if what follows from the answers was told."""
    answers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Field to answer."""

    @classmethod
    def of(cls, session: Session, today: datetime.date) -> Expectation:
        """What somebody who is there may say next."""
        other = session.asked or session.notice or session.paused or session.waiting or session.node in session.refused
        found = cls(session.node, "" if other else session.node, session.asked, today=today, answers=session.answers)
        filling = session.form
        if filling is None or filling.node != session.node or session.asked or session.notice:
            return found
        return dataclasses.replace(found, form=filling.node, field=filling.field, answered=filling.asked,
                                   told=filling.stage == TOLD)


@dataclass(frozen=True)
class Weighed:
    """What the Classifier makes of an utterance, before it is decided what to do."""

    ranked: tuple[tuple[str, float], ...]
    """(label without aspect, probability), best first."""
    evidence: Evidence
    aspect: str = ""
    """What of the best node is asked for; empty: the node as such."""
    unasked: frozenset[str] = frozenset()
    """Nodes that are told or not, but never offered in a question: to nobody is 家里人走了 said as one of three."""


class Understanding:
    """All phrases of one Guide. Immutable after construction, so threads may share it."""

    def __init__(self, guide: Guide, classifier: Classifier):
        self._guide, self._classifier = guide, classifier
        self._judge = Judge(guide.typed, guide.spoken)
        self._padding = Padding(guide)
        titles = [(node.title, node.id) for node in guide.nodes.values()]
        # A menu reads titles aloud, so that people repeat them; what is listed goes before.
        listed = [*labelled_phrases(guide), *titles]
        self._exact: dict[str, str] = {}
        for phrase, label in listed:
            self._exact.setdefault(bare(phrase), label)
        for phrase, label in listed:
            self._exact.setdefault(self._padding.plain(phrase), label)
        self._sound: dict[tuple[str, ...], str | None] = {}
        for phrase, label in [*labelled_lines(guide), *titles]:
            key = syllables(bare(phrase))
            # Phrases of two nodes that sound the same are left to the characters.
            same = self._sound.setdefault(key, label) == label
            self._sound[key] = label if same else None
        self._alarms = AlarmFinder(guide.alarms)
        self._outside = frozenset(map(bare, guide.outside))
        self._urgent = frozenset(node.id for node in guide.nodes.values() if node.is_urgent)
        self._cries = {node: classifier.index[node] for node in self._urgent if node in classifier.index}
        self._places = any_of(longest_first(guide.places))
        # Who asks on about anything else has no part of it to ask for: 那我老伴呢 behind a menu means nothing.
        self._asked_on = frozenset(n.id for n in guide.nodes.values() if n.aspects and not n.is_urgent and not n.voice_only)
        self._unasked = frozenset(n.id for n in guide.nodes.values() if not n.announced or n.voice_only)
        self._choices = {bare(w): nodes for w, nodes in guide.choices.items()}
        self._choices |= {self._padding.plain(w): n for w, n in guide.choices.items()}
        self._answers = answer_reader(guide)

    def phrases(self) -> list[str]:
        """What can be said, as the speech model would write it: the closed decoder learns from it which
        words there are and which follows which."""
        reader = templates(self._guide.words)
        listed = [text for line, _ in [*labelled_lines(self._guide), *((o, "") for o in self._guide.outside)]
                  for text in reader.examples(line, EXAMPLES_OF_A_TEMPLATE)]
        listed += [*self._guide.choices, *self._guide.padding.fillers, *self._guide.padding.negations]
        listed += [node.title for node in self._guide.nodes.values()]
        return [self._guide.lexicon.heard(p) for p in listed]

    def answers(self, kind: str) -> tuple[list[str], tuple[Said, ...]]:
        """What can be said to a calculator's question of a type: phrases, and numbers with what stands beside them."""
        heard, forms = self._guide.lexicon.heard, self._guide.forms
        found = [heard(p) for p in self._answers.phrases(kind)]
        if kind == CHOICE:
            # Whoever chooses may as well ask for something else, or tell their birth with it.
            return self.phrases() + found, spoken_numbers(BIRTH_YEAR)
        reader = templates(self._guide.words)
        # One way of saying each command: more words beside the numbers, and the numbers are heard worse.
        found += [heard(text) for command in self._guide.commands.values()
                  for text in reader.examples(command.phrases[0], 1)]
        return found, spoken_numbers(kind, tuple(map(heard, forms.before)), tuple(map(heard, forms.after)))

    # --- one text --------------------------------------------------------------------------

    def interpret(self, text: str, expect: Expectation = Expectation()) -> Match | Ask | NoMatch:
        """What a text means to somebody who is at ``expect``. Never raises, whatever the text."""
        said = _Said((bare(spelled_out(text)),))
        return self._meant((text,), said, lambda known: self._interpret(said, known), expect)

    def hear(self, closed: str, opened: str, closed_confidence: float, opened_confidence: float,
             expect: Expectation = Expectation()) -> Match | Ask | NoMatch:
        """What an utterance means of which two decoders wrote down what they heard.

        The closed grammar hears known phrases well, and hears them in everything; so it is
        believed as far as the open decoder heard something that sounds alike.
        """
        said = _Said.heard(bare(closed), bare(opened), closed_confidence, opened_confidence)
        if not said.texts:
            return NoMatch()
        return self._meant(said.texts, said, lambda known: self._heard(said, known), expect)

    def _meant(self, texts: tuple[str, ...], said: _Said, understand: Callable[[Expectation], Match | Ask | NoMatch],
               expect: Expectation) -> Match | Ask | Fill | NoMatch:
        """The first that is found: a cry for help, an answer to what was asked, what ``understand`` makes of it."""
        here = tuple(map(self._alarms.here_and_now, texts))
        now = said.with_texts(tuple(bare(spelled_out(text)) for text in here))
        found = None if self._is_listed_otherwise(said) else self._alarm(now, expect.node)
        if found is None or found.node not in self._urgent:
            # What is told of a death or of a swindler may be the beginning of a cry: 老伴走了，我也想走.
            listed = self._is_listed(said)
            cry = None if listed else self._cry(said)
            if cry and here != texts and not self._cry(now):
                cry = None  # 听讲对门的人被骗了
            surely = cry if cry and cry.score >= SURELY_URGENT else None
            found = (surely or found or (None if listed else self._cry_within(here, now))
                     or self._answer(texts, said, expect) or cry)
            if found is None:
                found = self._asked_for(texts, understand(self._known(expect)), expect)
                if isinstance(found, Match) and found.node in self._urgent and here != texts and not listed:
                    return NoMatch()  # Of others nobody asks the guide.
        if not isinstance(found, Match) or not found.node:
            return found
        urgent = found.node in self._urgent
        place = next((m for m in map(self._places.search, texts) if m), None)
        return dataclasses.replace(found, urgent=urgent, place=self._guide.places[place[0]] if place else "")

    def _alarm(self, said: _Said, at: str) -> Match | None:
        """What words lead to that come before every other reading."""
        for text in said.believed:
            alarm = self._alarms.find(text, at)
            if alarm:
                return Match(node=alarm.node, aspect=self._alarm_aspect(alarm, text))
        return None

    def _alarm_aspect(self, alarm: Alarm, text: str) -> str:
        """What of an alarm's node is told first. Where help is at stake only the alarm itself may name that; of the
        rest 老伴走了，他卡里的钱呢 may ask for something."""
        if alarm.aspect or alarm.node in self._urgent:
            return alarm.aspect
        return self._aspect(alarm.node, [(self._padding.plain(text), 1.0)])

    def _cry(self, said: _Said) -> Match | None:
        """What is most likely a cry for help, in whatever words."""
        if max(map(len, said.texts), default=0) < LEAST_OF_TWO:
            return None
        weighed = self._weigh(said, Expectation())
        best, probability = weighed.ranked[0]
        if best in self._urgent and probability >= URGENT:
            return Match(node=best, aspect=weighed.aspect, score=probability)
        return None

    def _cry_within(self, texts: tuple[str, ...], said: _Said) -> Match | None:
        """The same of a part of what was said: 我今天去了社保局，办认证，我实在撑不下去了."""
        found = [(float(np.exp(logs[place])), node, part) for text in (said.believed if said.spoken else texts)
                 for part in self._parts(text)
                 for logs in [self._classifier.log_probabilities(part)] for node, place in self._cries.items()]
        probability, node, part = max(found, default=(0.0, "", ""))
        if probability < URGENT_PART:
            return None
        return Match(node=node, aspect=self._aspect(node, [(part, 1.0)]), score=probability)

    def _parts(self, text: str) -> set[str]:
        """Each clause of a text that was typed, and its beginnings and ends; of what was heard some of the latter."""
        clauses = [plain for clause in re.split(r"\W+", text) if (plain := self._padding.plain(bare(spelled_out(clause))))]
        if len(clauses) > 1:
            ends = ("".join(part) for i in range(1, len(clauses)) for part in (clauses[:i], clauses[i:]))
            return {part for part in (*clauses, *ends) if len(part) >= LEAST_OF_A_PART}
        whole = "".join(clauses)
        return {part for length in PART_LENGTHS if length < len(whole) for part in (whole[:length], whole[-length:])}

    def _is_listed_otherwise(self, said: _Said) -> bool:
        """True if it is listed for something else, and so means that: 工地上摔断了腿，单位不赔."""
        text = said.texts[0] if said.texts else ""
        return text in self._outside or labels.is_node(self._exact.get(text, OUTSIDE))

    def _is_listed(self, said: _Said) -> bool:
        """True if it is listed for anything, or nothing was said."""
        text = said.texts[0] if said.texts else ""
        return not text or text in self._outside or text in self._exact

    def _heard(self, said: _Said, expect: Expectation) -> Match | Ask | NoMatch:
        listed = said.is_trusted and self._listed(said.texts[0], expect)
        return listed or self._interpret(said, expect)

    def is_complete(self, closed: str, opened: str) -> bool:
        """True if what was heard so far is a whole phrase, so that a short silence ends it."""
        for text in filter(None, (bare(closed), bare(opened))):
            if text in self._exact or text in self._choices:
                return True
        return bool(opened) and isinstance(self.interpret(opened), Match)

    def weigh(self, text: str) -> Weighed | None:
        """How a text is weighed that is not listed; None if it is listed. For evaluation."""
        return self._weigh_unlisted(_Said((bare(text),)))

    def weigh_heard(self, closed: str, opened: str, closed_confidence: float,
                    opened_confidence: float) -> Weighed | None:
        """The same of an utterance."""
        return self._weigh_unlisted(
            _Said.heard(bare(closed), bare(opened), closed_confidence, opened_confidence))

    def judge(self, weighed: Weighed) -> Verdict:
        """How far it is to be believed."""
        return self._judge.judge(weighed.evidence)

    def _weigh_unlisted(self, said: _Said) -> Weighed | None:
        texts = [t for t in said.texts if t]
        if not texts or all(len(t) < 2 for t in texts):
            return None
        if (not said.spoken or said.is_trusted) and self._listed(texts[0], Expectation()):
            return None
        return self._weigh(said, Expectation())

    # --- a calculator's questions ----------------------------------------------------------------

    def _answer(self, texts: tuple[str, ...], said: _Said, expect: Expectation) -> Match | Ask | Fill | NoMatch | None:
        """What a text says to the form that is open; None if none is, or it says nothing to it."""
        if not expect.form or expect.form not in self._guide.forms.forms or expect.today is None or expect.told:
            return self._told(texts, said, expect) if expect.told else None
        wish = next(filter(None, map(self._answers.wish, texts)), "")
        if wish:
            return Fill(wish=wish)
        reading = self._read(texts, expect.form, expect.field, expect)
        if reading and (self._is_direct(reading, expect) or reading.corrected and reading.values):
            return Fill(reading.values, reading.problem, reading.corrected)
        known = self._known(expect)
        listed = (not said.spoken or said.is_trusted) and self._listed(said.texts[0], known) if said.texts else None
        if listed:
            return listed
        corrected = self._answer_corrected(texts, expect)
        if corrected:
            return corrected
        return Fill(reading.values, reading.problem, reading.corrected) if reading else None

    def _told(self, texts: tuple[str, ...], said: _Said, expect: Expectation) -> Match | Ask | Fill | NoMatch | None:
        """After the result: a correction or another case, unless it is another request."""
        corrected = self._answer_corrected(texts, expect)
        if corrected or expect.today is None:
            return corrected
        reading = self._read(texts, expect.form, "", expect)
        if not reading.values:
            return None
        if reading.corrected:
            return Fill(reading.values, reading.problem, corrected=True)
        if len(bare(reading.rest)) <= MOST_OF_A_CASE:
            return Fill(reading.values, reading.problem)  # 要是交了十五年呢
        found = self._asked_for(texts, self._heard(said, self._known(expect)), expect)
        other = isinstance(found, Match) and found.node != expect.form
        return found if other else Fill(reading.values, reading.problem)

    def _is_direct(self, reading: Reading, expect: Expectation) -> bool:
        """True if it answers just what was asked, and says little else."""
        field = self._guide.forms.fields.get(expect.field)
        answers = bool(field) and (field.target in reading.values or reading.problem)
        return answers and len(bare(reading.rest)) <= MOST_BESIDE

    def _answer_corrected(self, texts: tuple[str, ...], expect: Expectation) -> Fill | None:
        """不对，是六月: another answer to what was answered already."""
        wanted = tuple(filter(None, map(self._rather, texts)))
        if not wanted or not expect.form:
            return None
        given = [f.id for f in self._guide.forms.of(expect.form) if f.target in expect.answers]
        for asked in ("", *reversed(expect.answered), *given):
            reading = self._read(wanted, expect.form, asked, expect)
            if reading.values:
                return Fill(reading.values, reading.problem, corrected=True)
        return None

    def _rather(self, text: str) -> str:
        """What a correction says instead; empty if the text is none."""
        kept = self._answers.without_refused(text)
        if kept != text:
            return kept
        found = self._padding.correction(text)
        return found.wanted if found else ""

    def _read(self, texts: tuple[str, ...], form: str, asked: str, expect: Expectation) -> Reading:
        """What the first text answers that answers anything."""
        found = [self._answers.read(text, form, asked, expect.answers, expect.today) for text in texts if text]
        return next((r for r in found if r.values), next((r for r in found if r), Reading()))

    def _asked_for(self, texts: tuple[str, ...], found: Match | Ask | NoMatch,
                   expect: Expectation) -> Match | Ask | NoMatch:
        """The outcome with what else was said for the calculators; without that, what is left may be understood."""
        if expect.today is None:
            return found
        if isinstance(found, Match):
            values = self._values(texts, found.node, expect) if found.node in self._guide.forms.forms else {}
            return dataclasses.replace(found, values=values) if values else found
        for form in self._guide.forms.forms:
            reading = self._read(texts, form, "", expect)
            rest = bare(reading.rest)
            if not reading.values or len(rest) < LEAST_OF_TWO:
                continue
            asked = self._interpret(_Said((rest,)), self._known(expect))
            if isinstance(asked, Match) and asked.node == form:
                return dataclasses.replace(asked, values=reading.values)
        if isinstance(found, Ask):
            forms = [c for c in found.candidates if c in self._guide.forms.forms]
            values = {name: value for form in forms for name, value in self._values(texts, form, expect).items()}
            return dataclasses.replace(found, values=values)
        return found

    def _values(self, texts: tuple[str, ...], form: str, expect: Expectation) -> Mapping[str, str]:
        return self._read(texts, form, "", expect).values

    # --- how ---------------------------------------------------------------------------------

    def _known(self, expect: Expectation) -> Expectation:
        """Without nodes that the guide has lost since they were offered."""
        asked = tuple(n for n in expect.asked if n in self._guide.nodes)
        return dataclasses.replace(expect, asked=asked)

    def _interpret(self, said: _Said, expect: Expectation) -> Match | Ask | NoMatch:
        if not any(said.texts):
            return NoMatch()
        found = None if said.spoken else self._listed(said.texts[0], expect)
        found = found or self._corrected(said, expect)
        if found:
            return found
        if all(len(text) < 2 for text in said.texts):
            return NoMatch()  # One sign that is not listed tells nothing: 龙 only sounds like 农.
        if not any(map(self._padding.says_something, said.texts)):
            return NoMatch()  # 啊嗯
        return self._two(said, expect) or self._decided(said, expect)

    def _listed(self, text: str, expect: Expectation) -> Match | Ask | None:
        """The outcome of a phrase that stands in ``prompts/``."""
        half = text[:len(text) // 2]
        forms = (text, self._padding.trim(text), self._padding.plain(text), self._padding.wish(text))
        for form in (*forms, half) if len(half) > 1 and text == half * 2 else forms:  # 是咯是咯
            among = self._among_asked(form, expect)
            if isinstance(among, Ask):
                return among
            if form in self._exact:
                return _outcome(self._exact[form], 1.0)
            if among:
                return among
            if form in self._choices:
                return self._choice(self._choices[form], expect)
        label = self._sound.get(syllables(self._padding.trim(text))) or self._sound.get(syllables(text))
        return _outcome(label, 0.9) if label else None

    def _choice(self, nodes: tuple[str, ...], expect: Expectation) -> Match | Ask:
        among = [n for n in expect.asked if n in nodes]
        return Match(node=among[0], score=0.9) if len(among) == 1 else Ask(nodes)

    def _among_asked(self, text: str, expect: Expectation) -> Match | Ask | None:
        """The node of the open question whose title has the answer in it; of several it is asked again."""
        if len(text) < 2:
            return None
        fits = tuple(n for n in expect.asked if text in self._guide.nodes[n].title)
        if len(fits) > 1:
            return Ask(fits)
        return Match(node=fits[0], score=0.95) if fits else None

    # --- correcting --------------------------------------------------------------------------

    def _corrected(self, said: _Said, expect: Expectation) -> Match | Ask | NoMatch | None:
        """The outcome of 不是这个，我问的是…, 我不是问医保 and the like; None if it is none of them."""
        split = [self._padding.correction(text) for text in said.texts]
        if split[0] is None:
            return None
        wanted = said.with_texts(tuple(s.wanted if s else "" for s in split))
        refused = self._refused(split[0].refused, expect)
        if not any(wanted.texts):
            # 我不是问医保, and not a word of what else: it is no if it refuses what was understood.
            return Match(command="no", score=0.9) if refused & {expect.node, *expect.asked} else None
        refused = refused | {expect.node} & self._guide.nodes.keys() - {ROOT}
        found = self._heard(wanted, Expectation(asked=tuple(n for n in expect.asked if n not in refused),
                                                refused=tuple(refused & self._guide.nodes.keys()), corrects=True))
        if isinstance(found, Match) and (found.node is None or found.node != expect.node):
            return dataclasses.replace(found, corrected=True)
        if isinstance(found, Ask):
            return Ask(tuple(c for c in found.candidates if c != expect.node), found.scores)
        return None

    def _refused(self, text: str, expect: Expectation) -> set[str]:
        """The nodes that a refusal names."""
        if not text:
            return set()
        found = self._interpret(_Said((text,)), Expectation())
        named = set(found.candidates if isinstance(found, (Ask, NoMatch)) else (found.node,))
        return named | {n for n in (expect.node, *expect.asked) if n in self._guide.nodes
                        and text in self._guide.nodes[n].title}

    # --- two requests in one breath -------------------------------------------------------------

    def _two(self, said: _Said, expect: Expectation) -> Match | None:
        """The first of two requests, with the second to be offered; None if it is only one."""
        splits = [self._padding.splits(text) for text in said.texts]
        for connector, parts in splits[0].items():
            # The other decoder may have heard the connector as something else.
            others = [other.get(connector, ("", "")) for other in splits[1:]]
            found = [not said.spoken and self._listed(texts[0], expect) or self._decided(said.with_texts(texts), expect)
                     for texts in zip(parts, *others)]
            nodes = [one.node for one in found if isinstance(one, Match) and one.score >= SURE_OF_EACH]
            if len(nodes) == 2 and None not in nodes and nodes[0] != nodes[1]:
                return dataclasses.replace(found[0], then=nodes[1], score=SURE_OF_EACH)
        return None

    # --- weighing ---------------------------------------------------------------------------------

    def _decided(self, said: _Said, expect: Expectation) -> Match | Ask | NoMatch:
        weighed = self._weigh(said, expect)
        verdict = self.judge(weighed)
        if expect.corrects and verdict.confidence >= RATHER_RIGHT:
            # Whoever was sent the wrong way once is rather sent on than questioned.
            verdict = dataclasses.replace(verdict, acts=True)
        return decide(weighed, verdict)

    def _weigh(self, said: _Said, expect: Expectation) -> Weighed:
        texts = [(self._padding.plain(text), share) for text, share in zip(said.texts, said.shares) if text]
        total = sum(share for _, share in texts)
        weighed = [self._classifier.log_probabilities(text) for text, _ in texts]
        # The only text may be one that nothing was to be believed of: of two requests the other decoder heard one.
        odds = sum(logs * (share / total if total else 1 / len(texts)) for logs, (_, share) in zip(weighed, texts))
        index = self._classifier.index
        for node in expect.asked:
            odds[index[node]] += EXPECTED_BONUS
        if expect.topic in self._asked_on and expect.topic not in expect.refused:
            odds[index[expect.topic]] += self._follow_up(expect.topic, said.believed)
        for label in {"!top" if node == ROOT else node for node in expect.refused} & index.keys():
            odds[index[label]] -= REFUSED
        if expect.refused:
            odds[index[OUTSIDE]] -= REFUSED
        shares = np.exp(odds - odds.max())
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")
        ranked = tuple((self._classifier.labels[i], float(shares[i])) for i in order)
        # A closed grammar hears known words in everything; only the last text can tell how much of
        # what was said is known at all.
        outside = shares[index[OUTSIDE]]
        spoken_outside = np.exp(weighed[-1][self._classifier.index[OUTSIDE]])
        evidence = Evidence(
            best=ranked[0][1] if ranked[0][0] != OUTSIDE else 0.0, second=ranked[1][1],
            outside=float(max(outside, spoken_outside)),
            pairs=self._classifier.coverage(texts[-1][0], 2), triples=self._classifier.coverage(texts[-1][0], 3),
            length=len(texts[-1][0]), command=ranked[0][0][0] in "!#",
            spoken=said.spoken, agreement=said.agreement, closed=said.confidences[0],
            opened=said.confidences[-1])
        return Weighed(ranked, evidence, self._aspect(ranked[0][0], texts), self._unasked)

    def _follow_up(self, topic: str, texts: Sequence[str]) -> float:
        """How much rather somebody asks on about what was just told, in log odds."""
        found = [self._classifier.aspect(topic, self._padding.plain(text)) for text in texts]
        if any(aspect and probability >= SURE_DETAIL for aspect, probability in found):
            return DETAIL_BONUS
        # 那我几时退休 points back and is a request of its own.
        rests = [rest for text in texts if (rest := self._padding.pointing_back(text)) is not None]
        back = rests and not any(self._padding.plain(rest) in self._exact for rest in rests)
        return ANAPHORA_BONUS if back else TOPIC_BONUS

    def _aspect(self, label: str, texts: Sequence[tuple[str, float]]) -> str:
        """The aspect of a node that is asked for, if it is clear enough; the text that counts most decides."""
        text, _ = max(texts, key=lambda pair: pair[1])
        aspect, probability = self._classifier.aspect(label, text)
        return aspect if probability >= OWN_ASPECT else ""


def decide(weighed: Weighed, verdict: Verdict) -> Match | Ask | NoMatch:
    """What to do about what was weighed and judged."""
    best = weighed.ranked[0][0]
    nodes = [(label, p) for label, p in weighed.ranked if labels.is_node(label) and label not in weighed.unasked]
    nodes = nodes[:OFFERED]
    offered = tuple((n, p) for n, p in nodes if p >= max(LEAST_OFFERED, LEAST_BESIDE * nodes[0][1]))
    if best != OUTSIDE and (verdict.obeys if best.startswith("!") else verdict.acts):
        return _outcome(labels.of(best, weighed.aspect), verdict.confidence)
    if best in weighed.unasked and verdict.confidence >= RATHER_RIGHT:
        return _outcome(labels.of(best, weighed.aspect), verdict.confidence)
    if offered and verdict.asks:
        return Ask(tuple(n for n, _ in offered), tuple(p for _, p in offered))
    return NoMatch(tuple(n for n, _ in nodes), tuple(p for _, p in nodes))


@dataclass(frozen=True)
class _Said:
    """What was said, in the words of one or two who wrote it down."""

    texts: tuple[str, ...]
    """The one that knows the guide's words first."""
    shares: tuple[float, ...] = (1.0,)
    """How much each counts."""
    confidences: tuple[float, ...] = (1.0,)
    agreement: float = 1.0
    """How far they sound alike, 0 to 1."""
    spoken: bool = False

    @classmethod
    def heard(cls, closed: str, opened: str, closed_confidence: float, opened_confidence: float) -> _Said:
        """What the two decoders heard; without texts if they heard nothing."""
        if not closed and not opened:
            return cls(())
        if not opened:
            return cls((closed,), (1.0,), (closed_confidence,), 1.0, True)
        if not closed:
            return cls((opened,), (1.0,), (opened_confidence,), 0.0, True)
        agreement = 1.0 - distance(syllables(closed), syllables(opened))
        share = CLOSED_SHARE * min(1.0, agreement / ALIKE)
        return cls((closed, opened), (share, 1 - share), (closed_confidence, opened_confidence), agreement, True)

    @property
    def believed(self) -> tuple[str, ...]:
        """The texts without what only the closed grammar has heard: that may be a fan that sounds like a cry."""
        *closed, last = zip(self.texts, self.shares)
        return (*(text for text, share in closed if share >= LEAST_HEARD), last[0])

    @property
    def is_trusted(self) -> bool:
        """True if what the closed grammar heard may be taken as it stands."""
        if not self.spoken or len(self.texts) < 2:
            return self.confidences[0] >= TRUSTED
        closed, opened = self.texts
        if self.confidences[0] * max(0.0, 1.2 * self.agreement - 0.2) >= TRUSTED:
            return True
        if closed == opened and self.confidences[1] >= SURE:
            return True  # 四, of which the closed grammar has many that are like it.
        # A short word that the open decoder was unsure of: 对, heard openly as 多位.
        short = self.confidences[0] >= SURE > self.confidences[1] and abs(len(closed) - len(opened)) <= 1
        return short and len(closed) <= SHORT

    def with_texts(self, texts: tuple[str, ...]) -> _Said:
        """A part of it."""
        return dataclasses.replace(self, texts=texts)


def _outcome(label: str, score: float) -> Match:
    if label.startswith("!"):
        name = label[1:]
        return Match(node=HELP, score=score) if name == "help" else Match(command=name, score=score)
    if label.startswith("#"):
        return Match(key=label[1:], score=score)
    node, aspect = labels.parts(label)
    return Match(node=node, aspect=aspect, score=score)


def labelled_lines(guide: Guide) -> Iterable[tuple[str, str]]:
    """Every line that can be said, as it is written, with its label."""
    for node in guide.nodes.values():
        for line in node.requests:
            yield line, node.id
        for aspect, lines in node.aspect_requests.items():
            for line in lines:
                yield line, labels.of(node.id, aspect)
    for command in guide.commands.values():
        for line in command.phrases:
            yield line, f"!{command.name}"
    for key, lines in guide.key_phrases.items():
        for line in lines:
            yield line, f"#{key}"


def labelled_phrases(guide: Guide) -> Iterable[tuple[str, str]]:
    """Every sentence that these lines stand for, with its label."""
    reader = templates(guide.words)
    for line, label in labelled_lines(guide):
        for text in reader.expand(line):
            yield text, label


def examples(guide: Guide) -> list[Example]:
    """What the Classifier learns from. A template's sentences count less, because they are alike."""
    reader, padding = templates(guide.words), Padding(guide)
    exact = {f"!{command.name}" for command in guide.commands.values() if command.exact}
    lines = [*(pair for pair in labelled_lines(guide) if pair[1] not in exact), *((line, OUTSIDE) for line in guide.outside)]
    lines += [(node.title, node.id) for node in guide.nodes.values()]
    # Which of two ways leads to the same place need not be told apart.
    same = {"!help": HELP, f"{ROOT}": "!top"}
    return [Example(padding.plain(text), same.get(label, label), round(len(texts) ** -0.5, 3))
            for line, label in lines for texts in [reader.examples(line, EXAMPLES_OF_A_TEMPLATE)]
            for text in texts]


@dataclass(frozen=True)
class Correction:
    """What somebody says who was misunderstood."""

    refused: str
    """What they did not mean, in their words."""
    wanted: str
    """What they mean; empty if they do not say."""


class Padding:
    """Takes away what people say around a request, and turns Hunan words into plain ones."""

    def __init__(self, guide: Guide):
        words = guide.padding
        fillers = longest_first(words.fillers)
        short = "".join(f for f in fillers if len(f) == 1)
        self._long = any_of(f for f in fillers if len(f) > 1)
        self._ends = re.compile(f"^[{short}]+|[{short}]+$" if short else r"(?!)")
        self._negation = any_of(longest_first(words.negations))
        self._denial = any_of(longest_first(words.denials))
        self._affirmation = any_of(longest_first(words.affirmations))
        self._connector = any_of(longest_first(words.connectors))
        self._anaphora = any_of(longest_first(words.anaphora))
        self._wishes = re.compile(f"^(?:{any_of(longest_first(words.wishes)).pattern})+")
        self._heard = guide.lexicon.heard
        plain = {self._heard(k): v for k, v in words.dialect.items()}
        self._words = dict(sorted(plain.items(), key=lambda kv: -len(kv[0])))
        self._dialect = any_of(self._words)
        self._places = any_of(longest_first(guide.places))
        self._misheard = guide.misheard
        self._terms = any_of(longest_first(guide.misheard))

    def trim(self, text: str) -> str:
        """Characters only, without fillers; the text itself if nothing would be left."""
        text = bare(text)
        return self._without_fillers(text) or text

    def says_something(self, text: str) -> bool:
        """False for a text of fillers alone."""
        return bool(self._without_fillers(bare(text)))

    def _without_fillers(self, text: str) -> str:
        return self._ends.sub("", self._long.sub("", text))

    def plain(self, text: str) -> str:
        """Trimmed, in plain words, with the terms that the recogniser is known to miss."""
        text = self._terms.sub(lambda m: self._misheard[m[0]], self.trim(text))
        # Whatever is asked, it may be asked of any district.
        text = self._places.sub(CITY_NAME, text)
        return self._dialect.sub(lambda m: self._words[m[0]], self._heard(text))

    def wish(self, text: str) -> str:
        """In plain words, without 我想 and the like in front."""
        plain = self.plain(text)
        return self._wishes.sub("", plain) or plain

    def correction(self, text: str) -> Correction | None:
        """The parts of a correction; None if the text is none."""
        text = rest = self.trim(text)
        # All openings at once, but never the last words: 不对不对 is itself an answer.
        while rest:
            denial, negation = self._denial.match(rest), self._negation.match(rest)
            if denial and denial.end() >= (negation.end() if negation else 0) and denial.end() < len(rest):
                rest = rest[denial.end():]
                wish = self._affirmation.search(rest)
                if wish and wish.start() >= 2 and wish.end() < len(rest):
                    return Correction(rest[:wish.start()], rest[wish.end():])
                return Correction(rest, "")
            match = negation or self._affirmation.match(rest)
            if not match or not 0 < match.end() < len(rest) or rest == text and match is not negation:
                break
            rest = rest[match.end():]
        return Correction("", rest) if rest != text and len(rest) >= 2 else None

    def pointing_back(self, text: str) -> str | None:
        """What is left of a text that points to what was told before, without what does so; None if it is none:
        那我老伴呢 is 老伴."""
        text = bare(text)
        match = self._anaphora.match(text) or self._anaphora.match(self.trim(text))
        if match is None and not text.endswith("呢"):
            return None
        return (match.string[match.end():] if match else text).removesuffix("呢")

    def splits(self, text: str) -> dict[str, tuple[str, str]]:
        """Where there may be two requests of one breath: connector to what is before and behind it, the longest
        connector first: 还有 may be a part of a request, 另外再问一下 is not."""
        text = bare(text)
        found = {}
        for match in self._connector.finditer(text):
            first, second = text[:match.start()], text[match.end():]
            if min(len(self.trim(first)), len(self.trim(second))) >= LEAST_OF_TWO:
                found[match[0]] = first, second
        return dict(sorted(found.items(), key=lambda item: -len(item[0])))
