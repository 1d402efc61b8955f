"""Take: one recording of one sentence, as a browser or a person sends it: decoded, cleaned, judged.

The judgement is a list of questions and no refusal: a family speaks as it speaks, in Hengyang's
dialect if it likes. Refused is only what is no sound, too much of it, or nothing at all.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Iterator

import numpy as np
import soxr

from service.core.model import Lexicon
from service.errors import AudioError, AudioTooLong
from service.speech.audio import HIGHEST_RATE_HZ, RATE_HZ, to_int16
from service.speech.misheard import hears, misheard
from service.speech.recognizer import Recognizer
from service.speech.sound import cleaned, levelled, loudness_lufs, trimmed
from service.speech.vad import FRAME_SAMPLES, VoiceActivity

WORK_HZ, KEPT_HZ = 48_000, 24_000
"""Rate at which a take is cleaned (clicks are narrow), and at which it is kept."""
LARGEST_BYTES = 10 * 1024 * 1024
LONGEST_S = 60.0
"""A sentence takes less than ten seconds; this leaves room for somebody who ponders first."""
FORMATS = "matroska,webm,ogg,wav,mp3,mov,mp4,flac,aac,aiff,caf,amr"
"""FFmpeg's names of what may be sent. No others: a playlist would make it open further files."""
EMPTY_LUFS, QUIET_LUFS = -62.0, -42.0
"""Softer is a microphone that is switched off, or one that is too far away."""
CLIPPED_LEVEL, CLIPPED_RUN, CLIPPED_SHARE = 0.97, 3, 0.0005
"""Clipped are runs of so many samples above this level; a few of all samples are not heard."""
SLOWEST_CPM, FASTEST_CPM = 70, 420
"""Chinese characters a minute within which a sentence can be read whole and by itself."""
SPEECH = 0.5
"""Probability from which a frame is speech."""
MARGIN_S = 0.2
"""Kept around the speech that was found: a soft beginning and end are not."""
OTHER_SHARE, OTHER_FROM = 0.85, 4
"""Share of syllables misheard from which it is likely another sentence, judged from so many on.
Dialect comes to about 0.7."""
QUIET, CLIPPED, CUT, NO_SPEECH, SHORT, LONG, OTHER = (
    "quiet", "clipped", "cut", "no_speech", "short", "long", "other")
QUESTIONS = (QUIET, CLIPPED, CUT, NO_SPEECH, SHORT, LONG, OTHER)
"""All that may be asked, in the order in which it is."""
_CHARACTER = re.compile(r"[\u3007\u3400-\u9fff]")


class TakeTooLarge(AudioTooLong):
    """The file is larger than a recording of one sentence can be."""

    code = "take_too_large"


class TakeEmpty(AudioError):
    """There is nothing to be heard in the recording."""

    code = "take_empty"


@dataclass(frozen=True)
class Take:
    """A recording that can be kept."""

    samples: np.ndarray
    """float32, shape (samples,), at ``KEPT_HZ``: cleaned, trimmed, at the common loudness."""
    questions: tuple[str, ...]
    """What the person is asked before it is kept: some of ``QUESTIONS``."""

    @property
    def length_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / KEPT_HZ


def read_take(data: bytes, text: str, lexicon: Lexicon, recognizer: Recognizer | None) -> Take:
    """The take of a file's bytes for the sentence ``text``.

    Any form that a browser's recorder or a telephone makes. Raises AudioError if it is not audio,
    TakeTooLarge, AudioTooLong or TakeEmpty. Without a speech model the words are not checked.
    """
    raw, whole = decoded(data)
    loudness = loudness_lufs(raw, WORK_HZ)
    if loudness < EMPTY_LUFS:
        raise TakeEmpty(f"recording of {loudness:.0f} LUFS")
    clean = levelled(cleaned(raw, WORK_HZ), WORK_HZ)
    part, has_speech = _spoken_part(clean)
    part = trimmed(soxr.resample(part, WORK_HZ, KEPT_HZ), KEPT_HZ)[0]
    if not len(part):
        raise TakeEmpty("recording without sound")
    samples = levelled(part, KEPT_HZ)
    asked = {QUIET: loudness < QUIET_LUFS, CLIPPED: _is_clipped(raw), CUT: not whole, NO_SPEECH: not has_speech}
    asked |= _pace(text, len(samples) / KEPT_HZ)
    asked[OTHER] = has_speech and recognizer is not None and _is_other(samples, text, lexicon, recognizer)
    return Take(samples, tuple(q for q in QUESTIONS if asked[q]))


