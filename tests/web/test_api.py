"""The HTTP API: a whole talk, and one kind of answer for everything that cannot be taken."""

import io
import itertools
import logging
import re
import struct

import numpy as np
import pytest
import soundfile
from flask.testing import FlaskClient

from service.speech.speaker import Piece
from service.speech.voices import Voices
from service.talks import Talks
from service.core.wording import unjointed
from tests.fakes import record_family
from tests.support import guide, wav

API = "/api/v1"
PRIVATE = "我身份证号是四三零四二二"
_ids = (f"turn-{n}" for n in itertools.count())


def opened(client: FlaskClient) -> str:
    """The path of a new session."""
    answer = client.post(f"{API}/sessions")
    assert answer.status_code == 201
    return f"{API}/sessions/{answer.json['session']}"


def turn(client: FlaskClient, session: str, **given):
    """The answer to a turn that must be taken."""
    answer = client.post(f"{session}/turns", json={"turn_id": next(_ids), **given})
    assert answer.status_code == 200, answer.json
    return answer.json


def send(client: FlaskClient, session: str, body: bytes, content_type: str | None = "audio/wav"):
    """The answer to raw bytes."""
    return client.post(f"{session}/turns", data=body, content_type=content_type, headers={"Turn-Id": next(_ids)})


def assert_refused(answer, status: int, code: str) -> None:
    """One shape, the right status, a Chinese sentence for the listener and nothing private."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.mimetype == "application/json"
    assert list(answer.json) == ["error"]
    error = answer.json["error"]
    assert set(error) == {"code", "message", "say"} and error["code"] == code
    assert re.fullmatch("[\u4e00-\u9fff，。]+", error["say"])
    assert error["message"] and len(error["message"]) < 200
    for private in ("身份证", "四三零四", "Traceback", "File \"", "/sessions/"):
        assert private not in answer.get_data(as_text=True)


# --- a talk -----------------------------------------------------------------------------------

def test_a_session_opens_with_the_greeting_and_the_menu(client: FlaskClient):
    answer = client.post(f"{API}/sessions")
    assert answer.status_code == 201
    reply = answer.json
    assert (reply["number"], reply["node"], reply["state"], reply["step"]) == (1, "root", "menu", None)
    assert [c["key"] for c in reply["choices"]] == ["1", "2", "3", "4", "5"]
    assert reply["sentences"][0]["text"] == "您好，衡阳社保指南。"
    assert reply["listening"] is False
    assert client.get(f"{API}/sessions/{reply['session']}").json == reply


def test_the_seven_steps_at_the_counter_can_be_walked_by_keys(client: FlaskClient):
    session = opened(client)
    assert turn(client, session, key="1")["node"] == "m1"
    walk = [turn(client, session, key="1") for _ in range(7)]
    assert [r["node"] for r in walk] == ["m1_counter"] * 7
    assert [r["step"] for r in walk] == [{"number": n, "count": 7} for n in range(1, 8)]
    texts = ["".join(s["text"] for s in r["sentences"]) for r in walk]
    assert "一共七步。第一步。先问清楚大厅在哪里" in texts[0]
    for ordinal, text in zip("一二三四五六七", texts):
        assert f"第{ordinal}步。" in text
    assert texts[6].startswith("这是最后一步。")
    done = turn(client, session, key="1")
    assert done["sentences"][0]["text"] == "七步都讲完了。"
    assert turn(client, session, key="2")["step"]["number"] == 7
    assert turn(client, session, key="3")["step"]["number"] == 1
    assert turn(client, session, key="*")["node"] == "m1"
    assert turn(client, session, key="9")["node"] == "root"
    assert turn(client, session, key="0")["node"] == "help"


def test_a_request_is_understood_as_text(client: FlaskClient):
    reply = turn(client, opened(client), text="我医保卡里还有多少钱")
    assert reply["node"] == "m2_med"
    assert unjointed(reply["sentences"][0]["text"]) == "好，您问的是医保卡里的钱。"


@pytest.mark.parametrize("text", [" ", "😀", "\x00", "?" * 20_000, "a" * 60_000, "'; DROP TABLE talks; --"])
def test_any_text_is_a_turn(client: FlaskClient, text: str):
    session = opened(client)
    assert turn(client, session, text=text)["node"] == "root"
    assert turn(client, session, key="1")["node"] == "m1"


def test_half_a_character_is_a_turn(client: FlaskClient):
    answer = send(client, opened(client), b'{"turn_id": "a", "text": "\\ud83d"}', "application/json")
    assert (answer.status_code, answer.json["node"]) == (200, "root")


def test_silence_and_coming_back_are_turns(client: FlaskClient):
    session = opened(client)
    assert turn(client, session, event="silence")["sentences"]
    assert turn(client, session, event="rejoin")["sentences"][0]["text"].startswith("刚才断了一下")


def test_a_turn_sent_twice_happens_once(client: FlaskClient):
    session = opened(client)
    turn(client, session, text="去大厅窗口查")
    body = {"turn_id": "the-same", "key": "1"}
    first, second = (client.post(f"{session}/turns", json=body).json for _ in range(2))
    assert first == second and first["step"]["number"] == 2
    assert client.get(session).json == first


def test_each_sentence_is_a_wav_of_a_plausible_length(client: FlaskClient):
    reply = turn(client, opened(client), key="2")
    for sentence in reply["sentences"][:3]:
        answer = client.get(sentence["audio"])
        assert (answer.status_code, answer.mimetype) == (200, "audio/wav")
        assert "public" not in answer.headers["Cache-Control"]
        with soundfile.SoundFile(io.BytesIO(answer.data)) as sound:
            assert (sound.channels, sound.subtype) == (1, "PCM_16")
            length_s = sound.frames / sound.samplerate
            peak = np.abs(sound.read()).max()
        characters = len(re.findall("[\u4e00-\u9fff]", sentence["text"]))
        wanted_s = characters * 60 / reply["pace_cpm"]
        assert 0.4 * wanted_s < length_s < 2 * wanted_s + 1
        assert peak > 0.05


def test_a_closed_session_takes_nothing_more_and_can_be_closed_again(client: FlaskClient):
    session = opened(client)
    for _ in range(2):
        answer = client.delete(session)
        assert (answer.status_code, answer.data) == (204, b"")
    for answer in (client.get(session), client.post(f"{session}/turns", json={"turn_id": "a", "key": "1"})):
        assert_refused(answer, 410, "session_ended")
    assert turn(client, opened(client), key="1")["node"] == "m1"


def test_a_sentence_that_was_cut_is_resumed_and_said_again_slower(client: FlaskClient):
    session = opened(client)
    told = turn(client, session, text="去大厅窗口查")
    cut = {"turn_id": told["turn_id"], "sentence": 2}
    assert turn(client, session, event="pause", speaking=cut)["state"] == "paused"
    resumed = turn(client, session, event="resume")
    assert resumed["resumes"] == 1
    assert [s["text"] for s in resumed["sentences"][1:]] == [s["text"] for s in told["sentences"][2:]]
    again = turn(client, session, key="#", speaking={"turn_id": resumed["turn_id"], "sentence": 1})
    assert again["sentences"][0]["text"] == told["sentences"][2]["text"]
    assert again["pace_cpm"] == 153 and again["likes"]["pace_cpm"] == 180


def test_a_new_talk_is_opened_as_the_listener_liked_the_last_one(client: FlaskClient):
    session = opened(client)
    for key in "766":
        liked = turn(client, session, key=key)["likes"]
    answer = client.post(f"{API}/sessions", json=liked)
    assert answer.status_code == 201
    assert answer.json["likes"] == liked == {"voice": "", "pace_cpm": 160, "loudness_db": -14}
    assert (answer.json["pace_cpm"], answer.json["loudness_db"]) == (160, -14)


def test_an_unknown_voice_is_the_usual_one(client: FlaskClient):
    usual = client.post(f"{API}/sessions").json
    odd = client.post(f"{API}/sessions", json={"voice": "nobody-s"}).json
    assert odd["voice"] == usual["voice"] and odd["voice_label"] == usual["voice_label"]


@pytest.mark.parametrize("likes", [{"voice": 5}, {"pace_cpm": "fast"}, {"colour": PRIVATE}, [], {"loudness_db": 1e9}])
def test_likes_that_are_none_are_refused(client: FlaskClient, likes):
    assert_refused(client.post(f"{API}/sessions", json=likes), 400, "bad_request")


def test_the_voices_are_listed_and_the_next_one_speaks(client: FlaskClient, talks: Talks, tmp_path, monkeypatch):
    record_family(tmp_path / "voices", ("您好，衡阳社保指南。",))
    voices = Voices(tmp_path / "none", tmp_path / "voices", guide().lexicon)
    monkeypatch.setattr(talks._speaker, "voices", voices)
    listed = client.get(f"{API}/voices").json["voices"]
    assert listed == [{"id": "xiaofang", "label": "孙女小芳", "kind": "family"}]
    changed = turn(client, opened(client), event="voice")
    assert (changed["voice"], changed["voice_label"]) == ("xiaofang", "孙女小芳")
    greeting = client.post(f"{API}/sessions", json=changed["likes"]).json["sentences"][0]
    answer = client.get(greeting["audio"])
    assert answer.headers["Speech-Marks"].startswith("0:0.000 2:0.667 4:1.333") and "Speech-Next" not in answer.headers
    voices.close()


def test_pieces_of_a_sentence_say_which_one_follows(client: FlaskClient, talks: Talks, monkeypatch):
    address = client.post(f"{API}/sessions").json["sentences"][0]["audio"]
    whole = talks.audio(*address.split("/")[4:7:2], 0)
    monkeypatch.setattr(talks, "audio", lambda *at: Piece(whole.speech, at[-1] + 1 if at[-1] < 2 else None))
    answers = [client.get(address, query_string={"piece": n}) for n in range(3)]
    assert [a.headers.get("Speech-Next") for a in answers] == ["1", "2", None]


# --- what cannot be taken -----------------------------------------------------------------------

def test_an_unknown_session_is_not_found(client: FlaskClient):
    nobody = f"{API}/sessions/0123456789abcdef"
    body = {"turn_id": "a", "text": PRIVATE}
    for answer in (client.get(nobody), client.delete(nobody), client.post(f"{nobody}/turns", json=body),
                   client.get(f"{nobody}/turns/a/audio/0")):
        assert_refused(answer, 404, "not_found")


@pytest.mark.parametrize("path", ["turns/unknown/audio/0", "turns/{first}/audio/99", "turns/{first}/audio/-1",
                                  "turns/{first}/audio/x", f"turns/{{first}}/audio/{'9' * 400}", "turns/{first}"])
def test_audio_that_is_not_there_is_not_found(client: FlaskClient, path: str):
    session = opened(client)
    first = client.get(session).json["turn_id"]
    assert_refused(client.get(f"{session}/{path.format(first=first)}"), 404, "not_found")


BAD_TURNS = {
    "two digits": {"key": "10"}, "a letter": {"key": "a"}, "no key": {"key": ""}, "a number": {"key": 5},
    "a list of keys": {"key": ["1"]}, "null": {"key": None}, "a full-width digit": {"key": "１"},
    "no text": {"text": ""}, "a text that is a number": {"text": 5}, "an unknown event": {"event": "sleep"},
    "speaking nothing": {"key": "1", "speaking": {}}, "speaking a word": {"key": "1", "speaking": "好"},
    "speaking before the first": {"key": "1", "speaking": {"turn_id": "a", "sentence": -1}},
    "speaking alone": {"speaking": {"turn_id": "a", "sentence": 0}},
    "nothing": {}, "two things": {"key": "1", "text": PRIVATE}, "something unknown": {"shout": PRIVATE},
    "no turn id": {"turn_id": None, "key": "1"}, "an empty turn id": {"turn_id": "", "key": "1"},
    "a path as turn id": {"turn_id": "../../etc", "key": "1"}, "a long turn id": {"turn_id": "a" * 65, "key": "1"},
    "a turn id with a line end": {"turn_id": "a\n", "key": "1"}, "a turn id in Chinese": {"turn_id": "身份证", "key": "1"},
}


@pytest.mark.parametrize("given", BAD_TURNS.values(), ids=BAD_TURNS)
def test_a_turn_that_is_none_is_refused_and_the_next_one_works(client: FlaskClient, given: dict):
    session = opened(client)
    answer = client.post(f"{session}/turns", json={"turn_id": next(_ids), **given})
    assert_refused(answer, 400, "bad_request")
    assert client.get(session).json["number"] == 1
    assert turn(client, session, key="1")["number"] == 2


BAD_JSON = {
    "not JSON": f"{{{PRIVATE}".encode(), "cut off": b'{"turn_id": "a", "ke', "empty": b"", "a list": b"[]",
    "a text": b'"1"', "a number": b"5", "null": b"null", "not UTF-8": '{"turn_id": "a", "text": "身份证"}'.encode("gbk"),
    "deep": b"[" * 50_000, "a huge number": b'{"turn_id": "a", "key": ' + b"9" * 10_000 + b"}",
    "a recording": b"RIFF" + bytes(1000),
}


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON)
def test_a_body_that_is_no_turn_is_refused_and_the_next_one_works(client: FlaskClient, body: bytes, content_type):
    session = opened(client)
    assert_refused(send(client, session, body, content_type), 400, "bad_request")
    assert turn(client, session, key="1")["number"] == 2


def test_a_turn_without_a_content_type_is_taken_for_json(client: FlaskClient):
    answer = send(client, opened(client), b'{"turn_id": "a", "key": "1"}', None)
    assert (answer.status_code, answer.json["node"]) == (200, "m1")


def test_ten_megabytes_of_text_are_refused(client: FlaskClient):
    session = opened(client)
    answer = client.post(f"{session}/turns", json={"turn_id": "a", "text": "身份证" * 3_400_000})
    assert_refused(answer, 413, "bad_request")
    assert turn(client, session, key="1")["number"] == 2


def test_more_than_a_minute_of_the_largest_audio_is_refused_unread(client: FlaskClient):
    session = opened(client)
    assert_refused(send(client, session, bytes(25 * 1024 * 1024)), 413, "bad_request")
    assert turn(client, session, key="1")["number"] == 2


@pytest.mark.parametrize("method, path, status, code", [
    ("PUT", f"{API}/sessions", 405, "bad_request"), ("GET", f"{API}/sessions", 405, "bad_request"),
    ("DELETE", f"{API}/openapi.json", 405, "bad_request"), ("POST", "/", 405, "bad_request"),
    ("GET", f"{API}/session", 404, "not_found"), ("GET", f"{API}/", 404, "not_found"),
    ("GET", "/etc/passwd", 404, "not_found"), ("GET", "/static/../settings.py", 404, "not_found"),
    ("GET", "/static/%2e%2e/api.py", 404, "not_found"), ("POST", f"{API}/sessions/身份证/turn", 404, "not_found")])
def test_a_wrong_method_or_path_is_refused(client: FlaskClient, method: str, path: str, status: int, code: str):
    assert_refused(client.open(path, method=method), status, code)


def test_a_fault_of_the_program_is_told_without_its_details(client: FlaskClient, talks, monkeypatch, caplog):
    session = opened(client)

    def broken(*_):
        raise RuntimeError(PRIVATE)
    with monkeypatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr(talks, "press", broken)
        answer = client.post(f"{session}/turns", json={"turn_id": "a", "key": "1"})
    assert_refused(answer, 500, "internal")
    assert "RuntimeError" in caplog.text and "身份证" not in caplog.text
    assert turn(client, session, key="1")["number"] == 2


# --- recordings --------------------------------------------------------------------------------

def sound(seconds: float, kind: str = "WAV") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, np.zeros(int(seconds * 16_000), np.int16), 16_000, format=kind, subtype="PCM_16")
    return out.getvalue()


BAD_AUDIO = {
    "not audio": PRIVATE.encode() * 50, "empty": b"", "cut off in its header": sound(1)[:30],
    "no samples": sound(0), "zeros": bytes(10_000), "a header alone": b"RIFF\xff\xff\xff\xffWAVE",
}


@pytest.mark.parametrize("body", BAD_AUDIO.values(), ids=BAD_AUDIO)
@pytest.mark.parametrize("content_type", ["audio/wav", "audio/ogg", "audio/"])
def test_what_is_not_audio_is_refused_and_the_next_turn_works(client: FlaskClient, body: bytes, content_type: str):
    session = opened(client)
    assert_refused(send(client, session, body, content_type), 422, "audio_unreadable")
    assert turn(client, session, key="1")["number"] == 2


def test_an_hour_of_audio_is_refused_before_it_is_decoded(client: FlaskClient):
    body = sound(3600, "FLAC")
    assert len(body) < 1_000_000
    session = opened(client)
    assert_refused(send(client, session, body), 413, "audio_too_long")
    assert turn(client, session, key="1")["number"] == 2


@pytest.mark.parametrize("turn_id", ["", "a b", "a" * 65, "../x", None])
def test_a_recording_needs_a_turn_id(client: FlaskClient, turn_id: str | None):
    session = opened(client)
    headers = {} if turn_id is None else {"Turn-Id": turn_id}
    answer = client.post(f"{session}/turns", data=sound(1), content_type="audio/wav", headers=headers)
    assert_refused(answer, 400, "bad_request")


def test_without_a_speech_model_a_recording_is_answered_with_what_to_do_instead(client: FlaskClient):
    session = opened(client)
    answer = send(client, session, sound(1))
    assert_refused(answer, 503, "model_missing")
    assert "请按数字" in answer.json["error"]["say"]
    assert turn(client, session, key="1")["number"] == 2


@pytest.mark.audio
def test_a_recording_is_a_turn_and_sent_twice_happens_once(hearing_with_both: FlaskClient):
    hearing = hearing_with_both
    session = opened(hearing)
    assert hearing.get(session).json["listening"] is True
    first, second = (hearing.post(f"{session}/turns", data=wav("key_second"), content_type="audio/wav",
                                  headers={"Turn-Id": "same"}) for _ in range(2))
    assert first.status_code == 200 and first.json["node"] == "m2"
    assert second.json == first.json and first.json["number"] == 2


@pytest.mark.audio
@pytest.mark.parametrize("form", [
    {"rate_hz": 8_000}, {"rate_hz": 22_050}, {"rate_hz": 44_100}, {"rate_hz": 48_000}, {"channels": 2},
    {"subtype": "PCM_U8"}, {"subtype": "FLOAT", "rate_hz": 48_000, "channels": 2}], ids=str)
def test_every_usual_form_of_a_recording_is_understood(hearing: FlaskClient, form: dict):
    answer = send(hearing, opened(hearing), wav("key_second", **form))
    assert answer.status_code == 200, answer.json
    assert answer.json["node"] == "m2"


@pytest.mark.audio
def test_of_a_recording_cut_off_in_the_middle_what_is_there_is_heard(hearing: FlaskClient):
    whole = wav("ask_m2_med")
    session = opened(hearing)
    answer = send(hearing, session, whole[:len(whole) // 2])
    assert answer.status_code == 200 and answer.json["number"] == 2
    assert turn(hearing, session, key="9")["node"] == "root"


@pytest.mark.audio
def test_a_header_that_claims_an_hour_does_no_harm(hearing: FlaskClient):
    body = bytearray(wav("key_second"))
    struct.pack_into("<I", body, body.index(b"data") + 4, 3600 * 32_000)
    assert send(hearing, opened(hearing), bytes(body)).json["node"] == "m2"


@pytest.mark.audio
@pytest.mark.parametrize("body", [sound(2), sound(0.001), sound(1)[:46]], ids=["silence", "a click", "one sample"])
def test_a_recording_in_which_nobody_speaks_is_no_turn(hearing: FlaskClient, body: bytes):
    session = opened(hearing)
    assert_refused(send(hearing, session, body), 422, "nothing_heard")
    assert turn(hearing, session, key="1")["number"] == 2


# --- headers -----------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/", f"{API}/openapi.json", "/nowhere", f"{API}/sessions/nobody"])
def test_every_answer_has_the_security_headers(client: FlaskClient, path: str):
    headers = client.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'self'" and policy["object-src"] == policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"] and "http" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "microphone=(self)" in headers["Permissions-Policy"] and "camera=()" in headers["Permissions-Policy"]


def test_the_page_carries_the_labels_and_nothing_from_elsewhere(client: FlaskClient):
    page = client.get("/")
    assert page.status_code == 200 and page.mimetype == "text/html"
    text = page.get_data(as_text=True)
    assert "衡阳社保查询指南" in text and "点一下开始" in text
    assert not re.search(r"""(src|href)=["'](https?:)?//""", text)
