"""The dialogue: from a Session and an Outcome to the next Session and a Reply.

``advance`` is pure and total: every node, key and outcome has an answer, and every reply leaves
the listener with something to do next. It follows VoiceXML 2.0's terms (no-input, no-match,
universals, tapered prompts; https://www.w3.org/TR/voicexml20/). Which words are said is data
in ``prompts/`` and not decided here.
"""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass, field, replace
from typing import Iterable, Mapping

from service.core import assessment, clock, wording
from service.core.filling import FormTurn
from service.core.form import Filling
from service.core.model import ABOUT, ELSEWHERE, HELP, HOTLINES, OPTION_KEYS, ROOT, WHERE, Guide, Node, Sentence

PACE_CPM = (140, 160, 180, 205, 230, 260)
"""Speaking rates that can be chosen, Chinese characters a minute."""
USUAL_CPM = 180
"""The one to begin with."""
LOUDNESS_DB = (-14, -7, 0, 6)
"""Loudness that can be chosen, dB against the normal level. The limiters of the players take up to
2 dB from the loudest; 18 dB and more are left from end to end."""
HINT_AFTER_S = 10.0
"""Silence before a hint, seconds (WCAG 2.2.1 asks for no less)."""
HINT_SLOWER = 0.85
"""A hint after silence is spoken this much slower than the listener's own pace."""
SOLEMN_SLOWER = 0.9
"""What is told to the bereaved is spoken this much slower than their own pace."""
REPEAT_SLOWER = (0.85, 0.72)
"""So is what is said again: the first time, and when it is asked for again in a row."""
WAIT_S = (6.0, 8.0, 10.0, 15.0, 20.0, 30.0)
"""Silences before a hint that can be chosen, seconds."""
DETAILS = ("short", "usual", "full")
"""How much is explained without being asked for."""
SLOWEST_CPM = 110
"""Nothing is spoken more slowly than this, characters a minute."""
OFFER_AT_MOST = 3
"""Choices offered when a request was not understood."""

PROMPTS: dict[str, frozenset[str]] = {
    name: frozenset(args.split()) for name, args in {
        "option_line": "option key", "menu_prompt": "", "root_again": "", "going": "option", "corrected": "option",
        "then_noted": "", "then_offer": "option",
        "back_to": "option", "steps_count": "count", "step_ordinal": "ordinal", "step_wait": "",
        "step_wait_short": "", "step_last": "", "steps_done": "count", "step_first": "",
        "more_offer": "", "more_done": "", "leaf_next": "", "no_next": "", "key_unknown": "",
        "up_at_root": "", "paused": "", "resumed": "", "slower": "", "faster": "", "louder": "",
        "softer": "", "slowest": "", "fastest": "", "loudest": "", "softest": "",
        "silence_menu": "", "silence_steps": "", "silence_leaf": "", "silence_ask": "",
        "silence_fewer": "", "silence_wait": "", "nomatch_first": "", "nomatch_steps": "",
        "nomatch_second": "", "nomatch_third": "", "nomatch_form": "", "nomatch_quiet": "",
        "ask_two": "first second", "ask_three": "first second third", "ask_key": "option key",
        "ask_none": "key", "confirm": "option", "confirm_keys": "", "confirm_no": "",
        "yes_nothing": "", "no_nothing": "", "stop": "", "stop_solemn": "", "stale": "", "where_place": "place",
        "elsewhere_help": "", "who": "", "rude": "", "about_checked": "date",
        "about_due": "count", "about_due_none": "", "reconnected": "", "talk_ended": "",
        "error_internal": "", "error_busy": "", "error_audio": "", "error_model": "", "error_voice": "",
        "no_sound_device": "", "bridge": "", "voice_changed": "", "voice_only": "",
        "pair_button": "", "pair_code": "code", "pair_already": "name", "paired": "", "unpaired": "",
        "help_noted": "", "looked_alone": "", "looked_shared": "", "looked_nobody": "", "looked_by": "names",
        "private_alone": "", "private_done": "", "share_alone": "", "share_done": "",
        "notice_from": "sender", "notice_node": "option", "notice_keys": "", "notice_heard": "",
        "notice_declined": "",
        "form_start": "", "form_kept": "", "form_got": "answer", "form_open": "", "form_back": "", "form_check": "",
        "form_check_keys": "", "form_which": "", "form_fixed": "answer", "form_lunar": "", "form_age": "",
        "form_no_day": "", "form_future": "", "form_range": "", "form_no_id": "", "form_entry": "", "form_erased": "",
        "form_skip": "", "form_help": "", "form_why": "",
    }.items()} | assessment.PROMPTS
"""Every sentence that the program itself speaks, with the placeholders it fills in.
``prompts/system.yaml`` must have exactly these."""

NOTICE_KEYS = {"1": "heard", "2": "declined"}
"""How a notice is answered."""
CHOICE_LABELS = ("choice_next", "choice_back", "choice_first", "choice_more", "choice_none",
                 "choice_yes", "choice_no", "choice_heard", "choice_decline")
"""Labels of ``prompts/screen.yaml`` that replies refer to."""


@dataclass(frozen=True)
class Notice:
    """Somebody who cares wants a text or a section to be heard: exactly one of them is set."""

    delivery: int
    """Its number, for whoever wants to know how it was answered."""
    sender: str
    text: str = ""
    node: str = ""


