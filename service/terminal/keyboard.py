"""Keyboard: from the bytes of standard input to keys of the number pad and typed requests.

A terminal is read raw, so that one press is one key without Enter; a pipe is read by lines.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import threading
import unicodedata
from dataclasses import dataclass
from typing import Callable, Iterator

try:
    import select
    import termios
    import tty
except ImportError:  # Windows
    termios = None

SAME_KEY_S = 0.4
"""The same key again within this time, seconds, is one press (EN 301 549, 5.8): hands may tremble."""
ESCAPE_S = 0.05
"""An ESC after which nothing comes for this long, seconds, is the key and not a sequence."""
LOOK_S = 0.1
"""How often the reader looks if it shall end, seconds; a key does not wait for it."""
LONGEST_LINE = 2_000
"""Characters of a typed request; a longer one is taken as it stands."""
ESC = "\x1b"
LEAVING = "\x03\x04\x1a"
"""Ctrl-C where it is no signal, Ctrl-D, and Ctrl-Z as Windows ends its input."""

_PAD = {**{c: c for c in "1234567890*#"}, "+": "#", "\r": "#", "\n": "#", "\x7f": "*", "\x08": "*",
        "/": "*", "-": "*", ".": "*"}
_SEQUENCES = {
    f"{ESC}[3~": "*",
    # A number pad in "application mode" sends letters.
    **{f"{ESC}O{chr(ord('p') + digit)}": str(digit) for digit in range(10)},
    **{f"{ESC}O{c}": "*" for c in "jlmno"}, f"{ESC}Ok": "#", f"{ESC}OM": "#",
}
_WINDOWS_DELETE = ("\x00S", "\xe0S")


@dataclass(frozen=True)
class Key:
    """One of the twelve keys was pressed."""

    key: str


@dataclass(frozen=True)
class Toggle:
    """The space bar was pressed: to wait, or to go on."""


@dataclass(frozen=True)
class Text:
    """A request was typed and sent."""

    text: str


@dataclass(frozen=True)
class Typing:
    """A request is being typed."""

    line: str | None
    """What there is of it; None: it was given up."""


@dataclass(frozen=True)
class Leave:
    """The listener, or whoever started the program, wants it to end."""


Input = Key | Toggle | Text | Typing | Leave


def key_of(character: str) -> str | None:
    """Which of the twelve keys a character stands for, full-width ones included; or None."""
    return _PAD.get(unicodedata.normalize("NFKC", character))


class Debounce:
    """Takes several presses of one key in quick succession as one."""

    def __init__(self, now: Callable[[], float]):
        """``now`` gives seconds from any beginning."""
        self._now, self._key, self._at = now, "", 0.0

    def accepts(self, key: str) -> bool:
        """True if this is a press of its own. Counted from the last contact: a held key is one."""
        now = self._now()
        again = key == self._key and now - self._at < SAME_KEY_S
        self._key, self._at = key, now
        return not again


class KeyParser:
    """Reads what a terminal sends, character by character.

    Keys count at once. A letter or a Chinese character begins a request that Enter sends; ``t``
    begins one that starts with a digit and is not itself part of it.
    """

    def __init__(self, now: Callable[[], float]):
        """``now`` gives seconds from any beginning."""
        self._debounce = Debounce(now)
        self._line: str | None = None
        self._escape = ""

    @property
    def in_escape(self) -> bool:
        """True if an ESC came and it is open whether it is the key."""
        return bool(self._escape)

    def feed(self, text: str) -> Iterator[Input]:
        """Take any number of characters; give what they mean, in order."""
        for character in text:
            yield from self._next(character)

    def idle(self) -> Iterator[Input]:
        """Nothing followed for ``ESCAPE_S``."""
        if self._escape:
            self._escape = ""
            yield from self._give_up() if self._line is not None else self._press("*")

    def _next(self, character: str) -> Iterator[Input]:
        if self._escape:
            yield from self._in_sequence(character)
        elif character == ESC:
            self._escape = ESC
        elif character in LEAVING:
            yield Leave()
        elif self._line is not None:
            yield from self._typed(character)
        elif key := key_of(character):
            yield from self._press(key)
        elif character == " " and self._debounce.accepts(character):
            yield Toggle()
        elif character.isalpha():
            self._line = "" if character == "t" else character
            yield Typing(self._line)

    def _in_sequence(self, character: str) -> Iterator[Input]:
        if self._escape == ESC and character not in "[O":
            # ESC and the next key came in one piece.
            yield from self.idle()
            yield from self._next(character)
            return
        self._escape += character
        if len(self._escape) > 2 and "@" <= character <= "~":
            key, self._escape = _SEQUENCES.get(self._escape), ""
            if key and self._line is None:
                yield from self._press(key)

    def _typed(self, character: str) -> Iterator[Input]:
        if character in "\r\n" or len(self._line) >= LONGEST_LINE:
            line, self._line = self._line.strip(), None
            yield Text(line) if line else Typing(None)
        elif character in "\x7f\x08":
            self._line = self._line[:-1]
            yield from self._give_up() if not self._line else [Typing(self._line)]
        elif character.isprintable():
            self._line += character
            yield Typing(self._line)

    def _give_up(self) -> Iterator[Input]:
        self._line = None
        yield Typing(None)

    def _press(self, key: str) -> Iterator[Input]:
        if self._debounce.accepts(key):
            yield Key(key)


class LineParser:
    """Reads a pipe: a line with one key's character is that key, any other a typed request."""

    def __init__(self):
        self._rest = ""

    def feed(self, text: str) -> Iterator[Input]:
        """Take any number of characters; give what the whole lines in them mean."""
        *lines, self._rest = (self._rest + text).split("\n")
        while len(self._rest) > LONGEST_LINE:
            lines.append(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]
        for line in map(str.strip, lines):
            key = key_of(line) if len(line) == 1 else None
            if line:
                yield Key(key) if key else Text(line)

    def end(self) -> Iterator[Input]:
        """The pipe was closed: its last line need not end in a line break."""
        yield from self.feed("\n")
        yield Leave()


