"""Calculators: the five sums of the guide as forms, with the whole working, to be printed.

What is entered stands in the request alone: it is neither kept nor noted, and never in an address.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Mapping

from flask import Blueprint, render_template, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from service.core.assessment import needed
from service.core.form import CHOICE, MONTHS, OPEN, Answers, Field
from service.core.model import Guide
from service.web.calculators import asked, faults, gathered, has_day, node_of, work
from service.web.panel.common import Panel
from service.web.panel.guide import CONFIDENCES
from service.web.panel.working import in_months, span, working

NAMES = {"age": _l("When somebody retires"), "gap": _l("Months missing to the pension"),
         "base": _l("What is paid a month"), "pension": _l("How high the pension will be"),
         "medical": _l("Months missing to medical insurance for life")}
QUESTIONS = {
    "kind": _l("Who is it for?"), "birth_year": _l("Year of birth"), "birth_month": _l("Month of birth"),
    "months": _l("Paid for the pension until now, deemed years (视同缴费) included"),
    "index": _l("Base of the contributions over the years"), "balance": _l("Balance of the personal account, in yuan"),
    "work": _l("Who pays?"), "wage": _l("Average wage a month in the last year, in yuan"),
    "share": _l("Base of a flexible worker"), "chosen": _l("Base that is wished for, in yuan a month"),
    "sex": _l("Man or woman?"), "med_year": _l("Year in which retirement is handled"),
    "med_months": _l("Paid for medical insurance until now, deemed years included"),
    "med_local": _l("Of it really paid in Hunan")}
OPTIONS = {
    "M60": _l("a man"), "F55": _l("a woman, retirement at 55 before 2025 (cadre, management)"),
    "F50": _l("a woman, retirement at 50 before 2025 (worker)"), "FX": _l("a woman, it is not known which: both"),
    "special": _l("special kind of work (特殊工种)"), "sick": _l("retirement for illness"),
    "official": _l("civil servant"), "retired": _l("retired already"), "resident": _l("residents' insurance (居民)"),
    "M": _l("a man"), "F": _l("a woman"), "0.6": _l("always the lowest"), "1": _l("about the average"),
    "3": _l("always the highest"), "employee": _l("an employer"), "flexible": _l("oneself, as a flexible worker"),
    "floor": _l("the lowest"), "ceiling": _l("the highest"), "own": _l("an own figure"), OPEN: _l("I do not know")}
HINTS = {
    "birth_year": _l("As on the identity card, four digits."), "birth_month": _l("As on the identity card, 1 to 12."),
    "balance": _l("As on the slip of contributions."), "wage": _l("Only for who has an employer."),
    "share": _l("Only for flexible workers."), "chosen": _l("Only for an own figure."),
    "med_year": _l("Four digits, this year or later.")}
PROBLEMS = {
    "form_future": _l("This day has not come yet. Please check it."),
    "form_range": _l("This figure cannot be right. Please check it.")}
NOT_CONFIRMED = {
    "base_unconfirmed": _l("The limits of this year: the notice has not been seen. Those of the last confirmed year"
                           " are used."),
    "pension_later": _l("The pension base (计发基数) of the year of retirement. That of 2026 is not confirmed either;"
                        " the last confirmed one is used."),
    "pension_transition": _l("The transitional pension (过渡性养老金) for service before there were accounts: Hunan's"
                             " coefficient is not confirmed. It is not included."),
    "pension_parts": _l("Divisors for ages between two birthdays: no official text was found."),
    "med_pool": _l("Whether pooling in the whole province changes these years.")}
UNKNOWN = "unknown"
"""Behind a field's name: that it is left open."""


@dataclass(frozen=True)
class Entry:
    """A field as it stands in the form."""

    field: Field
    question: str
    hint: str
    options: tuple[tuple[str, str], ...]
    """(value, label) of a choice."""
    value: str
    """As it was entered; of a duration the years."""
    rest: str
    """Of a duration the months beside the years."""
    unknown: bool
    """True if it was left open."""
    fault: str = ""
    """Why it cannot be, in words."""


