"""Normalization: what is written with digits, letters, units and marks, in words that a voice can read.

Whoever writes a message writes 吃2片药, 8:30, 37.5℃ or ＡＴＭ; a voice knows Chinese characters only, and
drops the rest without a word. The words of numbers are cn2an's; which kind of number it is (a time, a
day, a telephone number, a dose) is told here by what stands around it, and letters by the lexicon. What cannot be
told in words is left out, and ``unsayable`` names it to whoever writes it.

A text of Chinese characters only comes out as it is, but for 元 behind an amount, so that its recording stays.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass
from typing import Callable, Iterable

import cn2an
from pypinyin import Style, lazy_pinyin

from service.core.model import Lexicon
from service.core.wording import JOINT

_HAN = "\u3007\u3400-\u9fff"
_PAUSES = "，、；：。？！"
_PLAIN = re.compile(f"[{_HAN}{_PAUSES}{JOINT}]*")
_KEPT = "（）【】《》〈〉「」『』“”‘’…—·～"
"""Marks that are not folded; they are not spoken either."""
_MEANS = "%‰/\\@&#+=<>|^_~"
"""Marks that say something where they stand, and that no rule has put in words."""
_NUMERALS = "零一二两三四五六七八九十百千万亿"
_N = r"[0-9]+(?:\.[0-9]+)?"
_MEASURE = (
    "个|位|名|人|口|户|家|只|头|条|张|把|本|份|件|套|双|对|副|片|粒|颗|丸|包|袋|盒|瓶|支|管|杯|碗|勺|匙|滴|针|贴|服|剂|"
    "顿|餐|次|遍|回|趟|场|天|周|年(?!级)|岁|星期|礼拜|小时|分钟|秒|刻|点|块|元|毛|角|斤|公斤|千克|克|毫克|微克|米|公里|千米|里|"
    "厘米|毫米|尺|寸|丈|升|毫升|吨|亩|平方|立方|度|层|间|座|台|部|辆|架|封|种|类|样|倍|成|步|站|段|页|句|字|首|杆|根|床被|"
    "枚|盘|篮|筐|桶|箱|捆|卷|束|朵|棵|匹|门|节|幅|扇|面|轮|组|批|瓣|撮|大卡|毫摩尔|国际单位|晚|夜|百|千|万|亿")
"""Before these 2 is 两. Not 楼, 号, 日, 月, 路, 栋, 单元, 室, 级, 班, 床: there it is a number by itself."""
_BEHIND = rf"(?=\s*(?:多|来|余|几)?\s*(?:大|小)?(?:{_MEASURE}))"
_NO_AMOUNT = rf"(?![0-9.%‰年月日号点时分秒]|\s*(?:多|来|余|几|{_MEASURE}))"
"""Behind digits that are a number by itself and not of something."""
_UNITS = {
    "kg": "公斤", "㎏": "公斤", "mg": "毫克", "ug": "微克", "μg": "微克", "mcg": "微克", "g": "克", "km": "公里", "cm": "厘米",
    "mm": "毫米", "m": "米", "ml": "毫升", "l": "升", "m²": "平方米", "m2": "平方米", "㎡": "平方米", "m³": "立方米",
    "m3": "立方米", "°c": "度", "℃": "度", "°": "度", "mmhg": "毫米汞柱", "mmol/l": "毫摩尔每升", "kcal": "大卡", "kwh": "度",
    "iu": "国际单位", "h": "小时", "min": "分钟", "s": "秒", "rmb": "元", "cny": "元", "w": "瓦",
}
_SIGNS = {"+": "加", "×": "乘", "*": "乘", "x": "乘", "X": "乘", "÷": "除以", "=": "等于", ">": "大于", "<": "小于", "≥": "大于等于",
          "≤": "小于等于", "±": "正负", "≈": "约等于"}
_FOREIGN = re.compile("[0-9A-Za-z]")
_SERVICE = ("1(?:10|14|19|20|22)", "12[0-9]{3}", "96[0-9]{3}", "95[0-9]{3}", "100(?:00|01|10|50|60|86|99)")
"""Telephone numbers of offices and services, in mainland China."""
_CALL = r"(?:打|拨|拨打|呼叫|呼|喊|叫|找|电话|热线|报警|急救|火警)(?:是|为|号码|：|，|:|\s|这个|：)*"
_TELLS_DIGITS = (r"(?:密码|验证码|卡号|账号|帐号|编号|单号|取件码|房间|房号|门牌|QQ|微信|工号|学号|号码|尾号|电话|热线|手机|拨打|致电|转|分机)"
                 r"(?:是|为|：|:|\s)*")


@dataclass(frozen=True)
class Line:
    """A text on its way to words."""

    text: str
    places: tuple[int, ...]
    """For each of its characters the index of the one that it stands for, in the text that was given."""

    def sub(self, pattern: str | re.Pattern, say: Callable[[re.Match], str | None]) -> Line:
        """Put ``say`` in the place of each match; None leaves it."""
        text, places, done = [], [], 0
        for match in re.finditer(pattern, self.text):
            said = say(match)
            if said is None or said == match[0]:
                continue
            start, end = match.span()
            text += [self.text[done:start], said]
            places += self.places[done:start]
            places += (self.places[start + i * (end - start) // len(said)] for i in range(len(said)))
            done = end
        return Line("".join([*text, self.text[done:]]), (*places, *self.places[done:])) if done else self


@dataclass(frozen=True)
class Normalized:
    """A text in words."""

    line: Line
    unsayable: tuple[str, ...]
    """What of the given text no words were found for, each part as it was written."""


def normalized(text: str, lexicon: Lexicon) -> Normalized:
    """The text in words, and with the lexicon's replacements made."""
    line = Line(text, tuple(range(len(text))))
    if not _PLAIN.fullmatch(text):
        line = _folded(line)
        for pattern, say in _listed(lexicon.replace):
            line = line.sub(pattern, say)
        for pattern, say in _RULES:
            line = line.sub(pattern, say)
    for pattern, say in _AMOUNTS:
        line = line.sub(pattern, say)
    for written, said in lexicon.replace:
        if written in line.text and not _FOREIGN.search(written):
            line = line.sub(re.escape(written), lambda _, said=said: said)
    left = [place for c, place in zip(line.text, line.places) if _is_lost(c)]
    return Normalized(line.sub(rf"[^{_HAN}{_PAUSES}{JOINT}]", lambda m: m[0] if m[0].isspace() else ""),
                      tuple(_written(text, left)))


