"""Normalization: what is written in digits, letters and marks comes to every voice in words, or is named."""

import time

import pytest

from service.content.sentences import sentences
from service.core import wording
from service.core.model import Lexicon
from service.speech.engine import EngineProcess
from service.speech.normalization import normalized, unsayable
from service.speech.pyttsx3_voice import to_pinyin
from service.speech.voice import EngineVoice, spoken
from tests.support import guide

SAID = {
    "doses": [("吃2片药，一天3次", "吃两片药，一天三次"), ("每次1/2片", "每次半片"), ("吃1/4片", "吃四分之一片"), ("2.5毫克", "二点五毫克"),
              ("12.5毫克", "十二点五毫克"), ("0.5片", "零点五片"), ("1-2片", "一到两片"), ("2、3片", "两三片"), ("100mg/次", "一百毫克每次"),
              ("½片", "半片"), ("一次2片（饭后吃）", "一次两片，饭后吃"), ("第2次", "第二次"), ("2周", "两周"), ("2年", "两年"),
              ("维生素B12", "维生素毕十二"), ("血压140/90", "血压一百四十、九十"), ("空腹6.1mmol/L", "空腹六点一毫摩尔每升")],
    "times": [("晚上8点半", "晚上八点半"), ("2:30", "两点半"), ("3:05", "三点零五分"), ("14:30去", "十四点半去"), ("14：30去", "十四点半去"),
              ("8:00-9:30", "八点到九点半"), ("2点30分", "两点三十分"), ("22:00", "二十二点"), ("7、8点", "七八点"), ("5分钟", "五分钟"),
              ("2个半小时", "两个半小时"), ("早8点~晚6点", "早八点到晚六点")],
    "days": [("12月5号", "十二月五号"), ("2月2日", "二月二日"), ("12月05日", "十二月五日"), ("2026年", "二零二六年"), ("2000年", "二零零零年"),
             ("66年5月", "六六年五月"), ("交了15年", "交了十五年"), ("2026-12-05", "二零二六年十二月五日"), ("2026/12/5", "二零二六年十二月五日"),
             ("2026.12.5", "二零二六年十二月五日"), ("2026-12", "二零二六年十二月"), ("12/5", "十二月五日"), ("12/05复查", "十二月五日复查"),
             ("2026-2027年", "二零二六到二零二七年"), ("12月5号-8号", "十二月五号到八号"), ("周一-周五", "周一到周五"), ("星期2", "星期二"),
             ("5.1劳动节", "五一劳动节")],
    "money": [("带300元", "带三百块"), ("100元", "一百块"), ("2元", "两块"), ("2000元", "两千块"), ("12.50元", "十二块五"),
              ("3.05元", "三块零五分"), ("0.5元", "五毛"), ("1,200元", "一千两百块"), ("¥300", "三百块"), ("¥1.2万", "一点二万块"), ("300RMB", "三百块"),
              ("1000多块", "一千多块"), ("2万元", "两万块"), ("22000元", "两万两千块"), ("2元/斤", "两块每斤"), ("三百元", "三百块"),
              ("一百多元", "一百多块"), ("三元桥", "三元桥"), ("多元化", "多元化"), ("一元化", "一元化"), ("万元户", "万元户"), ("三元钱", "三块钱")],
    "units": [("5kg", "五公斤"), ("5KG", "五公斤"), ("500ml", "五百毫升"), ("1L", "一升"), ("175cm", "一百七十五厘米"), ("20㎡", "二十平方米"),
              ("37.5度", "三十七点五度"), ("37.5℃", "三十七点五度"), ("-5°C", "零下五度"), ("50%", "百分之五十"), ("0.5％", "百分之零点五"),
              ("12%", "百分之十二"), ("10-20%", "百分之十到百分之二十"), ("36.5~37.2℃", "三十六点五到三十七点二度"), ("1米75", "一米七五"),
              ("5G手机", "五记手机"), ("2公斤", "两公斤"), ("2两", "二两")],
    "ranges": [("8-10岁", "八到十岁"), ("3~5天", "三到五天"), ("8—10岁", "八到十岁"), ("2-3次", "两到三次"), ("20-30分钟", "二十到三十分钟"),
               ("3-2-501", "三杠二杠五零幺")],
    "telephones": [("打12333问", "打幺二三三三问"), ("12393", "幺二三九三"), ("12345", "幺二三四五"), ("打120", "打幺二零"),
                   ("110、119、120", "幺幺零、幺幺九、幺二零"), ("急救电话：120", "急救电话：幺二零"), ("96110", "九六幺幺零"), ("12356", "幺二三五六"),
                   ("12348", "幺二三四八"), ("13812345678", "幺三八，幺二三四，五六七八"), ("打 138 1234 5678", "打幺三八，幺二三四，五六七八"),
                   ("0734-8123456", "零七三四，八幺二，三四五六"), ("(0734)8123456", "零七三四，八幺二，三四五六"),
                   ("400-820-8820", "四零零，八二零，八八二零"), ("120斤", "一百二十斤"), ("120元", "一百二十块"), ("走110米", "走一百一十米"),
                   ("43040419500101123X", "四三零四零四，幺九五零零幺零幺，幺二三艾克斯"), ("3楼302室", "三楼三零二室"), ("101路", "幺零幺路"),
                   ("12345元", "一万两千三百四十五块")],
    "letters": [("下载APP", "下载软件"), ("去ATM机取", "去取款机取"), ("ＡＴＭ", "取款机"), ("连WiFi", "连无线网"), ("连wifi", "连无线网"),
                ("B超", "毕超"), ("b超", "毕超"), ("做CT", "做西踢"), ("A座", "诶座"), ("按#号键", "按井号键")],
    "full width": [("１２月５号", "十二月五号"), ("８：３０", "八点半"), ("５０％", "百分之五十"), ("①带身份证", "一、带身份证"), ("Ⅱ型", "二型")],
    "marks": [("😀记得吃药❤️", "记得吃药"), ("★重要★", "重要"), ("你好!记得,吃药.", "你好！记得，吃药。"), ("妈 记得吃药", "妈，记得吃药"),
              ("“社保卡”带上", "社保卡带上"), ("3+2", "三加二"), ("男/女", "男、女")],
}


