"""What every test may use: the shipped guide, loaded and compiled once, and databases of both kinds."""

from pathlib import Path
from typing import Iterator

import pytest

from service.core.model import Guide
from service.core.understanding import Understanding
from tests import postgres as servers
from tests import support


def pytest_collection_modifyitems(items) -> None:
    """Of two processes that share the tests one has those with a browser, from the beginning: they wait for
    sounds to end, while the other one computes."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is None)
    for item in items:
        group = "browser" if item.get_closest_marker("browser") else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def guide() -> Guide:
    """The shipped guide."""
    return support.guide()


@pytest.fixture(scope="session")
def understanding() -> Understanding:
    """Its phrases, compiled."""
    return support.edition().understanding


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Cluster]:
    """A PostgreSQL server; without it as for the speech model, see ``tests.postgres.start``."""
    cluster = servers.start()
    yield cluster
    cluster.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path: Path) -> Iterator[str]:
    """Address of a test's own database; the test runs with each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'guide.db'}"
        return
    with request.getfixturevalue("postgres").database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request, tmp_path: Path) -> Iterator[str]:
    """The same without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    with request.getfixturevalue("postgres").database(empty=True) as url:
        yield url
