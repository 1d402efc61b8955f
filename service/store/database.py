"""Database: opens SQLite in WAL mode, or PostgreSQL, and brings its tables up to date."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from pathlib import Path
from typing import Iterator
from urllib.parse import quote, quote_plus

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.orm import Session as Orm

from service.errors import StoreError

log = logging.getLogger(__name__)
MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_TIMEOUT_MS = 5_000
"""How long a turn waits for another writer."""
STATEMENT_TIMEOUT_MS = 15_000
"""PostgreSQL gives a statement up after this; what takes longer by its nature calls ``take_your_time``."""
IDLE_TIMEOUT_MS = 60_000
"""A transaction in which nothing happens for so long is ended by PostgreSQL, with the locks that it holds."""
CONNECT_TIMEOUT_S = 5
POOL_SIZE = 20
"""Connections to PostgreSQL that stay open: 16 threads of pages and those that look for changes and notices."""
POOL_OVERFLOW = 12
"""Further ones at a rush; with both, three processes stay below the 100 that a server allows by itself."""
POOL_TIMEOUT_S = 10
MIGRATION_LOCK = 0x67756964
"""PostgreSQL's advisory lock that is held while the tables are changed."""
MIGRATION_TIMEOUT = "60s"


def open_database(url: str) -> Engine:
    """An engine for ``url`` with every migration applied; StoreError if that cannot be done."""
    try:
        address = _address(url)
    except (SQLAlchemyError, ValueError):
        # The parser's message may quote a part of the password.
        raise StoreError("the database cannot be opened: its address cannot be read") from None
    try:
        if address.get_backend_name() == "sqlite":
            engine = _sqlite(address)
        else:
            engine = _postgresql(address)
        migrate(engine)
        return engine
    except (SQLAlchemyError, OSError) as e:
        raise StoreError(f"the database cannot be opened: {_reason(e, address)}") from e


@contextlib.contextmanager
def transaction(engine: Engine) -> Iterator[Orm]:
    """All that is done within it or nothing; the database's own errors become StoreError."""
    try:
        with Orm(engine, expire_on_commit=False) as orm, orm.begin():
            yield orm
    except SQLAlchemyError as e:
        # The statement's parameters stay out of the message: they may be private.
        raise StoreError(f"database: {type(e).__name__}") from e


@contextlib.contextmanager
def held(engine: Engine, lock: int) -> Iterator[None]:
    """Nobody else holds ``lock`` meanwhile, in any process of the same PostgreSQL; StoreError if it does not become
    free in time. SQLite belongs to one process: nothing is held there."""
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect() as connection:
        # Without a transaction: an idle one would be ended by the server.
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": lock})
        except SQLAlchemyError as e:
            raise StoreError(f"database: {type(e).__name__}") from e
        try:
            yield
        finally:
            with contextlib.suppress(SQLAlchemyError):
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": lock})


def take_your_time(connection: Connection) -> None:
    """Lift PostgreSQL's limits of time for this transaction: it reads or writes whole tables."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def _address(url: str) -> URL:
    address = make_url(url)
    if address.drivername == "postgresql":
        # SQLAlchemy would take psycopg2 for it.
        address = address.set(drivername="postgresql+psycopg")
    if address.drivername not in ("sqlite", "postgresql+psycopg") or not address.database:
        raise ValueError
    return address


def _reason(error: Exception, address: URL) -> str:
    """What the driver says, without the statement and without the password."""
    said = str(getattr(error, "orig", None) or error)
    password = address.password or ""
    for secret in {password, quote(password), quote_plus(password)} - {""}:
        said = said.replace(secret, "***")
    return said


# --- SQLite ----------------------------------------------------------------------------------------------

def _sqlite(address: URL) -> Engine:
    path = Path(address.database)
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address)
    event.listen(engine, "connect", _prepare_sqlite)
    _notice_a_missing_file(engine, path)
    return engine


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


def _notice_a_missing_file(engine: Engine, path: Path) -> None:
    """Fail, rather than write on into a file that was deleted, or into a new one without tables.

    SQLite itself does not mind a deleted file: turns would be lost without a word at the next start.
    Once the file is back, it is used again.
    """
    opened = False

    def refuse_to_make(_dialect, _record, _arguments, _options) -> None:
        if opened and not path.exists():
            raise sqlite3.OperationalError("the file of the database is missing")

    def remember(_connection, record) -> None:
        nonlocal opened
        opened, record.info["file"] = True, _identity(path)

    def compare(_connection, record, _proxy) -> None:
        if record.info.get("file") != _identity(path):
            # The pool opens another connection instead, which ``refuse_to_make`` allows or not.
            raise DisconnectionError("the file of the database is another one")

    event.listen(engine, "do_connect", refuse_to_make)
    event.listen(engine, "connect", remember)
    event.listen(engine, "checkout", compare)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


# --- PostgreSQL ------------------------------------------------------------------------------------------

def _postgresql(address: URL) -> Engine:
    limits = {"statement_timeout": STATEMENT_TIMEOUT_MS, "lock_timeout": BUSY_TIMEOUT_MS,
              "idle_in_transaction_session_timeout": IDLE_TIMEOUT_MS}
    return create_engine(
        address, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW, pool_timeout=POOL_TIMEOUT_S,
        # A server that was started again has closed every connection of the pool.
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "guide",
                      "options": " ".join(f"-c {name}={value}" for name, value in limits.items())})


# --- migrations ------------------------------------------------------------------------------------------

def newest_revision() -> str:
    """The revision that this code needs: that of the last file in ``migrations/versions``."""
    return max(path.name.split("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*.py"))


def migrate(engine: Engine) -> None:
    """Apply the migrations that the database lacks, all or none; StoreError if there is no way."""
    with engine.begin() as connection:
        if _revision(connection) == newest_revision():
            return
        _hold(connection)
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


def _hold(connection: Connection) -> None:
    """Keep other processes from migrating until this transaction ends: two that start at once would both
    make the tables."""
    if connection.dialect.name == "sqlite":
        # Python's sqlite3 begins no transaction for DDL: a kill half way would leave half the tables.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        take_your_time(connection)
        connection.execute(text(f"SET LOCAL lock_timeout = '{MIGRATION_TIMEOUT}'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(text("SELECT version_num FROM alembic_version"))
