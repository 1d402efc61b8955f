"""People: who is cared for, by whom, and with which devices."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import RadioField
from wtforms.validators import InputRequired

from service.care.audit import LOOKED
from service.care.names import LONGEST_NAME
from service.care.people import ROLES
from service.core.redaction import plain
from service.errors import Refused
from service.web.panel.common import Form, Panel, account, done, number, text_field
from service.web.panel.entrance import CODE_LIMIT
from service.web.panel.messages import message

SHARED = "shared"
LOOKS = {"attention": _l("looked at what needs attention"), "talks": _l("looked at the list of talks"),
         "talk": _l("looked at a talk"), "misses": _l("looked at what was not understood"),
         "figures": _l("looked at the figures"), "device": _l("looked at a device"),
         "health": _l("looked at how a device is doing"),
         "person": _l("looked at the person's page")}
ACTIONS = {
    "adjusted": _l("adjusted a device"), "claim": _l("takes care of something"),
    "close": _l("marked something as done"),
    "device_renamed": _l("renamed a device"), "fact": _l("changed a fact"), "guide": _l("changed the guide"),
    "invitation_revoked": _l("took an invitation back"), "invited": _l("invited somebody"),
    "left": _l("looks after somebody no longer"), "node": _l("changed the guide"),
    "editor": _l("changed who edits the guide"),
    "notice": _l("had something read out"), "notice_cancelled": _l("cancelled something to be read out"),
    "paired": _l("paired a device"), "password": _l("changed the password"), "person_added": _l("added somebody"),
    "person_removed": _l("deleted somebody"), "private": _l("paused sharing"),
    "release": _l("gave something to the others"), "renamed": _l("changed the name"),
    "revoked": _l("cut a device off"), "role": _l("changed a role"), "rollback": _l("rolled the guide back"),
    "settled": _l("put a sentence aside"), "share": _l("allowed sharing again"), "teach": _l("taught the guide"),
    "totp_off": _l("turned the second factor off"), "totp_on": _l("turned the second factor on"),
    "unteach": _l("took back what was taught"), "exported": _l("exported the figures")}


def action_name(action: str, detail: str) -> str:
    """What an entry of the audit list is about, in words."""
    if action == LOOKED:
        return str(LOOKS.get(detail, detail))
    named = str(ACTIONS.get(action, action))
    return f"{named}: {detail}" if detail and action in SHOWN else named


SHOWN = {"adjusted", "device_renamed", "notice", "paired", "person_removed", "revoked", "teach", "unteach"}
"""Actions whose detail is a name or words of the guide."""


class PersonForm(Form):
    """A person or a place."""

    name = text_field(_l("Name or nickname"), LONGEST_NAME, render_kw={"autocomplete": "off"})
    kind = RadioField(_l("Who uses the device?"), [InputRequired()], default="own", choices=[
        ("own", _l("One person at home")), (SHARED, _l("Everybody, in a hall: it forgets each listener"))])


class PairForm(Form):
    """The code that a device shows."""

    code = text_field(_l("The six digits that the device says and shows"), 12,
                      render_kw={"autocomplete": "off", "inputmode": "numeric"})
    name = text_field(_l("What to call the device, for instance: living room"), LONGEST_NAME)


def add_pages(panel_pages: Blueprint, panel: Panel) -> None:
    """The pages of people."""
    people, devices, limit = panel.care.people, panel.care.devices, panel.limiter.limit

    @panel_pages.route("/people", methods=["GET", "POST"])
    def all_people():
        form, fault = PersonForm(), ""
        if form.validate_on_submit():
            try:
                person_id = people.create(account().id, form.name.data, form.kind.data == SHARED)
                panel.note(person_id, "person_added")
                return done(_("Added. Now pair a device."), "panel.person", person_id=person_id)
            except Refused as e:
                fault = message(e.code)
        return render_template("panel/people.html", people=panel.people(), form=form, fault=fault)

    @panel_pages.get("/people/<int:person_id>")
    def person(person_id: int):
        found = panel.person(person_id)
        owns = found.allows("own")
        panel.looked([found.id], "person")
        return render_template("panel/person.html", person=found, devices=devices.of_person(person_id),
                               members=people.members(person_id), roles=ROLES, pair=PairForm(),
                               invitations=people.open_invitations(person_id) if owns else [])

    @panel_pages.post("/people/<int:person_id>/pair")
    @limit(CODE_LIMIT)
    def pair(person_id: int):
        found, form = panel.person(person_id, "own"), PairForm()
        if not form.validate_on_submit():
            raise Refused("name_unusable" if form.name.errors else "code_wrong")
        name = plain(form.name.data)
        device_id = devices.pair(form.code.data, found.id, name)
        panel.note(found.id, "paired", name)
        return done(_("The device is paired. It says so aloud."), "panel.device", device_id=device_id)

    @panel_pages.post("/people/<int:person_id>/rename")
    def rename(person_id: int):
        found = panel.person(person_id, "own")
        people.rename(found.id, request.form.get("name", ""))
        panel.note(found.id, "renamed")
        return done(_("The name is changed."), "panel.person", person_id=found.id)

    @panel_pages.route("/people/<int:person_id>/remove", methods=["GET", "POST"])
    def remove(person_id: int):
        found = panel.person(person_id, "own")
        if request.method == "GET":
            return render_template("panel/remove.html", person=found)
        people.remove(found.id)
        panel.note(None, "person_removed", found.name)
        return done(_("Everything that was kept is deleted."), "panel.all_people")

    @panel_pages.post("/people/<int:person_id>/invite")
    def invite(person_id: int):
        found = panel.person(person_id, "own")
        role = request.form.get("role", "")
        link = panel.address("panel.invitation", token=people.invite(found.id, role, account().id))
        panel.note(found.id, "invited", role)
        return render_template("panel/invited.html", person=found, role=role, link=link)

    @panel_pages.post("/people/<int:person_id>/invitations/<int:invitation_id>/revoke")
    def revoke_invitation(person_id: int, invitation_id: int):
        found = panel.person(person_id, "own")
        people.revoke_invitation(found.id, invitation_id)
        panel.note(found.id, "invitation_revoked")
        return done(_("The invitation counts no more."), "panel.person", person_id=found.id)

    @panel_pages.post("/people/<int:person_id>/members/<int:member_id>")
    def member(person_id: int, member_id: int):
        found = panel.person(person_id, "own")
        # An empty one takes the role away; without the field it is a bad request.
        role = request.form["role"] or None
        people.set_role(found.id, member_id, role)
        panel.note(found.id, "role", role or "none")
        if member_id == account().id and role is None:
            return done(_("You no longer look after them."), "panel.home")
        return done(_("Changed."), "panel.person", person_id=found.id)

    @panel_pages.post("/people/<int:person_id>/leave")
    def leave(person_id: int):
        found = panel.person(person_id)
        people.set_role(found.id, account().id, None)
        panel.note(None, "left", found.name)
        return done(_("You no longer look after them."), "panel.home")

    @panel_pages.get("/audit")
    def audit():
        found = panel.people()
        before = number(request.args.get("before"))
        entries = panel.care.audit.entries([p.id for p in found], account().id, before)
        return render_template("panel/audit.html", entries=entries, action_name=action_name)
