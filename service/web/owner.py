"""The owner: who may change what belongs to this machine. For now whoever sits in front of it."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request

from service.errors import GuideError
from service.web.origin import is_loopback

NAMES = ("localhost", "127.0.0.1", "::1")
"""By which a browser on this machine may have asked. Any other name could be one that a page
elsewhere has let point here (DNS rebinding)."""
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""A proxy stands in front: the request may come from anywhere."""
READING = ("GET", "HEAD", "OPTIONS")


class NotOwner(GuideError):
    """The request does not come from this machine's own pages."""

    code, status = "owner_only", 403


def check_owner(request: Request) -> None:
    """Raise NotOwner if somebody else asks, or another page in the owner's browser."""
    if not is_loopback(request.remote_addr) or any(name in request.headers for name in FORWARDED):
        raise NotOwner("not from this machine")
    if _name(request.host) not in NAMES:
        raise NotOwner("asked for by another name")
    if request.method not in READING and request.headers.get("Origin") != request.host_url.rstrip("/"):
        raise NotOwner("not from a page of this service")


def _name(host: str) -> str | None:
    """A host without its port; None if it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
