"""Endpointing: where an utterance begins and where it ends.

Fed one speech probability a frame; keeps no audio. The figures are those of
``EndpointSettings``: half-duplex, patient with slow speakers, quick after a complete phrase.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Callable

FRAME_S = 0.032
"""Length of one frame, seconds: 512 samples at 16 kHz, the step of Silero VAD."""


@dataclass(frozen=True)
class EndpointSettings:
    """When speech begins and ends."""

    begin_probability: float = 0.3
    """Speech probability from which a frame counts as speech. Lower than the usual 0.5: a softly
    spoken 一 reaches no more than 0.35."""
    stay_probability: float = 0.25
    """The same inside an utterance: lower, so that soft syllable ends are not cut."""
    begin_s: float = 0.096
    """Speech that must be heard in a row before an utterance begins; a click is shorter."""
    preroll_s: float = 0.5
    """Audio from before the beginning that belongs to the utterance."""
    complete_silence_s: float = 0.6
    """Silence that ends an utterance which is already a complete phrase."""
    incomplete_silence_s: float = 1.3
    """Silence that ends any other utterance."""
    longest_s: float = 15.0
    """An utterance is ended after this time."""


class Edge(enum.Enum):
    """What one frame did to the utterance."""

    NONE = "none"
    BEGIN = "begin"
    END = "end"
    OVERLONG = "overlong"
    """Ended because it reached ``longest_s``."""


class Endpointer:
    """Finds the edges of utterances in a stream of frames."""

    def __init__(self, settings: EndpointSettings = EndpointSettings()):
        self.settings = settings
        self.waited_s = 0.0
        """Silence that was waited for before the last utterance was ended, seconds of audio."""
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next frame is the first of a new stream."""
        self.in_speech = False
        self._speech_frames = 0
        self._silent_frames = 0
        self._frames = 0

    @property
    def preroll_frames(self) -> int:
        """Frames to keep while waiting: the pre-roll and the frames that decide the beginning."""
        return round((self.settings.preroll_s + self.settings.begin_s) / FRAME_S)

    def step(self, probability: float, is_complete: Callable[[], bool]) -> Edge:
        """Take one frame's speech probability (0 to 1).

        ``is_complete`` is asked only when the answer matters: after ``complete_silence_s``.
        """
        if not self.in_speech:
            return self._wait(probability)
        self._frames += 1
        if probability >= self.settings.stay_probability:
            self._silent_frames = 0
        else:
            self._silent_frames += 1
        silence_s = self._silent_frames * FRAME_S
        if silence_s >= self.settings.incomplete_silence_s:
            return self._end(Edge.END)
        if silence_s >= self.settings.complete_silence_s and is_complete():
            return self._end(Edge.END)
        if self._frames * FRAME_S >= self.settings.longest_s:
            return self._end(Edge.OVERLONG)
        return Edge.NONE

    def _wait(self, probability: float) -> Edge:
        speaks = probability >= self.settings.begin_probability
        self._speech_frames = self._speech_frames + 1 if speaks else 0
        if self._speech_frames * FRAME_S < self.settings.begin_s:
            return Edge.NONE
        self.in_speech, self._frames, self._silent_frames = True, 0, 0
        return Edge.BEGIN

    def _end(self, edge: Edge) -> Edge:
        self.waited_s = self._silent_frames * FRAME_S
        self.reset()
        return edge
