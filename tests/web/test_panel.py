"""The panel's pages and the device's API: who may what, what is shown of whom, and what forged input does."""

import ast
import asyncio
import contextlib
import datetime
import html
import logging
import os
import re
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from service.app import _asgi
from service.care.adjusting import Adjustment
from service.care.people import INVITATION_LASTS
from service.store.database import transaction
from service.store.tables import AccountRow, AuditRow, CountRow, IncidentRow, MissRow, NoticeRow, TurnRow
from service.web import events
from service.web.device import COOKIE
from service.web.panel import LARGEST_ID, TRANSLATIONS, panel_topics
from service.web.panel.common import LARGEST_FORM_BYTES
from service.web.panel.messages import BY_CODE
from tests.content.conftest import unchanged_files_are_read_once  # noqa: F401  the same for these tests
from tests.support import ROOT
from tests.web.panel_site import (ACCOUNT_NAMES, OTHERS_WORDS, OWN, ROLES, Markup, PanelSite, make_template,
                                  password, prompts_copy, text_of)

HUGE = 2 ** 70
NASTY = "<script>alert(1)</script>\"'<b onclick=x>"
LONG = "长" * 300


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What every site of this module begins with: (database, guide, folder of translations)."""
    folder = tmp_path_factory.mktemp("panel")
    return make_template(folder), prompts_copy(folder), folder / "translations"


@pytest.fixture(scope="module")
def running(tmp_path_factory, made):
    site = PanelSite(tmp_path_factory.mktemp("site"), *made)
    yield site
    site.close()


@pytest.fixture
def site(running):
    """The service as it is at the beginning."""
    running.reset()
    return running


def told(answer, code: str, status: int) -> None:
    """It is the panel's own page, in English, which says what this code means."""
    assert (answer.status_code, answer.mimetype) == (status, "text/html"), text_of(answer)
    said = html.escape(BY_CODE[code]._args[0], quote=False).replace("'", "&#39;")
    assert said in text_of(answer)


# --- who may what --------------------------------------------------------------------------------------------

VISITORS = (None, "stranger", "viewer", "caregiver", "owner", "editor")
LETTERS = {"O": (200, 201, 303), "B": (400,), "G": (401,), "F": (403,), "N": (404,), "R": (409,), "U": (422,)}
"""What is expected: ok, bad form, device gone, forbidden, not found, refused, unprocessable; L: log in first."""
EVERYBODY, LOGGED_IN = "OOOOOO", "LOOOOO"
LOOKS, ACTS, OWNS = "LNOOON", "LNFOON", "LNFFON"
TEACHES, EDITS = "LFFOOF", "LFFFFO"
TABLE = {
    ("GET", "/panel/"): LOGGED_IN,
    ("GET", "/panel/done"): LOGGED_IN,
    ("POST", "/panel/incidents/<int:incident_id>/claim"): ACTS,
    ("POST", "/panel/incidents/<int:incident_id>/release"): "LNFRRN",
    ("POST", "/panel/incidents/<int:incident_id>/close"): ACTS,
    ("GET", "/panel/people/<int:person_id>/talks"): LOOKS,
    ("GET", "/panel/talks/<talk_id>"): LOOKS,
    ("GET", "/panel/people"): LOGGED_IN,
    ("POST", "/panel/people"): LOGGED_IN,
    ("GET", "/panel/people/<int:person_id>"): LOOKS,
    ("POST", "/panel/people/<int:person_id>/pair"): OWNS,
    ("POST", "/panel/people/<int:person_id>/rename"): OWNS,
    ("GET", "/panel/people/<int:person_id>/remove"): OWNS,
    ("POST", "/panel/people/<int:person_id>/remove"): OWNS,
    ("POST", "/panel/people/<int:person_id>/invite"): OWNS,
    ("POST", "/panel/people/<int:person_id>/invitations/<int:invitation_id>/revoke"): OWNS,
    ("POST", "/panel/people/<int:person_id>/members/<int:member_id>"): OWNS,
    ("POST", "/panel/people/<int:person_id>/leave"): "LNOORN",
    ("GET", "/panel/audit"): LOGGED_IN,
    ("GET", "/panel/devices/<int:device_id>"): LOOKS,
    ("GET", "/panel/devices/<int:device_id>/health"): LOOKS,
    ("GET", "/panel/health"): EDITS,
    ("POST", "/panel/devices/<int:device_id>/adjust"): ACTS,
    ("POST", "/panel/devices/<int:device_id>/notices"): ACTS,
    ("POST", "/panel/devices/<int:device_id>/notices/<int:notice_id>/cancel"): ACTS,
    ("POST", "/panel/devices/<int:device_id>/rename"): OWNS,
    ("POST", "/panel/devices/<int:device_id>/revoke"): OWNS,
    ("GET", "/panel/login"): EVERYBODY,
    ("POST", "/panel/login"): EVERYBODY,
    ("POST", "/panel/logout"): LOGGED_IN,
    ("GET", "/panel/first"): EVERYBODY,
    ("POST", "/panel/first"): "FFFFFF",
    ("GET", "/panel/invitations/<token>"): EVERYBODY,
    ("POST", "/panel/invitations/<token>"): EVERYBODY,
    ("POST", "/panel/language"): EVERYBODY,
    ("GET", "/panel/account"): LOGGED_IN,
    ("POST", "/panel/account/password"): LOGGED_IN,
    ("GET", "/panel/account/totp"): LOGGED_IN,
    ("POST", "/panel/account/totp"): LOGGED_IN,
    ("GET", "/panel/account/totp.svg"): "LBBBBB",
    ("POST", "/panel/account/totp/off"): LOGGED_IN,
    ("GET", "/panel/figures"): LOGGED_IN,
    ("GET", "/panel/figures.<kind>"): LOGGED_IN,
    ("GET", "/panel/calculators"): LOGGED_IN,
    ("GET", "/panel/calculators/<calculator>"): LOGGED_IN,
    ("POST", "/panel/calculators/<calculator>"): "LUUUUU",
    ("GET", "/panel/cards"): LOGGED_IN,
    ("GET", "/panel/cards/<node_id>.<size>.pdf"): LOGGED_IN,
    ("GET", "/panel/teach"): TEACHES,
    ("GET", "/panel/teach/<int:miss_id>"): TEACHES,
    ("POST", "/panel/teach/<int:miss_id>"): "LFFUUF",
    ("POST", "/panel/teach/<int:miss_id>/aside"): TEACHES,
    ("GET", "/panel/teach/check/<check_id>"): TEACHES,
    ("GET", "/panel/teach/check/<check_id>/state"): "LFFNNF",
    ("POST", "/panel/teach/check/<check_id>"): "LFFNNF",
    ("POST", "/panel/teach/taught/<int:publication_id>/undo"): "LFFNNF",
    ("GET", "/panel/editors"): EDITS,
    ("POST", "/panel/editors/<int:account_id>"): "LFFFFR",
    ("GET", "/panel/guide"): EDITS,
    ("GET", "/panel/guide/<node_id>"): EDITS,
    ("POST", "/panel/guide/<node_id>"): "LFFFFR",
    ("POST", "/panel/guide/<node_id>/check"): EDITS,
    ("POST", "/panel/guide/listen"): EDITS,
    ("GET", "/panel/guide/check/<check_id>"): EDITS,
    ("GET", "/panel/guide/check/<check_id>/state"): "LFFFFN",
    ("POST", "/panel/guide/check/<check_id>"): "LFFFFN",
    ("GET", "/panel/guide/history"): EDITS,
    ("GET", "/panel/guide/history/<int:publication_id>"): "LFFFFN",
    ("POST", "/panel/guide/history/<int:publication_id>/back"): "LFFFFN",
    ("GET", "/panel/facts"): EDITS,
    ("GET", "/panel/facts/<fact_id>"): EDITS,
    ("POST", "/panel/facts/<fact_id>"): "LFFFFU",
    ("GET", "/panel/<path:address>"): "LNNNNN",
    ("POST", "/panel/<path:address>"): "LNNNNN",
    ("POST", "/api/v1/device"): EVERYBODY,
    ("POST", "/api/v1/device/check"): "GGGGGG",
}
ADJUSTMENT = {name: str(getattr(Adjustment(), name)) for name in (
    "pace_cpm", "loudness_db", "voice", "wait_s", "detail", "quiet_from", "quiet_to")}
