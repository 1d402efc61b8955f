"""`bench voices`: how well each voice is understood, how soon it speaks, how loud, how large.

Understood: share of syllables that vosk's open decoding mishears (see ``speech.misheard``), pinyin
without tones. Nothing is picked while measuring; the packs' recordings were, when they were built.
"""

from __future__ import annotations

import json
import os
import random
import re
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterable, TextIO

from service.app import load_kokoro, load_recognizer, load_speaker
from service.bench import machine, milliseconds, quantiles
from service.content.live import LiveGuide
from service.content.sentences import sentences
from service.core.model import Guide
from service.core.wording import clauses, number
from service.errors import ModelError
from service.settings import Settings
from service.speech.misheard import hears, misheard
from service.speech.recognizer import Recognizer
from service.speech.sound import loudness_lufs
from service.speech.speaker import Speaker
from service.speech.voice import USUAL_CPM, Speech, Voice

SEED = 7
LIVE = 40
"""Sentences that each engine speaks anew."""
JOINED = 15
PACES = (140, 180, 260)


def run(settings: Settings, sample: int | None, out: TextIO) -> int:
    """Measure and print JSON. ``sample``: recordings of each pack that are heard; None: all."""
    recognizer = load_recognizer(settings)
    if recognizer is None:
        raise ModelError("without a speech model nobody can tell how well a voice is understood")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        settings = replace(settings, data_dir=Path(folder))
        live = LiveGuide(settings.prompts_dir)
        speaker = load_speaker(settings, live)
        try:
            figures = {"machine": machine(), "size_mb": _size_mb(settings),
                       **_recorded(speaker, live.current, recognizer, sample),
                       **_plain(speaker, live.current, recognizer)}
            if load_kokoro(settings, speaker):
                figures |= _natural(speaker, live.current, recognizer)
        finally:
            speaker.close()
    print(json.dumps(figures, ensure_ascii=False, indent=2), file=out)
    return 0


def _size_mb(settings: Settings) -> float:
    return round(sum(p.stat().st_size for p in settings.packs_dir.rglob("*") if p.is_file()) / 1e6, 1)


def _some(guide: Guide, many: int | None) -> list[str]:
    texts = list(sentences(guide))
    return texts if many is None else random.Random(SEED).sample(texts, min(many, len(texts)))


class _Heard:
    """Counts what is misheard of speech, and how loud it is. Thread-safe."""

    def __init__(self, guide: Guide, recognizer: Recognizer):
        self._lexicon, self._recognizer = guide.lexicon, recognizer
        self._wrong = self._meant = self._characters = 0
        self._seconds, self._lufs = 0.0, []
        self._lock = threading.Lock()

    def take(self, text: str, speech: Speech) -> None:
        samples, rate_hz = speech.samples()
        wrong, meant = misheard(text, hears(self._recognizer, samples, rate_hz), self._lexicon)
        lufs = loudness_lufs(samples, rate_hz)
        with self._lock:
            self._wrong, self._meant = self._wrong + wrong, self._meant + meant
            self._seconds, self._characters = self._seconds + speech.length_s, self._characters + meant
            self._lufs.append(lufs)

    def figures(self) -> dict:
        lufs = sorted(self._lufs)
        within = sum(abs(x + 18) <= 1 for x in lufs) / len(lufs)
        return {"sentences": len(lufs), "syllables": self._meant,
                "misheard": round(self._wrong / self._meant, 4),
                "characters_a_minute": round(60 * self._characters / self._seconds),
                "lufs": {"lowest": round(lufs[0], 2), "median": round(lufs[len(lufs) // 2], 2),
                         "highest": round(lufs[-1], 2), "within_1_of_-18": round(within, 3)}}


def _hear(texts: Iterable[str], speak: Callable[[str], Speech], heard: _Heard) -> dict:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda text: heard.take(text, speak(text)), texts))
    return heard.figures()


# --- recorded ------------------------------------------------------------------------------------

