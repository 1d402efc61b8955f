"""The terminal: keys, text and voice in, sentences out, and everything left as it was."""

import contextlib
import io
import logging
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from service.app import create_app
from service.core.dialog import HINT_AFTER_S
from service.errors import DeviceError, StoreError, VoiceError
from service.settings import Settings
from service.speech.audio import RATE_HZ, duration_s, read_pcm
from service.speech.sound import chime
from service.speech.speaker import Piece
from service.speech.voice import Speech
from service.store.database import transaction
from service.talks import Speaking
from service.terminal.devices import Reopening
from service.terminal.events import (DeviceBack, DeviceLost, DeviceState, Failed, Inbox, LOUDSPEAKER, MICROPHONE,
                                     Nothing, SpeechHeard, Thinking, Turn)
from service.terminal.hearer import BACKLOG_S, Backlog, Hearer
from service.terminal.keyboard import (ESC, Debounce, Key, KeyParser, Leave, LineParser, Text, Toggle,
                                       Typing, key_of, keyboard)
from service.terminal.screen import Screen
from service.terminal.talk import PAUSE_S, Terminal, reading_s
from tests.fakes import FakeClock, FakeInbox, FakeMicrophone, FakePlayer
from tests.support import RECORDINGS, ROOT, guide, recognizer

posix = pytest.mark.skipif(os.name != "posix", reason="pseudo terminals are POSIX")
START_S = 60
"""Longest time for the program to begin, seconds; a busy machine needs some."""


# --- keys ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("characters, key", [
    *((c, c) for c in "1234567890*#"), ("+\r\n", "#"), ("\x7f\x08/-.", "*"), ("１", "1"), ("＃", "#"),
])
def test_characters_of_each_key(characters, key):
    assert {key_of(c) for c in characters} == {key}


@pytest.mark.parametrize("character", [" ", "a", "好", "。", "\t", "@", "²3"])
def test_characters_of_no_key(character):
    assert key_of(character) is None


def typed(*pieces: str) -> list:
    """What a raw terminal's pieces mean; after each the keyboard rests."""
    clock = FakeClock()
    parser, events = KeyParser(clock.now), []
    for piece in pieces:
        events += [*parser.feed(piece), *parser.idle()]
        clock.advance(1.0)
    return events


@pytest.mark.parametrize("pieces, events", [
    (["12"], [Key("1"), Key("2")]),
    (["11", "1"], [Key("1"), Key("1")]),
    ([ESC], [Key("*")]),
    ([ESC + "1"], [Key("*"), Key("1")]),
    ([f"{ESC}[3~"], [Key("*")]),
    ([f"{ESC}[A", f"{ESC}[15~", f"{ESC}OP"], []),
    ([f"{ESC}Oq{ESC}OM"], [Key("1"), Key("#")]),
    (["\x04"], [Leave()]),
    (["\x03"], [Leave()]),
    (["@", "，"], []),
    ([" ", "  "], [Toggle(), Toggle()]),
    (["医", " ", "\x7f", "\x7f"], [Typing("医"), Typing("医 "), Typing("医"), Typing(None)]),
    (["医", "保\r"], [Typing("医"), Typing("医保"), Text("医保")]),
    (["t12", "\n"], [Typing(""), Typing("1"), Typing("12"), Text("12")]),
    (["医保\x7f\r"], [Typing("医"), Typing("医保"), Typing("医"), Text("医")]),
    (["医\x7f", "1"], [Typing("医"), Typing(None), Key("1")]),
    (["医", ESC, "1"], [Typing("医"), Typing(None), Key("1")]),
    (["t", "\r", "1"], [Typing(""), Typing(None), Key("1")]),
], ids=repr)
def test_raw_terminal(pieces, events):
    assert typed(*pieces) == events


def test_same_key_is_one_press_as_long_as_the_finger_trembles():
    clock = FakeClock()
    debounce = Debounce(clock.now)
    accepted = []
    for pause_s, key in [(0, "1"), (0.3, "1"), (0.3, "1"), (0.1, "2"), (0.1, "1"), (0.5, "1")]:
        clock.advance(pause_s)
        accepted.append(debounce.accepts(key))
    assert accepted == [True, False, False, True, True, True]


