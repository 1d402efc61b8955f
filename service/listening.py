"""Listening: ears for live streams and for single recordings, with the running guide's grammar."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Iterator

import numpy as np

from service.core.endpoint import EndpointSettings
from service.errors import ModelError
from service.speech.ear import Ear, Heard, SpeechBegan
from service.speech.recognizer import Hearing, Recognizer
from service.talks import Library

CHUNK_SAMPLES = 1600
"""A recording is decoded in pieces of 0.1 s, as a microphone would send it."""
WHOLE = EndpointSettings(complete_silence_s=math.inf, incomplete_silence_s=math.inf,
                         longest_s=math.inf)
"""A recording is one utterance, whatever its pauses."""


@dataclass(frozen=True)
class Listened:
    """What was heard of one recording."""

    hearing: Hearing | None
    """None if there was no speech in it."""
    audio_s: float
    """Length of the recording, seconds."""
    tail_s: float
    """Wall time from its last sample to the transcripts, seconds."""


class Listening:
    """Makes ears. Thread-safe; the ears are not."""

    def __init__(self, recognizer: Recognizer | None, library: Library, which: str):
        self._recognizer, self._library, self._which = recognizer, library, which

    @property
    def available(self) -> bool:
        """True if there is a speech model."""
        return self._recognizer is not None

    def stream(self) -> Stream:
        """An ear for one live stream; ModelError without a speech model."""
        return Stream(self, self._library)

    def once(self, samples: np.ndarray, expects: str = "") -> Listened:
        """Hear a whole recording: int16 samples at 16 kHz. ModelError without a speech model.

        ``expects``: the type of a calculator's question that is open; see ``Talks.expects``.
        """
        ear = self.ear(WHOLE, expects)
        for start in range(0, len(samples), CHUNK_SAMPLES):
            list(ear.feed(samples[start:start + CHUNK_SAMPLES].tobytes()))
        ended = time.perf_counter()
        hearing = ear.flush()
        return Listened(hearing, len(samples) / 16_000, time.perf_counter() - ended)

    def ear(self, settings: EndpointSettings = EndpointSettings(), expects: str = "") -> Ear:
        """An ear with the grammar of now; ``expects`` as for ``once``."""
        if self._recognizer is None:
            raise ModelError("there is no speech model: run `python -m service models install`")
        decoders = self._recognizer.decoders(self._library.edition.grammar_for(expects), self._which)
        return Ear(decoders, self._is_complete, settings)

    def _is_complete(self, closed: str, opened: str) -> bool:
        return self._library.edition.understanding.is_complete(closed, opened)


class Stream:
    """One microphone's ear, which follows edits of the guide and the questions of its calculators. Not thread-safe."""

    def __init__(self, listening: Listening, library: Library):
        self._library, self._grammar = library, library.edition.grammar
        self._ear = listening.ear()

    def feed(self, pcm: bytes, expects: str = "") -> Iterator[SpeechBegan | Heard]:
        """Take 16 kHz 16 bit mono PCM; give what happened in it, in order. ``expects`` as for ``Listening.once``."""
        grammar = self._library.edition.grammar_for(expects)
        if grammar is not self._grammar and not self._ear.in_speech:
            self._grammar = grammar
            self._ear.use_grammar(grammar)
        yield from self._ear.feed(pcm)

    @property
    def in_speech(self) -> bool:
        """True while somebody speaks."""
        return self._ear.in_speech

    def forget(self) -> bool:
        """Drop an utterance in progress; True if there was one."""
        in_progress = self._ear.in_speech
        self._ear.forget()
        return in_progress
