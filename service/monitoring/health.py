"""Health: whether this process can serve, as a list of checks.

Behind ``/readyz``, the panel's page and ``python -m service doctor``. A check never raises, and its reason holds no
address and no password.
"""

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping

from sqlalchemy import Engine, text

from service.errors import GuideError
from service.store.database import transaction

OK, DEGRADED, FAILED = "ok", "degraded", "failed"
"""States of a check: as it should be; something is missing, and talks go on; no talk can be relied on."""
LONGEST_S = 2.0
"""A check that has not answered by then counts as failed."""
LITTLE_FREE_BYTES, LEAST_FREE_BYTES = 500 * 1024 * 1024, 20 * 1024 * 1024
"""Free space from which less is degraded, and from which less is failed: no turn can be kept for long."""


@dataclass(frozen=True)
class Check:
    """What one check found."""

    name: str
    """What was looked at, one word or a few: ``database``."""
    state: str
    """``OK``, ``DEGRADED`` or ``FAILED``."""
    reason: str = ""
    """Why it is not ok, in a few English words; empty if it is."""


Look = Callable[[], Check]
"""Makes one check; it may take time and does not raise."""


def database_check(engine: Engine) -> Check:
    """Whether the database answers and has its tables. SQLite would answer SELECT 1 without looking at its file."""
    try:
        with transaction(engine) as orm:
            orm.execute(text("SELECT version_num FROM alembic_version")).one()
    except GuideError as e:
        return Check("database", FAILED, str(e))
    return Check("database", OK)


def redis_check(url: str) -> Check:
    """Whether the shared Redis answers; without it each process goes on by itself. Call it only where one is set."""
    from redis import Redis
    from redis.exceptions import RedisError
    try:
        with Redis.from_url(url, socket_timeout=LONGEST_S / 2, socket_connect_timeout=LONGEST_S / 2) as client:
            client.ping()
    except (RedisError, OSError) as e:
        # The type alone: the text has the address.
        return Check("redis", DEGRADED, type(e).__name__)
    return Check("redis", OK)


def speech_model_check(available: bool) -> Check:
    """Whether there is a speech model; without it the guide works by keys and touch."""
    return Check("speech model", OK) if available else Check("speech model", DEGRADED, "not installed or damaged")


def disk_check(folder: Path) -> Check:
    """Whether there is space where the database and the audio cache lie."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as e:
        return Check("disk", FAILED, type(e).__name__)
    state = FAILED if free < LEAST_FREE_BYTES else DEGRADED if free < LITTLE_FREE_BYTES else OK
    return Check("disk", state, "" if state == OK else f"{free // 1024 ** 2} MiB free")


def clock_check(believed: bool) -> Check:
    """Whether the day can be right; if not, the calculators work nothing out, and all else goes on."""
    return Check("clock", OK) if believed else Check("clock", DEGRADED, "its day does not fit the guide's facts")


class Health:
    """The checks of one process. Thread-safe."""

    def __init__(self, looks: Mapping[str, Look], longest_s: float = LONGEST_S):
        """``looks``: name of each check to what makes it."""
        self._looks, self._longest_s = dict(looks), longest_s
        self._running: dict[str, Future[Check]] = {}
        self._lock = threading.Lock()
        self._draining = False

    def drain(self) -> None:
        """The process is about to stop: from now on it is not ready, so that no new talk is sent to it."""
        self._draining = True

    @property
    def draining(self) -> bool:
        """True after ``drain``."""
        return self._draining

    def checks(self) -> tuple[Check, ...]:
        """All checks, made now and at once; blocks for ``longest_s`` at most. The first one tells of draining."""
        serving = Check("serving", FAILED, "draining") if self._draining else Check("serving", OK)
        until = time.monotonic() + self._longest_s
        futures = {name: self._started(name) for name in self._looks}
        return serving, *(_result(name, future, until) for name, future in futures.items())

    def _started(self, name: str) -> Future[Check]:
        """A check under way. One that hangs is not started a second time."""
        with self._lock:
            running = self._running.get(name)
            if running is None or running.done():
                running = self._running[name] = Future()
                threading.Thread(target=_make, args=(name, self._looks[name], running), name="health",
                                 daemon=True).start()
            return running


def is_ready(checks: tuple[Check, ...]) -> bool:
    """True if nothing failed."""
    return all(check.state != FAILED for check in checks)


def _make(name: str, look: Look, future: Future[Check]) -> None:
    try:
        future.set_result(look())
    except Exception as e:  # in a thread of its own nobody else would hear of it
        future.set_result(Check(name, FAILED, type(e).__name__))


def _result(name: str, future: Future[Check], until: float) -> Check:
    try:
        return future.result(max(0.0, until - time.monotonic()))
    except TimeoutError:
        return Check(name, FAILED, "no answer in time")
