"""Discretion: what listeners said about themselves, held in memory alone and forgotten after the talk.

Neither the database nor a log, nor a file of the audio cache has any of it. With several processes it is in
the memory of the Redis that they share, too, encrypted with a key that is not there. A talk that goes on where
it is not to be had any more asks again.
"""

from __future__ import annotations

import base64
import collections
import datetime
import hashlib
import json
import logging
import threading
from dataclasses import asdict, dataclass, field
from typing import Mapping, Protocol

from cryptography.fernet import Fernet, InvalidToken

from service.core.dialog import Session
from service.sharing.line import PREFIX, Line

log = logging.getLogger(__name__)
FORGOTTEN_AFTER = datetime.timedelta(minutes=20)
"""Since the last turn: long enough to look for a paper; the next one in front of the machine hears nothing of it."""
MOST_TALKS = 10_000
"""The least recently used is forgotten first."""
TURNS_KEPT = 8
"""Of a talk: those whose replies may still be spoken or asked for again."""
NEWEST = ""
"""In place of a turn's id: the last one that was kept."""


class Discretion(Protocol):
    """What no store keeps, by talk and turn. Thread-safe."""

    def session(self, talk_id: str, turn_id: str, now: datetime.datetime) -> Mapping[str, object]:
        """The parts of the session after a turn that are not stored, by name; nothing if they are forgotten."""

    def reply(self, talk_id: str, turn_id: str, now: datetime.datetime) -> dict | None:
        """A reply that is not stored in full, or None."""

    def keep(self, talk_id: str, turn_id: str, session: Mapping[str, object], reply: dict | None,
             now: datetime.datetime) -> None:
        """For a turn: the parts of its session, and its reply if that is not stored in full. Nothing of either
        forgets the talk."""

    def forget(self, talk_id: str) -> None:
        """The talk is over."""


@dataclass(frozen=True)
class _Kept:
    session: Mapping[str, object]
    reply: dict | None


@dataclass
class _Talk:
    at: datetime.datetime
    """Of the last turn."""
    turns: collections.OrderedDict[str, _Kept] = field(default_factory=collections.OrderedDict)


class OwnDiscretion:
    """``Discretion`` of one process."""

    def __init__(self):
        self._talks: collections.OrderedDict[str, _Talk] = collections.OrderedDict()
        self._lock = threading.Lock()

    def session(self, talk_id: str, turn_id: str, now: datetime.datetime) -> Mapping[str, object]:
        """See ``Discretion``."""
        kept = self._kept(talk_id, turn_id, now)
        return kept.session if kept else {}

    def reply(self, talk_id: str, turn_id: str, now: datetime.datetime) -> dict | None:
        """See ``Discretion``."""
        kept = self._kept(talk_id, turn_id, now)
        return kept and kept.reply

    def keep(self, talk_id: str, turn_id: str, session: Mapping[str, object], reply: dict | None,
             now: datetime.datetime) -> None:
        """See ``Discretion``."""
        if not _is_private(session, reply):
            self.forget(talk_id)
            return
        with self._lock:
            talk = self._found(talk_id, now) or _Talk(now)
            talk.at, talk.turns[turn_id] = now, _Kept(session, reply)
            while len(talk.turns) > TURNS_KEPT:
                talk.turns.popitem(last=False)
            self._talks[talk_id] = talk
            self._talks.move_to_end(talk_id)
            self._drop(now)

    def forget(self, talk_id: str) -> None:
        """See ``Discretion``."""
        with self._lock:
            self._talks.pop(talk_id, None)

    def _kept(self, talk_id: str, turn_id: str, now: datetime.datetime) -> _Kept | None:
        with self._lock:
            talk = self._found(talk_id, now)
            if talk is None:
                return None
            return talk.turns.get(turn_id if turn_id != NEWEST else next(reversed(talk.turns)))

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


class SharedDiscretion:
    """``Discretion`` of all processes of a Redis; of this one alone while that is away.

    The server forgets by its own clock, and cannot read what was said.
    """

    def __init__(self, line: Line, key: bytes):
        """``key``: 32 bytes that all processes have, and the server has not."""
        self._line, self._own = line, OwnDiscretion()
        self._box = Fernet(base64.urlsafe_b64encode(key))

    def session(self, talk_id: str, turn_id: str, now: datetime.datetime) -> Mapping[str, object]:
        """See ``Discretion``."""
        kept = self._kept(talk_id, turn_id)
        return kept.session if kept else self._own.session(talk_id, turn_id, now)

    def reply(self, talk_id: str, turn_id: str, now: datetime.datetime) -> dict | None:
        """See ``Discretion``."""
        kept = self._kept(talk_id, turn_id)
        return kept.reply if kept else self._own.reply(talk_id, turn_id, now)

    def keep(self, talk_id: str, turn_id: str, session: Mapping[str, object], reply: dict | None,
             now: datetime.datetime) -> None:
        """See ``Discretion``."""
        if not _is_private(session, reply):
            self.forget(talk_id)
            return
        self._own.keep(talk_id, turn_id, session, reply, now)
        name, sealed = _name(talk_id), self._sealed(session, reply)

        def put(client) -> None:
            with client.pipeline() as pipe:
                pipe.hset(name, mapping={turn_id: sealed, NEWEST: sealed})
                pipe.expire(name, FORGOTTEN_AFTER)
                pipe.execute()
        self._line.ask(put, None)

    def forget(self, talk_id: str) -> None:
        """See ``Discretion``."""
        self._own.forget(talk_id)
        self._line.ask(lambda client: client.delete(_name(talk_id)), None)

    def _sealed(self, session: Mapping[str, object], reply: dict | None) -> bytes:
        parts = {name: asdict(part) if name == "form" and part else part for name, part in session.items()}
        return self._box.encrypt(json.dumps([parts, reply], ensure_ascii=False).encode())

    def _kept(self, talk_id: str, turn_id: str) -> _Kept | None:
        sealed = self._line.ask(lambda client: client.hget(_name(talk_id), turn_id), None)
        if sealed is None:
            return None
        try:
            parts, reply = json.loads(self._box.decrypt(sealed))
        except (InvalidToken, ValueError):
            log.warning("what was kept of a talk cannot be read: do all processes have the same secret key?")
            return None
        return _Kept(Session.discreet_from_json(parts), reply)


def _is_private(session: Mapping[str, object], reply: dict | None) -> bool:
    return any(session.values()) or reply is not None


def _name(talk_id: str) -> str:
    # Whoever knows the id of a talk can go on with it.
    return f"{PREFIX}talk:{hashlib.sha256(talk_id.encode()).hexdigest()}"