NOTICE = {"what": "text", "text": "记得吃药。", "node": "m1", "repeats": "once"}


def forms(site: PanelSite, role: str | None) -> dict[str, dict]:
    """What a form sends, by the end of its address."""
    secret = password(role or "owner")
    return {
        "/people": {"name": "新来的", "kind": "own"}, "/pair": {"code": site.seed.code, "name": "厨房"},
        "/rename": {"name": "新名字"}, "/invite": {"role": "viewer"}, "<int:member_id>": {"role": "viewer"},
        "/adjust": ADJUSTMENT, "/notices": NOTICE,
        "/login": {"name": ACCOUNT_NAMES[role or "owner"], "password": secret},
        "/first": {"code": "123456123456", "name": "第一个", "password": "a new password"},
        "/invitations/<token>": {"name": "新客", "password": "a new password"}, "/language": {"language": "en"},
        "/account/password": {"old": secret, "new": "a new password"}, "/totp/off": {"password": secret},
        "/close": {"note": "办好了"}, "/guide/listen": {"text": "好。"},
    }


def filled(rule: str, site: PanelSite, household) -> str:
    """An address of a rule, with what belongs to a household."""
    node = next(iter(n for n in site.talks.edition.guide.nodes if n != "root"))
    values = {"person_id": household.person, "device_id": household.device, "talk_id": household.talk,
              "incident_id": household.incident, "notice_id": household.notice,
              "invitation_id": household.invitation, "miss_id": household.miss, "token": household.link,
              "member_id": site.seed.accounts["viewer"], "account_id": site.seed.accounts["editor"], "node_id": node, "size": "a4", "kind": "csv",
              "check_id": "no-such-check", "publication_id": 1, "fact_id": next(iter(site.talks.edition.guide.facts)),
              "calculator": "age", "address": "no/such/page"}
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(values[match[1]]), rule)


def form_of(rule: str, held: dict[str, dict]) -> dict:
    return next((fields for end, fields in held.items() if rule.endswith(end)), {})


def routes(flask) -> set[tuple[str, str]]:
    """Every (method, rule) of the panel and of the devices."""
    return {(method, rule.rule) for rule in flask.url_map.iter_rules()
            for method in rule.methods - {"HEAD", "OPTIONS"}
            if rule.endpoint.startswith("panel.") or rule.rule.startswith("/api/v1/device")}


def test_the_table_knows_every_address(site):
    assert routes(site.flask) == TABLE.keys()


@pytest.mark.parametrize("method, rule", TABLE, ids=lambda part: part)
def test_who_may_what(site, method, rule):
    for role, letter in zip(VISITORS, TABLE[method, rule]):
        site.reset()
        client, address = site.client(role), filled(rule, site, site.seed.own)
        if rule.startswith("/api"):
            answer = client.post(address, json={"listening": True, "sounding": True})
        elif method == "POST":
            answer = site.post(client, address, form_of(rule, forms(site, role)))
        else:
            answer = client.get(address)
        location = answer.headers.get("Location", "")
        if letter == "L":
            assert answer.status_code in (302, 303) and location.startswith("/panel/login"), (role, text_of(answer))
            assert not any(name in text_of(answer) for name in (OWN, *ACCOUNT_NAMES.values()))
        else:
            assert answer.status_code in LETTERS[letter], (role, answer.status_code, text_of(answer))
            assert "/login" not in location or rule == "/panel/logout"
        if letter in "FN" and rule != "/panel/first":
            assert OWN not in text_of(answer) and "子家" not in text_of(answer)
        guarded(answer, rule)


def guarded(answer, rule: str) -> None:
    """It has every header that keeps pages from doing harm, and no page has what could run in it."""
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Permissions-Policy" in answer.headers
    if rule.startswith("/panel"):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "same-origin" and "form-action 'self'" in policy
        assert "Strict-Transport-Security" not in answer.headers
    if answer.mimetype == "text/html":
        assert Markup(text_of(answer)).wrong == []


@pytest.mark.parametrize("token", [None, "", "no-token", "another's"])
def test_no_form_without_its_token_changes_anything(site, token):
    if token == "another's":
        token = site.token(site.client("viewer"))
    for method, rule in TABLE:
        if method == "POST" and rule.startswith("/panel"):
            role = "editor" if "/guide" in rule or "/facts" in rule else "owner"
            fields = form_of(rule, forms(site, role)) | ({} if token is None else {"csrf_token": token})
            before, client = site.rows(), site.client(role)
            told(client.post(filled(rule, site, site.seed.own), data=fields), "csrf", 400)
            answer = client.post(filled(rule, site, site.seed.own), data=fields,
                                 headers={"Referer": "http://localhost/panel/account"})
            assert (answer.status_code, answer.headers["Location"]) == (303, "/panel/account")
            assert "The page was open for too long." in text_of(client.get("/panel/account"))
            assert site.rows() == before, rule


# --- nobody sees another's people ----------------------------------------------------------------------------

def unseen(answer) -> None:
    """There is nothing of the other household in it."""
    assert not [word for word in OTHERS_WORDS if word in text_of(answer)]


@pytest.mark.parametrize("role", ["owner", "caregiver", "editor"])
def test_nothing_of_another_is_found_by_its_number(site, role):
    client, other, before = site.client(role), site.seed.other, site.rows()
    asked = [(method, rule) for method, rule in TABLE
             if re.search(r"person_id|device_id|talk_id|incident_id|miss_id", rule)]
    assert len(asked) > 20
    for method, rule in asked:
        address, fields = filled(rule, site, other), form_of(rule, forms(site, role))
        answer = client.get(address) if method == "GET" else site.post(client, address, fields)
        if role == "editor" and "/teach/" in rule:
            told(answer, "forbidden", 403)
        else:
            told(answer, "not_found", 404)
        unseen(answer)
    assert site.rows() == before


def test_nor_by_its_number_behind_ones_own(site):
    client, own, other, before = site.client("owner"), site.seed.own, site.seed.other, site.rows()
    for address, fields in (
            (f"/panel/devices/{own.device}/notices/{other.notice}/cancel", {}),
            (f"/panel/people/{own.person}/invitations/{other.invitation}/revoke", {}),
            (f"/panel/people/{own.person}/members/{site.seed.accounts['neighbour']}", {"role": "viewer"}),
            (f"/panel/people/{own.person}/members/{site.seed.accounts['neighbour']}", {"role": ""})):
        answer = site.post(client, address, fields)
        told(answer, "not_found", 404)
        unseen(answer)
    assert site.rows() == before


@pytest.mark.parametrize("text, part", [("Hello妈妈，记得吃药", "“Hello”"), ("看www.baidu.com", "“www.baidu.com”"),
                                        ("😀", "“😀”")])
def test_a_message_that_no_voice_can_read_is_refused_with_the_part_that_it_cannot(site, text, part):
    client, own, before = site.client("caregiver"), site.seed.own, site.rows()
    answer = site.post(client, f"/panel/devices/{own.device}/notices", {**NOTICE, "text": text})
    assert answer.status_code == 400
    assert f"The guide cannot read this part aloud: {part}." in text_of(answer)
    # What was written is still in the form.
    assert text in text_of(answer) and site.rows() == before


@pytest.mark.parametrize("text", ["吃2片药，一天3次", "2026年12月5号8:30带300元，打12333", "下载APP", "记得吃药😀"])
def test_digits_and_known_letters_of_a_message_are_fine(site, text):
    client, own = site.client("caregiver"), site.seed.own
    assert site.post(client, f"/panel/devices/{own.device}/notices", {**NOTICE, "text": text}).status_code == 303


@pytest.mark.parametrize("path", ["/panel/figures", "/panel/figures.csv", "/panel/figures.json"])
def test_nor_their_figures(site, path):
    client, other = site.client("owner"), site.seed.other
    told(client.get(f"{path}?person={other.person}"), "not_found", 404)
    answer = client.get(f"{path}?from=2027-02-28&to=2027-03-01")
    assert answer.status_code == 200 and site.panel.title("m1") in text_of(answer)
    unseen(answer)


