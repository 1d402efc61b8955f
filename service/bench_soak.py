"""``python -m service bench load --soak MINUTES``: does anything grow while people come and go?

A few kiosks open talks, speak, press keys and end them, at the pace of people, on the real service. What the service
uses is written down every ten seconds; at the end a straight line through the second half, by least squares, tells
how fast each of it grows. All that is known so far is in the file of ``--out`` at any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Sequence, TextIO

import numpy as np

from service.app import load_recognizer
from service.bench import machine
from service.bench_load import Speech, Tally, in_loop, speech
from service.errors import ModelError
from service.lab.kiosk import Kiosk, Microphone, Refused, Unreachable
from service.lab.process import RunningService
from service.lab.resources import resources
from service.settings import Settings

KIOSKS = 2
SAMPLE_EVERY_S = 10.0
KEYS = "1", "9", "#"
PAUSE_S = 2.0
"""Between what a listener does."""
GROWS = "service_mb", "children_mb", "files", "threads", "connections"
FEWEST_SAMPLES = 3
"""In the half that a line is laid through."""


def run(settings: Settings, minutes: float, file: Path | None, out: TextIO) -> int:
    """Measure and print; 0. ModelError without a speech model."""
    if load_recognizer(settings) is None:
        raise ModelError("without a speech model there are no talks by voice")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        service = RunningService(Path(folder)).start()
        try:
            figures = in_loop(_soak(service, minutes * 60, file))
        finally:
            service.stop()
    print(json.dumps({key: value for key, value in figures.items() if key != "samples"}, indent=2), file=out)
    return 0


def slope(samples: Sequence[dict], name: str) -> dict | None:
    """How ``name`` grows in the second half of samples, by least squares, per hour; ``residual``: the standard
    deviation of what is left beside the line. None with too few samples."""
    half = samples[len(samples) // 2:]
    if len(half) < FEWEST_SAMPLES:
        return None
    hours, values = np.array([(s["at_s"] / 3600, s[name]) for s in half], float).T
    line = np.polyfit(hours, values, 1)
    residual = float(np.std(values - np.polyval(line, hours)))
    return {"per_hour": round(float(line[0]), 2), "residual": round(residual, 2), "first": values[0],
            "last": values[-1]}


async def _soak(service: RunningService, seconds: float, file: Path | None) -> dict:
    samples, tally, began = [], Tally(), time.monotonic()
    figures = {"machine": machine(), "kiosks": KIOSKS, "samples": samples, "talks": 0, "turns_by_keys": 0}
    said = speech()
    talkers = [asyncio.create_task(_talk_on(service.url, number, said, tally, figures)) for number in range(KIOSKS)]
    try:
        while time.monotonic() < began + seconds:
            await asyncio.sleep(SAMPLE_EVERY_S)
            samples.append({"at_s": round(time.monotonic() - began, 1), **asdict(resources(service.pid))})
            _conclude(figures, tally, file)
    finally:
        for talker in talkers:
            talker.cancel()
        ended = await asyncio.gather(*talkers, return_exceptions=True)
    for error in ended:
        # A kiosk that has stopped by itself has measured nothing since.
        if not isinstance(error, asyncio.CancelledError):
            raise error
    return _conclude(figures, tally, file)


def _conclude(figures: dict, tally: Tally, file: Path | None) -> dict:
    figures |= {"minutes": round(figures["samples"][-1]["at_s"] / 60, 1), "by_voice": tally.figures(),
                "growth": {name: slope(figures["samples"], name) for name in GROWS}}
    if file:
        file.write_text(json.dumps(figures, indent=1))
    return figures


async def _talk_on(url: str, number: int, said: Speech, tally: Tally, counts: dict) -> None:
    """One talk after the other."""
    kiosk, index = Kiosk(url), number
    while True:
        try:
            index = await _talk(kiosk, said, index, tally, counts)
            counts["talks"] += 1
        except (Refused, Unreachable) as e:
            tally.failed(e)
            await asyncio.sleep(PAUSE_S)


async def _talk(kiosk: Kiosk, said: Speech, index: int, tally: Tally, counts: dict) -> int:
    """A key and a request in turns; the number of the next recording."""
    await asyncio.to_thread(kiosk.open)
    microphone = Microphone(kiosk)
    try:
        await microphone.open()
        for key in KEYS:
            reply = await asyncio.to_thread(kiosk.press, key)
            await asyncio.to_thread(kiosk.first_sound_at, reply)
            counts["turns_by_keys"] += 1
            await asyncio.sleep(PAUSE_S)
            tally.heard(await microphone.listen(said[index % len(said)]))
            index += KIOSKS
            await asyncio.sleep(PAUSE_S)
    finally:
        await microphone.close()
    with contextlib.suppress(Unreachable):
        await asyncio.to_thread(kiosk.end)
    return index
