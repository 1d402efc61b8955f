"""Numbers, births, years, durations and amounts as older people in Hunan say them."""

import random
from datetime import date
from decimal import Decimal

import pytest

from service.core import numerals
from service.core.numerals import Birth

TODAY = date(2026, 11, 23)


def table(rows: str) -> list[tuple[str, str]]:
    """(text, meaning) of lines such as "两百五 = 250; 三千五 = 3500"."""
    pairs = (row.split(" = ") for line in rows.strip().splitlines() for row in line.strip().split("; "))
    return [(text, meaning) for text, meaning in pairs]


def shown(found, show=str) -> str:
    """What was found in the notation of the tables: ~ for an estimate, - for nothing."""
    return "-" if found is None else ("~" if found.about else "") + show(found.value)


def born(value: Birth) -> str:
    """A birth in the notation of the tables: 1965-5-12, ? for a part that is missing, L lunar, X impossible."""
    if value.age is not None:
        return f"age {value.age}"
    parts = [value.year, value.month, value.day]
    while len(parts) > 1 and parts[-1] is None:
        parts.pop()
    return "-".join("?" if p is None else str(p) for p in parts) + "L" * value.lunar + "X" * value.impossible


def yuan(value: Decimal) -> str:
    return f"{value.normalize():f}"


@pytest.mark.parametrize("text, meaning", table("""
    一百四十 = 140; 140 = 140; １４０ = 140; 一四零 = 140; 幺二 = 12; 两百五 = 250; 三千五 = 3500; 两万三 = 23000
    一万零三 = 10003; 六万五千 = 65000; 四千零七十二点五 = 4072.5; 半 = 0.5; 廿 = 20; 廿五 = 25; 卅 = 30; 壹贰叁 = 123
    伍仟伍佰 = 5500; 十 = 10; 十万 = 100000; 十五万三 = 153000; 一万五千三 = 15300; 三百零五 = 305; 两千零五 = 2005
    一千零十 = 1010; 二十万零五百 = 200500; 6万5 = 65000; 6.5万 = 65000; 4,072 = 4072; 一个亿 = 100000000
    负五百 = -500; -12 = -12; 百五 = 150; 两萬 = 20000; 零 = 0; 4 072 = 4072
    百分之六十 = -; 十五六 = -; 两三千 = -; 一百四七 = -; 万一 = -; 千万 = -; 亿 = -; 你好 = -; 三千块 = -; 一起来 = -; 5% = -
"""))
def test_numbers(text, meaning):
    value = numerals.number(text)
    assert ("-" if value is None else yuan(value)) == meaning


