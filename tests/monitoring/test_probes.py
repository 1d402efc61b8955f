"""The probes and the times of turns, on a whole service within this process."""

import asyncio
import json
import logging
import re
import threading
from pathlib import Path

import pytest

from service.app import PAGE_THREADS, create_app
from service.settings import read_settings
from service.web.probes import PATHS, Probes
from tests.support import wav

TIMING = re.compile(r"([a-z_]+);dur=([0-9.]+)")
TOKEN = "a-token-of-24-characters"
API = "/api/v1"
SAID = "我医保卡里还有多少钱"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("probes")


@pytest.fixture(scope="module")
def service(folder: Path):
    service = create_app(read_settings({"DATA_DIR": str(folder), "VOICE": "light", "METRICS_TOKEN": TOKEN,
                                        "DECODERS": "grammar"}))
    yield service
    service.close()


def ask(service, path: str, *args, **named):
    """(status, headers, body) of one request to the ASGI application."""
    return asyncio.run(asked(service, path, *args, **named))


async def asked(service, path: str, method: str = "GET", peer: str = "127.0.0.1", body: bytes = b"", **headers: str):
    sent, given = [], {"host": "127.0.0.1", "content-length": str(len(body))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "http_version": "1.1",
             "scheme": "http", "client": (peer, 50_000), "server": ("127.0.0.1", 80),
             "headers": [(k.encode(), v.encode()) for k, v in given.items()]}

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)
    await service.asgi(scope, receive, send)
    head = {k.decode().lower(): v.decode() for k, v in sent[0]["headers"]}
    return sent[0]["status"], head, b"".join(m.get("body", b"") for m in sent[1:])


def post(service, path: str, given: dict):
    status, headers, body = ask(service, API + path, "POST", body=json.dumps(given).encode(),
                                content_type="application/json")
    return status, timing(headers), json.loads(body)


def timing(headers: dict) -> dict[str, float]:
    return {name: float(ms) for name, ms in TIMING.findall(headers.get("server-timing", ""))}


def metric(service, name: str) -> float:
    text = ask(service, "/metrics")[2].decode()
    return float(next((line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(name)), 0))


# --- the times of a turn --------------------------------------------------------------------------

def test_a_turn_by_key_tells_its_steps_and_is_counted_and_logged_once(service, caplog):
    # What others have left.
    service.turn_log.close()
    caplog.set_level(logging.INFO)
    counted = 'guide_turns_total{outcome="key",source="key"}'
    before, sounds = metric(service, counted), metric(service, "guide_first_sound_seconds_count")
    status, opening, first = post(service, "/sessions", {})
    assert status == 201 and list(opening) == ["receive", "advance", "commit"]
    turns = f"/sessions/{first['session']}/turns"
    status, steps, reply = post(service, turns, {"turn_id": "secret-turn", "key": "4"})
    assert status == 200 and list(steps) == ["receive", "interpret", "advance", "commit"]
    assert all(ms > 0 for ms in steps.values())
    _, again, same = post(service, turns, {"turn_id": "secret-turn", "key": "4"})
    assert same == reply and list(again) == ["receive"]
    post(service, turns, {"turn_id": "t2", "text": SAID})
    for sentence in reply["sentences"][:2]:
        assert ask(service, sentence["audio"])[0] == 200
    service.turn_log.close()
    lines = [r.getMessage() for r in caplog.records if r.name == "service.monitoring.turn_log"]
    told = [json.loads(line.removeprefix("turn ")) for line in lines]
    by_key = next(line for line in told if line["source"] == "key")
    assert sorted((t["number"], t["source"]) for t in told) == [(1, "start"), (2, "key"), (3, "text")]
    assert by_key["node"] == reply["node"] and list(by_key["ms"])[1:-1] == list(steps)
    assert by_key["ms"]["first_sound"] > by_key["ms"]["total"] >= sum(steps.values()) - 1
    assert not any(private in caplog.text for private in (SAID, first["session"], "secret-turn", '"4"', "'4'"))
    assert metric(service, counted) == before + 1
    assert metric(service, "guide_first_sound_seconds_count") == sounds + 1


