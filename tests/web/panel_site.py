"""A service with its panel over a database of its own: everybody who may come, and two households."""

from __future__ import annotations

import contextlib
import datetime
import re
import shutil
import sqlite3
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

from flask.testing import FlaskClient
from sqlalchemy import Engine, event

from service.app import create_flask
from service.care.care import Care, open_care
from service.care.publishing import Publishing
from service.care.teaching import Checks, Misses
from service.content.edit import GuideEditor
from service.listening import Listening
from service.store.database import open_database, transaction
from service.store.tables import CountRow, IncidentRow, MissRow, TalkRow, TurnRow
from service.web.panel import create_panel
from service.web.panel.common import Panel
from tests.support import PROMPTS, QUICK_HASHER, edition

NOW = datetime.datetime(2027, 3, 1, 4, tzinfo=datetime.UTC)
KEY = b"k" * 32
WAV = b"RIFF0000WAVE"
BUSY_MS = 100
"""How long these services wait for another writer."""
ROLES = ("stranger", "viewer", "caregiver", "owner", "editor", "neighbour")
"""Of the own household and place the middle three; the editor edits the guide alone, the neighbour owns the
other household."""
ACCOUNT_NAMES = dict(zip(ROLES, ("生客甲", "看客乙", "照料丙", "当家丁", "编辑戊", "隔壁己")))
OWN, PLACE, OTHER = "外婆子", "村公所", "邻居丑"
OTHERS_WORDS = ("邻居丑", "隔壁己", "丑家客厅", "丑家的留言", "丑家没听懂的话", "丑家问过的话")
"""What belongs to the other household and is for nobody else to see."""


def password(role: str) -> str:
    """Of an account."""
    return f"password of {role}"


@dataclass(frozen=True)
class Household:
    """Numbers and tokens of all that belongs to a person or place."""

    person: int
    device: int
    token: str
    talk: str
    incident: int
    notice: int
    invitation: int
    link: str
    """Token of the invitation."""
    miss: int


@dataclass(frozen=True)
class Seed:
    """What stands in the template."""

    file: Path
    accounts: dict[str, int]
    own: Household
    place: Household
    other: Household
    code: str
    """Of a device that waits to be paired."""
    waiting: str
    """Token of that device."""


def make_template(folder: Path) -> Seed:
    """A migrated database with everybody in it."""
    file = folder / "template.db"
    engine = open_database(f"sqlite:///{file}")
    care = open_care(engine, KEY, lambda: NOW, QUICK_HASHER)
    with transaction(engine) as orm:
        accounts = {role: care.accounts.create(orm, ACCOUNT_NAMES[role], password(role), role == "editor", "en").id
                    for role in ROLES}
    own = _household(care, accounts["owner"], OWN, "子")
    place = _household(care, accounts["owner"], PLACE, "村", shared=True)
    other = _household(care, accounts["neighbour"], OTHER, "丑")
    for role in ("viewer", "caregiver"):
        for household in (own, place):
            care.people.accept(care.people.invite(household.person, role, accounts["owner"]),
                               care.accounts.get(accounts[role]))
    waiting = care.devices.register()
    code = care.devices.new_code(care.devices.by_token(waiting).id)
    engine.dispose()
    return Seed(file, accounts, own, place, other, code, waiting)


def _household(care: Care, owner: int, name: str, mark: str, shared: bool = False) -> Household:
    person = care.people.create(owner, name, shared)
    token = care.devices.register()
    device = care.devices.by_token(token).id
    care.devices.pair(care.devices.new_code(device), person, f"{mark}家客厅")
    link = care.people.invite(person, "viewer", owner)
    notice = care.notices.plan(device, owner, None, f"{mark}家的留言", NOW + datetime.timedelta(days=1), "daily")
    talk, at = f"talk-{person}", NOW - datetime.timedelta(minutes=5)
    with transaction(care.engine) as orm:
        orm.add(TalkRow(id=talk, session={}, turns=1, created_at=at, updated_at=at, device_id=device, person_id=person))
        miss = MissRow(person_id=person, text=f"{mark}家没听懂的话", kind="not_understood", last_at=at)
        orm.add(miss)
        orm.flush()
        orm.add(TurnRow(talk_id=talk, id="1", number=1, source="voice", outcome="match", node="m1", received_at=at,
                        took_ms=12.0, reply={"sentences": ["好。"], "step": None}, said=f"{mark}家问过的话",
                        meaning="m1"))
        incident = IncidentRow(person_id=person, device_id=device, talk_id=talk, kind="help", node="m1", step=2,
                               opened_at=at, updated_at=at)
        orm.add(incident)
        orm.add(CountRow(device_id=device, day=NOW.date(), hour=4, node="m1", measure="visit", count=7))
        orm.flush()
        return Household(person, device, token, talk, incident.id, notice, care.people.open_invitations(person)[0].id,
                         link, miss.id)


