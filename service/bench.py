"""Benchmarks: the figures of the README, measured on this machine, as one JSON object.

Nothing here is a test: figures depend on the machine and on what else it does. Recordings come
from ``tests/audio``; where they are missing the guide's own voice speaks instead.
"""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import tempfile
import threading
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterable, TextIO

import numpy as np
import vosk

from service.app import create_app, learner, load_recognizer, model_store
from service.errors import ModelError
from service.lab.process import RunningService
from service.listening import Listening
from service.settings import PROJECT, Settings
from service.speech.audio import RATE_HZ, read_pcm
from service.speech.ear import Heard
from service.talks import Edition, Library

RECORDINGS = PROJECT / "tests" / "audio"
SAMPLE = 24
"""Recordings that are decoded."""
TURNS = 60
SENTENCES = 60
STARTS = 3
CHUNK_S = 0.1
BREAKING_MS = 500.0
"""Sessions at once count as served while P95 stays below this."""
MOST_SESSIONS = {"grammar": 40, "both": 12}
UTTERANCES = 2
"""Spoken by each of the sessions at once."""


def run(settings: Settings, out: TextIO) -> int:
    """Measure everything and print it; 1 without a speech model."""
    if load_recognizer(settings) is None:
        raise ModelError("without a speech model there is little to measure")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        settings = replace(settings, data_dir=Path(folder), port=0)
        figures = {"machine": machine(), **_decoding(settings), **_speaking(settings), **_serving(settings),
                   **_sessions(settings)}
    print(json.dumps(figures, ensure_ascii=False, indent=2), file=out)
    return 0


