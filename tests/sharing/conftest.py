"""A real Redis for all tests of the folder, and a line to it for each."""

import os
from typing import Iterator

import pytest

from service.lab.servers import MissingProgram, RedisServer
from service.sharing.line import Line


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A server; without the program the test is skipped, or fails if REQUIRE_REDIS=1."""
    try:
        server = RedisServer()
    except MissingProgram as e:
        if os.environ.get("REQUIRE_REDIS") == "1":
            pytest.fail(str(e), pytrace=False)
        pytest.skip(str(e))
    yield server
    server.stop()


@pytest.fixture
def line(redis) -> Iterator[Line]:
    """A line to it, with nothing there yet."""
    line = Line(redis.url)
    line.client.flushall()
    yield line
    line.close()
