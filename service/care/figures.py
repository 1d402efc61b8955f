"""Figures: how much the devices are used and where people get stuck, read from the counts alone."""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Iterable, Iterator, Mapping, NamedTuple

from sqlalchemy import Engine, Select, func, select

from service.errors import BadRequest
from service.store.database import transaction
from service.store.tables import CountRow, DeviceRow

LONGEST_SPAN = 400
"""Days: a year and what is needed to compare its end with its beginning."""
COLUMNS = ("day", "hour", "device", "node", "title", "measure", "count")
"""Of the export."""
MEASURES = ("talk", "visit", "understood", "asked", "missed", "begun", "finished")
"""In the order of ``Totals``."""
AT_A_TIME = 1_000
"""Rows that an export takes from the database at once."""
FORMULA_SIGNS = frozenset("=+-@＝＋－＠")
"""What a spreadsheet takes for the beginning of a formula, also in full width
(https://owasp.org/www-community/attacks/CSV_Injection)."""


@dataclass(frozen=True)
class Day:
    """All that was counted on a day."""

    day: datetime.date
    talks: int
    understood: int
    asked: int
    missed: int


@dataclass(frozen=True)
class NodeCount:
    """How often a node was reached, was understood as the wish, and heard something it did not understand."""

    node: str
    visits: int
    understood: int
    missed: int


@dataclass(frozen=True)
class Completion:
    """How often a step list was begun and heard to its end."""

    node: str
    begun: int
    finished: int
    share: float | None
    """Never above 1, though a list that is heard twice was begun once; None if none was begun within the span."""


@dataclass(frozen=True)
class Totals:
    """Sums over the whole span."""

    talks: int
    visits: int
    understood: int
    asked: int
    missed: int
    begun: int
    finished: int


@dataclass(frozen=True)
class Figures:
    """What the page of figures shows."""

    days: tuple[Day, ...]
    """Every day of the span, also those on which nothing happened."""
    nodes: tuple[NodeCount, ...]
    """The most visited first."""
    hours: tuple[int, ...]
    """Talks and visits of each hour of the day, 24 numbers."""
    completion: tuple[Completion, ...]
    """The step list that was begun most often first."""
    totals: Totals


class Row(NamedTuple):
    """One line of the export."""

    day: datetime.date
    hour: int
    device: str
    node: str
    measure: str
    count: int


class FiguresReader:
    """Reads the counts. Which people may be looked at is for the caller to say."""

    def __init__(self, engine: Engine):
        self._engine = engine

    def read(self, person_ids: Iterable[int], first: datetime.date, last: datetime.date) -> Figures:
        """The figures of these people's devices, those that were cut off too, from one day to another, both
        included; BadRequest if that is no span or too long a one."""
        _check(first, last)
        people, count = list(person_ids), func.sum(CountRow.count)
        by_day = (_select(people, first, last, CountRow.day, CountRow.measure, count)
                  .group_by(CountRow.day, CountRow.measure))
        by_place = (_select(people, first, last, CountRow.node, CountRow.hour, CountRow.measure, count)
                    .group_by(CountRow.node, CountRow.hour, CountRow.measure))
        days, nodes, hours, totals = Counter(), Counter(), Counter(), Counter()
        with transaction(self._engine) as orm:
            for day, measure, n in orm.execute(by_day):
                days[day, measure] += n
            for node, hour, measure, n in orm.execute(by_place):
                nodes[node, measure] += n
                totals[measure] += n
                if measure in ("talk", "visit"):
                    hours[hour] += n
        return Figures(_days(days, first, last), _nodes(nodes), tuple(hours[hour] for hour in range(24)),
                       _completion(nodes), Totals(*(totals[measure] for measure in MEASURES)))

    def rows(self, person_ids: Iterable[int], first: datetime.date, last: datetime.date) -> Iterator[Row]:
        """The counts themselves, in the order of time; BadRequest as with ``read``, before the first row."""
        _check(first, last)
        return self._rows(
            _select(list(person_ids), first, last, CountRow.day, CountRow.hour, DeviceRow.name, CountRow.node,
                    CountRow.measure, CountRow.count)
            .order_by(CountRow.day, CountRow.hour, CountRow.device_id, CountRow.node, CountRow.measure))

    def _rows(self, query: Select) -> Iterator[Row]:
        with transaction(self._engine) as orm:
            for row in orm.execute(query.execution_options(yield_per=AT_A_TIME)):
                yield Row(*row)


