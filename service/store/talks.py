"""TalkStore: talks and turns in the database; a session and its turn in one transaction."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Callable

from sqlalchemy import Engine, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Orm

from service.errors import Ended, NotFound, StoreError
from service.store.database import transaction
from service.store.tables import TalkRow, TurnRow


class Conflict(StoreError):
    """Another turn of the same talk was committed first; read again and repeat."""


@dataclass(frozen=True)
class Talk:
    """A talk as it stands."""

    id: str
    session: dict
    """``core.dialog.Session`` as a mapping."""
    turns: int
    """Number of turns so far."""
    device_id: int | None = None
    """Device that it is held on, if it is a paired one."""


@dataclass(frozen=True)
class Turn:
    """One turn as it is kept."""

    talk_id: str
    id: str
    number: int
    """From 1, in the order of commits."""
    source: str
    outcome: str
    node: str
    received_at: datetime.datetime
    took_ms: float
    reply: dict
    said: str | None = None
    """What was asked in words, as far as it may be kept."""
    meaning: str | None = None
    """What was understood."""


Also = Callable[[Orm], None]
"""Writes more in the transaction of a turn."""


def nothing(_orm: Orm) -> None:
    """Writes no more."""


class TalkStore:
    """Talks in one database. Thread-safe, as the engine is."""

    def __init__(self, engine: Engine):
        self._engine = engine

    def create(self, session: dict, turn: Turn, device_id: int | None = None, person_id: int | None = None,
               also: Also = nothing) -> None:
        """Keep a new talk with its first turn, and what ``also`` writes in the same transaction."""
        at = turn.received_at
        with transaction(self._engine) as orm:
            orm.add(TalkRow(id=turn.talk_id, session=session, turns=1, created_at=at, updated_at=at,
                            device_id=device_id, person_id=person_id))
            orm.flush()
            orm.add(TurnRow(**vars(turn)))
            also(orm)

    def load(self, talk_id: str) -> Talk:
        """The talk; NotFound or Ended if it takes no more turns."""
        with transaction(self._engine) as orm:
            row = _row(orm, talk_id)
            if row.ended_at is not None:
                raise Ended("the session has ended")
            return _talk(row)

    def find(self, talk_id: str) -> Talk:
        """The talk, also one that has ended; NotFound if there is none."""
        with transaction(self._engine) as orm:
            return _talk(_row(orm, talk_id))

    def turn(self, talk_id: str, turn_id: str) -> Turn | None:
        """A turn of a talk, or None."""
        return self._one(select(TurnRow).filter_by(talk_id=talk_id, id=turn_id))

    def last_turn(self, talk_id: str) -> Turn | None:
        """The newest turn of a talk, or None."""
        return self._one(select(TurnRow).filter_by(talk_id=talk_id).order_by(TurnRow.number.desc()).limit(1))

    def commit(self, session: dict, turn: Turn, also: Also = nothing) -> None:
        """Keep a turn, the session after it and what ``also`` writes, all or nothing.

        Conflict if the talk is not at ``turn.number - 1`` or the turn's id is taken: somebody
        else's turn came first.
        """
        with transaction(self._engine) as orm:
            try:
                orm.add(TurnRow(**vars(turn)))
                orm.flush()
            except IntegrityError as e:
                raise Conflict("another turn came first") from e
            done = orm.execute(
                update(TalkRow)
                .where(TalkRow.id == turn.talk_id, TalkRow.turns == turn.number - 1, TalkRow.ended_at.is_(None))
                .values(session=session, turns=turn.number, updated_at=turn.received_at))
            if done.rowcount != 1:
                raise Conflict("another turn came first")
            also(orm)

    def end(self, talk_id: str, at: datetime.datetime) -> None:
        """Close a talk; closing it twice is no fault. NotFound if there is none."""
        with transaction(self._engine) as orm:
            row = _row(orm, talk_id)
            row.ended_at = row.ended_at or at

    def _one(self, query) -> Turn | None:
        with transaction(self._engine) as orm:
            row = orm.scalars(query).one_or_none()
            if row is None:
                return None
            return Turn(**{c.key: getattr(row, c.key) for c in TurnRow.__table__.columns})


def _row(orm: Orm, talk_id: str) -> TalkRow:
    row = orm.get(TalkRow, talk_id)
    if row is None:
        raise NotFound("no such session")
    return row


def _talk(row: TalkRow) -> Talk:
    return Talk(row.id, row.session, row.turns, row.device_id)
