"""Audio in and out of the forms that the world sends: anything libsndfile reads, to 16 kHz PCM.

soundfile (libsndfile) decodes, soxr resamples; both wheels carry their library.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile
import soxr

from service.errors import AudioError, AudioTooLong

RATE_HZ = 16_000
"""Sample rate of everything that is listened to."""
LONGEST_UPLOAD_S = 60.0
"""Longest recording that one turn may bring, seconds."""
LONGEST_FILE_S = 600.0
"""Longest file that the command line reads, seconds."""
HIGHEST_RATE_HZ = 192_000
MOST_SAMPLES_PER_S = 2 * HIGHEST_RATE_HZ
"""Of all channels together. A few kilobytes of FLAC can hold so many that unpacking them takes gigabytes."""


def read_pcm(source: bytes | Path, longest_s: float = LONGEST_UPLOAD_S) -> np.ndarray:
    """Decode a recording to mono int16 samples at ``RATE_HZ``, shape (samples,).

    ``source`` is the content of a file or its path: WAV, FLAC, MP3, Ogg/Opus; 8 bit or more, any number of
    channels, up to ``HIGHEST_RATE_HZ`` and ``MOST_SAMPLES_PER_S``. Raises AudioError if it is not audio or is
    empty, AudioTooLong past ``longest_s``; its size is judged before the samples are read.
    A recording cut off in the middle gives what there is of it.
    """
    handle = _Content(source) if isinstance(source, bytes) else source
    try:
        with soundfile.SoundFile(handle) as sound:
            rate_hz = sound.samplerate
            _check_size(sound, longest_s)
            samples = sound.read(frames=int(longest_s * rate_hz), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, ValueError) as e:
        raise AudioError(f"not readable as audio: {type(e).__name__}") from e
    if not samples.size:
        raise AudioError("recording without samples")
    mono = np.nan_to_num(samples.mean(axis=1))
    return to_int16(soxr.resample(mono, rate_hz, RATE_HZ))


class _Content(io.BytesIO):
    """A file in memory. libsndfile looks for places before the beginning of some damaged files."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of every file, but the place is never before the beginning."""
        return super().seek(max(0, offset) if whence == io.SEEK_SET else offset, whence)


def _check_size(sound: soundfile.SoundFile, longest_s: float) -> None:
    """By what the file says of itself: no more samples than that are read."""
    if sound.frames > longest_s * sound.samplerate:
        raise AudioTooLong(f"recording of {sound.frames / sound.samplerate:.0f} s, at most {longest_s:.0f} s")
    if sound.samplerate > HIGHEST_RATE_HZ or sound.frames * sound.channels > longest_s * MOST_SAMPLES_PER_S:
        raise AudioError(f"recording of {sound.channels} channels at {sound.samplerate} Hz")


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Samples from -1 to 1 as int16, clipped."""
    return (np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16)


def write_wav(samples: np.ndarray, rate_hz: int) -> bytes:
    """int16 mono samples as the bytes of a 16 bit WAV file."""
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, format="WAV", subtype="PCM_16")
    return out.getvalue()


def read_wav(data: bytes) -> tuple[np.ndarray, int]:
    """The int16 samples (first channel) and the sample rate in Hz of WAV bytes that we made."""
    samples, rate_hz = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    return samples[:, 0], rate_hz


def duration_s(data: bytes) -> float:
    """Length of WAV bytes in seconds."""
    with soundfile.SoundFile(io.BytesIO(data)) as sound:
        return sound.frames / sound.samplerate
