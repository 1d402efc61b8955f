"""Discretion: what listeners said about themselves, held in memory alone and forgotten after the talk.

Neither the database nor a log, nor a file of the audio cache has any of it. A talk that goes on in
another process, or after a restart, asks again.
"""

from __future__ import annotations

import collections
import datetime
import threading
from dataclasses import dataclass, field
from typing import Mapping

FORGOTTEN_AFTER = datetime.timedelta(minutes=20)
"""Since the last turn: long enough to look for a paper; the next one in front of the machine hears nothing of it."""
MOST_TALKS = 10_000
"""The least recently used is forgotten first."""
REPLIES_KEPT = 8
"""Of a talk: those that may still be spoken or asked for again."""


@dataclass
class _Talk:
    at: datetime.datetime
    """Of the last turn."""
    session: Mapping[str, object] = field(default_factory=dict)
    replies: collections.OrderedDict[str, dict] = field(default_factory=collections.OrderedDict)


class Discretion:
    """What no store keeps, by talk. Thread-safe."""

    def __init__(self):
        self._talks: collections.OrderedDict[str, _Talk] = collections.OrderedDict()
        self._lock = threading.Lock()

    def session(self, talk_id: str, now: datetime.datetime) -> Mapping[str, object]:
        """The parts of the session that are not stored, by name; nothing if they are forgotten."""
        with self._lock:
            talk = self._found(talk_id, now)
            return talk.session if talk else {}

    def reply(self, talk_id: str, turn_id: str, now: datetime.datetime) -> dict | None:
        """A reply that is not stored in full, or None."""
        with self._lock:
            talk = self._found(talk_id, now)
            return talk.replies.get(turn_id) if talk else None

    def keep(self, talk_id: str, turn_id: str, session: Mapping[str, object], reply: dict | None,
             now: datetime.datetime) -> None:
        """After a turn: the parts of its session, and its reply if that is not stored in full. Nothing of either
        forgets the talk."""
        with self._lock:
            if not any(session.values()) and reply is None:
                self._talks.pop(talk_id, None)
                return
            talk = self._found(talk_id, now) or _Talk(now)
            talk.at, talk.session = now, session
            if reply is not None:
                talk.replies[turn_id] = reply
            while len(talk.replies) > REPLIES_KEPT:
                talk.replies.popitem(last=False)
            self._talks[talk_id] = talk
            self._talks.move_to_end(talk_id)
            self._drop(now)

    def forget(self, talk_id: str) -> None:
        """The talk is over."""
        with self._lock:
            self._talks.pop(talk_id, None)

    def _found(self, talk_id: str, now: datetime.datetime) -> _Talk | None:
        talk = self._talks.get(talk_id)
        if talk and now - talk.at > FORGOTTEN_AFTER:
            del self._talks[talk_id]
            return None
        return talk

    def _drop(self, now: datetime.datetime) -> None:
        """The oldest stand first."""
        while self._talks:
            oldest = next(iter(self._talks))
            if len(self._talks) <= MOST_TALKS and now - self._talks[oldest].at <= FORGOTTEN_AFTER:
                return
            del self._talks[oldest]
