"""Numerals: numbers, births, years, durations and amounts as older people in Hunan say or type them.

Every reader takes a text as typed, or as a recogniser wrote it down (characters only, with fillers), and gives
what it is sure of, or None; none raises, whatever the text. A text that names two values of one kind, or is
too vague (十几年, 两三千), gives None, so that the caller asks again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Generic, TypeVar

T = TypeVar("T")

LONGEST_NUMBER = 40
"""Characters; a longer row of digits and units is no number that anybody says."""
YOUNGEST = 16
"""Years; two digits mean the last year in which a person was at least so old today."""
MOST_YEARS_SAID = 50
"""A number without a unit up to this is a duration in years, above it in months."""
LONGEST_TYPED = 39
"""Years; where a birth is asked for, 40年 and more, typed, is a year of birth and no duration."""
FURTHEST_YEAR = 30
"""Years from today; two digits for a year to come reach no further."""


@dataclass(frozen=True)
class Found(Generic[T]):
    """What a reader found in a text."""

    value: T
    """Months (int), yuan (Decimal), a Birth or a calendar year (int)."""
    about: bool
    """Said as an estimate: 大概, 左右, 多, 来."""
    start: int
    """Index of its first character in the text as it was given."""
    end: int
    """Index behind its last character."""


@dataclass(frozen=True)
class Birth:
    """What somebody said of the day of their birth."""

    year: int | None = None
    """Four digits, perhaps in the future."""
    month: int | None = None
    """1 to 12; None also behind 闰."""
    day: int | None = None
    """1 to 31; None if it was impossible."""
    lunar: bool = False
    """Month and day are of the farmers' calendar."""
    impossible: bool = False
    """A month or a day was said that no calendar has; that part is None."""
    age: int | None = None
    """Years, as said (虚岁 too), if an age was said and no year."""


# --- the text in one spelling ---------------------------------------------------------------------

_SPELLINGS = dict(zip("〇○壹贰叁肆伍陆柒捌玖拾佰仟萬億兩貳參陸幺弌点點個歲塊圆圓負閏舊曆農陰臘號後",
                      "零零一二三四五六七八九十百千万亿两二三六一一点点个岁块元元负闰旧历农阴腊号后"))
_SPELLINGS |= {chr(c + 0xFEE0): chr(c) for c in range(0x21, 0x7F)}
_SPELLINGS |= {"廿": "二十", "卅": "三十", "卌": "四十", "俩": "两个", "仨": "三个", "。": ".", "—": "-", "–": "-",
               "−": "-", "¥": "￥", "W": "万", "w": "万", "ｗ": "万", "Ｗ": "万", "帐": "账", "冇": "没"}
_DROPPED = frozenset(" \t\r\n\u3000\xa0,、;；:：!！?？~～…·\"'“”‘’()（）【】《》呃嗯啊哎呀唉哦噢喔诶欸嘛嘞哩啦呢吧哈咯哒哟喽咧啰嗲")
_D = "0-9零一二三四五六七八九"
_C = f"{_D}两十百千万亿"
_DIGITS = str.maketrans("零一二三四五六七八九两", "01234567892")
_LONG_ROW = re.compile(rf"[{_D}]{{11,}}[Xx]?|百分之[{_C}点.]+|[0-9.]+%")
"""Identity, card and telephone numbers and percentages: never read as anything."""


@dataclass(frozen=True)
class _Plain:
    """A text in one spelling, without spaces, commas and interjections."""

    chars: str
    """Simplified; Chinese digits stay Chinese, so that 六五 and 65 can be told apart."""
    at: tuple[int, ...]
    """For each character its index in the text as given."""

    def found(self, value: T, about: bool, start: int, end: int) -> Found[T]:
        """A Found with the place in the text as given; start and end are of ``chars``."""
        return Found(value, about, self.at[start], self.at[end - 1] + 1)


def _plain(text: str) -> _Plain:
    pairs = [(c, i) for i, source in enumerate(text) for c in _SPELLINGS.get(source, source)
             if source not in _DROPPED and c not in _DROPPED]
    kept = [pair for n, pair in enumerate(pairs) if pair[0] not in ".-/" or _joins(pairs, n)]
    chars = _LONG_ROW.sub(lambda m: "□" * len(m[0]), "".join(c for c, _ in kept))
    return _Plain(chars, tuple(i for _, i in kept))


def _joins(pairs: list[tuple[str, int]], n: int) -> bool:
    """Whether a point, stroke or hyphen stands between two digits, or is the minus of a number."""
    behind = n + 1 < len(pairs) and re.match(f"[{_C}]", pairs[n + 1][0])
    before = pairs[n - 1][0] if n else ""
    return bool(behind) and (bool(re.match(f"[{_C}]", before)) or (pairs[n][0] == "-" and before not in set("年月")))


# --- numbers --------------------------------------------------------------------------------------

_RUN = (rf"(?<![{_C}几半])(?<![{_C}][-/.])(?:(?<![{_C}]点)|(?=[十百千万两]))(?:半(?![{_C}])|"
        rf"(?:[{_C}]|(?<=[{_C}])[点.](?=[{_D}])|(?<=[{_D}])个(?=亿))++)")
_UNITS = (("亿", 10 ** 8), ("万", 10 ** 4), ("千", 1000), ("百", 100), ("十", 10))
_SIGN = re.compile(r"(?:负|-|minus|倒欠)(?=.)", re.IGNORECASE)


def number(text: str) -> Decimal | None:
    """The text if all of it is one number: 两百五 -> 250, 一四零 -> 140, 四千零七十二点五 -> 4072.5; else None."""
    chars = _plain(text).chars
    sign = _SIGN.match(chars)
    words = chars[sign.end():] if sign else chars
    value = _value(words) if re.fullmatch(_RUN, words) else None
    return -value if sign and value is not None else value


def _value(words: str) -> Decimal | None:
    """A row of digits and units as a number; None if it is none, or two (十五六)."""
    words = re.sub("^零(?=两|[一二三1-3]?十)", "", words.replace("个", "").replace("点", "."))
    if len(words) > LONGEST_NUMBER:
        return None
    if words in ("半", "两"):
        return Decimal("0.5") if words == "半" else Decimal(2)
    if re.fullmatch(rf"[{_D}]+(?:\.[{_D}]+)?", words):
        return Decimal(words.translate(_DIGITS))
    whole, _, behind = words.partition(".")
    if behind and re.fullmatch(f"[{_D}]+", behind) and (value := _by_units(whole)) is not None:
        return value + Decimal(f"0.{behind.translate(_DIGITS)}")
    return _by_units(words)