def test_pipe_gives_lines():
    parser = LineParser()
    assert [*parser.feed("1\n1\n医保卡\r\n\n12\n ")] == [Key("1"), Key("1"), Text("医保卡"), Text("12")]
    assert [*parser.feed("#"), *parser.end()] == [Key("#"), Leave()]


@posix
@pytest.mark.parametrize("broken", [False, True])
def test_terminal_settings_are_restored(broken):
    import pty
    import termios
    other, fd = pty.openpty()
    inbox, before = Inbox(), termios.tcgetattr(fd)
    with contextlib.suppress(ZeroDivisionError):
        with keyboard(fd, inbox.put, time.monotonic):
            assert not termios.tcgetattr(fd)[3] & (termios.ICANON | termios.ECHO)
            os.write(other, "1".encode())
            assert inbox.get(5) == Key("1")
            os.write(other, ESC.encode())
            assert inbox.get(5) == Key("*")
            os.write(other, "医".encode())
            assert inbox.get(5) == Typing("医")
            if broken:
                1 / 0
    assert termios.tcgetattr(fd) == before
    os.close(fd)
    os.close(other)


# --- one talk with a player in fake time ---------------------------------------------------------

def installed_recognizer():
    """The model that other tests have loaded too, or None."""
    try:
        return recognizer()
    except pytest.skip.Exception:
        return None


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The whole service with its real voice and a database of its own; without a model it is deaf."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.app.load_recognizer", lambda settings: installed_recognizer())
        service = create_app(Settings(data_dir=tmp_path_factory.mktemp("data"), decoders="grammar", voice="light",
                                      reload_guide=False))
    yield service
    service.close()


class Room:
    """A terminal in fake time and what came out of it."""

    def __init__(self, service, sound: bool = True, hearer: Hearer | None = None, talks=None):
        self.clock = FakeClock()
        self.inbox = FakeInbox(self.clock)
        self.player = FakePlayer(self.clock) if sound else None
        self.out = Transcript(self.clock)
        self.talks = talks or service.talks
        screen = Screen(self.out, lambda: service.guide.current.labels)
        self.terminal = Terminal(self.talks, screen, self.inbox, self.player, hearer, self.clock.now)

    def until(self, seconds: float, *events: tuple[float, object]) -> None:
        """Run it for that long, with events at their times in seconds."""
        for when, event in (*events, (seconds, Leave())):
            self.clock.at(when, lambda event=event: self.inbox.put(event))
        self.terminal.run()

    def when(self, text: str) -> float:
        """When a text was first shown."""
        return next(when for when, written in self.out.written if text in written)


class Transcript(io.StringIO):
    """What was written, with its times."""

    def __init__(self, clock: FakeClock):
        super().__init__()
        self._clock, self.written = clock, []

    def write(self, text: str) -> int:
        self.written.append((self._clock.now(), text))
        return super().write(text)


def prompt(service, name: str) -> str:
    return "".join(service.guide.current.prompts[name])


def test_sentences_are_shown_as_they_are_spoken(service):
    room = Room(service)
    room.until(60, (59, Leave()))
    reply = service.guide.current.nodes["root"]
    begins = [when for when, _, _ in room.player.played]
    ends = [when + length for when, length, _ in room.player.played]
    for before, after in zip(ends, begins[1:len(reply.say)]):
        assert after - before == pytest.approx(PAUSE_S)
    assert [room.when(s.text) for s in reply.say] == begins[:len(reply.say)]
    assert "怎么查社保" in room.out.getvalue() and "请您按数字" in room.out.getvalue()


def test_pauses_grow_with_slowness(service):
    def pause_s(*keys):
        room = Room(service)
        last = 0.1 * len(keys)
        room.until(12, *((0.1 * (i + 1), Key(k)) for i, k in enumerate(keys)))
        (at, length, _), (following, _, _) = [p for p in room.player.played if p[0] >= last][:2]
        return following - at - length
    assert pause_s("7", "7") == pytest.approx(PAUSE_S * 180 / 140)
    assert pause_s() == pytest.approx(PAUSE_S)


