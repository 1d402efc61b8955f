"""Talks: each turn happens once, in order, and leaves nothing private behind."""

import datetime
import json
import logging
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from service.app import learner
from service.care.care import open_care
from service.content.live import LiveGuide
from service.core.dialog import HINT_AFTER_S
from service.errors import Ended, NotFound, Refused
from service.monitoring.turn_log import TurnLog
from service.settings import read_settings
from service.speech.recognizer import Hearing, Transcript
from service.speech.speaker import Speaker
from service.store.database import open_database, transaction
from service.store.tables import AuditRow, ChangeRow, CountRow, IncidentRow, MissRow
from service.store.talks import TalkStore
from service.talks import Library, Speaking, Talks
from service.speech.voices import Voices
from tests import support
from tests.fakes import record_family
from tests.support import PROMPTS, edition, guide

NOW = datetime.datetime(2026, 11, 23, 8, 0, tzinfo=datetime.UTC)
PRIVATE = "我身份证号是四三零四二二"


@pytest.fixture(scope="module")
def speaker(tmp_path_factory):
    speaker = support.speaker(tmp_path_factory.mktemp("speaker"))
    yield speaker
    speaker.close()


@pytest.fixture
def store(tmp_path: Path):
    engine = open_database(f"sqlite:///{tmp_path / 'guide.db'}")
    yield TalkStore(engine)
    engine.dispose()


@pytest.fixture
def talks(store: TalkStore, speaker: Speaker) -> Talks:
    return Talks(SimpleNamespace(edition=edition()), store, speaker, now=lambda: NOW)


def heard(text: str, confidence: float = 1.0) -> Hearing:
    said = Transcript(text, confidence)
    return Hearing(said, said, 1.0, 0.1)


def test_a_talk_begins_with_the_greeting_and_goes_on_turn_by_turn(talks: Talks):
    opened = talks.open()
    assert (opened.number, opened.reply.node, opened.reply.state) == (1, "root", "menu")
    assert opened.reply.sentences[0] == "您好，衡阳社保指南。"
    pressed = talks.press(opened.talk_id, "a", "1")
    assert (pressed.number, pressed.reply.node) == (2, "m1")
    said = talks.say(opened.talk_id, "b", "去社保局查要带什么")
    assert (said.number, said.reply.node, said.reply.step) == (3, "m1_counter", (1, 7))
    listened = talks.hear(opened.talk_id, "c", heard("下一步"))
    assert (listened.number, listened.reply.step) == (4, (2, 7))
    assert talks.last(opened.talk_id) == listened


def test_a_turn_sent_twice_is_answered_from_the_store_and_happens_once(talks: Talks):
    talk = talks.open().talk_id
    talks.say(talk, "a", "去大厅窗口查")
    once = talks.press(talk, "b", "1")
    assert once.reply.step == (2, 7)
    assert talks.press(talk, "b", "1") == once
    assert talks.say(talk, "b", "医保卡里的钱") == once, "the first of one id counts, whatever comes later"
    assert talks.press(talk, "c", "1").reply.step == (3, 7)
    assert talks.press(talk, "b", "1") == once


def test_a_turn_sent_twice_at_the_same_time_happens_once(talks: Talks):
    talk = talks.open().talk_id
    talks.say(talk, "a", "去大厅窗口查")
    views = together(*[lambda: talks.press(talk, "same", "1")] * 6)
    assert len(views) == 6 and all(v == views[0] for v in views)
    assert talks.last(talk).number == 3


def test_turns_of_one_talk_that_come_together_are_all_done(talks: Talks):
    talk = talks.open().talk_id
    talks.say(talk, "a", "去大厅窗口查")
    views = together(*[lambda i=i: talks.press(talk, f"t{i}", "1") for i in range(5)])
    assert sorted(v.number for v in views) == [3, 4, 5, 6, 7]
    assert sorted(v.reply.step for v in views) == [(n, 7) for n in range(2, 7)]


def test_turns_that_two_processes_make_at_once_are_all_done(store: TalkStore, speaker: Speaker):
    library = SimpleNamespace(edition=edition())
    one, other = (Talks(library, store, speaker, now=lambda: NOW) for _ in range(2))
    talk = one.open().talk_id
    one.say(talk, "a", "去大厅窗口查")
    views = together(lambda: one.press(talk, "b", "1"), lambda: other.press(talk, "c", "1"))
    assert sorted(v.reply.step for v in views) == [(2, 7), (3, 7)]


def together(*calls) -> list:
    gate, results = threading.Barrier(len(calls)), []

    def run(call) -> None:
        gate.wait()
        results.append(call())
    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_noise_makes_no_turn(talks: Talks):
    talk = talks.open().talk_id
    assert talks.hear(talk, "a", heard("")) is None
    assert talks.hear(talk, "b", heard("啊", confidence=0.3)) is None
    assert talks.last(talk).number == 1


