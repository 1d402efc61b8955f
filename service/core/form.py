"""Form: the questions of a calculator, one at a time, each only if it is not answered already.

After VoiceXML 2.0 (forms, fields, mixed initiative; https://www.w3.org/TR/voicexml20/). What is asked,
in which words and with which answers is data of ``prompts/forms.yaml``; what follows from the answers
is decided in ``assessment.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping

TYPES = ("choice", "birth_year", "birth_month", "months", "amount", "year")
CHOICE, BIRTH_YEAR, BIRTH_MONTH, MONTHS, AMOUNT, YEAR = TYPES
"""What a field can hold."""
OPEN = "open"
"""The answer of who does not know."""
ASK, CHECK, WHICH, TOLD = "ask", "check", "which", "told"
"""Stages: a question is open, what was heard is read back, what of it is wrong is asked, the answer was told."""
WHY, EXPLAIN, LEAVE = "why", "explain", "leave"
"""What is wished for instead of an answer: what it is for, to hear the rule, to stop."""
UNSURE = "form_unsure"
"""The problem of who does not know what cannot be left open; each field has its own words for it."""
LONGEST_ENTRY = 18
"""Digits that are taken before the # of an answer by keys."""
UNKNOWN_ENTRY = "0"
"""Keyed by who does not know."""

Answers = Mapping[str, str]
"""Field to what was answered: an option's value, digits (months, a year, a month, yuan), or OPEN."""


@dataclass(frozen=True)
class FieldOption:
    """One answer of a choice."""

    value: str
    label: str
    """As it is offered."""
    read: str
    """As it is read back."""
    phrases: tuple[str, ...]
    """Ways of saying it, templates as they are written."""
    key: str | None = None
    """None: it is understood, not offered."""
    unless_before: tuple[str, ...] = ()
    """Words shortly before a phrase that make it something else: 快 before 退休了."""
    unless_behind: tuple[str, ...] = ()
    """Words right behind a phrase that do: 工 behind 农民."""
    unknown: bool = False
    """True if it is what 不晓得 means here."""


@dataclass(frozen=True)
class Field:
    """One thing that is asked."""

    id: str
    type: str
    """One of TYPES."""
    title: str
    """What it is called when asked which answer is wrong."""
    ask: tuple[str, ...]
    again: tuple[str, ...]
    """The same in other words."""
    read: tuple[str, ...]
    """How the answer is read back; placeholders are fields."""
    never: tuple[str, ...] = ()
    """How no month at all is read back."""
    open: bool = False
    """True if it can be left open."""
    options: tuple[FieldOption, ...] = ()
    sets: str = ""
    """The field whose answer it makes precise; empty: its own."""
    refines: str = ""
    """That answer."""
    unsure: tuple[str, ...] = ()
    """What is said to who does not know what cannot be left open."""
    cues: tuple[str, ...] = ()
    """Words without one of which a number is not taken for it, unless it is asked for."""
    yearly: tuple[str, ...] = ()
    """Words that make an amount one of a year, where one of a month is asked for."""
    monthly: tuple[str, ...] = ()
    """Words with which it is one of a month all the same."""
    implies: Mapping[str, str] = field(default_factory=dict)
    """Answers to other fields that follow from there being one to this."""
    same_as: str = ""
    """The field whose answer it has too, for who says one of ``same``."""
    same: tuple[str, ...] = ()
    """Templates."""

    @property
    def target(self) -> str:
        """The field that its answer is kept under."""
        return self.sets or self.id

    @property
    def by_digits(self) -> bool:
        """True if keys are digits of the answer here."""
        return self.type != CHOICE

    def option(self, value: str) -> FieldOption | None:
        """The option of that value, or None."""
        return next((o for o in self.options if o.value == value), None)


@dataclass(frozen=True)
class Forms:
    """All calculators' questions."""

    fields: Mapping[str, Field]
    forms: Mapping[str, tuple[str, ...]]
    """Node to the fields that may be asked there, in order."""
    unknown: tuple[str, ...]
    """Ways of saying that one does not know."""
    before: tuple[str, ...]
    """What people say in front of a number; helps to hear it."""
    after: tuple[str, ...]
    """What they say behind it."""
    refusals: tuple[str, ...]
    """What stands in front of an answer that is refused."""
    negations: tuple[str, ...]
    """Words shortly before an answer that make it its opposite."""
    why: tuple[str, ...]
    """Ways of asking what the questions are for."""
    explain: tuple[str, ...]
    """Ways of asking for the rule before going on."""
    leave: tuple[str, ...]
    """Ways of saying that one does not want to go on."""

    def of(self, node: str) -> tuple[Field, ...]:
        """The fields of a node; none if it has no form."""
        return tuple(self.fields[f] for f in self.forms.get(node, ()))


@dataclass(frozen=True)
class Filling:
    """How far a form is filled in."""

    node: str
    stage: str = ASK
    """ASK, CHECK, WHICH or TOLD."""
    field: str = ""
    """The open question."""
    entry: str = ""
    """Digits keyed so far."""
    tries: int = 0
    """How often in a row the question was answered with something that cannot be."""
    asked: tuple[str, ...] = ()
    """Questions answered so far, for going back."""
    heard: bool = False
    """True if something was heard that was not read back yet."""
