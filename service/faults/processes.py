"""Faults of the process: killed, asked to end, started twice, short of memory."""

from __future__ import annotations

import contextlib
import itertools
import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Iterator

import psutil
import requests
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from service.faults.disk import RECORDING
from service.faults.scene import Lab, Row, Scene, scene
from service.lab.kiosk import Refused, Unreachable
from service.lab.process import RunningService
from service.lab.servers import ServerFailed

TURNS_A_KILL = 20
LONGEST_TURN_S = 0.1
"""Within this after the beginning of a turn the kill comes: before, in and behind its commit."""
END_S = 5
"""A service that is asked to end has to do so within this, seconds."""
SHORT_MIB = 1
"""Memory that is left to a process at its limit."""
PRESSED, AT_ONCE = 64, 16
"""Requests while there is none left."""


def kills(lab: Lab) -> Row:
    """kill -9 at random moments of ``lab.turns`` turns."""
    with scene(lab.folder, lab.chance) as found:
        many = max(1, lab.turns // TURNS_A_KILL)
        killed_in = set(lab.chance.sample(range(lab.turns), many))
        for number in range(lab.turns):
            if number in killed_in:
                killed_in_a_turn(found)
            else:
                found.turn()
        return found.row(f"kill -9 at {many} random moments of {lab.turns} turns", "the kill")


def killed_in_a_turn(found: Scene) -> None:
    """Kill the service in a turn, start it again, and write down how long the next answer took."""
    at: list[float] = []

    def kill() -> None:
        found.service.kill()
        at.append(time.monotonic())
        found.restart()
    killer = threading.Timer(found.chance.uniform(0, LONGEST_TURN_S), kill)
    killer.start()
    sounded = found.turn()
    # A turn that was quicker than the kill says nothing about what comes after it.
    while not at or sounded < at[0]:
        sounded = found.turn()
    found.waits_s.append(sounded - at[0])
    killer.join()


# --- asked to end ----------------------------------------------------------------------------------------

def terminated(lab: Lab) -> Row:
    """SIGTERM while a sentence is being told, the microphone is open, the panel looks, and a turn is on its way."""
    with scene(lab.folder, lab.chance) as found:
        good = all([terminated_once(found) for _ in range(lab.times)])
        return found.row("SIGTERM in the middle of a sentence and of a turn", "the signal",
                         f"ends within {END_S} s with code 0: {'yes' if good else 'NO'}", holds=good)


def terminated_once(found: Scene) -> bool:
    """True if it ended well, and the next process goes on at the same place."""
    step = _told_in_steps(found)
    with _open_connections(found):
        began, pressing = time.monotonic(), threading.Thread(target=_pressed_at_the_end, args=(found,))
        pressing.start()
        time.sleep(found.chance.uniform(0, LONGEST_TURN_S))
        code = found.service.terminate()
        took_s = time.monotonic() - began
        found.restart()
        pressing.join()
    found.waits_s.append(time.monotonic() - began)
    # The rest of the sentences that were being told, from the next process.
    for sentence in step["sentences"][1:]:
        found.listener.sound(sentence)
    return code == 0 and took_s <= END_S and found.listener.last()["step"] == step["step"]


def _told_in_steps(found: Scene) -> dict:
    """The answer at a step of a way that is told in steps; half of its sentences were told."""
    for key in ("9", "1", "1", "1"):
        found.turn(key)
    reply = found.listener.reply
    for key in itertools.islice(itertools.cycle("1"), 4):
        if reply["step"]:
            break
        found.turn(key)
        reply = found.listener.reply
    return reply


def _pressed_at_the_end(found: Scene) -> None:
    # The same again: the step stays, whichever process answers.
    found.turn("#")


@contextlib.contextmanager
def _open_connections(found: Scene) -> Iterator[None]:
    """An open microphone and the stream of a page: what lasts must not keep a process from ending."""
    address = found.service.url.replace("http", "ws", 1) + f"/api/v1/listen?session={found.listener.talk_id}"
    with connect(address, proxy=None) as socket, found.listener.stream():
        socket.recv(10)
        with contextlib.suppress(WebSocketException):
            socket.send(bytes(3200))
            yield


# --- started twice ---------------------------------------------------------------------------------------

def two_on_one_port(lab: Lab) -> Row:
    """A second start while the first one serves: it has to go away by itself, and the first one to serve on."""
    with scene(lab.folder, lab.chance) as found:
        second = RunningService(lab.folder, "second.log", VOICE="light")
        second.port = found.service.port
        code, began = refused_start(second), time.monotonic()
        for _ in range(lab.times):
            found.next_turn(time.monotonic())
        said = "in use" in second.log.read_text()
        return found.row("two starts on one port", "the second start's end",
                         f"the second one ends with code {code}{' and says why' if said else ', SILENTLY'}",
                         holds=code not in (0, None) and said and time.monotonic() > began)


def refused_start(service: RunningService) -> int | None:
    """The exit code of a start that has to fail; None if it did not."""
    try:
        service.start()
    except ServerFailed:
        return service.wait()
    service.stop()
    return None


def two_on_one_database(lab: Lab) -> Row:
    """Two services over one SQLite file; one talk goes to and fro between them, another one starts with each."""
    with scene(lab.folder, lab.chance) as found:
        second = RunningService(lab.folder, "second.log", VOICE="light")
        try:
            second.start()
            first = found.listener.url
            for url in (second.url, first) * (5 * lab.times):
                found.listener.url = url
                found.next_turn(time.monotonic())
            found.listener.url = first
            return found.row("two starts on one database", "each turn, to and fro between them")
        finally:
            second.stop()


# --- memory ----------------------------------------------------------------------------------------------

def memory_watermark(lab: Lab) -> Row:
    """The process is above MOST_MEMORY_MB: a talk that runs goes on, a new one is asked to wait."""
    with scene(lab.folder, lab.chance) as found:
        found.service.terminate()
        found.service.set(MOST_MEMORY_MB="1")
        found.service.start()
        for _ in range(3 * lab.times):
            found.next_turn(time.monotonic())
        running = found.listener.talk_id
        refusal = _refusal(found)
        found.listener.talk_id = running
        found.turns(lab.times)
        found.service.terminate()
        found.service.set(MOST_MEMORY_MB="")
        found.service.start()
        found.listener.open()
        found.turns(1)
        waits = "a new talk is asked to wait, and let in afterwards"
        note = waits if refusal == "busy" else "new talks are NOT refused"
        return found.row("memory above MOST_MEMORY_MB", "each turn of the talk that runs", note,
                         holds=refusal == "busy")


def _refusal(found: Scene) -> str:
    try:
        found.listener.try_to_open()
    except Refused as e:
        return e.code
    return ""


def memory_limit(lab: Lab) -> Row:
    """The system gives no more memory (RLIMIT_AS) while new talks, pages and audio come; then it does again."""
    with scene(lab.folder, lab.chance) as found:
        limit = psutil.Process(found.service.pid).memory_info().vms + SHORT_MIB * 2**20
        resource.prlimit(found.service.pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        failed = _press_on(found)
        died = not found.service.running
        began = time.monotonic()
        if died:
            found.pressed_while(found.restart, began)
        else:
            resource.prlimit(found.service.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
            found.next_turn(began)
        end = "ended and was started again" if died else "lived"
        note = f"{failed} of {PRESSED} requests failed; the process {end}"
        return found.row("no memory from the system", "more memory, or the process's end", note, holds=failed > 0)


def _press_on(found: Scene) -> int:
    """Use the service as hard as it can be with the memory that it has left; how many requests failed."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        opened = [pool.submit(_opened, found.service.url) for _ in range(PRESSED - 1)]
        spoken = pool.submit(_heard, found)
        failed = sum(not done.result() for done in (*opened, spoken))
    found.caregiver.look()
    return failed


def _opened(url: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.post(f"{url}/api/v1/sessions", timeout=20).ok
    return False


def _heard(found: Scene) -> bool:
    with contextlib.suppress(Unreachable):
        return found.listener.spoken(RECORDING) == "answered"
    return False