PRIVATE = ("form", "answers", "held")
"""What of a session is never stored while a listener tells about themselves."""


@dataclass(frozen=True)
class Session:
    """Where one listener is, and how they like to be spoken to."""

    node: str = ROOT
    part: int = 0
    """Index of the current step, or the number of further parts already told."""
    aspect: str = ""
    """What of the node was asked for; empty: the node as such."""
    done: bool = False
    """True if the end of the step list was reached and said."""
    asked: tuple[str, ...] = ()
    """Nodes offered in a question that is still open; one of them: a confirmation."""
    paused: bool = False
    """True if the listener asked to wait."""
    held: tuple[str, ...] = ()
    """What was still to be told then, from the sentence on that was cut."""
    repeats: int = 0
    """How often in a row the listener asked to hear it again."""
    waiting: bool = False
    """True if nothing more is said until the listener calls."""
    no_input: int = 0
    """Silences in a row."""
    no_match: int = 0
    """Utterances in a row that were not understood."""
    refused: tuple[str, ...] = ()
    """Nodes offered in a question in doubt to which the answer was 都不是, since something was understood."""
    elsewhere: int = 0
    """How often in this talk something was asked for that the guide does not have."""
    pace_cpm: int = USUAL_CPM
    """Characters a minute."""
    loudness_db: int = 0
    """dB against the normal level."""
    voice: str = ""
    """Id of the voice that the listener chose; empty: the usual one."""
    visited: tuple[str, ...] = ()
    """Menus already heard in full."""
    then: str = ""
    """Node that was asked for in the same breath as this one and is still to be told."""
    origin: tuple[str, int] | None = None
    """Where help was called from (node, part), so that * leads back there."""
    wait_s: float = HINT_AFTER_S
    """Silence before a hint, seconds."""
    detail: str = "usual"
    """One of DETAILS."""
    cared: bool = False
    """True if somebody who cares for the listener sees when help is called."""
    adjusted: int = 0
    """Version of the device's settings that this session has taken over."""
    stalled: int = 0
    """Turns in a row at the same step without moving on."""
    notice: Notice | None = None
    """What was read out for somebody else and is not answered yet."""
    answered: str = ""
    """How the listener answered a notice with the last turn: heard or declined; empty: not at all."""
    form: Filling | None = None
    """The calculator that is asking, or has told its result."""
    answers: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the listener said about themselves, for every calculator of this talk."""

    def to_json(self) -> dict:
        """A plain mapping, for the store; what the listener said about themselves is not in it."""
        return dataclasses.asdict(self) | {name: getattr(Session(), name) for name in self.discreet}

    @property
    def discreet(self) -> dict:
        """What is not in it, by name, for ``dataclasses.replace``."""
        return {name: getattr(self, name) for name in (PRIVATE if self.form or self.answers else ())}

    @staticmethod
    def discreet_from_json(data: dict) -> dict:
        """The same after its way through JSON."""
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
        if values.get("form"):
            values["form"] = Filling(**{k: tuple(v) if isinstance(v, list) else v for k, v in values["form"].items()})
        return values

    @classmethod
    def from_json(cls, data: dict) -> Session:
        """The session of such a mapping; fields of another version are ignored."""
        known = {f.name for f in dataclasses.fields(cls)}
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in known and k != "form"}
        if values.get("notice"):
            fields = {f.name for f in dataclasses.fields(Notice)}
            values["notice"] = Notice(**{k: v for k, v in values["notice"].items() if k in fields})
        return cls(**values)


@dataclass(frozen=True)
class Start:
    """A listener opens a talk."""


@dataclass(frozen=True)
class Rejoin:
    """The same listener is back after the line or the service was lost."""


@dataclass(frozen=True)
class Key:
    """A key was pressed, touched or said."""

    key: str


@dataclass(frozen=True)
class Match:
    """A request was understood: exactly one of node, command and key is set."""

    node: str | None = None
    aspect: str = ""
    """What of the node is asked for; empty: the node as such."""
    urgent: bool = False
    """True if help is at stake: it comes before whatever is being said or asked."""
    place: str = ""
    """District or county that was named with it."""
    command: str | None = None
    key: str | None = None
    then: str | None = None
    """A second node that was asked for in the same breath."""
    corrected: bool = False
    """True if it came as a correction of what the guide had understood before."""
    score: float = 1.0
    values: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the listener said about themselves in the same breath."""


