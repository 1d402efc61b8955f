"""What is meant by what is said."""

import pytest

from service.core.dialog import Ask, Match, NoMatch
from service.core.understanding import Expectation, Understanding


def node_of(found):
    return found.node if isinstance(found, Match) else found


# --- asking on --------------------------------------------------------------------------------------

@pytest.mark.parametrize("topic, text, aspect", [
    ("n_death", "养老金多发了两个月，要退不", "overpaid"), ("n_resident_med", "我退休了有职工医保", "retired"),
    ("n_raise", "农村的呢", "rural"), ("n_birth", "她没得单位呢", "none"), ("n_care", "哪个来屋里帮忙", "nobody"),
    ("x_auth", "我在广东带孙怎么搞", "away"), ("x_auth", "那停了还补不", "stopped"), ("n_hospital", "那要先交好多押金", "deposit"),
    ("n_family_card", "那给我崽用呢", "")])
def test_who_asks_on_is_understood_from_what_was_told(understanding, topic, text, aspect):
    found = understanding.interpret(text, Expectation(topic, topic=topic))
    assert (node_of(found), found.aspect) == (topic, aspect)


@pytest.mark.parametrize("topic, text, node", [
    ("n_raise", "那社保卡掉了怎么办", "n_card_lost"), ("n_payday", "那我要交多少钱一个月", "m4_base"), ("n_death", "几时退休", "m4_age"),
    ("n_resident_med", "那社保局的电话呢", "m5_hotline"), ("n_care", "那我崽上班的厂子不给他交社保", "n_employer")])
def test_another_subject_is_left_for(understanding, topic, text, node):
    assert node_of(understanding.interpret(text, Expectation(topic, topic=topic))) == node


@pytest.mark.parametrize("text", ["我崽要结婚", "那今天天气好", "他们打牌去了"])
def test_talk_in_the_room_stays_that_behind_a_topic(understanding, text):
    assert isinstance(understanding.interpret(text, Expectation("n_death", topic="n_death")), NoMatch)


def test_of_what_only_the_closed_grammar_heard_nobody_asks_on(understanding):
    there = Expectation("x_auth", topic="x_auth")
    found = understanding.hear("那停了还补不", "电视里天气预报讲明天落雨", 0.4, 0.9, there)
    assert not isinstance(found, Match)


# --- never an exception, never a match for nonsense -------------------------------------------------

@pytest.mark.parametrize("text", [
    "", " ", "\n\t", "，。！", "a", "hello world", "ABC", "12333", "3.14", "😀", "😀😀龙", "嗯", "呃呃", "哈哈哈",
    "龙", "鸡", "桌子", "今天天气好热", "红烧肉怎么做", "床前明月光疑是地上霜", "我孙子今年八岁了", "买两斤豆腐",
    "各位观众晚上好", "的的的的", "三缺一", "呜呜", "\u200b\ufeff", "𠮷", "\x00"])
def test_nonsense_is_no_match(understanding, text):
    assert isinstance(understanding.interpret(text), NoMatch)


@pytest.mark.parametrize("unit", ["社", "不是", "不是这个我问的是", "医保卡里的钱", "啊", "a", "我想问一下", "😀"])
def test_ten_thousand_characters_are_survived(understanding, unit):
    text = (unit * 10_000)[:10_000]
    assert isinstance(understanding.interpret(text), (Match, Ask, NoMatch))
    spoken = text[:120]  # no utterance is longer than fifteen seconds
    assert isinstance(understanding.hear(spoken, spoken, 0.5, 0.9), (Match, Ask, NoMatch))


@pytest.mark.parametrize("text, node", [
    ("養老金認證怎麼搞", "x_auth"), ("醫保卡裡的錢", "m2_med"), ("查社保 please", "m1"), ("社保怎么查？！", "m1"),
    ("我要查社保123", "m1"), ("😀医保卡里还有多少钱😀", "m2_med")])
def test_traditional_signs_latin_and_emoji_do_no_harm(understanding, text, node):
    assert node_of(understanding.interpret(text)) == node


