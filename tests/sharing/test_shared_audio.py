"""Shared audio: rendered once for all processes; without the server by each for itself."""

import threading
import time

import numpy as np
import pytest

from service.errors import VoiceError
from service.sharing.audio import SharedAudio
from service.sharing.line import Line
from service.speech.voice import Speech

SPEECH = Speech.of(np.zeros(1600, np.float32), 16_000, ((0, 0.0), (2, 0.05)))
PARTS = ("kokoro", "1", "您好。")


def never() -> Speech:
    pytest.fail("it is there already")


def test_what_one_rendered_the_other_has(line, redis):
    assert SharedAudio(line).get(PARTS, lambda: SPEECH) == SPEECH
    other = Line(redis.url)
    assert SharedAudio(other).get(PARTS, never) == SPEECH
    other.close()


def test_two_at_once_render_it_once(line):
    made, got = [], []

    def make() -> Speech:
        made.append(1)
        time.sleep(0.3)
        return SPEECH
    threads = [threading.Thread(target=lambda: got.append(SharedAudio(line).get(PARTS, make))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1] and got == [SPEECH] * 3


def test_one_that_cannot_leaves_it_to_the_next(line):
    def fail() -> Speech:
        raise VoiceError("no voice")
    with pytest.raises(VoiceError):
        SharedAudio(line).get(PARTS, fail)
    assert SharedAudio(line).get(PARTS, lambda: SPEECH) == SPEECH


def test_what_is_damaged_is_made_anew(line):
    shared = SharedAudio(line)
    shared.get(PARTS, lambda: SPEECH)
    for name in line.client.keys("guide:audio:*"):
        line.client.set(name, b"[]\nnothing")
    assert shared.get(PARTS, lambda: SPEECH) == SPEECH


def test_with_the_server_away_each_renders_for_itself():
    line = Line("redis://127.0.0.1:9")
    assert SharedAudio(line).get(PARTS, lambda: SPEECH) == SPEECH
    line.close()
