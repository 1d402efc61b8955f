"""Connections: uvicorn's HTTP and WebSocket protocols with limits on time and number.

uvicorn waits without end for the headers of a first request, and for whoever does not read its answer (slowloris,
CWE-400). Here a connection is closed that does not get on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from service.web.guard import HeadTooLarge, check_head
from service.web.origin import is_loopback


@dataclass(frozen=True)
class ConnectionLimits:
    """How long a connection may take, and how many one address may have."""

    head_s: float = 10.0
    """Seconds until the headers of a request are complete, from the connection or from their first byte on."""
    stall_s: float = 30.0
    """Every so many seconds a client has to have read ``least_bytes`` of what waits for it."""
    least_bytes: int = 4 * 1024
    """Less than the slowest mobile network carries in that time."""
    each_address: int = 200
    """Connections from one address; this machine itself, and everybody behind a proxy, may have any number."""


class Crowd:
    """How many connections there are from each address. For one event loop."""

    def __init__(self, most: int, behind_proxy: bool):
        self._most, self._behind_proxy = most, behind_proxy
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count one more; False if that is too many. Either way it has to ``leave``."""
        self._open[address] += 1
        return self._behind_proxy or is_loopback(address) or self._open[address] <= self._most

    def leave(self, address: str) -> None:
        """Count one less."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]


class _Bounded:
    """What both protocols have: they are counted, and whoever does not read is cut off."""

    limits: ConnectionLimits
    crowd: Crowd
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        # So that whatever waits for its reader is noticed, also the end of an answer. asyncio's TLS takes 0 to mean
        # that an empty buffer is full.
        transport.set_write_buffer_limits(high=1, low=0)
        self.address = self.client[0] if self.client else ""
        if not self.crowd.enter(self.address):
            transport.abort()

    def connection_lost(self, exc) -> None:
        self.crowd.leave(self.address)
        self._read_again()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_again()

    def resume_writing(self) -> None:
        self._read_again()
        super().resume_writing()

    def _look_again(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(self.limits.stall_s, self._look, waiting)

    def _look(self, before: int) -> None:
        # What was written since then only makes the client look slower than it is: no page writes without end.
        if before - self.transport.get_write_buffer_size() < self.limits.least_bytes:
            self.transport.abort()
        else:
            self._look_again()

    def _read_again(self) -> None:
        if self._stalled:
            self._stalled.cancel()
            self._stalled = None


class _Http(_Bounded, H11Protocol):
    """HTTP/1.1 by h11."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_came()
        elif self._head is None:
            self._expect_head()

    def handle_websocket_upgrade(self, event) -> None:
        try:
            check_head(self.headers)
        except HeadTooLarge as e:
            # The library behind the socket would fail at it, with a traceback.
            self.send_400_response(str(e))
            return
        # From here on the connection is the other protocol's.
        self._head_came()
        self._read_again()
        self.crowd.leave(self.address)
        super().handle_websocket_upgrade(event)

    def _expect_head(self) -> None:
        self._head = self.loop.call_later(self.limits.head_s, self.transport.close)

    def _head_came(self) -> None:
        if self._head:
            self._head.cancel()
            self._head = None


class _WebSocket(_Bounded, WebSocketsSansIOProtocol):
    """WebSockets by websockets."""


def protocols(limits: ConnectionLimits, behind_proxy: bool) -> tuple[type, type]:
    """uvicorn's ``http`` and ``ws`` with these limits; both count together."""
    shared = {"limits": limits, "crowd": Crowd(limits.each_address, behind_proxy)}
    return type("Http", (_Http,), dict(shared)), type("WebSocket", (_WebSocket,), dict(shared))
