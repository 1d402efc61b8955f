"""Keeping: how long records are kept, and a copy of them all in one file.

A backup holds the hashes of passwords, the secrets of second factors and, redacted, the words that were
said: whoever has the file has these. It is written for its owner alone and needs the same care as the database.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import logging
import os
import struct
import tempfile
import threading
import time
import uuid
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Callable, Iterable, Iterator, Mapping

from sqlalchemy import (JSON, Column, Connection, Delete, Engine, Table, Update, delete, exists, func, insert, or_,
                        select, text, tuple_, update)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from service.care.feed import device_topic, person_topic
from service.errors import Refused, StoreError
from service.store.database import newest_revision, take_your_time, transaction
from service.store.tables import (AccountRow, AuditRow, Base, ChangeRow, CountRow, DeliveryRow, DeviceRow, IncidentRow,
                                  InvitationRow, MetaRow, MissRow, NoticeRow, PersonRow, TalkRow, TurnRow, UtcTime)

log = logging.getLogger(__name__)

RETENTION: Mapping[str, int] = {
    "talks": 90, "incidents": 180, "misses": 180, "deliveries": 365, "audit": 730, "counts": 1825,
    "invitations": 30, "devices": 7,
}
"""Kind of record to the days that it is kept. Talks with their turns since the last one; incidents since they
were closed, open ones stay; invitations since they were used or expired; devices that nobody paired since they
were last heard of. Publications stay: the guide can be rolled back to each of them."""
CHANGES_LAST = datetime.timedelta(hours=1)
"""Word of a change has reached every process long before."""
BATCH = 5_000
"""Rows that one transaction deletes at the most, so that a turn never waits long behind it."""
PAUSE_S = 0.02
"""Between two batches: SQLite wakes those who wait in no order, a batch right after would often be first."""
_CLEANING_LOCK = 0x636C6561
"""PostgreSQL's advisory lock of the process that cleans."""
_cleaning = threading.Lock()

INSTALLATION, CLEANED = "installation", "cleaned"
"""Keys of table meta: the database's own name; when records whose time is over were deleted last."""
CLEANED_ONCE_IN = datetime.timedelta(hours=20)
"""A machine that is switched off every evening cleans every day, one that is started again and again not more often."""
LONGEST_OFF = datetime.timedelta(days=35)
"""Longer than that no machine is off; a clock may be wrong by any time."""
FORMAT = "shebao-guide-backup"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST_BYTES = 64 * 1024
LONGEST_LINE_BYTES = 16 * 1024 * 1024
"""Of one row; the longest real ones, a publication with two texts of a file, have some 100 KiB."""
ROWS_AT_ONCE = 1_000
CHUNK_BYTES = 1024 * 1024
LOCK_WAIT_S = 30
_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
# Word of changes is no record: pages wait for numbers above those that they have seen, so that old ones
# put back, or the numbers begun anew, would leave them waiting.
_TABLES = [table for table in Base.metadata.sorted_tables if table is not ChangeRow.__table__]


# --- retention -------------------------------------------------------------------------------------------

def clean(engine: Engine, days: Mapping[str, int], now: datetime.datetime) -> dict[str, int]:
    """Delete what is older than ``days`` say, or ``RETENTION`` for a kind that is not in it.

    Gives the number of rows by kind, empty if it is going on already, here or in another process.
    """
    lasts = {kind: datetime.timedelta(days=number) for kind, number in {**RETENTION, **days}.items()}
    before = {kind: now - last for kind, last in lasts.items()}
    with _alone(engine) as alone:
        if not alone:
            return {}
        return {
            "talks": _clean_talks(engine, before["talks"], now),
            "incidents": _clean(engine, IncidentRow, IncidentRow.closed_at < before["incidents"]),
            "misses": _clean(engine, MissRow, MissRow.last_at < before["misses"]),
            "deliveries": _clean(engine, DeliveryRow, DeliveryRow.due_at < before["deliveries"]),
            # The words of a message go with its last reading.
            "notices": _clean(engine, NoticeRow, NoticeRow.next_at.is_(None),
                              NoticeRow.first_at < before["deliveries"],
                              ~exists().where(DeliveryRow.notice_id == NoticeRow.id)),
            "audit": _clean(engine, AuditRow, AuditRow.at < before["audit"]),
            # Days of counts are local ones.
            "counts": _clean(engine, CountRow, CountRow.day < before["counts"].astimezone().date()),
            "invitations": _clean(engine, InvitationRow, or_(InvitationRow.used_at < before["invitations"],
                                                             InvitationRow.expires_at < before["invitations"])),
            "devices": _clean_devices(engine, before["devices"]),
            # The newest stays: SQLite would give its number again, and who has seen it would miss the next one.
            "changes": _clean(engine, ChangeRow, ChangeRow.at < now - CHANGES_LAST,
                              ChangeRow.id < select(func.max(ChangeRow.id)).scalar_subquery()),
        }


