"""The panel's pages of teaching and of the guide, with real files and a learner that learns nothing."""

import dataclasses
import datetime
import functools
import html
import re
import shutil
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from flask import Flask

from service.care import teaching
from service.care.audit import LOOKED
from service.care.care import open_care
from service.care.publishing import Publishing
from service.care.teaching import Checks, Misses
from service.content.check import load
from service.content.edit import TAUGHT, GuideEditor
from service.core.understanding import Understanding
from service.store.database import open_database, transaction
from service.store.tables import AuditRow, MissRow, PersonRow, RoleRow, TalkRow, TurnRow
from service.talks import Edition
from service.web.kiosk import register_headers
from service.web.panel import create_panel
from service.web.panel import guide as guide_pages
from service.web.panel.common import Panel
from tests.content.conftest import unchanged_files_are_read_once  # noqa: F401  the same for these tests
from tests.content.test_edit import content, reworded
from tests.support import PROMPTS, QUICK_HASHER, edition

NOW = datetime.datetime(2027, 11, 24, 12, tzinfo=datetime.UTC)
PHRASE = "红匣匣底下那张"
NASTY = "<script>alert(1)</script>"
WAV = b"RIFF0000WAVE"
MOST_REQUESTS = 3
EDITING, HELPING, LOOKING = 1, 2, 3
"""Accounts: owner of person 1 who edits the guide, caregiver of person 2, and who may look at person 1."""


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Path:
    """A copy of the guide with few ways of asking, so that a check takes no time."""
    folder = tmp_path_factory.mktemp("few") / "prompts"
    shutil.copytree(PROMPTS, folder, ignore=shutil.ignore_patterns("voices"))
    for path in (folder / "requests").glob("*.yaml"):
        held = yaml.safe_load(path.read_text(encoding="utf-8"))
        if "requests" in held:
            held["requests"] = {node: lines[:MOST_REQUESTS] for node, lines in held["requests"].items()}
            path.write_text(yaml.safe_dump(held, allow_unicode=True), encoding="utf-8")
    commands = folder / "commands.yaml"
    held = yaml.safe_load(commands.read_text(encoding="utf-8"))
    for command in held["commands"].values():
        command["phrases"] = command["phrases"][:MOST_REQUESTS]
    commands.write_text(yaml.safe_dump(held, allow_unicode=True), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def ready(few) -> Edition:
    guide, problems = load(few)
    assert guide, problems
    return Edition(guide, Understanding(guide, edition().understanding._classifier), ())


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    """An empty database."""
    path = tmp_path_factory.mktemp("tables") / "guide.db"
    open_database(f"sqlite:///{path}").dispose()
    return path


class Site:
    """One service with its panel."""

    def __init__(self, folder: Path, prompts: Path, tables: Path, ready: Edition):
        shutil.copy(tables, folder / "guide.db")
        self.prompts = Path(shutil.copytree(prompts, folder / "prompts"))
        self.engine = open_database(f"sqlite:///{folder / 'guide.db'}")
        self.care = open_care(self.engine, b"k" * 32, lambda: NOW, QUICK_HASHER)
        self.editor = GuideEditor(self.prompts)
        self.spoken, self.learning = [], threading.Event()
        self.learning.set()
        self.talks = SimpleNamespace(speak=self._speak, edition=ready)
        self.publishing = Publishing(self.engine, self.editor, SimpleNamespace(look=lambda: True), self.care.audit,
                                     lambda: NOW)
        self.flask = Flask("service.web")
        register_headers(self.flask)
        create_panel(self.flask, Panel(
            self.care, self.talks, self.editor, Misses(self.engine, lambda: NOW), self.publishing,
            Checks(self.engine, lambda: self.talks.edition, self._learn), ""), folder / "translations")
        with transaction(self.engine) as orm:
            for name, edits in (("小李", True), ("小王", False), ("小张", False)):
                self.care.accounts.create(orm, name, f"password of {name}", edits, "en")
            orm.add_all(PersonRow(id=n, name=f"person {n}", created_at=NOW) for n in (1, 2, 3))
            orm.flush()
            orm.add_all(RoleRow(account_id=a, person_id=p, role=role) for a, p, role in (
                (EDITING, 1, "owner"), (EDITING, 3, "viewer"), (HELPING, 2, "caregiver"), (LOOKING, 1, "viewer")))

    def _learn(self, _guide):
        assert self.learning.wait(20)
        return edition().understanding._classifier

    def _speak(self, text: str) -> bytes:
        self.spoken.append(text)
        return WAV

    def miss(self, person: int, text: str, **more) -> int:
        """One more sentence; its number."""
        with transaction(self.engine) as orm:
            row = MissRow(person_id=person, text=text, **{"kind": "not_understood", "last_at": NOW, **more})
            orm.add(row)
            orm.flush()
            return row.id

    def said(self, person: int, text: str, node: str) -> None:
        """A turn that was understood."""
        with transaction(self.engine) as orm:
            orm.add(TalkRow(id=text, session={}, turns=1, created_at=NOW, updated_at=NOW, person_id=person))
            orm.flush()
            orm.add(TurnRow(talk_id=text, id="1", number=1, source="voice", outcome="match", node=node, reply={},
                            received_at=NOW, took_ms=1, said=text, meaning=node))

    def audited(self) -> list[tuple]:
        """(account, person, action, detail) of everything that was written down."""
        with transaction(self.engine) as orm:
            return [(r.account_id, r.person_id, r.action, r.detail) for r in orm.query(AuditRow).order_by(AuditRow.id)]


@pytest.fixture
def site(tmp_path, few, tables, ready, monkeypatch):
    monkeypatch.setattr(teaching, "PAUSE_S", 0)
    site = Site(tmp_path, few, tables, ready)
    yield site
    site.learning.set()
    site.engine.dispose()


class Visitor:
    """A browser without scripts."""

    def __init__(self, site: Site, account: int):
        self.client = site.flask.test_client()
        with self.client.session_transaction() as session:
            session["_user_id"], session["_fresh"] = f"{account}:0", True
        self.page = ""

    def get(self, path: str, status: int = 200) -> str:
        """The page, after where it leads."""
        return self._seen(self.client.get(path, follow_redirects=True), status)

    def post(self, path: str, status: int = 200, token: str | None = None, **fields) -> str:
        """Send a form and go where it leads."""
        token = token or re.search(r'name="csrf_token" value="([^"]+)"', self.page or self.get("/panel/teach"))[1]
        return self._seen(self.client.post(path, data={"csrf_token": token, **fields}, follow_redirects=True,
                                           headers={"Referer": "http://localhost/panel/teach"}), status)

    def _seen(self, answer, status: int) -> str:
        self.page, self.path = answer.get_data(as_text=True), answer.request.path
        assert answer.status_code == status, (answer.status_code, self.page)
        return self.page

    def until_done(self) -> str:
        """The page of a check when it is done."""
        until = time.monotonic() + 20
        while not self.client.get(f"{self.path}/state").json["done"]:
            assert time.monotonic() < until
            time.sleep(0.02)
        return self.get(self.path)

    def fields(self) -> dict[str, str]:
        """What the page's largest form would send without a change."""
        form = max(re.findall(r"<form.*?</form>", self.page, re.S), key=len)
        found = {}
        for tag in re.findall(r"<input[^>]*>", form):
            kept = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
            if kept.get("type") not in ("checkbox", "radio") or re.search(r"\bchecked\b", tag):
                found[kept["name"]] = html.unescape(kept.get("value", "on"))
        for name, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.S):
            found[name] = html.unescape(text).removeprefix("\r\n")
        return found


