"""Reading: polyphones, tones that change, numbers; the same through the front end of every voice."""

import functools
import types
from pathlib import Path

import pytest
import yaml

from service.speech.pyttsx3_voice import to_pinyin
from service.speech.reading import Token, read, syllables
from service.speech.voice import spoken
from tests.support import guide

POLYPHONES = yaml.safe_load((Path(__file__).parent / "polyphones.yaml").read_text(encoding="utf-8"))
each_polyphone = pytest.mark.parametrize("text, word, pinyin", POLYPHONES,
                                         ids=[f"{word} {text}" for text, word, _ in POLYPHONES])


def pinyin_of(word: str, text: str) -> str:
    """How a word is read inside a text."""
    said = spoken(text, guide().lexicon)
    places = range(said.text.index(word), said.text.index(word) + len(word))
    return " ".join(t.sound for t in said.tokens if t.at in places)


@functools.cache
def kokoro_speaker():
    """Kokoro's front end with its real tokenizer, without the model behind it."""
    from kokoro_onnx.tokenizer import Tokenizer

    from service.speech.kokoro_worker import Speaker
    front = object.__new__(Speaker)
    front._kokoro = types.SimpleNamespace(tokenizer=Tokenizer())
    return front


@each_polyphone
def test_a_polyphone_is_read_as_the_dictionary_has_it(text, word, pinyin):
    assert pinyin_of(word, text) == pinyin


@each_polyphone
def test_pyttsx3_is_given_this_reading(text, word, pinyin):
    given = "".join(filter(str.isalnum, to_pinyin(spoken(text, guide().lexicon).tokens)))
    assert pinyin.replace(" ", "") in given


@each_polyphone
def test_kokoro_is_given_this_reading(text, word, pinyin):
    from misaki.zh import ZHG2P
    said = spoken(text, guide().lexicon)
    phonemes, _ = kokoro_speaker()._phonemes(said.text, [[t.at, t.sound, t.is_syllable] for t in said.tokens])
    wanted = "".join(ZHG2P.py2ipa(syllable) for syllable in pinyin.split()).replace("\u032f", "")
    assert wanted in phonemes.replace(" ", "")


def test_the_list_is_long_and_names_no_word_twice_in_one_sentence():
    assert len({word for _, word, _ in POLYPHONES}) >= 80
    assert len({(text, word) for text, word, _ in POLYPHONES}) == len(POLYPHONES)


@pytest.mark.parametrize("text, said", [("打12333问", "打幺二三三三问"), ("交60%", "交百分之六十")])
def test_numbers_are_written_out_before_they_are_read(text, said):
    assert spoken(text, guide().lexicon).text == said


@pytest.mark.parametrize("text, pinyin", [
    ("不对", "bu2 dui4"), ("不行", "bu4 xing2"), ("对不对", "dui4 bu2 dui4"), ("不，对", "bu4 dui4"), ("要不", "yao4 bu4"),
    ("一天", "yi4 tian1"), ("一年", "yi4 nian2"), ("一起", "yi4 qi3"), ("一次", "yi2 ci4"), ("一个", "yi2 ge4"),
    ("按一。", "an4 yi1"), ("第一次", "di4 yi1 ci4"), ("十一次", "shi2 yi1 ci4"), ("一千一百", "yi4 qian1 yi4 bai3"),
    ("二零一二年", "er4 ling2 yi1 er4 nian2"), ("一号窗口", "yi1 hao4 chuang1 kou3"), ("看一看", "kan4 yi5 kan4"),
    ("一步一步", "yi2 bu4 yi2 bu4"),
])
def test_the_tone_of_yi_and_bu_follows_what_comes_behind(text, pinyin):
    assert " ".join(syllables(text, {})) == pinyin


def test_the_lexicon_has_the_last_word():
    assert syllables("不对，一次", {"不对": "fou3 dui4", "一次": "yi1 ci4"}) == ("fou3", "dui4", "yi1", "ci4")


def test_the_longest_word_of_the_lexicon_wins():
    assert syllables("银行卡", {"银行": "a1 a1", "银行卡": "b1 b1 b1"}) == ("b1", "b1", "b1")


def test_a_word_of_the_lexicon_is_found_inside_a_run_of_others():
    assert syllables("请重新看", {"重新": "chong2 xin1"}) == ("qing3", "chong2", "xin1", "kan4")


def test_every_token_knows_its_place_and_what_is_no_chinese_stays_as_it_is():
    assert read("好 a，一", {}) == (Token(0, "hao3", True), Token(2, "a", False), Token(3, "，", False),
                                   Token(4, "yi1", True))


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_a_text_of_nothing_has_no_tokens(text):
    assert read(text, guide().lexicon.readings) == ()