@pytest.mark.parametrize("text, meaning", table("""
    一九六五年五月 = 1965-5; 六五年五月 = 1965-5; 六五年 = 1965; 六五 = 1965; 一千九百六十五 = 1965; 1965年5月 = 1965-5
    1965.5 = 1965-5; 1965-05 = 1965-5; 1965/5/12 = 1965-5-12; 196505 = 1965-5; 19650512 = 1965-5-12; 六五点五 = 1965-5
    6505 = 1965-5; 655 = 1965-5; 一九六五五 = 1965-5; 六五五月 = 1965-5; 一九六五 五 = 1965-5; 六五年零五月 = 1965-5
    六五年五月十二号 = 1965-5-12; 五五年五月五 = 1955-5-5; 我是四九年的 = 1949; 我是49年的 = 1949; 49年 = 1949
    哎呀我是一九五八年的咯 = 1958; 是嗯我是六五年五月的 = 1965-5; 我五八年七月份生的 = 1958-7; 六十五年五月 = 1965-5
    五月份 = ?-5; 五月 = ?-5; 二十八号 = ?-?-28; 民国三十七年 = 1948; 民国卅七年腊月 = 1948-12L
    去年 = 2025; 前年 = 2024; 今年 = 2026; 今年五月 = 2026-5; 2027年3月 = 2027-3
    腊月 = ?-12L; 冬月 = ?-11L; 正月 = ?-1L; 元月 = ?-1; 农历五月 = ?-5L; 六五年阴历五月初五 = 1965-5-5L
    老历六五年五月 = 1965-5L; 五月初五 = ?-5-5L; 六五年阳历五月 = 1965-5; 六五年闰四月 = 1965L; 闰四月 = ?L
    二月三十一号 = ?-2X; 13月 = ?X; 三十二号 = ?X; 六五年四月三十一 = 1965-4X; 1965-13 = 1965X
    六五年二月二十九号 = 1965-2X; 六四年二月二十九号 = 1964-2-29; 农历二月三十 = ?-2-30L
    我今年六十一 = age 61; 我今年61岁 = age 61; 虚岁六十二 = age 62; 六十一 = age 61; 快七十了 = ~age 70
    65 = 1965; 05 = 2005; 26 = 1926; 10 = 2010; 11 = 1911; 我是零五年的 = 2005; 两千零五年 = 2005
    大概六五年 = ~1965; 六五年左右 = ~1965; 六五年出生的 五月份 = 1965-5; 六四年 不对 六五年 = 1965
    不是六四年是六五年 = 1965; 我是一九六五年五月生的 八三年参加工作 = 1965-5
    一九六溜年无月 = 1966-5; 以酒留无年五月 = 1965-5; 一九六是年五月 = 1964-5
    430401196505120023 = -; 43040119650512002X = -; 四三零四零一一九六五零五一二零零二叉 = -; 430104 650512 123 = -
    交了十二年零三个月 = -; 十二年 = -; 六四年还是六五年 = -; 八三年进厂 = -; 六五年退休的 = -; 六十年代 = -; 六零后 = -
    三个月 = -; 六万 = -; 六十岁退休 = -; 不记得了 = -; 属龙的 = -; 六是年五月 = -; 一月三千块 = -; 打12333 = -
    六五年五六月份 = 1965; 五六月 = -; 六十五年生 = 1965; 生日是五月十二 = ?-5-12; 我 1965 = 1965
"""))
def test_births(text, meaning):
    assert shown(numerals.birth(text, TODAY), born) == meaning


@pytest.mark.parametrize("text, meaning", table("""
    二零二七年 = 2027; 二七年 = 2027; 27 = 2027; 二零三零 = 2030; 三零年 = 2030; 二十七年 = 2027; 两千零二十八年 = 2028
    明年 = 2027; 后年 = 2028; 大后年 = 2029; 今年 = 2026; 去年 = 2025; 就明年吧 = 2027; 大概后年 = ~2028; 年底 = 2026
    两年后 = 2028; 再过三年 = 2029; 五年以后 = 2031; 再干两年 = 2028; 还有一年半 = 2028; 半年后 = 2027; 三个月后 = 2027
    明年 不对 后年 = 2028; 我想二八年退 = 2028; 2028年5月 = 2028; 尔零二七年 = 2027; 再过十来年 = ~2036
    明年或者后年 = -; 我是六五年的 = -; 一九六五年 = -; 六五年 = -; 交了二十七年 = -; 交了27年 = -; 十二年 = -; 还差三年 = -
    十几年后 = -; 两三年后 = -; 几年后 = -; 三年前 = -; 今后年年 = -; 不晓得 = -; 六万 = -
"""))
def test_years_to_come(text, meaning):
    assert shown(numerals.year(text, TODAY)) == meaning


