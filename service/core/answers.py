"""Answers: what of a form's questions a text answers, asked for or not.

An option is found by its phrases anywhere in a sentence, a number by ``numerals``. A lone number, without a
unit, answers only what was just asked.
"""

from __future__ import annotations

import datetime
import functools
import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Iterable, Mapping

from service.core import numerals
from service.core.assessment import fault
from service.core.form import (AMOUNT, BIRTH_MONTH, BIRTH_YEAR, CHOICE, EXPLAIN, LEAVE, MONTHS, OPEN, UNKNOWN_ENTRY,
                               UNSURE, WHY, YEAR, Answers, Field, Forms)
from service.core.grammar import bare
from service.core.model import Guide
from service.core.templates import Templates, templates

_MANY_DIGITS = re.compile(r"[0-9０-９〇零一二两三四五六七八九幺]{15,}[xX]?")
_BETWEEN = "[，,、。\\s]?"
_MINUS = ("负", "-", "−", "－")
LONGEST_REFUSED = 8
"""Characters of what somebody refuses before saying what is right."""
NEGATED_WITHIN = 4
"""Characters before a phrase in which a word may make it its opposite."""
SHORTEST_SPOTTED = 2
"""Characters of a phrase that is found anywhere inside a sentence: 女 is also in 女儿."""
_APART = (r"(?<![^\s，,、。；;年月日号岁生是])", r"(?=$|[\s，,、。；;0-9〇零一二两三四五六七八九十几哪多好])")
"""Around a shorter one, so that it is a word of its own: 六六年三月男几时退休."""


@dataclass(frozen=True)
class Reading:
    """What a text answers."""

    values: Mapping[str, str] = field(default_factory=dict)
    """Field to answer."""
    problem: str = ""
    """Prompt that says why something in it is no answer; empty: nothing is wrong."""
    rest: str = ""
    """The text without what was read."""
    corrected: bool = False
    """True if something was refused with it."""

    def __bool__(self) -> bool:
        return bool(self.values or self.problem)


class AnswerReader:
    """All answers of one version of the forms. Immutable after construction, so threads may share it."""

    def __init__(self, forms: Forms, reader: Templates):
        self._forms = forms
        self._unknown = _phrases(reader, forms.unknown)
        self._why = frozenset(map(bare, _phrases(reader, forms.why)))
        self._explain = frozenset(map(bare, _phrases(reader, forms.explain)))
        self._leave = frozenset(map(bare, _phrases(reader, forms.leave)))
        self._same_phrases = {f.id: _phrases(reader, f.same) for f in forms.fields.values() if f.same}
        self._same = {name: _any_of(found) for name, found in self._same_phrases.items()}
        self._options: dict[str, dict[str, str]] = {}
        for one in forms.fields.values():
            found: dict[str, str] = {}
            for option in one.options:
                for phrase in (option.label, *_phrases(reader, option.phrases)):
                    found.setdefault(bare(phrase), option.value)
            self._options[one.id] = found
        self._spotted = {name: _spotted(found) for name, found in self._options.items()}
        self._unknowns = _any_of(map(bare, self._unknown))
        refusal = _any_of(forms.refusals).pattern
        self._refused = re.compile(f"(?:{refusal})[^，。,；]{{1,{LONGEST_REFUSED}}}?(?:[，。,；]|(?=我?是)|$)")

    def phrases(self, kind: str) -> tuple[str, ...]:
        """Everything but numbers that can be said to the fields of a type."""
        fields = [f for f in self._forms.fields.values() if f.type == kind]
        listed = [p for f in fields for p in self._options[f.id] if p]
        return (*listed, *(p for f in fields for p in self._same_phrases.get(f.id, ())), *self._unknown, *self._why,
                *self._explain, *self._leave)

    def wish(self, text: str) -> str:
        """What is wished for instead of an answer: ``form.WHY``, ``EXPLAIN``, ``LEAVE``, or nothing."""
        said = bare(text)
        wishes = {WHY: self._why, EXPLAIN: self._explain, LEAVE: self._leave}
        return next((wish for wish, phrases in wishes.items() if said in phrases), "")

    def without_refused(self, text: str) -> str:
        """The text without what it refuses: 不是男的，是女的 -> 是女的; itself if it refuses nothing."""
        return self._refused.sub("", text)

    def read(self, text: str, node: str, asked: str, answers: Answers, today: datetime.date) -> Reading:
        """What the text answers at a node's form of which ``asked`` is the open question, "" for none."""
        if _MANY_DIGITS.search(re.sub(r"[\s-]", "", text)):
            return Reading(problem="form_no_id")
        kept = self.without_refused(text)
        found = _Work(self, node, asked, answers, today, kept).read()
        return replace(found, corrected=kept != text)

    # --- what the work needs ---------------------------------------------------------------------

    def fields(self, node: str) -> tuple[Field, ...]:
        """The fields of a form."""
        return self._forms.of(node)

    def option(self, name: str, text: str) -> str | None:
        """The option that a whole text names."""
        return self._options[name].get(bare(text))

    def spotted(self, name: str, text: str) -> re.Match | None:
        """The first phrase of an option inside a text that is not negated there."""
        return next((m for m in self._spotted[name].finditer(text) if self._is_meant(name, m)), None)

    def _is_meant(self, name: str, found: re.Match) -> bool:
        option = self._forms.fields[name].option(self.value(name, found[0]))
        before = re.split("[，。,；]", found.string[:found.start()])[-1][-NEGATED_WITHIN:]
        behind = found.string[found.end():found.end() + 1]
        unless = (*self._forms.negations, *option.unless_before)
        return not any(word in before for word in unless) and behind not in option.unless_behind

    def value(self, name: str, phrase: str) -> str:
        """The option of a phrase that was found."""
        return self._options[name][bare(phrase)]

    def is_unknown(self, text: str) -> bool:
        """True if the text says that one does not know, and hardly more."""
        found = self._unknowns.search(bare(text))
        return bool(found) and len(bare(text)) - len(found[0]) <= len(found[0])

    def is_same(self, name: str, text: str) -> bool:
        """True if the text says that the answer is that of another field."""
        return name in self._same and bool(self._same[name].search(bare(text)))


