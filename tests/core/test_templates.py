"""One line of prompts/ stands for many sentences."""

import pytest

from service.core.templates import MOST_SENTENCES, TemplateError, Templates

WORDS = {"查": "(查|看)", "怎么": "(怎么|何什)", "怎么查": "<怎么><查>"}


def test_a_plain_line_stands_for_itself():
    assert Templates(WORDS).expand("社保怎么查") == ("社保怎么查",)


@pytest.mark.parametrize("line, texts", [
    ("[我要]查社保", {"我要查社保", "查社保"}),
    ("(社保|医保)卡", {"社保卡", "医保卡"}),
    ("社保<怎么查>", {"社保怎么查", "社保怎么看", "社保何什查", "社保何什看"}),
    ("(查|查)社保", {"查社保"}),
    ("[姑娘，]社保<查>[一下]", {f"{a}社保{v}{b}" for a in ("", "姑娘，") for v in "查看" for b in ("", "一下")})])
def test_a_template_stands_for_every_choice(line, texts):
    found = Templates(WORDS).expand(line)
    assert set(found) == texts and len(found) == len(texts)


@pytest.mark.parametrize("line", ["(查社保", "[查社保", "查<社保>", "<>", "查{社保}", "查:保", "a|b)", "(一|二|三|四)" * 5])
def test_what_cannot_be_read_says_so_in_chinese(line):
    with pytest.raises(TemplateError, match="[\u4e00-\u9fff]"):
        Templates(WORDS).expand(line)


def test_a_word_that_needs_itself_is_refused():
    with pytest.raises(TemplateError):
        Templates({"一": "<二>", "二": "<一>"})


def test_examples_are_some_of_its_sentences_and_always_the_same():
    templates = Templates({"字": "(" + "|".join("甲乙丙丁戊己庚辛壬癸") + ")"})
    every = templates.expand("<字><字>")
    some = templates.examples("<字><字>", 7)
    assert len(every) == 100 <= MOST_SENTENCES and len(set(some)) == 7 and set(some) <= set(every)
    assert some == templates.examples("<字><字>", 7)
    # Spread over both places, not only over the last.
    assert len({text[0] for text in some}) >= 4 and len({text[1] for text in some}) >= 3
