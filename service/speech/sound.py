"""Sound: levelling, tempo, trimming and cleaning of speech, and its Opus files.

By the filters of FFmpeg through PyAV, whose wheel carries the libraries. Samples are float32
from -1 to 1, shape (samples,), mono.
"""

from __future__ import annotations

import functools
import io
import numpy as np
import soundfile

from service.speech.audio import write_wav

LOUDNESS_LUFS = -18.0
"""Integrated loudness of everything that is spoken (EBU R128 measures, the target is ours)."""
PEAK = 10 ** (-1 / 20)
"""Highest sample after levelling: -1 dBFS."""
LEVELLINGS = 3
"""Times that a sound with high peaks is raised and limited; the third hardly changes anything."""
SHORTEST_MEASURED_S = 3.0
"""Sounds shorter than this are repeated for the measurement: R128's blocks of 0.4 s need enough."""
SILENCE_DB = -45.0
"""A frame this far below the loudest one counts as silence."""
FRAME_S = 0.01
KEEP_BEFORE_S, KEEP_AFTER_S = 0.03, 0.08
"""Silence left at the ends of a trimmed sound, seconds."""
OPUS_COMPRESSION = 0.95
"""Of libsndfile, 0 to 1: about 21 kbit/s, from where on speech is transparent."""
RUMBLE_HZ = 80
"""Below this there is no speech, only steps, wind and traffic."""
MAINS_HZ, MAINS_HARMONICS = 50, 12
"""Of the mains in China, and how many multiples of it may hum."""
HUM_WIDTH_HZ, HUM_DB = 5.0, 12.0
"""A line of hum is narrow, and stands out of what is around it by this much; a voice glides."""
NOISE_REDUCTION_DB, NOISE_MARGIN_DB = 10, 3
"""How much a steady noise is lowered: more sounds of glass. It is measured in the pauses, where its
quietest moments are this much below its mean."""