class _Work:
    """One reading while it gathers its values."""

    def __init__(self, reader: AnswerReader, node: str, asked: str, answers: Answers, today: datetime.date, text: str):
        self._reader, self._asked, self._answers, self._today = reader, asked, answers, today
        self._fields = {f.id: f for f in reader.fields(node)}
        self._whole = self._text = text
        self._values, self._problem = {}, ""

    def read(self) -> Reading:
        open_question = self._fields.get(self._asked)
        if not self._add() and open_question:
            self._answer(open_question)
        # What has a cue of its own goes first, and leaves the rest to what has none.
        for one in sorted(self._fields.values(), key=lambda f: not f.cues):
            self._find(one)
        for one in self._fields.values():
            if one.target in self._values:
                self._values = {**one.implies, **self._values}
        self._check()
        return Reading(self._values, self._problem, self._text)

    # --- what comes on top -----------------------------------------------------------------------

    def _add(self) -> bool:
        """Months on top of the last ones that were answered: 零三个月 or 再加三个月 behind 十二年."""
        told = [f.target for f in self._fields.values() if f.type == MONTHS]
        told = [name for name in told if self._answers.get(name, OPEN) != OPEN]
        if not told:
            return False
        before, odd = int(self._answers[told[-1]]), numerals.odd_months(self._text)
        if odd:
            # 十二年零两个月 and then 零三个月: the months were wrong, or not heard.
            before -= before % 12
        found = odd or numerals.added_months(self._text)
        if found:
            self._take(told[-1], str(before + found.value), found.start, found.end)
        return bool(found)

    # --- the open question -----------------------------------------------------------------------

    def _answer(self, one: Field) -> None:
        """What answers just this, without a unit or in a word."""
        text = self._text = self._text.strip()
        whole = self._whole_answer(one, text)
        if whole is not None:
            self._values[one.target], self._text = whole, ""
            return
        match one.type:
            case "months":
                self._found(one, numerals.months(text))
            case "amount":
                self._found(one, numerals.amount(text))
            case "year":
                self._found(one, numerals.year(text, self._today))
        if one.target not in self._values and (text == UNKNOWN_ENTRY or self._reader.is_unknown(text)):
            self._problem, self._text = UNSURE, ""

    def _whole_answer(self, one: Field, text: str) -> str | None:
        """The answer that the whole text is: an option, a lone month, that one does not know, the same as before."""
        if self._reader.is_same(one.id, text) and one.same_as in self._answers:
            return self._answers[one.same_as]
        option = self._reader.option(one.id, text) if one.type == CHOICE else None
        if option is not None:
            return option
        unknown = next((o.value for o in one.options if o.unknown), OPEN if one.open else None)
        if unknown and (text == UNKNOWN_ENTRY or self._reader.is_unknown(text)):
            return unknown
        by_digits = one.type == BIRTH_MONTH and text != UNKNOWN_ENTRY
        number = numerals.number(text.removesuffix("月")) if by_digits else None
        lone = number is not None and number == int(number) and abs(number) < 100
        return str(int(number)) if lone else None

    # --- anything ---------------------------------------------------------------------------------

    def _find(self, one: Field) -> None:
        refines = one.sets and one.refines == {**self._answers, **self._values}.get(one.sets)
        if one.target in self._values and not refines or not self._text:
            return
        match one.type:
            case "choice" if one.id == self._asked or not one.sets or refines:
                found = self._reader.spotted(one.id, self._text)
                if found:
                    self._take(one.target, self._reader.value(one.id, found[0]), found.start(), found.end())
            case "birth_year" | "birth_month":
                self._find_birth()
            case "months" if self._fits(one, MONTHS):
                self._found_behind_cue(one)
            case "amount" if self._fits(one, AMOUNT):
                # A cue is as good as a unit: 我攒了六万.
                self._found(one, numerals.amount(self._text, bare=bool(one.cues)))
            case "year" if self._fits(one, YEAR):
                self._found(one, numerals.year(self._text, self._today, bare=False))

    def _fits(self, one: Field, kind: str) -> bool:
        """A number without a question goes to the first field of its type that has none yet."""
        asked = self._fields.get(self._asked)
        known = {**self._answers, **self._values}
        fits = all(known.get(name, value) == value for name, value in one.implies.items())
        cued = not one.cues or any(cue in self._whole for cue in one.cues)
        return one.id == self._asked or fits and cued and (asked is None or asked.type != kind)

    def _found_behind_cue(self, one: Field) -> None:
        """Months; of several durations the one behind the field's cue, if it has one: 在湖南交了十二年."""
        at = min((i for i in map(self._text.find, one.cues) if i >= 0), default=0)
        before, self._text = self._text[:at], self._text[at:]
        found = numerals.months(self._text, bare=False)
        # Unless it was asked for, 一个月 is what is paid or drawn a month.
        self._found(one, found if found and (one.id == self._asked or found.value > 1) else None)
        self._text = before + self._text

    def _found(self, one: Field, found: numerals.Found | None) -> None:
        if found and self._text[max(0, found.start - 1):found.start] in _MINUS:
            self._problem = "form_range"
        elif found:
            self._take(one.target, self._a_month(one, _digits(found)), found.start, found.end)

    def _a_month(self, one: Field, amount: str) -> str:
        """An amount of a year as one of a month, where that is asked for; in whole yuan."""
        yearly = any(w in self._whole for w in one.yearly) and not any(w in self._whole for w in one.monthly)
        return str(int(Decimal(amount) / 12)) if yearly else amount

    def _find_birth(self) -> None:
        asked = self._asked in (BIRTH_YEAR, BIRTH_MONTH)
        found = numerals.birth(self._text, self._today, bare=asked)
        if found is None:
            return
        birth = found.value
        if birth.impossible:
            self._problem = "form_no_day"
        elif birth.lunar:
            self._problem = "form_lunar"
        elif birth.age is not None:
            self._problem = "form_age"
        if birth.year is not None:
            self._values[BIRTH_YEAR] = str(birth.year)
        if birth.month is not None and not birth.lunar and not birth.impossible:
            self._values[BIRTH_MONTH] = str(birth.month)
        self._cut(found.start, found.end)

    def _take(self, name: str, value: str, start: int, end: int) -> None:
        self._values[name] = value
        self._cut(start, end)

    def _cut(self, start: int, end: int) -> None:
        self._text = self._text[:start] + self._text[end:]

    # --- what cannot be ---------------------------------------------------------------------------

    def _check(self) -> None:
        for name in [n for n in self._fields if n in self._values]:
            if name not in self._values:
                continue
            others = {k: v for k, v in {**self._answers, **self._values}.items() if k != name}
            wrong = fault(name, self._values[name], others, self._today)
            if wrong:
                # A month of a year that cannot be is not one of the year that was said before.
                for gone in (name, *([BIRTH_MONTH] if name == BIRTH_YEAR else [])):
                    self._values.pop(gone, None)
                self._problem = self._problem or wrong