def to_csv(rows: Iterable[Row], titles: Mapping[str, str], headings: Mapping[str, str]) -> str:
    """The export as a table for Excel: once it is UTF-8, the mark at its beginning tells Excel so.

    ``headings`` puts the ``COLUMNS`` and the measures in words; what it lacks stays as it is.
    """
    out = io.StringIO()
    out.write("\ufeff")
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow([_harmless(headings.get(column, column)) for column in COLUMNS])
    for row in rows:
        texts = (row.device, row.node, titles.get(row.node, row.node), headings.get(row.measure, row.measure))
        table.writerow([row.day.isoformat(), row.hour, *map(_harmless, texts), row.count])
    return out.getvalue()


def to_json(rows: Iterable[Row], titles: Mapping[str, str]) -> str:
    """The export for programs: a list of objects with the ``COLUMNS``."""
    return json.dumps([{"day": row.day.isoformat(), "hour": row.hour, "device": row.device, "node": row.node,
                        "title": titles.get(row.node, row.node), "measure": row.measure, "count": row.count}
                       for row in rows], ensure_ascii=False)


def chart_data(figures: Figures, titles: Mapping[str, str], labels: Mapping[str, str]) -> dict:
    """What ``static/panel-figures.js`` draws, for the filter ``tojson`` of a template."""
    def titled(counts: Iterable[NodeCount | Completion]) -> list[dict]:
        return [{"title": titles.get(count.node, count.node), **asdict(count)} for count in counts]
    return {"days": [{**asdict(day), "day": day.day.isoformat()} for day in figures.days],
            "nodes": titled(figures.nodes), "hours": list(figures.hours), "completion": titled(figures.completion),
            "labels": dict(labels)}


def _check(first: datetime.date, last: datetime.date) -> None:
    if first > last:
        raise BadRequest("the first day is after the last one")
    if (last - first).days >= LONGEST_SPAN:
        raise BadRequest(f"more than {LONGEST_SPAN} days")


def _select(people: list[int], first: datetime.date, last: datetime.date, *columns) -> Select:
    return (select(*columns).select_from(CountRow).join(DeviceRow, DeviceRow.id == CountRow.device_id)
            .where(DeviceRow.person_id.in_(people), CountRow.day.between(first, last)))


def _days(counts: Counter, first: datetime.date, last: datetime.date) -> tuple[Day, ...]:
    span = (first + datetime.timedelta(n) for n in range((last - first).days + 1))
    return tuple(Day(day, *(counts[day, m] for m in ("talk", "understood", "asked", "missed"))) for day in span)


def _nodes(counts: Counter) -> tuple[NodeCount, ...]:
    ids = {node for node, measure in counts if measure in ("visit", "understood", "missed")}
    found = (NodeCount(node, counts[node, "visit"], counts[node, "understood"], counts[node, "missed"])
             for node in ids)
    return tuple(sorted(found, key=lambda n: (-n.visits, n.node)))


def _completion(counts: Counter) -> tuple[Completion, ...]:
    found = []
    for node in {node for node, measure in counts if measure in ("begun", "finished")}:
        begun, finished = counts[node, "begun"], counts[node, "finished"]
        found.append(Completion(node, begun, finished, min(1.0, finished / begun) if begun else None))
    return tuple(sorted(found, key=lambda c: (-c.begun, c.node)))


def _harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula. Signs behind blanks count as well: some programs drop blanks."""
    if text[:1] in ("\t", "\r", "\n") or text.lstrip()[:1] in FORMULA_SIGNS:
        return f"'{text}"
    return text