@pytest.fixture
def visit(site):
    return functools.partial(Visitor, site)


def labelled(page: str) -> None:
    """Every field has a label, and every description that is named is there."""
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)), sorted(i for i in set(ids) if ids.count(i) > 1)
    fors = set(re.findall(r'<label[^>]*for="([^"]+)"', page))
    for tag in re.findall(r"<(?:input|select|textarea)\b[^>]*>", page):
        if 'type="hidden"' not in tag:
            assert set(re.findall(r'\bid="([^"]+)"', tag)) & fors, tag
    named = {i for held in re.findall(r'aria-(?:describedby|labelledby)="([^"]+)"', page) for i in held.split()}
    assert named <= set(ids), named - set(ids)
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", page)


# --- teaching ------------------------------------------------------------------------------------------------

def test_the_list_has_the_counts_of_those_one_cares_for(site, visit):
    site.miss(1, PHRASE, count=3)
    site.miss(1, NASTY, kind="corrected", meant="m2_med")
    site.miss(2, "别人家的话")
    site.miss(3, "只能看的人的话")
    page = visit(EDITING).get("/panel/teach")
    assert PHRASE in page and "said 3 times" in page and html.escape(NASTY) in page and NASTY not in page
    assert "别人家的话" not in page and "只能看的人的话" not in page
    assert page.index(PHRASE) < page.index(html.escape(NASTY))
    assert (EDITING, 1, LOOKED, "misses") in site.audited()
    labelled(page)