def test_silence_gives_a_hint_and_coming_back_tells_where_we_were(talks: Talks):
    talk = talks.open().talk_id
    hint = talks.silence(talk, "a")
    assert hint.reply.hint_after_s == HINT_AFTER_S and hint.reply.sentences
    talks.say(talk, "b", "去大厅窗口查")
    back = talks.rejoin(talk, "c")
    assert back.reply.sentences[0] == "刚才断了一下，现在好了，我们接着讲。"
    assert back.reply.step == (1, 7)


def test_an_ended_talk_and_an_unknown_one_take_no_turns(talks: Talks):
    talk = talks.open().talk_id
    talks.end(talk)
    with pytest.raises(Ended):
        talks.press(talk, "a", "1")
    with pytest.raises(Ended):
        talks.last(talk)
    for call in (lambda: talks.press("nobody", "a", "1"), lambda: talks.last("nobody"),
                 lambda: talks.end("nobody"), lambda: talks.audio("nobody", "a", 0)):
        with pytest.raises(NotFound):
            call()


def test_each_sentence_of_an_answer_can_be_heard_at_the_pace_of_its_turn(talks: Talks):
    opened = talks.open()
    slower = talks.press(opened.talk_id, "a", "7")
    assert slower.reply.pace_cpm < opened.reply.pace_cpm
    index = slower.reply.sentences.index("怎么查社保，按一。")
    usual = opened.reply.sentences.index("怎么查社保，按一。")
    slow, quick = (talks.audio(opened.talk_id, turn, i).speech for turn, i in (("a", index), (opened.turn_id, usual)))
    assert slow.length_s > quick.length_s
    assert talks.sentence(opened.talk_id, "a", index) == "怎么查社保，按一。"
    for beyond in (-1, len(slower.reply.sentences)):
        with pytest.raises(NotFound):
            talks.audio(opened.talk_id, "a", beyond)


def test_a_pause_in_an_answer_keeps_what_was_not_told_and_happens_once(talks: Talks):
    talk = talks.open().talk_id
    said = talks.say(talk, "a", "去大厅窗口查").reply.sentences
    paused = talks.command(talk, "b", "pause", Speaking("a", 2))
    assert paused.reply.state == "paused"
    assert talks.command(talk, "b", "pause", Speaking("a", 0)) == paused
    resumed = talks.command(talk, "c", "resume")
    assert resumed.reply.sentences == ("好，接着讲。", *said[2:]) and resumed.reply.resumes == 1
    assert talks.command(talk, "c", "resume") == resumed == talks.last(talk), "as it was, also from the store"


@pytest.mark.parametrize("speaking", [Speaking("unknown", 0), Speaking("a", 99), Speaking("a", -1)], ids=repr)
def test_a_wrong_word_about_what_was_said_costs_nobody_their_turn(talks: Talks, speaking: Speaking):
    talk = talks.open().talk_id
    talks.say(talk, "a", "去大厅窗口查")
    assert talks.command(talk, "b", "pause", speaking).reply.state == "paused"
    assert talks.command(talk, "c", "resume").reply.step == (1, 7)


def test_a_voice_that_interrupts_tells_what_was_cut(talks: Talks):
    talk = talks.open().talk_id
    said = talks.say(talk, "a", "去大厅窗口查").reply.sentences
    again = talks.interrupt(talk, "b", heard("再说一遍"), Speaking("a", 2))
    assert again.reply.sentences == said[2:] and again.reply.pace_cpm == 153
    assert talks.interrupt(talk, "c", heard("今天天气好"), Speaking("b", 0)) is None


def test_a_talk_opens_as_its_listener_likes_it(talks: Talks):
    reply = talks.open("nobody-s", 140, -7).reply
    assert (reply.pace_cpm, reply.own_pace_cpm, reply.loudness_db) == (140, 140, -7)
    assert talks.voice(reply.voice) == talks.voice(""), "an unknown voice is the usual one"


def test_asking_for_another_voice_goes_round(talks: Talks, speaker: Speaker, tmp_path: Path, monkeypatch):
    record_family(tmp_path / "voices", ("您好。",))
    monkeypatch.setattr(speaker, "voices", Voices(tmp_path / "none", tmp_path / "voices", guide().lexicon))
    talk = talks.open().talk_id
    assert [v.label for v in talks.voices()] == ["孙女小芳"]
    changed = talks.say(talk, "a", "换个声音")
    assert talks.voice(changed.reply.voice) == ("xiaofang", "孙女小芳")
    only = talks.command(talk, "b", "voice")
    assert only.reply.sentences[0] == "现在只有这一个声音。"
    speaker.voices.close()


def database_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("guide.db*"))


def spellings(text: str) -> list[bytes]:
    """A text as a file might hold it."""
    return [text.encode(), json.dumps(text)[1:-1].encode(), text.encode("utf-16-le"), text.encode("gbk")]


def test_nothing_that_was_said_is_in_the_database(talks: Talks, tmp_path: Path):
    talk = talks.open().talk_id
    talks.say(talk, "a", PRIVATE)
    talks.hear(talk, "b", heard(PRIVATE))
    talks.say(talk, "c", f"{PRIVATE}，医保卡里的钱")
    data = database_bytes(tmp_path)
    assert spellings("衡阳社保指南")[1] in data, "what the guide said is there"
    for piece in ("身份证号是", "四三零四", "四二二"):
        assert not any(spelling in data for spelling in spellings(piece))


