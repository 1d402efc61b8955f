"""Redaction: what must not be kept of a sentence that somebody said to the guide."""

from __future__ import annotations

import re

DIGIT_RUN = 4
"""So many digits in a row may be part of a number that belongs to somebody: identity, card, telephone."""
NUMBER, NAME = "〔号码〕", "〔姓名〕"
LONGEST_KEPT = 200
"""Characters."""
_DIGITS = "0-9０-９〇零一二两三四五六七八九幺壹贰叁肆伍陆柒捌玖"
_RUN = re.compile(rf"[{_DIGITS}](?:[\s\-－—.·，,、]*[{_DIGITS}]){{{DIGIT_RUN - 1},}}[Xx]?")
_SURNAMES = ("赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏窦章苏潘葛范彭"
             "鲁韦马苗方俞任袁柳鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于傅皮卞齐康伍余元卜顾孟黄穆萧尹"
             "姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋庞熊纪舒屈项祝董梁杜阮蓝闵席季麻强贾路娄危江童颜郭梅盛林"
             "刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯管卢莫房裘缪解应宗丁宣邓郁单杭洪包诸左石崔吉龚程邢裴陆荣翁荀"
             "曾甘易旷阳欧肖谭聂晏尧龙申段冉游刘谷侯简饶涂覃文廖邝匡")
_FAMILY = f"(?:欧阳|司马|上官|诸葛|司徒|皇甫|尉迟|公孙|令狐|[{_SURNAMES}])"
_STOP = "想要问来在有的了是今去查看个这那什怎哪么也就都不没和跟，。？！、；：\\s"
_CALLED = r"(?<![〔帮替给])(我叫|我名叫|名字叫|名字是|姓名是|姓名(?=[\s:：])|大名叫|叫做)([\s:：，,是]*)"
_WITH_SURNAME = re.compile(rf"{_CALLED}{_FAMILY}[\u4e00-\u9fff]{{1,2}}")
"""A given name may hold any character, so that the two behind a surname go, whatever they are."""
_WITH_VERB = re.compile(rf"{_CALLED}[^{_STOP}〔]{{1,4}}")
_AFTER_I_AM = re.compile(rf"(我是|我姓|这里是|本人是|本人)()(?:[老小]?{_FAMILY}|阿[\u4e00-\u9fff])(?:[^{_STOP}][\u4e00-\u9fff]?|"
                         rf"(?=[\u4e00-\u9fff])[{_STOP}][^{_STOP}])?")


def plain(text: str) -> str:
    """The text as one line without control characters, which databases and voices cannot take."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def redacted(text: str) -> str:
    """The text without numbers of four and more digits, however written, and without the name after
    我叫, 我是 and the like; at most ``LONGEST_KEPT`` characters. It rather takes away too much."""
    text = _RUN.sub(NUMBER, plain(text))
    for pattern in (_WITH_SURNAME, _WITH_VERB, _AFTER_I_AM):
        text = pattern.sub(rf"\1\2{NAME}", text)
    return text[:LONGEST_KEPT]
