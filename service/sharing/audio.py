"""Shared audio: what one process has rendered is there for the others, too."""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from typing import Callable

from service.sharing.line import PREFIX, Line
from service.speech.voice import Speech

log = logging.getLogger(__name__)
KEPT_S = 7 * 24 * 3600
LONGEST_RENDERING_S = 15
"""Whoever renders has the lock for so long at the most; a process that was killed meanwhile lets it go then."""
LOOK_EVERY_S = 0.1
LARGEST_BYTES = 4 * 1024 * 1024
"""Over a minute of speech; anything larger stays where it was rendered."""
_UNLOCK = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end"


class SharedAudio:
    """Speech by what identifies it. Thread-safe."""

    def __init__(self, line: Line):
        self._line = line

    def get(self, parts: tuple[str, ...], make: Callable[[], Speech]) -> Speech:
        """The speech that ``parts`` identify; made, by one process at a time, if it is not there.

        Raises as ``make`` does. While the server is away it is made here.
        """
        name = PREFIX + "audio:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()
        lock, mine, until = f"{name}:lock", uuid.uuid4().hex, time.monotonic() + LONGEST_RENDERING_S
        while (found := self._find(name)) is None:
            taken = self._line.ask(lambda client: client.set(lock, mine, nx=True, ex=LONGEST_RENDERING_S), True)
            if taken or time.monotonic() > until:
                return self._make(name, lock, mine, make)
            time.sleep(LOOK_EVERY_S)
        return found

    def _find(self, name: str) -> Speech | None:
        data = self._line.ask(lambda client: client.get(name), None)
        try:
            return data and Speech.from_bytes(data)
        except (ValueError, TypeError):
            log.warning("shared audio is damaged: it is made anew")
            return None

    def _make(self, name: str, lock: str, mine: str, make: Callable[[], Speech]) -> Speech:
        try:
            # It may have come between the look and the lock.
            speech = self._find(name)
            if speech is not None:
                return speech
            speech = make()
            data = speech.to_bytes()
            if len(data) <= LARGEST_BYTES:
                self._line.ask(lambda client: client.set(name, data, ex=KEPT_S), None)
            return speech
        finally:
            self._line.ask(lambda client: client.eval(_UNLOCK, 1, lock, mine), None)