def test_nothing_of_who_wants_nobody_to_look(site, visit):
    number = site.miss(1, PHRASE)
    site.care.people.share(1, False)
    visitor = visit(EDITING)
    assert PHRASE not in visitor.get("/panel/teach")
    visitor.get(f"/panel/teach/{number}", 404)


@pytest.mark.parametrize("path", ["/panel/teach", "/panel/teach/{}"])
def test_who_may_only_look_sees_nothing_to_teach(site, visit, path):
    assert PHRASE not in visit(LOOKING).get(path.format(site.miss(1, PHRASE)), 403)


def test_a_sentence_of_somebody_else_is_not_there(site, visit):
    number = site.miss(1, PHRASE)
    visitor = visit(HELPING)
    visitor.get("/panel/teach")
    for path in (f"/panel/teach/{number}", f"/panel/teach/{number}/aside"):
        visitor.post(path, 404, phrase=PHRASE, node="m1")
    visitor.get(f"/panel/teach/{number}", 404)
    assert not (site.prompts / TAUGHT).exists()


def test_one_sentence_offers_where_it_led_to_first_and_every_section(site, visit, ready):
    page = visit(HELPING).get(f"/panel/teach/{site.miss(2, PHRASE, kind='corrected', meant='m5_fraud')}")
    offered = re.findall(r'<button name="node" value="(\w+)"', page)
    assert offered[0] == "m5_fraud"
    listed = set(re.findall(r'<option value="(\w+)"', page))
    assert listed == ready.guide.nodes.keys() - {"root"}
    assert page.count("<optgroup") == len({n.id for n in ready.guide.nodes.values() if n.parent == "root"} - {"root"})
    labelled(page)


def test_it_is_checked_taught_and_taken_back(site, visit):
    number, before = site.miss(2, PHRASE, count=2), content(site.prompts)
    visitor = visit(HELPING)
    visitor.get(f"/panel/teach/{number}")
    site.learning.clear()
    page = visitor.post(f"/panel/teach/{number}", phrase=f" {PHRASE}。 ", node="m2_med")
    assert "The whole guide is being tried" in page and "Look again" in page and "Understood today as: nothing" in page
    assert "<button" not in page[page.index("Before it is taught"):]
    assert visitor.client.get(f"{visitor.path}/state").json["percent"] < 100
    labelled(page)
    site.learning.set()
    page = visitor.until_done()
    assert "It would break nothing." in page and "One more sentence would be understood" in page
    labelled(page)
    assert content(site.prompts) == before
    page = visitor.post(visitor.path)
    assert "Taught." in page and visitor.path == "/panel/teach" and "Everything was understood." in page
    assert PHRASE in (site.prompts / TAUGHT).read_text(encoding="utf-8")
    assert (HELPING, 2, "teach", f"{PHRASE}。") in site.audited()
    labelled(page)
    page = visitor.post(re.search(r"/panel/teach/taught/\d+/undo", page)[0])
    assert "Taken back." in page and content(site.prompts) == before and PHRASE in page


