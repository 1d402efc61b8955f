"""Tables: the only lasting state. What was said is kept only as node, outcome and times."""

from __future__ import annotations

import datetime

from sqlalchemy import JSON, DateTime, Float, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of all tables."""


class TalkRow(Base):
    """One listener's talk with the guide."""

    __tablename__ = "talks"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    session: Mapped[dict] = mapped_column(JSON)
    """``core.dialog.Session`` after the last turn."""
    turns: Mapped[int] = mapped_column(Integer)
    """Number of turns so far; also what a commit checks against, so that none is lost."""
    created_at: Mapped[datetime.datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime.datetime] = mapped_column(DateTime(timezone=True), index=True)
    ended_at: Mapped[datetime.datetime | None] = mapped_column(DateTime(timezone=True))


class TurnRow(Base):
    """One turn: what came of it, and the guide's own answer for a client that asks again."""

    __tablename__ = "turns"
    __table_args__ = (UniqueConstraint("talk_id", "number"),)

    talk_id: Mapped[str] = mapped_column(ForeignKey("talks.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(Integer)
    source: Mapped[str] = mapped_column(String(16))
    """start, key, text, voice, silence or rejoin."""
    outcome: Mapped[str] = mapped_column(String(16))
    """match, ask, no_match, no_input, key, start or rejoin."""
    node: Mapped[str] = mapped_column(String(64))
    """Where the listener was after the turn."""
    received_at: Mapped[datetime.datetime] = mapped_column(DateTime(timezone=True))
    took_ms: Mapped[float] = mapped_column(Float)
    """From receiving the input to the answer, milliseconds."""
    reply: Mapped[dict] = mapped_column(JSON)
