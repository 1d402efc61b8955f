"""A PostgreSQL server of the tests' own, in a folder that is deleted with it."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

import pytest
from sqlalchemy import create_engine, text

from service.store.database import open_database

PROGRAMS = Path("/usr/lib/postgresql")
"""Where Debian keeps a folder of each version; its programs are not on the path."""
OPTIONS = {"fsync": "off", "full_page_writes": "off", "listen_addresses": "''", "max_connections": "150",
           "shared_buffers": "32MB", "autovacuum": "off", "password_encryption": "scram-sha-256"}
"""Nothing of it has to outlive a pulled plug."""
TEMPLATE = "template_of_tests"


class Cluster:
    """A running server, reached by a socket in its folder alone."""

    def __init__(self, programs: Path):
        self._programs = programs
        self._numbers = itertools.count(1)
        self._folder = Path(tempfile.mkdtemp(prefix="pg"))
        self._user = _unprivileged() if os.geteuid() == 0 else None
        if self._user:
            # The server refuses to run as root.
            shutil.chown(self._folder, self._user)
            self._folder.chmod(0o755)
        self._template_made = False
        self._admin = None
        try:
            self._run("initdb", "-D", self._data, "-U", "guide", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def start(self) -> None:
        """Start the server."""
        options = " ".join(f"-c {name}={value}" for name, value in OPTIONS.items())
        self._run("pg_ctl", "start", "-w", "-s", "-D", self._data, "-l", self._folder / "log",
                  "-o", f"{options} -c unix_socket_directories={self._folder}")

    def restart(self) -> None:
        """Stop the server, with every connection, and start it again."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", "fast", "-D", self._data)
        self.start()

    def stop(self) -> None:
        """Stop it and delete everything."""
        if self._admin:
            self._admin.dispose()
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", self._data)
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, name: str) -> str:
        """Address of one of its databases."""
        return f"postgresql://guide@/{name}?host={self._folder}"

    @contextlib.contextmanager
    def database(self, empty: bool = False) -> Iterator[str]:
        """Address of a new database, with every migration applied, or ``empty``."""
        name = f"test{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}" if empty else f"CREATE DATABASE {name} TEMPLATE {self._template()}")
        try:
            yield self.url(name)
        finally:
            # FORCE: a test may leave connections open.
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _template(self) -> str:
        if not self._template_made:
            self._execute(f"CREATE DATABASE {TEMPLATE}")
            open_database(self.url(TEMPLATE)).dispose()
            self._template_made = True
        return TEMPLATE

    def _execute(self, statement: str) -> None:
        if self._admin is None:
            url = self.url("postgres").replace("postgresql:", "postgresql+psycopg:")
            self._admin = create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        with self._admin.connect() as connection:
            connection.execute(text(statement))

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._programs / program), *map(str, arguments)]
        if self._user:
            command = ["runuser", "-u", self._user, "--", *command]
        # Into a file: a server inherits the pipe of its output, which would then never end.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                  env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, timeout=60)
            said.seek(0)
            assert done.returncode == 0, f"{program} failed: {said.read()}"


def _unprivileged() -> str:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise LookupError("there is no user for the server to run as")


def start() -> Cluster:
    """Start a server. Without PostgreSQL the test is skipped, or fails if REQUIRE_POSTGRES=1."""
    versions = sorted(PROGRAMS.glob("*/bin/initdb"), key=lambda path: float(path.parent.parent.name))
    if versions:
        return Cluster(versions[-1].parent)
    missing = "PostgreSQL is not installed"
    if os.environ.get("REQUIRE_POSTGRES") == "1":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