def test_figures_count_ones_own_people_alone(site):
    rows = site.client("owner").get("/panel/figures.json?from=2027-03-01&to=2027-03-01").json
    assert sorted(row["device"] for row in rows) == ["子家客厅", "村家客厅"]
    rows = site.client("owner").get(f"/panel/figures.json?from=2027-03-01&to=2027-03-01&person={site.seed.own.person}")
    assert [(row["device"], row["count"]) for row in rows.json] == [("子家客厅", 7)]
    assert site.client("stranger").get("/panel/figures.json").json == []


@pytest.mark.parametrize("role", ["stranger", "viewer", "owner", "editor"])
def test_nor_on_any_page_of_ones_own(site, role):
    site.post(site.client("neighbour"), f"/panel/incidents/{site.seed.other.incident}/claim")
    site.client("neighbour").get(f"/panel/people/{site.seed.other.person}/talks")
    client = site.client(role)
    for path in ("/panel/", "/panel/done", "/panel/people", "/panel/audit", "/panel/teach", "/panel/figures",
                 "/panel/account", "/panel/guide/history", f"/panel/people/{site.seed.own.person}"):
        unseen(client.get(path))
    if role == "owner":
        assert OWN in text_of(client.get("/panel/"))


def test_who_wants_nobody_to_look_is_not_looked_at(site):
    own, client = site.seed.own, site.client("owner")
    site.care.people.share(own.person, False)
    told(client.get(f"/panel/talks/{own.talk}"), "not_found", 404)
    for path in ("/panel/people/{}/talks", "/panel/figures.csv?person={}", "/panel/teach"):
        answer = client.get(path.format(own.person))
        assert answer.status_code == 200 and "子家" not in text_of(answer)
    with transaction(site.engine) as orm:
        orm.get(IncidentRow, own.incident).kind = "stuck"
    told(site.post(client, f"/panel/incidents/{own.incident}/close", {"note": "x"}), "not_found", 404)


# --- script in every field -----------------------------------------------------------------------------------

def test_what_is_written_anywhere_is_never_markup(site):
    own, client = site.seed.own, site.client("owner")
    nasty = NASTY[:40]
    for path, fields in ((f"/panel/people/{own.person}/rename", {"name": nasty}),
                         (f"/panel/devices/{own.device}/rename", {"name": nasty}),
                         (f"/panel/people/{own.person}/pair", {"code": site.seed.code, "name": nasty}),
                         ("/panel/people", {"name": nasty, "kind": "shared"})):
        assert site.post(client, path, fields).status_code == 303, path
    site.care.notices.plan(own.device, site.seed.accounts["owner"], None, NASTY, None, "once")
    with transaction(site.engine) as orm:
        orm.get(AccountRow, site.seed.accounts["caregiver"]).name = nasty
        orm.get(MissRow, own.miss).text = NASTY
        orm.get(TurnRow, (own.talk, "1")).said = NASTY
        turn = orm.get(TurnRow, (own.talk, "1"))
        turn.meaning, turn.reply = NASTY, {"sentences": [NASTY], "step": None}
        orm.query(IncidentRow).filter_by(id=own.incident).update({"node": NASTY})
        orm.query(CountRow).filter_by(device_id=own.device).update({"node": f"</script>{NASTY}"})
    site.post(site.client("caregiver"), f"/panel/incidents/{own.incident}/claim")
    seen = 0
    for path in ("/panel/", "/panel/people", f"/panel/people/{own.person}", f"/panel/devices/{own.device}",
                 f"/panel/people/{own.person}/talks", f"/panel/talks/{own.talk}", "/panel/teach",
                 f"/panel/teach/{own.miss}", "/panel/figures", "/panel/audit", f"/panel/people/{own.person}/remove",
                 "/panel/account"):
        seen += escaped(client.get(path))
    assert seen >= 10
    assert site.post(client, f"/panel/incidents/{own.incident}/close", {"note": NASTY}).status_code == 303
    assert escaped(client.get("/panel/done"))
    assert escaped(site.client("caregiver").get("/panel/account"))
    link = site.care.people.invite(own.person, "viewer", site.seed.accounts["owner"])
    assert escaped(site.client().get(f"/panel/invitations/{link}"))
    assert escaped(site.post(client, f"/panel/people/{own.person}/invite", {"role": "viewer"}))


def test_nor_what_a_form_gives_back(site):
    own, client, editor = site.seed.own, site.client("owner"), site.client("editor")
    node, fact = filled("<node_id>", site, own), filled("<fact_id>", site, own)
    revision = re.search(r'name="revision" value="([^"]*)"', text_of(editor.get(f"/panel/guide/{node}")))[1]
    answers = [
        site.log_in(site.client(), NASTY[:40], "wrong password"),
        site.post(site.client(), "/panel/first", {"code": NASTY[:20], "name": NASTY[:40], "password": NASTY}),
        site.post(client, "/panel/people", {"name": NASTY * 9, "kind": NASTY}),
        site.post(client, f"/panel/devices/{own.device}/notices", {"what": NASTY, "text": NASTY, "at": NASTY}),
        site.post(client, f"/panel/devices/{own.device}/adjust", {"pace_cpm": NASTY, "quiet_from": NASTY}),
        site.post(client, f"/panel/teach/{own.miss}", {"phrase": NASTY, "node": NASTY}),
        site.post(editor, f"/panel/guide/{node}", {"title": NASTY, "say-0": NASTY, "say-0-facts": NASTY,
                                                   "revision": revision}),
        site.post(editor, f"/panel/guide/{node}", {"title": NASTY, "say-0": NASTY, "revision": NASTY}),
        site.post(editor, f"/panel/facts/{fact}", {"claim": NASTY, "checked": NASTY, "revision": NASTY}),
        client.get("/panel/figures", query_string={"from": NASTY}),
        client.get("/panel/login", query_string={"next": NASTY}),
    ]
    assert [a.status_code for a in answers] == [403, 403, 200, 400, 400, 422, 422, 409, 422, 400, 200]
    assert sum(map(escaped, answers)) >= 8


def escaped(answer) -> bool:
    """True if the text stands there, harmless; False if it is not there. It fails if it is there as markup."""
    page = text_of(answer)
    markup = Markup(page)
    assert markup.wrong == []
    assert "<script>alert" not in page and "<b onclick" not in page
    return "&lt;script&gt;alert(1)" in page or r"\u003cscript\u003ealert(1)" in page


# --- cookies -------------------------------------------------------------------------------------------------

def cookies(answer) -> dict[str, set[str]]:
    """Name of each cookie that is set to its attributes."""
    found = {}
    for line in answer.headers.getlist("Set-Cookie"):
        name, *attributes = line.split("; ")
        found[name.partition("=")[0]] = {a for a in attributes if not a.startswith(("Expires", "Max-Age"))}
    return found


@pytest.mark.parametrize("https", [False, True])
def test_cookies_are_for_this_service_alone(site, https):
    client = site.client(https=https)
    answer = site.log_in(client, ACCOUNT_NAMES["owner"], password("owner"))
    secure = {"Secure"} if https else set()
    assert answer.status_code == 303
    assert cookies(answer) == {"panel": {"HttpOnly", "SameSite=Lax", "Path=/"} | secure}
    assert "Expires" not in answer.headers["Set-Cookie"], "it ends with the browser"
    assert ("Strict-Transport-Security" in answer.headers) == https
    scheme = "https" if https else "http"
    answer = client.post("/api/v1/device", base_url=f"{scheme}://localhost")
    assert cookies(answer) == {COOKIE: {"HttpOnly", "SameSite=Strict", "Path=/"} | secure}


def test_over_tls_a_form_of_another_site_is_refused(site):
    client = site.client("owner", https=True)
    fields = {"csrf_token": site.token(client), "name": "新名字"}
    path, base = f"/panel/people/{site.seed.own.person}/rename", "https://localhost"
    for headers in ({}, {"Referer": "https://elsewhere.example/panel/"}, {"Referer": "http://localhost/panel/"}):
        answer = client.post(path, data=fields, base_url=base, headers=headers)
        assert answer.status_code in (303, 400) and "elsewhere" not in answer.headers.get("Location", "")
        assert site.care.people.get(site.seed.accounts["owner"], site.seed.own.person, "own").name == OWN
    answer = client.post(path, data=fields, base_url=base, headers={"Referer": f"{base}/panel/people/1"})
    assert answer.status_code == 303
    assert site.care.people.get(site.seed.accounts["owner"], site.seed.own.person, "own").name == "新名字"