def test_a_second_touch_teaches_once(site, visit):
    number, visitor = site.miss(2, PHRASE), visit(HELPING)
    visitor.get(f"/panel/teach/{number}")
    visitor.post(f"/panel/teach/{number}", phrase=PHRASE, node="", other="m2_med")
    visitor.until_done()
    check, token = visitor.path, re.search(r'name="csrf_token" value="([^"]+)"', visitor.page)[1]
    for _ in range(2):
        visitor.post(check, token=token)
    assert len(site.publishing.history()) == 1


def test_what_would_break_is_listed_and_asked_for_again(site, visit):
    phrase, said = "医保卡上头的钱还有好多", "那个医保卡上头的钱还有好多啊"
    site.said(2, said, "m2_med")
    number, visitor = site.miss(2, phrase), visit(HELPING)
    visitor.get(f"/panel/teach/{number}")
    visitor.post(f"/panel/teach/{number}", phrase=phrase, node="m5_fraud")
    page = visitor.until_done()
    assert "It would break one sentence" in page and said in page and "Teach it although" in page
    check = visitor.path
    page = visitor.post(check, 409)
    assert said in page and "Teach it nevertheless" in page and site.publishing.history() == []
    labelled(page)
    visitor.path = check
    assert "Taught." in visitor.post(check, confirmed="yes")
    assert len(site.publishing.history()) == 1


@pytest.mark.parametrize("phrase, said", [
    ("我叫〔姓名〕要查社保", "phrase"), ("有(括号", "另有意思"), ("", "没有写怎么问"), ("我要查社保", "已经写在"), ("啊" * 61, "太长")])
def test_what_cannot_be_taught_is_said_and_nothing_typed_is_lost(site, visit, phrase, said):
    number, visitor = site.miss(2, PHRASE), visit(HELPING)
    visitor.get(f"/panel/teach/{number}")
    node = "m2" if phrase == "我要查社保" else "m1"
    page = visitor.post(f"/panel/teach/{number}", 422, phrase=phrase, node="", other=node)
    assert html.escape(phrase) in page and f'<option value="{node}" selected>' in page and 'aria-invalid="true"' in page
    if said != "phrase":
        assert said in page
    labelled(page)


def test_without_a_section_nothing_is_checked(site, visit):
    number, visitor = site.miss(2, PHRASE), visit(HELPING)
    visitor.get(f"/panel/teach/{number}")
    for node in ("", "no_such_node"):
        assert "Choose a section." in visitor.post(f"/panel/teach/{number}", 422, phrase=PHRASE, node=node)


def test_a_redacted_sentence_can_be_changed_and_taught(site, visit):
    number, visitor = site.miss(2, "我叫〔姓名〕那个本本剩好多"), visit(HELPING)
    assert "A number or a name was taken out" in visitor.get(f"/panel/teach/{number}")
    visitor.post(f"/panel/teach/{number}", phrase=PHRASE, node="m2_med")
    visitor.until_done()
    assert "Taught." in visitor.post(visitor.path) and "〔" not in (site.prompts / TAUGHT).read_text(encoding="utf-8")


def test_put_aside_it_is_gone_for_these_people(site, visit):
    number, other = site.miss(2, PHRASE), site.miss(1, PHRASE)
    visitor = visit(HELPING)
    visitor.get(f"/panel/teach/{number}")
    page = visitor.post(f"/panel/teach/{number}/aside")
    assert PHRASE not in page and (HELPING, 2, "settled", PHRASE) in site.audited()
    assert f"/panel/teach/{other}" in visit(EDITING).get("/panel/teach")


def test_the_check_of_somebody_else_is_not_there(site, visit):
    number, visitor = site.miss(2, PHRASE), visit(HELPING)
    visitor.get(f"/panel/teach/{number}")
    visitor.post(f"/panel/teach/{number}", phrase=PHRASE, node="m2_med")
    visitor.until_done()
    check, other = visitor.path, visit(EDITING)
    assert "This check is over." in other.get(check) and other.path == "/panel/teach"
    other.post(check, 404)
    other.get(f"{check}/state", 404)


