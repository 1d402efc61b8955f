"""Finding: what one look at the machine found, in words for whoever stands in front of it."""

from __future__ import annotations

from dataclasses import dataclass

from service.monitoring.health import DEGRADED, FAILED, OK


@dataclass(frozen=True)
class Finding:
    """How something is and what to do about it. Nothing private is in it, and no password."""

    state: str
    """``OK``, ``DEGRADED``: the guide goes on without it, or ``FAILED``: somebody has to see to it."""
    how: str
    """How it is: a Chinese sentence."""
    remedy: str = ""
    """What to do: a Chinese sentence; empty if it is as it should be."""
    reason: str = ""
    """Why, in a few English words for programs; empty if it is as it should be."""


def good(how: str) -> Finding:
    """It is as it should be."""
    return Finding(OK, how)


def poor(how: str, remedy: str, reason: str) -> Finding:
    """The guide goes on, but something is missing."""
    return Finding(DEGRADED, how, remedy, reason)


def bad(how: str, remedy: str, reason: str) -> Finding:
    """It does not do what it is for until somebody sees to it."""
    return Finding(FAILED, how, remedy, reason)
