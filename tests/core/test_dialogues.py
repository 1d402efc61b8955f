"""The golden dialogues of ``tests/dialogues``, played through understanding and dialogue.

A play is a list of turns. A turn is what the listener does (``hears``: what the guide hears them
say, ``presses``, ``silence``, ``rejoins``; nothing in the first turn, where the talk opens), perhaps
``during`` which sentence of the guide's, and what must follow: ``guide`` (sentences in this order, others may stand between), ``only``
(exactly these), ``not_guide``, ``quiet``, ``at``, ``state``, ``step``, ``pace``, ``loudness``.
"""

import datetime
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from service.core.dialog import Key, NoInput, Rejoin, Reply, Session, Start, advance
from service.core.understanding import Expectation
from service.core.wording import unjointed

PLAYS = sorted((Path(__file__).resolve().parents[1] / "dialogues").glob("*.yaml"))
TODAY = datetime.date(2026, 11, 30)
DEEDS = ("hears", "presses", "silence", "rejoins")
CHECKS = ("guide", "only", "not_guide", "quiet", "at", "state", "step", "pace", "loudness")


def outcome(turn: dict, session: Session, understanding, today: datetime.date = TODAY):
    """What the listener did in this turn."""
    match [deed for deed in DEEDS if deed in turn]:
        case []:
            return Start()
        case ["hears"]:
            return understanding.interpret(turn["hears"], Expectation.of(session, today))
        case ["presses"]:
            return Key(str(turn["presses"]))
        case ["silence"]:
            return NoInput()
        case ["rejoins"]:
            return Rejoin()
    raise AssertionError(f"more than one deed in {turn}")


def faults(turn: dict, reply: Reply) -> list[str]:
    """How the answer differs from what the play demands."""
    reply = replace(reply, sentences=tuple(map(unjointed, reply.sentences)))
    found, rest = [], list(reply.sentences)
    for sentence in turn.get("guide", ()):
        if sentence in rest:
            rest = rest[rest.index(sentence) + 1:]
        else:
            found.append(f"not said (in this place): {sentence}")
    if "only" in turn and list(reply.sentences) != turn["only"]:
        found.append(f"not exactly said: {turn['only']}")
    found += [f"said: {s}" for s in turn.get("not_guide", ()) if s in reply.sentences]
    if turn.get("quiet", False) and reply.sentences:
        found.append("not quiet")
    is_ = {"at": reply.node, "state": reply.state, "step": reply.step and list(reply.step),
           "pace": reply.pace_cpm, "loudness": reply.loudness_db}
    return found + [f"{name} is {value}, not {turn[name]}" for name, value in is_.items()
                    if name in turn and turn[name] != value]


@pytest.mark.parametrize("path", PLAYS, ids=lambda p: p.stem)
def test_dialogue(path, guide, understanding):
    play = yaml.safe_load(path.read_text(encoding="utf-8"))
    today = play.get("today", TODAY)
    session, reply, acted = Session(), None, []
    for number, turn in enumerate(play["turns"]):
        cut = reply.sentences[reply.sentences.index(turn["during"]):] if "during" in turn else ()
        session, reply = advance(guide, session, outcome(turn, session, understanding, today), today, cut)
        acted.append(f"听的人: {[turn[d] for d in DEEDS if d in turn]}\n指南: {''.join(reply.sentences)}")
        assert not faults(turn, reply), f"{play['title']}, turn {number}\n" + "\n".join(
            [*faults(turn, reply), *acted])


@pytest.mark.parametrize("path", PLAYS, ids=lambda p: p.stem)
def test_dialogue_is_well_formed(path):
    play = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert play.keys() <= {"title", "today", "turns"} and play["title"] and len(play["turns"]) >= 2
    for number, turn in enumerate(play["turns"]):
        assert turn.keys() <= {*DEEDS, *CHECKS, "during"}, turn
        assert sum(deed in turn for deed in DEEDS) == (number > 0), turn
        assert any(check in turn for check in CHECKS), turn


def test_there_are_enough_plays_with_titles_of_their_own():
    titles = [yaml.safe_load(p.read_text(encoding="utf-8"))["title"] for p in PLAYS]
    assert len(titles) == len(set(titles)) >= 44


def test_the_plays_come_to_every_node(guide, understanding):
    seen = set()
    for path in PLAYS:
        play, session = yaml.safe_load(path.read_text(encoding="utf-8")), Session()
        for turn in play["turns"]:
            session, reply = advance(guide, session, outcome(turn, session, understanding), TODAY)
            seen.add(reply.node)
    assert seen == set(guide.nodes)
