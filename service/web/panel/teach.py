"""Teach: what was not understood, how it is taught, and the check before it goes live."""

from __future__ import annotations

from flask import Blueprint, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _

from service.care.teaching import Check, Change, Wish, is_marked, suggested
from service.content.edit import Stale
from service.core.model import ROOT, Guide, Node
from service.errors import BadRequest, Forbidden, NotFound, Refused
from service.web.panel.common import Panel, account, done
from service.web.panel.messages import message

LONGEST_PHRASE = 200
"""Characters of the field; how long a way of asking may be says the guide's own check."""
CHECK_LIMIT = "20 per 10 minutes"
"""Each check keeps a core busy for half a minute."""
SHOWN_CHANGES = 100


def add_pages(panel_pages: Blueprint, panel: Panel) -> None:
    """The pages of teaching."""
    def cared_for() -> list[int]:
        """Everybody whose sentences may be seen and taught here; Forbidden for who may only look."""
        acting = panel.people("act")
        if not acting:
            raise Forbidden("needs the right to act")
        return [p.id for p in acting if p.visible]

    def find(miss_id: int):
        people = cared_for()
        return panel.misses.get(miss_id, people), people

    def lookup(check_id: str) -> Check:
        check = panel.checks.get(check_id, account().id, cared_for())
        if check.wish.kind != "teach":
            raise NotFound("no such check")
        return check

    @panel_pages.get("/teach")
    def teach():
        people = cared_for()
        misses = panel.misses.open(people)
        panel.looked({person for m in misses for person in m.person_ids}, "misses")
        taught = panel.publishing.taught(account().id, people, account().edits_guide)
        return render_template("panel/teach.html", misses=misses, taught=taught, title=panel.title)

    @panel_pages.get("/teach/<int:miss_id>")
    def teach_one(miss_id: int):
        miss, _people = find(miss_id)
        panel.looked(miss.person_ids, "misses")
        return _one(miss_id, miss, miss.text)

    def _one(miss_id: int, miss, phrase: str, node: str = "", faults: tuple[str, ...] = (), status: int = 200):
        edition = panel.talks.edition
        nodes = suggested(edition.guide, edition.understanding, phrase, miss.meant)
        return render_template(
            "panel/teach_one.html", miss=miss, miss_id=miss_id, phrase=phrase, node=node, faults=faults,
            marked=is_marked(phrase), suggestions=nodes, branches=branches(edition.guide), title=panel.title,
            longest=LONGEST_PHRASE), status

    @panel_pages.post("/teach/<int:miss_id>")
    @panel.limiter.limit(CHECK_LIMIT)
    def teach_check(miss_id: int):
        miss, people = find(miss_id)
        phrase = " ".join(request.form.get("phrase", "").split())
        node = request.form.get("node") or request.form.get("other", "")
        if len(phrase) > LONGEST_PHRASE:
            raise BadRequest("the phrase is too long")
        if is_marked(phrase):
            return _one(miss_id, miss, phrase, node, (message("phrase_marked"),), 422)
        if node not in panel.talks.edition.guide.nodes:
            return _one(miss_id, miss, phrase, node, (_("Choose a section."),), 422)
        check = begin(miss_id, people, phrase, node)
        if check.problems:
            faults = tuple(f"{p.fault}：{p.remedy}" for p in check.problems)
            return _one(miss_id, miss, phrase, node, faults, 422)
        return redirect(url_for("panel.teach_checked", check_id=check.id), 303)

    def begin(miss_id: int | None, people: list[int], phrase: str, node: str) -> Check:
        proposal = panel.editor.propose_request(node, phrase)
        return panel.checks.start(Wish(account().id, "teach", node, proposal, phrase, miss_id), people)

    @panel_pages.post("/teach/<int:miss_id>/aside")
    def put_aside(miss_id: int):
        miss, people = find(miss_id)
        panel.misses.settle(miss.ids, people)
        for person_id in miss.person_ids:
            panel.note(person_id, "settled", miss.text)
        return done(_("Put aside. If it is said again, it comes back."), "panel.teach")

    # --- the check ---------------------------------------------------------------------------------------------

    @panel_pages.get("/teach/check/<check_id>")
    def teach_checked(check_id: str):
        try:
            check = lookup(check_id)
        except NotFound:
            # The service was started again, or it was long ago.
            flash(_("This check is over. Please begin again."), "fault")
            return redirect(url_for("panel.teach"), 303)
        return _checked(check)

    def _checked(check: Check, asked: bool = False, status: int = 200):
        panel.looked(check.person_ids, "misses")
        return render_template("panel/teach_check.html", check=check, wish=check.wish, asked=asked,
                               title=panel.title, words=words, shown=SHOWN_CHANGES,
                               words_of=panel.in_words), status

    @panel_pages.get("/teach/check/<check_id>/state")
    def teach_state(check_id: str):
        return jsonify(state(lookup(check_id)))

    @panel_pages.post("/teach/check/<check_id>")
    def teach_publish(check_id: str):
        people, check = cared_for(), lookup(check_id)
        wish = check.wish
        miss = panel.misses.get(wish.miss_id, people)
        with check.lock:
            if check.publication is None:
                if not check.allowed:
                    raise Refused("check_unfinished")
                if check.findings.breaks and request.form.get("confirmed") != "yes":
                    return _checked(check, True, 409)
                try:
                    check.publication = panel.publishing.publish(
                        wish.proposal, "teach", wish.target, wish.account_id, wish.phrase, wish.miss_id)
                except Stale:
                    return again(wish, people)
                panel.misses.settle(miss.ids, people)
        return done(_("Taught. It is understood within a minute."), "panel.teach")

    def again(wish: Wish, people: list[int]):
        """Somebody else was quicker: the same sentence is checked with their change."""
        check = begin(wish.miss_id, people, wish.phrase, wish.target)
        flash(_("Somebody else changed the guide in the meantime. Your sentence is being checked again."), "fault")
        return redirect(url_for("panel.teach_checked", check_id=check.id), 303)

    # --- undoing -----------------------------------------------------------------------------------------------

    @panel_pages.post("/teach/taught/<int:publication_id>/undo")
    def unteach(publication_id: int):
        people = cared_for()
        own = panel.publishing.taught(account().id, people, account().edits_guide)
        if publication_id not in {p.id for p in own}:
            raise NotFound("nothing of that kind was taught")
        panel.publishing.unteach(publication_id, account().id)
        return done(_("Taken back."), "panel.teach")

    def words(change: Change, after: bool) -> str:
        return panel.in_words(change.after if after else change.before)


