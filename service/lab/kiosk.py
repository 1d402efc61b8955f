"""A client that talks as the kiosk page does: its keys, its retries, its microphone; without a screen or a voice.

``conversation.js``, ``api.js`` and ``listener.js`` are the model. Two ways in: ``Kiosk`` blocks, for keys and for
the sound of answers; ``Microphone`` is asyncio, so that many of them run in one process at little cost.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from array import array
from dataclasses import dataclass
from typing import Callable, Iterator

import numpy as np
import requests
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

API = "/api/v1"
BACKOFF_S = (0.5, 1, 2, 4, 5)
TURN_TIMEOUT_S, AUDIO_TIMEOUT_S = 15, 10
AWAY = (502, 503, 504)
"""What a proxy answers while the service behind it is away."""
AGAIN = ("store_failed",)
"""What the database did not confirm may be kept all the same: the same turn is sent again."""
RATE_HZ, CHUNK_S = 16_000, 0.1
CHUNK_BYTES = round(RATE_HZ * CHUNK_S) * 2
BURST_SILENCE_S = 1.6
"""Sent after a recording faster than real time: longer than the endpointer waits."""
OUTCOMES = ("turn", "nothing")
"""Messages that end an utterance."""


class Unreachable(Exception):
    """The service could not be reached for as long as the kiosk is patient."""


class Refused(Exception):
    """The service answered with an error of its own."""

    def __init__(self, status: int, error: dict, retry_after_s: float = 0):
        self.status, self.code, self.say = status, error.get("code", ""), error.get("say", "")
        self.retry_after_s = retry_after_s
        super().__init__(f"{status} {self.code}")

    @property
    def talk_lost(self) -> bool:
        """True if there is no such talk (any more), so that a new one has to be opened."""
        return self.status in (404, 410)


@dataclass(frozen=True)
class Entry:
    """One answered turn of a kiosk's journal."""

    talk_id: str
    turn_id: str
    number: int
    """Number of the turn in its talk, from 1."""
    node: str
    took_s: float
    """From the first try of a turn by keys to its answer; of one by voice see ``Heard.outcome_s``."""
    tries: int


@dataclass(frozen=True)
class Heard:
    """What became of an utterance."""

    outcome: str
    """One of ``OUTCOMES``."""
    reply: dict | None
    """The answer to the turn; None if the utterance was taken for noise."""
    outcome_s: float
    """From the moment that the last byte needed was due, see ``Microphone.listen``, to the outcome's arrival."""
    first_sound_s: float | None
    """From the same moment to the first byte of the answer's first sentence; None without a turn."""


