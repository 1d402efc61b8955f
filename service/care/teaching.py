"""Teaching: sentences that were not understood, and the check before a change of the guide goes live.

The check learns the guide as it would be and asks the old and the new one about everything that is
listed and about what these people said of late. It works on copies: whoever is talking meanwhile notices
nothing, but that one of the cores is busy.
"""

from __future__ import annotations

import collections
import datetime
import logging
import threading
import time
import uuid
from dataclasses import dataclass, field, replace
from typing import Callable, Iterable, Iterator, Protocol

from sqlalchemy import Engine, func, select, update

from service.care.recording import meaning
from service.content.effects import Neighbour, neighbours
from service.content.problems import Problem
from service.content.proposal import Proposal
from service.core import labels
from service.core.classifier import Classifier
from service.core.dialog import Ask, Match, NoMatch
from service.core.grammar import bare
from service.core.model import HELP, ROOT, Guide, Lexicon
from service.core.redaction import NAME, NUMBER
from service.core.templates import templates
from service.core.understanding import Understanding, labelled_lines
from service.errors import GuideError, NotFound, Refused
from service.store.database import transaction
from service.store.tables import MissRow, TalkRow, TurnRow

log = logging.getLogger(__name__)
MOST_MISSES = 200
"""Of one list."""
MOST_TURNS = 500
"""So many of the last turns are compared."""
MOST_SUGGESTED = 5
MOST_WAITING = 8
"""Checks that were asked for and are not done: each takes half a minute."""
KEPT = 50
"""Checks that are remembered until the process ends."""
USUAL_LEARNING_S = 30.0
"""What learning takes; only the percentage shown is reckoned by it."""
LEARNT_PERCENT = 70
AT_A_TIME, PAUSE_S = 20, 0.005
"""After so many sentences the other threads of this process, who answer listeners, have their turn."""


# --- misses --------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Miss:
    """One sentence that was not understood, of everybody who said it."""

    text: str
    kind: str
    """not_understood or corrected."""
    meant: str | None
    count: int
    last_at: datetime.datetime
    ids: tuple[int, ...]
    """Of its rows, one of each person, the last one first."""
    person_ids: tuple[int, ...]

    @property
    def marked(self) -> bool:
        """True if something was taken out of it, so that it cannot be taught as it stands."""
        return is_marked(self.text)


def is_marked(text: str) -> bool:
    """True if the text has a mark of what was taken out of it."""
    return NUMBER in text or NAME in text


class Misses:
    """What was not understood. Which people may be looked at is for the caller to say."""

    def __init__(self, engine: Engine, now: Callable[[], datetime.datetime]):
        self._engine, self._now = engine, now

    def open(self, person_ids: Iterable[int]) -> list[Miss]:
        """What was neither taught nor put aside, the most frequent first."""
        people = list(person_ids)
        times = func.sum(MissRow.count)
        frequent = (select(MissRow.text).where(MissRow.person_id.in_(people), MissRow.settled_at.is_(None))
                    .group_by(MissRow.text).order_by(times.desc(), func.max(MissRow.last_at).desc(), MissRow.text)
                    .limit(MOST_MISSES))
        with transaction(self._engine) as orm:
            texts = list(orm.scalars(frequent))
            rows = orm.scalars(select(MissRow).where(
                MissRow.person_id.in_(people), MissRow.settled_at.is_(None), MissRow.text.in_(texts))).all()
        held: dict[str, list[MissRow]] = {text: [] for text in texts}
        for row in rows:
            # One that was written between the two statements is for the next look.
            held.get(row.text, []).append(row)
        return [_miss(found) for found in held.values() if found]

    def get(self, miss_id: int, person_ids: Iterable[int]) -> Miss:
        """A sentence by one of its rows, settled or not; NotFound if none of these people said it."""
        people = list(person_ids)
        with transaction(self._engine) as orm:
            row = orm.get(MissRow, miss_id)
            if row is None or row.person_id not in people:
                raise NotFound("no such sentence")
            return _miss(orm.scalars(select(MissRow).where(MissRow.text == row.text,
                                                           MissRow.person_id.in_(people))).all())

    def settle(self, ids: Iterable[int], person_ids: Iterable[int]) -> int:
        """Put aside; how many were open and of these people."""
        with transaction(self._engine) as orm:
            return orm.execute(update(MissRow).where(
                MissRow.id.in_(list(ids)), MissRow.person_id.in_(list(person_ids)),
                MissRow.settled_at.is_(None)).values(settled_at=self._now())).rowcount


def _miss(rows: Iterable[MissRow]) -> Miss:
    rows = sorted(rows, key=lambda row: (row.last_at, row.id), reverse=True)
    last = rows[0]
    meant = next((row.meant for row in rows if row.meant), None)
    return Miss(last.text, last.kind, meant, sum(row.count for row in rows), last.last_at,
                tuple(row.id for row in rows), tuple(sorted({row.person_id for row in rows})))


