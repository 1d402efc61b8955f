"""What somebody may try who knows how such services are broken, where the panel's own tests do not try it."""

import logging
import re
import ssl

import pytest

from service.care.accounts import LOG_IN_LASTS
from service.server import configured
from service.settings import Settings
from service.store.tables import MetaRow
from service.tls import open_certificate
from service.web.device import COOKIE
from tests.web.panel_site import ACCOUNT_NAMES, PanelSite, make_template, password, prompts_copy, text_of

API = "/api/v1"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attacks")
    site = PanelSite(folder, make_template(folder), prompts_copy(folder), folder / "translations")
    yield site
    site.close()


@pytest.fixture(autouse=True)
def as_before(site):
    site.reset()


def logged_in(client) -> bool:
    return client.get("/panel/account").status_code == 200


def came_in(site, role: str = "owner"):
    """A browser in which somebody has logged in."""
    client = site.client()
    assert site.log_in(client, ACCOUNT_NAMES[role], password(role)).status_code == 303
    return client


# --- log-ins -----------------------------------------------------------------------------------------

def test_a_cookie_that_was_copied_is_worth_nothing_after_logging_out(site):
    client, thief = came_in(site), site.client()
    thief.set_cookie("panel", client.get_cookie("panel").value)
    assert logged_in(thief)
    site.post(client, "/panel/logout")
    assert not logged_in(thief)
    # Who put it back into the own browser is no better off, and may log in as ever.
    client.set_cookie("panel", thief.get_cookie("panel").value)
    assert not logged_in(client)
    assert logged_in(came_in(site))


def test_logging_out_here_ends_nothing_elsewhere(site):
    here, there, other = came_in(site), came_in(site), came_in(site, "viewer")
    site.post(here, "/panel/logout")
    assert logged_in(there) and logged_in(other)


def test_what_was_ended_is_forgotten_when_its_cookie_is_too_old_anyhow(site):
    site.post(came_in(site), "/panel/logout")
    site.now += LOG_IN_LASTS
    site.post(came_in(site), "/panel/logout")
    with site.engine.connect() as connection:
        assert len(connection.execute(MetaRow.__table__.select().where(MetaRow.key.like("ended:%"))).all()) == 1
    assert site.flask.permanent_session_lifetime == LOG_IN_LASTS


def test_who_changed_the_password_can_still_log_out(site):
    client, thief = came_in(site), site.client()
    assert site.post(client, "/panel/account/password",
                     {"old": password("owner"), "new": "another password"}).status_code == 303
    thief.set_cookie("panel", client.get_cookie("panel").value)
    site.post(client, "/panel/logout")
    assert not logged_in(client) and not logged_in(thief)


def test_a_name_that_nobody_has_costs_as_much_work_as_a_wrong_password(site, monkeypatch):
    accounts, tried = site.care.accounts, []
    site.log_in(site.client(), "没有这人", "wrong password")
    hasher = accounts._hasher

    class Counting:
        def verify(self, kept, secret):
            tried.append(kept.split("$")[:4])
            return hasher.verify(kept, secret)
    monkeypatch.setattr(accounts, "_hasher", Counting())
    for name in ("没有这人", ACCOUNT_NAMES["owner"]):
        assert site.log_in(site.client(), name, "wrong password").status_code == 403
    # Of the same kind, with the same memory and time.
    assert len(tried) == 2 and tried[0] == tried[1]


@pytest.mark.parametrize("secret, code", [("a" * 8, "password_weak"), ("abcdefg", "password_weak"), ("", None),
                                          ("ä中文 🙂 password", ""), ("correct horse " * 5, ""), ("x y" * 60, "")])
def test_which_passwords_may_be_chosen(site, secret, code):
    answer = site.post(came_in(site), "/panel/account/password", {"old": password("owner"), "new": secret})
    assert (answer.status_code == 303) == (code == "")
    # Nothing is cut off, changed or left out of it.
    assert (site.log_in(site.client(), ACCOUNT_NAMES["owner"], secret).status_code == 303) == (code == "")
    assert site.log_in(site.client(), ACCOUNT_NAMES["owner"], secret[:-1]).status_code in (200, 403)


def test_who_came_in_and_who_was_refused_is_in_the_log_without_names(site, caplog):
    caplog.set_level(logging.INFO)
    came_in(site)
    site.log_in(site.client(), ACCOUNT_NAMES["owner"], "wrong password")
    assert f"account {site.seed.accounts['owner']} logged in" in caplog.text
    assert "log-in refused: login_wrong" in caplog.text
    assert ACCOUNT_NAMES["owner"] not in caplog.text and "wrong password" not in caplog.text


