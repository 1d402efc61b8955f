"""The production server: uvicorn with the whole service, one process."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import time

import uvicorn

from service.app import create_app
from service.care.care import Care
from service.settings import Settings

log = logging.getLogger(__name__)
GRACE_S = 3
"""On SIGTERM running answers get this long; open sockets are told that the service restarts."""
LONGEST_MESSAGE_BYTES = 1024 * 1024
"""Of one WebSocket message."""


class _Server(uvicorn.Server):
    """uvicorn that says when and where it is ready."""

    began = time.monotonic()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            log.info("ready at http://%s:%d after %.1f s", host, port, time.monotonic() - self.began)


def _tell_owner_code(care: Care) -> None:
    """Whoever sees the console of a service without accounts becomes its owner. Not in the log: it is kept."""
    code = care.accounts.owner_code()
    if code:
        print(f"No account yet: open /panel/first. One-time code: {code[:6]} {code[6:]}", file=sys.stderr, flush=True)


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; 0 after a clean stop, 1 if the port cannot be had."""
    service = create_app(settings)
    _tell_owner_code(service.care)
    config = uvicorn.Config(
        service.asgi, host=settings.host, port=settings.port, lifespan="off", log_config=None,
        # Paths hold session ids: no access log, and none of the sockets that are opened.
        access_log=False, log_level="warning", server_header=False, timeout_graceful_shutdown=GRACE_S,
        ws="websockets-sansio", ws_max_size=LONGEST_MESSAGE_BYTES)
    server = _Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again after its clean stop; that must not end us before ours.
        signal.signal(number, lambda *_: None)
    try:
        server.run()
    finally:
        service.close()
    return 0 if server.started else 1
