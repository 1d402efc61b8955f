"""Entrance: the first owner, logging in and out, invitations, one's own account."""

from __future__ import annotations

import hashlib
import io
import logging

import flask_login
import segno
from flask import Blueprint, Response, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import PasswordField
from wtforms.validators import InputRequired, Length

from service.care.accounts import LANGUAGES, LONGEST_PASSWORD
from service.care.names import LONGEST_NAME
from service.core.redaction import plain
from service.errors import BadRequest, Refused
from service.web.panel.common import LOG_IN, Form, Panel, User, account, back, done, text_field
from service.web.panel.messages import message

log = logging.getLogger(__name__)
LOG_IN_LIMIT = "10 per 5 minutes"
CODE_LIMIT = "10 per 10 minutes"
"""Six digits are found by trying only where trying is free."""
TOTP_SECRET = "totp_secret"


def password_field(label, autocomplete: str) -> PasswordField:
    """A password."""
    return PasswordField(label, [InputRequired(), Length(max=LONGEST_PASSWORD)],
                         render_kw={"autocomplete": autocomplete})


class LogInForm(Form):
    """Name, password, and a code where there is a second factor."""

    name = text_field(_l("Name"), LONGEST_NAME, render_kw={"autocomplete": "username"})
    password = password_field(_l("Password"), "current-password")
    code = text_field(_l("Code of the authenticator app (only if you set one up)"), 12, required=False,
                      render_kw={"autocomplete": "one-time-code", "inputmode": "numeric"})


class FirstForm(Form):
    """The first owner."""

    code = text_field(_l("One-time code (on the console of the service)"), 20,
                      render_kw={"autocomplete": "off", "inputmode": "numeric"})
    name = text_field(_l("Your name"), LONGEST_NAME, render_kw={"autocomplete": "username"})
    password = password_field(_l("Password (8 characters or more)"), "new-password")


class InvitedForm(Form):
    """A new account by an invitation."""

    name = text_field(_l("Your name"), LONGEST_NAME, render_kw={"autocomplete": "username"})
    password = password_field(_l("Password (8 characters or more)"), "new-password")


class PasswordForm(Form):
    """Another password."""

    old = password_field(_l("Present password"), "current-password")
    new = password_field(_l("New password (8 characters or more)"), "new-password")


class TotpForm(Form):
    """The first code of an authenticator app."""

    code = text_field(_l("Code that the app shows"), 12, render_kw={"autocomplete": "one-time-code",
                                                                   "inputmode": "numeric"})


class TotpOffForm(Form):
    """No second factor any more."""

    password = password_field(_l("Present password"), "current-password")


