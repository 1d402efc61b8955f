"""The kiosk page at /."""

from __future__ import annotations

from flask import Blueprint, Flask, render_template

from service.talks import Talks

CONTENT_SECURITY_POLICY = "; ".join((
    "default-src 'self'", "connect-src 'self'", "media-src 'self' blob:", "object-src 'none'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"))


def create_kiosk(talks: Talks) -> Blueprint:
    """The blueprint of the page."""
    kiosk = Blueprint("kiosk", __name__)

    @kiosk.get("/")
    def page():
        return render_template("kiosk.html", labels=talks.edition.guide.labels)

    return kiosk


def register_headers(app: Flask) -> None:
    """Security headers on every answer."""
    @app.after_request
    def secure(response):
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        response.headers.setdefault("Permissions-Policy", "microphone=(self), camera=(), geolocation=()")
        return response