def _by_units(words: str) -> Decimal | None:
    if re.fullmatch("百[一二三四五六七八九]|千[一二三四五六七八九]|万[二两三四五六七八九]", words):
        words = f"一{words}"
    words = words.lstrip("零")
    for name, size in _UNITS:
        head, unit, tail = words.partition(name)
        if unit:
            high, low = _above(head, size), _below(tail, size)
            return None if high is None or low is None else high * size + low
    return None


def _above(head: str, size: int) -> Decimal | None:
    """What stands before a unit: one Chinese digit, any Arabic number, or smaller units."""
    if not head:
        return Decimal(1) if size == 10 else None
    if re.fullmatch(rf"[1-9一二三四五六七八九两]|[0-9]+(?:\.[0-9]+)?|[{_D}]\.[{_D}]+", head):
        return Decimal(head.translate(_DIGITS))
    return _by_units(head)


def _below(tail: str, size: int) -> Decimal | None:
    """What stands behind a unit; one digit alone counts the next unit below: 三千五 is 3500."""
    if not tail:
        return Decimal(0)
    if re.fullmatch("[1-9一二三四五六七八九两]", tail):
        return Decimal(tail.translate(_DIGITS)) * size / 10
    rest = tail.lstrip("零0")
    if re.fullmatch("[1-9一二三四五六七八九]|[0-9]+", rest):
        single = rest != tail or rest.isascii()
        value = Decimal(rest.translate(_DIGITS)) if single else None
    else:
        value = _by_units(rest)
    return value if value is not None and value < size else None


# --- what the readers share -----------------------------------------------------------------------

_ESTIMATE = "大概|大约|约莫|约摸|差不多|估计|恐怕|可能|好像|应该"
_ABOUT_BEFORE = re.compile(rf"(?:{_ESTIMATE}|约|将近|接近|快|不到|不满|几乎|超过|差一?点|差几个月)[^{_C}]{{0,5}}$")
_ABOUT_BEHIND = re.compile(rf"(?:块|元)?钱?[了的]?(?:左右|上下|样子|出头|不到|多|来|几|把|光景|还?差一?点|还?差几个月|出点头)|"
                           rf"[^{_C}]{{0,6}}(?:左右|上下|差不多|大概|大约|估计|样子|记不清|记不太清)[^{_C}]*$")
_FILL = (rf"(?:{_ESTIMATE}|约|将近|接近|快|不到|我的?|就|是|有|那个?|这个?|的|了|一共|总共|共|合计|刚好|正好|刚刚|整整|整|"
         r"还|也|都|只|才|看|大家|喂|好|对|嗯|额|哎|哪|呵|您?听|讲|说|老师|同志|妹子|伢子|记得|得|要|写|填|￥|人民币)*+")
_BEHIND = "(?:来|多|几|左右|上下|出头|不到|样子|光景)?"
_LONE = re.compile(rf"{_FILL}(?P<run>{_RUN})(?P<behind>{_BEHIND}){_FILL}{_BEHIND}")
_CORRECTION = re.compile("不对|说错了?|讲错了?|记错了?|搞错了?|错了|不是不是")
_EITHER = re.compile(rf"[{_C}][来多]?(?:块|元)?(?:到|至|或者|或|还是)$")
"""Before a number: another one, so that it is only the end of a range."""


@dataclass(frozen=True)
class _Candidate(Generic[T]):
    """One place in a text that may be what a reader looks for."""

    value: T
    """As in Found."""
    about: bool
    """As in Found."""
    start: int
    """Index in the plain text."""
    end: int
    """Index in the plain text."""
    rank: int
    """How much in the text says that this is meant; the highest wins."""


def _read(text: str, read: Callable[[_Plain], Found[T] | None]) -> Found[T] | None:
    """What a reader finds in the text, or in what it sounds like if that explains more of it."""
    said, heard = _corrected(text, read), sounding(text)
    if heard == text:
        return said
    other = _corrected(heard, read)
    wider = said and other and other.start <= said.start and other.end >= said.end
    return other if said is None or wider else said


def _corrected(text: str, read: Callable[[_Plain], Found[T] | None]) -> Found[T] | None:
    """What is found behind the last 不对, or else in the whole text."""
    corrections = list(_CORRECTION.finditer(text))
    if corrections:
        cut = corrections[-1].end()
        if found := read(_plain(text[cut:])):
            return replace(found, start=found.start + cut, end=found.end + cut)
    return read(_plain(text))


def _chosen(plain: _Plain, candidates: list[_Candidate[T]]) -> Found[T] | None:
    """The best candidate; None if two of the same rank say different things, or one ends a range."""
    kept = [c for c in candidates if not plain.chars[:c.start].endswith("不是")] or candidates
    best = [c for c in kept if c.rank == max(k.rank for k in kept)]
    if len({c.value for c in best}) != 1 or _EITHER.search(plain.chars[:best[0].start]):
        return None
    first = best[0]
    return plain.found(first.value, first.about, first.start, first.end)


def _is_about(plain: _Plain, start: int, end: int) -> bool:
    return bool(_ABOUT_BEFORE.search(plain.chars[max(0, start - 12):start]) or _ABOUT_BEHIND.match(plain.chars[end:]))


def _lone(plain: _Plain) -> tuple[re.Match[str], Decimal, bool] | None:
    """The one number of a text that holds nothing else but fillers, and whether it is an estimate."""
    match = _LONE.fullmatch(plain.chars)
    value = _value(match["run"]) if match else None
    if match is None or value is None or (match["run"] == "十" and match["behind"] == "几"):
        return None
    return match, value, bool(match["behind"]) or _is_about(plain, match.start("run"), match.end("run"))


# --- durations ------------------------------------------------------------------------------------

