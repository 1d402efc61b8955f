"""The calculators against worked examples and test vectors, a table counted by hand, and their laws."""

from decimal import Decimal

import pytest

from service.content.build import RULES, rules_of
from service.content.files import parse
from service.core import calculators
from service.core.calculators import (CalculatorError, contribution, divisor, divisor_range, earliest_possible, gap,
                                      medical_gap, minimum_months, newest_confirmed, newest_pension_base, pension,
                                      retirement, to_fen, to_ten)
from service.core.rules import Month
from tests.support import PROMPTS

RULES_HERE = rules_of(parse(RULES, (PROMPTS / RULES).read_bytes())[0].data)
NOW = Month(2026, 11)
BIRTHS = [Month(year, month) for year in range(1955, 1996) for month in range(1, 13)]
KINDS = {"M60": (60, (1965, 1), 4, 36), "F55": (55, (1970, 1), 4, 36), "F50": (50, (1975, 1), 2, 60)}
"""Old age, first month of birth that is delayed, births for each month of delay, most months of delay."""


def retire(kind: str, birth: str) -> calculators.Retirement:
    return retirement(RULES_HERE, kind, Month.parse(birth))


def gap_of(kind: str, birth: str, paid: int, planned: str | None = None) -> calculators.Gap:
    return gap(RULES_HERE, retire(kind, birth), paid, NOW, planned and Month.parse(planned))


def age(text: str) -> int:
    """Months of "60y1m"."""
    years, months = text.rstrip("m").split("y")
    return int(years) * 12 + int(months)


# --- months -----------------------------------------------------------------------------------

def test_a_month_is_ordered_and_counted_over_the_turn_of_the_year():
    assert Month(2026, 12) < Month(2027, 1) and Month(2026, 12).plus(1) == Month(2027, 1)
    assert Month(2027, 1).plus(-13) == Month(2025, 12)
    assert Month.of(Month(2031, 12).index) == Month(2031, 12)
    assert str(Month(2031, 3)) == Month(2031, 3).iso == "2031-03" and Month.parse("2031-03") == Month(2031, 3)


@pytest.mark.parametrize("text", ["2031-13", "2031-00", "2031", "2031-03-01", "三月"])
def test_what_is_no_month_is_refused(text: str):
    with pytest.raises(ValueError):
        Month.parse(text)


# --- retirement -------------------------------------------------------------------------------

@pytest.mark.parametrize("kind, birth, delay, month", [
    ("M60", "1964-12", 0, "2024-12"), ("M60", "1965-01", 1, "2025-02"), ("M60", "1965-04", 1, "2025-05"),
    ("M60", "1965-05", 2, "2025-07"), ("M60", "1966-01", 4, "2026-05"), ("M60", "1969-12", 15, "2031-03"),
    ("M60", "1970-05", 17, "2031-10"), ("M60", "1975-06", 32, "2038-02"), ("M60", "1976-12", 36, "2039-12"),
    ("M60", "1977-01", 36, "2040-01"), ("M60", "1988-09", 36, "2051-09"),
    ("F55", "1969-12", 0, "2024-12"), ("F55", "1970-01", 1, "2025-02"), ("F55", "1970-06", 2, "2025-08"),
    ("F55", "1970-09", 3, "2025-12"), ("F55", "1971-06", 5, "2026-11"), ("F55", "1972-03", 7, "2027-10"),
    ("F55", "1981-12", 36, "2039-12"), ("F55", "1988-09", 36, "2046-09"),
    ("F50", "1974-12", 0, "2024-12"), ("F50", "1975-01", 1, "2025-02"), ("F50", "1975-03", 2, "2025-05"),
    ("F50", "1975-06", 3, "2025-09"), ("F50", "1976-06", 9, "2027-03"), ("F50", "1977-01", 13, "2028-02"),
    ("F50", "1978-11", 24, "2030-11"), ("F50", "1980-03", 32, "2032-11"), ("F50", "1984-11", 60, "2039-11"),
    ("F50", "1984-12", 60, "2039-12"),
])
def test_the_published_months_of_retirement(kind: str, birth: str, delay: int, month: str):
    found = retire(kind, birth)
    assert (found.delay, found.month.iso) == (delay, month)


