"""The short form of ``python -m service eval``: no figure may fall below the committed one."""

import pytest
import yaml

from service.evaluation import scoring, sets
from service.evaluation.run import SITUATIONS, corrected, followed_up, typed, urgent, whither
from service.evaluation.sets import MEASURE
from tests.support import ROOT, edition

FLOOR = yaml.safe_load((ROOT / "tests" / "sets" / "floor.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def judged():
    return typed(edition().understanding, sets.read(ROOT / "tests" / "sets", MEASURE))


@pytest.mark.parametrize("group, verdict", [("requests", "right"), ("requests", "served"), ("commands", "right")])
def test_what_is_right_does_not_fall(judged, group, verdict):
    assert scoring.shares(judged, group)[verdict] >= FLOOR["at_least"][group][verdict]


@pytest.mark.parametrize("group, verdict", [("requests", "wrong"), ("commands", "wrong"), ("outside", "accepted"),
                                            ("outside", "asked")])
def test_what_is_wrong_does_not_rise(judged, group, verdict):
    assert scoring.shares(judged, group)[verdict] <= FLOOR["at_most"][group][verdict]


def test_corrections_reach_what_is_wanted(guide):
    items = sets.read(ROOT / "tests" / "sets", MEASURE)
    found = scoring.shares(corrected(guide, edition().understanding, items), "requests")
    assert found["right"] >= FLOOR["at_least"]["corrections"]["right"]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_is_urgent_is_heard_first_wherever_it_is_said(guide, situation):
    items = sets.read(ROOT / "tests" / "sets", MEASURE)
    found = scoring.shares(urgent(guide, edition().understanding, items)[situation], "requests")
    assert found["right"] >= FLOOR["at_least"]["urgent"]["right"]


@pytest.mark.parametrize("where", ["the same topic", "another topic"])
def test_who_asks_on_and_who_leaves_the_topic_are_both_understood(where):
    judged = followed_up(edition().understanding, sets.read_follow_ups(ROOT / "tests" / "sets", MEASURE))
    assert scoring.shares(scoring.by(judged, whither)[where], "requests")["right"] >= FLOOR["at_least"]["follow_ups"][where]


def test_no_node_is_left_behind(judged):
    """An average may hide a node that hardly anybody reaches."""
    rows = scoring.by([j for j in judged if j.item.group == "requests"], lambda item: item.label)
    served = {label: sum(j.verdict in ("right", "asked") for j in js) / len(js) for label, js in rows.items()}
    assert {label for label, share in served.items() if share < FLOOR["at_least"]["each_node"]["served"]} == set()
