"""Accounts: who may log in to the panel, and how they prove that it is them.

Passwords are hashed with Argon2id (RFC 9106) by argon2-cffi; the second factor is TOTP (RFC 6238).
"""

from __future__ import annotations

import datetime
import functools
from dataclasses import dataclass
from typing import Callable, Iterable

import argon2
import pyotp
from sqlalchemy import Engine, delete, func, or_, select, update
from sqlalchemy.orm import Session as Orm

from service.care.names import usable
from service.care.secrets import Secrets
from service.core.redaction import plain
from service.errors import Refused
from service.store.database import transaction
from service.store.tables import AccountRow, MetaRow

SHORTEST_PASSWORD = 8
"""Characters (NIST SP 800-63B, 5.1.1.2)."""
LONGEST_PASSWORD = 256
LANGUAGES = ("zh", "en")
LOG_IN_LASTS = datetime.timedelta(days=31)
"""An older one is none, whether somebody logged out or not."""
_ENDED = "ended:"
_ENDED_HASH = 26
"""Characters of a hash; a key of the table has 32."""
OWNER_CODE = "owner_code"
OWNER_CODE_DIGITS = 12
ISSUER = "衡阳社保语音指南"
TOTP_STEP_S = 30
TOTP_WINDOW = 1
"""Time steps before and after the present one whose codes count (RFC 6238, 5.2)."""


@dataclass(frozen=True)
class Account:
    """Somebody who is logged in."""

    id: int
    name: str
    epoch: int
    """Log-ins of another one count no more."""
    edits_guide: bool
    language: str
    has_totp: bool