@pytest.mark.parametrize("written, said", [pair for pairs in SAID.values() for pair in pairs])
def test_it_is_said_in_words(written, said):
    assert spoken(written, guide().lexicon).text == said
    assert unsayable(written, guide().lexicon) == ()


@pytest.mark.parametrize("written, parts", [
    ("Hello妈妈", ("Hello",)), ("看www.baidu.com", ("www.baidu.com",)), ("发到abc@qq.com，好", ("abc@qq.com",)), ("量了13/5次药", ()),
    ("记得あした去", ("あした",)), ("80+的", ("80+",)), ("吃药 take it", ("take", "it")), ("两个𠮷字", ("𠮷",)), ("好😀", ()), ("№5", ("№5",)), ("😀", ("😀",)), ("！", ("！",)),
])
def test_what_no_words_are_found_for_is_named_as_it_was_written(written, parts):
    assert unsayable(written, guide().lexicon) == parts


@pytest.mark.parametrize("written", ["Hello妈妈，吃2片药", "80+的老人", "看www.baidu.com。好"])
def test_no_voice_is_given_what_it_would_drop_or_spell_in_another_language(written):
    said = spoken(written, guide().lexicon)
    assert all(t.is_syllable or t.sound in "，、；：。？！" for t in said.tokens)
    assert not any(c.isupper() for c in to_pinyin(said.tokens))


def test_kokoro_is_given_the_words():
    from misaki.zh import ZHG2P

    from tests.speech.test_reading import kokoro_speaker
    said = spoken("吃2片药，晚上8点半", guide().lexicon)
    phonemes, _ = kokoro_speaker()._phonemes(said.text, [[t.at, t.sound, t.is_syllable] for t in said.tokens])
    wanted = [ZHG2P.py2ipa(s).replace("\u032f", "") for s in ("liang3", "pian4", "ba1", "dian3", "ban4")]
    assert all(sound in phonemes.replace(" ", "") for sound in wanted)


# --- what the guide says itself -------------------------------------------------------------------------------

def test_what_the_guide_says_is_read_as_before_so_that_no_recording_becomes_stale():
    lexicon = guide().lexicon
    every = sentences(guide())
    assert len(every) > 1500
    for text in every:
        line = normalized(text, lexicon)
        assert line.unsayable == ()
        # In the same places, and nothing but 〇 and the 元 of amounts is another.
        assert line.line.places == tuple(range(len(text)))
        assert line.line.text == text.replace("〇", "零").replace("元", "块"), text


