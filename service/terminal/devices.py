"""Devices: opens this machine's microphone and loudspeaker, and opens them again when they are plugged in again."""

from __future__ import annotations

import threading
from typing import Callable, Mapping

from service.app import Service
from service.errors import DeviceError, ModelError
from service.speech.device import MiniaudioMicrophone, MiniaudioPlayer, Player
from service.terminal.events import LOUDSPEAKER, MICROPHONE, DeviceBack, DeviceLost, Failed, Inbox, Mailbox
from service.terminal.hearer import Hearer

AGAIN_S = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Pauses before each next try to open what is missing, seconds; then the last one again and again. Each try of
a missing device costs some lines of the system's sound library in the log."""


def open_player(inbox: Inbox) -> Player:
    """The loudspeaker; DeviceError if there is none."""
    return MiniaudioPlayer(lambda reason: inbox.put(DeviceLost(LOUDSPEAKER, reason)))


def open_hearer(service: Service, inbox: Inbox) -> Hearer:
    """The microphone with ears behind it; DeviceError if there is none, ModelError without a speech model."""
    hearer = Hearer(service.talks, service.listening, inbox.put)
    hearer.open(lambda take: MiniaudioMicrophone(
        take, lambda reason: inbox.put(DeviceLost(MICROPHONE, reason))))
    return hearer


def opened(device: str, opening: Callable[[], Player | Hearer], inbox: Mailbox) -> Player | Hearer | None:
    """The device, or None with word of it to the terminal."""
    try:
        return opening()
    except DeviceError as e:
        inbox.put(DeviceLost(device, str(e)))
    except ModelError as e:
        inbox.put(Failed(e))
    return None


class Reopening:
    """Tries in a thread to open what is missing, and hands it to the terminal."""

    def __init__(self, openings: Mapping[str, Callable[[], Player | Hearer]], inbox: Mailbox,
                 missing: Callable[[], set[str]], pauses_s: tuple[float, ...] = AGAIN_S):
        """``openings``: device to what opens it; ``missing`` gives the devices that the terminal does without."""
        self._openings, self._inbox, self._missing, self._pauses_s = openings, inbox, missing, pauses_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="devices", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        failed = 0
        while not self._stop.wait(self._pauses_s[min(failed, len(self._pauses_s) - 1)]):
            missing = self._missing() & self._openings.keys()
            found = [device for device in missing if self._opened(device)]
            failed = failed + 1 if missing and not found else 0

    def _opened(self, device: str) -> bool:
        try:
            self._inbox.put(DeviceBack(device, self._openings[device]()))
        except (DeviceError, ModelError):
            return False
        return True
