from pathlib import Path

import pytest

from service.store.database import open_database


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where a test keeps its database."""
    return f"sqlite:///{tmp_path / 'guide.db'}"


@pytest.fixture
def engine(url: str):
    """A real database with every migration applied."""
    engine = open_database(url)
    yield engine
    engine.dispose()
