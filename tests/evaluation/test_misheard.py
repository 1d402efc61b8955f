"""What is heard in place of a term is learnt from what was said."""

from service.evaluation.misheard import align, learn


def test_alignment_follows_the_sounds():
    assert align("去人社局查", "去人设局擦") == [0, 1, 2, 3, 4]
    assert align("查社保", "查一下社保") == [0, 3, 4]
    assert align("查一下社保", "查社保") == [0, None, None, 1, 2]


def test_what_stands_for_a_term_is_learnt():
    pairs = [("我去人社局查", "我去人设局查"), ("人社局在哪里", "人设局在哪里"), ("缴费证明", "叫非证明")]
    assert learn(["人社局", "缴费证明"], pairs, "人社局 缴费证明") == {"人设局": "人社局", "叫非证明": "缴费证明"}


def test_what_the_guide_itself_says_is_left_alone():
    assert learn(["退休"], [("我退休了", "我对修了"), ("退休没有", "对修没有")], "对修 退休") == {}


def test_a_word_of_its_own_is_left_alone():
    """激素 is heard for 基数, and is something else that people talk about."""
    assert learn(["基数"], [("基数是多少", "激素是多少")] * 3, "基数") == {}


def test_what_sounds_quite_different_or_came_once_is_no_habit():
    assert learn(["医保卡"], [("医保卡的钱", "大水牛的钱")], "") == {}
    assert learn(["医保"], [("医保的钱", "一包的钱")], "") == {}
