"""Render the recordings of a ``recordings.yaml`` that are missing or whose entry changed.

    python tests/audio/render.py [FOLDER] [--noise FOLDER] [--voices FOLDER]

``rendered.json`` beside the recipe holds the hash of the entry from which each recording was made.
"""

import argparse
import hashlib
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr
import yaml
from pypinyin.constants import PINYIN_DICT
from pypinyin.contrib.tone_convert import to_normal

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path.insert(0, str(PROJECT))

from service.content.live import LiveGuide  # noqa: E402
from service.speech.audio import read_wav  # noqa: E402
from service.speech.kokoro import MODEL, KokoroEngine  # noqa: E402
from service.speech.models import ModelStore, load_catalog  # noqa: E402
from service.speech.sound import OPUS_COMPRESSION  # noqa: E402
from service.speech.voice import spoken  # noqa: E402

FORMAT = 3
"""Raised when what this file does to every recording changes, so that all are made again."""
AUDIBLE = ("text", "say", "voice", "speed", "accent", "noise", "snr_db")
"""Fields of an entry that can be heard; changing another makes nothing again."""
RATE_HZ = 16_000
BEFORE_S, AFTER_S = 0.4, 1.6
"""Silence around the speech; a recipe may say another ``after_s``."""
ACCENTS = {
    "light": (("^([zcs])h", r"\1"), ("([ei])ng", r"\1n")),
    "strong": (("^([zcs])h", r"\1"), ("([ei])ng", r"\1n"), ("^n", "l"), ("^hui", "fei"), ("^hun", "fen"),
               ("^hua", "fa"), ("^hu$", "fu")),
}
"""What speakers from Hunan merge, as changes to toneless pinyin (Bao Houxing, 湖南方言概况, 1999): zh/z,
ch/c, sh/s, ing/in, eng/en; strongly also n/l and h/f before u."""
SYLLABLES = frozenset(to_normal(s) for sounds in PINYIN_DICT.values() for s in sounds.split(","))
"""Every toneless syllable there is: a merger that would make another is left out."""
SPEECH_DBFS = -22.0
"""RMS of the speech without its pauses."""
PAUSE_DB = -35.0
"""What is this far below the loudest moment counts as a pause."""
DITHER_DBFS = -75.0
PEAK = 0.9
FRAME = RATE_HZ // 100


class Speaker:
    """Kokoro with the voices of the model store."""

    def __init__(self, folder: Path, voices: Path | None) -> None:
        """``folder``: the model of the store; ``voices``: more of its voices, as <voice>.bin."""
        self._scratch = tempfile.TemporaryDirectory(prefix="render-")
        shutil.copytree(folder, self._scratch.name, dirs_exist_ok=True)
        for path in voices.glob("z*.bin") if voices else ():
            shutil.copy(path, Path(self._scratch.name, "voices"))
        self._engine = KokoroEngine(Path(self._scratch.name))
        self._lexicon = LiveGuide(PROJECT / "prompts").current.lexicon

    def speak(self, text: str, voice: str, speed: float, accent: str | None) -> np.ndarray:
        """The speech as float32 at ``RATE_HZ``; ``voice`` and ``speed`` are Kokoro's own."""
        said = spoken(text, self._lexicon)
        tokens = [(t.at, accented(t.sound, accent) if t.is_syllable else t.sound, t.is_syllable)
                  for t in said.tokens]
        _, wav = self._engine.ask({"text": said.text, "tokens": tokens, "voice": voice, "speed": speed})
        samples, rate_hz = read_wav(wav)
        return soxr.resample(samples.astype(np.float32) / 32768, rate_hz, RATE_HZ)

    def close(self) -> None:
        """End the engine."""
        self._engine.close()
        self._scratch.cleanup()


def accented(sound: str, accent: str | None) -> str:
    """A syllable (pinyin with a tone digit) as a speaker with that accent says it."""
    said, tone = sound[:-1], sound[-1]
    for merged, into in ACCENTS[accent] if accent else ():
        changed = re.sub(merged, into, said)
        said = changed if changed in SYLLABLES else said
    return said + tone


def frame_rms(samples: np.ndarray) -> np.ndarray:
    """RMS of each whole frame of 10 ms."""
    return np.sqrt((samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME) ** 2).mean(axis=1))


