"""Health: how a device is doing, for those who care: what it can do just now, and how its talks go."""

from __future__ import annotations

import datetime
import math
from collections import Counter
from dataclasses import dataclass
from typing import Callable, Sequence

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session as Orm

from service.care.history import SILENT_AFTER
from service.care.people import Person
from service.store.database import transaction
from service.store.tables import DeviceRow, IncidentRow, TalkRow, TurnRow

DAY, WEEK = datetime.timedelta(days=1), datetime.timedelta(days=7)
IN_WORDS = ("voice", "text")
"""Sources of turns that can be misunderstood."""
HEARD = ("match", "ask", "no_match")
"""Their outcomes, but for what was an answer to a question of the guide."""


@dataclass(frozen=True)
class Usage:
    """What happened within a span of time."""

    talks: int
    turns: int
    requests: int
    """Turns in words that were understood, asked back or not understood."""
    missed: int
    """Of them not understood."""
    median_ms: float | None
    """From receiving the input to the answer, milliseconds; None without turns."""
    p95_ms: float | None
    """The same, for the slowest turn of the quickest 95 of a hundred."""

    @property
    def missed_share(self) -> float | None:
        """Part of the requests that was not understood; None without requests."""
        return self.missed / self.requests if self.requests else None


@dataclass(frozen=True)
class DeviceHealth:
    """How a device is doing."""

    silent: bool
    """True if it was not heard of for ``SILENT_AFTER``: what it can do just now is not known then."""
    settings_seen: bool | None
    """True if its last talk has taken over what was set from afar; None: there was none yet."""
    open_incidents: int
    """That may be looked at: of who wants nobody to look only calls for help."""
    day: Usage | None
    """Of the last 24 hours; None if nobody may look."""
    week: Usage | None
    """Of the last seven days."""


class HealthReader:
    """Reads how devices are doing. Which people may be looked at is for the caller to say."""

    def __init__(self, engine: Engine, now: Callable[[], datetime.datetime]):
        self._engine, self._now = engine, now

    def of_device(self, device: DeviceRow, person: Person) -> DeviceHealth:
        """How a device of this person is doing now."""
        now = self._now()
        with transaction(self._engine) as orm:
            week = _turns(orm, device, now - WEEK) if person.visible else None
            seen, incidents = _settings_seen(orm, device), _open_incidents(orm, device, person)
        silent = device.last_seen_at < now - SILENT_AFTER
        if week is None:
            return DeviceHealth(silent, seen, incidents, None, None)
        day = [turn for turn in week if turn.received_at > now - DAY]
        return DeviceHealth(silent, seen, incidents, usage(day), usage(week))


def usage(turns: Sequence) -> Usage:
    """The figures of turns with talk_id, source, outcome and took_ms."""
    outcomes = Counter(t.outcome for t in turns if t.source in IN_WORDS and t.outcome in HEARD)
    took = sorted(t.took_ms for t in turns)
    return Usage(len({t.talk_id for t in turns}), len(turns), outcomes.total(), outcomes["no_match"],
                 percentile(took, 50), percentile(took, 95))


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The smallest value that at least ``percent`` of a hundred do not exceed; None without values."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else None


def _turns(orm: Orm, device: DeviceRow, since: datetime.datetime) -> list:
    """The turns of those talks that may be looked at."""
    query = (select(TurnRow.talk_id, TurnRow.source, TurnRow.outcome, TurnRow.took_ms, TurnRow.received_at)
             .join(TalkRow, TalkRow.id == TurnRow.talk_id)
             .where(TalkRow.device_id == device.id, TalkRow.person_id == device.person_id,
                    TalkRow.updated_at > since, TurnRow.received_at > since))
    return orm.execute(query).all()


def _settings_seen(orm: Orm, device: DeviceRow) -> bool | None:
    session = orm.scalar(select(TalkRow.session).where(TalkRow.device_id == device.id)
                         .order_by(TalkRow.created_at.desc()).limit(1))
    return None if session is None else session.get("adjusted") == device.settings_version


def _open_incidents(orm: Orm, device: DeviceRow, person: Person) -> int:
    query = (select(func.count()).select_from(IncidentRow)
             .where(IncidentRow.device_id == device.id, IncidentRow.person_id == person.id,
                    IncidentRow.closed_at.is_(None)))
    return orm.scalar(query if person.visible else query.where(IncidentRow.kind == "help"))