def clean_and_tell(engine: Engine, days: Mapping[str, int], now: Callable[[], datetime.datetime]) -> None:
    """Clean, once a day, and write into the log what was deleted; not at once after the clock has leapt."""
    at = now()
    if not _is_due(engine, at):
        return
    deleted = {kind: count for kind, count in clean(engine, days, at).items() if count}
    _note_cleaning(engine, at)
    log.info("records whose time is over were deleted: %s", deleted or "none")


def _is_due(engine: Engine, now: datetime.datetime) -> bool:
    """True if the last cleaning is long enough ago, and not too long: a machine that starts with a wrong clock
    would delete everything. Then a day passes first, in which the clock can be set right."""
    with transaction(engine) as orm:
        kept = orm.get(MetaRow, CLEANED)
    since = now - datetime.datetime.fromisoformat(kept.value) if kept else None
    if since is not None and datetime.timedelta(0) <= since < CLEANED_ONCE_IN:
        return False
    if since is None or not datetime.timedelta(0) <= since <= LONGEST_OFF:
        log.info("records whose time is over will be deleted in a day: until now the clock may have been wrong")
        _note_cleaning(engine, now)
        return False
    return True


def _note_cleaning(engine: Engine, at: datetime.datetime) -> None:
    with transaction(engine) as orm:
        orm.merge(MetaRow(key=CLEANED, value=at.isoformat()))


@contextlib.contextmanager
def _alone(engine: Engine) -> Iterator[bool]:
    """True if nobody else cleans; nobody else does until the end."""
    if not _cleaning.acquire(blocking=False):
        yield False
        return
    try:
        with contextlib.ExitStack() as held:
            free = True
            if engine.dialect.name == "postgresql":
                free = held.enter_context(_advisory_lock(engine))
            yield free
    finally:
        _cleaning.release()


@contextlib.contextmanager
def _advisory_lock(engine: Engine) -> Iterator[bool]:
    lock = {"lock": _CLEANING_LOCK}
    with _translated(), engine.connect() as connection:
        # Without a transaction: an idle one would be ended by the server.
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        free = connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), lock)
        try:
            yield free
        finally:
            if free:
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), lock)


def _clean(engine: Engine, row: type[Base], *conditions) -> int:
    key = list(row.__table__.primary_key)
    some = select(*key).where(*conditions).limit(BATCH)
    return _in_batches(engine, delete(row).where(tuple_(*key).in_(some)))


def _in_batches(engine: Engine, statement: Delete | Update) -> int:
    """Execute a statement that takes ``BATCH`` rows until it finds less."""
    done = 0
    while True:
        with transaction(engine) as orm:
            count = orm.execute(statement, execution_options={"synchronize_session": False}).rowcount
        done += count
        if count < BATCH:
            return done
        time.sleep(PAUSE_S)


def _clean_talks(engine: Engine, before: datetime.datetime, now: datetime.datetime) -> int:
    """Whole talks, so that none is ever seen without its beginning."""
    done, old = 0, TalkRow.updated_at < before
    while True:
        with transaction(engine) as orm:
            found = orm.execute(select(TalkRow.id, TalkRow.turns).where(old).order_by(TalkRow.updated_at)
                                .limit(BATCH)).all()
        if not found:
            return done
        ids, rows = [], 0
        for talk_id, turns in found:
            rows += turns + 1
            if rows > BATCH:
                break
            ids.append(talk_id)
        if not ids:
            _empty_talk(engine, found[0].id, before, now)
            ids = [found[0].id]
        with transaction(engine) as orm:
            # Asked again: somebody may have gone on with it since.
            count = orm.execute(delete(TalkRow).where(TalkRow.id.in_(ids), old),
                                execution_options={"synchronize_session": False}).rowcount
        done += count
        time.sleep(PAUSE_S)


