"""Pack: recorded sentences of one voice, as Opus files with a manifest.

    <folder>/pack.json      what voice it is, and one line for each sentence
    <folder>/<key>.opus     the sentence; its key is a hash of voice, text and reading

The voices that ship with the guide lie below ``prompts/voices/``, those of a family below the data
folder. A file is written whole before the manifest names it, so that a build or an upload that
breaks off loses nothing and leaves nothing half.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Iterable, Iterator, Mapping

import numpy as np
import soundfile

from service.errors import PackError
from service.speech.sound import encode_opus
from service.speech.voice import USUAL_CPM

FORMAT = 1
"""Of the manifest; another one is refused."""
MANIFEST = "pack.json"
DELETED = ".deleted-"
"""How the name of a folder begins that is being deleted."""
KEY = re.compile(r"[0-9a-f]{20}")
ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
NATURAL, FAMILY = "natural", "family"
KINDS = (NATURAL, FAMILY)


@dataclass(frozen=True)
class PackInfo:
    """What voice a pack holds."""

    id: str
    """Lower case letters, digits and hyphens; unique on a machine."""
    label: str
    """What listeners call it: 女声, 孙女小芳."""
    kind: str
    """``natural`` (rendered by Kokoro) or ``family`` (recorded by people)."""
    origin: str
    """What made it: model and voice, or empty."""
    licence: str
    """Of the recordings; empty for a family's own."""
    pace_cpm: int = USUAL_CPM
    """Pace at which it was recorded, Chinese characters a minute."""
    next: str = ""
    """Which natural voice says what this one lacks; empty: the usual one."""


@dataclass(frozen=True)
class Recording:
    """One sentence of a pack."""

    text: str
    length_s: float
    """Seconds."""
    marks: tuple[tuple[int, float], ...] = ()
    """See ``Speech.marks``."""
    misheard: int | None = None
    """Syllables that the speech model misheard when it was made; None: not tried."""


