"""How far an interpretation is believed."""

import dataclasses

import pytest

from service.core.judge import Evidence, Judge
from service.core.model import Rule, Scale

SURE = Evidence(best=0.97, second=0.01, outside=0.001, pairs=1.0, triples=1.0, length=8)
DOUBTFUL = dataclasses.replace(SURE, best=0.3, second=0.25, outside=0.2)
STRANGE = dataclasses.replace(SURE, best=0.04, second=0.03, outside=0.8, pairs=0.3, triples=0.1)


@pytest.fixture
def judge(guide):
    return Judge(guide.typed, guide.spoken)


def spoken(evidence, **changes):
    return dataclasses.replace(evidence, spoken=True, agreement=0.9, closed=0.95, opened=0.95, **changes)


@pytest.mark.parametrize("form", [lambda e: e, spoken])
def test_the_shipped_judge_acts_asks_and_says_no(judge, form):
    sure, doubtful = judge.judge(form(SURE)), judge.judge(form(DOUBTFUL))
    # In what is not for the guide the closed grammar hears something else than the open decoder.
    strange = judge.judge(dataclasses.replace(form(STRANGE), agreement=0.2, closed=0.6))
    assert sure.acts and sure.confidence > 0.9
    assert not doubtful.acts and doubtful.asks
    assert not strange.acts and not strange.asks
    assert sure.confidence > doubtful.confidence > strange.confidence


def test_what_two_decoders_heard_alike_is_believed_more(judge):
    alike, unlike = (judge.judge(spoken(dataclasses.replace(SURE, best=0.6))),
                     judge.judge(dataclasses.replace(spoken(dataclasses.replace(SURE, best=0.6)), agreement=0.1,
                                                     closed=0.5)))
    assert alike.confidence > unlike.confidence


def test_the_label_for_outside_is_never_acted_on(judge):
    assert not judge.judge(dataclasses.replace(SURE, best=0.0)).acts


@pytest.mark.parametrize("best", [0.0, 1.0])
def test_certainty_breaks_nothing(judge, best):
    assert 0 <= judge.judge(dataclasses.replace(SURE, best=best, second=0.0, outside=0.0)).confidence <= 1


def test_a_rule_for_other_evidence_is_a_fault_and_not_a_guess():
    short = Rule(Scale(0.0, (1.0,)), Scale(0.0, (1.0,)), 0.5, 0.5, 0.5)
    with pytest.raises(ValueError):
        Judge(short, short).judge(SURE)
