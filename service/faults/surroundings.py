"""Faults around the service: the microphone, the clock, clients that are slow on purpose."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from typing import Iterator

from service.faults.disk import RECORDING
from service.faults.scene import Lab, Row, Scene, Skipped, scene, until
from service.lab.kiosk import listen
from service.speech.audio import read_pcm

SLOW_CLIENTS = 20
FAKETIME = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")
"""Where Debian's package libfaketime keeps its library."""
CLOCKS = {"an hour back": "-1h", "a year forward": "+1y"}
CLEANED_S = 100
"""After a start records whose time is over are looked for within this, seconds."""


# --- microphone ------------------------------------------------------------------------------------------

def microphone(lab: Lab) -> Row:
    """The kiosk's microphone is pulled out in the middle of a sentence, and plugged in again."""
    if not RECORDING.exists():
        raise Skipped("there is no recording")
    samples = read_pcm(RECORDING)
    with scene(lab.folder, lab.chance) as found:
        if not found.listener.reply["listening"]:
            raise Skipped("there is no speech model")
        outcomes = []
        for _ in range(lab.times):
            found.listener.half_said(samples[:len(samples) // 2])
            found.listener.check(listening=False)
            found.caregiver.look()
            found.turn("9")
            began = time.monotonic()
            outcomes.append(listen(found.listener, samples, realtime=False).outcome)
            found.waits_s.append(time.monotonic() - began)
            found.listener.check(listening=True)
        note = "keys go on meanwhile; that the page and the terminal open it again is shown by tests"
        return found.row("microphone unplugged and back", "it is back, with the recording's own length", note,
                         holds=set(outcomes) == {"turn"})


# --- clock -----------------------------------------------------------------------------------------------

def clock(lab: Lab) -> Row:
    """The machine's clock jumps under the running service, an hour back and a year forward, and is set right."""
    library = next((str(path) for place in FAKETIME for path in Path("/").glob(place[1:])), None)
    if library is None:
        raise Skipped("libfaketime is not installed")
    lab.folder.mkdir(parents=True, exist_ok=True)
    file = lab.folder / "clock"
    file.write_text("+0")
    with scene(lab.folder / "data", lab.chance, LD_PRELOAD=library, FAKETIME_TIMESTAMP_FILE=str(file),
               FAKETIME_NO_CACHE="1", FAKETIME_DONT_FAKE_MONOTONIC="1") as found:
        # This talk is over, and kept for whoever looks; the next one goes on all the time.
        found.listener.open()
        for offset in (*CLOCKS.values(), "+0"):
            file.write_text(offset)
            _look_around(found)
        file.write_text(CLOCKS["a year forward"])
        found.service.terminate()
        began = time.monotonic()
        found.pressed_while(found.restart, began)
        cleaned = until(lambda: found.log_says("records whose time is over|keeping failed"), CLEANED_S)
        file.write_text("+0")
        _look_around(found)
        note = f"libfaketime slows the start; old records were {'' if cleaned else 'NOT '}looked for a year ahead"
        return found.row(f"clock {' and '.join(CLOCKS)}, and a start a year ahead", "each turn, and the start", note,
                         holds=cleaned)


def _look_around(found: Scene) -> None:
    for _ in range(3):
        found.next_turn(time.monotonic())
    found.listener.check()
    found.caregiver.look()


# --- slow clients ----------------------------------------------------------------------------------------

def slow_clients(lab: Lab) -> Row:
    """Clients that send nothing, one byte a second of a head, and one byte a second of a body; others press keys."""
    with scene(lab.folder, lab.chance) as found, _slow(found) as sockets:
        for second in range(5 * lab.times):
            for connection in sockets[SLOW_CLIENTS:]:
                with contextlib.suppress(OSError):
                    connection.send(b"x")
            found.next_turn(time.monotonic())
            time.sleep(1)
        found.caregiver.look()
        closed = sum(map(_is_closed, sockets))
        note = f"{len(sockets)} slow connections, of which {closed} were closed by the service after {5 * lab.times} s"
        return found.row("clients that send one byte a second, or nothing", "each turn of others", note)


@contextlib.contextmanager
def _slow(found: Scene) -> Iterator[list[socket.socket]]:
    address, talk = ("127.0.0.1", int(found.service.port)), found.listener.talk_id
    head = f"POST /api/v1/sessions/{talk}/turns HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    body = f"{head}Content-Type: application/json\r\nContent-Length: 60\r\n\r\n"
    with contextlib.ExitStack() as stack:
        sockets = []
        for begun in (b"", f"{head}X: ".encode(), body.encode()):
            for _ in range(SLOW_CLIENTS):
                connection = stack.enter_context(socket.create_connection(address))
                connection.sendall(begun)
                sockets.append(connection)
        yield sockets


def _is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while data := connection.recv(4096):
            del data
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True
