"""How the dialogue behaves, one behaviour at a time."""

import datetime
import json
from dataclasses import replace

import pytest

from service.core.dialog import (LOUDNESS_DB, PACE_CPM, SLOWEST_CPM, WAIT_S, Ask, Fault, Fill, Key, Match, NoInput,
                                 NoMatch, Notice, Rejoin, Session, Start, Told, Voice, advance, opening)
from service.core.model import HELP, ROOT
from service.core.understanding import Expectation
from service.core.wording import date, unjointed

TODAY = datetime.date(2026, 11, 30)
REVIEW = datetime.date(2027, 6, 1)
STALE = "这个数可能变了，请打幺二三三三确认。"


class Talk:
    """One listener and the guide."""

    def __init__(self, guide, understanding=None, today=TODAY):
        self.guide, self.understanding, self.today = guide, understanding, today
        self.session, self.reply = advance(guide, Session(), Start(), today)

    def __call__(self, *outcomes):
        for outcome in outcomes:
            outcome = Key(outcome) if isinstance(outcome, str) else outcome
            self.session, self.reply = advance(self.guide, self.session, outcome, self.today)
        return self

    def during(self, sentence, outcome):
        """The outcome comes while this sentence of the last answer is spoken."""
        outcome = Key(outcome) if isinstance(outcome, str) else outcome
        cut = self.said[self.said.index(sentence):]
        self.session, self.reply = advance(self.guide, self.session, outcome, self.today, cut)
        return self

    def hear(self, text):
        expect = Expectation.of(self.session, TODAY)
        return self(self.understanding.interpret(text, expect))

    def do(self, *commands):
        return self(*(Match(command=c) for c in commands))

    def ask(self, node):
        return self(Match(node=node))

    @property
    def said(self):
        return tuple(map(unjointed, self.reply.sentences))

    @property
    def keys(self):
        return {c.label: c.key for c in self.reply.choices}


@pytest.fixture
def talk(guide, understanding):
    return Talk(guide, understanding)


# --- arriving -------------------------------------------------------------------------------------

def test_greets_then_offers_each_option_with_its_key(talk):
    assert talk.said[0] == "您好，衡阳社保指南。"
    assert "怎么查社保，按一。" in talk.said and "别的事，按五。" in talk.said
    assert talk.reply.state == "menu" and len(talk.reply.choices) == 5


def test_says_what_it_understood_so_that_it_can_be_corrected(talk):
    assert talk.ask("m2_med").said[0] == "好，您问的是医保卡里的钱。"


def test_who_comes_back_to_a_menu_is_not_greeted_again(talk):
    talk("1", "*")
    assert "您想问哪一样？" in talk.said and "您好，衡阳社保指南。" not in talk.said


def test_the_star_says_where_it_leads(talk):
    assert talk("1", "3", "1", "*").said[0] == "回到用手机查。"


# --- steps ----------------------------------------------------------------------------------------

def test_steps_come_one_at_a_time_with_their_number(talk):
    talk("1", "1")
    assert "一共七步。" in talk.said and "第一步。" in talk.said and "第二步。" not in talk.said
    assert talk.reply.step == (1, 7)
    talk("1")
    assert talk.said[0] == "第二步。" and talk.reply.step == (2, 7)
    assert not any("一共" in s or s == "第三步。" for s in talk.said)


def test_every_step_of_every_list_is_told_once_and_the_last_is_named(guide):
    for node in (n for n in guide.nodes.values() if n.steps):
        talk, told = Talk(guide).ask(node.id), []
        for i, step in enumerate(node.steps):
            told += [s for s in talk.said if s in {x.text for x in step.sentences}]
            assert ("这是最后一步。" in talk.said) == (i == len(node.steps) - 1)
            talk("1")
        assert told == [s.text for step in node.steps for s in step.sentences]
        assert any(s.endswith("步都讲完了。") for s in talk.said)


def test_done_is_said_again_when_asked_for_more(talk):
    talk("1", "2", "1", "1")
    assert talk.said[0] == "两步都讲完了。"
    assert talk("1").said[0] == "两步都讲完了。" and talk.reply.node == "m1_kiosk"


def test_two_leads_one_step_back_and_stays_at_the_first(talk):
    talk("1", "1", "1", "1", "2")
    assert talk.reply.step == (2, 7)
    talk("2", "2")
    assert talk.said[0] == "这就是第一步，前面没有了。" and talk.reply.step == (1, 7)


def test_back_from_the_end_tells_the_last_step_again(talk):
    talk("1", "2", "1", "1", "2")
    assert "第二步。" in talk.said and talk.reply.step == (2, 2)


def test_three_begins_the_list_again(talk):
    talk("1", "1", "1", "1", "3")
    assert talk.reply.step == (1, 7) and "一共七步。" in talk.said


def test_repeating_tells_the_same_step_without_the_introduction(talk):
    talk("1", "1", "1", "#")
    assert talk.said[0] == "第二步。" and "一共七步。" not in talk.said


