"""Sound: the same loudness for everything, another tempo at the same pitch, clean ends, small files."""

import io

import numpy as np
import pytest
import soundfile

from service.speech.sound import (KEEP_AFTER_S, KEEP_BEFORE_S, LOUDNESS_LUFS, PEAK, at_tempo, encode_opus,
                                  filtered, levelled, loudness_lufs, trimmed)

RATE_HZ = 24_000
SILENCE = np.zeros(RATE_HZ // 2, np.float32)


def voiced(length_s: float, hz: float = 150.0, level: float = 0.1) -> np.ndarray:
    """Something like a voice: a fundamental with overtones that falls and rises like syllables."""
    times = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    sound = sum(np.sin(2 * np.pi * hz * n * times) / n for n in range(1, 9))
    return (level * sound * (0.6 + 0.4 * np.cos(2 * np.pi * 4 * times))).astype(np.float32)


def fundamental_hz(samples: np.ndarray) -> float:
    """The lag at which the middle of the sound resembles itself most."""
    part = samples[len(samples) // 3:][:RATE_HZ // 5]
    likeness = np.correlate(part, part, "full")[len(part) - 1:]
    shortest = RATE_HZ // 400
    return RATE_HZ / (shortest + int(likeness[shortest:RATE_HZ // 60].argmax()))


def length_s(samples: np.ndarray) -> float:
    return len(samples) / RATE_HZ


@pytest.mark.parametrize("length", [0.2, 0.5, 2.9, 3.1, 8.0])
@pytest.mark.parametrize("level", [0.001, 0.1, 0.4])
def test_every_sound_comes_out_equally_loud(length, level):
    loud = levelled(voiced(length, level=level), RATE_HZ)
    assert loudness_lufs(loud, RATE_HZ) == pytest.approx(LOUDNESS_LUFS, abs=1)
    assert np.abs(loud).max() <= 1 and length_s(loud) == pytest.approx(length, abs=0.01)


def test_a_sound_with_high_peaks_is_held_below_the_limit_and_still_loud():
    sound = voiced(4.0, level=0.02)
    sound[::RATE_HZ] = 0.9
    loud = levelled(sound, RATE_HZ)
    assert np.abs(loud).max() <= PEAK * 1.01
    assert loudness_lufs(loud, RATE_HZ) == pytest.approx(LOUDNESS_LUFS, abs=3)


@pytest.mark.parametrize("nothing", [np.zeros(RATE_HZ, np.float32), np.zeros(5, np.float32), np.zeros(0, np.float32)])
def test_silence_stays_silence(nothing):
    assert np.array_equal(levelled(nothing, RATE_HZ), nothing)
    assert loudness_lufs(nothing, RATE_HZ) <= -70
    assert trimmed(nothing, RATE_HZ)[0].size == 0


@pytest.mark.parametrize("factor", [0.5, 140 / 180, 0.9, 1.1, 260 / 180])
@pytest.mark.parametrize("hz", [110.0, 220.0])
def test_another_tempo_keeps_the_pitch(factor, hz):
    sound = voiced(3.0, hz)
    other = at_tempo(sound, RATE_HZ, factor)
    assert length_s(other) == pytest.approx(3.0 / factor, rel=0.03)
    assert fundamental_hz(other) == pytest.approx(hz, rel=0.02)


def test_the_same_tempo_is_the_same_sound():
    sound = voiced(1.0)
    assert at_tempo(sound, RATE_HZ, 1.0) is sound


def test_silence_at_the_ends_goes_and_silence_inside_stays():
    inside = np.concatenate([voiced(0.5), SILENCE, voiced(0.5)])
    sound, cut_s = trimmed(np.concatenate([SILENCE, inside, SILENCE]), RATE_HZ)
    assert length_s(sound) == pytest.approx(1.5 + KEEP_BEFORE_S + KEEP_AFTER_S, abs=0.03)
    assert cut_s == pytest.approx(0.5 - KEEP_BEFORE_S, abs=0.02)
    assert sound[0] == sound[-1] == 0


def test_a_sound_without_silence_is_kept_whole():
    assert length_s(trimmed(voiced(1.0), RATE_HZ)[0]) == pytest.approx(1.0, abs=0.02)


def test_a_filter_that_is_none_says_so():
    with pytest.raises(Exception):
        filtered(voiced(0.5), RATE_HZ, ("no such filter", ""))


@pytest.mark.parametrize("length", [0.2, 1.0, 5.0])
def test_opus_files_are_small_and_sound_as_before(length):
    sound = levelled(voiced(length), RATE_HZ)
    data = encode_opus(sound, RATE_HZ)
    back, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate_hz in (RATE_HZ, 48_000) and len(back) / rate_hz == pytest.approx(length, abs=0.03)
    assert len(data) < 1_500 + 4_000 * length
    assert loudness_lufs(back, rate_hz) == pytest.approx(LOUDNESS_LUFS, abs=1)
