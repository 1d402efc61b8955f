"""Talks: one turn from what was received to what is said, kept before it is answered.

The flow: a turn id seen before gives the stored answer; a key, text or hearing becomes an
Outcome; ``core.dialog.advance`` makes the next session and reply of it; both are committed; the
voice starts on the first sentence. Serves the HTTP API, the WebSocket and the terminal alike.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import threading
import uuid
from dataclasses import dataclass, field
from typing import Callable, Iterator, Mapping

from service.care.care import Care
from service.care.devices import Device
from service.care.recording import kept
from service.content.live import LiveGuide
from service.core import attention, barge_in, dialog, form
from service.core.answers import answer_reader
from service.core.classifier import Classifier
from service.core.dialog import (Ask, Fault, Fill, Key, Match, NoInput, NoMatch, Notice, Outcome, Rejoin, Reply,
                                 Session, Start, Told, Voice)
from service.core.grammar import compile_grammar, compile_numbers
from service.core.model import Guide
from service.core.understanding import Expectation, Understanding
from service.errors import GuideError, NotFound, Refused
from service.monitoring.steps import ADVANCE, COMMIT, INTERPRET, Steps
from service.monitoring.turn_log import TurnLog
from service.sharing.discretion import NEWEST, Discretion, OwnDiscretion
from service.speech.recognizer import Hearing, Recognizer
from service.speech.speaker import Piece, Speaker
from service.speech.voices import Choice
from service.store.talks import Also, Conflict, Talk, TalkStore, Turn, nothing

ATTEMPTS = 5
"""How often a turn is repeated when another process was quicker with the same talk."""
UNSURE = 0.6
"""Confidence below which a single syllable counts as noise."""
LAST_TURN = "last_turn"
"""Key of a stored session: after which turn it is like that."""
HIDDEN = "〔不记〕"
"""Stored in place of a sentence that says something about the listener."""
LONGEST_TEXT = 400
"""Characters of a typed request that are looked at: two minutes of speech. To understand ten times as many takes
seconds."""


@dataclass(frozen=True)
class Edition:
    """One version of the guide with all that is compiled from it."""

    guide: Guide
    understanding: Understanding
    grammar: tuple[str, ...]
    """Entries for the closed decoder; empty without a recogniser."""
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The same while a calculator asks, by type of the question; see ``form.TYPES``."""

    def grammar_for(self, kind: str) -> tuple[str, ...]:
        """Entries for the closed decoder while a question of a type is open; "" for none."""
        return self.answers.get(kind, self.grammar)

    def hear(self, hearing: Hearing, expect: Expectation = Expectation()) -> Match | Ask | Fill | NoMatch:
        """What an utterance means to somebody who is at ``expect``."""
        closed, opened = hearing.grammar, hearing.open
        return self.understanding.hear(closed.text, opened.text, closed.confidence, opened.confidence, expect)


@dataclass(frozen=True)
class Speaking:
    """What a client was saying when something came in between."""

    turn_id: str
    sentence: int
    """Index of the sentence in the answer to that turn."""


@dataclass(frozen=True)
class View:
    """A turn's answer as a client gets it."""

    talk_id: str
    turn_id: str
    number: int
    reply: Reply
    steps: Steps | None = field(default=None, compare=False)
    """How long it took; None if it was not asked for by a turn."""


class Library:
    """Holds the current Edition and renews it when the guide changes."""

    def __init__(self, live: LiveGuide, recognizer: Callable[[], Recognizer | None],
                 classifier: Callable[[Guide], Classifier]):
        """``recognizer`` is called when its words are needed, so that it may still be loading;
        ``classifier`` reads or learns the Classifier of a guide."""
        self._recognizer, self._classifier = recognizer, classifier
        self.edition: Edition
        live.on_change(self._renew)

    def _renew(self, guide: Guide) -> None:
        understanding = Understanding(guide, self._classifier(guide))
        recognizer = self._recognizer()
        if recognizer is None:
            self.edition = Edition(guide, understanding, ())
            return
        grammar = compile_grammar(understanding.phrases(), recognizer.knows)
        answers = {kind: _answer_grammar(understanding, kind, recognizer.knows) for kind in form.TYPES}
        self.edition = Edition(guide, understanding, grammar, answers)


