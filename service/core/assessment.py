"""Assessment: from the answers to a form to what is told, with the figures that it rests on.

Which questions are needed depends on the answers so far; whoever leaves one open is told what follows in
each case. What is said are prompts of ``system.yaml``; numbers come from ``calculators.py`` alone.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Callable, Iterable, Mapping

from service.core import calculators, clock, wording
from service.core.calculators import Retirement
from service.core.form import OPEN, Answers
from service.core.model import Fact
from service.core.rules import Month, Rules

CASES = {"F": ("F55", "F50"), "FX": ("F55", "F50")}
"""Kinds that an answer leaves possible."""
OTHERWISE = ("special", "sick", "official", "retired")
"""Who is outside the rules; what is told to them is a prompt of that name."""
RESIDENT = "resident"
NEVER = "0"
"""Months of who never paid."""
OLDEST = 110
"""Years; nobody who asks is older."""
WORKING_AGE = 16
"""Years from which somebody may work (劳动法 art. 15)."""
SAYS_IT_IS_OLD = ("base_unconfirmed", "pension_later")
"""Prompts that say that newer figures are not confirmed."""
ENDS = ("result_end", "result_end_medical")
"""Prompts of the reserve that a result ends with."""
OPEN_INDEXES = ("0.6", "1")
"""Average indexes that are told to who does not know their own."""

CHOICES = ("kind", "woman", "work", "share", "sex", "index")
"""Fields whose answers are no numbers."""

PROMPTS = {name: frozenset(args.split()) for name, args in {
    "stale_medical": "", "result_end": "", "result_end_medical": "", "clock_wrong": "", "clock_wrong_medical": "",
    "result_young": "", "result_special": "", "result_sick": "", "result_official": "", "result_retired": "",
    "result_retired_medical": "", "case_M60": "", "case_F55": "", "case_F50": "",
    "age_when": "month delay", "age_when_old": "month", "age_past": "month", "age_then": "age",
    "age_early": "month", "age_early_notice": "month", "age_late": "month",
    "resident_rule": "", "resident_when": "month", "resident_past": "month", "resident_years": "",
    "resident_enough": "", "resident_other": "",
    "gap_missing": "missing required", "gap_missing_case": "missing required", "gap_lacking": "missing required",
    "gap_enough": "required",
    "gap_need": "month required", "gap_need_past": "month required", "gap_need_alone": "required", "gap_when": "month",
    "gap_past": "month", "gap_in_time": "", "gap_short": "short", "gap_go_on": "", "gap_early": "month",
    "gap_early_notice": "month", "gap_open": "",
    "base_unconfirmed": "", "base_within": "amount", "base_floor": "amount", "base_ceiling": "amount",
    "base_monthly": "year amount", "base_credited": "amount", "base_lowest": "year amount",
    "base_highest": "year amount",
    "pension_later": "", "pension_total": "year amount", "pension_F55": "year amount", "pension_F50": "year amount",
    "pension_low": "year amount", "pension_mean": "year amount", "pension_least": "year amount",
    "pension_most": "year amount", "pension_retired": "", "pension_split": "basic account", "pension_no_balance": "",
    "pension_so_far": "", "pension_short": "required", "pension_short_both": "", "pension_transition": "",
    "pension_parts": "", "pension_no_months": "", "pension_never": "",
    "med_missing": "months", "med_enough": "", "med_missing_in": "year months", "med_enough_in": "year",
    "med_missing_total": "months", "med_enough_total": "", "med_missing_local": "months",
    "med_enough_local": "", "med_need": "year total local", "med_need_local": "year local", "med_open": "", "med_open_local": "",
    "med_pool": "", "med_resident": "",
}.items()}
"""Every sentence of a result, with its placeholders; all of them are filled with recorded parts."""
LONGEST = 75
"""Characters of a result: 25 s at 180 a minute. Nobody keeps more in mind."""


@dataclass(frozen=True)
class Line:
    """One prompt of a result."""

    prompt: str
    values: Mapping[str, str] = field(default_factory=dict)
    spare: int = 0
    """0 if it must be said; else the higher, the sooner it gives way where there is no time for all."""


@dataclass(frozen=True)
class Result:
    """Figures of one case."""

    case: str
    """What was assumed: a kind, an index, a year; empty if nothing was."""
    figures: object
    """A value of ``calculators``."""


@dataclass(frozen=True)
class Assessment:
    """What is told, and what it rests on."""

    lines: tuple[Line, ...]
    facts: tuple[str, ...] = ()
    """Facts that the figures rest on."""
    results: tuple[Result, ...] = ()


# --- which questions ----------------------------------------------------------------------------

def open_field(rules: Rules, node: str, answers: Answers) -> str | None:
    """The next field to be asked; None if everything needed is answered."""
    return next((f for f in needed(rules, node, answers) if f not in answers), None)


def needed(rules: Rules, node: str, answers: Answers) -> tuple[str, ...]:
    """The fields whose answers count here, in the order of asking."""
    return _NEEDED[node](rules, answers)


def _who(answers: Answers, *more: str) -> tuple[str, ...]:
    kind = answers.get("kind")
    if kind in OTHERWISE:
        return ("kind",)
    return ("kind", *(["woman"] if kind == "F" else []), "birth_year", "birth_month", *more)


def _needed_age(_rules: Rules, answers: Answers) -> tuple[str, ...]:
    return _who(answers)


def _needed_gap(_rules: Rules, answers: Answers) -> tuple[str, ...]:
    if answers.get("kind") == RESIDENT:
        # Nothing follows from a birth, and from months only if they were told.
        return ("kind", *(["months"] if "months" in answers else []))
    return _who(answers, "months")


def _needed_base(_rules: Rules, answers: Answers) -> tuple[str, ...]:
    match answers:
        case {"work": "employee"}:
            return "work", "wage"
        case {"work": "flexible", "share": "own"}:
            return "work", "share", "chosen"
        case {"work": "flexible"}:
            return "work", "share"
        case {"kind": "retired"} if "work" not in answers:
            return ()
    return ("work",)


def _needed_pension(_rules: Rules, answers: Answers) -> tuple[str, ...]:
    if answers.get("kind") == RESIDENT:
        return ("kind",)
    if answers.get("months") in (OPEN, NEVER):
        return _who(answers, "months")
    return _who(answers, "months", "index", "balance")


def _needed_medgap(rules: Rules, answers: Answers) -> tuple[str, ...]:
    sex = ("sex",) if "sex" in answers or not _sex(rules, answers) else ()
    if _outside("m4_medgap", answers) in (RESIDENT, *OTHERWISE):
        return sex if "sex" in answers else ()
    year = () if _retirement_years(rules, answers) else ("med_year",)
    local = () if answers.get("med_months") in (OPEN, NEVER) else ("med_local",)
    return *sex, *year, "med_months", *local


_NEEDED: Mapping[str, Callable[[Rules, Answers], tuple[str, ...]]] = {
    "m4_age": _needed_age, "m4_gap": _needed_gap, "m4_base": _needed_base, "m4_pension": _needed_pension,
    "m4_medgap": _needed_medgap}
NODES = tuple(_NEEDED)
"""Nodes with a calculator; ``prompts/forms.yaml`` must have exactly these."""


def fault(name: str, value: str, answers: Answers, today: datetime.date) -> str | None:
    """The prompt that says why an answer cannot be; None if it can. ``answers`` are the others."""
    number = None if name in CHOICES or value == OPEN else Decimal(value)
    match name:
        case "birth_year" if number > today.year:
            return "form_future"
        case "birth_year" if number < today.year - OLDEST:
            return "form_range"
        case "birth_month" if not 1 <= number <= 12:
            return "form_range"
        case "birth_month" if Month(int(answers.get("birth_year", 0)), int(number)) > _month(today):
            return "form_future"
        case "months" | "med_months" | "med_local" if number is not None and not 0 <= number <= _working_months(
                answers, today):
            return "form_range"
        case "med_local" if number is not None and number > Decimal(_digits(answers.get("med_months"), number)):
            return "form_range"
        case "wage" | "chosen" if number is not None and not 0 < number <= 1_000_000:
            return "form_range"
        case "balance" if number is not None and not 0 <= number <= 10_000_000:
            return "form_range"
        case "med_year" if number is not None and not today.year <= number <= today.year + 60:
            return "form_range"
    return None


def _digits(value: str | None, otherwise: Decimal) -> str | Decimal:
    return otherwise if value in (None, OPEN) else value


def _working_months(answers: Answers, today: datetime.date) -> int:
    """So many months somebody can have paid at most."""
    born = answers.get("birth_year")
    years = today.year - int(born) - WORKING_AGE + 1 if born else 60
    return 12 * max(0, min(60, years))


def sentences(found: Assessment, prompts: Mapping[str, tuple[str, ...]], facts: Mapping[str, Fact],
              today: datetime.date) -> list[str]:
    """What is told, as far as there is time for it.

    The reserve comes last, and once: that a figure may be out of date stands in its place if nothing else says so.
    """
    lines = found.lines
    due = any(clock.is_due(facts[name], facts, today) for name in found.facts)
    if due and not any(line.prompt in SAYS_IT_IS_OLD for line in lines):
        medical = any(line.prompt == "result_end_medical" for line in lines)
        lines = (*(line for line in lines if line.prompt not in ENDS), Line("stale_medical" if medical else "stale"))
    return [text for line in _in_time(lines, prompts) for text in _texts(line, prompts)]


def _texts(line: Line, prompts: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [text.format(**line.values) for text in prompts[line.prompt]]


def _in_time(lines: Iterable[Line], prompts: Mapping[str, tuple[str, ...]]) -> list[Line]:
    """What must be said, and of the rest what there is time for; lines of the same ``spare`` stay or go together."""
    lines = list(lines)
    takes: dict[int, int] = {0: 0}
    for line in lines:
        takes[line.spare] = takes.get(line.spare, 0) + sum(map(wording.length, _texts(line, prompts)))
    left, kept = LONGEST, set()
    for spare in sorted(takes):
        if spare == 0 or takes[spare] <= left:
            kept.add(spare)
            left -= takes[spare]
    return [line for line in lines if line.spare in kept]


# --- what follows ---------------------------------------------------------------------------------

def assess(rules: Rules, node: str, answers: Answers, today: datetime.date) -> Assessment:
    """What is told to who answered everything that ``needed`` names."""
    who = _outside(node, answers)
    if who in OTHERWISE:
        medical = "_medical" if node == "m4_medgap" else ""
        return Assessment((Line(f"result_{who}{medical}"),))
    if _is_young(answers, today):
        return Assessment((Line("result_young"),))
    return _ASSESS[node](rules, answers, today)


def without_day(node: str) -> Assessment:
    """What is told where the clock cannot be right: every figure would rest on a wrong day."""
    return Assessment((Line("clock_wrong_medical" if node == "m4_medgap" else "clock_wrong"),))


def is_outside(node: str, answers: Answers) -> bool:
    """True if no figure follows from the answers, so that nothing need be read back."""
    who = _outside(node, answers)
    return who in OTHERWISE or who == RESIDENT and node != "m4_age"


def _outside(node: str, answers: Answers) -> str:
    """The answer that may put somebody outside the rules."""
    match node:
        case "m4_base" | "m4_medgap":
            # What is said here goes before what was said elsewhere.
            here = answers.get("work" if node == "m4_base" else "sex", "")
            return here or ("retired" if answers.get("kind") == "retired" else "")
    return answers.get("kind", "")


def _is_young(answers: Answers, today: datetime.date) -> bool:
    birth = _birth(answers)
    return bool(birth) and birth.plus(12 * WORKING_AGE) > _month(today)


def _birth(answers: Answers) -> Month | None:
    try:
        return Month(int(answers["birth_year"]), int(answers["birth_month"]))
    except KeyError:
        return None


def _month(day: datetime.date) -> Month:
    return Month(day.year, day.month)


def _retirements(rules: Rules, answers: Answers) -> dict[str, Retirement]:
    """Kind to retirement, for each that is possible."""
    kind, birth = answers.get("kind", ""), _birth(answers)
    kinds = CASES.get(kind, (kind,) if kind in rules.kinds else ())
    return {k: calculators.retirement(rules, k, birth) for k in kinds} if birth else {}


def _retirement_years(rules: Rules, answers: Answers) -> tuple[int, ...]:
    first = min(rules.medical.local_years)
    years = (max(r.month.year, first) for r in _retirements(rules, answers).values())
    return tuple(dict.fromkeys(years))


def _sex(rules: Rules, answers: Answers) -> str | None:
    """M or F, if it is known."""
    kind, sex = answers.get("kind", ""), answers.get("sex")
    if sex in rules.medical.total:
        return sex
    if kind in CASES:
        return "F"
    return rules.kinds[kind].sex if kind in rules.kinds else None


def _when(month: Month) -> str:
    return wording.joint(wording.year(month.year), f"{wording.number(month.month)}月")


def _year(year: int) -> str:
    return wording.joint(wording.year(year))


def _months(months: int) -> str:
    return wording.joint(*wording.duration(months))


def _yuan(amount: Decimal) -> str:
    """Whole yuan; the fen of an estimate say nothing."""
    return wording.joint(*wording.yuan(int(amount.quantize(Decimal(1), calculators.ROUND_HALF_UP))))


def _end(medical: bool = False) -> Line:
    return Line("result_end_medical" if medical else "result_end")


def _cases(found: Mapping[str, Retirement], tell: Callable[[Retirement], Iterable[Line]]) -> list[Line]:
    """The lines of each case, with what it is before them if there are several."""
    lines: list[Line] = []
    for kind, one in found.items():
        lines += [Line(f"case_{kind}")] if len(found) > 1 else []
        lines += tell(one)
    return lines


def _assess_age(rules: Rules, answers: Answers, today: datetime.date) -> Assessment:
    if answers["kind"] == RESIDENT:
        return _resident_age(rules, answers, today)
    found = _retirements(rules, answers)
    lines = _cases(found, lambda r: _age_lines(rules, r, _month(today), alone=len(found) == 1))
    facts = tuple(dict.fromkeys(f for r in found.values() for f in r.kind.facts))
    return Assessment((*lines, _end()), facts, _results(found))


def _results(found: Mapping[str, object]) -> tuple[Result, ...]:
    return tuple(Result(case if len(found) > 1 else "", figures) for case, figures in found.items())


def _age_lines(rules: Rules, one: Retirement, now: Month, alone: bool) -> Iterable[Line]:
    past, when = one.month <= now, {"month": _when(one.month)}
    if past:
        yield Line("age_past", when)
    elif one.delay:
        yield Line("age_when", {**when, "delay": _months(one.delay)})
    else:
        yield Line("age_when_old", when)
    yield Line("age_then", {"age": wording.joint(*wording.age(one.age_months))}, spare=0 if alone else 1)
    if alone and not past:
        earliest = calculators.earliest_choice(rules, one, now)
        yield from _early("age_early", earliest, one) if earliest else ()
        yield Line("age_late", {"month": _when(one.latest)}, spare=2)


def _early(prompt: str, month: Month, one: Retirement) -> Iterable[Line]:
    """The first month that may be chosen; where the window is open already, why it is not today."""
    yield Line(f"{prompt}_notice" if month > one.earliest else prompt, {"month": _when(month)}, spare=1)


def _resident_age(rules: Rules, answers: Answers, today: datetime.date) -> Assessment:
    month = _birth(answers).plus(12 * rules.resident.age)
    told = "resident_past" if month <= _month(today) else "resident_when"
    return Assessment((Line(told, {"month": _when(month)}), Line("resident_rule"), _end()), rules.resident.facts)


def _assess_gap(rules: Rules, answers: Answers, today: datetime.date) -> Assessment:
    if answers["kind"] == RESIDENT:
        return _resident_gap(rules, answers)
    found, now = _retirements(rules, answers), _month(today)
    paid = None if answers["months"] == OPEN else int(answers["months"])
    gaps = {kind: calculators.gap(rules, r, paid or 0, now) for kind, r in found.items()}
    if len(found) > 1:
        lines = _cases(found, lambda r: [_gap_of_case(gaps[r.kind.id], paid)])
    else:
        (one, gap), = zip(found.values(), gaps.values())
        lines = list(_gap_lines(rules, one, gap, paid, now))
    ends = [] if any(line.prompt == "gap_go_on" for line in lines) else [_end()]
    facts = (*rules.minimum.facts, *(f for r in found.values() for f in r.kind.facts))
    return Assessment((*lines, *([Line("gap_open")] if paid is None else []), *ends),
                      tuple(dict.fromkeys(facts)), _results(gaps) if paid is not None else ())


def _gap_of_case(gap: calculators.Gap, paid: int | None) -> Line:
    """One of two cases: there is no time for more than a sentence."""
    required = {"required": _months(gap.required)}
    if paid is None:
        return Line("gap_need_alone", required)
    if gap.missing:
        return Line("gap_missing_case", {"missing": _months(gap.missing), **required})
    return Line("gap_enough", required)


def _gap_lines(rules: Rules, one: Retirement, gap: calculators.Gap, paid: int | None, now: Month) -> Iterable[Line]:
    past, required = one.month <= now, {"required": _months(gap.required)}
    when = Line("gap_past" if past else "gap_when", {"month": _when(one.month)}, spare=2 if gap.short else 0)
    if paid is None:
        yield Line("gap_need_past" if past else "gap_need", {**when.values, **required})
        return
    missing = {"missing": _months(gap.missing), **required}
    if gap.short:
        # It ends with whom to ask, and so needs no other reserve.
        yield Line("gap_lacking", missing)
        yield from () if past else [Line("gap_short", {"short": _months(gap.short)}, spare=1)]
        yield from (when, Line("gap_go_on"))
        return
    yield Line("gap_missing", missing) if gap.missing else Line("gap_enough", required)
    yield when
    yield from [Line("gap_in_time")] if gap.missing else ()
    early = None if past else calculators.earliest_possible(rules, one, paid, now)
    if early:
        waits = early == now.plus(rules.flexible.notice) > one.earliest
        yield Line("gap_early_notice" if waits else "gap_early", {"month": _when(early)}, spare=1)


def _resident_gap(rules: Rules, answers: Answers) -> Assessment:
    """No number: who was old when it began needs fewer years, and only the village knows."""
    paid = answers.get("months", OPEN)
    enough = paid != OPEN and int(paid) >= rules.resident.months
    return Assessment((Line("resident_enough" if enough else "resident_years"), Line("resident_rule")),
                      rules.resident.facts)


def _assess_base(rules: Rules, answers: Answers, today: datetime.date) -> Assessment:
    if answers["work"] == RESIDENT:
        return Assessment((Line("resident_other"),))
    limits, work = calculators.newest_confirmed(rules), answers["work"]
    stated = {"floor": str(limits.floor), "ceiling": str(limits.ceiling)}
    given = answers["wage"] if work == "employee" else answers["share"]
    given = answers["chosen"] if given == "own" else given
    bases = ("floor", "ceiling") if given == OPEN else (given,)
    paid = {b: calculators.contribution(rules, limits.year, work, Decimal(stated.get(b, b))) for b in bases}
    year = {"year": _year(limits.year)}
    lines = [Line("base_unconfirmed")] if today.year > limits.year else []
    if given == OPEN:
        lines += [Line("base_lowest", {**year, "amount": _yuan(paid["floor"].monthly)}),
                  Line("base_highest", {**year, "amount": _yuan(paid["ceiling"].monthly)})]
    else:
        lines += [Line("base_monthly", {**year, "amount": _yuan(paid[given].monthly)}), *_base_lines(paid[given], work)]
    return Assessment((*lines, _end()), (*limits.facts, *rules.rates.facts), _results(paid))


def _base_lines(paid: calculators.Contribution, work: str) -> Iterable[Line]:
    """How it comes about."""
    yield Line(f"base_{paid.at}", {"amount": _yuan(paid.base)}, spare=1)
    if work == "flexible":
        yield Line("base_credited", {"amount": _yuan(paid.credited)}, spare=2)


def _assess_pension(rules: Rules, answers: Answers, today: datetime.date) -> Assessment:
    if answers["kind"] == RESIDENT:
        return Assessment((Line("resident_other"),))
    if answers["months"] == OPEN:
        return Assessment((Line("pension_no_months"),))
    if answers["months"] == NEVER:
        return Assessment((Line("pension_never"),))
    every = _retirements(rules, answers)
    found = {k: r for k, r in every.items() if r.month.year >= _first_pension_year(rules)}
    if not found:
        return Assessment((Line("result_retired"),))
    given = answers["index"]
    cases = {(kind, index): _pension(rules, r, index, answers) for kind, r in found.items()
             for index in (OPEN_INDEXES if given == OPEN else (given,))}
    later = any(not one.wage_is_of_year for one in cases.values())
    retired = len(found) < len(every)
    lines = [*([Line("pension_later")] if later else []), *([Line("pension_retired")] if retired else []),
             *_pension_lines(*_alike(found, cases)), *_pension_limits(rules, found, cases, answers, today)]
    facts = (*rules.pension.facts, *rules.divisors.facts, *rules.minimum.facts,
             *(f for one in cases.values() for f in one.limits.facts),
             *(f for r in found.values() for f in r.kind.facts))
    named = {" ".join(filter(None, (kind if len(found) > 1 else "", index if given == OPEN else ""))): p
             for (kind, index), p in cases.items()}
    results = tuple(Result(case, p) for case, p in named.items())
    return Assessment((*lines, _end()), tuple(dict.fromkeys(facts)), results)


def _alike(found: Mapping[str, Retirement], cases: Mapping[tuple[str, str], calculators.Pension]) -> tuple[dict, dict]:
    """One kind for all if it makes no difference: without a balance the age does not count."""
    first = next(iter(found))
    same = all(one.total == cases[first, index].total for (_, index), one in cases.items())
    kinds = {first: found[first]} if same else dict(found)
    return kinds, {case: one for case, one in cases.items() if case[0] in kinds}


def _first_pension_year(rules: Rules) -> int:
    return min(limits.year for limits in rules.limits.values() if limits.pension_base_confirmed)


def _pension(rules: Rules, one: Retirement, index: str, answers: Answers) -> calculators.Pension:
    balance = None if answers["balance"] == OPEN else Decimal(answers["balance"])
    return calculators.pension(rules, Decimal(index), int(answers["months"]), balance, one.age_months, one.month.year)


def _pension_lines(found: Mapping[str, Retirement],
                   cases: Mapping[tuple[str, str], calculators.Pension]) -> Iterable[Line]:
    """The figures: one, one of each case, or of many cases the least and the most."""
    indexes = len({index for _, index in cases})
    if len(found) > 1 and indexes > 1:
        yield _pension_line("pension_least", min(cases.values(), key=lambda one: one.spoken_total))
        yield _pension_line("pension_most", max(cases.values(), key=lambda one: one.spoken_total))
        return
    for (kind, index), one in cases.items():
        by_index = "pension_low" if index == OPEN_INDEXES[0] else "pension_mean"
        yield _pension_line(f"pension_{kind}" if len(found) > 1 else by_index if indexes > 1 else "pension_total", one)
        if len(cases) == 1 and one.account:
            parts = {"basic": _tens(one.basic), "account": _tens(one.account)}
            yield Line("pension_split", parts, spare=3)


def _pension_line(prompt: str, one: calculators.Pension) -> Line:
    return Line(prompt, {"year": _year(one.limits.year), "amount": _yuan(one.spoken_total)})


def _tens(amount: Decimal) -> str:
    return _yuan(calculators.to_ten(amount))


def _pension_limits(rules: Rules, found: Mapping[str, Retirement], cases: Mapping[tuple[str, str], calculators.Pension],
                    answers: Answers, today: datetime.date) -> Iterable[Line]:
    """What the figures do not tell."""
    now, paid, of = _month(today), int(answers["months"]), {kind: one for (kind, _), one in cases.items()}
    required = {k: calculators.minimum_months(rules, r.month.year) for k, r in found.items()}
    lacking = {months for months in required.values() if paid < months}
    if lacking and len(set(required.values())) == 1:
        yield Line("pension_short", {"required": _months(lacking.pop())}, spare=2)
    elif lacking:
        yield Line("pension_short_both", spare=2)
    counted = all(one.account is not None for one in of.values())
    yield from () if counted else [Line("pension_no_balance", spare=1)]
    yield from [Line("pension_so_far", spare=4)] if any(r.month > now for r in found.values()) else ()
    yield Line("pension_transition", spare=5)
    exact = all(one.divisor_is_exact for one in of.values())
    yield from [Line("pension_parts", spare=6)] if counted and not exact else ()


def _assess_medgap(rules: Rules, answers: Answers, today: datetime.date) -> Assessment:
    if answers.get("sex") == RESIDENT:
        return Assessment((Line("med_resident"),))
    # The rule goes by the year of handling: who is past the statutory one handles it now.
    known = dict.fromkeys(max(year, today.year) for year in _retirement_years(rules, answers))
    years = tuple(known) or _medical_years(rules, answers, today)
    sex = _sex(rules, answers)
    total = answers["med_months"]
    local = NEVER if total == NEVER else answers.get("med_local", OPEN)
    most = rules.medical.total[sex] if total == OPEN else int(total)
    actual = most if local == OPEN else min(int(local), most)
    gaps = {year: calculators.medical_gap(rules, sex, most, actual, year) for year in years}
    if total == OPEN:
        lines = [*(_med_need(one, year) for year, one in gaps.items()), Line("med_open")]
    elif local == OPEN:
        lines = [*_med_total(gaps[years[0]]), *(_med_need_local(one, year) for year, one in gaps.items()),
                 Line("med_open_local")]
    elif len(gaps) > 1:
        lines = [_med_in(one, year) for year, one in gaps.items()]
    else:
        lines = list(_med_lines(gaps[years[0]], years[0]))
    results = {str(year): one for year, one in gaps.items()}
    return Assessment((*lines, Line("med_pool", spare=3), _end(medical=True)), rules.medical.facts,
                      () if total == OPEN else _results(results))


def _medical_years(rules: Rules, answers: Answers, today: datetime.date) -> tuple[int, ...]:
    """The year that was named; this one and the last of the rule's steps for who does not know."""
    given = answers["med_year"]
    if given != OPEN:
        return (int(given),)
    return tuple(dict.fromkeys((today.year, max(today.year, max(rules.medical.local_years)))))


