"""Faults of the disk and of the files on it: full, damaged models and voices, half an edit."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator

from service.faults.scene import Lab, Row, Scene, Skipped, scene, until
from service.lab.servers import ServerFailed
from service.settings import PROJECT, Settings

SIZE_MB = 64
RECORDING = PROJECT / "tests" / "audio" / "ask_counter_xiaoxiao.opus"
EDITED = Path("nodes", "root.yaml")
SENTENCE, OTHER_SENTENCE = "有急事，直接说，我马上讲。", "有急事，直接说，我马上说。"
TAKEN_UP = r"guide \S+ taken up"
LOOKS_S = 30
"""Within this an edit is taken up or refused, seconds."""
LEARNING_S = 240
"""Longest start that first learns the ways of asking, seconds."""


@contextlib.contextmanager
def filesystem(folder: Path, kind: str) -> Iterator[Path]:
    """A small disk of its own, mounted below ``folder``; Skipped where that is not allowed."""
    place, image = folder / "disk", folder / "image"
    place.mkdir(parents=True)
    if kind == "tmpfs":
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(place)]
    else:
        with image.open("wb") as file:
            file.truncate(SIZE_MB * 2**20)
        _must("mkfs.ext4", "-q", str(image))
        mount = ["mount", "-o", "loop", str(image), str(place)]
    _must(*mount)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def read_only(place: Path) -> None:
    """Make a mounted ext4 read-only under those who write, as it does by itself at an error."""
    _must("mount", "-o", "remount,abort", str(place))


def _must(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError as e:
        raise Skipped(f"{command[0]} is not installed") from e
    if done.returncode:
        raise Skipped(f"{command[0]} is not allowed here: {done.stderr.strip()}")


# --- full ------------------------------------------------------------------------------------------------

def full(lab: Lab) -> Row:
    """The disk of DATA_DIR is full while turns are made and sentences told; then there is space again."""
    with filesystem(lab.folder, "tmpfs") as place, scene(place, lab.chance) as found:
        for _ in range(lab.times):
            found.turn("9")
            filler = _fill(place)
            # Told to the end, though the sounds cannot be kept.
            for sentence in found.listener.reply["sentences"][1:]:
                found.listener.sound(sentence)
            for _ in range(4):
                found.try_turn()
                found.caregiver.look()
            filler.unlink()
            found.next_turn(time.monotonic())
        uncached = _heard_without_cache(found, place / "audio")
        return found.row("disk full, then no place for sounds", "there is space again",
                         "what cannot be cached is heard all the same", holds=uncached)


def _heard_without_cache(found: Scene, cache: Path) -> bool:
    """True if sounds that nobody heard before were heard, and could not be kept."""
    shutil.rmtree(cache, ignore_errors=True)
    cache.touch()
    for key in "77919":
        found.turn(key)
    cache.unlink()
    return found.log_says("audio cache not written")


def _fill(place: Path) -> Path:
    filler = place / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        for size in (2**20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return filler


# --- damaged files ---------------------------------------------------------------------------------------

def model_damaged(lab: Lab) -> Row:
    """The speech model is damaged while it is used; then the service is started with it as it is."""
    name, models = Settings().speech_model, lab.folder / "models"
    if not (PROJECT / "models" / name).is_dir() or not RECORDING.exists():
        raise Skipped("there is no speech model, or no recording")
    shutil.copytree(PROJECT / "models" / name, models / name)
    shutil.copy(PROJECT / "models" / "catalog.yaml", models)
    with scene(lab.folder / "data", lab.chance, MODELS_DIR=str(models)) as found:
        heard = [found.listener.spoken(RECORDING)]
        damage(*sorted(path for path in (models / name).rglob("*") if path.is_file()))
        heard.append(found.listener.spoken(RECORDING))
        found.service.terminate()
        began = time.monotonic()
        found.pressed_while(found.restart, began)
        heard.append(found.listener.spoken(RECORDING))
        found.listener.check(found.listener.last()["listening"])
        note = f"by voice: before {heard[0]}, damaged while running {heard[1]}, started with it {heard[2]}"
        return found.row("speech model damaged", "the end before a start with the damaged model", note,
                         holds=heard == ["answered", "answered", "model_missing"])


def damage(*files: Path) -> None:
    """Cut each file to half its length and write nonsense over the rest, in its place."""
    for path in files:
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
            file.write(os.urandom(min(1024, path.stat().st_size)))


def voices_damaged(lab: Lab) -> Row:
    """Every recorded sentence is damaged while the guide speaks; then it is started with them."""
    prompts = shutil.copytree(PROJECT / "prompts", lab.folder / "prompts")
    with scene(lab.folder / "data", lab.chance, PROMPTS_DIR=str(prompts)) as found:
        recordings = [path for path in (prompts / "voices").rglob("*") if path.is_file()]
        damage(*recordings)
        for _ in range(3 * lab.times):
            found.next_turn(time.monotonic())
        found.service.terminate()
        began = time.monotonic()
        found.pressed_while(found.restart, began)
        found.turns(3)
        return found.row("voice pack damaged", "each turn, and the start with it",
                         "spoken by the plain voice")


def learnt_damaged(lab: Lab) -> Row:
    """What was learnt from the ways of asking is damaged; then the service is started with it."""
    learnt = shutil.copytree(Settings().learnt_dir, lab.folder / "learnt")
    with scene(lab.folder / "data", lab.chance, LEARNT_DIR=str(learnt)) as found:
        damage(*learnt.glob("*.npz"))
        found.turns(3)
        found.service.terminate()
        began = time.monotonic()
        found.listener.patience(LEARNING_S)
        found.pressed_while(lambda: found.service.start(LEARNING_S), began)
        return found.row("what was learnt is damaged", "the end before a start with it", "it is learnt anew",
                         holds=found.log_says("damaged and is made again"))


# --- half an edit ----------------------------------------------------------------------------------------

def half_written(prompts: Path) -> Callable[[], None]:
    """Write half of a file of the guide; gives what writes all of it, with one sentence changed."""
    file = prompts / EDITED
    text = file.read_text(encoding="utf-8")
    file.write_text(text[:len(text) // 2] + '\n  broken: "', encoding="utf-8")
    return lambda: file.write_text(text.replace(SENTENCE, OTHER_SENTENCE), encoding="utf-8")


def edit_while_running(lab: Lab) -> Row:
    """A file of the guide is half written while talks run, then whole."""
    prompts = shutil.copytree(PROJECT / "prompts", lab.folder / "prompts")
    with scene(lab.folder / "data", lab.chance, PROMPTS_DIR=str(prompts)) as found:
        rest = half_written(prompts)
        refused = until(lambda: found.log_says("edit of the guide refused"), LOOKS_S)
        for _ in range(lab.times):
            found.next_turn(time.monotonic())
        found.caregiver.look()
        rest()
        taken_up = until(lambda: found.log_says(TAKEN_UP), LOOKS_S)
        found.next_turn(time.monotonic())
        return found.row("edit of the guide half written, while running", "each turn",
                         "the running guide stays; the whole edit is taken up", holds=refused and taken_up)


def edit_at_start(lab: Lab) -> Row:
    """A file of the guide is half written when the service is started; then somebody writes the rest."""
    prompts = shutil.copytree(PROJECT / "prompts", lab.folder / "prompts")
    with scene(lab.folder / "data", lab.chance, PROMPTS_DIR=str(prompts)) as found:
        found.service.terminate()
        rest, served = half_written(prompts), _starts(found)
        if not served:
            found.try_turn()
            found.caregiver.look()
        rest()
        began = time.monotonic()
        found.pressed_while(found.restart if not served else lambda: None, began)
        found.turns(2)
        note = "" if served else "it does NOT start until the file is whole"
        return found.row("edit of the guide half written, at a start", "the file is whole", note, holds=served)


def _starts(found: Scene) -> bool:
    try:
        found.service.start()
    except ServerFailed:
        return False
    return True
