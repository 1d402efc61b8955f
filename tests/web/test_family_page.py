"""The calls of the family's page: the way of a sentence, who may ask, and what is refused."""

import io
import re
import zipfile
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient

from service.app import create_flask
from service.listening import Listening
from service.speech.family import FamilyVoices
from service.store.database import open_database
from service.store.talks import TalkStore
from service.talks import Talks
from service.web.family import create_family
from tests import support
from tests.support import edition, guide, recognizer, wav

API = "/family/api"
FROM_PAGE = {"Origin": "http://localhost"}
STATIC, TEMPLATES = (support.ROOT / "service" / "web" / part for part in ("static", "templates"))


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The talks, their voices and a client of the whole web service, without a speech model."""
    folder = tmp_path_factory.mktemp("family")
    speaker = support.speaker(folder)
    engine = open_database(f"sqlite:///{folder / 'guide.db'}")
    library = SimpleNamespace(edition=edition())
    talks = Talks(library, TalkStore(engine), speaker)

    def client(ears=None) -> FlaskClient:
        app = create_flask(talks, Listening(None, library, "both"))
        app.register_blueprint(create_family(FamilyVoices(folder / "voices"), talks, speaker, ears))
        return app.test_client()
    yield SimpleNamespace(folder=folder, client=client)
    speaker.close()
    engine.dispose()


@pytest.fixture
def client(service) -> FlaskClient:
    return service.client()


@pytest.fixture
def voice(client):
    """A voice without recordings."""
    voice = client.post(f"{API}/voices", json={"label": "孙女小芳", "next": "male"}, headers=FROM_PAGE).json
    yield voice["id"]
    client.delete(f"{API}/voices/{voice['id']}", headers=FROM_PAGE)


@pytest.fixture
def first(client) -> str:
    """The id of the most heard sentence."""
    return client.get(f"{API}/script").json["sentences"][0]["id"]


def keep(client, voice, sentence, data=None):
    return client.put(f"{API}/voices/{voice}/sentences/{sentence}", data=wav("ask_m1") if data is None else data,
                      headers=FROM_PAGE)


def test_a_sentence_is_tried_then_kept_then_offered_to_listeners_then_deleted(client, voice, first, service):
    tried = client.post(f"{API}/sentences/{first}/take", data=wav("ask_m1"), headers=FROM_PAGE)
    assert (tried.status_code, tried.mimetype) == (200, "audio/wav") and tried.headers["Questions"] == ""
    assert client.get(f"{API}/voices/{voice}").json["recorded"] == [], "nothing is kept yet"
    assert keep(client, voice, first).json["recorded"] == [first]
    assert client.get(f"{API}/voices/{voice}/sentences/{first}").data[:4] == b"RIFF"
    assert {"id": voice, "label": "孙女小芳", "kind": "family"} in client.get("/api/v1/voices").json["voices"]
    assert client.delete(f"{API}/voices/{voice}/sentences/{first}", headers=FROM_PAGE).json["recorded"] == []
    assert client.delete(f"{API}/voices/{voice}", headers=FROM_PAGE).status_code == 204
    assert voice not in str(client.get("/api/v1/voices").json)
    assert list((service.folder / "voices").iterdir()) == []


def test_a_listener_hears_the_recording_and_behind_it_the_shipped_voice_and_no_cache_keeps_it(
        client, voice, service):
    greeting = guide().nodes["root"].say[0].text
    script = client.get(f"{API}/script").json["sentences"]
    keep(client, voice, next(s["id"] for s in script if s["text"] == greeting))
    kept = client.get(f"{API}/voices/{voice}/sentences/{next(s['id'] for s in script if s['text'] == greeting)}").data
    talk = client.post("/api/v1/sessions", json={"voice": voice, "pace_cpm": 180}).json
    sounds = [client.get(s["audio"]).data for s in talk["sentences"][:2]]
    assert talk["sentences"][0]["text"] == greeting and sounds[0] == kept and sounds[1][:4] == b"RIFF"
    cached = list((service.folder / "audio").glob("*"))
    slow = client.post("/api/v1/sessions", json={"voice": voice, "pace_cpm": 140}).json
    assert len(client.get(slow["sentences"][0]["audio"]).data) > len(kept) * 1.2
    assert not [p for p in set((service.folder / "audio").glob("*")) - set(cached)
                if abs(p.stat().st_size - len(kept) * 180 / 140) < 4000], "no copy of it in the cache"


def test_the_script_begins_with_what_is_heard_most_and_takes_less_than_half_an_hour(client):
    script = client.get(f"{API}/script").json
    assert script["most_heard"] == 100 and 15 <= script["minutes"] <= 30
    assert len({s["id"] for s in script["sentences"]}) == len(script["sentences"]) > 500


def test_an_exported_file_brings_the_voice_back_and_counts_what_the_guide_no_longer_says(client, voice, first):
    keep(client, voice, first)
    answer = client.get(f"{API}/voices/{voice}/file")
    assert "attachment" in answer.headers["Content-Disposition"]
    names = zipfile.ZipFile(io.BytesIO(answer.data)).namelist()
    assert sorted(n.rsplit(".")[-1] for n in names) == ["json", "opus"]
    client.delete(f"{API}/voices/{voice}", headers=FROM_PAGE)
    again = client.post(f"{API}/voices/file", data=answer.data, headers=FROM_PAGE)
    assert again.status_code == 201 and (again.json["id"], again.json["recorded"]) == (voice, [first])
    older = _of_another_version(answer.data, guide_text=client.get(f"{API}/script").json["sentences"][0]["text"])
    taken = client.post(f"{API}/voices/file?replace=true", data=older, headers=FROM_PAGE).json
    assert (taken["id"], taken["recorded"], taken["of_another_version"]) == (voice, [], 1)


def _of_another_version(exported: bytes, guide_text: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(exported)) as source, zipfile.ZipFile(out, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name).replace(guide_text.encode(), "以前的一句话。".encode()))
    return out.getvalue()


def test_the_example_is_the_sentence_in_a_shipped_voice(client, first):
    for voice in ("female", "male", "", "nobody"):
        answer = client.get(f"{API}/sentences/{first}/example?voice={voice}")
        assert answer.status_code == 200 and answer.data[:4] == b"RIFF"


@pytest.mark.audio
def test_a_recording_of_something_else_is_a_question(service, first):
    tried = service.client(recognizer()).post(f"{API}/sentences/{first}/take", data=wav("ask_m2_formula"),
                                              headers=FROM_PAGE)
    assert tried.status_code == 200 and tried.headers["Questions"] == "other"


# --- bad input ------------------------------------------------------------------------------------

def test_each_bad_input_is_told_in_a_sentence_and_nothing_is_lost(client, voice, first):
    keep(client, voice, first)
    before = client.get(f"{API}/voices/{voice}/sentences/{first}").data
    calls = [
        keep(client, voice, first, "只是一段话。".encode() * 100), keep(client, voice, first, b""),
        keep(client, voice, first, bytes(11 * 1024 * 1024)), keep(client, voice, "0" * 16),
        keep(client, "family-none", first),
        client.post(f"{API}/voices", json={"label": "<script>", "next": "male"}, headers=FROM_PAGE),
        client.post(f"{API}/voices", json={"label": "长" * 500, "next": "male"}, headers=FROM_PAGE),
        client.post(f"{API}/voices", json={"label": "小芳", "next": "nobody"}, headers=FROM_PAGE),
        client.post(f"{API}/voices", json=["小芳"], headers=FROM_PAGE),
        client.post(f"{API}/voices", data=b"\xff{", headers=FROM_PAGE),
        client.post(f"{API}/voices/file", data=b"PK\x03\x04 half", headers=FROM_PAGE),
        client.post(f"{API}/voices/file", data=b"", headers=FROM_PAGE),
        client.get(f"{API}/voices/..%2f..%2fguide.db"), client.get(f"{API}/nothing"),
    ]
    assert [c.status_code for c in calls] == [422, 422, 413, 404, 404, 400, 400, 400, 400, 400, 422, 422, 404, 404]
    assert all(re.search("[\u4e00-\u9fff]", c.json["error"]["say"]) for c in calls[:-1])
    assert client.get(f"{API}/voices/{voice}/sentences/{first}").data == before
    assert keep(client, voice, first).status_code == 200, "the next one is kept"


def test_a_file_larger_than_any_voice_is_refused_while_it_comes_in(client, monkeypatch):
    monkeypatch.setattr("service.speech.parcel.LARGEST_BYTES", 1000)
    answer = client.post(f"{API}/voices/file", data=bytes(5000), headers=FROM_PAGE)
    assert (answer.status_code, answer.json["error"]["code"]) == (413, "parcel_too_large")


# --- who may ask ----------------------------------------------------------------------------------

@pytest.mark.parametrize("address, headers", [
    ("192.168.1.20", {}), ("127.0.0.1", {"X-Forwarded-For": "1.2.3.4"}), ("127.0.0.1", {"Forwarded": "for=1.2.3.4"}),
    ("127.0.0.1", {"Host": "evil.example"}), ("127.0.0.1", {"Host": "localhost.evil.example:8080"}), ("", {})])
def test_only_this_machine_itself_is_answered(client, address, headers):
    for path in ("/family", f"{API}/voices", f"{API}/script"):
        answer = client.get(path, headers=headers, environ_overrides={"REMOTE_ADDR": address})
        assert answer.status_code == 403 and "只能在装着指南的那台机器上" in answer.get_data(as_text=True) or (
            "只能在装着指南的那台机器上" in answer.json["error"]["say"])


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://localhost:9", "https://localhost"])
def test_no_other_page_in_the_owners_browser_can_change_anything(client, voice, first, origin):
    headers = {} if origin is None else {"Origin": origin}
    calls = [client.post(f"{API}/voices", json={"label": "坏人", "next": "male"}, headers=headers),
             client.put(f"{API}/voices/{voice}/sentences/{first}", data=wav("ask_m1"), headers=headers),
             client.delete(f"{API}/voices/{voice}", headers=headers),
             client.post(f"{API}/voices/file", data=b"", headers=headers)]
    assert [c.status_code for c in calls] == [403] * 4
    assert [v["id"] for v in client.get(f"{API}/voices").json] == [voice]


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "localhost"])
def test_this_machine_is_answered_by_each_of_its_names(client, host):
    answer = client.get("/family", headers={"Host": host})
    assert answer.status_code == 200 and "家里人的声音" in answer.get_data(as_text=True)
    made = client.post(f"{API}/voices", json={"label": "小芳", "next": "male"},
                       headers={"Host": host, "Origin": f"http://{host}"})
    assert made.status_code == 201
    client.delete(f"{API}/voices/{made.json['id']}", headers=FROM_PAGE)


def test_no_answer_is_kept_by_a_browser_or_shown_in_another_page(client, voice, first):
    keep(client, voice, first)
    for path in ("/family", f"{API}/voices", f"{API}/voices/{voice}/sentences/{first}", f"{API}/voices/{voice}/file"):
        headers = client.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


# --- words ----------------------------------------------------------------------------------------

def test_each_word_of_the_page_is_there_and_each_is_used():
    sources = (STATIC / "family.js").read_text()
    pages = "".join((TEMPLATES / name).read_text() for name in ("family.html", "family_closed.html"))
    labels = set(guide().labels["family"])
    used = set(re.findall(r"labels\.(\w+)", sources + pages)) | set(re.findall(r"fill\('(\w+)'", sources))
    used |= set(re.findall(r"'(\w+)'", " ".join(re.findall(r"labels\[[^\]]*\]", sources)))) - {"recording", "tried", "NotAllowedError"}
    assert used <= labels
    assert {x for x in labels - used if not x.startswith(("ask_", "error_"))} - {"female", "male"} == set()
    assert {f"ask_{q}" for q in ("quiet", "clipped", "cut", "no_speech", "short", "long", "other")} <= labels
