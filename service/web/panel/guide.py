"""Guide: its sentences and facts, edited, compared, published, and taken back."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Iterable, Mapping

from flask import Blueprint, Response, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import DateField, RadioField, TextAreaField
from wtforms.validators import InputRequired, Optional

from service.care.teaching import Check, Wish
from service.content.edit import FactText, NodeText, SentenceText, Stale
from service.content.problems import Problem
from service.core.model import Fact
from service.errors import BadRequest, Forbidden, NotFound, Refused
from service.web.panel.common import Form, Panel, account, done
from service.web.panel.teach import SHOWN_CHANGES, state, tree

LONGEST_SPOKEN = 60
"""Characters that are spoken to try them; a sentence of the guide has no more."""
LISTEN_LIMIT = "30 per minute"
LOOK_LIMIT = "60 per minute"
"""For the check while somebody is writing."""
CHECK_LIMIT = "20 per 10 minutes"
LISTS = ("say", "brief")
"""Lists of sentences."""
GROUPS = ("steps", "more")
"""Lists of lists of sentences."""
_PLACE = re.compile(r"\.(say|brief)\[(\d+)\]|\.steps\.items\[(\d+)\](?:\.say\[(\d+)\])?"
                    r"|\.more\[(\d+)\](?:\[(\d+)\])?|\.(title)\b")
_NAME = re.compile(r"(say|brief)-(\d+)|(steps|more)-(\d+)-(\d+)")
CONFIDENCES = [("H", _l("H: an official document, or two independent sources")), ("M", _l("M: one decent source")),
               ("L", _l("L: a weak source")), ("N", _l("N: no source found; never told as a fact"))]


class FactForm(Form):
    """What is edited of a fact."""

    claim = TextAreaField(_l("Claim"), [InputRequired()], render_kw={"rows": 3})
    checked = DateField(_l("Compared with the sources on"), [InputRequired()])
    review = DateField(_l("Review after this day (may be empty)"), [Optional()])
    confidence = RadioField(_l("How well it is grounded"), [InputRequired()], choices=CONFIDENCES)


def add_pages(panel_pages: Blueprint, panel: Panel) -> None:
    """The pages of the guide's texts."""
    editor, limit = panel.editor, panel.limiter.limit

    def must_edit() -> None:
        if not account().edits_guide:
            raise Forbidden("needs the right to edit the guide")

    def people() -> list[int]:
        return [p.id for p in panel.people("act") if p.visible]

    def lookup(check_id: str) -> Check:
        must_edit()
        check = panel.checks.get(check_id, account().id, people())
        if check.wish.kind == "teach":
            raise NotFound("no such check")
        return check

    def begin(kind: str, target: str, proposal, written=None, revision: str = "", undoes: int | None = None):
        wish = Wish(account().id, kind, target, proposal, written=written, revision=revision, undoes=undoes)
        check = panel.checks.start(wish, people())
        return redirect(url_for("panel.guide_check", check_id=check.id), 303)

    @panel_pages.get("/guide")
    def guide():
        must_edit()
        running = panel.talks.edition.guide
        return render_template("panel/guide.html", nodes=tree(running),
                               due=len(_due(running.facts.values(), _today(panel))))

    # --- who edits -----------------------------------------------------------------------------------------------

    def fellows() -> list[int]:
        """Everybody who looks after somebody whom the editor looks after."""
        people_store = panel.care.people
        return [m.account_id for p in panel.people() for m in people_store.members(p.id)]

    @panel_pages.get("/editors")
    def editors():
        must_edit()
        return render_template("panel/editors.html", editors=panel.care.accounts.editors([account().id, *fellows()]))

    @panel_pages.post("/editors/<int:account_id>")
    def editor_role(account_id: int):
        must_edit()
        if account_id not in {account().id, *fellows()}:
            raise NotFound("no such account")
        edits = request.form.get("edits") == "yes"
        panel.care.accounts.let_edit(account_id, edits)
        panel.note(None, "editor", "yes" if edits else "no")
        return done(_("Changed."), "panel.guide" if not edits and account_id == account().id else "panel.editors")

    # --- a node ------------------------------------------------------------------------------------------------

    @panel_pages.get("/guide/<node_id>")
    def guide_node(node_id: str):
        must_edit()
        text, revision = editor.node(node_id)
        return _node(text, revision)

    def _node(text: NodeText, revision: str, problems: Iterable[Problem] = (), other: NodeText | None = None,
              focus: str = "", status: int = 200):
        node = panel.talks.edition.guide.nodes.get(text.id)
        branching = bool(node and node.options)
        faults, rest = _sorted_out(text.id, problems)
        return render_template(
            "panel/guide_node.html", text=text, revision=revision, faults=faults, rest=rest, other=other, focus=focus,
            may_have_steps=bool(text.steps) or not (branching or text.more),
            may_have_more=bool(text.more) or not (branching or text.steps), longest=LONGEST_SPOKEN), status

    @panel_pages.post("/guide/<node_id>")
    @limit(CHECK_LIMIT, exempt_when=lambda: "add" in request.form or "remove" in request.form)
    def guide_change(node_id: str):
        must_edit()
        text, revision = _read(node_id, request.form), request.form.get("revision", "")
        for change, how in (("add", _added), ("remove", _removed)):
            if change in request.form:
                text, focus = how(text, request.form[change])
                return _node(text, revision, focus=focus)
        try:
            proposal = editor.propose_node(text, revision)
        except Stale:
            return _stale_node(text)
        if proposal.problems:
            return _node(text, revision, proposal.problems, status=422)
        if not proposal.files:
            return done(_("Nothing was changed."), "panel.guide_node", node_id=node_id)
        return begin("node", node_id, proposal, text, revision)

    def _stale_node(wanted: NodeText):
        """Both versions: what somebody else saved meanwhile, and what was typed here, which is now based on it."""
        present, revision = editor.node(wanted.id)
        return _node(wanted, revision, other=present, status=409)

    @panel_pages.post("/guide/<node_id>/check")
    @limit(LOOK_LIMIT)
    def guide_look(node_id: str):
        must_edit()
        try:
            proposal = editor.propose_node(_read(node_id, request.form), request.form.get("revision", ""))
        except Stale as e:
            return jsonify(stale=True, problems=[{"field": "", "fault": str(e), "remedy": ""}])
        return jsonify(stale=False, problems=[{"field": _field(node_id, p) or "", "fault": p.fault, "remedy": p.remedy}
                                              for p in proposal.problems])

    @panel_pages.post("/guide/listen")
    @limit(LISTEN_LIMIT)
    def guide_listen():
        must_edit()
        text = request.form.get("text", "").strip()
        if not 0 < len(text) <= LONGEST_SPOKEN:
            raise BadRequest("nothing to say, or too much")
        return Response(panel.talks.speak(text), mimetype="audio/wav")

    # --- the check before it goes live -------------------------------------------------------------------------

    @panel_pages.get("/guide/check/<check_id>")
    def guide_check(check_id: str):
        try:
            check = lookup(check_id)
        except NotFound:
            # The service was started again, or it was long ago.
            flash(_("This check is over. Please begin again."), "fault")
            return redirect(url_for("panel.guide"), 303)
        return _checked(check)

    def _checked(check: Check, asked: bool = False, status: int = 200):
        if check.findings and (check.findings.breaks or check.findings.mends):
            panel.looked(check.person_ids, "misses")
        return render_template(
            "panel/guide_check.html", check=check, wish=check.wish, asked=asked, shown=SHOWN_CHANGES,
            back=_page_of(check.wish), name=_name(check.wish.kind, check.wish.target),
            words=lambda change, after: panel.in_words(change.after if after else change.before)), status

    @panel_pages.get("/guide/check/<check_id>/state")
    def guide_state(check_id: str):
        return jsonify(state(lookup(check_id)))

    @panel_pages.post("/guide/check/<check_id>")
    def guide_publish(check_id: str):
        check = lookup(check_id)
        wish = check.wish
        with check.lock:
            if check.publication is None:
                if not check.allowed:
                    raise Refused("check_unfinished")
                if check.findings.breaks and request.form.get("confirmed") != "yes":
                    return _checked(check, True, 409)
                try:
                    check.publication = panel.publishing.publish(
                        wish.proposal, wish.kind, wish.target, wish.account_id, undoes=wish.undoes)
                except Stale:
                    return _stale(wish)
        flash(_("Published. It is heard within a minute."), "done")
        return redirect(_page_of(wish), 303)

    def _stale(wish: Wish):
        """Somebody was quicker: elsewhere, and the edit is compared anew; or right here, and both are shown."""
        if wish.kind not in ("node", "fact"):
            raise Refused("rollback_stale")
        node = wish.kind == "node"
        present, revision = editor.node(wish.target) if node else editor.fact(wish.target)
        if revision != wish.revision:
            return _stale_node(wish.written) if node else _stale_fact(wish.written)
        proposal = (editor.propose_node if node else editor.propose_fact)(wish.written, revision)
        if proposal.problems and node:
            return _node(wish.written, revision, proposal.problems, status=409)
        if proposal.problems:
            return _fact(present, FactForm(formdata=None, obj=wish.written), revision, proposal.problems, status=409)
        flash(_("Somebody else changed the guide in the meantime. Look at the difference again."), "fault")
        return begin(wish.kind, wish.target, proposal, wish.written, revision)

    def _page_of(wish: Wish) -> str:
        if wish.kind == "node":
            return url_for("panel.guide_node", node_id=wish.target)
        if wish.kind == "fact":
            return url_for("panel.fact", fact_id=wish.target)
        return url_for("panel.guide_history")

    def _name(kind: str, target: str) -> str:
        return target if kind == "fact" else panel.title(target)

    # --- what was published ------------------------------------------------------------------------------------

    @panel_pages.get("/guide/history")
    def guide_history():
        must_edit()
        return render_template("panel/guide_history.html", publications=panel.publishing.history(), name=_name)

    @panel_pages.get("/guide/history/<int:publication_id>")
    def guide_publication(publication_id: int):
        must_edit()
        found = panel.publishing.publication(publication_id)
        return render_template("panel/guide_publication.html", publication=found, name=_name(found.kind, found.target),
                               difference=panel.publishing.difference(publication_id))

    @panel_pages.post("/guide/history/<int:publication_id>/back")
    @limit(CHECK_LIMIT)
    def guide_roll_back(publication_id: int):
        must_edit()
        found = panel.publishing.publication(publication_id)
        if found.undone_at:
            raise Refused("undone_already")
        try:
            proposal = panel.publishing.roll_back(publication_id)
        except Stale as e:
            raise Refused("rollback_stale") from e
        return begin("rollback", found.target, proposal, undoes=publication_id)

    # --- facts -------------------------------------------------------------------------------------------------

    @panel_pages.get("/facts")
    def facts():
        must_edit()
        running, today = panel.talks.edition.guide, _today(panel)
        due = _due(running.facts.values(), today)
        rest = [fact for fact in running.facts.values() if not fact.is_due(today)]
        return render_template("panel/facts.html", due=due, rest=rest, sources=running.sources)

    @panel_pages.get("/facts/<fact_id>")
    def fact(fact_id: str):
        must_edit()
        text, revision = editor.fact(fact_id)
        return _fact(text, FactForm(formdata=None, obj=text), revision)

    def _fact(text: FactText, form: FactForm, revision: str, problems: Iterable[Problem] = (),
              other: FactText | None = None, status: int = 200):
        sources = panel.talks.edition.guide.sources
        return render_template(
            "panel/fact.html", text=text, form=form, revision=revision, problems=tuple(problems), other=other,
            sources=[sources[s] for s in text.sources if s in sources], confidences=dict(CONFIDENCES),
            today=_today(panel)), status

    @panel_pages.post("/facts/<fact_id>")
    @limit(CHECK_LIMIT)
    def fact_change(fact_id: str):
        must_edit()
        form, revision = FactForm(), request.form.get("revision", "")
        present, _revision = editor.fact(fact_id)
        if not form.validate_on_submit():
            return _fact(present, form, revision, status=422)
        # A form's lines end as those of a telegram do.
        claim = form.claim.data.replace("\r\n", "\n").strip()
        wanted = FactText(fact_id, claim, present.sources, form.checked.data, form.review.data, form.confidence.data)
        try:
            proposal = editor.propose_fact(wanted, revision)
        except Stale:
            return _stale_fact(wanted)
        if proposal.problems:
            return _fact(present, form, revision, proposal.problems, status=422)
        if not proposal.files:
            return done(_("Nothing was changed."), "panel.fact", fact_id=fact_id)
        return begin("fact", fact_id, proposal, wanted, revision)

    def _stale_fact(wanted: FactText):
        present, revision = editor.fact(wanted.id)
        return _fact(wanted, FactForm(formdata=None, obj=wanted), revision, other=present, status=409)


