"""Family: the voices that a family recorded, each a pack of its own below the data folder.

What is being written or deleted lies in folders whose name begins with a dot: a voice is there whole
or not at all, and what a broken attempt left is removed at the next start.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import BinaryIO, Iterator

import numpy as np

from service.errors import BadRequest, NotFound, PackError
from service.speech.kokoro import TIMBRES
from service.speech.pack import (DELETED, FAMILY, ID, MANIFEST, Pack, PackInfo, Recording, find_packs,
                                  set_aside)
from service.speech.parcel import LABEL, LONGEST_LABEL, Parcel, pack_up

INCOMING = ".incoming-"
"""How the name of a folder begins in which a voice is being prepared."""


LEFT_AFTER_S = 3600
"""What nobody has written to for so long was left by a process that ended."""


class BadLabel(BadRequest):
    """A voice cannot be called that."""

    code = "bad_label"


class FamilyVoices:
    """All family voices of this machine. Thread-safe; one process writes."""

    def __init__(self, folder: Path):
        """``folder`` need not exist yet."""
        self._folder = folder
        self._lock = threading.RLock()
        for left in folder.glob(f"{DELETED}*"):
            shutil.rmtree(left, ignore_errors=True)
        for left in folder.glob(f"{INCOMING}*"):
            # A newer one may be what another process is at.
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > LEFT_AFTER_S:
                    shutil.rmtree(left, ignore_errors=True)

    # --- voices ----------------------------------------------------------------------------------

    def all(self) -> tuple[Pack, ...]:
        """Every voice, in the order of their names."""
        with self._lock:
            packs = [p for p in find_packs(self._folder)[0] if p.info.kind == FAMILY]
        return tuple(sorted(packs, key=lambda p: (p.info.label, p.info.id)))

    def get(self, voice_id: str) -> Pack:
        """One voice; NotFound if there is none."""
        folder = self._folder / voice_id
        if ID.fullmatch(voice_id) and (folder / MANIFEST).is_file():
            pack = Pack.open(folder)
            if pack.info.kind == FAMILY:
                return pack
        raise NotFound("no such voice")

    def create(self, label: str, following: str) -> Pack:
        """A new voice without recordings.

        ``following`` is the natural voice that says what this one lacks. BadLabel, BadRequest or
        PackError, and then there is none.
        """
        label = " ".join(label.split())
        if len(label) > LONGEST_LABEL or not re.fullmatch(LABEL, label):
            raise BadLabel("a voice's name has 1 to 20 letters or digits")
        if following not in TIMBRES:
            raise BadRequest("next: no such voice")
        with self._lock, self._incoming() as folder:
            info = PackInfo(self._new_id(), label, FAMILY, origin="", licence="", next=following)
            Pack.create(folder, info)
            return self._settle(folder, info.id)

    def delete(self, voice_id: str) -> None:
        """Remove a voice with all its recordings, for good. PackError if something of it is left."""
        with self._lock:
            self.get(voice_id).delete()

    # --- sentences -------------------------------------------------------------------------------

    def keep(self, voice_id: str, text: str, samples: np.ndarray, rate_hz: int) -> None:
        """Keep a sentence; one recorded before is replaced. PackError if it cannot be: that one stays."""
        with self._lock:
            self.get(voice_id).put(Recording(text, round(len(samples) / rate_hz, 3)), samples, rate_hz)

    def drop(self, voice_id: str, text: str) -> None:
        """Remove one sentence; NotFound if it is not recorded."""
        with self._lock:
            pack = self.get(voice_id)
            if pack.find(text) is None:
                raise NotFound("no such recording")
            pack.drop([pack.key(text)])

    def sound(self, voice_id: str, text: str) -> tuple[np.ndarray, int]:
        """float32 samples and rate in Hz of a sentence; NotFound if it is not recorded."""
        pack = self.get(voice_id)
        if pack.find(text) is None:
            raise NotFound("no such recording")
        return pack.samples(text)

    # --- as one file -----------------------------------------------------------------------------

    def export(self, voice_id: str) -> tuple[Pack, BinaryIO]:
        """A voice, and it as one file that is gone when it is closed."""
        with self._lock, _translated():
            pack, out = self.get(voice_id), tempfile.TemporaryFile()
            pack_up(pack, out)
        out.seek(0)
        return pack, out

    def take_in(self, file: BinaryIO, replacing: bool = False) -> Pack:
        """The voice of an exported file, all of it or nothing: see the errors of ``parcel``.

        If its id is taken here, it gets another one, or takes the place of that voice if ``replacing``.
        """
        parcel = Parcel(file)
        with self._incoming() as folder:
            unpacked = parcel.unpack(folder, parcel.info.id)
            with self._lock:
                taken = (self._folder / unpacked.info.id).exists()
                if taken and not replacing:
                    # Its files are named by its id, so that another id is another pack.
                    shutil.rmtree(folder)
                    unpacked = parcel.unpack(folder, self._new_id())
                return self._settle(folder, unpacked.info.id)

    @contextlib.contextmanager
    def incoming_file(self) -> Iterator[BinaryIO]:
        """A file for an upload, on the disk of the voices; it is gone afterwards."""
        with _translated():
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder) as file:
                yield file

    # --- folders ---------------------------------------------------------------------------------

    def _new_id(self) -> str:
        return f"{FAMILY}-{secrets.token_hex(4)}"

    @contextlib.contextmanager
    def _incoming(self) -> Iterator[Path]:
        """A folder to prepare a voice in; removed if the voice was not settled."""
        with _translated():
            self._folder.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=INCOMING, dir=self._folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _settle(self, folder: Path, voice_id: str) -> Pack:
        """Let a prepared voice be there, in the place of one that has its id."""
        place = self._folder / voice_id
        with _translated():
            os.chmod(folder, 0o755)
            before = set_aside(place) if place.exists() else None
            try:
                os.replace(folder, place)
            except OSError:
                if before:
                    os.replace(before, place)
                raise
            if before:
                shutil.rmtree(before)
        return Pack.open(place)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise PackError(f"the folder of the family voices cannot be written: {e.strerror or e}") from e