def test_there_is_no_next_step_in_a_menu(talk):
    talk.do("next")
    assert talk.said[0] == "这里还没有下一步。" and "怎么查社保，按一。" in talk.said


# --- explanations ---------------------------------------------------------------------------------

def test_an_explanation_goes_on_only_when_asked(talk):
    talk("2", "3")
    assert talk.said[-1] == "还想听细一点，按一。" and "单位交的钱，现在都放进统筹了。" not in talk.said
    talk("1", "1")
    assert "单位交的钱，现在都放进统筹了。" in talk.said


def test_an_explanation_ends_and_offers_ways_on(talk):
    talk("2", "3", "1", "1", "1")
    assert "这件事讲完了。" in talk.said and "听细一点" not in talk.keys
    assert "这件事讲完了。" in talk("1").said


# --- waiting --------------------------------------------------------------------------------------

def test_a_pause_lasts_until_the_listener_ends_it(talk):
    talk("1", "1", "1").do("pause")
    assert talk.reply.state == "paused" and talk.reply.hint_after_s is None
    talk(NoInput(), NoMatch(), NoInput())
    assert talk.said == () and talk.reply.state == "paused"
    talk.hear("继续")
    assert talk.said[0] == "好，接着讲。" and "第二步。" in talk.said and talk.reply.step == (2, 7)
    assert talk.reply.hint_after_s == 10


STEP = "带上您的身份证，再带一张复印件。"
"""A sentence in the middle of the answer to the keys 1, 1, 1."""
PAUSE, RESUME, REPEAT = (Match(command=c) for c in ("pause", "resume", "repeat"))


def test_after_a_pause_inside_an_answer_the_rest_is_told_from_the_sentence_that_was_cut(talk):
    talk("1", "1", "1").during(STEP, PAUSE)
    assert talk.said[0] == "好，我等您。" and talk.reply.resumes is None
    talk(NoInput(), NoMatch(), RESUME)
    assert talk.said == ("好，接着讲。", STEP, "好了按一。") and talk.reply.resumes == 1
    assert talk.reply.step == (2, 7) and talk.session.held == ()


def test_the_hash_goes_on_in_the_sentence_too(talk):
    talk("1", "1", "1").during(STEP, PAUSE)("#")
    assert talk.said[1] == STEP and talk.reply.resumes == 1 and talk.reply.pace_cpm == 180


def test_who_asks_to_wait_again_and_again_loses_nothing(talk):
    talk("1", "1", "1").during(STEP, PAUSE).during("好，我等您。", PAUSE)(RESUME)
    assert talk.said[1:] == (STEP, "好了按一。")
    talk.during("好，接着讲。", PAUSE)(RESUME)
    assert talk.said == ("好，接着讲。", STEP, "好了按一。")
    talk.during("好了按一。", PAUSE)(RESUME)
    assert talk.said == ("好，接着讲。", "好了按一。")


def test_where_nothing_was_cut_the_place_is_told_again(talk):
    talk("1", "1", "1", PAUSE, RESUME)
    assert talk.said[:2] == ("好，接着讲。", "第二步。") and talk.reply.resumes is None


@pytest.mark.parametrize("between", [Rejoin(), Match(node="m2_med"), Key("1"), Key("7")], ids=repr)
def test_what_was_cut_is_forgotten_when_something_else_was_told(talk, between):
    talk("1", "1", "1").during(STEP, PAUSE)(between, PAUSE, RESUME)
    assert talk.reply.resumes is None


@pytest.mark.parametrize("revive", ["#", "9", Match(command="hello"), Match(command="resume"),
                                    Match(node="m5_hotline")])
def test_a_pause_ends_by_key_or_voice(talk, revive):
    talk("1", "1").do("pause")(revive)
    assert talk.said and talk.reply.state != "paused" and talk.reply.hint_after_s


def test_stop_says_goodbye_and_never_ends_the_talk(talk):
    talk("1", "1", "1").do("stop")
    assert talk.said[0] == "好，您先歇着，祝您身体好。" and talk.reply.hint_after_s is None
    talk(NoInput(), NoMatch(), NoMatch(), NoMatch(), NoMatch())
    assert talk.said == () and talk.reply.state == "waiting"


@pytest.mark.parametrize("key", list("1234567890*#"))
def test_after_stop_any_key_revives(talk, key):
    talk.do("stop")(key)
    assert talk.said and talk.reply.state not in ("waiting", "paused") and talk.reply.hint_after_s


# --- pace and loudness ----------------------------------------------------------------------------

def test_slower_and_louder_work_at_once_and_for_the_whole_talk(talk):
    talk("1", "1", "7")
    assert talk.said[0] == "好，我讲慢一点。" and "第一步。" in talk.said
    slow = talk.reply.pace_cpm
    assert slow < 180
    loud = talk("8").reply.loudness_db
    assert loud > 0
    talk("9", "2", "*").do("stop")("0")
    assert (talk.reply.pace_cpm, talk.reply.loudness_db) == (slow, loud)


