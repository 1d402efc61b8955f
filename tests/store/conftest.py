from pathlib import Path

import pytest

from service.store.database import open_database


@pytest.fixture
def url(database_url: str) -> str:
    """Where a test keeps its database, of both kinds."""
    return database_url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Where a test of SQLite alone keeps its database."""
    return f"sqlite:///{tmp_path / 'guide.db'}"


@pytest.fixture
def engine(url: str):
    """A real database with every migration applied."""
    engine = open_database(url)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_engine(sqlite_url: str):
    """The same of SQLite alone."""
    engine = open_database(sqlite_url)
    yield engine
    engine.dispose()
