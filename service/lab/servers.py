"""Servers that the service works with, from Debian's packages: PostgreSQL, Redis, nginx.

Each lives in a folder of its own below the temporary folder, and listens on a socket in it or on a port of this
machine alone. ``halt`` and ``kill`` leave its data, ``stop`` deletes everything.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Iterator

import redis
from sqlalchemy import create_engine, text

from service.errors import GuideError
from service.store.database import open_database

PLACES = (Path("/usr/sbin"), Path("/usr/local/sbin"))
"""Where Debian keeps programs that are not on everybody's path."""
POSTGRES_PLACE = Path("/usr/lib/postgresql")
"""Where Debian keeps a folder of each version of PostgreSQL."""
READY_S = 20
"""Longest wait for a server that starts or stops, seconds."""
TEMPLATE = "template_of_tests"


class MissingProgram(GuideError):
    """A server's program is not installed on this machine."""

    code = "program_missing"


class ServerFailed(GuideError):
    """A server did not start or stop; the message is what it said."""

    code = "server_failed"


def program(name: str) -> Path:
    """Where a program is; MissingProgram if it is not installed."""
    found = shutil.which(name) or next((str(place / name) for place in PLACES if (place / name).exists()), None)
    if found is None:
        raise MissingProgram(f"{name} is not installed")
    return Path(found)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- PostgreSQL ------------------------------------------------------------------------------------------

class PostgresServer:
    """A running PostgreSQL of the newest version that is installed, reached by a socket in its folder alone."""

    OPTIONS = {"fsync": "off", "full_page_writes": "off", "listen_addresses": "''", "max_connections": "150",
               "shared_buffers": "32MB", "autovacuum": "off", "password_encryption": "scram-sha-256"}
    """Nothing of it has to outlive a pulled plug."""

    def __init__(self):
        """Make an empty one and start it; MissingProgram if PostgreSQL is not installed."""
        self._programs = _postgres_programs()
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
        options = " ".join(f"-c {name}={value}" for name, value in self.OPTIONS.items())
        self._run("pg_ctl", "start", "-w", "-s", "-D", self._data, "-l", self._folder / "log",
                  "-o", f"{options} -c unix_socket_directories={self._folder}")

    def halt(self) -> None:
        """Stop the server, with every connection."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", "fast", "-D", self._data)

    def kill(self) -> None:
        """End it without a word to anybody, as a pulled plug would."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", self._data)

    def restart(self) -> None:
        """Stop the server, with every connection, and start it again."""
        self.halt()
        self.start()

    def stop(self) -> None:
        """Stop it and delete everything."""
        if self._admin:
            self._admin.dispose()
        if (self._data / "postmaster.pid").exists():
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, name: str) -> str:
        """Address of one of its databases."""
        return f"postgresql://guide@/{name}?host={self._folder}"

    @contextlib.contextmanager
    def database(self, empty: bool = False) -> Iterator[str]:
        """Address of a new database, with every migration applied, or ``empty``."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}" if empty else f"CREATE DATABASE {name} TEMPLATE {self._template()}")
        try:
            yield self.url(name)
        finally:
            # FORCE: a test may leave connections open.
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run a statement as the owner of everything, outside of any transaction."""
        if self._admin is None:
            url = self.url("postgres").replace("postgresql:", "postgresql+psycopg:")
            self._admin = create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        with self._admin.connect() as connection:
            connection.execute(text(statement))

    def _template(self) -> str:
        if not self._template_made:
            self.execute(f"CREATE DATABASE {TEMPLATE}")
            open_database(self.url(TEMPLATE)).dispose()
            self._template_made = True
        return TEMPLATE

    def _run(self, name: str, *arguments: object) -> None:
        command = [str(self._programs / name), *map(str, arguments)]
        if self._user:
            command = ["runuser", "-u", self._user, "--", *command]
        # Into a file: a server inherits the pipe of its output, which would then never end.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                  env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, timeout=60)
            said.seek(0)
            if done.returncode:
                raise ServerFailed(f"{name} failed: {said.read()}")