# --- logging in ----------------------------------------------------------------------------------------------

def logged_in(client) -> bool:
    return client.get("/panel/account").status_code == 200


def test_a_wrong_name_and_a_wrong_password_say_the_same(site):
    pages = []
    for name, secret in (("没有这人", "wrong password"), (ACCOUNT_NAMES["owner"], "wrong password"),
                         (ACCOUNT_NAMES["owner"], "x" * 256)):
        answer = site.log_in(site.client(), name, secret)
        told(answer, "login_wrong", 403)
        pages.append(re.sub(r'value="[^"]*"', "", text_of(answer)))
    assert len(set(pages)) == 1


def test_guessing_a_password_is_slowed_down(site):
    name = ACCOUNT_NAMES["owner"]
    for number in range(10):
        told(site.log_in(site.client(), f"{' ' * (number % 3)}{name}{' ' * (number % 2)}", "wrong password"),
             "login_wrong", 403)
    told(site.log_in(site.client(), name, password("owner")), "too_often", 429)
    client = site.client()
    answer = site.log_in(client, name, password("owner"), came="/panel/login")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/panel/login") and not logged_in(client)
    assert "Too many attempts." in text_of(client.get("/panel/login"))
    elsewhere = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}}
    assert site.log_in(client, name, password("owner"), **elsewhere).status_code == 303 and logged_in(client)
    assert site.log_in(site.client(), ACCOUNT_NAMES["viewer"], password("viewer")).status_code == 303


def test_guessing_many_names_is_slowed_down_too(site):
    codes = [site.log_in(site.client(), f"name {number}", "wrong password").status_code for number in range(61)]
    assert codes == [403] * 60 + [429]


def test_nothing_of_the_session_before_goes_on(site):
    client = site.client("viewer")
    with client.session_transaction() as session:
        session["planted"], session["totp_secret"] = "x", "JBSWY3DPEHPK3PXP"
    before = site.token(client)
    assert site.log_in(client, ACCOUNT_NAMES["owner"], password("owner")).status_code == 303
    with client.session_transaction() as session:
        assert "planted" not in session and "totp_secret" not in session
        assert session["_user_id"] == f"{site.seed.accounts['owner']}:0" and session["language"] == "en"
    answer = client.post("/panel/people", data={"csrf_token": before, "name": "新来的", "kind": "own"})
    told(answer, "csrf", 400)


def test_another_password_ends_every_other_log_in(site):
    here, there = site.client("owner"), site.client("owner")
    old, new = password("owner"), "another password"
    told(site.post(here, "/panel/account/password", {"old": "wrong password", "new": new}), "login_wrong", 409)
    told(site.post(here, "/panel/account/password", {"old": old, "new": "short"}), "password_weak", 409)
    told(site.post(here, "/panel/account/password", {"old": old}), "bad_request", 400)
    assert logged_in(there)
    assert site.post(here, "/panel/account/password", {"old": old, "new": new}).status_code == 303
    assert logged_in(here) and not logged_in(there)
    assert site.log_in(site.client(), ACCOUNT_NAMES["owner"], old).status_code == 403
    assert site.log_in(site.client(), ACCOUNT_NAMES["owner"], new).status_code == 303


def test_logging_out(site):
    client = site.client()
    site.log_in(client, ACCOUNT_NAMES["owner"], password("owner"))
    assert logged_in(client) and client.get_cookie("remember_token") is None
    answer = site.post(client, "/panel/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/panel/login")
    assert not logged_in(client)


@pytest.mark.parametrize("user", ["1", "1:1", "9:0", "x:0", "-1:0", "1:0:0", "", "²:0"])
def test_a_session_of_nobody_is_logged_out(site, user):
    client = site.client()
    with client.session_transaction() as session:
        session["_user_id"] = user
    answer = client.get("/panel/people")
    assert answer.status_code in (302, 303) and answer.headers["Location"].startswith("/panel/login")


def test_a_forged_session_is_none(site):
    client = site.client("owner")
    value = client.get_cookie("panel").value
    client.set_cookie("panel", value[:-3] + ("AAA" if not value.endswith("AAA") else "BBB"))
    assert not logged_in(client)


def test_a_second_factor(site):
    client, name, secret = site.client("owner"), ACCOUNT_NAMES["owner"], password("owner")
    told_once = re.search(r"<code>(\w+)</code>", text_of(client.get("/panel/account/totp")))[1]
    picture = client.get("/panel/account/totp.svg")
    assert picture.mimetype == "image/svg+xml" and b"<svg" in picture.data
    answer = site.post(client, "/panel/account/totp", {"code": "000000"})
    assert told_once in text_of(answer) and "is not right" in text_of(answer)
    code = pyotp.TOTP(told_once).at(site.now)
    assert site.post(client, "/panel/account/totp", {"code": code}).status_code == 303
    with client.session_transaction() as session:
        assert "totp_secret" not in session
    told(site.log_in(site.client(), name, secret), "totp_needed", 403)
    told(site.log_in(site.client(), name, secret, code), "totp_wrong", 403)
    told(site.log_in(site.client(), name, "wrong password", code), "login_wrong", 403)
    site.now += datetime.timedelta(seconds=60)
    code = pyotp.TOTP(told_once).at(site.now)
    here = site.client()
    assert site.log_in(here, name, secret, f"{code[:3]} {code[3:]}").status_code == 303 and logged_in(here)
    told(site.log_in(site.client(), name, secret, code), "totp_wrong", 403)
    answer = here.get("/panel/account/totp")
    assert answer.headers.get("Location") == "/panel/account", "another one needs the password first"
    told(site.post(here, "/panel/account/totp/off", {"password": "wrong password"}), "login_wrong", 409)
    assert site.post(here, "/panel/account/totp/off", {"password": secret}).status_code == 303
    assert site.log_in(site.client(), name, secret).status_code == 303


def test_the_first_owner_comes_once(site):
    told(site.post(site.client(), "/panel/first", {"code": "123456123456", "name": "甲", "password": "a password"}),
         "code_wrong", 403)
    with transaction(site.engine) as orm:
        orm.query(AccountRow).delete()
    code, client = site.care.accounts.owner_code(), site.client()
    told(site.post(client, "/panel/first", {"code": code, "name": "甲", "password": "short"}), "password_weak", 403)
    answer = site.post(client, "/panel/first", {"code": code, "name": "甲", "password": "a password"})
    assert answer.status_code == 303 and client.get("/panel/guide").status_code == 200
    told(site.post(site.client(), "/panel/first", {"code": code, "name": "乙", "password": "a password"}),
         "code_wrong", 403)


def test_logging_in_leads_nowhere_else(site):
    client = site.client()
    page = site.post(client, "/panel/login?next=https://elsewhere.example/",
                     {"name": ACCOUNT_NAMES["owner"], "password": password("owner")})
    assert page.headers["Location"] == "/panel/"


# --- bad input -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/panel/login", "/panel/people", "/panel/devices/{d}/notices", "/panel/logout",
                                  "/panel/invitations/x"])
def test_a_large_form_is_refused_at_once(site, path):
    client, before = site.client("owner"), site.rows()
    token, began = site.token(client), time.monotonic()
    body = f"csrf_token={token}&name=".encode() + b"x" * 10_000_000
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = client.post(path.format(d=site.seed.own.device), data=body, content_type=kind)
        told(answer, "too_large", 413)
    assert time.monotonic() - began < 2 and site.rows() == before


def test_the_largest_form_is_read(site):
    answer = site.post(site.client("owner"), "/panel/people", {"name": "新来的", "kind": "own",
                                                               "more": "x" * (LARGEST_FORM_BYTES - 1000)})
    assert answer.status_code == 303


@pytest.mark.parametrize("number", [0, 999_999, LARGEST_ID + 1, 2 ** 63, HUGE, -1, -HUGE, "x", "1.5", "%00", "1%00",
                                    "%F0%9F%92%A9", "'%20OR%201=1"])
def test_forged_numbers_are_not_found(site, number):
    client, before = site.client("owner"), site.rows()
    fields = {"role": "viewer", "name": "甲", "csrf_token": site.token(client)}
    for method, rule in TABLE:
        if "<int:" in rule and "/guide" not in rule and "/editors" not in rule:
            path = re.sub(r"<int:\w+>", str(number), rule)
            told(client.get(path) if method == "GET" else client.post(path, data=fields), "not_found", 404)
    assert site.rows() == before