def suggested(guide: Guide, understanding: Understanding, text: str, meant: str | None) -> tuple[str, ...]:
    """Nodes that the sentence may be for: where its correction led to, then the best guesses."""
    outcome = understanding.interpret(text)
    guesses = [outcome.node] if isinstance(outcome, Match) else list(outcome.candidates)
    weighed = understanding.weigh(text)
    guesses += [label for label, _ in weighed.ranked] if weighed else []
    found = dict.fromkeys(n for n in (meant, *guesses) if n in guide.nodes and n != ROOT)
    return tuple(found)[:MOST_SUGGESTED]


# --- the check -----------------------------------------------------------------------------------------------

class Running(Protocol):
    """An edition of the guide, as ``talks.Edition`` is one."""

    guide: Guide
    understanding: Understanding


@dataclass(frozen=True)
class Wish:
    """What somebody wants to publish."""

    account_id: int
    kind: str
    """As of ``PublicationRow``: node, fact, teach or rollback."""
    target: str
    """Node or fact."""
    proposal: Proposal
    phrase: str | None = None
    """What is to be taught."""
    miss_id: int | None = None
    written: object = None
    """What was typed, for the page to show it again: a NodeText or a FactText."""
    revision: str = ""
    """Of the text that was edited, as ``GuideEditor`` gives it."""
    undoes: int | None = None
    """The publication that this one takes back."""


@dataclass(frozen=True)
class Change:
    """A sentence that would be understood otherwise."""

    text: str
    label: str
    """What it should be: a node, !command or #key."""
    before: str | None
    """What was understood: a node, !command, #key or ?node,node; None: nothing."""
    after: str | None


@dataclass(frozen=True)
class Findings:
    """What the whole comparison found."""

    breaks: tuple[Change, ...]
    """Right before and not right after."""
    mends: tuple[Change, ...]
    compared: int
    right_before: int
    right_after: int


@dataclass
class Check:
    """One check, as far as it is."""

    id: str
    wish: Wish
    person_ids: frozenset[int]
    """Whose sentences are compared, too."""
    problems: tuple[Problem, ...]
    """With one it is done already, and nothing can be published."""
    understood: str | None = None
    """What the phrase is understood as today, as in ``Change``."""
    near: tuple[Neighbour, ...] = ()
    """Ways of asking for other nodes that sound alike."""
    started: float | None = None
    """Seconds of the monotonic clock; None: it waits for another one."""
    findings: Findings | None = None
    failed: str = ""
    """Code of the error that ended it."""
    publication: int | None = None
    """What came of it."""
    compared_share: float = 0.0
    """0 to 1 of the comparison, after the learning."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while it is published, so that two touches of the button publish once."""

    @property
    def done(self) -> bool:
        """True if nothing more will be found."""
        return bool(self.problems or self.failed or self.findings)

    @property
    def percent(self) -> int:
        """How far it is, about."""
        if self.done:
            return 100
        if self.started is None:
            return 0
        if self.compared_share:
            return LEARNT_PERCENT + int(self.compared_share * (99 - LEARNT_PERCENT))
        return min(LEARNT_PERCENT, int((time.monotonic() - self.started) / USUAL_LEARNING_S * LEARNT_PERCENT))

    @property
    def allowed(self) -> bool:
        """True if it may be published, perhaps after a second question."""
        return self.findings is not None and self.publication is None


