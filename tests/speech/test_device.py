import threading
import time

import miniaudio
import numpy as np
import pytest

from service.core.dialog import LOUDNESS_DB
from service.errors import AudioError, DeviceError
from service.speech.audio import RATE_HZ, read_pcm, to_int16, write_wav
from service.speech.device import (FADE_S, PERIOD_MS, PERIODS, PLAY_HZ, MiniaudioMicrophone,
                                   MiniaudioPlayer, Track, faded_in, loudened)
from service.speech.sound import levelled, loudness_lufs
from tests.fakes import FakeClock, FakeMicrophone, FakePlayer
from tests.support import RECORDINGS

NULL = [miniaudio.Backend.NULL]
"""A device without hardware that runs in real time."""
LENGTH_S = 0.3


def tone(length_s: float = LENGTH_S, peak: float = 0.5, rate_hz: int = 22_050) -> np.ndarray:
    t = np.arange(round(length_s * rate_hz)) / rate_hz
    return (np.sin(2 * np.pi * 440 * t) * peak * 32767).astype(np.int16)


WAV = write_wav(tone(), 22_050)


def unexpected(reason: str) -> None:
    raise AssertionError(reason)


def missing_hardware() -> str:
    """Why the tests cannot use this machine's own devices; empty if they can."""
    try:
        MiniaudioPlayer(unexpected).close()
        MiniaudioMicrophone(lambda pcm: None, unexpected).close()
        return ""
    except DeviceError as e:
        return str(e)


MISSING = missing_hardware()
BACKENDS = {"null": NULL} if MISSING else {"null": NULL, "hardware": None}


def test_hardware_is_tested_too():
    """Says in one line that the tests below have run without this machine's own devices."""
    if MISSING:
        pytest.skip(MISSING)


@pytest.fixture(params=["fake", *BACKENDS])
def player(request):
    """(player, how to wait) of each kind."""
    clock = FakeClock()
    made = (FakePlayer(clock) if request.param == "fake"
            else MiniaudioPlayer(unexpected, BACKENDS[request.param]))
    yield made, clock.advance if request.param == "fake" else time.sleep
    made.close()


class TestPlayer:
    def test_sound_has_its_length_and_ends_once(self, player):
        player, wait = player
        ends = []
        assert player.play(WAV, 0, lambda: ends.append(1)) == pytest.approx(LENGTH_S, abs=0.01)
        wait(LENGTH_S / 2)
        assert not ends
        wait(LENGTH_S / 2 + 0.3)
        assert ends == [1]

    def test_stopped_sound_never_ends(self, player):
        player, wait = player
        ends = []
        player.play(WAV, 0, lambda: ends.append(1))
        player.stop()
        player.stop()
        wait(LENGTH_S + 0.2)
        assert not ends

    def test_new_sound_replaces_the_old_one(self, player):
        player, wait = player
        ends = []
        player.play(WAV, 0, lambda: ends.append("old"))
        player.play(WAV, 6, lambda: ends.append("new"))
        wait(LENGTH_S + 0.3)
        assert ends == ["new"]

    def test_sound_begins_in_its_middle(self, player):
        player, wait = player
        ends = []
        assert player.play(WAV, 0, lambda: ends.append(1), LENGTH_S - 0.1) == pytest.approx(0.1, abs=0.01)
        wait(LENGTH_S - 0.05)
        assert ends == [1]
        assert player.play(WAV, 0, lambda: ends.append(2), LENGTH_S + 1) == 0
        wait(0.2)
        assert ends == [1, 2]

    def test_bytes_that_are_no_sound(self, player):
        with pytest.raises(AudioError):
            player[0].play(b"RIFF nothing", 0, lambda: None)

    def test_closed_player_refuses(self, player):
        player[0].close()
        player[0].close()
        with pytest.raises(DeviceError):
            player[0].play(WAV, 0, lambda: None)


def test_sound_that_begins_in_its_middle_does_not_click():
    steady = np.full(PLAY_HZ, 10_000, np.int16)
    steps = np.abs(np.diff(faded_in(steady).astype(int), prepend=0))
    assert steps.max() < 100 and faded_in(steady)[-1] == 10_000
    assert len(faded_in(steady[:5])) == 5 and len(faded_in(steady[:0])) == 0


