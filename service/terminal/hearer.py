"""Hearer: from a microphone's audio to turns made by voice."""

from __future__ import annotations

import collections
import logging
import threading
from typing import Callable

from service.errors import GuideError
from service.listening import Listening
from service.speech.audio import RATE_HZ
from service.speech.device import Microphone
from service.speech.ear import Heard, SpeechBegan
from service.speech.recognizer import Hearing
from service.talks import Speaking, Talks, new_id
from service.terminal.events import MICROPHONE, DeviceLost, Failed, Nothing, SpeechHeard, Thinking, Turn

log = logging.getLogger(__name__)
DEAF_S = 3.0
"""A microphone that sends nothing for this long, seconds, is gone; a quiet one sends zeros."""
BACKLOG_S = 5.0
"""Audio that may wait to be decoded, seconds; an answer to older speech would come too late."""


class Backlog:
    """Audio that waits to be decoded; beyond ``BACKLOG_S`` the oldest is dropped. Thread-safe."""

    def __init__(self):
        self._pieces: collections.deque[bytes] = collections.deque()
        self._bytes, self._dropped = 0, False
        self._filled = threading.Condition()

    def put(self, pcm: bytes) -> None:
        """Add 16 kHz 16 bit mono PCM; returns at once."""
        with self._filled:
            self._pieces.append(pcm)
            self._bytes += len(pcm)
            drop = self._bytes > BACKLOG_S * RATE_HZ * 2
            while self._bytes > BACKLOG_S * RATE_HZ * 2:
                self._bytes -= len(self._pieces.popleft())
            self._filled.notify()
        if drop and not self._dropped:
            self._dropped = True
            log.warning("this machine decodes more slowly than it hears: audio was dropped")

    def get(self, timeout_s: float) -> bytes | None:
        """The oldest piece; None if none came in time."""
        with self._filled:
            if not self._filled.wait_for(lambda: self._pieces, timeout_s):
                return None
            pcm = self._pieces.popleft()
            self._bytes -= len(pcm)
            return pcm

    def clear(self) -> None:
        """Drop everything that waits."""
        with self._filled:
            self._pieces.clear()
            self._bytes = 0


class Hearer:
    """Decodes a microphone in a thread and makes turns of what it hears."""

    def __init__(self, talks: Talks, listening: Listening, post: Callable[[object], None],
                 deaf_s: float = DEAF_S):
        """ModelError without a speech model. ``post`` takes the events."""
        self._talks, self._post, self._deaf_s = talks, post, deaf_s
        self._stream = listening.stream()
        self._backlog = Backlog()
        self._forget, self._stop = threading.Event(), threading.Event()
        self._beside: Speaking | None = None
        """What the guide was saying when the utterance began."""
        self.speaking: Speaking | None = None
        """What the guide is saying; None while it is silent."""
        self.talk_id: str | None = None
        """The talk whose turns are made; None: nobody is listened to yet."""
        self._thread = threading.Thread(target=self._run, name="hear", daemon=True)
        self._microphone: Microphone | None = None

    def open(self, microphone: Callable[[Callable[[bytes], None]], Microphone]) -> None:
        """Open a microphone that gives its audio to the callable it gets, and begin.

        Raises DeviceError if there is none.
        """
        self._microphone = microphone(self._backlog.put)
        self._thread.start()

    def forget(self) -> None:
        """Drop an utterance in progress: a key was quicker."""
        self._backlog.clear()
        self._forget.set()

    def close(self) -> None:
        """End the thread and give the microphone back. May be called again."""
        self._stop.set()
        if self._microphone:
            self._microphone.close()
            self._backlog.put(b"")
            self._thread.join(1.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            pcm = self._backlog.get(self._deaf_s)
            if self._stop.is_set():
                return
            if pcm is None:
                return self._post(DeviceLost(MICROPHONE, "the microphone sends nothing"))
            try:
                self._feed(pcm)
            except GuideError as e:
                self._post(Failed(e))
            except Exception as e:
                self._post(Failed(unexpected(e)))

    def _feed(self, pcm: bytes) -> None:
        if self._forget.is_set():
            self._forget.clear()
            self._stream.forget()
        expects = self._talks.expects(self.talk_id) if self.talk_id else ""
        for event in self._stream.feed(pcm, expects):
            if self._forget.is_set():
                return
            if isinstance(event, SpeechBegan):
                self._beside = self.speaking
                self._post(SpeechHeard())
            elif isinstance(event, Heard) and self.talk_id:
                self._post(Thinking())
                self._turn(event.hearing)

    def _turn(self, hearing: Hearing) -> None:
        if self._beside:
            view = self._talks.interrupt(self.talk_id, new_id(), hearing, self._beside)
        else:
            view = self._talks.hear(self.talk_id, new_id(), hearing)
        self._post(Turn(view) if view else Nothing())


def unexpected(error: Exception) -> GuideError:
    """What the listener is told of an error that nobody foresaw; logged."""
    # The type alone: the text of a foreign error may quote what was said.
    log.error("unexpected %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
    return GuideError("something unexpected went wrong")
