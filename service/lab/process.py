"""A service in a process of its own, as it is deployed: started, killed, started again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from service.settings import PROJECT

READY = re.compile(r"ready at (http://\S+)")
START_S = 60
"""Longest wait for the start on a busy machine; the start itself is measured by `bench`."""


class RunningService:
    """`python -m service serve` with its data in a folder of the caller."""

    def __init__(self, folder: Path, **environment: str):
        self._folder, self._environment = folder, environment
        self._process: subprocess.Popen | None = None
        self.port = "0"
        self.url = ""

    def start(self) -> "RunningService":
        """Start it, on the same port as before if it ran before, and wait until it is ready."""
        environment = {**os.environ, "DATA_DIR": str(self._folder), "PORT": self.port, **self._environment}
        self.log = self._folder / "service.log"
        with self.log.open("a") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "service", "serve"], cwd=PROJECT,
                                             env=environment, stderr=log, stdout=log)
        starts = len(READY.findall(self.log.read_text()))
        give_up = time.monotonic() + START_S
        while len(READY.findall(self.log.read_text())) == starts:
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < give_up, self.log.read_text()
            time.sleep(0.05)
        self.url = READY.findall(self.log.read_text())[-1]
        self.port = self.url.rsplit(":", 1)[1]
        return self

    def kill(self) -> None:
        """End it as a pulled plug would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def terminate(self, timeout_s: float = 20) -> int:
        """Ask it to end; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout_s)

    def stop(self) -> None:
        """End it if it still runs."""
        if self._process and self._process.poll() is None:
            self.kill()

    def call(self, method: str, path: str, body: dict | None = None) -> dict:
        """One call of the API."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)
