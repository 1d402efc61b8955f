"""pyttsx3: the voice that is always there, with espeak-ng on Linux and the system's voice elsewhere."""

from __future__ import annotations

import sys

import soundfile

from service.core.model import Lexicon
from service.errors import VoiceError
from service.speech.engine import EngineProcess
from service.speech.reading import Token
from service.speech.sound import levelled, trimmed
from service.speech.voice import EngineVoice, Speech, Spoken

TIMEOUT_S = 10.0
"""A sentence that takes longer than this to render is given up and the engine restarted."""
RATE_PER_CPM = 0.785
"""espeak-ng's words a minute for one Chinese character a minute (measured, 140 to 260: within 4 %)."""
MARKS = {"，": ", ", "、": ", ", "；": ", ", "：": ", ", "。": ". ", "？": "? ", "！": "! "}
COMMAND = (sys.executable, "-m", "service.speech.pyttsx3_worker")


class Pyttsx3Voice(EngineVoice):
    """pyttsx3 in a process of its own (see ``pyttsx3_worker``)."""

    def __init__(self, lexicon: Lexicon, command: tuple[str, ...] = COMMAND):
        """``command`` starts another worker; the tests use it to play a broken one."""
        super().__init__("pyttsx3/annie", lexicon, EngineProcess(command, TIMEOUT_S))

    def synthesize(self, text: str, pace_cpm: int) -> Speech:
        """See ``Voice``."""
        try:
            samples, rate_hz = super().synthesize(text, pace_cpm).samples()
        except soundfile.SoundFileError as e:
            raise VoiceError("the voice's answer is no sound") from e
        return Speech.of(levelled(trimmed(samples, rate_hz)[0], rate_hz), rate_hz)

    def _request(self, said: Spoken, pace_cpm: int) -> dict:
        # espeak-ng is given pinyin, a system's own voice the characters.
        text = to_pinyin(said.tokens) if sys.platform.startswith("linux") else said.text
        return {"text": text, "rate": round(pace_cpm * RATE_PER_CPM)}


def to_pinyin(tokens: tuple[Token, ...]) -> str:
    """The text as espeak-ng's pinyin voice reads it: syllables with tone digits, and pauses."""
    return "".join(f"{t.sound} " if t.is_syllable else MARKS.get(t.sound, t.sound) for t in tokens).strip()
