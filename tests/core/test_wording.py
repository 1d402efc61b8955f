"""Numbers, dates and placeholders as they are spoken."""

import datetime

import pytest

from service.core import wording
from service.core.model import KEYS


@pytest.mark.parametrize("n, words", [
    (0, "零"), (1, "一"), (2, "二"), (10, "十"), (11, "十一"), (20, "二十"), (21, "二十一"), (100, "一百"),
    (101, "一百零一"), (110, "一百一十"), (139, "一百三十九"), (326, "三百二十六"), (1000, "一千"),
    (1001, "一千零一"), (1010, "一千零一十"), (4072, "四千零七十二"), (9999, "九千九百九十九")])
def test_numbers(n, words):
    assert wording.number(n) == words


@pytest.mark.parametrize("n", [-1, 10_000])
def test_numbers_out_of_range_are_refused(n):
    with pytest.raises(ValueError):
        wording.number(n)


def test_two_is_liang_in_front_of_a_measure_word():
    assert [wording.count(n) for n in (1, 2, 3, 12)] == ["一", "两", "三", "十二"]


@pytest.mark.parametrize("day, words", [
    ((2026, 11, 23), "二〇二六年十一月二十三日"), ((2030, 1, 1), "二〇三〇年一月一日"),
    ((2027, 10, 10), "二〇二七年十月十日")])
def test_dates(day, words):
    assert wording.date(datetime.date(*day)) == words


def test_every_key_has_its_own_spoken_name():
    names = [wording.key_name(key) for key in KEYS]
    assert len(set(names)) == 12 and all(names)
    assert [wording.key_name(k) for k in "1*#0"] == ["一", "星号", "井号", "零"]


def test_placeholders():
    assert wording.placeholders("{option}，按{key}。") == {"option", "key"}
    assert wording.placeholders("按一。") == set()
    with pytest.raises(ValueError):
        wording.placeholders("{option，按一。")