class Pack:
    """One folder of recordings. Thread-safe within a process."""

    def __init__(self, folder: Path, info: PackInfo, recordings: dict[str, Recording]):
        self.folder, self.info = folder, info
        self._recordings = recordings
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path) -> Pack:
        """The pack of a folder; PackError if it has none, or one of another format."""
        try:
            data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise PackError(f"pack {folder.name} is of format {data['format']}, not {FORMAT}")
            info = PackInfo(**data["voice"])
            recordings = {key: Recording(**{**r, "marks": tuple((int(a), float(s)) for a, s in r["marks"])})
                          for key, r in data["recordings"].items()}
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise PackError(f"{folder.name} is no voice pack: {type(e).__name__}") from e
        if info.kind not in KINDS or not ID.fullmatch(info.id) or not all(map(KEY.fullmatch, recordings)):
            raise PackError(f"{folder.name} is no voice pack: its manifest is not in order")
        return cls(folder, info, recordings)

    @classmethod
    def create(cls, folder: Path, info: PackInfo) -> Pack:
        """An empty pack in a new or empty folder."""
        pack = cls(folder, info, {})
        with pack._writing():
            folder.mkdir(parents=True, exist_ok=True)
            pack._write({}, {})
        return pack

    def key(self, text: str, reading: str = "") -> str:
        """The name of a sentence's file.

        ``reading`` is how the lexicon has it pronounced, so that a mended polyphone is recorded
        anew; people read by themselves, and their recordings have none.
        """
        parts = (self.info.id, text, reading if self.info.kind == NATURAL else "")
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]

    def find(self, text: str, reading: str = "") -> Recording | None:
        """The recording of a sentence, or None."""
        return self._recordings.get(self.key(text, reading))

    def samples(self, text: str, reading: str = "") -> tuple[np.ndarray, int]:
        """float32 samples, shape (samples,), and rate in Hz; PackError if it is not there or damaged."""
        path = self._path(self.key(text, reading))
        try:
            return soundfile.read(path, dtype="float32")
        except (OSError, soundfile.SoundFileError) as e:
            raise PackError(f"recording {path.name} of {self.info.id} cannot be read") from e

    def put(self, recording: Recording, samples: np.ndarray, rate_hz: int, reading: str = "") -> None:
        """Add a sentence, or replace it. PackError if it cannot be written; what there was stays."""
        self.put_encoded([(recording, encode_opus(samples, rate_hz))], reading)

    def put_encoded(self, sentences: Iterable[tuple[Recording, bytes]], reading: str = "") -> None:
        """The same for sentences that are Opus files already, with one writing of the manifest."""
        given = {self.key(recording.text, reading): (recording, opus) for recording, opus in sentences}
        with self._lock, self._writing():
            recordings = {**self._recordings, **{key: recording for key, (recording, _) in given.items()}}
            self._write({self._path(key): opus for key, (_, opus) in given.items()}, recordings)

    def note(self, recording: Recording, reading: str = "") -> None:
        """Change what the manifest says of a recording that is there; the sound stays."""
        with self._lock, self._writing():
            self._write({}, {**self._recordings, self.key(recording.text, reading): recording})

    def drop(self, keys: Iterable[str]) -> None:
        """Remove recordings. PackError if it cannot be done."""
        with self._lock, self._writing():
            gone = self._recordings.keys() & set(keys)
            self._write({}, {k: r for k, r in self._recordings.items() if k not in gone})
            for key in gone:
                self._path(key).unlink(missing_ok=True)

    def drop_strays(self) -> None:
        """Remove files that the manifest does not name: of a write that broke off."""
        with self._lock:
            for path in self.folder.iterdir():
                if path.name != MANIFEST and path.stem not in self._recordings:
                    path.unlink(missing_ok=True)

    def recordings(self) -> dict[str, Recording]:
        """All recordings by key."""
        with self._lock:
            return dict(self._recordings)

    def delete(self) -> None:
        """Remove the pack with all its recordings, for good. PackError if something is left."""
        with self._lock, self._writing():
            shutil.rmtree(set_aside(self.folder))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.opus"

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise PackError(f"pack {self.info.id} cannot be written: {e.strerror or e}") from e

    def _write(self, opus: dict[Path, bytes], recordings: dict[str, Recording]) -> None:
        """Write the files, then the manifest that names them; all of them or, on a full disk, none."""
        parts: dict[Path, Path] = {}
        try:
            for path, data in (*opus.items(), (self.folder / MANIFEST, manifest(self.info, recordings))):
                with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as part:
                    parts[path] = Path(part.name)
                    part.write(data)
                os.chmod(part.name, 0o644)
        except OSError:
            for part in parts.values():
                part.unlink(missing_ok=True)
            raise
        for path, part in parts.items():
            os.replace(part, path)
        self._recordings = recordings


def manifest(info: PackInfo, recordings: Mapping[str, Recording]) -> bytes:
    """The content of ``pack.json``."""
    # One recording a line, in the order of their texts: a change of one sentence is one line.
    rows = sorted(recordings.items(), key=lambda item: (item[1].text, item[0]))
    lines = ",\n".join(f"  {json.dumps(key)}: {_compact(asdict(r))}" for key, r in rows)
    return (f'{{"format": {FORMAT},\n "voice": {_compact(asdict(info))},\n'
            f' "recordings": {{\n{lines}\n }}}}\n').encode()


def _compact(value: dict) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def set_aside(folder: Path) -> Path:
    """Rename a pack's folder so that nobody finds it from now on; the new place. Raises OSError."""
    place = folder.with_name(f"{DELETED}{folder.name}-{secrets.token_hex(4)}")
    os.replace(folder, place)
    return place


def find_packs(folder: Path) -> tuple[list[Pack], list[PackError]]:
    """Every pack below a folder in the order of their names, and why others could not be used.

    Folders whose name begins with a dot are not looked at: they are being written or deleted.
    """
    packs, errors = [], []
    for path in sorted(p for p in folder.glob("[!.]*") if p.is_dir()):
        try:
            packs.append(Pack.open(path))
        except PackError as e:
            errors.append(e)
    return packs, errors
