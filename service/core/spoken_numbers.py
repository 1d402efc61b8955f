"""Spoken numbers: how numbers, dates, durations and amounts are said, for the closed decoder of a form's answers.

Its language model counts pairs of words, so that these need not be all numbers: enough that every digit,
unit and measure stands beside every other that it can stand beside, as often as people say it.
"""

from __future__ import annotations

import itertools
from typing import Iterable

from service.core.form import AMOUNT, BIRTH_MONTH, BIRTH_YEAR, MONTHS, YEAR
from service.core.wording import DIGITS, count, liang, number

Said = tuple[str, str, str]
"""What stands before a number, the number, and what stands behind it."""
_ZERO = str.maketrans("〇", "零")
YEARS = range(1930, 2013)
COMING_YEARS = range(2024, 2045)
LONGEST_YEARS = 45
FRAMED_EVERY = 10
"""One in so many numbers also stands beside what people say around it: more, and the numbers are heard worse."""
AMOUNTS_STEP = 37
"""A stride through the amounts that meets every digit at every place."""


def spoken_numbers(kind: str, before: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> tuple[Said, ...]:
    """What is said to a field of that type, without punctuation: (before, number, behind)."""
    numbers = tuple(dict.fromkeys(n.translate(_ZERO) for n in _NUMBERS[kind]()))
    framed = [(b, n, "") for b, n in zip(itertools.cycle(before), numbers[::FRAMED_EVERY]) if before]
    framed += [("", n, a) for n, a in zip(numbers[::FRAMED_EVERY], itertools.cycle(after)) if after]
    return (*(("", n, "") for n in numbers), *framed)


def _digits(n: int) -> str:
    return "".join(DIGITS[int(d)] for d in str(n))


def _births() -> Iterable[str]:
    months = itertools.cycle(range(1, 13))
    for year in YEARS:
        short, full = _digits(year)[2:], _digits(year)
        named = f"一千九百{number(year - 1900)}" if 1910 <= year < 2000 else full
        for said in (full, short, named):
            month = number(next(months))
            yield from (said, f"{said}年", f"{said}年{month}月", f"{said}年{number(next(months))}月份",
                        f"我是{said}年的", f"{said}年{number(next(months))}月{number(next(months))}号")
    for month in range(1, 13):
        yield from (f"{number(month)}月", f"{number(month)}月份", number(month), f"是{number(month)}月")
    yield from (f"{m}月" for m in ("腊", "正", "冬"))
    yield from (f"我今年{number(age)}岁" for age in range(45, 90))


def _durations() -> Iterable[str]:
    for years in range(1, LONGEST_YEARS + 1):
        said = count(years)
        yield from (f"{said}年", f"交了{said}年", f"{said}年半", f"{said}年多", f"{said}年零{count(years % 11 + 1)}个月")
        yield from (f"{said}年{count(m)}个月" for m in (years % 11 + 1, (years * 5) % 11 + 1))
        yield from (f"{said}年零{count((years * 7) % 11 + 1)}个月", f"{said}年零{count((years * 3) % 11 + 1)}个月")
    for months in (*range(1, 60), *range(60, 500, 3)):
        yield from (f"{count(months)}个月", f"{number(months)}来个月" if months % 10 == 0 else f"{number(months)}个月")
    yield from ("半年", "年半", "一年半", "三年零半年", "差两个月十五年", "差三个月十五年", "没交过", "一个月都没交")


def _amounts() -> Iterable[str]:
    for amount in (*range(0, 100, 7), *range(100, 1_000, 13), *range(1_000, 10_000, AMOUNTS_STEP)):
        yield from (f"{liang(number(amount))}块", liang(number(amount)))
    for hundreds in range(1, 100):
        short = liang(number(hundreds * 100)).removesuffix("百") if hundreds > 9 and hundreds % 10 else number(hundreds)
        yield from (f"{short}百" if hundreds < 10 else short, f"{liang(number(hundreds * 100))}块钱")
    for wan in range(1, 60):
        said = liang(count(wan))
        yield from (f"{said}万", f"{said}万块", f"{said}万多", f"{said}万{number(wan % 9 + 1)}",
                    f"{said}万{liang(number((wan % 9 + 1) * 1000))}", f"{said}万零{number(wan % 9 + 1)}百")
    for m in range(1, 10):
        yield from (f"{liang(number(n))}块{number(m)}" for n in range(1012, 9000, 811))
        yield from (f"{liang(number(n))}块{number(m)}毛" for n in range(1034, 9000, 1811))
        yield from (f"{liang(number(n))}块{number(m)}毛{number(10 - m)}" for n in range(1056, 9000, 1811))
        yield from (f"{number(m)}百{number(10 - m)}", f"{number(m)}千{number(10 - m)}", f"{number(m)}百{number(10 - m)}十")
    yield from (f"{number(n)}来块" for n in range(100, 1000, 100))


def _coming_years() -> Iterable[str]:
    for year in COMING_YEARS:
        yield from (f"{_digits(year)}年", f"{_digits(year)[2:]}年", _digits(year))
    yield from ("今年", "明年", "后年", "大后年", "两年后", "三年以后", "五年后")


_NUMBERS = {BIRTH_YEAR: _births, BIRTH_MONTH: _births, MONTHS: _durations, AMOUNT: _amounts, YEAR: _coming_years}
