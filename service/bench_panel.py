"""`bench panel`: how soon the panel's first page is there, and what the recording for it costs a turn.

A database is filled with a large hall's records first: it takes a minute or two. Pages are asked for in
this process through the whole application, without the network.
"""

from __future__ import annotations

import datetime
import json
import re
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Iterable, TextIO

from flask.testing import FlaskClient
from sqlalchemy import Engine, func, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from service.app import Service, create_app
from service.bench import machine, milliseconds, quantiles
from service.care.adjusting import Adjustment
from service.care.secrets import Secrets
from service.core.attention import KINDS
from service.core.dialog import Session
from service.errors import SettingsError, StoreError
from service.settings import Settings
from service.store.database import open_database
from service.store.tables import DeviceRow, IncidentRow, PersonRow, RoleRow, TalkRow, TurnRow

PEOPLE, DEVICES, TURNS = 100, 200, 1_000_000
TURNS_OF_A_TALK = 20
OPEN_INCIDENTS, CLOSED_INCIDENTS = 60, 20_000
BATCH = 10_000
PAGES, RECORDED = 200, 300
NAME, PASSWORD = "bench", "bench-password"
REPLY = {"sentences": ["第一步。", "带上您的身份证。", "好了按一。"], "step": [1, 7], "pace_cpm": 180}


def run(settings: Settings, server: str | None, turns: int, out: TextIO) -> int:
    """Measure on SQLite, and on PostgreSQL where the address of an empty database of a ``server`` is given."""
    figures = {"machine": machine(), "turns": turns}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        settings = replace(settings, data_dir=Path(folder), database="", voice="light", reload_guide=False)
        figures["sqlite"] = _measure(settings, turns)
        if server:
            _check_empty(server)
            figures["postgresql"] = _measure(replace(settings, database=server), turns)
    print(json.dumps(figures, ensure_ascii=False, indent=2), file=out)
    return 0


def _check_empty(server: str) -> None:
    engine = open_database(server)
    try:
        with engine.connect() as connection:
            used = connection.scalar(select(func.count()).select_from(TalkRow))
    except SQLAlchemyError as e:
        raise StoreError("the database cannot be read") from e
    finally:
        engine.dispose()
    if used:
        raise SettingsError("the database is not empty: it would be filled with invented records")


def _measure(settings: Settings, turns: int) -> dict:
    service = create_app(settings)
    try:
        client = service.flask.test_client()
        _become_owner(service, client)
        began = time.perf_counter()
        _fill(service.care.engine, turns)
        figures = {"filled_s": round(time.perf_counter() - began, 1)}
        return {**figures, **_pages(client), **_recording(service)}
    finally:
        service.close()


def _become_owner(service: Service, client: FlaskClient) -> None:
    code = service.care.accounts.owner_code()
    if code is None:
        raise SettingsError("the database is not empty: it has an account")
    token = re.search(r'name="csrf_token" value="([^"]*)"', client.get("/panel/first").text)[1]
    client.post("/panel/first", data={"csrf_token": token, "code": code, "name": NAME, "password": PASSWORD})


def _pages(client: FlaskClient) -> dict:
    figures = {}
    for name, path in (("first_page_ms", "/panel/"), ("talks_page_ms", "/panel/people/1/talks"),
                       ("figures_page_ms", "/panel/figures")):
        client.get(path)
        figures[name] = quantiles(milliseconds(lambda: _get(client, path)) for _ in range(PAGES))
    return figures


def _recording(service: Service) -> dict:
    """A turn at a device whose person is looked after, beside one at none; taken in turns, so that both meet
    the same machine."""
    devices, talks = service.care.devices, service.talks
    watched = talks.open(device=devices.get(1)).talk_id
    alone = talks.open().talk_id
    times: dict[str, list[float]] = {watched: [], alone: []}
    for number in range(RECORDED):
        for talk_id, taken in times.items():
            said = "去大厅窗口查" if number % 2 else "隔壁的鸡跑了"
            taken.append(milliseconds(lambda: talks.say(talk_id, f"bench{number}", said)))
    with_it, without = quantiles(times[watched]), quantiles(times[alone])
    return {"turn_watched_ms": with_it, "turn_alone_ms": without,
            "recording_adds_ms": {q: round(with_it[q] - without[q], 2) for q in ("median", "p95")}}


def _get(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200


def _fill(engine: Engine, turns: int) -> None:
    """Invented records of the last three months."""
    now = datetime.datetime.now(datetime.UTC)
    people, devices = range(1, PEOPLE + 1), range(1, DEVICES + 1)
    _insert(engine, PersonRow, ({"id": i, "name": f"老人{i}", "shared": False, "created_at": now} for i in people))
    _insert(engine, RoleRow, ({"account_id": 1, "person_id": i, "role": "owner"} for i in people))
    settings = Adjustment().to_json()
    _insert(engine, DeviceRow, (
        {"id": i, "name": f"客厅{i}", "person_id": _person(i), "token_hash": Secrets.token(), "paired_at": now,
         "created_at": now, "last_seen_at": now - datetime.timedelta(minutes=i), "listening": bool(i % 50),
         "sounding": True, "settings": settings, "settings_version": 1} for i in devices))
    count, session = turns // TURNS_OF_A_TALK, Session().to_json()
    spread = datetime.timedelta(days=90) / max(1, count)
    _insert(engine, TalkRow, (
        {"id": _talk(n), "session": session, "turns": TURNS_OF_A_TALK, "created_at": now - n * spread,
         "updated_at": now - n * spread, "device_id": n % DEVICES + 1, "person_id": _person(n % DEVICES + 1)}
        for n in range(count)))
    _insert(engine, TurnRow, (
        {"talk_id": _talk(n), "id": str(k), "number": k, "source": "voice", "outcome": "match", "node": "m1_counter",
         "received_at": now - n * spread, "took_ms": 12.5, "reply": REPLY, "said": "我要去大厅查社保",
         "meaning": "m1_counter"} for n in range(count) for k in range(1, TURNS_OF_A_TALK + 1)))
    _insert(engine, IncidentRow, (
        {"person_id": _person(n % DEVICES + 1), "device_id": n % DEVICES + 1, "talk_id": _talk(n % count),
         "kind": KINDS[n % len(KINDS)], "node": "m1_counter", "step": 2, "count": 1, "note": "",
         "opened_at": now - n * spread, "updated_at": now - n * spread,
         "closed_at": None if n < OPEN_INCIDENTS else now} for n in range(OPEN_INCIDENTS + CLOSED_INCIDENTS)))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            for table in (PersonRow, DeviceRow):
                connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.__tablename__}', 'id'), 1000)"))
        connection.execute(text("ANALYZE"))


def _person(device: int) -> int:
    return device % PEOPLE + 1


def _talk(number: int) -> str:
    return f"bench{number:027d}"


def _insert(engine: Engine, table, rows: Iterable[dict]) -> None:
    batch: list[dict] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            _write(engine, table, batch)
            batch = []
    if batch:
        _write(engine, table, batch)


def _write(engine: Engine, table, batch: list[dict]) -> None:
    with engine.begin() as connection:
        connection.execute(insert(table), batch)
