"""Hearings: what the recogniser hears of the sets' recordings in every condition, kept on disk.

Hearing takes minutes, judging seconds; so what was heard is kept for as long as the recordings, the
grammar and the rooms are the same.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Sequence

from service.app import load_listening
from service.evaluation.rooms import CONDITIONS, Rooms
from service.evaluation.sets import Item
from service.listening import Listening
from service.settings import Settings
from service.speech.audio import read_pcm
from service.speech.recognizer import Hearing, Transcript

FORMAT = 1
"""Raised when the rooms or the recogniser's settings change."""
Heard = dict[tuple[str, str], Hearing | None]
"""(recording's name, condition's name) to what was heard; None: nothing."""

_listening: Listening
_rooms: Rooms


def hear(settings: Settings, items: Sequence[Item], workers: int) -> Heard:
    """Everything that is heard of the items' recordings, from disk if it was heard before."""
    kept = settings.data_dir / "hearings"
    kept.mkdir(parents=True, exist_ok=True)
    _, library = load_listening(settings, "both")
    key = hashlib.sha256(json.dumps([FORMAT, library.edition.grammar]).encode()).hexdigest()[:16]
    path = kept / f"{key}.jsonl"
    found = _read(path)
    due = [i.recording for i in items if any((i.recording.stem, c.name) not in found for c in CONDITIONS)]
    with ProcessPoolExecutor(workers, initializer=_begin, initargs=(settings,)) as pool, \
            path.open("a", encoding="utf-8") as out:
        for recording, heard in zip(due, pool.map(_hear, due, chunksize=4)):
            for condition, hearing in zip(CONDITIONS, heard):
                found[recording.stem, condition.name] = hearing
                row = [recording.stem, condition.name, hearing and dataclasses.asdict(hearing)]
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return found


def _read(path: Path) -> Heard:
    if not path.exists():
        return {}
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {(name, condition): raw and Hearing(Transcript(**raw["grammar"]), Transcript(**raw["open"]),
                                               raw["audio_s"], raw["decode_s"])
            for name, condition, raw in rows}


def _begin(settings: Settings) -> None:
    global _listening, _rooms
    _listening, _ = load_listening(settings, "both")
    _rooms = Rooms.of_packs(settings.packs_dir)


def _hear(recording: Path) -> list[Hearing | None]:
    samples = read_pcm(recording)
    return [_listening.once(_rooms.place(samples, c, recording.stem)).hearing for c in CONDITIONS]
