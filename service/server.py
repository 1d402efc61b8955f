"""The production server: uvicorn with the whole service, one process, within limits."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import signal
import socket
import sys
import time
from functools import partial
from typing import Callable

import uvicorn

from service.app import create_app
from service.care.care import Care
from service.errors import GuideError
from service.settings import Settings
from service.tls import Certificate, open_certificate
from service.web.connections import ConnectionLimits, protocols
from service.web.guard import LARGEST_HEAD_BYTES

log = logging.getLogger(__name__)
GRACE_S = 3
"""On SIGTERM running answers get this long; open sockets are told that the service restarts."""
LONGEST_MESSAGE_BYTES = 1024 * 1024
"""Of one WebSocket message."""
PING_S = 20.0
"""A socket is asked as often whether the other end is still there, and has as long to answer."""
MOST_CONNECTIONS = 2_000
"""The last resort: new requests above it are refused. Talks are refused far below, by what they cost."""
MOST_FILES = 3 * MOST_CONNECTIONS
WAITING_CONNECTIONS = 512
KEEP_ALIVE_S, KEEP_ALIVE_BEHIND_PROXY_S = 5, 75
"""Without a request; nginx keeps its connections for 60 s, and must not find one closed that it is about to use."""
HANDSHAKE_S = 10.0
"""Until TLS is agreed on."""
LOOK_FOR_CERTIFICATE_EVERY = 36_000
"""Ticks of uvicorn's, ten a second: an hour."""


class PortTaken(GuideError):
    """The service cannot have its port."""

    code = "port_taken"


class Server(uvicorn.Server):
    """uvicorn on a socket that is bound already; it says when and where it is ready."""

    began = time.monotonic()

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], certificate: Certificate | None = None,
                 before_stop: tuple[Callable[[], None], ...] = ()):
        """``before_stop`` is called when the process is asked to end, in the event loop."""
        super().__init__(config)
        self._sockets, self._certificate, self._before_stop = sockets, certificate, before_stop
        self.servers: list[asyncio.Server] = []

    def run(self) -> None:
        """Serve until the process is asked to end. PortTaken if somebody else was quicker."""
        super().run(self._sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which leaves a client a minute for the handshake of TLS."""
        config, loop = self.config, asyncio.get_running_loop()
        protocol = partial(config.http_protocol_class, config, self.server_state, {})
        limit = {"ssl_handshake_timeout": HANDSHAKE_S} if config.ssl else {}
        try:
            for one in sockets:
                self.servers.append(await loop.create_server(protocol, sock=one, ssl=config.ssl,
                                                             backlog=config.backlog, **limit))
        except OSError as e:
            raise _taken(config.host, config.port, e) from e
        self.started = True
        host, port = sockets[0].getsockname()[:2]
        log.info("ready at %s://%s:%d after %.1f s", "https" if config.ssl else "http",
                 f"[{host}]" if ":" in host else host, port, time.monotonic() - self.began)

    async def on_tick(self, counter: int) -> bool:
        if self._certificate and (counter + 1) % LOOK_FOR_CERTIFICATE_EVERY == 0:
            self._certificate.refresh()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for call in self._before_stop:
            call()
        await super().shutdown(sockets)


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets on each address of the host, before anything is loaded; PortTaken if the port cannot be had."""
    sockets: list[socket.socket] = []
    try:
        found = dict.fromkeys(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        for family, _, _, _, address in found:
            # A free port is the same on every address.
            chosen = sockets[0].getsockname()[1] if sockets else port
            try:
                sockets.append(_bound(family, (address[0], chosen, *address[2:])))
            except OSError as e:
                # On many a machine localhost is an IPv6 address, too, and there is no IPv6.
                if e.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) or len(found) == 1:
                    raise
    except OSError as e:
        for taken in sockets:
            taken.close()
        raise _taken(host, port, e) from e
    return sockets


def _bound(family: int, address: tuple) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        # After a restart the port is still held by connections that are closing.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _taken(host: str, port: int, error: OSError) -> PortTaken:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(f"port {port} of {host} is in use, perhaps by this service itself: end that one, or set PORT "
                         "to another port")
    if error.errno == errno.EACCES:
        return PortTaken(f"port {port} of {host} is not for ordinary users: set PORT to one from 1024 on")
    return PortTaken(f"HOST={host} with PORT={port} cannot be had: {error.strerror}")


def configured(application, settings: Settings, certificate: Certificate | None,
               limits: ConnectionLimits = ConnectionLimits()) -> uvicorn.Config:
    """How uvicorn serves an ASGI application."""
    http, ws = protocols(limits, behind_proxy=settings.proxies > 0)
    return uvicorn.Config(
        application, host=settings.host, port=settings.port, http=http, ws=ws, lifespan="off", log_config=None,
        # Paths hold session ids: no access log, and none of the sockets that are opened.
        access_log=False, log_level="warning", server_header=False,
        # Who is behind a proxy is decided by PROXIES alone; uvicorn would believe whatever comes from this machine.
        proxy_headers=False,
        ssl_context_factory=(lambda *_: certificate.context) if certificate else None,
        timeout_graceful_shutdown=GRACE_S, backlog=WAITING_CONNECTIONS, limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_BEHIND_PROXY_S if settings.proxies else KEEP_ALIVE_S,
        h11_max_incomplete_event_size=LARGEST_HEAD_BYTES,
        # Sound does not get smaller, and each socket would hold a quarter of a megabyte for it.
        ws_per_message_deflate=False,
        ws_max_size=LONGEST_MESSAGE_BYTES, ws_ping_interval=PING_S, ws_ping_timeout=PING_S)


def _tell_owner_code(care: Care) -> None:
    """Whoever sees the console of a service without accounts becomes its owner. Not in the log: it is kept."""
    code = care.accounts.owner_code()
    if code:
        print(f"No account yet: open /panel/first. One-time code: {code[:6]} {code[6:]}", file=sys.stderr, flush=True)


def _allow_many_files() -> None:
    """As many open files as there may be connections; the usual limit of 1,024 is the first thing to run out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; 0 after a clean stop. PortTaken or CertificateError before anything is loaded."""
    _allow_many_files()
    certificate = open_certificate(settings.tls, settings.data_dir, settings.host, settings.public_url)
    sockets = bind(settings.host, settings.port)
    service = create_app(settings)
    _tell_owner_code(service.care)
    server = Server(configured(service.asgi, settings, certificate), sockets, certificate,
                    (service.health.drain, service.asgi.stop))
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again after its clean stop; that must not end us before ours.
        signal.signal(number, lambda *_: None)
    try:
        server.run()
    finally:
        service.close()
    return 0 if server.started else 1
