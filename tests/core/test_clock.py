"""Which day of the machine is believed."""

import datetime
from dataclasses import replace

import pytest

from service.core.clock import is_believed, is_due, newest
from service.core.form import TOLD
from tests.core.test_filling import MAN, Talk

DAY = datetime.timedelta(days=1)


def test_no_day_before_the_facts_is_believed_and_none_long_after(guide):
    first = newest(guide.facts)
    assert is_believed(guide.facts, first) and not is_believed(guide.facts, first - DAY)
    last = first.replace(year=first.year + 10)
    assert is_believed(guide.facts, last) and not is_believed(guide.facts, last + DAY)
    assert is_believed({}, datetime.date(1970, 1, 1)), "without facts there is nothing to judge by"


def test_on_a_day_that_is_not_believed_what_can_change_is_due(guide):
    yearly, steady = guide.facts["C09"], guide.facts["C12"]
    future = {**guide.facts, "C09": replace(yearly, review=datetime.date(2099, 1, 1))}
    good, bad = newest(guide.facts), datetime.date(2000, 1, 1)
    assert not is_due(future["C09"], future, good) and is_due(future["C09"], future, bad)
    assert not is_due(steady, guide.facts, bad)


@pytest.mark.parametrize("day", [datetime.date(1970, 1, 1), datetime.date(2026, 1, 1), datetime.date(2040, 1, 1)])
@pytest.mark.parametrize("node, number", [("m4_age", "幺二三三三"), ("m4_gap", "幺二三三三"), ("m4_base", "幺二三三三"),
                                          ("m4_pension", "幺二三三三"), ("m4_medgap", "幺二三九三")])
def test_a_calculator_without_a_day_asks_and_tells_nothing_but_whom_to_ask(guide, understanding, day, node, number):
    one = Talk(guide, understanding, node, day, **MAN, months="170")
    assert one.heard("这台机器的日子不对，先不算。", f"您打{number}问。") and one.form.stage == TOLD
    for text in ("再说一遍", "六九年十二月", "不对", "要是女的呢"):
        one.say(text)
        assert "大约是这样" not in "".join(one.reply.sentences) and one.form.stage == TOLD
    assert one.say("医保卡里的钱").reply.node == "m2_med"


def test_with_the_clock_set_right_the_calculator_works(guide, understanding):
    one = Talk(guide, understanding, "m4_age", datetime.date(2000, 1, 1), **MAN)
    one.today = newest(guide.facts)
    assert one.say("再说一遍").heard("您二〇三一年三月退休，推迟一年零三个月。")
