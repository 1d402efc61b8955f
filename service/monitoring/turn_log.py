"""Turn log: one line a turn with the times of its steps; no words, no keys, no ids.

``turn {"number": 3, "source": "key", "outcome": "key", "node": "m1", "ms": {"total": 9.1, ..., "first_sound": 14.2}}``.
total: from the arrival of the turn until its answer was kept. A line waits for the first sound, which is asked for by
itself; first_sound is null where this process was not asked for it in time.
"""

from __future__ import annotations

import collections
import json
import logging
import threading
import time
from dataclasses import dataclass
from typing import Callable

from service.monitoring.metrics import Metrics
from service.monitoring.steps import FIRST_SOUND, Steps
from service.store.talks import Turn

log = logging.getLogger(__name__)
SOUND_WITHIN_S = 10.0
"""A first sound that comes later belongs to no line."""
MOST_WAITING = 1_000
"""Lines that wait; of one more the oldest is written as it is."""
LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class _Line:
    """A line before its sound."""

    steps: Steps
    total_s: float
    known: dict
    """What stands in the line besides the times."""

    def text(self, sound_s: float | None) -> str:
        ms = {"total": self.total_s, **self.steps.seconds, FIRST_SOUND: sound_s}
        rounded = {name: seconds if seconds is None else round(seconds * 1000, 2) for name, seconds in ms.items()}
        return json.dumps({**self.known, "ms": rounded})


class TurnLog:
    """The lines of one process. Thread-safe."""

    def __init__(self, metrics: Metrics | None = None, clock: Callable[[], float] = time.perf_counter):
        """``clock``: the one of the turns' steps. ``metrics`` are told what the lines tell."""
        self._metrics, self._clock = metrics or Metrics(), clock
        self._waiting: collections.OrderedDict[tuple[str, str], _Line] = collections.OrderedDict()
        self._lock = threading.Lock()

    def taken(self, turn: Turn, steps: Steps) -> None:
        """A turn was taken and is kept."""
        known = {"number": turn.number, "source": turn.source, "outcome": turn.outcome, "node": turn.node}
        self._metrics.turn(turn.source, turn.outcome, steps)
        with self._lock:
            self._waiting[turn.talk_id, turn.id] = _Line(steps, steps.elapsed_s(), known)
            oldest = self._waiting.popitem(last=False)[1] if len(self._waiting) > MOST_WAITING else None
        if oldest:
            _write(oldest)

    def sounded(self, talk_id: str, turn_id: str) -> None:
        """The first sound of a turn was handed out; only the first time counts."""
        with self._lock:
            line = self._waiting.pop((talk_id, turn_id), None)
        if line is None:
            return
        sound_s = self._clock() - line.steps.arrived_s
        _write(line, sound_s)
        self._metrics.first_sound(sound_s)

    def write_due(self) -> None:
        """Write the lines whose sound did not come in time."""
        now = self._clock()
        with self._lock:
            due = [key for key, line in self._waiting.items() if now - line.steps.arrived_s >= SOUND_WITHIN_S]
            lines = [self._waiting.pop(key) for key in due]
        for line in lines:
            _write(line)

    def run(self, stop: threading.Event) -> None:
        """Write what is due until ``stop`` is set, then all."""
        while not stop.wait(LOOK_EVERY_S):
            self.write_due()
        self.close()

    def close(self) -> None:
        """Write every line as it is."""
        with self._lock:
            lines = list(self._waiting.values())
            self._waiting.clear()
        for line in lines:
            _write(line)


def _write(line: _Line, sound_s: float | None = None) -> None:
    log.info("turn %s", line.text(sound_s))
