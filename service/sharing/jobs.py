"""Jobs: work in the background, on the queue of all processes, or of this one alone.

The queue is huey's: in memory by default, in the Redis that the processes share where there is one. What is
put there is signed, because huey's messages are pickles.
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
from dataclasses import dataclass
from typing import Callable

import redis
from huey import Huey, MemoryHuey, RedisHuey
from huey.consumer import Consumer
from huey.exceptions import HueyException, TaskException
from huey.serializer import SignedSerializer

from service.errors import GuideError
from service.sharing.line import PREFIX, Line

log = logging.getLogger(__name__)
# What fails is told below, and that the server is away by the Line; huey would do both with a traceback each time.
logging.getLogger("huey").setLevel(logging.CRITICAL)
QUICK, SLOW = "quick", "slow"
"""Queues: what somebody waits for, or what takes its time. One thread works at each."""
LONGEST_POLL_S = 0.5
"""Between two looks at a queue in memory."""
RETRIES = 3
GRACE_S = 2.0
"""What is being done when the process ends has so long; a card is made in less."""
LATE_FACTOR = 10
"""A turn of something regular that nobody took is dropped after so many intervals, and not done in a heap."""


@dataclass(frozen=True)
class Regular:
    """Work that is to be done again and again, by one process."""

    name: str
    every_s: float
    """Seconds between two beginnings."""
    first_after_s: float | None = None
    """Seconds until the first beginning; None: ``every_s``."""
    again_after_s: float | None = None
    """Seconds until it is tried again after a failure; None: it is not."""
    queue: str = QUICK


class Jobs:
    """The queues, and what can be put there by name. Thread-safe.

    Arguments and results go through pickle: texts, numbers, bytes and tuples of them.
    """

    def __init__(self, line: Line | None = None, key: bytes = b""):
        """``line``: to the Redis that is shared; None: this process alone. ``key``: for signatures, the same for
        all processes."""
        self._line = line
        self._queues = {name: _queue(name, line, key) for name in (QUICK, SLOW)}
        self._tasks: dict[str, Callable] = {}
        self._work: dict[str, Callable] = {}
        self._regular: list[Regular] = []
        self._stop = threading.Event()
        self._consumers: list[Consumer] = []

    def add(self, name: str, work: Callable, queue: str = QUICK, **options) -> None:
        """Let ``work`` be asked for by this name; every process has to know it. ``options`` are those of huey's
        tasks."""
        def told(*args):
            try:
                return work(*args)
            except Exception as e:
                # The type alone: the text of a foreign error may quote what it was about.
                log.warning("%s failed: %s", name, e if isinstance(e, GuideError) else type(e).__name__)
                raise
        self._work[name] = work
        self._tasks[name] = self._queues[queue].task(name=name, **options)(told)

    def every(self, regular: Regular, work: Callable[[], None]) -> None:
        """Have ``work`` done regularly: once for all processes, not once for each."""
        options = {"expires": datetime.timedelta(seconds=regular.every_s * LATE_FACTOR)}
        if regular.again_after_s is not None:
            options |= {"retries": RETRIES, "retry_delay": int(regular.again_after_s)}
        self.add(regular.name, work, regular.queue, **options)
        self._regular.append(regular)

    def submit(self, name: str, *args) -> None:
        """Have it done some time; here and now if the queue is away."""
        if self._line and self._line.away:
            self._here(name, *args)
            return
        try:
            self._tasks[name](*args)
        except (redis.RedisError, OSError):
            self._here(name, *args)

    def ask(self, name: str, *args, wait_s: float):
        """Have it done and give its result. It is done here if the queue is away, or nobody took it in time."""
        if self._line and self._line.away:
            return self._work[name](*args)
        try:
            return self._tasks[name](*args).get(blocking=True, timeout=wait_s, max_delay=0.1, revoke_on_timeout=True)
        except (HueyException, TaskException, redis.RedisError, OSError):
            # Also if it failed there: the way to the real exception is to meet it here.
            return self._work[name](*args)

    def start(self) -> None:
        """Begin to work at the queues."""
        for queue in self._queues.values():
            consumer = _Consumer(queue, workers=1, periodic=False, max_delay=LONGEST_POLL_S, check_worker_health=False)
            consumer.start()
            self._consumers.append(consumer)
        for regular in self._regular:
            threading.Thread(target=self._tell_time, args=(regular,), name=regular.name, daemon=True).start()

    def close(self) -> None:
        """Take nothing more; what is being done has a moment to end."""
        self._stop.set()
        for consumer in self._consumers:
            consumer.stop_flag.set()
        until = time.monotonic() + GRACE_S
        for consumer in self._consumers:
            for _, thread in consumer.worker_threads:
                thread.join(max(0.0, until - time.monotonic()))

    def _tell_time(self, regular: Regular) -> None:
        wait_s = regular.every_s if regular.first_after_s is None else regular.first_after_s
        while not self._stop.wait(wait_s):
            wait_s = regular.every_s
            if self._is_ours(regular):
                self.submit(regular.name)

    def _is_ours(self, regular: Regular) -> bool:
        """True for one process an interval; for each while nobody can be asked."""
        if self._line is None:
            return True
        name, milliseconds = f"{PREFIX}tick:{regular.name}", max(1, int(regular.every_s * 900))
        return bool(self._line.ask(lambda client: client.set(name, 1, nx=True, px=milliseconds), True))

    def _here(self, name: str, *args) -> None:
        try:
            self._work[name](*args)
        except Exception as e:
            # As a worker would: whoever asked waits for nothing.
            log.warning("%s failed: %s", name, type(e).__name__)


class _Consumer(Consumer):
    """huey's, within a process that has its own way with signals."""

    def _set_signal_handlers(self) -> None:
        pass


def _queue(name: str, line: Line | None, key: bytes) -> Huey:
    if line is None:
        return MemoryHuey(name)
    pool = redis.ConnectionPool(connection_class=line.client.connection_pool.connection_class,
                                **line.client.connection_pool.connection_kwargs)
    return RedisHuey(PREFIX + name, serializer=SignedSerializer(secret=key), connection_pool=pool, clean_name=False,
                     read_timeout=0.5)
