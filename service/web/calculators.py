"""The calculators below /api/v1/calculators: what is asked, and what follows from the answers.

Nothing of it is kept: answers come in, figures go out.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from flask import Blueprint, jsonify

from service.core import clock, wording
from service.core.assessment import (Assessment, Line, assess, fault, needed, open_field, sentences,
                                     without_day)
from service.core.form import AMOUNT, BIRTH_MONTH, BIRTH_YEAR, CHOICE, MONTHS, OPEN, YEAR, Answers, Field
from service.core.model import Fact, Guide
from service.core.rules import Month
from service.errors import BadRequest, NotFound
from service.talks import Talks
from service.web.body import json_body, validator

CALCULATORS: Mapping[str, str] = {
    "age": "m4_age", "gap": "m4_gap", "base": "m4_base", "pension": "m4_pension", "medical": "m4_medgap"}
"""Calculator to the node that asks the same."""
OUT_OF_RANGE = "form_range"
"""Prompt for an answer that is none at all."""
UNCONFIRMED = ("base_unconfirmed", "pension_later", "pension_transition", "pension_parts", "med_pool")
"""Prompts of a result that say what could not be verified."""
_DIGITS = {BIRTH_YEAR: r"[0-9]{4}", BIRTH_MONTH: r"[0-9]{1,2}", MONTHS: r"[0-9]{1,4}", YEAR: r"[0-9]{4}",
           AMOUNT: r"[0-9]{1,9}(\.[0-9]{1,2})?"}


class ImpossibleAnswer(BadRequest):
    """An answer that cannot be; ``prompt`` says why."""

    code = "answer_impossible"

    def __init__(self, field: str, prompt: str):
        super().__init__(f"{field}: {prompt}")
        self.field, self.prompt = field, prompt


@dataclass(frozen=True)
class Worked:
    """What follows from answers."""

    answers: Answers
    """Those that count."""
    assessment: Assessment
    sentences: tuple[str, ...]
    """What the guide would say, a warning first if a fact is due."""
    unconfirmed: tuple[Line, ...]
    """Those that say what could not be verified."""
    facts: tuple[Fact, ...]
    due: bool
    """True if a fact is due for review."""
    about: str
    """That it is an estimate, and who knows the exact figure; empty if there is no figure."""
    day: datetime.date
    """The day that it was worked out for."""


def node_of(calculator: str) -> str:
    """The node of a calculator; NotFound if there is none of that name."""
    if calculator not in CALCULATORS:
        raise NotFound("no such calculator")
    return CALCULATORS[calculator]


def gathered(guide: Guide, node: str, given: Answers) -> dict[str, str]:
    """The given answers with what they imply, each under the field that it is kept under."""
    answers = dict(given)
    for one in guide.forms.of(node):
        if one.id in given:
            answers = {**one.implies, **answers}
        if one.sets and one.id in answers:
            precise = answers.pop(one.id)
            if one.id in needed(guide.rules, node, answers):
                answers[one.sets] = precise
    return answers


def faults(guide: Guide, node: str, given: Answers, today: datetime.date) -> dict[str, str]:
    """Field to the prompt that says why its answer cannot be, in the order of asking."""
    fields = {f.id: f for f in guide.forms.of(node) if f.id in given}
    found = {name: OUT_OF_RANGE for name, field in fields.items() if not _is_one(field, given[name])}
    sound = {name: given[name] for name in fields if name not in found}
    for name, value in sound.items():
        wrong = fault(name, value, {k: v for k, v in sound.items() if k != name and k not in found}, today)
        if wrong:
            found[name] = wrong
    return {name: found[name] for name in fields if name in found}


def _is_one(field: Field, value: str) -> bool:
    """True if the value is of the form of an answer to this field."""
    if value == OPEN and field.open:
        return True
    if field.type == CHOICE:
        return field.option(value) is not None
    return re.fullmatch(_DIGITS[field.type], value) is not None


def asked(guide: Guide, node: str, answers: Answers) -> tuple[str, ...]:
    """The fields that would be asked one by one, and at the end those that are not answered."""
    found: dict[str, str] = {}
    while (name := open_field(guide.rules, node, found)) and name in answers:
        found[name] = answers[name]
    return (*found, *(name for name in needed(guide.rules, node, found) if name not in found))


def work(guide: Guide, node: str, answers: Answers, today: datetime.date) -> Worked:
    """What follows from answers that ``gathered`` and ``faults`` have passed and that leave nothing open.

    Nothing does on a day that cannot be right; ``has_day`` tells.
    """
    if not has_day(guide, today):
        found = without_day(node)
        said = tuple(sentences(found, guide.prompts, guide.facts, today))
        return Worked({}, found, said, (), (), False, "", today)
    counting = {name: answers[name] for name in asked(guide, node, answers)}
    found = assess(guide.rules, node, counting, today)
    facts = tuple(guide.facts[f] for f in found.facts)
    due = any(clock.is_due(fact, guide.facts, today) for fact in facts)
    said = tuple(map(wording.unjointed, sentences(found, guide.prompts, guide.facts, today)))
    about = "result_end_medical" if node == CALCULATORS["medical"] else "result_end"
    return Worked(counting, found, said, tuple(line for line in found.lines if line.prompt in UNCONFIRMED),
                  facts, due, "".join(guide.prompts[about]), today)


def has_day(guide: Guide, today: datetime.date) -> bool:
    """False if the clock cannot be right: then no answer is judged and nothing is worked out."""
    return clock.is_believed(guide.facts, today)


def _sentences(guide: Guide, line: Line) -> list[str]:
    return [wording.unjointed(text.format(**line.values)) for text in guide.prompts[line.prompt]]


# --- as JSON --------------------------------------------------------------------------------------

def plain(value) -> object:
    """A value of ``core`` as JSON has it: decimals as strings, months as "2031-03"."""
    match value:
        case Decimal():
            return str(value)
        case Month():
            return value.iso
        case datetime.date():
            return value.isoformat()
        case Mapping():
            return {str(key): plain(one) for key, one in value.items()}
        case tuple() | list():
            return [plain(one) for one in value]
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


def _calculator_json(guide: Guide, calculator: str, node: str) -> dict:
    return {"id": calculator, "node": node, "title": guide.node(node).title,
            "fields": [_field_json(field) for field in guide.forms.of(node)]}


def _field_json(field: Field) -> dict:
    return {"id": field.id, "type": field.type, "title": field.title, "question": field.ask[0],
            "options": [{"value": o.value, "label": o.label} for o in field.options], "may_be_open": field.open}


def _fact_json(guide: Guide, fact: Fact, today: datetime.date) -> dict:
    return {"id": fact.id, "claim": fact.claim, "confidence": fact.confidence, "checked": plain(fact.checked),
            "review": plain(fact.review), "due": clock.is_due(fact, guide.facts, today),
            "sources": [plain(guide.sources[s]) for s in fact.sources if s in guide.sources]}


def _worked_json(guide: Guide, calculator: str, worked: Worked) -> dict:
    return {
        "calculator": calculator, "answers": dict(worked.answers), "worked_out_for": plain(worked.day),
        "sentences": list(worked.sentences),
        "unconfirmed": [text for line in worked.unconfirmed for text in _sentences(guide, line)],
        "results": [{"case": r.case, "type": type(r.figures).__name__, "figures": plain(r.figures)}
                    for r in worked.assessment.results],
        "facts": [_fact_json(guide, fact, worked.day) for fact in worked.facts], "due": worked.due,
        "about": worked.about,
    }


# --- routes -----------------------------------------------------------------------------------------

def create_calculators(talks: Talks, now: Callable[[], datetime.datetime], prefix: str) -> Blueprint:
    """The blueprint of the calculators. ``now``: the time; a client cannot choose another day."""
    pages = Blueprint("calculators", __name__, url_prefix=f"{prefix}/calculators")
    wanted = validator("CalculatorInput")

    @pages.get("")
    def calculators():
        guide = talks.edition.guide
        return jsonify({"calculators": [_calculator_json(guide, *item) for item in CALCULATORS.items()],
                        "limits": plain(tuple(guide.rules.limits.values()))})

    @pages.post("/<calculator>")
    def calculate(calculator: str):
        node, guide, today = node_of(calculator), talks.edition.guide, now().astimezone().date()
        given = json_body(wanted)["answers"]
        if not has_day(guide, today):
            return jsonify(_worked_json(guide, calculator, work(guide, node, {}, today)))
        answers = _accepted(guide, node, given, today)
        still_open = [name for name in asked(guide, node, answers) if name not in answers]
        if still_open:
            return jsonify({"open": still_open})
        return jsonify(_worked_json(guide, calculator, work(guide, node, answers, today)))

    @pages.errorhandler(ImpossibleAnswer)
    def impossible(error: ImpossibleAnswer):
        said = "".join(talks.edition.guide.prompts[error.prompt])
        return jsonify({"error": {"code": error.code, "message": str(error), "say": said,
                                  "field": error.field}}), error.status

    @pages.after_request
    def unkept(response):
        response.headers["Cache-Control"] = "no-store"
        return response

    return pages


def _accepted(guide: Guide, node: str, given: Answers, today: datetime.date) -> dict[str, str]:
    """The answers, if each of them can be; BadRequest otherwise."""
    known = {field.id for field in guide.forms.of(node)}
    if given.keys() - known:
        raise BadRequest(f"answers: {', '.join(sorted(given.keys() - known))} is not asked here")
    for name, prompt in faults(guide, node, given, today).items():
        raise ImpossibleAnswer(name, prompt)
    return gathered(guide, node, given)