def test_what_was_offered_by_an_older_guide_does_no_harm(understanding):
    expect = Expectation(node="gone", asked=("gone", "m2_med"))
    for text in ("医保卡", "第一个", "我要查社保", "嗯", "不是这个，我问的是养老金账户"):
        understanding.interpret(text, expect)
        understanding.hear(text, text, 0.9, 0.9, expect)


# --- meaning ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, node", [
    ("我想到窗口去查我的社保", "m1_counter"), ("用我孙子的手机查得到社保吧", "m1_phone"),
    ("我医保卡里头剩好多钱", "m2_med"), ("单子上写的缴费基数是个什么", "m2_base"),
    ("我要开个参保证明", "m3_cert"), ("我什么时候可以退休", "m4_age"),
    ("退休金一个月能拿多少钱", "m4_pension"), ("有人打电话要我的验证码", "m5_fraud"),
    ("社保局的电话是多少", "m5_hotline"), ("养老金的认证怎么弄", "x_auth"), ("农村养老保险怎么领", "n_rural_pension")])
def test_what_is_not_listed_is_understood_by_likeness(understanding, text, node):
    assert node_of(understanding.interpret(text)) == node


@pytest.mark.parametrize("front", ["我想问一下", "请问", "麻烦你，", "那个那个，", "嗯，", "哎呀我年纪大了，", "小姑娘，请问一下",
                                   "不好意思，我想晓得"])
@pytest.mark.parametrize("request_, node", [
    ("医保卡里还有多少钱", "m2_med"), ("缴费证明哪里开", "m3_cert"), ("我哪年退休", "m4_age"),
    ("支付宝怎么查社保", "m1p_alipay")])
def test_padding_in_front_changes_nothing(understanding, front, request_, node):
    assert node_of(understanding.interpret(front + request_)) == node


@pytest.mark.parametrize("behind", ["啊", "咯", "呢", "嘛", "哦"])
def test_particles_behind_change_nothing(understanding, behind):
    assert node_of(understanding.interpret("医保卡里还有多少钱" + behind)) == "m2_med"
    assert understanding.interpret("再说一遍" + behind).command == "repeat"


@pytest.mark.parametrize("text, node", [
    ("福南智慧人社", "m1p_mini"), ("擦社保", "m1"), ("支护宝怎么查社保", "m1p_alipay"), ("停不清楚", None),
    ("脚费证明", "m3_cert")])
def test_hunan_sounds_are_understood(understanding, text, node):
    found = understanding.interpret(text)
    assert isinstance(found, Match) and found.node == node


@pytest.mark.parametrize("dialect, node", [
    ("医保卡里还有好多钱", "m2_med"), ("我几时退休", "m4_age"), ("何什查社保", "m1"), ("社保何解断了", "m3_missing"),
    ("打么子电话", "m5_hotline")])
def test_hunan_words_are_understood(understanding, dialect, node):
    found = understanding.interpret(dialect)
    assert node_of(found) == node or isinstance(found, Ask) and node in found.candidates


@pytest.mark.parametrize("text, command", [
    ("再说一遍", "repeat"), ("啥", "repeat"), ("好了", "next"), ("上一步", "back"), ("讲慢点", "slower"),
    ("大点声", "louder"), ("等一下", "pause"), ("继续", "resume"), ("谢谢你", "stop"), ("是的", "yes"), ("都不是", "no"),
    ("回去", "up"), ("回到主菜单", "top"), ("从头讲", "first"), ("你好", "hello")])
def test_commands(understanding, text, command):
    assert understanding.interpret(text).command == command


@pytest.mark.parametrize("text", [
    "社", "龙", "社保" * 5000, "我想问一下" * 2000, "12333", "abc def", "SHEBAO", "１２３", "養老保險怎麼查", "冇得么子", "🙂🙂🙂",
    "社保", "钱", "那个", "的", "不是我问的是", "我不是问", "还有", "另外还有顺便", "不不不不不", "\ud800", "<养老>"])
def test_bad_input_is_an_honest_ask_or_no_and_never_a_confident_guess(understanding, text):
    found = understanding.interpret(text)
    assert isinstance(found, (Ask, NoMatch)) or found.command or text in ("養老保險怎麼查", "冇得么子")
    understanding.hear(text[:200], text[:200], 0.5, 0.5)