def test_who_may_act_no_more_cannot_publish_a_check(site, visit):
    number, visitor = site.miss(2, PHRASE), visit(HELPING)
    visitor.get(f"/panel/teach/{number}")
    visitor.post(f"/panel/teach/{number}", phrase=PHRASE, node="m2_med")
    visitor.until_done()
    with transaction(site.engine) as orm:
        orm.get(RoleRow, (HELPING, 2)).role = "viewer"
    visitor.post(visitor.path, 403)
    assert site.publishing.history() == []


def test_an_unfinished_check_cannot_be_published(site, visit):
    number, visitor = site.miss(2, PHRASE), visit(HELPING)
    visitor.get(f"/panel/teach/{number}")
    site.learning.clear()
    visitor.post(f"/panel/teach/{number}", phrase=PHRASE, node="m2_med")
    visitor.post(visitor.path)
    assert site.publishing.history() == []


def test_if_somebody_else_was_quicker_it_is_checked_again(site, visit):
    number, visitor = site.miss(2, PHRASE), visit(HELPING)
    visitor.get(f"/panel/teach/{number}")
    visitor.post(f"/panel/teach/{number}", phrase=PHRASE, node="m2_med")
    visitor.until_done()
    first = visitor.path
    site.editor.publish(site.editor.propose_request("m1", "帮我瞧瞧那个东西交了没"))
    page = visitor.post(first)
    assert "being checked again" in page and visitor.path != first and PHRASE in page
    visitor.until_done()
    assert "Taught." in visitor.post(visitor.path)
    assert "帮我瞧瞧" in (site.prompts / TAUGHT).read_text(encoding="utf-8")


def test_only_ones_own_teaching_is_taken_back(site, visit):
    number = site.publishing.publish(site.editor.propose_request("m1", PHRASE), "teach", "m1", EDITING, PHRASE)
    visitor = visit(HELPING)
    assert PHRASE not in visitor.get("/panel/teach")
    visitor.post(f"/panel/teach/taught/{number}/undo", 404)
    assert PHRASE in (site.prompts / TAUGHT).read_text(encoding="utf-8")


# --- the guide -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/panel/guide", "/panel/guide/m1", "/panel/guide/history", "/panel/guide/history/1",
                                  "/panel/guide/check/x", "/panel/guide/check/x/state", "/panel/facts",
                                  "/panel/facts/C01"])
def test_only_who_edits_the_guide_sees_it(visit, path):
    visit(HELPING).get(path, 403)


@pytest.mark.parametrize("path", ["/panel/guide/m1", "/panel/guide/m1/check", "/panel/guide/listen",
                                  "/panel/guide/check/x", "/panel/guide/history/1/back", "/panel/facts/C01"])
def test_only_who_edits_the_guide_changes_it(site, visit, path):
    before = content(site.prompts)
    visit(HELPING).post(path, 403, text="好")
    assert content(site.prompts) == before and site.spoken == []


def test_the_tree_has_every_section(visit, ready):
    page = visit(EDITING).get("/panel/guide")
    for node in ready.guide.nodes.values():
        assert f'/panel/guide/{node.id}"' in page and node.title in page
    labelled(page)


def test_every_section_reads_and_writes_itself_without_a_change(site, visit, ready):
    visitor, before = visit(EDITING), content(site.prompts)
    for node_id in ("root", "m1", "m1_web", "x_auth", "m5_about"):
        page = visitor.get(f"/panel/guide/{node_id}")
        labelled(page)
        text = guide_pages._read(node_id, visitor.fields())
        assert text == site.editor.node(node_id)[0]
    page = visitor.post("/panel/guide/m5_about", **visitor.fields())
    assert "Nothing was changed." in page and content(site.prompts) == before
    visitor.get("/panel/guide/no_such_node", 404)


