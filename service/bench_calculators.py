"""`bench calculators`: how well answers to the calculators' questions are understood, and how soon they are worked out.

The answers are those of ``tests/sets/numbers``: each is read as a text, and its recording heard as an answer to its
question, in a silent room and in one with noise. Beside it, the same recordings as vosk's open decoder alone
writes them down.
"""

from __future__ import annotations

import collections
import datetime
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Callable, Iterable, Mapping, TextIO

import numpy as np
import yaml

from service.app import load_listening
from service.bench import machine, milliseconds, quantiles
from service.core import assessment, dialog
from service.core.dialog import Fill, Session
from service.core.form import BIRTH_MONTH, BIRTH_YEAR, TOLD
from service.core.grammar import bare
from service.core.understanding import Expectation
from service.errors import SettingsError
from service.evaluation.rooms import CONDITIONS, Rooms
from service.listening import Listening
from service.settings import PROJECT, Settings
from service.speech.audio import read_pcm
from service.speech.recognizer import Hearing
from service.talks import Edition

SET = PROJECT / "tests" / "sets" / "numbers"
TODAY = datetime.date(2026, 11, 30)
"""The day from which the set's texts are meant."""
QUESTIONS = {"birth": ("m4_age", BIRTH_YEAR), "months": ("m4_gap", "months"), "amount": ("m4_pension", "balance"),
             "year": ("m4_medgap", "med_year")}
"""Kind of answer to the node and the question that it is given to."""
PROBLEMS = {"impossible": "form_no_day", "lunar": "form_lunar", "age": "form_age"}
"""What a text means beside its values, to what the guide has to say to it."""
ONLY_A_NUMBER = re.compile("[零〇一二三四五六七八九十百千万亿两半幺年月日号个岁块元毛角分钱点多来]+")
COMPUTED = 200
SENTENCES = ("我是六五年五月的，男的，几时退休", "我七零年二月的，男的，养老交了十二年，还差几年", "我在单位上班，工资五千，每月交多少钱",
             "我男的，六五年十一月生的，交了十五年，一直按最低的交，账上有六万块，退休金有多少",
             "我女的，职工医保交了二十年，在湖南交了十二年，二七年办退休，医保还差几年")
"""One for each calculator, with all that it needs."""


@dataclass(frozen=True)
class Item:
    """One answer of the set."""

    id: str
    kind: str
    """birth, months, amount or year."""
    text: str
    means: Mapping[str, object]

    @property
    def recording(self) -> Path:
        """Where its recording would be."""
        return SET / "recordings" / f"{self.id}.opus"

    @property
    def is_plain(self) -> bool:
        """True if nothing but a number is said."""
        return bool(ONLY_A_NUMBER.fullmatch(bare(self.text)))

    @property
    def wanted(self) -> dict[str, str]:
        """Field to the answer that it should be taken for."""
        _, asked = QUESTIONS[self.kind]
        names = {"year": BIRTH_YEAR if self.kind == "birth" else asked, "month": BIRTH_MONTH}
        return {names.get(name, asked): _plain(value) for name, value in self.means.items()
                if name not in ("about", *PROBLEMS)}

    def expectation(self) -> Expectation:
        """The question that it answers."""
        node, asked = QUESTIONS[self.kind]
        answers = {}
        if self.kind == "birth" and self.means.keys() == {"month"}:
            asked, answers = BIRTH_MONTH, {BIRTH_YEAR: "1965"}
        return Expectation(node, today=TODAY, form=node, field=asked, answers=answers)

    def is_right(self, outcome: object) -> bool:
        """True if the guide takes it for what it means, and says what is wrong with it if something is."""
        if not isinstance(outcome, Fill):
            return False
        values = {name: _plain(value) for name, value in outcome.values.items() if name in self.wanted or name in
                  (BIRTH_YEAR, BIRTH_MONTH, *(asked for _, asked in QUESTIONS.values()))}
        problem = next((PROBLEMS[name] for name in PROBLEMS if self.means.get(name)), "")
        if problem == PROBLEMS["impossible"]:
            return outcome.problem == problem and BIRTH_MONTH not in values
        return values == self.wanted and outcome.problem == problem


def _plain(value: object) -> str:
    return format(Decimal(str(value)).normalize(), "f")


