"""Origin: where a request comes from: which page, which machine, over which line."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

RELAYED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip", b"via")
"""Any of these headers says that somebody stands in between: the request may come from anywhere."""


@dataclass(frozen=True)
class Caller:
    """Who is at the other end of a connection."""

    address: str
    """Of the machine that asks, as far as it is known; empty if it is not."""
    local: bool
    """True if that is this machine itself, with nobody in between."""
    secure: bool
    """True if the request came over TLS, to this process or to a proxy that is believed."""
    certainly_plain: bool
    """True if it is known that it came over plain HTTP, and not only not known that it came over TLS."""


def same_origin(origin: str | None, host: str | None) -> bool:
    """True if the page that asks is of this host, or it is no page at all: a browser always says (RFC 6454, 7)."""
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


def is_loopback(address: str | None) -> bool:
    """True for an address of this machine's own that no other machine can have, also as IPv6 writes IPv4."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def caller(scope, proxies: int) -> Caller:
    """Whoever asks, by an ASGI scope; of what X-Forwarded headers say, what the nearest ``proxies`` have added."""
    relayed = any(name in RELAYED for name, _ in scope["headers"])
    protocol = _said(scope, b"x-forwarded-proto", proxies)
    secure = scope["scheme"] in ("https", "wss") or protocol == "https"
    return Caller(_said(scope, b"x-forwarded-for", proxies) or _peer(scope), not relayed and _is_here(scope), secure,
                  not secure and (not relayed or protocol == "http"))


def _peer(scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


def _is_here(scope) -> bool:
    # A unix socket has no port. Without an address alone nobody is here: a connection that was cut has none either.
    own = scope.get("server")
    return is_loopback(_peer(scope)) or bool(own and own[1] is None)


def _said(scope, header: bytes, proxies: int) -> str:
    """What the outermost of the proxies that are believed has said; each adds a word at the end."""
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == header]
    words = [word.strip() for word in ",".join(lines).split(",")]
    return words[-proxies] if 0 < proxies <= len(words) else ""