@pytest.mark.audio
def test_a_recording_tells_its_decoding_too(service):
    if not service.listening.available:
        pytest.skip("the speech model is not installed")
    session = post(service, "/sessions", {})[2]["session"]
    status, headers, body = ask(service, f"{API}/sessions/{session}/turns", "POST", body=wav("key_one"),
                                content_type="audio/wav", turn_id="a")
    assert status == 200, body
    steps = timing(headers)
    assert list(steps) == ["receive", "decode", "interpret", "advance", "commit"]
    assert steps["decode"] > steps["advance"]


def test_what_is_said_to_whom_there_is_no_room_for_can_be_kept_by_a_page(service):
    status, headers, body = ask(service, f"{API}/busy")
    assert (status, headers["content-type"], headers["cache-control"]) == (200, "audio/wav", "public, max-age=86400")
    assert body[:4] == b"RIFF" and len(body) > 20_000


# --- probes ---------------------------------------------------------------------------------------

def test_an_error_is_counted(service):
    counted = 'guide_errors_total{code="not_found"}'
    before = metric(service, counted)
    assert ask(service, f"{API}/sessions/nobody")[0] == 404
    assert metric(service, counted) == before + 1


@pytest.mark.parametrize("peer, headers, status", [
    ("127.0.0.1", {}, 200), ("::1", {}, 200), ("192.0.2.7", {}, 403),
    ("127.0.0.1", {"x_forwarded_for": "127.0.0.1"}, 403),
    ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, 403), ("192.0.2.7", {"authorization": f"Bearer {TOKEN}"}, 200),
    ("192.0.2.7", {"authorization": "Bearer another-token-of-24-char"}, 403),
    ("192.0.2.7", {"authorization": "Bearer "}, 403), ("192.0.2.7", {"authorization": TOKEN}, 403)])
def test_the_metrics_are_for_this_machine_and_whoever_has_the_token(service, peer: str, headers: dict, status: int):
    assert ask(service, "/metrics", peer=peer, **headers)[0] == status


def test_without_a_token_another_machine_has_none_that_would_do(service, monkeypatch):
    probes = Probes(service.health, service.metrics)
    monkeypatch.setattr(service, "asgi", probes)
    assert ask(service, "/metrics", peer="192.0.2.7", authorization="Bearer ")[0] == 403


def test_they_answer_while_every_thread_of_the_pages_is_busy(service, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(service.talks, "last", lambda _: go_on.wait())

    async def probe_in_a_rush() -> list[int]:
        rush = [asyncio.ensure_future(asked(service, f"{API}/sessions/a")) for _ in range(PAGE_THREADS + 1)]
        try:
            return [(await asyncio.wait_for(asked(service, path), 10))[0] for path in PATHS]
        finally:
            assert not any(waiting.done() for waiting in rush)
            go_on.set()
            await asyncio.gather(*rush)
    assert asyncio.run(probe_in_a_rush()) == [200] * 3


def test_the_probes_take_nothing_but_questions(service):
    assert ask(service, "/healthz", "POST")[0] == 405
    status, headers, body = ask(service, "/healthz", "HEAD")
    assert (status, body) == (200, b"") and headers["content-length"] == "3"


def test_it_is_ready_until_the_database_is_gone_or_it_drains(service, folder):
    """The last one here: the service is not of use any more afterwards."""
    status, _, body = ask(service, "/readyz")
    told = json.loads(body)
    states = {check["name"]: check["state"] for check in told["checks"]}
    assert status == 200 and told["ready"]
    assert states["serving"] == states["database"] == "ok" and {"disk", "speech model"} <= states.keys()
    file = folder / "guide.db"
    away = file.rename(folder / "away.db")
    status, _, body = ask(service, "/readyz")
    assert status == 503 and str(folder) not in body.decode()
    assert [c["name"] for c in json.loads(body)["checks"] if c["state"] == "failed"] == ["database"]
    away.rename(file)
    assert ask(service, "/readyz")[0] == 200
    service.health.drain()
    status, _, body = ask(service, "/readyz")
    assert status == 503 and json.loads(body)["checks"][0] == {"name": "serving", "state": "failed",
                                                              "reason": "draining"}
    assert ask(service, "/healthz")[0] == 200
