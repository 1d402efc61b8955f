"""When a talk over the shipped guide needs somebody, and when it does not."""

import datetime

import pytest

from service.core.attention import KINDS, URGENT, Incident, incident, watched
from service.core.dialog import Ask, Key, Match, NoInput, NoMatch, Rejoin, Session, Start, advance
from service.core.model import HELP, ROOT

TODAY = datetime.date(2026, 11, 30)
STEPS = Match(node="m1_counter")
REPEAT, NEXT, PAUSE, STOP = (Match(command=c) for c in ("repeat", "next", "pause", "stop"))


class Watch:
    """A talk, and what was seen of it."""

    def __init__(self, guide):
        self.guide, self.seen = guide, []
        self.session, _ = advance(guide, Session(), Start(), TODAY)

    def __call__(self, *outcomes):
        """What somebody should know of these turns."""
        found = []
        for outcome in outcomes:
            outcome = Key(outcome) if isinstance(outcome, str) else outcome
            before = self.session
            after, _ = advance(self.guide, before, outcome, TODAY)
            self.session = watched(before, outcome, after)
            found.append(incident(self.guide, before, outcome, self.session))
        return [f for f in found if f]


@pytest.fixture
def watch(guide):
    return Watch(guide)


# --- help -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("call", ["0", Match(key="0"), Match(command="help"), Match(node=HELP)], ids=repr)
def test_a_call_for_help_tells_where_it_came_from(watch, call):
    assert watch(call) == [Incident("help", ROOT, None)]
    assert watch("9", STEPS, "1", "1", call) == [Incident("help", "m1_counter", 3)]


def test_help_by_voice_is_a_call_too(watch, understanding):
    assert watch(understanding.interpret("我搞不清，叫个人来")) == [Incident("help", ROOT, None)]


def test_who_ends_up_at_help_without_asking_did_not_call(watch):
    found = watch(*[NoMatch()] * 3)
    assert watch.session.node == HELP and [f.kind for f in found] == ["not_understood"]


def test_a_call_for_help_counts_in_a_pause_and_in_waiting_too(watch):
    assert watch(PAUSE, "0") == [Incident("help", ROOT, None)]
    assert watch("9", STOP, Match(command="help")) == [Incident("help", ROOT, None)]


# --- stuck ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("trouble", [
    (REPEAT, REPEAT, REPEAT), (Match(command="hello"),) * 3, ("#", Match(key="#"), REPEAT),
    (NoInput(), REPEAT, NoInput()), (NoMatch(), REPEAT, NoMatch()), (NoInput(), NoInput(), REPEAT)], ids=repr)
def test_three_turns_at_one_step_without_moving_on_are_being_stuck(watch, trouble):
    found = watch(STEPS, *trouble)
    assert [f for f in found if f.kind == "stuck"] == [Incident("stuck", "m1_counter", 1)]


def test_being_stuck_is_told_once_and_again_only_at_another_step(watch):
    assert watch(STEPS, REPEAT, REPEAT) == []
    assert watch(REPEAT) == [Incident("stuck", "m1_counter", 1)]
    assert watch(REPEAT, REPEAT, REPEAT, REPEAT) == []
    assert watch("1", REPEAT, REPEAT, REPEAT) == [Incident("stuck", "m1_counter", 2)]


def test_who_moves_on_is_not_stuck(watch):
    assert watch(STEPS, REPEAT, REPEAT, "1", REPEAT, REPEAT, "1", NoInput(), REPEAT) == []


def test_nobody_is_stuck_where_there_are_no_steps_or_all_were_told(watch):
    assert watch(REPEAT, REPEAT, REPEAT, Match(node="m2_med"), REPEAT, REPEAT, REPEAT) == []
    assert watch(Match(node="m1_kiosk"), "1", "1") == [] and watch.session.done
    assert watch(REPEAT, REPEAT, REPEAT, NoInput(), NoInput()) == []


@pytest.mark.parametrize("after", [Match(command="slower"), PAUSE, Match(command="louder"), "7", Rejoin()], ids=repr)
def test_who_is_stuck_and_then_does_something_harmless_is_not_stuck_again(watch, after):
    watch(STEPS, REPEAT, REPEAT, REPEAT)
    assert watch(after) == []


@pytest.mark.parametrize("beside", [NoMatch(), NoInput()], ids=repr)
def test_nothing_more_is_seen_of_who_fell_silent_and_waits(watch, beside):
    watch(STEPS, NoInput(), NoInput(), NoInput())
    assert watch.session.waiting and watch(beside, beside) == []


# --- given up -----------------------------------------------------------------------------------------------

def test_who_stops_within_the_steps_has_given_up(watch, understanding):
    assert watch(STEPS, "1", STOP) == [Incident("gave_up", "m1_counter", 2)]
    assert watch("9", STEPS, understanding.interpret("不听了")) == [Incident("gave_up", "m1_counter", 1)]


def test_who_falls_silent_within_the_steps_has_given_up(watch):
    assert watch(STEPS, "1", NoInput(), NoInput()) == []
    assert watch(NoInput()) == [Incident("gave_up", "m1_counter", 2)]


def test_who_leaves_a_question_open_or_was_not_understood_has_given_up(watch):
    assert watch(Ask(("m1", "m2")), STOP) == [Incident("gave_up", ROOT, None)]
    assert watch("9", NoMatch(), STOP) == [Incident("gave_up", ROOT, None)]


def test_who_stops_when_all_was_told_has_not_given_up(watch):
    assert watch(Match(node="m1_kiosk"), "1", "1", STOP) == []
    assert watch(Match(node="m2_med"), STOP) == []


def test_who_falls_silent_when_all_was_told_has_not_given_up(watch):
    assert watch(Match(node="m1_kiosk"), "1", "1", NoInput(), NoInput(), NoInput()) == []
    assert watch.session.waiting
    assert watch("9", STOP) == []


# --- not understood -------------------------------------------------------------------------------------------

def test_the_second_misunderstanding_in_a_row_needs_somebody_and_no_other_one(watch):
    assert [len(watch(NoMatch())) for _ in range(6)] == [0, 1, 0, 0, 0, 0]


def test_two_misunderstandings_with_something_understood_between_need_nobody(watch):
    assert watch(NoMatch(), REPEAT, NoMatch(), "1", NoMatch()) == []


def test_what_is_not_understood_within_the_steps_says_at_which(watch):
    assert watch(STEPS, "1", NoMatch(), NoMatch()) == [Incident("not_understood", "m1_counter", 2)]


# --- rest -------------------------------------------------------------------------------------------------------

def test_nothing_is_seen_of_who_rests(watch):
    rest = [NoMatch(), NoInput()] * 5
    assert watch(STEPS, PAUSE, *rest, "1") == []
    assert watch("9", STOP, *rest) == []


def test_what_happens_in_a_pause_does_not_add_to_what_was_before(watch):
    assert watch(STEPS, REPEAT, REPEAT, PAUSE, *[NoMatch()] * 3, Match(command="resume")) == []
    assert watch(REPEAT) == [Incident("stuck", "m1_counter", 1)], "and takes nothing of it away"


def test_every_kind_has_its_name(watch):
    found = watch("0", "9", NoMatch(), NoMatch(), STEPS, REPEAT, REPEAT, REPEAT, STOP,
                  *(Match(node=node, urgent=True) for node in URGENT))
    assert {f.kind for f in found} == set(KINDS)