def test_with_a_panel_a_talk_at_no_device_leaves_no_more_behind(tmp_path: Path, store: TalkStore, speaker: Speaker):
    engine = open_database(f"sqlite:///{tmp_path / 'guide.db'}")
    care = open_care(engine, bytes(32), lambda: NOW, support.QUICK_HASHER)
    talks = Talks(SimpleNamespace(edition=edition()), store, speaker, lambda: NOW, care)
    talk = talks.open().talk_id
    for turn, said in enumerate((PRIVATE, "医保卡里的钱", PRIVATE, "叫个人来帮我", "不要让别人看我的记录", "谁看过我的记录")):
        talks.say(talk, f"t{turn}", said)
        kept = store.turn(talk, f"t{turn}")
        assert kept.said is kept.meaning is None
    assert talks.last(talk).reply.sentences[0] == "这台机器没有连着别人，没有人看您的记录。"
    assert store.load(talk).device_id is None and not store.load(talk).session["cared"]
    with transaction(engine) as orm:
        assert not [row for table in (CountRow, IncidentRow, MissRow, AuditRow, ChangeRow)
                    for row in orm.scalars(select(table))]
    engine.dispose()


def test_there_is_no_notice_for_a_talk_at_no_device(talks: Talks):
    with pytest.raises(Refused):
        talks.notice(talks.open().talk_id, "a", 1)


def test_the_database_does_not_tell_which_key_was_pressed(talks: Talks, store: TalkStore):
    kept = []
    for key in ("4", "5"):
        talk = talks.open().talk_id
        talks.say(talk, "a", "防骗")
        # Neither key means anything there.
        talks.press(talk, "b", key)
        turn, session = store.turn(talk, "b"), store.load(talk).session
        kept.append({**vars(turn), "talk_id": "", "took_ms": 0, "session": session})
    assert kept[0] == kept[1]
    assert kept[0]["source"] == kept[0]["outcome"] == "key"


def test_turns_are_logged_without_what_was_said(store: TalkStore, speaker: Speaker, caplog):
    turn_log = TurnLog()
    talks = Talks(SimpleNamespace(edition=edition()), store, speaker, now=lambda: NOW, turn_log=turn_log)
    with caplog.at_level(logging.DEBUG):
        talk = talks.open().talk_id
        talks.say(talk, "a", PRIVATE)
        talks.hear(talk, "b", heard(PRIVATE))
        talks.press(talk, "c", "*")
        talks.press(talk, "c", "*")
        turn_log.close()
    lines = [r.getMessage() for r in caplog.records if r.name == "service.monitoring.turn_log"]
    turns = [json.loads(line.removeprefix("turn ")) for line in lines]
    assert [(t["number"], t["source"]) for t in turns] == [(1, "start"), (2, "text"), (3, "voice"), (4, "key")]
    said = caplog.text
    assert not any(private in said for private in ("身份证", "四三零四", talk, "'*'", '"*"'))


@pytest.fixture
def small_guide(tmp_path: Path) -> Path:
    """The shipped guide with few requests, which is compiled quickly."""
    folder = Path(shutil.copytree(PROMPTS, tmp_path / "prompts", ignore=shutil.ignore_patterns("voices")))
    for path in (folder / "requests").glob("*.yaml"):
        if path.name != "choices.yaml":
            kept, run = [], 0
            for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
                run = run + 1 if line.lstrip().startswith("- ") else 0
                kept += [line] * (run <= 3)
            path.write_text("".join(kept), encoding="utf-8")
    return folder


def test_an_edit_of_the_guide_reaches_a_talk_that_is_going_on(small_guide: Path, store, speaker):
    live = LiveGuide(small_guide)
    talks = Talks(Library(live, lambda: None, learner(read_settings())), store, speaker, now=lambda: NOW)
    talk = talks.open().talk_id
    for turn, key in enumerate("1111"):
        view = talks.press(talk, f"t{turn}", key)
    assert view.reply.step == (3, 7) and "到了大厅，先取个号，坐着等。" in view.reply.sentences

    m1 = small_guide / "nodes" / "m1.yaml"
    text = m1.read_text(encoding="utf-8")
    m1.write_text(text.replace("到了大厅，先取个号，坐着等。", "到了大厅，请先取号。"), encoding="utf-8")
    assert live.look()
    again = talks.press(talk, "again", "#")
    assert again.reply.step == (3, 7) and "到了大厅，请先取号。" in again.reply.sentences
    assert "到了大厅，先取个号，坐着等。" in talks.press(talk, "t3", "1").reply.sentences, "what was said stays said"

    m1.write_text(text.replace("count: 7", "count: 6"), encoding="utf-8")
    assert not live.look()
    assert talks.press(talk, "on", "1").reply.step == (4, 7)
