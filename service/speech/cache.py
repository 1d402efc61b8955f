"""Audio cache: rendered sentences by voice, text and pace, bounded on disk, or in memory alone."""

from __future__ import annotations

import collections
import hashlib
import logging
import os
import tempfile
import threading
from pathlib import Path
from typing import Callable

from service.speech.voice import Speech

log = logging.getLogger(__name__)


class AudioCache:
    """A folder of speech, the least recently used dropped first. Thread-safe.

    A cache that cannot write (full disk, read-only) speaks all the same and says so in the log.
    """

    def __init__(self, folder: Path, limit_bytes: int):
        self._folder, self._limit = folder, limit_bytes
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def get(self, parts: tuple[str, ...], make: Callable[[], Speech]) -> Speech:
        """The speech that ``parts`` identify; made if it is not there.

        Raises as ``make`` does. What is asked for twice at once is made once.
        """
        key = _key(parts)
        found = self._read(key)
        if found is not None:
            return found
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        try:
            with lock:
                found = self._read(key)
                if found is None:
                    found = make()
                    self._write(key, found)
        finally:
            with self._lock:
                self._locks.pop(key, None)
        return found

    def find(self, parts: tuple[str, ...]) -> Speech | None:
        """The speech that ``parts`` identify, if it is there."""
        return self._read(_key(parts))

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.speech"

    def _read(self, key: str) -> Speech | None:
        path = self._path(key)
        try:
            speech = Speech.from_bytes(path.read_bytes())
            os.utime(path)
            return speech
        except (OSError, ValueError, TypeError):
            return None

    def _write(self, key: str, speech: Speech) -> None:
        part = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as part:
                part.write(speech.to_bytes())
            os.replace(part.name, self._path(key))
            self._trim()
        except OSError as e:
            log.warning("audio cache not written: %s", e)
            if part:
                # Or a full disk would be filled with halves.
                Path(part.name).unlink(missing_ok=True)

    def _trim(self) -> None:
        with self._lock:
            files = [(p.stat().st_mtime_ns, p.stat().st_size, p) for p in self._folder.glob("*.speech")]
            total = sum(size for _, size, _ in files)
            for _, size, path in sorted(files):
                if total <= self._limit:
                    return
                path.unlink(missing_ok=True)
                total -= size


class MemoryCache:
    """The same in memory: for sentences that say something about a listener. Thread-safe."""

    def __init__(self, most: int = 64):
        """``most``: pieces of speech that are kept."""
        self._most, self._found = most, collections.OrderedDict()
        self._lock = threading.Lock()

    def get(self, parts: tuple[str, ...], make: Callable[[], Speech]) -> Speech:
        """See ``AudioCache``; what is asked for twice at once may be made twice."""
        found = self.find(parts)
        return found if found is not None else self._kept(_key(parts), make())

    def find(self, parts: tuple[str, ...]) -> Speech | None:
        """See ``AudioCache``."""
        with self._lock:
            if _key(parts) in self._found:
                self._found.move_to_end(_key(parts))
            return self._found.get(_key(parts))

    def _kept(self, key: str, speech: Speech) -> Speech:
        with self._lock:
            self._found[key] = speech
            while len(self._found) > self._most:
                self._found.popitem(last=False)
        return speech


def _key(parts: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
