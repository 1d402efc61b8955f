"""Opening the database: safe, up to date, or refused with a clear word; and what befalls an open one."""

import datetime
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event, inspect, text

from service.errors import StoreError
from service.store import database
from service.store.database import MIGRATIONS, newest_revision, open_database, transaction
from service.store.tables import Base
from service.store.talks import TalkStore, Turn
from tests.support import ROOT

NOW = datetime.datetime(2026, 11, 23, 8, 0, tzinfo=datetime.UTC)


def turn(number: int, reply: str = "您好。") -> Turn:
    return Turn("talk", f"t{number}", number, "key", "key", "root", NOW, 1.5, {"sentences": [reply]})


def test_writing_is_safe_against_a_pulled_plug_and_references_are_kept(sqlite_engine):
    with sqlite_engine.connect() as connection:
        def pragma(name: str):
            return connection.scalar(text(f"PRAGMA {name}"))
        assert pragma("journal_mode") == "wal"
        assert pragma("synchronous") == 2
        assert pragma("foreign_keys") == 1
        assert pragma("busy_timeout") == database.BUSY_TIMEOUT_MS


def test_the_folder_is_made(tmp_path: Path):
    open_database(f"sqlite:///{tmp_path / 'new' / 'folder' / 'guide.db'}").dispose()
    assert (tmp_path / "new" / "folder" / "guide.db").exists()


def test_the_migrations_make_exactly_the_tables_of_the_code(engine):
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_newest_revision_is_the_one_that_alembic_takes_for_it(engine):
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == newest_revision()
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == newest_revision()


def test_a_database_of_the_newest_revision_is_not_migrated_again(engine, url: str, monkeypatch):
    monkeypatch.setattr(command, "upgrade", lambda *_: pytest.fail("migrated again"))
    open_database(url).dispose()


def test_a_migration_that_breaks_off_leaves_nothing_behind(empty_database_url: str, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_index", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            open_database(empty_database_url)
    engine = open_database(empty_database_url)
    assert set(inspect(engine).get_table_names()) == {"alembic_version", *Base.metadata.tables}
    engine.dispose()


def test_all_migrations_can_be_taken_back(engine):
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]


def test_a_database_of_a_newer_version_of_the_code_is_refused(engine, url: str):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="9999"):
        open_database(url)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "guide.db"
    path.write_bytes(b"these are the notes of the family\n" * 100)
    with pytest.raises(StoreError, match="not a database"):
        open_database(f"sqlite:///{path}")
    assert path.read_bytes().startswith(b"these are the notes")


def test_a_folder_in_place_of_the_database_is_refused(tmp_path: Path):
    (tmp_path / "guide.db").mkdir()
    with pytest.raises(StoreError, match="unable to open"):
        open_database(f"sqlite:///{tmp_path / 'guide.db'}")


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "data").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        open_database(f"sqlite:///{tmp_path / 'data' / 'guide.db'}")


