"""The border: who may ask over which line, and limits of bodies, answers and sockets."""

import asyncio
import json
from dataclasses import dataclass, replace

import pytest

from service.errors import GuideError
from service.web.guard import LARGEST_HEAD_BYTES, MOST_HEADERS, Border, Guard
from service.web.transfer import TransferLimits

ELSEWHERE, HERE = "192.0.2.7", "127.0.0.1"
ADDRESSES = ["/", "/panel/login", "/api/v1/voices", "/static/kiosk.css", "/api/v1/device/events", "/panel/events",
             "/family", "/nodes/m1", "/nowhere"]
WORDS = {"title": "指南", "plain_http": "要用 https 打开"}
QUICK = TransferLimits(body_s=0.3, gap_s=0.1, linger_s=0.05)
OVER_TLS = [(b"x-forwarded-for", b"198.51.100.9"), (b"x-forwarded-proto", b"https")]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict:
        return json.loads(self.body)["error"]


class Inside:
    """What the guard stands in front of: it answers with the body that it was sent."""

    def __init__(self):
        self.asked: list[dict] = []

    async def __call__(self, scope, receive, send) -> None:
        self.asked.append(scope)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": "heard"})
            return
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def inside() -> Inside:
    return Inside()


def guarded(inside, **border) -> Guard:
    return Guard(inside, Border(**border), lambda: WORDS, lambda error: f"say {error.prompt}")