def add_pages(panel_pages: Blueprint, panel: Panel) -> None:
    """The pages of the entrance."""
    accounts, people, limit = panel.care.accounts, panel.care.people, panel.limiter.limit

    def enter(who) -> Response:
        # A log-in of somebody before must not go on in this one's session.
        language = session.get("language")
        session.clear()
        if language:
            session["language"] = language
        session[LOG_IN] = accounts.new_log_in()
        flask_login.login_user(User(who))
        log.info("account %d logged in", who.id)
        return redirect(url_for("panel.home"), 303)

    @panel_pages.route("/login", methods=["GET", "POST"])
    @limit(LOG_IN_LIMIT, methods=["POST"], key_func=_name_and_address)
    @limit("60 per 5 minutes", methods=["POST"])
    def login():
        form, fault = LogInForm(), ""
        if form.validate_on_submit():
            try:
                return enter(accounts.log_in(form.name.data, form.password.data, form.code.data or ""))
            except Refused as e:
                log.warning("log-in refused: %s", e.code)
                fault = message(e.code)
        return render_template("panel/login.html", form=form, fault=fault), 403 if fault else 200

    @panel_pages.post("/logout")
    def logout():
        if LOG_IN in session:
            accounts.end_log_in(session[LOG_IN])
        flask_login.logout_user()
        session.clear()
        return redirect(url_for("panel.login"), 303)

    @panel_pages.route("/first", methods=["GET", "POST"])
    @limit(CODE_LIMIT, methods=["POST"])
    def first():
        form, fault = FirstForm(), ""
        if form.validate_on_submit():
            try:
                return enter(accounts.create_owner(form.code.data, form.name.data, form.password.data))
            except Refused as e:
                fault = message(e.code)
        return render_template("panel/first.html", form=form, fault=fault), 403 if fault else 200

    @panel_pages.route("/invitations/<token>", methods=["GET", "POST"])
    @limit("30 per 10 minutes")
    def invitation(token: str):
        name, role = people.invitation(token)
        here, form, fault = flask_login.current_user.is_authenticated, InvitedForm(), ""
        if request.method == "POST" and here:
            people.accept(token, account())
            return done(_("You may now look after %(name)s.", name=name), "panel.home")
        if form.validate_on_submit():
            try:
                return enter(people.accept(token, None, form.name.data, form.password.data))
            except Refused as e:
                fault = message(e.code)
        return render_template("panel/invitation.html", form=form, fault=fault, person=name, role=role, here=here)

    @panel_pages.post("/language")
    def language():
        wanted = request.form.get("language")
        if wanted not in LANGUAGES:
            raise BadRequest("no such language")
        session["language"] = wanted
        if flask_login.current_user.is_authenticated:
            accounts.set_language(account().id, wanted)
        return redirect(back(), 303)

    @panel_pages.get("/account")
    def own_account():
        return render_template("panel/account.html", password=PasswordForm(), totp_off=TotpOffForm())

    @panel_pages.post("/account/password")
    @limit(LOG_IN_LIMIT)
    def password():
        form = PasswordForm()
        if not form.validate_on_submit():
            raise BadRequest("the form is not complete")
        changed = accounts.change_password(account().id, form.old.data, form.new.data)
        panel.note(None, "password")
        flask_login.login_user(User(changed))
        return done(_("The password is changed. Everywhere else you are logged out."), "panel.own_account")

    @panel_pages.route("/account/totp", methods=["GET", "POST"])
    @limit(LOG_IN_LIMIT, methods=["POST"])
    def totp():
        if account().has_totp:
            # Another one only after the old one was turned off, for which the password is needed.
            return redirect(url_for("panel.own_account"), 303)
        form, fault = TotpForm(), ""
        if form.validate_on_submit() and TOTP_SECRET in session:
            try:
                accounts.enable_totp(account().id, session[TOTP_SECRET], form.code.data)
                session.pop(TOTP_SECRET)
                panel.note(None, "totp_on")
                return done(_("From now on a code is asked for at each log-in."), "panel.own_account")
            except Refused as e:
                fault = message(e.code)
        if TOTP_SECRET not in session:
            session[TOTP_SECRET] = accounts.new_totp()
        return render_template("panel/totp.html", form=form, fault=fault, secret=session[TOTP_SECRET])

    @panel_pages.get("/account/totp.svg")
    def totp_picture():
        if TOTP_SECRET not in session:
            raise BadRequest("no second factor is being set up")
        out = io.BytesIO()
        segno.make(accounts.totp_address(account().name, session[TOTP_SECRET])).save(out, kind="svg", scale=5)
        return Response(out.getvalue(), mimetype="image/svg+xml")

    @panel_pages.post("/account/totp/off")
    @limit(LOG_IN_LIMIT)
    def totp_off():
        form = TotpOffForm()
        if not form.validate_on_submit():
            raise BadRequest("the form is not complete")
        accounts.disable_totp(account().id, form.password.data)
        panel.note(None, "totp_off")
        return done(_("No code is asked for any more."), "panel.own_account")


def _name_and_address() -> str:
    """Guessing one name's password is slowed down wherever it comes from; so that nobody can lock
    somebody else out, it is counted by address, too. Hashed: the limiter writes it into the log."""
    name = plain(request.form.get("name", ""))[:LONGEST_NAME]
    return hashlib.sha256(f"{request.remote_addr} {name}".encode()).hexdigest()