def unsayable(text: str, lexicon: Lexicon) -> tuple[str, ...]:
    """The parts of a text that no voice can read, as they are written; marks that are only seen are none, unless
    there is nothing else."""
    found = normalized(text, lexicon)
    rare = [c for c in re.findall(f"[{_HAN}]", text) if not lazy_pinyin(c, style=Style.TONE3)[0].isascii()]
    if text.strip() and not found.unsayable and not re.search(f"[{_HAN}]", found.line.text):
        return (text.strip(),)
    return tuple(dict.fromkeys((*found.unsayable, *rare)))


def cardinal(digits: str) -> str:
    """A number in words, as people say it: 2200 -> 两千两百, 37.5 -> 三十七点五. One by one if it is too long."""
    whole, _, part = digits.partition(".")
    if part:
        return f"{cardinal(whole)}点{_year(part)}"
    if len(whole) > 12 or len(whole) > 1 and whole[0] == "0":
        return one_by_one(whole)
    return re.sub("(?<!十)二(?=[百千万亿])", "两", cn2an.an2cn(whole, "low"))


def one_by_one(digits: str) -> str:
    """Digits of a number that is a name: 12333 -> 幺二三三三."""
    return cn2an.an2cn(digits, "direct").replace("一", "幺")


# --- rules ----------------------------------------------------------------------------------------------------

def _year(digits: str) -> str:
    """Digits one by one, with 一: 2011 -> 二零一一."""
    return cn2an.an2cn(digits, "direct")


def _small(digits: str) -> str:
    return cardinal(str(int(digits)))


def _grouped(*groups: str) -> str:
    return "，".join(one_by_one(group) for group in groups)


def _telephone(match: re.Match) -> str:
    return _grouped(*(group for group in match.groups() if group))


def _identity(match: re.Match) -> str:
    last = {"X": "艾克斯", "x": "艾克斯"}.get(match[4], "")
    return _grouped(match[1], match[2], match[3] + ("" if last else match[4])) + last


def _day(match: re.Match) -> str:
    return f"{_year(match['y'])}年{_small(match['m'])}月{_small(match['d'])}{match['end'] or '日'}"


