"""Inspection: how a database is, without opening it for the service: nothing is migrated, made or written."""

from __future__ import annotations

import datetime
import os
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, func, inspect, make_url, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from service.errors import StoreError
from service.store.database import CONNECT_TIMEOUT_S
from service.store.tables import TurnRow

READ_WITHIN_MS = 5_000
"""A question that takes longer is given up."""
LOOK_THROUGH_S = 5.0
"""So long the pages of SQLite's file are looked through; of a larger file the rest is taken on trust."""


@dataclass(frozen=True)
class Inspected:
    """How a database is."""

    revision: str | None
    """Of its tables; None: it has none yet."""
    size_bytes: int
    writable: bool
    damaged: bool
    """True if pages of it cannot be trusted. PostgreSQL looks after that by itself."""
    last_turn_at: datetime.datetime | None
    """When the last turn came in; None: none yet, or tables of another revision."""


def inspected(url: str) -> Inspected | None:
    """How the database at ``url`` is; None for a file that is not there yet. StoreError if it cannot be read; its
    text holds no part of the address."""
    try:
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            path = Path(address.database)
            return _sqlite(path) if path.exists() else None
        engine = create_engine(
            address.set(drivername="postgresql+psycopg"), poolclass=NullPool,
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "guide",
                          "options": f"-c statement_timeout={READ_WITHIN_MS} -c lock_timeout={READ_WITHIN_MS}"})
        return _read(engine, _postgresql_size, _postgresql_writable, False)
    except (SQLAlchemyError, sqlite3.Error, OSError, ValueError) as e:
        # The driver's text may quote the address.
        raise StoreError(f"the database cannot be read: {type(e).__name__}") from None


def _read(engine: Engine, size, writable, damaged: bool) -> Inspected:
    with engine.connect() as connection:
        has_tables = inspect(connection).has_table("alembic_version")
        revision = connection.scalar(text("SELECT version_num FROM alembic_version")) if has_tables else None
        last = None
        if inspect(connection).has_table(TurnRow.__tablename__):
            last = connection.scalar(select(func.max(TurnRow.received_at)))
        return Inspected(revision, size(connection), writable(connection), damaged, last)


def _sqlite(path: Path) -> Inspected:
    def connect() -> sqlite3.Connection:
        # mode=ro: SQLite itself refuses to write (https://www.sqlite.org/uri.html).
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=READ_WITHIN_MS / 1000,
                               check_same_thread=False)
    with closing(connect()) as connection:
        damaged = _is_damaged(connection)
    if damaged:
        return Inspected(None, path.stat().st_size, _takes_writing(path), True, None)
    return _read(create_engine("sqlite://", creator=connect, poolclass=NullPool),
                 lambda _: path.stat().st_size, lambda _: _takes_writing(path), False)


def _is_damaged(connection: sqlite3.Connection) -> bool:
    """What SQLite's own check says (https://www.sqlite.org/pragma.html#pragma_quick_check)."""
    stop = threading.Timer(LOOK_THROUGH_S, connection.interrupt)
    stop.start()
    try:
        return connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",)
    except sqlite3.DatabaseError as e:
        # A lock or the end of the time says nothing about the pages.
        return getattr(e, "sqlite_errorname", "") in ("SQLITE_CORRUPT", "SQLITE_NOTADB")
    finally:
        stop.cancel()


def _takes_writing(path: Path) -> bool:
    """True if the file can be opened for writing, and its log beside it be made; neither is done."""
    try:
        path.open("r+b").close()
    except OSError:
        return False
    return os.access(path.parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def _postgresql_size(connection: Connection) -> int:
    return connection.scalar(text("SELECT pg_database_size(current_database())"))


def _postgresql_writable(connection: Connection) -> bool:
    """False for a standby, a database that is set to be read only, and a user who may not write."""
    if connection.scalar(text("SHOW transaction_read_only")) == "on":
        return False
    if inspect(connection).has_table(TurnRow.__tablename__):
        return connection.scalar(text("SELECT has_table_privilege(:table, 'INSERT')"), {"table": TurnRow.__tablename__})
    return connection.scalar(text("SELECT has_schema_privilege(current_schema(), 'CREATE')"))
