"""Service: its API, and the WebSocket, as somebody calls them who has read the description and does not keep to it."""

from __future__ import annotations

import asyncio
import json
import urllib.parse
from dataclasses import dataclass
from typing import Callable

import schemathesis
from flask import Flask
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (content_type_conformance, response_headers_conformance,
                                               response_schema_conformance, status_code_conformance)

from service.errors import Busy, ModelError
from service.fuzzing.files import sounds
from service.fuzzing.target import Target, require
from service.web.api import PREFIX

HTTP_ERROR = 500
LACKING = {Busy.code, ModelError.code}
"""What the service may say with 503 though nothing is wrong with it: it has no speech model, or too much to do."""
CHECKS = [content_type_conformance, response_headers_conformance, response_schema_conformance, status_code_conformance]
SENTENCES = ("我要查社保", "六五年五月", "不对", "\ud800", "\0", "{option}", "[[a]]", "' OR 1=1 --", "<script>", "长" * 3000)
TYPES = ("speaking", "silent", "forget", "", None, 1)
MOST_MESSAGES = 8


@dataclass(frozen=True)
class Call:
    """One call of the API."""

    case: Case
    real: bool
    """True if it is about a talk that there is."""

    def __repr__(self) -> str:
        body = self.case.body if isinstance(self.case.body, (dict, list, str, int, bytes)) else None
        return (f"{self.case.method} {self.case.formatted_path} real={self.real} query={self.case.query!r} "
                f"headers={dict(self.case.headers or {})!r} media_type={self.case.media_type!r} body={body!r}")


# --- the API -----------------------------------------------------------------------------------------

def _calls(app: Flask) -> SearchStrategy[Call]:
    """Calls of every operation, as they should be and as they should not."""
    load_all_checks()
    schemathesis.openapi.media_type("audio/*", sounds())
    schema = schemathesis.openapi.from_wsgi(f"{PREFIX}/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    kinds = [operation.as_strategy(mode) for operation in operations
             for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE) if _can(operation, mode)]
    return st.builds(Call, st.one_of(kinds), st.booleans())


def _can(operation, mode: GenerationMode) -> bool:
    """Some operations take nothing that could be wrong."""
    return mode is GenerationMode.POSITIVE or bool(operation.body or operation.query or operation.path_parameters)


def _call(app: Flask, call: Call) -> None:
    client, case = app.test_client(), call.case
    parameters = dict(case.path_parameters or {})
    if call.real and "session" in parameters:
        opened = client.post(f"{PREFIX}/sessions").get_json()
        case.path_parameters = parameters | {"session": opened["session"]}
        if "turn" in parameters:
            case.path_parameters["turn"] = opened["turn_id"]
    answer = case.call()
    case.validate_response(answer, checks=CHECKS)
    require(answer.status_code != HTTP_ERROR, f"no fault within: {answer.content[:200]!r}")
    if answer.status_code > HTTP_ERROR:
        require(answer.json()["error"]["code"] in LACKING, f"only what is lacking: {answer.content[:200]!r}")


def _text_turn(app: Flask, body: bytes) -> None:
    """A body that need not be what any library makes of JSON."""
    client = app.test_client()
    talk = client.post(f"{PREFIX}/sessions").get_json()["session"]
    for path in (f"{PREFIX}/sessions/{talk}/turns", f"{PREFIX}/sessions", f"{PREFIX}/calculators/age",
                 f"{PREFIX}/device/check"):
        answer = client.post(path, data=body, content_type="application/json")
        require(answer.status_code < HTTP_ERROR, f"no fault within: {answer.data[:200]!r}")
        require(answer.is_json, "every answer is of the API's shape")


def _bodies() -> SearchStrategy[bytes]:
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(SENTENCES) | st.text()
    values = st.recursive(plain,
                          lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
    names = ("turn_id", "text", "key", "event", "delivery", "speaking", "voice", "pace_cpm", "loudness_db", "answers",
             "listening", "sounding")
    objects = st.dictionaries(st.sampled_from(names), values | st.sampled_from(("a-turn", "1", "notice", "silence")))
    turns = objects.map(lambda given: {"turn_id": "a-turn", "text": "好"} | given)
    deep = st.integers(1, 30_000).map(lambda depth: b"[" * depth)
    return st.one_of((objects | turns | values).map(lambda value: json.dumps(value).encode()), deep, st.binary())


# --- the socket --------------------------------------------------------------------------------------

def _messages() -> SearchStrategy[list[str | bytes]]:
    values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})
    control = st.fixed_dictionaries({"type": st.sampled_from(TYPES) | values},
                                    optional={"turn_id": values, "sentence": values}).map(json.dumps)
    deep = st.integers(1, 30_000).map(lambda depth: '{"type":' * depth)
    return st.lists(st.one_of(control, control, st.text(max_size=20), deep, st.binary(max_size=64)),
                    min_size=1, max_size=MOST_MESSAGES)


def _listen(asgi, open_talk: Callable[[], str], messages: list[str | bytes]) -> None:
    asyncio.run(_connect(asgi, open_talk(), messages))


async def _connect(asgi, talk: str, messages: list[str | bytes]) -> None:
    received = [{"type": "websocket.connect"},
                *({"type": "websocket.receive", "bytes" if isinstance(m, bytes) else "text": m} for m in messages),
                {"type": "websocket.disconnect", "code": 1000}]
    sent: list[dict] = []

    async def receive() -> dict:
        # After the end it stays at the end.
        return received.pop(0) if len(received) > 1 else received[0]

    async def send(message: dict) -> None:
        sent.append(message)
    scope = {"type": "websocket", "path": f"{PREFIX}/listen", "headers": [(b"host", b"localhost")], "scheme": "ws",
             "query_string": urllib.parse.urlencode({"session": talk}).encode(), "client": ("127.0.0.1", 1),
             "server": ("127.0.0.1", 8080)}
    await asgi(scope, receive, send)
    require(sent[0]["type"] in ("websocket.accept", "websocket.close"), "accepted or refused")
    require(all(json.loads(m["text"]) for m in sent if m["type"] == "websocket.send"), "all that is told is JSON")


def api_targets(app: Flask) -> list[Target]:
    """The calls of the API."""
    return [Target("api", 0.02, _calls(app), lambda call: _call(app, call)),
            Target("api_body", 0.008, _bodies(), lambda body: _text_turn(app, body))]


def socket_targets(asgi, open_talk: Callable[[], str]) -> list[Target]:
    """The socket of a microphone. ``open_talk`` gives the id of a new talk."""
    return [Target("socket", 0.001, _messages(), lambda messages: _listen(asgi, open_talk, messages))]
