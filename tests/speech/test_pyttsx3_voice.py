"""pyttsx3: the real engine with the library that pip brings, and what a broken one does."""

import sys

import numpy as np
import pytest

from service.core.dialog import PACE_CPM
from service.errors import VoiceError
from service.speech.pyttsx3_voice import Pyttsx3Voice, to_pinyin
from service.speech.sound import LOUDNESS_LUFS, loudness_lufs
from service.speech.voice import LONGEST_TEXT, spoken
from tests.support import guide

SENTENCES = ("带上您的身份证，再带一张复印件。", "先问清楚大厅在哪里，几点上班。", "医保的事，打幺二三九三。",
             "二零二五年湖南最低线是四千零七十二块。", "好，您问的是去大厅窗口查。")


@pytest.fixture(scope="module")
def voice():
    voice = Pyttsx3Voice(guide().lexicon)
    yield voice
    voice.close()


def test_a_sentence_becomes_audible_speech_at_the_common_loudness(voice):
    for text in ("带上您的身份证，再带一张复印件。", "好。"):
        samples, rate_hz = voice.synthesize(text, 180).samples()
        assert loudness_lufs(samples, rate_hz) == pytest.approx(LOUDNESS_LUFS, abs=1)
        assert np.abs(samples).max() < 1


def pace_cpm(voice: Pyttsx3Voice, asked_cpm: int) -> float:
    """Characters a minute over several sentences."""
    spoken_chars = sum(sum(k.is_syllable for k in spoken(t, guide().lexicon).tokens) for t in SENTENCES)
    return 60 * spoken_chars / sum(voice.synthesize(t, asked_cpm).length_s for t in SENTENCES)


@pytest.mark.parametrize("asked_cpm", sorted({PACE_CPM[0], 180, PACE_CPM[-1]}))
def test_the_pace_is_the_one_asked_for(voice, asked_cpm):
    assert pace_cpm(voice, asked_cpm) == pytest.approx(asked_cpm, rel=0.1)


def test_each_pace_is_quicker_than_the_one_before(voice):
    lengths = [voice.synthesize("先问清楚大厅在哪里，几点上班。", pace).length_s for pace in PACE_CPM]
    assert lengths == sorted(lengths, reverse=True) and len(set(lengths)) == len(lengths)


def test_many_sentences_one_after_the_other_are_all_spoken_at_their_own_pace(voice):
    """pyttsx3 loses sentences or their rate where its driver's thread is not waited for."""
    texts = ["您好。", "请按一。", "一共七步。", "医保的事，打幺二三九三。"] * 10
    lengths = [voice.synthesize(t, p).length_s for t, p in zip(texts, [140, 260] * 20)]
    assert lengths == pytest.approx(lengths[:4] * 10, rel=0.01)


def test_it_is_given_pinyin_with_the_lexicons_readings_and_pauses():
    tokens = spoken("请重新登录，打12333问。", guide().lexicon).tokens
    assert to_pinyin(tokens) == "qing3 chong2 xin1 deng1 lu4 , da3 yao1 er4 san1 san1 san1 wen4 ."


@pytest.mark.parametrize("text", ["", "   ", "。，", "hello", "🙂", "好" * (LONGEST_TEXT + 1)])
def test_a_text_that_cannot_be_spoken_is_refused_and_the_next_one_is_spoken(voice, text):
    with pytest.raises(VoiceError):
        voice.synthesize(text, 180)
    assert voice.synthesize("好。", 180).length_s > 0.1


@pytest.mark.parametrize("text", ["请看 http://a.cn/?q=<b>&x。", "好\x00好", "好\n好。", "[[好]]", "<speak>好</speak>", "50%好"])
def test_characters_that_no_voice_can_say_are_no_reason_to_be_silent(voice, text):
    assert voice.synthesize(text, 180).length_s > 0.2


def test_the_longest_text_is_spoken(voice):
    assert voice.synthesize("好" * LONGEST_TEXT, 260).length_s > 60


@pytest.mark.parametrize("program", ["import sys; sys.exit(3)", "print('nonsense', flush=True); input()",
                                     "input(); print('{\"bytes\": 4}', flush=True); print('abc', flush=True); input()",
                                     "input(); print('{\"error\": \"no voice\"}', flush=True)"])
def test_a_broken_engine_is_one_clear_error(program):
    voice = Pyttsx3Voice(guide().lexicon, (sys.executable, "-c", program))
    with pytest.raises(VoiceError):
        voice.synthesize("您好。", 180)
    voice.close()


def test_an_engine_that_was_killed_is_started_again(voice):
    voice.synthesize("您好。", 180)
    voice._engine._process.kill()
    voice._engine._process.wait()
    assert voice.synthesize("您好。", 180).length_s > 0.1
