"""Talk: one listener in front of one machine, as one loop over events.

Everything that takes time (rendering a sentence, decoding speech) happens in other threads and
comes back as an event, so that a key is never kept waiting.
"""

from __future__ import annotations

import contextlib
import logging
import time
from functools import partial
from typing import Callable

from service.core.dialog import Reply
from service.errors import AudioError, DeviceError, Ended, GuideError, NotFound
from service.speech.device import Player
from service.talks import Talks, View, new_id
from service.terminal.events import (LOUDSPEAKER, DeviceLost, Failed, Mailbox, Nothing,
                                     PlaybackEnded, Rendered, Speaking, Thinking, Turn)
from service.terminal.hearer import Hearer, unexpected
from service.terminal.keyboard import Key, Leave, Text, Typing
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


class Terminal:
    """One listener in front of one machine. Its methods belong to the thread of ``run``."""

    def __init__(self, talks: Talks, screen: Screen, inbox: Mailbox, player: Player | None = None,
                 hearer: Hearer | None = None, now: Callable[[], float] = time.monotonic,
                 aside: Callable[[Callable[[], None]], object] = lambda job: job()):
        """``now`` gives seconds from any beginning; ``aside`` does a job elsewhere."""
        self._talks, self._screen, self._inbox = talks, screen, inbox
        self._player, self._hearer, self._now, self._aside = player, hearer, now, aside
        self._view: View | None = None
        """The newest answer."""
        self._spoken: View | None = None
        """The answer that is being spoken; may be older than the newest."""
        self._index = 0
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
                self._turn(partial(self._talks.press, key=key))
            case Text(text):
                self._quiet()
                self._turn(partial(self._talks.say, text=text))
            case Typing(line):
                self._quiet()
                self._screen.typing(line)
                self._await_listener()
            case Turn(view):
                self._take(view)
            case Failed(error):
                self._fail(error)
            case Speaking() | Thinking() | Nothing():
                self._heard(event)
            case Rendered(run, index, wav) if run == self._run:
                self._say(index, wav)
            case PlaybackEnded(run) if run == self._run:
                self._said()
            case DeviceLost(device, reason):
                self._lost(device, reason)

    # --- turns -----------------------------------------------------------------------------------

    def _open(self) -> None:
        view = self._talks.open()
        self._view = None
        if self._hearer:
            self._hearer.talk_id = view.talk_id
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

    def _heard(self, event: Speaking | Thinking | Nothing) -> None:
        if isinstance(event, Thinking) and not self._spoken:
            self._screen.lamp("thinking")
        self._await_listener(0.0 if isinstance(event, Nothing) else LONGEST_SPEECH_S)

    # --- speaking --------------------------------------------------------------------------------

    def _speak(self, view: View) -> None:
        self._hush()
        self._spoken = view
        self._screen.place(view.reply)
        if self._player is None:
            self._show(view.reply.sentences, view.reply)
        else:
            self._screen.choices(view.reply)
            self._render(0)

    def _show(self, sentences: tuple[str, ...], reply: Reply) -> None:
        """Without sound all is shown at once: everybody reads at their own pace."""
        for text in sentences:
            self._screen.sentence(text)
        self._screen.choices(reply)
        self._silent(sum(map(reading_s, sentences)))

    def _render(self, index: int) -> None:
        """Have a sentence rendered; ``Speaker`` does so ahead, so mostly it is there already."""
        run, view = self._run, self._spoken
        self._aside(lambda: self._inbox.put(Rendered(run, index, self._audio(view, index))))

    def _audio(self, view: View, index: int) -> bytes | None:
        try:
            return self._talks.audio(view.talk_id, view.turn_id, index)
        except GuideError as e:
            log.warning("sentence %d of turn %d is shown only: %s", index + 1, view.number, e)
        except Exception as e:
            unexpected(e)
        return None

    def _say(self, index: int, wav: bytes | None) -> None:
        self._index, reply = index, self._spoken.reply
        text = reply.sentences[index]
        self._screen.sentence(text)
        try:
            length_s = None if wav is None else self._player.play(
                wav, reply.loudness_db, partial(self._inbox.put, PlaybackEnded(self._run)))
        except AudioError as e:
            log.warning("sentence %d is shown only: %s", index + 1, e)
            length_s = None
        except DeviceError as e:
            return self._lost(LOUDSPEAKER, str(e))
        if length_s is None:
            self._speaking("")
            self._wait(reading_s(text), self._said)
        else:
            self._speaking(text)
            self._wait(length_s + OVERDUE_S, self._overdue)

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
        self._run += 1
        self._spoken, self._timer = None, None
        self._speaking("")

    def _quiet(self) -> None:
        """The listener's hand is on the keys: neither speak nor take what was being said."""
        self._hush()
        if self._hearer:
            self._hearer.forget()

    def _speaking(self, text: str) -> None:
        if self._hearer:
            self._hearer.speaking = text

    # --- waiting for the listener ----------------------------------------------------------------

    def _silent(self, reading_s: float = 0.0) -> None:
        self._hush()
        still = self._view.reply.state in ("paused", "waiting")
        self._screen.lamp("paused" if still else "listening" if self._hearer else "keys")
        self._await_listener(reading_s)

    def _await_listener(self, extra_s: float = 0.0) -> None:
        """Count the silence from now, as long as it is the listener's turn."""
        if self._spoken:
            return
        hint_s = self._view.reply.hint_after_s
        self._timer = None
        if hint_s is not None:
            self._wait(hint_s + extra_s, partial(self._turn, self._talks.silence))

    def _wait(self, seconds: float, ring: Callable[[], None]) -> None:
        self._timer = (self._now() + seconds, ring)

    def _remaining_s(self) -> float | None:
        return max(0.0, self._timer[0] - self._now()) if self._timer else None

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

    def _prompt(self, name: str) -> str:
        return "".join(self._talks.edition.guide.prompts[name])


def reading_s(text: str) -> float:
    """How long a sentence takes to read, seconds."""
    return max(SHORTEST_READING_S, len(text) / READING_CPS)