def test_an_edit_is_compared_and_published(site, visit):
    visitor = visit(EDITING)
    visitor.get("/panel/guide/m1")
    page = visitor.post("/panel/guide/m1", **{**visitor.fields(), "say-0": "查社保有几个办法。"})
    assert "查社保有几个办法。" in page and "Nothing changes in what is understood." in page and "added:" in page
    labelled(page)
    assert "查社保有几个办法。" not in site.editor.node("m1")[0].say[0].text
    page = visitor.post(visitor.path)
    assert "Published." in page and visitor.path == "/panel/guide/m1"
    assert site.editor.node("m1")[0].say[0].text == "查社保有几个办法。"
    assert (EDITING, None, "node", "m1") in site.audited()


def test_another_title_is_learnt_first(site, visit):
    visitor = visit(EDITING)
    visitor.get("/panel/guide/m1")
    visitor.post("/panel/guide/m1", **{**visitor.fields(), "title": "查社保的办法"})
    page = visitor.until_done()
    assert "sentences were tried" in page and "Publish" in page


@pytest.mark.parametrize("field, wrong", [("say-0", "二" * 40), ("say-1", "2025 年"), ("title", "长" * 13), ("say-0", "")])
def test_a_problem_stands_at_its_field(site, visit, field, wrong):
    visitor, before = visit(EDITING), content(site.prompts)
    visitor.get("/panel/guide/m1")
    fields = {**visitor.fields(), field: wrong}
    page = visitor.post("/panel/guide/m1", 422, **fields)
    place = page[page.index(f'id="{field}-fault"'):]
    assert "→" in place[:place.index("</div>")] and f'href="#{field}"' in page and 'aria-invalid="true"' in page
    assert html.escape(wrong) in page and content(site.prompts) == before
    labelled(page)
    live = visitor.client.post("/panel/guide/m1/check", data=fields).json
    assert {p["field"] for p in live["problems"]} == {field} and not live["stale"]


def test_problems_of_steps_parts_and_facts_find_their_fields(visit):
    visitor = visit(EDITING)
    for node_id, field, wrong in (("m1_web", "steps-2-0", "9"), ("x_auth", "more-1-1", "9"), ("x_auth", "say-0", "9")):
        visitor.get(f"/panel/guide/{node_id}")
        live = visitor.client.post(f"/panel/guide/{node_id}/check", data={**visitor.fields(), field: wrong}).json
        assert {p["field"] for p in live["problems"]} == {field}
    live = visitor.client.post("/panel/guide/x_auth/check", data={**visitor.fields(), "say-0-facts": "nothing"}).json
    assert live["problems"][0]["field"] == "say-0" and "nothing" in live["problems"][0]["fault"]


def test_a_sound_form_has_no_problems(visit):
    visitor = visit(EDITING)
    visitor.get("/panel/guide/m1")
    assert visitor.client.post("/panel/guide/m1/check", data=visitor.fields()).json == {"stale": False, "problems": []}


def test_sentences_and_steps_come_and_go_without_a_script(site, visit):
    visitor, before = visit(EDITING), content(site.prompts)
    visitor.get("/panel/guide/m1_web")
    steps = len(site.editor.node("m1_web")[0].steps)
    page = visitor.post("/panel/guide/m1_web", add="steps", **visitor.fields())
    focused = re.search(r"<textarea[^>]*autofocus", page)[0]
    assert f'name="steps-{steps}-0"' in focused
    page = visitor.post("/panel/guide/m1_web", add="steps-0", **{**visitor.fields(), f"steps-{steps}-0": "再想一想。"})
    assert "再想一想。" in page
    added = re.search(r'name="(steps-0-\d)"[^>]*autofocus', page)[1]
    page = visitor.post("/panel/guide/m1_web", remove=added, **visitor.fields())
    assert f'name="{added}"' not in page and "再想一想。" in page
    page = visitor.post("/panel/guide/m1_web", remove=f"steps-{steps}-0", **visitor.fields())
    assert "再想一想。" not in page
    page = visitor.post("/panel/guide/m1_web", add="brief", **visitor.fields())
    labelled(page)
    assert content(site.prompts) == before


@pytest.mark.parametrize("change", [{"add": "nothing"}, {"add": "steps-99"}, {"add": "say-x"}, {"remove": "say-99"},
                                    {"remove": "say"}, {"remove": "more-0-0-0"}, {"remove": "x-1"}, {"add": "say--1"}])
