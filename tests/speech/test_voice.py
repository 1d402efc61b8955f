"""The voice: the real pyttsx3 with the library that pip brings, and what a broken one does."""

import io
import sys
import time
import wave
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from service.core.dialog import PACE_CPM
from service.errors import VoiceError
from service.speech.cache import AudioCache
from service.speech.voice import LONGEST_TEXT, Pyttsx3Voice, to_pinyin
from tests.support import guide


@pytest.fixture(scope="module")
def voice():
    voice = Pyttsx3Voice(guide().lexicon)
    yield voice
    voice.close()


def samples(data: bytes) -> tuple[np.ndarray, int]:
    with wave.open(io.BytesIO(data)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        return np.frombuffer(sound.readframes(sound.getnframes()), np.int16), sound.getframerate()


def length_s(data: bytes) -> float:
    sound, rate_hz = samples(data)
    return len(sound) / rate_hz


def test_a_sentence_becomes_audible_speech_of_a_plausible_length(voice):
    sound, rate_hz = samples(voice.synthesize("带上您的身份证，再带一张复印件。", 180))
    assert 3 < len(sound) / rate_hz < 8
    assert np.sqrt(np.mean((sound / 32768) ** 2)) > 0.02


def test_each_pace_is_quicker_than_the_one_before(voice):
    lengths = [length_s(voice.synthesize("先问清楚大厅在哪里，几点上班。", pace)) for pace in PACE_CPM]
    assert lengths == sorted(lengths, reverse=True) and len(set(lengths)) == len(lengths)


def test_many_sentences_one_after_the_other_are_all_spoken_at_their_own_pace(voice):
    """pyttsx3 loses sentences or their rate where its driver's thread is not waited for."""
    texts = ["您好。", "请按一。", "一共七步。", "医保的事，打幺二三九三。"] * 10
    lengths = [length_s(voice.synthesize(t, p)) for t, p in zip(texts, [140, 260] * 20)]
    assert lengths == pytest.approx(lengths[:4] * 10, rel=0.01)


def test_polyphones_are_read_as_the_lexicon_says():
    readings = guide().lexicon.readings
    assert "chong2 xin1" in to_pinyin("请重新登录", readings)
    assert "wei2 zhun3" in to_pinyin("以社保局核定为准", readings)


def test_hotlines_are_read_digit_by_digit():
    assert guide().lexicon.spoken("打12333问") == "打幺二三三三问"


@pytest.mark.parametrize("text", ["", "   ", "。，", "hello", "🙂", "好" * (LONGEST_TEXT + 1)])
def test_a_text_that_cannot_be_spoken_is_refused_and_the_next_one_is_spoken(voice, text):
    with pytest.raises(VoiceError):
        voice.synthesize(text, 180)
    assert length_s(voice.synthesize("好。", 180)) > 0.1


@pytest.mark.parametrize("program", ["import sys; sys.exit(3)", "print('nonsense', flush=True); input()",
                                     "input(); print('{\"error\": \"no voice\"}', flush=True)"])
def test_a_broken_engine_is_one_clear_error(program):
    voice = Pyttsx3Voice(guide().lexicon, (sys.executable, "-c", program))
    with pytest.raises(VoiceError):
        voice.synthesize("您好。", 180)
    voice.close()


def test_an_engine_that_was_killed_is_started_again(voice):
    voice.synthesize("您好。", 180)
    voice._process.kill()
    voice._process.wait()
    assert length_s(voice.synthesize("您好。", 180)) > 0.1


class CountingVoice:
    """A voice of known bytes that counts how often it was asked."""

    name = "counting"

    def __init__(self):
        self.asked = []

    def synthesize(self, text: str, pace_cpm: int) -> bytes:
        self.asked.append((text, pace_cpm))
        return text.encode() * 100


def test_what_was_rendered_once_comes_from_the_cache(tmp_path):
    voice, cache = CountingVoice(), AudioCache(tmp_path, 10_000_000)
    first = cache.get(voice, "您好。", 180, "v1")
    assert AudioCache(tmp_path, 10_000_000).get(voice, "您好。", 180, "v1") == first
    assert len(voice.asked) == 1


def test_another_pace_or_lexicon_is_rendered_anew(tmp_path):
    voice, cache = CountingVoice(), AudioCache(tmp_path, 10_000_000)
    for pace, version in [(180, "v1"), (140, "v1"), (180, "v2")]:
        cache.get(voice, "您好。", pace, version)
    assert len(voice.asked) == 3


def test_the_cache_keeps_within_its_bound_and_keeps_what_is_used(tmp_path):
    voice, cache = CountingVoice(), AudioCache(tmp_path, 5_000)
    for number in range(40):
        cache.get(voice, f"第{number}句", 180, "v1")
        cache.get(voice, "常用的", 180, "v1")
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) <= 5_000
    assert voice.asked.count(("常用的", 180)) == 1


def test_a_cache_that_cannot_be_written_still_speaks(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = AudioCache(tmp_path / "file" / "audio", 1_000_000)
    assert cache.get(CountingVoice(), "您好。", 180, "v1")


def test_a_voice_can_be_closed_in_the_middle_of_a_sentence():
    voice = Pyttsx3Voice(guide().lexicon, (sys.executable, "-c", "import time; time.sleep(60)"))
    with ThreadPoolExecutor(1) as pool:
        speaking = pool.submit(voice.synthesize, "您好。", 180)
        while voice._process is None:
            time.sleep(0.01)
        began = time.monotonic()
        voice.close()
        with pytest.raises(VoiceError):
            speaking.result(5)
    assert time.monotonic() - began < 5
