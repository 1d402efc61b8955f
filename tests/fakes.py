"""Fakes of what tests cannot have: time that passes when told, a loudspeaker, a microphone, a family.

They keep the contracts of ``service/speech/device.py``; ``tests/speech/test_device.py`` runs the
same tests on them and on the real ones.
"""

import collections
import math
from pathlib import Path
from typing import Callable

import numpy as np
import soundfile

from service.errors import AudioError, DeviceError
from service.speech.audio import duration_s
from service.speech.pack import FAMILY, Pack, PackInfo, Recording
from service.speech.voice import USUAL_CPM

HUM_HZ = 24_000


class FakeClock:
    """Seconds that pass only when told, and what is to happen in them."""

    def __init__(self):
        self.now_s = 0.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        """Seconds since the beginning."""
        return self.now_s

    def at(self, when_s: float, ring: Callable[[], None]) -> Callable[[], None]:
        """Call ``ring`` at that time; gives a function that calls it off."""
        entry = (when_s, ring)
        self._due.append(entry)
        return lambda: entry in self._due and self._due.remove(entry)

    def next_s(self) -> float:
        """When the next thing happens; infinity if nothing will."""
        return min((when for when, _ in self._due), default=math.inf)

    def advance(self, seconds: float) -> None:
        """Let time pass, with all that happens in it."""
        until = self.now_s + seconds
        while self.next_s() <= until:
            entry = min(self._due, key=lambda due: due[0])
            self._due.remove(entry)
            self.now_s = max(self.now_s, entry[0])
            entry[1]()
        self.now_s = until


class FakeInbox:
    """A mailbox in whose waiting the fake time passes."""

    def __init__(self, clock: FakeClock):
        self._clock, self._events = clock, collections.deque()

    def put(self, event) -> None:
        """See ``Mailbox``."""
        self._events.append(event)

    def get(self, timeout_s: float | None):
        """See ``Mailbox``. AssertionError if nothing will ever come."""
        until = math.inf if timeout_s is None else self._clock.now() + timeout_s
        while not self._events and self._clock.next_s() <= until < math.inf or (
                not self._events and until == math.inf and self._clock.next_s() < math.inf):
            self._clock.advance(self._clock.next_s() - self._clock.now())
        if self._events:
            return self._events.popleft()
        assert until < math.inf, "waits for ever"
        self._clock.advance(until - self._clock.now())
        return None


class FakePlayer:
    """A loudspeaker in fake time that writes down what it played."""

    def __init__(self, clock: FakeClock):
        self._clock, self._call_off, self._closed = clock, lambda: None, False
        self.played: list[tuple[float, float, float]] = []
        """(when, length in seconds, loudness in dB) of every sound."""
        self.stopped: list[float] = []
        """When it was told to be silent."""
        self.starts: list[float] = []
        """Where in its sound each began, seconds."""
        self.unplugged = False
        """True: sounds begin and never end."""

    def play(self, wav: bytes, loudness_db: float, on_end: Callable[[], None],
             start_s: float = 0.0) -> float:
        """See ``Player``."""
        if self._closed:
            raise DeviceError("the loudspeaker is closed")
        try:
            length_s = max(0.0, duration_s(wav) - start_s)
        except soundfile.SoundFileError as e:
            raise AudioError("not WAV bytes") from e
        self._call_off()
        if not self.unplugged:
            self._call_off = self._clock.at(self._clock.now() + length_s, on_end)
        self.played.append((self._clock.now(), length_s, loudness_db))
        self.starts.append(start_s)
        return length_s

    def stop(self) -> None:
        """See ``Player``."""
        self._call_off()
        self.stopped.append(self._clock.now())

    def close(self) -> None:
        """See ``Player``."""
        self._call_off()
        self._closed = True


class FakeMicrophone:
    """A microphone that hears what the test lets it hear."""

    PIECE_BYTES = 640
    """20 ms, as the real one."""

    def __init__(self, take: Callable[[bytes], None]):
        self._take, self._closed = take, False

    def hear(self, pcm: bytes) -> None:
        """16 kHz 16 bit mono PCM, all at once."""
        for start in range(0, len(pcm), self.PIECE_BYTES):
            if not self._closed:
                self._take(pcm[start:start + self.PIECE_BYTES])

    def close(self) -> None:
        """See ``Microphone``."""
        self._closed = True


def record_family(folder: Path, texts: tuple[str, ...], voice_id: str = "xiaofang", label: str = "孙女小芳") -> Pack:
    """A family's voice in a folder of voices: a hum as long as each text takes, with a word every
    two characters."""
    pack = Pack.create(folder / voice_id, PackInfo(voice_id, label, FAMILY, "", ""))
    for text in texts:
        length_s = len(text) * 60 / USUAL_CPM
        t = np.arange(round(length_s * HUM_HZ)) / HUM_HZ
        hum = (0.2 * np.sin(2 * np.pi * 220 * t)).astype(np.float32)
        marks = tuple((at, at * 60 / USUAL_CPM) for at in range(0, len(text) - 1, 2))
        pack.put(Recording(text, length_s, marks), hum, HUM_HZ)
    return pack
