"""What is read as an answer: to the question that is open, and in what people tell before it."""

import datetime

import pytest

from service.core.answers import answer_reader
from service.core.form import EXPLAIN, LEAVE, OPEN, UNSURE, WHY

TODAY = datetime.date(2026, 11, 30)
MAN = {"kind": "M60", "birth_year": "1969", "birth_month": "12"}


@pytest.fixture(scope="module")
def read(guide):
    """What a text answers at a node: (values, problem)."""
    def read(text, node="m4_gap", asked="", answers=None):
        found = answer_reader(guide).read(text, node, asked, answers or {}, TODAY)
        return dict(found.values), found.problem
    return read


def table(rows: str) -> list[tuple[str, str]]:
    """(text, meaning) of lines such as "六五年 = 1965; 六六年 = 1966"."""
    pairs = (row.split(" = ") for line in rows.strip().splitlines() for row in line.strip().split("; "))
    return [(text, meaning) for text, meaning in pairs]


# --- the open question ------------------------------------------------------------------------------

@pytest.mark.parametrize("text, kind", table("""
    男的 = M60; 男 = M60; 我是男的咯 = M60; 老倌子 = M60; 我老公 = M60; 女的 = F; 女同志 = F; 我堂客 = F; 帮我堂客问的 = F; 给我妈问的 = F
    女干部 = F55; 女工 = F50; 女的，工人 = F50; 女的，分不清 = FX; 作田的 = resident; 我是农民 = resident; 新农保 = resident
    我是下井的 = special; 特殊工种 = special; 病退的 = sick; 公务员 = official; 我早就退休了 = retired; 我已经退了 = retired
    堂客 = F; 女的，原来五十退的 = F50; 我在机关上班的 = official; 机关里的 = official
"""))
def test_who_it_is(read, text, kind):
    assert read(text, "m4_age", "kind") == ({"kind": kind}, "")


@pytest.mark.parametrize("text, kind", table("""
    五十五 = F55; 五十 = F50; 五十岁 = F50; 五十五退 = F55; 工人 = F50; 干部 = F55; 分不清 = FX; 不晓得 = FX; 哪个晓得咯 = FX; 两种都算 = FX
"""))
def test_which_kind_of_woman(read, text, kind):
    assert read(text, "m4_age", "woman", {"kind": "F"}) == ({"kind": kind}, "")


@pytest.mark.parametrize("text, year", table("""
    六五年 = 1965; 六五 = 1965; 1965 = 1965; 一九六五 = 1965; 我是四九年的 = 1949; 属龙的，六四年 = 1964; 身份证上是六五年 = 1965
"""))
def test_the_year_of_birth(read, text, year):
    assert read(text, "m4_age", "birth_year", {"kind": "M60"}) == ({"birth_year": year}, "")


def test_the_month_may_come_with_the_year(read):
    assert read("六五年五月十二", asked="birth_year") == ({"birth_year": "1965", "birth_month": "5"}, "")


@pytest.mark.parametrize("text, month", table("五月 = 5; 五 = 5; 12 = 12; 十二月份 = 12; 五月二十号 = 5; 阳历五月 = 5"))
def test_the_month_of_birth(read, text, month):
    assert read(text, asked="birth_month", answers={"birth_year": "1965"}) == ({"birth_month": month}, "")


@pytest.mark.parametrize("text, months", table("""
    十二年 = 144; 十二年三个月 = 147; 一百四十七个月 = 147; 1203 = 147; 十四年半 = 174; 差两个月十五年 = 178; 二十多年 = 240; 冇交过 = 0
    一天都没交 = 0; 工龄三十年 = 360; 交了十五年 = 180; 147 = 147; 12 = 144
"""))
def test_months_that_were_paid(read, text, months):
    assert read(text, asked="months", answers=MAN) == ({"months": months}, "")


@pytest.mark.parametrize("text, months", table("""
    零三个月 = 147; 再加三个月 = 147; 还要加一年 = 156; 十二年零三个月 = 147; 三个月 = 3
"""))
def test_months_on_top_of_those_that_were_told_are_added(read, text, months):
    assert read(text, answers={**MAN, "months": "144"}) == ({"months": months}, "")


def test_months_that_were_wrong_are_replaced_and_the_years_stay(read):
    assert read("零三个月", answers={**MAN, "months": "146"})[0] == {"months": "147"}
    assert read("再加三个月", answers={**MAN, "months": "146"})[0] == {"months": "149"}