def machine() -> dict:
    """What the figures were measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"model name\s*: (.*)", info.read_text())
        cpu = found[1] if found else cpu
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"cpu": cpu, "cores": os.cpu_count(), "python": platform.python_version(),
            "system": platform.system(), "load_before": load and round(load, 2)}


def quantiles(values: Iterable[float], digits: int = 1) -> dict:
    values = sorted(values)
    return {"median": round(statistics.median(values), digits), "n": len(values),
            "p95": round(values[min(len(values) - 1, int(0.95 * len(values)))], digits)}


def milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _recordings(settings: Settings) -> list[np.ndarray]:
    files = sorted(RECORDINGS.glob("ask_*.opus"))[:SAMPLE]
    if files:
        return [read_pcm(f) for f in files]
    service = create_app(settings)
    try:
        titles = [node.title for node in service.guide.current.nodes.values()][:SAMPLE]
        return [read_pcm(service.speaker.speak(title, 180).wav) for title in titles]
    finally:
        service.close()


# --- listening --------------------------------------------------------------------------------

def _decoding(settings: Settings) -> dict:
    recordings = _recordings(settings)
    audio_s = sum(len(r) for r in recordings) / RATE_HZ
    service = create_app(settings)
    recognizer, understanding = load_recognizer(settings), service.talks.edition.understanding
    library = Library(service.guide, lambda: recognizer, learner(settings))
    try:
        both, both_cpu_s = _hear_all(Listening(recognizer, library, "both"), recordings, library.edition)
        _, grammar_cpu_s = _hear_all(Listening(recognizer, library, "grammar"), recordings, library.edition)
        open_cpu_s = _open_alone(settings, recordings)
        texts = [p for node in library.edition.guide.nodes.values() for p in node.requests][:400]
        # Two in one breath are listed nowhere: the whole way through the classifier.
        pairs = [first + second for first, second in zip(texts, texts[1:])]
        understood = quantiles(milliseconds(lambda t=t: understanding.interpret(t)) for t in pairs)
    finally:
        service.close()
    return {"last_audio_byte_to_outcome_ms": both,
            "decoding_share_of_real_time": {
                "grammar": round(grammar_cpu_s / audio_s, 3), "both": round(both_cpu_s / audio_s, 3),
                "vosk_open_alone": round(open_cpu_s / audio_s, 3)},
            "text_to_outcome_ms": understood}


def _hear_all(listening: Listening, recordings, edition: Edition) -> tuple[dict, float]:
    tails, cpu_s = [], 0.0
    for samples in recordings:
        listened = listening.once(samples)
        hearing, began = listened.hearing, time.perf_counter()
        if hearing:
            edition.hear(hearing)
            tails.append((listened.tail_s + time.perf_counter() - began) * 1000)
            cpu_s += hearing.decode_s
    return quantiles(tails), cpu_s


def _open_alone(settings: Settings, recordings) -> float:
    """The tool beside it: vosk's open decoding as its own examples use it; CPU seconds."""
    model = vosk.Model(str(model_store(settings).path(settings.speech_model)))
    began = time.thread_time()
    for samples in recordings:
        recognizer = vosk.KaldiRecognizer(model, RATE_HZ)
        for start in range(0, len(samples), RATE_HZ // 10):
            recognizer.AcceptWaveform(samples[start:start + RATE_HZ // 10].tobytes())
        recognizer.FinalResult()
    return time.thread_time() - began


# --- speaking ---------------------------------------------------------------------------------

def _speaking(settings: Settings) -> dict:
    service = create_app(settings)
    try:
        service.speaker.speak("先说一句，声音就准备好了。", 180)
        unseen = [f"您一共交了{count}个月，请慢慢听。" for count in _counts(SENTENCES)]
        return {"first_audio_byte_of_unseen_text_ms":
                quantiles(milliseconds(lambda t=t: service.speaker.piece(t, 180, "", 0, True)) for t in unseen)}
    finally:
        service.close()


def _counts(many: int) -> list[str]:
    from service.core.wording import number
    return [number(100 + n) for n in range(many)]


# --- serving ----------------------------------------------------------------------------------

def _serving(settings: Settings) -> dict:
    starts = []
    for _ in range(STARTS):
        server = RunningService(settings.data_dir).start()
        starts.append(server.start_s)
        if len(starts) < STARTS:
            server.terminate()
    try:
        latencies = _key_turns(server)
        _spoken_turns(server)
        memory_mb = server.memory_mb()
    finally:
        server.stop()
    return {"start_to_ready_s": {"median": round(statistics.median(starts), 2), "worst": round(max(starts), 2),
                                 "n": len(starts)},
            "key_to_first_audio_byte_cached_ms": latencies, "memory_mb": memory_mb}


def _key_turns(server: RunningService) -> dict:
    talk, latencies = server.call("POST", "/sessions", {}), []

    def press(number: int) -> None:
        body = {"turn_id": f"bench-{number}", "key": "19"[number % 2]}
        reply = server.call("POST", f"/sessions/{talk['session']}/turns", body)
        server.fetch(reply["sentences"][0]["audio"])
    for number in range(TURNS):
        latencies.append(milliseconds(lambda n=number: press(n)))
        time.sleep(0.05)
    return quantiles(latencies[4:])


def _spoken_turns(server: RunningService) -> None:
    """A few turns by audio, so that memory is that of a service in use."""
    talk = server.call("POST", "/sessions", {})
    for number, file in enumerate(sorted(RECORDINGS.glob("ask_*.opus"))[:6]):
        try:
            server.fetch(f"/api/v1/sessions/{talk['session']}/turns", file.read_bytes(), "POST",
                         Content_Type="audio/ogg", Turn_Id=f"spoken-{number}")
        except urllib.error.HTTPError as e:
            e.close()


# --- sessions at once ---------------------------------------------------------------------------

def _sessions(settings: Settings) -> dict:
    recordings = [r for r in _recordings(settings)][:8]
    service = create_app(settings)
    recognizer = load_recognizer(settings)
    library = Library(service.guide, lambda: recognizer, learner(settings))
    try:
        return {"spoken_sessions_at_once": {
            which: _most(Listening(recognizer, library, which), library, recordings, MOST_SESSIONS[which])
            for which in ("grammar", "both")}}
    finally:
        service.close()


def _most(listening: Listening, library: Library, recordings, at_most: int) -> dict:
    """The most sessions whose P95 from the deciding chunk to the outcome stays below BREAKING_MS."""
    served, p95 = 0, None
    tried = [n for n in (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 30, 40) if n <= at_most]
    for sessions in tried:
        p95 = _at_once(listening, library, recordings, sessions)["p95"]
        if p95 > BREAKING_MS:
            return {"served": served, "broke_at": sessions, "p95_ms_there": p95}
        served, last = sessions, p95
    return {"served": served, "broke_at": None, "p95_ms_there": last}


def _at_once(listening: Listening, library: Library, recordings, sessions: int) -> dict:
    """Sessions that speak in real time and share as many decoding threads as there are cores."""
    latencies: list[float] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        threads = [threading.Thread(target=_speak, args=(listening, library, pool, latencies, i, recordings))
                   for i in range(sessions)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return quantiles(latencies or [float("inf")])


def _speak(listening: Listening, library: Library, pool: ThreadPoolExecutor, latencies: list[float],
           number: int, recordings) -> None:
    stream, edition = listening.stream(), library.edition
    spoken = [recordings[(number + i) % len(recordings)] for i in range(UTTERANCES)]
    samples = np.concatenate(spoken)
    size = int(RATE_HZ * CHUNK_S)
    began = time.perf_counter() + number * 0.37 % 2
    for index, start in enumerate(range(0, len(samples), size)):
        due = began + (index + 1) * CHUNK_S
        time.sleep(max(0.0, due - time.perf_counter()))
        chunk = samples[start:start + size].tobytes()
        for event in pool.submit(lambda: list(stream.feed(chunk))).result():
            if isinstance(event, Heard):
                edition.hear(event.hearing)
                latencies.append((time.perf_counter() - due) * 1000)
