"""Render queue: slow renderings one after the other, the most urgent first."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from concurrent.futures import Future
from typing import Callable, Hashable

from service.errors import VoiceError
from service.speech.voice import Speech

log = logging.getLogger(__name__)
NOW, SOON, SPARE = 0, 1, 2
"""Urgency: somebody waits for it; it will be asked for next; there is nothing else to do."""
LONGEST = 2_000
"""Renderings that may wait; beyond that spare ones are refused."""


class RenderQueue:
    """One thread that renders. What is asked for again while it waits only becomes more urgent."""

    def __init__(self):
        self._heap: list[tuple[int, int, Hashable]] = []
        self._waiting: dict[Hashable, tuple[int, Callable[[], Speech], Future]] = {}
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="render", daemon=True)
        self._thread.start()

    def submit(self, key: Hashable, make: Callable[[], Speech], urgency: int) -> Future:
        """Have ``make`` called; its speech or VoiceError comes with the future."""
        with self._changed:
            known = self._waiting.get(key)
            if known and known[2].cancelled():
                known = None
            future = known[2] if known else Future()
            if self._closed or not known and urgency == SPARE and len(self._waiting) > LONGEST:
                future.set_exception(VoiceError("nothing more is rendered"))
                return future
            if not known or urgency < known[0]:
                self._waiting[key] = (urgency, make, future)
                heapq.heappush(self._heap, (urgency, next(self._count), key))
                self._changed.notify()
            return future

    def close(self) -> None:
        """Give up what waits. What is being rendered ends when its voice is closed."""
        with self._changed:
            self._closed = True
            for _, _, future in self._waiting.values():
                # Not cancel(): whoever waits expects speech or a VoiceError.
                if not (future.running() or future.done()):
                    future.set_exception(VoiceError("nothing more is rendered"))
            self._waiting.clear()
            self._changed.notify()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            key, make, future = job
            try:
                future.set_result(make())
            except VoiceError as e:
                log.warning("a sentence could not be rendered: %s", e)
                future.set_exception(e)
            except Exception as e:  # in a thread of its own nobody else would hear of it
                log.exception("rendering failed")
                future.set_exception(VoiceError(f"rendering failed: {type(e).__name__}"))
            with self._changed:
                if self._waiting.get(key, (None, None, None))[2] is future:
                    del self._waiting[key]

    def _next(self) -> tuple[Hashable, Callable[[], Speech], Future] | None:
        with self._changed:
            while True:
                while self._heap:
                    urgency, _, key = heapq.heappop(self._heap)
                    job = self._waiting.get(key)
                    # One that became more urgent stands in the heap twice.
                    if job and job[0] == urgency and job[2].set_running_or_notify_cancel():
                        return key, job[1], job[2]
                if self._closed:
                    return None
                self._changed.wait()
