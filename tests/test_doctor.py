"""The doctor: everything that it looks at, whole and broken, and what it says about it."""

import datetime
import io
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from wsgiref.simple_server import WSGIRequestHandler, make_server

import miniaudio
import numpy as np
import pytest
from a2wsgi import ASGIMiddleware

from service import tls
from service.__main__ import main
from service.app import model_store
from service.care.secrets import load_key
from service.doctor import contents, machine, sound, stores
from service.doctor.finding import good
from service.doctor.run import SIGNS, Look, Patient, examined, is_kiosk, line, run
from service.errors import DeviceError
from service.monitoring.health import DEGRADED, FAILED, OK, Check
from service.settings import Settings
from service.speech.pack import Pack
from service.speech.pyttsx3_voice import Pyttsx3Voice
from service.store.database import newest_revision, open_database, transaction
from service.store.tables import TalkRow, TurnRow
from service.web.probes import Probes
from tests.support import PROMPTS, guide, recognizer

NOW = datetime.datetime(2027, 3, 1, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=8)))
LINE = re.compile(r"✓ [^：]+：[^。]+。|[！✗] [^：]+：[^。]+。请[^。]+。")
NOBODY = 65534
NULL = [miniaudio.Backend.NULL]
PASSWORD = "p%40ss-word"


@pytest.fixture
def settings(tmp_path) -> Settings:
    """A new installation, with its models and its guide."""
    with closing(socket.socket()) as trial:
        trial.bind(("127.0.0.1", 0))
        free = trial.getsockname()[1]
    return Settings(data_dir=tmp_path / "data", port=free)


@pytest.fixture
def url(tmp_path) -> str:
    """A database that a service has used."""
    url = f"sqlite:///{tmp_path / 'guide.db'}"
    filled(url, NOW)
    return url


def filled(url: str, last: datetime.datetime) -> None:
    engine = open_database(url)
    with transaction(engine) as orm:
        orm.add(TalkRow(id="t", session={}, turns=1, created_at=last, updated_at=last))
        orm.flush()
        orm.add(TurnRow(talk_id="t", id="1", number=1, source="key", outcome="key", node="m1", received_at=last,
                        took_ms=1.0, reply={}))
    engine.dispose()


