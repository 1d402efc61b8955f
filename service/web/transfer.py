"""Transfer: bodies come in whole, and answers go out, without a page thread having to wait for a slow client.

Flask runs in a few threads. Whoever sent a byte a second, or read one, would hold one of them; sixteen would hold
all. So both wait here, in the event loop, within a deadline and a bound of memory (CWE-400; OWASP ASVS 5, V15).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from service.errors import Busy, GuideError
from service.speech import parcel
from service.web.api import LARGEST_BODY_BYTES, PREFIX
from service.web.body import LARGEST_JSON_BYTES
from service.web.origin import Caller
from service.web.panel.common import LARGEST_FORM_BYTES

OWN_WORDS = 4
"""The panel says in its own words that a form is too large, up to so many times what it may have."""


class BodyTooLarge(GuideError):
    """The body is larger than anything that is sent there."""

    code, status = "too_large", 413


class BodyTooSlow(GuideError):
    """The body did not arrive in time."""

    code, status = "too_slow", 408


class Gone(Exception):
    """Whoever sent the body went away in the middle of it."""


@dataclass(frozen=True)
class TransferLimits:
    """How long bodies may take, and how much memory they and answers may."""

    body_s: float = 20.0
    """Seconds that any body may take."""
    gap_s: float = 5.0
    """Seconds without a byte after which nobody sends any more."""
    least_bytes_s: int = 64 * 1024
    """What is larger gets a second more for each so many bytes that have arrived."""
    linger_s: float = 2.0
    """Whoever still sends a body that was refused is listened to so long: it would not read the answer before."""
    most_bytes: int = 256 * 1024 * 1024
    """Of all bodies that are here at once; large ones leave a quarter of it to small ones."""
    each_address_bytes: int = 64 * 1024 * 1024
    """Of those from one address but this machine's own."""
    answer_bytes: int = 4 * 1024 * 1024
    """Of one answer that waits for its reader."""
    answers_bytes: int = 256 * 1024 * 1024
    """Of all answers that wait."""


def largest_body(scope, caller: Caller) -> int:
    """Bytes that the body of this request may have at the most."""
    path, kind = scope["path"], dict(scope["headers"]).get(b"content-type", b"")
    if path.startswith(f"{PREFIX}/sessions/") and kind.startswith(b"audio/"):
        return LARGEST_BODY_BYTES
    if path.startswith("/family/api/") and caller.local:
        return parcel.LARGEST_BYTES
    if path.startswith("/panel"):
        return OWN_WORDS * LARGEST_FORM_BYTES
    return LARGEST_JSON_BYTES


class Bodies:
    """The bodies that are being received, or worked with. For one event loop."""

    def __init__(self, limits: TransferLimits):
        self._limits = limits
        self._held: Counter[str] = Counter()

    async def read(self, receive, scope, caller: Caller) -> bytes:
        """The whole body; give its length back with ``release``. Raises BodyTooLarge, BodyTooSlow, Busy or Gone."""
        largest, body, began = largest_body(scope, caller), bytearray(), asyncio.get_running_loop().time()
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > largest:
            raise BodyTooLarge(f"a body of more than {largest} bytes")
        try:
            more = True
            while more:
                message = await self._next(receive, began, len(body))
                piece, more = message.get("body", b""), message.get("more_body", False)
                if len(body) + len(piece) > largest:
                    raise BodyTooLarge(f"a body of more than {largest} bytes")
                self._hold(caller, len(piece), largest)
                body += piece
        except BaseException:
            self.release(caller, len(body))
            raise
        return bytes(body)

    def release(self, caller: Caller, size: int) -> None:
        """A body of that many bytes is done with."""
        self._held[caller.address] -= size
        if self._held[caller.address] <= 0:
            del self._held[caller.address]

    async def _next(self, receive, began: float, so_far: int):
        limits, now = self._limits, asyncio.get_running_loop().time()
        left = began + limits.body_s + so_far / limits.least_bytes_s - now
        try:
            async with asyncio.timeout(min(limits.gap_s, left)):
                message = await receive()
        except TimeoutError as e:
            raise BodyTooSlow("the body came too slowly") from e
        if message["type"] == "http.disconnect":
            raise Gone
        return message

    def _hold(self, caller: Caller, size: int, largest: int) -> None:
        limits = self._limits
        most = limits.most_bytes if largest <= LARGEST_JSON_BYTES else limits.most_bytes * 3 // 4
        own = self._held[caller.address] + size
        if self._held.total() + size > most or not caller.local and own > limits.each_address_bytes:
            raise Busy("too much is being received at once")
        self._held[caller.address] = own


class Answers:
    """The answers that wait for their readers. For one event loop."""

    def __init__(self, limits: TransferLimits):
        self._limits, self._waiting = limits, 0

    async def deliver(self, application, scope, receive, send) -> None:
        """Run an application whose answer is kept here until it is read. Returns when it is sent."""
        answer = _Answer(self, send)
        sending = asyncio.create_task(answer.run())
        try:
            await application(scope, receive, answer.send)
            answer.end()
            await sending
        finally:
            sending.cancel()
            self._waiting -= answer.waiting

    def room(self, own: int, size: int) -> bool:
        """True if an answer of which ``own`` bytes wait may have ``size`` more waiting."""
        fits = own + size <= self._limits.answer_bytes and self._waiting + size <= self._limits.answers_bytes
        return own == 0 or fits

    def wait(self, size: int) -> None:
        """So many bytes more wait; fewer, if it is negative."""
        self._waiting += size


class _Answer:
    """One answer on its way."""

    def __init__(self, answers: Answers, send):
        self._answers, self._send = answers, send
        self._messages: asyncio.Queue = asyncio.Queue()
        self._moved, self._over = asyncio.Event(), False
        self.waiting = 0

    async def send(self, message) -> None:
        """What the application calls; it waits only while too much is on its way already."""
        size = len(message.get("body", b""))
        while not self._over and not self._answers.room(self.waiting, size):
            self._moved.clear()
            await self._moved.wait()
        self._wait(size)
        self._messages.put_nowait(message)

    def end(self) -> None:
        """Nothing more comes."""
        self._messages.put_nowait(None)

    async def run(self) -> None:
        """Hand everything on, as fast as it is read."""
        try:
            while (message := await self._messages.get()) is not None:
                await self._send(message)
                self._wait(-len(message.get("body", b"")))
                self._moved.set()
        finally:
            self._over = True
            self._moved.set()

    def _wait(self, size: int) -> None:
        self.waiting += size
        self._answers.wait(size)
