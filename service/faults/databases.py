"""Faults of the database and of Redis: locked, read-only, gone, started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
import time
from pathlib import Path
from typing import Iterator

from service.faults.disk import filesystem, read_only
from service.faults.scene import Lab, Row, Scene, Skipped, scene
from service.lab.servers import MissingProgram, PostgresServer, RedisServer

LOCKED_S = (3, 20)
AWAY_S = 10
"""How long the servers are away, seconds."""


# --- SQLite ----------------------------------------------------------------------------------------------

def locked(lab: Lab) -> Row:
    """Another process holds the database: a short time, and longer than a turn waits."""
    with scene(lab.folder, lab.chance) as found:
        for seconds in LOCKED_S:
            locked_for(found, lab.folder / "guide.db", seconds)
        return found.row(f"SQLite locked by another process for {' and '.join(map(str, LOCKED_S))} s",
                         "the end of the lock")


def locked_for(found: Scene, path: Path, seconds: float) -> None:
    """Hold the database for some seconds, in which the listener presses and whoever cares looks."""
    free, held = threading.Event(), threading.Event()

    def hold() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            held.set()
            time.sleep(seconds)
            other.execute("ROLLBACK")
            free.set()
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    looking = threading.Thread(target=found.caregiver.look)
    looking.start()
    began = time.monotonic()
    found.waits_s.append(max(0.0, found.turn() - began - seconds))
    for thread in (holder, looking):
        thread.join()


def sqlite_read_only(lab: Lab) -> Row:
    """The disk becomes read-only as ext4 makes it at an error; then it is mended and the service started again."""
    with filesystem(lab.folder, "ext4") as place, scene(place, lab.chance) as found:
        read_only(place)
        meanwhile(found, 4)
        found.service.kill()
        saved = lab.folder / "saved"
        shutil.copytree(place, saved)
        found.service.move(saved)
        began = time.monotonic()
        found.pressed_while(found.restart, began)
        return found.row("disk read-only while running", "a start with the same data on a disk that takes them")


def meanwhile(found: Scene, presses: int) -> None:
    """The listener presses and whoever cares looks, whether they are answered or not."""
    for _ in range(presses):
        found.try_turn()
        found.caregiver.look()
        time.sleep(0.5)


def file_replaced(lab: Lab) -> Row:
    """The file of the database is taken away, and put back; then another copy of it is put in its place."""
    with scene(lab.folder, lab.chance) as found:
        file, aside = lab.folder / "guide.db", lab.folder / "aside.db"
        for _ in range(lab.times):
            os.rename(file, aside)
            meanwhile(found, 2)
            os.rename(aside, file)
            found.next_turn(time.monotonic())
        with contextlib.closing(sqlite3.connect(file)) as kept, contextlib.closing(sqlite3.connect(aside)) as copy:
            kept.backup(copy)
        for log in ("guide.db-wal", "guide.db-shm"):
            (lab.folder / log).unlink(missing_ok=True)
        os.replace(aside, file)
        found.next_turn(time.monotonic())
        return found.row("database file taken away and back, and replaced by its copy", "its return")


# --- PostgreSQL ------------------------------------------------------------------------------------------

@contextlib.contextmanager
def _with_postgres(lab: Lab) -> Iterator[tuple[Scene, PostgresServer, str]]:
    try:
        server = PostgresServer()
    except MissingProgram as e:
        raise Skipped(str(e)) from e
    try:
        with server.database() as url, scene(lab.folder, lab.chance, DATABASE_URL=url) as found:
            yield found, server, url
    finally:
        server.stop()


def postgres_restarted(lab: Lab) -> Row:
    """PostgreSQL is started again under a talk, once by its administrator and once after a crash."""
    with _with_postgres(lab) as (found, server, url):
        for again in (server.restart, lambda: (server.kill(), server.start())) * lab.times:
            again()
            found.next_turn(time.monotonic())
        return found.row("PostgreSQL restarted, and crashed and started", "its start", database=url)


def postgres_away(lab: Lab) -> Row:
    """PostgreSQL is away for some seconds, in which the listener presses."""
    with _with_postgres(lab) as (found, server, url):
        server.halt()
        came: list[float] = []

        def back() -> None:
            time.sleep(AWAY_S)
            server.start()
            came.append(time.monotonic())
        returning = threading.Thread(target=back)
        returning.start()
        found.caregiver.look()
        sounded = found.turn()
        returning.join()
        found.waits_s.append(max(0.0, sounded - came[0]))
        return found.row(f"PostgreSQL away for {AWAY_S} s", "its return", database=url)


def postgres_read_only(lab: Lab) -> Row:
    """PostgreSQL takes nothing, as a standby would, and takes again."""
    with _with_postgres(lab) as (found, server, url):
        for _ in range(lab.times):
            _default_read_only(server, True)
            meanwhile(found, 3)
            _default_read_only(server, False)
            found.next_turn(time.monotonic())
        return found.row("PostgreSQL read-only", "it takes again", database=url)


def _default_read_only(server: PostgresServer, on: bool) -> None:
    server.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if on else 'off'}")
    server.execute("SELECT pg_reload_conf()")
    # Sessions take it over at their next statement.
    time.sleep(0.5)


# --- Redis -----------------------------------------------------------------------------------------------

def redis_gone(lab: Lab) -> Row:
    """Redis dies under a talk, stays away, and is back empty."""
    try:
        server = RedisServer()
    except MissingProgram as e:
        raise Skipped(str(e)) from e
    try:
        with scene(lab.folder, lab.chance, REDIS_URL=server.url) as found:
            if not server.clients():
                raise Skipped("the service does not use Redis")
            for _ in range(lab.times):
                server.kill()
                found.next_turn(time.monotonic())
                found.caregiver.look()
                found.turns(3)
                server.start()
                found.turns(3)
            return found.row("Redis gone and back", "its end")
    finally:
        server.stop()
