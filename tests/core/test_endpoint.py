"""Where utterances begin and end."""

import pytest

from service.core.endpoint import FRAME_S, Edge, Endpointer

SPEECH, SOFT, NOISE, SILENCE = 0.9, 0.27, 0.1, 0.0


def frames(seconds):
    return round(seconds / FRAME_S)


def feed(endpointer, probability, seconds, complete=False):
    """Edges of so much of one kind of sound, each with the time in it at which it came."""
    edges = [(endpointer.step(probability, lambda: complete), (i + 1) * FRAME_S)
             for i in range(frames(seconds))]
    return [(edge, round(at, 2)) for edge, at in edges if edge is not Edge.NONE]


@pytest.fixture
def speaking():
    endpointer = Endpointer()
    feed(endpointer, SPEECH, 1.0)
    return endpointer


def test_speech_begins_an_utterance_once():
    assert [edge for edge, _ in feed(Endpointer(), SPEECH, 1.0)] == [Edge.BEGIN]


@pytest.mark.parametrize("probability, seconds", [(SPEECH, 0.064), (NOISE, 5), (SOFT, 5), (SILENCE, 5)])
def test_a_click_or_noise_begins_nothing(probability, seconds):
    assert feed(Endpointer(), probability, seconds) == []


def test_clicks_with_pauses_between_begin_nothing():
    endpointer = Endpointer()
    for _ in range(20):
        assert feed(endpointer, SPEECH, 0.064) == [] == feed(endpointer, SILENCE, 0.064)


def test_a_short_silence_ends_a_complete_phrase(speaking):
    [(edge, at)] = feed(speaking, SILENCE, 1.0, complete=True)
    assert edge is Edge.END and at == pytest.approx(0.6, abs=FRAME_S)


def test_an_unfinished_phrase_is_given_longer(speaking):
    [(edge, at)] = feed(speaking, SILENCE, 2.0, complete=False)
    assert edge is Edge.END and at == pytest.approx(1.3, abs=FRAME_S)


def test_a_slow_speaker_may_pause_for_a_second_inside_a_sentence(speaking):
    for _ in range(4):
        assert feed(speaking, SILENCE, 1.2) == [] == feed(speaking, SPEECH, 0.5)


def test_soft_endings_belong_to_the_utterance(speaking):
    assert feed(speaking, SOFT, 3.0, complete=True) == []


def test_an_endless_utterance_is_cut_after_fifteen_seconds():
    edges = feed(Endpointer(), SPEECH, 16.0)
    assert edges[0][0] is Edge.BEGIN and edges[1][0] is Edge.OVERLONG
    assert edges[1][1] == pytest.approx(15.1, abs=2 * FRAME_S)


def test_after_the_end_the_next_utterance_is_found(speaking):
    feed(speaking, SILENCE, 2.0)
    assert not speaking.in_speech
    assert [edge for edge, _ in feed(speaking, SPEECH, 0.5)] == [Edge.BEGIN]


def test_the_first_syllable_is_kept():
    endpointer = Endpointer()
    [(_, begun)] = feed(endpointer, SPEECH, 0.5)
    assert endpointer.preroll_frames * FRAME_S == pytest.approx(begun + 0.5, abs=FRAME_S)


def test_completeness_is_asked_only_when_it_matters(speaking):
    asked = []
    speaking.step(SPEECH, lambda: asked.append(1))
    for _ in range(frames(0.5)):
        speaking.step(SILENCE, lambda: asked.append(1))
    assert not asked


def test_reset_forgets_the_utterance(speaking):
    speaking.reset()
    assert feed(speaking, SILENCE, 5.0) == []
