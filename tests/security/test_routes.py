"""Every route with everybody who may come: there is none that no table knows."""

import asyncio
import json
from dataclasses import dataclass

import pytest

from service.app import create_app
from service.settings import Settings
from service.web import events, probes, socket
from service.web.device import COOKIE
from tests.support import PROMPTS, ROOT
from tests.web.panel_site import KEY, OTHERS_WORDS, OWN, make_template, text_of
from tests.web.test_panel import TABLE as PANEL

API, HOST, ELSEWHERE = "/api/v1", "localhost", "https://elsewhere.example"
VISITORS = ("nobody", "unpaired", "paired", "stranger", "viewer", "caregiver", "owner", "editor", "neighbour",
            "elsewhere")
"""The device's page before and after it was paired; accounts as in ``panel_site``; a page of another site in the
owner's browser."""
ALL = "OOOOOOOOOO"
HERE = "OOOOOOOOOF"
"""For this machine's own pages alone, whoever is logged in on the panel; what only reads is for every page of this
machine, and no other site can read the answer."""
LETTERS = {"O": range(200, 300), "B": (400,), "F": (403,), "G": (401,), "N": (404,), "U": (422,), "M": (503,)}
TABLE = {
    ("GET", "/static/<path:filename>"): ALL,
    ("GET", "/"): ALL,
    ("GET", "/nodes/<path:node_id>"): ALL,
    ("POST", f"{API}/sessions"): ALL,
    ("GET", f"{API}/sessions/<session>"): ALL,
    ("DELETE", f"{API}/sessions/<session>"): ALL,
    ("POST", f"{API}/sessions/<session>/turns"): ALL,
    ("GET", f"{API}/sessions/<session>/turns/<turn>/audio/<int:index>"): ALL,
    ("GET", f"{API}/busy"): ALL,
    ("GET", f"{API}/voices"): ALL,
    ("GET", f"{API}/openapi.json"): ALL,
    ("GET", f"{API}/calculators"): ALL,
    ("POST", f"{API}/calculators/<calculator>"): ALL,
    ("GET", "/family"): ALL,
    ("GET", "/family/api/script"): ALL,
    ("GET", "/family/api/voices"): ALL,
    ("POST", "/family/api/voices"): HERE,
    ("GET", "/family/api/voices/<voice>"): ALL,
    ("DELETE", "/family/api/voices/<voice>"): HERE,
    ("GET", "/family/api/voices/<voice>/file"): ALL,
    ("POST", "/family/api/voices/file"): "U" * 9 + "F",
    ("GET", "/family/api/sentences/<sentence>/example"): ALL,
    ("POST", "/family/api/sentences/<sentence>/take"): "U" * 9 + "F",
    ("GET", "/family/api/voices/<voice>/sentences/<sentence>"): "N" * 10,
    ("PUT", "/family/api/voices/<voice>/sentences/<sentence>"): "U" * 9 + "F",
    ("DELETE", "/family/api/voices/<voice>/sentences/<sentence>"): "N" * 9 + "F",
}
"""Of the pages, the API and the family's page; the panel's and the device's own is in ``tests.web.test_panel``."""
ELSEWHERE_TABLE = {("GET", "/panel/health"), ("GET", "/panel/devices/<int:device_id>/health")}
"""Tried in ``tests.web.test_panel_health``."""
BODIES = {f"{API}/sessions/<session>/turns": {"turn_id": "a-turn", "key": "#"},
          f"{API}/calculators/<calculator>": {"answers": {}},
          "/family/api/voices": {"label": "小芳", "next": "female"}}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Whole:
    """The whole service over the panel's households, as its server sees it."""

    def __init__(self, folder):
        self.seed = make_template(folder)
        self.seed.file.rename(folder / "guide.db")
        (folder / "secret.key").write_bytes(KEY)
        self.service = create_app(Settings(data_dir=folder, prompts_dir=PROMPTS, models_dir=ROOT / "models",
                                           learnt_dir=ROOT / "models" / "learnt", speech_model="none", voice="light",
                                           reload_guide=False))
        self.flask = self.service.flask

    def client(self, visitor: str, address: str = "127.0.0.1"):
        """A browser of somebody."""
        client = self.flask.test_client()
        client.environ_base["REMOTE_ADDR"] = address
        role = "owner" if visitor == "elsewhere" else visitor
        token = {"unpaired": self.seed.waiting, "paired": self.seed.own.token}.get(visitor)
        if token:
            client.set_cookie(COOKIE, token)
        if role in self.seed.accounts:
            with client.session_transaction() as session:
                session["_user_id"], session["_fresh"] = f"{self.seed.accounts[role]}:0", True
        return client

    def ask(self, scope_type: str, path: str, headers: dict[str, str], method: str = "GET", address: str = "127.0.0.1",
            scheme: str = "http") -> Answer:
        """What comes first to a request or a socket, from the ASGI application."""
        return asyncio.run(self._ask(scope_type, path, headers, method, address, scheme))

    async def _ask(self, scope_type, path, headers, method, address, scheme) -> Answer:
        sent, come = asyncio.Queue(), [{"type": "websocket.connect"}] if scope_type == "websocket" else []
        come += [{"type": "http.request", "body": b"", "more_body": False}] if scope_type == "http" else []

        async def receive() -> dict:
            if come:
                return come.pop(0)
            await asyncio.sleep(0.05)
            return {"type": f"{scope_type}.disconnect", "code": 1000}
        scope = {"type": scope_type, "http_version": "1.1", "method": method, "scheme": scheme, "path": path,
                 "raw_path": path.encode(),
                 "query_string": b"", "root_path": "", "client": (address, 5000), "server": (HOST, 80),
                 "headers": [(k.lower().encode(), v.encode()) for k, v in {"host": HOST, **headers}.items()]}
        await asyncio.wait_for(self.service.asgi(scope, receive, sent.put), 10)
        first = await sent.get()
        given = {k.decode().lower(): v.decode() for k, v in first.get("headers", [])}
        body = b"".join([m.get("body", b"") for m in iter_queue(sent)])
        return Answer(first.get("status", first.get("code", 0)), given, body)


