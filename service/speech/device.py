"""Device: sound out and in, by miniaudio: this machine's own loudspeaker and microphone."""

from __future__ import annotations

import threading
from typing import Callable, Protocol

import miniaudio
import numpy as np
import soundfile
import soxr

from service.errors import AudioError, DeviceError
from service.speech.audio import RATE_HZ, read_wav, to_int16

PLAY_HZ = 48_000
"""Rate at which the loudspeaker is driven; every sound card has it."""
PERIOD_MS, PERIODS = 20, 3
"""The device holds three pieces of 20 ms: what it holds can no longer be taken back by stop()."""
FADE_S = 0.008
"""A sound that begins is faded in and one that is stopped is faded out this long, seconds: a hard cut
clicks in a hearing aid."""
KNEE = 0.7
"""Share of full scale from which loud samples are pressed together instead of clipped."""


class Player(Protocol):
    """Something that makes WAV bytes heard. One sound at a time."""

    def play(self, wav: bytes, loudness_db: float, on_end: Callable[[], None],
             start_s: float = 0.0) -> float:
        """Begin a sound in place of the one that plays, ``start_s`` seconds after its beginning, and
        give how long it will be heard, seconds.

        ``on_end`` is called once from another thread when all of it was played, and never for a
        sound that was stopped or replaced; it must return at once and not call the player.
        Raises AudioError if these are no WAV bytes, DeviceError if there is no loudspeaker any more.
        """

    def stop(self) -> None:
        """Silence within 100 ms; nothing if nothing plays."""

    def close(self) -> None:
        """Silence, and give the loudspeaker back. May be called again."""


class Microphone(Protocol):
    """Something that gives 16 kHz 16 bit mono PCM to a callable until it is closed."""

    def close(self) -> None:
        """Give the microphone back; nothing more is taken. May be called again."""


def loudened(samples: np.ndarray, loudness_db: float) -> np.ndarray:
    """int16 samples made louder or softer by dB; peaks are rounded, not clipped."""
    scaled = samples.astype(np.float32) / 32768 * 10 ** (loudness_db / 20)
    if loudness_db <= 0:
        return to_int16(scaled)
    size = np.abs(scaled)
    pressed = KNEE + (1 - KNEE) * np.tanh((size - KNEE) / (1 - KNEE))
    return to_int16(np.where(size > KNEE, np.sign(scaled) * pressed, scaled))


def faded_in(samples: np.ndarray) -> np.ndarray:
    """int16 samples at ``PLAY_HZ`` that begin without a click, also in the middle of a sound."""
    ramp = np.linspace(0, 1, round(FADE_S * PLAY_HZ))[:len(samples)]
    return np.concatenate([(samples[:len(ramp)] * ramp).astype(np.int16), samples[len(ramp):]])


class Track:
    """What a loudspeaker at ``PLAY_HZ`` plays next: one sound, then silence. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._samples, self._on_end = np.zeros(0, np.int16), None

    def load(self, samples: np.ndarray, on_end: Callable[[], None]) -> None:
        """Play these int16 samples from the next block on; then call ``on_end``."""
        with self._lock:
            self._samples, self._on_end = samples, on_end

    def cut(self) -> None:
        """Fade out what plays; its ``on_end`` is not called any more."""
        with self._lock:
            rest = self._samples[:round(FADE_S * PLAY_HZ)]
            self._samples = (rest * np.linspace(1, 0, len(rest))).astype(np.int16)
            self._on_end = None

    def block(self, frames: int) -> bytes:
        """The next ``frames`` samples as the device wants them."""
        # Under the lock to the end: after cut() has returned, no on_end may come.
        with self._lock:
            piece, self._samples = self._samples[:frames], self._samples[frames:]
            if self._on_end and not len(self._samples):
                on_end, self._on_end = self._on_end, None
                on_end()
        return piece.tobytes().ljust(2 * frames, b"\0")


class MiniaudioPlayer:
    """The loudspeaker. It runs all the time, so that a sound begins and stops without delay."""

    def __init__(self, on_lost: Callable[[str], None],
                 backends: list[miniaudio.Backend] | None = None):
        """Open the loudspeaker; DeviceError if there is none.

        ``on_lost`` gets the reason, from another thread, if the device is taken away.
        ``backends`` restricts where it is looked for; the tests ask for the null backend.
        """
        self._track = Track()
        self._device: miniaudio.PlaybackDevice | None = _open(
            "loudspeaker", self._feed(), on_lost, backends, lambda: miniaudio.PlaybackDevice(
                miniaudio.SampleFormat.SIGNED16, 1, PLAY_HZ, PERIOD_MS,
                callback_periods=PERIODS, backends=backends))

    def play(self, wav: bytes, loudness_db: float, on_end: Callable[[], None],
             start_s: float = 0.0) -> float:
        """See ``Player``."""
        if self._device is None:
            raise DeviceError("the loudspeaker is closed")
        try:
            samples, rate_hz = read_wav(wav)
        except (soundfile.SoundFileError, ValueError) as e:
            raise AudioError(f"not WAV bytes: {type(e).__name__}") from e
        samples = loudened(samples[round(start_s * rate_hz):], loudness_db)
        samples = faded_in(soxr.resample(samples, rate_hz, PLAY_HZ))
        self._track.load(samples, on_end)
        return len(samples) / PLAY_HZ

    def stop(self) -> None:
        """See ``Player``."""
        self._track.cut()

    def close(self) -> None:
        """See ``Player``."""
        self._track.cut()
        device, self._device = self._device, None
        _close(device)

    def _feed(self):
        frames = yield b""
        while True:
            frames = yield self._track.block(frames)


class MiniaudioMicrophone:
    """The microphone. It listens from the beginning until it is closed."""

    def __init__(self, take: Callable[[bytes], None], on_lost: Callable[[str], None],
                 backends: list[miniaudio.Backend] | None = None):
        """Open the microphone; DeviceError if there is none.

        ``take`` gets the audio in small pieces, from another thread, and must return at once.
        ``on_lost`` and ``backends`` as for the loudspeaker.
        """
        self._device: miniaudio.CaptureDevice | None = _open(
            "microphone", _taker(take), on_lost, backends, lambda: miniaudio.CaptureDevice(
                miniaudio.SampleFormat.SIGNED16, 1, RATE_HZ, PERIOD_MS,
                callback_periods=PERIODS, backends=backends))

    def close(self) -> None:
        """See ``Microphone``."""
        device, self._device = self._device, None
        _close(device)


def _taker(take: Callable[[bytes], None]):
    while True:
        take(bytes((yield)))


def _open(name: str, generator, on_lost: Callable[[str], None], backends, make):
    """A started device. DeviceError in place of miniaudio's own errors."""
    next(generator)
    try:
        device = make()
        # Where there is no sound system at all, miniaudio offers a device that nobody hears.
        if device.backend == "Null" and backends is None:
            device.close()
            raise DeviceError(f"no {name}: there is no sound system")
        device.stop_callback = lambda: on_lost(f"the {name} has stopped")
        device.start(generator)
    except miniaudio.MiniaudioError as e:
        raise DeviceError(f"no {name}: {' '.join(map(str, e.args))}") from e
    return device


def _close(device) -> None:
    if device is not None:
        # Stopped on purpose: that is no loss.
        device.stop_callback = None
        device.close()