def gain(db: float) -> float:
    """The factor for the amplitude."""
    return 10 ** (db / 20)


def loudness(samples: np.ndarray) -> float:
    """RMS over the frames that are no pauses."""
    rms = frame_rms(samples)
    return float(np.sqrt((rms[rms > rms.max() * gain(PAUSE_DB)] ** 2).mean()))


def finish(speech: np.ndarray, after_s: float, noise: np.ndarray | None, snr_db: float) -> np.ndarray:
    """The speech at its level, between its silences, with the noise from end to end."""
    speech = speech * (gain(SPEECH_DBFS) / loudness(speech))
    sound = np.pad(speech, (round(BEFORE_S * RATE_HZ), round(after_s * RATE_HZ)))
    sound += np.random.default_rng(0).normal(0, gain(DITHER_DBFS), len(sound))
    if noise is not None:
        noise = np.resize(noise, len(sound))
        sound += noise * (gain(SPEECH_DBFS - snr_db) / np.sqrt((noise**2).mean()))
    return sound * min(1.0, PEAK / np.abs(sound).max())


def fingerprint(entry: dict) -> str:
    """What the recording depends on, as a hash."""
    heard = {"format": FORMAT} | {key: entry[key] for key in AUDIBLE if key in entry}
    return hashlib.sha256(json.dumps(heard, sort_keys=True).encode()).hexdigest()[:16]


def read_noise(folder: Path, name: str) -> np.ndarray:
    """A mono background at ``RATE_HZ``."""
    noise, rate_hz = soundfile.read(folder / f"{name}.flac", dtype="float32", always_2d=True)
    return soxr.resample(noise.mean(axis=1), rate_hz, RATE_HZ)


def main() -> int:
    """Render, and remove what the recipe no longer has. 1 if a recording could not be made."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=HERE, help="holds recordings.yaml")
    parser.add_argument("--noise", type=Path, metavar="FOLDER", help="holds <noise>.flac")
    parser.add_argument("--voices", type=Path, metavar="FOLDER", help="holds further voices, <voice>.bin")
    args = parser.parse_args()

    recipe = yaml.safe_load((args.folder / "recordings.yaml").read_text(encoding="utf-8"))
    wanted = {entry["id"]: entry for entry in recipe["recordings"]}
    if len(wanted) < len(recipe["recordings"]):
        raise SystemExit("recordings.yaml: two entries have the same id")
    journal = args.folder / "rendered.json"
    done = json.loads(journal.read_text(encoding="utf-8")) if journal.exists() else {}

    for name in done.keys() - wanted.keys():
        (args.folder / f"{name}.opus").unlink(missing_ok=True)
    done = {name: mark for name, mark in done.items() if name in wanted}
    due = [name for name, entry in wanted.items()
           if done.get(name) != fingerprint(entry) or not (args.folder / f"{name}.opus").exists()]
    blocked = [name for name in due if "noise" in wanted[name] and args.noise is None]

    speaker = None
    for name in due:
        if name in blocked:
            print(f"{name}: not rendered, needs --noise", file=sys.stderr)
            continue
        if speaker is None:
            store = ModelStore(PROJECT / "models", load_catalog(PROJECT / "models/catalog.yaml"))
            speaker = Speaker(store.path(MODEL), args.voices)
        entry = wanted[name]
        speech = speaker.speak(entry.get("say", entry["text"]), entry["voice"], entry["speed"],
                               entry.get("accent"))
        noise = read_noise(args.noise, entry["noise"]) if "noise" in entry else None
        sound = finish(speech, recipe.get("after_s", AFTER_S), noise, entry.get("snr_db", 0))
        soundfile.write(args.folder / f"{name}.opus", sound, RATE_HZ, format="OGG", subtype="OPUS",
                        compression_level=OPUS_COMPRESSION)
        done[name] = fingerprint(entry)
        journal.write_text(json.dumps(done, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"{name}: {len(sound) / RATE_HZ:.1f} s", flush=True)
    journal.write_text(json.dumps(done, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if speaker:
        speaker.close()
    return 1 if blocked else 0


if __name__ == "__main__":
    sys.exit(main())
