"""The description of the API is valid OpenAPI 3.1, complete, and true of every answer."""

import json
import re
from typing import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from service.web.api import PREFIX
from service.web.body import description

METHODS = {"get", "put", "post", "delete", "patch"}
DOCUMENT = description()


def operations() -> Iterator[tuple[str, str, dict]]:
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS & item.keys():
            yield path, method, item[method]


def resolved(value: dict) -> dict:
    """What a $ref stands for."""
    if "$ref" not in value:
        return value
    assert value["$ref"].startswith("#/")
    found = DOCUMENT
    for part in value["$ref"][2:].split("/"):
        found = found[part]
    return found


def references(value) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for child in value.values():
            yield from references(child)
    elif isinstance(value, list):
        for child in value:
            yield from references(child)


def schema_of(reference: dict) -> Draft202012Validator:
    return Draft202012Validator({**DOCUMENT, **reference})


def test_the_document_has_the_parts_that_openapi_3_1_asks_for():
    assert re.fullmatch(r"3\.1\.\d+", DOCUMENT["openapi"])
    assert DOCUMENT["info"]["title"] and isinstance(DOCUMENT["info"]["version"], str)
    assert DOCUMENT.keys() <= {"openapi", "info", "servers", "security", "paths", "components", "tags"}
    assert DOCUMENT["servers"][0]["url"] == PREFIX
    assert all(path.startswith("/") for path in DOCUMENT["paths"])


def test_each_operation_has_an_id_of_its_own_and_says_what_it_answers():
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)
    for _, _, operation in operations():
        assert operation["summary"]
        assert any(code.startswith("2") for code in operation["responses"])
        for code, response in operation["responses"].items():
            assert re.fullmatch("[1-5][0-9]{2}|default", code)
            assert resolved(response)["description"]
            for media in resolved(response).get("content", {}).values():
                Draft202012Validator.check_schema(resolved(media["schema"]))


def test_each_path_declares_exactly_its_parameters():
    for path, method, operation in operations():
        declared = DOCUMENT["paths"][path].get("parameters", []) + operation.get("parameters", [])
        declared = [resolved(p) for p in declared]
        assert all(p["in"] in ("path", "query", "header") and p["schema"] for p in declared)
        in_path = [p for p in declared if p["in"] == "path"]
        assert all(p["required"] is True for p in in_path)
        assert sorted(p["name"] for p in in_path) == sorted(re.findall(r"{(\w+)}", path)), (method, path)


def test_each_reference_leads_somewhere_and_each_component_is_used():
    used = set(references(DOCUMENT))
    for reference in used:
        resolved({"$ref": reference})
    assert {f"#/components/{kind}/{name}" for kind, items in DOCUMENT["components"].items() for name in items} == used


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_each_schema_is_one(name: str):
    Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


def test_exactly_the_routes_of_the_app_are_described(app: Flask):
    routes = {(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix(PREFIX)), method.lower())
              for rule in app.url_map.iter_rules() if rule.rule.startswith(PREFIX)
              for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert routes == {(path, method) for path, method, _ in operations()}


def test_the_document_is_served_as_it_is(client: FlaskClient):
    assert client.get(f"{PREFIX}/openapi.json").json == DOCUMENT


def assert_described(answer, path: str, method: str) -> None:
    """The answer has a described status, type and form."""
    responses = DOCUMENT["paths"][path][method]["responses"]
    assert str(answer.status_code) in responses or answer.status_code >= 400 and "default" in responses
    content = resolved(responses.get(str(answer.status_code), responses.get("default"))).get("content")
    if content is None:
        assert answer.data == b""
        return
    assert answer.mimetype in content
    if answer.mimetype == "application/json":
        schema_of(content["application/json"]["schema"]).validate(answer.json)


def test_each_answer_to_many_calls_is_as_described(client: FlaskClient):
    answers = []

    def call(method: str, path: str, body=None, **names) -> dict:
        url = PREFIX + path.format(**names)
        answer = client.open(url, method=method.upper(), **({} if body is None else {"json": body}))
        assert_described(answer, path, method)
        answers.append(answer.status_code)
        return answer.get_json(silent=True)

    one, turns, audio = "/sessions/{session}", "/sessions/{session}/turns", \
        "/sessions/{session}/turns/{turn}/audio/{index}"
    first = call("post", "/sessions")
    session = first["session"]
    walk = [{"key": key} for key in "1111111123*9#0*64570"] + [
        {"text": t} for t in ("去大厅", "养老钱", "不是", "卡里的钱", "等一下", "继续", "天上有几颗星", "啊", "再见")]
    walk += [{"event": e} for e in ("silence", "silence", "silence", "rejoin", "voice")]
    walk += [{"event": "pause", "speaking": {"turn_id": "t0", "sentence": 1}}, {"event": "resume"}]
    states = {call("post", turns, {"turn_id": f"t{i}", **given}, session=session)["state"]
              for i, given in enumerate(walk)}
    assert states >= {"menu", "steps", "leaf", "ask", "paused", "waiting"}, "every state was met"
    call("post", "/sessions", {"voice": "nobody-s", "pace_cpm": 150, "loudness_db": -3})
    call("post", "/sessions", {"pace_cpm": "fast"})
    call("get", "/voices")
    call("get", one, session=session)
    call("get", audio, session=session, turn=first["turn_id"], index=0)
    call("get", audio, session=session, turn=first["turn_id"], index=99)
    for bad in ({}, [], {"turn_id": "a", "key": "10"}, {"turn_id": "a", "text": "好" * 60_000}):
        call("post", turns, bad, session=session)
    call("get", one, session="nobody")
    call("delete", one, session="nobody")
    call("delete", one, session=session)
    call("get", one, session=session)
    call("get", "/openapi.json")
    assert set(answers) == {200, 201, 204, 400, 404, 410, 413}


@pytest.mark.parametrize("given, taken", [
    ({"turn_id": "a", "key": "1"}, True), ({"turn_id": "a", "text": "好"}, True),
    ({"turn_id": "a", "event": "silence"}, True), ({"turn_id": "a", "event": "pause"}, True),
    ({"turn_id": "a", "key": "1", "event": "pause"}, False),
    ({"turn_id": "a", "event": "resume", "speaking": {"turn_id": "a", "sentence": 0}}, True),
    ({"turn_id": "a", "key": "#", "speaking": {"turn_id": "a"}}, False), ({"turn_id": "a", "key": 1}, False),
    ({"turn_id": "a"}, False), ({"key": "1"}, False), ({"turn_id": "a/b", "key": "1"}, False)], ids=json.dumps)
def test_the_app_takes_exactly_the_turns_that_are_described(client: FlaskClient, given: dict, taken: bool):
    described = schema_of({"$ref": "#/components/schemas/TurnInput"}).is_valid(given)
    session = client.post(f"{PREFIX}/sessions").json["session"]
    status = client.post(f"{PREFIX}/sessions/{session}/turns", json=given).status_code
    assert (described, status) == (taken, 200 if taken else 400)