@pytest.mark.parametrize("command, field, scale, limit", [
    ("slower", "pace_cpm", PACE_CPM[::-1], "已经是最慢的了。"),
    ("faster", "pace_cpm", PACE_CPM, "已经是最快的了。"),
    ("louder", "loudness_db", LOUDNESS_DB, "已经是最大声了。"),
    ("softer", "loudness_db", LOUDNESS_DB[::-1], "已经是最小声了。"),
])
def test_pace_and_loudness_have_limits_that_are_told(talk, command, field, scale, limit):
    values = [getattr(talk.do(command).reply, field) for _ in scale]
    assert values[-1] == values[-2] == scale[-1] and talk.said[0] == limit
    steps = [b - a for a, b in zip(values, values[1:])]
    assert all(s >= 0 for s in steps) or all(s <= 0 for s in steps)


def test_loudness_spans_at_least_eighteen_decibels():
    assert max(LOUDNESS_DB) - min(LOUDNESS_DB) >= 18


def test_a_listener_s_likes_are_taken_as_far_as_they_can_be_chosen():
    assert opening() == Session()
    assert opening("xiaofang", 140, -7) == Session(voice="xiaofang", pace_cpm=140, loudness_db=-7)
    odd = opening("", 9999, -9999)
    assert (odd.pace_cpm, odd.loudness_db) == (max(PACE_CPM), min(LOUDNESS_DB))


def test_another_voice_speaks_from_the_next_sentence_on(talk):
    talk("1", "1", "1", Voice("xiaofang"))
    assert talk.said[:2] == ("好，换这个声音讲。", "第二步。") and talk.reply.voice == "xiaofang"
    assert talk("9").reply.voice == "xiaofang"
    assert talk(Voice(None)).said[0] == "现在只有这一个声音。" and talk.reply.voice == "xiaofang"


# --- saying it again ------------------------------------------------------------------------------

def test_it_is_said_again_slower_and_the_next_time_slower_still(talk):
    talk("1", "1", "1")
    assert [talk("#").reply.pace_cpm for _ in range(3)] == [153, 130, 130]
    assert talk.said[:2] == ("第二步。", STEP) and talk.reply.own_pace_cpm == 180
    talk("1")
    assert talk.reply.pace_cpm == 180 and talk("#").reply.pace_cpm == 153


def test_silence_and_misunderstanding_do_not_make_it_quicker_again(talk):
    talk("1", "1", "#", NoMatch(), "#")
    assert talk.reply.pace_cpm == 130


def test_nothing_is_said_too_slowly(talk):
    talk("7", "7", "#", "#")
    assert talk.reply.pace_cpm == SLOWEST_CPM and talk.reply.own_pace_cpm == min(PACE_CPM)


def test_what_was_cut_is_said_again_from_that_sentence_on(talk):
    talk("1", "1", "1").during(STEP, REPEAT)
    assert talk.said == (STEP, "好了按一。") and talk.reply.pace_cpm == 153
    talk.during(STEP, "#")
    assert talk.said == (STEP, "好了按一。") and talk.reply.pace_cpm == 130


@pytest.mark.parametrize("keys, cut, content", [
    ("111", "好了按一。", STEP), ("1", "直接说也行。", "去大厅窗口查，按一。"),
    ("231", "还想听细一点，按一。", None)])
def test_the_last_content_is_in_what_is_said_again_even_if_a_remark_was_cut(talk, keys, cut, content):
    before = talk(*keys).said
    talk.during(cut, "#")
    assert (content or before[0]) in talk.said


def test_the_content_that_was_told_last_is_in_what_is_said_again(guide):
    for node in (n for n in guide.nodes.values() if not n.options and n.id not in guide.forms.forms):
        parts = (node.say, *(s.sentences for s in node.steps), *node.more)
        content, talk = {s.text for part in parts for s in part}, Talk(guide).ask(node.id)
        for _ in range(len(node.steps) or len(node.more) + 1):
            last = [text for text in talk.said if text in content][-1]
            assert last in talk("#").said, node.id
            talk("1")


def test_a_result_and_what_is_told_behind_it_are_said_again(guide):
    talk = Talk(guide).ask("m4_age")(Fill({"kind": "M60", "birth_year": "1969", "birth_month": "12"}), "1")
    result = talk.said
    assert result and talk("#").said == result
    for part in guide.nodes["m4_age"].more:
        assert part[-1].text in talk("1").said and part[-1].text in talk("#").said


def test_the_age_of_the_guide_is_said_again_too(guide):
    assert "有四处该重新核对了，讲到时我会提醒您。" in Talk(guide).ask("m5_about")("#").said


# --- silence --------------------------------------------------------------------------------------

def test_silence_gets_a_hint_then_fewer_choices_then_peace(talk):
    talk(NoInput())
    assert len(talk.said) == 1 and talk.reply.pace_cpm < 180 and talk.reply.node == ROOT
    talk(NoInput())
    options = [s for s in talk.said if "，按" in s]
    assert talk.said[0] == "没关系，我讲简单些。" and 0 < len(options) <= 3
    talk(NoInput())
    assert "不要紧，我在这里等您。" in talk.said
    assert talk.reply.state == "waiting" and talk.reply.hint_after_s is None
    assert talk(NoInput()).said == ()
    talk("2")
    assert talk.reply.node == "m2" and talk.reply.hint_after_s and talk.reply.pace_cpm == 180


