"""People: who is cared for, who may do what for them, and who was invited to.

A place (``shared``) is a person of its own here: a community hall has devices and caregivers, but
nobody in particular.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Callable

from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.orm import Session as Orm

from service.care.accounts import Account, Accounts
from service.care.feed import device_topic, person_topic, publish
from service.care.names import usable
from service.care.secrets import Secrets
from service.core.redaction import NUMBER, redacted
from service.errors import Forbidden, NotFound, Refused
from service.store.database import transaction
from service.store.tables import AccountRow, DeviceRow, InvitationRow, PersonRow, RoleRow, TalkRow

RIGHTS = {
    "viewer": frozenset({"look"}),
    "caregiver": frozenset({"look", "act"}),
    "owner": frozenset({"look", "act", "own"}),
}
"""Role to rights: to look; to adjust, have read out, call back and teach; to pair, invite and remove."""
ROLES = tuple(RIGHTS)
INVITATION_LASTS = datetime.timedelta(days=3)


@dataclass(frozen=True)
class Person:
    """A person or place as somebody who cares sees them."""

    id: int
    name: str
    shared: bool
    sharing_paused_at: datetime.datetime | None
    role: str
    """Of whoever asks."""

    def allows(self, right: str) -> bool:
        """True if whoever asks has this right."""
        return right in RIGHTS[self.role]

    @property
    def visible(self) -> bool:
        """True if what was asked may be looked at."""
        return self.sharing_paused_at is None


@dataclass(frozen=True)
class Member:
    """Somebody with a role for a person."""

    account_id: int
    name: str
    role: str


class People:
    """All people of the database. Thread-safe."""

    def __init__(self, engine: Engine, secrets: Secrets, accounts: Accounts, now: Callable[[], datetime.datetime]):
        self._engine, self._secrets, self._accounts, self._now = engine, secrets, accounts, now

    def of(self, account_id: int) -> list[Person]:
        """Everybody for whom the account has a role, by name."""
        with transaction(self._engine) as orm:
            return [Person(*row) for row in orm.execute(_PEOPLE.where(RoleRow.account_id == account_id)
                                                        .order_by(PersonRow.name, PersonRow.id))]

    def get(self, account_id: int, person_id: int | None, right: str) -> Person:
        """The person, if the account has the right. NotFound if it has no role at all, so that nobody
        learns who else is here; Forbidden if its role is not enough."""
        with transaction(self._engine) as orm:
            row = orm.execute(_PEOPLE.where(RoleRow.account_id == account_id, PersonRow.id == person_id)).one_or_none()
        if row is None:
            raise NotFound("no such person")
        person = Person(*row)
        if not person.allows(right):
            raise Forbidden(f"needs the right to {right}")
        return person

    def create(self, account_id: int, name: str, shared: bool) -> int:
        """A new person or place, owned by the account; Refused if the name cannot be used."""
        with transaction(self._engine) as orm:
            row = PersonRow(name=_name(name), shared=shared, created_at=self._now())
            orm.add(row)
            orm.flush()
            orm.add(RoleRow(account_id=account_id, person_id=row.id, role="owner"))
            return row.id

    def rename(self, person_id: int, name: str) -> None:
        """Call them something else."""
        with transaction(self._engine) as orm:
            orm.get_one(PersonRow, person_id).name = _name(name)
            publish(orm, person_topic(person_id), self._now())

    def remove(self, person_id: int) -> None:
        """Delete a person with everything that is kept of them, and cut off their devices."""
        now = self._now()
        with transaction(self._engine) as orm:
            for device_id in orm.scalars(select(DeviceRow.id).filter_by(person_id=person_id)).all():
                publish(orm, device_topic(device_id), now)
            devices = select(DeviceRow.id).filter_by(person_id=person_id)
            orm.execute(delete(TalkRow).where((TalkRow.person_id == person_id) | TalkRow.device_id.in_(devices)))
            orm.execute(delete(DeviceRow).where(DeviceRow.person_id == person_id))
            orm.execute(delete(PersonRow).where(PersonRow.id == person_id))

    # --- roles -----------------------------------------------------------------------------------------

    def members(self, person_id: int) -> list[Member]:
        """Everybody with a role for a person."""
        query = (select(AccountRow.id, AccountRow.name, RoleRow.role)
                 .join(RoleRow, RoleRow.account_id == AccountRow.id)
                 .where(RoleRow.person_id == person_id).order_by(AccountRow.id))
        with transaction(self._engine) as orm:
            return [Member(*row) for row in orm.execute(query)]

    def set_role(self, person_id: int, account_id: int, role: str | None) -> None:
        """Give another role, or with None take it away. Refused if nobody would be the owner any more."""
        if role is not None and role not in RIGHTS:
            raise Refused("role_unknown")
        with transaction(self._engine) as orm:
            # Writing first keeps others out: two owners could otherwise remove each other at once.
            orm.execute(update(PersonRow).where(PersonRow.id == person_id).values(name=PersonRow.name))
            row = orm.get(RoleRow, (account_id, person_id))
            if row is None:
                raise NotFound("no such member")
            owners = orm.scalar(select(func.count()).select_from(RoleRow).filter_by(person_id=person_id, role="owner"))
            if row.role == "owner" and role != "owner" and owners == 1:
                raise Refused("last_owner")
            if role is None:
                orm.delete(row)
            else:
                row.role = role

    # --- invitations -------------------------------------------------------------------------------------

    def invite(self, person_id: int, role: str, by: int) -> str:
        """The token of a link that gives a role once, within ``INVITATION_LASTS``."""
        if role not in RIGHTS:
            raise Refused("role_unknown")
        token, now = self._secrets.token(), self._now()
        with transaction(self._engine) as orm:
            orm.add(InvitationRow(token_hash=self._secrets.hashed(token), person_id=person_id, role=role,
                                  created_by=by, created_at=now, expires_at=now + INVITATION_LASTS))
        return token

    def open_invitations(self, person_id: int) -> list[InvitationRow]:
        """Invitations that can still be used."""
        with transaction(self._engine) as orm:
            query = select(InvitationRow).filter_by(person_id=person_id, used_at=None, revoked_at=None)
            return list(orm.scalars(query.where(InvitationRow.expires_at > self._now()).order_by(InvitationRow.id)))

    def revoke_invitation(self, person_id: int, invitation_id: int) -> None:
        """Take an invitation back; NotFound if the person has none of that number."""
        with transaction(self._engine) as orm:
            done = orm.execute(update(InvitationRow).filter_by(id=invitation_id, person_id=person_id)
                               .values(revoked_at=self._now()))
            if not done.rowcount:
                raise NotFound("no such invitation")

    def invitation(self, token: str) -> tuple[str, str]:
        """(name of the person, role) of a link; Refused if it is wrong, used, taken back or too old."""
        with transaction(self._engine) as orm:
            row = self._usable(orm, token)
            return orm.get_one(PersonRow, row.person_id).name, row.role

    def accept(self, token: str, account: Account | None, name: str = "", password: str = "") -> Account:
        """Use a link, with an account or by making one."""
        with transaction(self._engine) as orm:
            row = self._usable(orm, token)
            taken = orm.execute(update(InvitationRow).filter_by(id=row.id, used_at=None)
                                .values(used_at=self._now()))
            if not taken.rowcount:
                raise Refused("invitation_used")
            account = account or self._accounts.create(orm, name, password)
            present = orm.get(RoleRow, (account.id, row.person_id))
            if present is None:
                orm.add(RoleRow(account_id=account.id, person_id=row.person_id, role=row.role))
            elif ROLES.index(row.role) > ROLES.index(present.role):
                present.role = row.role
            return account

    def _usable(self, orm: Orm, token: str) -> InvitationRow:
        row = orm.scalar(select(InvitationRow).filter_by(token_hash=self._secrets.hashed(token)))
        if row is None or row.revoked_at:
            raise Refused("invitation_wrong")
        if row.used_at:
            raise Refused("invitation_used")
        if not row.created_at - INVITATION_LASTS <= self._now() <= row.expires_at:
            raise Refused("invitation_expired")
        return row

    # --- sharing -------------------------------------------------------------------------------------------

    def share(self, person_id: int, shares: bool) -> bool:
        """Let others look at what is asked, or not any more; False if it was so already."""
        now = self._now()
        with transaction(self._engine) as orm:
            row = orm.get_one(PersonRow, person_id)
            if (row.sharing_paused_at is None) == shares:
                return False
            row.sharing_paused_at = None if shares else now
            publish(orm, person_topic(person_id), now)
            return True


_PEOPLE = (select(PersonRow.id, PersonRow.name, PersonRow.shared, PersonRow.sharing_paused_at, RoleRow.role)
           .join(RoleRow, RoleRow.person_id == PersonRow.id))


def _name(name: str) -> str:
    name = usable(name)
    if NUMBER in redacted(name):
        # No number of an identity card or a telephone becomes somebody's name.
        raise Refused("name_number")
    return name