def _digits(found: numerals.Found) -> str:
    return format(Decimal(found.value).normalize(), "f")


def _phrases(reader: Templates, lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for line in lines for text in reader.expand(line)))


def _spotted(phrases: Iterable[str]) -> re.Pattern:
    """Any of the phrases where it is meant by itself inside a sentence."""
    long, short = (_any_of((p for p in phrases if (len(p) >= SHORTEST_SPOTTED) == is_long), _BETWEEN).pattern
                   for is_long in (True, False))
    return re.compile(f"{long}|{_APART[0]}(?:{short}){_APART[1]}")


def _any_of(phrases: Iterable[str], between: str = "") -> re.Pattern:
    """Any of the phrases, the longest first; ``between``: what may stand between their characters."""
    found = [between.join(map(re.escape, p)) for p in sorted(phrases, key=len, reverse=True) if p]
    return re.compile("|".join(found) or r"(?!)")


def answer_reader(guide: Guide) -> AnswerReader:
    """The reader of a guide's forms, made once."""
    return _of(_Held(guide))


class _Held:
    """A guide as a key: equal to itself alone, because its parts cannot be hashed."""

    def __init__(self, guide: Guide):
        self.guide = guide

    def __hash__(self) -> int:
        return hash(self.guide.version)

    def __eq__(self, other) -> bool:
        return self.guide.forms is other.guide.forms


@functools.lru_cache(maxsize=4)
def _of(held: _Held) -> AnswerReader:
    return AnswerReader(held.guide.forms, templates(held.guide.words))