def _empty_talk(engine: Engine, talk_id: str, before: datetime.datetime, now: datetime.datetime) -> None:
    """Delete the turns of a talk that has more than one transaction may delete."""
    with transaction(engine) as orm:
        # Closed first, so that nobody goes on with what is left of it.
        closed = orm.execute(update(TalkRow).where(TalkRow.id == talk_id, TalkRow.updated_at < before)
                             .values(ended_at=func.coalesce(TalkRow.ended_at, now))).rowcount
    if closed:
        _clean(engine, TurnRow, TurnRow.talk_id == talk_id)


def _clean_devices(engine: Engine, before: datetime.datetime) -> int:
    gone = (DeviceRow.person_id.is_(None), DeviceRow.last_seen_at < before)
    devices = select(DeviceRow.id).where(*gone)
    some = select(TalkRow.id).where(TalkRow.device_id.in_(devices)).limit(BATCH)
    # SQLite gives the number of a deleted device to the next one, which must not find talks of another.
    _in_batches(engine, update(TalkRow).where(TalkRow.id.in_(some)).values(device_id=None))
    return _clean(engine, DeviceRow, *gone, ~exists().where(TalkRow.device_id == DeviceRow.id))


# --- backup ----------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Summary:
    """What a backup holds."""

    installation: str
    revision: str
    created_at: str
    rows: dict[str, int]
    """Table to its number of rows."""
    size: int
    """Of the file, bytes."""


def installation(engine: Engine) -> str:
    """The lasting name of this database, made where it is missing."""
    with _translated(), engine.begin() as connection:
        return _installation(connection)


def _installation(connection: Connection) -> str:
    kept = select(MetaRow.value).where(MetaRow.key == INSTALLATION)
    found = connection.scalar(kept)
    if found is None:
        # Another process may do so at the same time: the first one counts.
        connection.execute(_INSERT[connection.dialect.name](MetaRow).values(key=INSTALLATION, value=str(uuid.uuid4()))
                           .on_conflict_do_nothing())
        found = connection.scalar(kept)
    return found