def scope_of(path="/", client=ELSEWHERE, headers=(), scheme="http", method="GET", kind="http",
             server=(HERE, 80)) -> dict:
    return {"type": kind, "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "scheme": scheme, "headers": list(headers), "client": (client, 4711) if client else None, "server": server}


def giver(*messages):
    """A ``receive`` that gives these, and then nothing any more; a number is a pause in seconds."""
    left = list(messages)

    async def receive():
        while left and isinstance(left[0], float):
            await asyncio.sleep(left.pop(0))
        return left.pop(0) if left else await asyncio.Event().wait()
    return receive


def piece(body: bytes = b"", more: bool = False) -> dict:
    return {"type": "http.request", "body": body, "more_body": more}


async def answered(guard, scope, *messages) -> Answer:
    sent = []

    async def send(message):
        sent.append(message)
    await guard(scope, giver(*messages or [piece()]), send)
    if not sent:
        return Answer(0, {}, b"")
    headers = {name.decode(): value.decode() for name, value in sent[0].get("headers", [])}
    return Answer(sent[0].get("status", 0), headers, b"".join(m.get("body", b"") for m in sent[1:]))


def ask(guard, *messages, **scope) -> Answer:
    return asyncio.run(answered(guard, scope_of(**scope), *messages))


# --- over which line -------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ADDRESSES)
def test_another_machine_gets_nothing_over_plain_http(inside, path):
    answer = ask(guarded(inside), path=path)
    assert answer.status == 403 and not inside.asked
    if path.startswith("/api/"):
        assert answer.error["code"] == "plain_http" and answer.error["say"] == WORDS["plain_http"]
    else:
        assert answer.headers["content-type"].startswith("text/html")
        assert WORDS["plain_http"] in answer.body.decode() and "by https" in answer.body.decode()


@pytest.mark.parametrize("border, scope", [
    ({}, {"client": HERE}), ({}, {"client": "::1"}), ({}, {"client": "::ffff:127.0.0.1"}),
    ({}, {"client": None, "server": ("/run/guide.sock", None)}),
    ({}, {"scheme": "https"}), ({"plain_http": True}, {}),
    ({"proxies": 1}, {"headers": OVER_TLS}), ({"proxies": 1}, {"headers": OVER_TLS, "client": HERE}),
    ({"proxies": 2}, {"headers": [(b"x-forwarded-proto", b"https, http")]}),
])
@pytest.mark.parametrize("path", ["/", "/panel/login", "/api/v1/voices"])
def test_who_may_ask(inside, border, scope, path):
    assert ask(guarded(inside, **border), path=path, **scope).status == 200 and len(inside.asked) == 1


@pytest.mark.parametrize("border, scope", [
    ({}, {"client": "10.0.0.4"}), ({}, {"client": None}), ({}, {"client": "localhost"}),
    # A proxy on this machine that nobody has said to believe: it may speak for anybody.
    ({}, {"client": HERE, "headers": OVER_TLS}), ({}, {"client": HERE, "headers": [(b"forwarded", b"for=127.0.0.1")]}),
    ({}, {"client": HERE, "headers": [(b"via", b"1.1 proxy")]}),
    ({"proxies": 1}, {"client": HERE, "headers": [(b"x-forwarded-proto", b"http")]}),
    ({"proxies": 1}, {"client": HERE, "headers": [(b"x-forwarded-for", b"127.0.0.1")]}),
    # What the client itself has written stands before what the proxy adds.
    ({"proxies": 1}, {"headers": [(b"x-forwarded-proto", b"https"), (b"x-forwarded-proto", b"http")]}),
    ({"proxies": 2}, {"headers": OVER_TLS}),
])
def test_who_may_not(inside, border, scope):
    assert ask(guarded(inside, **border), **scope).status == 403 and not inside.asked


def test_an_underscore_does_not_pass_for_a_dash(inside):
    ask(guarded(inside), client=HERE, headers=[(b"x_forwarded_for", b"127.0.0.1"), (b"accept", b"*/*")])
    assert inside.asked[0]["headers"] == [(b"accept", b"*/*")]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_have_rules_of_their_own(inside, path):
    assert ask(guarded(inside), path=path).status == 200


def test_pages_are_sent_to_the_address_with_tls(inside):
    guard = guarded(inside, public_url="https://guide.example/")
    scope = {**scope_of("/nodes/m1"), "query_string": b"a=b"}
    answer = asyncio.run(answered(guard, scope, piece()))
    assert (answer.status, answer.headers["location"]) == (308, "https://guide.example/nodes/m1?a=b")
    assert ask(guard, path="/api/v1/voices").status == 403, "a program is told"
    assert ask(guard, method="POST", path="/panel/login").status == 403, "what it sent was not protected"
    assert ask(guard, client=HERE, headers=OVER_TLS).status == 403, "it would come back the same way for ever"
    behind = replace(guard._border, proxies=1)
    assert ask(Guard(inside, behind, lambda: WORDS, str), headers=[(b"x-forwarded-proto", b"http")]).status == 308
    assert ask(Guard(inside, behind, lambda: WORDS, str), headers=OVER_TLS[:1]).status == 403


# --- headers ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("scope, status", [({"client": HERE}, 200), ({}, 403), ({"scheme": "https"}, 200)])
def test_every_answer_has_the_security_headers(inside, scope, status):
    answer = ask(guarded(inside), **scope)
    assert answer.status == status and answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    for policy in ("cross-origin-opener-policy", "cross-origin-resource-policy"):
        assert answer.headers[policy] == "same-origin"
    assert ("strict-transport-security" in answer.headers) == ("scheme" in scope)


def test_hsts_is_sent_through_a_proxy_that_is_believed(inside):
    headers = ask(guarded(inside, proxies=1), headers=OVER_TLS).headers
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in ask(guarded(inside, plain_http=True), headers=OVER_TLS).headers


def test_what_the_answer_says_itself_stays():
    async def inside(_scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"referrer-policy", b"same-origin")]})
        await send({"type": "http.response.body", "body": b""})
    assert ask(guarded(inside), client=HERE).headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("headers, status", [
    ([(b"a", b"b")] * MOST_HEADERS, 200), ([(b"a", b"b")] * (MOST_HEADERS + 1), 431),
    ([(b"a", bytes(LARGEST_HEAD_BYTES))], 431), ([(b"a", bytes(LARGEST_HEAD_BYTES - 1))], 200)])
def test_headers_have_a_limit(inside, headers, status):
    assert ask(guarded(inside), client=HERE, headers=headers).status == status


# --- bodies ----------------------------------------------------------------------------------------

def test_a_body_comes_in_whole(inside):
    assert ask(guarded(inside), piece(b"ab", True), 0.01, piece(b"", True), piece(b"c"), client=HERE).body == b"abc"


