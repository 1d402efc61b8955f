"""Accounts: the first owner, passwords, and the second factor, over a real database."""

import datetime
import threading

import pyotp
import pytest
from sqlalchemy import select

from service.care.accounts import LONGEST_PASSWORD, TOTP_STEP_S, Accounts
from service.care.care import open_care
from service.errors import Refused
from service.store.database import open_database, transaction
from service.store.tables import AccountRow, MetaRow
from tests.care.conftest import NOW
from tests.meeting import code_of, meet, together
from tests.support import QUICK_HASHER

PASSWORD = "correct horse"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


class CountingHasher:
    """The quick hasher, and how often a password was looked at."""

    def __init__(self):
        self.verified, self.gate = 0, None

    def hash(self, password: str) -> str:
        return QUICK_HASHER.hash(password)

    def verify(self, kept: str, password: str) -> bool:
        self.verified += 1
        if self.gate:
            self.gate.wait(5)
        return QUICK_HASHER.verify(kept, password)

    def check_needs_rehash(self, kept: str) -> bool:
        return QUICK_HASHER.check_needs_rehash(kept)


@pytest.fixture
def hasher():
    return CountingHasher()


@pytest.fixture
def engine(database_url):
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def accounts(engine, clock, hasher):
    return open_care(engine, bytes(32), lambda: clock.now, hasher).accounts


@pytest.fixture
def owner(accounts):
    return accounts.create_owner(accounts.owner_code(), "小芳", PASSWORD)


# --- the first owner ----------------------------------------------------------------------------------------

def test_the_code_on_the_console_makes_one_owner_and_no_second(accounts, engine):
    code = accounts.owner_code()
    assert accounts.owner_code() == code, "each of several processes shows it"
    owner = accounts.create_owner(f"{code[:6]} {code[6:]}", "小芳", PASSWORD)
    assert owner.edits_guide and owner.name == "小芳" and accounts.get(owner.id) == owner
    assert code_of(accounts.create_owner, code, "老李", PASSWORD) == "code_wrong"
    assert accounts.owner_code() is None
    with transaction(engine) as orm:
        assert not orm.scalars(select(MetaRow)).all()


def test_a_code_that_is_wrong_makes_nobody_and_a_weak_password_uses_no_code_up(accounts):
    assert code_of(accounts.create_owner, "000000000000", "小芳", PASSWORD) == "code_wrong", "none was made"
    code = accounts.owner_code()
    wrong = f"{(int(code) + 1) % 10 ** 12:012d}"
    assert code_of(accounts.create_owner, wrong, "小芳", PASSWORD) == "code_wrong"
    assert code_of(accounts.create_owner, code, "小芳", "short") == "password_weak"
    assert code_of(accounts.create_owner, code, "  ", PASSWORD) == "name_unusable"
    assert accounts.create_owner(code, "小芳", PASSWORD).name == "小芳"


def test_of_two_who_use_the_code_at_once_one_becomes_the_owner(accounts, engine):
    code = accounts.owner_code()
    meet(engine, "DELETE FROM meta")
    results = together(*[lambda name=name: accounts.create_owner(code, name, PASSWORD) for name in ("小芳", "老李")])
    assert [r.code for r in results if isinstance(r, Refused)] == ["code_wrong"]
    with transaction(engine) as orm:
        assert len(orm.scalars(select(AccountRow)).all()) == 1


# --- names and passwords --------------------------------------------------------------------------------------

def test_a_name_is_taken_once_however_its_blanks_are(accounts, owner, engine):
    with transaction(engine) as orm:
        assert accounts.create(orm, " 老  李 ", PASSWORD).name == "老 李"
        assert code_of(accounts.create, orm, "老 李", PASSWORD) == "name_taken"
        assert code_of(accounts.create, orm, "长" * 41, PASSWORD) == "name_unusable"
    assert accounts.log_in("老   李", PASSWORD).name == "老 李"


@pytest.mark.parametrize("password, code", [
    ("short77", "password_weak"), ("aaaaaaaaaa", "password_weak"), ("abababababab", "password_weak"),
    ("xyz" * 100, "password_long")])
def test_a_password_that_is_easily_guessed_is_refused(accounts, owner, password, code):
    assert code_of(accounts.change_password, owner.id, PASSWORD, password) == code
    assert accounts.log_in("小芳", PASSWORD).epoch == 0, "nothing changed"


