"""Database: opens SQLite in WAL mode and brings its tables up to date."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from service.errors import StoreError

log = logging.getLogger(__name__)
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
    # FULL: a committed turn survives a pulled plug, not only a killed process.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON",
                   f"busy_timeout={BUSY_TIMEOUT_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def migration_config() -> Config:
    """Alembic's configuration of this project's migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def migrate(engine: Engine) -> None:
    """Apply the migrations that the database lacks."""
    config = migration_config()
    newest = ScriptDirectory.from_config(config).get_current_head()
    with engine.begin() as connection:
        if MigrationContext.configure(connection).get_current_revision() == newest:
            return
        log.info("database is brought to revision %s", newest)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
