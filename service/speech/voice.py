"""Voice: from a sentence to speech."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from service.core.model import Lexicon
from service.errors import VoiceError
from service.speech.audio import duration_s, read_wav, to_int16, write_wav
from service.speech.engine import EngineProcess
from service.speech.normalization import normalized
from service.speech.reading import Token, read, surnames

USUAL_CPM = 180
"""Pace of the recorded and of the natural voices, Chinese characters a minute."""
LONGEST_TEXT = 500
"""Characters of one sentence; longer texts are split by whoever sends them."""


@dataclass(frozen=True)
class Speech:
    """One sentence as sound."""

    wav: bytes
    """Mono 16 bit WAV file."""
    marks: tuple[tuple[int, float], ...] = ()
    """(index of a word's first character in the text, second at which it begins), ascending;
    empty if the voice does not know."""

    def samples(self) -> tuple[np.ndarray, int]:
        """float32 samples from -1 to 1, shape (samples,), and the rate in Hz."""
        samples, rate_hz = read_wav(self.wav)
        return samples.astype(np.float32) / 32768, rate_hz

    @property
    def length_s(self) -> float:
        """Length in seconds."""
        return duration_s(self.wav)

    def to_bytes(self) -> bytes:
        """Both in one piece, for a cache."""
        return json.dumps(self.marks).encode() + b"\n" + self.wav

    @classmethod
    def from_bytes(cls, data: bytes) -> Speech:
        """The speech of such a piece; ValueError if it is none."""
        marks, found, wav = data.partition(b"\n")
        if not found or wav[:4] != b"RIFF":
            raise ValueError("no speech")
        return cls(wav, tuple((int(at), float(when)) for at, when in json.loads(marks)))

    @classmethod
    def of(cls, samples: np.ndarray, rate_hz: int, marks: tuple[tuple[int, float], ...] = ()) -> Speech:
        """The speech of float samples."""
        return cls(write_wav(to_int16(samples), rate_hz), marks)


class Voice(Protocol):
    """Something that speaks."""

    name: str
    """Identifies the voice and its version in the cache."""

    def use_lexicon(self, lexicon: Lexicon) -> None:
        """Speak by this lexicon from the next sentence on."""

    def synthesize(self, text: str, pace_cpm: int) -> Speech:
        """The text spoken at about ``pace_cpm`` characters a minute, at the common loudness.

        Raises VoiceError if it cannot be spoken.
        """

    def close(self) -> None:
        """Give back what it holds; it speaks no more."""


@dataclass(frozen=True)
class Spoken:
    """A text as it is read out."""

    text: str
    """In words that can be read, with the lexicon's replacements made."""
    tokens: tuple[Token, ...]
    places: tuple[int, ...]
    """For each character of ``text`` the index of the one that it stands for, in the text that was given."""

    @property
    def reading(self) -> str:
        """How it is pronounced, in one line."""
        return " ".join(t.sound for t in self.tokens)


def spoken(text: str, lexicon: Lexicon) -> Spoken:
    """How a voice has to read the text; VoiceError if there is nothing in it to pronounce."""
    if len(text) > LONGEST_TEXT:
        raise VoiceError(f"a text of {len(text)} characters that no voice can speak")
    line = normalized(text, lexicon).line
    tokens = read(line.text, lexicon.readings, surnames(line.text, lexicon))
    if len(line.text) > LONGEST_TEXT or not any(t.is_syllable for t in tokens):
        raise VoiceError(f"a text of {len(text)} characters that no voice can speak")
    return Spoken(line.text, tokens, line.places)


class EngineVoice:
    """A voice whose engine is a process of its own."""

    def __init__(self, name: str, lexicon: Lexicon, engine: EngineProcess):
        self.name, self._lexicon, self._engine = name, lexicon, engine

    def use_lexicon(self, lexicon: Lexicon) -> None:
        """See ``Voice``."""
        self._lexicon = lexicon

    def synthesize(self, text: str, pace_cpm: int) -> Speech:
        """See ``Voice``. Safe to call from several threads."""
        said = spoken(text, self._lexicon)
        header, wav = self._engine.ask(self._request(said, pace_cpm))
        # Of several words that one number stands for, 12 for 十二, the first tells where it begins.
        marks = {said.places[at]: when for at, when in reversed(header.get("marks", ()))}
        return Speech(wav, tuple(sorted(marks.items())))

    def close(self) -> None:
        """See ``Voice``. Ends the engine's process, even in the middle of a sentence."""
        self._engine.close()

    def _request(self, said: Spoken, pace_cpm: int) -> dict:
        raise NotImplementedError