class Accounts:
    """All accounts of the database. Thread-safe."""

    def __init__(self, engine: Engine, secrets: Secrets, now: Callable[[], datetime.datetime],
                 hasher: argon2.PasswordHasher | None = None):
        self._engine, self._secrets, self._now = engine, secrets, now
        self._hasher = hasher or argon2.PasswordHasher()

    @functools.cached_property
    def _nobody(self) -> str:
        """A hash so that a name that does not exist takes as long as a wrong password."""
        return self._hasher.hash(self._secrets.token())

    # --- the first owner ---------------------------------------------------------------------------

    def owner_code(self) -> str | None:
        """A one-time code for the first owner, to be shown on the console; None if there is an account. Every
        process has the same."""
        code = f"{int(self._secrets.hashed(OWNER_CODE), 16) % 10 ** OWNER_CODE_DIGITS:0{OWNER_CODE_DIGITS}d}"
        with transaction(self._engine) as orm:
            if orm.scalar(select(AccountRow.id).limit(1)):
                return None
            orm.merge(MetaRow(key=OWNER_CODE, value=self._secrets.hashed(code)))
        return code

    def create_owner(self, code: str, name: str, password: str) -> Account:
        """The first account, which also edits the guide. Refused with a wrong or used code."""
        with transaction(self._engine) as orm:
            kept = orm.get(MetaRow, OWNER_CODE)
            if kept is None or kept.value != self._secrets.hashed(code.replace(" ", "")):
                raise Refused("code_wrong")
            # Of two who know the code at once one becomes the owner.
            if not orm.execute(delete(MetaRow).where(MetaRow.key == OWNER_CODE, MetaRow.value == kept.value)).rowcount:
                raise Refused("code_wrong")
            return self.create(orm, name, password, edits_guide=True)

    def create(self, orm: Orm, name: str, password: str, edits_guide: bool = False, language: str = "zh") -> Account:
        """A new account within a transaction. Refused: the name is taken or no name, the password is too weak."""
        name = usable(name)
        _check_password(password)
        if orm.scalar(select(AccountRow.id).filter_by(name=name)):
            raise Refused("name_taken")
        row = AccountRow(name=name, password_hash=self._hasher.hash(password), epoch=0, edits_guide=edits_guide,
                         language=language, created_at=self._now())
        orm.add(row)
        orm.flush()
        return _account(row)

    # --- who edits the guide -------------------------------------------------------------------------

    def editors(self, account_ids: Iterable[int]) -> list[Account]:
        """Of these accounts all, by name; ``edits_guide`` says who edits."""
        with transaction(self._engine) as orm:
            rows = orm.scalars(select(AccountRow).where(AccountRow.id.in_(set(account_ids))).order_by(AccountRow.name))
            return [_account(row) for row in rows]

    def let_edit(self, account_id: int, edits: bool) -> None:
        """Let an account edit the guide, or not any more; Refused if nobody would be left who may."""
        with transaction(self._engine) as orm:
            others = select(func.count()).select_from(AccountRow).where(AccountRow.edits_guide,
                                                                        AccountRow.id != account_id)
            # Writing first keeps others out: two could otherwise take it from each other at once.
            orm.execute(update(AccountRow).where(AccountRow.id == account_id).values(edits_guide=edits))
            if not edits and not orm.scalar(others):
                raise Refused("last_editor")

    # --- logging in ----------------------------------------------------------------------------------

    def get(self, account_id: int) -> Account | None:
        """The account of a number."""
        with transaction(self._engine) as orm:
            row = orm.get(AccountRow, account_id)
            return row and _account(row)

    def log_in(self, name: str, password: str, code: str = "") -> Account:
        """Whoever knows the password. Refused: ``login_wrong``, or ``totp_needed`` and ``totp_wrong``
        where the password is right and the account has a second factor."""
        with transaction(self._engine) as orm:
            row = orm.scalar(select(AccountRow).filter_by(name=plain(name)))
            kept = row.password_hash if row else self._nobody
            if not self._is_right(kept, password) or row is None:
                raise Refused("login_wrong")
            if row.totp_secret:
                self._check_totp(orm, row, code)
            if self._hasher.check_needs_rehash(kept):
                row.password_hash = self._hasher.hash(password)
            return _account(row)

    def new_log_in(self) -> str:
        """What tells one log-in from every other one."""
        return self._secrets.token()

    def end_log_in(self, log_in: str) -> None:
        """Its cookie counts no more, whoever has a copy of it."""
        with transaction(self._engine) as orm:
            too_old = (self._now() - LOG_IN_LASTS).isoformat()
            orm.execute(delete(MetaRow).where(MetaRow.key.startswith(_ENDED), MetaRow.value <= too_old))
            orm.merge(MetaRow(key=self._ended_key(log_in), value=self._now().isoformat()))

    def is_ended(self, log_in: str) -> bool:
        """True if somebody logged out there."""
        with transaction(self._engine) as orm:
            return orm.get(MetaRow, self._ended_key(log_in)) is not None

    def _ended_key(self, log_in: str) -> str:
        return _ENDED + self._secrets.hashed(log_in)[:_ENDED_HASH]

    def change_password(self, account_id: int, old: str, new: str) -> Account:
        """Another password; every other log-in of the account ends."""
        with transaction(self._engine) as orm:
            row = orm.get_one(AccountRow, account_id)
            if not self._is_right(row.password_hash, old):
                raise Refused("login_wrong")
            _check_password(new)
            row.password_hash, row.epoch = self._hasher.hash(new), row.epoch + 1
            return _account(row)

    def set_language(self, account_id: int, language: str) -> None:
        """The language that the panel speaks to them."""
        with transaction(self._engine) as orm:
            orm.get_one(AccountRow, account_id).language = language

    # --- second factor ---------------------------------------------------------------------------------

    @staticmethod
    def new_totp() -> str:
        """A secret for an authenticator app; it counts from ``enable_totp`` on."""
        return pyotp.random_base32()

    @staticmethod
    def totp_address(name: str, secret: str) -> str:
        """What the QR code for an authenticator app says."""
        return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)

    def enable_totp(self, account_id: int, secret: str, code: str) -> None:
        """Ask for a code at each log-in, from now on; Refused unless ``code`` is right."""
        with transaction(self._engine) as orm:
            row = orm.get_one(AccountRow, account_id)
            row.totp_secret, row.totp_used = secret, None
            orm.flush()
            self._check_totp(orm, row, code)

    def disable_totp(self, account_id: int, password: str) -> None:
        """Ask for the password alone again."""
        with transaction(self._engine) as orm:
            row = orm.get_one(AccountRow, account_id)
            if not self._is_right(row.password_hash, password):
                raise Refused("login_wrong")
            row.totp_secret = row.totp_used = None

    def _check_totp(self, orm: Orm, row: AccountRow, code: str) -> None:
        code = code.replace(" ", "")
        if not code:
            raise Refused("totp_needed")
        step = int(self._now().timestamp()) // TOTP_STEP_S
        totp = pyotp.TOTP(row.totp_secret)
        for at in range(step - TOTP_WINDOW, step + TOTP_WINDOW + 1):
            if (row.totp_used is None or at > row.totp_used) and pyotp.utils.strings_equal(
                    code, totp.generate_otp(at)):
                self._use(orm, row.id, at)
                return
        raise Refused("totp_wrong")

    @staticmethod
    def _use(orm: Orm, account_id: int, step: int) -> None:
        """Of two who log in with one code at once one does."""
        done = orm.execute(update(AccountRow)
                           .where(AccountRow.id == account_id,
                                  or_(AccountRow.totp_used.is_(None), AccountRow.totp_used < step))
                           .values(totp_used=step))
        if not done.rowcount:
            raise Refused("totp_wrong")

    def _is_right(self, kept: str, password: str) -> bool:
        if len(password) > LONGEST_PASSWORD:
            return False
        try:
            return self._hasher.verify(kept, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False


def _check_password(password: str) -> None:
    if len(password) < SHORTEST_PASSWORD or len(set(password)) < 3:
        raise Refused("password_weak")
    if len(password) > LONGEST_PASSWORD:
        raise Refused("password_long")


def _account(row: AccountRow) -> Account:
    return Account(row.id, row.name, row.epoch, row.edits_guide, row.language, row.totp_secret is not None)