def test_an_endless_number_is_not_found(site):
    assert site.client("owner").get(f"/panel/people/{'9' * 5000}").status_code == 404


@pytest.mark.parametrize("name", ["%00", "x%00", "%0A", "x" * 3000, "%ED%A0%80", "%FF", "..%2F..", HUGE])
def test_forged_names_are_not_found(site, name):
    client, editor = site.client("owner"), site.client("editor")
    for path in (f"/panel/talks/{name}", f"/panel/cards/{name}.a4.pdf", f"/panel/teach/check/{name}/state",
                 f"/panel/figures/{name}"):
        assert client.get(path).status_code == 404, path
    for path in (f"/panel/guide/{name}", f"/panel/facts/{name}", f"/panel/guide/check/{name}/state"):
        assert editor.get(path).status_code == 404, path
    told(site.post(editor, f"/panel/guide/{name}", {"title": "x"}), "not_found", 404)
    answer = client.get(f"/panel/invitations/{name}")
    assert answer.status_code in (404, 409) and answer.mimetype == "text/html"


@pytest.mark.parametrize("query, status", [
    ("person=x", 400), (f"person={HUGE}", 404), (f"person=-{HUGE}", 404), ("person=-1", 404), ("person=", 200),
    ("from=x", 400), ("from=2027-02-30", 400), ("from=0001-01-01", 400), ("to=0001-01-05", 200), ("to=9999-12-31", 200),
    ("from=9999-12-31", 400), ("from=2027-03-02&to=2027-03-01", 400), ("from=%00", 400), ("to=2027-03-01%00", 400),
    ("from=&to=", 200), ("from=%FF", 400), ("person=1&person=3", 200)])
def test_figures_of_no_time_or_person(site, query, status):
    client = site.client("owner")
    for path in ("/panel/figures", "/panel/figures.csv", "/panel/figures.json"):
        answer = client.get(f"{path}?{query}")
        assert answer.status_code == status, text_of(answer)
        if status != 200:
            told(answer, "bad_request" if status == 400 else "not_found", status)
        unseen(answer)


@pytest.mark.parametrize("kind", ["xml", "", "csv.gz", "CSV", "%00"])
def test_figures_of_no_kind(site, kind):
    answer = site.client("owner").get(f"/panel/figures.{kind}")
    assert answer.status_code in (400, 404) and answer.mimetype == "text/html"


@pytest.mark.parametrize("before, status", [
    ("x", 400), ("0001-01-01T00:00", 200), ("0001-01-01T00:00%2B14:00", 400), ("9999-12-31T23:59:59-14:00", 400),
    ("9999-12-31", 200), ("%00", 400), ("", 200), ("1", 400), (HUGE, 400)])
def test_talks_before_no_time(site, before, status):
    answer = site.client("owner").get(f"/panel/people/{site.seed.own.person}/talks?before={before}")
    assert (answer.status_code, answer.mimetype) == (status, "text/html")


@pytest.mark.parametrize("before, status", [("x", 400), ("", 200), (HUGE, 404), (-HUGE, 404), (0, 200), ("1.5", 400),
                                            ("%00", 400), ("9" * 5000, 400)])
def test_the_audit_list_before_no_number(site, before, status):
    assert site.client("owner").get(f"/panel/audit?before={before}").status_code == status


@pytest.mark.parametrize("name, code", [("", "name_unusable"), (" \t ", "name_unusable"), ("\0", "name_unusable"),
                                        ("\x01\x1b\u202e", "name_unusable"), (LONG, "name_unusable"),
                                        ("x" * 100_000, "name_unusable")])
def test_names_that_are_none(site, name, code):
    own, client, before = site.seed.own, site.client("owner"), site.rows()
    for path in (f"/panel/people/{own.person}/rename", f"/panel/devices/{own.device}/rename"):
        told(site.post(client, path, {"name": name}), code, 409)
    told(site.post(client, f"/panel/people/{own.person}/pair", {"name": name, "code": site.seed.code}), code, 409)
    assert site.post(client, "/panel/people", {"name": name, "kind": "own"}).status_code == 200
    assert site.rows() == before


def test_names_lose_what_cannot_be_printed(site):
    own, client = site.seed.own, site.client("owner")
    for path in (f"/panel/people/{own.person}/rename", f"/panel/devices/{own.device}/rename"):
        assert site.post(client, path, {"name": "新\0名\r\n字\x1b"}).status_code == 303
    site.post(client, f"/panel/people/{own.person}/pair", {"name": "厨\0房", "code": site.seed.code})
    with transaction(site.engine) as orm:
        details = {detail for detail, in orm.query(AuditRow.detail).filter(AuditRow.person_id == own.person)}
    assert {"新 名 字", "厨 房"} <= details and all(detail.isprintable() for detail in details)
    assert [d.name for d in site.care.devices.of_person(own.person)] == ["新 名 字", "厨 房"]
    assert site.care.people.get(site.seed.accounts["owner"], own.person, "own").name == "新 名 字"


@pytest.mark.parametrize("number", ["430402195001011234", "13800001234", "１３８ ００００ １２３４"])
def test_a_persons_name_is_no_number(site, number):
    told(site.post(site.client("owner"), f"/panel/people/{site.seed.own.person}/rename", {"name": number}),
         "name_number", 409)


@pytest.mark.parametrize("change, code", [
    ({"text": ""}, "notice_empty"), ({"text": "\0"}, "notice_empty"), ({"text": LONG}, "notice_long"),
    ({"text": "打 13800001234"}, "notice_number"), ({"what": "x"}, "bad_request"),
    ({"repeats": "hourly"}, "bad_request"), ({"node": "no_such_node", "what": "node"}, "bad_request"),
    ({"at": "x"}, "bad_request"),
    ({"at": "2027-02-30T10:00"}, "bad_request"), ({"at": "0001-01-01T00:00"}, "bad_request"),
    ({"at": "99999-01-01T00:00"}, "bad_request"), ({"at": "2027-03-02T10:00\0"}, "bad_request")])
def test_notices_that_cannot_be(site, change, code):
    client, before = site.client("owner"), site.rows()
    page = site.post(client, f"/panel/devices/{site.seed.own.device}/notices", {**NOTICE, **change})
    told(page, code, 400)
    assert site.rows() == before


def test_notices_at_the_ends_of_time(site):
    client, device = site.client("owner"), site.seed.own.device
    for at, repeats in (("9999-12-31T12:00", "yearly"), ("1971-01-01T00:00", "monthly"), ("2027-03-01T23:30", "daily")):
        assert site.post(client, f"/panel/devices/{device}/notices", {**NOTICE, "at": at, "repeats": repeats}
                         ).status_code == 303
    assert client.get(f"/panel/devices/{device}").status_code == 200
    site.care.notices.come_due()
    assert site.care.notices.waiting(device) is not None
    assert client.get(f"/panel/devices/{device}").status_code == 200


def test_in_quiet_hours_nothing_comes_due(site):
    client, device = site.client("owner"), site.seed.own.device
    local = site.now.astimezone()
    quiet = {"quiet_from": f"{local - datetime.timedelta(hours=1):%H:%M}",
             "quiet_to": f"{local + datetime.timedelta(hours=1):%H:%M}"}
    assert site.post(client, f"/panel/devices/{device}/adjust", {**ADJUSTMENT, **quiet}).status_code == 303
    assert site.post(client, f"/panel/devices/{device}/notices", NOTICE).status_code == 303
    site.care.notices.come_due()
    assert site.care.notices.waiting(device) is None
    site.now += datetime.timedelta(hours=1, minutes=1)
    site.care.notices.come_due()
    assert site.care.notices.waiting(device) is not None


@pytest.mark.parametrize("change", [
    {"pace_cpm": "1"}, {"pace_cpm": "9" * 5000}, {"loudness_db": "nan"}, {"wait_s": "inf"}, {"detail": "x"},
    {"voice": "no-such-voice"}, {"quiet_from": "25:00", "quiet_to": "07:00"}, {"quiet_from": "22:00"},
    {"quiet_to": "x"}, {"pace_cpm": ""}, {"detail": "usual\0"}])