LARGE = 64 * 1024 + 1
VOICE = [(b"content-type", b"audio/wav")]


@pytest.mark.parametrize("scope, largest", [
    ({"path": "/api/v1/sessions/x/turns"}, 64 * 1024), ({"path": "/nowhere"}, 64 * 1024),
    ({"path": "/api/v1/sessions/x/turns", "headers": VOICE}, 24 * 1024 * 1024),
    ({"path": "/api/v1/device", "headers": VOICE}, 64 * 1024), ({"path": "/panel/guide"}, 1024 * 1024),
    ({"path": "/family/api/voices/file"}, 64 * 1024 * 1024),
])
def test_each_kind_of_body_has_its_largest_size(inside, scope, largest):
    def send(size: int) -> Answer:
        headers = [*scope.get("headers", []), (b"content-length", b"%d" % size)]
        return ask(guarded(inside), client=HERE, **{**scope, "headers": headers})
    assert send(largest).status == 200
    answer = send(largest + 1)
    assert answer.status == 413 and len(inside.asked) == 1 and answer.headers["connection"] == "close"


def test_a_body_of_unknown_length_is_given_up_where_it_is_too_long(inside):
    pieces = [piece(bytes(LARGE // 2), True)] * 2
    assert ask(guarded(inside), *pieces, piece(), client=HERE).body == bytes(LARGE - 1)
    assert ask(guarded(inside), *pieces, piece(b"a", True), piece(), client=HERE).status == 413


def test_other_machines_send_no_voice_of_a_family(inside):
    headers = [(b"content-length", b"%d" % LARGE)]
    assert ask(guarded(inside), path="/family/api/voices/file", scheme="https", headers=headers).status == 413


@pytest.mark.parametrize("messages", [
    [piece(b"a", True)],
    [piece(b"a", True), 0.2, piece(b"b")],
    [m for _ in range(10) for m in (piece(b"a", True), 0.06)],
], ids=["nothing more", "a gap", "a drip"])
def test_a_slow_body_is_given_up(inside, messages):
    answer = ask(guarded(inside, transfer=QUICK), *messages, client=HERE, path="/api/v1/sessions", method="POST")
    assert answer.status == 408 and answer.error["code"] == "too_slow" and answer.error["say"] and not inside.asked


def test_a_large_body_that_comes_fast_enough_has_time(inside):
    limits = replace(QUICK, least_bytes_s=1000)
    pieces = [m for _ in range(8) for m in (piece(bytes(100), True), 0.06)]
    assert ask(guarded(inside, transfer=limits), *pieces, piece(), client=HERE).body == bytes(800)


def test_who_goes_away_in_the_middle_has_said_nothing(inside):
    answer = ask(guarded(inside), piece(b"a", True), {"type": "http.disconnect"}, client=HERE)
    assert answer.status == 0 and not inside.asked


def test_memory_for_bodies_is_bounded_and_comes_back(inside):
    limits = TransferLimits(most_bytes=1000, each_address_bytes=500)
    guard = guarded(inside, transfer=limits, plain_http=True)

    async def several() -> list[int]:
        async def one(client: str, size: int, path: str = "/", headers=()) -> Answer:
            return await answered(guard, scope_of(path, client, headers), piece(bytes(size), True), 0.05, piece())
        together = await asyncio.gather(
            one("192.0.2.1", 400), one("192.0.2.1", 101), one("192.0.2.2", 350),
            # Large ones leave a quarter to the small ones.
            one("192.0.2.3", 1, "/api/v1/sessions/x/turns", VOICE), one("192.0.2.3", 250), one("192.0.2.4", 1))
        again = await one("192.0.2.1", 500)
        return [answer.status for answer in (*together, again)]
    assert asyncio.run(several()) == [200, 503, 200, 503, 200, 503, 200]


def test_too_much_at_once_says_when_to_come_again(inside):
    limits = replace(QUICK, most_bytes=1)
    answer = ask(guarded(inside, transfer=limits), piece(b"ab"), client=HERE, path="/api/v1/x")
    assert answer.status == 503 and answer.error["code"] == "busy" and answer.headers["retry-after"] == "5"


# --- answers ---------------------------------------------------------------------------------------

def test_an_application_does_not_wait_for_a_slow_reader():
    async def run() -> None:
        told, read = asyncio.Event(), asyncio.Event()

        async def inside(_scope, receive, send):
            await receive()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(8):
                await send({"type": "http.response.body", "body": bytes(10), "more_body": True})
            told.set()
        got = []

        async def send(message):
            await read.wait()
            got.append(message)
        guard = guarded(inside, transfer=TransferLimits(answer_bytes=100))
        serving = asyncio.create_task(guard(scope_of(client=HERE), giver(piece()), send))
        await asyncio.wait_for(told.wait(), 5)
        assert not got and not serving.done(), "done, and nothing of it is read yet"
        read.set()
        await asyncio.wait_for(serving, 5)
        assert len(got) == 9
    asyncio.run(run())


def test_an_answer_without_end_waits_for_its_reader():
    async def run() -> int:
        made, read = 0, asyncio.Semaphore(0)

        async def inside(_scope, receive, send):
            nonlocal made
            await receive()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for made in range(1, 101):
                await send({"type": "http.response.body", "body": bytes(10), "more_body": True})

        async def send(_message):
            await read.acquire()
        serving = asyncio.create_task(guarded(inside, transfer=TransferLimits(answer_bytes=100))(
            scope_of(client=HERE), giver(piece()), send))
        await asyncio.sleep(0.02)
        before = made
        for _ in range(101):
            read.release()
        await asyncio.wait_for(serving, 5)
        assert made == 100
        return before
    assert asyncio.run(run()) == 11, "ten are kept, the eleventh waits"


def test_an_application_that_fails_fails_for_the_server_too():
    async def inside(_scope, receive, send):
        await receive()
        raise GuideError("broken")
    with pytest.raises(GuideError):
        ask(guarded(inside), client=HERE)


def test_streams_end_when_the_service_stops():
    async def run() -> list:
        async def inside(_scope, receive, send):
            await receive()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while (await receive())["type"] != "http.disconnect":
                pass
            await send({"type": "http.response.body", "body": b"end"})
        got = []

        async def send(message):
            got.append(message)
        guard = guarded(inside)
        serving = asyncio.create_task(guard(scope_of(client=HERE), giver(piece()), send))
        await asyncio.sleep(0.02)
        assert len(got) == 1 and not serving.done()
        guard.stop()
        await asyncio.wait_for(serving, 5)
        return got
    assert asyncio.run(run())[-1]["body"] == b"end"


# --- sockets ---------------------------------------------------------------------------------------

CONNECT, SOUND = {"type": "websocket.connect"}, {"type": "websocket.receive", "bytes": b"\0\0"}


def socket_told(guard, *messages, **scope) -> list[dict]:
    """What a socket is sent."""
    sent = []

    async def send(message):
        sent.append(message)
    asyncio.run(guard(scope_of("/api/v1/listen", kind="websocket", **{"scheme": "ws", **scope}),
                      giver(*messages), send))
    return sent


def test_no_socket_over_plain_http_from_another_machine(inside):
    closed = [{"type": "websocket.close", "code": 1008}]
    assert socket_told(guarded(inside), CONNECT) == closed
    assert socket_told(guarded(inside), CONNECT, client=HERE, headers=OVER_TLS) == closed
    assert not inside.asked


@pytest.mark.parametrize("border, scope", [
    ({}, {"client": HERE}), ({}, {"scheme": "wss"}), ({"plain_http": True}, {}),
    ({"proxies": 1}, {"headers": OVER_TLS})])
def test_a_socket_that_is_let_in(inside, border, scope):
    told = socket_told(guarded(inside, **border), CONNECT, SOUND, {"type": "websocket.disconnect"}, **scope)
    assert [message["type"] for message in told] == ["websocket.accept", "websocket.send"]


def test_a_silent_socket_is_closed(inside):
    told = socket_told(guarded(inside, idle_s=0.1), CONNECT, 0.05, SOUND, 0.07, SOUND, client=HERE)
    assert [message["type"] for message in told] == ["websocket.accept", *["websocket.send"] * 2, "websocket.close"]
    assert told[-1]["code"] == 1001
