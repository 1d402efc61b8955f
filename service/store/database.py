"""Database: opens SQLite in WAL mode and brings its tables up to date."""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from service.errors import StoreError

log = logging.getLogger(__name__)
MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_TIMEOUT_MS = 5_000
"""How long a turn waits for another writer."""


def open_database(url: str) -> Engine:
    """An engine for ``url`` with every migration applied; StoreError if that cannot be done."""
    try:
        if url.startswith("sqlite:///"):
            Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _prepare_sqlite)
        migrate(engine)
        return engine
    except (SQLAlchemyError, OSError) as e:
        raise StoreError(f"the database cannot be opened: {e}") from e


def _prepare_sqlite(connection, _record) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    _use_wal(cursor)
    # FULL: a committed turn survives a pulled plug, not only a killed process.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Switch to the write-ahead log. Of two processes that do so at once SQLite turns one away without
    waiting for the busy timeout (https://www.sqlite.org/wal.html#sometimes_queries_return_sqlite_busy_in_wal_mode)."""
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as e:
            if "locked" not in str(e) or time.monotonic() >= until:
                raise
            time.sleep(0.02)


def newest_revision() -> str:
    """The revision that this code needs: that of the last file in ``migrations/versions``."""
    return max(path.name.split("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*.py"))


def migrate(engine: Engine) -> None:
    """Apply the migrations that the database lacks, all or none; StoreError if there is no way."""
    with engine.begin() as connection:
        if _revision(connection) == newest_revision():
            return
        if engine.dialect.name == "sqlite":
            # Python's sqlite3 begins no transaction for DDL: a kill half way would leave half the
            # tables, and two processes that start at once would both make them.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            if _revision(connection) == newest_revision():
                return
        # Alembic takes a third of a second to import: only where there is work for it.
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError
        log.info("database is brought to revision %s", newest_revision())
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as e:
            raise StoreError(f"the database is not of this version of the service: {e}") from e


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(text("SELECT version_num FROM alembic_version"))