def _recorded(speaker: Speaker, guide: Guide, recognizer: Recognizer, sample: int | None) -> dict:
    texts, figures = _some(guide, sample), {}
    before_mb = memory_mb(os.getpid())
    for voice in ("female", "male"):
        figures[f"pack_{voice}"] = _hear(
            texts, lambda text: speaker.speak(text, USUAL_CPM, voice), _Heard(guide, recognizer))
    figures["pack_first_sound_ms"] = {
        str(pace): quantiles(milliseconds(lambda t=t: speaker.piece(t, pace, "", 0, True)) for t in texts[:150])
        for pace in PACES}
    figures["memory_of_speaking_from_the_pack_mb"] = round(memory_mb(os.getpid()) - before_mb, 1)
    return figures


# --- engines -------------------------------------------------------------------------------------

def _unseen(many: int) -> list[str]:
    return [f"您一共交了{number(100 + n)}个月，请慢慢听。" for n in range(many)]


def _first_sounds(speaker: Speaker, many: int) -> dict:
    speaker.speak("先说一句，声音就准备好了。", USUAL_CPM)
    return quantiles(milliseconds(lambda t=t: speaker.piece(t, USUAL_CPM, "", 0, True)) for t in _unseen(many))


def _plain(speaker: Speaker, guide: Guide, recognizer: Recognizer) -> dict:
    voice = speaker.voices.plain
    heard = _hear(_some(guide, 2 * LIVE), lambda text: voice.synthesize(text, USUAL_CPM), _Heard(guide, recognizer))
    return {"pyttsx3": heard, "pyttsx3_first_sound_of_unseen_ms": _first_sounds(speaker, LIVE)}


def _natural(speaker: Speaker, guide: Guide, recognizer: Recognizer) -> dict:
    voice, texts = speaker.voices.natural(""), _some(guide, LIVE)
    began = time.perf_counter()
    spoken = {text: voice.synthesize(text, USUAL_CPM) for text in texts}
    rendering_s = time.perf_counter() - began
    return {"kokoro": _hear(texts, spoken.get, _Heard(guide, recognizer)),
            "kokoro_share_of_real_time": round(rendering_s / sum(s.length_s for s in spoken.values()), 2),
            "kokoro_process_memory_mb": _kokoro_memory_mb(),
            "kokoro_first_sound_of_unseen_ms": _first_sounds(speaker, LIVE // 3),
            "joined": _joins(speaker, guide, recognizer, voice)}


def _joins(speaker: Speaker, guide: Guide, recognizer: Recognizer, voice: Voice) -> dict:
    """The same sentences as a whole and joined from clauses: questions in doubt, and numbers."""
    titles, chance = [n.title for n in guide.nodes.values()], random.Random(SEED)
    questions = ["{}，{}，还是{}？".format(*chance.sample(titles, 3)) for _ in range(JOINED)]
    numbers = [t for t in _some(guide, None) if len(clauses(t)) > 1 and re.search("[二三四五六七八九十百千]", t)]
    figures = {}
    for name, texts in (("questions", questions), ("numbers", chance.sample(numbers, JOINED))):
        figures[name] = {
            "whole": _hear(texts, lambda t: voice.synthesize(t, USUAL_CPM), _Heard(guide, recognizer))["misheard"],
            "joined": _hear(texts, lambda t: _joined(speaker, voice, t), _Heard(guide, recognizer))["misheard"]}
    return figures


def _joined(speaker: Speaker, voice: Voice, text: str) -> Speech:
    from service.speech.voices import Span, joined
    parts = []
    for clause in clauses(text):
        speech = speaker.voices.recorded(clause, "", "pack") or voice.synthesize(clause, USUAL_CPM)
        parts.append((*speech.samples(), speech.marks))
    return joined(parts, [Span(len(clause), tight=False) for clause in clauses(text)])


def memory_mb(pid: int) -> float:
    """Resident memory of a process, MB; 0 where the system does not tell."""
    try:
        return int(re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024
    except OSError:
        return 0.0


def _kokoro_memory_mb() -> float:
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [int(pid) for path in children for pid in path.read_text().split()]
    return round(max((memory_mb(pid) for pid in pids), default=0.0), 1)
