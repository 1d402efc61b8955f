"""Care: everything that the talks and the panel need of those who care, over one database."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Callable

import argon2
from sqlalchemy import Engine, and_, or_, update
from sqlalchemy.orm import Session as Orm

from service.care.accounts import Accounts
from service.care.audit import Audit
from service.care.devices import Device, Devices
from service.care.feed import Feed
from service.care.history import History
from service.care.notices import Notices
from service.care.people import People
from service.care.recording import record
from service.care.secrets import Secrets
from service.core import wording
from service.core.dialog import Match, Notice, Outcome, Session, Told
from service.core.model import Guide
from service.store.database import transaction
from service.store.tables import TalkRow
from service.store.talks import Turn

LOOKED_WITHIN = datetime.timedelta(days=31)
"""Who looked is answered for so long."""
GOES_ON = datetime.timedelta(hours=1)
"""A talk whose last turn is not longer ago may be going on."""
NAMED = 5
"""People who are named aloud at most."""


@dataclass(frozen=True)
class Care:
    """One of each, over one database."""

    engine: Engine
    now: Callable[[], datetime.datetime]
    secrets: Secrets
    accounts: Accounts
    people: People
    devices: Devices
    audit: Audit
    history: History
    notices: Notices
    feed: Feed

    def answer(self, outcome: Outcome, device: Device | None, talk_id: str) -> Outcome:
        """The outcome with what only those who care make of it: pairing, who looked, and who may."""
        if device is None or not isinstance(outcome, Match):
            return outcome
        match outcome.command:
            case "pair" if device.paired:
                return Told("pair_already", {"name": device.person})
            case "pair":
                code = self.devices.new_code(device.id)
                return Told("pair_code", {"code": wording.spelled(code)}, shown=(code,))
            case "looked" | "private" | "share" if not device.paired:
                return outcome
            case "looked" | "private" | "share" if device.shared:
                return Told("looked_shared")
            case "looked":
                return self._who_looked(device)
            case "private":
                return self._share(device, False, talk_id)
            case "share":
                return self._share(device, True, talk_id)
        return outcome

    def keep(self, orm: Orm, guide: Guide, device: Device, turn: Turn, before: Session, outcome: Outcome,
             after: Session) -> None:
        """Write what a turn at a device leaves behind, in the turn's transaction."""
        record(orm, guide, device, turn, before, outcome, after)
        self.devices.liked(orm, device, before, after)
        if isinstance(outcome, Notice):
            self.notices.played(orm, outcome.delivery, device.person_id, turn.received_at)

    def _who_looked(self, device: Device) -> Told:
        names = self.audit.names_of_lookers(device.person_id, self.now() - LOOKED_WITHIN)
        return Told("looked_by", {"names": "、".join(names[:NAMED])}) if names else Told("looked_nobody")

    def _share(self, device: Device, shares: bool, talk_id: str) -> Told:
        if self.people.share(device.person_id, shares):
            self.audit.changed(None, device.person_id, "share" if shares else "private")
            with transaction(self.engine) as orm:
                # The talks that are going on are nobody's to look at, whatever comes later.
                orm.execute(update(TalkRow)
                            .where(or_(TalkRow.id == talk_id,
                                       and_(TalkRow.person_id == device.person_id, TalkRow.ended_at.is_(None),
                                            TalkRow.updated_at > self.now() - GOES_ON)))
                            .values(person_id=None))
        return Told("share_done" if shares else "private_done")


def open_care(engine: Engine, key: bytes, now: Callable[[], datetime.datetime],
              hasher: argon2.PasswordHasher | None = None) -> Care:
    """Care over a database; ``key`` is that of ``secrets.load_key``. ``hasher`` is for tests that log in often."""
    secrets = Secrets(key)
    accounts = Accounts(engine, secrets, now, hasher)
    return Care(engine, now, secrets, accounts, People(engine, secrets, accounts, now), Devices(engine, secrets, now),
                Audit(engine, now), History(engine, now), Notices(engine, now), Feed(engine))
