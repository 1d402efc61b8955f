"""Server-sent events: word to kiosk pages and panel pages that something changed.

Plain ASGI: a page that waits must not cost one of the threads that serve pages. A message carries
nothing; the page asks again for what it shows, by the ordinary ways with their checks.
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import http.cookies
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

from flask import Flask

from service.care.care import Care
from service.care.devices import DeviceGone
from service.care.feed import device_topic
from service.errors import GuideError
from service.web import device

DEVICE_PATH = f"{device.PREFIX}/events"
PANEL_PATH = "/panel/events"
PATHS = (DEVICE_PATH, PANEL_PATH)
KEEP_ALIVE_S = 15.0
"""A comment is sent as often, so that proxies and pages see that the line stands."""
LONGEST_S = 300.0
"""Then the page connects again, and is checked again: whoever logged out hears no more."""
RETRY_MS = 2_000
HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"),
           (b"x-accel-buffering", b"no"), (b"x-content-type-options", b"nosniff")]


class Events:
    """The ASGI application of both streams."""

    def __init__(self, care: Care, flask: Flask, panel_topics: Callable[[Flask, dict], list[str] | None],
                 pool: ThreadPoolExecutor):
        """``panel_topics`` gives what a page of the panel may hear of, by its headers, or None."""
        self._care, self._flask, self._panel_topics, self._pool = care, flask, panel_topics, pool

    async def __call__(self, scope, receive, send) -> None:
        """Serve one page until it goes away."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        try:
            topics = await loop.run_in_executor(self._pool, self._topics, scope)
        except GuideError:
            topics = None
        if topics is None:
            await send({"type": "http.response.start", "status": 401, "headers": [(b"cache-control", b"no-store")]})
            await send({"type": "http.response.body", "body": b""})
            return
        end = self._care.feed.subscribe(topics, lambda: loop.call_soon_threadsafe(changed.set))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await _write(send, f"retry: {RETRY_MS}\n\n")
            await self._stream(send, changed, gone, loop.time() + LONGEST_S)
            await send({"type": "http.response.body", "body": b""})
        finally:
            end()
            gone.cancel()

    async def _stream(self, send, changed: asyncio.Event, gone: asyncio.Future, until: float) -> None:
        loop = asyncio.get_running_loop()
        while not gone.done() and loop.time() < until:
            wait = asyncio.ensure_future(changed.wait())
            await asyncio.wait({wait, gone}, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
            wait.cancel()
            if gone.done():
                return
            told = changed.is_set()
            changed.clear()
            await _write(send, "event: changed\ndata:\n\n" if told else ":\n\n")

    def _topics(self, scope) -> list[str] | None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["path"] == PANEL_PATH:
            return self._panel_topics(self._flask, headers)
        try:
            cookies = http.cookies.SimpleCookie(headers.get("cookie", ""))
        except http.cookies.CookieError:
            return None
        token = cookies.get(device.COOKIE)
        try:
            return [device_topic(self._care.devices.by_token(token.value).id)] if token else None
        except DeviceGone:
            return None


async def _disconnected(receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write(send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
