"""How a form is asked, answered by keys and by voice, corrected and left."""

import datetime

import pytest

from service.core.dialog import Fill, Key, Match, NoInput, NoMatch, Notice, Rejoin, Session, advance
from service.core.form import ASK, CHECK, LONGEST_ENTRY, OPEN, TOLD, WHICH
from service.core.understanding import Expectation
from service.core.wording import unjointed

TODAY = datetime.date(2026, 11, 30)
MAN = {"kind": "M60", "birth_year": "1969", "birth_month": "12"}
YEAR, MONTH, PAID = "您是哪一年出生的？", "是几月出生的？", "养老您一共交了多少年，零几个月？"


class Talk:
    """A talk in which one thing is done after the other."""

    def __init__(self, guide, understanding, node, today=TODAY, **answers):
        self._guide, self._understanding, self.today = guide, understanding, today
        self.session = Session(answers=answers)
        self.do(Match(node=node))

    def do(self, outcome):
        self.session, self.reply = advance(self._guide, self.session, outcome, self.today)
        return self

    def press(self, keys):
        for key in keys:
            self.do(Key(key))
        return self

    def say(self, text):
        return self.do(self._understanding.interpret(text, Expectation.of(self.session, self.today)))

    @property
    def form(self):
        return self.session.form

    @property
    def answers(self):
        return dict(self.session.answers)

    def heard(self, *sentences):
        """True if all of these were said."""
        return set(sentences) <= {unjointed(s) for s in self.reply.sentences}


@pytest.fixture
def talk(guide, understanding):
    return lambda node="m4_age", **answers: Talk(guide, understanding, node, **answers)


@pytest.fixture
def prompt(guide):
    return lambda name: guide.prompts[name]


# --- asking ---------------------------------------------------------------------------------------

def test_a_question_at_a_time_and_only_what_is_not_known(talk):
    assert talk().form.field == "kind"
    assert talk(kind="M60").form.field == "birth_year"
    assert talk("m4_gap", **MAN).form.field == "months"
    assert talk("m4_medgap", **MAN).form.field == "med_months"


def test_what_is_known_already_is_told_without_being_asked(talk, prompt):
    one = talk(**MAN)
    assert one.form.stage == TOLD and one.heard(*prompt("form_kept"))


@pytest.mark.parametrize("later", ["m4_age", "m4_base"])
def test_the_way_of_answering_is_explained_once_a_talk(talk, prompt, later):
    one = talk()
    assert one.heard(*prompt("form_start"))
    assert not one.do(Match(node="m4")).do(Match(node=later)).heard(*prompt("form_start"))


def test_what_is_asked_can_be_seen(talk):
    one = talk()
    assert [c.label for c in one.reply.choices] == ["男的", "女的", "农村的"] and one.reply.entry is None
    assert one.press("1").reply.choices == () and one.reply.entry == ""
    one.say("六九年十二月")
    assert [c.key for c in one.reply.choices] == ["1", "2"]


def test_what_is_said_about_oneself_is_private_and_not_stored(talk):
    one = talk().press("1")
    assert one.reply.private and one.session.to_json()["answers"] == {}
    one.say("六九年十二月").say("对")
    assert one.reply.private and one.form.stage == TOLD


@pytest.mark.parametrize("node", ["m4_age", "m4_gap", "m4_pension", "m4_medgap"])
def test_who_it_is_has_three_answers_and_only_a_woman_is_asked_which_age(talk, node):
    one = talk(node)
    assert [c.label for c in one.reply.choices] == ["男的", "女的", "农村的"]
    assert one.press("1").form.field != "woman"
    assert node == "m4_medgap" or talk(node).press("2").form.field == "woman"


def test_what_was_said_is_not_asked(talk):
    one = talk("m2_med").say("六六年三月，男，几时退休")
    assert one.form.stage == CHECK and one.heard("您是男的。", "一九六六年三月出生。")


def test_nobody_is_told_of_no_months(talk):
    one = talk("m4_gap", **MAN).say("冇交过")
    assert one.heard("养老还没有交过。") and "零个月" not in "".join(one.reply.sentences)
    one = talk("m4_medgap", **MAN).say("十年").say("冇交过")
    assert one.heard("医保一共交了十年。", "在湖南还没有交过。")
    assert talk("m4_gap", **MAN).say("冇交过").say("不对，三年").say("不对，冇交过").heard("好，改成养老还没有交过。")


# --- keys -------------------------------------------------------------------------------------------

