"""Voice: from a sentence to the bytes of a WAV file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from typing import Mapping, Protocol

from pypinyin import Style, lazy_pinyin

from service.core.model import Lexicon
from service.errors import VoiceError

TIMEOUT_S = 10.0
"""A sentence that takes longer than this to render is given up and the engine restarted."""
LONGEST_TEXT = 500
"""Characters of one sentence; longer texts are split by whoever sends them."""
RATE_PER_CPM = 0.92
"""espeak-ng's words a minute for one Chinese character a minute (measured, 100 to 220)."""
_CHINESE = re.compile(r"[\u3400-\u9fff]+")
_STOPS = str.maketrans({"，": ", ", "、": ", ", "；": ", ", "：": ", ", "。": ". ", "？": "? ", "！": "! "})


class Voice(Protocol):
    """Something that speaks."""

    name: str
    """Identifies the voice and its version in the cache."""

    def synthesize(self, text: str, pace_cpm: int) -> bytes:
        """The text as a mono 16 bit WAV file, spoken at about ``pace_cpm`` characters a minute.

        Raises VoiceError if it cannot be spoken.
        """


def to_pinyin(text: str, readings: Mapping[str, str]) -> str:
    """The text in pinyin with tone digits; words of ``readings`` are read as they say."""
    if readings:
        words = "|".join(sorted(map(re.escape, readings), key=len, reverse=True))
        parts = re.split(f"({words})", text)
    else:
        parts = [text]
    return " ".join(readings.get(p) or _read(p) for p in parts if p).translate(_STOPS).strip()


def _read(text: str) -> str:
    def syllables(match: re.Match) -> str:
        return " ".join(lazy_pinyin(match[0], style=Style.TONE3, neutral_tone_with_five=True)) + " "
    return _CHINESE.sub(syllables, text)


class Pyttsx3Voice:
    """pyttsx3 with espeak-ng on Linux, with the system's Mandarin voice elsewhere.

    The engine lives in a process of its own (see ``pyttsx3_worker``); one sentence at a time.
    """

    def __init__(self, lexicon: Lexicon, command: tuple[str, ...] | None = None):
        """``command`` starts another worker; the tests use it to play a broken one."""
        self.name = "pyttsx3"
        self._lexicon = lexicon
        self._command = command or (sys.executable, "-m", "service.speech.pyttsx3_worker")
        self._process: subprocess.Popen | None = None
        self._closed = False
        self._lock = threading.Lock()

    def use_lexicon(self, lexicon: Lexicon) -> None:
        """Speak by this lexicon from now on."""
        self._lexicon = lexicon

    def synthesize(self, text: str, pace_cpm: int) -> bytes:
        """See ``Voice``."""
        spoken = self._lexicon.spoken(text)
        if not _CHINESE.search(spoken) or len(spoken) > LONGEST_TEXT:
            raise VoiceError(f"a text of {len(text)} characters that this voice cannot speak")
        if sys.platform.startswith("linux"):
            spoken = to_pinyin(spoken, self._lexicon.readings)
        request = {"text": spoken, "rate": round(pace_cpm * RATE_PER_CPM)}
        with self._lock:
            return self._ask(request)

    def close(self) -> None:
        """End the engine's process, even in the middle of a sentence; it speaks no more."""
        self._closed = True
        process = self._process
        if process:
            # Without the lock: whoever waits for a sentence holds it, and is let go by this.
            process.kill()
        with self._lock:
            self._kill()

    def _ask(self, request: dict) -> bytes:
        worker = self._running()
        watchdog = threading.Timer(TIMEOUT_S, worker.kill)
        watchdog.start()
        try:
            worker.stdin.write(json.dumps(request).encode() + b"\n")
            worker.stdin.flush()
            header = json.loads(worker.stdout.readline() or b"{}")
            if "bytes" in header:
                return worker.stdout.read(header["bytes"])
        except (OSError, ValueError) as e:
            self._kill()
            raise VoiceError(f"the voice's process failed: {type(e).__name__}") from e
        finally:
            watchdog.cancel()
        if "error" not in header:
            self._kill()
        raise VoiceError(f"the voice failed: {header.get('error', 'its process ended')}")

    def _running(self) -> subprocess.Popen:
        if self._closed:
            raise VoiceError("the voice has been closed")
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return self._process

    def _kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None