@pytest.mark.parametrize("kind, birth, months", [
    ("M60", "1964-12", "60y0m"), ("M60", "1969-12", "61y3m"), ("M60", "1976-12", "63y0m"), ("F55", "1972-03", "55y7m"),
    ("F50", "1980-03", "52y8m"), ("F50", "1984-12", "55y0m"),
])
def test_the_statutory_age(kind: str, birth: str, months: str):
    assert retire(kind, birth).age_months == age(months)


@pytest.mark.parametrize("kind, birth, earliest, latest", [
    ("M60", "1969-12", "2029-12", "2034-03"), ("M60", "1965-01", "2025-01", "2028-02"),
    ("M60", "1980-01", "2040-01", "2046-01"), ("F50", "1984-12", "2036-12", "2042-12"),
])
def test_the_months_that_may_be_chosen(kind: str, birth: str, earliest: str, latest: str):
    found = retire(kind, birth)
    assert (found.earliest.iso, found.latest.iso) == (earliest, latest)


def counted(old_age: int, first: tuple[int, int], step: int, cap: int) -> list[tuple[int, tuple[int, int]]]:
    """(delay, month of retirement) of each month of birth, by counting: each full group gets a month more."""
    table, delay, in_group = [], 0, 0
    for year in range(1955, 1996):
        for month in range(1, 13):
            if (year, month) == first:
                delay, in_group = 1, 0
            elif in_group == step and delay < cap:
                delay, in_group = delay + 1, 0
            in_group += 1 if (year, month) >= first else 0
            to_year, to_month = year + old_age, month
            for _ in range(delay):
                to_year, to_month = (to_year + 1, 1) if to_month == 12 else (to_year, to_month + 1)
            table.append((delay, (to_year, to_month)))
    return table