@contextlib.contextmanager
def keyboard(fd: int, post: Callable[[Input], None], now: Callable[[], float]) -> Iterator[None]:
    """Post what comes in at a file descriptor, from a thread, as long as the context lasts.

    The terminal is set to give single keys and is set back at the end, whatever happens.
    """
    stop = threading.Event()
    if not os.isatty(fd):
        read = lambda: _read_lines(fd, post, stop)
    elif termios is None:
        read = lambda: _read_windows_keys(post, now, stop)
    else:
        read = lambda: _read_keys(fd, post, now, stop)
    thread = threading.Thread(target=read, name="keyboard", daemon=True)
    with single_keys(fd):
        thread.start()
        try:
            yield
        finally:
            stop.set()
            # A read on Windows cannot be ended from outside; the thread ends with the program.
            thread.join(2 * LOOK_S)


@contextlib.contextmanager
def single_keys(fd: int) -> Iterator[None]:
    """Let a POSIX terminal give keys without Enter and without echo; anything else is left alone."""
    if termios is None or not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _read(fd: int, wait_s: float) -> bytes | None:
    """The next bytes; empty at the end of input, None if none came in ``wait_s``."""
    if termios is not None and not select.select([fd], [], [], wait_s)[0]:
        return None
    try:
        return os.read(fd, 4096)
    except OSError:
        # The terminal's other side was closed.
        return b""


def _decoder(encoding: str | None = None) -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder(encoding or "utf-8")("replace")


def _read_keys(fd: int, post: Callable[[Input], None], now: Callable[[], float],
               stop: threading.Event) -> None:
    parser, decoder = KeyParser(now), _decoder()
    while not stop.is_set():
        data = _read(fd, ESCAPE_S if parser.in_escape else LOOK_S)
        if data == b"":
            return post(Leave())
        for event in parser.idle() if data is None else parser.feed(decoder.decode(data)):
            post(event)


def _read_lines(fd: int, post: Callable[[Input], None], stop: threading.Event) -> None:
    # os.read and not sys.stdin: its lock, held by a thread, breaks the interpreter's shutdown.
    parser, decoder = LineParser(), _decoder(sys.stdin.encoding)
    while not stop.is_set():
        data = _read(fd, LOOK_S)
        if data is None:
            continue
        for event in parser.feed(decoder.decode(data)) if data else parser.end():
            post(event)
        if not data:
            return


def _read_windows_keys(post: Callable[[Input], None], now: Callable[[], float],
                       stop: threading.Event) -> None:
    import msvcrt
    parser = KeyParser(now)
    while not stop.wait(0 if msvcrt.kbhit() else ESCAPE_S / 2):
        if not msvcrt.kbhit():
            events = parser.idle()
        elif (character := msvcrt.getwch()) in "\x00\xe0":
            # A function key comes as two characters.
            events = parser.feed("\x7f" if character + msvcrt.getwch() in _WINDOWS_DELETE else "")
        else:
            events = parser.feed(character)
        for event in events:
            post(event)
