"""Parcel: a family's voice as one file, to keep it safe or to take it to another machine.

A ZIP archive of the pack's ``pack.json`` and Opus files, stored as they are. Whatever comes in is
foreign until everything in it has been checked: nothing is unpacked by a path of the archive, read
past its bound, or kept that cannot be heard.
"""

from __future__ import annotations

import functools
import io
import json
import logging
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import soundfile
from jsonschema import Draft202012Validator

from service.errors import PackError
from service.speech.pack import FAMILY, FORMAT, ID, MANIFEST, Pack, PackInfo, Recording, manifest
from service.speech.voice import LONGEST_TEXT

log = logging.getLogger(__name__)
LARGEST_BYTES = 64 * 1024 * 1024
"""Of an archive, packed and unpacked; a whole guide takes about a quarter of it."""
LARGEST_MANIFEST_BYTES, LARGEST_SENTENCE_BYTES = 4 * 1024 * 1024, 512 * 1024
MOST_SENTENCES = 5000
LONGEST_S = 60.0
"""Of one sentence."""
LABEL = r"^[\w·（）()\-]+( [\w·（）()\-]+)*\Z"
"""What a voice may be called: letters of any script and digits, nothing that a page could trip over."""
LONGEST_LABEL = 20
SCHEMA = {
    "type": "object", "required": ["format", "voice", "recordings"],
    "properties": {
        "voice": {
            "type": "object", "required": ["id", "label", "kind"], "additionalProperties": False,
            "properties": {
                "id": {"type": "string", "pattern": rf"^{ID.pattern}\Z"}, "kind": {"const": FAMILY},
                "label": {"type": "string", "maxLength": LONGEST_LABEL, "pattern": LABEL},
                "origin": {"const": ""}, "licence": {"const": ""}, "pace_cpm": {"type": "integer"},
                "next": {"type": "string", "maxLength": 40}}},
        "recordings": {
            "type": "object", "maxProperties": MOST_SENTENCES,
            "additionalProperties": {
                "type": "object", "required": ["text"],
                "properties": {"text": {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}}}}}}
"""Of the manifest. Lengths are measured again, so that what it says of them does not matter."""


class ForeignParcel(PackError):
    """The file is no voice that a family exported here, or one of another kind."""

    code, status = "parcel_foreign", 422


class OtherFormat(PackError):
    """The file was exported by a version of the guide that keeps voices in another way."""

    code, status = "parcel_format", 422


class BrokenParcel(PackError):
    """Something is missing in the file, or damaged: it was cut off, or not copied whole."""

    code, status = "parcel_broken", 422


class ParcelTooLarge(PackError):
    """The file holds more than a voice can."""

    code, status = "parcel_too_large", 413


def pack_up(pack: Pack, out: BinaryIO) -> None:
    """Write the archive of a pack. A recording that cannot be read is left out."""
    readable: dict[str, Recording] = {}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for key, recording in pack.recordings().items():
            try:
                archive.write(pack.folder / f"{key}.opus", f"{key}.opus")
                readable[key] = recording
            except FileNotFoundError:
                log.warning("a recording of %s is missing and was not exported", pack.info.id)
        archive.writestr(MANIFEST, manifest(pack.info, readable))


class Parcel:
    """An archive that came in, its manifest checked."""

    def __init__(self, file: BinaryIO):
        """Raises one of the errors above."""
        try:
            self._archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as e:
            file.seek(0)
            begins = file.read(4) == b"PK\x03\x04"
            raise (BrokenParcel if begins else ForeignParcel)(f"no archive: {type(e).__name__}") from e
        self._check_members()
        self.info, self._texts = self._read_manifest()

    def unpack(self, folder: Path, voice_id: str) -> Pack:
        """The pack in a new folder, under its id or another one; every recording is decoded once."""
        pack = Pack.create(folder, replace(self.info, id=voice_id))
        pack.put_encoded(self._sentence(key, text) for key, text in self._texts.items())
        return pack

    def _check_members(self) -> None:
        members = self._archive.infolist()
        if len(members) > MOST_SENTENCES + 1 or sum(m.file_size for m in members) > LARGEST_BYTES:
            raise ParcelTooLarge(f"archive of {len(members)} files")
        names = [m.filename for m in members]
        foreign = [n for n in names if n != MANIFEST and ("/" in n or "\\" in n or not n.endswith(".opus"))]
        # Of the other methods zipfile unpacks more than it was asked for.
        packed = [m for m in members if m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]
        if foreign or packed or names.count(MANIFEST) != 1:
            raise ForeignParcel(f"{len(foreign)} file(s) that no voice has, {names.count(MANIFEST)} manifest(s)")

    def _read(self, name: str, at_most: int) -> bytes:
        """A member's bytes. What its header says of its size is not believed."""
        try:
            with self._archive.open(name) as member:
                data = member.read(at_most + 1)
        except (zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError, EOFError, OSError,
                ValueError, zlib.error) as e:
            raise BrokenParcel(f"a file of the archive cannot be read: {type(e).__name__}") from e
        if len(data) > at_most:
            raise ParcelTooLarge("a file of the archive is too large")
        return data

    def _read_manifest(self) -> tuple[PackInfo, dict[str, str]]:
        try:
            data = json.loads(self._read(MANIFEST, LARGEST_MANIFEST_BYTES))
        except (ValueError, RecursionError) as e:
            raise BrokenParcel("the manifest is not JSON") from e
        if isinstance(data, dict) and data.get("format", FORMAT) != FORMAT:
            raise OtherFormat("a pack of another format")
        error = next(_validator().iter_errors(data), None)
        if error:
            raise ForeignParcel(f"the manifest breaks the rule {error.validator}")
        voice = {"origin": "", "licence": "", **data["voice"]}
        return PackInfo(**voice), {key: r["text"] for key, r in data["recordings"].items()}

    def _sentence(self, key: str, text: str) -> tuple[Recording, bytes]:
        opus = self._read(f"{key}.opus", LARGEST_SENTENCE_BYTES)
        try:
            with soundfile.SoundFile(io.BytesIO(opus)) as sound:
                # Before anything is unpacked: other forms hold gigabytes in so few bytes.
                if (sound.subtype, sound.channels) != ("OPUS", 1):
                    raise ForeignParcel("a recording of another form")
                samples = sound.read(round(LONGEST_S * sound.samplerate) + 1, dtype="float32")
                length_s = len(samples) / sound.samplerate
        except (soundfile.SoundFileError, OSError, ValueError) as e:
            raise BrokenParcel("a recording cannot be decoded") from e
        if not 0 < length_s <= LONGEST_S:
            raise ForeignParcel("a recording of another form")
        return Recording(text, round(length_s, 3)), opus


@functools.cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(SCHEMA)