def _answer_grammar(understanding: Understanding, kind: str, knows: Callable[[str], bool]) -> tuple[str, ...]:
    phrases, numbers = understanding.answers(kind)
    return *compile_numbers(numbers, knows), *compile_grammar(phrases, knows)


def utc_now() -> datetime.datetime:
    """The present time."""
    return datetime.datetime.now(datetime.UTC)


class Talks:
    """All talks of this process. Thread-safe."""

    def __init__(self, library: Library, store: TalkStore, speaker: Speaker,
                 now: Callable[[], datetime.datetime] = utc_now, care: Care | None = None,
                 turn_log: TurnLog | None = None, discretion: Discretion | None = None):
        """Without ``care`` there are no paired devices. ``turn_log`` is told of every turn. Without ``discretion``
        what is not stored is known to this process alone."""
        self._library, self._store, self._speaker, self._now = library, store, speaker, now
        self._turn_log = turn_log or TurnLog()
        self.care = care
        self._discretion = discretion or OwnDiscretion()
        self._locks: dict[str, list] = collections.defaultdict(lambda: [threading.Lock(), 0])
        self._locks_lock = threading.Lock()

    @property
    def edition(self) -> Edition:
        """The guide's running edition."""
        return self._library.edition

    # --- opening and closing -------------------------------------------------------------------

    def open(self, voice: str = "", pace_cpm: int = dialog.USUAL_CPM, loudness_db: int = 0,
             device: Device | None = None, steps: Steps | None = None) -> View:
        """Begin a talk with somebody who likes to be spoken to like that, as far as it can be chosen. At a
        paired device its own settings count instead. ``steps``: those before, here and below."""
        steps, talk_id, turn_id = steps or Steps(), new_id(), new_id()
        before, outcome = self._at(device, dialog.opening(voice, pace_cpm, loudness_db)), Start()
        with steps.step(ADVANCE):
            session, reply = dialog.advance(self.edition.guide, before, outcome, self._today())
        with steps.step(COMMIT):
            turn = self._turn(talk_id, turn_id, 1, "start", outcome, session, reply, steps)
            person_id = device.person_id if device and device.watched else None
            self._store.create(_stored_session(session, turn_id), turn, device and device.id, person_id,
                               self._also(device, turn, before, outcome, session))
        return self._answered(turn, reply, steps)

    def last(self, talk_id: str) -> View:
        """The newest answer of a talk that is still open."""
        self._store.load(talk_id)
        return self._stored(self._store.last_turn(talk_id), None)

    def end(self, talk_id: str) -> None:
        """Close a talk for good."""
        self._discretion.forget(talk_id)
        self._store.end(talk_id, self._now())

    # --- turns ---------------------------------------------------------------------------------

    def press(self, talk_id: str, turn_id: str, key: str, speaking: Speaking | None = None,
              steps: Steps | None = None) -> View:
        """A key was pressed or touched. ``speaking``: what was cut off by it, here and below."""
        return self._advance(talk_id, turn_id, "key", lambda _: Key(key), steps, speaking)

    def command(self, talk_id: str, turn_id: str, name: str, speaking: Speaking | None = None,
                steps: Steps | None = None) -> View:
        """A button for one of ``dialog.COMMANDS`` was touched."""
        return self._advance(talk_id, turn_id, "key", lambda _: Match(command=name), steps, speaking)

    def joined(self, talk_id: str, turn_id: str, steps: Steps | None = None) -> View:
        """The device was paired, or cut off: the listener should hear of it."""
        device = self._device(self._store.load(talk_id))
        prompt = "paired" if device and device.paired else "unpaired"
        return self._advance(talk_id, turn_id, "device", lambda _: Told(prompt), steps)

    def notice(self, talk_id: str, turn_id: str, delivery: int, speaking: Speaking | None = None,
               steps: Steps | None = None) -> View:
        """It is time for something that those who care want to be heard; Refused if it is not for here and now."""
        talk = self._store.load(talk_id)
        if self.care is None or talk.device_id is None:
            raise Refused("notice_gone")
        read = self.care.notices.read
        return self._advance(talk_id, turn_id, "device", lambda _: read(talk.device_id, delivery), steps, speaking)

    def say(self, talk_id: str, turn_id: str, text: str, speaking: Speaking | None = None,
            steps: Steps | None = None) -> View:
        """A request was typed."""
        understanding, text = self.edition.understanding, text[:LONGEST_TEXT]
        return self._advance(talk_id, turn_id, "text",
                             lambda s: understanding.interpret(text, self._expected(s)), steps, speaking, (text,))

    def hear(self, talk_id: str, turn_id: str, hearing: Hearing, steps: Steps | None = None) -> View | None:
        """An utterance was heard. None if it was nothing: no turn is made of noise."""
        if is_nothing(hearing):
            return None
        edition = self.edition
        return self._advance(talk_id, turn_id, "voice", lambda s: edition.hear(hearing, self._expected(s)),
                             steps, said=_heard(hearing))

    def interrupt(self, talk_id: str, turn_id: str, hearing: Hearing, speaking: Speaking,
                  steps: Steps | None = None) -> View | None:
        """An utterance was heard while the guide spoke. None if it is no interruption."""
        if is_nothing(hearing):
            return None
        steps, said = steps or Steps(), _heard(hearing)
        text, reply = self._sentence(talk_id, speaking.turn_id, speaking.sentence)
        with steps.step(INTERPRET):
            outcome = self.edition.hear(hearing, Expectation(reply["node"]))
        if not barge_in.interrupts(outcome, said[0], text):
            return None
        return self._advance(talk_id, turn_id, "voice", lambda _: outcome, steps, speaking, said)

    def expects(self, talk_id: str) -> str:
        """The type of a calculator's open question in a talk, for whoever hears the answer; "" if none is open."""
        filling = self._discretion.session(talk_id, NEWEST, self._now()).get("form")
        if filling is None or filling.stage == form.TOLD:
            return ""
        asked = self.edition.guide.forms.fields.get(filling.field)
        return asked.type if asked else form.CHOICE

    def silence(self, talk_id: str, turn_id: str, steps: Steps | None = None) -> View:
        """Nothing was said or pressed for as long as the last reply allowed."""
        return self._advance(talk_id, turn_id, "silence", lambda _: NoInput(), steps)

    def rejoin(self, talk_id: str, turn_id: str, steps: Steps | None = None) -> View:
        """The listener's page is back after the line or the service was lost."""
        return self._advance(talk_id, turn_id, "rejoin", lambda _: Rejoin(), steps)

    def fault(self, error: GuideError) -> str:
        """What the listener is told of an error, as one text."""
        return "".join(self.edition.guide.prompts[error.prompt])

    def sentence(self, talk_id: str, turn_id: str, index: int) -> str:
        """The text of one sentence of an answer; NotFound if there is none."""
        return self._sentence(talk_id, turn_id, index)[0]

    # --- sound ---------------------------------------------------------------------------------

    def voices(self) -> tuple[Choice, ...]:
        """The voices that a listener may choose."""
        return self._speaker.voices.choices()

    def voice(self, voice_id: str) -> tuple[str, str]:
        """(id, label) of the voice that is heard by whoever chose ``voice_id``; it may have no label."""
        resolved = self._speaker.voices.resolve(voice_id)
        return resolved, next((c.label for c in self.voices() if c.id == resolved), "")

    def speak(self, text: str) -> bytes:
        """A sentence in the usual voice, as a WAV file, for whoever edits it; VoiceError if none can speak it."""
        return self._speaker.piece(text, dialog.USUAL_CPM, "", 0, False).speech.wav

    def audio(self, talk_id: str, turn_id: str, index: int, piece: int = 0) -> Piece:
        """Piece ``piece`` of a sentence of an answer, mostly the whole; NotFound if there is none."""
        text, reply = self._sentence(talk_id, turn_id, index)
        pace_cpm, voice = self._as_spoken_now(talk_id, reply)
        spoken = self._speaker.piece(text, pace_cpm, voice, piece, index == 0)
        if index == piece == 0:
            self._turn_log.sounded(talk_id, turn_id)
        return spoken

    def _as_spoken_now(self, talk_id: str, reply: dict) -> tuple[int, str]:
        """(pace, voice) of an answer; what was set from afar since then counts from the next sentence on."""
        pace_cpm, voice = reply["pace_cpm"], reply.get("voice", "")
        talk = self._store.find(talk_id)
        device = self._device(talk)
        if device is None:
            return pace_cpm, voice
        before = Session.from_json(talk.session)
        if device.version == before.adjusted:
            return pace_cpm, voice
        after = self._at(device, before)
        slower = pace_cpm / reply.get("own_pace_cpm", pace_cpm)
        return max(dialog.SLOWEST_CPM, round(after.pace_cpm * slower)), after.voice

    def _sentence(self, talk_id: str, turn_id: str, index: int) -> tuple[str, dict]:
        """(text, the answer that it belongs to)."""
        turn = self._store.turn(talk_id, turn_id)
        reply = turn and self._in_full(turn)
        if reply is None or not 0 <= index < len(reply["sentences"]):
            raise NotFound("no such sentence")
        return reply["sentences"][index], reply

    def _in_full(self, turn: Turn) -> dict:
        """A reply as it was given; as it is stored, if the rest is forgotten."""
        return self._discretion.reply(turn.talk_id, turn.id, self._now()) or turn.reply

    # --- how -----------------------------------------------------------------------------------

    def _advance(self, talk_id: str, turn_id: str, source: str, outcome_of: Callable[[Session], Outcome],
                 steps: Steps | None, speaking: Speaking | None = None, said: tuple[str, ...] = ()) -> View:
        steps, cut = steps or Steps(), self._cut(talk_id, speaking)
        with self._alone(talk_id):
            for _ in range(ATTEMPTS):
                seen = self._store.turn(talk_id, turn_id)
                if seen:
                    return self._stored(seen, steps)
                try:
                    return self._once(self._store.load(talk_id), turn_id, source, outcome_of, cut, steps, said)
                except Conflict as e:
                    conflict = e
        raise conflict

    def _cut(self, talk_id: str, speaking: Speaking | None) -> tuple[str, ...]:
        """The sentences that were not told to their end. What is unknown costs nobody their turn."""
        turn = speaking and self._store.turn(talk_id, speaking.turn_id)
        return tuple(self._in_full(turn)["sentences"][max(0, speaking.sentence):]) if turn else ()

    def _once(self, talk: Talk, turn_id: str, source: str, outcome_of: Callable[[Session], Outcome],
              cut: tuple[str, ...], steps: Steps, said: tuple[str, ...]) -> View:
        device, guide = self._device(talk), self.edition.guide
        discreet = self._discretion.session(talk.id, talk.session.get(LAST_TURN, NEWEST), self._now())
        before = dataclasses.replace(self._at(device, Session.from_json(talk.session)), **discreet)
        with steps.step(INTERPRET):
            outcome = self._resolved(outcome_of(before), before, device, talk.id)
        with steps.step(ADVANCE):
            session, reply = dialog.advance(guide, before, outcome, self._today(), cut)
            session = attention.watched(before, outcome, session)
        with steps.step(COMMIT):
            turn = self._turn(talk.id, turn_id, talk.turns + 1, source, outcome, session, reply, steps,
                              *kept(device, self._keepable(device, said), before, outcome))
            # First, so that whoever goes on after the commit has it, should this process end in between.
            self._discretion.keep(talk.id, turn_id, session.discreet,
                                  dataclasses.asdict(reply) if reply.private else None, self._now())
            self._store.commit(_stored_session(session, turn_id), turn,
                               self._also(device, turn, before, outcome, session))
        return self._answered(turn, reply, steps)

    def _device(self, talk: Talk) -> Device | None:
        return self.care.devices.get(talk.device_id) if self.care and talk.device_id else None

    def _at(self, device: Device | None, session: Session) -> Session:
        """The session as it goes on at a device."""
        if device and device.paired:
            return device.applied(session, self._now())
        # Nobody sees a call for help from a device that was cut off in the middle of a talk.
        return dataclasses.replace(session, cared=False)

    def _also(self, device: Device | None, turn: Turn, before: Session, outcome: Outcome, after: Session) -> Also:
        if device is None or not device.paired:
            return nothing
        guide = self.edition.guide
        return lambda orm: self.care.keep(orm, guide, device, turn, before, outcome, after)

    def _resolved(self, outcome: Outcome, session: Session, device: Device | None, talk_id: str) -> Outcome:
        """The outcome with what the dialogue cannot know: the next voice, who looked."""
        if isinstance(outcome, Match) and outcome.command == "voice":
            return Voice(self._speaker.voices.after(session.voice))
        return self.care.answer(outcome, device, talk_id) if self.care else outcome

    def _turn(self, talk_id: str, turn_id: str, number: int, source: str, outcome: Outcome, session: Session,
              reply: Reply, steps: Steps, said: str | None = None, meaning: str | None = None) -> Turn:
        took_ms = steps.elapsed_s() * 1000
        return Turn(talk_id, turn_id, number, source, OUTCOMES[type(outcome)], session.node,
                    self._now(), took_ms, dataclasses.asdict(storable(reply)), said, meaning)

    def _answered(self, turn: Turn, reply: Reply, steps: Steps) -> View:
        self._turn_log.taken(turn, steps)
        self._speaker.prepare(reply.sentences, reply.pace_cpm, reply.voice)
        return View(turn.talk_id, turn.id, turn.number, reply, steps)

    def _stored(self, turn: Turn, steps: Steps | None) -> View:
        return View(turn.talk_id, turn.id, turn.number, _reply_from_json(self._in_full(turn)), steps)

    def _keepable(self, device: Device | None, said: tuple[str, ...]) -> str | None:
        """The words that may be kept at a device, unless somebody tells in any of them when they were born, what they
        paid or earn, or what they are, whatever else they ask."""
        if not said or device is None or not device.watched:
            return None
        guide, today = self.edition.guide, self._today()
        reader = answer_reader(guide)
        private = any(reader.read(text, form_, "", {}, today) for text in said
                      for form_ in guide.forms.forms)
        return None if private else said[0]

    def _expected(self, session: Session) -> Expectation:
        return Expectation.of(session, self._today())

    def _today(self) -> datetime.date:
        return self._now().astimezone().date()

    @contextlib.contextmanager
    def _alone(self, talk_id: str) -> Iterator[None]:
        """One turn of a talk at a time: a key and an utterance may come together."""
        with self._locks_lock:
            entry = self._locks[talk_id]
            entry[1] += 1
        try:
            with entry[0]:
                yield
        finally:
            with self._locks_lock:
                entry[1] -= 1
                if not entry[1]:
                    del self._locks[talk_id]