def test_every_recording_of_the_packs_is_of_a_sentence_as_it_is_read_now():
    from service.speech.pack import Pack
    from tests.support import ROOT
    for folder in ("female", "male"):
        pack = Pack.open(ROOT / "prompts" / "voices" / folder)
        said = {r.text for r in pack.recordings().values()}
        lacking = [t for t in said if pack.find(t, spoken(t, guide().lexicon).reading) is None]
        assert lacking == []


# --- surnames -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, word, pinyin", [
    ("我姓曾", "曾", "zeng1"), ("任奶奶来了", "任", "ren2"), ("单老师", "单", "shan4"), ("解大爷", "解", "xie4"), ("查先生", "查", "zha1"),
    ("区女士", "区", "ou1"), ("仇爷爷", "仇", "qiu2"), ("朴阿姨", "朴", "piao2"), ("盖娭毑", "盖", "ge3"), ("尉迟先生", "尉迟", "yu4 chi2"),
    ("和解奶奶去", "解", "xie4"), ("告诉任阿姨", "任", "ren2"),
    ("曾丽有话跟您说。", "曾", "zeng1"), ("查小红有话跟您说。", "查", "zha1"), ("这个月看过的人有，王丽、任红。", "任", "ren2"),
    ("老百姓查社保", "查", "cha2"), ("了解奶奶的情况", "解", "jie3"), ("检查老师", "查", "cha2"), ("社区阿姨", "区", "qu1"),
    ("单位的人有话跟您说。", "单", "dan1"), ("任务完成了", "任", "ren4"), ("解放以前", "解", "jie3"), ("班主任老师", "任", "ren4"),
])
def test_a_surname_is_read_in_its_own_way_where_it_is_one(text, word, pinyin):
    said = spoken(text, guide().lexicon)
    at = said.text.index(word)
    assert " ".join(t.sound for t in said.tokens if t.at in range(at, at + len(word))) == pinyin


# --- marks and clauses ----------------------------------------------------------------------------------------

class Marking(EngineProcess):
    """An engine that marks every syllable, a second each."""

    def __init__(self):
        pass

    def ask(self, request):
        return {"marks": [[at, float(i)] for i, at in enumerate(request["at"])]}, b""


class MarkingVoice(EngineVoice):
    """A voice before it."""

    def _request(self, said, pace_cpm):
        return {"at": [t.at for t in said.tokens if t.is_syllable]}


@pytest.mark.parametrize("text, begins", [
    # Index in the written text to the syllable that begins there.
    ("带100元去", {0: 0, 1: 1, 5: 4}), ("10岁和1/2片", {0: 0, 2: 1, 3: 2, 4: 3, 7: 4}), ("好😀的", {0: 0, 2: 1}),
    ("看Hello妈", {0: 0, 6: 1}), ("打APP看", {0: 0, 1: 1, 4: 3}),
])
def test_the_marks_of_words_are_places_in_what_was_written(text, begins):
    marks = dict(MarkingVoice("marking", guide().lexicon, Marking()).synthesize(text, 180).marks)
    assert {at: marks[at] for at in begins} == begins
    assert sorted(marks) == list(marks) and sorted(marks.values()) == list(marks.values())


def test_a_time_is_not_cut_in_two_where_a_sentence_is_spoken_clause_by_clause():
    assert wording.clauses("下午14：30去，带1，200元") == ("下午14：30去，", "带1，200元")
    assert wording.clauses("好：来，去") == ("好：", "来，", "去")


def test_it_takes_no_time():
    text = "明天早上8:30带300元和身份证去社保局，吃2片药，一天3次，12月5号复查，有事打12333或者13812345678"
    normalized(text, guide().lexicon)
    began = time.perf_counter()
    for _ in range(20):
        normalized(text, guide().lexicon)
    assert (time.perf_counter() - began) / 20 < 0.005


def test_it_needs_no_lexicon():
    assert normalized("吃2片", Lexicon()).line.text == "吃两片"
    assert unsayable("下载APP", Lexicon()) == ("APP",)