def _med_need(one: calculators.MedicalGap, year: int, spare: int = 0) -> Line:
    return Line("med_need", {"year": _year(year), "total": _months(one.need_total), "local": _months(one.need_local)},
                spare)


def _med_need_local(one: calculators.MedicalGap, year: int) -> Line:
    return Line("med_need_local", {"year": _year(year), "local": _months(one.need_local)})


def _med_total(one: calculators.MedicalGap) -> Iterable[Line]:
    yield (Line("med_missing_total", {"months": _months(one.missing_total)}) if one.missing_total
           else Line("med_enough_total"))


def _med_in(one: calculators.MedicalGap, year: int) -> Line:
    if one.missing:
        return Line("med_missing_in", {"year": _year(year), "months": _months(one.missing)})
    return Line("med_enough_in", {"year": _year(year)})


def _med_lines(one: calculators.MedicalGap, year: int) -> Iterable[Line]:
    """What is missing, then where, then the rule."""
    yield Line("med_missing", {"months": _months(one.missing)}) if one.missing else Line("med_enough")
    if one.missing_total and one.missing_local:
        yield Line("med_missing_total", {"months": _months(one.missing_total)}, spare=1)
        yield Line("med_missing_local", {"months": _months(one.missing_local)}, spare=1)
    elif one.missing:
        yield Line("med_enough_local" if one.missing_total else "med_enough_total", spare=1)
    yield _med_need(one, year, spare=2)


_ASSESS: Mapping[str, Callable[[Rules, Answers, datetime.date], Assessment]] = {
    "m4_age": _assess_age, "m4_gap": _assess_gap, "m4_base": _assess_base, "m4_pension": _assess_pension,
    "m4_medgap": _assess_medgap}