def test_what_is_not_there_is_not_changed(visit, change):
    visitor = visit(EDITING)
    visitor.get("/panel/guide/m1_web")
    visitor.post("/panel/guide/m1_web", 400, **visitor.fields(), **change)


def test_both_versions_are_shown_if_somebody_else_was_quicker(site, visit):
    visitor = visit(EDITING)
    visitor.get("/panel/guide/m1")
    mine = {**visitor.fields(), "say-0": "我写的这一句。"}
    node, revision = site.editor.node("m1")
    site.editor.publish(site.editor.propose_node(reworded(node, "他写的这一句。"), revision))
    assert visitor.client.post("/panel/guide/m1/check", data=mine).json["stale"]
    page = visitor.post("/panel/guide/m1", 409, **mine)
    assert "我写的这一句。" in page and "他写的这一句。" in page
    labelled(page)
    page = visitor.post("/panel/guide/m1", **visitor.fields())
    assert "Published." in visitor.post(visitor.path)
    assert site.editor.node("m1")[0].say[0].text == "我写的这一句。"


def test_the_same_if_it_was_between_the_check_and_publishing(site, visit):
    visitor = visit(EDITING)
    visitor.get("/panel/guide/m1")
    visitor.post("/panel/guide/m1", **{**visitor.fields(), "say-0": "我写的这一句。"})
    node, revision = site.editor.node("m1")
    site.editor.publish(site.editor.propose_node(reworded(node, "他写的这一句。"), revision))
    page = visitor.post(visitor.path, 409)
    assert "我写的这一句。" in page and "他写的这一句。" in page and site.publishing.history() == []


def test_an_edit_elsewhere_in_the_file_is_kept(site, visit):
    visitor = visit(EDITING)
    visitor.get("/panel/guide/m1")
    visitor.post("/panel/guide/m1", **{**visitor.fields(), "say-0": "我写的这一句。"})
    node, revision = site.editor.node("m1_phone")
    site.editor.publish(site.editor.propose_node(reworded(node, "他写的这一句。"), revision))
    page = visitor.post(visitor.path)
    assert "Look at the difference again" in page
    assert "Published." in visitor.post(visitor.path)
    assert site.editor.node("m1")[0].say[0].text == "我写的这一句。"
    assert site.editor.node("m1_phone")[0].say[0].text == "他写的这一句。"


def test_nothing_typed_becomes_markup(visit):
    visitor = visit(EDITING)
    visitor.get("/panel/guide/m1")
    fields = {**visitor.fields(), "say-0": f"</textarea>{NASTY}", "title": f'">{NASTY}'}
    page = visitor.post("/panel/guide/m1", 422, **fields)
    assert NASTY not in page and html.escape(NASTY) in page


def test_listening(site, visit):
    visitor = visit(EDITING)
    visitor.get("/panel/guide/m1")
    token = visitor.fields()["csrf_token"]
    answer = visitor.client.post("/panel/guide/listen", data={"text": " 查社保。 ", "csrf_token": token})
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "audio/wav", WAV) and site.spoken == ["查社保。"]
    for text in ("", "  ", "长" * 61):
        answer = visitor.client.post("/panel/guide/listen", data={"text": text, "csrf_token": token})
        assert answer.status_code == 400
    assert visitor.client.post("/panel/guide/listen", data={"text": "好"}).status_code == 400
    codes = {visitor.client.post("/panel/guide/listen", data={"text": "好", "csrf_token": token}).status_code
             for _ in range(40)}
    assert codes == {200, 429}


# --- what was published --------------------------------------------------------------------------------------

