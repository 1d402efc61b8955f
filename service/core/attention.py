"""Attention: when a talk has come to a point at which somebody should look after the listener."""

from __future__ import annotations

from dataclasses import dataclass, replace

from service.core.dialog import Ask, Key, Match, NoInput, NoMatch, Outcome, Session
from service.core.model import HELP, Guide

STALLED = 3
"""So many turns in a row at one step without moving on are being stuck."""
MISSED = 2
"""So many requests in a row that were not understood need somebody."""
URGENT = {"x_emergency": "emergency", "x_despair": "despair", "m5_scammed": "scammed"}
"""Node that tells what to do when help is at stake, to its kind of incident."""
KINDS = (*URGENT.values(), "help", "gave_up", "stuck", "not_understood")
"""The most urgent first."""


@dataclass(frozen=True)
class Incident:
    """Something that somebody should look after."""

    kind: str
    """One of KINDS."""
    node: str
    step: int | None
    """From 1; None where there are no steps."""


def watched(before: Session, outcome: Outcome, after: Session) -> Session:
    """``after`` with ``stalled`` counted on."""
    stays = (after.node, after.part, after.done) == (before.node, before.part, before.done) and not after.done
    if not stays:
        return replace(after, stalled=0)
    # What happens beside a listener who asked to wait is none of their trouble.
    still = before.paused or before.waiting or after.paused
    return after if still or not _is_trouble(outcome) else replace(after, stalled=before.stalled + 1)


def _is_trouble(outcome: Outcome) -> bool:
    """True if somebody who does a step would rather not do this."""
    if isinstance(outcome, Match):
        return outcome.command in ("repeat", "hello") or outcome.key == "#"
    return isinstance(outcome, (NoMatch, NoInput, Ask)) or isinstance(outcome, Key) and outcome.key == "#"


def incident(guide: Guide, before: Session, outcome: Outcome, after: Session) -> Incident | None:
    """What of this turn somebody should know of, if anything. ``after`` comes from ``watched``."""
    place, session = before, after
    node = guide.nodes.get(place.node)
    steps = bool(node and node.steps)
    step = place.part + 1 if steps else None
    urgent = URGENT.get(session.node)
    # Whoever says it again needs it no less.
    if urgent and (place.node != session.node or isinstance(outcome, Match) and outcome.node == session.node):
        return Incident(urgent, place.node, step)
    if asks_for_help(guide, outcome):
        return Incident("help", place.node, step)
    unfinished = steps and not place.done
    gone = session.waiting and not place.waiting
    if gone and (unfinished or place.asked or place.no_match):
        return Incident("gave_up", place.node, step)
    if isinstance(outcome, NoMatch) and session.no_match == MISSED != place.no_match:
        return Incident("not_understood", place.node, step)
    if steps and session.stalled == STALLED != place.stalled:
        return Incident("stuck", place.node, step)
    return None


def asks_for_help(guide: Guide, outcome: Outcome) -> bool:
    """True if the listener called for help by voice or key."""
    if isinstance(outcome, Match) and (outcome.command == "help" or outcome.node == HELP):
        return True
    key = outcome.key if isinstance(outcome, (Key, Match)) else None
    return key is not None and key == guide.commands["help"].key
