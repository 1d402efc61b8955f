"""The cluster run: two services behind a load balancer, listeners in talk, and one part after the other goes.

    python -m service bench cluster [--sample SECONDS]     how long each part is watched afterwards

Needs PostgreSQL, Redis and nginx from Debian's packages. A voice is sent as a recording, not over the socket.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Callable, TextIO

from service.bench import machine, quantiles
from service.core.wording import unjointed
from service.faults.scene import RESTART_S, Listener, lost
from service.lab.cluster import Cluster
from service.lab.kiosk import Refused, Unreachable
from service.settings import PROJECT

PRESSING = 4
PAUSE_S = 0.1
"""Between two presses of a listener; nobody is quicker."""
KEYS = "123459*#"
SPEAKS_EVERY = 25
"""Presses of a listener between two requests by voice."""
RECORDING = PROJECT / "tests" / "audio" / "ask_m2_med.opus"
CALCULATOR = ("4", "1", "2", "2")
"""Keys to the question for the year of birth; what was answered so far is in no database."""
REST = ("1", "9", "8", "0", "#", "3", "#", "1")
ANSWER = "二〇三二年十一月"
STEADY_S = 5.0
GREETING, NEW_GREETING = "您好，衡阳社保指南。", "您好，新版的衡阳社保指南。"


@dataclass(frozen=True)
class Phase:
    """What happened while one part was away."""

    event: str
    turns: int
    """By all listeners, in the seconds of the event and after it."""
    turn_ms: dict
    """From a press of a key to its answer with its first sound, tries again included."""
    longest_by_key_s: float
    """The longest wait for an answer to a key."""
    longest_by_voice_s: float
    """The same to a recording, all of whose decoding is waited for; 0 if nobody said anything."""
    tried_again: int
    refused: int
    """Turns that were answered with an error; the listener pressed again."""
    talks_lost: int
    calculator_went_on: bool
    """True if a calculator that had asked before the event knew its answers after it."""


@dataclass
class Presser:
    """A listener who presses on and on, and now and then says something."""

    listener: Listener
    chance: random.Random
    stop: threading.Event
    refused: int = 0
    by_key_s: list[float] = field(default_factory=list)
    by_voice_s: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Until told to stop."""
        for number in range(1, 1_000_000):
            if self.stop.wait(PAUSE_S):
                return
            began = time.perf_counter()
            if number % SPEAKS_EVERY == 0:
                self._speak()
                self.by_voice_s.append(time.perf_counter() - began)
            else:
                self.listener.turn(self.chance.choice(KEYS))
                self.by_key_s.append(time.perf_counter() - began)

    def _speak(self) -> None:
        try:
            self.refused += self.listener.spoken(RECORDING) not in ("answered", "nothing_heard")
        except (Refused, Unreachable):
            self.refused += 1


def run(steady_s: float, out: TextIO) -> int:
    """Make every event and print what became of the talks; 1 if one was lost, or a turn was, or was done twice."""
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        cluster = Cluster(Path(folder), VOICE="light")
        try:
            phases, missing = measured(cluster, Path(folder), steady_s)
        finally:
            cluster.stop()
    figures = {"machine": machine(), "services": len(cluster.services), "listeners": PRESSING + 1,
               "turns_lost_or_done_twice": missing, "phases": [asdict(phase) for phase in phases]}
    print(json.dumps(figures, ensure_ascii=False, indent=2), file=out)
    return int(bool(missing) or any(p.talks_lost or not p.calculator_went_on for p in phases))


def measured(cluster: Cluster, folder: Path, steady_s: float,
             only: tuple[str, ...] = (), pressing: int = PRESSING) -> tuple[list[Phase], int]:
    """(what happened at each event, turns lost or done twice); ``only`` some events, else all. ``pressing``: so many
    listeners, and one who is at a calculator."""
    events = {name: event for name, event in _events(cluster, folder).items() if not only or name in only}
    listeners = [_listener(cluster) for _ in range(pressing + 1)]
    try:
        phases = [_phase(name, event, listeners, steady_s) for name, event in events.items()]
        return phases, sum(lost(listener, cluster.database) for listener in listeners)
    finally:
        for listener in listeners:
            listener.close()


def _events(cluster: Cluster, folder: Path) -> dict[str, Callable[[], None]]:
    first = cluster.services[0]

    def killed() -> None:
        first.kill()
        time.sleep(RESTART_S)
        first.start()

    def new_version() -> None:
        prompts = _edited(folder / "prompts")
        for service in cluster.services:
            service.set(PROMPTS_DIR=str(prompts))
            service.terminate()
            service.start()

    return {"nothing": lambda: None, "one of two services killed, started again": killed,
            "rolling restart to a new version": new_version,
            "PostgreSQL restarted": cluster.postgres.restart, "Redis restarted": cluster.redis.restart,
            "Redis away for 3 s": lambda: _away(cluster.redis), "nginx restarted": cluster.nginx.restart}


def _away(server) -> None:
    server.halt()
    time.sleep(3)
    server.start()


def _edited(prompts: Path) -> Path:
    """A version of the guide with another greeting."""
    shutil.copytree(PROJECT / "prompts", prompts)
    root = prompts / "nodes" / "root.yaml"
    root.write_text(root.read_text(encoding="utf-8").replace(GREETING, NEW_GREETING), encoding="utf-8")
    return prompts


def _listener(cluster: Cluster) -> Listener:
    listener = Listener(cluster.url, verify=str(cluster.certificate))
    listener.open()
    return listener


def _phase(name: str, event: Callable[[], None], listeners: list[Listener], steady_s: float) -> Phase:
    """One listener is in the middle of a calculator, the others press on."""
    calculating, *pressing = listeners
    # In a new talk, which knows nothing yet.
    calculating.open()
    for key in CALCULATOR:
        calculating.turn(key)
    stop = threading.Event()
    pressers = [Presser(listener, random.Random(number), stop) for number, listener in enumerate(pressing)]
    before = [(listener.retries, listener.lost_talks) for listener in listeners]
    with ThreadPoolExecutor(len(pressers)) as pool:
        running = [pool.submit(presser.run) for presser in pressers]
        try:
            event()
            went_on = _calculated(calculating)
            time.sleep(steady_s)
        finally:
            stop.set()
        for one in running:
            one.result()
    by_key_s = [seconds for presser in pressers for seconds in presser.by_key_s]
    by_voice_s = [seconds for presser in pressers for seconds in presser.by_voice_s]
    changes = [(one.retries - retries, one.lost_talks - talks) for one, (retries, talks) in zip(listeners, before)]
    return Phase(name, len(by_key_s) + len(by_voice_s), quantiles(1000 * seconds for seconds in by_key_s),
                 round(max(by_key_s), 2), round(max(by_voice_s, default=0.0), 2),
                 sum(retries for retries, _ in changes), sum(presser.refused for presser in pressers),
                 sum(talks for _, talks in changes), went_on)


def _calculated(listener: Listener) -> bool:
    for key in REST:
        listener.turn(key)
    return ANSWER in unjointed("".join(sentence["text"] for sentence in listener.reply["sentences"]))
