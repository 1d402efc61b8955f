"""Misheard: how well a voice is understood, measured by what the speech model hears of it.

Syllable error rate: edit distance between the pinyin that was meant and the pinyin that vosk's open
decoding heard, without tones, by the number of syllables meant.
"""

from __future__ import annotations

import re

import numpy as np
import soxr

from service.core.model import Lexicon
from service.speech.audio import RATE_HZ, to_int16
from service.speech.normalization import normalized
from service.speech.reading import syllables
from service.speech.recognizer import Recognizer

SILENCE_S = 0.4
"""Before and behind the sound, as a microphone would hear it."""
SAME = {"yao": {"yao", "yi"}}
"""幺 is the digit one, and the speech model rightly writes 一."""


def hears(recognizer: Recognizer, samples: np.ndarray, rate_hz: int) -> str:
    """What the open decoder understands of float samples."""
    silence = np.zeros(round(SILENCE_S * RATE_HZ), np.float32)
    sound = soxr.resample(samples.astype(np.float32), rate_hz, RATE_HZ)
    return recognizer.transcribe(to_int16(np.concatenate([silence, sound, silence, silence])).tobytes()).text


def misheard(text: str, heard: str, lexicon: Lexicon) -> tuple[int, int]:
    """(syllables wrong, missing or too many; syllables meant)."""
    meant = [SAME.get(s, {s}) for s in _bare(normalized(text, lexicon).line.text, lexicon)]
    return _distance(meant, _bare(heard, lexicon)), len(meant)


def _bare(text: str, lexicon: Lexicon) -> list[str]:
    return [re.sub(r"\d", "", s) for s in syllables(text, lexicon.readings)]


def _distance(meant: list[set[str]], heard: list[str]) -> int:
    row = list(range(len(heard) + 1))
    for i, wanted in enumerate(meant, 1):
        diagonal, row[0] = row[0], i
        for j, got in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (got not in wanted))
    return row[-1]