def iter_queue(queue: asyncio.Queue):
    while not queue.empty():
        yield queue.get_nowait()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    whole = Whole(tmp_path_factory.mktemp("whole"))
    yield whole
    whole.service.close()


def walked(flask) -> set[tuple[str, str]]:
    return {(method, rule.rule) for rule in flask.url_map.iter_rules() for method in rule.methods - {"HEAD", "OPTIONS"}}


def test_every_route_is_in_a_table(whole):
    assert walked(whole.flask) - ELSEWHERE_TABLE == TABLE.keys() | PANEL.keys() - ELSEWHERE_TABLE


def test_nothing_else_is_served_beside_the_pages():
    assert set(probes.PATHS) | set(events.PATHS) | {socket.PATH} == {
        "/healthz", "/readyz", "/metrics", "/panel/events", f"{API}/device/events", f"{API}/listen"}


def filled(whole, rule: str, talk: dict, voice: str) -> str:
    values = {"<path:filename>": "kiosk.js", "<path:node_id>": "m1", "<session>": talk["session"],
              "<turn>": talk["turn_id"],
              "<int:index>": "0", "<calculator>": "age", "<voice>": voice, "<sentence>": whole.sentence}
    for name, value in values.items():
        rule = rule.replace(name, value)
    return rule


@pytest.fixture(scope="module")
def voice(whole) -> str:
    client = whole.client("nobody")
    whole.sentence = client.get("/family/api/script").json["sentences"][0]["id"]
    return client.post("/family/api/voices", json={"label": "小芳", "next": "female"},
                       headers={"Origin": f"http://{HOST}"}).json["id"]


@pytest.mark.parametrize("method, rule", TABLE, ids=lambda part: part)
def test_who_may_what(whole, voice, method, rule):
    for visitor, letter in zip(VISITORS, TABLE[method, rule]):
        client = whole.client(visitor)
        talk = client.post(f"{API}/sessions").json if "<session>" in rule else {"session": "", "turn_id": ""}
        one = client.post("/family/api/voices", json=BODIES["/family/api/voices"], headers={"Origin": f"http://{HOST}"}
                          ).json["id"] if method == "DELETE" and rule.endswith("<voice>") else voice
        headers = {} if method == "GET" else {"Origin": f"http://{HOST}"}
        if visitor == "elsewhere":
            headers = {"Origin": ELSEWHERE, "Referer": f"{ELSEWHERE}/page", "Sec-Fetch-Site": "cross-site"}
        answer = client.open(filled(whole, rule, talk, one), method=method, headers=headers, json=BODIES.get(rule))
        assert answer.status_code in LETTERS[letter], (visitor, answer.status_code, answer.data[:200])
        # A browser gives no other site what it is not expressly allowed to read.
        assert not [name for name in answer.headers.keys() if name.lower().startswith("access-control-")]
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        if answer.mimetype not in ("audio/wav", "application/octet-stream"):
            assert not [w for w in (OWN, *OTHERS_WORDS) if w in text_of(answer)], visitor