def filtered(samples: np.ndarray, rate_hz: int, *filters: tuple[str, str]) -> np.ndarray:
    """The samples behind a chain of FFmpeg's filters, each (name, arguments)."""
    graph, source = _graph(rate_hz)
    last = source
    for name, arguments in (*filters, ("aformat", f"sample_fmts=flt:channel_layouts=mono:sample_rates={rate_hz}")):
        node = graph.add(name, arguments)
        last.link_to(node)
        last = node
    sink = graph.add("abuffersink")
    last.link_to(sink)
    graph.configure()
    pieces = [frame.to_ndarray()[0] for frame in _run(graph, samples, rate_hz)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def loudness_lufs(samples: np.ndarray, rate_hz: int) -> float:
    """Integrated loudness by ITU-R BS.1770 and EBU R128, LUFS; -70 or less for silence."""
    if not len(samples):
        return -70.0
    times = max(1, int(np.ceil(SHORTEST_MEASURED_S * rate_hz / len(samples))))
    graph, source = _graph(rate_hz)
    meter, sink = graph.add("ebur128", "metadata=1:framelog=quiet"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    measured = -70.0
    for frame in _run(graph, np.tile(samples, times), rate_hz):
        measured = float(frame.metadata.get("lavfi.r128.I", measured))
    return measured


def levelled(samples: np.ndarray, rate_hz: int, target_lufs: float = LOUDNESS_LUFS) -> np.ndarray:
    """The sound at ``target_lufs``; its peaks are rounded off below -1 dBFS. Silence stays silence."""
    for _ in range(LEVELLINGS):
        measured = loudness_lufs(samples, rate_hz)
        if measured <= -70.0:
            return samples
        samples = samples * 10 ** ((target_lufs - measured) / 20)
        if np.abs(samples).max() <= PEAK:
            return samples
        # What the limiter takes from a voice with high peaks is made good the next time round.
        samples = limited(samples, rate_hz)
    return samples


def limited(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """The sound with its peaks held below -1 dBFS by a look-ahead limiter, not clipped."""
    return filtered(samples, rate_hz, ("alimiter", f"limit={PEAK}:level=0:attack=2:release=40:latency=1"))


def at_tempo(samples: np.ndarray, rate_hz: int, factor: float) -> np.ndarray:
    """The sound ``factor`` times as fast at the same pitch (WSOLA); 1 gives it back untouched."""
    if abs(factor - 1) < 0.005:
        return samples
    return filtered(samples, rate_hz, ("atempo", f"tempo={factor:.4f}"))


def cleaned(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """The sound without rumble, mains hum and clicks, and with less of a steady noise.

    What does not hum keeps all of its low voice: only the lines that are found are cut out.
    """
    notches = [("bandreject", f"f={f}:width_type=h:width={HUM_WIDTH_HZ}") for f in hum_hz(samples, rate_hz)]
    # The declicker twice: a click of several samples hides from the first pass, which takes only its
    # edges (5 dB less of it; 18 dB or more after the second). The hum goes first, it would be loud
    # beside the clicks.
    calm = filtered(samples, rate_hz, ("highpass", f"f={RUMBLE_HZ}"), *notches, *[("adeclick", "threshold=3")] * 2)
    noise_db = np.clip(_floor_db(calm, rate_hz) + NOISE_MARGIN_DB, -80, -20)  # the range that the filter takes
    return filtered(calm, rate_hz, ("afftdn", f"noise_reduction={NOISE_REDUCTION_DB}:noise_floor={noise_db:.1f}"))


def hum_hz(samples: np.ndarray, rate_hz: int) -> list[int]:
    """Which multiples of the mains' frequency hum in the sound, Hz."""
    if len(samples) < rate_hz // 2:
        return []
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    apart_hz = rate_hz / len(samples)

    def density(low_hz: float, high_hz: float) -> float:
        return float(np.median(power[round(low_hz / apart_hz):round(high_hz / apart_hz) + 1]))

    def stands_out(f: int) -> bool:
        line = power[round((f - 1) / apart_hz):round((f + 1) / apart_hz) + 1].max()
        around = max(density(f - 20, f - 5), density(f + 5, f + 20), 1e-12)
        return line > around * 10 ** (HUM_DB / 10)
    return [f for f in range(MAINS_HZ, MAINS_HZ * MAINS_HARMONICS + 1, MAINS_HZ) if stands_out(f)]


def _floor_db(samples: np.ndarray, rate_hz: int) -> float:
    """Level of the quietest tenth of the sound, dB of full scale: its pauses, and the noise in them."""
    frame = round(rate_hz * 2 * FRAME_S)
    power = (samples[:len(samples) // frame * frame].reshape(-1, frame) ** 2).mean(axis=1)
    return 10 * np.log10(np.percentile(power, 10) + 1e-12) if len(power) else -120.0


def frame_rms(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """RMS of each whole frame of ``FRAME_S``, shape (frames,)."""
    frame = round(rate_hz * FRAME_S)
    return np.sqrt((samples[:len(samples) // frame * frame].reshape(-1, frame) ** 2).mean(axis=1))


def trimmed(samples: np.ndarray, rate_hz: int) -> tuple[np.ndarray, float]:
    """The sound without silence at its ends, and how much was cut off in front, seconds."""
    frame, rms = round(rate_hz * FRAME_S), frame_rms(samples, rate_hz)
    if not len(rms) or rms.max() == 0:
        return samples[:0], 0.0
    loud = np.flatnonzero(rms > rms.max() * 10 ** (SILENCE_DB / 20))
    first = max(0, loud[0] * frame - round(rate_hz * KEEP_BEFORE_S))
    last = min(len(samples), (loud[-1] + 1) * frame + round(rate_hz * KEEP_AFTER_S))
    return _faded(samples[first:last], rate_hz), first / rate_hz


def _faded(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """Without a click at either end."""
    samples, length = samples.copy(), min(round(rate_hz * 0.005), len(samples) // 2)
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    samples[:length] *= ramp
    samples[len(samples) - length:] *= ramp[::-1]
    return samples


def encode_opus(samples: np.ndarray, rate_hz: int) -> bytes:
    """Ogg Opus of about 21 kbit/s. ``rate_hz`` is one of Opus' own: 8, 12, 16, 24 or 48 kHz."""
    # By libsndfile, which reads the packs: some short files of FFmpeg's muxer it calls malformed.
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, format="OGG", subtype="OPUS", compression_level=OPUS_COMPRESSION)
    return out.getvalue()


def _graph(rate_hz: int):
    import av
    graph = av.filter.Graph()
    return graph, graph.add_abuffer(sample_rate=rate_hz, format="flt", layout="mono")


def _frame(samples: np.ndarray, rate_hz: int):
    import av
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32)[None, :], "flt", "mono")
    frame.sample_rate = rate_hz
    return frame


def _run(graph, samples: np.ndarray, rate_hz: int):
    import av
    graph.push(_frame(samples, rate_hz))
    graph.push(None)
    while True:
        try:
            yield graph.pull()
        except (av.EOFError, av.BlockingIOError):
            return


CHIME_HZ = (523.25, 659.25)
"""Two rising notes, low enough for old ears."""
CHIME_RATE_HZ, NOTE_S, NOTE_AFTER_S, CHIME_PEAK = 24_000, 0.9, 0.35, 0.25


@functools.cache
def chime() -> bytes:
    """The attention sound in front of what somebody else wants to be heard, as a WAV file."""
    note = np.arange(round(NOTE_S * CHIME_RATE_HZ)) / CHIME_RATE_HZ
    fade = np.minimum(note / 0.03, 1.0) * np.exp(-5 * note)
    after = round(NOTE_AFTER_S * CHIME_RATE_HZ)
    out = np.zeros(len(note) + after * (len(CHIME_HZ) - 1))
    for i, frequency in enumerate(CHIME_HZ):
        out[i * after:i * after + len(note)] += CHIME_PEAK * fade * np.sin(2 * np.pi * frequency * note)
    return write_wav((out * 32767).astype(np.int16), CHIME_RATE_HZ)