@contextmanager
def unprivileged():
    """As somebody who is not allowed everything, in a folder that all may enter."""
    folder = Path(tempfile.mkdtemp(prefix="doctor"))
    folder.chmod(0o755)
    root = os.geteuid() == 0
    try:
        if root:
            os.chown(folder, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def is_said(finding, state: str, *words: str) -> None:
    """It has this state, says these words, and says what to do exactly if it is not as it should be."""
    assert finding.state == state and all(word in finding.how + finding.remedy for word in words), finding
    assert finding.how.endswith("。") and bool(finding.remedy) == bool(finding.reason) == (state != OK)
    assert not finding.remedy or finding.remedy.startswith("请") and finding.remedy.endswith("。")
    assert "\n" not in finding.how + finding.remedy


# --- the command -----------------------------------------------------------------------------------------------

def test_a_machine_without_sound_is_told_line_by_line_what_to_do(settings, monkeypatch, capsys):
    recognizer()
    for name, value in {"DATA_DIR": settings.data_dir, "PORT": settings.port, "VOICE": "light",
                        "REDIS_URL": "", "TZ": "UTC"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(sound, "microphone", lambda: sound.heard(np.zeros(800, np.int16)))
    monkeypatch.setattr(sound, "loudspeaker", lambda sounds: good("有。"))
    assert main(["doctor"]) == 0
    *lines, closing_line = capsys.readouterr().out.splitlines()
    assert all(map(LINE.fullmatch, lines)), lines
    marks = {text[2:].split("：")[0]: text[0] for text in lines}
    assert marks["指南"] == marks["录音"] == marks["电脑的声音"] == marks["听话的模型"] == "✓" and marks["麦克风"] == "！"
    assert "！" in closing_line
    assert not settings.data_dir.exists(), "looking made something"


def test_programs_get_the_same_as_json_and_one_for_what_failed(settings, monkeypatch):
    monkeypatch.setattr(Patient, "looks", lambda self: iter(
        [Look("disk", "硬盘", lambda: good("好。")), Look("microphone", "麦克风", sound.microphone)]))
    monkeypatch.setattr(sound, "MiniaudioMicrophone", no_device)
    out = io.StringIO()
    assert run(settings, False, True, out) == 1
    told = json.loads(out.getvalue())
    assert told["state"] == FAILED and [check["state"] for check in told["checks"]] == [OK, FAILED]
    assert told["checks"][1] == {
        "name": "microphone", "state": FAILED, "reason": "no microphone", "title": "麦克风", "how": "没有找到。",
        "remedy": "请插好话筒的线，再运行一次；没有话筒也可以按数字。"}


def no_device(*_arguments):
    raise DeviceError("no microphone")


def test_a_look_that_breaks_or_hangs_is_told_and_the_others_go_on():
    def breaks():
        raise RuntimeError("postgresql://guide:secret@host")
    finding = examined(Look("x", "某项", breaks))
    is_said(finding, FAILED, "RuntimeError")
    assert "secret" not in line(Look("x", "某项", breaks), finding)
    never = threading.Event()
    is_said(examined(Look("x", "某项", never.wait), 0.05), FAILED, "没有回音")


def test_one_of_several_servers_needs_no_microphone_and_no_browser(settings):
    names = {look.name for look in Patient(settings, False).looks()}
    assert {"microphone", "loudspeaker", "browser"} <= names and not {"redis", "certificate"} & names
    shared = replace(settings, redis_url="redis://nowhere", tls="/somewhere")
    names = {look.name for look in Patient(shared, False).looks()}
    assert {"redis", "certificate"} <= names and not {"microphone", "loudspeaker", "browser"} & names
    assert not is_kiosk(replace(settings, serves="audio"))


def test_every_state_has_a_mark_of_its_own():
    assert SIGNS.keys() == {OK, DEGRADED, FAILED} and len(set(SIGNS.values())) == 3


# --- sound -----------------------------------------------------------------------------------------------------

def test_a_machine_without_sound(monkeypatch):
    monkeypatch.setattr(sound, "MiniaudioMicrophone", no_device)
    monkeypatch.setattr(sound, "MiniaudioPlayer", no_device)
    is_said(sound.microphone(), FAILED, "没有找到", "插好")
    is_said(sound.loudspeaker(False), FAILED, "没有找到", "插好")


def test_devices_that_are_there(capfd):
    """Miniaudio's null device takes sound and gives silence."""
    is_said(sound.microphone(NULL), DEGRADED, "一点声音也没有")
    is_said(sound.loudspeaker(False, NULL), OK, "--sound")
    before = time.monotonic()
    is_said(sound.loudspeaker(True, NULL), OK, "响了一声")
    assert 0.3 < time.monotonic() - before < sound.CHIME_S, "it was not played to its end"
    print("afterwards", file=sys.stderr)
    assert capfd.readouterr().err == "afterwards\n"


def test_what_a_microphone_gives():
    tone = np.sin(np.arange(8000) / 5)
    is_said(sound.heard((tone * 2000).astype(np.int16)), OK)
    is_said(sound.heard((tone * 3).astype(np.int16)), DEGRADED, "开关")
    is_said(sound.heard(np.clip(tone * 90_000, -32768, 32767).astype(np.int16)), DEGRADED, "太大")
    is_said(sound.heard(np.zeros(0, np.int16)), DEGRADED, "一点声音也没有")


# --- what lies on the disk -------------------------------------------------------------------------------------

def test_models_that_are_missing_or_damaged(settings, tmp_path):
    recognizer()
    is_said(contents.speech_model(settings), OK)
    empty = replace(settings, models_dir=tmp_path / "models")
    is_said(contents.speech_model(empty), FAILED, "models/catalog.yaml")
    empty.models_dir.mkdir()
    shutil.copy(settings.models_dir / "catalog.yaml", empty.models_dir)
    is_said(contents.speech_model(empty), FAILED, "没有安装", f"install {settings.speech_model}", "按键")
    store = model_store(empty)
    for name in store.entry(settings.speech_model).files:
        (empty.models_dir / settings.speech_model / name).parent.mkdir(parents=True, exist_ok=True)
        (empty.models_dir / settings.speech_model / name).write_bytes(b"half")
    is_said(contents.speech_model(empty), FAILED, "损坏")
    is_said(contents.speech_model(replace(settings, speech_model="other")), FAILED, "SPEECH_MODEL")


def test_the_natural_voice_is_missed_only_where_it_is_wanted(settings, tmp_path, monkeypatch):
    shutil.copy(settings.models_dir / "catalog.yaml", tmp_path)
    empty = replace(settings, models_dir=tmp_path)
    monkeypatch.setattr(contents, "machine_memory_mb", lambda: 8000)
    is_said(contents.natural_voice(empty), DEGRADED, "没有安装")
    is_said(contents.natural_voice(replace(empty, voice="light")), OK, "VOICE=light")
    monkeypatch.setattr(contents, "machine_memory_mb", lambda: 900)
    is_said(contents.natural_voice(empty), OK, "内存小")


def test_a_guide_that_cannot_be_used(settings, tmp_path):
    is_said(contents.guide_found(guide(), 0), OK, str(len(guide().nodes)))
    shutil.copytree(PROMPTS, tmp_path / "prompts", ignore=shutil.ignore_patterns("voices"))
    (tmp_path / "prompts" / "system.yaml").write_text("half: [", "utf-8")
    found, problems = contents.read_guide(replace(settings, prompts_dir=tmp_path / "prompts"))
    is_said(contents.guide_found(found, problems), FAILED, f"{problems} 处", "python -m service check")


def test_recordings_that_are_damaged_or_missing(settings, tmp_path):
    copied = replace(settings, prompts_dir=tmp_path)
    is_said(contents.voice_pack(copied, guide()), DEGRADED, "没有录音")
    shutil.copytree(PROMPTS / "voices" / "male", copied.packs_dir / "male", copy_function=linked)
    is_said(contents.voice_pack(copied, guide()), OK)
    is_said(contents.voice_pack(copied, None), DEGRADED, "指南")
    cut, gone, *_ = sorted(copied.packs_dir.glob("male/*.opus"))
    whole = cut.read_bytes()
    for path in (cut, gone):
        path.unlink()
    cut.write_bytes(whole[:len(whole) // 2])
    is_said(contents.voice_pack(copied, guide()), DEGRADED, "2 句录音坏了")
    pack = Pack.open(copied.packs_dir / "male")
    pack.drop([cut.stem, gone.stem])
    is_said(contents.voice_pack(copied, guide()), DEGRADED, "2 句话还没有录音", "voices build")
    (copied.packs_dir / "male" / "pack.json").write_text("{")
    is_said(contents.voice_pack(copied, guide()), DEGRADED, "清单")


def linked(source: str, target: str) -> None:
    """A recording is only ever replaced; the manifest is written over below."""
    (os.link if source.endswith(".opus") else shutil.copy)(source, target)


def test_the_voice_of_last_resort(monkeypatch):
    is_said(contents.plain_voice(guide()), OK)
    monkeypatch.setattr(contents, "Pyttsx3Voice", lambda lexicon: Pyttsx3Voice(lexicon, ("/bin/false",)))
    is_said(contents.plain_voice(None), FAILED, "make run")


# --- what is kept ----------------------------------------------------------------------------------------------

def test_a_database_is_looked_at_and_left_alone(settings, url):
    path = Path(url.removeprefix("sqlite:///"))
    before = path.read_bytes()
    stored = stores.read_database(replace(settings, database=url))
    is_said(stores.database(settings, stored), OK, "MB")
    assert stored.last_turn_at == NOW and path.read_bytes() == before


def test_one_that_may_only_be_read(settings):
    with unprivileged() as folder:
        path = folder / "guide.db"
        filled(f"sqlite:///{path}", NOW)
        there = replace(settings, database=f"sqlite:///{path}")
        is_said(stores.database(there, stores.read_database(there)), OK)
        path.chmod(0o444)
        is_said(stores.database(there, stores.read_database(there)), FAILED, "写不进去")


def test_one_that_is_in_use_takes_no_harm(settings, url):
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as service:
        service.execute("BEGIN IMMEDIATE")
        service.execute("UPDATE turns SET node='m2'")
        is_said(stores.database(settings, stores.read_database(replace(settings, database=url))), OK)
        service.execute("COMMIT")


@pytest.mark.parametrize("revision, state, word", [("0001", DEGRADED, "旧版本"), ("9999", FAILED, "更新的版本")])
def test_a_database_of_another_revision_stays_as_it_is(settings, url, revision, state, word):
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num=?", (revision,))
    stored = stores.read_database(replace(settings, database=url))
    is_said(stores.database(settings, stored), state, word)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == (revision,) != (newest_revision(),)


def test_databases_that_are_new_damaged_or_no_database(settings, tmp_path, url):
    path = Path(url.removeprefix("sqlite:///"))

    def found(file: Path):
        there = replace(settings, database=f"sqlite:///{file}")
        return stores.database(there, stores.read_database(there))
    is_said(found(tmp_path / "none.db"), OK, "还没有建")
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "empty.db").touch()
    is_said(found(tmp_path / "empty.db"), OK, "还没有建")
    (tmp_path / "other.db").write_text("no database at all" * 1000)
    is_said(found(tmp_path / "other.db"), FAILED, "restore")
    content = bytearray(path.read_bytes())
    # The second page and those behind it: the header still says that it is a database.
    content[4096:12 * 4096] = b"\xa5" * (11 * 4096)
    (tmp_path / "half.db").write_bytes(content)
    is_said(found(tmp_path / "half.db"), FAILED, "restore")


def test_a_postgresql_that_is_there_or_gone(settings, postgres):
    with postgres.database() as address:
        filled(address, NOW)
        there = replace(settings, database=address)
        stored = stores.read_database(there)
        is_said(stores.database(there, stored), OK, "MB")
        assert stored.last_turn_at == NOW
    with postgres.database(empty=True) as address:
        there = replace(settings, database=address)
        is_said(stores.database(there, stores.read_database(there)), OK, "还没有建")
    gone = replace(settings, database=f"postgresql://guide:{PASSWORD}@127.0.0.1:1/guide")
    finding = stores.database(gone, stores.read_database(gone))
    is_said(finding, FAILED, "连不上", "DATABASE_URL")
    assert "ss-word" not in repr(finding) and "127.0.0.1" not in repr(finding)


def test_a_redis_that_is_gone_keeps_nobody_from_talking(settings):
    finding = stores.redis(replace(settings, redis_url=f"redis://:{PASSWORD}@127.0.0.1:1/0"))
    is_said(finding, DEGRADED, "对话不会断", "REDIS_URL")
    assert "ss-word" not in repr(finding)


def test_a_redis_that_answers(settings, tmp_path):
    if not shutil.which("redis-server"):
        pytest.skip("no redis-server")
    server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", tmp_path / "redis.sock", "--save", "",
                               "--dir", tmp_path], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while not (tmp_path / "redis.sock").exists() and time.monotonic() < until:
            time.sleep(0.02)
        is_said(stores.redis(replace(settings, redis_url=f"unix://{tmp_path / 'redis.sock'}")), OK)
    finally:
        server.kill()
        server.wait()


def test_a_disk_that_is_full_or_may_not_be_written(settings, tmp_path, monkeypatch):
    is_said(stores.disk(settings), OK, "MB")
    assert not settings.data_dir.exists()
    with unprivileged() as folder:
        locked = replace(settings, data_dir=folder, models_dir=folder, learnt_dir=folder)
        folder.chmod(0o555)
        is_said(stores.disk(locked), FAILED, str(folder), "写不进去")
        is_said(stores.disk(replace(locked, data_dir=folder / "new")), FAILED, "写不进去")
        is_said(stores.disk(replace(locked, data_dir=Path("/tmp"))), DEGRADED, "模型")
    for free, state, word in ((10, FAILED, "满"), (100, DEGRADED, "100 MB")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, free * 2 ** 20))
        is_said(stores.disk(settings), state, word)


def test_a_secret_key(settings, tmp_path):
    is_said(stores.secret_key(settings), OK, "还没有")
    is_said(stores.secret_key(replace(settings, key_path=tmp_path / "none")), DEGRADED, "复制")
    load_key(settings.key_file)
    is_said(stores.secret_key(settings), OK)
    settings.key_file.chmod(0o644)
    is_said(stores.secret_key(settings), DEGRADED, "chmod 600")
    settings.key_file.write_bytes(b"short")
    is_said(stores.secret_key(settings), FAILED, "坏了")


# --- the machine -----------------------------------------------------------------------------------------------

def test_a_clock(tmp_path, monkeypatch):
    (tmp_path / "system.yaml").touch()
    written = NOW - datetime.timedelta(days=30)
    os.utime(tmp_path / "system.yaml", (written.timestamp(),) * 2)
    monkeypatch.setattr(machine, "_told", lambda _: "yes")
    is_said(machine.clock(NOW, None, tmp_path, {}), OK, "2027 年 3 月 1 日 12:00")
    is_said(machine.clock(NOW, NOW + datetime.timedelta(hours=1), tmp_path, {}), OK)
    is_said(machine.clock(NOW, NOW + datetime.timedelta(days=400), tmp_path, {}), FAILED, "上一次对话")
    is_said(machine.clock(NOW.replace(year=2000), None, tmp_path, {}), FAILED, "钟慢了")
    is_said(machine.clock(NOW.astimezone(datetime.UTC), None, tmp_path, {}), DEGRADED, "Asia/Shanghai")
    monkeypatch.setattr(machine, "_told", lambda _: "no")
    is_said(machine.clock(NOW, None, tmp_path, {}), DEGRADED, "对过时")
    monkeypatch.setattr(machine, "_told", lambda _: "yes")
    facts = {"one": SimpleNamespace(checked=NOW.date())}
    is_said(machine.clock(NOW, None, tmp_path, facts), OK)
    is_said(machine.clock(NOW - datetime.timedelta(days=1), None, tmp_path, facts), FAILED, "日子不对", "算一算先不算")
    is_said(machine.clock(NOW.replace(year=2038), None, tmp_path, facts), FAILED, "日子不对")


def test_a_browser(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    is_said(machine.browser(), DEGRADED, "没有找到", "Chromium")
    program = tmp_path / "firefox"
    program.write_text("#!/bin/sh\necho Mozilla Firefox 999.0\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    is_said(machine.browser(), OK, "Mozilla Firefox 999.0")
    program.write_text("#!/bin/sh\nsleep 60\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(machine, "BROWSERS", ("firefox",))
    monkeypatch.setattr(machine, "PROGRAM_S", 0.1)
    is_said(machine.browser(), OK, "firefox")


def test_memory(monkeypatch):
    is_said(machine.memory(), OK, "MB")
    monkeypatch.setattr(machine, "LITTLE_MEMORY_MIB", 10 ** 9)
    is_said(machine.memory(), DEGRADED, "VOICE=light")


def test_a_port_that_is_free_ours_or_taken(settings):
    is_said(machine.port(settings), OK, "空着")
    is_said(machine.port(replace(settings, port=0)), OK)
    is_said(machine.port(replace(settings, host="192.0.2.1")), FAILED, "192.0.2.1")
    for ready, state, word in ((True, OK, "正开着"), (False, FAILED, "还不能用")):
        with serving(make_server("127.0.0.1", settings.port, ours(ready), handler_class=Quiet)):
            is_said(machine.port(settings), state, word)
            is_said(machine.port(replace(settings, host="0.0.0.0")), state, word)
    with serving(HTTPServer(("127.0.0.1", settings.port), BaseHTTPRequestHandler)):
        is_said(machine.port(settings), FAILED, "占用", "PORT")
    with closing(socket.create_server(("127.0.0.1", settings.port))):
        # It takes the connection and never answers.
        before, machine.ANSWER_S = machine.ANSWER_S, 0.1
        try:
            is_said(machine.port(settings), FAILED, "占用")
        finally:
            machine.ANSWER_S = before


class Quiet(WSGIRequestHandler):
    def log_message(self, *_arguments):
        pass


def ours(ready: bool):
    """The service's probes, as WSGI."""
    checks = SimpleNamespace(checks=lambda: (Check("database", OK if ready else FAILED),))
    return ASGIMiddleware(Probes(checks, None))


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("days, state, word", [(90, OK, "用得到"), (3, DEGRADED, "到期"), (-1, FAILED, "过期")])
def test_a_certificate(settings, tmp_path, days, state, word):
    there = replace(settings, tls=str(tmp_path))
    tls._make(tmp_path, frozenset({"localhost"}))
    ends = tls.check(tmp_path).not_valid_after_utc
    is_said(machine.certificate(there, ends - datetime.timedelta(days=days)), state, word)


def test_a_certificate_that_cannot_be_used_or_is_the_services_own(settings, tmp_path):
    is_said(machine.certificate(replace(settings, tls=str(tmp_path)), NOW), FAILED, str(tmp_path), "fullchain.pem")
    own = replace(settings, tls="self")
    is_said(machine.certificate(own, NOW), OK, "还没有")
    tls.open_certificate(own.tls, own.data_dir, own.host, "")
    is_said(machine.certificate(own, NOW), OK, "用得到")