def _today(panel: Panel) -> datetime.date:
    return panel.care.now().astimezone().date()


def _due(facts: Iterable[Fact], today: datetime.date) -> list[Fact]:
    return sorted((fact for fact in facts if fact.is_due(today)), key=lambda fact: (fact.review, fact.id))


# --- the form of a node ------------------------------------------------------------------------------------------

def _read(node_id: str, form: Mapping[str, str]) -> NodeText:
    """The node as it stands in the form; its lists have what is there, in the order of their numbers."""
    lists: dict[str, dict[int, SentenceText]] = {name: {} for name in LISTS}
    groups: dict[str, dict[int, dict[int, SentenceText]]] = {name: {} for name in GROUPS}
    for field in form:
        match = _NAME.fullmatch(field)
        if not match:
            continue
        facts = re.split(r"[\s,，、]+", form.get(f"{field}-facts", "").strip())
        said = SentenceText(form[field].replace("\r\n", "\n").strip(), tuple(filter(None, facts)),
                            f"{field}-unverified" in form)
        name, place, group, outer, inner = match.groups()
        if name:
            lists[name][int(place)] = said
        else:
            groups[group].setdefault(int(outer), {})[int(inner)] = said
    in_order = {name: tuple(said for _, said in sorted(held.items())) for name, held in lists.items()}
    in_order |= {name: tuple(tuple(said for _, said in sorted(held[i].items())) for i in sorted(held))
                 for name, held in groups.items()}
    return NodeText(node_id, form.get("title", "").strip(), **in_order)


