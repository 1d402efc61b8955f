import datetime
from types import SimpleNamespace

import pytest

from service.care.care import open_care
from service.store.database import open_database
from tests.support import QUICK_HASHER

NOW = datetime.datetime(2026, 11, 23, 8, 0, tzinfo=datetime.UTC)


@pytest.fixture
def clock():
    """A clock that stands, at ``clock.now``."""
    return SimpleNamespace(now=NOW)


@pytest.fixture
def care(database_url, clock):
    """All of it over a database of the test's own, of both kinds."""
    engine = open_database(database_url)
    yield open_care(engine, bytes(32), lambda: clock.now, QUICK_HASHER)
    engine.dispose()
