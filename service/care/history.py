"""History: what needs attention, and talks as they were lived."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Callable, Iterable

from sqlalchemy import Engine, case, or_, select, update
from sqlalchemy.orm import Session as Orm, aliased

from service.care.feed import device_topic, person_topic, publish
from service.care.people import Person
from service.core.attention import KINDS
from service.core.redaction import redacted
from service.errors import NotFound, Refused
from service.store.database import transaction
from service.store.tables import AccountRow, DeviceRow, IncidentRow, PersonRow, TalkRow, TurnRow

SILENT_AFTER = datetime.timedelta(hours=1)
"""A device that was not heard of for longer is said to be silent."""
SHOWN = 100
"""Incidents, talks or devices of one page at most."""
LONGEST_NOTE = 200


@dataclass(frozen=True)
class Incident:
    """Something that needs somebody."""

    id: int
    kind: str
    person_id: int
    person: str
    device: str
    node: str
    step: int | None
    talk_id: str | None
    count: int
    opened_at: datetime.datetime
    updated_at: datetime.datetime
    claimed_by: int | None
    claimed_name: str | None
    claimed_at: datetime.datetime | None
    closed_at: datetime.datetime | None
    closed_name: str | None
    note: str


@dataclass(frozen=True)
class Fault:
    """A device that cannot do what it is for."""

    kind: str
    """silent, deaf (speech model or microphone missing) or mute (no sound)."""
    device_id: int
    device: str
    person_id: int
    person: str
    last_seen_at: datetime.datetime


@dataclass(frozen=True)
class TalkSummary:
    """A talk in a list."""

    id: str
    device: str
    created_at: datetime.datetime
    updated_at: datetime.datetime
    turns: int


@dataclass(frozen=True)
class TurnView:
    """One turn of a talk as it was lived."""

    number: int
    at: datetime.datetime
    source: str
    outcome: str
    said: str | None
    meaning: str | None
    node: str
    """Where the listener was after it."""
    step: tuple[int, int] | None
    answer: tuple[str, ...]
    took_ms: float
    pause_s: float
    """Since the turn before, seconds."""


@dataclass(frozen=True)
class TalkView:
    """A talk as it was lived."""

    id: str
    person_id: int
    device: str
    created_at: datetime.datetime
    ended_at: datetime.datetime | None
    turns: tuple[TurnView, ...]
    incidents: tuple[Incident, ...]


class History:
    """Reads what is kept. Which people may be looked at is for the caller to say."""

    def __init__(self, engine: Engine, now: Callable[[], datetime.datetime]):
        self._engine, self._now = engine, now

    # --- attention ---------------------------------------------------------------------------------------

    def open_incidents(self, people: Iterable[Person]) -> list[Incident]:
        """What is open, the most urgent first. Of who wants nobody to look only calls for help."""
        visible, hidden = _split(people)
        query = _INCIDENTS.where(IncidentRow.closed_at.is_(None), or_(
            IncidentRow.person_id.in_(visible),
            IncidentRow.person_id.in_(hidden) & (IncidentRow.kind == "help")))
        urgency = case({kind: rank for rank, kind in enumerate(KINDS)}, value=IncidentRow.kind)
        with transaction(self._engine) as orm:
            rows = orm.execute(query.order_by(urgency, IncidentRow.updated_at.desc()).limit(SHOWN))
            return [Incident(*row) for row in rows]

    def closed_incidents(self, people: Iterable[Person]) -> list[Incident]:
        """What was done, the last first."""
        visible, _ = _split(people)
        query = _INCIDENTS.where(IncidentRow.closed_at.is_not(None), IncidentRow.person_id.in_(visible))
        with transaction(self._engine) as orm:
            return [Incident(*row) for row in orm.execute(query.order_by(IncidentRow.closed_at.desc()).limit(SHOWN))]

    def faults(self, people: Iterable[Person]) -> list[Fault]:
        """Devices that are silent, deaf or mute."""
        now, ids = self._now(), [p.id for p in people]
        query = (select(DeviceRow, PersonRow.name).join(PersonRow, PersonRow.id == DeviceRow.person_id)
                 .where(DeviceRow.person_id.in_(ids), DeviceRow.revoked_at.is_(None),
                        or_(DeviceRow.last_seen_at < now - SILENT_AFTER, DeviceRow.listening.is_(False),
                            DeviceRow.sounding.is_(False)))
                 .order_by(DeviceRow.last_seen_at).limit(SHOWN))
        with transaction(self._engine) as orm:
            rows = orm.execute(query).all()
        return [Fault(kind, device.id, device.name, device.person_id, person, device.last_seen_at)
                for device, person in rows for kind in _faults(device, now)]

    def incident(self, incident_id: int) -> Incident:
        """One incident; NotFound if there is none."""
        with transaction(self._engine) as orm:
            row = orm.execute(_INCIDENTS.where(IncidentRow.id == incident_id)).one_or_none()
        if row is None:
            raise NotFound("no such incident")
        return Incident(*row)

    def claim(self, incident_id: int, account_id: int) -> None:
        """Say that one takes care of it; Refused if somebody else was first, so that nobody calls twice."""
        with transaction(self._engine) as orm:
            done = orm.execute(update(IncidentRow)
                               .where(IncidentRow.id == incident_id, IncidentRow.closed_at.is_(None),
                                      or_(IncidentRow.claimed_by.is_(None), IncidentRow.claimed_by == account_id))
                               .values(claimed_by=account_id, claimed_at=self._now()))
            if not done.rowcount:
                raise Refused("claimed_by_other")
            self._changed(orm, incident_id)

    def release(self, incident_id: int, account_id: int) -> None:
        """Give it back to the others; Refused unless one has it."""
        with transaction(self._engine) as orm:
            done = orm.execute(update(IncidentRow).filter_by(id=incident_id, claimed_by=account_id, closed_at=None)
                               .values(claimed_by=None, claimed_at=None))
            if not done.rowcount:
                raise Refused("not_claimed")
            self._changed(orm, incident_id)

    def close(self, incident_id: int, account_id: int, note: str) -> None:
        """Mark it as done, with a note. Refused if it is done already: the first note stays."""
        with transaction(self._engine) as orm:
            done = orm.execute(update(IncidentRow)
                               .where(IncidentRow.id == incident_id, IncidentRow.closed_at.is_(None))
                               .values(closed_by=account_id, closed_at=self._now(), note=redacted(note)[:LONGEST_NOTE]))
            if not done.rowcount:
                raise Refused("closed_already")
            self._changed(orm, incident_id)

    def _changed(self, orm: Orm, incident_id: int) -> None:
        person_id, device_id = orm.execute(select(IncidentRow.person_id, IncidentRow.device_id)
                                           .filter_by(id=incident_id)).one()
        publish(orm, person_topic(person_id), self._now())
        publish(orm, device_topic(device_id), self._now())

    # --- talks -----------------------------------------------------------------------------------------------

    def talks(self, person_id: int, before: datetime.datetime | None = None) -> list[TalkSummary]:
        """The newest talks of a person."""
        query = (select(TalkRow.id, DeviceRow.name, TalkRow.created_at, TalkRow.updated_at, TalkRow.turns)
                 .join(DeviceRow, DeviceRow.id == TalkRow.device_id).where(TalkRow.person_id == person_id)
                 .order_by(TalkRow.created_at.desc()).limit(SHOWN))
        if before is not None:
            query = query.where(TalkRow.created_at < before)
        with transaction(self._engine) as orm:
            return [TalkSummary(*row) for row in orm.execute(query)]

    def talk(self, talk_id: str) -> TalkView:
        """A talk as it was lived; NotFound if nobody may look at it."""
        with transaction(self._engine) as orm:
            row = orm.execute(select(TalkRow, DeviceRow.name).join(DeviceRow, DeviceRow.id == TalkRow.device_id)
                              .where(TalkRow.id == talk_id, TalkRow.person_id.is_not(None))).one_or_none()
            if row is None:
                raise NotFound("no such talk")
            talk, device = row
            turns = orm.scalars(select(TurnRow).filter_by(talk_id=talk_id).order_by(TurnRow.number)).all()
            incidents = [Incident(*r) for r in orm.execute(_INCIDENTS.where(IncidentRow.talk_id == talk_id))]
        return TalkView(talk.id, talk.person_id, device, talk.created_at, talk.ended_at, _turns(turns),
                        tuple(incidents))


def _split(people: Iterable[Person]) -> tuple[list[int], list[int]]:
    """Numbers of those who may be looked at, and of those who may not."""
    people = list(people)
    return [p.id for p in people if p.visible], [p.id for p in people if not p.visible]


def _faults(device: DeviceRow, now: datetime.datetime) -> list[str]:
    if device.last_seen_at < now - SILENT_AFTER:
        # What it could do when it was last heard of says nothing about now.
        return ["silent"]
    return [kind for kind, able in (("deaf", device.listening), ("mute", device.sounding)) if not able]


def _turns(rows: list[TurnRow]) -> tuple[TurnView, ...]:
    views, before = [], rows[0].received_at if rows else None
    for row in rows:
        step, pause_s = row.reply.get("step"), (row.received_at - before).total_seconds()
        views.append(TurnView(row.number, row.received_at, row.source, row.outcome, row.said, row.meaning, row.node,
                              step and tuple(step), tuple(row.reply["sentences"]), row.took_ms, max(0.0, pause_s)))
        before = row.received_at
    return tuple(views)


_CLAIMER, _CLOSER = aliased(AccountRow), aliased(AccountRow)
_INCIDENTS = (
    select(IncidentRow.id, IncidentRow.kind, IncidentRow.person_id, PersonRow.name, DeviceRow.name, IncidentRow.node,
           IncidentRow.step, IncidentRow.talk_id, IncidentRow.count, IncidentRow.opened_at, IncidentRow.updated_at,
           IncidentRow.claimed_by, _CLAIMER.name, IncidentRow.claimed_at, IncidentRow.closed_at, _CLOSER.name,
           IncidentRow.note)
    .join(PersonRow, PersonRow.id == IncidentRow.person_id).join(DeviceRow, DeviceRow.id == IncidentRow.device_id)
    .outerjoin(_CLAIMER, _CLAIMER.id == IncidentRow.claimed_by)
    .outerjoin(_CLOSER, _CLOSER.id == IncidentRow.closed_by))
