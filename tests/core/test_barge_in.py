"""What may interrupt the guide while it speaks."""

import pytest

from service.core.barge_in import interrupts
from service.core.dialog import Ask, Match, NoMatch

SPEAKING = "带上您的身份证，再带一张复印件。"


@pytest.mark.parametrize("said", ["停一下", "等一下", "再说一遍", "慢一点", "大声点", "好了", "下一步", "不对",
                                  "返回", "回到主菜单", "按二", "第一个", "不问了"])
def test_short_commands_and_keys_interrupt(understanding, said):
    assert interrupts(understanding.interpret(said), said, SPEAKING)


@pytest.mark.parametrize("said", ["医保卡里的钱", "我要查社保", "今天中午吃么子菜", "你好", "社保"])
def test_requests_and_talk_do_not(understanding, said):
    assert not interrupts(understanding.interpret(said), said, SPEAKING)


@pytest.mark.parametrize("said, speaking", [
    ("好了", "不急，做好了就说好了，或者按一。"), ("按一", "怎么查社保，按一。"), ("返回", "返回按星号。"),
    ("慢一点", "我讲快了，您就说，讲慢一点。"), ("第一步", "第一步。"), ("再听一遍", "再听一遍按井号，返回按星号。")])
def test_the_guides_own_echo_never_interrupts(understanding, said, speaking):
    outcome = understanding.interpret(said)
    assert isinstance(outcome, Match)
    assert not interrupts(outcome, said, speaking)


def test_an_echo_is_known_by_its_sound():
    assert not interrupts(Match(command="next"), "浩了", "不急，做好了就说好了，或者按一。")


def test_a_long_utterance_is_talk():
    assert not interrupts(Match(command="stop"), "谢谢谢谢谢谢谢谢谢", SPEAKING)


@pytest.mark.parametrize("outcome", [NoMatch(), Ask(("m1", "m2")), Match(node="m1")])
def test_only_commands_and_keys(outcome):
    assert not interrupts(outcome, "停", SPEAKING)


def test_nothing_heard_interrupts_nothing():
    assert not interrupts(Match(command="stop"), "", SPEAKING)
    assert not interrupts(Match(command="stop"), "stop", SPEAKING)
