"""Everything that the guide says is known ahead, so that it can be recorded."""

import datetime
import itertools

from service.content.sentences import sentences
from service.core import dialog
from service.core.dialog import Ask, Fault, Fill, Key, Match, NoInput, NoMatch, Rejoin, Session, Start, Voice
from service.core.form import EXPLAIN, LEAVE, OPEN
from service.core.model import KEYS
from service.core.wording import pieces
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


KINDS = ("M60", "F55", "F50", "FX", "F", "resident", "special", "sick", "official", "retired")
BIRTHS = (("1961", "1"), ("1964", "12"), ("1966", "8"), ("1969", "12"), ("1975", "3"), ("1990", "2"), ("2015", "6"))


def calculations():
    """Talks that come by the questions, and by many results."""
    for kind, (year, month), months in itertools.product(KINDS, BIRTHS, ("0", "7", "147", "400", OPEN)):
        who = {"kind": kind, "birth_year": year, "birth_month": month, "months": months}
        yield [Match(node="m4_age", values=who), Key("1"), Match(node="m4_gap"), Key("1")]
        for index, balance in (("0.6", "63217"), (OPEN, OPEN), ("3", "180050")):
            yield [Match(node="m4_pension", values=who), Fill({"index": index}), Fill({"balance": balance}), Key("1")]
    works, amounts = ("employee", "flexible", "resident", "retired"), ("50", "4072", "23400", OPEN)
    for work, amount in itertools.product(works, amounts):
        yield [Match(node="m4_base", values={"work": work}), Fill({"wage": amount, "share": "own", "chosen": amount}),
               Key("1")]
    years, totals, locals_ = ("2026", "2031", OPEN), ("1", "310", OPEN), ("0", "190", OPEN)
    for sex, year, total, local in itertools.product("MF", years, totals, locals_):
        yield [Match(node="m4_medgap"), Fill({"sex": sex}), Fill({"med_year": year}), Fill({"med_months": total}),
               Fill({"med_local": local}), Key("1")]


def questions():
    """Talks that come by every question, in all its words, and by every correction."""
    problems = ("form_lunar", "form_age", "form_no_day", "form_future", "form_range", "form_no_id")
    for node, option in itertools.product(guide().forms.forms, "12345"):
        # Long enough an entry cannot be; what is read back is denied, and each answer of it named as wrong.
        keyed = [Key(option), *map(Key, "1969#12#1402#"), Key("2"), *map(Key, "60000#"), Key("2"), Key(option)]
        yield [Match(node=node), *keyed, NoInput(), NoInput(), Match(command="repeat"), *[Match(command="back")] * 8]
        yield [Match(node=node), Key(option), NoMatch(), NoMatch(), Key("1"), NoInput(), Key("*"), *map(Key, "9" * 20)]
    for node, problem in itertools.product(guide().forms.forms, problems):
        yield [Match(node=node), Key("1"), *[Fill({}, problem)] * 3, Fill(wish=EXPLAIN), Fill(wish=LEAVE)]
        yield [Match(node=node), Fill({"birth_year": "1970", "birth_month": "5"}, corrected=True), Match(command="no")]


def test_nothing_is_said_that_was_not_known_ahead():
    known = set(sentences(guide()))
    every = itertools.chain(talks(), calculations(), questions())
    heard = {s for talk in every for today in (datetime.date(2026, 11, 24), LATER) for s in said(talk, today=today)}
    unknown = {s for s in heard if s not in known and not all(part in known for part, _ in pieces(s))}
    assert len(heard) > 1200
    assert unknown == set()


def test_each_is_listed_once_and_what_is_heard_in_every_talk_comes_first():
    listed = sentences(guide())
    assert len(set(listed)) == len(listed)
    assert "有急事，直接说，我马上讲。" in listed[:40]
    assert listed.index("第一步。") < listed.index("第七步。")


def test_names_and_numbers_inside_sentences_are_filled_in():
    listed = set(sentences(guide()))
    assert {"第二步。", "一共七步。", "怎么查社保，按一。", "您问的是", "缴费基数", "祁东县"} <= listed
    assert not any("{" in text for text in listed)
