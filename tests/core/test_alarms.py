"""What comes before every other reading, and what only sounds like it."""

import datetime

import pytest

from service.core.dialog import Match
from service.core.understanding import Expectation

TODAY = datetime.date(2026, 11, 30)
IN_A_FORM = Expectation("m4_gap", today=TODAY, form="m4_gap", field="months", answered=("kind",))
IN_DOUBT = Expectation("root", asked=("m2_pension", "m4_pension"), today=TODAY)
AT_A_STEP = Expectation("m1_counter", today=TODAY)
URGENT = [
    ("我胸口痛得厉害", "x_emergency", ""), ("老倌子喊不醒了", "x_emergency", ""), ("嘴巴歪了，讲不出话", "x_emergency", ""),
    ("我摔倒了爬不起来", "x_emergency", "fall"), ("屋里着火了", "x_emergency", "fire"), ("闻到好大的煤气味", "x_emergency", "fire"),
    ("有人拿刀堵在门口", "x_emergency", "crime"), ("我不想活了", "x_despair", ""), ("我爸讲不想活了怎么办", "x_despair", "family"),
    ("我把钱转给他了，才晓得是骗子", "m5_scammed", ""), ("姑娘，我跟你讲，我刚才把验证码告诉他了", "m5_scammed", "code"),
    ("我卡里的钱一下子少了八千", "m5_scammed", "code"), ("我把身份证拍给他了，他是骗子", "m5_scammed", "identity"),
    ("他喊我报验证码，我就告诉他了", "m5_scammed", "code"), ("去年也痛过，今天胸口又痛得厉害", "x_emergency", ""),
    ("我正在看电视，老倌子昏倒了", "x_emergency", ""), ("打麻将打到一半，胸口好痛", "x_emergency", ""),
]


@pytest.mark.parametrize("expect", [Expectation(), IN_A_FORM, IN_DOUBT, AT_A_STEP], ids=["menu", "form", "doubt", "step"])
@pytest.mark.parametrize("text, node, aspect", URGENT, ids=[text for text, *_ in URGENT])
def test_help_is_understood_from_anywhere(understanding, text, node, aspect, expect):
    found = understanding.interpret(text, expect)
    assert isinstance(found, Match) and found.urgent
    assert (found.node, found.aspect) == (node, aspect)


@pytest.mark.parametrize("text", ["我已经点进去了", "哎呀，那个链接我点开了", "我扫了", "我填了"])
def test_behind_the_warning_of_links_it_is_a_confession(understanding, text):
    there = understanding.interpret(text, Expectation("m5_fraud", today=TODAY))
    assert there.node == "m5_scammed" and there.urgent
    at_a_step = understanding.interpret(text, AT_A_STEP)
    assert not (isinstance(at_a_step, Match) and at_a_step.urgent)


@pytest.mark.parametrize("text, node", [
    ("老伴走了我站在楼顶上", "x_despair"), ("老头子走了我天天哭，我也想走", "x_despair"), ("我妈过世了我把药都准备好了", "x_despair"),
    ("我妈断气了快来救", "x_emergency"), ("老头子快断气了", "x_emergency"), ("让人家骗了两万块", "m5_scammed"),
    ("我的养老钱让老乡骗走了", "m5_scammed"), ("我崽喝醉了踢我的门", "x_emergency"), ("喝醉的人拿树棍子追我", "x_emergency"),
    ("老头子打药回来喝了除草剂", "x_emergency"), ("孙子把洗衣液喝下去了", "x_emergency")])
def test_a_cry_is_heard_behind_a_death_a_swindler_or_a_household_word(understanding, text, node):
    found = understanding.interpret(text)
    assert found.node == node and found.urgent


@pytest.mark.parametrize("text, node", [
    ("同志，我昨天去大厅办了社保卡，我实在熬不下去了，你帮我看下", "x_despair"),
    ("你好我是来查养老金的我一个人在屋里实在熬不下去了", "x_despair"),
    ("我在供销社做了二十年，今天来问退休，老伴突然倒在地上喊不应，你讲怎么办", "x_emergency"),
    ("我去年问过医保卡，我在医院门口喘不上气来", "x_emergency"),
    ("我看电视里讲养老金涨了，我胸口痛得不得了", "x_emergency"),
    ("老婆前年走的我现在一个人觉得活着没意思不想活了", "x_despair"), ("去年查过医保卡的我胸口痛得不得了", "x_emergency"),
    ("医保卡我也要问，先讲这个，钱已经打给那个骗子了，打了一万二，社保局管不管", "m5_scammed")])
