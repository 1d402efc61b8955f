"""Tables: the only lasting state.

Of a talk nobody's device and nobody's words are kept, only node, outcome and times; what was said is
kept, redacted, where a device was paired with a panel and sharing is not paused. Times are UTC.
"""

from __future__ import annotations

import datetime

from sqlalchemy import (JSON, Boolean, Date, DateTime, Float, ForeignKey, Index, Integer, String, Text,
                        TypeDecorator, UniqueConstraint)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcTime(TypeDecorator):
    """A time that comes back with its zone: SQLite forgets it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value and value.astimezone(datetime.UTC)

    def process_result_value(self, value, dialect):
        return value and (value.replace(tzinfo=datetime.UTC) if value.tzinfo is None
                          else value.astimezone(datetime.UTC))


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {datetime.datetime: UtcTime, dict: JSON}


class TalkRow(Base):
    """One listener's talk with the guide."""

    __tablename__ = "talks"
    __table_args__ = (Index("ix_talks_person_id_created_at", "person_id", "created_at"),
                      Index("ix_talks_device_id_created_at", "device_id", "created_at"))

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    session: Mapped[dict]
    """``core.dialog.Session`` after the last turn."""
    turns: Mapped[int]
    """Number of turns so far; also what a commit checks against, so that none is lost."""
    created_at: Mapped[datetime.datetime]
    updated_at: Mapped[datetime.datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime.datetime | None]
    # No foreign keys: SQLite adds one only by making the table anew, and dropping the old one would delete
    # every turn. Whoever deletes a person deletes the talks first.
    device_id: Mapped[int | None]
    person_id: Mapped[int | None]
    """Whose talk it was; None if nobody may look at it."""


class TurnRow(Base):
    """One turn: what came of it, and the guide's own answer for a client that asks again."""

    __tablename__ = "turns"
    __table_args__ = (UniqueConstraint("talk_id", "number"),)

    talk_id: Mapped[str] = mapped_column(ForeignKey("talks.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int]
    source: Mapped[str] = mapped_column(String(16))
    """start, key, text, voice, silence or rejoin."""
    outcome: Mapped[str] = mapped_column(String(16))
    """match, ask, no_match, no_input, key, start or rejoin."""
    node: Mapped[str] = mapped_column(String(64))
    """Where the listener was after the turn."""
    received_at: Mapped[datetime.datetime]
    took_ms: Mapped[float] = mapped_column(Float)
    """From receiving the input to the answer, milliseconds."""
    reply: Mapped[dict]
    said: Mapped[str | None] = mapped_column(Text)
    """What was asked in words, redacted; None if it may not be kept, or nothing was said."""
    meaning: Mapped[str | None] = mapped_column(String(128))
    """What was understood: a node, !command, or ? and the nodes that were offered; kept as ``said`` is."""


class AccountRow(Base):
    """Somebody who may log in to the panel."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    """Argon2id in its PHC form."""
    epoch: Mapped[int] = mapped_column(default=0)
    """Grows with each change of the password; log-ins of an older one count no more."""
    totp_secret: Mapped[str | None] = mapped_column(String(64))
    totp_used: Mapped[int | None]
    """Number of the time step whose code was used last: no code counts twice (RFC 6238, 5.2)."""
    edits_guide: Mapped[bool] = mapped_column(Boolean, default=False)
    language: Mapped[str] = mapped_column(String(8), default="zh")
    created_at: Mapped[datetime.datetime]


class PersonRow(Base):
    """Somebody who is cared for, or a place whose devices are for everybody."""

    __tablename__ = "people"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    """A name or nickname; never a number."""
    shared: Mapped[bool] = mapped_column(Boolean, default=False)
    """True for a place: nobody in particular uses its devices, and they forget everything after each use."""
    sharing_paused_at: Mapped[datetime.datetime | None]
    """Since when the person wants nobody to look; None: they may."""
    created_at: Mapped[datetime.datetime]


class RoleRow(Base):
    """What an account may do for a person."""

    __tablename__ = "roles"

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String(16))
    """owner, caregiver or viewer."""


class InvitationRow(Base):
    """A link by which somebody gets a role, once."""

    __tablename__ = "invitations"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(String(16))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))
    created_at: Mapped[datetime.datetime]
    expires_at: Mapped[datetime.datetime]
    used_at: Mapped[datetime.datetime | None]
    revoked_at: Mapped[datetime.datetime | None]


class DeviceRow(Base):
    """A kiosk page or a terminal."""

    __tablename__ = "devices"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), default="")
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    code_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Of the one-time code that pairs it, while it waits to be paired."""
    code_expires_at: Mapped[datetime.datetime | None]
    paired_at: Mapped[datetime.datetime | None]
    revoked_at: Mapped[datetime.datetime | None]
    created_at: Mapped[datetime.datetime]
    last_seen_at: Mapped[datetime.datetime] = mapped_column(index=True)
    listening: Mapped[bool] = mapped_column(Boolean, default=True)
    """False if the speech model or the microphone is missing there."""
    sounding: Mapped[bool] = mapped_column(Boolean, default=True)
    """False if it cannot make a sound."""
    settings: Mapped[dict]
    """``care.adjusting.Adjustment``."""
    settings_version: Mapped[int] = mapped_column(default=0)
    """Grows with each change from afar; a talk that has seen a lower one takes the settings over."""


class IncidentRow(Base):
    """Something that needs somebody's attention."""

    __tablename__ = "incidents"
    __table_args__ = (Index("ix_incidents_person_id_closed_at", "person_id", "closed_at"),
                      Index("ix_incidents_device_id_kind", "device_id", "kind"))

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"))
    talk_id: Mapped[str | None] = mapped_column(ForeignKey("talks.id", ondelete="SET NULL"), index=True)
    kind: Mapped[str] = mapped_column(String(24))
    """help, gave_up, stuck or not_understood."""
    node: Mapped[str] = mapped_column(String(64))
    step: Mapped[int | None]
    """From 1."""
    count: Mapped[int] = mapped_column(default=1)
    """How often it happened since it was opened."""
    opened_at: Mapped[datetime.datetime]
    updated_at: Mapped[datetime.datetime]
    claimed_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))
    claimed_at: Mapped[datetime.datetime | None]
    closed_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))
    closed_at: Mapped[datetime.datetime | None]
    note: Mapped[str] = mapped_column(String(400), default="")