def _clock(match: re.Match) -> str:
    hour, minute = int(match[1]), int(match[2])
    past = {0: "", 30: "半"}.get(minute, f"{'零' if minute < 10 else ''}{cardinal(str(minute))}分")
    return f"{'两' if hour == 2 else cardinal(str(hour))}点{past}"


def _range(match: re.Match) -> str:
    low, high = match[1], match[2]
    if match[3] == "%":
        return f"百分之{cardinal(low)}到百分之{cardinal(high)}"
    if float(low) >= float(high):
        return f"{cardinal(low)}杠{cardinal(high)}{match[3]}"
    if re.fullmatch("(?:19|20)[0-9]{2}", low) and re.fullmatch("(?:19|20)[0-9]{2}", high):
        return f"{_year(low)}到{_year(high)}{match[3]}"
    counted = re.match(_BEHIND, match.string[match.end():])
    return f"{_count(low, counted)}到{_count(high, counted)}{match[3]}"


def _count(digits: str, counted: object) -> str:
    return "两" if digits == "2" and counted else cardinal(digits)


def _part(match: re.Match) -> str:
    """A fraction: 1/2片 -> 半片, 3/4 -> 四分之三; 1又1/2 -> 一又二分之一."""
    if match[0] == "1/2" and re.match(_BEHIND, match.string[match.end():]):
        return "半"
    return f"{cardinal(match[2])}分之{cardinal(match[1])}"


def _day_or_part(match: re.Match) -> str | None:
    """12/5 -> 十二月五日; a fraction where there is no such day."""
    first, second = int(match[1]), int(match[2])
    if 1 <= first <= 12 and 1 <= second <= 31:
        return f"{_small(match[1])}月{_small(match[2])}日"
    return _part(match) if first < second and match[2][0] != "0" else None


def _money(match: re.Match) -> str:
    """12.50元 -> 十二块五, 3.05元 -> 三块零五分, 0.5元 -> 五毛."""
    whole, jiao, fen = match[1], match[2], match[3] or "0"
    head = f"{_count(whole, True)}块" if int(whole) else ""
    if jiao == fen == "0":
        return head or "零块"
    if jiao == "0":
        return f"{head}{'零' if head else ''}{_count(fen, True)}分"
    if fen == "0":
        return f"{head}{cardinal(jiao)}" if head else f"{_count(jiao, True)}毛"
    return f"{head}{_count(jiao, True)}毛{cardinal(fen)}"


def _number(match: re.Match) -> str:
    digits, before = match[0], match.string[:match.start()]
    if len(digits) >= 7 and "." not in digits and re.match(_NO_AMOUNT, match.string[match.end():]):
        return one_by_one(digits)
    ordinal = re.search(r"(?:第|初|周|星期(?=$)|礼拜(?=$)|年级)$", before)
    return _count(digits, not ordinal and re.match(_BEHIND, match.string[match.end():]))


def _unit(letters: str) -> str | None:
    """The unit in words; None for G, M, H and S, which are none: 5G."""
    return None if letters in ("G", "M", "H", "S") else _UNITS.get(letters.lower())


def _alone(*shapes: str) -> str:
    """Digits of these shapes that are no part of others."""
    return rf"(?<![0-9.])({'|'.join(shapes)})(?![0-9])"


