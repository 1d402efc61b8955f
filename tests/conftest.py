"""What every test may use: the shipped guide, loaded and compiled once, and databases of both kinds."""

from pathlib import Path
from typing import Iterator

import pytest

from service.core.model import Guide
from service.core.understanding import Understanding
from service.lab.servers import PostgresServer
from tests import postgres as servers
from tests import support


def pytest_configure(config) -> None:
    """The order below is the order: by itself xdist gives out first what has the most tests, not what takes
    longest."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items) -> None:
    """Of two processes that share the tests one has those with a browser, from the beginning: they wait for
    sounds to end, while the other one computes. Those with the speech model take the longest of the rest."""
    items.sort(key=lambda item: (item.get_closest_marker("browser") is None, item.get_closest_marker("audio") is None))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Each file goes to one process, so that what its tests share is made once; all with a browser to the same one.

    xdist 3.8 does not see its own mark for this with pytest 9.2 (pytest-xdist 1386).
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            return "browser" if file.endswith("_browser.py") else file
    return ByFile(config, log)


@pytest.fixture(scope="session")
def guide() -> Guide:
    """The shipped guide."""
    return support.guide()


@pytest.fixture(scope="session")
def understanding() -> Understanding:
    """Its phrases, compiled."""
    return support.edition().understanding


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
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
