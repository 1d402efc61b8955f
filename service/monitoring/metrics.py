"""Metrics: what Prometheus reads of one process (https://prometheus.io/docs/practices/naming/)."""

from __future__ import annotations

import platform

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from service.errors import Busy, GuideError
from service.monitoring.steps import Steps

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""Of ``Metrics.text``."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the buckets of every histogram; the targets of the README are among them."""


class Metrics:
    """Counts of one service, in a registry of its own. Thread-safe."""

    def __init__(self):
        self._registry = registry = CollectorRegistry()
        self._turns = Counter("guide_turns", "Turns taken", ["source", "outcome"], registry=registry)
        self._steps = Histogram("guide_turn_step_seconds", "Steps of turns", ["step"], buckets=SECONDS,
                                registry=registry)
        self._first_sound = Histogram("guide_first_sound_seconds", "From the arrival of a turn to its first sound",
                                      buckets=SECONDS, registry=registry)
        self._errors = Counter("guide_errors", "Errors told to clients", ["code"], registry=registry)
        self._opened = Counter("guide_talks_opened", "Talks begun", registry=registry)
        self._refused = Counter("guide_talks_refused", "Talks refused for want of room", registry=registry)
        self._waits = Histogram("guide_decoding_wait_seconds", "From the arrival of a piece of audio to its decoding",
                                buckets=SECONDS, registry=registry)
        self.sockets = Gauge("guide_open_sockets", "Microphones connected", registry=registry)
        """Open WebSockets."""
        self._build = Info("guide_build", "What runs", registry=registry)
        threads = Gauge("process_threads", "Threads of the process", registry=registry)
        threads.set_function(psutil.Process().num_threads)
        ProcessCollector(registry=registry)

    def turn(self, source: str, outcome: str, steps: Steps) -> None:
        """A turn was taken."""
        self._turns.labels(source, outcome).inc()
        if source == "start":
            self._opened.inc()
        for name, seconds in steps.seconds.items():
            self._steps.labels(name).observe(seconds)

    def first_sound(self, seconds: float) -> None:
        """The first sound of a turn was handed out so long after the turn arrived."""
        self._first_sound.observe(seconds)

    def decoding_waited(self, seconds: float) -> None:
        """A piece of audio waited so long for its decoding."""
        self._waits.observe(seconds)

    def error(self, error: GuideError) -> None:
        """A client was told of an error."""
        self._errors.labels(error.code).inc()
        if isinstance(error, Busy):
            self._refused.inc()

    def use_edition(self, version: str) -> None:
        """The guide that runs from now on, by its version."""
        self._build.info({"edition": version, "python": platform.python_version()})

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)
