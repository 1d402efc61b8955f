"""What is said to the calculators' questions: the set of `bench calculators` in its short form, and some of it heard."""

from types import SimpleNamespace

import pytest

from service import bench_calculators
from service.bench_calculators import SENTENCES, read_items
from service.core import form
from service.listening import Listening
from service.speech.audio import read_pcm
from service.talks import Library
from tests.support import edition, guide, hearing_edition, recognizer

ITEMS = {item.id: item for item in read_items()}
HEARD = ("b012", "b021", "m008", "m057", "a036", "a062", "y012")
"""Clear recordings of every kind of answer."""


@pytest.fixture(scope="module")
def answering():
    """An edition that also has the grammars of the calculators' questions."""
    live = SimpleNamespace(on_change=lambda renew: renew(guide()))
    return Library(live, recognizer, lambda _: edition().understanding._classifier).edition


def test_most_of_the_set_is_read_right():
    right = bench_calculators._shares(ITEMS.values(), lambda item: bench_calculators._read(edition(), item))
    assert right["all"]["n"] >= 400 and right["all"]["right"] >= 0.93 and right["plain"]["right"] >= 0.96


@pytest.mark.parametrize("sentence", SENTENCES)
def test_all_facts_in_one_sentence_lead_to_the_answer_in_two_turns(sentence):
    assert bench_calculators._turns_of(edition(), sentence) == 2


@pytest.mark.audio
@pytest.mark.parametrize("name", HEARD)
def test_a_spoken_answer_is_understood(answering, name):
    listening = Listening(recognizer(), SimpleNamespace(edition=answering), "both")
    hearing = bench_calculators.hear(listening, ITEMS[name], read_pcm(ITEMS[name].recording))
    assert bench_calculators.understood(answering, ITEMS[name], hearing)


@pytest.mark.audio
def test_every_kind_of_question_has_a_grammar_of_its_own(answering):
    grammars = [answering.grammar_for(kind) for kind in form.TYPES]
    assert all(grammars) and answering.grammar_for("") == answering.grammar == hearing_edition().grammar
    assert "一 千 九 百 六 十 五 年" in answering.grammar_for(form.BIRTH_YEAR)
    assert any(entry.startswith("四 千 零") for entry in answering.grammar_for(form.AMOUNT))