@pytest.mark.parametrize("path, hint", [
    ("", "您慢慢想，想好了按个数字，或者直接说。"), ("11", "您慢慢做，做好了就说好了。"),
    ("23", "您还在听吗，没听清就按井号。")])
def test_the_hint_fits_the_place(talk, path, hint):
    assert talk(*path, NoInput()).said == (hint,)


def test_the_hint_in_a_question_fits(talk):
    assert talk(Ask(("m1", "m2")), NoInput()).said == ("您挑一样，说一声，或者按数字。",)


def test_silence_in_a_step_list_keeps_the_step(talk):
    talk("1", "1", "1", NoInput(), NoInput(), NoInput())
    assert talk.reply.step == (2, 7)
    assert talk("#").said[0] == "第二步。"


def test_silence_is_counted_anew_after_a_key(talk):
    talk(NoInput(), NoInput(), "1", NoInput())
    assert talk.said == ("您慢慢想，想好了按个数字，或者直接说。",)


# --- misunderstanding -----------------------------------------------------------------------------

def test_misunderstanding_gets_another_wording_choices_help_and_then_quiet(talk):
    assert talk(NoMatch()).said == ("换句话再讲一遍，要找人就按零。",)
    talk(NoMatch())
    assert talk.said[0] == "对不起，没听懂，您照下面的说就行。"
    assert sum("，按" in s for s in talk.said) == 3
    talk(NoMatch())
    assert talk.said[0] == "我还是没听懂，帮您找别的办法。" and talk.reply.node == HELP
    talk(NoMatch())
    assert talk.said == () and talk.reply.shown and talk.reply.hint_after_s


def test_success_resets_misunderstanding(talk):
    talk(NoMatch(), NoMatch(), "1", NoMatch())
    assert talk.said == ("换句话再讲一遍，要找人就按零。",)


def test_in_a_step_list_the_words_for_steps_are_named(talk):
    talk("1", "1", NoMatch())
    assert "上一步" in talk.said[0] and talk.reply.step == (1, 7)


def test_a_television_is_left_alone_in_the_end(talk):
    talk(NoMatch(), NoMatch(), NoMatch(), NoMatch())
    for _ in range(3):
        talk(NoInput(), NoMatch())
    assert talk.reply.state == "waiting"
    assert talk(NoMatch()).said == ()


def test_two_misunderstandings_at_help_do_not_lead_to_help_again(talk):
    talk("0", NoMatch(), NoMatch(), NoMatch())
    assert talk.reply.node == HELP and "我还是没听懂，帮您找别的办法。" not in talk.said


# --- questions ------------------------------------------------------------------------------------

DOUBT = Ask(("m2_med", "m2_pension", "m4_pension"))


def test_in_doubt_the_guide_asks_with_keys(talk):
    talk(DOUBT)
    assert talk.said[0] == "医保卡里的钱，养老金账户，还是退休金大概多少？"
    assert talk.reply.state == "ask" and talk.keys["都不是"] == "4"


@pytest.mark.parametrize("answer, node", [
    ("第一个", "m2_med"), ("按二", "m2_pension"), ("三", "m4_pension"), ("医保卡", "m2_med"),
    ("账户", "m2_pension"), ("大概多少", "m4_pension"), ("养老金账户", "m2_pension")])
def test_a_question_is_answered_by_voice(talk, answer, node):
    assert talk(DOUBT).hear(answer).reply.node == node
    assert talk.reply.state != "ask"


@pytest.mark.parametrize("key, node", [("1", "m2_med"), ("2", "m2_pension"), ("3", "m4_pension")])
def test_a_question_is_answered_by_key(talk, key, node):
    assert talk(DOUBT)(key).reply.node == node


@pytest.mark.parametrize("answer", ["都不是", "不是", "第四个"])
def test_none_of_them_invites_another_wording(talk, answer):
    talk(DOUBT).hear(answer)
    assert talk.said == ("好，不是这个，您换个说法再讲一遍。",)
    assert talk.reply.state == "menu" and talk.reply.node == ROOT


def test_after_none_of_them_the_next_misunderstanding_gets_choices(talk):
    talk(DOUBT, "4", NoMatch())
    assert talk.said[0] == "对不起，没听懂，您照下面的说就行。"


@pytest.mark.parametrize("answer", ["对", "是的", "要得", "按一", "好"])
def test_yes_confirms_a_single_candidate(talk, answer):
    talk(Ask(("m2_med",)))
    assert talk.said[0] == "您是想问医保卡里的钱，对吗？"
    assert talk.hear(answer).reply.node == "m2_med"


@pytest.mark.parametrize("answer", ["不对", "不是", "按二"])
def test_no_denies_a_single_candidate(talk, answer):
    talk(Ask(("m2_med",))).hear(answer)
    assert talk.reply.node == ROOT and talk.reply.state == "menu"


