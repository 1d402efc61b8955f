"""The caregiver's panel below /panel: server-rendered pages for a phone first.

One blueprint, to which each part adds its pages. Everybody must log in, but for the few pages that are
named OPEN; every form is checked for cross-site requests; whom a page is about is checked in the page,
by ``Panel.person``.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import flask_login
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Blueprint, Flask, current_app, flash, g, redirect, render_template, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from flask_babel import Babel, get_locale
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, TooManyRequests
from werkzeug.test import EnvironBuilder

from service.care.accounts import LANGUAGES, LOG_IN_LASTS
from service.care.care import Care
from service.care.feed import person_topic
from service.errors import GuideError, NotFound, Refused, StoreError
from service.web.kiosk import CONTENT_SECURITY_POLICY
from service.web.panel import attention, calculators, devices, entrance, figures, guide, handouts, health, people, teach
from service.web.panel.common import LARGEST_FORM_BYTES, LARGEST_ID, LOG_IN, Panel, User, back, moment
from service.web.panel.messages import message

log = logging.getLogger(__name__)
PREFIX = "/panel"
TRANSLATIONS = Path(__file__).with_name("translations")
OPEN = {"panel.login", "panel.first", "panel.invitation", "panel.language"}
"""Endpoints for those who are not logged in."""
PARTS = (entrance, attention, people, devices, health, teach, guide, figures, calculators, handouts)


def create_panel(flask: Flask, panel: Panel, compiled: Path) -> None:
    """Add the panel to the app. ``compiled``: folder for the translations in the form that gettext reads."""
    care = panel.care
    flask.secret_key = care.secrets.hashed("sessions")
    flask.session_interface = _Sessions()
    flask.config.update(SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_NAME="panel",
                        PERMANENT_SESSION_LIFETIME=LOG_IN_LASTS,
                        REMEMBER_COOKIE_HTTPONLY=True, REMEMBER_COOKIE_SAMESITE="Lax",
                        WTF_CSRF_CHECK_DEFAULT=False, WTF_CSRF_TIME_LIMIT=None, RATELIMIT_HEADERS_ENABLED=False)
    _log_ins(flask, care)
    _languages(flask, compiled)
    if panel.limiter not in flask.extensions.get("limiter", ()):
        panel.limiter.init_app(flask)
    flask.jinja_env.globals["acts_for_somebody"] = lambda: bool(panel.people("act"))
    flask.jinja_env.filters["moment"] = lambda at: moment(at, care.now)
    blueprint = Blueprint("panel", __name__, url_prefix=PREFIX)
    _guard(blueprint, CSRFProtect(flask))
    _errors(blueprint)
    for part in PARTS:
        part.add_pages(blueprint, panel)
    blueprint.add_url_rule("/<path:address>", "nowhere", _nowhere, methods=["GET", "POST"])
    flask.register_blueprint(blueprint)


def panel_topics(flask: Flask, headers: dict[str, str]) -> list[str] | None:
    """What the pages of whoever has these headers may hear of; None if nobody is logged in."""
    environ = EnvironBuilder(headers={"Cookie": headers.get("cookie", "")}).get_environ()
    with flask.request_context(environ):
        if not flask_login.current_user.is_authenticated:
            return None
        panel_people = current_app.extensions["panel_people"]
        return [person_topic(p.id) for p in panel_people.of(flask_login.current_user.account.id)]


class _Sessions(SecureCookieSessionInterface):
    """Cookies that go over TLS only, where there is TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def _log_ins(flask: Flask, care: Care) -> None:
    manager = flask_login.LoginManager(flask)
    manager.login_view = "panel.login"
    manager.login_message = None
    manager.session_protection = None
    flask.extensions["panel_people"] = care.people

    @manager.user_loader
    def load(user_id: str) -> User | None:
        number, _, epoch = user_id.partition(":")
        if not (number.isdecimal() and epoch.isdecimal()):
            return None
        if LOG_IN in session and care.accounts.is_ended(session[LOG_IN]):
            return None
        account = care.accounts.get(int(number))
        return User(account) if account and account.epoch == int(epoch) else None


