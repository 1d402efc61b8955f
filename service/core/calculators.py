"""Calculators: months, money and dates of social insurance, exact in ``Decimal``, from the Rules.

Every result is an estimate for a talk; what the social insurance office finds counts. Wages and balances are
in yuan, durations in whole months.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Mapping

from service.core.rules import Kind, Limits, Month, Rules

FEN = Decimal("0.01")
TENTH = Decimal("0.1")
TEN = Decimal("1E1")
MOST_MONTHS = 1200
"""Of contributions: a hundred years."""
MOST_YUAN = 1_000_000_000
"""Of a wage or a balance."""


class CalculatorError(ValueError):
    """An input out of range."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code
        """age, balance, index, kind, local, months, planned, sex, wage, work or year."""


def _require(condition: bool, code: str, message: str) -> None:
    if not condition:
        raise CalculatorError(code, message)


def _require_months(*counts: int) -> None:
    _require(all(0 <= n <= MOST_MONTHS for n in counts), "months", f"{counts} months paid")


def _require_yuan(amount: Decimal, code: str) -> None:
    _require(amount.is_finite() and 0 <= amount <= MOST_YUAN, code, f"{amount} yuan")


# --- when and after how many months -----------------------------------------------------------

@dataclass(frozen=True)
class Retirement:
    """When somebody retires."""

    kind: Kind
    birth: Month
    delay: int
    """Months after the old age."""
    month: Month
    """The statutory month."""
    age_months: int
    """The statutory age in months."""
    earliest: Month
    """First month that may be chosen, if the minimum of its year is met."""
    latest: Month
    """Last month that may be chosen, if the employer agrees."""


def retirement(rules: Rules, kind_id: str, birth: Month) -> Retirement:
    """The statutory month of retirement and the months around it that may be chosen.

    CalculatorError: kind. Source: 办法 art. 1 (2024-09-13), 实施弹性退休制度暂行办法 (2025-01-01).
    """
    _require(kind_id in rules.kinds, "kind", f"no kind {kind_id}")
    kind = rules.kinds[kind_id]
    delay = _delay(kind, birth)
    at_old_age = birth.plus(kind.old_age * 12)
    month = at_old_age.plus(delay)
    return Retirement(kind, birth, delay, month, age_months=kind.old_age * 12 + delay,
                      earliest=max(at_old_age, month.plus(-rules.flexible.earlier)),
                      latest=month.plus(rules.flexible.later))