def test_digits_gather_silently_until_the_hash(talk):
    one = talk(kind="M60").press("1969")
    assert (one.reply.entry, one.reply.sentences) == ("1969", ())
    assert one.press("#").heard("好，一九六九年。", MONTH)


def test_at_a_number_all_digits_are_digits(talk):
    one = talk(kind="M60").press("890")
    assert one.reply.entry == "890" and one.reply.node == "m4_age"


def test_the_star_erases_and_then_goes_back(talk, prompt):
    one = talk().press("1196*")
    assert one.reply.entry == "" and one.heard(*prompt("form_erased"))
    assert one.press("*").form.field == "kind" and "kind" not in one.answers
    assert one.press("*").reply.node == "m4"


def test_a_hash_alone_asks_again(talk):
    assert talk(kind="M60").press("#").heard(YEAR)


@pytest.mark.parametrize("keys, months", [("1402#", "170"), ("12#", "144"), ("0#", OPEN), ("1200#", "144")])
def test_years_and_months_by_keys(talk, keys, months):
    assert talk("m4_gap", **MAN).press(keys).answers["months"] == months


@pytest.mark.parametrize("keys", ["999#", "9999#", "99999999#"])
def test_keyed_numbers_that_cannot_be_are_asked_again(talk, prompt, keys):
    one = talk("m4_gap", **MAN).press(keys)
    assert one.heard(*prompt("form_range")) and one.form.field == "months" and "months" not in one.answers
    assert one.reply.entry == ""


def test_an_entry_has_a_limit(talk, prompt):
    one = talk("m4_gap", **MAN).press("9" * LONGEST_ENTRY)
    assert len(one.reply.entry) == LONGEST_ENTRY
    assert one.press("9").heard(*prompt("form_range")) and one.reply.entry == ""


def test_good_ends_an_entry_too(talk):
    assert talk(kind="M60").press("1969").say("好了").answers["birth_year"] == "1969"


def test_a_spoken_answer_goes_before_a_begun_entry(talk):
    one = talk(kind="M60").press("19").say("六九年")
    assert one.answers["birth_year"] == "1969" and one.reply.entry == ""


def test_a_wrong_key_at_a_choice(talk, prompt):
    one = talk("m4_base").press("5")
    assert one.heard(*prompt("key_unknown")) and one.form.field == "work"


@pytest.mark.parametrize("key, node", [("9", "root"), ("0", "help")])
def test_the_keys_for_everything_work_at_a_choice(talk, key, node):
    assert talk().press(key).reply.node == node


# --- reading back and correcting ---------------------------------------------------------------------

def test_what_was_heard_is_read_back_before_the_result(talk):
    one = talk(kind="M60").say("六九年十二月")
    assert one.form.stage == CHECK and one.heard("您是男的。", "一九六九年十二月出生。")
    assert one.press("1").form.stage == TOLD and one.reply.state == "leaf"


@pytest.mark.parametrize("node, answer", [("m4_pension", "我是农村养老的"), ("m4_base", "农村的"), ("m4_age", "公务员")])
def test_nothing_is_read_back_where_no_figure_follows(talk, prompt, node, answer):
    one = talk(node).say(answer)
    assert one.form.stage == TOLD and not one.heard(*prompt("form_check"))


def test_what_was_wrong_is_chosen_and_asked_again(talk):
    one = talk("m4_gap", **MAN).say("十四年").press("2")
    assert one.form.stage == WHICH and [c.key for c in one.reply.choices] == ["1", "2", "3"]
    one.press("3")
    assert one.form.field == "months" and one.heard(PAID)
    assert one.say("十五年").heard("养老一共交了十五年。")


def test_a_wrong_month_takes_the_year_with_it(talk):
    one = talk().say("男的").say("六九年十二月").press("22")
    assert one.heard(YEAR) and one.answers == {"kind": "M60"}


def test_another_year_asks_for_the_month_again(talk):
    one = talk(kind="M60").say("六九年十二月").say("不对，是七零年")
    assert one.form.field == "birth_month" and one.heard(MONTH)


@pytest.mark.parametrize("said, asked, kind", [
    ("不是男的，是女的", "woman", "F"), ("不对，我是女的", "woman", "F"), ("错了，是女的", "woman", "F"),
])
def test_what_is_refused_is_not_the_answer(talk, said, asked, kind):
    one = talk().press("1").say(said)
    assert one.answers.get("kind") == kind and one.form.field == asked


def test_what_is_only_refused_is_not_taken(talk):
    assert talk().say("我不是女的").answers.get("kind") in (None, "M60")
    assert talk().press("1").say("我不是男的").answers.get("kind") != "M60"


