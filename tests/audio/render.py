"""Render the recordings of ``recordings.yaml`` that are missing or whose entry changed.

    python tests/audio/render.py [--noise FOLDER]

``rendered.json`` holds the hash of the entry from which each recording was made.
"""

import argparse
import dataclasses
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import soundfile
import soxr
import yaml

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path.insert(0, str(PROJECT))

from service.content.live import LiveGuide  # noqa: E402
from service.speech.audio import read_wav  # noqa: E402
from service.speech.kokoro import MODEL, KokoroEngine  # noqa: E402
from service.speech.models import ModelStore, load_catalog  # noqa: E402
from service.speech.voice import spoken  # noqa: E402

DONE = HERE / "rendered.json"
FORMAT = 3
"""Raised when what this file does to every recording changes, so that all are made again."""
AUDIBLE = ("text", "say", "voice", "speed", "noise", "snr_db")
"""Fields of an entry that can be heard; changing another makes nothing again."""
RATE_HZ = 16_000
BEFORE_S, AFTER_S = 0.4, 1.6
SPEECH_DBFS = -22.0
"""RMS of the speech without its pauses."""
PAUSE_DB = -35.0
"""What is this far below the loudest moment counts as a pause."""
DITHER_DBFS = -75.0
PEAK = 0.9
FRAME = RATE_HZ // 100


class Speaker:
    """Kokoro with the voices of the model store."""

    def __init__(self, folder: Path) -> None:
        self._engine = KokoroEngine(folder)
        self._lexicon = LiveGuide(PROJECT / "prompts").current.lexicon

    def speak(self, text: str, voice: str, speed: float) -> np.ndarray:
        """The speech as float32 at ``RATE_HZ``; ``voice`` and ``speed`` are Kokoro's own."""
        said = spoken(text, self._lexicon)
        _, wav = self._engine.ask({"text": said.text, "tokens": [dataclasses.astuple(t) for t in said.tokens],
                                   "voice": voice, "speed": speed})
        samples, rate_hz = read_wav(wav)
        return soxr.resample(samples.astype(np.float32) / 32768, rate_hz, RATE_HZ)

    def close(self) -> None:
        """End the engine."""
        self._engine.close()


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


def finish(speech: np.ndarray, noise: np.ndarray | None, snr_db: float) -> np.ndarray:
    """The speech at its level, between its silences, with the noise from end to end."""
    speech = speech * (gain(SPEECH_DBFS) / loudness(speech))
    sound = np.pad(speech, (round(BEFORE_S * RATE_HZ), round(AFTER_S * RATE_HZ)))
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
    parser.add_argument("--noise", type=Path, metavar="FOLDER", help="holds <noise>.flac")
    folder = parser.parse_args().noise

    recipe = yaml.safe_load((HERE / "recordings.yaml").read_text(encoding="utf-8"))["recordings"]
    wanted = {entry["id"]: entry for entry in recipe}
    if len(wanted) < len(recipe):
        raise SystemExit("recordings.yaml: two entries have the same id")
    done = json.loads(DONE.read_text(encoding="utf-8")) if DONE.exists() else {}

    for name in done.keys() - wanted.keys():
        (HERE / f"{name}.opus").unlink(missing_ok=True)
    done = {name: mark for name, mark in done.items() if name in wanted}
    due = [name for name, entry in wanted.items()
           if done.get(name) != fingerprint(entry) or not (HERE / f"{name}.opus").exists()]
    blocked = [name for name in due if "noise" in wanted[name] and folder is None]

    speaker = None
    for name in due:
        if name in blocked:
            print(f"{name}: not rendered, needs --noise", file=sys.stderr)
            continue
        if speaker is None:
            store = ModelStore(PROJECT / "models", load_catalog(PROJECT / "models/catalog.yaml"))
            speaker = Speaker(store.path(MODEL))
        entry = wanted[name]
        speech = speaker.speak(entry.get("say", entry["text"]), entry["voice"], entry["speed"])
        noise = read_noise(folder, entry["noise"]) if "noise" in entry else None
        sound = finish(speech, noise, entry.get("snr_db", 0))
        soundfile.write(HERE / f"{name}.opus", sound, RATE_HZ, format="OGG", subtype="OPUS")
        done[name] = fingerprint(entry)
        DONE.write_text(json.dumps(done, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"{name}: {len(sound) / RATE_HZ:.1f} s", flush=True)
    DONE.write_text(json.dumps(done, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if speaker:
        speaker.close()
    return 1 if blocked else 0


if __name__ == "__main__":
    sys.exit(main())
