"""Numbers, dates and placeholders as they are spoken in Mandarin."""

from __future__ import annotations

import datetime
import re
import string

DIGITS = "〇一二三四五六七八九"
_UNITS = ("", "十", "百", "千")
_CLAUSE = re.compile("[^，、；：。？！]+[，、；：。？！]*")
_SENTENCE = re.compile("[^。？！；\n]+[。？！；]*")
_KEY_NAMES = {"*": "星号", "#": "井号", "0": "零"}


def number(n: int) -> str:
    """A whole number from 0 to 9999 in words: 12 -> 十二, 105 -> 一百零五.

    Raises ValueError outside that range, which no count in the guide reaches.
    """
    if not 0 <= n <= 9999:
        raise ValueError(f"number out of range: {n}")
    if n == 0:
        return "零"
    out, pending_zero = "", False
    for place in range(len(str(n)) - 1, -1, -1):
        digit = n // 10 ** place % 10
        if digit:
            out += ("零" if pending_zero else "") + DIGITS[digit] + _UNITS[place]
        pending_zero = bool(out) and not digit
    return out[1:] if out.startswith("一十") else out


def count(n: int) -> str:
    """A number in front of a measure word: 2 is 两 there, not 二."""
    return "两" if n == 2 else number(n)


def date(day: datetime.date) -> str:
    """A date with the year digit by digit: 二〇二六年十一月二十三日."""
    year = "".join(DIGITS[int(d)] for d in str(day.year))
    return f"{year}年{number(day.month)}月{number(day.day)}日"


def key_name(key: str) -> str:
    """How a key of the pad is called aloud: 1 -> 一, # -> 井号."""
    return _KEY_NAMES.get(key) or DIGITS[int(key)]


def placeholders(template: str) -> set[str]:
    """Names of the {placeholders} in a template; ValueError if it is malformed."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def clauses(text: str) -> tuple[str, ...]:
    """The text cut behind its marks: "查不到，就打电话。" -> "查不到，" and "就打电话。"."""
    return tuple(_CLAUSE.findall(text))


def sentences(text: str) -> tuple[str, ...]:
    """The text cut behind the ends of its sentences; one without a mark at its end gets a full stop."""
    found = (part.strip() for part in _SENTENCE.findall(text))
    return tuple(part if part[-1] in "。？！；" else f"{part}。" for part in found if part)


def spelled(digits: str) -> str:
    """Digits one by one, with a pause behind every second: 304512 -> 三〇，四五，幺二."""
    names = [DIGITS[int(d)].replace("一", "幺").replace("〇", "零") for d in digits]
    return "，".join("".join(names[i:i + 2]) for i in range(0, len(names), 2))