def test_what_somebody_wants_to_be_heard_is_chimed_read_out_and_answered(service, tmp_path):
    care = service.care
    device = care.devices.by_token(care.devices.register())
    with transaction(care.engine) as orm:
        owner = care.accounts.create(orm, "小芳", "correct horse").id
    person = care.people.create(owner, "妈妈", False)
    care.devices.pair(care.devices.new_code(device.id), person, "客厅")
    care.notices.plan(device.id, owner, None, "今天多穿一件。", None, "once")
    care.notices.come_due()
    device, notice = care.devices.get(device.id), care.notices.waiting(device.id)
    hearer = SimpleNamespace(talk_id=None, speaking=None, forget=lambda: None)
    room = Room(service, hearer=hearer)
    room.terminal._device = lambda: device
    deaf = replace(device, adjustment=replace(device.adjustment, keys_only=True))
    room.until(240, (1, DeviceState(device, notice)), (150, Key("1")), (200, DeviceState(deaf, None)))
    chimes = [when for when, length, _ in room.player.played if length == pytest.approx(duration_s(chime()))]
    greeted = room.when("别的事，按五")
    assert len(chimes) == 1 and greeted < chimes[0] < room.when("今天多穿一件。"), "nobody is interrupted"
    assert care.notices.of_device(device.id)[0].state == "heard"
    assert hearer.talk_id is None, "keys only: nothing that is heard makes a turn"


def hum(length_s: float, marks: tuple = ()) -> Speech:
    return Speech.of(np.full(round(length_s * RATE_HZ), 0.1, np.float32), RATE_HZ, marks)


def test_pieces_of_a_sentence_are_played_as_one(service, monkeypatch):
    asked, lengths_s = [], (0.5, 2.0, 1.0)

    def audio(talk_id, turn_id, index, piece):
        asked.append((index, piece))
        following = piece + 1 if index == 0 and piece < 2 else None
        return Piece(hum(lengths_s[piece] if index == 0 else 3.0), following)

    monkeypatch.setattr(service.talks, "audio", audio)
    room = Room(service)
    room.until(5)
    assert asked == [(0, 0), (0, 1), (0, 2), (1, 0)]
    begins = [when for when, _, _ in room.player.played]
    assert begins == pytest.approx([0, 0.5, 2.5, 3.5 + PAUSE_S])
    first = service.guide.current.nodes["root"].say[0].text
    assert room.out.getvalue().count(first) == 1


def test_a_piece_that_comes_late_is_waited_for(service, monkeypatch):
    def audio(talk_id, turn_id, index, piece):
        return Piece(hum(1.0), 1 if not piece else None)

    monkeypatch.setattr(service.talks, "audio", audio)
    room = Room(service)
    room.terminal._aside = lambda job: room.clock.at(room.clock.now() + 1.5, job)
    room.until(8)
    assert [when for when, _, _ in room.player.played[:3]] == pytest.approx([1.5, 3.0, 4.0 + PAUSE_S + 1.5])


MARKS = ((0, 0.0), (2, 0.8), (4, 1.6), (6, 2.4))


@pytest.mark.parametrize("marks, goes_on_s", [(MARKS, 1.6), ((), 1.5)], ids=["words", "no words"])
@pytest.mark.parametrize("wait, go_on", [(Toggle(), Toggle()), (Text("等一下"), Key("#"))], ids=["space", "words"])
def test_pause_inside_a_sentence_and_on_from_there(service, monkeypatch, marks, goes_on_s, wait, go_on):
    monkeypatch.setattr(service.talks, "audio", lambda *_: Piece(hum(4.0, marks), None))
    room = Room(service)
    # The second sentence begins after 4.4 s and is stopped 2 s later.
    room.until(60, (4.0 + PAUSE_S + 2.0, wait), (30, go_on))
    assert 4.0 + PAUSE_S + 2.0 in room.player.stopped
    resumed = [n for n, (when, _, _) in enumerate(room.player.played) if when >= 30]
    assert room.player.starts[resumed[0]] == 0
    assert room.player.starts[resumed[1]] == pytest.approx(goes_on_s)
    assert room.player.played[resumed[1]][1] == pytest.approx(4.0 - goes_on_s)
    first, second = (s.text for s in service.guide.current.nodes["root"].say)
    text = room.out.getvalue()
    assert (text.count(first), text.count(second), text.count("怎么查社保，按一。")) == (1, 2, 1)
    assert prompt(service, "resumed") in text


