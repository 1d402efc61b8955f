"""Parts: turns by voice go to the processes that decode, everything else to the others."""

import pytest

from service.settings import PARTS
from service.web.parts import ALL, AUDIO, PAGES, serves

TURN = "/api/v1/sessions/abc/turns"


def scope(path: str, kind: str = "http", method: str = "POST", content: bytes = b"application/json") -> dict:
    return {"type": kind, "path": path, "method": method, "headers": [(b"Content-Type", content)]}


@pytest.mark.parametrize("asked, part", [
    (scope("/api/v1/listen", "websocket"), AUDIO),
    (scope(TURN, content=b"audio/ogg"), AUDIO),
    (scope(TURN, content=b"Audio/wav; rate=16000"), AUDIO),
    (scope(TURN), PAGES),
    (scope(TURN, method="GET", content=b"audio/ogg"), PAGES),
    (scope("/", method="GET"), PAGES),
    (scope("/family/api/sentences/x/take", content=b"audio/webm"), PAGES),
    (scope("/api/v1/device/events", method="GET"), PAGES),
    (scope("/api/v1/sessions"), PAGES)])
def test_each_request_is_for_one_part(asked: dict, part: str):
    assert [one for one in (AUDIO, PAGES) if serves(one, asked)] == [part]
    assert serves(ALL, asked)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_whoever_watches_is_answered_by_all(path: str):
    assert all(serves(part, scope(path, method="GET")) for part in (ALL, AUDIO, PAGES))


def test_the_setting_knows_the_parts():
    assert set(PARTS) == {ALL, AUDIO, PAGES}