def _delay(kind: Kind, birth: Month) -> int:
    later = birth.index - kind.first.index
    return 0 if later < 0 else min(kind.cap, later // kind.step + 1)


def minimum_months(rules: Rules, year: int) -> int:
    """Months of contributions that a pension from that year takes. Source: 办法 art. 2 (2024-09-13)."""
    return _of_year(rules.minimum.months, year)


def _of_year(table: Mapping[int, int], year: int) -> int:
    return table[min(max(year, min(table)), max(table))]


@dataclass(frozen=True)
class Gap:
    """What is missing to the minimum."""

    required: int
    """Months that the pension takes."""
    paid: int
    """Months paid until now, deemed ones among them."""
    missing: int
    """Months missing now."""
    left: int
    """Months from now until retirement, 0 if it is past."""
    short: int
    """Months missing at retirement if every month until then is paid."""
    year: int
    """Year whose minimum counts."""
    planned: Month | None
    """The month chosen; None for the statutory one."""


def gap(rules: Rules, retirement: Retirement, paid: int, today: Month, planned: Month | None = None) -> Gap:
    """Months missing to the minimum at the statutory month, or at a chosen one.

    Who retires early needs the minimum of the year chosen, who retires late that of the statutory year.
    CalculatorError: months, planned. Source: 办法 art. 2 (2024-09-13), 人社部发〔2024〕94号 art. 7.
    """
    _require_months(paid)
    end = planned or retirement.month
    _require(retirement.earliest <= end <= retirement.latest, "planned", f"{end} cannot be chosen")
    year = min(end, retirement.month).year
    required = minimum_months(rules, year)
    missing = max(0, required - paid)
    left = max(0, end.index - today.index)
    return Gap(required, paid, missing, left, max(0, missing - left), year, planned)


def earliest_choice(rules: Rules, retirement: Retirement, today: Month) -> Month | None:
    """The first month before the statutory one that may still be chosen; None if it is too late for any.

    Source: 实施弹性退休制度暂行办法 (2025-01-01): the employer must have it in writing three months before.
    """
    first = max(retirement.earliest, today.plus(rules.flexible.notice))
    return first if first < retirement.month else None


def earliest_possible(rules: Rules, retirement: Retirement, paid: int, today: Month) -> Month | None:
    """The first month before the statutory one that may still be chosen and at which the minimum will be met.

    Every month from now on is taken as paid. None: retirement before the statutory month is not possible.
    CalculatorError: months. Source: as for ``gap``.
    """
    _require_months(paid)
    start = earliest_choice(rules, retirement, today) or retirement.month
    months = map(Month.of, range(start.index, retirement.month.index))
    return next((m for m in months if gap(rules, retirement, paid, today, m).short == 0), None)


# --- contributions ----------------------------------------------------------------------------

@dataclass(frozen=True)
class Contribution:
    """What is paid for a month."""

    limits: Limits
    base: Decimal
    """Yuan that the rates are taken of."""
    at: str
    """floor if the wage was raised to it, ceiling if it was cut to it, else within."""
    rate: Decimal
    """Own share of the base."""
    monthly: Decimal
    """Own yuan a month, to the fen."""
    credited: Decimal
    """Yuan of it that enter the personal account, to the fen."""


def newest_confirmed(rules: Rules) -> Limits:
    """The limits of the last year for which they are confirmed. CalculatorError: year."""
    return _newest([limits for limits in rules.limits.values() if limits.confirmed])


def newest_pension_base(rules: Rules, year: int) -> Limits:
    """The limits of the last year up to ``year`` whose pension base is confirmed. CalculatorError: year."""
    return _newest([limits for limits in rules.limits.values()
                    if limits.pension_base_confirmed and limits.year <= year])


def _newest(found: list[Limits]) -> Limits:
    _require(bool(found), "year", "no year is confirmed")
    return max(found, key=lambda limits: limits.year)


def contribution(rules: Rules, year: int, work: str, wage: Decimal) -> Contribution:
    """The own monthly contribution to the pension insurance.

    ``work``: employee, whose wage is last year's monthly average, or flexible, whose wage is the base chosen.
    CalculatorError: year (none, or not confirmed), work, wage. Source: 国办发〔2019〕13号, 国发〔2005〕38号.
    """
    limits = rules.limits.get(year)
    _require(limits is not None and limits.confirmed, "year", f"no confirmed limits of {year}")
    _require(work in ("employee", "flexible"), "work", f"no work {work}")
    _require_yuan(wage, "wage")
    base = min(Decimal(limits.ceiling), max(Decimal(limits.floor), wage))
    at = "floor" if base > wage else "ceiling" if base < wage else "within"
    rates = rules.rates
    rate, credited = (rates.own, rates.own) if work == "employee" else (rates.flexible, rates.credited)
    return Contribution(limits, base, at, rate, to_fen(base * rate), to_fen(base * credited))


def to_fen(amount: Decimal) -> Decimal:
    """Yuan rounded half up to the fen."""
    return amount.quantize(FEN, ROUND_HALF_UP)


def to_ten(amount: Decimal) -> Decimal:
    """Yuan for speech, in whole tens; cut, not rounded up, for nobody is to expect too much."""
    return amount.quantize(TEN, ROUND_DOWN).quantize(Decimal(1))


# --- pension ----------------------------------------------------------------------------------

@dataclass(frozen=True)
class Divisor:
    """计发月数 of an age."""

    value: Decimal
    """Whole at a birthday, else interpolated by month to one decimal."""
    low: int
    """The lower one of the neighbouring whole ages: that of the higher age."""
    high: int
    exact: bool
    """True at a birthday: the value stands in the annex."""


def divisor(rules: Rules, age_months: int) -> Decimal:
    """计发月数 of an age in months, to one decimal. CalculatorError: age. Source: annex of 国发〔2005〕38号."""
    return divisor_range(rules, age_months).value


def divisor_range(rules: Rules, age_months: int) -> Divisor:
    """计发月数 of an age in months and of the whole ages around it.

    Between birthdays it is interpolated, which no official text says (fact x_divisor).
    CalculatorError: age. Source: annex of 国发〔2005〕38号.
    """
    youngest, oldest = rules.divisors.ages
    _require(youngest * 12 <= age_months <= oldest * 12, "age", f"no divisor for {age_months} months")
    age, months = divmod(age_months, 12)
    high = rules.divisors.months[age]
    low = rules.divisors.months[age + 1] if months else high
    value = (Decimal(high * (12 - months) + low * months) / 12).quantize(TENTH, ROUND_HALF_UP)
    return Divisor(value, low, high, exact=months == 0)


@dataclass(frozen=True)
class Pension:
    """An estimate of the first monthly pension, yuan to the fen, without any transitional pension."""

    limits: Limits
    """Of the year whose pension base was used."""
    wage_is_of_year: bool
    """False: the pension base of the year asked for is not confirmed, and an earlier one was used."""
    basic: Decimal
    account: Decimal | None
    """None without a balance."""
    account_low: Decimal | None
    """With the divisor of the whole age before."""
    account_high: Decimal | None
    """With the divisor of the whole age after."""
    divisor: Decimal
    divisor_is_exact: bool
    """False: interpolated."""
    total: Decimal
    """The basic pension and, with a balance, the account pension."""
    spoken_total: Decimal
    """The parts in whole tens, added: they are spoken one by one too, and must make this sum."""


def pension(rules: Rules, index: Decimal, months: int, balance: Decimal | None, age_months: int, year: int) -> Pension:
    """The pension of who retires in ``year`` at an age in months with so many months paid.

    ``index``: average contribution index, 0.6 to 3; ``balance``: of the personal account in yuan.
    CalculatorError: index, months, balance, age, year. Source: 国发〔2005〕38号, part 6 and annex.
    """
    formula = rules.pension
    _require(index.is_finite() and formula.lowest_index <= index <= formula.highest_index, "index", f"index {index}")
    _require_months(months)
    _require_yuan(balance or Decimal(0), "balance")
    limits, by = newest_pension_base(rules, year), divisor_range(rules, age_months)
    basic = to_fen(limits.pension_base * (1 + index) / 2 * formula.share * months / 12)
    account, low, high = (None if balance is None else to_fen(balance / d) for d in (by.value, by.high, by.low))
    total, spoken = basic + (account or 0), to_ten(basic) + to_ten(account or Decimal(0))
    return Pension(limits, limits.year == year, basic, account, low, high, by.value, by.exact, total, spoken)


# --- medical ----------------------------------------------------------------------------------

@dataclass(frozen=True)
class MedicalGap:
    """Months of medical insurance missing at retirement."""

    need_total: int
    need_local: int
    """Actual months inside Hunan."""
    missing_total: int
    missing_local: int
    missing: int
    """Months still to be paid: the larger of the two, for each month inside Hunan counts for both."""


def medical_gap(rules: Rules, sex: str, total: int, local: int, year: int) -> MedicalGap:
    """Months missing to medical cover after retirement, handled in ``year``.

    ``total``: months, deemed and actual; ``local``: actual months inside Hunan, some of ``total``.
    CalculatorError: sex, months, local, year. Source: 湖南省职工基本医疗保险实施办法 art. 26.
    """
    medical = rules.medical
    _require(sex in medical.total, "sex", f"no sex {sex}")
    _require_months(total, local)
    _require(local <= total, "local", f"{local} of {total} months")
    _require(year >= min(medical.local_years), "year", f"no rule for {year}")
    need_total, need_local = medical.total[sex], 12 * _of_year(medical.local_years, year)
    missing_total, missing_local = max(0, need_total - total), max(0, need_local - local)
    return MedicalGap(need_total, need_local, missing_total, missing_local, max(missing_total, missing_local))
