"""Changes of the guide from the panel: published, written down and taken back, with real files."""

import contextlib
import datetime
import shutil
import threading
from pathlib import Path

import pytest

from service.care.audit import Audit
from service.care.publishing import Publishing
from service.content.edit import TAUGHT, GuideEditor, Stale
from service.content.live import LiveGuide
from service.errors import NotFound, Refused, StoreError
from service.store.database import open_database, transaction
from service.store.tables import AccountRow, AuditRow, MissRow, PersonRow, PublicationRow
from tests.content.conftest import unchanged_files_are_read_once  # noqa: F401  the same for these tests
from tests.content.test_edit import content, reworded
from tests.support import PROMPTS

NOW = datetime.datetime(2026, 11, 2, 12, tzinfo=datetime.UTC)
PHRASE = "红匣匣底下那张"
BOTH = pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)


class Looked:
    """What takes the files up, and says when it was told to."""

    def __init__(self):
        self.told = threading.Event()

    def look(self) -> bool:
        self.told.set()
        return True


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROMPTS, tmp_path / "prompts", ignore=shutil.ignore_patterns("voices")))


@pytest.fixture
def engine(request, tmp_path):
    """A database: SQLite, or the kind that the test names."""
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'guide.db'}"
        if getattr(request, "param", "sqlite") == "postgresql":
            url = stack.enter_context(request.getfixturevalue("postgres").database())
        engine = _filled(url)
        yield engine
        engine.dispose()


def _filled(url: str):
    engine = open_database(url)
    with transaction(engine) as orm:
        orm.add_all(AccountRow(id=n, name=name, password_hash="", created_at=NOW)
                    for n, name in ((1, "小李"), (2, "小王")))
        orm.add_all(PersonRow(id=n, name=f"person {n}", created_at=NOW) for n in (1, 2))
        orm.flush()
        orm.add_all(MissRow(id=n, person_id=n, text=PHRASE, kind="not_understood", last_at=NOW) for n in (1, 2))
    return engine


@pytest.fixture
def editor(prompts) -> GuideEditor:
    return GuideEditor(prompts)


@pytest.fixture
def live() -> Looked:
    return Looked()


@pytest.fixture
def publishing(engine, editor, live) -> Publishing:
    return Publishing(engine, editor, live, Audit(engine, lambda: NOW), lambda: NOW)


@pytest.fixture
def teach(publishing, editor):
    def taught(phrase: str = PHRASE, node: str = "m2_med", account: int = 1, miss: int | None = 1) -> int:
        return publishing.publish(editor.propose_request(node, phrase), "teach", node, account, phrase, miss)
    return taught


def edited(editor: GuideEditor, node_id: str, text: str):
    node, revision = editor.node(node_id)
    return editor.propose_node(reworded(node, text), revision)


def audited(engine) -> list[tuple]:
    with transaction(engine) as orm:
        return [(r.account_id, r.person_id, r.action, r.detail) for r in orm.query(AuditRow).order_by(AuditRow.id)]


# --- publishing ----------------------------------------------------------------------------------------------

@BOTH
def test_what_is_taught_is_in_the_files_and_written_down_and_taken_up(engine, prompts, publishing, live, teach):
    number = teach()
    assert PHRASE in (prompts / TAUGHT).read_text(encoding="utf-8")
    assert live.told.wait(5)
    [found] = publishing.history()
    assert (found.id, found.account, found.kind, found.target, found.phrase, found.undone_at, found.at) == (
        number, "小李", "teach", "m2_med", PHRASE, None, NOW)
    assert audited(engine) == [(1, 1, "teach", PHRASE)]
    with transaction(engine) as orm:
        assert orm.get(MissRow, 1).settled_at == NOW and orm.get(MissRow, 2).settled_at is None
        assert orm.get(PublicationRow, number).files.keys() == {TAUGHT}


