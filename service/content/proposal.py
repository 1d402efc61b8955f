"""Proposal: an edit that could be published, with its difference."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Iterable, Mapping

from service.content.problems import Problem
from service.core.model import Guide

CONTEXT_LINES = 2


@dataclass(frozen=True)
class DiffLine:
    """One line of a difference."""

    file: str
    kind: str
    """removed, added or same."""
    text: str


@dataclass(frozen=True)
class Proposal:
    """Texts that could be saved, and what the check says of the guide with them."""

    files: Mapping[str, tuple[str, str]]
    """Name below ``prompts/`` to (before, after), of files that differ; "": there is no such file."""
    problems: tuple[Problem, ...]
    guide: Guide | None
    """The guide as it would be; None if there are problems."""

    @property
    def difference(self) -> tuple[DiffLine, ...]:
        """The changed lines, with a few around them."""
        return tuple(line for name, texts in self.files.items() for line in _difference(name, *texts))


def _difference(name: str, before: str, after: str) -> Iterable[DiffLine]:
    old, new = before.splitlines(), after.splitlines()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for group in matcher.get_grouped_opcodes(CONTEXT_LINES):
        for kind, a, b, c, d in group:
            if kind == "equal":
                yield from (DiffLine(name, "same", line) for line in old[a:b])
            else:
                yield from (DiffLine(name, "removed", line) for line in old[a:b])
                yield from (DiffLine(name, "added", line) for line in new[c:d])


def refused(*problems: Problem) -> Proposal:
    """A proposal of nothing, with these problems."""
    return Proposal({}, tuple(problems), None)
