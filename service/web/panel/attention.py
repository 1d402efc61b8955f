"""Attention: the first page, what to do about it, and talks as they were lived."""

from __future__ import annotations

import datetime

from flask import Blueprint, render_template, request
from flask_babel import gettext as _

from service.care.history import LONGEST_NOTE, Incident
from service.errors import BadRequest, NotFound
from service.web.panel.common import Panel, account, done


def add_pages(panel_pages: Blueprint, panel: Panel) -> None:
    """The pages of what needs attention."""
    history = panel.care.history

    def incident(incident_id: int, right: str) -> Incident:
        found = history.incident(incident_id)
        person = panel.person(found.person_id, right)
        if not person.visible and found.kind != "help":
            raise NotFound("no such incident")
        return found

    @panel_pages.get("/")
    def home():
        people = panel.people()
        incidents = history.open_incidents(people)
        faults = history.faults(people)
        panel.looked((shown.person_id for shown in (*incidents, *faults)), "attention")
        roles = {p.id: p for p in people}
        return render_template("panel/home.html", incidents=incidents, faults=faults, people=roles,
                               paused=[p for p in people if not p.visible], title=panel.title)

    @panel_pages.get("/done")
    def past():
        people = panel.people()
        incidents = history.closed_incidents(people)
        panel.looked((i.person_id for i in incidents), "attention")
        return render_template("panel/past.html", incidents=incidents, title=panel.title)

    @panel_pages.post("/incidents/<int:incident_id>/claim")
    def claim(incident_id: int):
        found = incident(incident_id, "act")
        history.claim(incident_id, account().id)
        panel.note(found.person_id, "claim", found.kind)
        return done(_("The others see that you are taking care of it."), "panel.home")

    @panel_pages.post("/incidents/<int:incident_id>/release")
    def release(incident_id: int):
        found = incident(incident_id, "act")
        history.release(incident_id, account().id)
        panel.note(found.person_id, "release", found.kind)
        return done(_("The others may take care of it now."), "panel.home")

    @panel_pages.post("/incidents/<int:incident_id>/close")
    def close(incident_id: int):
        found, note = incident(incident_id, "act"), request.form.get("note", "")
        if len(note) > LONGEST_NOTE:
            raise BadRequest("the note is too long")
        history.close(incident_id, account().id, note)
        panel.note(found.person_id, "close", found.kind)
        return done(_("Marked as done."), "panel.home")

    @panel_pages.get("/people/<int:person_id>/talks")
    def talks(person_id: int):
        person = panel.person(person_id)
        found = history.talks(person_id, _time(request.args.get("before"))) if person.visible else []
        if person.visible:
            panel.looked([person_id], "talks")
        return render_template("panel/talks.html", person=person, talks=found)

    @panel_pages.get("/talks/<talk_id>")
    def talk(talk_id: str):
        found = history.talk(talk_id)
        person = panel.person(found.person_id)
        if not person.visible:
            raise NotFound("no such talk")
        panel.looked([person.id], "talk")
        return render_template("panel/talk.html", talk=found, person=person, title=panel.title,
                               in_words=panel.in_words)


def _time(text: str | None) -> datetime.datetime | None:
    if not text:
        return None
    try:
        at = datetime.datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).astimezone(datetime.UTC)
    except (ValueError, OverflowError) as e:
        raise BadRequest("not a time") from e