def test_a_pause_between_two_sentences_loses_neither(service, monkeypatch):
    monkeypatch.setattr(service.talks, "audio", lambda *_: Piece(hum(4.0, MARKS), None))
    room = Room(service)
    room.until(60, (4.2, Toggle()), (30, Toggle()))
    begins = [(when, start) for (when, _, _), start in zip(room.player.played, room.player.starts) if when >= 30]
    assert begins[:3] == [(30, 0), (pytest.approx(34 + PAUSE_S), 2.4), (pytest.approx(35.6 + 2 * PAUSE_S), 0)]


def test_what_was_cut_by_the_key_is_said_again_from_there_and_slower(service, monkeypatch):
    monkeypatch.setattr(service.talks, "audio", lambda *_: Piece(hum(4.0), None))
    room = Room(service)
    room.until(9, (5, Key("#")))
    first, second, *_ = service.guide.current.nodes["root"].say
    text = room.out.getvalue()
    assert (text.count(first.text), text.count(second.text)) == (1, 2)
    assert room.terminal._view.reply.pace_cpm == 153


def test_how_the_listener_likes_it_survives_a_new_talk(service):
    room = Room(service, sound=False)
    room.clock.at(3, lambda: service.talks.end(room.terminal._view.talk_id))
    room.until(10, (1, Key("7")), (2, Key("8")), (4, Key("1")))
    reply = room.terminal._view.reply
    assert room.when(prompt(service, "talk_ended")) == 4
    assert (reply.node, reply.own_pace_cpm, reply.loudness_db) == ("root", 160, 6)


def test_loudness_reaches_the_player(service):
    room = Room(service)
    room.until(5, (1, Key("8")))
    assert room.player.played[0][2] == 0 and room.player.played[-1][2] == 6


def test_key_stops_the_voice_before_anything_else(service):
    room = Room(service)
    room.until(1.5, (1, Key("1")))
    assert 1 in room.player.stopped
    first = service.guide.current.nodes["m1"].say[0].text
    assert room.when("您按了 1") == room.when(first) == 1
    greeting = service.guide.current.nodes["root"].say
    assert greeting[0].text in room.out.getvalue() and greeting[1].text not in room.out.getvalue()


def test_typing_stops_the_voice_and_the_text_is_answered(service):
    room = Room(service)
    room.until(10, (1, Typing("医")), (2, Text("医保卡里还有多少钱")))
    assert 1 in room.player.stopped
    assert all(not 1 <= when < 2 for when, _, _ in room.player.played)
    assert service.guide.current.nodes["m2_med"].say[0].text in room.out.getvalue()


def test_silence_makes_a_hint_after_the_last_sentence(service):
    room = Room(service)
    room.until(60)
    hint = prompt(service, "silence_menu")
    last_before = [p for p in room.player.played if p[0] < room.when(hint)][-1]
    assert room.when(hint) == pytest.approx(last_before[0] + last_before[1] + HINT_AFTER_S)


def test_without_sound_the_hint_waits_for_the_reading_time(service):
    room = Room(service, sound=False)
    room.until(200)
    reply = service.talks.open().reply
    assert room.when(reply.sentences[-1]) == 0
    expected = sum(map(reading_s, reply.sentences)) + HINT_AFTER_S
    assert room.when(prompt(service, "silence_menu")) == pytest.approx(expected)


def test_no_hint_while_somebody_speaks(service):
    room = Room(service, sound=False)
    reading = sum(map(reading_s, service.talks.open().reply.sentences))
    due = reading + HINT_AFTER_S
    room.until(due + 31, (due - 1, SpeechHeard()), (due + 20, Nothing()))
    assert room.when(prompt(service, "silence_menu")) == pytest.approx(due + 30)