def _postgres_programs() -> Path:
    versions = sorted(POSTGRES_PLACE.glob("*/bin/initdb"), key=lambda path: float(path.parent.parent.name))
    return (versions[-1] if versions else program("initdb")).parent


def _unprivileged() -> str:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise LookupError("there is no user for the server to run as")


# --- servers that stay in the foreground -----------------------------------------------------------------

class _Foreground:
    """A program that serves until it gets a signal, with a folder of its own."""

    def __init__(self, name: str):
        self._program = program(name)
        self._folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self._process: subprocess.Popen | None = None

    @property
    def log(self) -> Path:
        """File of what it said."""
        return self._folder / "log"

    def halt(self) -> None:
        """Stop it as its administrator would."""
        if self._runs:
            self._process.terminate()
            self._process.wait(READY_S)

    def kill(self) -> None:
        """End it without a word to anybody, as a pulled plug would."""
        if self._runs:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(READY_S)

    @property
    def _runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop it and delete everything."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _begin(self, *arguments: str) -> None:
        """Start the program and wait until ``_is_ready``; ServerFailed if that does not come."""
        with self.log.open("a") as log:
            # A session of its own: what it starts itself, as nginx its workers, has to die with it.
            self._process = subprocess.Popen([self._program, *arguments], cwd=self._folder, stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log, start_new_session=True)
        give_up = time.monotonic() + READY_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.kill()
                raise ServerFailed(f"{self._program.name} does not start: {self.log.read_text()}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        raise NotImplementedError


class RedisServer(_Foreground):
    """A Redis that keeps nothing on disk: after ``restart`` it is empty."""

    def __init__(self):
        """Start it; MissingProgram if Redis is not installed."""
        super().__init__("redis-server")
        self._socket = self._folder / "socket"
        self.url = f"unix://{self._socket}"
        """Its address, as REDIS_URL takes it."""
        self.start()

    def start(self) -> None:
        """Start it, at the address it had before."""
        self._begin("--port", "0", "--unixsocket", str(self._socket), "--save", "", "--appendonly", "no",
                    "--dir", str(self._folder))

    def restart(self) -> None:
        """Stop it, with every connection, and start it again."""
        self.halt()
        self.start()

    def clients(self) -> int:
        """Number of connections that others have to it."""
        with redis.Redis.from_url(self.url) as client:
            return client.info("clients")["connected_clients"] - 1

    def _is_ready(self) -> bool:
        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(self.url, retry=None) as client:
            return client.ping()
        return False


class NginxServer(_Foreground):
    """nginx with what stands in its ``http`` block, given as text; files of its own lie in its folder."""

    FRAME = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
access_log off;
client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{http}
}}
"""

    def __init__(self, http: str):
        """Start it; MissingProgram if nginx is not installed, ServerFailed if it refuses the text."""
        super().__init__("nginx")
        self._write(http)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self) -> None:
        """Start it, with the text it had before."""
        self._pid.unlink(missing_ok=True)
        self._begin(*self._arguments)

    def restart(self) -> None:
        """Stop it, with every connection, and start it again."""
        self.halt()
        self.start()

    def reload(self, http: str) -> None:
        """Serve by another text from now on; what runs is let finish. ServerFailed if nginx refuses the text."""
        self._write(http)
        tested = subprocess.run([self._program, "-t", *self._arguments], capture_output=True, text=True)
        if tested.returncode:
            raise ServerFailed(f"nginx refuses its settings: {tested.stderr}")
        self._process.send_signal(signal.SIGHUP)

    @property
    def _pid(self) -> Path:
        return self._folder / "pid"

    @property
    def _arguments(self) -> tuple[str, ...]:
        return "-p", str(self._folder), "-e", "stderr", "-c", str(self._folder / "nginx.conf")

    def _write(self, http: str) -> None:
        # As root its workers would else be somebody who cannot read the folder.
        user = "user root;" if os.geteuid() == 0 else ""
        text = self.FRAME.format(user=user, folder=self._folder, http=http)
        (self._folder / "nginx.conf").write_text(text, encoding="utf-8")

    def _is_ready(self) -> bool:
        # Written once its sockets listen.
        return self._pid.exists()
