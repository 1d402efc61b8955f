"""Reading: how a text is pronounced. The one front end of all voices.

Words of the lexicon are read as it says, everything else as pypinyin reads it, with the tones of 一
and 不 changed by what follows (变调), which pypinyin does in some words only. Each voice takes
the syllables from here and never reads Chinese characters by itself, so that a mended polyphone is
mended for all.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from typing import Mapping

from pypinyin import Style, lazy_pinyin

from service.core.model import Lexicon
from service.core.wording import JOINT

_CHINESE = re.compile(r"[\u3007\u3400-\u9fff]+")
_DIGITS, _POWERS = "〇零一二三四五六七八九十", "百千万亿"
_KEEPS_YI = re.compile(
    rf"[第初周期统唯之]一.|(?!零一个)[{_DIGITS}{_POWERS}]一[^{_POWERS}]|.一[{_DIGITS}月号楼]|月一日")
"""Where 一 (with a character on either side) is a number read by itself, an ordinal or part of a name."""


@dataclass(frozen=True)
class Token:
    """One syllable, or one character that is none."""

    at: int
    """Index of its character in the text."""
    sound: str
    """Pinyin with a tone digit (1 to 5), or the character as it stands."""
    is_syllable: bool


def read(text: str, readings: Mapping[str, str], names: Mapping[int, str] = {}) -> tuple[Token, ...]:
    """The text as tokens in its order; white space is left out.

    ``readings`` are those of ``Lexicon``: a word to its pinyin, one syllable for each character. ``names``: index of
    a character to the pinyin that it has in a name, as ``surnames`` finds them.
    """
    tokens: list[Token] = []
    free: list[int] = []
    for match in _splitter(tuple(readings)).finditer(text):
        word, start = match[0], match.start()
        if word in readings:
            sounds = readings[word].split()
        elif _CHINESE.match(word):
            sounds = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True)
            free += [len(tokens) + i for i, c in enumerate(word) if c in "一不"]
        else:
            tokens += [Token(start + i, c, False) for i, c in enumerate(word) if not c.isspace() and c != JOINT]
            continue
        tokens += [Token(start + i, sound, True) for i, sound in enumerate(sounds)]
    for i in free:
        tokens[i] = replace(tokens[i], sound=_in_context(text, tokens[i], tokens[i + 1:i + 2]))
    return tuple(replace(t, sound=names[t.at]) if t.at in names else t for t in tokens)


def surnames(text: str, lexicon: Lexicon) -> dict[int, str]:
    """Index to pinyin of every character of a surname that is read in its own way: behind 姓, before 先生, 奶奶 and
    the like, and at the beginning of a name that the guide puts into a sentence."""
    if not any(name in text for name in lexicon.surnames):
        return {}
    found, taken = _name_patterns(tuple(lexicon.surnames), lexicon.titles, lexicon.not_surnames, lexicon.around_names)
    ordinary = {at for match in taken.finditer(text) for at in range(*match.span(1))}
    sounds = {}
    for match in (m for pattern in found for m in pattern.finditer(text)):
        if match.start("name") not in ordinary or match["called"]:
            sounds.update(enumerate(lexicon.surnames[match["name"]].split(), match.start("name")))
    return sounds


@functools.lru_cache(maxsize=4)
def _name_patterns(names: tuple[str, ...], titles: tuple[str, ...], ordinary: tuple[str, ...],
                   around: tuple[tuple[str, str], ...]) -> tuple[list[re.Pattern], re.Pattern]:
    """Where surnames stand, and the words in which the same characters are none."""
    def any_of(words: tuple[str, ...]) -> str:
        return "|".join(map(re.escape, sorted(words, key=len, reverse=True))) or "(?!)"

    name = f"(?P<name>{any_of(names)})"
    # 和查奶奶 is with her, 和解奶奶 too: what calls somebody is no part of a word.
    places = [f"(?P<called>(?<!百)姓)(?!名){name}", f"(?P<called>[和跟同与找给叫请替])?{name}(?=(?:{any_of(titles)}))"]
    for before, behind in around:
        begins = re.escape(before) if before else "^"
        places += [f"{begins}(?P<called>){name}(?=.*{re.escape(behind)})",
                   f"{begins}.*、(?P<called>){name}(?=.*{re.escape(behind)})"]
    return [re.compile(place) for place in places], re.compile(f"(?=({any_of(ordinary)}))")


def syllables(text: str, readings: Mapping[str, str]) -> tuple[str, ...]:
    """Only what is pronounced, as pinyin with tone digits."""
    return tuple(t.sound for t in read(text, readings) if t.is_syllable)


def _in_context(text: str, token: Token, following: list[Token]) -> str:
    """How 一 or 不 sounds before the token that follows it."""
    at = token.at
    if not following or not following[0].is_syllable or following[0].at != at + 1:
        return token.sound
    before, after = text[at - 1:at] or " ", text[at + 1]
    falling = following[0].sound[-1] == "4" or after == "个"
    if text[at] == "不":
        return "bu2" if falling else "bu4"
    if before == after and text[at - 2:at - 1] != "一":  # 看一看, not 一点一点
        return "yi5"
    if _KEEPS_YI.fullmatch(f"{before}一{after}"):
        return "yi1"
    return "yi2" if falling else "yi4"


@functools.lru_cache(maxsize=4)
def _splitter(words: tuple[str, ...]) -> re.Pattern:
    """Words of the lexicon, the longest first; runs of Chinese up to the next such word; the rest."""
    listed = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    if not listed:
        return re.compile(rf"{_CHINESE.pattern}|[^\u3007\u3400-\u9fff]+")
    return re.compile(rf"{listed}|(?:(?!{listed})[\u3007\u3400-\u9fff])+|[^\u3007\u3400-\u9fff]+")
