"""Parts: what a process serves where several share the work, audio apart from everything else.

A load balancer sends each request where it belongs; this refuses what came the wrong way, so that a mistake in
its rules is seen at once and costs no process the cores that it was given for something else.
"""

from __future__ import annotations

import re

from service.web.probes import PATHS as PROBES
from service.web.socket import PATH as LISTEN_PATH
from service.web.socket import TRY_AGAIN_LATER

ALL, AUDIO, PAGES = "all", "audio", "pages"
_TURN = re.compile(r"/api/v1/sessions/[^/]+/turns")


def serves(part: str, scope) -> bool:
    """True if a process that serves ``part`` answers to this ASGI scope."""
    return part == ALL or scope["path"] in PROBES or (part == AUDIO) == _is_audio(scope)


async def refuse(scope, receive, send) -> None:
    """Say that another process serves this (RFC 9110, 15.5.20)."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
        return
    await send({"type": "http.response.start", "status": 421, "headers": [(b"cache-control", b"no-store")]})
    await send({"type": "http.response.body", "body": b""})


def _is_audio(scope) -> bool:
    """True for a turn made by voice, and for the socket of a microphone."""
    if scope["type"] == "websocket":
        return scope["path"] == LISTEN_PATH
    if scope["method"] != "POST" or not _TURN.fullmatch(scope["path"]):
        return False
    return any(name.lower() == b"content-type" and value.lower().startswith(b"audio/")
               for name, value in scope["headers"])