def backup(engine: Engine, path: Path) -> Summary:
    """Write everything into one file, as it is at one moment, while the service goes on. A file of that
    name is replaced once the new one is complete.

    It holds hashes of passwords and redacted words. The secret key of the service is not in it.
    """
    installation(engine)
    unfinished = None
    try:
        # mkstemp makes a file for its owner alone.
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        unfinished = Path(name)
        with open(handle, "wb") as file:
            with _translated(), _snapshot(engine) as connection:
                manifest = _write(connection, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
        unfinished = None
        return _summary(manifest, path.stat().st_size)
    except OSError as e:
        raise StoreError(f"the backup cannot be written: {e.strerror}") from e
    finally:
        if unfinished:
            unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one moment, whatever is written meanwhile, and keeps nobody waiting."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            take_your_time(connection)
        else:
            # Python's sqlite3 begins no transaction to read; each table would be of another moment.
            connection.exec_driver_sql("BEGIN")
        yield connection


def _write(connection: Connection, file: IO[bytes]) -> dict:
    tables = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        # Not as it was when the backup began: another one may have been put in before this moment.
        found = _installation(connection)
        for table in _TABLES:
            tables[table.name] = _write_table(connection, archive, table)
        manifest = {"format": FORMAT, "version": FORMAT_VERSION, "revision": newest_revision(), "installation": found,
                    "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "tables": tables}
        archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
    return manifest


def _write_table(connection: Connection, archive: zipfile.ZipFile, table: Table) -> dict:
    digest, size, count = hashlib.sha256(), 0, 0
    names = table.columns.keys()
    rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(
        select(table).order_by(*table.primary_key))
    with archive.open(_member(table), "w", force_zip64=True) as member:
        for part in rows.partitions():
            lines = "".join(f"{json.dumps(dict(zip(names, row)), default=_plain)}\n" for row in part).encode()
            member.write(lines)
            digest.update(lines)
            size += len(lines)
            count += len(part)
    return {"rows": count, "bytes": size, "sha256": digest.hexdigest()}


def _member(table: Table) -> str:
    return f"{table.name}.jsonl"


def _plain(value: datetime.date) -> str:
    return value.isoformat()


def _summary(manifest: dict, size: int) -> Summary:
    return Summary(manifest["installation"], manifest["revision"], manifest["created_at"],
                   {name: told["rows"] for name, told in manifest["tables"].items()}, size)


# --- restore ---------------------------------------------------------------------------------------------

def restore(engine: Engine, path: Path, force: bool = False) -> Summary:
    """Put a backup in place of everything that the database holds: all of it, or nothing at all changes.

    Refused: the file is no backup, is damaged, is of another version of the service, or, without ``force``,
    of another installation while there are accounts or people here. A running service goes on with what was
    restored; turns that come while tables are filled wait, and fail after ``BUSY_TIMEOUT_MS``.
    """
    try:
        file = path.open("rb")
    except OSError as e:
        raise Refused("backup_unreadable", f"the backup cannot be read: {e.strerror}") from e
    try:
        with file, zipfile.ZipFile(file) as archive:
            manifest = _read_manifest(archive)
            for table in _TABLES:
                _check_member(archive, table, manifest["tables"][table.name])
            with _translated(), _exclusive(engine) as connection:
                if not force:
                    _refuse_other(connection, manifest["installation"])
                _replace(connection, archive)
            return _summary(manifest, os.fstat(file.fileno()).st_size)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError, struct.error) as e:
        # Whatever zipfile raises where a part of a file is missing or another one; RuntimeError: it is encrypted.
        raise Refused("backup_damaged", "the file is no backup, or it is damaged") from e


def _read_manifest(archive: zipfile.ZipFile) -> dict:
    """The manifest, once it fits this version of the service and the members of the archive."""
    members = [info.filename for info in archive.infolist()]
    if MANIFEST not in members or archive.getinfo(MANIFEST).file_size > LARGEST_MANIFEST_BYTES:
        raise Refused("backup_foreign", "the file is no backup of this service")
    try:
        manifest = json.loads(archive.read(MANIFEST))
        told = {key: manifest[key] for key in ("format", "version", "revision", "installation", "created_at", "tables")}
    except (ValueError, TypeError, KeyError, RecursionError) as e:
        raise Refused("backup_foreign", "the file is no backup of this service") from e
    if told["format"] != FORMAT:
        raise Refused("backup_foreign", "the file is no backup of this service")
    _check_version(told)
    _check_tables(told["tables"])
    if sorted(members) != sorted([MANIFEST, *map(_member, _TABLES)]):
        raise Refused("backup_damaged", "the backup lacks tables, or holds what belongs to none")
    if not all(isinstance(told[key], str) for key in ("installation", "created_at")):
        raise Refused("backup_damaged", "the manifest of the backup is damaged")
    return told


def _check_version(told: dict) -> None:
    version, revision, ours = told["version"], told["revision"], newest_revision()
    if version != FORMAT_VERSION:
        raise Refused("backup_version", "the backup is of another format; restore it with the version of the "
                                        "service that made it")
    if revision != ours:
        age = "an older" if str(revision) < ours else "a newer"
        raise Refused("backup_version", f"the backup is of {age} version of the service (tables {revision!s:.20}, "
                                        f"here {ours}); restore it with the version that made it")


def _check_tables(tables: Any) -> None:
    wanted = {"rows": int, "bytes": int, "sha256": str}
    fits = isinstance(tables, dict) and tables.keys() == {table.name for table in _TABLES} and all(
        isinstance(told, dict) and told.keys() == wanted.keys()
        and all(type(told[key]) is kind for key, kind in wanted.items()) for told in tables.values())
    if not fits:
        raise Refused("backup_damaged", "the manifest of the backup is damaged or does not name every table")


def _check_member(archive: zipfile.ZipFile, table: Table, told: dict) -> None:
    """Refused unless a member is what the manifest says. The size comes first: a small file can claim to
    unfold into any amount."""
    info = archive.getinfo(_member(table))
    digest, rows = hashlib.sha256(), 0
    if info.file_size == told["bytes"]:
        with archive.open(info) as member:
            while chunk := member.read(CHUNK_BYTES):
                digest.update(chunk)
                rows += chunk.count(b"\n")
    if (info.file_size, rows, digest.hexdigest()) != (told["bytes"], told["rows"], told["sha256"]):
        raise Refused("backup_damaged", f"table {table.name} of the backup is damaged")


@contextlib.contextmanager
def _exclusive(engine: Engine) -> Iterator[Connection]:
    """A transaction in which nobody else writes; reading goes on, and sees what was there before."""
    if engine.dialect.name == "sqlite":
        with engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
        return
    names = ", ".join(table.name for table in Base.metadata.sorted_tables)
    give_up = time.monotonic() + LOCK_WAIT_S
    with engine.connect() as connection:
        while True:
            try:
                take_your_time(connection)
                # NOWAIT: to hold some tables while waiting for another could be a deadlock with a turn.
                connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE NOWAIT"))
                break
            except OperationalError:
                connection.rollback()
                if time.monotonic() >= give_up:
                    raise
                time.sleep(0.02)
        yield connection
        connection.commit()


def _refuse_other(connection: Connection, other: str) -> None:
    in_use = any(connection.scalar(select(row.id).limit(1)) is not None for row in (AccountRow, PersonRow))
    if in_use and _installation(connection) != other:
        raise Refused("backup_other", "the backup is of another installation and would replace the accounts and "
                                      "people of this one; to do so nevertheless, force it")


def _replace(connection: Connection, archive: zipfile.ZipFile) -> None:
    topics = _topics(connection)
    for table in reversed(_TABLES):
        connection.execute(delete(table))
    for table in _TABLES:
        with archive.open(_member(table)) as member:
            for part in _parts(_rows(member, table, connection.dialect.name)):
                connection.execute(insert(table), part)
        _move_sequence(connection, table)
    # A page that looks again finds what was restored, or that its device is gone.
    now = datetime.datetime.now(datetime.UTC)
    for part in _parts({"topic": topic, "at": now} for topic in sorted(topics | _topics(connection))):
        connection.execute(insert(ChangeRow.__table__), part)


def _topics(connection: Connection) -> set[str]:
    return ({device_topic(number) for number in connection.scalars(select(DeviceRow.id))}
            | {person_topic(number) for number in connection.scalars(select(PersonRow.id))})


def _parts(rows: Iterable[dict]) -> Iterator[list[dict]]:
    part = []
    for row in rows:
        part.append(row)
        if len(part) == ROWS_AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _rows(member: IO[bytes], table: Table, dialect: str) -> Iterator[dict]:
    while line := member.readline(LONGEST_LINE_BYTES):
        try:
            row = json.loads(line)
            if dialect == "postgresql":
                # Its texts cannot hold the one character that SQLite's can; it says nothing.
                row = {name: value.replace("\0", "") if isinstance(value, str) else value
                       for name, value in row.items()}
            if row.keys() != set(table.columns.keys()):
                raise ValueError
            yield {name: _value(column, row[name]) for name, column in table.columns.items()}
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            # The row itself stays out of the message and of the chain: it may be private.
            raise Refused("backup_damaged", f"table {table.name} of the backup holds what is no row of it") from None


def _value(column: Column, value: Any) -> Any:
    """The value of a column; ValueError or TypeError if it cannot hold it. SQLite would take anything."""
    if value is None:
        if not column.nullable:
            raise ValueError
        return None
    kind = dict if isinstance(column.type, JSON) else column.type.python_type
    if isinstance(column.type, UtcTime):
        value = datetime.datetime.fromisoformat(value)
        if value.tzinfo is None:
            raise ValueError
    elif kind is datetime.date:
        value = datetime.date.fromisoformat(value)
    elif kind is float and type(value) is int:
        value = float(value)
    elif type(value) is not kind:
        raise ValueError
    return value


def _move_sequence(connection: Connection, table: Table) -> None:
    """Let PostgreSQL count on behind the highest number, and never back: a running page may still know a
    number that was given since the backup, and nothing else may get it."""
    numbered = table.autoincrement_column
    if connection.dialect.name != "postgresql" or numbered is None:
        return
    sequence = connection.scalar(select(func.pg_get_serial_sequence(table.name, numbered.name)))
    if sequence:
        connection.execute(text(f"SELECT setval('{sequence}', GREATEST((SELECT last_value FROM {sequence}), "
                                f"(SELECT max({numbered.name}) FROM {table.name}), 1))"))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as e:
        # The statement's parameters stay out of the message: they may be private.
        raise StoreError(f"database: {type(e).__name__}") from e
