"""Scene: a running service, a listener in front of it and a caregiver far away; and what they notice of a fault."""

from __future__ import annotations

import contextlib
import html
import random
import re
import statistics
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

import numpy as np
import requests
import yaml
from sqlalchemy import Engine, create_engine, select
from websockets.sync.client import connect

from service.lab.kiosk import Kiosk, Refused, Unreachable
from service.lab.process import RunningService
from service.settings import PROJECT
from service.speech.audio import duration_s
from service.store.database import transaction
from service.store.tables import TalkRow, TurnRow

KEYS = "123459*#"
"""What the listener presses; no 0, which calls for help."""
PATIENCE_S = 60
"""How long the listener goes on pressing before the guide counts as broken, seconds."""
RESTART_S = 1
"""The runner starts a service that ended after this, as RestartSec of ``deploy/systemd`` has it, seconds."""
AS_USUAL = "as usual"
CODE = re.compile(r"One-time code: (\d+) (\d+)")
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
FAULT = re.compile(r'class="message fault"[^>]*>([^<]+)<')
CARD = re.compile(r'<li class="card[^"]*">\s*<h2>([^<]*)</h2>\s*<p>(.*?)</p>', re.DOTALL)


class Skipped(Exception):
    """The fault cannot be tried on this machine; says why."""


@dataclass(frozen=True)
class Lab:
    """What a fault is tried with."""

    folder: Path
    """An empty one."""
    chance: random.Random
    turns: int = 1_000
    """Turns among which the service is killed."""
    times: int = 3
    """How often the other faults are made, where that is cheap."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    fault: str
    hears: str
    """What the listener is told, in its order: the service's own sentences, or the notice on the page."""
    shows: str
    """What the panel's first page shows meanwhile."""
    lost: int | None
    """Answered turns that the database lacks or has at another place, and turns that it has and nobody made."""
    next_turn_s: dict | None
    """From the end of the fault, or its beginning where ``since`` says so, to the next answer with its sound."""
    survived: bool | None
    """None: it was not tried, see ``note``."""
    since: str = ""
    note: str = ""


class Listener(Kiosk):
    """A kiosk that writes down what its listener is told of faults."""

    def __init__(self, url: str, verify: bool | str = True):
        super().__init__(url, PATIENCE_S, verify)
        self.told: list[str] = []
        """Each sentence once, in the order of its first time."""
        self.unanswered: set[str] = set()
        """Ids of turns that were refused: they may have happened or not."""
        labels = yaml.safe_load((PROJECT / "prompts" / "screen.yaml").read_text(encoding="utf-8"))["labels"]
        self._offline = labels["offline"]

    def register(self) -> None:
        """Become a device."""
        self._call("POST", "/device", None)

    def check(self, listening: bool = True) -> dict:
        """Say what the device can do, as the page does every half minute."""
        return self._call("POST", "/device/check", {"listening": listening, "sounding": True})

    def stream(self) -> requests.Response:
        """The stream of what changes for the device, opened; to be closed."""
        return self._reach("GET", f"{self.url}/api/v1/device/events", stream=True, timeout=PATIENCE_S)

    def try_once(self, key: str) -> dict:
        """A turn that is not insisted on; Refused or Unreachable if it is not answered."""
        turn_id = uuid.uuid4().hex
        self.unanswered.add(turn_id)
        reply = self._call("POST", f"/sessions/{self.talk_id}/turns", {"turn_id": turn_id, "key": key})
        self.unanswered.discard(turn_id)
        self.note(reply, 0.0)
        return reply

    def spoken(self, recording: Path) -> str:
        """A turn by voice, not insisted on: ``answered``, or the code of what was told instead."""
        turn_id = uuid.uuid4().hex
        headers = {"Turn-Id": turn_id, "Content-Type": "audio/ogg"}
        self.unanswered.add(turn_id)
        with self._reach("POST", f"{self.url}/api/v1/sessions/{self.talk_id}/turns", headers=headers,
                         data=recording.read_bytes(), timeout=PATIENCE_S) as answer:
            try:
                said = answer.json()
            except requests.JSONDecodeError as e:
                # A page of the load balancer's.
                raise Unreachable(f"no answer, status {answer.status_code}") from e
        self.unanswered.discard(turn_id)
        if "error" in said:
            self._tell(said["error"]["say"])
            return said["error"]["code"]
        self.note(said, 0.0)
        return "answered"

    def half_said(self, samples: np.ndarray) -> None:
        """Begin to say something, and close the connection, as the page does when its microphone is gone."""
        address = f"{self.url.replace('http', 'ws', 1)}/api/v1/listen?session={self.talk_id}"
        with connect(address, proxy=None) as socket:
            socket.recv(PATIENCE_S)
            socket.send(samples.tobytes())

    def patience(self, seconds: float) -> None:
        """Wait so long for a service that is away, from now on."""
        self._patience_s = seconds

    def turn(self, key: str) -> float:
        """A turn that the listener insists on, and its first sentence; the moment it began to sound.

        A press that is refused is made again; Unreachable if it stays so for ``PATIENCE_S``.
        """
        give_up = time.monotonic() + self._patience_s
        while True:
            turn_id = uuid.uuid4().hex
            try:
                return self._sounded(self.take(key=key, turn_id=turn_id), give_up)
            except Refused as e:
                if e.talk_lost:
                    return self._sounded(self.reply, give_up)
                self.unanswered.add(turn_id)
                if time.monotonic() > give_up:
                    raise Unreachable(f"refused again and again: {e}") from e
                time.sleep(1)

    def _sounded(self, reply: dict, give_up: float) -> float:
        while reply["sentences"]:
            try:
                if duration_s(self.sound(reply["sentences"][0])):
                    break
                raise Unreachable("a sentence without sound")
            except (Refused, Unreachable):
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.2)
        return time.monotonic()

    def _call(self, method: str, path: str, body: dict | None = None) -> dict:
        try:
            return super()._call(method, path, body)
        except Unreachable:
            self._tell(self._offline)
            raise
        except Refused as e:
            self._tell(e.say)
            raise

    def _tell(self, text: str) -> None:
        if text and text not in self.told:
            self.told.append(text)