def test_months_on_top_go_to_what_was_told_last(read):
    assert read("零三个月", "m4_medgap", "med_local", {"sex": "F", "med_months": "240"})[0] == {"med_months": "243"}
    assert read("零三个月", asked="months", answers=MAN)[0] == {"months": "3"}


@pytest.mark.parametrize("text", ["六六年三月，男，几时退休", "六六年三月男几时退休", "男，六六年三月"])
def test_a_sex_of_one_character_is_heard_in_a_sentence(read, text):
    assert read(text, "m4_age")[0] == {"kind": "M60", "birth_year": "1966", "birth_month": "3"}


@pytest.mark.parametrize("text", ["我女儿六六年三月生", "我孙女问的", "六六年三月的女儿", "男朋友"])
def test_a_sex_inside_another_word_is_none(read, text):
    assert "kind" not in read(text, "m4_age")[0]


@pytest.mark.parametrize("text, amount", table("""
    六万 = 60000; 六万多 = 60000; 六万五 = 65000; 四千零七十二块五 = 4072.5; 60000 = 60000; 冇得钱 = 0; 四千零七十二块五毛三 = 4072.53
"""))
def test_an_amount(read, text, amount):
    assert read(text, "m4_pension", "balance", MAN) == ({"balance": amount}, "")


@pytest.mark.parametrize("text, year", table("明年 = 2027; 二七年 = 2027; 2027 = 2027; 过两年 = 2028; 今年 = 2026"))
def test_a_year_to_come(read, text, year):
    assert read(text, "m4_medgap", "med_year", {"sex": "F"}) == ({"med_year": year}, "")


@pytest.mark.parametrize("text", ["都是", "全部", "都在衡阳交的", "都是在湖南交的"])
def test_all_of_it_was_paid_here(read, text):
    assert read(text, "m4_medgap", "med_local", {"med_months": "260"}) == ({"med_local": "260"}, "")


@pytest.mark.parametrize("text", ["不晓得", "我不晓得", "冇得数", "不记得了", "哪个晓得", "0"])
@pytest.mark.parametrize("node, name", [("m4_gap", "months"), ("m4_pension", "balance"), ("m4_pension", "index"),
                                        ("m4_base", "wage"), ("m4_medgap", "med_year"), ("m4_medgap", "med_local")])
def test_what_can_be_left_open(read, text, node, name):
    assert read(text, node, name)[0].get(name) == OPEN


@pytest.mark.parametrize("name", ["birth_year", "birth_month"])
def test_without_a_birth_nothing_can_be_computed(read, name):
    assert read("不晓得", asked=name) == ({}, UNSURE)


# --- what is no answer --------------------------------------------------------------------------------

@pytest.mark.parametrize("asked, text, problem", [
    ("birth_year", "二零三零年", "form_future"), ("birth_year", "我今年六十一", "form_age"),
    ("birth_year", "虚岁六十二", "form_age"), ("birth_year", "一五年", "form_range"),
    ("birth_year", "430402196512050011", "form_no_id"), ("birth_year", "4304 0219 6512 0500 1X", "form_no_id"),
    ("birth_month", "二月三十一号", "form_no_day"), ("birth_month", "腊月", "form_lunar"),
    ("birth_month", "农历五月", "form_lunar"), ("birth_month", "十三月", "form_range"), ("birth_month", "0", "form_unsure"),
    ("birth_month", "负三", "form_range"), ("months", "九百九十九个月", "form_range"),
    ("months", "负五年", "form_range"), ("months", "999999999", "form_range"),
])
def test_what_cannot_be_has_a_reason_and_no_value(read, asked, text, problem):
    assert read(text, asked=asked, answers={**MAN, asked: "1"}) == ({}, problem)


@pytest.mark.parametrize("text", ["负六万", "一个亿", "100000000"])
def test_money_that_cannot_be(read, text):
    assert read(text, "m4_pension", "balance", MAN) == ({}, "form_range")


def test_more_months_here_than_in_all(read):
    answers = {"sex": "F", "med_year": "2027", "med_months": "120"}
    assert read("二十年", "m4_medgap", "med_local", answers) == ({}, "form_range")


def test_a_lunar_month_keeps_the_year(read):
    assert read("六五年腊月", asked="birth_year") == ({"birth_year": "1965"}, "form_lunar")


@pytest.mark.parametrize("text", ["", "。", "abc", "龙", "十五六年", "几万块", "今天天气好", "👴", "年" * 500, "一" * 14])
@pytest.mark.parametrize("asked", ["", "kind", "birth_year", "months"])
def test_what_says_nothing_is_nothing(read, text, asked):
    values, _ = read(text, asked=asked)
    assert not values


