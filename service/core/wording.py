"""Numbers, dates and placeholders as they are spoken in Mandarin."""

from __future__ import annotations

import datetime
import re
import string

DIGITS = "〇一二三四五六七八九"
_UNITS = ("", "十", "百", "千")
_CLAUSE = re.compile("(?:[^，、；：。？！]|(?<=[0-9０-９])[：、，](?=[0-9０-９]))+[，、；：。？！]*")
"""A mark between two digits, 14：30, is of a number and no end."""
_SENTENCE = re.compile("[^。？！；\n]+[。？！；]*")
_KEY_NAMES = {"*": "星号", "#": "井号", "0": "零"}
_BESIDE = re.compile("^[^〇\u3400-\u9fff]*")
_SPOKEN = re.compile("[〇\u3400-\u9fff]")
JOINT = "\u200b"
"""Zero width space: where a sentence may be joined from recorded parts. It is neither seen nor spoken."""
SPOKEN_YEARS = range(1936, 2071)
SPOKEN_AGES = range(50, 71)
SPOKEN_DURATION_YEARS = range(1, 46)
SPOKEN_TEN_THOUSANDS = range(1, 21)
"""Of these there are recordings."""


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
    return f"{year(day.year)}{number(day.month)}月{number(day.day)}日"


def key_name(key: str) -> str:
    """How a key of the pad is called aloud: 1 -> 一, # -> 井号."""
    return _KEY_NAMES.get(key) or DIGITS[int(key)]


def placeholders(template: str) -> set[str]:
    """Names of the {placeholders} in a template; ValueError if it is malformed."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def clauses(text: str) -> tuple[str, ...]:
    """The text cut behind its marks: "查不到，就打电话。" -> "查不到，" and "就打电话。"."""
    return tuple(_CLAUSE.findall(text))


def pieces(text: str) -> tuple[tuple[str, int], ...]:
    """The parts that a sentence may be joined from, each with the characters of the sentence that it covers.

    "大约\u200b六十岁\u200b，退休。" -> ("大约", 3), ("六十岁", 4), ("退休。", 4): marks and joints beside a part
    are covered, and not said.
    """
    found: list[list] = []
    covered = 0
    for segment in re.findall(f"[^{JOINT}]+|{JOINT}", text):
        beside = _BESIDE.match(segment).end()
        covered += beside
        for part in clauses(segment[beside:]):
            found.append([part, covered + len(part)])
            covered = 0
        if found and covered:
            found[-1][1] += covered
            covered = 0
    return tuple((part, length) for part, length in found)


def joint(*parts: str) -> str:
    """Parts that are recorded one by one, as one word of a sentence."""
    return JOINT + JOINT.join(parts) + JOINT


def length(text: str) -> int:
    """Characters that are spoken, marks and joints aside."""
    return len(_SPOKEN.findall(text))


def unjointed(text: str) -> str:
    """The text without joints, for whoever reads it character by character."""
    return text.replace(JOINT, "")


def year(n: int) -> str:
    """A year, digit by digit: 二〇三一年."""
    return "".join(DIGITS[int(d)] for d in str(n)) + "年"


def duration(months: int) -> tuple[str, ...]:
    """Months as years and months, in recorded parts: 147 -> 十二年, 零三个月."""
    years, rest = divmod(months, 12)
    if not years:
        return (f"{count(rest)}个月",)
    return (f"{count(years)}年", *([f"零{count(rest)}个月"] if rest else []))


def age(months: int) -> tuple[str, ...]:
    """An age in months, in recorded parts: 722 -> 六十岁, 零两个月."""
    years, rest = divmod(months, 12)
    return (f"{count(years)}岁", *([f"零{count(rest)}个月"] if rest else []))


def yuan(amount: int) -> tuple[str, ...]:
    """Yuan in recorded parts: 14072 -> 一万, 四千零, 七十二块. From 0 to 99,999,999; ValueError outside."""
    if not 0 <= amount < 10 ** 8:
        raise ValueError(f"amount out of range: {amount}")
    wan, rest = divmod(amount, 10_000)
    hundreds, tail = divmod(rest, 100)
    parts = [f"{liang(count(wan))}万"] if wan else []
    skips = bool(tail) and not hundreds % 10
    if hundreds:
        parts.append(("零" if wan and hundreds < 10 else "") + liang(number(hundreds * 100)) + ("零" if skips else ""))
    elif wan and skips:
        parts[0] += "零"
    if tail:
        parts.append(_tail(tail, bool(parts), skips))
    parts = parts or ["零"]
    return (*parts[:-1], f"{parts[-1]}块")


def jiao(n: int) -> tuple[str, ...]:
    """The tenths of a yuan behind yuan: 5 -> 五毛; nothing for 0."""
    return (f"{count(n)}毛",) if n else ()


def _tail(tail: int, follows: bool, after_zero: bool) -> str:
    """Tens and ones behind what stands before them: 五, 零五, 一十五."""
    if not follows:
        return count(tail)
    words = f"一{number(tail)}" if 10 <= tail < 20 else number(tail)
    return f"零{words}" if tail < 10 and not after_zero else words


def liang(words: str) -> str:
    """两千 and 两百, as people say, for 二千 and 二百."""
    return words.replace("二千", "两千").replace("二百", "两百")


def number_parts() -> tuple[str, ...]:
    """Every recorded part of a number, the most heard first."""
    found = [year(n) for n in SPOKEN_YEARS] + [f"{number(m)}月" for m in range(1, 13)]
    found += [part for months in (*range(12), *(12 * y + m for y in SPOKEN_DURATION_YEARS for m in range(12)))
              for part in duration(months)]
    found += [age(12 * years)[0] for years in SPOKEN_AGES]
    # Tens and ones alone, behind a hundred and behind a thousand; hundreds with and without them, also behind 万.
    amounts = [*range(200), *range(1_000, 1_100), *(h * 100 + one for h in range(1, 100) for one in (0, 1)),
               *(10_000 + h * 100 for h in range(1, 10)), *(10_000 + h * 100 + 1 for h in range(1, 10)),
               *(w * 10_000 + rest for w in SPOKEN_TEN_THOUSANDS for rest in (0, 1, 1_000))]
    found += [part for amount in amounts for part in yuan(amount)]
    found += [part for n in range(10) for part in jiao(n)]
    return tuple(dict.fromkeys(found))


def sentences(text: str) -> tuple[str, ...]:
    """The text cut behind the ends of its sentences; one without a mark at its end gets a full stop."""
    found = (part.strip() for part in _SENTENCE.findall(text))
    return tuple(part if part[-1] in "。？！；" else f"{part}。" for part in found if part)


def spelled(digits: str) -> str:
    """Digits one by one, with a pause behind every second: 304512 -> 三〇，四五，幺二."""
    names = [DIGITS[int(d)].replace("一", "幺").replace("〇", "零") for d in digits]
    return "，".join("".join(names[i:i + 2]) for i in range(0, len(names), 2))
