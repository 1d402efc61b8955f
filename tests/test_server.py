"""The server: slow clients, limits, TLS, its port, and how it stops; with short times in place of the real ones."""

import asyncio
import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Iterator

import pytest
from a2wsgi import WSGIMiddleware
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from service import server as module
from service.lab.process import RunningService
from service.server import PortTaken, Server, bind, configured
from service.settings import PROJECT, Settings
from service.tls import open_certificate
from service.web import connections
from service.web.connections import ConnectionLimits, Crowd
from service.web.guard import LARGEST_HEAD_BYTES, MOST_HEADERS, Border, Guard
from service.web.transfer import TransferLimits

WAIT_S = 10
LONG = 3_000_000
"""Bytes of an answer that no buffer on the way takes whole."""
GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HEAD = b"POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"


async def echo(scope, receive, send) -> None:
    """Tells who asks; a socket is sent back what it sends."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        return
    body = json.dumps({"client": scope["client"][0], "scheme": scope["scheme"]}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def page(environ, start_response) -> list[bytes]:
    """A WSGI application: the body, or a long answer, piece by piece as a file is sent."""
    pieces = [environ["wsgi.input"].read()] if environ["REQUEST_METHOD"] == "POST" else [bytes(LONG // 300)] * 300
    start_response("200 OK", [("Content-Length", str(sum(map(len, pieces))))])
    return pieces


@contextlib.contextmanager
def serving(application=echo, limits=ConnectionLimits(), certificate=None, before_stop=(), **settings) -> Iterator[int]:
    """The port of a server in a thread."""
    sockets = bind("127.0.0.1", 0)
    config = configured(application, Settings(**settings), certificate, limits)
    server = Server(config, sockets, certificate, before_stop)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
        assert not thread.is_alive()


def guarded(application, **limits) -> Guard:
    return Guard(application, Border(transfer=TransferLimits(**limits)), lambda: {}, str)


def asked(port: int, method="GET", body=None, **headers) -> tuple[int, bytes]:
    """(status, body) of one request on a connection of its own."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    line.request(method, "/", body, headers)
    answer = line.getresponse()
    found = answer.status, answer.read()
    line.close()
    return found


def opened(port: int, first: bytes = b"", small: bool = False) -> socket.socket:
    """A connection on which something was sent; a ``small`` one takes little at a time."""
    line = socket.socket()
    if small:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.settimeout(WAIT_S)
    line.connect(("127.0.0.1", port))
    line.sendall(first)
    return line


