"""Kokoro itself: the real model in its process, and what a missing or damaged one does."""

import os
import shutil

import numpy as np
import pytest

from service.core.wording import clauses
from service.errors import VoiceError
from service.speech.kokoro import TIMBRES, KokoroEngine, KokoroVoice
from service.speech.misheard import hears, misheard
from service.speech.sound import loudness_lufs
from service.speech.voice import USUAL_CPM
from tests.support import guide, kokoro_model, recognizer, speaker

TEXT = "您一共交了十四年零两个月，还差二十二个月。"


@pytest.fixture(scope="module")
def model():
    return kokoro_model()


@pytest.fixture(scope="module")
def engine(model):
    engine = KokoroEngine(model)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def speech(engine):
    return KokoroVoice("female", guide().lexicon, engine).synthesize(TEXT, USUAL_CPM)


def test_it_speaks_at_the_usual_pace_and_the_common_loudness(speech):
    samples, rate_hz = speech.samples()
    assert 60 * len(TEXT) / speech.length_s == pytest.approx(USUAL_CPM, rel=0.25)
    assert loudness_lufs(samples, rate_hz) == pytest.approx(-18, abs=1)


def test_it_is_understood(speech):
    wrong, meant = misheard(TEXT, hears(recognizer(), *speech.samples()), guide().lexicon)
    assert meant == 19 and wrong <= 3


def test_digits_of_a_message_are_heard(engine):
    said = KokoroVoice("female", guide().lexicon, engine).synthesize("吃2片药，一天3次，12月5号晚上8:30带300元。", USUAL_CPM)
    in_words = "吃两片药，一天三次，十二月五号晚上八点半带三百块。"
    wrong, meant = misheard(in_words, hears(recognizer(), *said.samples()), guide().lexicon)
    assert meant == 22 and wrong <= 5


def test_it_tells_when_each_word_begins(speech):
    begins, seconds = zip(*speech.marks)
    assert begins[0] == 0 and list(begins) == sorted(set(begins))
    assert list(seconds) == sorted(seconds) and 0 <= seconds[0] < 0.1 and seconds[-1] < speech.length_s
    assert TEXT.index("还") in begins
    # Where the mark says, the second clause begins to sound after the pause behind the first one.
    samples, rate_hz = speech.samples()
    at = round(dict(speech.marks)[TEXT.index("还")] * rate_hz)
    before, after = samples[at - rate_hz // 5:at - rate_hz // 20], samples[at + rate_hz // 50:at + rate_hz // 5]
    assert np.sqrt((before ** 2).mean()) < 0.2 * np.sqrt((after ** 2).mean())


def test_the_timbres_are_different_voices(engine, speech):
    male = KokoroVoice("male", guide().lexicon, engine).synthesize(TEXT, USUAL_CPM)
    assert TIMBRES.keys() == {"female", "male"} and male.wav != speech.wav


def test_an_engine_that_was_killed_is_started_again(engine):
    voice = KokoroVoice("female", guide().lexicon, engine)
    voice.synthesize("好。", USUAL_CPM)
    engine._process.kill()
    engine._process.wait()
    assert voice.synthesize("好。", USUAL_CPM).length_s > 0.2


def test_unseen_sentences_are_spoken_by_it_clause_by_clause(tmp_path, model, monkeypatch):
    # On a busy machine it would rightly be late, and the plain voice speak.
    monkeypatch.setattr("service.speech.speaker.LATER_WAIT_S", 60)
    ready = speaker(tmp_path)
    ready.voices.use_kokoro(model)
    try:
        first = ready.piece(TEXT, USUAL_CPM, "", 0, opening=True)
        numbers = range(first.next or 1, len(clauses(TEXT)) + 1)
        rest = [ready.piece(TEXT, USUAL_CPM, "", n, opening=True) for n in numbers]
        assert all(piece.speech.marks for piece in rest), "the plain voice knows no marks"
    finally:
        ready.close()


@pytest.mark.parametrize("name, content", [
    ("kokoro-v1.0.int8.onnx", b"no model"), ("kokoro-v1.0.int8.onnx", None), ("voices/zf_xiaoyi.bin", b"short")])
def test_a_model_damaged_while_running_is_one_clear_error_and_the_plain_voice_speaks(tmp_path, model, name, content):
    broken = shutil.copytree(model, tmp_path / "model", copy_function=os.symlink)
    (broken / name).unlink()
    if content:
        (broken / name).write_bytes(content)
    ready = speaker(tmp_path)
    ready.voices.use_kokoro(broken)
    try:
        with pytest.raises(VoiceError):
            ready.voices.natural("").synthesize(TEXT, USUAL_CPM)
        assert ready.speak(TEXT, USUAL_CPM).length_s > 2
    finally:
        ready.close()
