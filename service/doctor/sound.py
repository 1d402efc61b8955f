"""Sound: the microphone and the loudspeaker of this machine."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Iterator

import miniaudio
import numpy as np

from service.doctor.finding import Finding, bad, good, poor
from service.errors import DeviceError
from service.speech.audio import RATE_HZ
from service.speech.device import MiniaudioMicrophone, MiniaudioPlayer
from service.speech.sound import chime

RECORDED_S = 0.5
WITHIN_S = 3.0
"""A microphone that has not given ``RECORDED_S`` by then gives nothing."""
SILENT_PEAK = 4
"""Of int16 samples: what stays below is a muted microphone, not a quiet room (-78 dB of full scale)."""
CLIPPED_PEAK, CLIPPED_SHARE = 32_600, 0.005
"""Samples from this size on are cut off; more than this share of them is heard as a broken sound."""
CHIME_S = 5.0
"""The attention sound is over by then."""
Backends = list[miniaudio.Backend] | None
"""Where sound devices are looked for; None: wherever there are some."""


def microphone(backends: Backends = None) -> Finding:
    """Whether there is a microphone that gives sound; half a second is recorded and forgotten."""
    try:
        with _quiet():
            samples = _recorded(backends)
        return heard(samples)
    except DeviceError:
        return bad("没有找到。", "请插好话筒的线，再运行一次；没有话筒也可以按数字。", "no microphone")


def heard(samples: np.ndarray) -> Finding:
    """What int16 samples say about the microphone that they come from."""
    size = np.abs(samples.astype(np.int32))
    if not len(size) or size.max() < SILENT_PEAK:
        return poor("有话筒，可是一点声音也没有。",
                    "请看看话筒上的开关、电脑里的静音关了没有，再对着它说话，同时再运行一次。", "silent")
    if (size >= CLIPPED_PEAK).mean() > CLIPPED_SHARE:
        return poor("有话筒，可是声音太大，听起来是破的。", "请把话筒放远一点，或者在电脑的声音设置里把它调小。", "clipping")
    return good("收得到声音。")


def loudspeaker(sounds: bool, backends: Backends = None) -> Finding:
    """Whether there is a loudspeaker; with ``sounds`` the attention sound is played once."""
    over = threading.Event()
    try:
        with _quiet():
            player = MiniaudioPlayer(lambda _reason: over.set(), backends)
        try:
            if sounds:
                player.play(chime(), 0, over.set)
                over.wait(CHIME_S)
        finally:
            player.close()
    except DeviceError:
        return bad("没有找到。", "请插好音箱的线、打开它的电源，再运行一次；字在屏幕上照样看得到。", "no loudspeaker")
    return good("刚才响了一声，请看是不是听到了。" if sounds else "有；想听一声，请在命令后面加上 --sound。")


def _recorded(backends: Backends) -> np.ndarray:
    """int16 samples; DeviceError without a microphone."""
    pieces, enough, wanted = [], threading.Event(), round(RECORDED_S * RATE_HZ)

    def take(piece: bytes) -> None:
        pieces.append(np.frombuffer(piece, np.int16))
        if sum(map(len, pieces)) >= wanted:
            enough.set()
    device = MiniaudioMicrophone(take, lambda _reason: enough.set(), backends)
    try:
        enough.wait(WITHIN_S)
    finally:
        device.close()
    return np.concatenate([np.zeros(0, np.int16), *pieces])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what sound libraries write to standard error where there is no sound card: pages of it."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