def test_the_running_guide_takes_it_up(engine, prompts, editor):
    live = LiveGuide(prompts)
    taken = threading.Event()
    live.on_change(lambda guide: PHRASE in guide.nodes["m2_med"].requests and taken.set())
    publishing = Publishing(engine, editor, live, Audit(engine, lambda: NOW), lambda: NOW)
    publishing.publish(editor.propose_request("m2_med", PHRASE), "teach", "m2_med", 1, PHRASE)
    assert taken.wait(20)


@pytest.mark.parametrize("phrase", ["我叫〔姓名〕要查社保", "我是〔号码〕"])
def test_a_mark_is_never_taught(prompts, publishing, editor, phrase):
    before = content(prompts)
    with pytest.raises(Refused, match="phrase marked"):
        publishing.publish(editor.propose_request("m1", phrase), "teach", "m1", 1, phrase)
    assert content(prompts) == before and publishing.history() == []


def test_what_has_problems_is_not_published(prompts, publishing, editor):
    before = content(prompts)
    with pytest.raises(ValueError):
        publishing.publish(editor.propose_request("m1", "有(括号"), "teach", "m1", 1)
    assert content(prompts) == before and publishing.history() == []


def test_of_two_who_edit_the_same_the_second_is_told(publishing, editor):
    mine, theirs = edited(editor, "m1", "查社保有几个办法。"), edited(editor, "m1", "查社保有很多办法。")
    publishing.publish(theirs, "node", "m1", 2)
    with pytest.raises(Stale):
        publishing.publish(mine, "node", "m1", 1)
    assert [p.account for p in publishing.history()] == ["小王"]
    assert editor.node("m1")[0].say[0].text == "查社保有很多办法。"


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_of_two_processes_that_publish_at_once_one_waits_for_the_other(engine, prompts, live, monkeypatch):
    began, go_on, stale = threading.Event(), threading.Event(), []
    editors = [GuideEditor(prompts), GuideEditor(prompts)]
    first, second = [Publishing(engine, one, live, Audit(engine, lambda: NOW), lambda: NOW) for one in editors]
    changes = [edited(one, "m1", f"查社保有{many}个办法。") for one, many in zip(editors, ("几", "好多"))]
    write = editors[0].publish

    def slowly(proposal) -> None:
        write(proposal)
        began.set()
        go_on.wait(5)
    monkeypatch.setattr(editors[0], "publish", slowly)

    def late() -> None:
        try:
            second.publish(changes[1], "node", "m1", 2)
        except Stale:
            stale.append("told")
    threads = [threading.Thread(target=first.publish, args=(changes[0], "node", "m1", 1)), threading.Thread(target=late)]
    threads[0].start()
    assert began.wait(5)
    threads[1].start()
    threads[1].join(0.3)
    assert threads[1].is_alive() and not stale
    go_on.set()
    for thread in threads:
        thread.join()
    assert stale == ["told"] and [p.account for p in first.history()] == ["小李"]


def test_what_cannot_be_written_down_is_not_published(prompts, publishing, editor, live, monkeypatch):
    before = content(prompts)

    def fail(*_):
        raise StoreError("no")
    monkeypatch.setattr(publishing, "_write", fail)
    with pytest.raises(StoreError):
        publishing.publish(editor.propose_request("m1", PHRASE), "teach", "m1", 1, PHRASE)
    assert content(prompts) == before and not live.told.is_set()


def test_a_guide_that_cannot_be_taken_up_is_published_all_the_same(publishing, live, teach, monkeypatch, caplog):
    told = threading.Event()

    def fail():
        told.set()
        raise RuntimeError("no model")
    monkeypatch.setattr(live, "look", fail)
    teach()
    assert told.wait(5) and len(publishing.history()) == 1


def test_a_sentence_that_was_deleted_meanwhile_can_be_taught(engine, publishing, teach):
    teach(miss=99)
    assert audited(engine) == [(1, None, "teach", PHRASE)] and len(publishing.history()) == 1


# --- what was published --------------------------------------------------------------------------------------

