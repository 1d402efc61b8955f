"""Phrases spelt with the words that a speech model knows."""

from service.core.grammar import UNKNOWN, bare, compile_grammar, spell, unknown_characters

WORDS = {"社保", "社", "保", "卡", "查", "我", "要", "查社", "上", "一", "步"}


def knows(word):
    return word in WORDS


def test_bare_keeps_characters_only():
    assert bare("您好，社保 A1！😀") == "您好社保" and bare("") == "" and bare("abc 123") == ""


def test_a_phrase_is_split_into_the_fewest_known_words():
    assert spell("我要查社保", knows) == ("我", "要", "查", "社保")
    assert spell("上一步。", knows) == ("上", "一", "步")


def test_what_cannot_be_spelt_is_reported_with_its_characters():
    assert spell("查医保卡", knows) is None
    assert unknown_characters("查医保卡医", knows) == "医"
    assert unknown_characters("查社保", knows) == ""


def test_the_grammar_has_no_doubles_leaves_out_the_unknown_and_ends_with_it():
    assert compile_grammar(["查社保", "查社保。", "医保", "", "社保卡"], knows) == (
        "查 社保", "社保 卡", UNKNOWN)
    assert compile_grammar([], knows) == (UNKNOWN,)


def test_everything_that_can_be_said_is_in_the_grammar(guide, understanding):
    phrases = set(understanding.phrases())
    for said in ("我要查社保", "再说一遍", "第二个", "社保", guide.nodes["m5_fraud"].title):
        assert said in phrases
    assert not [p for p in phrases if "冇" in p], "the speech model lacks this sign"
