"""Phrases of different meaning that sound alike are found."""

from dataclasses import replace

from service.content.closeness import close_pairs


def with_requests(guide, **requests):
    nodes = {n: replace(guide.nodes[n], requests=requests.get(n, ()), aspect_requests={}) for n in guide.nodes}
    return replace(guide, nodes=nodes, commands={}, key_phrases={})


def test_what_only_mergers_tell_apart_is_reported_with_the_pair_and_a_score(guide):
    [pair] = close_pairs(with_requests(guide, m1=("我要查湖南的",), m2=("我要擦福兰的",), m3=("今天开证明",)))
    assert (pair.first, pair.second, pair.labels) == ("我要查湖南的", "我要擦福兰的", ("m1", "m2"))
    assert 0.88 <= pair.likeness < 1


def test_one_node_may_say_the_same_in_many_ways(guide):
    assert close_pairs(with_requests(guide, m1=("我要查湖南的", "我要擦福兰的"))) == []


def test_what_is_really_different_is_not_reported(guide):
    assert close_pairs(with_requests(guide, m2_med=("医保卡里的钱",), m2_pension=("养老账户的钱",))) == []


def test_templates_are_compared_by_their_sentences(guide):
    assert len(close_pairs(with_requests(guide, m1=("我要(查|看)社保局",), m2=("我要擦社保局",)))) == 1
