"""Files from outside: recordings, a family's parcel, the guide's data."""

from __future__ import annotations

import functools
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Mapping

import numpy as np
import soundfile
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from service.content import check
from service.content.files import parse, yaml_files
from service.content.problems import Problem
from service.errors import AudioError, PackError
from service.fuzzing.target import Target, damaged, garbled, require
from service.settings import Settings
from service.speech.audio import LONGEST_UPLOAD_S, RATE_HZ, read_pcm
from service.speech.pack import FAMILY, FORMAT, MANIFEST
from service.speech.parcel import Parcel
from service.speech.take import LONGEST_S, WORK_HZ, decoded

SOUND_S = 0.3
FORMS = (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "IMA_ADPCM"), ("WAVEX", "PCM_24"), ("FLAC", "PCM_16"), ("MP3",
                                                                                                              None),
         ("OGG", "OPUS"), ("OGG", "VORBIS"), ("AIFF", "PCM_16"), ("AU", "ULAW"), ("CAF", "ALAC_16"), ("W64", "PCM_16"),
         ("RF64", "PCM_16"), ("NIST", "PCM_16"))
"""Containers and codings that libsndfile writes, and so reads."""
TOKENS = ("[", "]", "{", "}", ": ", "- ", "\n", "\t", "&a ", "*a", "!!int ", "!!python/object/apply:os.system ",
          "!!binary ",
          "<<: ", "? ", "|\n", ">\n", "'", '"', "#", "%YAML 1.1\n", "---\n", "...\n", "\0", "\ufeff", "\u2028", "~",
          "1e999",
          "0x", "1:59:59", "9" * 50, "[" * 200, "- " * 200, "{a: " * 200, "{", "{option}", "<社保>", "(", ")", "|", "[[")
"""What means something in YAML, or in a template."""
EXCERPT = 4_000
"""Characters of a file that is longer."""


def _sound() -> np.ndarray:
    at = np.arange(round(SOUND_S * RATE_HZ)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * 220 * at) * np.hanning(len(at))).astype(np.float32)


def _encoded(form: str, coding: str | None) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, _sound(), RATE_HZ, format=form, subtype=coding)
    return out.getvalue()


@functools.cache
def _recordings() -> tuple[bytes, ...]:
    return tuple(_encoded(*form) for form in FORMS)


# --- recordings --------------------------------------------------------------------------------------

def sounds() -> SearchStrategy[bytes]:
    """Files that were recordings, and files that were never any."""
    return damaged(_recordings()) | st.binary(max_size=400)


def _read_recording(data: bytes) -> None:
    try:
        samples = read_pcm(data)
    except AudioError:
        return
    require(samples.dtype == np.int16 and samples.ndim == 1, "16 bit mono")
    require(len(samples) <= LONGEST_UPLOAD_S * RATE_HZ + 1, "no longer than a turn may be")


def _read_take(data: bytes) -> None:
    try:
        samples, _whole = decoded(data)
    except AudioError:
        return
    require(bool(np.isfinite(samples).all()) and float(np.abs(samples).max()) <= 1, "samples within their bounds")
    require(len(samples) <= (LONGEST_S + 1) * WORK_HZ, "no longer than a sentence may be")


# --- a family's parcel -------------------------------------------------------------------------------

def _parcel() -> bytes:
    key, text, out = "0" * 16, "您好。", io.BytesIO()
    manifest = {"format": FORMAT, "voice": {"id": "fuzz", "label": "小芳", "kind": FAMILY, "next": "female"},
                "recordings": {key: {"text": text, "length_s": SOUND_S}}}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps(manifest, ensure_ascii=False))
        archive.writestr(f"{key}.opus", _encoded("OGG", "OPUS"))
    return out.getvalue()


def _take_in(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            pack = Parcel(io.BytesIO(data)).unpack(Path(folder) / "voice", "fuzz")
        except PackError:
            return
        require(all(p.parent in (Path(folder), pack.folder) for p in Path(folder).rglob("*")), "nothing lies elsewhere")


# --- the guide ---------------------------------------------------------------------------------------

def _excerpts(files: Mapping[str, str]) -> list[str]:
    starts = [(text, at) for text in files.values() for at in range(0, len(text), EXCERPT)]
    return [text[at:at + EXCERPT] for text, at in starts]


def _said_whole(problems: list[Problem]) -> None:
    require(all(p.file and p.place and p.fault and p.remedy for p in problems),
            "each problem has place, fault and remedy")


def _parse(case: tuple[str, str | bytes]) -> None:
    name, text = case
    document, problems = parse(name, text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    _said_whole(problems)
    require(document is not None or bool(problems), "refused with a reason")
    if document:
        _said_whole(list(check.form_problems(document)))


def _load(folder: Path, case: tuple[str, str]) -> None:
    name, text = case
    guide, problems = check.load(folder, overlay={name: text})
    _said_whole(problems)
    require((guide is None) == bool(problems), "a guide or its problems")


@st.composite
def _edit(draw, files: Mapping[str, str]) -> tuple[str, str]:
    """One of the files, garbled."""
    name = draw(st.sampled_from(sorted(files)))
    return name, draw(garbled([files[name]], TOKENS))


def targets(settings: Settings) -> list[Target]:
    """Everything that reads a file."""
    folder = settings.prompts_dir
    files = {p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8") for p in yaml_files(folder)}
    texts = garbled(_excerpts(files), TOKENS) | st.lists(st.sampled_from(TOKENS) | st.text(max_size=4)).map("".join)
    return [
        Target("recording", 0.15, sounds(), _read_recording),
        Target("family_take", 0.05, sounds(), _read_take),
        Target("family_parcel", 0.03, damaged((_parcel(),)), _take_in),
        Target("guide_file", 0.2, st.tuples(st.sampled_from(sorted(files)), texts | st.binary(max_size=200)), _parse),
        Target("guide", 0.001, _edit(files), functools.partial(_load, folder)),
    ]
