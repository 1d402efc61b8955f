"""The shipped guide holds all of the source article, corrected, and nothing that must not be said."""

import re
from typing import Iterator

import pytest

from service.core.model import Node, Sentence
from tests.support import guide

ARTICLE = """
in_purpose in_channels in_read
ch_web_rsj ch_app_zshy ch_mini_xsb ch_alipay_smzx ch_wechat_csfw ch_counter ch_kiosk ch_natl_si ch_proxy
st_web_1 st_web_2 st_web_3 st_web_4 st_web_5 st_web_6 st_web_7 st_web_8 st_web_cols
st_counter_1 st_counter_2 st_counter_3 st_counter_4 st_counter_5 st_counter_6 st_counter_7
st_alipay_1 st_alipay_2 st_alipay_3 st_alipay_4 st_zshy_1 st_zshy_2 st_zshy_3
st_xsb_1 st_xsb_2 st_xsb_3 st_kiosk_1 st_kiosk_2
ex_base ex_years ex_med_types ex_med_growth ex_pen_acct ex_pen_formula
fq_missing fq_base_choose fq_transfer fq_cert fq_nonlocal
ad_rights ad_regular ad_privacy ad_wish
""".split()
"""Everything that the article says, but ad_future, which has no information."""
CORRECTIONS = [f"C{n:02}" for n in range(1, 27)]

TREE = {
    "root": {"1": "m1", "2": "m2", "3": "m3", "4": "m4", "5": "n"},
    "m1": {"1": "m1_counter", "2": "m1_kiosk", "3": "m1_phone", "4": "m1_web", "5": "m1_proxy"},
    "m1_phone": {"1": "m1p_mini", "2": "m1p_alipay", "3": "m1p_wechat", "4": "m1p_zshy", "5": "m1p_natl"},
    "m2": {"1": "m2_base", "2": "m2_years", "3": "m2_med", "4": "m2_pension", "5": "m2_formula"},
    "m3": {"1": "m3_missing", "2": "m3_choose", "3": "m3_transfer", "4": "m3_cert", "5": "m3_nonlocal"},
    "m4": {"1": "m4_age", "2": "m4_gap", "3": "m4_base", "4": "m4_pension", "5": "m4_medgap"},
    # What is asked beside the article.
    "n": {"1": "n_cards", "2": "n_money", "3": "n_treat", "4": "n_pay", "5": "m5"},
    "n_cards": {"1": "n_card_lost", "2": "n_card_use", "3": "n_family_card", "4": "m2_med"},
    "n_money": {"1": "n_payday", "2": "n_raise", "3": "x_auth", "4": "n_retire_how", "5": "n_rural_pension"},
    "n_retire_how": {"2": "n_deemed"},
    "n_treat": {"1": "n_hospital", "2": "n_elsewhere", "3": "n_chronic", "4": "n_care", "5": "n_birth"},
    "n_pay": {"1": "n_resident_med", "2": "n_med_lapse", "3": "n_flexible", "4": "n_backpay", "5": "n_enough"},
    "n_backpay": {"2": "n_refund"},
    "m5": {"1": "m5_fraud", "2": "n_death", "3": "n_work", "4": "n_aid", "5": "m5_who"},
    "m5_fraud": {"2": "m5_scammed"},
    "n_work": {"1": "n_employer", "2": "n_injury", "3": "n_unemployment"},
    "m5_who": {"1": "m5_hotline", "2": "n_where", "3": "m5_habit", "4": "m5_about"},
}
VOICE_ONLY = {"x_emergency": "root", "x_despair": "root", "x_elsewhere": "root"}
"""Nodes that no menu offers, with the menu that they lead back to."""
STEPS = {"m1_web": 8, "m1_counter": 7, "m1p_alipay": 4, "m1p_mini": 3, "m1_kiosk": 2}
MONEY = re.compile("[〇零一二三四五六七八九十百千万两多]+[元块]")
YEAR = re.compile("二[〇零][〇零一二三四五六七八九]{2}年")


def parts(node: Node) -> Iterator[tuple[Sentence, ...]]:
    """What is said in one go at a node."""
    yield node.say
    yield node.brief
    yield from (step.sentences for step in node.steps)
    yield from node.more
    yield from (aspect.say for aspect in node.aspects.values())


