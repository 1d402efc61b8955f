"""TalkStore: talks and turns in the database; a session and its turn in one transaction."""

from __future__ import annotations

import contextlib
import datetime
from dataclasses import dataclass
from typing import Iterator

from sqlalchemy import Engine, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session as Orm

from service.errors import Ended, NotFound, StoreError
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


class TalkStore:
    """Talks in one database. Thread-safe, as the engine is."""

    def __init__(self, engine: Engine):
        self._engine = engine

    def create(self, session: dict, turn: Turn) -> None:
        """Keep a new talk with its first turn."""
        at = turn.received_at
        with self._orm() as orm:
            orm.add(TalkRow(id=turn.talk_id, session=session, turns=1, created_at=at, updated_at=at))
            orm.flush()
            orm.add(TurnRow(**vars(turn)))

    def load(self, talk_id: str) -> Talk:
        """The talk; NotFound or Ended if it takes no more turns."""
        with self._orm() as orm:
            row = orm.get(TalkRow, talk_id)
            if row is None:
                raise NotFound("no such session")
            if row.ended_at is not None:
                raise Ended("the session has ended")
            return Talk(row.id, row.session, row.turns)

    def turn(self, talk_id: str, turn_id: str) -> Turn | None:
        """A turn of a talk, or None."""
        return self._one(select(TurnRow).filter_by(talk_id=talk_id, id=turn_id))

    def last_turn(self, talk_id: str) -> Turn | None:
        """The newest turn of a talk, or None."""
        return self._one(select(TurnRow).filter_by(talk_id=talk_id).order_by(TurnRow.number.desc()).limit(1))

    def commit(self, session: dict, turn: Turn) -> None:
        """Keep a turn and the session after it, both or neither.

        Conflict if the talk is not at ``turn.number - 1`` or the turn's id is taken: somebody
        else's turn came first.
        """
        with self._orm() as orm:
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

    def end(self, talk_id: str, at: datetime.datetime) -> None:
        """Close a talk; closing it twice is no fault. NotFound if there is none."""
        with self._orm() as orm:
            row = orm.get(TalkRow, talk_id)
            if row is None:
                raise NotFound("no such session")
            row.ended_at = row.ended_at or at

    def _one(self, query) -> Turn | None:
        with self._orm() as orm:
            row = orm.scalars(query).one_or_none()
            if row is None:
                return None
            return Turn(**{c.key: getattr(row, c.key) for c in TurnRow.__table__.columns})

    @contextlib.contextmanager
    def _orm(self) -> Iterator[Orm]:
        """A transaction; the database's own errors become StoreError."""
        try:
            with Orm(self._engine) as orm, orm.begin():
                yield orm
        except SQLAlchemyError as e:
            # The statement's parameters stay out of the message: they hold the talk's id.
            raise StoreError(f"database: {type(e).__name__}") from e
