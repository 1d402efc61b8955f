"""The WebSocket /api/v1/listen: a microphone's audio in, turns made by voice out.

Plain ASGI, because Flask speaks WSGI, which has no WebSockets. Decoding blocks, so it runs in a
pool of as many threads as there are cores; a connection that only waits costs no thread.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

from service.errors import BadRequest, GuideError, NotFound
from service.listening import Listening
from service.monitoring.metrics import Metrics
from service.monitoring.steps import DECODE, ENDPOINT, RECEIVE, Steps
from service.speech.audio import RATE_HZ
from service.speech.ear import Heard, SpeechBegan
from service.talks import Speaking, Talks, View, new_id
from service.web.api import PREFIX, Admission, error_json, reply_json
from service.web.origin import same_origin

log = logging.getLogger(__name__)
PATH = f"{PREFIX}/listen"
LARGEST_CHUNK_BYTES = 320_000
"""Ten seconds of audio in one message; more is no microphone."""
BYTES_A_SECOND = 2 * RATE_HZ
FASTEST = 1.1
"""Times the speed of speech: a page makes up for a line that stood still for a second within ten."""
MOST_WAITING = 32
"""Messages of one page that are taken from the line before their turn, to know when they came: some 3 s of audio."""
POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013


class ListenSocket:
    """The ASGI application of the socket."""

    def __init__(self, talks: Talks, listening: Listening, pool: ThreadPoolExecutor,
                 admission: Admission | None = None, metrics: Metrics | None = None):
        """``admission`` and ``metrics`` are told how long audio waits for its decoding, the former also how much work
        that is."""
        self._talks, self._listening, self._pool = talks, listening, pool
        self._admission, self._metrics = admission, metrics or Metrics()

    async def __call__(self, scope, receive, send) -> None:
        """Serve one connection."""
        await receive()
        if not _same_origin(scope):
            # Any page that the listener's browser has open could otherwise use the microphone's talk.
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        await send({"type": "websocket.accept"})
        query = urllib.parse.parse_qs(scope["query_string"].decode("ascii", "replace"))
        connection = _Connection(self._talks, self._listening, self._pool, send, self._decoded)
        try:
            with self._metrics.sockets.track_inprogress():
                await connection.open(query.get("session", [""])[0])
                await connection.serve(receive)
        except GuideError as e:
            self._metrics.error(e)
            await connection.tell(type="error", **error_json(e, self._talks))
            code = POLICY_VIOLATION if isinstance(e, (NotFound, BadRequest)) else TRY_AGAIN_LATER
            await send({"type": "websocket.close", "code": code})
        except ConnectionError:
            log.debug("the listener's page went away")

    def _decoded(self, stream: int, wait_s: float, audio_s: float, work_s: float, speech: bool) -> None:
        self._metrics.decoding_waited(wait_s)
        # Silence is next to no work, and says nothing about those who speak.
        if self._admission and speech:
            self._admission.decoded(stream, wait_s, audio_s, work_s)


def _same_origin(scope) -> bool:
    """True if the page that opens the socket is ours, or it is no browser at all."""
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return same_origin(headers.get(b"origin"), headers.get(b"host"))


class Pace:
    """When the pieces of a stream would have come from somebody who speaks.

    Whoever sends faster waits for it by their own fault: nobody else must be refused for that.
    """

    def __init__(self):
        self._next_s = -math.inf

    def due_s(self, pcm: bytes, arrived_s: float) -> float:
        """When a piece was due that came at ``arrived_s``: then, or after the one before has been spoken."""
        due_s = max(arrived_s, self._next_s)
        self._next_s = due_s + len(pcm) / BYTES_A_SECOND / FASTEST
        return due_s


class _Connection:
    """One page's microphone."""

    def __init__(self, talks: Talks, listening: Listening, pool: ThreadPoolExecutor, send,
                 decoded: Callable[[int, float, float, float, bool], None]):
        """``decoded`` is told of each piece of audio a number of the connection, how long it waited for its decoding,
        its length, the processor time that it took, all in seconds, and whether somebody spoke in it."""
        self._talks, self._listening, self._pool, self._send = talks, listening, pool, send
        self._decoded = decoded
        self._pace = Pace()
        self._taken_s = 0.0
        """Audio that was taken so far, seconds."""
        self._speaking: Speaking | None = None
        """What the page is playing; None while it is silent."""
        self._beside: Speaking | None = None
        """What it was playing when the utterance began."""

    async def open(self, talk_id: str) -> None:
        """Check the session and make an ear."""
        await self._in_pool(self._talks.last, talk_id)
        self._talk_id = talk_id
        self._stream = await self._in_pool(self._listening.stream)
        await self.tell(type="ready")

    async def serve(self, receive) -> None:
        """Take messages until the page closes the connection."""
        arrived: asyncio.Queue[tuple[dict, float]] = asyncio.Queue(MOST_WAITING)
        reader = asyncio.ensure_future(_read(receive, arrived))
        try:
            while (taken := await arrived.get())[0]["type"] == "websocket.receive":
                message, arrived_s = taken
                if message.get("bytes"):
                    await self._audio(message["bytes"], arrived_s)
                elif message.get("text"):
                    await self._control(message["text"])
        finally:
            reader.cancel()

    async def tell(self, **message) -> None:
        """Send one message."""
        await self._send({"type": "websocket.send", "text": json.dumps(message, ensure_ascii=False)})

    async def _control(self, text: str) -> None:
        try:
            message = json.loads(text)
            kind = message["type"]
            if kind == "speaking":
                speaking = Speaking(str(message["turn_id"]), int(message["sentence"]))
                await self._in_pool(self._talks.sentence, self._talk_id, speaking.turn_id, speaking.sentence)
                self._speaking = speaking
            elif kind == "silent":
                self._speaking = None
            elif kind == "forget":
                if self._stream.forget():
                    await self.tell(type="nothing")
            else:
                raise ValueError
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as e:
            raise BadRequest("not a message of this socket") from e

    async def _audio(self, pcm: bytes, arrived_s: float) -> None:
        if len(pcm) > LARGEST_CHUNK_BYTES or len(pcm) % 2:
            raise BadRequest("not 16 bit audio in small pieces")
        events, begun_s, decoded_s = await self._in_pool(self._feed, pcm, arrived_s)
        for event in events:
            if isinstance(event, SpeechBegan):
                self._beside = self._speaking
                await self.tell(type="hearing")
            elif isinstance(event, Heard):
                await self.tell(type="thinking", audio_s=round(self._taken_s, 3))
                steps = Steps(arrived_s)
                steps.add(RECEIVE, begun_s - arrived_s)
                steps.add(ENDPOINT, event.silence_s)
                steps.add(DECODE, decoded_s - begun_s)
                await self._turn(event, steps)

    def _feed(self, pcm: bytes, arrived_s: float) -> tuple[list[SpeechBegan | Heard], float, float]:
        """(what happened in a piece of audio, when work on it began, when it ended)."""
        begun_s, audio_s, spoke = time.perf_counter(), len(pcm) / BYTES_A_SECOND, self._stream.in_speech
        wait_s = max(0.0, begun_s - self._pace.due_s(pcm, arrived_s))
        before_s = time.thread_time()
        events = list(self._stream.feed(pcm, self._talks.expects(self._talk_id)))
        work_s, ended_s = time.thread_time() - before_s, time.perf_counter()
        self._taken_s += audio_s
        self._decoded(id(self), wait_s, audio_s, work_s, spoke or self._stream.in_speech)
        return events, begun_s, ended_s

    async def _turn(self, heard: Heard, steps: Steps) -> None:
        view = await self._in_pool(self._take, heard, steps, time.perf_counter())
        if view is None:
            await self.tell(type="nothing")
        else:
            self._speaking = None
            await self.tell(type="turn", reply=reply_json(view, self._talks, True), timing=steps.milliseconds())

    def _take(self, heard: Heard, steps: Steps, asked_s: float) -> View | None:
        # Between two works for one turn others had the threads.
        steps.add(RECEIVE, time.perf_counter() - asked_s)
        if self._beside:
            return self._talks.interrupt(self._talk_id, new_id(), heard.hearing, self._beside, steps)
        return self._talks.hear(self._talk_id, new_id(), heard.hearing, steps)

    async def _in_pool(self, function, *args):
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)


async def _read(receive, arrived: asyncio.Queue[tuple[dict, float]]) -> None:
    """Take messages from the line as they come, each with its time of arrival: while one is worked on, the next
    ones wait unseen otherwise."""
    while True:
        message = await receive()
        await arrived.put((message, time.perf_counter()))
        if message["type"] != "websocket.receive":
            return