class Caregiver:
    """The first owner, logged in to the panel; its pages are read in English."""

    def __init__(self, service: RunningService):
        self._service = service
        self._http = requests.Session()
        self._http.trust_env = False
        self.shown: list[str] = []
        """What the first page showed, each once."""

    def enter(self) -> None:
        """Become the first owner."""
        code = "".join(CODE.search(self._service.log.read_text()).groups())
        self._post("/panel/first", "/panel/first", code=code, name="小芳", password=uuid.uuid4().hex)
        self._post("/panel/", "/panel/language", language="en")

    def pair(self, listener: Listener) -> None:
        """Add somebody whose device the listener's page is."""
        listener.register()
        listener.open()
        code = listener.take(event="pair")["shown"][0]
        answer = self._post("/panel/people", "/panel/people", name="王奶奶", kind="own")
        person = re.search(r"/panel/people/(\d+)", answer.url + answer.text)[1]
        self._post(f"/panel/people/{person}", f"/panel/people/{person}/pair", code=code, name="客厅")

    def look(self) -> str:
        """What the first page shows just now."""
        try:
            answer = self._http.get(f"{self._service.url}/panel/", timeout=15)
        except requests.RequestException:
            return self._saw("no answer")
        fault = FAULT.search(answer.text)
        if fault or not answer.ok:
            return self._saw(html.unescape(fault[1]) if fault else f"status {answer.status_code}")
        cards = [re.sub(r"<[^>]+>|\s+", " ", f"{who}: {what}").strip() for who, what in CARD.findall(answer.text)]
        return self._saw("; ".join(html.unescape(card) for card in cards) or AS_USUAL)

    def _saw(self, text: str) -> str:
        if text not in self.shown:
            self.shown.append(text)
        return text

    def _post(self, page: str, path: str, **form: str) -> requests.Response:
        token = TOKEN.search(self._http.get(self._service.url + page, timeout=15).text)[1]
        answer = self._http.post(self._service.url + path, {"csrf_token": token, **form}, timeout=15,
                                 headers={"Referer": self._service.url + page})
        answer.raise_for_status()
        return answer