@pytest.mark.parametrize("text, meaning", table("""
    十二年零三个月 = 147; 十二年三个月 = 147; 12年3个月 = 147; 十二年零三月 = 147; 十二年又三个月 = 147; 十二年零三 = 147
    12年3 = 147; １２年 ３个月 = 147; 十二年，零三个月 = 147; 十二年 = 144; 十四年半 = 174; 14.5年 = 174; 一年零两个月 = 14
    一百四十来个月 = ~140; 一百七十个月 = 170; 147个月 = 147; 一四零个月 = 140; 俩月 = 2; 二十多年 = ~240; 三十几年 = ~360
    三十年出头 = ~360; 大概十四年 = ~168; 十四年吧大概 = ~168; 差不多有十五年 = ~180; 快满十五年了 = ~180; 十五年不到 = ~180
    差两个月十五年 = 178; 十五年差两个月 = 178; 还差两个月满十五年 = 178; 十五年少一个月 = 179; 差一年十五年 = 168
    半年 = 6; 一年半 = 18; 两年 = 24; 两年零半 = 30; 刚好十五年 = 180; 十五年整 = 180; 廿三年 = 276; 拾贰年 = 144
    没交过 = 0; 一个月都没交 = 0; 一天没交 = 0; 冇交过 = 0; 从来没有交过 = 0; 一分钱没交 = 0; 没有 = 0; 零 = 0
    1203 = 147; 147 = 147; 50 = 600; 51 = 51; 12 = 144; 14.5 = 174; 一百四十七 = 147; 一二零三 = 147; 1412 = 1412
    交了一百八 = 180; 交了一百四十七了 = 147; 干了三十年 交了十二年 = 144; 交了十二年 中间三年没交 = 144
    一共十五年 先十年后五年 = 180; 十四年 不对 十五年 = 180; 一百溜十个月 = 160; 一百四是七个月 = 147; 十二年零山个月 = 147
    十几年 = -; 十五六年 = -; 两三年 = -; 七八年 = -; 七八个月 = -; 几年 = -; 好多年 = -; 十五年到十六年 = -
    六五年五月的 = -; 六五年 = -; 1965年 = -; 65年的 = -; 三月 = -; 六五年五月生 = -; 我六十一 = -; 六十一岁 = -; 2027年 = -
    还差两年 = -; 再过三年 = -; 三年后退休 = -; 还要交两年 = -; 三年没交 = -; 没交满十五年 = -; 没交够 = -; 没交几年 = -
    一个月交三百 = -; 一年交四千 = -; 交了六万 = -; 交了五百块 = -
    十五年多两个月 = 182; 差几个月十五年 = ~180; 前前后后十五年 = 180; 十五年零一点 = 180; 买了十六年 = 192
    第三年 = -; 五十年代 = -; 三年级 = -; 下半年 = -
"""))
def test_durations(text, meaning):
    assert shown(numerals.months(text)) == meaning


@pytest.mark.parametrize("text, meaning", table("""
    再加三个月 = 3; 还要加三个月 = 3; 另外加两个月 = 2; 加上零五个月 = 5; 再加一年 = 12; 加一年零两个月 = 14; 又零三个月 = 3
    十二年加三个月 = -; 三个月 = -; 再交三个月 = -; 加起来十二年 = -; 工龄加上知青三年 = -; 加三百块 = -
"""))
def test_months_on_top(text, meaning):
    assert shown(numerals.added_months(text)) == meaning


@pytest.mark.parametrize("text, meaning", table("""
    零三个月 = 3; 哦，零三个月 = 3; 是零十一个月 = 11; 十二年零三个月 = -; 三个月 = -; 零六年三月 = -; 零 = -
"""))
def test_months_beside_years_that_were_told_before(text, meaning):
    assert shown(numerals.odd_months(text)) == meaning