def test_a_question_may_be_passed_over_for_another_request(talk):
    assert talk(DOUBT).hear("打哪个电话").reply.node == "m5_hotline"


def test_star_takes_a_question_back_and_stays_at_the_step(talk):
    talk("1", "1", "1", DOUBT, "*")
    assert talk.reply.step == (2, 7) and talk.reply.state == "steps"


def test_a_wrong_key_in_a_question_asks_again(talk):
    talk(DOUBT, "5")
    assert talk.said[0] == "没有这一项，请再按一次。" and "都不是，按四。" in talk.said


def test_a_question_without_known_nodes_is_a_misunderstanding(talk):
    assert talk(Ask(("gone",))).said == talk.__class__(talk.guide)(NoMatch()).said


# --- correcting -----------------------------------------------------------------------------------

@pytest.mark.parametrize("correction, node", [
    ("不是这个，我问的是养老金账户", "m2_pension"), ("不对，我要开缴费证明", "m3_cert"),
    ("你听错了，我问的是打哪个电话", "m5_hotline")])
def test_a_correction_leads_elsewhere_and_says_so(talk, guide, correction, node):
    talk.ask("m2_med").hear(correction)
    assert talk.reply.node == node
    assert talk.said[0] == f"明白了，您问的是{guide.nodes[node].title}。"


# --- help -----------------------------------------------------------------------------------------

def test_help_leads_back_to_the_step_it_was_called_from(talk):
    talk("1", "1", "1", "1", "0")
    assert talk.reply.node == HELP and talk.said[0] == "您喊家里人，或者喊社区的人来帮忙。"
    talk("*")
    assert talk.said[0] == "回到去大厅窗口查。" and talk.reply.step == (3, 7)


def test_help_leads_back_to_the_part_of_an_explanation(talk):
    talk("2", "3", "1", "1", "0", "*")
    assert "单位交的钱，现在都放进统筹了。" in talk.said and talk.session.part == 2


def test_help_twice_still_leads_back(talk):
    talk("1", "1", "1", "0", "0", "1", "*")
    assert talk.reply.step == (2, 7)


# --- age of the facts -----------------------------------------------------------------------------

def reviewed(guide, day=REVIEW):
    """The guide with every review on that day, after all of its facts were checked."""
    facts = {name: replace(f, review=f.review and day) for name, f in guide.facts.items()}
    return replace(guide, facts=facts)


def told_figures(guide, today: datetime.date) -> list[str]:
    """What is said where the limits of a year are told."""
    talk = Talk(guide, today=today).ask("m2_base")
    talk("1")
    return talk("1").said


def test_of_a_stale_figure_it_is_said_behind_it_and_once(guide):
    assert STALE not in told_figures(reviewed(guide), TODAY)
    stale = told_figures(guide, TODAY)
    assert stale.count(STALE) == 1
    assert stale.index(STALE) > stale.index("二〇二五年湖南最高是两万零三百六十一元。")


def test_where_the_year_s_figure_is_not_known_that_is_said_first_and_once(guide):
    said = Talk(guide, today=TODAY).ask("m4_base").said
    assert said.index("今年的数，打幺二三三三问。") < said.index("二〇二五年湖南的基数，最低四千零七十二元。")
    assert STALE not in said


def test_only_of_what_rests_on_a_stale_fact_is_it_said(guide):
    talk = Talk(guide, today=TODAY).ask("m2_base")
    assert STALE not in talk.said
    assert STALE not in talk("1").said
    assert talk("1").said[3] == STALE


def test_a_fact_is_not_stale_on_its_very_day_of_review(guide):
    assert STALE not in told_figures(reviewed(guide), REVIEW)
    assert STALE in told_figures(reviewed(guide), REVIEW + datetime.timedelta(days=1))


@pytest.mark.parametrize("day", [datetime.date(1970, 1, 1), datetime.date(2025, 12, 31), datetime.date(2037, 1, 1)])
def test_where_the_clock_cannot_be_right_no_figure_is_called_current(guide, day):
    assert STALE in told_figures(reviewed(guide, datetime.date(2099, 1, 1)), day)
    assert "现在没有过期的数。" not in Talk(reviewed(guide), today=day).ask("m5_about").said


def test_the_guide_tells_its_own_age(guide):
    newest = max(fact.checked for fact in guide.facts.values())
    assert f"这些内容，最近一次核对是{date(newest)}。" in Talk(guide).ask("m5_about").said
    assert "有四处该重新核对了，讲到时我会提醒您。" in Talk(guide).ask("m5_about").said
    assert "现在没有过期的数。" in Talk(reviewed(guide)).ask("m5_about").said


# --- odds and ends --------------------------------------------------------------------------------

def test_a_key_without_meaning_is_answered_with_the_choices(talk):
    talk("5", "5", "5", "5")
    assert talk.said[0] == "没有这一项，请再按一次。" and "打哪个电话，按一。" in talk.said


def test_star_at_the_main_menu_stays_there(talk):
    assert talk("*").said[0] == "这里就是主菜单。" and talk.reply.node == ROOT


