"""Figures: how much the guide is used, where it is not understood, and whether step lists are finished."""

from __future__ import annotations

import datetime

from flask import Blueprint, Response, render_template, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from service.care.figures import FiguresReader, chart_data, to_csv, to_json
from service.care.people import Person
from service.errors import BadRequest
from service.web.panel.common import Panel, number

USUAL_DAYS = 30
LABELS = {"talks": _l("talks"), "understood": _l("understood"), "asked": _l("asked back"),
          "missed": _l("not understood"), "visits": _l("visits"), "begun": _l("begun"), "finished": _l("finished"),
          "hour": _l("hour")}
HEADINGS = {"day": _l("day"), "hour": _l("hour"), "device": _l("device"), "node": _l("section id"),
            "title": _l("section"), "measure": _l("what"), "count": _l("count"), "talk": _l("talk"),
            "visit": _l("visit"), "understood": _l("understood"), "asked": _l("asked back"),
            "missed": _l("not understood"), "begun": _l("begun"), "finished": _l("finished")}


def add_pages(panel_pages: Blueprint, panel: Panel) -> None:
    """The pages of figures."""
    reader = FiguresReader(panel.care.engine)

    def asked_for() -> tuple[list[Person], datetime.date, datetime.date, int | None]:
        """(people, first day, last day, number of the one person that is wanted)."""
        today = panel.care.now().astimezone().date()
        last = _day(request.args.get("to"), today)
        usual = datetime.date.fromordinal(max(1, last.toordinal() - USUAL_DAYS + 1))
        first = _day(request.args.get("from"), usual)
        wanted = number(request.args.get("person"))
        people = [panel.person(wanted)] if wanted else panel.people()
        return [p for p in people if p.visible], first, last, wanted

    def titles() -> dict[str, str]:
        return {node.id: node.title for node in panel.talks.edition.guide.nodes.values()}

    @panel_pages.get("/figures")
    def figures():
        people, first, last, wanted = asked_for()
        found = reader.read([p.id for p in people], first, last)
        panel.looked((p.id for p in people), "figures")
        labels = {name: str(label) for name, label in LABELS.items()}
        return render_template("panel/figures.html", figures=found, data=chart_data(found, titles(), labels),
                               labels=labels, everybody=panel.people(), wanted=wanted, first=first, last=last,
                               title=panel.title)

    @panel_pages.get("/figures.<kind>")
    def export(kind: str):
        if kind not in ("csv", "json"):
            raise BadRequest("no such kind of export")
        people, first, last, _wanted = asked_for()
        rows = reader.rows([p.id for p in people], first, last)
        for person in people:
            panel.note(person.id, "exported", kind)
        if kind == "csv":
            headings = {name: str(label) for name, label in HEADINGS.items()}
            answer = Response(to_csv(rows, titles(), headings), mimetype="text/csv")
        else:
            answer = Response(to_json(rows, titles()), mimetype="application/json")
        answer.headers["Content-Disposition"] = f'attachment; filename="figures-{first}-{last}.{kind}"'
        return answer


def _day(text: str | None, usual: datetime.date) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text) if text else usual
    except ValueError as e:
        raise BadRequest("not a day") from e