@dataclass
class _Lists:
    """The lists of a node while they are changed."""

    text: NodeText

    def __post_init__(self):
        self.lists = {name: list(getattr(self.text, name)) for name in LISTS}
        self.groups = {name: [list(said) for said in getattr(self.text, name)] for name in GROUPS}

    def done(self) -> NodeText:
        """The node with them. A step or part without a sentence is none."""
        return NodeText(self.text.id, self.text.title, **{n: tuple(said) for n, said in self.lists.items()},
                        **{n: tuple(tuple(said) for said in held if said) for n, held in self.groups.items()})


def _added(text: NodeText, where: str) -> tuple[NodeText, str]:
    """With an empty sentence at the end of a list, and the name of its field."""
    now, (name, *places) = _Lists(text), _place(where)
    if name in LISTS and not places:
        now.lists[name].append(SentenceText(""))
        return now.done(), f"{name}-{len(now.lists[name]) - 1}"
    held = now.groups.get(name)
    if held is None or len(places) > 1 or places and places[0] >= len(held):
        raise BadRequest("no such list")
    if not places:
        held.append([])
    place = places[0] if places else len(held) - 1
    held[place].append(SentenceText(""))
    return now.done(), f"{name}-{place}-{len(held[place]) - 1}"


def _removed(text: NodeText, where: str) -> tuple[NodeText, str]:
    """Without a sentence, and the name of the field before it, where writing goes on."""
    now, (name, *places) = _Lists(text), _place(where)
    try:
        if name in LISTS and len(places) == 1:
            del now.lists[name][places[0]]
            return now.done(), f"{name}-{max(0, places[0] - 1)}"
        outer, inner = places
        del now.groups[name][outer][inner]
    except (IndexError, KeyError, ValueError) as e:
        raise BadRequest("no such sentence") from e
    return now.done(), f"{name}-{outer}-{inner - 1}" if inner else f"{name}-{max(0, outer - 1)}-0"


def _place(where: str) -> tuple:
    name, *places = where.split("-")
    if not all(place.isascii() and place.isdecimal() and len(place) < 5 for place in places):
        raise BadRequest("no such place")
    return name, *map(int, places)


def _field(node_id: str, problem: Problem) -> str | None:
    """Name of the form's field that a problem is about; None if it is about none."""
    here = f"nodes.{node_id}"
    if not problem.place.startswith(f"{here}."):
        return None
    match = _PLACE.match(problem.place[len(here):])
    if match is None:
        return None
    name, place, step, said, part, inner, title = match.groups()
    if title:
        return title
    if name:
        return f"{name}-{int(place) - 1}"
    group, outer, inner = ("steps", step, said) if step else ("more", part, inner)
    return f"{group}-{int(outer) - 1}-{int(inner or 1) - 1}"


def _sorted_out(node_id: str, problems: Iterable[Problem]) -> tuple[dict[str, list[Problem]], list[Problem]]:
    """Problems by their field, and those of none."""
    fields, rest = {}, []
    for problem in problems:
        field = _field(node_id, problem)
        if field:
            fields.setdefault(field, []).append(problem)
        else:
            rest.append(problem)
    return fields, rest