_NO_POINT_IN_TIME = "(?![以之过]?后(?!来)|[以之]?前|代|级|纪|龄段|份)"
_PERIOD = re.compile(
    rf"(?<!第)(?:(?<![上下大小前后])|(?!半))"
    rf"(?:(?P<years>{_RUN})(?P<years_about>[来多几余])?个?年{_NO_POINT_IN_TIME}(?P<more>半多|零?半(?!个)|多|来|把)?"
    rf"(?:(?:又|另外?|加|带|过|外|还有|和|的|有|整|那个|就是)*(?P<rest>{_RUN})(?P<rest_about>[来多几余])?"
    rf"(?P<rest_unit>个半?[多来把]?月|月){_NO_POINT_IN_TIME}"
    rf"|[零0](?P<tail>[{_D}两]|十[一1]?)(?![{_C}个年月块元点])|(?P<last>[{_D}]|十[一1]?)$)?"
    rf"|(?P<only>{_RUN})(?P<only_about>[来多几余])?(?P<only_unit>个半?[多来把]?月|月){_NO_POINT_IN_TIME})")
_NOT_PAID_BEFORE = re.compile(r"(?:还有|还要|还得|还需要?|再|再等|再过|再干|再交|再缴|还要交|要交|要缴|"
                              r"(?<![交缴买])过|等|未来|没有?[交缴买]?(?:满|够|到|足)|[差少欠缺](?!不多))"
                              r"(?:大概|差不多)?$")
_NOT_PAID_BEHIND = re.compile("(?:都|也|里)?(?:没有?|未|断)(?:交|缴|买|过)|(?:都|也)(?:没|未)|就?(?:要|可以|能|到)?退休|就(?:要|可以|能)?领")
_RATE_BEHIND = re.compile(rf"(?:就|要|只|才|是|能|大概|差不多|工资|交|缴|领|拿|发|有|挣|赚|得|了|平均)*{_RUN}[多来把几]*(?:块|元)|"
                          rf"(?:就|要|只|才|是|能|大概|差不多|工资|交|缴|领|拿|发|有|挣|赚|得|平均)*[{_C}]*[百千万]")
_NEVER = re.compile("一(?:个月|年|天|次|回|分钱?)(?:都|也)?(?:没有?|没得|未)(?:交|缴|买)?过?|"
                    "(?<![年月里])(?:都|也)?(?:没有?|未)(?:交|缴|买|参保|参加)(?:过|费|钱|社保)?(?!满|够|齐|完|几|多|到|上|过?几)")
_NOTHING = re.compile(rf"{_FILL}(?:没有?|没得|没有过)(?:了|的)?")
_PAID_NUMBER = re.compile(rf"(?:交|缴|买)(?:了|过|满|够|到)(?:{_FILL})(?P<run>{_RUN})(?P<behind>{_BEHIND})"
                          rf"(?=[了的]?$|[^{_C}几年个月块元钱毛号岁])")
_SHORT_OF = re.compile(rf"还?(?:差|少|欠|缺)(?!不多)(?:了|大概|个)?$")
_UP_TO = re.compile("(?:就|到|满|才|不|够|有|的|是|就是|等于)*(?:满|到)?")
_BUT = re.compile("(?:还|就|只|才|是|整)*(?:差|少|欠|缺)(?!不多)(?:了|大概)?")


def months(text: str, bare: bool = True) -> Found[int] | None:
    """A duration that was paid for, in months: 十二年零三个月 -> 147, 差两个月十五年 -> 178, 没交过 -> 0.

    With ``bare`` a number alone counts too: up to 50 as years, 1203 as years and months, else as months.
    """
    return _read(text, lambda plain: _months(plain, bare))


def _months(plain: _Plain, bare: bool) -> Found[int] | None:
    periods = [c for m in _PERIOD.finditer(plain.chars) if (c := _period(plain, m, bare))]
    paid = _differences(plain, periods) or [c for c in periods if _is_paid(plain, c)]
    if paid:
        return _chosen(plain, paid)
    if zero := _NEVER.search(plain.chars) or (bare and _NOTHING.fullmatch(plain.chars)):
        return plain.found(0, False, zero.start(), zero.end())
    if cued := _PAID_NUMBER.search(plain.chars):
        return _bare_months(plain, cued, _value(cued["run"]), most=600)
    lone = _lone(plain) if bare else None
    return _bare_months(plain, lone[0], lone[1]) if lone else None


_ADDED = re.compile(rf"(?:(?:再|还|另外?|外|要|又)*加上?|(?:再|又|另外?)(?=零))(?:{_FILL})(?P<more>(?:{_RUN}个?年)?(?:{_RUN}个月)?)")
_ODD = re.compile(rf"^(?:{_FILL})(?P<more>(?=零){_RUN}个月)")


def added_months(text: str) -> Found[int] | None:
    """A duration on top of one that was told before: 再加三个月; None if it is told here: 十二年加三个月."""
    return _read(text, lambda plain: _more(plain, _ADDED))


def odd_months(text: str) -> Found[int] | None:
    """The months beside whole years that were told before: 零三个月."""
    return _read(text, lambda plain: _more(plain, _ODD))


def _more(plain: _Plain, pattern: re.Pattern[str]) -> Found[int] | None:
    match = pattern.search(plain.chars)
    found = _PERIOD.fullmatch(match["more"].lstrip("零")) if match else None
    value = _span(found, True) if found else None
    if value is None or value != int(value) or not 0 < value < 1200 or _PERIOD.search(plain.chars[:match.start()]):
        return None
    return plain.found(int(value), False, *match.span())


def _bare_months(plain: _Plain, match: re.Match[str], value: Decimal | None,
                 most: int | None = None) -> Found[int] | None:
    words, total = match["run"].translate(_DIGITS), value
    vague = match["run"] == "十" and match["behind"] == "几"
    if value is None or (most and value > most) or vague or match.string[:match.start("run")].endswith("我"):
        return None
    if value <= MOST_YEARS_SAID:
        total = value * 12
    elif re.fullmatch("[0-9]{4}", words) and int(words[:2]) <= MOST_YEARS_SAID and int(words[2:]) <= 11:
        total = Decimal(int(words[:2]) * 12 + int(words[2:]))
    if total is None or total != int(total):
        return None
    start, end = match.span("run")
    return plain.found(int(total), bool(match["behind"]) or _is_about(plain, start, end), start, end)