@BOTH
def test_the_last_is_first_with_its_difference(publishing, editor, teach):
    first = teach()
    second = publishing.publish(edited(editor, "m1", "查社保有几个办法。"), "node", "m1", 2)
    assert [p.id for p in publishing.history()] == [second, first]
    assert [p.id for p in publishing.history(1)] == [second]
    assert {(line.kind, line.file) for line in publishing.difference(second)} >= {
        ("added", "nodes/m1.yaml"), ("removed", "nodes/m1.yaml")}
    assert any(PHRASE in line.text for line in publishing.difference(first) if line.kind == "added")
    assert publishing.publication(first).phrase == PHRASE
    for ask in (publishing.difference, publishing.publication, publishing.roll_back):
        with pytest.raises(NotFound):
            ask(999)


@BOTH
def test_who_sees_what_was_taught(publishing, teach):
    one, two = teach(account=1, miss=1), teach("这个本本里头有好多", account=2, miss=2)
    def ids(*args, **named):
        return [p.id for p in publishing.taught(*args, **named)]
    assert ids(1, []) == [one] and ids(2, []) == [two]
    assert ids(1, [2]) == [two, one] and ids(9, [1]) == [one] and ids(9, []) == []
    assert ids(9, [], everything=True) == [two, one]


# --- undoing -------------------------------------------------------------------------------------------------

@BOTH
def test_what_was_taught_is_taken_back_once(engine, prompts, publishing, teach):
    before = content(prompts)
    number = teach()
    publishing.unteach(number, 2)
    assert content(prompts) == before and publishing.taught(1, [1]) == []
    last, first = publishing.history()
    assert (last.kind, last.account, last.undone_at) == ("unteach", "小王", None) and first.undone_at == NOW
    assert audited(engine)[-1] == (2, 1, "unteach", PHRASE)
    with transaction(engine) as orm:
        assert orm.get(MissRow, 1).settled_at is None
    with pytest.raises(Refused, match="undone already"):
        publishing.unteach(number, 1)


def test_what_somebody_took_out_by_hand_counts_as_taken_back(prompts, publishing, teach):
    number = teach()
    (prompts / TAUGHT).unlink()
    publishing.unteach(number, 1)
    assert [p.kind for p in publishing.history()] == ["teach"] and publishing.history()[0].undone_at == NOW


def test_only_what_was_taught_can_be_untaught(publishing, editor):
    number = publishing.publish(edited(editor, "m1", "查社保有几个办法。"), "node", "m1", 1)
    with pytest.raises(NotFound):
        publishing.unteach(number, 1)


def test_rolling_back_puts_the_files_back(prompts, publishing, editor, teach):
    before = content(prompts)
    number = publishing.publish(edited(editor, "m1", "查社保有几个办法。"), "node", "m1", 1)
    back = publishing.roll_back(number)
    assert back.problems == () and content(prompts) != before
    publishing.publish(back, "rollback", "m1", 2, undoes=number)
    assert content(prompts) == before
    assert [(p.kind, p.undone_at) for p in publishing.history()] == [("rollback", None), ("node", NOW)]
    again = publishing.roll_back(publishing.history()[0].id)
    assert again.files.keys() == {"nodes/m1.yaml"}


def test_a_new_file_goes_with_its_publication(prompts, publishing, teach):
    number = teach()
    publishing.publish(publishing.roll_back(number), "rollback", "m2_med", 1, undoes=number)
    assert not (prompts / TAUGHT).exists() and publishing.taught(1, []) == []


@pytest.mark.parametrize("later", ["the same node", "another of its file", "by hand", "back by hand"])
def test_what_was_changed_since_is_not_rolled_back(prompts, publishing, editor, later):
    path = prompts / "nodes" / "m1.yaml"
    before = path.read_bytes()
    number = publishing.publish(edited(editor, "m1", "查社保有几个办法。"), "node", "m1", 1)
    if later == "by hand":
        path.write_bytes(path.read_bytes() + b"# \n")
    elif later == "back by hand":
        path.write_bytes(before)
    else:
        node_id = "m1" if later == "the same node" else "m1_phone"
        publishing.publish(edited(editor, node_id, "用手机查也可以。"), "node", node_id, 2)
    held = content(prompts)
    with pytest.raises(Stale):
        publishing.roll_back(number)
    assert content(prompts) == held