def test_cookies_say_nothing_that_others_could_use(site):
    client = came_in(site)
    with client.session_transaction() as session:
        # Signed, not encrypted: whoever has the browser can read it.
        assert set(session) <= {"_user_id", "_fresh", "language", "log_in", "csrf_token", "_id", "_flashes"}
    assert not client.get_cookie(COOKIE)


# --- addresses ---------------------------------------------------------------------------------------

OUTSIDE = ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "..\\app.py", "....//app.py", "/etc/passwd", "%2fetc%2fpasswd",
           "..%252fapp.py", "kiosk.js%00.py", "C:/windows/win.ini", "vendor/../../app.py")


@pytest.mark.parametrize("folder", ["/static/", "/nodes/", "/panel/guide/", "/panel/cards/"])
def test_no_address_leads_out_of_its_folder(site, folder):
    client = site.client("editor")
    for path in OUTSIDE:
        answer = client.get(folder + path)
        assert answer.status_code in (308, 400, 404, 405), (folder, path)
        assert b"create_app" not in answer.data and b"root:" not in answer.data


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example/", "/\\elsewhere.example",
                                    "javascript:alert(1)",
                                    "/panel/people\r\nSet-Cookie: a=b"])
def test_no_log_in_leads_elsewhere(site, target):
    client = site.client()
    token = {"csrf_token": site.token(client), "name": ACCOUNT_NAMES["owner"], "password": password("owner"),
             "code": ""}
    answer = client.post("/panel/login", query_string={"next": target}, data=token)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/panel/")
    assert "a" not in {c.partition("=")[0] for c in answer.headers.getlist("Set-Cookie")}


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a%0d%0aX-Evil:%201"])
def test_no_input_becomes_a_header(site, value):
    client = site.client("owner")
    answers = [site.post(client, "/panel/language", {"language": value}), client.get(f"/nodes/{value}"),
               client.get("/panel/figures.csv", query_string={"from": value}),
               site.post(client, f"/panel/people/{site.seed.own.person}/rename", {"name": value})]
    assert all("X-Evil" not in answer.headers and answer.status_code < 500 for answer in answers)


@pytest.mark.parametrize("headers", [{"Origin": "http://["}, {"Host": "["}, {"Host": "a b"}, {"Referer": "http://["},
                                     {"Cookie": "panel=\x80; device=\x80"}, {"Content-Length": "-1"},
                                     {"X-Forwarded-For": "\xff"}])
def test_headers_that_are_none_make_no_fault(site, headers):
    client = site.client()
    for method, path in (("POST", f"{API}/device"), ("GET", "/panel/login"), ("GET", "/"), ("POST", "/panel/language")):
        assert client.open(path, method=method, headers=headers).status_code < 500, path


# --- methods -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND"])
def test_other_methods_do_nothing(site, method):
    client, before = site.client("owner"), site.rows()
    for path in ("/panel/people", f"/panel/people/{site.seed.own.person}/remove", "/panel/account/password", "/",
                 f"{API}/device", f"{API}/voices"):
        assert client.open(path, method=method).status_code in (400, 404, 405), path
    assert site.rows() == before


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_nor_by_a_header(site, header):
    answer = site.client("owner").get(f"/panel/people/{site.seed.own.person}", headers={header: "POST"})
    assert answer.status_code == 200


# --- what is not told --------------------------------------------------------------------------------

def test_no_answer_says_what_the_service_is_made_of(site, monkeypatch):
    client = site.client("owner")
    monkeypatch.setattr(site.panel.care.audit, "entries", lambda *_: 1 / 0)
    for path in ("/panel/audit", "/panel/nowhere", f"{API}/nowhere", f"{API}/sessions/x"):
        page = text_of(client.get(path))
        assert not re.search(r"Traceback|File \"|ZeroDivision|sqlalchemy|werkzeug|flask|python", page,
                             re.IGNORECASE), path


# --- lines -------------------------------------------------------------------------------------------

def test_the_server_says_no_version_and_writes_no_addresses_down():
    config = configured(None, Settings(), None)
    assert not config.server_header and not config.access_log


def test_old_versions_of_tls_are_not_spoken(tmp_path):
    context = open_certificate("self", tmp_path, "127.0.0.1", "").context
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    weak = ("RC4", "3DES", "MD5", "NULL", "EXP", "ADH", "AECDH")
    assert not [c["name"] for c in context.get_ciphers() if any(part in c["name"].split("-") for part in weak)]