def test_no_while_a_question_is_open_takes_back_the_last_answer(talk, prompt):
    one = talk().press("1").say("不对")
    assert one.heard(*prompt("form_back")) and one.form.field == "kind" and one.answers == {}


def test_another_case_after_the_result(talk):
    one = talk(**MAN).say("要是七零年五月的呢")
    assert one.form.stage == CHECK and one.heard("一九七〇年五月出生。")
    assert one.answers["kind"] == "M60"


def test_another_wage_after_the_result(talk):
    one = talk("m4_base", work="employee", wage="5000").say("要是三千块呢")
    assert one.answers["wage"] == "3000"


# --- what cannot be -----------------------------------------------------------------------------------

def test_what_cannot_be_is_asked_in_other_words(talk, prompt, guide):
    one = talk("m4_gap", **MAN).say("九百九十九个月")
    assert one.heard(*prompt("form_range"), *guide.forms.fields["months"].again)
    assert not one.heard(*prompt("form_skip"))
    assert one.say("一千个月").heard(*prompt("form_skip"))


@pytest.mark.parametrize("node, answers, said", [("m4_base", {"work": "employee"}, ("负五百", "一个亿")),
                                                 ("m4_pension", {**MAN, "months": "170", "index": "1"},
                                                  ("负六万", "一个亿"))])
def test_after_two_amounts_that_cannot_be_the_question_may_be_left_open(talk, prompt, node, answers, said):
    one = talk(node, **answers)
    for text in said:
        one.say(text)
    assert one.heard(*prompt("form_skip"))


def test_a_future_year_takes_no_month_with_it(talk, prompt):
    one = talk("m4_gap", kind="M60", birth_year="1969").say("二零三零年五月")
    assert one.heard(*prompt("form_future")) and "birth_month" not in one.answers


@pytest.mark.parametrize("text", ["二零三零年五月", "二月三十一号", "腊月", "我今年六十一", "九百九十九个月"])
def test_what_cannot_be_at_the_check_is_answered_too(talk, text):
    one = talk("m4_gap", **MAN).say("十四年")
    assert one.form.stage == CHECK
    one.say(text)
    assert one.reply.sentences and one.form.stage in (ASK, CHECK)


def test_retired_at_the_medical_years_and_a_husband_afterwards(talk):
    one = talk("m4_medgap").say("我已经退休了").do(Match(node="m4_age")).say("我老公")
    assert one.do(Match(node="m4_medgap")).reply.sentences


@pytest.mark.parametrize("text", ["没有这回事", "十几年", "十五六年", "不清不楚的", "abc", "9", "一百万个亿"])
def test_no_text_leaves_the_form_with_a_wrong_answer(talk, text):
    one = talk("m4_pension", kind="M60", birth_year="1969", birth_month="12").say(text)
    assert one.reply.sentences and one.answers.get("months") in (None, OPEN, "108")


@pytest.mark.parametrize("name, answers", [("kind", {}), ("birth_year", {"kind": "M60"}),
                                           ("birth_month", {"kind": "M60", "birth_year": "1969"})])
def test_not_knowing_what_must_be_known_stays_at_the_question(talk, guide, name, answers):
    field, one = guide.forms.fields[name], talk(**answers).say("不晓得")
    assert one.reply.node == "m4_age" and one.form.field == name and one.heard(*field.unsure, *field.again)


# --- silence, pause, repeat ---------------------------------------------------------------------------

def test_silences_say_it_in_other_words_then_wait(talk, guide, prompt):
    one = talk(kind="M60").do(NoInput())
    assert one.heard(*guide.forms.fields["birth_year"].again, *prompt("form_help"))
    assert one.reply.pace_cpm < one.reply.own_pace_cpm
    assert one.do(NoInput()).do(NoInput()).reply.state == "waiting"
    assert one.say("你好").heard(YEAR) and one.form.stage == ASK


def test_the_second_silence_tells_that_the_question_may_be_left_open(talk, prompt):
    one = talk("m4_gap", **MAN).do(NoInput())
    assert one.heard(*prompt("form_help")) and not one.heard(*prompt("form_skip"))
    assert one.do(NoInput()).heard(*prompt("form_skip"))
    assert not talk(kind="M60").do(NoInput()).do(NoInput()).heard(*prompt("form_skip")), "the year must be known"


def test_a_silence_in_an_entry_tells_how_it_ends(talk, prompt):
    one = talk(kind="M60").press("19").do(NoInput())
    assert one.heard(*prompt("form_entry")) and one.reply.entry == "19"


