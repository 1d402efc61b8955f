"""Events: what the loop of a terminal waits for, beside what comes from the keyboard."""

from __future__ import annotations

import queue
from dataclasses import dataclass
from typing import Protocol

from service.care.devices import Device
from service.errors import GuideError
from service.speech.speaker import Piece
from service.talks import View

LOUDSPEAKER, MICROPHONE = "loudspeaker", "microphone"


@dataclass(frozen=True)
class SpeechHeard:
    """The listener began to speak."""


@dataclass(frozen=True)
class Thinking:
    """The listener has spoken; it is being understood."""


@dataclass(frozen=True)
class Nothing:
    """What sounded like speech was none, or no interruption."""


@dataclass(frozen=True)
class Turn:
    """A turn was made by voice."""

    view: View


@dataclass(frozen=True)
class Failed:
    """Something broke; the listener is told."""

    error: GuideError


@dataclass(frozen=True)
class Rendered:
    """A piece of a sentence, mostly all of it, is ready to be played."""

    run: int
    index: int
    """Of the sentence."""
    number: int
    """Of the piece."""
    piece: Piece | None
    """None if it could not be spoken."""


@dataclass(frozen=True)
class PlaybackEnded:
    """The piece has been played to its end."""

    run: int


@dataclass(frozen=True)
class DeviceLost:
    """There is no microphone or no loudspeaker, or not any more."""

    device: str
    reason: str


@dataclass(frozen=True)
class DeviceBack:
    """A microphone or a loudspeaker was opened that was missing."""

    device: str
    opened: object
    """The ``Player``, or the ``Hearer`` that has the microphone."""


@dataclass(frozen=True)
class DeviceState:
    """How this machine stands as a device that somebody may care for."""

    device: Device
    notice: int | None
    """What is to be read out next."""


@dataclass(frozen=True)
class Chimed:
    """The attention sound in front of a notice is over."""

    notice: int


class Mailbox(Protocol):
    """Where events wait for the loop."""

    def put(self, event) -> None:
        """Add an event, from any thread."""

    def get(self, timeout_s: float | None):
        """The oldest event; None if none came in time."""


class Inbox:
    """The mailbox of the real program."""

    def __init__(self):
        # Not queue.Queue: its put() inside a signal handler would wait for itself.
        self._events: queue.SimpleQueue = queue.SimpleQueue()

    def put(self, event) -> None:
        """See ``Mailbox``."""
        self._events.put(event)

    def get(self, timeout_s: float | None):
        """See ``Mailbox``."""
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None