def _period(plain: _Plain, match: re.Match[str], bare: bool) -> _Candidate[int] | None:
    """A duration with its units; None if it is a calendar date or too vague."""
    total = _span(match, bare)
    if total is None or not 0 <= total < 1200:
        return None
    groups = ("years_about", "rest_about", "only_about", "rest_unit", "only_unit", "rest" if match["rest"] else "more")
    estimates = "".join(match[group] or "" for group in groups)
    inside = bool(re.search("[来多几余把]", estimates)) or total != int(total)
    before = re.split(f"[{_C}]", plain.chars[max(0, match.start() - 10):match.start()])[-1]
    rank = 2 if re.search("共|合计|累计|加起来", before) else int(bool(re.search("交|缴|买|年限|社保|参保", before)))
    about = inside or _is_about(plain, match.start(), match.end())
    return _Candidate(max(int(total), int(total > 0)), about, match.start(), match.end(), rank)


def _span(match: re.Match[str], bare: bool) -> Decimal | None:
    if match["only"]:
        total = _month_count(match["only"], match["only_about"], match["only_unit"])
        # 三月 is a month of the year.
        return total if total is None or match["only_unit"] != "月" or total > 12 else None
    years = _value(match["years"])
    if years is None or (match["years"], match["years_about"]) == ("十", "几") or _is_date(match, bare):
        return None
    total = years * 12 + (6 if "半" in (match["more"] or "") else 0)
    if tail := match["tail"] or match["last"]:
        return total + (_value(tail) or 0)
    if not match["rest"]:
        return total
    rest = _month_count(match["rest"], match["rest_about"], match["rest_unit"])
    return None if rest is None else total + rest


def _month_count(words: str, about: str | None, unit: str) -> Decimal | None:
    value = _value(words)
    if value is None or (words == "十" and about == "几") or _is_two_digits_in_turn(words):
        return None
    return value + (Decimal("0.5") if "半" in unit else 0)


def _is_two_digits_in_turn(words: str) -> bool:
    """七八 and the like: before a unit that is seven or eight, not 78."""
    pair = re.fullmatch("[一二三四五六七八九]{2}", words)
    return bool(pair) and int(words[1].translate(_DIGITS)) - int(words[0].translate(_DIGITS)) == 1


def _is_date(match: re.Match[str], bare: bool) -> bool:
    """Whether N年 or N年M月 is a year or month of the calendar: 六五年, 1965年, 六五年五月."""
    words, unit = match["years"], match["rest_unit"]
    short = re.fullmatch(f"[{_D}]{{2}}", words) and words[0] not in "0零" and int(words.translate(_DIGITS)) <= 50
    if unit and unit != "月" and short:
        return False
    if unit == "月" and not bare and match["rest"][0] not in "零0":
        return True
    born = re.match("(?:的$|的时候|生|出生|出世)", match.string[match.end():]) or match.string[:match.start()].endswith("我是")
    if re.fullmatch("[0-9]{2}", words) and short:
        return bool(born)
    return bool(re.fullmatch(f"[{_D}]{{2,}}", words)) or bool(re.match("生|出生|出世", match.string[match.end():]))


def _is_paid(plain: _Plain, period: _Candidate[int]) -> bool:
    """Whether a duration is not one that is missing, still to come, or the unit of a rate."""
    before, behind = plain.chars[max(0, period.start - 12):period.start], plain.chars[period.end:]
    if _NOT_PAID_BEFORE.search(before) or _NOT_PAID_BEHIND.match(behind):
        return False
    return period.value not in (1, 12) or not _RATE_BEHIND.match(behind)


def _differences(plain: _Plain, periods: list[_Candidate[int]]) -> list[_Candidate[int]]:
    """差两个月十五年 and 十五年差两个月: the whole less what is short."""
    out = []
    for first, second in zip(periods, periods[1:]):
        between = plain.chars[first.end:second.start]
        if _BUT.fullmatch(between):
            whole, short = first, second
        elif _SHORT_OF.search(plain.chars[:first.start]) and _UP_TO.fullmatch(between):
            whole, short = second, first
        else:
            continue
        if whole.value >= short.value:
            out.append(_Candidate(whole.value - short.value, whole.about or short.about, first.start, second.end, 1))
    return out


# --- amounts --------------------------------------------------------------------------------------

_MONEY = re.compile(
    rf"(?P<minus>负|(?<![{_C}])-|minus|倒欠)?(?P<yuan>{_RUN}(?:[来多几余][万亿])?|(?<![{_C}几])[百千万](?=[把多来]))"
    rf"(?P<about>[来多几余把]+(?![{_C}]))?"
    rf"(?:(?P<unit>块|元(?!月)|钱)钱?(?:(?P<jiao>[{_D}两半])(?![{_C}年个月天])(?:[毛角](?:(?P<fen>[{_D}])(?![{_C}年个月])分?)?)?"
    rf"(?![年个月号])|零(?P<only_fen>[{_D}])分)?)?", re.IGNORECASE)
_JIAO = re.compile(rf"(?<![{_C}块元几])(?P<jiao>[{_D}两])[毛角](?:(?P<fen>[{_D}])分?)?")
_OTHER_UNIT = re.compile(r"[半年个月号日岁人次倍%成点级天楼路位只份档条本张斤里届期遍回代周步种样家亩/-]|分[之钟]|后|几[十百千万]")
_NOT_MONEY = re.compile(r"(?:第|打|拨|电话|热线|虚岁|周岁|民国|闰|初)$|(?:交|缴|买)(?:了|过|满|够)(?:有|大概|差不多|整整)*$|"
                        rf"几$|[百千万]儿$|(?:生于|生在|身份证)[^{_C}]{{0,3}}$")
_MONEY_CUE = re.compile(r"(?:账|卡里|卡上|余额|工资|基数|退休金|养老金|存|收入|钱|领|拿|发|挣|赚|每月|个月|月薪|一年|每年|有|剩|到手|平均|￥|按)"
                        rf"[^{_C}]{{0,6}}$")
_NO_MONEY = re.compile("(?:没有?|没得|没得有|没有得)(?:钱|工资|收入|余额|退休金|养老金)(?!交|缴|买|看)|"
                       "一(?:分|毛|块)钱?(?:都|也)?(?:没有?|没得|没剩)|"
                       "(?:账|余额|卡里|存折)[^0-9零]{0,5}(?:没有|没得|空的|空|[零0]$)")


