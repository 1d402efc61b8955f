"""Talk: one listener in front of one machine, as one loop over events.

Everything that takes time (rendering a sentence, decoding speech) happens in other threads and
comes back as an event, so that a key is never kept waiting.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import Callable

from service.care.devices import Device
from service.core.dialog import Reply
from service.errors import AudioError, DeviceError, Ended, GuideError, NotFound
from service.speech.device import Player
from service.speech.sound import chime
from service.speech.speaker import Piece
from service.talks import Speaking, Talks, View, new_id
from service.terminal.events import (LOUDSPEAKER, MICROPHONE, Chimed, DeviceBack, DeviceLost, DeviceState, Failed,
                                     Mailbox, Nothing, PlaybackEnded, Rendered, SpeechHeard, Thinking, Turn)
from service.terminal.hearer import Hearer, unexpected
from service.terminal.keyboard import Key, Leave, Text, Toggle, Typing
from service.terminal.screen import Screen

log = logging.getLogger(__name__)
PAUSE_S = 0.4
"""Pause between two sentences at the usual pace, seconds; longer if spoken more slowly."""
USUAL_CPM = 180
READING_CPS = 3.5
"""Chinese characters a second that are read where nothing can be heard."""
SHORTEST_READING_S = 1.2
OVERDUE_S = 1.5
"""A sound that has not ended this long after its time, seconds: the loudspeaker is gone."""
LONGEST_SPEECH_S = 30.0
"""Nobody who began to speak is given a hint before this, seconds."""


BACK_S = 0.5
"""Where the words are not known, a sentence goes on this much before the place where it was cut."""
STILL = ("paused", "waiting")


@dataclass(frozen=True)
class Cut:
    """Where the voice was when it was cut off."""

    view: View
    index: int
    """Of the sentence."""
    piece: Piece | None
    """What of it was being played; None if it could not be heard."""
    start_s: float
    """Where the piece goes on, seconds from its beginning."""

    @property
    def text(self) -> str:
        """The sentence."""
        return self.view.reply.sentences[self.index]


class Terminal:
    """One listener in front of one machine. Its methods belong to the thread of ``run``."""

    def __init__(self, talks: Talks, screen: Screen, inbox: Mailbox, player: Player | None = None,
                 hearer: Hearer | None = None, now: Callable[[], float] = time.monotonic,
                 aside: Callable[[Callable[[], None]], object] = lambda job: job(),
                 device: Callable[[], Device | None] = lambda: None):
        """``now`` gives seconds from any beginning; ``aside`` does a job elsewhere; ``device`` is what this
        machine is for those who care."""
        self._talks, self._screen, self._inbox = talks, screen, inbox
        self._player, self._hearer, self._now, self._aside = player, hearer, now, aside
        self._device = device
        self._paired: bool | None = None
        """True if somebody cares for this machine; None until it is known."""
        self._keys_only = False
        """True while those who care want nothing to be heard here."""
        self._notice: int | None = None
        """What is to be read out as soon as nobody speaks."""
        self._last_notice: int | None = None
        self._view: View | None = None
        """The newest answer."""
        self._spoken: View | None = None
        """The answer that is being spoken; may be older than the newest."""
        self._index = 0
        self._piece: Piece | None = None
        """The piece of the sentence that is being played, or was the last."""
        self._began, self._length_s = 0.0, 0.0
        """When it would have begun if played from its beginning, and its length."""
        self._sounding = False
        """True until it has ended."""
        self._ahead: collections.deque[Piece | None] = collections.deque()
        """Pieces that came while it is being played."""
        self._cut: Cut | None = None
        """What was cut off, until something else is spoken."""
        self._held: Cut | None = None
        """What was cut off when the listener asked to wait."""
        self._run = 0
        """Counts what is spoken, to know the events of what was stopped."""
        self._timer: tuple[float, Callable[[], None]] | None = None
        """The one thing waited for: the end of a pause, a reading time or the listener's silence."""
        self._told_of_devices = False

    def run(self) -> None:
        """Open a talk and serve it until somebody leaves. Raises StoreError if none can be opened."""
        self._open()
        while not isinstance(event := self._inbox.get(self._remaining_s()), Leave):
            if event is not None:
                self.handle(event)
            elif self._timer and self._timer[0] <= self._now():
                (_, ring), self._timer = self._timer, None
                ring()
        self._leave()

    def handle(self, event) -> None:
        """Take one event."""
        match event:
            case Key(key):
                self._quiet()
                self._screen.pressed(key)
                self._turn(partial(self._talks.press, key=key, speaking=self._interrupted()))
            case Toggle():
                self._quiet()
                command = "resume" if self._view.reply.state in STILL else "pause"
                self._turn(partial(self._talks.command, name=command, speaking=self._interrupted()))
            case Text(text):
                self._quiet()
                self._turn(partial(self._talks.say, text=text, speaking=self._interrupted()))
            case Typing(line):
                self._quiet()
                self._screen.typing(line)
                self._await_listener()
            case Turn(view):
                self._take(view)
            case Failed(error):
                self._fail(error)
            case SpeechHeard() | Thinking() | Nothing():
                self._heard(event)
            case Rendered(run, index, number, piece) if run == self._run:
                self._arrived(index, number, piece)
            case PlaybackEnded(run) if run == self._run:
                self._played()
            case DeviceLost(device, reason):
                self._lost(device, reason)
            case DeviceBack(device, opened):
                self._back(device, opened)
            case DeviceState(device, notice):
                self._listen(not (device.paired and device.adjustment.keys_only))
                self._cared_for(device.paired, notice)
            case Chimed(notice):
                self._turn(partial(self._talks.notice, delivery=notice))

    # --- turns -----------------------------------------------------------------------------------

    def _open(self) -> None:
        likes = {}
        if self._view:
            reply = self._view.reply
            likes = dict(voice=reply.voice, pace_cpm=reply.own_pace_cpm, loudness_db=reply.loudness_db)
        view = self._talks.open(**likes, device=self._device())
        self._view = None
        if self._hearer:
            self._hearer.talk_id = None if self._keys_only else view.talk_id
        self._take(view)

    def _leave(self) -> None:
        self._hush()
        with contextlib.suppress(GuideError):
            self._talks.end(self._view.talk_id)

    def _turn(self, make: Callable[..., View]) -> None:
        """Make a turn; whatever breaks is said and the talk goes on."""
        try:
            view = make(self._view.talk_id, new_id())
        except (Ended, NotFound):
            self._open()
            self._screen.notice(self._prompt("talk_ended"))
        except GuideError as e:
            self._fail(e)
        except Exception as e:
            self._fail(unexpected(e))
        else:
            self._take(view)

    def _take(self, view: View) -> None:
        # A key and an utterance may have crossed; the newer answer stays.
        if self._view and (view.talk_id != self._view.talk_id or view.number <= self._view.number):
            return
        self._view = view
        if view.reply.sentences:
            self._speak(view)
        else:
            # An answer that says nothing does not cut off what is being said.
            self._screen.shown(view.reply)
            self._await_listener()

    def _fail(self, error: GuideError) -> None:
        log.warning("%s: %s", error.code, error)
        self._screen.notice(self._talks.fault(error))
        self._await_listener()

    def _heard(self, event: SpeechHeard | Thinking | Nothing) -> None:
        if isinstance(event, Thinking) and not self._spoken:
            self._screen.lamp("thinking")
        self._await_listener(0.0 if isinstance(event, Nothing) else LONGEST_SPEECH_S)

    # --- speaking --------------------------------------------------------------------------------

    def _speak(self, view: View) -> None:
        self._hush()
        self._keep_place(view.reply)
        self._spoken = view
        self._screen.place(view.reply)
        if self._player is None:
            self._show(view.reply.sentences, view.reply)
        else:
            self._screen.choices(view.reply)
            self._render(0)

    def _keep_place(self, reply: Reply) -> None:
        """Keep what was cut as long as the listener wants to wait, whatever is said meanwhile."""
        if reply.state != "paused":
            if reply.resumes is None:
                self._held = None
        elif self._cut and self._cut.view.reply.state != "paused":
            self._held = self._cut
        self._cut = None

    def _show(self, sentences: tuple[str, ...], reply: Reply) -> None:
        """Without sound all is shown at once: everybody reads at their own pace."""
        for text in sentences:
            self._screen.sentence(text)
        self._screen.choices(reply)
        self._silent(sum(map(reading_s, sentences)))

    def _render(self, index: int) -> None:
        """Get a sentence; ``Speaker`` renders ahead, so mostly it is there already."""
        reply, held = self._spoken.reply, self._held
        if held and held.piece and index == reply.resumes and held.text == reply.sentences[index]:
            self._held = None
            self._arrived(index, 0, held.piece, held.start_s)
        else:
            self._fetch(index, 0)

    def _fetch(self, index: int, number: int) -> None:
        run, view = self._run, self._spoken
        self._aside(lambda: self._inbox.put(Rendered(run, index, number, self._audio(view, index, number))))

    def _audio(self, view: View, index: int, number: int) -> Piece | None:
        try:
            return self._talks.audio(view.talk_id, view.turn_id, index, number)
        except GuideError as e:
            log.warning("sentence %d of turn %d is shown only: %s", index + 1, view.number, e)
        except Exception as e:
            unexpected(e)
        return None

    def _arrived(self, index: int, number: int, piece: Piece | None, start_s: float = 0.0) -> None:
        if piece and piece.next is not None:
            self._fetch(index, piece.next)
        if self._sounding:
            return self._ahead.append(piece)
        if number == 0:
            self._index = index
            self._screen.sentence(self._spoken.reply.sentences[index])
        self._play(piece, start_s)

    def _play(self, piece: Piece | None, start_s: float = 0.0) -> None:
        self._piece = piece
        try:
            length_s = piece and self._player.play(
                piece.speech.wav, self._spoken.reply.loudness_db,
                partial(self._inbox.put, PlaybackEnded(self._run)), start_s)
        except AudioError as e:
            log.warning("sentence %d is shown only: %s", self._index + 1, e)
            self._piece = length_s = None
        except DeviceError as e:
            return self._lost(LOUDSPEAKER, str(e))
        self._sounding = length_s is not None
        self._speaking(self._sounding)
        if not self._sounding:
            return self._wait(reading_s(self._spoken.reply.sentences[self._index]), self._said)
        self._began, self._length_s = self._now() - start_s, start_s + length_s
        self._wait(length_s + OVERDUE_S, self._overdue)

    def _played(self) -> None:
        """A piece is over; the next one is there, or comes, or the sentence is over."""
        self._sounding = False
        if self._ahead:
            self._play(self._ahead.popleft())
        elif self._piece.next is not None:
            self._timer = None
        else:
            self._said()

    def _said(self) -> None:
        """A sentence is over; what follows is a pause or the listener's turn."""
        reply = self._spoken.reply
        if self._index + 1 < len(reply.sentences):
            self._wait(PAUSE_S * USUAL_CPM / reply.pace_cpm, partial(self._render, self._index + 1))
        else:
            self._silent()

    def _overdue(self) -> None:
        self._lost(LOUDSPEAKER, "a sound has not come to its end")

    def _hush(self) -> None:
        """Silence, now."""
        if self._player:
            self._player.stop()
        if self._spoken:
            self._cut = Cut(self._spoken, self._index, self._piece, self._goes_on_s())
        self._run += 1
        self._spoken, self._timer, self._piece, self._sounding = None, None, None, False
        self._index = 0
        self._ahead.clear()
        self._speaking(False)

    def _goes_on_s(self) -> float:
        """Where the piece that was cut goes on: at the beginning of the word, or a little before."""
        if self._piece is None:
            return 0.0
        at_s = min(self._now() - self._began, self._length_s)
        begun = [when for _, when in self._piece.speech.marks if when <= at_s]
        return begun[-1] if begun else max(0.0, at_s - BACK_S)

    def _interrupted(self) -> Speaking | None:
        return self._cut and Speaking(self._cut.view.turn_id, self._cut.index)

    def _quiet(self) -> None:
        """The listener's hand is on the keys: neither speak nor take what was being said."""
        self._hush()
        if self._hearer:
            self._hearer.forget()

    def _speaking(self, aloud: bool) -> None:
        if self._hearer:
            self._hearer.speaking = Speaking(self._spoken.turn_id, self._index) if aloud else None

    # --- waiting for the listener ----------------------------------------------------------------

    def _silent(self, reading_s: float = 0.0) -> None:
        self._spoken = None
        self._hush()
        self._show_lamp()
        self._await_listener(reading_s)

    def _show_lamp(self) -> None:
        still = self._view.reply.state in STILL
        hears = self._hearer and not self._keys_only
        self._screen.lamp("paused" if still else "listening" if hears else "keys")

    def _await_listener(self, extra_s: float = 0.0) -> None:
        """Count the silence from now, as long as it is the listener's turn."""
        if self._spoken or self._read_notice():
            return
        hint_s = self._view.reply.hint_after_s
        self._timer = None
        if hint_s is not None:
            self._wait(hint_s + extra_s, partial(self._turn, self._talks.silence))

    def _wait(self, seconds: float, ring: Callable[[], None]) -> None:
        self._timer = (self._now() + seconds, ring)

    def _remaining_s(self) -> float | None:
        return max(0.0, self._timer[0] - self._now()) if self._timer else None

    # --- those who care ------------------------------------------------------------------------

    @property
    def able(self) -> tuple[bool, bool]:
        """(something can be heard here, something can be said)."""
        return self._hearer is not None, self._player is not None

    @property
    def missing(self) -> set[str]:
        """The devices that it does without."""
        return {device for device, there in zip((MICROPHONE, LOUDSPEAKER), self.able) if not there}

    def _listen(self, listens: bool) -> None:
        """Make turns of what is heard, or of keys alone."""
        self._keys_only = not listens
        if self._hearer:
            self._hearer.talk_id = self._view.talk_id if listens else None

    def _cared_for(self, paired: bool, notice: int | None) -> None:
        if self._paired not in (None, paired):
            self._quiet()
            self._open()
            self._quiet()
            self._turn(self._talks.joined)
        self._paired = paired
        if notice is not None and notice != self._last_notice:
            self._notice = notice
            if not self._spoken:
                self._await_listener()

    def _read_notice(self) -> bool:
        """Begin with what somebody wants to be heard; False if there is nothing, or it has to wait."""
        notice = self._notice
        if notice is None or self._view.reply.state == "paused":
            return False
        self._notice, self._last_notice, self._timer = None, notice, None
        if self._player is None:
            self._inbox.put(Chimed(notice))
            return True
        try:
            self._player.play(chime(), self._view.reply.loudness_db, partial(self._inbox.put, Chimed(notice)))
        except (AudioError, DeviceError) as e:
            log.warning("no attention sound: %s", e)
            self._inbox.put(Chimed(notice))
        return True

    # --- devices ---------------------------------------------------------------------------------

    def _lost(self, device: str, reason: str) -> None:
        log.warning("%s: %s", device, reason)
        if device == LOUDSPEAKER:
            player, self._player = self._player, None
            if player:
                player.close()
        elif self._hearer:
            self._hearer.close()
            self._hearer = None
        if not self._told_of_devices:
            self._told_of_devices = True
            self._screen.notice(self._prompt("no_sound_device"))
        if self._spoken and self._player is None:
            reply = self._spoken.reply
            self._show(reply.sentences[self._index + 1:], reply)

    def _back(self, device: str, opened: Player | Hearer) -> None:
        if device not in self.missing:
            return opened.close()
        log.info("%s: it is back", device)
        if device == LOUDSPEAKER:
            self._player = opened
        else:
            self._hearer = opened
            self._listen(not self._keys_only)
        # Lost once more, it is told once more.
        self._told_of_devices = False
        if not self._spoken:
            self._show_lamp()

    def _prompt(self, name: str) -> str:
        return "".join(self._talks.edition.guide.prompts[name])


def reading_s(text: str) -> float:
    """How long a sentence takes to read, seconds."""
    return max(SHORTEST_READING_S, len(text) / READING_CPS)
