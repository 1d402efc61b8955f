"""Input that once broke something."""

import io
import struct
import subprocess
import sys
import zipfile

import av
import numpy as np
import pytest
import soundfile

from service.content.files import DEEPEST, parse
from service.core.understanding import Expectation
from service.errors import AudioError, AudioTooLong, PackError
from service.fuzzing.files import _parcel
from service.speech.audio import HIGHEST_RATE_HZ, read_pcm
from service.speech.parcel import MANIFEST, Parcel
from service.speech.take import decoded
from service.web.origin import same_origin
from tests.support import ROOT, edition


def wav(rate_hz: int, channels: int, data: bytes, claimed: int | None = None) -> bytes:
    """A WAV file of 8 bit samples that says so of itself."""
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, channels, rate_hz,
                       rate_hz * channels & 0xFFFFFFFF, channels, 8, b"data", len(data) if claimed is None else claimed)
    return head + data


def flac(rate_hz: int, channels: int, seconds: int) -> bytes:
    """Silence: a few kilobytes of file for gigabytes of samples."""
    out = io.BytesIO()
    with soundfile.SoundFile(out, "w", rate_hz, channels, "PCM_16", format="FLAC") as sound:
        for _ in range(seconds):
            sound.write(np.zeros((rate_hz, channels), np.int16))
    return out.getvalue()


# --- recordings --------------------------------------------------------------------------------------

@pytest.mark.parametrize("data", [
    flac(655_350, 8, 2), wav(2_147_483_647, 1, bytes(1000)), wav(HIGHEST_RATE_HZ + 1, 1, bytes(1000)),
    wav(16_000, 1000, bytes(1000 * 40_000)),
], ids=["many channels", "highest rate", "too high a rate", "a thousand channels"])
def test_a_recording_that_unpacks_to_gigabytes_is_refused_by_what_it_says_of_itself(data):
    with pytest.raises(AudioError, match="channels at"):
        read_pcm(data)


@pytest.mark.parametrize("data, samples", [(wav(16_000, 1, bytes(8_000), 0xFFFFFFFF), 8_000), (flac(192_000, 2, 1),
                                                                                               16_000),
                                           (flac(48_000, 6, 1), 16_000)],
                         ids=["claims 4 GB", "the highest rate", "six channels"])
def test_what_is_only_unusual_is_read(data, samples):
    assert len(read_pcm(data)) == samples


@pytest.mark.parametrize("rate_hz", [1_506_410_624, 715_827_883, HIGHEST_RATE_HZ + 1])
def test_a_take_that_claims_gigahertz_is_refused_before_it_is_resampled(rate_hz, monkeypatch):
    monkeypatch.setattr(av.AudioResampler, "resample", lambda *_: pytest.fail("resampled"))
    with pytest.raises(AudioError, match="at .* Hz"):
        decoded(wav(rate_hz, 1, bytes(9_000)))


def test_a_take_of_a_sample_a_second_is_too_long_at_once():
    with pytest.raises(AudioTooLong):
        decoded(wav(1, 1, bytes(9_000)))


# --- a family's parcel -------------------------------------------------------------------------------

def test_a_parcel_whose_recording_is_no_opus_is_refused_unread(tmp_path, monkeypatch):
    out, key = io.BytesIO(), "0" * 16
    with zipfile.ZipFile(io.BytesIO(_parcel())) as good, zipfile.ZipFile(out, "w") as bad:
        bad.writestr(MANIFEST, good.read(MANIFEST))
        bad.writestr(f"{key}.opus", flac(655_350, 8, 2))
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(PackError, match="another form"):
        Parcel(out).unpack(tmp_path / "voice", "fuzz")


# --- the guide's files -------------------------------------------------------------------------------

@pytest.mark.parametrize("text", ["[" * 1_900_000, "- " * 900_000, "{a: " * 400_000, "? " * 900_000,
                                  "a: " + "[" * DEEPEST + "]" * DEEPEST],
                         ids=["lists", "items", "mappings", "keys", "one too deep"])
def test_what_is_nested_without_end_is_a_problem_and_not_the_end_of_the_process(text):
    # In a process of its own: it would take this one with it.
    program = ("import sys\nfrom service.content.files import parse\n"
               "document, (problem,) = parse('x.yaml', sys.stdin.buffer.read())\nassert document is None\n"
               "print(problem.place, problem.fault)")
    done = subprocess.run([sys.executable, "-c", program], input=text.encode(), capture_output=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-300:]
    assert "第1行" in done.stdout.decode() and "层" in done.stdout.decode()


@pytest.mark.parametrize("value", ["!!int ''", "!!int '-'", "!!int '_'", "0x" + "f" * 10_000, "9" * 5_000, "1:59:59",
                                   "0x1f",
                                   "1_000", "012", "!!int 0b", "!!bool maybe", "1" + ":59" * 400_000])
def test_a_number_that_is_none_is_a_problem_with_its_place(value):
    document, problems = parse("x.yaml", f"a:\n  b: {value}".encode())
    assert document.data == {"a": {"b": None}} and len(str(problems[0])) < 300
    assert [(p.file, p.place) for p in problems] == [("x.yaml", "a.b (第2行)")]


@pytest.mark.parametrize("value, read", [("12", 12), ("-3", -3), ("0", 0), ("'12:30'", "12:30"), ("2026-11-23",
                                                                                                  "2026-11-23"),
                                         ("true", True), ("", None), ("1.5", "1.5")])
def test_what_people_write_is_read_as_it_stands(value, read):
    document, problems = parse("x.yaml", f"a: {value}".encode())
    assert (document.data, problems) == ({"a": read}, [])


# --- what is heard -----------------------------------------------------------------------------------

def test_two_requests_of_which_the_other_decoder_heard_nothing_alike_are_understood_somehow():
    found = edition().understanding.hear("零零零零还有零零零零还有", "一", 0.0, 1.0, Expectation())
    assert found is not None


# --- headers -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//[x", "http://\u2100"])
def test_an_origin_that_is_no_address_is_another_one(origin):
    assert not same_origin(origin, "localhost")
