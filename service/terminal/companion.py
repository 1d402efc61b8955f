"""Companion: this machine as a device that somebody may care for from afar."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Callable

from service.care.care import Care
from service.care.devices import Device, DeviceGone
from service.care.feed import device_topic
from service.errors import StoreError
from service.terminal.events import DeviceState

log = logging.getLogger(__name__)
CHECK_EVERY_S = 30.0


class Companion:
    """Knows the device of this machine by a token in a file, and tells the loop what changes."""

    def __init__(self, care: Care, token_file: Path, put: Callable[[DeviceState], None],
                 able: Callable[[], tuple[bool, bool]]):
        """``able`` says whether the machine can (hear, speak) just now."""
        self._care, self._file, self._put, self._able = care, token_file, put, able
        self._changed, self._stop = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def device(self) -> Device | None:
        """The device of this machine, made where there is none; None if that cannot be done."""
        try:
            try:
                return self._care.devices.by_token(self._file.read_text(encoding="ascii"))
            except (FileNotFoundError, UnicodeDecodeError, DeviceGone):
                # Cut off, or never there: it may be paired anew.
                return self._care.devices.by_token(self._register())
        except (OSError, StoreError) as e:
            log.warning("nobody can care for this machine: %s", type(e).__name__)
            return None

    def start(self) -> None:
        """Tell the loop what changes, from now on."""
        self._thread = threading.Thread(target=self._watch, name="companion", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Tell nothing more."""
        self._stop.set()
        self._changed.set()
        if self._thread:
            self._thread.join()

    def _register(self) -> str:
        token = self._care.devices.register()
        with open(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(token)
        return token

    def _watch(self) -> None:
        watched, end = None, lambda: None
        while not self._stop.is_set():
            device = self.device()
            if device and device.id != watched:
                end()
                watched, end = device.id, self._care.feed.subscribe([device_topic(device.id)], self._changed.set)
            if device:
                self._tell(device)
            self._changed.wait(CHECK_EVERY_S)
            self._changed.clear()
        end()

    def _tell(self, device: Device) -> None:
        listening, sounding = self._able()
        try:
            self._care.devices.check_in(device.id, listening, sounding)
            notice = self._care.notices.waiting(device.id) if device.paired else None
        except StoreError as e:
            log.warning("the device was not heard of: %s", e)
            return
        self._put(DeviceState(device, notice))
