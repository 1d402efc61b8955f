"""Shared load: which of the processes that decode have room for one more who speaks."""

from __future__ import annotations

import threading
import uuid
from typing import Callable

from service.sharing.line import PREFIX, Line

TELL_EVERY_S = 1.0
COUNTS_S = 5
"""What a process told longer ago counts no more: it may have ended."""
HERE, FREE = f"{PREFIX}decoders", f"{PREFIX}decoders:free"
"""Sorted sets: numbers of processes, by the server's time at which they told last."""


class SharedLoad:
    """The load of all processes of a Redis. Thread-safe."""

    def __init__(self, line: Line):
        self._line, self._id = line, uuid.uuid4().hex

    def tell(self, full: bool) -> None:
        """This process decodes, and has no room if ``full``."""
        def put(client) -> None:
            now_s = client.time()[0]
            with client.pipeline() as pipe:
                pipe.zadd(HERE, {self._id: now_s})
                if full:
                    pipe.zrem(FREE, self._id)
                else:
                    pipe.zadd(FREE, {self._id: now_s})
                for name in (HERE, FREE):
                    pipe.zremrangebyscore(name, "-inf", now_s - COUNTS_S)
                pipe.execute()
        self._line.ask(put, None)

    def is_full(self, own: bool) -> bool:
        """True if no process has room; ``own``, what counts while nobody has told or the server is away."""
        def look(client) -> bool:
            since_s = client.time()[0] - COUNTS_S
            if not client.zcount(HERE, since_s, "+inf"):
                return own
            return not client.zcount(FREE, since_s, "+inf")
        return self._line.ask(look, own)

    def run(self, is_full: Callable[[], bool], stop: threading.Event) -> None:
        """Tell it again and again until ``stop`` is set."""
        while not stop.wait(TELL_EVERY_S):
            self.tell(is_full())
