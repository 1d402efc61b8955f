"""The kiosk page at /, and the headers that keep every page from doing harm."""

from __future__ import annotations

from flask import Blueprint, Flask, render_template

from service.talks import Talks

CONTENT_SECURITY_POLICY = "; ".join((
    "default-src 'self'", "connect-src 'self'", "media-src 'self' blob:", "object-src 'none'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"))
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer that does not say otherwise (OWASP Secure Headers Project)."""
ONLY_TLS = {"Strict-Transport-Security": "max-age=31536000"}
"""Of every answer that goes over TLS (RFC 6797)."""


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
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response
