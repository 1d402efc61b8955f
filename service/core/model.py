"""The Guide: what can be said and asked, as frozen values built from ``prompts/``.

Building and checking happens in ``service.content``; here is only the shape.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Mapping

from service.core.form import Forms
from service.core.rules import Rules

ROOT = "root"
HELP = "help"
ABOUT = "m5_about"
HOTLINES = "m5_hotline"
"""Which numbers to call."""
WHERE = "n_where"
"""Where the counters are."""
ELSEWHERE = "x_elsewhere"
"""What is of an office, a bank or a hospital, and not in the guide."""
OPTION_KEYS = ("1", "2", "3", "4", "5")
SCOPES = NATION, PROVINCE, CITY = ("nation", "province", "city")
"""Where a fact holds: in all of China, in Hunan, in Hengyang or a part of it."""
SCOPES = NATION, PROVINCE, CITY = ("nation", "province", "city")
"""Where a fact holds: in all of China, in Hunan, in Hengyang or a part of it."""
KEYS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#")
"""The twelve keys of a number pad, in the order of a telephone."""


@dataclass(frozen=True)
class Source:
    """Where a fact was read."""

    id: str
    what: str
    """Name of the document."""
    address: str
    """Where it was found, as text; never spoken."""
    date: str
    """Date that the source itself bears, or "n.d."."""


@dataclass(frozen=True)
class Fact:
    """One thing that the guide claims, with the ground for it."""

    id: str
    claim: str
    sources: tuple[str, ...]
    checked: datetime.date
    """Day on which a person or editor last compared the claim with its sources."""
    confidence: str
    """H, M, L, or N: no source found, never spoken as a fact."""
    scope: str = NATION
    """Where it holds: one of SCOPES."""
    review: datetime.date | None = None
    """Day after which the claim may be out of date; None for what does not change yearly."""
    spoken: bool = True
    """False if the article has it but it says nothing to a listener."""

    def is_due(self, today: datetime.date) -> bool:
        """True if the day of review has passed."""
        return self.review is not None and today > self.review


@dataclass(frozen=True)
class Sentence:
    """One spoken sentence."""

    text: str
    facts: tuple[str, ...] = ()
    """Facts that this sentence rests on."""
    unverified: bool = False
    """True if the sentence itself says that this could not be verified."""


@dataclass(frozen=True)
class Step:
    """One step of a list that the listener follows, doing each before hearing the next."""

    id: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Option:
    """One choice of a menu."""

    key: str
    node: str


@dataclass(frozen=True)
class Aspect:
    """What of a node a request may name, and what is told first then."""

    id: str
    say: tuple[Sentence, ...]
    number: str = ""
    """Telephone number that is shown instead of the node's."""
    instead: bool = False
    """True if it is told in place of the node's ``say`` and not before it."""
    calm: bool = False
    """True if nothing is at stake, although the node is urgent: who has heard enough is left in peace."""


