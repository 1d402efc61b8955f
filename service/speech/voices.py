"""Voices: which voices there are on this machine, and in which order they are tried."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

import numpy as np

from service.core.model import Lexicon
from service.core.wording import clauses
from service.errors import PackError, VoiceError
from service.speech.kokoro import TIMBRES, KokoroEngine, KokoroVoice
from service.speech.pack import FAMILY, NATURAL, Pack, find_packs
from service.speech.pyttsx3_voice import Pyttsx3Voice
from service.speech.voice import Speech, Voice, spoken

log = logging.getLogger(__name__)
PACK, KOKORO, PYTTSX3 = "pack", "kokoro", "pyttsx3"
LAYERS = (FAMILY, PACK, KOKORO, PYTTSX3)
"""Where a sentence may come from, in the usual order."""
JOIN_PAUSE_S = 0.2
"""Between two clauses that were recorded apart, seconds, beside the silence at their ends."""


@dataclass(frozen=True)
class Choice:
    """A voice that a listener may choose."""

    id: str
    label: str
    kind: str
    """``natural`` or ``family``."""


class Voices:
    """All voices of this process. Thread-safe."""

    def __init__(self, packs_dir: Path, family_dir: Path, lexicon: Lexicon,
                 order: tuple[str, ...] = LAYERS, usual: str = "female"):
        """``usual`` is the natural voice for those who have not chosen one."""
        self.order, self.usual, self._lexicon = order, usual, lexicon
        self.plain = Pyttsx3Voice(lexicon)
        self._natural: Mapping[str, Voice] = {}
        self._packs, errors = find_packs(packs_dir)
        self._family_dir, self._families = family_dir, []
        self._lock = threading.Lock()
        for error in errors:
            log.warning("%s", error)
        self.find_families()

    def use_kokoro(self, model: Path) -> None:
        """Render with this verified model from now on."""
        engine = KokoroEngine(model)
        self.use_natural({timbre: KokoroVoice(timbre, self._lexicon, engine) for timbre in TIMBRES})

    def use_natural(self, voices: Mapping[str, Voice]) -> None:
        """Let these, by the id of the choice, render what is not recorded."""
        self._natural = voices

    def use_lexicon(self, lexicon: Lexicon) -> None:
        """Speak by this lexicon from now on."""
        self._lexicon = lexicon
        for voice in (self.plain, *self._natural.values()):
            voice.use_lexicon(lexicon)

    def find_families(self) -> None:
        """Look which family voices there are: one was recorded, imported or deleted."""
        families, errors = find_packs(self._family_dir)
        for error in errors:
            log.warning("%s", error)
        with self._lock:
            self._families = [p for p in families if p.info.kind == FAMILY]

    # --- what there is ---------------------------------------------------------------------------

    def choices(self) -> tuple[Choice, ...]:
        """What a listener may choose: families first, then the natural voices."""
        natural = [p for p in self._packs if p.info.kind == NATURAL]
        return tuple(Choice(p.info.id, p.info.label, p.info.kind) for p in (*self._families, *natural))

    def after(self, voice_id: str) -> str | None:
        """The voice behind the chosen one, round and round; None if there is no other."""
        ids, now = [c.id for c in self.choices()], self.resolve(voice_id)
        if not set(ids) - {now}:
            return None
        return ids[(ids.index(now) + 1) % len(ids)] if now in ids else ids[0]

    def resolve(self, voice_id: str) -> str:
        """The chosen voice, or the usual one if there is no such voice (any more)."""
        return voice_id if any(c.id == voice_id for c in self.choices()) else self.usual

    def behind(self, voice_id: str) -> str:
        """The natural voice that says what a family's voice lacks."""
        following = next((p.info.next for p in self._families if p.info.id == voice_id), "")
        return following if following in TIMBRES else self.usual

    def require_speakable(self, text: str) -> None:
        """VoiceError if no voice can speak the text."""
        spoken(text, self._lexicon)

    def natural(self, voice_id: str) -> Voice | None:
        """The voice that renders for a choice, or None where there is no Kokoro."""
        return self._natural.get(voice_id if voice_id in TIMBRES else self.behind(voice_id))

    def recorded(self, text: str, voice_id: str, layer: str) -> Speech | None:
        """A recording of the sentence in the chosen voice, whole or clause by clause, or None.

        ``layer`` is ``family`` or ``pack``; a family voice has a pack behind it.
        """
        pack = self._pack(voice_id, layer)
        try:
            texts = self._found(pack, text) if pack else ()
            return joined([self._recording(pack, t) for t in texts], list(map(len, texts))) if texts else None
        except (PackError, VoiceError) as e:
            log.warning("a recording cannot be used: %s", e)
            return None

    def is_recorded(self, text: str, voice_id: str, layer: str) -> bool:
        """True if ``recorded`` would find something; nothing is decoded for it."""
        pack = self._pack(voice_id, layer)
        try:
            return bool(pack and self._found(pack, text))
        except VoiceError:
            return False

    def close(self) -> None:
        """End the engines."""
        for voice in (self.plain, *self._natural.values()):
            voice.close()

    # --- recordings ------------------------------------------------------------------------------

    def _pack(self, voice_id: str, layer: str) -> Pack | None:
        packs = self._families if layer == FAMILY else self._packs
        wanted = voice_id if layer == FAMILY or any(p.info.id == voice_id for p in packs) else self.behind(voice_id)
        return next((p for p in packs if p.info.id == wanted), None)

    def _found(self, pack: Pack, text: str) -> tuple[str, ...]:
        """The recorded texts that make up the sentence: itself, or all its clauses, or nothing."""
        if pack.find(text, self._reading(pack, text)):
            return (text,)
        parts = clauses(text)
        # One clause is the whole sentence, and that is not there.
        whole = len(parts) > 1 and all(pack.find(part, self._reading(pack, part)) for part in parts)
        return parts if whole else ()

    def _recording(self, pack: Pack, text: str) -> tuple[np.ndarray, int, tuple]:
        reading = self._reading(pack, text)
        return (*pack.samples(text, reading), pack.find(text, reading).marks)

    def _reading(self, pack: Pack, text: str) -> str:
        return spoken(text, self._lexicon).reading if pack.info.kind == NATURAL else ""


def joined(parts: list[tuple[np.ndarray, int, tuple]], lengths: list[int]) -> Speech:
    """Clauses one behind the other. ``parts`` are (samples, rate in Hz, marks), all of one rate;
    ``lengths`` the characters of each."""
    rate_hz, sounds, marks, at, character = parts[0][1], [], [], 0, 0
    pause = np.zeros(round(JOIN_PAUSE_S * rate_hz), np.float32)
    for (samples, _, own), length in zip(parts, lengths):
        marks += [(character + index, round(at / rate_hz + when, 3)) for index, when in own]
        sounds += [samples, pause]
        at, character = at + len(samples) + len(pause), character + length
    return Speech.of(np.concatenate(sounds[:-1]), rate_hz, tuple(marks))
