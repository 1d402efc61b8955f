"""The Grammar: phrases that can be said, spelt with the words that a speech model knows.

Kaldi's small Chinese model takes only words of its own vocabulary and drops a phrase with any
other word silently; 社保卡 or 上一步 are not in it. So a phrase is split into known words, and
one that cannot be split is reported.
"""

from __future__ import annotations

import itertools
import re
from typing import Callable, Iterable

UNKNOWN = "[unk]"
"""The word with which a closed grammar hears anything else."""
LONGEST_WORD = 6
"""Characters; the model's vocabulary has hardly any longer word."""
_DIGIT = re.compile("(?:^|(?<=[\u3400-\u9fff]))[0-9０-９](?=$|[\u3400-\u9fff])")
_WORDS = str.maketrans("0123456789０１２３４５６７８９", "零一二三四五六七八九" * 2)
_NOT_SPOKEN = re.compile(r"[^\u3400-\u9fff]")


def bare(phrase: str) -> str:
    """The phrase without punctuation, spaces and anything but Chinese characters."""
    return _NOT_SPOKEN.sub("", phrase)


def longest_first(words: Iterable[str]) -> list[str]:
    """The words without marks, so that none is hidden by one that it begins with."""
    return sorted(map(bare, words), key=len, reverse=True)


def any_of(words: Iterable[str]) -> re.Pattern:
    """A pattern of any of the words; of none, one that never matches."""
    return re.compile("|".join(map(re.escape, words)) or r"(?!)")


def spelled_out(text: str) -> str:
    """A typed text with its single digits in words, full-width ones too: 按２ -> 按二."""
    return _DIGIT.sub(lambda m: m[0].translate(_WORDS), text.strip().replace("〇", "零"))


def spell(phrase: str, knows: Callable[[str], bool]) -> tuple[str, ...] | None:
    """The phrase as the fewest words for which ``knows`` is True; None if it cannot be spelt."""
    text = bare(phrase)
    best: list[tuple[str, ...] | None] = [()] + [None] * len(text)
    for end in range(1, len(text) + 1):
        for start in range(max(0, end - LONGEST_WORD), end):
            head, word = best[start], text[start:end]
            if head is None or not knows(word):
                continue
            if best[end] is None or len(head) + 1 < len(best[end]):
                best[end] = (*head, word)
    return best[-1]


def unknown_characters(phrase: str, knows: Callable[[str], bool]) -> str:
    """Characters of the phrase that stand in no word the model knows, for a report."""
    text = bare(phrase)
    covered = {i for start in range(len(text)) for end in range(start + 1, start + LONGEST_WORD + 1)
               if knows(text[start:end]) for i in range(start, end)}
    return "".join(dict.fromkeys(c for i, c in enumerate(text) if i not in covered))


def compile_grammar(phrases: Iterable[str], knows: Callable[[str], bool]) -> tuple[str, ...]:
    """Entries for a closed grammar: each phrase in known words, without doubles, and [unk] last."""
    spelt = (spell(phrase, knows) for phrase in phrases)
    return (*dict.fromkeys(" ".join(words) for words in spelt if words), UNKNOWN)


def compile_numbers(said: Iterable[tuple[str, str, str]], knows: Callable[[str], bool]) -> tuple[str, ...]:
    """Entries of (what stands before, a number, what stands behind), without what cannot be spelt.

    The number is spelt character by character: any digit may follow any other, so that pairs of digits must
    count, and not pairs of words like 六五年.
    """
    found = (_number_entry(*parts, knows) for parts in said)
    return tuple(dict.fromkeys(filter(None, found)))


def _number_entry(before: str, number: str, after: str, knows: Callable[[str], bool]) -> str:
    words = [spell(before, knows), tuple(bare(number)), spell(after, knows)]
    known = None not in words and all(map(knows, words[1]))
    return " ".join(itertools.chain(*words)) if known else ""
