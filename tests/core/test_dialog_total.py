"""The dialogue is total: every reachable state has an answer to every outcome."""

import collections
import datetime
import gc
from dataclasses import replace
from typing import Iterator

import pytest

from service.core.assessment import OTHERWISE, needed, open_field
from service.core.dialog import (COMMANDS, PROMPTS, Ask, Fault, Fill, Key, Match, NoInput, NoMatch, Notice, Outcome,
                                 Rejoin, Reply, Session, Start, Told, advance)
from service.core.form import ASK, CHECK, EXPLAIN, LEAVE, OPEN, TOLD, WHICH, Filling
from service.core.model import HELP, HOTLINES, KEYS, ROOT, Guide

TODAY = datetime.date(2026, 11, 30)
FAULTS = ("error_audio", "error_internal", "error_model", "error_voice")
NOTICES = (Notice(1, "小芳", text="明天来看您。"), Notice(2, "小芳", node="m5_fraud"))
NEWS = (Told("paired"), Told("unpaired"), Told("pair_already", {"name": "小芳"}), Told("looked_shared"),
        Told("looked_by", {"names": "小芳"}), Told("private_done"), Told("share_done"),
        Told("pair_code", {"code": "三〇，四五，幺二"}, shown=("304512",)))
UNIVERSAL = {"*", "0", "9", "#"}
MANY = 4
"""Misunderstandings in a row from which nothing changes any more."""
ANSWERS = {"kind": "M60", "woman": "FX", "birth_year": "1969", "birth_month": "12", "months": "170", "index": "1",
           "balance": "60000", "work": "employee", "wage": "5000", "share": "floor", "chosen": "5000", "sex": "M",
           "med_year": "2027", "med_months": "260", "med_local": "120"}
"""What everybody answers in the end, so that the answers are finitely many."""
WAYS = {"woman": {"kind": "F"}, "share": {"work": "flexible"}, "chosen": {"work": "flexible", "share": "own"}}
"""Answers that lead to a question."""
FILLS = (Fill({"kind": "F"}), Fill({"kind": "special"}), Fill({"birth_year": "1969", "birth_month": "12"}),
         Fill({"birth_month": "6"}, corrected=True), Fill({"months": "170"}), Fill({"work": "flexible"}),
         Fill({}, "form_lunar"), Fill({"birth_year": "1969"}, "form_range"), Fill({}), Fill(wish=EXPLAIN),
         Fill(wish=LEAVE))


def canonical(guide: Guide, session: Session) -> Session:
    """Without what does not change where one can go, so that the states are finitely many.

    Where help was called from is kept for one menu, one step list, one explanation and one form; which step
    a question interrupted is kept until silences or misunderstandings follow; under a notice only the node
    and how the listener is; of a form see ``_filling``.
    """
    form, answers = _filling(guide, session)
    if session.notice:
        return Session(node=session.node, paused=session.paused, waiting=session.waiting, no_input=session.no_input,
                       no_match=min(session.no_match, MANY), notice=session.notice, form=form, answers=answers)
    origin = session.origin
    if origin:
        known = origin[0] if origin[0] in (ROOT, "m1_counter") else "m4_age" if form else "m2_base"
        origin = (known, min(origin[1], 1))
    unsettled = bool(session.asked and (session.no_input or session.no_match))
    asks = form and form.stage != TOLD
    return Session(
        node=session.node, part=0 if unsettled or asks else session.part, done=session.done and not unsettled,
        asked=session.asked, paused=session.paused, waiting=session.waiting, origin=origin,
        no_input=session.no_input, no_match=min(session.no_match, MANY), form=form, answers=answers)


def _filling(guide: Guide, session: Session) -> tuple[Filling | None, dict[str, str]]:
    """A form and its answers: the usual ones, and no more of them than the open question or the stage needs.

    Which case was answered is kept where everything is answered and nothing else happened; of what was keyed the
    first two digits. Under a notice and under a question in doubt it is the first question, but for one form;
    elsewhere than in help a form is forgotten.
    """
    form = session.form
    if form and session.origin and session.origin[0] == form.node:
        return Filling("m4_age", field="kind"), {}
    if form is None or form.node != session.node:
        return None, {}
    if (session.notice or session.asked) and (form.stage == ASK or form.node != "m4_age"):
        return Filling(form.node, field=guide.forms.forms[form.node][0]), {}
    plain = not (session.no_input or session.no_match or session.paused or session.waiting or session.notice
                 or session.asked or session.part)
    if form.stage == ASK:
        tries = min(form.tries, 2) if plain else 0
        answers = _before(guide, form.node, form.field)
        asked = tuple(answers)[-1:] if form.asked and plain else ()
        entry = _keyed(form.entry) if plain and not tries else form.entry[:1] and "6"
        return Filling(form.node, ASK, form.field, entry, tries, asked, heard=form.heard and plain), answers
    # The medical calculator knows from the others who asks, and when they retire.
    known = ("kind", "birth_year", "birth_month") if form.node == "m4_medgap" else ()
    names = dict.fromkeys((*known, *needed(guide.rules, form.node, session.answers)))
    answers = {n: _class(n, session.answers[n]) for n in names if n in session.answers} if plain else _all(
        guide, form.node)
    return Filling(form.node, form.stage, heard=form.stage != TOLD), answers


