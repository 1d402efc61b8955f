"""A recording in a room with noise: the stated SNR, and the same each time."""

import numpy as np
import pytest

from service.evaluation.rooms import CONDITIONS, Condition, Rooms
from service.speech.audio import RATE_HZ, read_pcm
from tests.support import PROMPTS, RECORDINGS


@pytest.fixture(scope="module")
def rooms():
    return Rooms(sorted((PROMPTS / "voices" / "female").glob("*.opus"))[:8])


@pytest.fixture(scope="module")
def speech():
    return read_pcm(RECORDINGS / "ask_m2_med.opus")


def rms_db(samples):
    return 10 * np.log10((samples.astype(float) ** 2).mean() + 1e-9)


def test_a_clean_recording_is_left_alone(rooms, speech):
    assert rooms.place(speech, CONDITIONS[0], "a") is speech


@pytest.mark.parametrize("name", ["a", "b", "c", "d", "e"])
@pytest.mark.parametrize("snr_db", [12.0, 6.0])
def test_the_noise_is_as_loud_as_stated(rooms, speech, name, snr_db):
    """Measured against the same room with hardly any noise; the level of the whole is free."""
    heard = rooms.place(speech, Condition("x", snr_db), name)
    assert len(heard) == len(speech) and heard.dtype == np.int16
    quiet = rooms.place(speech, Condition("x", 60.0), name)
    active = quiet.astype(float)
    frames = active[:len(active) // 160 * 160].reshape(-1, 160)
    level = np.sqrt((frames**2).mean(axis=1))
    loud = np.sqrt((level[level > level.max() * 10 ** (-35 / 20)] ** 2).mean())
    scale = (heard.astype(float) @ active) / (active @ active)
    noise = heard - scale * active
    assert 20 * np.log10(scale * loud / np.sqrt((noise**2).mean())) == pytest.approx(snr_db, abs=1.5)


def test_it_is_the_same_each_time_and_another_for_another_name(rooms, speech):
    one, again, other = (rooms.place(speech, CONDITIONS[2], n) for n in ("a", "a", "b"))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_a_room_is_heard_after_the_speech(rooms):
    click = np.zeros(RATE_HZ, np.int16)
    click[1000] = 20000
    heard = rooms.place(click, Condition("x", 60.0), "a")
    assert rms_db(heard[1100:4000]) > rms_db(heard[9000:12000]) + 10