def read_items() -> list[Item]:
    """The set; SettingsError where the project's tests are not there."""
    path = SET / "numbers.yaml"
    if not path.exists():
        raise SettingsError("the tests of the project are needed: tests/sets/numbers is not there")
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))["items"]
    return [Item(row["id"], row["field"], row["text"], row["means"]) for row in rows]


def run(settings: Settings, sample: int | None, out: TextIO) -> int:
    """Print the figures as JSON; ``sample``: only so many recordings."""
    items = read_items()
    listening, library = load_listening(settings, settings.decoders)
    edition = library.edition
    figures = {"machine": machine(), "read": _shares(items, lambda item: _read(edition, item)),
               "heard": _heard(listening, edition, Rooms.of_packs(settings.packs_dir), items, sample), "turns": _turns(edition), "computing_ms": _computing(edition)}
    print(json.dumps(figures, ensure_ascii=False, indent=2), file=out)
    return 0


def _shares(items: Iterable[Item], is_right: Callable[[Item], bool]) -> dict:
    """Share that is right, of all, of each kind, and of plain numbers."""
    right, count = collections.Counter(), collections.Counter()
    for item in items:
        groups = ("all", item.kind, *(["plain"] if item.is_plain else []))
        count.update(groups)
        right.update(groups if is_right(item) else ())
    return {group: {"n": n, "right": round(right[group] / n, 3)} for group, n in count.items()}


def _read(edition: Edition, item: Item) -> bool:
    return item.is_right(edition.understanding.interpret(item.text, item.expectation()))


# --- heard ----------------------------------------------------------------------------------------

def _heard(listening: Listening, edition: Edition, rooms: Rooms, items: list[Item], sample: int | None) -> dict:
    spoken = [item for item in items if item.recording.exists()]
    spoken = spoken[::max(1, len(spoken) // sample)] if sample else spoken
    figures = {}
    for condition in CONDITIONS:
        hearings = {item.id: hear(listening, item, rooms.place(read_pcm(item.recording), condition, item.id))
                    for item in spoken}
        figures[condition.name] = {
            "guide": _shares(spoken, lambda i: understood(edition, i, hearings[i.id])),
            "open decoder": _shares(spoken, lambda i: _understood_openly(edition, i, hearings[i.id]))}
    return figures


def hear(listening: Listening, item: Item, samples: np.ndarray) -> Hearing | None:
    """What is heard of int16 samples at 16 kHz in answer to the item's question."""
    expect = item.expectation()
    kind = {"birth": expect.field, "months": "months", "amount": "amount", "year": "year"}[item.kind]
    return listening.once(samples, kind).hearing


def understood(edition: Edition, item: Item, hearing: Hearing | None) -> bool:
    """True if what was heard is taken for what the item means."""
    return hearing is not None and item.is_right(edition.hear(hearing, item.expectation()))


def _understood_openly(edition: Edition, item: Item, hearing: Hearing | None) -> bool:
    return hearing is not None and item.is_right(
        edition.understanding.interpret(hearing.open.text, item.expectation()))


# --- a talk, and computing --------------------------------------------------------------------------

def _turns(edition: Edition) -> dict:
    """Turns from a sentence with all facts to the answer: the sentence, and yes to what was read back."""
    return {sentence: _turns_of(edition, sentence) for sentence in SENTENCES}


def _turns_of(edition: Edition, sentence: str) -> int | None:
    session, texts = Session(), [sentence, "对"]
    for number, text in enumerate(texts, 1):
        outcome = edition.understanding.interpret(text, Expectation.of(session, TODAY))
        session, _ = dialog.advance(edition.guide, session, outcome, TODAY)
        if session.form and session.form.stage == TOLD:
            return number
    return None


def _computing(edition: Edition) -> dict:
    rules, took = edition.guide.rules, []
    answers = {"kind": "FX", "birth_month": "5", "months": "150", "index": "open", "balance": "60000",
               "work": "flexible", "share": "open", "med_months": "240", "med_local": "140"}
    for node in assessment.NODES:
        for year in range(COMPUTED):
            given = answers | {"birth_year": str(1968 + year % 20)}
            took.append(milliseconds(lambda: assessment.assess(rules, node, given, TODAY)))
    return quantiles(took, digits=3)