@pytest.mark.parametrize("kind", KINDS)
def test_every_month_of_birth_as_counted_by_the_wording_of_the_rule(kind: str):
    found = [retirement(RULES_HERE, kind, birth) for birth in BIRTHS]
    assert [(r.delay, (r.month.year, r.month.month)) for r in found] == counted(*KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_retires_before_the_old_age_or_after_the_cap_or_before_who_is_older(kind: str):
    old_age, _, _, cap = KINDS[kind]
    found = [retirement(RULES_HERE, kind, birth) for birth in BIRTHS]
    assert all(old_age * 12 <= r.age_months <= old_age * 12 + cap for r in found)
    assert all(r.birth.plus(old_age * 12) <= r.earliest <= r.month <= r.latest for r in found)
    assert all(r.latest.index - r.month.index == 36 and r.month.index - r.earliest.index <= 36 for r in found)
    assert all(older.month <= younger.month for older, younger in zip(found, found[1:]))


# --- minimum ----------------------------------------------------------------------------------

@pytest.mark.parametrize("year, months", [
    (1990, 180), (2025, 180), (2029, 180), (2030, 186), (2031, 192), (2032, 198), (2033, 204), (2034, 210),
    (2035, 216), (2036, 222), (2037, 228), (2038, 234), (2039, 240), (2045, 240),
])
def test_the_minimum_of_a_year(year: int, months: int):
    assert minimum_months(RULES_HERE, year) == months


@pytest.mark.parametrize("kind, birth, paid, planned, required, missing, left, short", [
    ("M60", "1969-12", 170, None, 192, 22, 52, 0),
    ("M60", "1969-12", 170, "2029-12", 180, 10, 37, 0),
    ("M60", "1969-12", 170, "2034-03", 192, 22, 88, 0),
    ("F50", "1980-03", 150, None, 198, 48, 72, 0),
    ("F50", "1976-06", 160, None, 180, 20, 4, 16),
    ("M60", "1965-01", 100, None, 180, 80, 0, 80),
    ("M60", "1969-12", 400, None, 192, 0, 52, 0),
])
def test_the_worked_gaps(kind, birth, paid, planned, required, missing, left, short):
    found = gap_of(kind, birth, paid, planned)
    assert (found.required, found.missing, found.left, found.short) == (required, missing, left, short)


def test_the_year_that_counts_is_the_chosen_one_early_and_the_statutory_one_late():
    assert [gap_of("M60", "1969-12", 0, month).year for month in (None, "2029-12", "2030-01", "2034-03")] \
        == [2031, 2029, 2030, 2031]


@pytest.mark.parametrize("planned", ["2029-11", "2034-04"])
def test_a_month_outside_the_window_cannot_be_planned(planned: str):
    with pytest.raises(CalculatorError) as refused:
        gap_of("M60", "1969-12", 170, planned)
    assert refused.value.code == "planned"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_a_gap_is_negative_and_more_paid_never_leaves_more_missing(kind: str):
    for birth in BIRTHS[::5]:
        found = [gap(RULES_HERE, retirement(RULES_HERE, kind, birth), paid, NOW) for paid in range(0, 300, 9)]
        assert all(0 <= g.short <= g.missing <= g.required and g.left >= 0 for g in found)
        assert all(less.missing >= more.missing for less, more in zip(found, found[1:]))


@pytest.mark.parametrize("birth, paid, month", [
    ("1969-12", 170, "2029-12"),
    # 143 + 37 months are the 180 of 2029-12; with 142, 2030 takes 186, which 142 + 44 are in 2030-07.
    ("1969-12", 143, "2029-12"), ("1969-12", 142, "2030-07"),
    ("1969-12", 100, None), ("1966-11", 180, "2027-02"), ("1964-12", 500, None), ("1966-01", 500, None),
])
def test_the_first_month_at_which_the_minimum_will_be_met(birth: str, paid: int, month: str | None):
    found = earliest_possible(RULES_HERE, retire("M60", birth), paid, NOW)
    assert (found and found.iso) == month


def test_who_can_retire_early_has_the_minimum_then_and_not_a_month_before():
    for paid in range(0, 240, 7):
        who = retire("M60", "1971-08")
        found = earliest_possible(RULES_HERE, who, paid, NOW)
        before = [m for m in map(Month.of, range(who.earliest.index, who.month.index)) if not found or m < found]
        assert all(paid + m.index - NOW.index < minimum_months(RULES_HERE, m.year) for m in before)
        assert found is None or paid + found.index - NOW.index >= minimum_months(RULES_HERE, found.year)


# --- contributions ----------------------------------------------------------------------------

@pytest.mark.parametrize("year, mean, floor, ceiling", [
    (2016, 4491, 2695, 13473), (2020, 5054, 2859, 15162), (2022, 5977, 3586, 17931), (2023, 6284, 3770, 18852),
    (2024, 6711, 4027, 20133), (2025, 6787, 4072, 20361), (2026, 6843, 4106, 20529),
])
def test_the_published_limits(year: int, mean: int, floor: int, ceiling: int):
    limits = RULES_HERE.limits[year]
    assert (limits.mean_wage, limits.floor, limits.ceiling) == (mean, floor, ceiling)


@pytest.mark.parametrize("work, wage, base, at, monthly, credited", [
    ("employee", "3000", "4072", "floor", "325.76", "325.76"),
    ("employee", "5000", "5000", "within", "400.00", "400.00"),
    ("employee", "25000", "20361", "ceiling", "1628.88", "1628.88"),
    ("employee", "4072", "4072", "within", "325.76", "325.76"),
    ("employee", "20361", "20361", "within", "1628.88", "1628.88"),
    ("employee", "0", "4072", "floor", "325.76", "325.76"),
    ("employee", "5000.07", "5000.07", "within", "400.01", "400.01"),
    ("flexible", "4072", "4072", "within", "814.40", "325.76"),
    ("flexible", "3000", "4072", "floor", "814.40", "325.76"),
])
def test_a_contribution(work: str, wage: str, base: str, at: str, monthly: str, credited: str):
    found = contribution(RULES_HERE, 2025, work, Decimal(wage))
    assert (found.base, found.at) == (Decimal(base), at)
    assert (found.monthly, found.credited) == (Decimal(monthly), Decimal(credited))


def test_a_higher_wage_never_pays_less_and_every_base_is_within_the_limits():
    found = [contribution(RULES_HERE, 2025, "employee", Decimal(wage)) for wage in range(0, 30000, 97)]
    assert all(4072 <= c.base <= 20361 for c in found)
    assert all(low.monthly <= high.monthly for low, high in zip(found, found[1:]))


def test_an_unconfirmed_year_is_never_used_for_an_answer():
    assert newest_confirmed(RULES_HERE).year == 2025
    assert [newest_pension_base(RULES_HERE, year).year for year in (2024, 2025, 2026, 2040)] == [2024, 2025, 2025, 2025]
    with pytest.raises(CalculatorError):
        contribution(RULES_HERE, 2026, "employee", Decimal(5000))


# --- pension ----------------------------------------------------------------------------------

@pytest.mark.parametrize("at, months", [
    ("50y1m", "194.6"), ("50y3m", "193.8"), ("52y8m", "181.7"), ("60y0m", "139"), ("60y1m", "138.4"),
    ("60y9m", "133.8"), ("61y5m", "129.1"), ("63y0m", "117"), ("40y0m", "233"), ("47y0m", "208"), ("70y0m", "56"),
])
def test_a_divisor(at: str, months: str):
    assert divisor(RULES_HERE, age(at)) == Decimal(months)


def test_a_divisor_between_birthdays_names_its_neighbours_and_is_not_exact():
    between, birthday = divisor_range(RULES_HERE, age("60y1m")), divisor_range(RULES_HERE, age("61y0m"))
    assert (between.low, between.high, between.exact) == (132, 139, False)
    assert (birthday.low, birthday.high, birthday.exact) == (132, 132, True)


def test_who_retires_later_never_has_a_higher_divisor():
    found = [divisor_range(RULES_HERE, months) for months in range(40 * 12, 70 * 12 + 1)]
    assert all(later.value <= earlier.value for earlier, later in zip(found, found[1:]))
    assert all(d.low <= d.value <= d.high for d in found)


@pytest.mark.parametrize("index, months, balance, at, basic, account, total", [
    ("0.6", 180, 60_000, "60y1m", "923.28", "433.53", "1356.81"),
    ("1.0", 360, 150_000, "60y1m", "2308.20", "1083.82", "3392.02"),
    ("0.6", 240, 70_000, "50y3m", "1231.04", "361.20", "1592.24"),
])
def test_the_worked_pensions(index, months, balance, at, basic, account, total):
    found = pension(RULES_HERE, Decimal(index), months, Decimal(balance), age(at), 2025)
    assert (found.basic, found.account, found.total) == tuple(map(Decimal, (basic, account, total)))
    assert found.wage_is_of_year and not found.divisor_is_exact


def test_the_account_pension_has_the_range_of_the_neighbouring_divisors():
    found = pension(RULES_HERE, Decimal("0.6"), 180, Decimal(60_000), age("60y1m"), 2025)
    assert (found.account_low, found.account_high) == (Decimal("431.65"), Decimal("454.55"))
    assert (found.divisor, found.spoken_total) == (Decimal("138.4"), 1350)


def test_without_a_balance_the_total_is_the_basic_pension():
    found = pension(RULES_HERE, Decimal(1), 180, None, age("60y0m"), 2025)
    assert (found.account, found.account_low, found.account_high) == (None, None, None)
    assert found.total == found.basic == Decimal("1154.10") and found.divisor_is_exact


def test_a_year_without_a_confirmed_wage_takes_the_last_one_and_says_so():
    found = pension(RULES_HERE, Decimal(1), 180, None, age("60y0m"), 2031)
    assert (found.limits.year, found.wage_is_of_year) == (2025, False)


@pytest.mark.parametrize("amount, spoken", [("1356.81", "1350"), ("9.99", "0"), ("1350", "1350"), ("100000", "100000")])
def test_an_amount_for_speech_is_in_whole_tens_and_not_too_high(amount: str, spoken: str):
    assert str(to_ten(Decimal(amount))) == spoken


def test_money_is_rounded_half_up_to_the_fen():
    assert [to_fen(Decimal(yuan)) for yuan in ("0.005", "2.675", "1.004")] \
        == [Decimal("0.01"), Decimal("2.68"), Decimal("1.00")]


# --- medical ----------------------------------------------------------------------------------

@pytest.mark.parametrize("sex, total, local, year, expected", [
    ("F", 260, 120, 2027, (300, 168, 40, 48, 48)),
    ("M", 360, 156, 2026, (360, 156, 0, 0, 0)),
    ("M", 300, 300, 2026, (360, 156, 60, 0, 60)),
    ("M", 0, 0, 2023, (360, 120, 360, 120, 360)),
    ("F", 400, 100, 2040, (300, 180, 0, 80, 80)),
])
def test_a_medical_gap(sex, total, local, year, expected):
    found = medical_gap(RULES_HERE, sex, total, local, year)
    assert (found.need_total, found.need_local, found.missing_total, found.missing_local, found.missing) == expected


@pytest.mark.parametrize("year, months", [(2023, 120), (2024, 132), (2025, 144), (2026, 156), (2027, 168), (2028, 180),
                                          (2029, 180)])
def test_the_months_inside_hunan_by_year(year: int, months: int):
    assert medical_gap(RULES_HERE, "M", 0, 0, year).need_local == months


def test_what_is_missing_to_medical_cover_is_never_negative():
    for total in range(0, 420, 30):
        for local in range(0, total + 1, 30):
            found = medical_gap(RULES_HERE, "F", total, local, 2026)
            assert found.missing == max(found.missing_total, found.missing_local) >= 0


# --- refusals ---------------------------------------------------------------------------------

def pension_with(**other) -> calculators.Pension:
    usual = {"index": Decimal(1), "months": 180, "balance": None, "age_months": 720, "year": 2025}
    return pension(RULES_HERE, **(usual | other))


@pytest.mark.parametrize("code, ask", [
    ("kind", lambda: retire("M55", "1970-01")),
    ("months", lambda: gap_of("M60", "1969-12", -1)),
    ("months", lambda: gap_of("M60", "1969-12", 10_000)),
    ("months", lambda: earliest_possible(RULES_HERE, retire("M60", "1950-01"), -1, NOW)),
    ("year", lambda: contribution(RULES_HERE, 2021, "employee", Decimal(5000))),
    ("work", lambda: contribution(RULES_HERE, 2025, "retired", Decimal(5000))),
    ("wage", lambda: contribution(RULES_HERE, 2025, "employee", Decimal(-1))),
    ("wage", lambda: contribution(RULES_HERE, 2025, "employee", Decimal("NaN"))),
    ("wage", lambda: contribution(RULES_HERE, 2025, "employee", Decimal("1E40"))),
    ("index", lambda: pension_with(index=Decimal("0.59"))),
    ("index", lambda: pension_with(index=Decimal("3.01"))),
    ("index", lambda: pension_with(index=Decimal("NaN"))),
    ("months", lambda: pension_with(months=-1)),
    ("balance", lambda: pension_with(balance=Decimal(-1))),
    ("balance", lambda: pension_with(balance=Decimal("NaN"))),
    ("balance", lambda: pension_with(balance=Decimal("Infinity"))),
    ("age", lambda: pension_with(age_months=age("39y11m"))),
    ("age", lambda: pension_with(age_months=age("70y1m"))),
    ("year", lambda: pension_with(year=2022)),
    ("sex", lambda: medical_gap(RULES_HERE, "X", 1, 1, 2026)),
    ("months", lambda: medical_gap(RULES_HERE, "M", 0, -1, 2026)),
    ("local", lambda: medical_gap(RULES_HERE, "M", 10, 11, 2026)),
    ("year", lambda: medical_gap(RULES_HERE, "M", 10, 10, 2022)),
])
def test_what_is_out_of_range_is_refused_with_its_code(code: str, ask):
    with pytest.raises(CalculatorError) as refused:
        ask()
    assert refused.value.code == code