@pytest.fixture
def as_nobody():
    """The rights of an ordinary user, even where the tests run as root."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        yield
        os.seteuid(0)
    else:
        yield


@pytest.fixture
def read_only():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        yield Path(folder)
        os.chmod(folder, 0o755)


def test_a_read_only_folder_is_refused(read_only: Path, as_nobody):
    with pytest.raises(StoreError, match="unable to open"):
        open_database(f"sqlite:///{read_only / 'guide.db'}")


def test_a_locked_database_is_refused_after_the_time_it_may_take(sqlite_url: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    holder = sqlite3.connect(tmp_path / "guide.db", isolation_level=None)
    holder.execute("CREATE TABLE held (x)")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="locked"):
        open_database(sqlite_url)
    holder.execute("ROLLBACK")
    holder.close()
    open_database(sqlite_url).dispose()


def test_two_processes_may_open_a_new_database_at_once(empty_database_url: str):
    code = f"from service.store.database import open_database; open_database({empty_database_url!r}); print('open')"
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [out for out, _ in said] == ["open\n"] * 2, said


# --- one version behind ------------------------------------------------------------------------------

def test_a_database_of_the_version_before_is_brought_up_to_date_and_loses_nothing(empty_database_url: str):
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    old = create_engine(empty_database_url.replace("postgresql:", "postgresql+psycopg:"))
    with old.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO talks (id, session, turns, created_at, updated_at) VALUES "
                                "('talk', '{\"node\": \"m1\"}', 2, '2026-11-23 08:00:00', '2026-11-23 08:00:00')"))
        for number in (1, 2):
            connection.execute(
                text("INSERT INTO turns (talk_id, id, number, source, outcome, node, received_at, took_ms, reply) "
                     "VALUES ('talk', :id, :number, 'key', 'key', 'm1', '2026-11-23 08:00:00', 1.5, "
                     "'{\"say\": \"您好\"}')"),
                {"id": f"t{number}", "number": number})
    old.dispose()
    engine = open_database(empty_database_url)
    store = TalkStore(engine)
    talk, second = store.load("talk"), store.turn("talk", "t2")
    assert (talk.session, talk.turns, talk.device_id) == ({"node": "m1"}, 2, None)
    assert (second.reply, second.number, second.said) == ({"say": "您好"}, 2, None)
    assert store.turn("talk", "t1") is not None
    store.commit({"node": "m2"}, turn(3))
    assert store.load("talk").turns == 3
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


# --- what befalls an open SQLite database ------------------------------------------------------------

def test_a_full_disk_is_a_store_error_and_the_talk_goes_on_once_there_is_room(sqlite_engine):
    store, connections = TalkStore(sqlite_engine), []
    event.listen(sqlite_engine, "checkout", lambda connection, *_: connections.append(connection))
    store.create({"node": "root"}, turn(1))
    pages = connections[-1].execute("PRAGMA page_count").fetchone()[0]
    connections[-1].execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError, match="OperationalError") as error:
        store.commit({"node": "m1"}, turn(2, "长" * 50_000))
    assert "full" in str(error.value.__cause__) and "长" not in str(error.value)
    assert store.load("talk").turns == 1 and store.turn("talk", "t2") is None
    store.commit({"node": "m1"}, turn(2))
    connections[-1].execute(f"PRAGMA max_page_count = {pages + 1000}")
    store.commit({"node": "m1"}, turn(3, "长" * 50_000))
    assert store.load("talk").turns == 3


def test_a_file_deleted_while_running_is_a_store_error_until_it_is_back(sqlite_engine, tmp_path: Path):
    store, path = TalkStore(sqlite_engine), tmp_path / "guide.db"
    store.create({"node": "root"}, turn(1))
    path.rename(tmp_path / "elsewhere.db")
    for _ in range(2):
        with pytest.raises(StoreError, match="OperationalError"):
            store.commit({"node": "m1"}, turn(2))
        with pytest.raises(StoreError):
            store.load("talk")
    assert not path.exists(), "no new file without tables is made in its place"
    (tmp_path / "elsewhere.db").rename(path)
    assert store.load("talk").turns == 1
    store.commit({"node": "m1"}, turn(2))
    assert store.load("talk").turns == 2


# --- PostgreSQL ----------------------------------------------------------------------------------------

def test_statements_and_waiting_have_an_end_on_postgresql(postgres, monkeypatch):
    monkeypatch.setattr(database, "STATEMENT_TIMEOUT_MS", 50)
    with postgres.database() as url:
        engine = open_database(url)
        assert engine.dialect.driver == "psycopg"
        with pytest.raises(StoreError, match="OperationalError"):
            with transaction(engine) as orm:
                orm.execute(text("SELECT pg_sleep(5)"))
        with transaction(engine) as orm:
            assert orm.scalar(text("SHOW lock_timeout")) == "5s"
            assert orm.scalar(text("SHOW idle_in_transaction_session_timeout")) == "1min"
        engine.dispose()


def test_a_server_that_was_started_again_is_found_again(postgres):
    with postgres.database() as url:
        engine = open_database(url)
        store = TalkStore(engine)
        store.create({"node": "root"}, turn(1))
        postgres.restart()
        store.commit({"node": "m1"}, turn(2))
        assert store.load("talk").turns == 2
        engine.dispose()


@pytest.mark.parametrize("url", [
    "postgresql://guide:p4ss%2Fword@127.0.0.1:1/guide", "postgresql://guide:p4ss%2Fword@127.0.0.1:none/guide",
    "postgresql://guide:p4ss/word@127.0.0.1/guide", "postgresql://guide@127.0.0.1:1/guide?password=p4ss/word",
    "mysql://guide:p4ss%2Fword@127.0.0.1/guide", "p4ss/word"])
def test_a_server_that_cannot_be_had_is_a_store_error_without_the_password(url: str):
    with pytest.raises(StoreError, match="cannot be opened") as error:
        open_database(url)
    assert "p4ss" not in str(error.value)
