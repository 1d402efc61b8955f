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


# --- figures in recorded parts ---------------------------------------------------------------------

def read(words: str) -> int:
    """The whole number that such words stand for, read from left to right (两 and 二 are the same)."""
    total = section = digit = 0
    for character in words:
        match "零一二三四五六七八九".find(character.replace("两", "二")):
            case -1:
                unit = {"十": 10, "百": 100, "千": 1000, "万": 10_000}[character]
                if unit == 10_000:
                    total, section = (section + digit) * unit, 0
                else:
                    section += (digit or 1) * unit
                digit = 0
            case digit:
                pass
    return total + section + digit


def test_yuan_read_back_are_the_amount():
    for amount in range(100_000):
        said = wording.unjointed(wording.joint(*wording.yuan(amount)))
        assert said.endswith("块") and read(said[:-1]) == amount, said


@pytest.mark.parametrize("amount, words", [
    (0, "零块"), (2, "两块"), (10, "十块"), (112, "一百一十二块"), (205, "两百零五块"), (2000, "两千块"),
    (2005, "两千零五块"), (10_000, "一万块"), (10_072, "一万零七十二块"), (20_361, "两万零三百六十一块"),
    (22_222, "两万两千两百二十二块"), (14_002, "一万四千零二块"), (1_200_000, "一百二十万块")])
def test_yuan_as_people_say_it(amount, words):
    assert "".join(wording.yuan(amount)) == words


@pytest.mark.parametrize("amount", [-1, 10 ** 8])
def test_yuan_out_of_range_are_refused(amount):
    with pytest.raises(ValueError):
        wording.yuan(amount)


def test_every_part_of_a_figure_is_recorded():
    recorded = set(wording.number_parts())
    said = {part for amount in range(200_001) for part in wording.yuan(amount)}
    said |= {part for months in range(1, 12 * 46) for part in wording.duration(months)}
    said |= {part for months in range(50 * 12, 71 * 12) for part in wording.age(months)}
    said |= {wording.year(year) for year in range(1936, 2071)}
    assert said <= recorded


@pytest.mark.parametrize("months, words", [
    (1, "一个月"), (2, "两个月"), (12, "一年"), (24, "两年"), (147, "十二年零三个月"), (266, "二十二年零两个月")])
def test_durations(months, words):
    assert "".join(wording.duration(months)) == words


@pytest.mark.parametrize("months, words", [(720, "六十岁"), (722, "六十岁零两个月"), (735, "六十一岁零三个月")])
def test_ages(months, words):
    assert "".join(wording.age(months)) == words


def test_years_are_said_digit_by_digit():
    assert [wording.year(n) for n in (1969, 2005, 2031)] == ["一九六九年", "二〇〇五年", "二〇三一年"]


def test_a_sentence_with_joints_falls_into_its_parts():
    assert wording.pieces(f"大约{wording.joint('六十岁')}，退休。") == (("大约", 3), ("六十岁", 4), ("退休。", 4))
    assert wording.pieces("查不到，就打电话。") == (("查不到，", 4), ("就打电话。", 5))


@pytest.mark.parametrize("text", [
    f"您{wording.joint('六十一岁', '零三个月')}，大约{wording.joint('二〇三一年', '三月')}退休。",
    f"好，{wording.joint('男的')}。", f"{wording.joint('两万', '零三百', '六十一块')}。", "没有数。"])
def test_the_parts_cover_the_sentence_and_say_all_of_it(text):
    found = wording.pieces(text)
    assert sum(length for _, length in found) == len(text)
    assert all(part and wording.JOINT not in part for part, _ in found)
    assert _words("".join(part for part, _ in found)) == _words(wording.unjointed(text))


def _words(text: str) -> str:
    return text.translate(dict.fromkeys(map(ord, "，。")))


def test_joints_are_taken_out():
    assert wording.unjointed(f"大约{wording.joint('六十岁')}退休。") == "大约六十岁退休。"