def test_failing_sentence_is_shown_and_the_next_one_spoken(service, monkeypatch):
    real = service.talks.audio

    def failing(talk_id, turn_id, index, piece):
        if index == 0:
            raise VoiceError("a voice that has lost its tongue")
        return real(talk_id, turn_id, index, piece)

    monkeypatch.setattr(service.talks, "audio", failing)
    room = Room(service)
    room.until(10)
    first, second, *_ = service.guide.current.nodes["root"].say
    assert room.when(first.text) == 0
    assert room.player.played[0][0] == pytest.approx(reading_s(first.text) + PAUSE_S)
    assert room.when(second.text) == room.player.played[0][0]


def test_loudspeaker_that_vanishes_in_the_middle(service, caplog):
    room = Room(service)
    room.until(30, (1, DeviceLost(LOUDSPEAKER, "the plug was pulled")), (20, Key("1")))
    text = room.out.getvalue()
    assert text.count(prompt(service, "no_sound_device")) == 1
    assert "the plug was pulled" not in text
    assert [r.levelname for r in caplog.records if "the plug was pulled" in r.getMessage()] == ["WARNING"]
    sentences = service.talks.open().reply.sentences
    assert [text.count(s + "\n") for s in sentences[:3]] == [1, 1, 1]
    assert room.when(sentences[-1]) == 1
    assert len(room.player.played) == 1
    assert room.when("您按了 1") == room.when(service.guide.current.nodes["m1"].say[0].text) == 20


def test_loudspeaker_that_hangs_is_noticed(service):
    room = Room(service)
    room.player.unplugged = True
    room.until(10)
    assert room.when(prompt(service, "no_sound_device")) == pytest.approx(room.player.played[0][1] + 1.5)


def test_missing_devices_are_told_in_one_line(service):
    room = Room(service, sound=False)
    for device in (LOUDSPEAKER, MICROPHONE):
        room.inbox.put(DeviceLost(device, "none"))
    room.until(1)
    assert room.out.getvalue().count(prompt(service, "no_sound_device")) == 1


def test_devices_that_are_plugged_in_again_are_used_again(service):
    room = Room(service)
    player = FakePlayer(room.clock)
    hearer = SimpleNamespace(talk_id=None, speaking=None, forget=lambda: None)
    room.until(30, (1, DeviceLost(LOUDSPEAKER, "pulled out")), (1, DeviceLost(MICROPHONE, "pulled out")),
               (20, DeviceBack(LOUDSPEAKER, player)), (20, DeviceBack(MICROPHONE, hearer)), (21, Key("1")))
    assert [when for when, _, _ in player.played][0] == 21, "what is said next is heard"
    assert hearer.talk_id, "what is said to it makes turns of the talk"
    assert room.terminal.missing == set()


def test_a_missing_device_is_looked_for_until_it_is_there():
    inbox, there, failures = Inbox(), object(), [DeviceError("none"), DeviceError("none")]

    def opening():
        if failures:
            raise failures.pop()
        return there
    reopening = Reopening({MICROPHONE: opening}, inbox, lambda: {MICROPHONE, LOUDSPEAKER}, (0.01,))
    reopening.start()
    try:
        assert inbox.get(30) == DeviceBack(MICROPHONE, there)
    finally:
        reopening.close()


def test_error_in_a_turn_is_told_and_the_talk_goes_on(service, monkeypatch):
    room = Room(service, sound=False)
    real, broken = service.talks.press, [StoreError("no space left"), ZeroDivisionError()]

    def press(*args, **kwargs):
        if broken:
            raise broken.pop(0)
        return real(*args, **kwargs)

    monkeypatch.setattr(service.talks, "press", press)
    room.until(10, (1, Key("1")), (2, Key("1")), (3, Key("1")))
    text = room.out.getvalue()
    assert text.count(prompt(service, "error_internal")) == 2
    assert room.when(service.guide.current.nodes["m1"].say[0].text) == 3
    assert "no space" not in text


def test_talk_that_was_ended_elsewhere_is_followed_by_a_new_one(service):
    room = Room(service, sound=False)
    room.clock.at(1, lambda: service.talks.end(room.terminal._view.talk_id))
    room.until(10, (2, Key("1")), (3, Key("1")))
    assert room.when(prompt(service, "talk_ended")) == 2
    assert room.when(service.guide.current.nodes["m1"].say[0].text) == 3


