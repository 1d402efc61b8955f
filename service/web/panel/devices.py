"""Devices: how one speaks and listens, what it is to read out, and cutting it off."""

from __future__ import annotations

import datetime

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, DateTimeLocalField, RadioField, SelectField, TextAreaField, TimeField
from wtforms.validators import Length, Optional

from service.care.adjusting import Adjustment
from service.care.notices import LONGEST_TEXT, REPEATS
from service.core.dialog import DETAILS, LOUDNESS_DB, PACE_CPM, WAIT_S
from service.core.model import ROOT
from service.core.redaction import plain
from service.errors import BadRequest, Refused
from service.speech.normalization import unsayable
from service.web.panel.common import Form, Panel, account, done, number
from service.web.panel.messages import message

PACES = (_l("slowest"), _l("slower"), _l("usual"), _l("a little faster"), _l("faster"), _l("fastest"))
LOUDNESSES = (_l("soft"), _l("a little softer"), _l("usual"), _l("loud"))
DETAIL_NAMES = (_l("short"), _l("usual"), _l("everything at once"))
REPEAT_NAMES = {"once": _l("once"), "daily": _l("every day"), "weekly": _l("every week"),
                "monthly": _l("every month"), "yearly": _l("every year")}
CLOCK = "%H:%M"


class AdjustForm(Form):
    """All that can be set from afar."""

    pace_cpm = SelectField(_l("Pace"), choices=list(zip(PACE_CPM, PACES)), coerce=int)
    loudness_db = SelectField(_l("Loudness"), choices=list(zip(LOUDNESS_DB, LOUDNESSES)), coerce=int)
    voice = SelectField(_l("Voice"))
    wait_s = SelectField(_l("How long it waits for an answer"), coerce=float,
                         choices=[(s, _l("%(seconds)d seconds", seconds=int(s))) for s in WAIT_S])
    detail = SelectField(_l("How much it explains"), choices=list(zip(DETAILS, DETAIL_NAMES)))
    large_type = BooleanField(_l("Larger type"))
    keys_only = BooleanField(_l("Keys only (the microphone stays off)"))
    quiet_from = TimeField(_l("Quiet hours from"), [Optional()])
    quiet_to = TimeField(_l("to"), [Optional()])


class NoticeForm(Form):
    """Something to read out."""

    what = RadioField(_l("What?"), choices=[("text", _l("A message of your own")), ("node", _l("A section"))],
                      default="text")
    text = TextAreaField(_l("Message (120 characters at most)"), [Length(max=LONGEST_TEXT)],
                         render_kw={"rows": 3, "maxlength": LONGEST_TEXT})
    node = SelectField(_l("Section"))
    at = DateTimeLocalField(_l("When? Empty: now"), [Optional()])
    repeats = SelectField(_l("How often?"), choices=list(REPEAT_NAMES.items()), default=REPEATS[0])


def add_pages(panel_pages: Blueprint, panel: Panel) -> None:
    """The pages of a device."""
    devices, notices = panel.care.devices, panel.care.notices

    def find(device_id: int, right: str):
        row = devices.row(device_id)
        return row, panel.person(row.person_id, right)

    def adjust_form(adjustment: Adjustment | None = None) -> AdjustForm:
        clocks = {}
        if adjustment and adjustment.quiet_from:
            clocks = {name: datetime.time.fromisoformat(getattr(adjustment, name))
                      for name in ("quiet_from", "quiet_to")}
        form = AdjustForm(data={**adjustment.to_json(), "quiet_from": None, "quiet_to": None, **clocks}
                          if adjustment else None)
        form.voice.choices = [("", _("the usual one")), *((v.id, v.label) for v in panel.talks.voices())]
        known = {value for value, _label in form.voice.choices}
        if adjustment and adjustment.voice not in known:
            form.voice.data = ""
        return form

    def notice_form() -> NoticeForm:
        form = NoticeForm()
        nodes = panel.talks.edition.guide.nodes.values()
        form.node.choices = [(n.id, n.title) for n in nodes if n.id != ROOT]
        return form

    @panel_pages.get("/devices/<int:device_id>")
    def device(device_id: int):
        row, person = find(device_id, "look")
        panel.looked([person.id], "device")
        return _page(row, person, adjust_form(Adjustment.from_json(row.settings)), notice_form())

    def _page(row, person, adjust, notice, fault: str = "", status: int = 200):
        return render_template("panel/device.html", device=row, person=person, adjust=adjust, notice=notice,
                               planned=notices.of_device(row.id), repeat_names=REPEAT_NAMES, title=panel.title,
                               fault=fault, now=panel.care.now()), status

    @panel_pages.post("/devices/<int:device_id>/adjust")
    def adjust(device_id: int):
        row, person = find(device_id, "act")
        form = adjust_form()
        if not form.validate_on_submit():
            return _page(row, person, form, notice_form(), message("bad_request"), 400)
        clocks = {name: form[name].data.strftime(CLOCK) if form[name].data else ""
                  for name in ("quiet_from", "quiet_to")}
        try:
            wanted = Adjustment(**{**form.data, **clocks})
        except BadRequest:
            return _page(row, person, form, notice_form(), message("bad_request"), 400)
        devices.adjust(device_id, wanted, number(request.form.get("version")))
        panel.note(person.id, "adjusted", row.name)
        return done(_("The device changes at once."), "panel.device", device_id=device_id)

    @panel_pages.post("/devices/<int:device_id>/notices")
    def plan(device_id: int):
        row, person = find(device_id, "act")
        form = notice_form()
        adjusted = adjust_form(Adjustment.from_json(row.settings))
        if not form.validate_on_submit():
            code = "notice_long" if form.text.errors else "bad_request"
            return _page(row, person, adjusted, form, message(code), 400)
        node = form.node.data if form.what.data == "node" else None
        text = form.text.data if form.what.data == "text" else None
        lost = unsayable(plain(text or ""), panel.talks.edition.guide.lexicon)
        if lost:
            parts = "".join(f"“{part}”" for part in lost)
            return _page(row, person, adjusted, form, message("notice_unsayable", parts=parts), 400)
        try:
            at = form.at.data and form.at.data.astimezone()
        except (ValueError, OverflowError):
            return _page(row, person, adjusted, form, message("bad_request"), 400)
        try:
            notices.plan(device_id, account().id, node, text, at, form.repeats.data)
        except Refused as e:
            return _page(row, person, adjusted, form, message(e.code), 400)
        panel.note(person.id, "notice", row.name)
        return done(_("It will be read out on the device."), "panel.device", device_id=device_id)

    @panel_pages.post("/devices/<int:device_id>/notices/<int:notice_id>/cancel")
    def cancel(device_id: int, notice_id: int):
        row, person = find(device_id, "act")
        notices.cancel(device_id, notice_id)
        panel.note(person.id, "notice_cancelled", row.name)
        return done(_("It is not read out any more."), "panel.device", device_id=device_id)

    @panel_pages.post("/devices/<int:device_id>/rename")
    def rename_device(device_id: int):
        row, person = find(device_id, "own")
        name = plain(request.form.get("name", ""))
        devices.rename(device_id, name)
        panel.note(person.id, "device_renamed", name)
        return done(_("The name is changed."), "panel.device", device_id=device_id)

    @panel_pages.post("/devices/<int:device_id>/revoke")
    def revoke(device_id: int):
        row, person = find(device_id, "own")
        devices.revoke(device_id)
        panel.note(person.id, "revoked", row.name)
        return redirect(url_for("panel.person", person_id=person.id), 303)