def test_settings_that_are_none(site, change):
    before = site.rows()
    path = f"/panel/devices/{site.seed.own.device}/adjust"
    told(site.post(site.client("owner"), path, {**ADJUSTMENT, **change}), "bad_request", 400)
    assert site.rows() == before


@pytest.mark.parametrize("role", ["admin", "Owner", "\0", LONG, "owner "])
def test_roles_that_are_none(site, role):
    person, before = site.seed.own.person, site.rows()
    for path in (f"/panel/people/{person}/invite", f"/panel/people/{person}/members/{site.seed.accounts['viewer']}"):
        told(site.post(site.client("owner"), path, {"role": role}), "role_unknown", 409)
    assert site.rows() == before


def test_half_a_form_takes_no_role_away(site):
    person, viewer, before = site.seed.own.person, site.seed.accounts["viewer"], site.rows()
    told(site.post(site.client("owner"), f"/panel/people/{person}/members/{viewer}"), "bad_request", 400)
    assert site.rows() == before
    assert site.post(site.client("owner"), f"/panel/people/{person}/members/{viewer}", {"role": ""}).status_code == 303
    assert viewer not in {m.account_id for m in site.care.people.members(person)}


def test_somebody_stays_the_owner(site):
    own, owner, client = site.seed.own, site.seed.accounts["owner"], site.client("owner")
    for path, fields in ((f"members/{owner}", {"role": "viewer"}), (f"members/{owner}", {"role": ""}), ("leave", {})):
        told(site.post(client, f"/panel/people/{own.person}/{path}", fields), "last_owner", 409)


@pytest.mark.parametrize("body, status", [(b"name=%FF%FE&kind=own", 303), (b"name=\xff\xfe&kind=own", 400),
                                          (b"name=%ED%A0%80&kind=own", 303), (b"name=%E5%A4&kind=own&=&&;=%", 303)])
def test_a_form_that_is_no_utf8_makes_no_fault(site, body, status):
    client = site.client("owner")
    known = {p.name for p in site.care.people.of(site.seed.accounts["owner"])}
    answer = client.post("/panel/people", data=f"csrf_token={site.token(client)}&".encode() + body,
                         content_type="application/x-www-form-urlencoded")
    new = {p.name for p in site.care.people.of(site.seed.accounts["owner"])} - known
    assert answer.status_code == status and len(new) == (status == 303)
    assert all(name.isprintable() and name in html.unescape(text_of(client.get("/panel/people"))) for name in new)


def test_of_a_field_that_comes_twice_the_first_counts(site):
    site.post(site.client("owner"), f"/panel/people/{site.seed.own.person}/rename", {"name": ["第一个", "第二个"]})
    names = {p.name for p in site.care.people.of(site.seed.accounts["owner"])}
    assert "第一个" in names and "第二个" not in names


def test_a_note_that_is_too_long(site):
    path, before = f"/panel/incidents/{site.seed.own.incident}/close", site.rows()
    told(site.post(site.client("owner"), path, {"note": LONG}), "bad_request", 400)
    assert site.rows() == before
    site.post(site.client("owner"), path, {"note": "我叫王小明\0，13800001234"})
    kept = "\n".join(site.rows())
    assert "王小明" not in kept and "13800001234" not in kept and "〔号码〕" in kept


@pytest.mark.parametrize("phrase", ["\0\x01", "\0我要查\x1b社保", LONG, "", "{{ 7*7 }}", "- a: [", "啊" * 200])
def test_phrases_that_cannot_be_taught(site, phrase):
    answer = site.post(site.client("owner"), f"/panel/teach/{site.seed.own.miss}", {"phrase": phrase, "node": "m1"})
    assert answer.status_code in (400, 422) and answer.mimetype == "text/html", answer.headers
    assert site.publishing.history() == []


@pytest.mark.parametrize("referrer", [
    "http://[", "https://elsewhere.example/panel/people", "http://localhost/", "\\\\x", "javascript:x",
    "http://localhost.elsewhere.example/panel/people", "//localhost/panel"])
def test_no_form_leads_elsewhere(site, referrer):
    client = site.client("owner")
    for path, fields in (("/panel/language", {"language": "en"}),
                         (f"/panel/people/{site.seed.own.person}/rename", {"name": ""})):
        answer = client.post(path, data={"csrf_token": site.token(client), **fields}, headers={"Referer": referrer})
        assert answer.status_code == 303
        assert answer.headers["Location"] == ("/panel" if referrer == "//localhost/panel" else "/panel/")


def test_a_fault_is_told_where_the_form_was(site):
    client, page = site.client("owner"), f"/panel/people/{site.seed.own.person}"
    answer = site.post(client, f"{page}/rename", {"name": ""}, came=f"{page}?x=1")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{page}?x=1")
    assert "The name is empty or too long." in text_of(client.get(page))
    assert "The name is empty or too long." not in text_of(client.get(page))


# --- codes and invitations -----------------------------------------------------------------------------------

def test_a_pairing_code_works_once(site):
    own, client = site.seed.own, site.client("owner")
    path, fields = f"/panel/people/{own.person}/pair", {"code": f" {site.seed.code} ", "name": "厨房"}
    wrong = "000000" if site.seed.code != "000000" else "111111"
    for code in (wrong, "", "x", "9" * 13, "\0" * 6, "１２３４５６"):
        told(site.post(client, path, {"code": code, "name": "厨房"}), "code_wrong", 409)
    assert site.post(client, path, fields).status_code == 303
    told(site.post(client, path, fields), "code_wrong", 409)
    assert [d.name for d in site.care.devices.of_person(own.person)] == ["子家客厅", "厨房"]
    assert site.care.devices.by_token(site.seed.waiting).person == OWN


@pytest.mark.parametrize("by", [datetime.timedelta(minutes=10, seconds=1), -datetime.timedelta(hours=1)])
def test_a_pairing_code_is_soon_too_old(site, by):
    site.now += by
    told(site.post(site.client("owner"), f"/panel/people/{site.seed.own.person}/pair",
                   {"code": site.seed.code, "name": "厨房"}), "code_expired", 409)


def test_guessing_a_pairing_code_is_slowed_down(site):
    client, path = site.client("owner"), f"/panel/people/{site.seed.own.person}/pair"
    for _ in range(10):
        told(site.post(client, path, {"code": "x", "name": "厨房"}), "code_wrong", 409)
    told(site.post(client, path, {"code": site.seed.code, "name": "厨房"}), "too_often", 429)


def test_an_invitation_works_once(site):
    path = f"/panel/invitations/{site.seed.own.link}"
    told(site.client().get("/panel/invitations/no-such-link"), "invitation_wrong", 409)
    answer = site.post(site.client(), path, {"name": ACCOUNT_NAMES["owner"], "password": "a password"})
    told(answer, "name_taken", 200)
    told(site.post(site.client(), path, {"name": "新客", "password": "short"}), "password_weak", 200)
    client = site.client()
    assert site.post(client, path, {"name": "新客", "password": "a new password"}).status_code == 303
    assert client.get(f"/panel/people/{site.seed.own.person}").status_code == 200
    assert client.get(f"/panel/people/{site.seed.place.person}").status_code == 404
    for visitor in (site.client(), site.client("stranger")):
        told(visitor.get(path), "invitation_used", 409)
        told(site.post(visitor, path, {"name": "又一个", "password": "a new password"}), "invitation_used", 409)


def test_an_invitation_ends(site):
    path, own = f"/panel/invitations/{site.seed.own.link}", site.seed.own
    site.now += INVITATION_LASTS + datetime.timedelta(seconds=1)
    told(site.client("stranger").get(path), "invitation_expired", 409)
    told(site.post(site.client("stranger"), path), "invitation_expired", 409)
    site.now -= datetime.timedelta(seconds=2)
    assert OWN in text_of(site.client().get(path))
    site.post(site.client("owner"), f"/panel/people/{own.person}/invitations/{own.invitation}/revoke")
    told(site.client().get(path), "invitation_wrong", 409)


def test_an_invitation_takes_no_right_away(site):
    owner = site.client("owner")
    assert site.post(owner, f"/panel/invitations/{site.seed.own.link}").status_code == 303
    assert site.care.people.get(site.seed.accounts["owner"], site.seed.own.person, "own").role == "owner"


# --- a database that does not answer -------------------------------------------------------------------------

