"""Guard: the border of the service, around all of its pages, calls and sockets.

No plain HTTP to other machines; heads, bodies and silent sockets within limits; security headers on every answer.
Plain ASGI, because a WSGI application sees a request only once a thread is spent on it.
"""

from __future__ import annotations

import asyncio
import html
import json
from dataclasses import dataclass
from typing import Callable, Mapping

from service.errors import Busy, GuideError
from service.web.kiosk import HEADERS, ONLY_TLS
from service.web.origin import Caller, caller
from service.web.probes import PATHS as PROBE_PATHS
from service.web.transfer import Answers, Bodies, Gone, TransferLimits

POLICY_VIOLATION, GOING_AWAY = 1008, 1001
"""Why a socket is closed (RFC 6455, 7.4.1)."""
FOR_PROGRAMS = ("/api/", "/family/api/")
"""Where errors are JSON."""
READING = ("GET", "HEAD")
MOST_HEADERS, LARGEST_HEAD_BYTES = 100, 16 * 1024
"""Of one request; a browser sends 20 headers and 2 KiB."""


class HeadTooLarge(GuideError):
    """More headers than any browser sends."""

    code, status = "head_too_large", 431


class PlainHttp(GuideError):
    """Another machine asks without TLS."""

    code, status = "plain_http", 403


@dataclass(frozen=True)
class Border:
    """What is let through."""

    plain_http: bool = False
    """True if other machines may ask without TLS."""
    proxies: int = 0
    """Number of proxies in front whose X-Forwarded headers are believed."""
    public_url: str = ""
    """Where others reach this service; if that is https, pages that are asked for without are sent there."""
    idle_s: float = 120.0
    """Seconds without a message after which a socket is closed; a kiosk sends sound all the time of a talk."""
    transfer: TransferLimits = TransferLimits()
    """Limits of bodies and answers."""


def check_head(headers) -> None:
    """Raise HeadTooLarge for more, or longer, headers (pairs of bytes) than a request may have."""
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MOST_HEADERS or size > LARGEST_HEAD_BYTES:
        raise HeadTooLarge("too many headers, or too long ones")


class Guard:
    """The ASGI application around another one. For one event loop."""

    def __init__(self, application, border: Border, words: Callable[[], Mapping[str, str]],
                 say: Callable[[GuideError], str]):
        """``words`` gives the labels of the running guide, ``say`` what a listener is told of an error."""
        self._application, self._border, self._words, self._say = application, border, words, say
        self._bodies, self._answers = Bodies(border.transfer), Answers(border.transfer)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Streams of events end now; their pages connect again, to another process. Call it in the event loop."""
        self._stopping.set()

    async def __call__(self, scope, receive, send) -> None:
        """Serve one request or one socket."""
        asking = caller(scope, self._border.proxies)
        # WSGI cannot tell X_Forwarded_For from X-Forwarded-For, and no proxy takes the former away.
        scope = {**scope, "headers": [(name, value) for name, value in scope["headers"] if b"_" not in name]}
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send, asking)
        else:
            await self._request(scope, receive, _with_headers(send, asking.secure), asking)

    # --- requests --------------------------------------------------------------------------------

    async def _request(self, scope, receive, send, asking: Caller) -> None:
        try:
            self._check(scope, asking)
            body = await self._bodies.read(receive, scope, asking)
        except GuideError as error:
            await self._refuse(scope, receive, send, asking, error)
            return
        except Gone:
            return
        try:
            await self._answers.deliver(self._application, scope, self._replay(body, receive), send)
        finally:
            self._bodies.release(asking, len(body))

    def _check(self, scope, asking: Caller) -> None:
        check_head(scope["headers"])
        if scope["path"] not in PROBE_PATHS and not self._passes(asking):
            raise PlainHttp("Please open this by https. Its TLS, PROXIES and PLAIN_HTTP settings decide that.")

    def _passes(self, asking: Caller) -> bool:
        return asking.local or asking.secure or self._border.plain_http

    def _replay(self, body: bytes, receive):
        """A ``receive`` that gives the body, and then waits until the client goes away or the service stops."""
        left = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay():
            if left:
                return left.pop()
            ends = [asyncio.ensure_future(receive()), asyncio.ensure_future(self._stopping.wait())]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for end in ends:
                    end.cancel()
            return {"type": "http.disconnect"}
        return replay

    # --- refusals --------------------------------------------------------------------------------

    async def _refuse(self, scope, receive, send, asking: Caller, error: GuideError) -> None:
        public, path = self._border.public_url.rstrip("/"), scope["path"]
        headers = [(b"cache-control", b"no-store"), (b"connection", b"close")]
        status, kind, text = error.status, *self._told(path, error)
        if isinstance(error, Busy):
            headers.append((b"retry-after", b"%d" % error.retry_after_s))
        to_public = public.startswith("https:") and asking.certainly_plain and scope["method"] in READING
        if isinstance(error, PlainHttp) and to_public and not path.startswith(FOR_PROGRAMS):
            query = b"?" + scope["query_string"] if scope["query_string"] else b""
            status = 308
            headers.append((b"location", public.encode() + scope["raw_path"] + query))
        headers += [(b"content-type", kind), (b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text, "more_body": True})
        await _drain(receive, self._border.transfer.linger_s)
        await send({"type": "http.response.body", "body": b""})

    def _told(self, path: str, error: GuideError) -> tuple[bytes, bytes]:
        """(media type, text) of an error: for a program, or for a person in Chinese and English."""
        words = self._words()
        say = words.get("plain_http", "") if isinstance(error, PlainHttp) else self._say(error)
        if path.startswith(FOR_PROGRAMS):
            shown = {"error": {"code": error.code, "message": str(error), "say": say}}
            return b"application/json", json.dumps(shown, ensure_ascii=False).encode()
        title = html.escape(words.get("title", ""))
        page = (f'<!DOCTYPE html><html lang="zh-CN"><meta charset="utf-8"><title>{title}</title>'
                f'<p>{html.escape(say)}</p><p lang="en">{html.escape(str(error))}</p></html>')
        return b"text/html; charset=utf-8", page.encode()

    # --- sockets ---------------------------------------------------------------------------------

    async def _socket(self, scope, receive, send, asking: Caller) -> None:
        if not self._passes(asking):
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return

        async def patient():
            try:
                async with asyncio.timeout(self._border.idle_s):
                    return await receive()
            except TimeoutError:
                await send({"type": "websocket.close", "code": GOING_AWAY, "reason": "idle"})
                return {"type": "websocket.disconnect", "code": GOING_AWAY}
        await self._application(scope, patient, send)


async def _drain(receive, seconds: float) -> None:
    """Read the rest of a body that nobody wants, for a while (lingering close, RFC 9112, 9.6)."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive()).get("more_body"):
                pass
    except TimeoutError:
        pass


def _with_headers(send, secure: bool):
    """A ``send`` that adds the security headers that an answer lacks."""
    wanted = [(name.lower().encode(), value.encode())
              for name, value in (HEADERS | ONLY_TLS if secure else HEADERS).items()]

    async def sending(message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            given += [(name, value) for name, value in wanted if name not in names]
            message = {**message, "headers": given}
        await send(message)
    return sending