@dataclass
class Scene:
    """Everybody who is there while something breaks."""

    service: RunningService
    listener: Listener
    caregiver: Caregiver
    chance: random.Random
    waits_s: list[float] = field(default_factory=list)
    """How long each next turn took."""

    def turn(self, key: str = "") -> float:
        """A turn, by any key; the moment that its answer began to sound."""
        return self.listener.turn(key or self.chance.choice(KEYS))

    def try_turn(self) -> bool:
        """A press that is not insisted on; True if it was answered."""
        with contextlib.suppress(Refused, Unreachable):
            self.listener.try_once(self.chance.choice(KEYS))
            return True
        return False

    def turns(self, many: int) -> None:
        """Several."""
        for _ in range(many):
            self.turn()

    def next_turn(self, since: float) -> None:
        """A turn whose answer is waited for since a moment on ``time.monotonic``; written down."""
        self.waits_s.append(self.turn() - since)

    def restart(self) -> None:
        """What the runner does with a service that ended."""
        time.sleep(RESTART_S)
        self.service.start()

    def pressed_while(self, mend: Callable[[], None], since: float) -> None:
        """The listener presses while something is mended elsewhere; written down as ``next_turn``."""
        with ThreadPoolExecutor(1) as elsewhere:
            mending = elsewhere.submit(mend)
            self.next_turn(since)
            mending.result()

    def log_says(self, pattern: str) -> bool:
        """True if the service's log has it."""
        return re.search(pattern, self.service.log.read_text()) is not None

    def row(self, fault: str, since: str, note: str = "", database: str = "", holds: bool = True) -> Row:
        """What was noticed; ``holds`` False if something else than a turn went wrong."""
        self.caregiver.look()
        missing = lost(self.listener, database or f"sqlite:///{self.service.folder / 'guide.db'}")
        hears, shows = " / ".join(self.listener.told) or "the answers, nothing else", " / ".join(self.caregiver.shown)
        return Row(fault, hears, shows, missing, summary(self.waits_s), holds and missing == 0, since, note)


@contextlib.contextmanager
def scene(folder: Path, chance: random.Random, **environment: str) -> Iterator[Scene]:
    """A service with its data in ``folder``, a listener in a talk at a paired device, and whoever cares."""
    folder.mkdir(parents=True, exist_ok=True)
    service = RunningService(folder, **{"VOICE": "light", **environment})
    try:
        service.start()
        listener, caregiver = Listener(service.url), Caregiver(service)
        caregiver.enter()
        caregiver.pair(listener)
        caregiver.shown.clear()
        listener.told.clear()
        set_up = Scene(service, listener, caregiver, chance)
        set_up.turns(3)
        yield set_up
    finally:
        service.stop()


def summary(seconds: list[float]) -> dict | None:
    """Median and worst of the waits, seconds."""
    if not seconds:
        return None
    return {"median": round(statistics.median(seconds), 2), "worst": round(max(seconds), 2), "n": len(seconds)}


def lost(listener: Listener, database: str) -> int:
    """Compare a journal with the database: every answered turn once and at its number, no gaps, nothing else."""
    engine = create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
    try:
        talks = {entry.talk_id for entry in listener.journal}
        return sum(_lost_of(listener, engine, talk) for talk in talks)
    finally:
        engine.dispose()


def _lost_of(listener: Listener, engine: Engine, talk: str) -> int:
    with transaction(engine) as orm:
        kept = {row.id: row.number for row in orm.scalars(select(TurnRow).filter_by(talk_id=talk))}
        counted = orm.scalar(select(TalkRow.turns).filter_by(id=talk)) or 0
    answered = {entry.turn_id: entry.number for entry in listener.journal if entry.talk_id == talk}
    missing = sum(kept.get(turn) != number for turn, number in answered.items())
    nobodys = len(kept.keys() - answered.keys() - listener.unanswered)
    gaps = set(kept.values()) ^ set(range(1, len(kept) + 1))
    return missing + nobodys + len(gaps) + abs(counted - len(kept))


def until(true: Callable[[], bool], timeout_s: float) -> bool:
    """Wait for something; False if it does not come."""
    give_up = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.1)
    return True