def _keyed(entry: str) -> str:
    return entry[:1] and ("65" if len(entry) > 1 else "0" if entry == "0" else "6")


def _class(name: str, value: str) -> str:
    """One answer for all that lead to the same questions and nearly the same lines."""
    if value in OTHERWISE:
        return "retired"
    if name == "kind":
        return value if value in ("M60", "F", "resident") else "FX"
    return value if value in (OPEN, "flexible", "resident", "own") else ANSWERS[name]


def _before(guide: Guide, node: str, field: str) -> dict[str, str]:
    """The answers before a question."""
    answers = dict(WAYS.get(field, {}))
    while (name := open_field(guide.rules, node, answers)) not in (field, None):
        answers[name] = ANSWERS[name]
    return answers


def _all(guide: Guide, node: str) -> dict[str, str]:
    """An answer to every question of a node."""
    return _before(guide, node, "")


class Walk:
    """Breadth first over every state; ``turns`` are all (state, outcome, next state, reply)."""

    def __init__(self, guide: Guide):
        self.guide = guide
        self.menus = tuple(n.id for n in guide.nodes.values() if n.options)
        self.states: dict[Session, Reply] = {}
        self.turns: list[tuple[Session, Outcome, Session, Reply]] = []
        first, reply = advance(guide, Session(), Start(), TODAY)
        queue = collections.deque([canonical(guide, first)])
        self.states[queue[0]] = reply
        while queue:
            state = queue.popleft()
            # Every other state as somebody meets it who has heard all the menus before.
            met = replace(state, visited=self.menus if len(self.states) % 2 else ())
            for outcome in self.outcomes(state, len(self.turns)):
                after, reply = advance(guide, met, outcome, TODAY)
                self.turns.append((state, outcome, after, reply))
                place = canonical(guide, after)
                if place not in self.states:
                    self.states[place] = reply
                    queue.append(place)

    def outcomes(self, state: Session, turn: int) -> Iterator[Outcome]:
        nodes = tuple(self.guide.nodes)
        yield from map(Key, KEYS)
        yield from (NoMatch(), NoInput(), Rejoin(), Fault(FAULTS[turn % len(FAULTS)]))
        yield from (NEWS[turn % len(NEWS)], NOTICES[turn % len(NOTICES)])
        asks = (Ask(("m1",)), Ask(("m1", "m2")), Ask(("m1", "m2", "m3")))
        commands = tuple(Match(command=c) for c in COMMANDS)
        requests = tuple(Match(node=n) for n in nodes)
        fresh = not (state.no_input or state.no_match or state.paused or state.waiting)
        # What was understood forgets the silences before it, so that in the states that differ in
        # these alone some of the requests will do: another few in each state.
        yield from asks if fresh else _some(asks, turn, 1)
        yield from commands if fresh else _some(commands, turn, 4)
        yield from requests if fresh else _some(requests, turn, 2)
        yield from self.answers(state, turn)

    def answers(self, state: Session, turn: int) -> Iterator[Fill]:
        """What can be said to a form where one is, and where there is none any more."""
        form = state.form
        if state.asked or state.notice or form is None or form.node != state.node:
            yield FILLS[turn % len(FILLS)]
        elif state.no_input or state.no_match or state.paused or state.waiting:
            yield from _some(FILLS, turn, 2)
        else:
            yield from FILLS
            yield Fill({name: value for name, value in ANSWERS.items() if name != "woman"})
            field = self.guide.forms.fields.get(form.field)
            if field:
                yield Fill({field.target: ANSWERS[field.id]})
            if field and field.open:
                yield Fill({field.target: OPEN})


