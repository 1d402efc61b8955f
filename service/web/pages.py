"""The pages of single nodes, to read on a phone: where the QR code of a card leads."""

from __future__ import annotations

from flask import Blueprint, render_template

from service import cards
from service.errors import NotFound
from service.talks import Talks


def create_pages(talks: Talks) -> Blueprint:
    """The blueprint of the pages."""
    pages = Blueprint("pages", __name__)

    # A path, so that whatever stands below /nodes/ is answered here.
    @pages.get("/nodes/<path:node_id>")
    def node(node_id: str):
        guide = talks.edition.guide
        try:
            shown, status = cards.card(guide, node_id), 200
        except NotFound:
            # Answered here: a person reads this, and the app's own answer to errors is for programs.
            shown, status = None, NotFound.status
        return render_template("node.html", labels=guide.labels, words=cards.WORDS, card=shown,
                               pieces=cards.pieces), status

    return pages