def add_pages(panel_pages: Blueprint, panel: Panel) -> None:
    """The pages of the calculators."""
    @panel_pages.get("/calculators")
    def calculators():
        return render_template("panel/calculators.html", names=NAMES,
                               limits=panel.talks.edition.guide.rules.limits.values())

    @panel_pages.get("/calculators/<calculator>")
    def calculator_form(calculator: str):
        return _page(calculator, _entries(panel.talks.edition.guide, node_of(calculator), {}, {}))

    @panel_pages.post("/calculators/<calculator>")
    def calculate(calculator: str):
        node, guide = node_of(calculator), panel.talks.edition.guide
        today = panel.care.now().astimezone().date()
        answers, wrong = _read(guide, node, request.form, today) if has_day(guide, today) else ({}, {})
        entries = _entries(guide, node, request.form, wrong)
        if wrong:
            return _page(calculator, entries), 422
        worked = work(guide, node, answers, today)
        return _page(calculator, entries, worked=worked, cases=working(guide.rules, node, worked),
                     entered=_entered(guide, worked.answers),
                     unconfirmed=[NOT_CONFIRMED[line.prompt] for line in worked.unconfirmed],
                     confidences=dict(CONFIDENCES),
                     sources={f.id: [guide.sources[s] for s in f.sources] for f in worked.facts})

    def _page(name: str, entries: list[Entry], **result) -> str:
        return render_template("panel/calculator.html", calculator=name, name=NAMES[name], entries=entries, **result)


# --- what was entered ----------------------------------------------------------------------------------

def _asked(guide: Guide, node: str) -> list[Field]:
    """The questions of the page: all at once, so none that only makes another one precise."""
    return [f for f in guide.forms.of(node) if not f.sets]


def _read(guide: Guide, node: str, form: Mapping[str, str], today: datetime.date) -> tuple[Answers, dict[str, str]]:
    """(the answers that count, field to what is wrong there in words)."""
    given = {f.id: value for f in _asked(guide, node) if (value := _value(f, form))}
    counting = asked(guide, node, given)
    given = {name: value for name, value in given.items() if name in counting}
    wrong = {name: str(PROBLEMS[prompt]) for name, prompt in faults(guide, node, given, today).items()}
    empty = {name: _("Please answer this.") for name in counting if name not in given}
    return gathered(guide, node, given), {**wrong, **empty}


def _value(field: Field, form: Mapping[str, str]) -> str:
    """The answer as the core has it; empty without one."""
    if field.open and form.get(f"{field.id}-{UNKNOWN}"):
        return OPEN
    written = form.get(field.id, "").strip().replace(",", "").replace("，", "")
    if field.type != MONTHS:
        return written
    rest = form.get(f"{field.id}-rest", "").strip()
    if not written and not rest:
        return ""
    if not (_is_count(written or "0", 99) and _is_count(rest or "0", 11)):
        return "?"
    return str(12 * int(written or 0) + int(rest or 0))


def _is_count(text: str, most: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 2 and int(text) <= most


def _entries(guide: Guide, node: str, form: Mapping[str, str], wrong: Mapping[str, str]) -> list[Entry]:
    return [Entry(f, str(QUESTIONS.get(f.id, f.title)), str(HINTS.get(f.id, "")), _options(guide, node, f),
                  form.get(f.id, ""), form.get(f"{f.id}-rest", ""), bool(form.get(f"{f.id}-{UNKNOWN}")),
                  wrong.get(f.id, "")) for f in _asked(guide, node)]


def _options(guide: Guide, node: str, field: Field) -> tuple[tuple[str, str], ...]:
    """The options of a choice, without those that would have to be made precise by another question."""
    vague = {o.value for o in field.options for other in guide.forms.of(node)
             if other.sets == field.id and other.id in needed(guide.rules, node, {field.id: o.value})}
    return tuple((o.value, str(OPTIONS.get(o.value, o.label))) for o in field.options if o.value not in vague)


def _entered(guide: Guide, answers: Answers) -> list[tuple[str, str]]:
    """(question, answer in words) of everything that counted."""
    fields = guide.forms.fields
    return [(str(QUESTIONS.get(name, fields[name].title)), _in_words(fields[name], value))
            for name, value in answers.items()]


def _in_words(field: Field, value: str) -> str:
    if value == OPEN or field.type == CHOICE:
        return str(OPTIONS.get(value, value))
    match field.type:
        case "months":
            return span(int(value)) if int(value) else in_months(0)
        case "amount":
            return _("%(amount)s yuan", amount=value)
    return value