# --- decoding ------------------------------------------------------------------------------------

def decoded(data: bytes) -> tuple[np.ndarray, bool]:
    """(float32 samples at ``WORK_HZ``, mono; False if the file visibly breaks off). Errors as above."""
    import av
    if len(data) > LARGEST_BYTES:
        raise TakeTooLarge(f"file of {len(data)} bytes, at most {LARGEST_BYTES}")
    pieces, length, whole = [], 0, not _lacks_wav_data(data)
    try:
        with av.open(io.BytesIO(data), options={"format_whitelist": FORMATS}) as container:
            for samples in _resampled(container):
                pieces.append(samples)
                length += len(samples)
                if length > LONGEST_S * WORK_HZ:
                    raise AudioTooLong(f"recording of more than {LONGEST_S:.0f} s")
    except (av.FFmpegError, ValueError, LookupError) as e:
        if not length:
            raise AudioError(f"not readable as audio: {type(e).__name__}") from e
        whole = False
    if not length:
        raise AudioError("recording without samples")
    return np.clip(np.nan_to_num(np.concatenate(pieces)), -1, 1), whole


def _resampled(container) -> Iterator[np.ndarray]:
    import av
    resampler = av.AudioResampler("flt", "mono", WORK_HZ)
    # The first stream: of a film the sound is taken too. None raises IndexError.
    for frame in container.decode(container.streams.audio[0]):
        _check_size(frame)
        yield from (f.to_ndarray()[0] for f in resampler.resample(frame))
    yield from (f.to_ndarray()[0] for f in resampler.resample(None))


def _check_size(frame) -> None:
    """Before it is resampled: from a rate of gigahertz that takes gigabytes and half a minute."""
    if not 0 < frame.sample_rate <= HIGHEST_RATE_HZ:
        raise AudioError(f"recording at {frame.sample_rate} Hz")
    if frame.samples > LONGEST_S * frame.sample_rate:
        raise AudioTooLong(f"recording of more than {LONGEST_S:.0f} s")


def _lacks_wav_data(data: bytes) -> bool:
    """True if a WAV file promises more than it holds; FFmpeg reads what there is without a word."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return False
    promised = int.from_bytes(data[4:8], "little") + 8
    return len(data) < promised < 0xFFFFFFFF  # a recorder that streams does not know the length


# --- judging -------------------------------------------------------------------------------------

def _spoken_part(samples: np.ndarray) -> tuple[np.ndarray, bool]:
    """The samples from the first to the last speech in them, and whether there is any."""
    pcm = to_int16(soxr.resample(samples, WORK_HZ, RATE_HZ))
    vad = VoiceActivity()
    speech = [i for i in range(len(pcm) // FRAME_SAMPLES)
              if vad.probability(pcm[i * FRAME_SAMPLES:(i + 1) * FRAME_SAMPLES].tobytes()) >= SPEECH]
    if not speech:
        return samples, False
    frame_s = FRAME_SAMPLES / RATE_HZ
    begin_s, end_s = speech[0] * frame_s - MARGIN_S, (speech[-1] + 1) * frame_s + MARGIN_S
    return samples[max(0, round(begin_s * WORK_HZ)):round(end_s * WORK_HZ)], True


def _is_clipped(samples: np.ndarray) -> bool:
    high = np.abs(samples) >= CLIPPED_LEVEL
    runs = np.convolve(high, np.ones(CLIPPED_RUN), "valid") == CLIPPED_RUN
    return bool(runs.mean() > CLIPPED_SHARE) if len(runs) else False


def _pace(text: str, length_s: float) -> dict[str, bool]:
    pace_cpm = len(_CHARACTER.findall(text)) / length_s * 60
    return {SHORT: pace_cpm > FASTEST_CPM, LONG: pace_cpm < SLOWEST_CPM}


def _is_other(samples: np.ndarray, text: str, lexicon: Lexicon, recognizer: Recognizer) -> bool:
    wrong, meant = misheard(text, hears(recognizer, samples, KEPT_HZ), lexicon)
    return meant >= OTHER_FROM and wrong >= OTHER_SHARE * meant