def amount(text: str, bare: bool = True) -> Found[Decimal] | None:
    """An amount in yuan: 四千零七十二块五 -> 4072.5, 万把块 -> about 10000, 没得钱 -> 0, 负五百 -> -500.

    Without 块 or 元 it must stand behind a word such as 账上 or 工资, or ``bare`` must hold.
    """
    return _read(text, lambda plain: _amount(plain, bare))


def _amount(plain: _Plain, bare: bool) -> Found[Decimal] | None:
    none = _NO_MONEY.search(plain.chars) or (bare and _NOTHING.fullmatch(plain.chars))
    sums = [c for m in _MONEY.finditer(plain.chars) if (c := _sum(plain, m, bare))]
    # 一块钱 in 一块钱都没有 is no amount.
    sums = [c for c in sums if not none or not none.start() <= c.start < none.end()]
    if sums:
        return _chosen(plain, sums)
    small = _JIAO.search(plain.chars)
    if small:
        value = _fraction(small["jiao"], small["fen"], None)
        return plain.found(value, _is_about(plain, *small.span()), *small.span())
    return plain.found(Decimal(0), False, none.start(), none.end()) if none else None


def _sum(plain: _Plain, match: re.Match[str], bare: bool) -> _Candidate[Decimal] | None:
    """One amount, with its rank: 2 with a unit, 1 behind a cue or alone, 0 if it is only a large number."""
    words, vague = re.sub("[来多几余]", "", match["yuan"]), match["about"] or "".join(re.findall("[来多几余]", match["yuan"]))
    unit_alone = words in ("百", "千", "万") and bool(vague or match["unit"] or match.string[:match.start()].endswith("上"))
    value = Decimal(dict(_UNITS)[words]) if unit_alone else _value(words)
    rank = _money_rank(plain, match, bare) if value is not None else None
    if value is None or rank is None or (match["yuan"][:2] == "十几" or words == "十" and "几" in vague):
        return None
    if match["jiao"] or match["only_fen"]:
        value += _fraction(match["jiao"], match["fen"], match["only_fen"])
    about = bool(vague) or unit_alone or _is_about(plain, match.start(), match.end())
    return _Candidate(-value if match["minus"] else value, about, match.start(), match.end(), rank)


def _money_rank(plain: _Plain, match: re.Match[str], bare: bool) -> int | None:
    """How sure it is that a number is an amount; None if it is not one."""
    before, behind = plain.chars[max(0, match.start() - 12):match.start()], plain.chars[match.end():]
    if match["unit"] and not (match["unit"] == "钱" and match["yuan"] in "一半"):
        return None if _is_two_digits_in_turn(match["yuan"]) or re.search("几$|第$", before) else 2
    if match["yuan"] == "半" or _OTHER_UNIT.match(behind) or _NOT_MONEY.search(before):
        return None
    large = re.search("[百千万亿]", match["yuan"]) or re.fullmatch("[0-9]{3,}(?:[.][0-9]+)?", match["yuan"])
    alone = bare and _LONE.fullmatch(plain.chars.replace(match["minus"] or "□", ""))
    if alone or (large and _MONEY_CUE.search(before)):
        return 1
    return 1 if bare and match["about"] == "把" else 0 if bare and large else None


def _fraction(jiao: str | None, fen: str | None, only_fen: str | None) -> Decimal:
    """Yuan of what stands behind 块: 五毛三 -> 0.53."""
    tenths = "5" if jiao == "半" else (jiao or "0").translate(_DIGITS)
    hundredths = (fen or only_fen or "0").translate(_DIGITS)
    return Decimal(f"0.{tenths}{hundredths}")


# --- births ---------------------------------------------------------------------------------------

_LUNAR = "农历|阴历|老历|旧历|古历"
_GAP = rf"(?:的|那年|是|在|生|出生|{_LUNAR}|阳历|公历|新历|{_ESTIMATE}|那个|就是|我)*"
_MONTH = rf"(?P<leap>闰)?(?P<month>[正元冬腊]|[一二三四五六七八九1-9]?十[{_D}]?|[{_D}]{{1,2}})月份?(?!薪)"
_DAY = rf"(?P<first>初)?(?P<day>[一二三四五六七八九1-9]?十[{_D}]?|[{_D}]{{1,2}})(?:[号日]|(?![{_C}年个月块元岁]))"
_YEAR4 = rf"[12一二][{_D}]{{3}}|[一二两12]千(?:[九9]百)?零*(?:[{_D}]?十)?[{_D}]?"
_RELATIVE = {"大前年": -3, "前年": -2, "去年": -1, "今年": 0, "明年": 1, "大后年": 3, "后年": 2}
_BORN = re.compile(
    rf"(?<![{_C}年])(?:(?:民国(?P<republic>{_RUN})年|(?P<relative>大前年|前年|去年|今年|明年|大后年|后年)|"
    rf"(?P<year>{_YEAR4}|[{_D}]{{2}}|[{_D}]十[{_D}]?(?=年))"
    rf"(?P<sign>年份?|[-/.点]|(?=(?:{_LUNAR})?(?:[{_D}十正元冬腊闰]{{1,3}}月))))"
    rf"(?P<gap>{_GAP}))?(?:{_MONTH}(?P<gap2>{_GAP})(?:{_DAY})?)?")
_NUMERIC = re.compile(rf"(?<![{_C}.])(?P<year>[12一二][{_D}]{{3}}|[{_D}]{{2}})[-/.点](?P<month>[{_D}]{{1,2}}|十[一二12]?)"
                      rf"(?:[-/.](?P<day>[{_D}]{{1,2}}))?[号日]?(?![{_C}年个块元.月])")
_DAY_ONLY = re.compile(rf"(?<![{_C}月]){_DAY}")
_BIRTH_BEFORE = re.compile(rf"(?:生于|出生|生日|出世|生在|生的)[^{_C}]{{0,4}}$")
_BIRTH_BEHIND = re.compile(rf"[^{_C}]{{0,3}}?(?:生(?!活|病|意|育)|出生|出世|属)")
_I_AM = re.compile("(?:我|我是|本人是?|我系|我们是)(?:大概|好像|应该)?$")
_NOT_BIRTH_BEFORE = re.compile(r"(?:交|缴|干|做|买|工龄|工作|差|补|满|够|再过|过了?|还有|从|自|到|退休|参加工作)(?:了|过|满)?(?:是|有|大概|差不多|整整)*$")
_NOT_BIRTH_BEHIND = re.compile(r"份?(?:的时候)?我?(?:就|才|开始|又|都|要|可以|能)*(?:参加|退休|退的|进|交|缴|下岗|办|工作|上班|买|离|改制|"
                               r"[以之过]?后|[以之]?前|结婚|调|转|招|下放|当兵|入伍|毕业)")
