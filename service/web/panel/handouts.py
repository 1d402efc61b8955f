"""Handouts: a printed card per node."""

from __future__ import annotations

from flask import Blueprint, Response, render_template

from service.core.model import ROOT
from service.web.panel.common import Panel


def add_pages(panel_pages: Blueprint, panel: Panel) -> None:
    """The pages of cards."""
    @panel_pages.get("/cards")
    def cards():
        nodes = [n for n in panel.talks.edition.guide.nodes.values() if n.id != ROOT]
        return render_template("panel/cards.html", nodes=nodes)

    @panel_pages.get("/cards/<node_id>.<size>.pdf")
    def card(node_id: str, size: str):
        address = panel.address("pages.node", node_id=node_id)
        answer = Response(panel.card(node_id, size, address), mimetype="application/pdf")
        answer.headers["Content-Disposition"] = f'inline; filename="{node_id}-{size}.pdf"'
        return answer