class Kiosk:
    """One kiosk page. Blocking; one call at a time."""

    def __init__(self, url: str, patience_s: float = 60, verify: bool | str = True):
        """``url`` of the service; it may be changed to another server's. A request that gets no answer is repeated
        for ``patience_s``; ``verify``: file of the certificate to believe, where it is not a public one."""
        self.url, self._patience_s = url, patience_s
        self._http = requests.Session()
        # No proxy of the machine's: the service is near.
        self._http.trust_env, self._http.verify = False, verify
        self.talk_id, self.reply = "", {}
        self.journal: list[Entry] = []
        """Every turn that was answered, in the order of the answers."""
        self.refused_openings = self.lost_talks = self.retries = 0

    def open(self) -> dict:
        """Open a talk, as soon as the service lets one in; the greeting. Unreachable after the kiosk's patience."""
        give_up = time.monotonic() + self._patience_s
        while True:
            try:
                return self.try_to_open()
            except Refused as e:
                if e.code != "busy" or time.monotonic() + e.retry_after_s > give_up:
                    raise
                time.sleep(e.retry_after_s)

    def try_to_open(self) -> dict:
        """The same in one try; Refused with code ``busy`` if the service lets nobody in."""
        try:
            reply = self._taken(lambda: self._call("POST", "/sessions", {}))
        except Refused as e:
            self.refused_openings += e.code == "busy"
            raise
        self.talk_id = reply["session"]
        return reply

    def press(self, key: str) -> dict:
        """A turn by a key; the answer. Raises as ``take``."""
        return self.take(key=key)

    def take(self, **given) -> dict:
        """A turn: ``key``, ``text`` or ``event``. It keeps its id until it is answered, so it happens once.

        Refused if the service answers with an error; if the talk is gone, a new one is open by then.
        """
        turn = {"turn_id": uuid.uuid4().hex, **given}
        try:
            return self._taken(lambda: self._call("POST", f"/sessions/{self.talk_id}/turns", turn))
        except Refused as e:
            if e.talk_lost:
                self.lost_talks += 1
                self.open()
            raise

    def rejoin(self) -> dict:
        """After a loss: wait until the service is there again, and go on where the talk was."""
        try:
            self._insist(self.last)
        except Refused as e:
            if e.talk_lost:
                self.lost_talks += 1
                return self.open()
        return self.take(event="rejoin")

    def last(self) -> dict:
        """The newest answer of the talk as the service knows it, in one try."""
        return self._call("GET", f"/sessions/{self.talk_id}")

    def sound(self, sentence: dict) -> bytes:
        """The first piece of a sentence of an answer, as the bytes of a WAV file."""
        with self._sound(sentence) as answer:
            return answer.content

    def first_sound_at(self, reply: dict) -> float:
        """Fetch an answer's first sentence; the moment that its first byte came, on ``time.perf_counter``."""
        with self._sound(reply["sentences"][0]) as answer:
            chunks = answer.iter_content(4096)
            next(chunks)
            came = time.perf_counter()
            for _ in chunks:
                pass
        return came

    def end(self) -> None:
        """Close the talk for good."""
        self._call("DELETE", f"/sessions/{self.talk_id}")
        self.talk_id = ""

    def close(self) -> None:
        """Close the connections; the talk stays open, as when a page is closed."""
        self._http.close()

    def note(self, reply: dict, took_s: float, tries: int = 1) -> None:
        """Write an answer down in the journal."""
        self.reply = reply
        self.journal.append(Entry(reply["session"], reply["turn_id"], reply["number"], reply["node"], took_s, tries))

    def _taken(self, exchange: Callable[[], dict]) -> dict:
        began, before = time.perf_counter(), self.retries
        reply = self._insist(exchange)
        self.note(reply, time.perf_counter() - began, 1 + self.retries - before)
        return reply

    def _insist(self, exchange: Callable[[], dict]) -> dict:
        give_up = time.monotonic() + self._patience_s
        for attempt in itertools.count():
            try:
                return exchange()
            except Unreachable:
                pause_s = BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]
                if time.monotonic() + pause_s > give_up:
                    raise
                self.retries += 1
                time.sleep(pause_s)

    def _call(self, method: str, path: str, body: dict | None = None) -> dict:
        with self._reach(method, f"{self.url}{API}{path}", json=body, timeout=TURN_TIMEOUT_S) as answer:
            content = _json(answer)
            if answer.ok and (content or answer.status_code == 204):
                return content
            error = content.get("error")
            away = not error and (answer.ok or answer.status_code in AWAY)
            if away or error and error.get("code") in AGAIN:
                raise Unreachable(f"no answer, status {answer.status_code}")
            raise Refused(answer.status_code, error or {}, float(answer.headers.get("Retry-After", 0)))

    @contextlib.contextmanager
    def _sound(self, sentence: dict) -> Iterator[requests.Response]:
        with self._reach("GET", self.url + sentence["audio"], stream=True, timeout=AUDIO_TIMEOUT_S) as answer:
            if not answer.ok:
                raise Refused(answer.status_code, {})
            try:
                yield answer
            except requests.RequestException as e:
                raise Unreachable(type(e).__name__) from e

    def _reach(self, method: str, address: str, **options) -> requests.Response:
        try:
            return self._http.request(method, address, **options)
        except requests.RequestException as e:
            raise Unreachable(type(e).__name__) from e


