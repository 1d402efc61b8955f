"""Sayings: what is said, typed or keyed: numbers, requests, and whole talks of them."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import unicodedata
from typing import Callable

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from service.core import numerals, redaction
from service.core.answers import answer_reader
from service.core.assessment import fault
from service.core.calculators import MOST_MONTHS
from service.core.dialog import (COMMANDS, Ask, Fault, Fill, Key, Match, NoInput, NoMatch, Notice, Outcome, Rejoin,
                                 Reply,
                                 Session, Start, Told, Voice, advance)
from service.core.form import AMOUNT, BIRTH_MONTH, BIRTH_YEAR, CHOICE, EXPLAIN, LEAVE, MONTHS, OPEN, UNSURE, WHY, YEAR
from service.core.model import KEYS, ROOT, Guide
from service.core.understanding import Expectation, Understanding
from service.fuzzing.target import Target, require

TODAY = datetime.date(2026, 11, 30)
LONGEST_TYPED, LONGEST_HEARD = 2_000, 200
"""Characters that a talk looks at; what somebody says in a quarter of a minute has less."""
RARELY = 16
"""One text of so many is a long one."""
LONGEST_TALK = 25
NUMBER_WORDS = tuple("零〇一二三四五六七八九十百千万亿两半几多点年月日号岁块毛分元个") + (
    "左右", "大概", "不到", "差两个月", "六五年", "五月", "腊月", "正月", "闰", "农历", "属龙", "再过", "不对", "是", "到", "或者", "-", ".",
    "/", ",", "负", "%", "一九六五", "1965", "65", "十二年零三个月", "今年", "明年", "后年", "虚岁", "退休", "没交过", "交了", "块钱", "万把")
"""What numbers, births, durations and amounts are made of."""
SIDE_WORDS = ("我", "我要查", "社保", "医保", "养老金", "好", "不对", "不晓得", "不是", "再说一遍", "返回", "我是男的", "女的", "讲讲规矩", "不算了",
              "上一个", "请问", "姑娘", "那个", "，", "。", "？", "和", "还有", "按二", "第三个")
AMOUNTS = st.decimals(0, 999_999, places=2).map(str)
DIGITS = tuple(c for c in map(chr, range(0x110000)) if unicodedata.category(c) in ("Nd", "Nl", "No"))
"""Of all scripts."""
READERS: tuple[Callable[[str], object], ...] = (
    numerals.number, numerals.sounding, redaction.redacted, redaction.plain,
    *(functools.partial(reader, bare=bare) for reader in (numerals.months, numerals.amount) for bare in (True, False)),
    *(functools.partial(reader, today=TODAY, bare=bare) for reader in (numerals.birth, numerals.year)
      for bare in (True, False)))


def texts(words: tuple[str, ...], longest: int = LONGEST_TYPED) -> SearchStrategy[str]:
    """Of these words, of digits of all scripts, of anything; and very long ones."""
    piece = st.sampled_from(words) | st.text(st.sampled_from(DIGITS), max_size=8) | st.text(max_size=6)
    # Far more often of words than of noise: noise alone is nothing to any reader.
    short = st.lists(st.sampled_from(words) | st.sampled_from(words) | piece, max_size=14).map("".join)
    long = st.builds(lambda one, times: (one * times)[:longest], short, st.integers(2, longest))
    return st.integers(1, RARELY).flatmap(lambda number: long if number == RARELY else short)


# --- numbers -----------------------------------------------------------------------------------------

def _read_number(text: str) -> None:
    for reader in READERS:
        found = reader(text)
        if isinstance(found, numerals.Found):
            require(0 <= found.start < found.end <= len(text), "found within the text")
    require(len(numerals.sounding(text)) == len(text), "as long as before")


# --- requests ----------------------------------------------------------------------------------------

def _understand(understanding: Understanding, case: tuple[str, str, float, Session]) -> None:
    closed, opened, confidence, session = case
    expect = Expectation.of(session, TODAY)
    for found in (understanding.interpret(opened, expect),
                  understanding.hear(closed, opened, confidence, 1 - confidence, expect)):
        require(isinstance(found, (Match, Ask, Fill, NoMatch)), "one of the outcomes of words")


def _answer(guide: Guide, case: tuple[str, str, str]) -> None:
    text, node, field = case
    reading = answer_reader(guide).read(text, node, field, {}, TODAY)
    fields = guide.forms.fields
    require(set(reading.values) <= {f.target for f in fields.values()} | set(fields),
            "answers to questions that there are")
    require(reading.problem in ("", UNSURE) or reading.problem in guide.prompts, "a problem that can be told")


# --- talks -------------------------------------------------------------------------------------------

def _values(guide: Guide) -> SearchStrategy[dict[str, str]]:
    """Answers of the right form to any questions, likely or not."""
    numbers = {BIRTH_YEAR: st.integers(1, 9999).map(lambda n: f"{n:04}"), BIRTH_MONTH: st.integers(1, 12).map(str),
               MONTHS: st.integers(0, MOST_MONTHS - 1).map(str), YEAR: st.integers(1, 9999).map(lambda n: f"{n:04}"),
               AMOUNT: AMOUNTS}
    answers: dict[str, SearchStrategy[str]] = {}
    for field in guide.forms.fields.values():
        options = [option.value for option in field.options] + [OPEN] * field.open
        values = st.sampled_from(options) if field.type == CHOICE else numbers[field.type]
        answers[field.target] = (answers[field.target] | values) if field.target in answers else values
    return st.fixed_dictionaries({}, optional=answers).map(_possible)


def _possible(values: dict[str, str]) -> dict[str, str]:
    """Without those that cannot be, as whoever reads what was said leaves them out."""
    kept: dict[str, str] = {}
    for name, value in values.items():
        if fault(name, value, kept, TODAY) is None:
            kept[name] = value
    return kept


def outcomes(guide: Guide) -> SearchStrategy[Outcome | str]:
    """Anything that may happen in a talk; a text is what is said or typed."""
    nodes, commands, values = st.sampled_from(sorted(guide.nodes)), st.sampled_from(sorted(COMMANDS)), _values(guide)
    several = st.lists(nodes.filter(lambda node: node != ROOT), min_size=1, max_size=3, unique=True).map(tuple)
    problems = st.sampled_from(("", "form_lunar", "form_age", "form_no_day", "form_future", "form_range", "form_no_id"))
    return st.one_of(
        texts(NUMBER_WORDS + SIDE_WORDS, LONGEST_HEARD), st.sampled_from(KEYS).map(Key),
        st.builds(Match, node=nodes, then=st.none() | nodes, corrected=st.booleans(), values=st.just({}) | values),
        commands.map(lambda name: Match(command=name)), st.builds(Ask, several, values=st.just({}) | values),
        st.builds(Fill, values, problems, st.booleans(), st.sampled_from(("", EXPLAIN, LEAVE, WHY))),
        st.sampled_from((NoMatch(), NoInput(), Rejoin(), Start(), Fault("error_audio"), Voice(None), Voice("male"),
                         Notice(1, "小芳", text="明天来看您。"), Told("pair_code", {"code": "三〇"}, ("30",)), Told("paired"))),
        st.builds(Notice, st.integers(1, 9), st.just("小芳"), node=nodes))


def _talk(understanding: Understanding, guide: Guide, case: list[Outcome | str]) -> None:
    session, _ = advance(guide, Session(), Start(), TODAY)
    for said in case:
        outcome = understanding.interpret(said, Expectation.of(session, TODAY)) if isinstance(said, str) else said
        before, (session, reply) = session, advance(guide, session, outcome, TODAY)
        _whole(guide, session, reply)
        _audible(before, outcome, session, reply)
        session = _through_json(session)


def _through_json(session: Session) -> Session:
    stored = Session.from_json(json.loads(json.dumps(session.to_json())))
    discreet = json.loads(json.dumps({name: dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
                                      for name, value in session.discreet.items()}))
    back = dataclasses.replace(stored, **Session.discreet_from_json(discreet))
    require(back == session and dict(back.answers) == dict(session.answers), "the same after its way through JSON")
    return back


def _whole(guide: Guide, session: Session, reply: Reply) -> None:
    require(session.node in guide.nodes and reply.node == session.node, "the reply is about where the session is")
    require(all(text.strip() and "{" not in text for text in reply.sentences + reply.shown), "sentences are whole")
    keys = [choice.key for choice in reply.choices]
    require(len(keys) <= 5 and len(set(keys)) == len(keys), "a handful of choices, each with its own key")
    require(reply.hint_after_s is not None or session.paused or session.waiting,
            "a timer runs unless the listener rests")


def _audible(before: Session, outcome: Outcome, session: Session, reply: Reply) -> None:
    """Something is said, or a state says why not."""
    rests = session.paused or session.waiting
    keyed = isinstance(outcome, Key) and reply.entry is not None
    in_vain = isinstance(outcome, (NoMatch, Fill)) and before.no_match > 0
    require(bool(reply.sentences) or rests or keyed or in_vain, "silent only where silence is right")


@st.composite
def _places(draw, guide: Guide) -> Session:
    """Where somebody may be who is understood."""
    nodes = sorted(guide.nodes)
    session = Session(node=draw(st.sampled_from(nodes)))
    # The main menu is called up by a command, and never asked for as a section.
    asked = tuple(draw(st.lists(st.sampled_from(nodes).filter(lambda node: node != ROOT), max_size=3, unique=True)))
    if asked or session.node not in guide.forms.forms:
        return dataclasses.replace(session, asked=asked)
    return advance(guide, session, Match(node=session.node), TODAY)[0]


def targets(understanding: Understanding, guide: Guide) -> list[Target]:
    """Everything that reads what people say."""
    words, heard = (texts(NUMBER_WORDS + SIDE_WORDS, longest) for longest in (LONGEST_TYPED, LONGEST_HEARD))
    forms = [(node, field) for node, fields in guide.forms.forms.items() for field in ("", *fields)]
    asked = st.sampled_from(forms)
    return [
        Target("number", 0.25, texts(NUMBER_WORDS), _read_number),
        Target("answer", 0.1, st.builds(lambda text, at: (text, *at), words, asked), functools.partial(_answer, guide)),
        Target("request", 0.1, st.tuples(heard, heard, st.floats(0, 1), _places(guide)),
               functools.partial(_understand, understanding)),
        Target("talk", 0.09, st.lists(outcomes(guide), min_size=1, max_size=LONGEST_TALK),
               functools.partial(_talk, understanding, guide)),
    ]