_MONTH_DAY = r"(?P<m>1[0-2]|0?[1-9]){0}(?P<d>3[01]|[12][0-9]|0?[1-9])"
"""With what stands between the two."""
_RULES: tuple[tuple[re.Pattern, Callable[[re.Match], str | None]], ...] = tuple((re.compile(p), say) for p, say in (
    # Spaces: around a number they are only seen; between words they are a pause.
    (rf"(?<=[0-9])\s+(?=[{_HAN}%A-Za-z℃°])|(?<=[{_HAN}{_PAUSES}])\s+(?=[0-9])", lambda m: ""),
    (rf"(?<=[{_HAN}])\s+(?=[{_HAN}])", lambda m: "，"),
    (r"(?<=[0-9])\s*[:：]\s*(?=[0-9])", lambda m: ":"),
    (r"(?<![0-9.])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])", lambda m: m[0].replace(",", "")),
    # Numbers that are names: identity cards, telephones, rooms, buses.
    (r"(?<![0-9])([1-9][0-9]{5})((?:19|20)[0-9]{6})([0-9]{3})([0-9Xx])(?![0-9])", _identity),
    (r"(?<![0-9])(?:\+?86[-\s]?)?(1[3-9][0-9])[-\s]?([0-9]{4})[-\s]?([0-9]{4})(?![0-9])", _telephone),
    (r"(?<![0-9])[(（]?(0[0-9]{2,3})[)）]?[-\s]?([0-9]{3,4})([0-9]{4})(?![0-9])", _telephone),
    (r"(?<![0-9])([48]00)[-\s]?([0-9]{3,4})[-\s]?([0-9]{3,4})(?![0-9])", _telephone),
    (rf"({_CALL}){_alone(_SERVICE[0])}{_NO_AMOUNT}", lambda m: m[1] + one_by_one(m[2])),
    (rf"{_alone(_SERVICE[0])}(?=电话|急救|报警|救护车|火警|台|热线)", lambda m: one_by_one(m[1])),
    (rf"(?<![0-9.])({_SERVICE[0]})(?=(?:[、和或跟]{_SERVICE[0]})+(?![0-9]){_NO_AMOUNT})", lambda m: one_by_one(m[1])),
    (rf"(?<=幺[幺二][零二九四][、和或跟])(1[12][0-9])(?![0-9]){_NO_AMOUNT}", lambda m: one_by_one(m[1])),
    (rf"^(1[12][0-9])(?=[{_PAUSES}]*$)", lambda m: one_by_one(m[1])),
    (rf"{_alone(*_SERVICE[1:])}{_NO_AMOUNT}", lambda m: one_by_one(m[1])),
    (rf"({_TELLS_DIGITS})([0-9]{{3,}}){_NO_AMOUNT}", lambda m: m[1] + one_by_one(m[2])),
    (r"(?<![0-9.])([0-9]{3,4})(?=室|房|号房|号病房|病房|号床|路(?!程|费|上))|(?:(?<=单元)|(?<=[栋幢楼]))([0-9]{3,4})(?![0-9.])",
     lambda m: one_by_one(m[1] or m[2])),
    # Days.
    (rf"(?<![0-9])(?P<y>(?:19|20)[0-9]{{2}})(?P<s>[-/.]){_MONTH_DAY.format('(?P=s)')}(?![0-9])(?P<end>[日号]?)", _day),
    (r"(?<![0-9])((?:19|20)[0-9]{2})[-/.](1[0-2]|0?[1-9])(?![-/.0-9])", lambda m: f"{_year(m[1])}年{_small(m[2])}月"),
    (r"(?<![0-9])([0-9]{4})(?=年|\s*[-~～—至到、和]\s*(?:19|20)[0-9]{2}年)", lambda m: _year(m[1])),
    (r"(?<![0-9.])((?:19|20)[0-9]{2})(?=春节|元旦|中秋|端午|国庆|清明|年度)", lambda m: _year(m[1])),
    (r"(?<![0-9.])([0-9]{2})(?=年(?:[0-9]{1,2}月|生|出生))|(?<![0-9.])(0[0-9])(?=年)", lambda m: _year(m[1] or m[2])),
    (r"(?<![0-9.])([5-9]0)(?=后(?![面天来]))", lambda m: _year(m[1])),
    (rf"(?<![0-9.]){_MONTH_DAY.format('[.]')}(?=[日号])", lambda m: f"{_small(m['m'])}月{_small(m['d'])}"),
    (r"(?<![0-9-])(0[1-9])-([0-2][0-9]|3[01])(?![0-9-])|(?<![0-9-])(1[0-2])-(0[1-9])(?![0-9-])",
     lambda m: f"{_small(m[1] or m[3])}月{_small(m[2] or m[4])}日"),
    (r"(?<![0-9.])([0-9]{1,2})[.·]([0-9]{1,2})(?=劳动节|儿童节|妇女节|建军节|国庆|长假|节)",
     lambda m: f"{cardinal(m[1])}{cardinal(m[2])}"),
    (r"(?<![0-9.])0([1-9])(?=[月日号点时])", lambda m: m[1]),
    # Times of the day.
    (r"(?<![0-9:.])([01]?[0-9]|2[0-4]):([0-5][0-9])(?::[0-5][0-9])?(?![0-9:])", _clock),
    (r"(?<=点)([1-9])(?=分(?!钟))", lambda m: f"零{cardinal(m[1])}"),
    (r"(?<=[0-9]):(?=[0-9])", lambda m: "比"),
    # Doses, blood pressure and parts.
    (rf"(?<![0-9.])([0-9]{{1,3}})又([0-9]{{1,3}})/([0-9]{{1,3}})(?![0-9/])",
     lambda m: f"{cardinal(m[1])}又{cardinal(m[3])}分之{cardinal(m[2])}"),
    (r"(血压(?:是|为|：|有|到|量了)?)([0-9]{2,3})\s*[-/]\s*([0-9]{2,3})(?![0-9./])",
     lambda m: f"{m[1]}{cardinal(m[2])}、{cardinal(m[3])}"),
    (r"(?<![0-9./])(6[0-9]|[7-9][0-9]|1[0-9]{2}|2[0-4][0-9])\s*/\s*([3-9][0-9]|1[0-4][0-9])(?![0-9./])",
     lambda m: f"{cardinal(m[1])}、{cardinal(m[2])}"),
    (rf"(?<![0-9./])([0-9]{{1,3}})/([1-9][0-9]{{0,2}})(?:{_BEHIND}|(?=的|以上|以下|左右))", _part),
    (r"(?<=[吃服喝减剩切掰])([0-9]{1,2})/([1-9][0-9]?)(?![0-9/])", _part),
    (r"(?<![0-9./])([0-9]{1,3})/([0-9]{1,3})(?![0-9/])", _day_or_part),
    # From, to; and below zero.
    (rf"(?<![0-9A-Za-z-])([0-9]+)-([0-9]+)-([0-9]+)(?![0-9-])", lambda m: "杠".join(map(cardinal, m.groups()[:2]))
     + "杠" + (one_by_one(m[3]) if len(m[3]) > 2 else cardinal(m[3]))),
    (rf"(?<![0-9A-Za-z.-])({_N})%?\s*[-~～—–]+\s*({_N})(%?)(?![0-9.-])", _range),
    (rf"(?<=[点分半岁月日号天年周期{_NUMERALS}])\s*[-~～—–]+\s*(?=[0-9{_NUMERALS}周星半早晚上中下])", lambda m: "到"),
    (rf"(?<=[0-9])(?:-|~|～|—)+(?=[{_NUMERALS}])", lambda m: "到"),
    (rf"(?<![0-9A-Za-z])[-−]({_N})(?=度|°|℃)", lambda m: f"零下{m[1]}"),
    (rf"(?<![0-9A-Za-z{_HAN}])[-−](?={_N})", lambda m: "负"),
    (r"(?<![0-9.])100%", lambda m: "百分之百"),
    (rf"(?<![0-9.])({_N})([%‰])", lambda m: f"{'百' if m[2] == '%' else '千'}分之{cardinal(m[1])}"),
    (rf"(?<=[0-9])\s*([{''.join(map(re.escape, _SIGNS))}])\s*(?=[0-9])|(?<=[{_HAN}])([><≥≤±≈=])(?=[0-9])",
     lambda m: _SIGNS[m[1] or m[2]]),
    # Units and money.
    (rf"(?<=[0-9{_NUMERALS}半])\s*((?i:{'|'.join(sorted(map(re.escape, _UNITS), key=len, reverse=True))}))(?![A-Za-z])",
     lambda m: _unit(m[1])),
    (rf"(?<=[0-9][{_HAN}])/(?=[{_HAN}])|(?<=[0-9][{_HAN}]{{2}})/(?=[{_HAN}])", lambda m: "每"),
    (rf"(?<=[{_HAN}])/(?=[{_HAN}])", lambda m: "、"),
    (rf"[¥￥]\s*({_N}[万千亿]?)(?![0-9.万千亿]|\s*[元块])", lambda m: f"{m[1]}元"),
    (r"[¥￥]\s*(?=[0-9])", lambda m: ""),
    (rf"\$\s*({_N})", lambda m: f"{m[1]}美元"),
    (r"(?<![0-9.])([0-9]+)\.([0-9])([0-9])?(?:元|块)钱?", _money),
    # What is left are numbers.
    (r"[0-9]+(?:\.[0-9]+){2,}", lambda m: "点".join(map(one_by_one, m[0].split(".")))),
    (rf"(?<![0-9第.、])([1-9])[、,，]([1-9])(?={_MEASURE})",
     lambda m: f"{_count(m[1], True)}{cardinal(m[2])}" if int(m[2]) == int(m[1]) + 1 else None),
    (r"(?<![0-9.第])2(?=[到至或、](?:[0-9]+|[一二三四五六七八九十]+)" + _BEHIND[3:-1] + ")", lambda m: "两"),
    (rf"(?<=[0-9]米)([0-9]{{2}})(?![0-9]|{_MEASURE})", lambda m: cn2an.an2cn(m[1], "direct")),
    (_N, _number),
    # Marks as they are on another keyboard.
    (rf"(?<=[{_HAN}])(?:\s*[(（]\s*|[—…]+)(?=[{_HAN}])|(?<=[{_HAN}])\s*[)）]\s*(?=[{_HAN}])", lambda m: "，"),
    (r"\s*([,;:?!])\s*", lambda m: dict(zip(",;:?!", "，；：？！"))[m[1]]),
    (r"(?<![.0-9A-Za-z@])\.(?![.0-9A-Za-z])\s*", lambda m: "。"),
))
_AMOUNTS = tuple((re.compile(p), lambda m: m[0].replace("元", "块")) for p in (
    # Money is called 块. A single numeral before 元 may be part of a word: 三元桥, 一元化, 万元户.
    rf"[{_NUMERALS}][{_NUMERALS}多几来余]+元(?![桥化素])",
    rf"(?<![{_NUMERALS}])[{_NUMERALS}几]元(?=$|[^{_HAN}]|[钱每一以左上起的就给交和到内整吧了啊呢])",
))


