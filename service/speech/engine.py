"""Engine: a process of its own that renders speech, one request after the other.

Speech engines print where they should not, hold hundreds of megabytes, or hang; a process can be
killed and takes its memory along. The protocol, on the engine's standard input and output:

    in   one JSON object a line
    out  {"bytes": 12345, ...}\n followed by that many bytes of WAV, or {"error": "why"}\n
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time

from service.errors import VoiceError


class EngineProcess:
    """Starts the engine when it is asked, and again after it died. Thread-safe; one request at a time."""

    def __init__(self, command: tuple[str, ...], timeout_s: float, idle_s: float | None = None):
        """``timeout_s``: a request that takes longer is given up and the engine killed.

        ``idle_s``: an engine that is not asked for this long is ended, to give its memory back;
        None keeps it.
        """
        self._command, self._timeout_s, self._idle_s = command, timeout_s, idle_s
        self._process: subprocess.Popen | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._asked_at = 0.0

    @property
    def running(self) -> bool:
        """True if there is a process, asked or idle."""
        process = self._process
        return process is not None and process.poll() is None

    def ask(self, request: dict) -> tuple[dict, bytes]:
        """The answer's header and its WAV bytes; VoiceError if there is none."""
        with self._lock:
            try:
                return self._ask(request)
            finally:
                self._asked_at = time.monotonic()

    def close(self) -> None:
        """End the process, even in the middle of a sentence; it is not started any more."""
        self._closed = True
        process = self._process
        if process:
            # Without the lock: whoever waits for a sentence holds it, and is let go by this.
            process.kill()
        with self._lock:
            self._kill()

    def _ask(self, request: dict) -> tuple[dict, bytes]:
        process = self._started()
        watchdog = threading.Timer(self._timeout_s, process.kill)
        watchdog.start()
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            header = json.loads(process.stdout.readline() or b"{}")
            if "bytes" in header:
                wav = process.stdout.read(header["bytes"])
                if len(wav) == header["bytes"]:
                    return header, wav
                header = {}  # it ended in the middle of its answer
        except (OSError, ValueError, TypeError) as e:
            self._kill()
            raise VoiceError(f"the voice's process failed: {type(e).__name__}") from e
        finally:
            watchdog.cancel()
        if "error" not in header:
            self._kill()
        raise VoiceError(f"the voice failed: {header.get('error', 'its process ended')}")

    def _started(self) -> subprocess.Popen:
        if self._closed:
            raise VoiceError("the voice has been closed")
        if not self.running:
            self._kill()
            try:
                self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE,
                                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            except OSError as e:
                raise VoiceError(f"the voice's process cannot be started: {type(e).__name__}") from e
            if self._idle_s is not None:
                threading.Thread(target=self._end_when_idle, args=(self._process,), name="voice-idle",
                                 daemon=True).start()
        return self._process

    def _end_when_idle(self, process: subprocess.Popen) -> None:
        while process.poll() is None:
            time.sleep(min(self._idle_s, 1.0))
            with self._lock:
                if self._process is process and time.monotonic() - self._asked_at > self._idle_s:
                    self._kill()

    def _kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            # What a process that ended by itself has not read is written once more here.
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            self._process.stdout.close()
            self._process = None
