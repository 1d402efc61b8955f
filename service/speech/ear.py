"""Ear: from a stream of audio to utterances that were heard. One for each stream.

Keeps the half second before speech began, decodes while the listener speaks, and gives the
result when the endpointer says so. Audio lives only in memory and is dropped with the utterance.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import Callable, Iterator

from service.core.endpoint import Edge, Endpointer, EndpointSettings
from service.speech.recognizer import Decoders, Hearing
from service.speech.vad import FRAME_BYTES, VoiceActivity


@dataclass(frozen=True)
class SpeechBegan:
    """Somebody started to speak."""


@dataclass(frozen=True)
class Heard:
    """An utterance ended."""

    hearing: Hearing
    silence_s: float
    """Silence after the speech until that was decided, seconds of audio."""


class Ear:
    """Listens to one stream of 16 kHz 16 bit mono PCM. Not thread-safe."""

    def __init__(self, decoders: Decoders, is_complete: Callable[[str, str], bool],
                 settings: EndpointSettings = EndpointSettings()):
        """``is_complete(grammar_text, open_text)`` is True if nothing more need follow."""
        self._vad, self._decoders, self._is_complete = VoiceActivity(), decoders, is_complete
        self._endpointer = Endpointer(settings)
        self._preroll: collections.deque[bytes] = collections.deque(
            maxlen=self._endpointer.preroll_frames)
        self._rest = b""
        self._judged: tuple[tuple[str, str], bool] = (("", ""), False)

    @property
    def in_speech(self) -> bool:
        """True while an utterance is in progress."""
        return self._endpointer.in_speech

    def use_grammar(self, grammar: tuple[str, ...]) -> None:
        """Replace what can be said; call it between utterances."""
        self._decoders.use_grammar(grammar)

    def feed(self, pcm: bytes) -> Iterator[SpeechBegan | Heard]:
        """Take any amount of audio; give what happened in it, in order."""
        data = self._rest + pcm
        whole = len(data) - len(data) % FRAME_BYTES
        self._rest = data[whole:]
        for start in range(0, whole, FRAME_BYTES):
            yield from self._frame(data[start:start + FRAME_BYTES])

    def flush(self) -> Hearing | None:
        """The stream has ended: what was heard of the last utterance, or None."""
        hearing = self._decoders.finish() if self.in_speech else None
        self.forget()
        return hearing

    def forget(self) -> None:
        """Drop an utterance in progress, because a key was quicker."""
        if self.in_speech:
            self._decoders.reset()
        self._endpointer.reset()
        self._preroll.clear()
        self._rest = b""

    def _is_whole(self) -> bool:
        """True if nothing more need follow; asked each frame of a silence, so judged once a text."""
        texts = self._decoders.partial()
        if texts != self._judged[0]:
            self._judged = texts, self._is_complete(*texts)
        return self._judged[1]

    def _frame(self, frame: bytes) -> Iterator[SpeechBegan | Heard]:
        probability = self._vad.probability(frame)
        edge = self._endpointer.step(probability, self._is_whole)
        if self.in_speech and edge is Edge.NONE or edge in (Edge.END, Edge.OVERLONG):
            self._decoders.accept(frame)
        else:
            self._preroll.append(frame)
        if edge is Edge.BEGIN:
            self._decoders.accept(b"".join(self._preroll))
            self._preroll.clear()
            yield SpeechBegan()
        elif edge is not Edge.NONE:
            yield Heard(self._decoders.finish(), self._endpointer.waited_s)
