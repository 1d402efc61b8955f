"""The WebSocket /api/v1/listen: a microphone's audio in, turns made by voice out.

Plain ASGI, because Flask speaks WSGI, which has no WebSockets. Decoding blocks, so it runs in a
pool of as many threads as there are cores; a connection that only waits costs no thread.
"""

from __future__ import annotations

import asyncio
import json
import logging
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from service.errors import BadRequest, GuideError, NotFound
from service.listening import Listening
from service.speech.ear import Heard, SpeechBegan
from service.speech.recognizer import Hearing
from service.talks import Speaking, Talks, new_id
from service.web.api import PREFIX, error_json, reply_json
from service.web.origin import same_origin

log = logging.getLogger(__name__)
PATH = f"{PREFIX}/listen"
LARGEST_CHUNK_BYTES = 320_000
"""Ten seconds of audio in one message; more is no microphone."""
POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013


class ListenSocket:
    """The ASGI application of the socket."""

    def __init__(self, talks: Talks, listening: Listening, pool: ThreadPoolExecutor):
        self._talks, self._listening, self._pool = talks, listening, pool

    async def __call__(self, scope, receive, send) -> None:
        """Serve one connection."""
        await receive()
        if not _same_origin(scope):
            # Any page that the listener's browser has open could otherwise use the microphone's talk.
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        await send({"type": "websocket.accept"})
        query = urllib.parse.parse_qs(scope["query_string"].decode("ascii", "replace"))
        connection = _Connection(self._talks, self._listening, self._pool, send)
        try:
            await connection.open(query.get("session", [""])[0])
            await connection.serve(receive)
        except GuideError as e:
            await connection.tell(type="error", **error_json(e, self._talks))
            code = POLICY_VIOLATION if isinstance(e, (NotFound, BadRequest)) else TRY_AGAIN_LATER
            await send({"type": "websocket.close", "code": code})
        except ConnectionError:
            log.debug("the listener's page went away")


def _same_origin(scope) -> bool:
    """True if the page that opens the socket is ours, or it is no browser at all."""
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return same_origin(headers.get(b"origin"), headers.get(b"host"))


class _Connection:
    """One page's microphone."""

    def __init__(self, talks: Talks, listening: Listening, pool: ThreadPoolExecutor, send):
        self._talks, self._listening, self._pool, self._send = talks, listening, pool, send
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
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("bytes"):
                await self._audio(message["bytes"])
            elif message.get("text"):
                await self._control(message["text"])

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
        except (ValueError, KeyError, TypeError) as e:
            raise BadRequest("not a message of this socket") from e

    async def _audio(self, pcm: bytes) -> None:
        if len(pcm) > LARGEST_CHUNK_BYTES or len(pcm) % 2:
            raise BadRequest("not 16 bit audio in small pieces")
        for event in await self._in_pool(self._feed, pcm):
            if isinstance(event, SpeechBegan):
                self._beside = self._speaking
                await self.tell(type="hearing")
            elif isinstance(event, Heard):
                await self.tell(type="thinking")
                await self._turn(event.hearing)

    def _feed(self, pcm: bytes) -> list[SpeechBegan | Heard]:
        return list(self._stream.feed(pcm, self._talks.expects(self._talk_id)))

    async def _turn(self, hearing: Hearing) -> None:
        if self._beside:
            take = partial(self._talks.interrupt, self._talk_id, new_id(), hearing, self._beside)
        else:
            take = partial(self._talks.hear, self._talk_id, new_id(), hearing)
        view = await self._in_pool(take)
        if view is None:
            await self.tell(type="nothing")
        else:
            self._speaking = None
            await self.tell(type="turn", reply=reply_json(view, self._talks, True))

    async def _in_pool(self, function, *args):
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
