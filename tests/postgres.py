"""The PostgreSQL server of the tests."""

from __future__ import annotations

import os

import pytest

from service.lab.servers import MissingProgram, PostgresServer


def start() -> PostgresServer:
    """Start a server. Without PostgreSQL the test is skipped, or fails if REQUIRE_POSTGRES=1."""
    try:
        return PostgresServer()
    except MissingProgram:
        missing = "PostgreSQL is not installed"
    if os.environ.get("REQUIRE_POSTGRES") == "1":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