def _some(things: tuple, turn: int, count: int) -> list:
    return [things[(turn + i * 7) % len(things)] for i in range(count)]


@pytest.fixture(scope="module")
def walk(guide) -> Walk:
    # Of the million objects that it keeps none is garbage: to look for some again and again takes a sixth of its time.
    gc.disable()
    try:
        return Walk(guide)
    finally:
        gc.enable()


def offences(walk: Walk, is_offence) -> list:
    """The first few turns that are at fault."""
    return [(state, outcome, reply) for state, outcome, after, reply in walk.turns
            if is_offence(state, outcome, after, reply)][:3]


def test_the_walk_comes_to_every_stage_of_every_form(walk, guide):
    for node, fields in guide.forms.forms.items():
        here = [s.form for s in walk.states if s.form and s.node == s.form.node == node and not s.notice]
        assert {f.stage for f in here} == {ASK, CHECK, WHICH, TOLD}, node
        assert {f.field for f in here if f.field} == set(fields), node
    met = {s.form.stage: s for s in walk.states if s.form}
    assert {s.form.stage for s in walk.states if s.form and s.notice} == met.keys()
    assert {s.form.stage for s in walk.states if s.form and s.paused} == met.keys()
    assert any(s.form and s.node == HELP for s in walk.states)


def test_the_walk_comes_everywhere(walk, guide):
    assert {s.node for s in walk.states} == set(guide.nodes)
    told = {(s.node, s.part) for s in walk.states}
    for node in guide.nodes.values():
        parts = len(node.steps) or len(node.more) + 1
        assert {p for n, p in told if n == node.id} == set(range(parts)), node.id
    assert {r.state for r in walk.states.values()} >= {
        "menu", "steps", "leaf", "ask", "form", "notice", "paused", "waiting"}
    assert {len(s.asked) for s in walk.states} == {0, 1, 2, 3}
    assert any(s.done for s in walk.states) and any(s.origin for s in walk.states)


def test_the_reply_is_about_where_the_session_is(walk, guide):
    assert not offences(walk, lambda s, o, after, reply: not (
        reply.node == after.node in guide.nodes and reply.title == guide.nodes[reply.node].title))


def test_silent_only_where_silence_is_right(walk):
    def wrongly_silent(state, outcome, after, reply):
        # At the help itself nobody is hurried.
        still = state.paused or state.waiting or reply.state == "urgent"
        enough = isinstance(outcome, (NoMatch, Fill)) and (state.no_match >= 3 or state.node == HELP)
        return not reply.sentences and not (
            isinstance(outcome, (NoInput, NoMatch, Fill)) and still or enough or took(state, outcome, after))
    assert not offences(walk, wrongly_silent)


def test_who_is_not_understood_sees_so_even_in_silence(walk):
    assert not offences(walk, lambda s, o, after, reply: (
        isinstance(o, NoMatch) and not reply.sentences and not reply.shown))


def test_nobody_is_disturbed_who_asked_for_rest(walk):
    assert not offences(walk, lambda s, o, after, reply: (
        (s.paused or s.waiting) and isinstance(o, (NoInput, NoMatch)) and reply.sentences))


def takes_digits(walk: Walk, state: Session) -> bool:
    """True if keys are digits there."""
    return walk.states[state].entry is not None


def took(state: Session, outcome: Outcome, after: Session) -> bool:
    """True if a digit was taken, and nothing else happened."""
    return (isinstance(outcome, Key) and outcome.key.isdigit() and after.form is not None
            and after.form.entry == state.form.entry + outcome.key and after.node == state.node)


def test_every_key_is_answered_aloud_everywhere_but_a_digit_that_is_taken(walk):
    pressed = collections.defaultdict(set)
    for state, outcome, after, reply in walk.turns:
        if isinstance(outcome, Key) and (reply.sentences or took(state, outcome, after)):
            pressed[state].add(outcome.key)
    assert all(pressed[state] == set(KEYS) for state in walk.states)


def test_a_digit_that_is_taken_is_shown_and_no_other_is_taken_than_where_digits_are(walk):
    assert not offences(walk, lambda s, o, after, reply: isinstance(o, Key) and s.form is not None and took(
        s, o, after) and reply.entry != s.form.entry + o.key)
    assert {s.form.field for s in walk.states if takes_digits(walk, s)} == {
        f.id for f in walk.guide.forms.fields.values() if f.by_digits}


def test_sentences_are_whole(walk):
    said = {text for _, _, _, reply in walk.turns for text in reply.sentences + reply.shown}
    assert len(said) > 300
    assert not [text for text in said if not text.strip() or "{" in text or "}" in text]


