"""The table of deploy/asvs.md: each point says whether it is met, and what is met has a test that exists."""

import ast
import functools
import re
from collections import Counter

import pytest

from tests.support import ROOT

TABLE = ROOT / "deploy" / "asvs.md"
ROW = re.compile(r"\| (\d+\.\d+\.\d+) \| (.+?) \| (.+?) \| (.*?) ?\| (.*?) ?\|")
STATES = {"met", "not met"}
CHAPTERS = range(1, 15)


def rows() -> list[tuple[str, str, str, str, str]]:
    """(point, asked, state, how, test) of each line that is one."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d", line)]
    found = [ROW.fullmatch(line) for line in lines]
    assert all(found), [line for line, row in zip(lines, found) if not row]
    return [row.groups() for row in found]


@functools.cache
def names_in(name: str) -> set[str]:
    """The tests that stand in a file."""
    path = ROOT / name
    if not path.is_file():
        return set()
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}


def missing(named: list[str]) -> list[str]:
    """Those of the tests, as path::name, that do not exist."""
    return [one for one in named if one.partition("::")[2] not in names_in(one.partition("::")[0])]


def test_each_point_is_there_once_and_every_chapter_has_some():
    points = [row[0] for row in rows()]
    assert len(points) > 100 and not [p for p, times in Counter(points).items() if times > 1]
    assert {int(p.partition(".")[0]) for p in points} == set(CHAPTERS)
    assert points == sorted(points, key=lambda p: tuple(map(int, p.split("."))))


def test_what_is_met_has_a_test_and_what_is_not_says_why():
    for point, _asked, state, how, test in rows():
        assert state in STATES, point
        assert bool(test) == (state == "met") and (how or state == "met"), point


def test_every_test_that_is_named_exists():
    assert missing([row[4] for row in rows() if row[4]]) == []


@pytest.mark.parametrize("name", ["tests/security/test_asvs.py::test_nothing", "tests/none.py::test_x", "test_x",
                                  "README.md::x"[3:]])
def test_one_that_does_not_exist_is_seen(name):
    assert missing([name]) == [name]
