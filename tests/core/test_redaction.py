"""What is kept of a sentence holds no number and no name of anybody."""

import re

import pytest
import yaml

from service.core.redaction import LONGEST_KEPT, NAME, NUMBER, plain, redacted
from tests.support import PROMPTS

TEMPLATE = re.compile(r"[\[\](){}<>|;:*]")


@pytest.mark.parametrize("text, kept", [
    ("我的身份证是430422195001011234", f"我的身份证是{NUMBER}"),
    ("４３０４２２１９５００１０１１２３４", NUMBER),
    ("11010119500307757X查得到吗", f"{NUMBER}查得到吗"),
    ("11010119500307757x", NUMBER),
    ("110101195003077 57X", NUMBER),
    ("一三八一二三四五六七八", NUMBER),
    ("幺三八零零幺", NUMBER),
    ("四三〇四二二", NUMBER),
    ("138 1234 5678", NUMBER),
    ("138-1234-5678", NUMBER),
    ("一三八 一二三四 五六七八", NUMBER),
    ("卡号6222，密码1234", f"卡号{NUMBER}，密码{NUMBER}"),
    ("一三8１2", NUMBER),
    ("二〇二五年", f"{NUMBER}年"),
    ("打12333问", f"打{NUMBER}问")])
def test_a_number_is_taken_however_it_is_written(text, kept):
    assert redacted(text) == kept


@pytest.mark.parametrize("text", [
    "按123", "幺三八", "一二三", "四千多块", "两千零七十", "一万三千五百二十一块", "六十三岁零七个月",
    "十年零七个月", "一个月一百零五块", "第一步第二步第三步", "初一、十五、二十"])
def test_small_numbers_and_amounts_in_words_stay(text):
    assert redacted(text) == text


@pytest.mark.parametrize("text, kept", [
    ("我叫张三", f"我叫{NAME}"),
    ("我叫王桂兰，想查养老金", f"我叫{NAME}，想查养老金"),
    ("我叫王桂兰想查养老金", f"我叫{NAME}想查养老金"),
    ("我叫欧阳建国", f"我叫{NAME}"),
    ("我的名字叫刘秀英", f"我的名字叫{NAME}"),
    ("名字是刘秀英，查医保", f"名字是{NAME}，查医保"),
    ("我是李四", f"我是{NAME}"),
    ("我是王桂兰，查养老金", f"我是{NAME}，查养老金"),
    ("我姓王，我想查社保", f"我姓{NAME}，我想查社保"),
    ("本人陈建国", f"本人{NAME}"),
    ("我叫张三，电话13812345678", f"我叫{NAME}，电话{NUMBER}")])
def test_a_name_is_taken_where_somebody_introduces_themselves(text, kept):
    assert redacted(text) == kept


@pytest.mark.parametrize("text", [
    "我是想问养老金", "我是来问社保的", "我是退休的", "我是农村的", "我是从广东回来的", "我是去年退的", "我是六五年的",
    "我是不是交够了", "你叫什么名字", "那叫做什么", "我叫个人来", "本人身份证要带吗", "这里是衡阳吗", "医保卡里的钱"])
def test_what_is_asked_stays_whole(text):
    assert redacted(text) == text


@pytest.mark.parametrize("text", ["138，1234，5678", "四三，零四，二二，一九，五零"])
def test_a_number_said_in_groups_with_commas_is_taken_as_a_whole(text):
    assert not re.search(r"[0-9一二三四五六七八九零]", redacted(text))


def test_a_number_in_the_numerals_of_a_cheque_is_taken():
    assert redacted("壹叁捌壹贰叁肆伍陆柒捌") == NUMBER


@pytest.mark.parametrize("text, part", [
    ("我叫 王桂兰", "桂兰"), ("姓名：王桂兰", "桂兰"), ("我叫李和平", "和平"), ("我是王有德", "有德"), ("我叫刘来顺", "来顺")])
def test_nothing_of_a_name_is_left_over(text, part):
    assert part not in redacted(text)


def test_no_more_than_so_much_is_kept_and_nothing_stays_nothing():
    assert redacted("") == ""
    assert redacted("问" * (LONGEST_KEPT + 50)) == "问" * LONGEST_KEPT
    assert redacted("问" * (LONGEST_KEPT - 2) + "13812345678").startswith("问" * (LONGEST_KEPT - 2) + NUMBER[:1])


def test_what_was_redacted_once_stays_as_it_is():
    once = redacted("我叫张三，电话13812345678，医保卡")
    assert redacted(once) == once


def plain_lines(data) -> list[str]:
    """Every text without a template's signs in what a YAML file holds."""
    if isinstance(data, str):
        return [] if TEMPLATE.search(data) else [data]
    return [text for part in (data.values() if isinstance(data, dict) else data) for text in plain_lines(part)]


def test_of_the_shipped_requests_hardly_one_changes_and_none_but_in_its_number_or_name():
    files = sorted((PROMPTS / "requests").glob("*.yaml"))
    lines = [text for path in files for text in plain_lines(yaml.safe_load(path.read_text(encoding="utf-8")))]
    changed = {text: redacted(text) for text in lines if redacted(text) != text}
    assert len(lines) > 5000 and 0 < len(changed) < len(lines) / 100
    named = {text for text, kept in changed.items() if NAME in kept}
    assert named <= {"我是常宁的，市里那个掌上的软件管不管我们县里的社保", "我是邵阳的在衡阳上班",
                     "我是江西人在衡阳交的社保", "我叫我孙子来跟你讲",
                     "单子上好几个数差不多大，我怕搞混，能不能一个个告诉我是管么子的", "同志你好，我是祁东乡里的，想交合作医疗，镇上哪家银行代收",
                     "我是常宁的，在社保大厅认过一次，今年还要跑一趟不，不想跑路",
                     "我身份证上名字是繁体，社保卡是简体，去办退休要不要再开个证明带上", "我是江西嫁过来的，户口还在那边，在衡阳没单位，能不能在这里自己交职工养老",
                     "我是石鼓区的退休工人，办社保的大厅听讲搬了，而今搬到么子地方去了", "听讲外地人查社保要多交一份钱，是真的不，我是江苏户口"}, "none of them has anybody's name"
    numbers = [n for text in changed if text not in named for n in re.findall("[幺一二三四五六七八九零〇]{4,}", text)]
    others = [n for n in numbers if not re.fullmatch("[幺一]二(三三三|三四五|三九三)|(二[零〇]|一九).{2}|九六幺幺零|四零五零", n)]
    assert len(numbers) >= len(changed) - len(named)
    assert set(others) == {"七七八八一", "七七八八", "零七三四", "幺二三三四", "四零七二", "六七八三", "一二三三三一", "一二三四"}, \
        "but for these all are hot lines, years and the name of a subsidy"


@pytest.mark.parametrize("text, line", [
    ("  我要\n查\t社保 ", "我要 查 社保"), ("查\x00社保\x1b[2J", "查 社保 [2J"), ("查\u3000社保\u200b", "查 社保"),
    ("查\ud800社保", "查 社保"), ("\x00", "")])
def test_a_text_becomes_one_line_that_every_database_takes(text, line):
    assert plain(text) == line == redacted(text)


def test_a_number_is_taken_also_with_invisible_characters_in_it():
    assert redacted("138\u200b1234\n5678") == NUMBER
