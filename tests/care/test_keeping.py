"""Records end when their time is over; a backup holds one moment of everything; restoring is all or nothing."""

import datetime
import hashlib
import io
import json
import logging
import threading
import time
import zipfile
from pathlib import Path
from typing import Callable

import pytest
from sqlalchemy import Engine, delete, event, func, insert, select, text

from service.__main__ import main
from service.care import keeping
from service.care.feed import Feed
from service.care.keeping import RETENTION, backup, clean, clean_and_tell, installation, restore
from service.errors import Refused, StoreError
from service.settings import KEPT
from service.store.database import open_database, transaction
from service.store.talks import TalkStore, Turn
from service.store.tables import (AccountRow, AuditRow, Base, ChangeRow, CountRow, DeliveryRow, DeviceRow, IncidentRow,
                                  InvitationRow, MetaRow, MissRow, NoticeRow, PersonRow, PublicationRow, RoleRow,
                                  TalkRow, TurnRow)

NOW = datetime.datetime(2026, 11, 23, 8, 0, 0, 123456, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


def ago(days: float) -> datetime.datetime:
    return NOW - days * DAY


@pytest.fixture
def engine(database_url: str):
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def other(tmp_path: Path):
    """Another installation, in SQLite."""
    engine = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    yield engine
    engine.dispose()


def add(engine: Engine, *rows) -> list[int]:
    """Write rows one after the other; their ids, where they have one."""
    with transaction(engine) as orm:
        for row in rows:
            orm.add(row)
            orm.flush()
        return [getattr(row, "id", None) for row in rows]


def talk(name: str, at: datetime.datetime, turns: int = 2, **more) -> list:
    return [TalkRow(id=name, session={"node": "m1"}, turns=turns, created_at=at, updated_at=at, **more),
            *(TurnRow(talk_id=name, id=f"t{n}", number=n, source="voice", outcome="match", node="m1", received_at=at,
                      took_ms=1.5, reply={"sentences": ["您好。"]}, said="查医保", meaning="m2_med")
              for n in range(1, turns + 1))]


def care(engine: Engine, number: int = 1) -> tuple[int, int, int]:
    """(account, person, device) of somebody new."""
    [account] = add(engine, AccountRow(name=f"家人{number}", password_hash="$argon2id$x", created_at=NOW,
                                       totp_secret="ABC", totp_used=57_000_000))
    [person] = add(engine, PersonRow(name="奶奶", created_at=NOW))
    _, device = add(engine, RoleRow(account_id=account, person_id=person, role="owner"),
                    DeviceRow(name="客厅", person_id=person, token_hash=f"token{number}", created_at=ago(900),
                              last_seen_at=ago(900), settings={"pace_cpm": 140, "voice": "女声"}))
    return account, person, device


def fill(engine: Engine, number: int = 1) -> None:
    """Something in every table."""
    account, person, device = care(engine, number)
    add(engine, *talk(f"talk{number}", NOW, device_id=device, person_id=person))
    add(engine, InvitationRow(token_hash=f"i{number}", person_id=person, role="viewer", created_by=account,
                              created_at=NOW, expires_at=NOW + DAY),
        IncidentRow(person_id=person, device_id=device, talk_id=f"talk{number}", kind="help", node="m1", step=2,
                    opened_at=NOW, updated_at=NOW, claimed_by=account, claimed_at=NOW, note="“好”\n\\ \u2028 𠀀"),
        AuditRow(at=NOW, account_id=account, person_id=person, action="looked", detail="talks"),
        CountRow(device_id=device, day=NOW.date(), hour=16, node="m1", measure="visit", count=3),
        MetaRow(key=f"note{number}", value="x"), ChangeRow(topic=f"person:{person}", at=NOW))
    [miss] = add(engine, MissRow(person_id=person, text="养老钱", kind="corrected", meant="m2", last_at=NOW))
    add(engine, PublicationRow(account_id=account, at=NOW, kind="teach", target="m2", phrase="养老钱", miss_id=miss,
                               files={"m2.yaml": ["旧", "新"]}))
    [notice] = add(engine, NoticeRow(device_id=device, created_by=account, created_at=NOW, text="吃药", first_at=NOW,
                                     repeats="daily", next_at=NOW + DAY))
    add(engine, DeliveryRow(notice_id=notice, due_at=NOW, played_at=NOW, answer="heard", answered_at=NOW))


def contents(engine: Engine, *, changes: bool = False) -> dict[str, list[tuple]]:
    """Every row of every table; of the changes, which no backup holds, only if wanted."""
    with engine.connect() as connection:
        return {table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
                for table in Base.metadata.sorted_tables if changes or table.name != "changes"}


def left(engine: Engine, column, *conditions) -> set:
    with engine.connect() as connection:
        return set(connection.scalars(select(column).where(*conditions)))


# --- retention ---------------------------------------------------------------------------------------------

def test_every_kind_that_can_be_set_has_a_usual_time():
    assert set(KEPT) == RETENTION.keys()


def test_talks_go_with_their_turns_after_90_days_without_one(engine: Engine):
    for name, days in (("old", 90.01), ("young", 89.99), ("future", -1)):
        add(engine, *talk(name, ago(days)))
    assert clean(engine, {}, NOW)["talks"] == 1
    assert left(engine, TalkRow.id) == left(engine, TurnRow.talk_id) == {"young", "future"}


def test_an_open_incident_outlives_its_talk_and_a_closed_one_its_180_days(engine: Engine):
    account, person, device = care(engine)
    add(engine, *talk("old", ago(400), person_id=person, device_id=device))

    def incident(closed_at, talk_id=None):
        return IncidentRow(person_id=person, device_id=device, talk_id=talk_id, kind="help", node="m1",
                           opened_at=ago(400), updated_at=ago(400), closed_at=closed_at)
    still_open, old, young = add(engine, incident(None, "old"), incident(ago(180.01)), incident(ago(179.99)))
    deleted = clean(engine, {}, NOW)
    assert (deleted["incidents"], deleted["talks"]) == (1, 1)
    assert left(engine, IncidentRow.id) == {still_open, young}
    assert left(engine, IncidentRow.talk_id) == {None}


def test_misses_go_180_days_after_the_last_time_settled_or_not(engine: Engine):
    account, person, _ = care(engine)

    def miss(sentence, days, settled_at=None):
        return MissRow(person_id=person, text=sentence, kind="not_understood", last_at=ago(days), settled_at=settled_at)
    first, *_ = add(engine, miss("a", 180.01), miss("b", 180.01, ago(1)), miss("c", 179.99),
                    miss("d", 179.99, ago(179)))
    add(engine, PublicationRow(account_id=account, at=ago(3000), kind="teach", target="m2", miss_id=first, files={}))
    assert clean(engine, {}, NOW)["misses"] == 2
    assert left(engine, MissRow.text) == {"c", "d"}
    assert left(engine, PublicationRow.miss_id) == {None}, "what was published stays for ever"


def test_deliveries_audit_and_counts_go_after_one_two_and_five_years(engine: Engine):
    account, person, device = care(engine)
    [notice] = add(engine, NoticeRow(device_id=device, created_at=ago(800), text="吃药", first_at=ago(800)))
    add(engine, *(DeliveryRow(notice_id=notice, due_at=ago(days)) for days in (365.01, 364.99)),
        *(AuditRow(at=ago(days), account_id=account, action="looked", detail=str(days)) for days in (730.01, 729.99)),
        *(CountRow(device_id=device, day=ago(days).astimezone().date(), hour=h, node="m1", measure="visit", count=1)
          for days in (1826, 1825) for h in (0, 23)))
    deleted = clean(engine, {}, NOW)
    assert (deleted["deliveries"], deleted["audit"], deleted["counts"]) == (1, 1, 2)
    assert left(engine, DeliveryRow.due_at) == {ago(364.99)}
    assert left(engine, AuditRow.detail) == {"729.99"}
    assert left(engine, CountRow.day) == {ago(1825).astimezone().date()}
    assert left(engine, NoticeRow.id) == {notice}


def test_a_message_goes_with_its_last_reading_and_one_that_comes_again_stays(engine: Engine):
    _, _, device = care(engine)
    old, again, young = add(engine, *(
        NoticeRow(device_id=device, created_at=at, first_at=at, text="吃药", next_at=next_at)
        for at, next_at in ((ago(400), None), (ago(400), ago(-1)), (ago(10), None))))
    add(engine, DeliveryRow(notice_id=old, due_at=ago(400)))
    assert clean(engine, {}, NOW)["notices"] == 1
    assert left(engine, NoticeRow.id) == {again, young}


def test_invitations_go_30_days_after_they_were_used_or_expired(engine: Engine):
    _, person, _ = care(engine)

    def invitation(name, expires, used=None):
        return InvitationRow(token_hash=name, person_id=person, role="viewer", created_at=ago(60),
                             expires_at=ago(expires), used_at=used and ago(used))
    add(engine, invitation("expired", 30.01), invitation("used", 29, 30.01), invitation("lately", 29.99),
        invitation("open", -1), invitation("just used", 20, 21))
    assert clean(engine, {}, NOW)["invitations"] == 2
    assert left(engine, InvitationRow.token_hash) == {"lately", "open", "just used"}


def test_devices_that_nobody_paired_go_a_week_after_they_were_last_heard_of(engine: Engine):
    _, person, paired = care(engine)

    def device(name, days, **more):
        return DeviceRow(token_hash=name, created_at=ago(50), last_seen_at=ago(days), settings={}, **more)
    old, young = add(engine, device("old", 7.01), device("young", 6.99))
    [cut_off] = add(engine, device("cut off", 300, person_id=person, revoked_at=ago(300)))
    add(engine, *talk("of old", ago(8), device_id=old), *talk("of young", ago(8), device_id=young))
    assert clean(engine, {}, NOW)["devices"] == 1
    assert left(engine, DeviceRow.id) == {paired, young, cut_off}
    assert left(engine, TalkRow.device_id, TalkRow.id == "of old") == {None}, "its number may be given again"
    assert left(engine, TalkRow.device_id, TalkRow.id == "of young") == {young}


def test_word_of_changes_goes_after_an_hour_but_a_feed_misses_nothing_afterwards(engine: Engine):
    add(engine, *(ChangeRow(topic="person:1", at=NOW - datetime.timedelta(hours=2)) for _ in range(300)))
    feed, called = Feed(engine), []
    feed.subscribe(["person:2"], lambda: called.append(1))
    assert clean(engine, {}, NOW)["changes"] == 299
    add(engine, ChangeRow(topic="person:2", at=NOW))
    feed.look()
    assert called == [1]
    assert clean(engine, {}, NOW)["changes"] == 1 and left(engine, ChangeRow.topic) == {"person:2"}


def test_other_days_can_be_set_for_a_kind(engine: Engine):
    add(engine, *talk("old", ago(31)), AuditRow(at=ago(31), action="looked"))
    deleted = clean(engine, {"talks": 30}, NOW)
    assert (deleted["talks"], deleted["audit"]) == (1, 0)


def test_what_is_young_stays_whatever_it_is_and_so_it_does_with_the_clock_set_back(engine: Engine):
    fill(engine)
    before = contents(engine, changes=True)
    assert set(clean(engine, {}, NOW).values()) == {0}
    # Every record then is of the future.
    assert set(clean(engine, {}, ago(10 * 365)).values()) == {0}
    assert contents(engine, changes=True) == before


def test_many_rows_go_in_small_transactions_and_a_long_talk_too(engine: Engine, monkeypatch):
    monkeypatch.setattr(keeping, "BATCH", 10)
    monkeypatch.setattr(keeping, "PAUSE_S", 0)
    for number in range(12):
        add(engine, *talk(f"talk{number}", ago(100), turns=3))
    add(engine, *talk("long", ago(200), turns=35), *talk("young", ago(1), turns=35),
        *(AuditRow(at=ago(800), action="looked") for _ in range(25)))
    sizes, size = [], [0]

    @event.listens_for(engine, "after_cursor_execute")
    def count(_connection, cursor, statement, *_):
        if statement.startswith("DELETE"):
            size[0] += cursor.rowcount * (4 if "FROM talks" in statement else 1)

    @event.listens_for(engine, "commit")
    def committed(_connection):
        sizes.append(size[0])
        size[0] = 0
    deleted = clean(engine, {}, NOW)
    assert (deleted["talks"], deleted["audit"]) == (13, 25)
    assert max(sizes) <= 10
    assert left(engine, TalkRow.id) == left(engine, TurnRow.talk_id) == {"young"}


def test_two_do_not_clean_at_once(engine: Engine, database_url: str):
    add(engine, *talk("old", ago(100)))
    with keeping._alone(engine) as alone:
        assert alone and clean(engine, {}, NOW) == {}
    if engine.dialect.name == "postgresql":
        with engine.connect() as elsewhere:
            elsewhere.execute(text(f"SELECT pg_advisory_lock({keeping._CLEANING_LOCK})"))
            assert clean(engine, {}, NOW) == {}
            elsewhere.execute(text(f"SELECT pg_advisory_unlock({keeping._CLEANING_LOCK})"))
    assert clean(engine, {}, NOW)["talks"] == 1


def test_the_log_says_how_much_was_deleted_and_not_what(engine: Engine, caplog):
    caplog.set_level(logging.INFO, keeping.__name__)
    add(engine, *talk("secret-talk", ago(100)))
    for days in (1, 0):
        clean_and_tell(engine, {}, lambda: ago(days))
    assert left(engine, TalkRow.id) == set()
    assert "{'talks': 1}" in caplog.text and "secret-talk" not in caplog.text


def test_a_clock_that_leaps_deletes_nothing_until_a_day_has_passed(engine: Engine):
    def cleaned(at: datetime.datetime) -> bool:
        clean_and_tell(engine, {}, lambda: at)
        return "old" not in left(engine, TalkRow.id)
    wrong, hour = NOW + datetime.timedelta(days=365), datetime.timedelta(hours=1)
    add(engine, *talk("old", ago(60)))
    assert not cleaned(ago(1)) and not cleaned(NOW), "it is not that old"
    assert not cleaned(wrong) and not cleaned(wrong + hour), "also if the machine is started once more"
    assert not cleaned(NOW + hour), "set right"
    add(engine, *talk("older", ago(100)))
    assert not cleaned(NOW + 25 * hour) and left(engine, TalkRow.id) == {"old"}, "and it goes on as it was"


# --- backup ------------------------------------------------------------------------------------------------

def test_an_installation_keeps_its_name(engine: Engine, other: Engine):
    assert installation(engine) == installation(engine) != installation(other)


def test_a_backup_brings_everything_back_into_either_database(engine: Engine, other: Engine, tmp_path: Path):
    fill(engine)
    fill(engine, 2)
    path = tmp_path / "guide.zip"
    made = backup(engine, path)
    assert path.stat().st_mode & 0o777 == 0o600 and made.size == path.stat().st_size
    assert [p.name for p in tmp_path.iterdir() if "guide.zip" in p.name] == ["guide.zip"], "nothing half is left"
    assert made.rows["turns"] == 4 and made.rows.keys() == contents(engine).keys()
    wanted = contents(engine)
    assert all(wanted.values())

    # Into another, new one, and from there back into the first, which went on since.
    assert restore(other, path) == made
    assert contents(other) == wanted
    again = tmp_path / "again.zip"
    backup(other, again)
    fill(engine, 3)
    restore(engine, again)
    assert contents(engine) == wanted
    # New rows get numbers that are free.
    fill(engine, 4)
    fill(other, 4)
    assert len(contents(engine)["people"]) == len(contents(other)["people"]) == 3


def test_pages_of_a_running_service_look_again_after_a_restore(engine: Engine, tmp_path: Path):
    *_, kept = care(engine)
    backup(engine, tmp_path / "guide.zip")
    *_, gone = care(engine, 2)
    add(engine, *(ChangeRow(topic="person:99", at=NOW) for _ in range(300)))
    feed, called = Feed(engine), []
    for device in (kept, gone):
        feed.subscribe([f"device:{device}"], lambda device=device: called.append(device))
    restore(engine, tmp_path / "guide.zip")
    feed.look()
    assert sorted(called) == [kept, gone]


def test_a_backup_is_of_one_moment_while_others_write(engine: Engine, other: Engine, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(keeping, "ROWS_AT_ONCE", 20)
    store, stop, failures = TalkStore(engine), threading.Event(), []

    def turn(name: str, number: int) -> Turn:
        return Turn(name, f"t{number}", number, "key", "key", "m1", NOW, 1.0, {"n": number})

    def walk(walker: int) -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                name = f"talk-{walker}-{number}"
                store.create({"n": 1}, turn(name, 1))
                store.commit({"n": 2}, turn(name, 2), lambda orm: orm.add(AuditRow(at=NOW, action=name)))
        except Exception as e:
            failures.append(e)
    # A slow writer of tables, so that much happens between the first and the last of them.
    write = keeping._write_table
    monkeypatch.setattr(keeping, "_write_table", lambda *args: (time.sleep(0.03), write(*args))[1])
    walkers = [threading.Thread(target=walk, args=(n,)) for n in range(2)]
    for walker in walkers:
        walker.start()
    try:
        while len(left(engine, TalkRow.id)) < 30:
            time.sleep(0.01)
        before = len(left(engine, TalkRow.id))
        made = backup(engine, tmp_path / "guide.zip")
        after = len(left(engine, TalkRow.id))
    finally:
        stop.set()
        for walker in walkers:
            walker.join()
    assert failures == []
    assert before <= made.rows["talks"] < after
    restore(other, tmp_path / "guide.zip")
    with other.connect() as connection:
        turns = dict(connection.execute(select(TurnRow.talk_id, func.count()).group_by(TurnRow.talk_id)).all())
        assert turns == dict(connection.execute(select(TalkRow.id, TalkRow.turns)).all())
    assert left(other, AuditRow.action) == {name for name, count in turns.items() if count == 2}


def test_a_backup_that_cannot_be_written_leaves_nothing(engine: Engine, tmp_path: Path, monkeypatch):
    with pytest.raises(StoreError, match="cannot be written"):
        backup(engine, tmp_path / "nowhere" / "guide.zip")
    (tmp_path / "guide.zip").write_text("the one of yesterday")
    monkeypatch.setattr(keeping, "_member", lambda table: 1 / 0 if table.name == "turns" else table.name)
    with pytest.raises(ZeroDivisionError):
        backup(engine, tmp_path / "guide.zip")
    assert (tmp_path / "guide.zip").read_text() == "the one of yesterday"
    assert not list(tmp_path.glob(".guide.zip*"))


# --- archives that are refused -------------------------------------------------------------------------------

Archive = dict[str, bytes]


def packed(members: Archive) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def told(**changed) -> Callable[[Archive], Archive]:
    """Changes fields of the manifest."""
    return lambda members: members | {
        "manifest.json": json.dumps(json.loads(members["manifest.json"]) | changed).encode()}


def rewritten(table: str, **changed) -> Callable[[Archive], Archive]:
    """Changes the rows of a table, and the manifest so that it fits."""
    def change(members: Archive) -> Archive:
        rows = [json.loads(line) | changed for line in members[f"{table}.jsonl"].splitlines()]
        lines = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
        manifest = json.loads(members["manifest.json"])
        manifest["tables"][table] |= {"bytes": len(lines), "sha256": hashlib.sha256(lines).hexdigest()}
        return members | {f"{table}.jsonl": lines, "manifest.json": json.dumps(manifest).encode()}
    return change


def without_table(members: Archive) -> Archive:
    manifest = json.loads(members["manifest.json"])
    del manifest["tables"]["misses"]
    return {name: data for name, data in members.items() if name != "misses.jsonl"} | {
        "manifest.json": json.dumps(manifest).encode()}


REFUSED = {
    "another format": ("backup_foreign", told(format="other")),
    "a newer format": ("backup_version", told(version=2)),
    "an older revision": ("backup_version", told(revision="0001")),
    "a newer revision": ("backup_version", told(revision="9999")),
    "no manifest": ("backup_foreign", lambda m: {name: m[name] for name in m if name != "manifest.json"}),
    "a manifest of something else": ("backup_foreign", lambda m: m | {"manifest.json": b"[1]"}),
    "a manifest that is no JSON": ("backup_foreign", lambda m: m | {"manifest.json": b"\xff{"}),
    "a manifest without end": ("backup_foreign", lambda m: m | {"manifest.json": b" " * 100_000}),
    "a manifest nested without end": ("backup_foreign", lambda m: m | {"manifest.json": b"[" * 60_000}),
    "a table that is missing": ("backup_damaged", without_table),
    "a member that is missing": ("backup_damaged", lambda m: {name: m[name] for name in m if name != "misses.jsonl"}),
    "a member too many": ("backup_damaged", lambda m: m | {"../etc/passwd": b"x"}),
    "tables that are none": ("backup_damaged", told(tables={"talks": 3})),
    "a changed row": ("backup_damaged", lambda m: m | {"people.jsonl": m["people.jsonl"].replace(b"name", b"nama")}),
    "a row too many": ("backup_damaged", lambda m: m | {"people.jsonl": m["people.jsonl"] * 2}),
    "a member that unfolds into much": ("backup_damaged", lambda m: m | {"people.jsonl": b"\n" * 50_000_000}),
    "a column too many": ("backup_damaged", rewritten("talks", admin=True)),
    "a text in place of a number": ("backup_damaged", rewritten("talks", turns="many")),
    "a time that is none": ("backup_damaged", rewritten("people", created_at="yesterday")),
    "a time without a zone": ("backup_damaged", rewritten("people", created_at="2026-11-23T08:00:00")),
    "nothing where something must be": ("backup_damaged", rewritten("accounts", password_hash=None)),
    "a row of nobody": ("store_failed", rewritten("turns", talk_id="nobody")),
}


@pytest.fixture
def made(engine: Engine, tmp_path: Path) -> Path:
    """A backup of a database that has gone on since."""
    fill(engine)
    path = tmp_path / "guide.zip"
    backup(engine, path)
    fill(engine, 2)
    return path


def test_an_archive_that_is_not_right_is_refused_and_nothing_changes(engine: Engine, made: Path, tmp_path: Path):
    with zipfile.ZipFile(made) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    before, wrong = contents(engine, changes=True), tmp_path / "wrong.zip"
    for name, (code, change) in REFUSED.items():
        wrong.write_bytes(packed(change(members)))
        with pytest.raises((Refused, StoreError)) as error:
            restore(engine, wrong, force=True)
        assert error.value.code == code, name
        assert "奶奶" not in str(error.value) and "argon2" not in str(error.value)
        assert contents(engine, changes=True) == before, name
    whole = made.read_bytes()
    half = len(whole) // 2
    for data in (b"", b"no archive", whole[:half], whole[half:], whole[:-30],
                 whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1:]):
        wrong.write_bytes(data)
        with pytest.raises(Refused) as error:
            restore(engine, wrong, force=True)
        assert error.value.code == "backup_damaged"
    with pytest.raises(Refused, match="cannot be read"):
        restore(engine, tmp_path / "nowhere.zip")
    assert contents(engine, changes=True) == before


@pytest.mark.parametrize("revision, age", [("0001", "an older"), ("9999", "a newer")])
def test_a_backup_of_another_version_says_which_one_can_restore_it(engine: Engine, made: Path, revision: str, age: str):
    with zipfile.ZipFile(made) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    made.write_bytes(packed(told(revision=revision)(members)))
    with pytest.raises(Refused, match=f"{age} version .*{revision}.*with the version that made it"):
        restore(engine, made)


def test_a_backup_of_another_installation_needs_force_where_there_is_somebody(engine: Engine, other: Engine,
                                                                              made: Path):
    wanted = contents(engine)
    care(other)
    before = contents(other)
    with pytest.raises(Refused, match="another installation") as error:
        restore(other, made)
    assert error.value.code == "backup_other" and contents(other).keys() == before.keys()
    assert contents(other)["people"] == before["people"]
    restore(other, made, force=True)
    assert installation(other) == installation(engine)
    assert len(contents(other)["people"]) == 1
    restore(engine, made)
    assert contents(engine) == contents(other) != wanted


def test_a_restore_that_breaks_off_half_way_leaves_everything_as_it_was(engine: Engine, made: Path, monkeypatch):
    before, replace_row = contents(engine, changes=True), keeping._value

    def broken(column, value):
        if column.table.name == "turns" and column.name == "reply":
            raise KeyboardInterrupt
        return replace_row(column, value)
    with monkeypatch.context() as patch:
        patch.setattr(keeping, "_value", broken)
        with pytest.raises(KeyboardInterrupt):
            restore(engine, made)
    assert contents(engine, changes=True) == before
    add(engine, PersonRow(name="爷爷", created_at=NOW))
    restore(engine, made)
    assert len(contents(engine)["people"]) == 1


def test_reading_goes_on_while_a_backup_is_put_back(engine: Engine, made: Path, monkeypatch):
    seen, move = [], keeping._move_sequence

    def look(connection, table):
        seen.append(len(left(engine, PersonRow.id)))
        move(connection, table)
    monkeypatch.setattr(keeping, "_move_sequence", look)
    restore(engine, made)
    assert set(seen) == {2} and len(left(engine, PersonRow.id)) == 1


def test_a_restore_waits_for_a_turn_that_is_being_written(engine: Engine, made: Path):
    with transaction(engine) as orm:
        orm.execute(delete(AuditRow))
        waiting = threading.Thread(target=restore, args=(engine, made))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
    waiting.join(10)
    assert not waiting.is_alive() and len(contents(engine)["audit"]) == 1


def test_an_sqlite_text_that_postgresql_cannot_hold_loses_only_that_character(postgres, other: Engine, tmp_path: Path):
    _, person, _ = care(other)
    add(other, MissRow(person_id=person, text="a\0b", kind="corrected", last_at=NOW))
    backup(other, tmp_path / "guide.zip")
    with postgres.database() as url:
        engine = open_database(url)
        restore(engine, tmp_path / "guide.zip")
        assert left(engine, MissRow.text) == {"ab"}
        engine.dispose()


def test_many_rows_are_read_and_written_piece_by_piece(engine: Engine, other: Engine, tmp_path: Path):
    with engine.begin() as connection:
        connection.execute(insert(AuditRow), [{"at": NOW, "action": "looked", "detail": str(n)} for n in range(2_500)])
    backup(engine, tmp_path / "guide.zip")
    sizes = []
    event.listen(other, "before_cursor_execute",
                 lambda _c, _cursor, _statement, values, _context, many: sizes.append(len(values) if many else 1))
    restore(other, tmp_path / "guide.zip")
    assert len(contents(other)["audit"]) == 2_500
    assert max(sizes) == keeping.ROWS_AT_ONCE


# --- the commands --------------------------------------------------------------------------------------------

def test_the_commands_save_and_bring_back_and_say_what_is_in_the_file(database_url: str, engine: Engine,
                                                                      tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("DATABASE_URL", database_url)
    path = tmp_path / "guide.zip"
    fill(engine)
    wanted = contents(engine)
    assert main(["backup", str(path)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["file"], answer["bytes"], answer["rows"]["turns"]) == (str(path), path.stat().st_size, 2)
    assert "passwords" in answer["note"]
    wanted = contents(engine)
    fill(engine, 2)
    assert main(["restore", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == answer["rows"]
    assert contents(engine) == wanted
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE meta SET value = 'another' WHERE key = '{keeping.INSTALLATION}'"))
    assert main(["restore", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("backup_other: ")
    assert main(["restore", str(path), "--force"]) == 0
    assert contents(engine) == wanted
