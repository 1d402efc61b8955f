"""Target: one thing that takes input from outside, cases for it, and what must be true of each."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Callable, Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Numbers that a header may claim and that sums go wrong with."""
HEADER_BYTES = 96
"""At the beginning of a file, where most of its meaning is."""
MOST_EDITS = 6
LONGEST_PIECE = 400
"""Bytes or characters that are put in, repeated or cut out at once."""


@dataclass(frozen=True)
class Target:
    """Something to be attacked."""

    name: str
    share: float
    """Of all cases of the long form; all targets together have 1."""
    cases: SearchStrategy
    check: Callable[[object], None]
    """Raises whatever it likes if a case breaks something."""


def require(holds: bool, rule: str) -> None:
    """AssertionError with the rule that a case breaks."""
    if not holds:
        raise AssertionError(rule)


@st.composite
def damaged(draw, originals: Sequence[bytes]) -> bytes:
    """One of the files with a few bytes overwritten, cut out, put in or repeated, or cut off."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, MOST_EDITS))):
        at = draw(st.integers(0, min(HEADER_BYTES, len(data))) | st.integers(0, len(data)))
        length = draw(st.integers(0, LONGEST_PIECE))
        match draw(st.sampled_from(("number", "bytes", "cut", "insert", "repeat", "end"))):
            case "number":
                number = draw(st.sampled_from(EXTREMES) | st.integers(0, 0xFFFFFFFF))
                data[at:at + 4] = struct.pack(draw(st.sampled_from("<>")) + "I", number)
            case "bytes":
                piece = draw(st.binary(max_size=16))
                data[at:at + len(piece)] = piece
            case "cut":
                del data[at:at + length]
            case "insert":
                data[at:at] = draw(st.binary(max_size=16))
            case "repeat":
                data[at:at] = data[at:at + length]
            case "end":
                del data[at:]
    return bytes(data)


@st.composite
def garbled(draw, originals: Sequence[str], tokens: Sequence[str]) -> str:
    """One of the texts with pieces cut out, repeated, exchanged for others, or with tokens put in."""
    text = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(1, MOST_EDITS))):
        at, length = draw(st.integers(0, len(text))), draw(st.integers(0, LONGEST_PIECE))
        put = draw(st.sampled_from(tokens) | st.text(max_size=6) | st.just(text[at:at + length]) | st.just(""))
        text = text[:at] + put + text[at + draw(st.sampled_from((0, 1, length))):]
    return text