def test_while_another_writes_nothing_is_lost_and_it_is_said(site):
    client, path = site.client("owner"), f"/panel/people/{site.seed.own.person}/rename"
    with contextlib.closing(sqlite3.connect(site.file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        told(site.post(client, path, {"name": "新名字"}), "store_failed", 503)
        told(client.get(f"/panel/people/{site.seed.own.person}/talks"), "store_failed", 503)
        answer = client.post("/api/v1/device")
        assert (answer.status_code, answer.json["error"]["code"]) == (503, "store_failed")
        assert time.monotonic() - began < 2
        other.execute("ROLLBACK")
    assert site.post(client, path, {"name": "新名字"}).status_code == 303
    assert "新名字" in text_of(client.get("/panel/people"))


def test_without_its_file_it_says_so_until_it_is_back(site):
    client, path = site.client("owner"), f"/panel/people/{site.seed.own.person}/rename"
    token, aside = site.token(client), site.file.with_suffix(".aside")
    os.rename(site.file, aside)
    for answer in (client.get("/panel/"), client.get("/panel/login"),
                   client.post(path, data={"csrf_token": token, "name": "新名字"})):
        told(answer, "store_failed", 503)
    os.rename(aside, site.file)
    assert client.post(path, data={"csrf_token": token, "name": "新名字"}).status_code == 303
    assert "新名字" in text_of(client.get("/panel/people"))


def test_what_nobody_expected_is_told_without_its_text(site, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError(f"about {OWN}")
    monkeypatch.setattr(type(site.care.people), "rename", fail)
    answer = site.post(site.client("owner"), f"/panel/people/{site.seed.own.person}/rename", {"name": "新名字"})
    told(answer, "internal", 500)
    assert OWN not in text_of(answer) and OWN not in caplog.text and "RuntimeError" in caplog.text


# --- texts ---------------------------------------------------------------------------------------------------

NOT_ON_PAGES = {"device_gone": "the device's own API", "settings_invalid": "the command line"}


def codes_of(source: str) -> set[str]:
    """Codes of errors that a module can raise."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Refused":
            codes = {part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)}
            assert codes, "the code must stand there"
            found |= codes
        elif isinstance(node, ast.ClassDef):
            found |= {part.value.value for part in node.body if isinstance(part, ast.Assign)
                      and getattr(part.targets[0], "id", "") == "code" and isinstance(part.value, ast.Constant)}
    return found


def test_every_error_of_a_page_has_its_text(site):
    files = [*(ROOT / "service" / "care").glob("*.py"), *(ROOT / "service" / "content").glob("*.py"),
             *(ROOT / "service" / "web" / "panel").glob("*.py")]
    found = set().union(*(codes_of(file.read_text(encoding="utf-8")) for file in files))
    assert {"login_wrong", "undone_already", "phrase_marked", "edit_stale"} <= found
    missing = {code for code in found - BY_CODE.keys() - NOT_ON_PAGES.keys() if not code.startswith("backup_")}
    assert not missing
    raised = {"store_failed", "not_found", "bad_request", "forbidden", "internal", "voice_failed", "content_invalid"}
    assert raised <= BY_CODE.keys()


@pytest.fixture(scope="module")
def chinese():
    with (TRANSLATIONS / "zh" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale="zh")


def test_every_translation_is_there_and_has_its_places(chinese):
    assert [(message.id, [str(e) for e in errors]) for message, errors in chinese.check()] == []
    for message in chinese:
        if message.id:
            source = message.id if isinstance(message.id, tuple) else (message.id,)
            target = message.string if isinstance(message.string, tuple) else (message.string,)
            assert all(target) and not message.fuzzy, message.id
            places = {place for text in source for place in re.findall(r"%\(\w+\)[sd]", text)}
            for text in target:
                assert set(re.findall(r"%\(\w+\)[sd]", text)) == places, message.id


def test_every_text_of_the_panel_is_translated(chinese):
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    keywords = {**DEFAULT_KEYWORDS, "_l": None, "lazy_gettext": None}
    wanted = {ROOT, ROOT / "service", ROOT / "service" / "web"}
    below = (ROOT / "service" / "web" / "panel", ROOT / "service" / "web" / "templates")

    def inside(path) -> bool:
        return any(str(path) == str(known) for known in wanted) or str(path).startswith(tuple(map(str, below)))
    found = {message if isinstance(message, str) else message[0] for _, _, message, *_ in extract_from_dir(
        str(ROOT), methods, options, keywords=keywords, directory_filter=inside)}
    assert len(found) > 300
    kept = {message.id if isinstance(message.id, str) else message.id[0] for message in chinese if message.id}
    assert found - kept == set(), "without a translation"
    assert kept - found == set(), "used nowhere any more"


def test_the_language_is_switched_and_kept(site):
    client = site.client()
    assert '<html lang="en">' in text_of(client.get("/panel/login"))
    answer = site.post(client, "/panel/language", {"language": "zh"}, came="/panel/login")
    assert answer.headers["Location"] == "/panel/login"
    page = text_of(client.get("/panel/login"))
    assert '<html lang="zh-CN">' in page and "登录" in page and "Log in" not in page
    site.log_in(client, ACCOUNT_NAMES["owner"], password("owner"))
    assert '<html lang="en">' in text_of(client.get("/panel/")), "that of the account"
    site.post(client, "/panel/language", {"language": "zh"}, came="/panel/people")
    assert '<html lang="zh-CN">' in text_of(site.client("owner").get("/panel/")), "also elsewhere"
    page = text_of(site.post(client, "/panel/people", {"name": "", "kind": "own"}))
    assert "This field is required" not in page and "Add somebody" not in page


@pytest.mark.parametrize("language", ["", "de", "zh\0", LONG, "../en"])
def test_languages_that_are_none(site, language):
    client, before = site.client("owner"), site.rows()
    told(site.post(client, "/panel/language", {"language": language}), "bad_request", 400)
    assert site.rows() == before


# --- the device ----------------------------------------------------------------------------------------------

def test_a_page_becomes_a_device_once(site):
    client = site.client()
    answer = client.post("/api/v1/device")
    assert answer.status_code == 201 and not answer.json["paired"]
    token = client.get_cookie(COOKIE).value
    answer = client.post("/api/v1/device")
    assert answer.status_code == 200 and client.get_cookie(COOKIE).value == token
    assert token not in "\n".join(site.rows()) and token not in text_of(answer)


def test_a_device_tells_how_it_is_and_hears_how_it_is_set(site):
    client, own = site.client(), site.seed.own
    client.set_cookie(COOKIE, own.token)
    answer = client.post("/api/v1/device/check", json={"listening": False, "sounding": True})
    assert answer.status_code == 200 and answer.json["paired"] and answer.json["notice"] is None
    assert "Cannot hear" in text_of(site.client("viewer").get("/panel/"))
    with transaction(site.engine) as orm:
        orm.get(NoticeRow, own.notice).next_at = site.now
    site.care.notices.come_due()
    answer = client.post("/api/v1/device/check", json={"listening": True, "sounding": True})
    assert answer.json["notice"] and "留言" not in text_of(answer)


@pytest.mark.parametrize("body", [None, {}, {"listening": 1, "sounding": True}, {"listening": True}, [], "x",
                                  {"listening": True, "sounding": True, "id": 1}])
def test_what_a_device_cannot_say(site, body):
    client, before = site.client(), site.rows()
    client.set_cookie(COOKIE, site.seed.own.token)
    answer = client.post("/api/v1/device/check", json=body)
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "bad_request") and site.rows() == before


@pytest.mark.parametrize("token", ["", "x", "\u00ff", "x" * 4000, "1 OR 1=1"])
def test_a_forged_device_is_none(site, token):
    client = site.client()
    client.set_cookie(COOKIE, token)
    answer = client.post("/api/v1/device/check", json={"listening": True, "sounding": True})
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "device_gone")


def test_a_device_that_was_cut_off_forgets_what_it_was(site):
    client, own = site.client(), site.seed.own
    client.set_cookie(COOKIE, own.token)
    assert site.post(site.client("owner"), f"/panel/devices/{own.device}/revoke").status_code == 303
    answer = client.post("/api/v1/device/check", json={"listening": True, "sounding": True})
    assert answer.status_code == 401 and client.get_cookie(COOKIE) is None
    told(site.client("owner").get(f"/panel/devices/{own.device}"), "not_found", 404)
    assert client.post("/api/v1/device").status_code == 201 and client.get_cookie(COOKIE).value != own.token


# --- events --------------------------------------------------------------------------------------------------

TOLD = "event: changed\ndata:\n\n"
NOT_TOLD_WITHIN_S = 0.8
"""The feed looks two times within it."""


class Streams:
    """The whole ASGI application of a site, with the feed running."""

    def __init__(self, site: PanelSite):
        self.site, self.pool, self._stop = site, ThreadPoolExecutor(2), threading.Event()
        streams = events.Events(site.care, site.flask, panel_topics, self.pool)
        self.application = _asgi(site.flask, None, streams, None, "all")
        self._feed = threading.Thread(target=site.care.feed.run, args=(self._stop,))
        self._feed.start()

    def close(self) -> None:
        self._stop.set()
        self._feed.join()
        self.pool.shutdown()

    def hear(self, path: str, cookie: str, change, wait_s: float = 2.0) -> tuple[int, str]:
        """(status, what was told within the time after ``change``, at most once)."""
        return asyncio.run(self._hear(path, cookie, change, wait_s))

    async def _hear(self, path: str, cookie: str, change, wait_s: float) -> tuple[int, str]:
        sent, gone = asyncio.Queue(), asyncio.Event()

        async def receive() -> dict:
            await gone.wait()
            return {"type": "http.disconnect"}
        scope = {"type": "http", "method": "GET", "path": path, "headers": [(b"cookie", cookie.encode())]}
        running = asyncio.create_task(self.application(scope, receive, sent.put))
        status = (await asyncio.wait_for(sent.get(), 5))["status"]
        first = (await asyncio.wait_for(sent.get(), 5))["body"].decode()
        text = ""
        if status == 200:
            assert first.startswith("retry:")
            await asyncio.get_running_loop().run_in_executor(None, change)
            with contextlib.suppress(asyncio.TimeoutError):
                text = (await asyncio.wait_for(sent.get(), wait_s))["body"].decode()
        gone.set()
        await asyncio.wait_for(running, 5)
        return status, text


@pytest.fixture
def streams(tmp_path, made):
    site = PanelSite(tmp_path, *made)
    streams = Streams(site)
    yield streams
    streams.close()
    site.close()


def cookie_of(client) -> str:
    return f"panel={client.get_cookie('panel').value}"


@pytest.mark.parametrize("path", events.PATHS)
@pytest.mark.parametrize("cookie", ["", "panel=x; device=x", "device=\"", "panel=; device=", "=;;,"])
def test_nobody_hears_nothing(streams, path, cookie):
    assert streams.hear(path, cookie, lambda: None) == (401, "")


def test_who_is_not_logged_in_hears_nothing(streams):
    assert streams.hear(events.PANEL_PATH, cookie_of(streams.site.client()), lambda: None) == (401, "")
    assert streams.hear(events.PANEL_PATH, f"device={streams.site.seed.own.token}", lambda: None) == (401, "")


@pytest.mark.parametrize("role, heard", [("viewer", TOLD), ("owner", TOLD), ("neighbour", ""), ("stranger", "")])
def test_a_page_hears_of_its_own_people_alone(streams, role, heard):
    site, before = streams.site, time.monotonic()
    page = cookie_of(site.client(role))
    told_it = streams.hear(events.PANEL_PATH, page, lambda: site.care.history.claim(
        site.seed.own.incident, site.seed.accounts["owner"]), 2.0 if heard else NOT_TOLD_WITHIN_S)
    assert told_it == (200, heard) and time.monotonic() - before < 3


@pytest.mark.parametrize("whose, heard", [("own", TOLD), ("other", ""), ("place", "")])
def test_a_device_hears_of_itself_alone(streams, whose, heard):
    site = streams.site
    household = getattr(site.seed, whose)
    device = site.care.devices.by_token(household.token)
    told_it = streams.hear(events.DEVICE_PATH, f"device={site.seed.own.token}",
                           lambda: site.care.devices.adjust(device.id, device.adjustment),
                           2.0 if heard else NOT_TOLD_WITHIN_S)
    assert told_it == (200, heard)


def test_a_device_that_is_cut_off_hears_it_and_then_no_more(streams):
    site, cookie = streams.site, f"device={streams.site.seed.own.token}"
    assert streams.hear(events.DEVICE_PATH, cookie,
                        lambda: site.care.devices.revoke(site.seed.own.device)) == (200, TOLD)
    assert streams.hear(events.DEVICE_PATH, cookie, lambda: None) == (401, "")


def test_whose_role_was_taken_away_hears_no_more(streams):
    site = streams.site
    page, people = cookie_of(site.client("viewer")), site.care.people
    for person in (site.seed.own.person, site.seed.place.person):
        people.set_role(person, site.seed.accounts["viewer"], None)
    assert streams.hear(events.PANEL_PATH, page, lambda: people.rename(site.seed.own.person, "新名字"),
                        NOT_TOLD_WITHIN_S) == (200, "")


def test_who_changed_the_password_elsewhere_hears_no_more(streams):
    site = streams.site
    page = cookie_of(site.client("owner"))
    site.care.accounts.change_password(site.seed.accounts["owner"], password("owner"), "another password")
    assert streams.hear(events.PANEL_PATH, page, lambda: None) == (401, "")


def test_while_the_database_is_away_nobody_hears_anything(streams):
    site = streams.site
    page = cookie_of(site.client("owner"))
    os.rename(site.file, site.file.with_suffix(".aside"))
    for path, cookie in ((events.PANEL_PATH, page), (events.DEVICE_PATH, f"device={site.seed.own.token}")):
        assert streams.hear(path, cookie, lambda: None) == (401, "")
    os.rename(site.file.with_suffix(".aside"), site.file)
    assert streams.hear(events.PANEL_PATH, page, lambda: site.care.people.rename(site.seed.own.person, "新名字")
                        ) == (200, TOLD)


# --- logs ----------------------------------------------------------------------------------------------------

def test_the_log_has_nothing_private(site, caplog):
    caplog.set_level(logging.INFO)
    own, client, secret = site.seed.own, site.client("owner"), "another password"
    link = site.care.people.invite(own.person, "viewer", site.seed.accounts["owner"])
    for _ in range(12):
        site.log_in(site.client(), ACCOUNT_NAMES["owner"], "a wrong password")
        site.post(client, f"/panel/people/{own.person}/pair", {"code": "987654", "name": "秘密厨房"})
    site.panel.limiter.reset()
    for path, fields in (
            (f"/panel/people/{own.person}/pair", {"code": site.seed.code, "name": "秘密厨房"}),
            (f"/panel/people/{own.person}/rename", {"name": "秘密名字"}), ("/panel/people", {"name": "秘密名字二"}),
            (f"/panel/devices/{own.device}/rename", {"name": "秘密客厅"}),
            (f"/panel/devices/{own.device}/notices", {**NOTICE, "text": "秘密留言"}),
            (f"/panel/incidents/{own.incident}/close", {"note": "秘密备注"}),
            (f"/panel/teach/{own.miss}", {"phrase": "秘密的话", "node": ""}),
            ("/panel/account/password", {"old": password("owner"), "new": secret}),
            (f"/panel/invitations/{link}", {}), ("/panel/first", {"code": "987654987654", "name": "秘密名字",
                                                                 "password": secret})):
        assert site.post(client, path, fields).status_code < 500
    site.post(site.client(), f"/panel/invitations/{own.link}", {"name": "秘密客人", "password": secret})
    device = site.client()
    device.set_cookie(COOKIE, own.token)
    device.post("/api/v1/device/check", json={"listening": True, "sounding": True})
    with contextlib.closing(sqlite3.connect(site.file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        site.post(client, f"/panel/people/{own.person}/rename", {"name": "秘密名字三"})
        other.execute("ROLLBACK")
    assert "store_failed" in caplog.text and "ratelimit" in caplog.text, "something was logged"
    private = ["秘密", OWN, "子家", *ACCOUNT_NAMES.values(), "wrong password", secret, *map(password, ROLES), "987654",
               site.seed.code, own.token, own.link, link, site.seed.waiting]
    assert [word for word in private if word in caplog.text] == []