def state(check: Check) -> dict:
    """How far a check is, for the script of its page."""
    return {"percent": check.percent, "done": check.done}


def branches(guide: Guide) -> list[tuple[Node, list[tuple[Node, int]]]]:
    """Every section below the root, by the chapters, with how deep it lies below its chapter."""
    found: list[tuple[Node, list[tuple[Node, int]]]] = []
    for node, depth in tree(guide):
        if node.id == ROOT:
            continue
        if depth <= 1 or not found:
            found.append((node, []))
        found[-1][1].append((node, max(0, depth - 1)))
    return found


def tree(guide: Guide) -> list[tuple[Node, int]]:
    """Every node after its parent, with its depth; the root first."""
    children: dict[str, list[Node]] = {}
    for node in guide.nodes.values():
        if node.id != ROOT:
            children.setdefault(node.parent, []).append(node)
    root = guide.nodes[ROOT]
    found, waiting, seen = [], [(root, 0)], set()
    while waiting:
        node, depth = waiting.pop()
        if node.id in seen:
            continue
        seen.add(node.id)
        found.append((node, depth))
        order = [o.node for o in node.options]
        below = sorted(children.get(node.id, ()), key=lambda n: order.index(n.id) if n.id in order else len(order))
        waiting += [(child, depth + 1) for child in reversed(below)]
    # Two nodes may be each other's parents; nothing forbids it, and they are edited here, too.
    return found + [(node, 1) for node in guide.nodes.values() if node.id not in seen]