def test_who_was_cut_off_is_told_and_goes_on_where_they_were(talk):
    talk("1", "1", "1", Rejoin())
    assert talk.said[:2] == ("刚才断了一下，现在好了，我们接着讲。", "第二步。")


def test_a_fault_changes_nothing_but_is_told(talk):
    before = talk("1", "1", "1").session
    talk(Fault("error_audio"))
    assert talk.said[0] == "刚才的声音我没收到。" and talk.session == before


def test_yes_in_a_step_list_means_done(talk):
    assert talk("1", "1").hear("好").reply.step == (2, 7)


def test_the_same_turn_gives_the_same_answer(guide):
    session = Session(node="m2_med", part=1, visited=(ROOT,))
    assert advance(guide, session, Key("1"), TODAY) == advance(guide, session, Key("1"), TODAY)


# --- the session in the store ---------------------------------------------------------------------

@pytest.mark.parametrize("session", [
    Session(), Session(node="m1_counter", part=3, visited=(ROOT, "m1"), pace_cpm=140, loudness_db=6),
    Session(node=HELP, origin=("m1_counter", 2), no_match=3),
    Session(asked=("m1", "m2"), no_input=2), Session(paused=True), Session(waiting=True, done=True)])
def test_a_session_survives_the_store(session):
    assert Session.from_json(json.loads(json.dumps(session.to_json()))) == session


def test_a_session_of_another_version_is_read():
    data = {**Session(node="m2").to_json(), "colour": "green"}
    del data["origin"]
    assert Session.from_json(data) == Session(node="m2")


def without(guide, *gone):
    return replace(guide, nodes={i: n for i, n in guide.nodes.items() if i not in gone})


@pytest.mark.parametrize("outcome", [Key("#"), NoInput(), NoMatch(), Rejoin(), Match(command="next")])
def test_whose_node_vanished_begins_at_the_main_menu(guide, outcome):
    session = Session(node="x_auth", part=1, pace_cpm=140, loudness_db=6)
    guide = replace(guide, nodes={i: replace(n, options=()) if i == "m5_who" else n
                                  for i, n in without(guide, "x_auth").nodes.items()})
    after, reply = advance(guide, session, outcome, TODAY)
    assert reply.node == ROOT and reply.sentences
    assert (after.pace_cpm, after.loudness_db) == (140, 6)


def test_a_vanished_candidate_is_no_longer_offered(guide):
    after, _ = advance(without(guide, "m2_med"), Session(asked=("m2_med", "m1")), NoInput(), TODAY)
    assert after.asked == ("m1",)


def test_a_list_that_became_shorter_leads_to_its_last_step(guide):
    short = replace(guide.nodes["m1_counter"], steps=guide.nodes["m1_counter"].steps[:3])
    guide = replace(guide, nodes={**guide.nodes, "m1_counter": short})
    _, reply = advance(guide, Session(node="m1_counter", part=6), Key("#"), TODAY)
    assert reply.step == (3, 3)
    _, reply = advance(guide, Session(node=HELP, origin=("m1_counter", 6)), Key("*"), TODAY)
    assert reply.step == (3, 3)


def test_help_called_from_a_vanished_node_leads_to_the_main_menu(guide):
    session = Session(node=HELP, origin=("m1_counter", 2))
    _, reply = advance(without(guide, "m1_counter"), replace(session), Key("*"), TODAY)
    assert reply.node in (ROOT, "m1")


def test_a_request_for_an_unknown_node_is_a_misunderstanding(talk):
    assert talk(Match(node="gone")).said == ("换句话再讲一遍，要找人就按零。",)


# --- two requests in one breath ----------------------------------------------------------------------

TWO = Match(node="m2_med", then="m3_cert")


def test_the_first_of_two_requests_is_served_and_the_second_offered_when_it_is_told(talk):
    talk(TWO)
    assert talk.reply.node == "m2_med" and any("等下再讲" in s for s in talk.said)
    while talk.reply.node == "m2_med" and not any("要听就按一" in s for s in talk.said):
        talk.do("next")
    assert talk.reply.node == "m2_med" and "开缴费证明" in talk.keys
    talk("1")
    assert talk.reply.node == "m3_cert" and not talk.session.then


@pytest.mark.parametrize("answer", [Match(command="yes"), Match(command="next"), Key("1"), Match(command="resume")])
@pytest.mark.parametrize("first", ["m5_hotline", "m1_counter", "m2_base"])
def test_it_is_taken_by_voice_and_by_key_behind_every_kind_of_node(talk, first, answer):
    talk(Match(node=first, then="m3_cert"))
    for _ in range(20):
        if any("要听就按一" in s for s in talk.said):
            break
        talk.do("next")
    assert talk(answer).reply.node == "m3_cert"


def test_who_asks_for_something_else_is_not_held_to_it(talk):
    talk(TWO).ask("m4_age")
    assert not talk.session.then and not any("要听就按一" in s for s in talk.said)


