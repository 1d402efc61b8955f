"""How outcomes are counted."""

import pytest

from service.core.dialog import Ask, Match, NoMatch
from service.evaluation import scoring
from service.evaluation.sets import Item


def item(label, *also):
    return Item("说", label, also, "plain")


@pytest.mark.parametrize("wanted, outcome, verdict", [
    (item("m1"), Match(node="m1"), "right"), (item("m1"), Match(node="m2"), "wrong"),
    (item("m1", "m2"), Match(node="m2"), "right"), (item("m1"), Match(command="no"), "wrong"),
    (item("m1"), Ask(("m2", "m3", "m1")), "asked"), (item("m1"), Ask(("m2", "m3", "m4", "m1")), "lost"),
    (item("m1"), NoMatch(("m1",)), "lost"), (item("!no"), Match(command="no"), "right"),
    (item("!no"), Match(command="yes"), "wrong"), (item("!no"), NoMatch(), "lost"),
    (item("root"), Match(command="top"), "right"), (item("!top"), Match(node="root"), "right"),
    (item("help"), Match(node="help"), "right"), (item("m1"), Match(key="1"), "wrong"),
    (item("~"), Match(node="m1"), "accepted"), (item("~"), Match(key="1"), "accepted"),
    (item("~"), Ask(("m1",)), "asked"), (item("~"), NoMatch(), "rejected")])
def test_verdicts(wanted, outcome, verdict):
    assert scoring.judge(wanted, outcome).verdict == verdict


def test_shares():
    judged = [scoring.judge(item("m1"), o) for o in (Match(node="m1"), Ask(("m1",)), Match(node="m2"), NoMatch())]
    judged.append(scoring.judge(item("~"), NoMatch()))
    assert scoring.shares(judged, "requests") == {"n": 4, "right": 0.25, "asked": 0.25, "wrong": 0.25, "lost": 0.25,
                                                  "served": 0.5}
    assert scoring.shares(judged, "outside") == {"n": 1, "accepted": 0, "asked": 0, "rejected": 1}
    assert scoring.shares(judged, "commands")["right"] == 0


def test_confusions_name_what_was_taken_for_what():
    judged = [scoring.judge(item("m1"), Match(node="m2"))] * 2 + [scoring.judge(item("~"), Match(key="1"))]
    assert scoring.confusions(judged, 5) == [("m1", "m2", 2), ("~", "#1", 1)]


def test_the_reliability_curve():
    pairs = [(0.91, True), (0.95, False), (0.15, False), (1.0, True)]
    curve = scoring.reliability(pairs)
    assert [(low, n) for low, _, _, n in curve] == [(0.1, 1), (0.9, 3)]
    assert curve[1][1] == pytest.approx((0.91 + 0.95 + 1) / 3) and curve[1][2] == pytest.approx(2 / 3)
