"""How alike phrases sound to listeners from Hunan."""

import pytest

from service.core.pinyin import distance, merge, sound_distance, syllable_cost, syllables


@pytest.mark.parametrize("a, b", [
    ("湖南", "福南"), ("湖南", "湖兰"), ("农保", "隆保"), ("市民", "四民"), ("证明", "镇民"), ("查到", "擦到"),
    ("飞机", "灰鸡"), ("发票", "花票"), ("缴费", "缴会"), ("星号", "新号"), ("身份", "生份"), ("是", "四")])
def test_what_is_merged_in_hunan_sounds_the_same(a, b):
    assert syllables(a) == syllables(b)


@pytest.mark.parametrize("a, b", [("医保", "社保"), ("大声", "小声"), ("上一步", "下一步"), ("养老", "医疗")])
def test_what_is_different_stays_different(a, b):
    assert syllables(a) != syllables(b)


def test_tones_do_not_matter():
    assert syllables("妈麻马骂") == (syllables("妈")[0],) * 4


@pytest.mark.parametrize("syllable, merged", [("hui", "fei"), ("hun", "fen"), ("zheng", "zen"), ("nin", "lin"), ("hu", "fu")])
def test_mergers(syllable, merged):
    assert merge(syllable) == merged


def test_distance_is_a_share_of_the_longer():
    a, b = syllables("查社保"), syllables("查医保")
    assert distance(a, a) == 0 and distance(a, ()) == 1 and distance((), ()) == 0
    assert distance(a, b) == pytest.approx(1 / 3) == distance(b, a)
    assert distance(a, syllables("我要查社保")) == pytest.approx(2 / 5)


def test_a_merger_costs_little_and_a_real_difference_much():
    tone, merger, half, other = (syllable_cost(*pair) for pair in
                                 (("ma1", "ma3"), ("nan2", "lan2"), ("da4", "dan4"), ("ma1", "shu4")))
    assert 0 == syllable_cost("ma1", "ma1") < tone < merger < half < other == 1
    assert merger < other / 5


def test_texts_that_only_mergers_tell_apart_sound_nearly_alike():
    assert sound_distance("湖南人社", "福兰人设") < 0.2 < sound_distance("湖南人社", "河南人事")
    assert sound_distance("", "") == 0 and sound_distance("医保", "") == 1


def test_what_is_no_character_has_no_trouble():
    assert syllables("") == ()
    syllables("a1😀 ")
