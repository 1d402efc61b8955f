"""Line: the connection to the Redis that processes share, which may be away at any time.

Nothing that is kept there is needed to go on: whoever asks says what counts while it is away.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Callable, TypeVar

import redis

log = logging.getLogger(__name__)
CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S = 0.5, 1.0
"""A listener waits for it in the middle of a turn."""
LEFT_ALONE_S = 1.0
"""After a failure nobody asks for so long: a server that swallows what it is sent would slow down every turn."""
PREFIX = "guide:"
"""Of every key, for a server that others use, too."""
T = TypeVar("T")


class Line:
    """One process's connections. Thread-safe."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic):
        """``url``: redis://, rediss:// or unix://; nothing is connected yet."""
        self.client = redis.Redis.from_url(url, socket_connect_timeout=CONNECT_TIMEOUT_S,
                                           socket_timeout=ANSWER_TIMEOUT_S, health_check_interval=30)
        self._clock = clock
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._away = False

    @property
    def away(self) -> bool:
        """True if it did not answer the last time."""
        return self._away

    def ask(self, question: Callable[[redis.Redis], T], otherwise: T) -> T:
        """What it answers to the question; ``otherwise`` while it is away."""
        if self._clock() < self._not_before:
            return otherwise
        try:
            answer = question(self.client)
        except (redis.RedisError, OSError) as e:
            self._note(True, type(e).__name__)
            return otherwise
        if self._away:
            self._note(False, "")
        return answer

    def answers(self) -> bool:
        """True if it is there now."""
        return self.ask(lambda client: client.ping(), False)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _note(self, away: bool, reason: str) -> None:
        with self._lock:
            changed, self._away = away != self._away, away
            self._not_before = self._clock() + LEFT_ALONE_S if away else 0.0
        if changed and away:
            log.warning("Redis is away (%s): this process goes on by itself", reason)
        elif changed:
            log.info("Redis is back")
