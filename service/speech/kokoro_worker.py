"""The process that owns Kokoro: see ``engine`` for the protocol.

    in   {"text": "您好。", "tokens": [[0, "nin2", true], ...], "voice": "zf_xiaoyi", "speed": 0.7}\n
    out  {"bytes": 12345, "marks": [[0, 0.03], ...]}\n followed by the WAV
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import sys
import tempfile
from pathlib import Path

import jieba
import numpy as np
import onnxruntime
from kokoro_onnx import Kokoro
from misaki.zh import ZHG2P

from service.speech.audio import to_int16, write_wav
from service.speech.sound import FRAME_S, frame_rms, levelled, trimmed

DURATIONS = "/encoder/Clip_output_0"
"""Inside the model: how many frames each phoneme sounds."""
CLAUSE_PAUSE_S, SENTENCE_PAUSE_S = 0.3, 0.4
"""Least pause behind a mark inside a text, seconds: older listeners need it to follow."""
MARKS = {"，": ",", "、": ",", "；": ";", "：": ":", "。": ".", "？": "?", "！": "!"}
FALSE_START_DB = 6.0
"""Kokoro voices the pad before the text too, heard as 一 or 你. It is cut off where the voice falls by
this much between the pad and the first phoneme."""
ONSET_S = 0.04
"""What is kept before the time at which the model itself begins the first phoneme, seconds."""


class Speaker:
    """The model with all of its installed voices."""

    def __init__(self, folder: Path, threads: int):
        """``folder`` is the model of the store. Raises what onnxruntime raises on a damaged one."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        self._styles = {p.stem: np.fromfile(p, "<f4").reshape(-1, 1, 256) for p in folder.glob("voices/*.bin")}
        with tempfile.TemporaryDirectory(prefix="kokoro-") as scratch:
            # By way of a file: a model given as bytes is held twice while it loads.
            model, voices = Path(scratch, "model.onnx"), Path(scratch, "voices.npz")
            with model.open("wb") as out:
                out.write(next(folder.glob("*.onnx")).read_bytes())
                out.write(_durations_output())
            np.savez(voices, **self._styles)
            session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
            self._kokoro = Kokoro.from_session(session, str(voices))
            self._kokoro.voices.close()

    def speak(self, text: str, tokens: list, voice: str, speed: float) -> tuple[bytes, list]:
        """The WAV, and [index of a word's first character, second] for every word."""
        phonemes, owners = self._phonemes(text, tokens)
        samples, rate_hz, timings = self._kokoro.create_timed(
            phonemes, self._styles[voice], speed, is_phonemes=True, trim=False,
            sentence_pause=SENTENCE_PAUSE_S, clause_pause=CLAUSE_PAUSE_S)
        cut_s = max(false_start_s(samples, rate_hz, timings[0].start), timings[0].start - ONSET_S)
        samples, silence_s = trimmed(samples[round(cut_s * rate_hz):], rate_hz)
        marks, length_s = [], len(samples) / rate_hz
        for owner, timing in zip(owners, timings):
            if owner is not None:
                marks.append([owner, round(min(max(0.0, timing.start - cut_s - silence_s), length_s), 3)])
        return write_wav(to_int16(levelled(samples, rate_hz)), rate_hz), marks

    def _phonemes(self, text: str, tokens: list) -> tuple[str, list[int | None]]:
        """What Kokoro reads, and for each of its known phonemes the word that begins with it."""
        sounds = {at: (sound, is_syllable) for at, sound, is_syllable in tokens}
        # (phonemes, index of the word that they begin or None)
        pieces: list[tuple[str, int | None]] = []
        for word, start in _words(text):
            heard = [sounds[at] for at in range(start, start + len(word)) if at in sounds]
            ipa = "".join(ZHG2P.py2ipa(s).replace("\u032f", "") for s, is_syllable in heard if is_syllable)
            if ipa:
                if pieces and not pieces[-1][0].endswith(" "):
                    pieces.append((" ", None))
                pieces.append((ipa, start))
            elif heard and pieces and (mark := MARKS.get(heard[0][0])):
                pieces.append((mark + " ", None))
        if pieces[-1][0].endswith(" "):
            pieces[-1] = (pieces[-1][0].rstrip(), pieces[-1][1])
        owners = []
        for ipa, word in pieces:
            known = self._kokoro.tokenizer.known(ipa)
            owners += [word if i == 0 else None for i in range(len(known))]
        return "".join(ipa for ipa, _ in pieces), owners


def _words(text: str):
    """(word, index of its first character); Kokoro was trained on jieba's words."""
    starts = itertools.accumulate(words := jieba.lcut(text, HMM=False), lambda at, w: at + len(w), initial=0)
    return zip(words, starts)


def false_start_s(samples: np.ndarray, rate_hz: int, start_s: float) -> float:
    """Where the voiced pad before the first phoneme (at ``start_s``) ends; 0 if it is silent or joined."""
    level, start = 20 * np.log10(frame_rms(samples, rate_hz) + 1e-9), round(start_s / FRAME_S)
    early = max(0, start - 14)
    if start <= early:
        return 0.0
    pad = early + int(level[early:start].argmax())
    after = level[pad:start + 4]
    if after.min() > level[pad] - FALSE_START_DB:
        return 0.0
    # The first frame of the dip, not the lowest: a consonant may lie in it.
    return (pad + int(np.argmax(after < after.min() + 3))) * FRAME_S


def _durations_output() -> bytes:
    """What, appended to the model's bytes, makes it tell its durations.

    Protocol Buffers merge a message that comes twice: this is a second `graph` (field 7 of ModelProto)
    with one Identity node and one output, so that neither a copy of the model nor the onnx package is
    needed (https://protobuf.dev/programming-guides/encoding/#last-one-wins).
    """
    node = _field(1, DURATIONS.encode()) + _field(2, b"duration") + _field(4, b"Identity")
    float_tensor = _field(1, b"\x08\x01")
    output = _field(1, b"duration") + _field(2, float_tensor)
    return _field(7, _field(1, node) + _field(12, output))


def _field(number: int, data: bytes) -> bytes:
    """One length-delimited field shorter than 128 bytes."""
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def main(folder: str, threads: str) -> None:
    """Serve requests until standard input ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    jieba.setLogLevel(logging.WARNING)
    speaker = None
    for line in sys.stdin.buffer:
        data = b""
        try:
            speaker = speaker or Speaker(Path(folder), int(threads))
            data, marks = speaker.speak(**json.loads(line))
            header = {"bytes": len(data), "marks": marks}
        except Exception as e:  # whatever a library raises, the owner must hear of it
            header = {"error": type(e).__name__}
        out.write(json.dumps(header).encode() + b"\n" + data)
        out.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
