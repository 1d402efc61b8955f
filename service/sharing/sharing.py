"""Sharing: all that a process shares with others, or has for itself alone."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from service.sharing.audio import SharedAudio
from service.sharing.discretion import Discretion, OwnDiscretion, SharedDiscretion
from service.sharing.jobs import Jobs
from service.sharing.line import Line

OWN_LIMITS = "memory://"


@dataclass(frozen=True)
class Sharing:
    """What may be shared."""

    line: Line | None
    """None: nothing is shared."""
    discretion: Discretion
    audio: SharedAudio | None
    """What other processes have rendered."""
    jobs: Jobs
    limits: str
    """Where limits of rate are counted: an address for Flask-Limiter."""

    def close(self) -> None:
        """End threads and connections."""
        self.jobs.close()
        if self.line:
            self.line.close()


def open_sharing(redis_url: str, key: bytes) -> Sharing:
    """What is shared over the Redis of this address; empty: nothing is. ``key``: the secret key of all processes.

    The server may be away: then, and until it is back, everything is done here.
    """
    if not redis_url:
        return Sharing(None, OwnDiscretion(), None, Jobs(), OWN_LIMITS)
    line = Line(redis_url)
    discretion = SharedDiscretion(line, hmac.digest(key, b"discretion", "sha256"))
    limits = redis_url.replace("unix://", "redis+unix://", 1) if redis_url.startswith("unix://") else redis_url
    return Sharing(line, discretion, SharedAudio(line), Jobs(line, hmac.digest(key, b"jobs", "sha256")), limits)
