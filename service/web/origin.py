"""Origin: whether a request comes from a page of this service."""

from __future__ import annotations

from urllib.parse import urlsplit


def same_origin(origin: str | None, host: str | None) -> bool:
    """True if the page that asks is of this host, or it is no page at all: a browser always says (RFC 6454, 7)."""
    return origin is None or urlsplit(origin).netloc == host