def _stored_session(session: Session, turn_id: str) -> dict:
    return session.to_json() | {LAST_TURN: turn_id}


def storable(reply: Reply) -> Reply:
    """The reply without what it says about the listener."""
    if not reply.private:
        return reply
    return dataclasses.replace(reply, sentences=(HIDDEN,) * len(reply.sentences), shown=(), choices=(), entry=None)


OUTCOMES = {Fill: "fill", Start: "start", Voice: "voice", Rejoin: "rejoin", Key: "key", Match: "match", Ask: "ask",
            NoMatch: "no_match", NoInput: "no_input", Fault: "fault", Told: "told", Notice: "notice"}
"""Kind of outcome as it is kept."""


def new_id() -> str:
    """An identifier that cannot be guessed, for a talk or a turn."""
    return uuid.uuid4().hex


def is_nothing(hearing: Hearing) -> bool:
    """True if an utterance holds no words: a sneeze, a door, a chair."""
    opened, closed = hearing.open, hearing.grammar
    unsure = max(opened.confidence, closed.confidence) < UNSURE
    return not (opened.text or closed.text) or len(opened.text) <= 1 and unsure


def _heard(hearing: Hearing) -> tuple[str, ...]:
    """What was heard: the words that would be kept, and what else they were taken for."""
    opened, closed = hearing.open.text, hearing.grammar.text
    return opened or closed, closed


def _reply_from_json(data: dict) -> Reply:
    return Reply(**{**data, "sentences": tuple(data["sentences"]), "shown": tuple(data["shown"]),
                    "choices": tuple(dialog.Choice(**c) for c in data["choices"]),
                    "step": tuple(data["step"]) if data["step"] else None})