def trusting(folder: Path | None = None) -> ssl.SSLContext:
    """A client that takes the certificate of this folder, or any."""
    if folder:
        return ssl.create_default_context(cafile=str(folder / "tls" / "fullchain.pem"))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def rest(line: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    got = b""
    with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
        while data := line.recv(65536):
            got += data
    line.close()
    return got


def drip(line: socket.socket, data: bytes, pause_s: float) -> bool:
    """Send it byte by byte; False if the server closes the connection in the middle."""
    line.settimeout(pause_s)
    for byte in data:
        try:
            line.sendall(bytes([byte]))
            if line.recv(65536) == b"":
                return False
        except TimeoutError:
            continue
        except OSError:
            return False
    return True


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return open_certificate("self", tmp_path_factory.mktemp("certificate"), "127.0.0.1", "")


# --- slow clients ----------------------------------------------------------------------------------

@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"], ids=["at once", "after a request"])
def test_headers_that_come_byte_by_byte_are_cut_off_and_others_are_served(before):
    with serving(limits=ConnectionLimits(head_s=0.4)) as port:
        lines = [opened(port, before) for _ in range(20)]
        for line in lines if before else ():
            line.recv(65536)
        results: list[bool] = []
        slow = b"GET / HTTP/1.1\r\nHost: " + b"a" * 60
        cut = threading.Thread(target=lambda: results.append(drip(lines[0], slow, 0.05)))
        cut.start()
        assert asked(port)[0] == 200
        cut.join(WAIT_S)
        assert results == [False]


def test_a_connection_on_which_nothing_is_sent_is_closed():
    with serving(limits=ConnectionLimits(head_s=0.2)) as port:
        assert rest(opened(port)) == b""


def test_whoever_is_quick_keeps_the_connection():
    with serving(limits=ConnectionLimits(head_s=0.2)) as port:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        for _ in range(3):
            line.request("GET", "/")
            assert line.getresponse().read()
            time.sleep(0.15)
        assert line.sock, "the same connection"


def test_slow_bodies_hold_no_page_thread():
    pages = guarded(WSGIMiddleware(page, workers=1), gap_s=0.5, linger_s=0.1)
    with serving(pages) as port:
        lines = [opened(port, HEAD + b"ab") for _ in range(20)]
        assert asked(port, "POST", b"quick") == (200, b"quick")
        answers = [rest(line) for line in lines]
        assert all(answer.startswith(b"HTTP/1.1 408") and b'"too_slow"' in answer for answer in answers)


def test_slow_readers_hold_no_page_thread():
    pages = guarded(WSGIMiddleware(page, workers=1))
    with serving(pages) as port:
        lines = [opened(port, GET, small=True) for _ in range(5)]
        assert asked(port, "POST", b"quick") == (200, b"quick")
        assert len(rest(lines.pop())) > LONG, "it reads late, and gets everything"
        for line in lines:
            line.close()


@pytest.mark.parametrize("over_tls", [False, True])
def test_who_does_not_read_is_cut_off(certificate, over_tls):
    shown = certificate if over_tls else None
    with serving(guarded(WSGIMiddleware(page)), ConnectionLimits(stall_s=0.3), shown) as port:
        def line(small: bool) -> socket.socket:
            line = opened(port, small=small)
            line = trusting().wrap_socket(line, server_hostname="localhost") if over_tls else line
            line.sendall(GET)
            return line
        slow = line(small=True)
        assert len(rest(line(small=False))) > LONG
        time.sleep(1)
        assert 0 < len(rest(slow)) < LONG


def test_a_body_that_is_too_large_is_refused_while_it_is_sent():
    with serving(guarded(WSGIMiddleware(page), linger_s=0.3)) as port:
        line = opened(port, b"POST /api/v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        line.sendall((b"10000\r\n" + bytes(0x10000) + b"\r\n") * 64 + b"0\r\n\r\n")
        answer = rest(line)
        assert answer.startswith(b"HTTP/1.1 413") and b'"too_large"' in answer


# --- limits ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("upgrade", ["", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"])
@pytest.mark.parametrize("more", ["a: b\r\n" * (MOST_HEADERS + 50), f"a: {'b' * LARGEST_HEAD_BYTES}\r\n"])
def test_too_many_headers_are_refused(upgrade, more, caplog):
    with serving(guarded(echo)) as port:
        answer = rest(opened(port, f"GET / HTTP/1.1\r\nHost: a\r\n{upgrade}{more}\r\n".encode()))
        assert answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
        assert asked(port)[0] == 200 and "Traceback" not in caplog.text


def test_each_address_has_so_many_connections(monkeypatch):
    monkeypatch.setattr(connections, "is_loopback", lambda address: False)
    with serving(limits=ConnectionLimits(each_address=2)) as port:
        first, second = opened(port, b"GET / HT"), connect(f"ws://127.0.0.1:{port}/", legacy=True)
        second.send("a")
        assert second.recv(WAIT_S) == "a" and rest(opened(port)) == b""
        first.close()
        time.sleep(0.1)
        assert asked(port)[0] == 200
        second.close()


@pytest.mark.parametrize("behind_proxy, address, enters", [
    (False, "192.0.2.1", [True, False]), (True, "192.0.2.1", [True, True]), (False, "127.0.0.1", [True, True])])
def test_whose_connections_are_counted(behind_proxy, address, enters):
    crowd = Crowd(1, behind_proxy)
    assert [crowd.enter(address), crowd.enter(address)] == enters
    crowd.leave(address)
    crowd.leave(address)
    assert crowd.enter(address)


def test_what_this_machine_says_of_others_is_not_believed():
    with serving() as port:
        told = json.loads(asked(port, **{"X-Forwarded-For": "192.0.2.9", "X-Forwarded-Proto": "https"})[1])
        assert told == {"client": "127.0.0.1", "scheme": "http"}


def test_a_connection_waits_longer_for_a_proxy():
    waits = [configured(echo, Settings(proxies=n), None).timeout_keep_alive for n in (0, 1)]
    assert waits[0] < 60 < waits[1], "nginx keeps its own for 60 s"


# --- the port --------------------------------------------------------------------------------------

def test_a_port_in_use_is_named():
    with serving() as port, pytest.raises(PortTaken, match=f"port {port} of 127.0.0.1 is in use.*set PORT"):
        bind("127.0.0.1", port)


def test_of_two_that_start_at_once_one_is_told():
    first = bind("127.0.0.1", 0)
    port = first[0].getsockname()[1]
    second = bind("127.0.0.1", port)
    first[0].listen()
    with pytest.raises(PortTaken, match="in use"):
        Server(configured(echo, Settings(port=port), None), second).run()
    for one in (*first, *second):
        one.close()


def test_an_address_of_another_machine_is_named():
    with pytest.raises(PortTaken, match="HOST=192.0.2.1 with PORT=8080 cannot be had"):
        bind("192.0.2.1", 8080)


def test_every_address_of_a_name_has_the_same_port(monkeypatch):
    addresses = [("127.0.0.1", 0), ("127.0.0.2", 0)]
    monkeypatch.setattr(module.socket, "getaddrinfo", lambda *_, **__: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses])
    sockets = bind("localhost", 0)
    assert len({one.getsockname()[1] for one in sockets}) == 1 and len(sockets) == 2
    for one in sockets:
        one.close()


# --- stopping --------------------------------------------------------------------------------------

def test_streams_and_sockets_do_not_hold_up_the_end():
    async def inside(scope, receive, send):
        if scope["type"] == "websocket":
            await echo(scope, receive, send)
            return
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begin", "more_body": True})
        await receive()
        await send({"type": "http.response.body", "body": b""})
    guard, drained = guarded(inside), threading.Event()
    with serving(guard, before_stop=(drained.set, guard.stop)) as port:
        stream = opened(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        page_socket = connect(f"ws://127.0.0.1:{port}/", legacy=True)
        assert stream.recv(65536)
    assert drained.is_set() and rest(stream).endswith(b"0\r\n\r\n"), "ended, and not cut off"
    with pytest.raises(ConnectionClosed) as closed:
        page_socket.recv(WAIT_S)
    assert closed.value.rcvd.code == 1012


# --- TLS -------------------------------------------------------------------------------------------

def test_a_handshake_has_a_deadline(certificate, monkeypatch):
    monkeypatch.setattr(module, "HANDSHAKE_S", 0.2)
    with serving(certificate=certificate) as port:
        assert rest(opened(port)) == b""


def test_the_certificate_is_looked_after_while_it_runs():
    class Certificate:
        context, looked = None, 0

        def refresh(self) -> None:
            self.looked += 1
    certificate = Certificate()
    server = Server(configured(echo, Settings(), None), [], certificate)
    for tick in range(0, module.LOOK_FOR_CERTIFICATE_EVERY, 7_199):
        asyncio.run(server.on_tick(tick))
    assert certificate.looked == 0
    asyncio.run(server.on_tick(module.LOOK_FOR_CERTIFICATE_EVERY - 1))
    assert certificate.looked == 1


# --- the whole service -----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    service = RunningService(tmp_path_factory.mktemp("plain"), VOICE="light").start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    service = RunningService(tmp_path_factory.mktemp("secure"), VOICE="light", TLS="self").start()
    yield service
    service.stop()


def test_the_service_lets_nobody_in_whom_an_unknown_proxy_brings(plain):
    assert plain.fetch("/") and plain.fetch("/healthz")
    for path in ("/", "/panel/login", "/api/v1/voices", "/static/kiosk.css"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            plain.fetch(path, X_Forwarded_For="192.0.2.9")
        assert refused.value.code == 403 and refused.value.headers["X-Content-Type-Options"] == "nosniff"
        refused.value.close()
    assert plain.fetch("/healthz", X_Forwarded_For="192.0.2.9")


def test_slow_clients_do_not_stop_the_service(plain):
    port = int(plain.port)
    lines = [opened(port, HEAD + b"ab") for _ in range(40)] + [opened(port, b"GET / HT") for _ in range(40)]
    assert plain.call("POST", "/sessions")["sentences"]
    for line in lines:
        line.close()


def test_a_second_start_on_the_port_says_so_and_disturbs_nothing(plain):
    talk = plain.call("POST", "/sessions")["session"]
    environment = {**os.environ, "DATA_DIR": str(plain.folder), "PORT": plain.port, "VOICE": "light"}
    second = subprocess.run([sys.executable, "-m", "service", "serve"], cwd=PROJECT, env=environment, text=True,
                            capture_output=True, timeout=60)
    assert second.returncode == 1
    assert second.stderr.splitlines() == [
        f"port_taken: port {plain.port} of 127.0.0.1 is in use, perhaps by this service itself: end that one, or set "
        "PORT to another port"]
    assert plain.call("POST", f"/sessions/{talk}/turns", {"turn_id": "a", "key": "1"})["number"] == 2


def test_the_service_ends_while_a_page_listens_for_changes(plain):
    """The last one of this service."""
    line = http.client.HTTPConnection("127.0.0.1", int(plain.port), timeout=WAIT_S)
    line.request("POST", "/api/v1/device", headers={"Origin": plain.url})
    answer = line.getresponse()
    answer.read()
    line.request("GET", "/api/v1/device/events", headers={"Cookie": answer.headers["Set-Cookie"].partition(";")[0]})
    stream = line.getresponse()
    assert stream.readline().startswith(b"retry")
    assert plain.terminate() == 0 and b"Cancel" not in plain.log.read_bytes()
    assert stream.read().strip() == b"", "the last piece came: the stream was ended, and not cut off"


def test_the_service_serves_tls_with_its_own_certificate(secure):
    assert secure.url.startswith("https://")
    context = trusting(secure.folder)
    line = http.client.HTTPSConnection("localhost", int(secure.port), timeout=WAIT_S, context=context)
    line.request("POST", "/api/v1/device", headers={"Origin": f"https://localhost:{secure.port}"})
    answer = line.getresponse()
    assert answer.status == 201 and answer.read()
    assert "Secure" in answer.headers["Set-Cookie"] and answer.headers["Strict-Transport-Security"]
    line.request("POST", "/api/v1/sessions")
    talk = json.load(line.getresponse())["session"]
    address = f"wss://localhost:{secure.port}/api/v1/listen?session={talk}"
    with connect(address, ssl=context, legacy=True, origin=f"https://localhost:{secure.port}") as page_socket:
        assert json.loads(page_socket.recv(WAIT_S))["type"] in ("ready", "error")
    line.close()
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(secure.url)
