"""Listening with the real model and recordings: words are heard, everything else is not."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from service.core.dialog import Ask, Match
from service.errors import AudioError, ModelError
from service.listening import Listening
from service.speech.audio import RATE_HZ, read_pcm
from service.speech.ear import Heard, SpeechBegan
from service.speech.recognizer import Recognizer
from service.talks import is_nothing
from tests.support import RECORDINGS, ROOT, hearing_edition, recognizer

pytestmark = pytest.mark.audio
ENTRIES = {r["id"]: r for r in yaml.safe_load((RECORDINGS / "recordings.yaml").read_text("utf-8"))["recordings"]}
SHARED = ROOT.parent / "shared" / "audio"
CHUNK = RATE_HZ // 10


@pytest.fixture(scope="module")
def listening():
    return Listening(recognizer(), SimpleNamespace(edition=hearing_edition()), "both")


def understood(listening, path: Path):
    hearing = listening.once(read_pcm(path)).hearing
    if hearing is None or is_nothing(hearing):
        return None
    return hearing_edition().hear(hearing)


REQUESTS = ["ask_counter_xiaoxiao", "ask_m1p_alipay", "ask_m2_med", "ask_m3_cert", "ask_m4_age",
            "ask_m5_hotline", "ask_x_auth", "ask_m3_missing_story", "fix_m2_formula"]


@pytest.mark.parametrize("recording", REQUESTS)
def test_a_spoken_request_is_understood(listening, recording):
    assert understood(listening, RECORDINGS / f"{recording}.opus").node == ENTRIES[recording]["node"]


@pytest.mark.parametrize("recording", ["say_repeat", "say_next", "say_pause_halt", "say_resume", "say_louder"])
def test_a_spoken_command_is_understood(listening, recording):
    assert understood(listening, RECORDINGS / f"{recording}.opus").command == ENTRIES[recording]["command"]


@pytest.mark.parametrize("recording", ["oov_weather", "oov_mahjong", "oov_cabbage"])
def test_talk_about_something_else_is_not_taken_for_a_request(listening, recording):
    assert not isinstance(understood(listening, RECORDINGS / f"{recording}.opus"), Match)


def people(*names: str):
    if not SHARED.exists():
        pytest.skip("recordings of people are not beside the project")
    return [SHARED / "human" / name for name in names]


def test_digits_and_commands_said_by_a_person_are_understood(listening):
    words = {"二": "2", "三": "3", "四": "4", "五": "5", "停": "pause", "继续": "resume"}
    for path in people(*(f"cmn-{word}.mp3" for word in words)):
        outcome = understood(listening, path)
        assert outcome and words[path.stem.split("-")[1]] in (outcome.key, outcome.command), path.name


def test_people_reading_the_news_are_not_taken_for_a_request(listening):
    people()
    outcomes = [understood(listening, path) for path in sorted((SHARED / "human").glob("BAC009S0252*.flac"))]
    # One of them names a computer shop, and that is how one asks for the way by computer.
    assert len(outcomes) > 10 and sum(isinstance(o, Match) for o in outcomes) <= 1
    assert sum(isinstance(o, Ask) for o in outcomes) <= 3


@pytest.mark.parametrize("noise", ["rain", "clock_tick", "dog_bark", "person_sneeze", "babble2"])
def test_noise_is_nothing(listening, noise):
    path, = people(f"../noise/{noise}.flac")
    assert understood(listening, path) is None


def test_pure_silence_and_loud_white_noise_are_nothing(listening):
    rng = np.random.default_rng(7)
    for samples in (np.zeros(RATE_HZ * 3, np.int16), rng.integers(-8000, 8000, RATE_HZ * 3).astype(np.int16)):
        assert listening.once(samples).hearing is None


def events(listening, pcm: bytes):
    stream = listening.stream()
    return [(start // 2 / RATE_HZ, event) for start in range(0, len(pcm), CHUNK * 2)
            for event in stream.feed(pcm[start:start + CHUNK * 2])]


def silence(seconds: float) -> bytes:
    return bytes(2 * round(RATE_HZ * seconds))


def test_a_stream_of_any_pieces_gives_the_same_utterances(listening):
    pcm = read_pcm(RECORDINGS / "say_next.opus").tobytes() + silence(2)
    texts = []
    for size in (2, 777 * 2, len(pcm)):
        stream = listening.stream()
        heard = [e for start in range(0, len(pcm), size) for e in stream.feed(pcm[start:start + size])
                 if isinstance(e, Heard)]
        texts.append([h.hearing.grammar.text for h in heard])
    assert texts[0] == texts[1] == texts[2] == ["下一步"]


def test_two_utterances_of_one_stream_are_two(listening):
    word = read_pcm(RECORDINGS / "say_next.opus").tobytes()
    kinds = [type(e) for _, e in events(listening, word + silence(1.5) + word + silence(2))]
    assert kinds == [SpeechBegan, Heard, SpeechBegan, Heard]


def test_speech_without_end_is_ended_after_fifteen_seconds(listening):
    story = read_pcm(RECORDINGS / "ask_m3_missing_story.opus")
    voiced = story[RATE_HZ // 2:RATE_HZ * 3]
    ends = [at for at, e in events(listening, np.tile(voiced, 8).tobytes()) if isinstance(e, Heard)]
    assert ends and ends[0] <= 16.5


def test_a_stream_is_in_order_again_after_it_was_made_to_forget(listening):
    stream = listening.stream()
    pcm = read_pcm(RECORDINGS / "ask_m2_med.opus").tobytes()
    list(stream.feed(pcm[:len(pcm) // 2]))
    stream.forget()
    word = read_pcm(RECORDINGS / "say_next.opus").tobytes() + silence(2)
    heard = [e.hearing.grammar.text for e in stream.feed(word) if isinstance(e, Heard)]
    assert heard == ["下一步"]


def test_listening_leaves_no_audio_on_disk(listening, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    understood(listening, RECORDINGS / "ask_m2_med.opus")
    assert not list(tmp_path.rglob("*"))


def test_without_a_model_listening_says_so():
    listening = Listening(None, SimpleNamespace(edition=hearing_edition()), "both")
    assert not listening.available
    with pytest.raises(ModelError):
        listening.once(np.zeros(10, np.int16))


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelError):
        Recognizer(tmp_path)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"\0" * 1000, "不是声音".encode() * 100])
def test_bytes_that_are_not_audio_are_refused(data):
    with pytest.raises(AudioError):
        read_pcm(data)


def test_the_grammar_alone_hears_listed_phrases():
    alone = Listening(recognizer(), SimpleNamespace(edition=hearing_edition()), "grammar")
    hearing = alone.once(read_pcm(RECORDINGS / "say_next.opus")).hearing
    assert hearing.grammar.text == "下一步" and hearing.open.text == ""