def test_silence_within_100_ms_of_stop(monkeypatch):
    blocks = []
    block = Track.block

    def recorded(self, frames):
        blocks.append((time.perf_counter(), block(self, frames)))
        return blocks[-1][1]

    monkeypatch.setattr(Track, "block", recorded)
    player = MiniaudioPlayer(unexpected, NULL)
    try:
        player.play(write_wav(tone(2.0), 22_050), 0, lambda: None)
        time.sleep(0.2)
        stopped = time.perf_counter()
        player.stop()
        took_s = time.perf_counter() - stopped
        time.sleep(0.2)
    finally:
        player.close()
    assert took_s < 0.01
    assert any(any(data) for when, data in blocks if when < stopped)
    # What was handed over before still sounds; after it come the fade and silence.
    after = b"".join(data for when, data in blocks if when > stopped)
    sounding_s = len(after.rstrip(b"\0")) / 2 / PLAY_HZ
    assert sounding_s <= FADE_S
    assert PERIODS * PERIOD_MS / 1000 + PERIOD_MS / 1000 + FADE_S < 0.1


class TestLoudness:
    def test_decibels_below_the_knee(self):
        quiet = tone(peak=0.1)
        assert np.abs(loudened(quiet, 6)).max() == pytest.approx(np.abs(quiet).max() * 1.995, rel=0.01)
        assert np.abs(loudened(quiet, -12)).max() == pytest.approx(np.abs(quiet).max() * 0.251, rel=0.01)

    def test_normal_level_is_left_alone(self):
        assert np.abs(loudened(tone(peak=0.99), 0).astype(int) - tone(peak=0.99)).max() <= 1

    def test_peaks_are_rounded_and_not_clipped(self):
        loud = loudened(tone(peak=0.9), 6)
        assert np.abs(loud.astype(int)).max() < 32767
        assert len(np.unique(loud[loud > 30_000])) > 10


class TestRange:
    @pytest.mark.parametrize("recording", ["ask_counter_xiaoxiao", "ask_counter_yunyang"])
    def test_eighteen_decibels_really_come_out(self, recording):
        speech = levelled(read_pcm(RECORDINGS / f"{recording}.opus").astype(np.float32) / 32768, RATE_HZ)
        softest, loudest = (
            loudness_lufs(loudened(to_int16(speech), db).astype(np.float32) / 32768, RATE_HZ)
            for db in (min(LOUDNESS_DB), max(LOUDNESS_DB)))
        assert loudest - softest >= 18


class TestMicrophone:
    @pytest.mark.parametrize("backends", BACKENDS.values(), ids=BACKENDS)
    def test_gives_16_khz_until_it_is_closed(self, backends):
        pieces, enough = [], threading.Event()

        def take(pcm):
            pieces.append(pcm)
            if sum(map(len, pieces)) > RATE_HZ * 2 * 0.2:
                enough.set()

        began = time.perf_counter()
        microphone = MiniaudioMicrophone(take, unexpected, backends)
        assert enough.wait(5)
        assert time.perf_counter() - began > 0.1
        microphone.close()
        microphone.close()
        self.check_closed(pieces, lambda: time.sleep(0.1))

    def test_fake_does_the_same(self):
        pieces = []
        microphone = FakeMicrophone(pieces.append)
        microphone.hear(tone(0.5, rate_hz=RATE_HZ).tobytes())
        microphone.close()
        self.check_closed(pieces, lambda: microphone.hear(bytes(640)))

    @staticmethod
    def check_closed(pieces: list, more) -> None:
        assert all(isinstance(p, bytes) and p and len(p) % 2 == 0 for p in pieces)
        count = len(pieces)
        more()
        assert len(pieces) == count


@pytest.mark.parametrize("make", [
    lambda: MiniaudioPlayer(unexpected, [miniaudio.Backend.WEBAUDIO]),
    lambda: MiniaudioMicrophone(print, unexpected, [miniaudio.Backend.WEBAUDIO])],
    ids=["loudspeaker", "microphone"])
def test_missing_device_is_our_error(make):
    with pytest.raises(DeviceError, match="^no (loudspeaker|microphone): "):
        make()


def test_device_that_nobody_hears_is_none(monkeypatch):
    """Without any sound system miniaudio chooses its null device by itself."""
    real_device = miniaudio.PlaybackDevice
    monkeypatch.setattr(miniaudio, "PlaybackDevice",
                        lambda *a, **k: real_device(*a, **{**k, "backends": NULL}))
    with pytest.raises(DeviceError, match="no sound system"):
        MiniaudioPlayer(unexpected)


def test_device_taken_away_is_told():
    reasons = []
    player = MiniaudioPlayer(reasons.append, NULL)
    # Stopped from outside, as the system does it when the plug is pulled.
    player._device.stop()
    player.close()
    assert reasons == ["the loudspeaker has stopped"]
