"""Common: what every part of the panel shares: who is logged in, what they may, and how pages are made."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Callable
from urllib.parse import urlsplit

import flask_login
from babel.dates import format_date, format_time
from flask import Response, flash, redirect, request, url_for
from flask_babel import get_locale, gettext
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from service.cards import card_pdf
from service.care.accounts import Account
from service.care.care import Care
from service.care.people import Person
from service.care.publishing import Publishing
from service.care.teaching import Checks, Misses
from service.content.edit import GuideEditor
from service.core.dialog import COMMANDS
from service.errors import BadRequest, NotFound
from service.monitoring.health import Check
from service.talks import Talks

LARGEST_ID = 2 ** 31 - 1
"""No row has a higher number, and not every database can be asked for one."""
LIMITS_TIMEOUT_S = 1.0
LARGEST_FORM_BYTES = 256 * 1024
"""A node of the guide is the largest form, and that is a tenth of this."""


LOG_IN = "log_in"
"""Key of the session: which log-in it is."""


class User(flask_login.UserMixin):
    """A logged-in account as Flask-Login knows it."""

    def __init__(self, account: Account):
        self.account = account

    def get_id(self) -> str:
        """With the epoch: a change of the password ends every other log-in."""
        return f"{self.account.id}:{self.account.epoch}"


def new_limiter(storage: str = "memory://") -> Limiter:
    """Counts by the address that asks, in the memory of this process, or in a Redis of this address; in memory all
    the same while that is away."""
    if storage == "memory://":
        return Limiter(get_remote_address, storage_uri=storage)
    return Limiter(get_remote_address, storage_uri=storage, in_memory_fallback_enabled=True, key_prefix="guide",
                   storage_options={"socket_connect_timeout": LIMITS_TIMEOUT_S, "socket_timeout": LIMITS_TIMEOUT_S})


@dataclass(frozen=True)
class Panel:
    """What the parts of the panel work with."""

    care: Care
    talks: Talks
    editor: GuideEditor
    misses: Misses
    publishing: Publishing
    checks: Checks
    public_url: str
    """Address under which others reach this service; empty: the one that they asked by."""
    limiter: Limiter = field(default_factory=new_limiter)
    make_card: Callable[[str, str, str], bytes] | None = None
    """Makes a card of node, size and address elsewhere; None: here."""
    health: Callable[[], tuple[Check, ...]] = tuple
    """Makes the checks of this process."""

    def person(self, person_id: int | None, right: str = "look") -> Person:
        """The person, if whoever is logged in has this right; NotFound or Forbidden otherwise."""
        return self.care.people.get(account().id, person_id, right)

    def people(self, right: str = "look") -> list[Person]:
        """Everybody for whom whoever is logged in has this right."""
        return [p for p in self.care.people.of(account().id) if p.allows(right)]

    def note(self, person_id: int | None, action: str, detail: str = "") -> None:
        """Write a change into the audit list."""
        self.care.audit.changed(account().id, person_id, action, detail)

    def looked(self, person_ids, what: str) -> None:
        """Write into the audit list that these people's records were looked at."""
        self.care.audit.looked(account().id, person_ids, what)

    def title(self, node_id: str) -> str:
        """What a node is called; its id if the guide has it no more."""
        node = self.talks.edition.guide.nodes.get(node_id)
        return node.title if node else node_id

    def in_words(self, meaning: str | None) -> str:
        """What was understood, or is meant, in words."""
        if not meaning:
            return gettext("nothing")
        kind, rest = meaning[0], meaning[1:]
        if kind == "?":
            return gettext("asked: %(options)s", options=" / ".join(self.title(n) for n in rest.split(",")))
        if kind == "#":
            return gettext("key %(key)s", key=rest)
        if kind == "!" and rest in COMMANDS:
            phrases = self.talks.edition.guide.commands[rest].phrases
            return gettext("command: %(phrase)s", phrase=phrases[0]) if phrases else rest
        return self.title(meaning)

    def card(self, node_id: str, size: str, address: str) -> bytes:
        """The printed card of a node as a PDF."""
        if self.make_card:
            return self.make_card(node_id, size, address)
        return card_pdf(self.talks.edition.guide, node_id, size, address)

    def address(self, endpoint: str, **values) -> str:
        """The full address of a page, for a link that leaves this browser."""
        if self.public_url:
            return self.public_url.rstrip("/") + url_for(endpoint, **values)
        return url_for(endpoint, _external=True, **values)


class Form(FlaskForm):
    """Base of all forms: CSRF is checked for the whole panel already."""

    class Meta(FlaskForm.Meta):
        """See Flask-WTF."""

        csrf = False


def text_field(label, longest: int, *validators, required: bool = True, **options) -> StringField:
    """A line of text."""
    needed = [InputRequired()] if required else []
    return StringField(label, [*needed, Length(max=longest), *validators], **options)


def account() -> Account:
    """Whoever is logged in."""
    return flask_login.current_user.account


def done(message: str, endpoint: str, **values) -> Response:
    """Say what was done and show a page (post, redirect, get)."""
    flash(message, "done")
    return redirect(url_for(endpoint, **values), 303)


def number(text: str | None) -> int | None:
    """A row's number in a query, None without one; NotFound for one that no row can have."""
    try:
        found = int(text) if text else None
    except ValueError as e:
        raise BadRequest("not a number") from e
    if found is not None and not 0 <= found <= LARGEST_ID:
        raise NotFound("nothing has that number")
    return found


def back(fallback: str = "panel.home") -> str:
    """The page of this service that the form was on."""
    try:
        came = urlsplit(request.referrer or "")
    except ValueError:
        came = urlsplit("")
    same = came.netloc == request.host and came.path.startswith("/panel")
    return f"{came.path}?{came.query}".rstrip("?") if same else url_for(fallback)


def moment(at: datetime.datetime | None, now: Callable[[], datetime.datetime]) -> str:
    """A time as people say it: 今天 14:05, 昨天 09:30, 11月3日 14:05."""
    if at is None:
        return ""
    local, today, locale = at.astimezone(), now().astimezone().date(), get_locale()
    clock = format_time(local, "HH:mm", tzinfo=local.tzinfo, locale=locale)
    days = (today - local.date()).days
    if days == 0:
        return gettext("today %(clock)s", clock=clock)
    if days == 1:
        return gettext("yesterday %(clock)s", clock=clock)
    if locale.language == "zh":
        form = "M月d日" if local.year == today.year else "y年M月d日"
    else:
        form = "d MMM" if local.year == today.year else "d MMM y"
    return f"{format_date(local.date(), form, locale=locale)} {clock}"
