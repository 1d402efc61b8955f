"""Steps: how long each part of one turn took.

They leave as the header Server-Timing (https://www.w3.org/TR/server-timing/), in the line that is logged for the
turn, and as histograms of ``service.monitoring.metrics``.
"""

from __future__ import annotations

import contextlib
import time
from typing import Callable, Iterator, Mapping

RECEIVE, ENDPOINT, DECODE = "receive", "endpoint", "decode"
INTERPRET, ADVANCE, COMMIT = "interpret", "advance", "commit"
FIRST_SOUND = "first_sound"
STEPS = (RECEIVE, ENDPOINT, DECODE, INTERPRET, ADVANCE, COMMIT, FIRST_SOUND)
"""In the order of a turn.

receive: from the arrival of the request, or of the piece of audio that decided, until work on it begins, with every
wait for a thread. endpoint: silence between the end of speech and the decision that the utterance is over, in seconds
of audio; it lies before the arrival of what decided, and a recording has none. decode: work on the piece that decided
until there are transcripts; of a recording all of it. interpret, advance, commit: what was meant, what follows, and
keeping both. first_sound: from the arrival until the first sentence's audio was handed out, with the client's way to
ask for it.
"""


class Steps:
    """The steps of one turn, in seconds. Not thread-safe: a turn is made by one thread after the other."""

    def __init__(self, arrived_s: float | None = None, clock: Callable[[], float] = time.perf_counter):
        """``arrived_s``: when the turn arrived, by ``clock``; None: now."""
        self._clock, self._seconds = clock, {}
        self.arrived_s = clock() if arrived_s is None else arrived_s
        """When the turn arrived, by the clock."""

    def add(self, name: str, seconds: float) -> None:
        """Count time to a step; what is counted twice is summed up."""
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the time within to a step, also if it fails."""
        began = self._clock()
        try:
            yield
        finally:
            self.add(name, self._clock() - began)

    def begin(self) -> None:
        """Work on the turn begins: what passed since it arrived is the step ``receive``."""
        self.add(RECEIVE, self.elapsed_s())

    def elapsed_s(self) -> float:
        """Time since the turn arrived."""
        return self._clock() - self.arrived_s

    @property
    def seconds(self) -> Mapping[str, float]:
        """The steps that there were, in the order of ``STEPS``."""
        return {name: self._seconds[name] for name in STEPS if name in self._seconds}

    def milliseconds(self) -> dict[str, float]:
        """The same in ms, to a hundredth."""
        return {name: round(seconds * 1000, 2) for name, seconds in self.seconds.items()}

    def server_timing(self) -> str:
        """The value of the header Server-Timing; empty if there were no steps."""
        return ", ".join(f"{name};dur={ms}" for name, ms in self.milliseconds().items())