@dataclass(frozen=True)
class Ask:
    """One to three nodes fit; the listener must say which."""

    candidates: tuple[str, ...]
    scores: tuple[float, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the listener said about themselves in the same breath."""


@dataclass(frozen=True)
class Fill:
    """Something was said to a form's questions."""

    values: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Field to answer."""
    problem: str = ""
    """Prompt that says why something of it is no answer; empty: nothing is wrong."""
    corrected: bool = False
    """True if it came as a correction."""
    wish: str = ""
    """``form.EXPLAIN`` or ``form.LEAVE``, said instead of an answer; empty: neither."""


@dataclass(frozen=True)
class NoMatch:
    """Something was said that fits nothing."""

    candidates: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class NoInput:
    """Nothing was said or pressed for ``HINT_AFTER_S``."""


@dataclass(frozen=True)
class Fault:
    """Something broke; ``prompt`` says which sentence tells the listener."""

    prompt: str


@dataclass(frozen=True)
class Voice:
    """The listener wants to hear another voice."""

    voice: str | None
    """Its id; None: there is no other."""


@dataclass(frozen=True)
class Told:
    """The answer to something that only the service knows: one of PROMPTS, with its placeholders filled."""

    prompt: str
    values: Mapping[str, str] = field(default_factory=dict, hash=False)
    shown: tuple[str, ...] = ()
    """What is only shown with it."""


Outcome = Start | Rejoin | Voice | Key | Match | Ask | Fill | NoMatch | NoInput | Fault | Told | Notice


@dataclass(frozen=True)
class Choice:
    """One button: what it says and the key that it stands for."""

    key: str
    label: str


@dataclass(frozen=True)
class Reply:
    """What is said and shown in answer to one outcome."""

    sentences: tuple[str, ...]
    """Spoken one after the other; empty if the guide stays silent."""
    shown: tuple[str, ...]
    """Only shown."""
    choices: tuple[Choice, ...]
    node: str
    title: str
    step: tuple[int, int] | None
    """(number of the current step from 1, count of steps), or None."""
    pace_cpm: int
    """At which it is spoken, characters a minute."""
    loudness_db: int
    hint_after_s: float | None
    """Seconds of silence after which a NoInput is due; None: wait without end."""
    state: str
    """menu, steps, leaf, urgent, ask, form, notice, paused or waiting."""
    voice: str = ""
    """Id of the voice to speak it; empty: the usual one."""
    own_pace_cpm: int = USUAL_CPM
    """The listener's own pace; hints and repetitions are slower."""
    resumes: int | None = None
    """Index of the sentence that was cut when the listener asked to wait, so that whoever knows how
    far it had come may go on in its middle; None: nothing was cut."""
    entry: str | None = None
    """Digits keyed so far; None: keys are no digits now."""
    private: bool = False
    """True if something in it is about the listener: it is not stored."""
    telephone: str = ""
    """Number to be called at once, to be shown as large as fits."""


PLACE = ("node", "part", "aspect", "done", "asked", "held", "visited", "then", "origin", "notice", "stalled", "form")
"""What of a session names something of the guide; the rest is how the listener is and likes it."""


def opening(voice: str = "", pace_cpm: int = USUAL_CPM, loudness_db: int = 0) -> Session:
    """The session of a listener who likes to be spoken to like this; what cannot be chosen becomes
    the nearest that can."""
    return Session(voice=voice, pace_cpm=PACE_CPM[_nearest(PACE_CPM, pace_cpm)],
                   loudness_db=LOUDNESS_DB[_nearest(LOUDNESS_DB, loudness_db)])


def _nearest(scale: tuple[int, ...], value: int) -> int:
    """Index of the nearest value."""
    return min(range(len(scale)), key=lambda i: abs(scale[i] - value))


def advance(guide: Guide, session: Session, outcome: Outcome, today: datetime.date,
            cut: tuple[str, ...] = ()) -> tuple[Session, Reply]:
    """The next session and what to say, for any session and any outcome.

    ``cut``: the sentences that were not told, or not to their end, because the outcome came.
    """
    session = replace(_repaired(guide, session), answered="")
    turn = _Turn(guide, session, today, cut)
    match outcome:
        case Start():
            turn.enter(ROOT)
        case Rejoin():
            turn.update(held=()).say("reconnected").again()
        case Key(key):
            turn.key(key)
        case Match(node=str() as node, values=values):
            turn.learn(values).go(outcome, fresh=bool(values))
        case Match(command=str() as command):
            turn.command(command)
        case Match(key=str() as key):
            turn.key(key)
        case Ask(candidates, values=values):
            turn.learn(values).ask(candidates)
        case Fill(values, problem, corrected, wish):
            turn.fill(values, problem, corrected, wish)
        case NoMatch() | Match():
            turn.no_match()
        case NoInput():
            turn.no_input()
        case Voice(voice):
            turn.voice(voice)
        case Told(prompt, values, shown):
            turn.told(prompt, values, shown)
        case Notice():
            turn.notice(outcome)
        case Fault(prompt):
            turn.say(prompt)
    return turn.session, turn.reply()


def _repaired(guide: Guide, session: Session) -> Session:
    """The session with everything dropped that the running guide no longer has."""
    if session.node not in guide.nodes:
        return replace(session, **{name: getattr(Session(), name) for name in PLACE})
    origin = session.origin if session.origin and session.origin[0] in guide.nodes else None
    aspect = session.aspect if session.aspect in guide.nodes[session.node].aspects else ""
    return replace(session, part=_part(guide, session.node, session.part, aspect), aspect=aspect,
                   origin=origin and (origin[0], _part(guide, *origin)),
                   asked=tuple(n for n in session.asked if n in guide.nodes),
                   then=session.then if session.then in guide.nodes else "", notice=_notice(guide, session.notice))


def _notice(guide: Guide, notice: Notice | None) -> Notice | None:
    return notice if notice and (notice.text or notice.node in guide.nodes) else None


def _part(guide: Guide, node_id: str, part: int, aspect: str = "") -> int:
    """The nearest part that the node has."""
    node = guide.nodes[node_id]
    last = len(node.steps) - 1 if node.steps else len(node.parts(aspect)) - 1
    return max(0, min(part, last))


class _Turn(FormTurn):
    """One call of ``advance`` while it gathers its sentences."""

    def __init__(self, guide: Guide, session: Session, today: datetime.date, cut: tuple[str, ...]):
        self.guide, self.session, self.today, self.cut = guide, session, today, cut
        self._spoken: list[str] = []
        self._shown: list[str] = []
        self._warned = False
        self._pace = 1.0
        self._resumes: int | None = None

    # --- gathering ---------------------------------------------------------------------------

    @property
    def node(self) -> Node:
        return self.guide.nodes[self.session.node]

    @property
    def _parts(self) -> tuple[tuple[Sentence, ...], ...]:
        """What is told here, part by part."""
        return self.node.parts(self.session.aspect)

    @property
    def _has_more(self) -> bool:
        """True if there is a further part."""
        return not self.node.steps and self.session.part + 1 < len(self._parts)

    def update(self, **changes) -> _Turn:
        self.session = replace(self.session, **changes)
        return self

    def heard(self) -> _Turn:
        """The listener is there and was understood: forget silences and misunderstandings."""
        return self.update(no_input=0, no_match=0, paused=False, waiting=False, held=(), repeats=0)

    def say(self, prompt: str, **values: str) -> _Turn:
        self._spoken += [s.format(**values) for s in self.guide.prompts[prompt]]
        return self

    def tell(self, sentences: Iterable[Sentence]) -> _Turn:
        """Content, with a warning behind it if facts of it may be out of date. None where it says itself whom to
        ask: nobody wants to hear that twice in one breath."""
        told = tuple(sentences)
        self._spoken += [sentence.text for sentence in told]
        due = any(clock.is_due(self.guide.facts[f], self.guide.facts, self.today)
                  for sentence in told for f in sentence.facts)
        if due and not self._warned and not any(sentence.unverified for sentence in told):
            self.say("stale_medical" if self.node.is_medical else "stale")
            self._warned = True
        return self

    def title(self, node_id: str) -> str:
        return self.guide.nodes[node_id].title

    def called(self, node_id: str) -> str:
        """A node's title as it is said, recorded once for all sentences that it stands in."""
        return wording.joint(self.guide.nodes[node_id].spoken_title)

    # --- places ------------------------------------------------------------------------------

    def enter(self, node_id: str, fresh: bool = False, aspect: str = "", place: str = "") -> _Turn:
        """Go to a node and say what is said on arrival.

        ``fresh``: something for its form was said with it. ``aspect``: what of it was asked for. ``place``: the
        district that was named with it.
        """
        self.update(origin=self._origin(node_id), node=node_id, part=0, done=False, asked=(), notice=None, refused=(),
                    aspect=aspect if aspect in self.guide.nodes[node_id].aspects else "")
        node, detail = self.node, self.session.detail
        if node.is_urgent:
            return self.tell(self._parts[0])
        if node_id == ELSEWHERE:
            return self._elsewhere()
        first_time = node_id not in self.session.visited
        if first_time and (node.options or node_id in self.guide.forms.forms):
            self.update(visited=(*self.session.visited, node_id))
        if node_id in self.guide.forms.forms:
            return self.enter_form(first_time, fresh)
        if place and node_id == WHERE and not self.session.aspect:
            self.say("where_place", place=wording.joint(place)).tell(node.say[1:])
        elif self.session.aspect or first_time and detail != "short" or not node.brief:
            self.tell(self._parts[0])
        else:
            self.tell(node.brief)
        if node_id == ROOT and not first_time:
            # Whoever has heard the menu is not held up by it; it is on the screen.
            return self.say("root_again")
        if node_id == ABOUT:
            self._age_of_guide()
        if node.steps:
            self.say("steps_count", count=wording.count(len(node.steps)))
        if detail == "full" and self._has_more:
            self.update(part=1)
        return self._place(full=detail != "short")

    def _origin(self, node_id: str) -> tuple[str, int] | None:
        """Where * leads back to from a place that was called from anywhere."""
        leads_back = (HELP, *(n.id for n in self.guide.nodes.values() if n.is_urgent))
        if node_id not in leads_back:
            return None
        return self.session.origin if self.session.node in leads_back else (self.session.node, self.session.part)

    def _elsewhere(self) -> _Turn:
        """Say that the guide does not have it and whom to ask; shorter the second time, then offer help."""
        count = self.session.elsewhere + 1
        self.update(elsewhere=count)
        if count > 2 and not self.session.aspect:
            return self.say("elsewhere_help")
        return self.tell(self._parts[0] if count == 1 or self.session.aspect else self.node.brief)

    def again(self) -> _Turn:
        """Say once more where the listener is."""
        node = self.node
        if self.session.notice:
            return self._read_notice()
        if self.session.asked:
            return self._question()
        if self.form or self.told_form and self.session.part == 0:
            return self._form_again()
        if node.id in self.guide.forms.forms and not self.told_form:
            return self.enter_form(first_time=False, fresh=False)
        if not node.steps and self.session.part == 0:
            in_full = self.session.aspect or node.is_urgent or node.id == ELSEWHERE or not node.brief
            self.tell(self._parts[0] if in_full else node.brief)
            if node.id == ABOUT:
                self._age_of_guide()
        return self._place(full=False)

    def _place(self, full: bool) -> _Turn:
        """What can be done here: the options, the step, or the end of an explanation."""
        node, part = self.node, self.session.part
        if node.steps:
            return self._step(full)
        if part:
            self.tell(self._parts[part])
        if node.options and not node.more:
            self._options(node)
            return self.say("menu_prompt") if full and node.id != ROOT else self
        return self._what_now()

    def _options(self, node: Node, at_most: int = 5) -> _Turn:
        self._spoken += self._option_lines(node)[:at_most]
        return self

    def _option_lines(self, node: Node) -> list[str]:
        return [line.format(option=self.title(o.node), key=wording.key_name(o.key))
                for o in node.options for line in self.guide.prompts["option_line"]]

    def _what_now(self) -> _Turn:
        """Only what can be done here, without the content."""
        node, part = self.node, self.session.part
        if self.session.notice:
            return self.say("notice_keys")
        if self.session.asked:
            return self._question()
        if self.form:
            return self._form_again()
        if node.is_urgent:
            # Whoever needs help hears the help, and no keys.
            return self
        if node.steps:
            return self.say("step_wait")
        if self.session.then:
            return self._offer_then()
        if self._has_more:
            self.say("more_offer")
        if node.options:
            return self._options(node)
        return self if self._has_more else self.say("more_done" if part else "leaf_next")

    def _offer_then(self) -> _Turn:
        return self.say("then_offer", option=self.called(self.session.then))

    @property
    def _at_end(self) -> bool:
        """True if all is told here and what else was asked for is on offer."""
        node, session = self.node, self.session
        # What was asked for goes before further parts of this, which nobody has asked for.
        told = (session.done or not node.steps) and not self.form
        return bool(session.then) and told and (not node.options or bool(node.more)) and not session.asked

    def _step(self, full: bool) -> _Turn:
        node, part = self.node, self.session.part
        last = part == len(node.steps) - 1
        if self.session.done and self.session.then:
            return self._offer_then()
        if self.session.done:
            return self.say("steps_done", count=wording.count(len(node.steps)))
        if last and part:
            self.say("step_last")
        self.say("step_ordinal", ordinal=wording.number(part + 1)).tell(node.steps[part].sentences)
        at_length = full or part == 0 and self.session.detail != "short"
        return self.say("step_wait" if at_length else "step_wait_short")

    def _age_of_guide(self) -> None:
        facts = self.guide.facts.values()
        newest = max((f.checked for f in facts), default=self.today)
        due = sum(clock.is_due(f, self.guide.facts, self.today) for f in facts)
        self.say("about_checked", date=wording.date(newest))
        if due:
            self.say("about_due", count=wording.count(due))
        else:
            self.say("about_due_none")

    # --- requests ----------------------------------------------------------------------------

    def go(self, match: Match, fresh: bool = False) -> _Turn:
        """Jump to a node on request, saying what was understood so that it can be corrected. ``fresh``: see ``enter``."""
        node = self.guide.nodes.get(match.node)
        if node is None:
            return self.no_match()
        self.heard()
        # Who asks on about what was just told is not told again what they ask about.
        moves = node.id != self.session.node or bool(self.session.asked or self.session.notice)
        if node.id == HOTLINES and self._state() == "urgent":
            return self._urgent_again()  # 打哪个电话咯: the one that was just told.
        if node.id == HELP and self.session.cared:
            self.say("help_noted")
        elif moves and node.id != ROOT and node.announced and not node.is_urgent:
            self.say("corrected" if match.corrected else "going", option=self.called(node.id))
        if match.then or node.is_urgent or moves:
            # Who asks on about the first of two requests still wants the second.
            self.update(then=match.then if match.then in self.guide.nodes and not node.is_urgent else "")
        if match.then and self.session.then:
            self.say("then_noted")
        return self.enter(node.id, fresh, match.aspect, match.place)

    def ask(self, candidates: Iterable[str]) -> _Turn:
        known = tuple(dict.fromkeys(c for c in candidates if c in self.guide.nodes))[:OFFER_AT_MOST]
        if not known:
            return self.no_match()
        if self.node.is_urgent and not self.session.no_match:
            # Half understood beside the help itself: the help once more, and no choices yet.
            return self.heard().update(no_match=1)._urgent_again()
        new = tuple(n for n in known if n not in self.session.refused)
        if not new or set(new) <= set(self.session.asked):
            # The same choices for ever help nobody.
            return self.heard().enter(ELSEWHERE)
        return self.heard().update(asked=new, notice=None)._question()

    def _question(self) -> _Turn:
        titles = [self.called(n) for n in self.session.asked]
        match titles:
            case [only]:
                return self.say("confirm", option=only).say("confirm_keys")
            case [first, second]:
                self.say("ask_two", first=first, second=second)
            case [first, second, third]:
                self.say("ask_three", first=first, second=second, third=third)
        for i, title in enumerate(titles, 1):
            self.say("ask_key", option=title, key=wording.key_name(str(i)))
        return self.say("ask_none", key=wording.key_name(str(len(titles) + 1)))

    def key(self, key: str) -> _Turn:
        if self.form and not self.session.notice and not self.session.asked:
            return self.form_key(key)
        universal = self._universal(key)
        if universal:
            return self.command(universal)
        if self.session.notice and key in OPTION_KEYS:
            return self._answer_notice(key)
        if self.session.asked:
            return self._answer(key)
        if key == "1" and self._at_end:
            return self._do_next()
        if self.node.is_urgent:
            return self._urgent_more()
        if self.node.id in self.guide.forms.forms and not self.told_form:
            # What was asked here is forgotten, as after a restart: it is asked again.
            return self.heard().enter_form(first_time=False, fresh=False)
        option = self.node.option(key)
        if option and self.node.more:
            return self.heard().enter(option.node)
        if self.node.steps or len(self._parts) > 1:
            inner = next((c.name for c in self.guide.commands.values() if c.step_key == key), None)
            if inner:
                return self.command(inner)
        if option:
            return self.heard().enter(option.node)
        return self.heard().say("key_unknown")._what_now()

    def _urgent_more(self) -> _Turn:
        """What else there is to be told to whoever needs help; then the help again."""
        self.heard()
        if self._has_more:
            part = self.session.part + 1
            return self.update(part=part).tell(self._parts[part])
        return self._urgent_again()

    def _urgent_again(self) -> _Turn:
        """The help once more, in two sentences."""
        named = self.node.aspects.get(self.session.aspect)
        return self.tell(named.say[:2] if named else self.node.brief or self.node.say)

    def _universal(self, key: str) -> str | None:
        """The command that a key means everywhere, if any."""
        return next((c.name for c in self.guide.commands.values() if c.key == key), None)

    def _answer(self, key: str) -> _Turn:
        asked = self.session.asked
        if key.isdigit() and 1 <= int(key) <= len(asked):
            return self.heard().enter(asked[int(key) - 1])
        if key == str(len(asked) + 1):
            return self.command("no")
        return self.heard().say("key_unknown")._what_now()

    def command(self, name: str) -> _Turn:
        handler = getattr(self, f"_do_{name}", None)
        return handler() if handler else self.no_match()

    # --- from others -------------------------------------------------------------------------

    def notice(self, notice: Notice) -> _Turn:
        """Read out what somebody else wants to be heard, and ask whether it was."""
        if not _notice(self.guide, notice):
            return self
        return self.heard().update(notice=notice)._read_notice()

    def _read_notice(self) -> _Turn:
        notice = self.session.notice
        self.say("notice_from", sender=notice.sender)
        if notice.node:
            self.say("notice_node", option=self.called(notice.node))
        else:
            self._spoken += wording.sentences(notice.text)
        return self.say("notice_keys")

    def _answer_notice(self, key: str) -> _Turn:
        notice, answer = self.session.notice, NOTICE_KEYS.get(key)
        if answer is None:
            return self.heard().say("key_unknown")._what_now()
        self.heard().update(notice=None, answered=answer).say(f"notice_{answer}")
        if answer == "heard" and notice.node:
            return self.enter(notice.node)
        return self._what_now()

    def told(self, prompt: str, values: Mapping[str, str], shown: tuple[str, ...]) -> _Turn:
        """Say what only the service knows, and what can be done here."""
        self._shown += shown
        self.heard().say(prompt, **values)
        # What is shown is to be written down: nothing that follows may push it out of the mind.
        return self if shown else self._what_now()

    # --- commands: one method each, named after prompts/commands.yaml --------------------------

    def _do_repeat(self) -> _Turn:
        if self.session.paused:
            return self._do_resume()
        repeats = min(self.session.repeats + 1, len(REPEAT_SLOWER))
        self.heard().update(repeats=repeats)
        self._pace = REPEAT_SLOWER[repeats - 1]
        if self._is_content(self.cut):
            self._spoken += self.cut
            return self
        return self.again()

    def _is_content(self, texts: tuple[str, ...]) -> bool:
        """True if the place where the listener is says any of these, and not only the program."""
        node = self.node
        parts = (node.brief, *(s.sentences for s in node.steps), *self._parts)
        told = {sentence.text for part in parts for sentence in part}
        told.update(self._result() if self.told_form else ())
        return not told.union(self._option_lines(node)).isdisjoint(texts)

    def _do_hello(self) -> _Turn:
        return self.heard().again()

    def _do_who(self) -> _Turn:
        return self.heard().say("who")

    def _do_rude(self) -> _Turn:
        return self.heard().say("rude")

    def _do_resume(self) -> _Turn:
        held = self.session.held
        if held:
            self.heard().say("resumed")
            self._resumes = len(self._spoken)
            self._spoken += held
            return self
        if self.session.paused or self.session.waiting:
            return self.heard().say("resumed").again()
        moves = self.node.steps or len(self._parts) > 1 or self._at_end
        return self._do_next() if moves and not self.form else self.heard().again()

    def _do_next(self) -> _Turn:
        node, part = self.node, self.session.part
        if self.session.notice:
            return self._answer_notice("1")
        if len(self.session.asked) == 1 or self.form and not self.session.asked:
            return self._do_yes()
        self.heard()
        if node.is_urgent:
            return self._urgent_more()
        if self._at_end:
            return self.go(Match(node=self.session.then))
        if self.session.asked or node.options and not node.more:
            return self.say("no_next")._what_now()
        if node.steps and part + 1 < len(node.steps):
            return self.update(part=part + 1, done=False)._place(full=False)
        if node.steps:
            return self.update(done=True)._place(full=False)
        if self._has_more:
            return self.update(part=part + 1)._place(full=False)
        return self._what_now()

    def _do_back(self) -> _Turn:
        node, part = self.node, self.session.part
        if self.session.notice or self.session.asked or self.form or not (node.steps or part):
            return self._do_up()
        self.heard()
        if self.session.done:
            return self.update(done=False)._place(full=False)
        if node.steps and part == 0:
            return self.say("step_first")._place(full=False)
        return self.update(part=part - 1).again()

    def _do_first(self) -> _Turn:
        if self.form or self.told_form:
            return self.heard().forget_form().enter(self.session.node)
        if not (self.node.steps or len(self._parts) > 1):
            return self._do_top()
        return self.heard().enter(self.session.node)

    def _do_up(self) -> _Turn:
        if self.session.notice or self.session.asked:
            return self.heard().update(asked=(), notice=None).again()
        if self.form:
            return self.heard()._previous()
        self.heard()
        if self.session.node == ROOT:
            return self.say("up_at_root").again()
        parent, part = self.session.origin or (self.node.parent, 0)
        self.say("back_to", option=self.called(parent))
        goes_on = self.session.form and self.session.form.node == parent
        if part or goes_on:
            return self.update(node=parent, part=part, aspect="", done=False, origin=None).again()
        return self.enter(parent)

    def _do_top(self) -> _Turn:
        return self.heard().enter(ROOT)

    def _do_help(self) -> _Turn:
        self.heard()
        if self.session.cared:
            self.say("help_noted")
        return self.enter(HELP)

    def _do_pause(self) -> _Turn:
        held = self.session.held if self.session.paused else self._without_resumed(self.cut)
        return self.heard().update(paused=True, held=held).say("paused")

    def _without_resumed(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Who asks to wait twice is not told twice that it goes on."""
        resumed = self.guide.prompts["resumed"]
        return texts[len(resumed):] if texts[:len(resumed)] == resumed else texts

    def _do_stop(self) -> _Turn:
        named = self.node.aspects.get(self.session.aspect)
        if self.node.is_urgent and not (named and named.calm):
            return self.heard()._urgent_again()
        prompt = "stop_solemn" if self.node.solemn or self.node.is_urgent else "stop"
        # What was said about oneself goes with the one who said it.
        self.heard().update(node=ROOT, aspect="", part=0, done=False, asked=(), origin=None, notice=None, form=None, answers={},
                            waiting=True)
        return self.say(prompt)

    def _do_yes(self) -> _Turn:
        if self.session.notice:
            return self._answer_notice("1")
        if len(self.session.asked) == 1:
            return self.heard().enter(self.session.asked[0])
        if self.session.asked:
            return self.heard().again()
        if self.form:
            return self._form_yes()
        if self.node.steps or self._has_more or self._at_end or self.node.is_urgent:
            return self._do_next()
        return self.heard().say("yes_nothing")._what_now()

    def _do_no(self) -> _Turn:
        if self.session.notice:
            return self._answer_notice("2")
        if (self.form or self.told_form) and not self.session.asked:
            return self._form_no()
        if self.node.is_urgent and not self.session.asked:
            return self._do_up()
        if len(self.session.asked) > 1 and self.session.refused:
            return self.heard().enter(ELSEWHERE)
        prompt = "confirm_no" if self.session.asked else "no_nothing"
        # One misunderstanding has happened: the next one is met with choices at once.
        refused = (*self.session.refused, *self.session.asked)
        return self.heard().update(asked=(), refused=refused, no_match=1).say(prompt)

    def _do_slower(self) -> _Turn:
        return self._adjust("pace_cpm", PACE_CPM, -1, "slower", "slowest")

    def _do_faster(self) -> _Turn:
        return self._adjust("pace_cpm", PACE_CPM, +1, "faster", "fastest")

    def _do_louder(self) -> _Turn:
        return self._adjust("loudness_db", LOUDNESS_DB, +1, "louder", "loudest")

    def _do_softer(self) -> _Turn:
        return self._adjust("loudness_db", LOUDNESS_DB, -1, "softer", "softest")

    def _adjust(self, field: str, scale: tuple[int, ...], by: int, done: str, limit: str) -> _Turn:
        nearest = _nearest(scale, getattr(self.session, field))
        wanted = max(0, min(len(scale) - 1, nearest + by))
        self.heard().update(**{field: scale[wanted]})
        return self.say(done if wanted != nearest else limit).again()

    def _do_voice(self) -> _Turn:
        # Which voices there are is not known here: whoever knows makes a Voice of this command.
        return self.voice(None)

    def voice(self, voice: str | None) -> _Turn:
        self.heard()
        if voice is None:
            return self.say("voice_only")._what_now()
        return self.update(voice=voice).say("voice_changed").again()

    # Of the device and those who care nothing is known here: whoever knows makes a Told of these.

    def _do_pair(self) -> _Turn:
        return self.told("pair_button", {}, ())

    def _do_looked(self) -> _Turn:
        return self.told("looked_alone", {}, ())

    def _do_private(self) -> _Turn:
        return self.told("private_alone", {}, ())

    def _do_share(self) -> _Turn:
        return self.told("share_alone", {}, ())

    # --- silence and misunderstanding ----------------------------------------------------------

    def no_input(self) -> _Turn:
        """A hint, then fewer words and choices, then wait and say how to be called."""
        if self.session.paused or self.session.waiting or self._state() == "urgent":
            return self
        count = self.session.no_input + 1
        self.update(no_input=count)
        self._pace = HINT_SLOWER
        if count == 1 and self.session.notice:
            return self.say("notice_keys")
        if count < 3 and self.form and not self.session.asked and not self.session.notice:
            return self._form_hint(count)
        if count == 1:
            return self.say(f"silence_{self._state()}")
        if count == 2:
            return self._few_choices(self.say("silence_fewer"), at_most=2)
        return self.update(waiting=True).say("silence_wait")

    def no_match(self) -> _Turn:
        """Say it differently, then offer choices in words, then help, then stay quiet.

        Quiet at last, because a television that runs beside the machine must not make it talk.
        """
        if self.session.paused or self.session.waiting:
            return self._quietly()
        count = self.session.no_match + 1
        self.update(no_match=count)
        if count > 3 or count == 3 and self.session.node == HELP:
            # What stays unanswered breaks no silence either, or the hints would never end.
            return self._quietly()
        self.update(no_input=0)
        if self.node.is_urgent:
            return self._urgent_again()
        if self.form and not self.session.asked and not self.session.notice:
            return self.say("nomatch_form")._form_hint(count)
        if count == 1:
            return self.say("nomatch_steps" if self.node.steps else "nomatch_first")
        if count == 2:
            return self._few_choices(self.say("nomatch_second"), OFFER_AT_MOST)
        return self.say("nomatch_third").enter(HELP)

    def _quietly(self) -> _Turn:
        self._shown += self.guide.prompts["nomatch_quiet"]
        return self

    def _few_choices(self, turn: _Turn, at_most: int) -> _Turn:
        node = self.node
        if self.session.notice:
            return turn.say("notice_keys")
        if self.session.asked:
            return turn._question()
        if node.steps:
            return turn.say("step_wait")
        if node.options and not node.more:
            return turn._options(node, at_most)
        offered = tuple(o.node for o in self.guide.nodes[ROOT].options[:at_most])
        return turn.update(asked=offered)._question()

    # --- the reply ---------------------------------------------------------------------------

    def _state(self) -> str:
        if self.session.notice:
            return "notice"
        if self.session.asked:
            return "ask"
        if self.node.is_urgent:
            return "urgent"
        if self.form:
            return "form"
        if self.node.steps:
            return "steps"
        return "menu" if self.node.options and not self.node.more else "leaf"

    def _choices(self) -> tuple[Choice, ...]:
        label, node = self.guide.labels, self.node
        asked = self.session.asked
        if self.session.notice:
            return Choice("1", label["choice_heard"]), Choice("2", label["choice_decline"])
        if len(asked) == 1:
            return Choice("1", label["choice_yes"]), Choice("2", label["choice_no"])
        if asked:
            rows = [Choice(str(i), self.title(n)) for i, n in enumerate(asked, 1)]
            return *rows, Choice(str(len(asked) + 1), label["choice_none"])
        if self.form:
            return tuple(Choice(key, text) for key, text in self._form_choices())
        if self._at_end:
            return (Choice("1", self.title(self.session.then)),)
        if node.steps:
            return (Choice("1", label["choice_next"]), Choice("2", label["choice_back"]),
                    Choice("3", label["choice_first"]))
        if node.is_urgent:
            return ()
        further = (Choice("1", label["choice_more"]),) if self._has_more else ()
        return *further, *(Choice(o.key, self.title(o.node)) for o in node.options)

    def reply(self) -> Reply:
        session, steps = self.session, self.node.steps
        slower = self._pace * (SOLEMN_SLOWER if self.node.solemn else 1.0)
        state = "paused" if session.paused else "waiting" if session.waiting else self._state()
        # Whoever needs help is not hurried, either.
        still = state in ("paused", "waiting", "urgent")
        return Reply(
            sentences=tuple(self._spoken), shown=tuple(self._shown), choices=self._choices(),
            node=session.node, title=self.node.title,
            step=(session.part + 1, len(steps)) if steps else None,
            pace_cpm=max(SLOWEST_CPM, round(session.pace_cpm * slower)),
            loudness_db=session.loudness_db, hint_after_s=None if still else session.wait_s, state=state,
            voice=session.voice, own_pace_cpm=session.pace_cpm, resumes=self._resumes,
            entry=self.form.entry if self._takes_digits() and state == "form" else None,
            private=self.form is not None or self.told_form, telephone=self.node.telephone(session.aspect))


COMMANDS = tuple(name.removeprefix("_do_") for name in vars(_Turn) if name.startswith("_do_"))
"""Every command; ``prompts/commands.yaml`` must have exactly these."""