PARTS = [(node.id, part) for node in guide().nodes.values() for part in parts(node) if part]
SENTENCES = [(node, s) for node, part in PARTS for s in part]
CITED = {fact for _, s in SENTENCES for fact in s.facts}


@pytest.mark.parametrize("fact", ARTICLE + CORRECTIONS)
def test_each_thing_of_the_article_and_each_correction_is_a_fact_that_is_spoken(fact: str):
    assert fact in guide().facts
    assert fact in CITED


def test_each_fact_of_the_article_names_the_article_as_its_source():
    assert [f for f in ARTICLE if "A" not in guide().facts[f].sources] == []


def test_menus_have_exactly_the_keys_of_the_plan():
    menus = {n.id: {o.key: o.node for o in n.options} for n in guide().nodes.values() if n.options}
    assert menus == TREE


def test_each_node_leads_back_to_the_menu_that_it_came_from():
    # What two menus offer leads back to the one that the article has it in.
    parents = {child: menu for menu, options in reversed(TREE.items()) for child in options.values()}
    assert {n.id: n.parent for n in guide().nodes.values()} == {**parents, **VOICE_ONLY, "root": "root", "help": "root"}


def test_step_lists_are_as_long_as_in_the_article():
    assert {n.id: len(n.steps) for n in guide().nodes.values() if n.steps} == STEPS


def test_each_step_says_the_step_of_the_article_with_its_number():
    for node_id in STEPS:
        for number, step in enumerate(guide().nodes[node_id].steps, 1):
            assert step.id.endswith(f"_{number}") and step.id in ARTICLE
            assert any(step.id in s.facts for s in step.sentences)


def test_no_money_figure_of_2026_is_spoken():
    # The residents' medical premium of 2026 alone is confirmed (H).
    assert {s.text for _, s in SENTENCES if MONEY.search(s.text) and "二〇二六" in s.text} == {"二〇二六年度，是每人四百元。"}
    unverified_2026 = ("四千一百零六", "两万零五百二十九", "二万零五百二十九", "六千八百四十三")
    assert [s.text for _, s in SENTENCES if any(u in s.text for u in unverified_2026)] == []


def test_the_limits_of_2025_are_those_of_the_notice():
    base = "".join(s.text for s in guide().nodes["m4_base"].say)
    assert "二〇二五年湖南的基数，最低四千零七十二元" in base
    assert "二〇二五年湖南的基数，最高两万零三百六十一元" in base


def test_each_money_figure_is_spoken_with_a_year():
    bare = [(node, [s.text for s in part]) for node, part in PARTS
            if any(MONEY.search(s.text) for s in part) and not any(YEAR.search(s.text) for s in part)]
    assert bare == []


def test_no_web_address_is_spoken():
    address = re.compile(r"[A-Za-z./@]|点康姆|点康母|点抠姆|点科姆|三达不溜|斜杠|万维网")
    spoken = [s.text for _, s in SENTENCES]
    spoken += [re.sub(r"\{\w+\}", "", s) for prompt in guide().prompts.values() for s in prompt]
    assert [text for text in spoken if address.search(text)] == []


def test_what_no_source_confirms_is_marked_as_unverified():
    facts = guide().facts
    assert [s.text for _, s in SENTENCES
            if any(facts[f].confidence == "N" for f in s.facts) and not s.unverified] == []


def test_what_says_that_it_is_unverified_is_marked_so():
    says_so = re.compile("没有核实|没核实|没有查到|没查到|没有查清|不能确定")
    assert [s.text for _, s in SENTENCES if says_so.search(s.text) and not s.unverified] == []


def test_what_has_no_source_at_all_is_held_for_unconfirmed():
    assert [f.id for f in guide().facts.values() if not f.sources and f.confidence != "N"] == []


def test_hotlines_are_spoken_digit_by_digit_and_no_other_number_is():
    numbers = {n for _, s in SENTENCES for n in re.findall("[幺零一二三四五六七八九]{3,}", s.text)}
    assert {n for n in numbers if "幺" in n} == {
        "幺二三三三", "幺二三九三", "幺二三四五", "幺二三五六", "幺二三四八", "九六幺幺零", "幺幺零", "幺幺九", "幺二零"}
