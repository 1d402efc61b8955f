"""Program: builds the terminal of the guide, runs it, and leaves everything as it was."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator

from service.app import Service, create_app
from service.settings import Settings
from service.terminal.companion import Companion
from service.terminal.devices import Reopening, open_hearer, open_player, opened
from service.terminal.events import LOUDSPEAKER, MICROPHONE, Inbox
from service.terminal.keyboard import Leave, keyboard
from service.terminal.screen import Screen
from service.terminal.talk import Terminal

log = logging.getLogger(__name__)
LARGEST_LOG_BYTES = 1024 * 1024
"""A log file larger than this is begun anew at the next start."""


def run(settings: Settings, keys_only: bool) -> int:
    """Talk in this terminal until Ctrl-C, Ctrl-D, SIGTERM or the end of input; then 0.

    ``keys_only``: keys and text alone, no sound. Raises ContentError or StoreError if the guide
    cannot run at all; a missing device or model is said in one line and done without.
    """
    try:
        with _log_aside(settings.data_dir / "voice.log"):
            service = create_app(settings)
            try:
                _talk(service, keys_only, settings.data_dir / "device.token")
            finally:
                service.close()
    except KeyboardInterrupt:
        log.debug("left before the guide was ready")
    return 0


def _talk(service: Service, keys_only: bool, token_file: Path) -> None:
    inbox, talks = Inbox(), service.talks
    # A console of another encoding shows a question mark instead of ending the talk.
    sys.stdout.reconfigure(errors="replace")
    screen = Screen(sys.stdout, lambda: talks.edition.guide.labels)
    with _leaving(inbox), ThreadPoolExecutor(1, thread_name_prefix="sound") as aside, contextlib.ExitStack() as last:
        openings = {} if keys_only else {
            LOUDSPEAKER: lambda: last.enter_context(contextlib.closing(open_player(inbox))),
            MICROPHONE: lambda: last.enter_context(contextlib.closing(open_hearer(service, inbox)))}
        found = {device: opened(device, opening, inbox) for device, opening in openings.items()}
        # After the devices: what is missing is said before the first key is answered.
        with keyboard(sys.stdin.fileno(), inbox.put, time.monotonic):
            terminal = Terminal(talks, screen, inbox, found.get(LOUDSPEAKER), found.get(MICROPHONE),
                                aside=aside.submit, device=lambda: companion.device())
            companion = Companion(service.care, token_file, inbox.put, lambda: terminal.able)
            reopening = Reopening(openings, inbox, lambda: terminal.missing)
            for beside in (companion, reopening):
                last.callback(beside.close)
                beside.start()
            terminal.run()


@contextlib.contextmanager
def _leaving(inbox: Inbox) -> Iterator[None]:
    """Let the signals that end a program end the loop, so that the terminal is set back."""
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), lambda *_: inbox.put(Leave()))
              for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


@contextlib.contextmanager
def _log_aside(path: Path) -> Iterator[None]:
    """Keep the log out of the listener's sight: into a file where it would go to the terminal.

    The descriptor is moved and not the handler, because the system's sound library writes there too.
    """
    before = _move_log(path) if os.isatty(2) else None
    try:
        yield
    finally:
        if before is not None:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)


def _move_log(path: Path) -> int | None:
    """Let descriptor 2 write to a file; gives what it was, or None if the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.exists() and path.stat().st_size > LARGEST_LOG_BYTES
        with open(path, "wb" if fresh else "ab") as file:
            before = os.dup(2)
            os.dup2(file.fileno(), 2)
            return before
    except OSError as e:
        log.warning("the log stays on the screen: %s", e)
        return None
