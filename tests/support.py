"""What tests of several parts share: the shipped guide, the speech model and recordings."""

import functools
import io
import os
from pathlib import Path

import argon2
import pytest
import soundfile

from service.app import model_store
from service.content.check import load
from service.core.grammar import compile_grammar
from service.core.model import Guide
from service.core.understanding import Understanding
from service.errors import ModelError
from service.fitting import classifier
from service.settings import read_settings
from service.speech import kokoro
from service.speech.cache import AudioCache
from service.speech.recognizer import Recognizer
from service.speech.speaker import Speaker
from service.speech.voices import Voices
from service.talks import Edition

ROOT = Path(__file__).resolve().parent.parent
PROMPTS = ROOT / "prompts"
RECORDINGS = ROOT / "tests" / "audio"
QUICK_HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""The real hash at its least cost: tests log in often."""


@functools.cache
def recognizer() -> Recognizer:
    """The speech model. Without it the test is skipped, or fails if REQUIRE_MODEL=1."""
    return Recognizer(_model(read_settings().speech_model))


@functools.cache
def kokoro_model() -> Path:
    """The folder of the natural voice's model. Without it as for the speech model."""
    return _model(kokoro.MODEL)


def _model(name: str) -> Path:
    try:
        return model_store(read_settings()).path(name)
    except ModelError:
        missing = f"the model {name} is not installed"
    if os.environ.get("REQUIRE_MODEL") == "1":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


@functools.cache
def guide() -> Guide:
    """The shipped guide."""
    loaded, problems = load(PROMPTS)
    assert loaded, problems
    return loaded


@functools.cache
def edition() -> Edition:
    """The shipped guide, compiled once for all tests, without a grammar."""
    return Edition(guide(), Understanding(guide(), classifier(guide(), read_settings().learnt_dir)), ())


@functools.cache
def hearing_edition() -> Edition:
    """The same with the grammar of the speech model."""
    ready = edition()
    return Edition(ready.guide, ready.understanding,
                   compile_grammar(ready.understanding.phrases(), recognizer().knows))


def wav(recording: str, rate_hz: int = 16_000, subtype: str = "PCM_16", channels: int = 1) -> bytes:
    """A recording of ``tests/audio`` as the bytes of a WAV file of that form."""
    import numpy
    import soxr
    samples, source_hz = soundfile.read(RECORDINGS / f"{recording}.opus", dtype="float32")
    samples = numpy.column_stack([soxr.resample(samples, source_hz, rate_hz)] * channels)
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, format="WAV", subtype=subtype)
    return out.getvalue()


def speaker(folder: Path, **options) -> Speaker:
    """A speaker with the shipped packs and the plain voice, without Kokoro. Close it."""
    voices = Voices(PROMPTS / "voices", folder / "voices", guide().lexicon, **options)
    ready = Speaker(voices, AudioCache(folder / "audio", 50_000_000))
    ready.use_guide(guide())
    return ready
