"""Kokoro: the natural Mandarin voice, without a graphics card (Kokoro-82M, Apache-2.0, int8 ONNX)."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

from service.core.model import Lexicon
from service.speech.engine import EngineProcess
from service.speech.voice import USUAL_CPM, EngineVoice, Spoken

MODEL = "kokoro-82m-v1.0-int8"
"""Its name in the catalog."""
TIMEOUT_S = 60.0
"""A sentence that takes longer to render is given up."""
IDLE_S = 120.0
"""The engine holds about 450 MB; after this long without work, seconds, it is ended."""


@dataclass(frozen=True)
class Timbre:
    """One of Kokoro's voices."""

    voice: str
    """Kokoro's name of it."""
    speed: float
    """Kokoro's speed factor at which it speaks ``USUAL_CPM`` characters a minute (measured)."""


TIMBRES = {"female": Timbre("zf_xiaoyi", 0.58), "male": Timbre("zm_yunxi", 0.56)}
"""Our name of a voice to Kokoro's: the two of four that the speech model understands best."""


class KokoroEngine(EngineProcess):
    """The process that holds the model, for all of its voices (see ``kokoro_worker``)."""

    def __init__(self, model: Path, threads: int = 2, idle_s: float | None = IDLE_S):
        """``model`` is the verified folder; ``threads`` of computing in one sentence."""
        super().__init__((sys.executable, "-m", "service.speech.kokoro_worker", str(model), str(threads)),
                         TIMEOUT_S, idle_s)


class KokoroVoice(EngineVoice):
    """One timbre of Kokoro. Tells when each word begins."""

    def __init__(self, timbre: str, lexicon: Lexicon, engine: EngineProcess):
        """``timbre`` is a key of ``TIMBRES``."""
        self._timbre = TIMBRES[timbre]
        super().__init__(f"{MODEL}/{self._timbre.voice}", lexicon, engine)

    def _request(self, said: Spoken, pace_cpm: int) -> dict:
        return {"text": said.text, "tokens": [dataclasses.astuple(t) for t in said.tokens],
                "voice": self._timbre.voice, "speed": round(self._timbre.speed * pace_cpm / USUAL_CPM, 3)}