_DURATION_BEHIND = re.compile(rf"(?:半|多|来|把|代|级|龄|(?:又|另外?|加|带|还有)*{_RUN}[来多几]?个)")
_AGE = re.compile(rf"(?P<age>{_RUN})[来多几]?(?:周岁|虚岁|岁)|"
                  rf"(?:虚岁|周岁|实岁|今年|年纪|年龄|岁数|我|满)(?:是|有|已经|都|就|快|满|大概|差不多|了|我)*(?P<years>{_RUN})"
                  rf"(?![{_C}年月号个块元几])")
_NOT_AGE_BEFORE = re.compile("(?:到|交满|等|过)(?:了|满)?$")
_NOT_AGE_BEHIND = re.compile("(?:就|才|可以|要|能|时)*(?:退休|领|以上|以下|以后|之后|之前|以前|办)")
_COMPACT = ("([12]...)(..)(..)", "((?:19|20)..)(0[1-9]|1[0-2])()", "((?:19|20)..)([2-9])([1-9])", "((?:19|20)..)(..)()",
            "(..)(..)(..)", "((?:19|20)..)(.)()", "((?:18[89]|19.|20.).)()()", "(..)(0[1-9]|1[0-2])()", "(..)([1-9])()",
            "(..)()()")
"""Digits alone as year, month and day; the first that fits."""


def birth(text: str, today: date, bare: bool = True) -> Found[Birth] | None:
    """The birth that a text tells: 六五年五月 -> 1965-05, 农历五月, 我今年六十一 -> age 61.

    Two digits mean the last year in which the person was at least ``YOUNGEST`` today. A birth in the future is
    given as said. With ``bare`` a number, a month, a day or 去年 alone counts too.
    """
    return _read(text, lambda plain: _birth(plain, today, bare))


def _birth(plain: _Plain, today: date, bare: bool) -> Found[Birth] | None:
    if re.search(r"□{15,}", plain.chars):
        return None
    dates = _numeric_dates(plain, today, bare) or [
        c for m in _BORN.finditer(plain.chars) if m[0] and (c := _spoken_date(plain, m, today, bare))]
    age = _age(plain, bare)
    if dates:
        found = _chosen(plain, _merged(dates))
        joined = found and age and found.value.year is None
        return replace(found, value=replace(found.value, age=age.value.age)) if joined else found
    return age or (_bare_birth(plain, today) if bare else None)


def _full_year(words: str, today: date) -> int | None:
    """Four digits, a number with 千, or two digits (六五, 六十五) as the last year that fits."""
    value = _value(words)
    if value is None or 100 <= value < 1880 or value > 2150:
        return None
    if value >= 1880:
        return int(value)
    century = today.year // 100 * 100
    year = century + int(value)
    return year if today.year - year >= YOUNGEST else year - 100


def _checked(year: int | None, month: int | None, day: int | None, lunar: bool, leap: bool = False) -> Birth:
    """A birth whose parts exist in a calendar; those that do not are None and it is marked impossible."""
    bad_month = month is not None and not 1 <= month <= 12
    month = None if bad_month else month
    try:
        date(2000 if year is None or lunar else year, 1 if month is None or lunar else month, 1 if day is None else day)
        bad_day = lunar and day is not None and day > 30
    except ValueError:
        bad_day = True
    return Birth(year, None if leap else month, None if bad_day else day, lunar or leap, bad_month or bad_day)


def _numeric_dates(plain: _Plain, today: date, bare: bool) -> list[_Candidate[Birth]]:
    """1965.5, 1965-05-12, 六五点五; two digits for the year only if nothing else is said."""
    out = []
    for match in _NUMERIC.finditer(plain.chars):
        year = _full_year(match["year"], today)
        alone = bare and re.fullmatch(_FILL, plain.chars[:match.start()] + plain.chars[match.end():])
        if year and (len(match["year"]) == 4 or alone):
            month, day = (int(_value(match[part]) or 0) if match[part] else None for part in ("month", "day"))
            value = _checked(year, month, day, _is_lunar(plain, match))
            out.append(_Candidate(value, False, match.start(), match.end(), 2))
    return out


def _is_lunar(plain: _Plain, match: re.Match[str]) -> bool:
    near = plain.chars[max(0, match.start() - 6):match.end() + 4]
    return bool(re.search(_LUNAR, near)) and not re.search("阳历|公历|新历", near)


def _spoken_date(plain: _Plain, match: re.Match[str], today: date, bare: bool) -> _Candidate[Birth] | None:
    """A date with 年 or 月, ranked by what says that somebody was born then."""
    start, end = match.start(), match.end("sign")
    if match["month"]:
        end = match.end() if match["day"] else match.start("gap2")
    elif match["republic"] or match["relative"]:
        end = match.start("gap")
    rank = _birth_rank(plain, start, end)
    if not rank or not _is_birth(plain, match, end, rank, bare):
        return None
    value = _date_parts(plain, match, today)
    if value == Birth():
        return None
    both = value.year is not None and bool(match["month"])
    return _Candidate(value, _is_about(plain, start, end), start, end, rank * 2 + both)


def _birth_rank(plain: _Plain, start: int, end: int) -> int:
    """3 beside 生 and the like, 2 in 我是...的, 1 without a cue, 0 if something else happened then."""
    before, behind = plain.chars[max(0, start - 12):start], plain.chars[end:]
    if _BIRTH_BEFORE.search(before) or _BIRTH_BEHIND.match(behind):
        return 3
    if _NOT_BIRTH_BEFORE.search(before) or _NOT_BIRTH_BEHIND.match(behind):
        return 0
    return 2 if _I_AM.search(before) or re.fullmatch(f"的{_FILL}", behind) else 1


