"""Admission: new talks are let in, or refused for a while, by the load that is measured.

Whoever talks already is served to the end. Whoever comes when the decoding threads have no room for one more, or when
audio waits for them already, is told to wait, before they make it worse for all. Each measure has two limits, one for
refusing and a lower one for letting in again, so that it does not change its mind with every chunk of audio.
"""

from __future__ import annotations

import collections
import os
import statistics
import threading
import time
from dataclasses import dataclass
from typing import Callable

import psutil

from service.errors import Busy

MEMORY_READ_EVERY_S = 1.0


@dataclass(frozen=True)
class Limits:
    """When new talks are refused, and when they are let in again."""

    full: float = 0.95
    """Share of the decoding threads' time that would be taken with one more who speaks, from which on nobody is let
    in. Beyond 1 audio comes faster than it is decoded, and everybody waits longer and longer."""
    roomy: float = 0.85
    """The same below which somebody is let in again."""
    late_s: float = 0.25
    """Wait of a chunk of speech for its decoding from which on nobody is let in; the median counts. The beginning of
    each utterance makes the next chunks wait, also for somebody who is alone; but not half of them."""
    prompt_s: float = 0.1
    """The same below which somebody is let in again."""
    window_s: float = 5.0
    """Time that is looked back at."""
    now_s: float = 1.0
    """Whoever spoke within this time speaks now."""


@dataclass(frozen=True)
class _Chunk:
    """A piece of speech that was decoded."""

    at_s: float
    stream: int
    wait_s: float
    audio_s: float
    work_s: float


class Admission:
    """Decides on each new talk. Thread-safe."""

    def __init__(self, most_memory_bytes: int = 0, decoders: int = os.cpu_count() or 1, limits: Limits = Limits(),
                 clock: Callable[[], float] = time.monotonic, memory_bytes: Callable[[], int] | None = None,
                 are_all_full: Callable[[bool], bool] = lambda own: own):
        """``most_memory_bytes``: resident memory of the process above which nobody is let in, 0: no limit.
        ``decoders``: threads that decode. ``memory_bytes`` tells that memory; by default the operating system does.
        ``are_all_full`` tells by whether this process is full whether all are that a new talk may come to."""
        self._most_memory_bytes, self._decoders, self._limits = most_memory_bytes, decoders, limits
        self._clock, self._read_memory, self._are_all_full = clock, memory_bytes or _resident, are_all_full
        self._memory_bytes, self._memory_read_at = 0, -MEMORY_READ_EVERY_S
        self._chunks: collections.deque[_Chunk] = collections.deque()
        self._refusing = False
        self._lock = threading.Lock()

    def admit(self) -> None:
        """A talk is about to be opened; Busy if it would be served badly."""
        if self._are_all_full(self.is_full()):
            raise Busy("there is no room for the decoding of one more talk")
        with self._lock:
            if self._is_big(self._clock()):
                raise Busy("the process has all the memory that it may have")

    def is_full(self) -> bool:
        """True while there is no room for one more who speaks."""
        with self._lock:
            return self._is_loaded(self._clock())

    def decoded(self, stream: int, wait_s: float, audio_s: float, work_s: float) -> None:
        """A chunk of somebody's speech was decoded: number of the microphone, how long it had waited for that, its
        length, and the processor time that it took."""
        with self._lock:
            now_s = self._clock()
            self._chunks.append(_Chunk(now_s, stream, wait_s, audio_s, work_s))
            self._forget(now_s)

    def _is_loaded(self, now_s: float) -> bool:
        """True while new talks are refused for want of decoding."""
        self._forget(now_s)
        limits = self._limits
        full, late_s = (limits.roomy, limits.prompt_s) if self._refusing else (limits.full, limits.late_s)
        # As long as each can have a thread for himself nobody is kept out, however slow the machine is.
        many = len({chunk.stream for chunk in self._chunks}) >= self._decoders
        self._refusing = many and (self._load_with_one_more(now_s) > full or self._median_wait_s() > late_s)
        return self._refusing

    def _load_with_one_more(self, now_s: float) -> float:
        """Share of the threads' time that would be taken if one more spoke all the time, as those do who speak."""
        work_s = sum(chunk.work_s for chunk in self._chunks)
        one = work_s / sum(chunk.audio_s for chunk in self._chunks)
        # Those who have just begun are too few chunks yet to be seen in the mean.
        speaking = len({chunk.stream for chunk in self._chunks if chunk.at_s > now_s - self._limits.now_s})
        return (max(work_s / self._limits.window_s, speaking * one) + one) / self._decoders

    def _median_wait_s(self) -> float:
        return statistics.median(chunk.wait_s for chunk in self._chunks)

    def _forget(self, now_s: float) -> None:
        while self._chunks and self._chunks[0].at_s <= now_s - self._limits.window_s:
            self._chunks.popleft()

    def _is_big(self, now_s: float) -> bool:
        if not self._most_memory_bytes:
            return False
        if now_s - self._memory_read_at >= MEMORY_READ_EVERY_S:
            self._memory_bytes, self._memory_read_at = self._read_memory(), now_s
        return self._memory_bytes > self._most_memory_bytes


def _resident() -> int:
    return psutil.Process().memory_info().rss