@dataclass(frozen=True)
class Node:
    """One place of the guide."""

    id: str
    title: str
    """What it is called in a menu, in a question and on the screen."""
    parent: str
    """Node that the key * leads to; the root's parent is the root."""
    say: tuple[Sentence, ...]
    brief: tuple[Sentence, ...] = ()
    """Spoken instead of ``say`` when the listener comes back; empty: ``say`` again."""
    options: tuple[Option, ...] = ()
    steps: tuple[Step, ...] = ()
    more: tuple[tuple[Sentence, ...], ...] = ()
    """Further parts of an explanation, each told on request."""
    requests: tuple[str, ...] = ()
    """Ways in which people ask for it, templates as they are written."""
    aspects: Mapping[str, Aspect] = field(default_factory=dict)
    """What of it may be asked for by itself, by id."""
    aspect_requests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ways in which people ask for an aspect, by its id."""
    number: str = ""
    """Telephone number to be called at once; what has one is urgent: heard everywhere, before anything else."""
    announced: bool = True
    """True if its title is said when it was asked for, so that a misunderstanding is heard at once."""
    voice_only: bool = False
    """True if no menu leads to it."""
    solemn: bool = False
    """True if it is told to somebody in grief: slowly, and without good wishes."""
    asked: str = ""
    """Its title as it is said to the listener; empty: as it is written."""

    @property
    def is_urgent(self) -> bool:
        """True if help is at stake."""
        return bool(self.number)

    @property
    def is_medical(self) -> bool:
        """True if the office of medical insurance is asked about it, and not that of pensions."""
        told = "".join(s.text for s in self.say)
        return "医保" in self.title or "幺二三九三" in told and "幺二三三三" not in told

    @property
    def spoken_title(self) -> str:
        """Its title as it is said to the listener: 您哪年哪月退休 for 我哪年哪月退休."""
        return self.asked or self.title

    def parts(self, aspect: str = "") -> tuple[tuple[Sentence, ...], ...]:
        """What is told, part by part: the aspect first that was asked for, then what else there is."""
        named = self.aspects.get(aspect)
        if named is None:
            return self.say, *self.more
        told = {sentence.text for sentence in named.say}
        rest = self.more if named.instead else (self.say, *self.more)
        left = (tuple(s for s in part if s.text not in told) for part in rest)
        return named.say, *filter(None, left)

    def telephone(self, aspect: str = "") -> str:
        """The number to be called at once, if there is one."""
        named = self.aspects.get(aspect)
        return named and named.number or self.number

    def option(self, key: str) -> Option | None:
        """The option behind a key, or None."""
        return next((o for o in self.options if o.key == key), None)


@dataclass(frozen=True)
class Command:
    """Something that can be said or pressed at every prompt."""

    name: str
    phrases: tuple[str, ...]
    """Ways of saying it, templates as they are written."""
    key: str | None = None
    """Key with this meaning everywhere, if any."""
    step_key: str | None = None
    """Key with this meaning inside a step list, if any."""
    exact: bool = False
    """True if only these very phrases count, and nothing that is like them."""


@dataclass(frozen=True)
class Padding:
    """What people say around a request and what it is in plain words."""

    fillers: tuple[str, ...] = ()
    wishes: tuple[str, ...] = ()
    """What stands in front of a request and may be left away: 我想, 我要 ..."""
    negations: tuple[str, ...] = ()
    """Openings of a correction that are complete in themselves: 不是这个, 听错了 ..."""
    denials: tuple[str, ...] = ()
    """Openings that what is not meant follows: 我不是问 ..."""
    affirmations: tuple[str, ...] = ()
    """Openings that what is meant follows: 我问的是 ..."""
    connectors: tuple[str, ...] = ()
    """What stands between two requests of one breath: 另外, 还想问 ..."""
    anaphora: tuple[str, ...] = ()
    """Openings that point back to what was just told: 那我老伴呢."""
    dialect: Mapping[str, str] = field(default_factory=dict)
    """Words of Hunan speech to plain ones."""


@dataclass(frozen=True)
class Alarm:
    """Words that lead to a node before anything else is weighed."""

    node: str
    aspect: str
    words: tuple[tuple[str, ...], ...]
    """One of each group must be said, near the others and in any order."""
    unless: tuple[str, ...] = ()
    """Words with which it does not count."""
    at: tuple[str, ...] = ()
    """Nodes at which it counts; everywhere if there are none: 我点进去了 says something else at a step than behind
    the warning of links."""


@dataclass(frozen=True)
class Alarms:
    """All alarms, the first that fits goes before the others, and what never counts."""

    alarms: tuple[Alarm, ...] = ()
    struck: tuple[str, ...] = ()
    """Everyday words that only sound like one: 吓死."""
    told: tuple[str, ...] = ()
    """Behind these something is told that happens elsewhere: 电视里."""
    past: tuple[str, ...] = ()
    """With these it happened long ago ..."""
    now: tuple[str, ...] = ()
    """... unless one of these is said, too."""


@dataclass(frozen=True)
class Lexicon:
    """How texts are given to a voice."""

    replace: tuple[tuple[str, str], ...] = ()
    """(as written, as spoken), applied in order to what is in words; what holds letters or digits stands for itself
    alone, and comes first."""
    readings: Mapping[str, str] = field(default_factory=dict)
    """Word to pinyin with tone digits, for polyphones."""
    hearing: Mapping[str, str] = field(default_factory=dict)
    """Character that the speech model lacks to one of the same sound that it has: 冇 to 冒."""
    surnames: Mapping[str, str] = field(default_factory=dict)
    """Surname to its pinyin, where that is not the usual one of its characters."""
    titles: tuple[str, ...] = ()
    """What stands behind a surname."""
    not_surnames: tuple[str, ...] = ()
    """Words in which these characters are no surname."""
    around_names: tuple[tuple[str, str], ...] = ()
    """(what stands before, what stands behind) wherever the guide puts a person's name into a sentence."""

    def heard(self, phrase: str) -> str:
        """The phrase as the speech model would write it down."""
        return phrase.translate(str.maketrans(dict(self.hearing)))


@dataclass(frozen=True)
class Scale:
    """A logistic regression of the Judge."""

    bias: float
    coefficients: tuple[float, ...]
    """For ``Evidence.features``."""


@dataclass(frozen=True)
class Rule:
    """How the Judge decides about what was typed, or about what was heard."""

    right: Scale
    """That the best label is right."""
    served: Scale
    """That the wanted node is among the three best."""
    act: float
    """Go to a node from this probability on."""
    obey: float
    """Obey a command from this probability on: a wrong one costs less than a wrong way."""
    ask: float
    """Ask from this probability on."""


@dataclass(frozen=True)
class Guide:
    """Everything that can be said, heard and shown, of one version of ``prompts/``."""

    version: str
    """Hash of the files that it was built from."""
    nodes: Mapping[str, Node]
    commands: Mapping[str, Command]
    key_phrases: Mapping[str, tuple[str, ...]]
    """Key to the ways of saying it."""
    facts: Mapping[str, Fact]
    sources: Mapping[str, Source]
    prompts: Mapping[str, tuple[str, ...]]
    """Id to sentences with placeholders."""
    labels: Mapping[str, str]
    """Words that are only shown."""
    padding: Padding
    lexicon: Lexicon
    typed: Rule
    spoken: Rule
    rules: Rules
    """What the calculators work with."""
    forms: Forms
    """What they ask."""
    misheard: Mapping[str, str] = field(default_factory=dict)
    """What the open decoder writes in place of a term, to the term."""
    words: Mapping[str, str] = field(default_factory=dict)
    """Words that templates may use: name to template."""
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Words that fit several nodes, and the nodes to offer."""
    places: Mapping[str, str] = field(default_factory=dict)
    """What a district or county is called by people, to its name."""
    alarms: Alarms = Alarms()
    """Words that come before every other reading."""
    outside: tuple[str, ...] = ()
    """Sentences that are not for the guide, as examples of what to reject."""

    def node(self, node_id: str) -> Node:
        """The node of that id; KeyError if there is none."""
        return self.nodes[node_id]