def test_a_wrong_password_and_an_unknown_name_cannot_be_told_apart(accounts, owner, hasher):
    hasher.verified = 0
    assert code_of(accounts.log_in, "小芳", "wrong horse") == "login_wrong" and hasher.verified == 1
    assert code_of(accounts.log_in, "谁也不是", "wrong horse") == "login_wrong" and hasher.verified == 2
    assert code_of(accounts.log_in, "小芳", PASSWORD + "x" * LONGEST_PASSWORD) == "login_wrong"


def test_another_password_ends_every_other_log_in(accounts, owner):
    before = accounts.log_in("小芳", PASSWORD)
    changed = accounts.change_password(owner.id, PASSWORD, "battery staple")
    assert changed.epoch > before.epoch and accounts.get(owner.id).epoch == changed.epoch
    assert code_of(accounts.log_in, "小芳", PASSWORD) == "login_wrong"
    assert accounts.log_in("小芳", "battery staple").epoch == changed.epoch
    assert code_of(accounts.change_password, owner.id, PASSWORD, "another horse") == "login_wrong"


def test_the_password_itself_is_not_kept(accounts, owner, engine):
    with transaction(engine) as orm:
        assert PASSWORD not in orm.get_one(AccountRow, owner.id).password_hash


# --- second factor ----------------------------------------------------------------------------------------------

def totp(at: datetime.datetime, steps: int = 0) -> str:
    return pyotp.TOTP(SECRET).at(at + steps * datetime.timedelta(seconds=TOTP_STEP_S))


@pytest.fixture
def guarded(accounts, owner, clock):
    """An account with a second factor; the code of the step at which it was set up is used."""
    accounts.enable_totp(owner.id, SECRET, totp(NOW))
    clock.now += datetime.timedelta(seconds=3 * TOTP_STEP_S)
    return owner


def test_the_second_factor_counts_from_a_right_code_on(accounts, owner):
    assert code_of(accounts.enable_totp, owner.id, SECRET, "000000") == "totp_wrong"
    assert not accounts.log_in("小芳", PASSWORD).has_totp, "a wrong code sets nothing up"
    accounts.enable_totp(owner.id, SECRET, totp(NOW))
    assert code_of(accounts.log_in, "小芳", PASSWORD) == "totp_needed"
    assert code_of(accounts.log_in, "小芳", PASSWORD, totp(NOW)) == "totp_wrong", "it was used to set it up"


def test_a_code_counts_once(accounts, guarded, clock):
    code = totp(clock.now)
    assert accounts.log_in("小芳", PASSWORD, f"{code[:3]} {code[3:]}").has_totp
    assert code_of(accounts.log_in, "小芳", PASSWORD, code) == "totp_wrong"
    assert code_of(accounts.log_in, "小芳", PASSWORD, totp(clock.now, -1)) == "totp_wrong", "nor an older one after it"
    assert accounts.log_in("小芳", PASSWORD, totp(clock.now, 1)).has_totp


@pytest.mark.parametrize("steps, counts", [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_counts_one_step_around_its_own(accounts, guarded, clock, steps, counts):
    code = totp(clock.now, steps)
    if counts:
        assert accounts.log_in("小芳", PASSWORD, code).id == guarded.id
    else:
        assert code_of(accounts.log_in, "小芳", PASSWORD, code) == "totp_wrong"


def test_a_wrong_password_does_not_tell_that_there_is_a_second_factor(accounts, guarded, clock):
    assert code_of(accounts.log_in, "小芳", "wrong horse") == "login_wrong"
    code = totp(clock.now)
    assert code_of(accounts.log_in, "小芳", "wrong horse", code) == "login_wrong"
    assert accounts.log_in("小芳", PASSWORD, code).id == guarded.id, "and uses no code up"


def test_the_second_factor_ends_with_the_password_only(accounts, guarded):
    assert code_of(accounts.disable_totp, guarded.id, "wrong horse") == "login_wrong"
    accounts.disable_totp(guarded.id, PASSWORD)
    assert not accounts.log_in("小芳", PASSWORD).has_totp


def test_the_app_is_told_whose_code_it_is():
    parsed = pyotp.parse_uri(Accounts.totp_address("小芳", SECRET))
    assert parsed.secret == SECRET and parsed.name == "小芳" and parsed.issuer == "衡阳社保语音指南"


def test_of_two_log_ins_with_one_code_at_once_one_gets_in(accounts, guarded, clock, hasher):
    code, hasher.gate = totp(clock.now), threading.Barrier(2)
    results = together(*[lambda: accounts.log_in("小芳", PASSWORD, code)] * 2)
    assert sum(isinstance(r, Refused) for r in results) == 1