def test_older_answer_does_not_replace_a_newer_one(service):
    room = Room(service, sound=False)
    old = service.talks.open()
    room.until(3, (1, Key("1")), (2, Turn(replace(old, talk_id="other"))))
    greeting = service.guide.current.nodes["root"].say[0].text
    assert room.out.getvalue().count(greeting) == 1


def test_screen_of_a_terminal_echoes_what_is_typed(service, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "20")
    out = io.StringIO()
    out.isatty = lambda: True
    screen = Screen(out, lambda: service.guide.current.labels)
    screen.typing("医保卡里还有多少钱")
    assert out.getvalue().endswith("> 保卡里还有多少钱")
    screen.notice("别的话")
    assert out.getvalue().endswith("钱\n! 别的话\n\n")
    screen.typing(None)
    screen.place(service.talks.open().reply)
    assert "\x1b[2J" in out.getvalue()


def test_an_edit_without_labels_is_survived(service):
    out = io.StringIO()
    screen = Screen(out, lambda: {})
    reply = service.talks.open().reply
    screen.place(reply)
    screen.choices(reply)
    screen.pressed("1")
    screen.lamp("keys")
    assert reply.choices[0].label in out.getvalue()


# --- hearing -------------------------------------------------------------------------------------

class Ears:
    """A hearer with a fake microphone that listens to recordings."""

    def __init__(self, service, deaf_s: float = 30.0):
        recognizer()
        self.inbox = Inbox()
        self.hearer = Hearer(service.talks, service.listening, self.inbox.put, deaf_s)
        self.hearer.talk_id = service.talks.open().talk_id
        self.hearer.open(self._microphone)

    def _microphone(self, take):
        self.microphone = FakeMicrophone(take)
        return self.microphone

    def hear(self, recording: str) -> None:
        """Let it hear a recording, at once: shorter than the backlog."""
        self.microphone.hear(read_pcm(RECORDINGS / f"{recording}.opus", BACKLOG_S).tobytes())

    def events(self, *last: type) -> list:
        """What is posted up to an event of one of these types, while it is silent in the room."""
        events, deadline = [], time.monotonic() + 30
        while not events or not isinstance(events[-1], last):
            assert time.monotonic() < deadline, f"nothing was heard after {events}"
            event = self.inbox.get(0.1)
            if event is None:
                self.microphone.hear(bytes(round(0.2 * RATE_HZ) * 2))
            else:
                events.append(event)
        return events


@pytest.fixture
def ears(service):
    ears = Ears(service)
    yield ears
    ears.hearer.close()


def test_recording_reaches_a_turn(service, ears):
    ears.hear("ask_m2_med")
    began, thinking, turn = ears.events(Turn, Nothing)
    assert (began, thinking) == (SpeechHeard(), Thinking())
    assert turn.view.reply.node == "m2_med"
    room = Room(service, sound=False)
    room.terminal._view = replace(turn.view, number=1)
    room.terminal.handle(turn)
    assert service.guide.current.nodes["m2_med"].say[0].text in room.out.getvalue()


def test_beside_the_guide_only_commands_are_heard(service, ears):
    opened = service.talks.last(ears.hearer.talk_id)
    ears.hearer.speaking = Speaking(opened.turn_id, opened.reply.sentences.index("有急事，直接说，我马上讲。"))
    ears.hear("ask_m2_med")
    assert isinstance(ears.events(Turn, Nothing)[-1], Nothing)
    ears.hear("say_slower")
    assert isinstance(ears.events(Turn, Nothing)[-1], Turn)


def test_key_drops_what_was_being_said(ears):
    ears.hear("ask_m2_med")
    assert ears.events(SpeechHeard) == [SpeechHeard()]
    ears.hearer.forget()
    ears.microphone.hear(bytes(RATE_HZ * 2 * 2))
    assert ears.inbox.get(0.5) is None


def test_microphone_that_sends_nothing_is_gone(service):
    ears = Ears(service, deaf_s=0.05)
    assert ears.inbox.get(5).device == MICROPHONE
    ears.hearer.close()
    ears.hearer.close()


def test_error_while_hearing_is_told_and_hearing_goes_on(ears):
    stream = ears.hearer._stream

    def broken(*_):
        ears.hearer._stream = stream
        raise ZeroDivisionError

    ears.hearer._stream = SimpleNamespace(feed=broken)
    ears.hear("say_top")
    failed, *_, turn = ears.events(Turn, Nothing)
    assert isinstance(failed, Failed) and isinstance(turn, Turn)


