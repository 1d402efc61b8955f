"""People: names, roles and invitations, over a real database."""

import datetime

import pytest
from sqlalchemy import select

from service.care.devices import DeviceGone
from service.care.people import INVITATION_LASTS
from service.errors import Forbidden, NotFound, Refused
from service.store.database import transaction
from service.store.tables import AccountRow, InvitationRow
from tests.meeting import code_of, meet, together

PASSWORD = "correct horse"
SECOND = datetime.timedelta(seconds=1)


@pytest.fixture
def owner(care):
    return care.accounts.create_owner(care.accounts.owner_code(), "小芳", PASSWORD)


@pytest.fixture
def mother(care, owner):
    """A person whom the owner cares for."""
    return care.people.create(owner.id, "妈妈", False)


@pytest.fixture
def other(care, owner):
    """Another account, with a person of its own."""
    with transaction(care.engine) as orm:
        return care.accounts.create(orm, "老李", PASSWORD)


# --- names and rights -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, code", [
    ("", "name_unusable"), ("   ", "name_unusable"), ("长" * 41, "name_unusable"),
    ("妈妈 13812345678", "name_number"), ("430422195001011234", "name_number"), ("妈妈一三八一二三四", "name_number")])
def test_a_name_is_no_number_and_not_empty(care, owner, mother, name, code):
    assert code_of(care.people.create, owner.id, name, False) == code
    assert code_of(care.people.rename, mother, name) == code
    assert [p.name for p in care.people.of(owner.id)] == ["妈妈"]


def test_small_numbers_are_part_of_a_name(care, owner):
    care.people.create(owner.id, "  3 栋  201 王奶奶 ", False)
    assert [p.name for p in care.people.of(owner.id)] == ["3 栋 201 王奶奶"]


def test_who_has_no_role_does_not_learn_that_there_is_somebody(care, mother, other):
    for right in ("look", "act", "own"):
        with pytest.raises(NotFound):
            care.people.get(other.id, mother, right)
    with pytest.raises(NotFound):
        care.people.get(other.id, None, "look")
    assert care.people.of(other.id) == []


@pytest.mark.parametrize("role, allowed", [("viewer", ["look"]), ("caregiver", ["look", "act"]),
                                           ("owner", ["look", "act", "own"])])
def test_a_role_gives_its_rights_and_no_more(care, owner, mother, other, role, allowed):
    care.people.accept(care.people.invite(mother, role, owner.id), other)
    for right in ("look", "act", "own"):
        if right in allowed:
            assert care.people.get(other.id, mother, right).role == role
        else:
            with pytest.raises(Forbidden):
                care.people.get(other.id, mother, right)


def test_a_removed_person_is_gone_with_devices_and_everything(care, owner, mother):
    token = care.devices.register()
    device = care.devices.by_token(token)
    care.devices.pair(care.devices.new_code(device.id), mother, "客厅")
    invitation = care.people.invite(mother, "viewer", owner.id)
    care.people.remove(mother)
    assert care.people.of(owner.id) == [] and code_of(care.people.invitation, invitation) == "invitation_wrong"
    with pytest.raises(DeviceGone):
        care.devices.by_token(token)


# --- roles ------------------------------------------------------------------------------------------------------

def test_the_last_owner_stays(care, owner, mother, other):
    for role in ("viewer", "caregiver", None):
        assert code_of(care.people.set_role, mother, owner.id, role) == "last_owner"
    care.people.set_role(mother, owner.id, "owner")
    care.people.accept(care.people.invite(mother, "viewer", owner.id), other)
    assert code_of(care.people.set_role, mother, owner.id, None) == "last_owner", "a viewer is no owner"
    care.people.set_role(mother, other.id, "owner")
    care.people.set_role(mother, owner.id, None)
    assert [(m.account_id, m.role) for m in care.people.members(mother)] == [(other.id, "owner")]


def test_a_role_that_does_not_exist_or_of_nobody_is_refused(care, mother, owner, other):
    assert code_of(care.people.set_role, mother, owner.id, "king") == "role_unknown"
    assert code_of(care.people.invite, mother, "king", owner.id) == "role_unknown"
    with pytest.raises(NotFound):
        care.people.set_role(mother, other.id, "viewer")


