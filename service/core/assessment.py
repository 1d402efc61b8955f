"""Assessment: from the answers to a form to what is told, with the figures that it rests on.

Which questions are needed depends on the answers so far; whoever leaves one open is told what follows in
each case. What is said are prompts of ``system.yaml``; numbers come from ``calculators.py`` alone.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Callable, Iterable, Mapping

from service.core import calculators, wording
from service.core.calculators import Retirement
from service.core.form import OPEN, Answers
from service.core.model import Fact
from service.core.rules import Month, Rules

CASES = {"F": ("F55", "F50"), "FX": ("F55", "F50")}
"""Kinds that an answer leaves possible."""
OTHERWISE = ("special", "sick", "official", "retired")
"""Who is outside the rules; what is told to them is a prompt of that name."""
RESIDENT = "resident"
OLDEST = 110
"""Years; nobody who asks is older."""
WORKING_AGE = 16
"""Years from which somebody may work (劳动法 art. 15)."""
SAYS_IT_IS_OLD = ("base_unconfirmed", "pension_later")
"""Prompts that say that newer figures are not confirmed."""
OPEN_INDEXES = ("0.6", "1")
"""Average indexes that are told to who does not know their own."""

CHOICES = ("kind", "woman", "work", "share", "sex", "index")
"""Fields whose answers are no numbers."""

PROMPTS = {name: frozenset(args.split()) for name, args in {
    "stale_medical": "", "result_dated": "month", "result_about": "", "result_about_medical": "",
    "result_ask": "", "result_ask_medical": "",
    "result_young": "", "result_special": "", "result_sick": "", "result_official": "", "result_retired": "",
    "result_retired_medical": "",
    "case_M60": "", "case_F55": "", "case_F50": "", "case_low": "", "case_mean": "",
    "age_delay": "born delay", "age_no_delay": "born", "age_when": "age month", "age_past": "age month",
    "age_early": "month", "age_late": "month",
    "resident_rule": "", "resident_when": "month", "resident_past": "month", "resident_months": "",
    "resident_other": "", "gap_need": "month required", "gap_need_past": "month required",
    "gap_missing": "paid missing", "gap_enough": "paid",
    "gap_in_time": "", "gap_short": "short", "gap_go_on": "", "gap_early": "month", "gap_open": "",
    "base_year": "year", "base_unconfirmed": "year", "base_within": "amount", "base_floor": "amount",
    "base_ceiling": "amount", "base_monthly": "amount", "base_credited": "amount", "base_lowest": "amount",
    "base_highest": "amount",
    "pension_basic": "amount", "pension_account": "amount", "pension_total": "amount", "pension_no_balance": "",
    "pension_year": "year", "pension_later": "", "pension_so_far": "", "pension_short": "required",
    "pension_transition": "", "pension_parts": "", "pension_no_months": "",
    "med_need": "year total local", "med_missing_total": "months", "med_enough_total": "",
    "med_missing_local": "months", "med_enough_local": "", "med_missing": "months", "med_enough": "", "med_open": "",
    "med_open_local": "", "med_pool": "", "med_resident": "",
}.items()}
"""Every sentence of a result, with its placeholders; all of them are filled with recorded parts."""


@dataclass(frozen=True)
class Line:
    """One prompt of a result."""

    prompt: str
    values: Mapping[str, str] = field(default_factory=dict)


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
    if answers.get("months") == OPEN:
        return _who(answers, "months")
    return _who(answers, "months", "index", "balance")


def _needed_medgap(rules: Rules, answers: Answers) -> tuple[str, ...]:
    sex = ("sex",) if "sex" in answers or not _sex(rules, answers) else ()
    if _outside("m4_medgap", answers) in (RESIDENT, *OTHERWISE):
        return sex if "sex" in answers else ()
    year = () if _retirement_years(rules, answers) else ("med_year",)
    local = () if answers.get("med_months") == OPEN else ("med_local",)
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
    """What is told, with a warning in front if a figure may be out of date and nothing else says so."""
    due = any(facts[name].is_due(today) for name in found.facts)
    warns = due and not any(line.prompt in SAYS_IT_IS_OLD for line in found.lines)
    medical = any(line.prompt == "result_ask_medical" for line in found.lines)
    said = list(prompts["stale_medical" if medical else "stale"]) if warns else []
    return said + [text.format(**line.values) for line in found.lines for text in prompts[line.prompt]]


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


def is_outside(node: str, answers: Answers) -> bool:
    """True if no figure follows from the answers, so that nothing need be read back."""
    who = _outside(node, answers)
    return who in OTHERWISE or who == RESIDENT and node in ("m4_base", "m4_pension", "m4_medgap")


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


def _end(medical: bool = False) -> tuple[Line, ...]:
    tail = "_medical" if medical else ""
    return Line(f"result_about{tail}"), Line(f"result_ask{tail}")


def _dated(today: datetime.date) -> Line:
    return Line("result_dated", {"month": _when(_month(today))})


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
    lines = _cases(found, lambda r: _age_lines(r, _month(today), alone=len(found) == 1))
    facts = tuple(dict.fromkeys(f for r in found.values() for f in r.kind.facts))
    return Assessment((*lines, _dated(today), *_end()), facts, _results(found))


def _results(found: Mapping[str, object]) -> tuple[Result, ...]:
    return tuple(Result(case if len(found) > 1 else "", figures) for case, figures in found.items())


def _age_lines(one: Retirement, now: Month, alone: bool) -> Iterable[Line]:
    born = _when(one.birth)
    yield (Line("age_delay", {"born": born, "delay": _months(one.delay)}) if one.delay
           else Line("age_no_delay", {"born": born}))
    past = one.month <= now
    values = {"age": wording.joint(*wording.age(one.age_months)), "month": _when(one.month)}
    yield Line("age_past" if past else "age_when", values)
    if alone and not past:
        yield Line("age_early", {"month": _when(max(one.earliest, now))})
        yield Line("age_late", {"month": _when(one.latest)})


def _resident_age(rules: Rules, answers: Answers, today: datetime.date) -> Assessment:
    month = _birth(answers).plus(12 * rules.resident.age)
    told = "resident_past" if month <= _month(today) else "resident_when"
    return Assessment((Line("resident_rule"), Line(told, {"month": _when(month)}), _dated(today), *_end()),
                      rules.resident.facts)


def _assess_gap(rules: Rules, answers: Answers, today: datetime.date) -> Assessment:
    if answers["kind"] == RESIDENT:
        return _resident_gap(rules, answers, today)
    found, now = _retirements(rules, answers), _month(today)
    paid = None if answers["months"] == OPEN else int(answers["months"])
    gaps = {kind: calculators.gap(rules, r, paid or 0, now) for kind, r in found.items()}
    lines = _cases(found, lambda r: _gap_lines(rules, r, gaps[r.kind.id], paid, now, alone=len(found) == 1))
    facts = (*rules.minimum.facts, *(f for r in found.values() for f in r.kind.facts))
    return Assessment((*lines, *([Line("gap_open")] if paid is None else []), _dated(today), *_end()),
                      tuple(dict.fromkeys(facts)), _results(gaps) if paid is not None else ())


def _gap_lines(rules: Rules, one: Retirement, gap: calculators.Gap, paid: int | None, now: Month,
               alone: bool) -> Iterable[Line]:
    past = one.month <= now
    yield Line("gap_need_past" if past else "gap_need", {"month": _when(one.month), "required": _months(gap.required)})
    if paid is None:
        return
    yield from _missing(paid, gap.missing)
    if gap.missing:
        yield from ([Line("gap_short", {"short": _months(gap.short)})] if gap.short and not past else [])
        yield Line("gap_go_on" if gap.short else "gap_in_time")
    early = None if past or not alone else calculators.earliest_possible(rules, one, paid, now)
    if early:
        yield Line("gap_early", {"month": _when(early)})


def _missing(paid: int, missing: int) -> Iterable[Line]:
    if missing:
        yield Line("gap_missing", {"paid": _months(paid), "missing": _months(missing)})
    else:
        yield Line("gap_enough", {"paid": _months(paid)})


def _resident_gap(rules: Rules, answers: Answers, today: datetime.date) -> Assessment:
    lines = [Line("resident_rule"), Line("resident_months")]
    if answers["months"] == OPEN:
        lines.append(Line("gap_open"))
    else:
        paid = int(answers["months"])
        lines += _missing(paid, max(0, rules.resident.months - paid))
    return Assessment((*lines, _dated(today), *_end()), rules.resident.facts)


def _assess_base(rules: Rules, answers: Answers, today: datetime.date) -> Assessment:
    if answers["work"] == RESIDENT:
        return Assessment((Line("resident_other"), Line("result_ask")))
    limits, work = calculators.newest_confirmed(rules), answers["work"]
    stated = {"floor": str(limits.floor), "ceiling": str(limits.ceiling)}
    given = answers["wage"] if work == "employee" else answers["share"]
    given = answers["chosen"] if given == "own" else given
    bases = ("floor", "ceiling") if given == OPEN else (given,)
    paid = {b: calculators.contribution(rules, limits.year, work, Decimal(stated.get(b, b))) for b in bases}
    lines = [Line("base_year", {"year": _year(limits.year)})]
    if given == OPEN:
        lines += [Line("base_lowest", {"amount": _yuan(paid["floor"].monthly)}),
                  Line("base_highest", {"amount": _yuan(paid["ceiling"].monthly)})]
    else:
        lines += _base_lines(paid[given], work)
    if today.year > limits.year:
        lines.append(Line("base_unconfirmed", {"year": _year(today.year)}))
    return Assessment((*lines, *_end()), (*limits.facts, *rules.rates.facts), _results(paid))


def _base_lines(paid: calculators.Contribution, work: str) -> Iterable[Line]:
    yield Line(f"base_{paid.at}", {"amount": _yuan(paid.base)})
    yield Line("base_monthly", {"amount": _yuan(paid.monthly)})
    if work == "flexible":
        yield Line("base_credited", {"amount": _yuan(paid.credited)})


def _assess_pension(rules: Rules, answers: Answers, today: datetime.date) -> Assessment:
    if answers["kind"] == RESIDENT:
        return Assessment((Line("resident_other"), Line("result_ask")))
    if answers["months"] == OPEN:
        return Assessment((Line("pension_no_months"),))
    every = _retirements(rules, answers)
    found = {k: r for k, r in every.items() if r.month.year >= _first_pension_year(rules)}
    if not found:
        return Assessment((Line("result_retired"),))
    given = answers["index"]
    cases = {(kind, index): _pension(rules, r, index, answers) for kind, r in found.items()
             for index in (OPEN_INDEXES if given == OPEN else (given,))}
    retired = [line for k in every if k not in found for line in (Line(f"case_{k}"), Line("result_retired"))]
    lines = [*retired, *([Line(f"case_{k}") for k in found] if retired else []), *_pension_lines(*_alike(found, cases))]
    lines += _pension_limits(rules, found, cases, answers, today)
    facts = (*rules.pension.facts, *rules.divisors.facts, *rules.minimum.facts,
             *(f for one in cases.values() for f in one.limits.facts),
             *(f for r in found.values() for f in r.kind.facts))
    named = {" ".join(filter(None, (kind if len(found) > 1 else "", index if given == OPEN else ""))): p
             for (kind, index), p in cases.items()}
    results = tuple(Result(case, p) for case, p in named.items())
    return Assessment((*lines, *_end()), tuple(dict.fromkeys(facts)), results)


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
                   cases: Mapping[tuple[str, str], calculators.Pension]) -> list[Line]:
    lines: list[Line] = []
    for (kind, index), one in cases.items():
        first = index == next(i for k, i in cases if k == kind)
        lines += [Line(f"case_{kind}")] if len(found) > 1 and first else []
        lines += [Line("case_low" if index == OPEN_INDEXES[0] else "case_mean")] if len(cases) > len(found) else []
        if len(cases) == 1 and one.account is not None:
            lines += [Line("pension_basic", {"amount": _tens(one.basic)}),
                      Line("pension_account", {"amount": _tens(one.account)})]
        lines.append(Line("pension_total", {"amount": _tens(one.total)}))
    return lines


def _tens(amount: Decimal) -> str:
    return _yuan(calculators.to_ten(amount))


def _pension_limits(rules: Rules, found: Mapping[str, Retirement], cases: Mapping[tuple[str, str], calculators.Pension],
                    answers: Answers, today: datetime.date) -> list[Line]:
    """What the figures do not tell."""
    now, paid, of = _month(today), int(answers["months"]), {kind: one for (kind, _), one in cases.items()}
    counted = all(one.account is not None for one in of.values())
    lines = [] if counted else [Line("pension_no_balance")]
    required = {k: calculators.minimum_months(rules, r.month.year) for k, r in found.items()}
    for kind, months in required.items():
        if paid < months:
            lines += [Line(f"case_{kind}")] if len(set(required.values())) > 1 else []
            lines.append(Line("pension_short", {"required": _months(months)}))
        if len(set(required.values())) == 1:
            break
    if any(r.month > now for r in found.values()):
        lines.append(Line("pension_so_far"))
    differ = len({one.limits.year for one in of.values()}) > 1
    for kind, one in of.items() if differ else list(of.items())[:1]:
        lines += [Line(f"case_{kind}")] if differ else []
        lines.append(Line("pension_year", {"year": _year(one.limits.year)}))
        later = not one.wage_is_of_year if differ else not all(p.wage_is_of_year for p in of.values())
        lines += [Line("pension_later")] if later else []
    exact = all(one.divisor_is_exact for one in of.values())
    lines += [] if exact or not counted else [Line("pension_parts")]
    return [*lines, Line("pension_transition")]


def _assess_medgap(rules: Rules, answers: Answers, today: datetime.date) -> Assessment:
    if answers.get("sex") == RESIDENT:
        return Assessment((Line("med_resident"), Line("result_ask_medical")))
    # The rule goes by the year of handling: who is past the statutory one handles it now.
    known = dict.fromkeys(max(year, today.year) for year in _retirement_years(rules, answers))
    years = tuple(known) or _medical_years(rules, answers, today)
    sex = _sex(rules, answers)
    total, local = answers["med_months"], answers.get("med_local", OPEN)
    lines: list[Line] = []
    results = {}
    for year in years:
        most = rules.medical.total[sex] if total == OPEN else int(total)
        one = calculators.medical_gap(rules, sex, most, most if local == OPEN else min(int(local), most), year)
        results[str(year)] = one
        lines += _med_lines(one, year, total == OPEN, local == OPEN)
    lines += [Line("med_open")] if total == OPEN else [Line("med_open_local")] if local == OPEN else []
    return Assessment((*lines, Line("med_pool"), *_end(medical=True)), rules.medical.facts,
                      () if total == OPEN else _results(results))


def _medical_years(rules: Rules, answers: Answers, today: datetime.date) -> tuple[int, ...]:
    """The year that was named; this one and the last of the rule's steps for who does not know."""
    given = answers["med_year"]
    if given != OPEN:
        return (int(given),)
    return tuple(dict.fromkeys((today.year, max(today.year, max(rules.medical.local_years)))))


def _med_lines(one: calculators.MedicalGap, year: int, total_open: bool, local_open: bool) -> Iterable[Line]:
    yield Line("med_need", {"year": _year(year), "total": _months(one.need_total), "local": _months(one.need_local)})
    if total_open:
        return
    yield (Line("med_missing_total", {"months": _months(one.missing_total)}) if one.missing_total
           else Line("med_enough_total"))
    if local_open:
        return
    yield (Line("med_missing_local", {"months": _months(one.missing_local)}) if one.missing_local
           else Line("med_enough_local"))
    yield Line("med_missing", {"months": _months(one.missing)}) if one.missing else Line("med_enough")


_ASSESS: Mapping[str, Callable[[Rules, Answers, datetime.date], Assessment]] = {
    "m4_age": _assess_age, "m4_gap": _assess_gap, "m4_base": _assess_base, "m4_pension": _assess_pension,
    "m4_medgap": _assess_medgap}