class Microphone:
    """A kiosk's open microphone: it sends all the time, silence where nobody speaks."""

    def __init__(self, kiosk: Kiosk, realtime: bool = True):
        """``realtime`` False: what is said is sent at once, and no silence between; for short tests."""
        self._kiosk, self._realtime = kiosk, realtime
        self._socket: ClientConnection | None = None
        self._tasks: list[asyncio.Task] = []
        self._said = b""
        self._due = array("d")
        """When each chunk was due, or was sent where it is not in real time; on ``time.perf_counter``."""
        self._messages: asyncio.Queue[tuple[float, dict]] = asyncio.Queue()

    async def open(self) -> "Microphone":
        """Connect for the kiosk's talk and wait until it is listened to; Refused or Unreachable if it is not."""
        address = f"{self._kiosk.url.replace('http', 'ws', 1)}{API}/listen?session={self._kiosk.talk_id}"
        self._said, self._due, self._messages = b"", array("d"), asyncio.Queue()
        try:
            self._socket = await connect(address, proxy=None, max_queue=None, open_timeout=TURN_TIMEOUT_S)
        except (OSError, WebSocketException, TimeoutError) as e:
            raise Unreachable(type(e).__name__) from e
        self._tasks = [asyncio.create_task(self._receive())]
        await self._message("ready")
        if self._realtime:
            self._tasks.append(asyncio.create_task(self._send_in_real_time()))
        return self

    async def close(self) -> None:
        """Close the connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._socket:
            await self._socket.close()

    async def reopen(self) -> None:
        """After a loss: rejoin the talk as the page does, and listen again."""
        await self.close()
        await asyncio.to_thread(self._kiosk.rejoin)
        await self.open()

    async def listen(self, samples: np.ndarray, patience_s: float = 30, sound: bool = True) -> Heard:
        """Say a recording, int16 at 16 kHz, in chunks of 0.1 s, and wait for what becomes of it.

        The clock of ``Heard`` starts when the chunk was due that decided the end of the utterance: the service
        tells with its message "thinking" how much audio it had taken by then. In real time a chunk is due when a
        microphone would have recorded it, whether it could be sent by then or not; that is the moment from which
        `bench` counts as well. The 0.6 or 1.3 s of silence that the endpointer waits for lie before it.
        Unreachable if the connection is lost or nothing comes for ``patience_s`` after the recording; then the
        utterance is lost, as for somebody who speaks while the line is cut. Refused if the service tells an error.
        """
        began = len(self._due)
        self._said += samples.tobytes() if self._realtime else b""
        if not self._realtime:
            await self._send_at_once(samples.tobytes() + bytes(round(BURST_SILENCE_S * RATE_HZ) * 2))
        try:
            async with asyncio.timeout(len(samples) / RATE_HZ + patience_s):
                due, came, message = await self._outcome(began)
        except TimeoutError as e:
            raise Unreachable("nothing became of what was said") from e
        reply = message.get("reply")
        if reply is None:
            return Heard("nothing", None, came - due, None)
        self._kiosk.note(reply, came - due)
        sounded = await asyncio.to_thread(self._kiosk.first_sound_at, reply) if sound else None
        return Heard("turn", reply, came - due, sounded and sounded - due)

    async def _outcome(self, began: int) -> tuple[float, float, dict]:
        """(due, came, message) of the first utterance that ended after ``began`` chunks."""
        while True:
            decided = self._chunks(await self._message("thinking"))
            came, message = await self._next(*OUTCOMES)
            # What was sent in a burst may hold a second utterance: it belongs to nobody.
            if decided > began:
                return self._due[decided - 1], came, message

    def _chunks(self, thinking: dict) -> int:
        """Chunks that the service had taken when it knew that the utterance had ended."""
        return round(thinking["audio_s"] / CHUNK_S)

    async def _message(self, kind: str) -> dict:
        return (await self._next(kind))[1]

    async def _next(self, *kinds: str) -> tuple[float, dict]:
        while True:
            came, message = await self._messages.get()
            if message["type"] == "error":
                raise Refused(503, message["error"], message.get("retry_after_s", 0))
            if message["type"] == "lost":
                raise Unreachable("the connection was lost")
            if message["type"] in kinds:
                return came, message

    async def _receive(self) -> None:
        try:
            async for data in self._socket:
                self._messages.put_nowait((time.perf_counter(), json.loads(data)))
        except WebSocketException:
            pass
        self._messages.put_nowait((time.perf_counter(), {"type": "lost"}))

    async def _send_in_real_time(self) -> None:
        began = time.perf_counter()
        for number in itertools.count(1):
            due = began + number * CHUNK_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            chunk, self._said = self._said[:CHUNK_BYTES], self._said[CHUNK_BYTES:]
            self._due.append(due)
            try:
                await self._socket.send(chunk.ljust(CHUNK_BYTES, b"\0"))
            except WebSocketException:
                # The receiver tells it.
                return

    async def _send_at_once(self, pcm: bytes) -> None:
        try:
            for start in range(0, len(pcm), CHUNK_BYTES):
                self._due.append(time.perf_counter())
                await self._socket.send(pcm[start:start + CHUNK_BYTES].ljust(CHUNK_BYTES, b"\0"))
        except WebSocketException as e:
            raise Unreachable("the connection was lost") from e


def listen(kiosk: Kiosk, samples: np.ndarray, realtime: bool = True) -> Heard:
    """Open a microphone, say one recording, and close it: for callers without asyncio. Raises as ``Microphone``."""
    async def once() -> Heard:
        microphone = Microphone(kiosk, realtime)
        try:
            return await (await microphone.open()).listen(samples)
        finally:
            await microphone.close()
    return asyncio.run(once())


def _json(answer: requests.Response) -> dict:
    try:
        content = answer.json()
    except ValueError:
        # Cut off half-way, or a page made by a proxy.
        return {}
    return content if isinstance(content, dict) else {}