def test_two_owners_who_remove_each_other_at_once_leave_one(care, owner, mother, other):
    care.people.accept(care.people.invite(mother, "owner", owner.id), other)
    meet(care.engine, "DELETE FROM roles")
    together(*[lambda account=account: care.people.set_role(mother, account.id, None) for account in (owner, other)])
    assert care.people.members(mother)


# --- invitations ------------------------------------------------------------------------------------------------

def test_an_invitation_gives_its_role_once(care, owner, mother, other):
    token = care.people.invite(mother, "caregiver", owner.id)
    assert care.people.invitation(token) == ("妈妈", "caregiver")
    assert care.people.accept(token, None, "表姐", PASSWORD).name == "表姐"
    assert code_of(care.people.accept, token, other) == code_of(care.people.invitation, token) == "invitation_used"
    assert [(m.name, m.role) for m in care.people.members(mother)] == [("小芳", "owner"), ("表姐", "caregiver")]
    assert care.people.open_invitations(mother) == []


@pytest.mark.parametrize("forge", [lambda t: "", lambda t: t[:-1], lambda t: t + "x", lambda t: t.swapcase()])
def test_a_forged_invitation_is_wrong(care, owner, mother, other, forge):
    token = forge(care.people.invite(mother, "owner", owner.id))
    assert code_of(care.people.accept, token, other) == code_of(care.people.invitation, token) == "invitation_wrong"


def test_the_token_itself_is_not_kept(care, owner, mother):
    token = care.people.invite(mother, "viewer", owner.id)
    with transaction(care.engine) as orm:
        row = orm.scalar(select(InvitationRow))
        assert token not in [str(value) for value in vars(row).values()]


@pytest.mark.parametrize("passed, refused", [
    (INVITATION_LASTS, None), (INVITATION_LASTS + SECOND, "invitation_expired"), (-INVITATION_LASTS, None),
    (-INVITATION_LASTS - SECOND, "invitation_expired")], ids=["last moment", "late", "set back", "set far back"])
def test_an_invitation_lasts_so_long_also_by_a_clock_that_was_set_back(care, owner, mother, other, clock, passed,
                                                                       refused):
    token = care.people.invite(mother, "viewer", owner.id)
    clock.now += passed
    if refused:
        assert code_of(care.people.accept, token, other) == refused
    else:
        assert care.people.accept(token, other) == other


def test_an_invitation_that_was_taken_back_is_wrong(care, owner, mother, other):
    token = care.people.invite(mother, "viewer", owner.id)
    grandma = care.people.create(owner.id, "外婆", False)
    (open_one,) = care.people.open_invitations(mother)
    with pytest.raises(NotFound):
        care.people.revoke_invitation(grandma, open_one.id)
    care.people.revoke_invitation(mother, open_one.id)
    assert code_of(care.people.accept, token, other) == "invitation_wrong"
    assert care.people.open_invitations(mother) == []


def test_an_invitation_takes_no_right_away(care, owner, mother):
    care.people.accept(care.people.invite(mother, "viewer", owner.id), owner)
    assert [m.role for m in care.people.members(mother)] == ["owner"]


def test_an_account_that_cannot_be_made_uses_no_invitation_up(care, owner, mother):
    token = care.people.invite(mother, "viewer", owner.id)
    assert code_of(care.people.accept, token, None, "小芳", PASSWORD) == "name_taken"
    assert code_of(care.people.accept, token, None, "表姐", "short") == "password_weak"
    assert care.people.accept(token, None, "表姐", PASSWORD).name == "表姐"


def test_of_two_who_accept_one_invitation_at_once_exactly_one_gets_in(care, owner, mother):
    token = care.people.invite(mother, "caregiver", owner.id)
    meet(care.engine, "UPDATE invitations")
    results = together(*[lambda name=name: care.people.accept(token, None, name, PASSWORD) for name in ("甲", "乙")])
    assert [r.code for r in results if isinstance(r, Refused)] == ["invitation_used"]
    assert len(care.people.members(mother)) == 2
    with transaction(care.engine) as orm:
        assert len(orm.scalars(select(AccountRow)).all()) == 2, "whoever was late has no account either"


# --- sharing ----------------------------------------------------------------------------------------------------

def test_who_wants_nobody_to_look_is_not_visible_until_they_say_so(care, owner, mother):
    assert care.people.share(mother, False) and not care.people.share(mother, False)
    assert not care.people.get(owner.id, mother, "look").visible
    assert care.people.share(mother, True) and not care.people.share(mother, True)
    assert care.people.get(owner.id, mother, "look").visible