# --- several things at once ----------------------------------------------------------------------------

@pytest.mark.parametrize("text, first, second", [
    ("我想查一下医保卡里还有多少钱，另外再问一下我哪年退休", "m2_med", "m4_age"),
    ("缴费证明在哪里开，还有养老金认证怎么搞", "m3_cert", "x_auth"),
    ("支付宝怎么查社保，顺便问一下社保局的电话是多少", "m1p_alipay", "m5_hotline")])
def test_of_two_requests_the_first_is_served_and_the_second_kept(understanding, text, first, second):
    found = understanding.interpret(text)
    assert (found.node, found.then) == (first, second)
    heard = understanding.hear(text, text, 0.9, 0.9)
    assert (heard.node, heard.then) == (first, second)


@pytest.mark.parametrize("text", ["还有一个人在家里", "我还有三年退休", "医保卡里还有多少钱", "另外一个地方交过社保怎么合并"])
def test_what_only_looks_like_two_requests_is_one(understanding, text):
    found = understanding.interpret(text)
    assert not (isinstance(found, Match) and found.then)


@pytest.mark.parametrize("text, node", [
    ("我老倌子前年走了，我一个人住，崽在广东打工，昨天社区的人讲我领养老金要认证，我走不动，这个认证怎么搞", "x_auth"),
    ("请问缴费证明怎么开，是这样的，我孙子要在长沙买房，银行要这个东西，我跑了一趟人家讲没得不行", "m3_cert"),
    ("昨天有个男的打电话来，讲我医保卡要停了，喊我报验证码，我是不是碰到骗子了，我心里慌得很", "m5_fraud")])
def test_a_long_story_arrives_wherever_the_question_stands(understanding, text, node):
    found = understanding.interpret(text)
    assert node_of(found) == node or isinstance(found, Ask) and node in found.candidates


# --- asking back ----------------------------------------------------------------------------------

@pytest.mark.parametrize("word", ["社保", "养老", "医保", "退休金", "基数", "微信", "电话", "钱"])
def test_a_word_that_fits_several_nodes_is_asked_about(guide, understanding, word):
    found = understanding.interpret(word)
    assert isinstance(found, Ask) and found.candidates == guide.choices[word]


def test_a_word_with_padding_is_asked_about_too(understanding):
    assert isinstance(understanding.interpret("我想问一下社保"), Ask)


def test_in_a_question_a_word_of_one_title_is_enough(understanding):
    asked = Expectation(asked=("m2_med", "m2_pension"))
    assert node_of(understanding.interpret("医保卡", asked)) == "m2_med"
    assert node_of(understanding.interpret("养老金", asked)) == "m2_pension"


def test_in_a_question_a_word_that_fits_one_of_the_nodes_is_enough(understanding):
    assert isinstance(understanding.interpret("余额"), Ask)
    assert node_of(understanding.interpret("余额", Expectation(asked=("m2_med", "m4_age")))) == "m2_med"


def test_in_a_question_a_word_of_both_titles_does_not_decide(understanding):
    found = understanding.interpret("衡阳", Expectation(asked=("m4_gap", "m4_medgap")))
    assert node_of(found) not in ("m4_gap", "m4_medgap")
    found = understanding.interpret("还差几年", Expectation(asked=("m4_gap", "m4_medgap")))
    assert not isinstance(found, Match) or found.node is None


# --- correcting -----------------------------------------------------------------------------------

@pytest.mark.parametrize("text, node", [
    ("不是这个，我问的是养老金账户", "m2_pension"), ("不对不对，我要问的是缴费证明", "m3_cert"),
    ("你听错了我讲的是农村养老保险", "n_rural_pension"), ("不是，我是问打哪个电话", "m5_hotline")])
def test_a_correction_is_known_as_one(understanding, text, node):
    found = understanding.interpret(text, Expectation(node="m2_med"))
    assert (found.node, found.corrected) == (node, True)