def _is_birth(plain: _Plain, match: re.Match[str], end: int, rank: int, bare: bool) -> bool:
    """Whether so little or so much of a date counts as a birth."""
    behind = plain.chars[end:]
    if match["relative"]:
        alone = re.fullmatch(_FILL, plain.chars[:match.start()]) and re.fullmatch(f"(?:生|出生)?{_FILL}", behind)
        return bool(re.match("(?:才|刚)?(?:的?生|出生)(?!日)", behind)) or (bare and bool(alone or match["month"]))
    if match["republic"]:
        return True
    if not match["year"]:
        return bool(match["month"]) and (bare or rank == 3) and not _RATE_BEHIND.match(behind)
    if match["month"]:
        return rank > 1 or bare or _is_plain_year(match["year"], bare)
    if not match["sign"].startswith("年") or _DURATION_BEHIND.match(behind):
        return False
    return rank == 3 or _is_plain_year(match["year"], bare) or (rank == 2 and "十" not in match["year"])


def _is_plain_year(words: str, bare: bool) -> bool:
    """Whether N年 without any cue is a year: 六五年, 1965年, 65年, but not 十二年 or 12年."""
    if len(words) > 3 or re.fullmatch("[零一二三四五六七八九]{2}", words):
        return True
    value = _value(words)
    if value is not None and re.fullmatch("[0-9]{2}", words):
        return value > (LONGEST_TYPED if bare else MOST_YEARS_SAID) or words[0] == "0"
    return value is not None and value > MOST_YEARS_SAID and bare


def _said_year(match: re.Match[str], today: date) -> int | None:
    if match["republic"]:
        year = int(_value(match["republic"]) or 0) + 1911
        return year if year < 2200 else None
    if match["relative"]:
        return today.year + _RELATIVE[match["relative"]]
    return _full_year(match["year"], today) if match["year"] else None


def _date_parts(plain: _Plain, match: re.Match[str], today: date) -> Birth:
    named = {"正": 1, "元": 1, "冬": 11, "腊": 12}
    month = None
    if match["month"] and not _is_two_digits_in_turn(match["month"]):
        month = named.get(match["month"]) or int(_value(match["month"]) or 0)
    day = int(_value(match["day"]) or 0) if match["day"] else None
    lunar = bool(match["first"]) or (match["month"] or "") in "正冬腊" and bool(match["month"]) or _is_lunar(plain, match)
    return _checked(_said_year(match, today), month, day, lunar, bool(match["leap"]))


def _merged(dates: list[_Candidate[Birth]]) -> list[_Candidate[Birth]]:
    """One year and one month that are told apart, as one date: 六五年出生的 五月份."""
    years = [c for c in dates if c.value.year is not None and c.value.month is None and not c.value.lunar]
    parts = [c for c in dates if c.value.year is None]
    if len(dates) != 2 or len(years) != 1 or len(parts) != 1:
        return dates
    year, part = years[0], parts[0]
    value = _checked(year.value.year, part.value.month, part.value.day, part.value.lunar)
    value = replace(value, impossible=value.impossible or part.value.impossible)
    start, end = min(year.start, part.start), max(year.end, part.end)
    return [_Candidate(value, year.about or part.about, start, end, year.rank)]


def _age(plain: _Plain, bare: bool) -> Found[Birth] | None:
    """An age in years; without 岁 only in words with 十 or behind 今年, since 六五 is a year."""
    for match in _AGE.finditer(plain.chars):
        words = match["age"] or match["years"]
        value, before = _value(words), plain.chars[:match.start()]
        said = match["age"] or "十" in words or (re.fullmatch("[0-9]{2}", words) and not match[0].startswith("我"))
        if value is None or value != int(value) or not 1 <= value <= 120 or not said:
            continue
        if not _NOT_AGE_BEFORE.search(before) and not _NOT_AGE_BEHIND.match(plain.chars[match.end():]):
            return plain.found(Birth(age=int(value)), _is_about(plain, *match.span()), *match.span())
    return None


def _bare_birth(plain: _Plain, today: date) -> Found[Birth] | None:
    """A text that is only a number, a day, or the name of the farmers' calendar."""
    if day := _DAY_ONLY.search(plain.chars):
        if day[0][-1] in "号日":
            value = _checked(None, None, int(_value(day["day"]) or 0), bool(day["first"]))
            return plain.found(value, False, *day.span())
    if lunar := re.fullmatch(f"{_FILL}(?:{_LUNAR}){_FILL}(?:生日)?{_FILL}", plain.chars):
        return plain.found(Birth(lunar=True), False, *lunar.span())
    lone = _lone(plain)
    value = _compact(lone[0]["run"], lone[1], today) if lone else None
    return plain.found(value, lone[2], *lone[0].span("run")) if lone and value else None


def _compact(words: str, value: Decimal, today: date) -> Birth | None:
    """六五, 196505, 19650512, 6505 as a date; 六十一 as an age."""
    if "十" in words and "千" not in words:
        return Birth(age=int(value)) if YOUNGEST <= value <= 120 else None
    if "千" in words:
        year = _full_year(words, today) if value >= 1880 else None
        return Birth(year) if year else None
    digits = words.translate(_DIGITS)
    match = next((m for p in _COMPACT if (m := re.fullmatch(p, digits))), None) if digits.isdigit() else None
    full = _full_year(match[1], today) if match else None
    if match is None or full is None:
        return None
    return _checked(full, *(int(part) if part else None for part in match.groups()[1:]), False)


# --- years to come --------------------------------------------------------------------------------

_LATER = re.compile(
    rf"(?:(?:再|还)?(?:过|等|有)?)?(?P<years>{_RUN})(?P<about>[来多几])?年(?P<half>半)?(?:以后|之后|过后|后(?!来|年))"
    rf"|(?:再过|再等|再干|再做|还有|还要等|等|过|再)(?:大概|差不多|个)?(?P<more>{_RUN})(?P<more_about>[来多])?年(?P<more_half>半)?(?![{_C}以之])"
    rf"|(?P<months>{_RUN})个月(?:以后|之后|过后|后(?!来))")
_NAMED_YEAR = re.compile("(?<![今以之往])(?P<name>大前年|前年|去年|今年|明年|大后年|后年)(?![年纪])")
_CALENDAR_YEAR = re.compile(rf"(?<![{_C}])(?P<year>[2二][0零][{_D}]{{2}}|[二两2]千零*(?:[{_D}]?十)?[{_D}]?|"
                            rf"[{_D}]{{2}}|[{_D}]十[{_D}]?)年"
                            r"(?!半|多|来|把|代|级|龄|[以之过]?后|[以之]?前|的?生|出生|的?时候生)")