@pytest.mark.parametrize("path", ["/family", "/family/api/script", "/family/api/voices"])
@pytest.mark.parametrize("address, headers", [
    ("192.168.1.9", {}), ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}), ("127.0.0.1", {"Host": "elsewhere.example"}),
    ("127.0.0.1", {"Host": "["}), ("::ffff:192.168.1.9", {}), ("", {})])
def test_the_familys_page_is_for_this_machine_alone(whole, path, address, headers):
    answer = whole.client("owner", address).get(path, headers=headers)
    assert answer.status_code == 403 and "小芳" not in text_of(answer)


def test_nobody_gets_at_a_talk_or_a_sound_of_another_one(whole):
    client = whole.client("nobody")
    one, other = (client.post(f"{API}/sessions").json for _ in range(2))
    assert len(one["session"]) == 32 and len({one["session"], other["session"], one["turn_id"], other["turn_id"]}) == 4
    mixed = f"{API}/sessions/{other['session']}/turns/{one['turn_id']}/audio/0"
    assert client.get(mixed).status_code == 404
    for guess in ("", "0" * 32, one["session"][:-1], one["session"].upper(), one["session"] + "0", "%", "*",
                  "' OR '1'='1",
                  f"{one['session']}%00"):
        for path in (f"{API}/sessions/{guess}", f"{API}/sessions/{guess}/turns/{one['turn_id']}/audio/0"):
            assert client.get(path).status_code in (404, 405), guess
        assert client.delete(f"{API}/sessions/{guess}").status_code in (404, 405)


# --- the probes, the streams, the socket -------------------------------------------------------------

def cookie(whole, visitor: str) -> dict[str, str]:
    client = whole.client(visitor)
    found = [f"{name}={client.get_cookie(name).value}" for name in ("panel", COOKIE) if client.get_cookie(name)]
    headers = {"Cookie": "; ".join(found)} if found else {}
    return headers | ({"Origin": ELSEWHERE} if visitor == "elsewhere" else {})


STREAMS = {"/panel/events": "GGGOOOOOOO", f"{API}/device/events": "GOOGGGGGGG"}


@pytest.mark.parametrize("path", STREAMS)
def test_who_hears_of_changes(whole, path):
    for visitor, letter in zip(VISITORS, STREAMS[path]):
        answer = whole.ask("http", path, cookie(whole, visitor))
        assert answer.status in LETTERS[letter], visitor
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path, status", [("/healthz", 200), ("/readyz", 200), ("/metrics", 403)])
def test_who_sees_how_it_is(whole, path, status):
    for visitor in VISITORS:
        answer = whole.ask("http", path, cookie(whole, visitor), address="192.168.1.9")
        assert answer.status == status, visitor
        assert OWN.encode() not in answer.body and b"/tmp" not in answer.body
        assert whole.ask("http", path, cookie(whole, visitor), method="POST").status == 405
    assert whole.ask("http", path, {}).status == 200
    if path == "/readyz":
        assert set(json.loads(whole.ask("http", path, {}).body)) == {"ready", "checks"}


@pytest.mark.parametrize("origin, accepted", [("", True), (f"http://{HOST}", True), (ELSEWHERE, False), ("null", False),
                                              ("http://[", False), (f"http://{HOST}.elsewhere.example", False),
                                              (f"http://{HOST}:81", False)])
def test_which_page_may_open_the_socket(whole, origin, accepted):
    for path in (socket.PATH, "/panel/events", "/"):
        answer = whole.ask("websocket", path, {"Origin": origin} if origin else {}, scheme="ws")
        assert answer.status == (0 if accepted and path == socket.PATH else socket.POLICY_VIOLATION)