@pytest.mark.parametrize("expect", [Expectation(), IN_A_FORM, IN_DOUBT], ids=["menu", "form", "doubt"])
def test_a_cry_is_heard_before_behind_and_within_a_story(understanding, text, node, expect):
    found = understanding.interpret(text, expect)
    assert found.node == node and found.urgent


@pytest.mark.parametrize("text", [
    "前年我跌过一跤，爬不起来，后头住院花了三万，医保报好多", "昨夜看的那个片子，大楼着了火，看得我眼泪都出来了",
    "前年老倌子中风，讲不出话，那时候住院报了七成"])
def test_what_went_on_long_ago_or_elsewhere_goes_on_in_the_next_clause(understanding, text):
    found = understanding.interpret(text)
    assert not (isinstance(found, Match) and found.urgent)


@pytest.mark.parametrize("text", ["我老娘过世了", "喂，妹子，我老倌子上个礼拜走了", "爸爸今天早上过世了", "老伴在长沙医院走了"])
@pytest.mark.parametrize("expect", [Expectation(), IN_A_FORM, IN_DOUBT], ids=["menu", "form", "doubt"])
def test_a_death_is_heard_before_any_question(understanding, text, expect):
    found = understanding.interpret(text, expect)
    assert (found.node, found.aspect, found.urgent) == ("n_death", "bare", False)


@pytest.mark.parametrize("text", ["我奶奶的鸡死了", "我买了把菜刀", "砍柴的人拿把刀", "孙子踢球踢到门"])
def test_what_only_sounds_like_death_or_danger_is_none(understanding, text):
    found = understanding.interpret(text)
    assert not (isinstance(found, Match) and found.node in ("n_death", "x_emergency"))


@pytest.mark.parametrize("text", ["我没点", "下一步点哪里", "我点不开", "我差点点进去了", "要是点进去了怎么办", "我点了外卖", "我打开了官网"])
def test_who_has_not_done_it_is_not_sent_to_the_police(understanding, text):
    found = understanding.interpret(text, Expectation("m5_fraud", today=TODAY))
    assert not (isinstance(found, Match) and found.urgent)


@pytest.mark.parametrize("text", ["吓死我了", "笑死了", "电视里讲有人跳楼", "累死了今天", "听讲对门的人被骗了", "新闻里讲哪里着火了",
                                  "麻将桌上我要死了", "我孙子打游戏喊救命"])
def test_what_is_said_of_others_or_only_so_is_no_cry_for_help(understanding, text):
    found = understanding.interpret(text)
    assert not (isinstance(found, Match) and found.urgent)


@pytest.mark.parametrize("text, node", [("住院了，社保怎么报销", "n_hospital"), ("上班摔断了腿，单位不赔", "n_injury"),
                                        ("有人上门讲收三十块帮我刷脸认证", "m5_fraud"), ("对门老李上了当，我也怕，怎么防", "m5_fraud"),
                                        ("隔壁的后生骗了我两万", "m5_scammed"),
                                        ("他讲有内部关系，交五万块就能补齐十五年", "m5_fraud")])
def test_the_subject_is_not_taken_for_the_worry(understanding, text, node):
    found = understanding.interpret(text)
    assert isinstance(found, Match) and found.node == node


@pytest.mark.parametrize("text, node, aspect", [
    ("走不动怎么认证", "x_auth", "home"), ("认证了钱还补发不", "x_auth", "stopped"), ("医保卡里的钱能取现吗", "n_family_card", "cash"),
    ("丧葬费火化了才有吗", "n_death", "burial")])
def test_a_request_may_name_what_is_told_first(understanding, guide, text, node, aspect):
    found = understanding.interpret(text)
    assert (found.node, found.aspect) == (node, aspect)
    told = [s.text for part in guide.nodes[node].parts(aspect) for s in part]
    assert told[0] == guide.nodes[node].aspects[aspect].say[0].text
    assert {s.text for s in guide.nodes[node].say} <= set(told)


@pytest.mark.parametrize("place", ["祁东", "蒸湘", "耒阳", "衡东县"])
def test_a_district_is_understood_in_any_request(understanding, guide, place):
    where = understanding.interpret(f"{place}的社保局在哪里")
    assert where.node == "n_where" and place in where.place
    assert understanding.interpret(f"我是{place}的，社保卡丢了怎么办").node == "n_card_lost"
