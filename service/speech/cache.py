"""Audio cache: rendered sentences by text, voice and pace, bounded on disk."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
from pathlib import Path

from service.speech.voice import Voice

log = logging.getLogger(__name__)


class AudioCache:
    """A folder of WAV files, the least recently used dropped first. Thread-safe.

    A cache that cannot write (full disk, read-only) speaks all the same and says so in the log.
    """

    def __init__(self, folder: Path, limit_bytes: int):
        self._folder, self._limit = folder, limit_bytes
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def get(self, voice: Voice, text: str, pace_cpm: int, version: str) -> bytes:
        """The sentence as WAV bytes; rendered if it is not there.

        ``version`` is that of the lexicon, so that a mended reading is spoken anew. Raises
        VoiceError as the voice does. A sentence asked for twice at once is rendered once.
        """
        key = hashlib.sha256("\0".join((voice.name, version, str(pace_cpm), text)).encode()).hexdigest()
        found = self._read(key)
        if found is not None:
            return found
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        try:
            with lock:
                found = self._read(key)
                if found is None:
                    found = voice.synthesize(text, pace_cpm)
                    self._write(key, found)
        finally:
            with self._lock:
                self._locks.pop(key, None)
        return found

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.wav"

    def _read(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            data = path.read_bytes()
            os.utime(path)
            return data
        except OSError:
            return None

    def _write(self, key: str, data: bytes) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as part:
                part.write(data)
            os.replace(part.name, self._path(key))
            self._trim()
        except OSError as e:
            log.warning("audio cache not written: %s", e)

    def _trim(self) -> None:
        with self._lock:
            files = [(p.stat().st_mtime_ns, p.stat().st_size, p) for p in self._folder.glob("*.wav")]
            total = sum(size for _, size, _ in files)
            for _, size, path in sorted(files):
                if total <= self._limit:
                    return
                path.unlink(missing_ok=True)
                total -= size
