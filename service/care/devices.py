"""Devices: paired by a one-time code, adjusted from afar, heard of now and then.

A device is a kiosk page or a terminal. It knows itself by a token that it alone has; a person, or a
place with devices for everybody, uses one or more of them.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import Callable

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session as Orm

from service.care.adjusting import Adjustment
from service.care.feed import device_topic, person_topic, publish
from service.care.names import usable
from service.care.secrets import Secrets
from service.core.dialog import Session
from service.errors import NotFound, Refused
from service.store.database import transaction
from service.store.tables import DeviceRow, PersonRow

CODE_LASTS = datetime.timedelta(minutes=10)
SEEN_EVERY = datetime.timedelta(seconds=30)
"""That a device is there is not written more often than this."""
CODE_ATTEMPTS = 20
"""Codes that are tried until one is free: there are a million."""


@dataclass(frozen=True)
class Device:
    """A device as a talk needs it."""

    id: int
    name: str
    person_id: int | None
    """None: not paired."""
    person: str
    shared: bool
    """True if it is for everybody."""
    sharing: bool
    """False while the person wants nobody to look."""
    adjustment: Adjustment
    version: int
    """Of the adjustment."""

    @property
    def paired(self) -> bool:
        """True if somebody cares for it."""
        return self.person_id is not None

    @property
    def watched(self) -> bool:
        """True if what is asked there may be kept and looked at."""
        return self.paired and self.sharing

    def applied(self, session: Session, now: datetime.datetime) -> Session:
        """The session as it goes on at this device."""
        quiet = self.adjustment.is_quiet(now.astimezone().time())
        return replace(self.adjustment.applied(session, self.version, quiet), cared=self.paired)


class DeviceGone(Refused):
    """The token is of no device, or of one that was cut off."""

    status = 401

    def __init__(self):
        super().__init__("device_gone")


class Devices:
    """All devices of the database. Thread-safe."""

    def __init__(self, engine: Engine, secrets: Secrets, now: Callable[[], datetime.datetime]):
        self._engine, self._secrets, self._now = engine, secrets, now

    # --- the device's side -----------------------------------------------------------------------

    def register(self) -> str:
        """Make a device that is not paired yet; gives its token."""
        token, now = self._secrets.token(), self._now()
        with transaction(self._engine) as orm:
            orm.add(DeviceRow(token_hash=self._secrets.hashed(token), created_at=now, last_seen_at=now,
                              settings=Adjustment().to_json(), settings_version=1))
        return token

    def new_code(self, device_id: int) -> str:
        """A new code by which the device is paired; an earlier one counts no more. Refused if it is paired."""
        with transaction(self._engine) as orm:
            row = orm.get_one(DeviceRow, device_id)
            if row.person_id is not None:
                raise Refused("device_paired")
            for _ in range(CODE_ATTEMPTS):
                code = self._secrets.code()
                taken = orm.scalar(select(DeviceRow.id).filter_by(code_hash=self._secrets.hashed(code)))
                if not taken:
                    break
            row.code_hash, row.code_expires_at = self._secrets.hashed(code), self._now() + CODE_LASTS
        return code

    def by_token(self, token: str) -> Device:
        """The device of a token; DeviceGone if there is none any more."""
        with transaction(self._engine) as orm:
            found = self._find(orm, DeviceRow.token_hash == self._secrets.hashed(token))
        if found is None:
            raise DeviceGone
        return found

    def get(self, device_id: int) -> Device | None:
        """The device of a number; None if it was cut off."""
        with transaction(self._engine) as orm:
            return self._find(orm, DeviceRow.id == device_id)

    def check_in(self, device_id: int, listening: bool, sounding: bool) -> None:
        """The device is there, and can hear and speak as it says."""
        now = self._now()
        with transaction(self._engine) as orm:
            row = orm.get_one(DeviceRow, device_id)
            changed = (row.listening, row.sounding) != (listening, sounding)
            # A clock that was set back must not leave the device in the future.
            if not changed and datetime.timedelta(0) <= now - row.last_seen_at < SEEN_EVERY:
                return
            row.listening, row.sounding, row.last_seen_at = listening, sounding, now
            if changed and row.person_id:
                publish(orm, person_topic(row.person_id), now)

    def liked(self, orm: Orm, device: Device, before: Session, after: Session) -> None:
        """Keep what the listener changed by asking. On a device for everybody it ends with the talk."""
        if device.shared or not Adjustment.differs(before, after):
            return
        # Read again: it may have been set from afar since the turn began.
        row = orm.get_one(DeviceRow, device.id, with_for_update=True, populate_existing=True)
        row.settings = Adjustment.from_json(row.settings).as_liked(before, after).to_json()

    # --- the side of those who care ----------------------------------------------------------------

    def pair(self, code: str, person_id: int, name: str) -> int:
        """Give the device that shows this code to a person; gives its number.

        Refused: the code is wrong, was used, or is too old; the name cannot be used. A code works once.
        """
        now, name = self._now(), usable(name)
        with transaction(self._engine) as orm:
            row = orm.scalar(select(DeviceRow).filter_by(code_hash=self._secrets.hashed(code.strip())))
            if row is None or row.revoked_at or row.person_id is not None:
                raise Refused("code_wrong")
            # With the clock set back a code would last longer than it says.
            if not row.code_expires_at - 2 * CODE_LASTS <= now <= row.code_expires_at:
                raise Refused("code_expired")
            taken = orm.execute(
                update(DeviceRow).where(DeviceRow.id == row.id, DeviceRow.code_hash == row.code_hash)
                .values(person_id=person_id, name=name, paired_at=now, code_hash=None, code_expires_at=None,
                        settings_version=DeviceRow.settings_version + 1))
            if not taken.rowcount:
                raise Refused("code_wrong")
            publish(orm, device_topic(row.id), now)
            publish(orm, person_topic(person_id), now)
            return row.id

    def of_person(self, person_id: int) -> list[DeviceRow]:
        """The devices of a person, in the order in which they were paired."""
        with transaction(self._engine) as orm:
            query = select(DeviceRow).filter_by(person_id=person_id, revoked_at=None).order_by(DeviceRow.id)
            return list(orm.scalars(query))

    def row(self, device_id: int) -> DeviceRow:
        """All of a paired device; NotFound if there is none."""
        with transaction(self._engine) as orm:
            row = orm.get(DeviceRow, device_id)
        if row is None or row.revoked_at or row.person_id is None:
            raise NotFound("no such device")
        return row

    def adjust(self, device_id: int, wanted: Adjustment, seen: int | None = None) -> None:
        """Set how it speaks and listens; a talk that is going on changes, too. Refused if somebody else set it
        since version ``seen``."""
        with transaction(self._engine) as orm:
            row = orm.get_one(DeviceRow, device_id, with_for_update=True)
            if seen is not None and row.settings_version != seen:
                raise Refused("edit_stale")
            row.settings = wanted.to_json()
            row.settings_version += 1
            publish(orm, device_topic(device_id), self._now())

    def rename(self, device_id: int, name: str) -> None:
        """Call it something else."""
        with transaction(self._engine) as orm:
            orm.get_one(DeviceRow, device_id).name = usable(name)

    def revoke(self, device_id: int) -> None:
        """Cut it off: its token counts no more."""
        now = self._now()
        with transaction(self._engine) as orm:
            row = orm.get_one(DeviceRow, device_id)
            row.revoked_at = now
            publish(orm, device_topic(device_id), now)
            if row.person_id:
                publish(orm, person_topic(row.person_id), now)

    def _find(self, orm: Orm, condition) -> Device | None:
        query = (select(DeviceRow.id, DeviceRow.name, DeviceRow.person_id, DeviceRow.settings,
                        DeviceRow.settings_version, PersonRow.name, PersonRow.shared, PersonRow.sharing_paused_at)
                 .outerjoin(PersonRow, PersonRow.id == DeviceRow.person_id)
                 .where(condition, DeviceRow.revoked_at.is_(None)))
        row = orm.execute(query).one_or_none()
        if row is None:
            return None
        device_id, name, person_id, settings, version, person, shared, paused = row
        return Device(device_id, name, person_id, person or "", bool(shared), paused is None,
                      Adjustment.from_json(settings), version)
