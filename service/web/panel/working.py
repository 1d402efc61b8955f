"""Working: how a calculator's result came about, step by step, for who wants to check it with a pencil."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Iterable

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from service.core import calculators
from service.core.assessment import CASES, RESIDENT
from service.core.calculators import Contribution, Gap, MedicalGap, Pension, Retirement
from service.core.form import OPEN, Answers
from service.core.rules import Month, Rules
from service.web.calculators import Worked

CASE_NAMES = {
    "M60": _l("a man (60 before 2025)"), "F55": _l("a woman who would have retired at 55"),
    "F50": _l("a woman who would have retired at 50"), "0.6": _l("always on the lowest base"),
    "1": _l("about the average base"), "3": _l("always on the highest base"), "floor": _l("the lowest base"),
    "ceiling": _l("the highest base")}


@dataclass(frozen=True)
class Step:
    """One row."""

    what: str
    how: str
    """The calculation, or the rule; may be empty."""
    result: str


@dataclass(frozen=True)
class Case:
    """One way in which it may be."""

    title: str
    """What is assumed; empty if nothing is."""
    steps: tuple[Step, ...]


def working(rules: Rules, node: str, worked: Worked) -> list[Case]:
    """How it was worked out, a case for each result; none where nothing was worked out."""
    if not worked.facts:
        return []
    answers, results = worked.answers, worked.assessment.results
    now = Month(worked.day.year, worked.day.month)
    if answers.get("kind") == RESIDENT:
        return [Case("", tuple(_resident(rules, answers)))]
    if not results:
        return _of_open_months(rules, node, answers, now)
    return [Case(_title(r.case), tuple(_steps(rules, answers, r.case, r.figures, now))) for r in results]


def _title(case: str) -> str:
    return ", ".join(str(CASE_NAMES.get(part, part)) for part in case.split())


def _steps(rules: Rules, answers: Answers, case: str, figures: object, now: Month) -> Iterable[Step]:
    match figures:
        case Retirement():
            return _retirement(rules, figures, now)
        case Gap():
            return _gap(rules, _retiring(rules, answers, case), figures, now)
        case Contribution():
            return _contribution(rules, answers, figures)
        case Pension():
            return _pension(rules, _retiring(rules, answers, case), answers, case, figures)
        case MedicalGap():
            return _medical(answers, case or answers["med_year"], figures)
    raise TypeError(type(figures).__name__)


def _retiring(rules: Rules, answers: Answers, case: str) -> Retirement:
    """When somebody of this case retires."""
    kind = next((part for part in case.split() if part in rules.kinds), answers["kind"])
    return calculators.retirement(rules, kind, _birth(answers))


def _birth(answers: Answers) -> Month:
    return Month(int(answers["birth_year"]), int(answers["birth_month"]))


# --- words ------------------------------------------------------------------------------------------

def in_months(months: int) -> str:
    """A number of months."""
    return ngettext("%(num)d month", "%(num)d months", months)


def span(months: int) -> str:
    """Months, and what they are in years."""
    years = months // 12
    return _beside(months, ngettext("%(num)d year", "%(num)d years", years)) if years else in_months(months)


def age(months: int) -> str:
    """An age in months, and in years."""
    return _beside(months, in_years(months // 12))


def in_years(years: int) -> str:
    """An age."""
    return ngettext("%(num)d year old", "%(num)d years old", years)


def _beside(months: int, whole: str) -> str:
    rest = months % 12
    named = _("%(years)s and %(months)s", years=whole, months=in_months(rest)) if rest else whole
    return _("%(count)s = %(named)s", count=in_months(months), named=named)


def yuan(amount: Decimal | int) -> str:
    """An amount with its unit."""
    return _("%(amount)s yuan", amount=amount)


def percent(share: Decimal) -> str:
    """0.08 as 8 %."""
    return f"{format((share * 100).normalize(), 'f')} %"


# --- steps ------------------------------------------------------------------------------------------

def _retirement(rules: Rules, one: Retirement, now: Month) -> Iterable[Step]:
    yield from _statutory(one)
    if one.month > now:
        earliest = calculators.earliest_choice(rules, one, now)
        if earliest:
            yield Step(_("Earliest by choice (弹性提前)"),
                       _("only if the minimum of months is met by then, and the employer has it in writing"
                         " %(months)d months before", months=rules.flexible.notice), str(earliest))
        yield Step(_("Latest by choice (弹性延迟)"), _("only if the employer agrees"), str(one.latest))


def _statutory(one: Retirement) -> Iterable[Step]:
    kind = one.kind
    yield Step(_("Retirement age before 2025 (原退休年龄)"), str(CASE_NAMES[kind.id]),
               in_years(kind.old_age))
    rule = _("born from %(first)s on: one month later for every %(step)d months of birth begun",
             first=kind.first, step=kind.step)
    yield Step(_("Rule of the delay (延迟)"), rule, "")
    later = one.birth.index - kind.first.index
    how = (_("%(birth)s is %(later)s after %(first)s: %(number)d ÷ %(step)d rounded down, and 1; %(cap)d at most",
             birth=one.birth, later=in_months(later), first=kind.first, number=later, step=kind.step, cap=kind.cap)
           if later >= 0 else _("born before %(first)s", first=kind.first))
    yield Step(_("Delay"), how, in_months(one.delay))
    yield Step(_("Statutory age (法定退休年龄)"), f"{kind.old_age} × 12 + {one.delay}", age(one.age_months))
    yield Step(_("Statutory month of retirement"), f"{one.birth} + {in_months(one.age_months)}", str(one.month))


def _minimum(rules: Rules, one: Retirement) -> Step:
    return Step(_("Minimum of contributions (最低缴费年限)"), _("for retirement in %(year)d", year=one.month.year),
                span(calculators.minimum_months(rules, one.month.year)))


def _gap(rules: Rules, one: Retirement, gap: Gap, now: Month) -> Iterable[Step]:
    yield from _statutory(one)
    yield _minimum(rules, one)
    yield Step(_("Paid until now"), "", span(gap.paid))
    yield _missing(gap.required, gap.paid, gap.missing)
    if one.month > now:
        yield Step(_("Left until retirement"), _("from %(now)s to %(month)s", now=now, month=one.month),
                   in_months(gap.left))
        yield Step(_("Missing then, if every month is paid from now on"),
                   _("%(missing)d − %(left)d, not below 0", missing=gap.missing, left=gap.left), in_months(gap.short))
        early = calculators.earliest_possible(rules, one, gap.paid, now)
        if early:
            yield Step(_("Earliest by choice, if every month is paid from now on"), "", str(early))


def _missing(required: int, paid: int, missing: int) -> Step:
    return Step(_("Missing now"), _("%(required)d − %(paid)d, not below 0", required=required, paid=paid),
                in_months(missing))


def _contribution(rules: Rules, answers: Answers, paid: Contribution) -> Iterable[Step]:
    limits = paid.limits
    yield Step(_("Limits of %(year)d", year=limits.year), limits.document, f"{limits.floor} – {limits.ceiling}")
    where = {"floor": _("what was given is below the lowest base: the lowest counts"),
             "ceiling": _("what was given is above the highest base: the highest counts"),
             "within": _("within the limits")}
    yield Step(_("Base (缴费基数)"), where[paid.at], yuan(paid.base))
    yield Step(_("Paid a month for the pension"), f"{paid.base} × {percent(paid.rate)}", yuan(paid.monthly))
    share = rules.rates.own if answers["work"] == "employee" else rules.rates.credited
    yield Step(_("Of it into the personal account (个人账户)"), f"{paid.base} × {percent(share)}", yuan(paid.credited))
    if answers["work"] == "employee":
        yield Step(_("The employer pays besides"), f"{paid.base} × {percent(rules.rates.employer)}",
                   yuan(calculators.to_fen(paid.base * rules.rates.employer)))


def _pension(rules: Rules, one: Retirement, answers: Answers, case: str, pension: Pension) -> Iterable[Step]:
    index = next((part for part in case.split() if part not in rules.kinds), answers["index"])
    yield from _statutory(one)
    yield _minimum(rules, one)
    yield from _basic(rules, one, int(answers["months"]), index, pension)
    yield _divisor(rules, one, pension)
    if pension.account is None:
        yield Step(_("Account pension (个人账户养老金)"), _("the balance is not known: not included"), "")
    else:
        yield from _account(answers, pension)
    yield Step(_("Together a month"), f"{pension.basic} + {pension.account or 0}", yuan(pension.total))
    yield Step(_("As the guide says it"), _("each part in whole tens, rounded down"), yuan(pension.spoken_total))


def _basic(rules: Rules, one: Retirement, months: int, index: str, pension: Pension) -> Iterable[Step]:
    wage, year = pension.limits.pension_base, pension.limits.year
    yield Step(_("Pension base of Hunan (计发基数)"),
               _("of %(year)d", year=year) if pension.wage_is_of_year else
               _("of %(year)d, the last that is confirmed; not that of %(wanted)d", year=year, wanted=one.month.year),
               yuan(wage))
    years = f"{months} ÷ 12" if months % 12 else f"{months // 12}"
    yield Step(_("Basic pension (基础养老金)"),
               f"{wage} × (1 + {index}) ÷ 2 × {years} × {percent(rules.pension.share)}", yuan(pension.basic))


def _divisor(rules: Rules, one: Retirement, pension: Pension) -> Step:
    around = calculators.divisor_range(rules, one.age_months)
    how = (_("from the table, for this age") if pension.divisor_is_exact else
           _("between %(high)d and %(low)d, by month; no official text says so", high=around.high, low=around.low))
    return Step(_("Divisor (计发月数)"), how, str(pension.divisor))


def _account(answers: Answers, pension: Pension) -> Iterable[Step]:
    yield Step(_("Account pension (个人账户养老金)"), f"{answers['balance']} ÷ {pension.divisor}", yuan(pension.account))
    if not pension.divisor_is_exact:
        yield Step(_("It may be between"), _("with the divisors of the whole ages around"),
                   f"{pension.account_low} – {pension.account_high}")


def _medical(answers: Answers, year: str, gap: MedicalGap) -> Iterable[Step]:
    total, local = int(answers["med_months"]), answers.get("med_local", OPEN)
    yield from _medical_needs(year, gap)
    yield Step(_("Missing in all"), _("%(required)d − %(paid)d, not below 0", required=gap.need_total, paid=total),
               in_months(gap.missing_total))
    if local == OPEN:
        return
    yield Step(_("Missing in Hunan"),
               _("%(required)d − %(paid)d, not below 0", required=gap.need_local, paid=int(local)),
               in_months(gap.missing_local))
    yield Step(_("Missing: the larger of the two"), "", in_months(gap.missing))


def _medical_needs(year: str, gap: MedicalGap) -> Iterable[Step]:
    yield Step(_("Year of handling"), "", year)
    yield Step(_("Needed in all (累计缴费年限)"), "", span(gap.need_total))
    yield Step(_("Of it really paid in Hunan (在湘实缴)"), "", span(gap.need_local))


# --- without a result of the core ---------------------------------------------------------------------

def _resident(rules: Rules, answers: Answers) -> Iterable[Step]:
    resident = rules.resident
    yield Step(_("Age for residents' pension (城乡居民养老)"), _("it is not delayed"),
               in_years(resident.age))
    if "birth_year" in answers:
        birth = _birth(answers)
        yield Step(_("Month in which it is reached"), f"{birth} + {in_months(12 * resident.age)}",
                   str(birth.plus(12 * resident.age)))
    yield Step(_("Minimum of contributions (最低缴费年限)"),
               _("in general; fewer for who was old when it began: please ask the village"), span(resident.months))


def _of_open_months(rules: Rules, node: str, answers: Answers, now: Month) -> list[Case]:
    """What can be told without the months paid."""
    if node != "m4_gap":
        return []
    kinds = CASES.get(answers["kind"], (answers["kind"],))
    return [Case(_title(kind) if len(kinds) > 1 else "", tuple((*_statutory(one), _minimum(rules, one))))
            for kind in kinds for one in [calculators.retirement(rules, kind, _birth(answers))]]
