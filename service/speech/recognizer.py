"""Recognizer: vosk, with a closed grammar and open decoding side by side on the same audio."""

from __future__ import annotations

import functools
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

import vosk

from service.core.grammar import UNKNOWN
from service.errors import ModelError
from service.speech.audio import RATE_HZ

vosk.SetLogLevel(-1)

BATCH_BYTES = 2 * RATE_HZ // 10
"""Audio is decoded in pieces of 0.1 s, which bounds what is left to do after the last sample."""
DECODERS = ("both", "grammar")
"""What a process may decode with: ``grammar`` alone is about a tenth of the work."""


@dataclass(frozen=True)
class Transcript:
    """What one decoder heard."""

    text: str
    """Chinese characters without spaces; empty if nothing was heard."""
    confidence: float
    """Mean confidence of the words, 0 to 1."""


@dataclass(frozen=True)
class Hearing:
    """What both decoders heard of one utterance."""

    grammar: Transcript
    """Heard with what can be said now; unknown speech is left out of its text."""
    open: Transcript
    """Heard with the whole vocabulary; empty where only the grammar decodes."""
    audio_s: float
    """Length of the utterance, seconds."""
    decode_s: float
    """CPU time spent on it, seconds."""


class Recognizer:
    """One loaded model, shared by all streams of the process."""

    def __init__(self, model_path: Path):
        """Load a verified model folder; ModelError if vosk cannot use it."""
        try:
            self._model = vosk.Model(str(model_path))
        except Exception as e:  # vosk raises bare Exception
            raise ModelError(f"the speech model at {model_path.name} cannot be loaded: {e}") from e
        self.knows = functools.lru_cache(maxsize=None)(self._knows)

    def _knows(self, word: str) -> bool:
        """True if the word is in the model's vocabulary."""
        return self._model.vosk_model_find_word(word) >= 0

    def transcribe(self, pcm: bytes) -> Transcript:
        """What the open decoder alone hears of a whole recording, 16 kHz 16 bit mono PCM."""
        return self.transcribe_timed(pcm)[0]

    def transcribe_timed(self, pcm: bytes) -> tuple[Transcript, float]:
        """The same, and the wall time from the last sample to the text, seconds."""
        decoder = _Decoder(vosk.KaldiRecognizer(self._model, RATE_HZ))
        for start in range(0, len(pcm), BATCH_BYTES):
            decoder.accept(pcm[start:start + BATCH_BYTES])
        ended = time.perf_counter()
        return decoder.finish(), time.perf_counter() - ended

    def decoders(self, grammar: tuple[str, ...], which: str = "both") -> Decoders:
        """Decoders for one stream; ``grammar`` comes from ``compile_grammar``."""
        return Decoders(self._model, grammar, which)


class Decoders:
    """The decoders of one stream, used for one utterance after the other. Not thread-safe."""

    def __init__(self, model: vosk.Model, grammar: tuple[str, ...], which: str):
        self._model, self._samples, self._cpu_s = model, 0, 0.0
        self._waiting = b""
        self._open = _Decoder(vosk.KaldiRecognizer(model, RATE_HZ)) if which == "both" else None
        self.use_grammar(grammar)

    def use_grammar(self, grammar: tuple[str, ...]) -> None:
        """Replace what can be said; call it between utterances."""
        # ensure_ascii=False: vosk's reader does not understand \u escapes and drops every word.
        spelt = json.dumps(grammar, ensure_ascii=False)
        self._closed = _Decoder(vosk.KaldiRecognizer(self._model, RATE_HZ, spelt))

    def accept(self, pcm: bytes) -> None:
        """Take 16 kHz 16 bit mono PCM of the utterance."""
        self._waiting += pcm
        if len(self._waiting) >= BATCH_BYTES:
            self._decode()

    def partial(self) -> tuple[str, str]:
        """The texts heard so far, (grammar, open)."""
        self._decode()
        return self._closed.partial(), self._open.partial() if self._open else ""

    def finish(self) -> Hearing:
        """End the utterance and be ready for the next."""
        self._decode()
        began = time.thread_time()
        closed = self._closed.finish()
        opened = self._open.finish() if self._open else Transcript("", 0.0)
        cpu_s = self._cpu_s + time.thread_time() - began
        audio_s = self._samples / RATE_HZ
        self._samples, self._cpu_s = 0, 0.0
        return Hearing(closed, opened, audio_s, cpu_s)

    def reset(self) -> None:
        """Forget an utterance that was not finished."""
        # Not vosk's Reset(): it leaves the last tenths of a second to the next utterance.
        self.finish()

    def _decode(self) -> None:
        began = time.thread_time()
        for decoder in self._all():
            decoder.accept(self._waiting)
        self._samples += len(self._waiting) // 2
        self._waiting = b""
        self._cpu_s += time.thread_time() - began

    def _all(self) -> list[_Decoder]:
        return [d for d in (self._closed, self._open) if d]


class _Decoder:
    """One vosk recogniser whose own endpointing is undone.

    vosk ends an utterance by rules that the wheel cannot set, and forgets its text at the next
    audio; so what it ended is collected here until our endpointer says that it is over.
    """

    def __init__(self, recognizer: vosk.KaldiRecognizer):
        self._recognizer = recognizer
        self._recognizer.SetWords(True)
        self._words: list[dict] = []

    def accept(self, pcm: bytes) -> None:
        if pcm and self._recognizer.AcceptWaveform(pcm):
            self._collect(self._recognizer.Result())

    def partial(self) -> str:
        running = json.loads(self._recognizer.PartialResult()).get("partial", "").split()
        return _text([w["word"] for w in self._words] + running)

    def finish(self) -> Transcript:
        self._collect(self._recognizer.FinalResult())
        known = [w["conf"] for w in self._words if w["word"] != UNKNOWN]
        text = _text(w["word"] for w in self._words)
        self._words = []
        return Transcript(text, sum(known) / len(known) if known else 0.0)

    def _collect(self, result: str) -> None:
        self._words += json.loads(result).get("result", [])


def _text(words: Iterable[str]) -> str:
    return "".join(w for w in words if w != UNKNOWN)