class Checks:
    """The checks of this process, one at a time; they are gone when it ends. Thread-safe."""

    def __init__(self, engine: Engine, running: Callable[[], Running], learn: Callable[[Guide], Classifier]):
        """``running``: the edition that listeners hear now. ``learn`` reads or learns a guide's classifier, and
        keeps it, so that going live afterwards is quick."""
        self._engine, self._running, self._learn = engine, running, learn
        self._lock, self._one = threading.Lock(), threading.Lock()
        self._checks: collections.OrderedDict[str, Check] = collections.OrderedDict()

    def start(self, wish: Wish, person_ids: Iterable[int] = ()) -> Check:
        """Begin to check. What is quick is there at once; ``person_ids``: whose sentences are compared, too.

        Refused if too many are waiting.
        """
        check = self._quick(wish, frozenset(person_ids))
        with self._lock:
            if not check.done and sum(not c.done for c in self._checks.values()) >= MOST_WAITING:
                raise Refused("checks_many")
            self._checks[check.id] = check
            while len(self._checks) > KEPT:
                self._checks.popitem(last=False)
        if not check.done:
            threading.Thread(target=self._run, args=(check,), name="check", daemon=True).start()
        return check

    def get(self, check_id: str, account_id: int, person_ids: Iterable[int] = ()) -> Check:
        """Somebody's own check; NotFound if there is none any more, or if it has sentences of others than
        these people, whom the account may still look at."""
        with self._lock:
            check = self._checks.get(check_id)
        if check is None or check.wish.account_id != account_id or not check.person_ids <= set(person_ids):
            raise NotFound("no such check")
        return check

    # --- how -----------------------------------------------------------------------------------------------

    def _quick(self, wish: Wish, person_ids: frozenset[int]) -> Check:
        check = Check(uuid.uuid4().hex, wish, person_ids, _problems(wish))
        running = self._running()
        if wish.phrase:
            check.understood = _understood(running.understanding.interpret(wish.phrase))
            if wish.target in running.guide.nodes:
                check.near = neighbours(running.guide, wish.target, wish.phrase)
        if not check.problems and _hears_the_same(running.guide, wish.proposal.guide):
            check.findings = Findings((), (), 0, 0, 0)
        return check

    def _run(self, check: Check) -> None:
        try:
            with self._one:
                check.started = time.monotonic()
                check.findings = self._full(check)
        except GuideError as e:
            log.warning("a change of the guide could not be checked: %s", e)
            check.failed = e.code
        except Exception:  # in a thread of its own nobody else would hear of it
            log.exception("a change of the guide could not be checked")
            check.failed = "internal"

    def _full(self, check: Check) -> Findings:
        guide, old = check.wish.proposal.guide, self._running().understanding
        new = Understanding(guide, self._learn(guide))
        wanted = _listed(guide)
        for text, label in self._said(check.person_ids):
            # What is listed says what is right, also where it was understood otherwise until now.
            wanted.setdefault(bare(text), (text, label))
        breaks, mends, right_before, right_after = [], [], 0, 0
        for number, (text, label) in enumerate(wanted.values(), 1):
            before, after = old.interpret(text), new.interpret(text)
            was, is_ = _is_right(before, label), _is_right(after, label)
            right_before, right_after = right_before + was, right_after + is_
            if was != is_:
                (breaks if was else mends).append(Change(text, label, _understood(before), _understood(after)))
            if number % AT_A_TIME == 0:
                check.compared_share = number / len(wanted)
                time.sleep(PAUSE_S)
        return Findings(tuple(breaks), tuple(mends), len(wanted), right_before, right_after)

    def _said(self, person_ids: frozenset[int]) -> Iterator[tuple[str, str]]:
        """(words, node) of the last turns that were understood, as far as nobody corrected them."""
        with transaction(self._engine) as orm:
            rows = orm.execute(
                select(TurnRow.said, TurnRow.meaning, TalkRow.person_id).join(TalkRow, TalkRow.id == TurnRow.talk_id)
                .where(TalkRow.person_id.in_(person_ids), TurnRow.outcome == "match", TurnRow.said.is_not(None),
                       TurnRow.meaning.is_not(None), TurnRow.meaning.not_like("!%"), TurnRow.meaning.not_like("#%"))
                .order_by(TurnRow.received_at.desc()).limit(MOST_TURNS)).all()
            corrected = {tuple(row) for row in orm.execute(select(MissRow.text, MissRow.person_id).where(
                MissRow.person_id.in_(person_ids), MissRow.kind == "corrected"))}
        yield from ((said, node) for said, node, person_id in rows if (said, person_id) not in corrected)


def _problems(wish: Wish) -> tuple[Problem, ...]:
    if wish.phrase and is_marked(wish.phrase):
        fault = Problem("requests/taught.yaml", f"requests.{wish.target}", "有隐去的号码或者姓名",
                        "把带〔〕的地方删掉，或者换成平常的话")
        return (fault, *wish.proposal.problems)
    return wish.proposal.problems


def _hears_the_same(old: Guide, new: Guide) -> bool:
    """True if every sentence is understood as before: only what is said and shown is another."""
    def of(guide: Guide) -> tuple:
        nodes = {node.id: (node.title, node.requests, node.aspect_requests) for node in guide.nodes.values()}
        commands = {command.name: command.phrases for command in guide.commands.values()}
        return (nodes, commands, guide.key_phrases, guide.padding, Lexicon(hearing=guide.lexicon.hearing),
                guide.typed, guide.spoken, guide.misheard, guide.words, guide.choices, guide.outside,
                guide.places, guide.alarms)
    return of(old) == of(new)


def _listed(guide: Guide) -> dict[str, tuple[str, str]]:
    """One example of each listed way of asking by its characters: (text, label without aspect)."""
    reader, found = templates(guide.words), {}
    for line, label in labelled_lines(guide):
        text = reader.examples(line, 1)[0]
        found.setdefault(bare(text), (text, labels.whole(label)))
    return found


def _understood(outcome: Match | Ask | NoMatch) -> str | None:
    # Unlike what is kept of a turn: these are the guide's own ways of naming a key.
    return f"#{outcome.key}" if isinstance(outcome, Match) and outcome.key else meaning(outcome)


def _is_right(outcome: Match | Ask | NoMatch, label: str) -> bool:
    return _understood(outcome) == (HELP if label == "!help" else label)
