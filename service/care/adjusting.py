"""Adjustment: how a device speaks and listens, as far as it can be set from afar."""

from __future__ import annotations

import dataclasses
import datetime
import re
from dataclasses import dataclass, replace

from service.core.dialog import DETAILS, LOUDNESS_DB, PACE_CPM, USUAL_CPM, HINT_AFTER_S, WAIT_S, Session
from service.errors import BadRequest

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
QUIET_DB = LOUDNESS_DB[1]
"""A talk that begins in quiet hours is no louder than this, dB against the normal level; whoever asks for more
gets it."""
ASKED = ("pace_cpm", "loudness_db", "voice")
"""What the listener changes by asking, too."""


@dataclass(frozen=True)
class Adjustment:
    """All that can be set. What is not of the scales of ``core.dialog`` raises BadRequest."""

    pace_cpm: int = USUAL_CPM
    """Characters a minute."""
    loudness_db: int = 0
    """dB against the normal level."""
    voice: str = ""
    """Id of a voice; empty: the usual one."""
    wait_s: float = HINT_AFTER_S
    """Silence before a hint, seconds."""
    detail: str = "usual"
    """How much is explained: one of DETAILS."""
    large_type: bool = False
    keys_only: bool = False
    """True: the microphone stays off."""
    quiet_from: str = ""
    """HH:MM, local time; nothing is said unasked from then on. Empty: no quiet hours."""
    quiet_to: str = ""

    def __post_init__(self):
        scales = (("pace_cpm", PACE_CPM), ("loudness_db", LOUDNESS_DB), ("wait_s", WAIT_S), ("detail", DETAILS),
                  ("large_type", (True, False)), ("keys_only", (True, False)))
        for name, scale in scales:
            if getattr(self, name) not in scale:
                raise BadRequest(f"{name} cannot have this value")
        clocks = [self.quiet_from, self.quiet_to]
        if any(clocks) and not all(_CLOCK.fullmatch(c) for c in clocks):
            raise BadRequest("quiet hours need two times of the day")

    def to_json(self) -> dict:
        """A plain mapping, for the store."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict) -> Adjustment:
        """The adjustment of such a mapping; fields of another version are ignored."""
        return cls(**{f.name: data[f.name] for f in dataclasses.fields(cls) if f.name in data})

    def is_quiet(self, at: datetime.time) -> bool:
        """True within the quiet hours, which may go over midnight."""
        if not self.quiet_from or self.quiet_from == self.quiet_to:
            return False
        begin, end = (datetime.time.fromisoformat(c) for c in (self.quiet_from, self.quiet_to))
        return begin <= at < end if begin < end else at >= begin or at < end

    def applied(self, session: Session, version: int, quiet: bool = False) -> Session:
        """The session with all of this, if it has not seen this version yet."""
        if session.adjusted == version:
            return session
        loudness_db = min(self.loudness_db, QUIET_DB) if quiet else self.loudness_db
        return replace(session, adjusted=version, pace_cpm=self.pace_cpm, loudness_db=loudness_db,
                       voice=self.voice, wait_s=self.wait_s, detail=self.detail)

    @staticmethod
    def differs(before: Session, after: Session) -> bool:
        """True if the listener changed something of it by asking between two sessions."""
        return any(getattr(after, name) != getattr(before, name) for name in ASKED)

    def as_liked(self, before: Session, after: Session) -> Adjustment:
        """This with what the listener changed by asking between two sessions."""
        changed = {name: getattr(after, name) for name in ASKED if getattr(after, name) != getattr(before, name)}
        return replace(self, **changed) if changed else self