def test_who_does_not_want_it_goes_on_as_usual(talk):
    talk(TWO)
    assert talk("*").reply.node == "m2" and talk("9").reply.node == ROOT


def test_a_second_request_that_the_guide_has_lost_is_forgotten(talk):
    talk.session = replace(talk.session, then="gone")
    assert talk("#").session.then == ""


# --- from others --------------------------------------------------------------------------------------

MESSAGE = Notice(7, "小芳", text="今天降温。多穿一件衣服")
SECTION = Notice(8, "小芳", node="m5_fraud")
NOTICE_KEYS = "好了按一，不听按二。"
HEARD, DECLINED = "好，我告诉他您听了。", "好，这个不听了。"


def test_a_message_is_read_out_and_asks_to_be_answered(talk):
    talk("1", "1", MESSAGE)
    assert talk.said == ("小芳有话跟您说。", "今天降温。", "多穿一件衣服。", NOTICE_KEYS)
    assert talk.reply.state == "notice" and sorted(talk.keys.values()) == ["1", "2"]
    assert talk.reply.node == "m1_counter" and talk.reply.step == (1, 7)


def test_a_section_is_announced_and_told_to_whoever_wants_it(talk, guide):
    assert talk(SECTION).said == ("小芳有话跟您说。", f"请您听一听{guide.nodes['m5_fraud'].title}。", NOTICE_KEYS)
    talk("1")
    assert talk.said[0] == HEARD and talk.reply.node == "m5_fraud"
    assert set(talk.said) >= {s.text for s in guide.nodes["m5_fraud"].say}


@pytest.mark.parametrize("answer, said, kept", [
    ("1", HEARD, "heard"), (Match(command="yes"), HEARD, "heard"), (Match(command="next"), HEARD, "heard"),
    (Match(key="1"), HEARD, "heard"), ("2", DECLINED, "declined"), (Match(command="no"), DECLINED, "declined")],
    ids=repr)
def test_a_notice_is_answered_by_key_and_by_voice_and_leads_back(talk, answer, said, kept):
    talk("1", "1", "1", MESSAGE, answer)
    assert talk.said[0] == said and talk.session.answered == kept and talk.session.notice is None
    assert talk.reply.step == (2, 7) and talk.reply.state == "steps"
    assert talk("#").session.answered == "", "it is told with one turn only"


@pytest.mark.parametrize("words, kept", [("好了", "heard"), ("要得", "heard"), ("不要", "declined"), ("不是", "declined")])
def test_a_notice_is_answered_in_words(talk, words, kept):
    assert talk(MESSAGE).hear(words).session.answered == kept


def test_a_declined_section_is_not_told(talk):
    assert talk(SECTION, "2").reply.node == ROOT and talk.said[0] == DECLINED


def test_a_question_that_was_open_is_asked_again_after_the_notice(talk):
    talk(Ask(("m1", "m2")), MESSAGE, "1")
    assert talk.session.asked == ("m1", "m2") and talk.reply.state == "ask"


def test_who_asks_for_something_else_goes_there_and_leaves_the_notice_unanswered(talk):
    talk(MESSAGE).ask("m2_med")
    assert talk.reply.node == "m2_med" and not talk.session.notice and not talk.session.answered
    assert talk.said[0] == "好，您问的是医保卡里的钱。"


@pytest.mark.parametrize("leave", ["9", "0", Match(command="stop"), Ask(("m1", "m2"))], ids=repr)
def test_a_notice_is_left_without_an_answer(talk, leave):
    talk(MESSAGE, leave)
    assert not talk.session.notice and not talk.session.answered and talk.reply.state != "notice"


def test_the_star_leaves_a_notice_and_stays_where_the_listener_was(talk):
    talk("1", "1", "1", MESSAGE, "*")
    assert not talk.session.notice and not talk.session.answered and talk.reply.step == (2, 7)


@pytest.mark.parametrize("again", ["#", Match(command="repeat"), Match(command="hello"), Rejoin()], ids=repr)
def test_a_notice_is_read_again(talk, again):
    talk("1", "1", MESSAGE, again)
    assert talk.said[-4:] == ("小芳有话跟您说。", "今天降温。", "多穿一件衣服。", NOTICE_KEYS)
    assert talk.session.notice == MESSAGE


def test_silence_after_a_notice_asks_again_and_then_waits_with_it(talk):
    assert talk(MESSAGE, NoInput()).said == (NOTICE_KEYS,)
    assert NOTICE_KEYS in talk(NoInput()).said
    assert talk(NoInput()).reply.state == "waiting"
    assert talk("1").said[0] == HEARD and talk.session.answered == "heard"


def test_a_key_without_meaning_in_a_notice_asks_again(talk):
    talk.ask("m2_med")
    talk(MESSAGE, "5")
    assert talk.said[-1] == NOTICE_KEYS and talk.session.notice == MESSAGE


def test_a_notice_wakes_who_rests(talk):
    assert talk(Match(command="pause"), MESSAGE).reply.state == "notice"
    assert talk("9", Match(command="stop"), MESSAGE).reply.state == "notice"


