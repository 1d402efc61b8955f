"""Opening the database: safe, up to date, or refused with a clear word."""

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
from sqlalchemy import inspect, text

from service.errors import StoreError
from service.store import database
from service.store.database import MIGRATIONS, newest_revision, open_database
from service.store.tables import Base
from tests.support import ROOT


def test_writing_is_safe_against_a_pulled_plug_and_references_are_kept(engine):
    with engine.connect() as connection:
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


def test_a_migration_that_breaks_off_leaves_nothing_behind(url: str, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_index", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            open_database(url)
    engine = open_database(url)
    assert set(inspect(engine).get_table_names()) == {"alembic_version", *Base.metadata.tables}


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


def test_a_locked_database_is_refused_after_the_time_it_may_take(url: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    holder = sqlite3.connect(tmp_path / "guide.db", isolation_level=None)
    holder.execute("CREATE TABLE held (x)")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="locked"):
        open_database(url)
    holder.execute("ROLLBACK")
    holder.close()
    open_database(url).dispose()


def test_two_processes_may_open_a_new_database_at_once(url: str):
    code = f"from service.store.database import open_database; open_database({url!r}); print('open')"
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [out for out, _ in said] == ["open\n"] * 2, said
