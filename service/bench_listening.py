"""``python -m service bench listening``: the guide beside other ways of listening, in one run.

The same recordings of the measuring set, in every condition, through

    guide        this project: two decoders, Classifier, Judge
    keywords     vosk's open decoder, and the longest keyword found in its text
    whisper      faster-whisper base (8-bit, one thread), and this project's matching of its text

Each runs in a process of its own, so that memory is its own. Prints one JSON object.
"""

from __future__ import annotations

import json
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Callable, TextIO

import numpy as np

from service.app import learner, load_listening, load_recognizer, model_store
from service.bench import machine
from service.content.live import LiveGuide
from service.core.dialog import Match, NoMatch
from service.core.grammar import bare
from service.core.model import Guide
from service.core.understanding import Understanding
from service.evaluation import scoring, sets
from service.evaluation.rooms import CONDITIONS, Rooms
from service.evaluation.scoring import Outcome
from service.settings import Settings
from service.speech.audio import RATE_HZ, read_pcm
from service.talks import is_nothing

WHISPER = "whisper-base"
SIMPLIFIED = "以下是普通话的句子。"
"""Begins the text that Whisper goes on with, so that it writes simplified characters."""
SHORTEST_KEYWORD = 2
Hears = Callable[[np.ndarray], tuple[Outcome, float]]
"""From int16 samples at 16 kHz to the outcome and the wall time after the last sample, seconds."""


def run(settings: Settings, folder: Path, sample: int | None, out: TextIO) -> int:
    """Measure and print. 0. ModelError if a model is not installed."""
    figures = {"machine": machine()}
    for name in WAYS:
        with ProcessPoolExecutor(1) as pool:
            figures[name] = pool.submit(_measure, settings, folder, sample, name).result()
    print(json.dumps(figures, ensure_ascii=False, indent=1), file=out)
    return 0


def _measure(settings: Settings, folder: Path, sample: int | None, name: str) -> dict:
    hears = WAYS[name](settings)
    items = sets.read_recordings(folder, sets.MEASURE)[:sample]
    rooms = Rooms.of_packs(settings.packs_dir)
    rows: dict[str, list] = {c.name: [] for c in CONDITIONS}
    cpu_s = audio_s = 0.0
    tails = []
    for item in items:
        samples = read_pcm(item.recording)
        for condition in CONDITIONS:
            heard = rooms.place(samples, condition, item.recording.stem)
            began = time.process_time()
            outcome, tail_s = hears(heard)
            cpu_s += time.process_time() - began
            audio_s += len(heard) / RATE_HZ
            tails.append(tail_s * 1000)
            rows[condition.name].append(scoring.judge(item, outcome))
    return {"conditions": {c: {g: {k: round(v, 3) for k, v in scoring.shares(judged, g).items()}
                               for g in ("requests", "commands", "outside")} for c, judged in rows.items()},
            "cpu_real_time_factor": round(cpu_s / audio_s, 3),
            "tail_ms": {"median": round(float(np.median(tails))), "p95": round(float(np.percentile(tails, 95)))},
            "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


def _guide(settings: Settings) -> Hears:
    listening, library = load_listening(settings, "both")

    def hears(samples: np.ndarray) -> tuple[Outcome, float]:
        listened = listening.once(samples)
        began = time.perf_counter()
        hearing, outcome = listened.hearing, NoMatch()
        if hearing and not is_nothing(hearing):
            outcome = library.edition.hear(hearing)
        return outcome, listened.tail_s + time.perf_counter() - began
    return hears


def _keywords(settings: Settings) -> Hears:
    recognizer, words = load_recognizer(settings), keywords(LiveGuide(settings.prompts_dir).current)

    def hears(samples: np.ndarray) -> tuple[Outcome, float]:
        heard, tail_s = recognizer.transcribe_timed(samples.tobytes())
        found = [word for word in words if word in heard.text]
        return (words[max(found, key=len)] if found else NoMatch()), tail_s
    return hears


def keywords(guide: Guide) -> dict[str, Match]:
    """What somebody would list who matches keywords: titles, ambiguous words, short phrases of commands."""
    words = {bare(node.title): Match(node=node.id) for node in guide.nodes.values()}
    words |= {bare(word): Match(node=nodes[0]) for word, nodes in guide.choices.items()}
    words |= {bare(p): Match(command=c.name) for c in guide.commands.values() for p in c.phrases
              if SHORTEST_KEYWORD <= len(bare(p)) <= 4 and bare(p) == p}
    return {word: match for word, match in words.items() if len(word) >= SHORTEST_KEYWORD}


def _whisper(settings: Settings) -> Hears:
    from faster_whisper import WhisperModel

    model = WhisperModel(str(model_store(settings).path(WHISPER)), device="cpu", compute_type="int8", cpu_threads=1)
    guide = LiveGuide(settings.prompts_dir).current
    understanding = Understanding(guide, learner(settings)(guide))

    def hears(samples: np.ndarray) -> tuple[Outcome, float]:
        # Whisper begins when all is said: everything that it takes is waited for.
        began = time.perf_counter()
        segments, _ = model.transcribe(samples.astype(np.float32) / 32768, language="zh", beam_size=5,
                                       initial_prompt=SIMPLIFIED, condition_on_previous_text=False)
        outcome = understanding.interpret("".join(s.text for s in segments))
        return outcome, time.perf_counter() - began
    return hears


WAYS: dict[str, Callable[[Settings], Hears]] = {"guide": _guide, "keywords": _keywords, "whisper": _whisper}
