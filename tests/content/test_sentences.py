"""Everything that the guide says is known ahead, so that it can be recorded."""

import datetime
import itertools

from service.content.sentences import sentences
from service.core import dialog
from service.core.dialog import Ask, Fault, Key, Match, NoInput, NoMatch, Rejoin, Session, Start, Voice
from service.core.model import KEYS
from service.core.wording import clauses
from tests.support import guide

LATER = datetime.date(2031, 1, 1)
"""A day on which every figure is due for review."""


def said(outcomes, session=Session(), today=datetime.date(2026, 11, 24)) -> set[str]:
    """All that is said in a talk of these outcomes."""
    heard = set()
    for outcome in outcomes:
        session, reply = dialog.advance(guide(), session, outcome, today)
        heard.update(reply.sentences)
    return heard


def talks():
    """Talks that come by every node, command, key, question, silence and fault."""
    nodes = list(guide().nodes)
    for node in nodes:
        yield [Start(), Match(node=node), *[Match(command="next")] * 12, Match(command="repeat"), NoInput()]
        yield [Match(node=node, corrected=True), *[NoMatch()] * 4, Match(command="up"), Match(command="up")]
        yield [Match(node=node), *[NoInput()] * 3, Rejoin()]
        yield [Match(node=node), Match(command="help"), Match(command="up")]
        yield [Ask((node,)), Match(command="no"), Ask((node,)), Match(command="yes")]
    for some in itertools.combinations(nodes[:12], 3):
        yield [Ask(some), NoInput(), Match(command="repeat"), Ask(some[:2]), Key("3")]
    for key in KEYS:
        yield [Start(), Key(key), Key(key), Key("1"), Key(key)]
    for command in dialog.COMMANDS:
        yield [Match(node="m1_counter"), *[Match(command=command)] * 8]
        yield [Match(node="m4_age"), Match(command=command), Match(command="resume")]
        yield [Start(), Match(command=command), Match(command=command)]
    yield [Voice("male"), Voice(None), *[Fault(p) for p in dialog.PROMPTS if p.startswith("error_")]]


def test_nothing_is_said_that_was_not_known_ahead():
    known = set(sentences(guide()))
    heard = {s for talk in talks() for today in (datetime.date(2026, 11, 24), LATER) for s in said(talk, today=today)}
    unknown = {s for s in heard if s not in known and not all(c in known for c in clauses(s))}
    assert len(heard) > 500
    assert unknown == set()


def test_each_is_listed_once_and_what_is_heard_in_every_talk_comes_first():
    listed = sentences(guide())
    assert len(set(listed)) == len(listed)
    assert "直接说也行。" in listed[:10]
    assert listed.index("第一步。") < listed.index("第七步。")


def test_names_and_numbers_inside_sentences_are_filled_in():
    listed = set(sentences(guide()))
    assert {"第二步。", "一共七步。", "怎么查社保，按一。", "好，您问的是缴费基数。"} <= listed
    assert not any("{" in text for text in listed)