def test_another_notice_takes_the_place_of_the_first(talk):
    assert talk(MESSAGE, SECTION).session.notice == SECTION and talk("1").reply.node == "m5_fraud"


def test_a_notice_of_a_section_that_the_guide_has_lost_is_dropped(talk):
    talk(SECTION)
    talk.session = replace(talk.session, notice=Notice(8, "小芳", node="gone"))
    assert talk("#").session.notice is None and talk.reply.state == "menu"


def test_back_in_a_notice_moves_no_step(talk):
    talk("1", "1", "1", MESSAGE).do("back")
    assert talk.session.part == 1


@pytest.mark.parametrize("notice", [MESSAGE, SECTION], ids=["text", "node"])
def test_a_session_with_a_notice_survives_the_store(talk, notice):
    talk(notice)
    stored = Session.from_json(json.loads(json.dumps(talk.session.to_json())))
    assert stored == talk.session and stored.notice == notice
    talk.session = stored
    assert talk("1").session.answered == "heard"


def test_a_notice_of_another_version_is_read():
    data = Session(notice=MESSAGE).to_json()
    assert Session.from_json({**data, "notice": {**data["notice"], "colour": "green"}}).notice == MESSAGE


# --- what only the service knows ----------------------------------------------------------------------

def test_what_is_told_is_followed_by_what_can_be_done(talk):
    talk("1", "1", "1", Told("looked_by", {"names": "小芳、老李"}))
    assert talk.said[0] == "这个月看过的人有，小芳、老李。" and talk.reply.state == "steps"
    assert talk.said[-1] == talk("*", Match(node="m1_counter"), "1", Told("looked_nobody")).said[-1]
    assert talk.reply.step == (2, 7)


def test_what_is_to_be_written_down_is_the_last_thing_said(talk):
    talk(Told("pair_code", {"code": "三〇，四五，幺二"}, shown=("304512",)))
    assert talk.reply.shown == ("304512",) and "三〇，四五，幺二。" in talk.said
    assert talk.said[-1] == "十分钟里有用，屏幕上也写着。" and talk.reply.choices


@pytest.mark.parametrize("command, said", [
    ("pair", "要连家里人，请点屏幕上的连家人。"), ("looked", "这台机器没有连着别人，没有人看您的记录。"),
    ("private", "您放心，这里没有人看您的记录。"), ("share", "这台机器还没有连家里人。")])
def test_without_a_device_the_truth_is_told_and_it_goes_on(talk, command, said):
    talk("1", "1").do(command)
    assert talk.said[0] == said and len(talk.said) > 1 and talk.reply.step == (1, 7)
    assert talk("1").reply.step == (2, 7)


def test_somebody_who_cares_is_named_when_help_is_called_and_only_then(talk):
    noted = "您要人帮忙，我记下了，照看您的人看得到。"
    assert noted not in talk("0").said and noted not in talk.ask(HELP).said
    talk.session = replace(talk.session, cared=True)
    assert talk("0").said[0] == noted and talk.ask(HELP).said[0] == noted
    assert noted not in talk("9", NoMatch(), NoMatch(), NoMatch()).said, "nobody called"


# --- settings from afar ---------------------------------------------------------------------------------

@pytest.mark.parametrize("wait_s", [WAIT_S[0], WAIT_S[-1]])
def test_the_hint_comes_after_the_silence_that_was_chosen(talk, wait_s):
    talk.session = replace(talk.session, wait_s=wait_s)
    assert talk("1").reply.hint_after_s == wait_s == talk(NoInput()).reply.hint_after_s
    assert talk.do("pause").reply.hint_after_s is None


def detailed(guide, detail, *outcomes):
    talk = Talk(guide)
    talk.session = replace(Session(), detail=detail)
    return talk(*outcomes)


def test_who_wants_few_words_hears_the_brief_form_and_no_prompts_of_use(guide):
    short, usual = (detailed(guide, detail, Start()) for detail in ("short", "usual"))
    assert len("".join(short.said)) < len("".join(usual.said)) and short.keys == usual.keys
    assert short.said[0] == guide.nodes[ROOT].brief[0].text
    short, usual = (detailed(guide, detail, Match(node="m1_counter")) for detail in ("short", "usual"))
    assert short.said[-1] != usual.said[-1] and "第一步。" in short.said and short.reply.step == (1, 7)


def test_who_wants_all_hears_the_first_further_part_at_once(guide):
    node = guide.nodes["m2_med"]
    full, usual = (detailed(guide, detail, Match(node="m2_med")) for detail in ("full", "usual"))
    more = [s.text for s in node.more[0]]
    assert set(more) <= set(full.said) and not set(more) & set(usual.said)
    assert full("1").session.part == min(2, len(node.more)), "and goes on behind it"
    assert set(more) & set(usual("1").said)


def test_the_steps_are_all_told_at_every_detail(guide):
    for detail in ("short", "usual", "full"):
        talk = detailed(guide, detail, Match(node="m1_kiosk"))
        assert talk.reply.step == (1, 2) and talk("1").reply.step == (2, 2)
