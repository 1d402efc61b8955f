"""LiveGuide: the running guide, which takes up edited files after the same check."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Callable

from service.content.check import Knows, load
from service.content.files import signature
from service.content.last_good import LastGood
from service.content.problems import Problem
from service.core.model import Guide
from service.errors import ContentError

log = logging.getLogger(__name__)


class LiveGuide:
    """Holds the last good guide of a folder. Thread-safe."""

    def __init__(self, folder: Path, last_good: LastGood | None = None):
        """Load the folder. If it cannot be used, the last good guide is served until it can; ContentError if there
        is none."""
        self._folder, self._last_good = folder, last_good
        self._knows: Knows | None = None
        self._seen = signature(folder)
        guide, problems = load(folder)
        self.refused: tuple[Problem, ...] = tuple(problems)
        """Problems of the last edit, if it was refused."""
        self.current: Guide = guide or self._before(problems)
        """The guide to use for the next turn."""
        self._keep()
        self._listeners: list[Callable[[Guide], None]] = []
        self._lock = threading.Lock()

    def check_spelling(self, knows: Knows) -> None:
        """From now on refuse edits with a phrase that the speech model cannot spell."""
        self._knows = knows

    def on_change(self, listener: Callable[[Guide], None]) -> None:
        """Call ``listener`` with each new guide, and with the present one at once."""
        self._listeners.append(listener)
        listener(self.current)

    def look(self) -> bool:
        """Take up the files if they were edited; True if there is a new guide.

        A bad edit is refused as a whole: the running guide stays, ``refused`` has the list.
        """
        with self._lock:
            seen = signature(self._folder)
            if seen == self._seen:
                return False
            self._seen = seen
            guide, problems = load(self._folder, self._knows)
            self.refused = tuple(problems)
            if guide is None:
                log.warning("edit of the guide refused, %d problem(s):", len(problems))
                for problem in problems:
                    log.warning("%s", problem)
                return False
            changed = guide.version != self.current.version
            self.current = guide
        if changed:
            log.info("guide %s taken up", guide.version)
            self._keep()
            for listener in self._listeners:
                listener(guide)
        return changed

    def _before(self, problems: list[Problem]) -> Guide:
        """The guide as it was before an edit that nobody has finished yet."""
        overlay = self._last_good.overlay(self._folder) if self._last_good else {}
        guide = load(self._folder, overlay=overlay)[0] if overlay else None
        if guide is None:
            raise ContentError(problems)
        log.error("the guide's folder cannot be used: the last good guide is served. %d problem(s):", len(problems))
        for problem in problems:
            log.error("%s", problem)
        return guide

    def _keep(self) -> None:
        if self._last_good and not self.refused:
            self._last_good.keep(self._folder, self.current.version)


def watch(guide: LiveGuide, every_s: float, stop: threading.Event) -> threading.Thread:
    """Look for edits every ``every_s`` seconds in a thread until ``stop`` is set."""
    def run() -> None:
        while not stop.wait(every_s):
            try:
                guide.look()
            except OSError as e:
                log.warning("the guide's folder cannot be read: %s", e)
            except Exception:  # in a thread of its own nobody else would hear of it, and no edit would be taken up
                log.exception("an edit of the guide cannot be taken up")
    thread = threading.Thread(target=run, name="guide-watch", daemon=True)
    thread.start()
    return thread