class MissRow(Base):
    """A sentence that was not understood, or was understood and then corrected."""

    __tablename__ = "misses"
    __table_args__ = (UniqueConstraint("person_id", "text"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    text: Mapped[str] = mapped_column(String(200))
    """Redacted."""
    kind: Mapped[str] = mapped_column(String(16))
    """not_understood or corrected."""
    meant: Mapped[str | None] = mapped_column(String(64))
    """Where the correction led to, if it did."""
    count: Mapped[int] = mapped_column(default=1)
    last_at: Mapped[datetime.datetime]
    settled_at: Mapped[datetime.datetime | None]
    """When it was taught or put aside."""


class NoticeRow(Base):
    """Something to be read out on a device, once or again and again."""

    __tablename__ = "notices"

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"), index=True)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))
    created_at: Mapped[datetime.datetime]
    node: Mapped[str | None] = mapped_column(String(64))
    text: Mapped[str | None] = mapped_column(String(200))
    """Exactly one of node and text is set."""
    repeats: Mapped[str] = mapped_column(String(16), default="once")
    """once, daily, weekly, monthly or yearly."""
    first_at: Mapped[datetime.datetime]
    next_at: Mapped[datetime.datetime | None] = mapped_column(index=True)
    """When it is read out next; None: never again."""


class DeliveryRow(Base):
    """One reading of a notice."""

    __tablename__ = "deliveries"
    __table_args__ = (UniqueConstraint("notice_id", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notices.id", ondelete="CASCADE"))
    due_at: Mapped[datetime.datetime]
    played_at: Mapped[datetime.datetime | None]
    answer: Mapped[str | None] = mapped_column(String(16))
    """heard or declined; None: nobody answered."""
    answered_at: Mapped[datetime.datetime | None]


class PublicationRow(Base):
    """One change of the guide made in the panel."""

    __tablename__ = "publications"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))
    at: Mapped[datetime.datetime]
    kind: Mapped[str] = mapped_column(String(16))
    """node, fact, teach, unteach or rollback."""
    target: Mapped[str] = mapped_column(String(64))
    """Node or fact."""
    phrase: Mapped[str | None] = mapped_column(String(200))
    """What was taught."""
    miss_id: Mapped[int | None] = mapped_column(ForeignKey("misses.id", ondelete="SET NULL"))
    files: Mapped[dict]
    """Name of a file to [text before, text after]."""
    undone_at: Mapped[datetime.datetime | None]


class AuditRow(Base):
    """Who looked at what and who changed what."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_person_id_id", "person_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime.datetime]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))
    """None: the listener, at the device."""
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    action: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str] = mapped_column(String(200), default="")


class CountRow(Base):
    """How often something happened on a device within an hour; outlasts the turns themselves."""

    __tablename__ = "counts"

    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[datetime.date] = mapped_column(Date, primary_key=True)
    hour: Mapped[int] = mapped_column(Integer, primary_key=True)
    """Local time, 0 to 23."""
    node: Mapped[str] = mapped_column(String(64), primary_key=True)
    measure: Mapped[str] = mapped_column(String(16), primary_key=True)
    """talk, visit, understood, asked, missed, begun or finished."""
    count: Mapped[int]


class ChangeRow(Base):
    """Word to every process that something changed; short-lived."""

    __tablename__ = "changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(String(64))
    """device:ID or person:ID."""
    at: Mapped[datetime.datetime] = mapped_column(index=True)


class MetaRow(Base):
    """What there is one of in a database."""

    __tablename__ = "meta"

    key: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[str] = mapped_column(String(200))
