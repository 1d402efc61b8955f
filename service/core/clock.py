"""Clock: whether the day of the machine can be right.

A machine whose clock stands still or has leapt computes ages and months that are wrong, and calls old figures new.
"""

from __future__ import annotations

import datetime
from typing import Mapping

from service.core.model import Fact

MOST_YEARS = 10
"""A guide is not so long without anybody who checks its facts; a clock that says so has leapt."""


def newest(facts: Mapping[str, Fact]) -> datetime.date | None:
    """The last day on which a fact was checked; None without facts."""
    return max((fact.checked for fact in facts.values()), default=None)


def is_believed(facts: Mapping[str, Fact], today: datetime.date) -> bool:
    """False for a day before the guide's own facts, or so long after them that the clock must be wrong."""
    first = newest(facts)
    return first is None or first <= today and (today.year - MOST_YEARS, today.month, today.day) <= (
        first.year, first.month, first.day)


def is_due(fact: Fact, facts: Mapping[str, Fact], today: datetime.date) -> bool:
    """True if a fact may be out of date: nobody knows whether it is where the day cannot be right."""
    return fact.is_due(today) or fact.review is not None and not is_believed(facts, today)