def test_backlog_is_bounded_and_says_so_once(caplog):
    backlog, second = Backlog(), RATE_HZ * 2
    with caplog.at_level(logging.WARNING):
        for i in range(20):
            backlog.put(bytes([i]) * second)
    kept = []
    while (piece := backlog.get(0)) is not None:
        kept.append(piece[0])
    assert kept == list(range(20))[-int(BACKLOG_S):]
    assert len(caplog.records) == 1


# --- the whole program ---------------------------------------------------------------------------

KEYS = "1\n1\n#\n"


@dataclass
class Programs:
    """``voice --keys`` twice: they begin at the same time, because that is what takes long."""

    piped: subprocess.Popen
    raw: subprocess.Popen | None
    screen: int = -1
    """The other side of the terminal of ``raw``."""
    before: list | None = None
    """The settings of that terminal before."""
    terminal: int = -1


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The program at a pipe and at a terminal; no model is loaded."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "models").mkdir()
    shutil.copy(ROOT / "models" / "catalog.yaml", folder / "models")

    def start(name: str, **streams) -> subprocess.Popen:
        environment = {**os.environ, "DATA_DIR": str(folder / name), "PYTHONIOENCODING": "utf-8",
                       "MODELS_DIR": str(folder / "models"), "RELOAD_GUIDE": "false", "TERM": "xterm"}
        return subprocess.Popen([sys.executable, "-m", "service", "voice", "--keys"], **streams,
                                env=environment, cwd=ROOT)

    piped = start("piped", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                  encoding="utf-8")
    programs = Programs(piped, None)
    if os.name == "posix":
        import pty
        import termios
        programs.screen, programs.terminal = fd = pty.openpty()
        programs.before = termios.tcgetattr(fd[1])
        programs.raw = start("raw", stdin=fd[1], stdout=fd[1], stderr=fd[1])
    yield programs
    for process in filter(None, (programs.piped, programs.raw)):
        process.kill()
        process.communicate()
    for fd in (programs.screen, programs.terminal):
        if fd != -1:
            os.close(fd)


def test_pipe(programs):
    out, log = programs.piped.communicate(KEYS, timeout=START_S)
    assert programs.piped.returncode == 0, log
    parts = [guide().nodes["root"].say[0].text, guide().nodes["m1"].say[0].text,
             *(s.text for s in guide().nodes["m1_counter"].steps[0].sentences)]
    places = [out.find(part) for part in parts]
    assert -1 not in places and places == sorted(places)
    assert "第1步，共7步" in out
    assert "\x1b" not in out and guide().prompts["no_sound_device"][0] not in out


@posix
def test_terminal_that_is_ended_by_a_signal_is_left_as_it_was(programs):
    import termios
    read_until(programs.screen, guide().nodes["root"].say[0].text)
    os.write(programs.screen, b"1")
    shown = read_until(programs.screen, guide().nodes["m1"].say[0].text)
    assert not termios.tcgetattr(programs.terminal)[3] & termios.ICANON
    programs.raw.send_signal(signal.SIGTERM)
    assert ended(programs.raw, programs.screen) == 0
    assert termios.tcgetattr(programs.terminal) == programs.before
    # The log is in a file: it would stand among the sentences.
    assert "service.monitoring" not in shown


def ended(process: subprocess.Popen, fd: int) -> int:
    """The exit code of a program whose terminal goes on showing what it writes, as any does."""
    deadline = time.monotonic() + START_S
    while process.poll() is None:
        assert time.monotonic() < deadline
        if select.select([fd], [], [], 0.1)[0]:
            os.read(fd, 4096)
    return process.returncode


def read_until(fd: int, text: str) -> str:
    """What a terminal shows up to this text."""
    shown, deadline = b"", time.monotonic() + START_S
    while text not in shown.decode("utf-8", "ignore"):
        assert select.select([fd], [], [], deadline - time.monotonic())[0], shown.decode()
        shown += os.read(fd, 4096)
    return shown.decode("utf-8", "ignore")