@pytest.mark.parametrize("text, meaning", table("""
    四千零七十二块五 = 4072.5; 四千零七十二块五毛三 = 4072.53; 四千零七十二 = 4072; 六万多 = ~60000; 两万三 = 23000
    三千五 = 3500; 一千三百五十块 = 1350; 4072.50元 = 4072.5; 4,072 = 4072; ￥3,245.67 = 3245.67; 一万二千块钱 = 12000
    三千来块 = ~3000; 五千左右 = ~5000; 万把块 = ~10000; 千把块 = ~1000; 百把块 = ~100; 千多块 = ~1000; 上万块 = ~10000
    六万五 = 65000; 十二万 = 120000; 一百万 = 1000000; 一个亿 = 100000000; 三十多万 = ~300000; 二十几块 = ~20; 六万几 = ~60000
    零 = 0; 没有钱 = 0; 没得钱 = 0; 冇得钱 = 0; 一分都没有 = 0; 没有工资 = 0; 账上是空的 = 0; 没得 = 0; 0元 = 0
    负五百 = -500; -500 = -500; minus 500 = -500; 五毛 = 0.5; 两毛五 = 0.25; 五块半 = 5.5; 五块零三分 = 5.03; 6w = 60000
    六万块左右 = ~60000; 我账上大概六万多一点 = ~60000; 工资三千五 = 3500; 一个月三千五 = 3500; 按三千交的 = 3000
    基数是四千零七十二 = 4072; 好像是四千零七十二 = ~4072; 三千块 不对 四千块 = 4000; 伍仟元整 = 5000; 五千块整 = 5000
    六千溜百块 = 6600; 霸百块 = 800; 一万酒千 = 19000; 五千以上 = 5000
    两三千 = -; 七八千块 = -; 三千到四千块 = -; 几千块 = -; 十几万 = -; 好几万 = -; 三千块或者四千块 = -; 百八十 = -; 千儿八百 = -
    12345.6元 = 12345.6; 一块钱都没有 = 0; 余额是零 = 0; 账户里有五万八 = 58000; 两块五毛钱 = 2.5
    十二年 = -; 六五年五月 = -; 十二个月 = -; 六十一岁 = -; 交了一百八 = -; 三千人 = -; 一万个 = -; 第三 = -; 三十二号 = -
    百分之六十 = -; 60% = -; 打12333 = -; 430401196505120023 = -; 1965-05 = -; 千万不要 = -; 万一 = -; 一半 = -; 没有钱交 = -
"""))
def test_amounts(text, meaning):
    assert shown(numerals.amount(text), yuan) == meaning


def test_a_story_gives_each_reader_its_own_and_where_it_stands():
    text = "我是六五年的 交了十四年零两个月 账上有六万块"
    found = [numerals.birth(text, TODAY, bare=False)]
    found += [read(text, bare=False) for read in (numerals.months, numerals.amount)]
    assert [f.value for f in found] == [Birth(1965), 170, 60000]
    assert [text[f.start:f.end] for f in found] == ["六五年", "十四年零两个月", "六万块"]


def test_the_place_is_of_the_text_as_given():
    text = "嗯，大概 ６５ 年 5 月 吧"
    found = numerals.birth(text, TODAY)
    assert text[found.start:found.end] == "６５ 年 5 月"


@pytest.mark.parametrize("text", ["六五", "65", "一百四十七", "12", "四千零七十二", "六万", "27", "五月", "没有"])
def test_without_bare_a_lone_number_is_nothing(text):
    assert numerals.birth(text, TODAY, bare=False) is None and numerals.year(text, TODAY, bare=False) is None
    assert numerals.months(text, bare=False) is None and numerals.amount(text, bare=False) is None


@pytest.mark.parametrize("text, heard", [
    ("一九溜五年无月", "一九六五年五月"), ("四事五块", "四十五块"), ("一百灵伞块", "一百零三块"), ("额百三十块", "二百三十块"),
    ("一就六五年", "一九六五年"), ("三百霸十块", "三百八十块")])
def test_what_sounds_like_digits(text, heard):
    assert numerals.sounding(text) == heard


@pytest.mark.parametrize("text", [
    "", "一起来", "我的儿子", "以后怎么办", "去医院", "而且", "三千而已", "五千以上", "酒店三百块一晚", "我是山东的", "二是年",
    "有事", "交了多久", "从五月起", "一九六五年五月"])
def test_ordinary_words_stay(text):
    assert numerals.sounding(text) == text


def test_no_text_makes_a_reader_fail():
    rng = random.Random(1)
    signs = "零一二五十百千万亿两半点个年月号块元毛分多来几把差没交了的我是生岁今后前闰腊初农历民国05.-/, ￥w溜是□😀\x00"
    texts = ["".join(rng.choices(signs, k=rng.randint(0, 14))) for _ in range(1500)] + ["亿" * 3000, "大概我的" * 500]
    for text in texts:
        numerals.number(text)
        found = (numerals.birth(text, TODAY), numerals.year(text, TODAY), numerals.months(text), numerals.amount(text),
                 numerals.added_months(text), numerals.odd_months(text))
        assert all(0 <= f.start < f.end <= len(text) for f in found if f)
