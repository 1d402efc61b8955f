"""Templates: one line of ``prompts/`` to the sentences that it stands for.

The notation is that of Home Assistant's intents, read by their own parser (hassil,
https://github.com/home-assistant/hassil): ``[optional]``, ``(one|other)`` and ``<word>``, a word of
``prompts/words.yaml`` with all its forms.
"""

from __future__ import annotations

import functools
import itertools
import re
from typing import Mapping

from hassil.errors import MissingRuleError
from hassil.parse_expression import ParseError, parse_sentence
from hassil.sample import sample_sentence

MOST_SENTENCES = 400
"""A template that stands for more than this is refused: nobody could read through them."""
_SIGNS = re.compile(r"[\[\](){}<>|;:*]")


class TemplateError(ValueError):
    """A line that is no template; the message is in Chinese, for whoever edits ``prompts/``."""

    word = ""
    """Name of the word of ``words.yaml`` that cannot be read, if it is one."""


class Templates:
    """Reads templates with one set of words, each once. Threads may share it."""

    def __init__(self, words: Mapping[str, str]):
        """``words``: name to template. TemplateError if one cannot be read."""
        self._words, self._expanded = {}, {}
        try:
            for name, text in words.items():
                self._words[name] = _parsed(text)
            for name, text in words.items():
                self.expand(text)
        except TemplateError as e:
            e.word = name
            raise

    def expand(self, line: str) -> tuple[str, ...]:
        """Every sentence that the line stands for, in a fixed order; itself if it has no signs.

        TemplateError if it cannot be read, has an unknown word, or stands for too many.
        """
        if not _SIGNS.search(line):
            return (line,)
        if line not in self._expanded:
            self._expanded[line] = self._expand(line)
        return self._expanded[line]

    def _expand(self, line: str) -> tuple[str, ...]:
        try:
            found = sample_sentence(_parsed(line), {}, self._words)
            texts = list(itertools.islice((t.replace(" ", "") for t in found), MOST_SENTENCES + 1))
        except MissingRuleError as e:
            raise TemplateError(f"words.yaml 里没有 {e}") from e
        except Exception as e:  # a list or anything else that is not for us
            raise TemplateError(f"看不懂这种写法：{e}") from e
        if len(texts) > MOST_SENTENCES:
            raise TemplateError(f"能变出 {MOST_SENTENCES} 多句")
        return tuple(dict.fromkeys(t for t in texts if t))

    def examples(self, line: str, at_most: int) -> tuple[str, ...]:
        """Some of its sentences, the same each time and spread over all of them."""
        texts = self.expand(line)
        if len(texts) <= at_most:
            return texts
        # A stride without a common factor visits every part of the product of alternatives.
        return tuple(texts[i * 7919 % len(texts)] for i in range(at_most))


def templates(words: Mapping[str, str]) -> Templates:
    """The reader with these words: one for all who ask, because a start reads each template several times."""
    return _reader(tuple(words.items()))


@functools.lru_cache(maxsize=2)
def _reader(words: tuple[tuple[str, str], ...]) -> Templates:
    return Templates(dict(words))


def _parsed(text: str):
    if set(text) & set("{};:*"):
        raise TemplateError("只能用 [ ] ( | ) 和 < >")
    try:
        return parse_sentence(text)
    except ParseError as e:
        raise TemplateError(f"括号没有配对：{e}") from e
