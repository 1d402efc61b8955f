"""Audit: who looked at what and who changed what, for those who care and for the listener."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Callable, Iterable

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session as Orm

from service.store.database import transaction
from service.store.tables import AccountRow, AuditRow, PersonRow

LOOKED = "looked"
ONCE_IN = datetime.timedelta(minutes=10)
"""Somebody who looks at the same thing again within this is written down once."""
LONGEST_DETAIL = 200
PAGE = 100


@dataclass(frozen=True)
class Entry:
    """One line of the list."""

    id: int
    at: datetime.datetime
    account: str | None
    """None: the listener, at the device."""
    person: str | None
    action: str
    detail: str


class Audit:
    """The audit list. Entries are only ever added, and deleted when their time is over."""

    def __init__(self, engine: Engine, now: Callable[[], datetime.datetime]):
        self._engine, self._now = engine, now

    def changed(self, account_id: int | None, person_id: int | None, action: str, detail: str = "") -> None:
        """Write down a change."""
        with transaction(self._engine) as orm:
            self.add(orm, account_id, person_id, action, detail)

    def add(self, orm: Orm, account_id: int | None, person_id: int | None, action: str, detail: str = "") -> None:
        """The same within a transaction."""
        orm.add(AuditRow(at=self._now(), account_id=account_id, person_id=person_id, action=action,
                         detail=detail[:LONGEST_DETAIL]))

    def looked(self, account_id: int, person_ids: Iterable[int], what: str) -> None:
        """Write down that somebody looked at the records of these people."""
        wanted = set(person_ids)
        if not wanted:
            return
        with transaction(self._engine) as orm:
            lately = select(AuditRow.person_id).where(
                AuditRow.account_id == account_id, AuditRow.action == LOOKED, AuditRow.detail == what,
                AuditRow.person_id.in_(wanted), AuditRow.at > self._now() - ONCE_IN, AuditRow.at <= self._now())
            for person_id in sorted(wanted - set(orm.scalars(lately))):
                self.add(orm, account_id, person_id, LOOKED, what)

    def names_of_lookers(self, person_id: int, since: datetime.datetime) -> list[str]:
        """Who looked at a person's records since then, the last one first."""
        with transaction(self._engine) as orm:
            query = (select(AccountRow.name).join(AuditRow, AuditRow.account_id == AccountRow.id)
                     .where(AuditRow.person_id == person_id, AuditRow.action == LOOKED, AuditRow.at >= since)
                     .order_by(AuditRow.id.desc()))
            return list(dict.fromkeys(orm.scalars(query)))

    def entries(self, person_ids: Iterable[int], account_id: int, before: int | None = None) -> list[Entry]:
        """The newest entries about these people, and about nobody in particular by this account; ``before``
        is the id of the last one of the page before."""
        query = (select(AuditRow.id, AuditRow.at, AccountRow.name, PersonRow.name, AuditRow.action, AuditRow.detail)
                 .outerjoin(AccountRow, AccountRow.id == AuditRow.account_id)
                 .outerjoin(PersonRow, PersonRow.id == AuditRow.person_id)
                 .where(AuditRow.person_id.in_(list(person_ids)) |
                        (AuditRow.person_id.is_(None) & (AuditRow.account_id == account_id)))
                 .order_by(AuditRow.id.desc()).limit(PAGE))
        if before is not None:
            query = query.where(AuditRow.id < before)
        with transaction(self._engine) as orm:
            return [Entry(*row) for row in orm.execute(query)]