def test_a_silence_at_the_check(talk, prompt):
    assert talk(kind="M60").say("六九年十二月").do(NoInput()).heard(*prompt("form_check_keys"))


def test_noise_beside_the_machine_comes_to_rest(talk):
    one = talk(kind="M60")
    for _ in range(4):
        one.do(NoMatch())
    assert one.reply.sentences == () and one.form.field == "birth_year"


@pytest.mark.parametrize("again", ["再说一遍", "没听清"])
def test_a_question_is_repeated_more_slowly(talk, again):
    one = talk(kind="M60").say(again)
    assert one.heard(YEAR) and one.reply.pace_cpm < one.reply.own_pace_cpm


def test_the_result_is_repeated(talk):
    one = talk(**MAN)
    result = [unjointed(s) for s in one.reply.sentences if "二〇三一年" in s]
    assert result and one.say("再说一遍").heard(*result) and one.form.stage == TOLD


def test_a_pause_in_the_middle(talk):
    one = talk(kind="M60").say("等一下")
    assert one.reply.state == "paused" and one.say("继续").reply.state == "form"
    assert one.say("六九年").answers["birth_year"] == "1969"


def test_a_cut_line_comes_back_to_the_question(talk):
    assert talk(kind="M60").do(Rejoin()).heard(YEAR)


# --- elsewhere and back ---------------------------------------------------------------------------------

def test_a_notice_between_two_questions(talk):
    one = talk(kind="M60").do(Notice(1, "孙女小芳", text="晚上回来吃饭。"))
    assert one.reply.state == "notice"
    assert one.press("1").session.answered == "heard" and one.heard(YEAR) and one.reply.state == "form"


def test_help_and_back(talk):
    one = talk().say("找人帮忙")
    assert one.reply.node == "help"
    assert one.press("*").reply.node == "m4_age" and one.form.field == "kind"


def test_who_comes_back_goes_on_where_they_were(talk, prompt):
    one = talk().say("男的").do(Match(node="m2_med")).do(Match(node="m4_age"))
    assert one.heard(*prompt("form_kept"), YEAR) and one.answers == {"kind": "M60"}


def test_an_answer_counts_for_every_calculator_until_the_talk_ends(talk):
    one = talk(**MAN).do(Match(node="m4_gap"))
    assert one.form.field == "months"
    one.say("不问了")
    assert one.answers == {} and one.form is None


def test_from_the_beginning_forgets_the_answers(talk):
    one = talk("m4_gap", **MAN).do(Match(command="first"))
    assert one.answers == {} and one.form.field == "kind"


def test_rules_are_told_part_by_part_and_the_question_comes_again(talk, guide):
    one, more = talk(kind="M60"), guide.nodes["m4_age"].more
    assert one.say("讲讲规矩").heard(more[0][0].text, YEAR)
    assert one.say("讲讲规矩").heard(more[1][0].text, YEAR) and one.form.field == "birth_year"


def test_why_it_is_asked_is_told_and_the_question_comes_again(talk, prompt):
    one = talk(kind="M60").say("你问这个做什么")
    assert one.heard(*prompt("form_why"), YEAR) and one.form.field == "birth_year"


def test_leaving(talk):
    assert talk(kind="M60").say("不算了").reply.node == "m4"


@pytest.mark.parametrize("text", ["算了", "算了吧", "还是算了", "那算了", "算了算了", "算了，不问了"])
def test_never_mind_opens_no_calculator(talk, text):
    assert talk("m2_med").say(text).reply.state == "waiting"
    assert talk(**MAN).say(text).reply.state == "waiting"
    assert talk(kind="M60").say(text).reply.node in ("m4", "root")


def test_after_the_result_the_rule_can_be_heard(talk, guide):
    one = talk(**MAN).press("1")
    assert one.heard(guide.nodes["m4_age"].more[0][0].text) and one.press("*").reply.node == "m4"


def test_answers_of_a_form_that_is_not_open_are_not_taken(talk):
    one = talk().do(Match(node="m2_med")).do(Fill({"kind": "M60"}))
    assert one.answers == {} and one.reply.node == "m2_med"


def test_a_slip_of_the_finger_to_somebody_outside_the_rules_can_be_taken_back(talk):
    one = talk("m4_pension").press("3")
    assert one.form.stage == "told" and one.say("不对").form.field == "kind"
    assert talk("m4_pension").press("3").say("从头来").form.field == "kind"
