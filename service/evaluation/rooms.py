"""Rooms: a dry recording as a microphone on the table hears it in a room with noise.

The room is a decaying noise behind the direct sound (J. D. Polack's statistical model of a
diffuse field); the noise is many voices, one television, or a fan, all made of what ships with the
project. Everything follows from a recording's name, so each run hears the same.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service.speech.audio import RATE_HZ, read_pcm
from service.speech.sound import frame_rms

DECAY_S = (0.35, 0.7)
"""Time in which the room's sound falls by 60 dB: a furnished living room to a tiled hall."""
DIRECT_DB = 6.0
"""Energy of the direct sound against the room's: about a metre and a half away."""
BABBLE_VOICES = 6
BACKGROUND_EVERY = 20
"""One in so many sentences of the voice packs talks in the background."""
ACTIVE_DB = -35.0
"""What is this far below the loudest moment of speech counts as a pause."""
LEVEL_DBFS = -22.0
"""RMS of the speech outside its pauses."""


@dataclass(frozen=True)
class Condition:
    """In which surroundings somebody speaks."""

    name: str
    snr_db: float | None
    """Level of the speech over the noise; None: a silent room without echo."""


CONDITIONS = (Condition("clean", None), Condition("12 dB and room", 12.0), Condition("6 dB and room", 6.0))


class Rooms:
    """Puts recordings into rooms. Holds the voices of the background in memory."""

    def __init__(self, voices: list[Path]):
        """``voices``: recordings of people talking, for the background."""
        self._voices = [read_pcm(path).astype(np.float32) / 32768 for path in voices]

    @classmethod
    def of_packs(cls, folder: Path) -> Rooms:
        """Rooms in which the voice packs below ``folder`` talk."""
        return cls(sorted(folder.glob("*/*.opus"))[::BACKGROUND_EVERY])

    def place(self, samples: np.ndarray, condition: Condition, name: str) -> np.ndarray:
        """int16 samples at 16 kHz as heard in the condition; ``name`` chooses room and noise."""
        if condition.snr_db is None:
            return samples
        chance = np.random.default_rng(zlib.crc32(f"{name} {condition.name}".encode()))
        speech = samples.astype(np.float32) / 32768
        heard = _convolved(speech, _room(chance))
        heard *= 10 ** (LEVEL_DBFS / 20) / _active_rms(heard)
        noise = self._noise(chance, len(heard))
        noise *= 10 ** ((LEVEL_DBFS - condition.snr_db) / 20) / np.sqrt((noise**2).mean())
        mixed = heard + noise
        mixed *= min(1.0, 0.95 / np.abs(mixed).max())
        return (mixed * 32767).astype(np.int16)

    def _noise(self, chance: np.random.Generator, length: int) -> np.ndarray:
        match chance.choice(("babble", "babble", "television", "fan")):
            case "babble":
                return sum(self._talk(chance, length) for _ in range(BABBLE_VOICES))
            case "television":
                return _convolved(self._talk(chance, length), _room(chance))
        spectrum = np.fft.rfft(chance.standard_normal(length))
        return np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)), length)

    def _talk(self, chance: np.random.Generator, length: int) -> np.ndarray:
        """Somebody who talks for that long, starting anywhere."""
        pieces, have = [], 0
        while have < length + RATE_HZ:
            piece = self._voices[chance.integers(len(self._voices))]
            pieces.append(piece / np.sqrt((piece**2).mean()))
            have += len(piece)
        start = chance.integers(have - length)
        return np.concatenate(pieces)[start:start + length]


def _room(chance: np.random.Generator) -> np.ndarray:
    """An impulse response."""
    decay_s = chance.uniform(*DECAY_S)
    times = np.arange(round(decay_s * RATE_HZ)) / RATE_HZ
    tail = chance.standard_normal(len(times)) * 10 ** (-3 * times / decay_s)
    tail[:round(0.003 * RATE_HZ)] = 0.0
    tail *= 10 ** (-DIRECT_DB / 20) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    return tail.astype(np.float32)


def _convolved(sound: np.ndarray, response: np.ndarray) -> np.ndarray:
    """The sound behind the response, as long as the sound."""
    size = len(sound) + len(response)
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)[:len(sound)]


def _active_rms(samples: np.ndarray) -> float:
    rms = frame_rms(samples, RATE_HZ)
    return float(np.sqrt((rms[rms > rms.max() * 10 ** (ACTIVE_DB / 20)] ** 2).mean()))