class PanelSite:
    """One running service with its panel, and browsers to visit it."""

    def __init__(self, folder: Path, seed: Seed, prompts: Path, compiled: Path, health=tuple):
        """``health`` makes the checks of the process."""
        self.seed, self.file, self.now = seed, folder / "guide.db", NOW
        shutil.copy(seed.file, self.file)
        self.engine: Engine = open_database(f"sqlite:///{self.file}")
        event.listen(self.engine, "connect", lambda c, _: c.execute(f"PRAGMA busy_timeout={BUSY_MS}").close())
        self.engine.dispose()
        self.care = open_care(self.engine, KEY, lambda: self.now, QUICK_HASHER)
        self.talks = SimpleNamespace(edition=edition(), speak=lambda text: WAV, fault=lambda error: "",
                                     voices=lambda: [SimpleNamespace(id="female", label="女声")])
        self.editor = GuideEditor(prompts)
        self.publishing = Publishing(self.engine, self.editor, SimpleNamespace(look=lambda: True), self.care.audit,
                                     lambda: self.now)
        self.flask = create_flask(self.talks, Listening(None, self.talks, "both"), self.care)
        self.panel = Panel(self.care, self.talks, self.editor, Misses(self.engine, lambda: self.now), self.publishing,
                           Checks(self.engine, lambda: self.talks.edition,
                                  lambda _guide: edition().understanding._classifier), "", health=health)
        create_panel(self.flask, self.panel, compiled)

    def reset(self) -> None:
        """Everything as in the template again: the records, the time, and what is counted of attempts."""
        self.now = NOW
        self.panel.limiter.reset()
        with contextlib.closing(sqlite3.connect(self.seed.file)) as seed, \
                contextlib.closing(sqlite3.connect(self.file)) as present:
            seed.backup(present)

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def client(self, role: str | None = None, https: bool = False) -> FlaskClient:
        """A browser, logged in as somebody of ROLES or nobody; it wants English."""
        client = self.flask.test_client()
        client.environ_base["wsgi.url_scheme"] = "https" if https else "http"
        with client.session_transaction(base_url=_base(client)) as session:
            session["language"] = "en"
            if role:
                session["_user_id"], session["_fresh"] = f"{self.seed.accounts[role]}:0", True
        return client

    def token(self, client: FlaskClient) -> str:
        """A token for a form."""
        page = client.get("/panel/login", base_url=_base(client)).get_data(as_text=True)
        return re.search(r'name="csrf_token" value="([^"]+)"', page)[1]

    def post(self, client: FlaskClient, path: str, data: dict | None = None, came: str = "", **more):
        """Send a form as its page would; ``came``: the page that it was on."""
        base = _base(client)
        if base.startswith("https"):
            came = came or "/panel/login"
        headers = {"Referer": f"{base}{came}"} if came else {}
        return client.post(path, data={"csrf_token": self.token(client), **(data or {})}, base_url=base,
                           headers=headers, **more)

    def log_in(self, client: FlaskClient, name: str, secret: str, code: str = "", **more):
        """Send the form of the log-in."""
        return self.post(client, "/panel/login", {"name": name, "password": secret, "code": code}, **more)

    def rows(self) -> list[str]:
        """All that is kept, to see whether something changed."""
        with self.engine.connect() as connection:
            return list(connection.connection.driver_connection.iterdump())


def _base(client: FlaskClient) -> str:
    return f"{client.environ_base['wsgi.url_scheme']}://localhost"


class Markup(HTMLParser):
    """What of a page could run or restyle it, though the policy forbids it; and its texts."""

    def __init__(self, page: str):
        super().__init__()
        self.wrong: list[str] = []
        self.tags: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        held = dict(attrs)
        if tag == "style" or tag == "script" and not held.get("src") and held.get("type") != "application/json":
            self.wrong.append(f"<{tag}>")
        for name, value in attrs:
            address = name in ("href", "src", "action", "formaction")
            if name.startswith("on") or name == "style" or address and (value or "").strip().lower().startswith(
                    ("javascript:", "data:", "http:", "https:", "//")):
                self.wrong.append(f"{tag} {name}={value}")


def text_of(answer) -> str:
    """The page."""
    return answer.get_data(as_text=True)


def prompts_copy(folder: Path) -> Path:
    """A copy of the guide, so that no test can edit the shipped one."""
    return Path(shutil.copytree(PROMPTS, folder / "prompts", ignore=shutil.ignore_patterns("voices")))
