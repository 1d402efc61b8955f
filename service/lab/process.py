"""A service in a process of its own, as it is deployed: started, killed, started again."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

from service.lab.servers import ServerFailed
from service.settings import PROJECT

READY = re.compile(r"ready at (https?://\S+)")
START_S = 60
"""Longest wait for the start on a busy machine; the start itself is measured by `bench`."""
CALL_S = 30
"""Longest wait for an answer."""


class RunningService:
    """`python -m service serve` with its data in a folder of the caller."""

    def __init__(self, folder: Path, log_name: str = "service.log", **environment: str):
        """``log_name``: another one for each of several services that share the folder. ``environment``: settings."""
        self.folder, self._environment = folder, environment
        self._process: subprocess.Popen | None = None
        self.log = folder / log_name
        """File of what all its starts said."""
        self.port = "0"
        self.url = ""
        self.start_s = 0.0
        """How long the last start took, seconds."""

    def start(self, timeout_s: float = START_S) -> "RunningService":
        """Start it, on the same port as before if it ran before, and wait until it is ready; ServerFailed if it
        does not become ready."""
        began, starts = time.monotonic(), len(self._starts())
        self.begin()
        while len(found := self._starts()) == starts:
            if not self.running or time.monotonic() > began + timeout_s:
                self.stop()
                raise ServerFailed(f"the service does not start: {self.log.read_text()}")
            time.sleep(0.05)
        self.start_s = time.monotonic() - began
        self.url = found[-1]
        self.port = self.url.rsplit(":", 1)[1]
        return self

    def begin(self) -> None:
        """Start it and wait for nothing."""
        environment = {**os.environ, "DATA_DIR": str(self.folder), "PORT": self.port, **self._environment}
        with self.log.open("a") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "service", "serve"], cwd=PROJECT,
                                             stdin=subprocess.DEVNULL, env=environment, stderr=log, stdout=log)

    def _starts(self) -> list[str]:
        return READY.findall(self.log.read_text()) if self.log.exists() else []

    @property
    def pid(self) -> int:
        """Number of its process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """False before the first start and once it has ended."""
        return self._process is not None and self._process.poll() is None

    def set(self, **environment: str) -> None:
        """Other settings, from the next start on."""
        self._environment.update(environment)

    def move(self, folder: Path) -> None:
        """Have its data and its log in another folder, from the next start on."""
        self.folder, self.log = folder, folder / self.log.name

    def kill(self) -> None:
        """End it as a pulled plug would."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self, timeout_s: float = 20) -> int:
        """Its exit code, once it has ended."""
        return self._process.wait(timeout_s)

    def terminate(self, timeout_s: float = 20) -> int:
        """Ask it to end; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def stop(self) -> None:
        """End it if it still runs."""
        if self.running:
            self.kill()

    def call(self, method: str, path: str, body: dict | None = None) -> dict:
        """One call of the API; ``path`` is what follows /api/v1."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        return json.loads(self.fetch(f"/api/v1{path}", data, method, **headers))

    def fetch(self, path: str, data: bytes | None = None, method: str = "GET", **headers: str) -> bytes:
        """What the service answers at an address below its own; in the names of ``headers`` _ stands for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=named)
        with urllib.request.urlopen(request, timeout=CALL_S) as answer:
            return answer.read()

    def memory_mb(self) -> float:
        """Resident memory of the service and the processes that it started, MiB."""
        process, size = psutil.Process(self.pid), 0
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                size += one.memory_info().rss
        return round(size / 2**20, 1)