# --- in a story ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("node, text, values", [
    ("m4_age", "我是六九年十二月生的男的，几时退休咯", MAN),
    ("m4_age", "我堂客八零年三月生的，几时退休", {"kind": "F", "birth_year": "1980", "birth_month": "3"}),
    ("m4_gap", "我老倌子在衡钢做了一世，六九年十二月生的，养老交了一百七十个月，还要交好久", {**MAN, "months": "170"}),
    ("m4_gap", "我是男的，六九年十二月，养老一个月交八百，还差几年", MAN),
    ("m4_base", "我在厂里上班，去年一个月两万五，要交多少", {"work": "employee", "wage": "25000"}),
    ("m4_base", "我是灵活就业的，一个月要交多少", {"work": "flexible"}),
    ("m4_pension", "六五年一月的男的，交了十五年，一直按最低的交，账户里有六万",
     {"kind": "M60", "birth_year": "1965", "birth_month": "1", "months": "180", "index": "0.6", "balance": "60000"}),
    ("m4_medgap", "我是女的，医保一共交了两百六十个月，在湖南交了十年",
     {"sex": "F", "med_months": "260", "med_local": "120"}),
    ("m4_medgap", "我是女的，二七年办退休，医保交了两百六十个月，还差几年",
     {"sex": "F", "med_year": "2027", "med_months": "260"}),
])
def test_all_that_was_told_in_one_breath(read, node, text, values):
    assert read(text, node) == (values, "")


@pytest.mark.parametrize("node, text, name", [
    ("m4_pension", "我以后一个月领好多退休金", "months"), ("m4_pension", "退休金一个月几多", "months"),
    ("m4_pension", "我每个月三千块工资，退休金大概多少", "balance"),
    ("m4_age", "我女儿问的", "kind"), ("m4_age", "我是来问男人女人都几岁退的", "birth_year"),
])
def test_what_only_looks_like_an_answer(read, node, text, name):
    assert name not in read(text, node)[0]


@pytest.mark.parametrize("text, wage", table("一年六万块 = 5000; 全年六万 = 5000; 年薪十万 = 8333; 一个月六千 = 6000"))
def test_a_years_pay_is_a_twelfth_a_month(read, text, wage):
    assert read(text, "m4_base", "wage")[0].get("wage") == wage


@pytest.mark.parametrize("text, balance", table("我攒了六万 = 60000; 账户里有六万块 = 60000; 余额六万 = 60000"))
def test_the_balance_is_taken_from_a_story_with_a_cue(read, text, balance):
    assert read(f"交了十五年，{text}，退休金大概多少", "m4_pension")[0].get("balance") == balance
    assert "balance" not in read("交了十五年，我堂客借了六万块，退休金大概多少", "m4_pension")[0]


# --- what is refused, and what is wished for -----------------------------------------------------------

@pytest.mark.parametrize("text, kind", [("不是男的，是女的", "F"), ("不是男的是女的", "F"), ("我不是女的，是男的", "M60")])
def test_what_is_right_follows_what_is_refused(guide, text, kind):
    found = answer_reader(guide).read(text, "m4_age", "kind", {}, TODAY)
    assert (found.values, found.corrected) == ({"kind": kind}, True)


@pytest.mark.parametrize("text, wish", [
    ("讲讲规矩", EXPLAIN), ("先讲讲规矩", EXPLAIN), ("这个是怎么算的", EXPLAIN), ("不算了", LEAVE), ("我不想算了", LEAVE),
    ("算了吧", LEAVE), ("算了", LEAVE), ("还是算了", LEAVE),
    ("你问这个做什么", WHY), ("为么子要问这个", WHY), ("会不会记下来", WHY), ("六五年", ""), ("不晓得", ""),
])
def test_what_is_wished_for_instead_of_an_answer(guide, text, wish):
    assert answer_reader(guide).wish(text) == wish


@pytest.mark.parametrize("asked, text, values", [
    ("kind", "我快退休了", {}), ("kind", "我明年就退休了", {}), ("work", "我是农民工，在厂里上班", {"work": "employee"}),
    ("work", "单位不给我交，我自己交", {"work": "flexible"}), ("work", "我没在单位上班，自己交", {"work": "flexible"})])
def test_a_phrase_that_means_something_else_here_is_no_answer(read, asked, text, values):
    assert read(text, "m4_age" if asked == "kind" else "m4_base", asked)[0] == values