def test_always_a_way_on(walk, guide):
    universal = {c.key for c in guide.commands.values() if c.key}
    assert UNIVERSAL <= universal
    assert not offences(walk, lambda s, o, after, reply: (
        reply.state in ("menu", "ask", "steps", "notice") and not reply.choices))


def test_a_notice_is_read_and_waits_for_its_answer_everywhere(walk):
    assert not offences(walk, lambda s, o, after, reply: isinstance(o, Notice) and (
        after.notice != o or reply.state != "notice" or [c.key for c in reply.choices] != ["1", "2"]))
    assert not offences(walk, lambda s, o, after, reply: (
        s.notice and o in (Key("1"), Key("2")) and (after.notice or not after.answered)))
    assert not offences(walk, lambda s, o, after, reply: after.answered and not s.notice)


def test_what_is_told_leaves_the_listener_where_they_were_with_something_to_do(walk, guide):
    def offence(state, outcome, after, reply):
        stays = (after.node, after.part, after.asked, after.notice) == (
            state.node, state.part, state.asked, state.notice)
        return isinstance(outcome, Told) and not (
            stays and reply.sentences[0] == guide.prompts[outcome.prompt][0].format(**outcome.values)
            and (reply.state == "urgent" or reply.hint_after_s
                 and (reply.shown == outcome.shown if outcome.shown else len(reply.sentences) > 1)))
    assert not offences(walk, offence)
    told = {o.prompt for _, o, _, _ in walk.turns if isinstance(o, Told)}
    assert told == {t.prompt for t in NEWS} <= PROMPTS.keys()


def test_a_handful_of_choices_each_with_its_own_key(walk):
    def offence(state, outcome, after, reply):
        keys = [c.key for c in reply.choices]
        return len(keys) > 5 or len(keys) != len(set(keys)) or not all(c.label for c in reply.choices)
    assert not offences(walk, offence)


def test_no_choice_leads_to_nothing(walk, guide):
    unknown = guide.prompts["key_unknown"][0]
    for state, reply in walk.states.items():
        for choice in reply.choices:
            _, answer = advance(guide, state, Key(choice.key), TODAY)
            assert unknown not in answer.sentences, (state, choice)


def test_a_timer_runs_unless_the_listener_rests(walk):
    def offence(state, outcome, after, reply):
        rests = after.paused or after.waiting
        still = rests or reply.state == "urgent"
        return (reply.hint_after_s is None) != still or (reply.state in ("paused", "waiting")) != rests
    assert not offences(walk, offence)
    assert all(reply.hint_after_s is None or reply.hint_after_s >= 10 for reply in walk.states.values())


def test_whoever_presses_or_is_understood_ends_silence_and_misunderstanding(walk):
    def offence(state, outcome, after, reply):
        understood = isinstance(outcome, (Key, Match, Ask))
        said_no = after.no_match == 1
        return understood and (after.no_input or after.no_match and not said_no)
    assert not offences(walk, offence)


def test_a_request_leads_to_its_node_from_everywhere(walk):
    assert not offences(walk, lambda s, o, after, reply: (
        isinstance(o, Match) and o.node and not (o.node == HOTLINES and reply.state == "urgent") and (after.node != o.node or after.asked or after.paused or after.notice)))


def test_the_step_on_screen_is_the_step_of_the_session(walk, guide):
    def offence(state, outcome, after, reply):
        steps = guide.nodes[after.node].steps
        return reply.step != ((after.part + 1, len(steps)) if steps else None)
    assert not offences(walk, offence)


def test_nine_leads_to_the_main_menu_from_everywhere_but_where_digits_are_taken(walk):
    assert not offences(walk, lambda s, o, after, reply: (
        o == Key("9") and not takes_digits(walk, s) and (after.node != ROOT or after.asked or reply.state != "menu")))


def test_zero_leads_to_help_from_everywhere_but_where_digits_are_taken(walk):
    assert not offences(walk, lambda s, o, after, reply: (
        o == Key("0") and not takes_digits(walk, s) and after.node != HELP))


def test_star_leads_out_in_the_end(walk, guide):
    out = {s for s in walk.states if s.node == ROOT and not s.asked and not s.notice}
    leads = {s: canonical(guide, after) for s, o, after, _ in walk.turns if o == Key("*")}
    for _ in range(12):
        out |= {state for state, after in leads.items() if after in out}
    assert out == set(walk.states)