def test_a_correction_does_not_lead_back_to_what_was_wrong(understanding):
    found = understanding.interpret("不是，我问的是卡里的钱", Expectation(node="m2_med"))
    assert not isinstance(found, Match) or found.node != "m2_med"
    if isinstance(found, Ask):
        assert "m2_med" not in found.candidates


def test_asking_again_for_the_same_is_not_announced_as_a_correction(understanding):
    found = understanding.interpret("不对，我问的是医保余额", Expectation(node="m2_med"))
    assert not (isinstance(found, Match) and found.corrected)


@pytest.mark.parametrize("text, node", [
    ("我不是问医保卡里的钱，我问的是养老金账户", "m2_pension"), ("我没问医保，我要问的是缴费证明怎么开", "m3_cert"),
    ("我问的不是养老金认证，我想问的是社保局的电话", "m5_hotline"), ("不要讲医保，我想问我哪年退休", "m4_age")])
def test_what_is_denied_is_not_taken_for_what_is_meant(understanding, text, node):
    found = understanding.interpret(text, Expectation(node="m2_med"))
    assert node_of(found) == node and found.corrected


def test_only_to_deny_what_was_understood_is_no(understanding):
    assert understanding.interpret("我不是问医保卡里的钱", Expectation(node="m2_med")).command == "no"


def test_a_new_request_in_place_of_an_answer_is_served(understanding):
    asked = Expectation(node="root", asked=("m2_med", "m4_medgap"))
    assert node_of(understanding.interpret("支付宝怎么查社保", asked)) == "m1p_alipay"
    assert node_of(understanding.interpret("算了，我要开缴费证明", asked)) == "m3_cert"


@pytest.mark.parametrize("text", ["不是", "不对不对", "不是不是不是", "都不是", "错了"])
def test_a_mere_no_is_no(understanding, text):
    assert understanding.interpret(text).command == "no"


# --- two decoders ---------------------------------------------------------------------------------

def test_both_decoders_agree(understanding):
    assert understanding.hear("医保卡里的钱", "医保卡里的钱", 0.9, 0.9).node == "m2_med"


def test_the_closed_grammar_mends_what_the_open_decoder_misspelt(understanding):
    assert understanding.hear("缴费证明", "教会证明", 0.95, 0.6).node == "m3_cert"


@pytest.mark.parametrize("closed, opened", [("不问了", "中午吃么子菜好呢"), ("再见", "今天天气蛮好"), ("是的", "各位观众晚上好")])
def test_the_closed_grammar_is_not_believed_against_the_open_decoder(understanding, closed, opened):
    assert isinstance(understanding.hear(closed, opened, 1.0, 0.95), NoMatch)


def test_alone_the_closed_grammar_needs_to_be_sure(understanding):
    assert understanding.hear("再说一遍", "", 0.95, 0.0).command == "repeat"
    assert understanding.hear("", "", 1.0, 1.0) == NoMatch()


def test_alone_the_open_decoder_is_enough(understanding):
    assert understanding.hear("", "医保卡里还有多少钱", 0.0, 0.9).node == "m2_med"


def test_fifteen_seconds_of_talk_do_not_take_long_to_weigh(understanding):
    talk = "我昨天去菜市场买了两斤豆腐碰到隔壁的老李" * 5
    assert isinstance(understanding.hear("医保卡里的钱" * 15, talk, 0.4, 0.9), NoMatch)


def test_a_whole_phrase_is_known_to_be_whole(understanding):
    assert understanding.is_complete("", "再说一遍") and understanding.is_complete("好了", "")
    assert not understanding.is_complete("", "我想") and not understanding.is_complete("", "")


# --- the same every time --------------------------------------------------------------------------

def test_the_same_words_mean_the_same_in_another_process(guide, understanding):
    again = Understanding(guide, understanding._classifier)
    for text in ("我医保卡里头剩好多钱", "社保", "今天天气好热", "我想问问那个退休的事情", "查一下"):
        found = understanding.interpret(text)
        assert found == understanding.interpret(text)
        other = again.interpret(text)
        assert type(other) is type(found)
        if isinstance(found, Match):
            assert other.node == found.node