# --- letters, marks -------------------------------------------------------------------------------------------

def _folded(line: Line) -> Line:
    """Full-width digits and letters, circled numbers and the like as plain ones."""
    return line.sub(f"[^{_HAN}{_PAUSES}{_KEPT}{JOINT}\x20-\x7e]", lambda m: _fold(m[0]))


def _fold(character: str) -> str | None:
    if character in _UNITS or character in "²³":
        return None
    if unicodedata.category(character) in ("Nl", "No") and not "⁄" in unicodedata.normalize("NFKC", character):
        value = unicodedata.numeric(character, -1)
        listed = "、" if unicodedata.category(character) == "No" else ""  # ①
        return f"{int(value)}{listed}" if value >= 0 and value == int(value) else None
    return unicodedata.normalize("NFKC", character).replace("⁄", "/").replace("\u3000", " ") or None


@functools.lru_cache(maxsize=4)
def _listed(replace: tuple[tuple[str, str], ...]) -> tuple[tuple[re.Pattern, Callable[[re.Match], str | None]], ...]:
    """The rules for what the lexicon lists in letters and digits, whole; then capitals one by one by their names."""
    words = {written: said for written, said in replace if _FOREIGN.search(written)}
    names = {written: words.pop(written) for written in list(words) if re.fullmatch("[A-Z]", written)}

    def spelled(match: re.Match) -> str | None:
        before = match.string[:match.start()]
        if re.search("[0-9]$", before) and _unit(match[0]) or re.search("[0-9]{17}$", before):
            return None
        letters = match[0].upper()
        return "".join(names[c] for c in letters) if names.keys() >= set(letters) else None

    bounds = (rf"{_bound(word[0], '<!')}{re.escape(word)}{_bound(word[-1], '!')}"
              for word in sorted(words, key=len, reverse=True))
    listed = [(re.compile("|".join(bounds)), lambda m: words[m[0]])] if words else []
    return (*listed, (re.compile(rf"(?<![A-Za-z@./_°])[A-Z]{{1,6}}(?![A-Za-z@./_])|(?<![A-Za-z0-9])[a-z](?=[{_HAN}])"),
                      spelled))


def _bound(character: str, side: str) -> str:
    """What a word that ends in this character may not touch, so that 2% is not found in 12%, nor APP in HAPPY."""
    return f"(?{side}[0-9.])" if character.isdigit() else f"(?{side}[A-Za-z])" if character.isascii() and character.isalpha() else ""


def _is_lost(character: str) -> bool:
    """True for what means something and was not put in words; pictures, brackets and other marks are only seen."""
    if _PLAIN.fullmatch(character) or character.isspace():
        return False
    return character in _MEANS or unicodedata.category(character)[0] in "LN" or unicodedata.category(character) in ("Sc", "Sm")


def _written(text: str, left: Iterable[int]) -> Iterable[str]:
    """The parts of the text around the places that are left, each with what is written together with it."""
    parts = [m for m in re.finditer(rf"[^{_HAN}{_PAUSES}{_KEPT}{JOINT}\s]+|[{_HAN}]", text)]
    wanted = set(left)
    return [m[0] for m in parts if wanted.intersection(range(*m.span()))]