def _languages(flask: Flask, compiled: Path) -> None:
    for source in TRANSLATIONS.glob("*/LC_MESSAGES/messages.po"):
        target = compiled / source.relative_to(TRANSLATIONS).with_suffix(".mo")
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            target.parent.mkdir(parents=True, exist_ok=True)
            with source.open("rb") as read, tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as write:
                write_mo(write, read_po(read))
            # Whole or not at all: other processes may read it, and a half one would look newer than its source.
            os.replace(write.name, target)

    def chosen() -> str:
        user = flask_login.current_user
        language = user.account.language if user and user.is_authenticated else session.get("language")
        return language if language in LANGUAGES else LANGUAGES[0]
    flask.config["BABEL_DEFAULT_LOCALE"] = "en"
    Babel(flask, locale_selector=chosen, default_translation_directories=str(compiled))
    flask.jinja_env.globals["get_locale"] = get_locale


def _guard(blueprint: Blueprint, csrf: CSRFProtect) -> None:
    @blueprint.before_request
    def guard():
        request.max_content_length = LARGEST_FORM_BYTES
        request.max_form_memory_size = LARGEST_FORM_BYTES
        csrf.protect()
        if request.endpoint not in OPEN and not flask_login.current_user.is_authenticated:
            return current_app.login_manager.unauthorized()
        if not all(map(_can_be, request.view_args.values())):
            raise NotFound("nothing is called that")
        return None

    @blueprint.after_request
    def private(response):
        response.headers["Cache-Control"] = "no-store"
        # Without it no form could say where it comes from: Flask-WTF wants to know over TLS, ``back`` always.
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace(
            "form-action 'none'", "form-action 'self'")
        if request.is_secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        return response


def _can_be(value: int | str) -> bool:
    """False for a part of an address that nothing can have, and that a database may not take."""
    return value <= LARGEST_ID if isinstance(value, int) else value.isprintable()


def _nowhere(address: str):
    """Every other address: a person reads the answer, the app's own one is for programs."""
    raise NotFound("no such page")


def _errors(blueprint: Blueprint) -> None:
    @blueprint.errorhandler(CSRFError)
    def stale_page(_error: CSRFError):
        return _told("csrf", 400)

    @blueprint.errorhandler(Refused)
    def refused(error: Refused):
        return _told(error.code, error.status)

    @blueprint.errorhandler(GuideError)
    def ours(error: GuideError):
        if error.status >= 500:
            log.error("%s: %s", error.code, error)
        return _page(error.code, error.status)

    @blueprint.errorhandler(HTTPException)
    def http(error: HTTPException):
        if error.code and error.code < 400:
            return error
        if isinstance(error, TooManyRequests):
            return _told("too_often", 429)
        known = {404: "not_found", 405: "not_found", RequestEntityTooLarge.code: "too_large"}
        return _page(known.get(error.code, "bad_request"), error.code or 400)

    @blueprint.errorhandler(Exception)
    def unexpected(error: Exception):
        # The type alone: the text of a foreign error may quote what was written.
        log.error("unexpected %s in the panel", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
        return _page("internal", 500)


def _told(code: str, status: int):
    """Back to the form with a message; a page of its own where there is no form to go back to."""
    if request.method == "POST" and request.referrer:
        flash(message(code), "fault")
        return redirect(back("panel.home"), 303)
    return _page(code, status)


def _page(code: str, status: int):
    try:
        return _error_page(code), status
    except StoreError:
        # Not even who is logged in can be read: the page as for somebody who is not.
        g._login_user = flask_login.AnonymousUserMixin()
        return _error_page(code), status


def _error_page(code: str) -> str:
    return render_template("panel/error.html", said=message(code), home=url_for("panel.home"))
