"""Rules: what the law and the notices say about ages, months and money, as values built from ``prompts/rules.yaml``.

Every block names the facts of ``prompts/facts.yaml`` that it rests on; how sure they are stands there.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Mapping


@dataclass(frozen=True, order=True)
class Month:
    """One month of the calendar, ordered by time; ValueError for a month outside 1 to 12."""

    year: int
    month: int
    """1 to 12."""

    def __post_init__(self):
        if not 1 <= self.month <= 12:
            raise ValueError(f"no month {self.month}")

    @classmethod
    def of(cls, index: int) -> Month:
        """The month of that ``index``."""
        return cls(index // 12, index % 12 + 1)

    @classmethod
    def parse(cls, text: str) -> Month:
        """From "2031-03"; ValueError for anything else."""
        year, month = text.split("-")
        return cls(int(year), int(month))

    @property
    def index(self) -> int:
        """Months since the year 0."""
        return self.year * 12 + self.month - 1

    @property
    def iso(self) -> str:
        """As ISO 8601 writes it: "2031-03"."""
        return f"{self.year:04d}-{self.month:02d}"

    def plus(self, months: int) -> Month:
        """So many months later; earlier if negative."""
        return Month.of(self.index + months)

    def __str__(self) -> str:
        return self.iso


@dataclass(frozen=True)
class Block:
    """What every block of rules has."""

    facts: tuple[str, ...]
    """Facts that it rests on."""
    valid_from: datetime.date | None = None
    """Day from which it holds; None if no document read gives one."""
    valid_to: datetime.date | None = None
    """Last day on which it holds; None without an end."""


@dataclass(frozen=True, kw_only=True)
class Kind(Block):
    """A kind of employee by the retirement age before 2025; 办法 art. 1 (2024-09-13)."""

    id: str
    """M60, F55 or F50."""
    sex: str
    """M or F."""
    old_age: int
    """Years."""
    first: Month
    """First month of birth whose retirement is delayed."""
    step: int
    """Months of birth for each month of delay."""
    cap: int
    """Most months of delay."""


@dataclass(frozen=True, kw_only=True)
class Flexible(Block):
    """How far retirement may be chosen; 实施弹性退休制度暂行办法 (2025-01-01)."""

    earlier: int
    """Months before the statutory age at most, and never below the old age."""
    later: int
    """Months after the statutory age at most."""
    notice: int
    """Months before an early month in which the employer must have it in writing."""


@dataclass(frozen=True, kw_only=True)
class Minimum(Block):
    """Months of contributions that a pension takes; 办法 art. 2 (2024-09-13)."""

    months: Mapping[int, int]
    """By year, ascending; the first also for all years before, the last for all after."""


@dataclass(frozen=True, kw_only=True)
class Limits(Block):
    """Hunan's contribution limits of a year, yuan a month."""

    year: int
    mean_wage: int
    """缴费基准值: last year's average wage of the province."""
    floor: int
    """Lowest base, as published: about 60 % of the mean wage."""
    ceiling: int
    """Highest base, as published: about 300 % of the mean wage."""
    pension_base: int | None
    """计发基数: the wage that new pensions of the year are worked out with, if known."""
    confirmed: bool
    """False: mean wage, floor and ceiling are shown only, never used for an answer."""
    pension_base_confirmed: bool
    """False: the pension base is shown only, never used for an answer."""
    document: str
    """The notice, in Chinese."""


@dataclass(frozen=True, kw_only=True)
class Rates(Block):
    """Shares of the base; 国发〔2005〕38号 and 国办发〔2019〕13号."""

    own: Decimal
    """What an employee pays, all of it credited."""
    employer: Decimal
    flexible: Decimal
    """What a flexible worker pays."""
    credited: Decimal
    """The part of ``flexible`` that enters the personal account."""


@dataclass(frozen=True, kw_only=True)
class Divisors(Block):
    """计发月数: what the balance is divided by; annex of 国发〔2005〕38号."""

    months: Mapping[int, int]
    """By whole age in years, ascending without a gap."""
    part_years_confirmed: bool
    """False: no official text says that ages between birthdays are interpolated by month, to one decimal."""

    @property
    def ages(self) -> tuple[int, int]:
        """The lowest and the highest age."""
        return min(self.months), max(self.months)


@dataclass(frozen=True, kw_only=True)
class PensionFormula(Block):
    """The basic pension; 国发〔2005〕38号, part 6."""

    share: Decimal
    """Of the mean of the two wages, for each year of contributions."""
    lowest_index: Decimal
    """Average index of who always paid on the floor."""
    highest_index: Decimal
    """Average index of who always paid on the ceiling."""


@dataclass(frozen=True, kw_only=True)
class Medical(Block):
    """Months of medical insurance that cover after retirement takes; 湖南省职工基本医疗保险实施办法 art. 26."""

    total: Mapping[str, int]
    """Months, deemed and actual, by sex M or F."""
    local_years: Mapping[int, int]
    """Actual years inside Hunan by year of handling, ascending; the last also for all years after."""


@dataclass(frozen=True, kw_only=True)
class Resident(Block):
    """城乡居民养老保险."""

    age: int
    """Years."""
    months: int
    """Months of contributions."""


@dataclass(frozen=True)
class Rules:
    """All rules that the calculators work with."""

    kinds: Mapping[str, Kind]
    flexible: Flexible
    minimum: Minimum
    limits: Mapping[int, Limits]
    """By year, ascending."""
    rates: Rates
    divisors: Divisors
    pension: PensionFormula
    medical: Medical
    resident: Resident