def test_a_publication_is_shown_and_rolled_back(site, visit):
    visitor, before = visit(EDITING), content(site.prompts)
    visitor.get("/panel/guide/m1")
    visitor.post("/panel/guide/m1", **{**visitor.fields(), "say-0": "查社保有几个办法。"})
    visitor.post(visitor.path)
    page = visitor.get("/panel/guide/history")
    assert "Section edited" in page and "小李" in page
    page = visitor.get(re.search(r"/panel/guide/history/\d+", page)[0])
    assert "查社保有几个办法。" in page
    labelled(page)
    page = visitor.post(f"{visitor.path}/back")
    assert "查社保有几个办法。" in page and "removed:" in page and content(site.prompts) != before
    assert "Published." in visitor.post(visitor.path) and content(site.prompts) == before
    assert [(p.kind, bool(p.undone_at)) for p in site.publishing.history()] == [("rollback", False), ("node", True)]
    visitor.post("/panel/guide/history/1/back", 200)
    assert len(site.publishing.history()) == 2


def test_what_was_edited_since_is_not_rolled_back(site, visit):
    visitor = visit(EDITING)
    for text in ("查社保有几个办法。", "查社保有很多办法。"):
        visitor.get("/panel/guide/m1")
        visitor.post("/panel/guide/m1", **{**visitor.fields(), "say-0": text})
        visitor.post(visitor.path)
    visitor.post("/panel/guide/history/1/back")
    assert site.editor.node("m1")[0].say[0].text == "查社保有很多办法。" and len(site.publishing.history()) == 2


# --- facts ---------------------------------------------------------------------------------------------------

def test_facts_are_listed_with_their_sources_the_due_ones_first(visit, ready):
    page = visit(EDITING).get("/panel/facts")
    due = [f for f in ready.guide.facts.values() if f.is_due(NOW.date())]
    assert due and f"Due for review</h2>" not in page and f"({len(due)})" in page
    for fact in ready.guide.facts.values():
        assert page.count(f'/panel/facts/{fact.id}"') == 1
    places = [page.index(f'/panel/facts/{fact_id}"') for fact_id in (
        *(f.id for f in sorted(due, key=lambda f: (f.review, f.id))),
        next(f.id for f in ready.guide.facts.values() if f not in due))]
    assert places == sorted(places)
    source = next(iter(ready.guide.sources.values()))
    assert source.what in page and f'href="{source.address}' not in page
    labelled(page)


def test_a_fact_is_compared_and_published(site, visit):
    visitor = visit(EDITING)
    page = visitor.get("/panel/facts/C01")
    labelled(page)
    fields = {**visitor.fields(), "checked": "2027-11-24", "review": "2028-01-01", "claim": "一句话\r\n又一句"}
    page = visitor.post("/panel/facts/C01", **fields)
    assert "2028-01-01" in page
    assert "Published." in visitor.post(visitor.path) and visitor.path == "/panel/facts/C01"
    found = site.editor.fact("C01")[0]
    assert (found.checked, found.review, found.claim) == (
        datetime.date(2027, 11, 24), datetime.date(2028, 1, 1), "一句话\n又一句")
    assert (EDITING, None, "fact", "C01") in site.audited()


@pytest.mark.parametrize("change", [{"checked": "yesterday"}, {"checked": ""}, {"claim": ""}, {"confidence": "X"},
                                    {"review": "2027-13-01"}])
def test_a_wrong_fact_is_said_so(site, visit, change):
    visitor, before = visit(EDITING), content(site.prompts)
    visitor.get("/panel/facts/C01")
    page = visitor.post("/panel/facts/C01", 422, **{**visitor.fields(), **change})
    labelled(page)
    assert content(site.prompts) == before


def test_both_versions_of_a_fact_are_shown(site, visit):
    visitor = visit(EDITING)
    visitor.get("/panel/facts/C01")
    mine = {**visitor.fields(), "claim": "我写的这一句"}
    visitor.post("/panel/facts/C01", **mine)
    check = visitor.path
    fact, revision = site.editor.fact("C01")
    site.editor.publish(site.editor.propose_fact(dataclasses.replace(fact, claim="他写的这一句"), revision))
    for path, fields in ((check, {}), ("/panel/facts/C01", mine)):
        page = visitor.post(path, 409, **fields)
        assert "我写的这一句" in page and "他写的这一句" in page
        labelled(page)
    visitor.get("/panel/facts/none", 404)
