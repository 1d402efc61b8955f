"""Screen: the guide's text in a terminal."""

from __future__ import annotations

import os
import shutil
from typing import Callable, Mapping, TextIO

from service.core.dialog import Reply

PAD = ("6", "7", "8", "9", "*", "0", "#")
"""Keys that mean the same everywhere, in the order in which they are shown."""


class Screen:
    """Plain text, one thing a line and air between them: the terminal's own type may be large."""

    def __init__(self, out: TextIO, labels: Callable[[], Mapping]):
        """``labels`` gives the words of ``prompts/screen.yaml`` as they are now."""
        self._out, self._labels = out, labels
        self._ansi = out.isatty() and os.environ.get("TERM") != "dumb"
        if self._ansi and os.name == "nt":
            os.system("")  # makes older Windows consoles obey the codes below
        self._typing = False

    def place(self, reply: Reply) -> None:
        """Begin a new answer: where the listener is."""
        if self._ansi:
            self._out.write("\x1b[2J\x1b[H")
            self._typing = False
        self._lines(self._bold(f"{self._label('title')} · {reply.title}"))
        if reply.telephone:
            self._lines(self._bold(f"☎ {' '.join(reply.telephone)}"))
        if reply.step:
            number, count = reply.step
            self._lines(self._label("step_progress").format(ordinal=number, count=count))
        self.shown(reply)

    def shown(self, reply: Reply) -> None:
        """What an answer shows and does not say."""
        self._lines(*reply.shown, *([f"{self._label('you_pressed')} {reply.entry}"] if reply.entry else []))

    def sentence(self, text: str) -> None:
        """One sentence of the guide."""
        self._lines(f"  {text}")

    def choices(self, reply: Reply) -> None:
        """What can be pressed here, and what can be pressed everywhere."""
        names = self._labels().get("key_names" if reply.entry is None else "digit_names", {})
        if reply.choices:
            self._lines(*(self._bold(f"    {c.key}  {c.label}") for c in reply.choices))
        space = f"{self._label('space')} {self._label('pause')}"
        self._lines("    " + "   ".join([*(f"{key} {names[key]}" for key in PAD if key in names), space]))

    def notice(self, text: str) -> None:
        """One line that is no answer."""
        self._lines(f"! {text}")

    def pressed(self, key: str) -> None:
        """Show that a key arrived, before anything else."""
        self._lines(f"{self._label('you_pressed')} {key}")

    def lamp(self, name: str) -> None:
        """What the guide does now; ``name`` as in the labels ``lamp_...``."""
        self._lines(f"[{self._label(f'lamp_{name}')}]")

    def typing(self, line: str | None) -> None:
        """What is being typed so far, on one line; None: no longer."""
        if self._ansi:
            # A Chinese character is two columns wide; a line that wraps could not be written anew.
            fits = shutil.get_terminal_size().columns // 2 - 2
            self._out.write("\r\x1b[K" if line is None else f"\r\x1b[K> {line[-fits:]}")
            self._out.flush()
            self._typing = line is not None

    def _label(self, name: str) -> str:
        return self._labels().get(name, "")

    def _bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._ansi else text

    def _lines(self, *lines: str) -> None:
        if not lines:
            return
        start = "\n" if self._typing else ""
        self._typing = False
        self._out.write(start + "\n".join(lines) + "\n\n")
        self._out.flush()