_NOT_THAT_YEAR = re.compile(r"(?:交|缴|买|干|做|工龄|差|差不多|补|满|够|生于|生在|出生)(?:了|过|满)?(?:有|大概|差不多|整整|是|在)*$")
_END_OF_YEAR = re.compile("年底|年末|下半年|年尾")


def year(text: str, today: date, bare: bool = True) -> Found[int] | None:
    """A calendar year, usually one to come: 二七年 -> 2027, 明年, 两年后, 再过三年; past years as said.

    With ``bare`` a number alone, 年底 and 二十七年 count too.
    """
    return _read(text, lambda plain: _year(plain, today, bare))


def _year(plain: _Plain, today: date, bare: bool) -> Found[int] | None:
    named = [_Candidate(today.year + _RELATIVE[m["name"]], _is_about(plain, *m.span()), *m.span(), 1)
             for m in _NAMED_YEAR.finditer(plain.chars)]
    later = [c for m in _LATER.finditer(plain.chars) if (c := _later(plain, m, today))]
    fixed = [c for m in _CALENDAR_YEAR.finditer(plain.chars) if (c := _calendar_year(plain, m, today, bare))]
    if found := named + later + fixed:
        return _chosen(plain, found)
    end = _END_OF_YEAR.search(plain.chars)
    if end and bare:
        return plain.found(today.year, False, *end.span())
    lone = _lone(plain) if bare else None
    value = _near_year(lone[0]["run"], today) if lone else None
    return plain.found(value, lone[2], *lone[0].span("run")) if lone and value else None


def _later(plain: _Plain, match: re.Match[str], today: date) -> _Candidate[int] | None:
    """The year so many years or months from today."""
    words = match["years"] or match["more"] or match["months"]
    value = _value(words)
    vague = (words == "十" and match["about"] == "几") or re.fullmatch("[零一二三四五六七八九]{2,}", words)
    if value is None or value > 600 or vague or match.string[:match.start()].endswith("差"):
        return None
    ahead = value if match["months"] else value * 12 + (6 if match["half"] or match["more_half"] else 0)
    later = today.year + (today.month - 1 + int(ahead)) // 12
    about = bool(match["about"] or match["more_about"]) or _is_about(plain, match.start(), match.end())
    return _Candidate(later, about, match.start(), match.end(), 1)


def _calendar_year(plain: _Plain, match: re.Match[str], today: date, bare: bool) -> _Candidate[int] | None:
    words, before = match["year"], plain.chars[:match.start()]
    value = _near_year(words, today)
    sure = len(words) > 3 or re.fullmatch("[零一二三四五六七八九]{2}", words) or "千" in words
    if value is None or not (sure or bare) or _NOT_THAT_YEAR.search(before):
        return None
    if _DURATION_BEHIND.match(plain.chars[match.end():]) or (_I_AM.search(before) and value <= today.year):
        return None
    return _Candidate(value, _is_about(plain, match.start(), match.end()), match.start(), match.end(), 1)


def _near_year(words: str, today: date) -> int | None:
    """Four digits from 2000, or two digits from five years ago to ``FURTHEST_YEAR`` ahead."""
    value = _value(words)
    if value is None or value != int(value):
        return None
    if 2000 <= value <= 2100:
        return int(value)
    near = today.year // 100 * 100 + int(value)
    return near if 10 <= value < 100 and today.year - 5 <= near <= today.year + FURTHEST_YEAR else None


# --- what sounds like a digit ---------------------------------------------------------------------

_SOUNDS = {sound: digit for digit, sounds in {
    "一": "以医意衣依易", "二": "尔而儿耳", "三": "山伞散衫", "四": "似思丝斯司", "五": "无吴舞午武误", "六": "溜留流刘",
    "七": "起期骑妻齐", "八": "霸爸罢扒叭", "九": "酒久旧救", "零": "灵林临玲铃凌", "百": "摆柏", "万": "玩碗湾",
}.items() for sound in sounds}
_UNIT_CHARS = "年月日号块元毛角个岁半点"
_MAY_STAND = frozenset(f"{_UNIT_CHARS}我是的了有大概差不多就那这额交共来左右上下几零两十百千万亿事时实钱生农历阴老闰正冬腊初")
_ORDINARY = re.compile("而已|以[上下来后前内外]|起来|一起|多久|一时|有事|有时|是不是|生意|一期|[日年月]期")


def sounding(text: str) -> str:
    """The text with characters that sound like digits as digits (溜 -> 六), if it is otherwise only a number, a date
    or an amount; else unchanged. It keeps its length."""
    others = re.sub(f"[{_C}{_UNIT_CHARS}]", "", text)
    if len(text) - len(others) < 2 or _ORDINARY.search(text):
        return text
    if any(c not in _SOUNDS and c not in _MAY_STAND and c not in _DROPPED for c in others):
        return text
    sounds = "".join(_SOUNDS)
    near = f"{_C}{_UNIT_CHARS}{sounds}"
    heard = re.sub(rf"(?![起期]$)(?:(?<=[{near}])[{sounds}]|[{sounds}](?=[{near}是]))", lambda m: _SOUNDS[m[0]], text)
    heard = re.sub("额(?=[零十百千万])", "二", heard)
    heard = re.sub(rf"(?<=[{_D}])就(?=[{_D}年])", "九", heard)
    return _ten_or_four(heard)


def _ten_or_four(text: str) -> str:
    """是, 事, 时 between digits, where only 十 (一百四是七个月) or only 四 (一九六是年) can be meant."""
    text = re.sub("(?<=19[0-9]|一九[零一二三四五六七八九])[是事时](?=年)|(?<=一九)[是事时](?=[零一二三四五六七八九]年)", "四", text)
    text = re.sub("(?<=[百零千][一二三四五六七八九])[是事时实]|(?<=[一二三四五六七八九])[是事时实](?=[一二三四五六七八九]?(?:个月|块|元)|[来多])",
                  "十", text)
    return re.sub("^[时实](?=[一二三四五六七八九](?:年|个月|块|元))", "十", text)
