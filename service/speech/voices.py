"""Voices: which voices there are on this machine, and in which order they are tried."""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

import numpy as np

from service.core.model import Lexicon
from service.core.wording import JOINT, pieces, unjointed
from service.errors import PackError, VoiceError
from service.speech.kokoro import TIMBRES, KokoroEngine, KokoroVoice
from service.speech.pack import FAMILY, MANIFEST, NATURAL, Pack, find_packs
from service.speech.pyttsx3_voice import Pyttsx3Voice
from service.speech.voice import Speech, Voice, spoken

log = logging.getLogger(__name__)
PACK, KOKORO, PYTTSX3 = "pack", "kokoro", "pyttsx3"
LAYERS = (FAMILY, PACK, KOKORO, PYTTSX3)
"""Where a sentence may come from, in the usual order."""
JOIN_PAUSE_S = 0.2
"""Between two clauses that were recorded apart, seconds, beside the silence at their ends."""
JOINT_PAUSE_S = 0.04
"""Between two parts of one clause, whose silence at the joint is cut away."""
SILENT = 0.01
"""Samples below are silence, of 1."""


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
        self._seen: set[tuple[str, int]] = set()
        self._lock = threading.Lock()
        for error in errors:
            log.warning("%s", error)
        self.look()

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

    def look(self) -> None:
        """Look for family voices if their folder is another than at the last look: another process may write there."""
        seen = set()
        for path in self._family_dir.glob(f"*/{MANIFEST}"):
            # It may just be going away.
            with contextlib.suppress(OSError):
                seen.add((path.parent.name, path.stat().st_mtime_ns))
        if seen != self._seen:
            self._seen = seen
            self.find_families()

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
            parts = self._found(pack, text) if pack else ()
            return joined([self._recording(pack, part) for part, _ in parts], spans(parts, text)) if parts else None
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

    def _found(self, pack: Pack, text: str) -> tuple[tuple[str, int], ...]:
        """The recorded texts that make up the sentence, each with the characters that it covers: itself, or all
        its parts, or nothing."""
        whole = unjointed(text)
        if pack.find(whole, self._reading(pack, whole)):
            return ((whole, len(text)),)
        parts = pieces(text)
        # One part is the whole sentence, and that is not there.
        found = (len(parts) > 1 or text != whole) and all(pack.find(p, self._reading(pack, p)) for p, _ in parts)
        return parts if found else ()

    def _recording(self, pack: Pack, text: str) -> tuple[np.ndarray, int, tuple]:
        reading = self._reading(pack, text)
        return (*pack.samples(text, reading), pack.find(text, reading).marks)

    def _reading(self, pack: Pack, text: str) -> str:
        return spoken(text, self._lexicon).reading if pack.info.kind == NATURAL else ""


@dataclass(frozen=True)
class Span:
    """Where a recorded part stands in a sentence."""

    length: int
    """Characters that it covers."""
    tight: bool
    """True if the next part follows within the clause."""


def spans(parts: tuple[tuple[str, int], ...], text: str) -> list[Span]:
    """The spans of the parts of a text, as ``wording.pieces`` gives them."""
    found, at = [], 0
    for _, length in parts:
        at += length
        behind = text[max(0, at - 2):at].strip(JOINT)
        found.append(Span(length, not behind or behind[-1] not in "，、；：。？！"))
    return found


def joined(parts: list[tuple[np.ndarray, int, tuple]], spans: list[Span]) -> Speech:
    """Parts one behind the other. ``parts`` are (samples, rate in Hz, marks), all of one rate."""
    rate_hz, sounds, marks, at, character = parts[0][1], [], [], 0, 0
    for i, ((samples, _, own), span) in enumerate(zip(parts, spans)):
        before, after = i > 0 and spans[i - 1].tight, span.tight and i + 1 < len(parts)
        kept, cut = _without_silence(samples, before, after)
        marks += [(character + index, round(max(0.0, (at - cut) / rate_hz + when), 3)) for index, when in own]
        pause = np.zeros(round((JOINT_PAUSE_S if span.tight else JOIN_PAUSE_S) * rate_hz), np.float32)
        sounds += [kept, pause]
        at, character = at + len(kept) + len(pause), character + span.length
    return Speech.of(np.concatenate(sounds[:-1]), rate_hz, tuple(marks))


def _without_silence(samples: np.ndarray, before: bool, after: bool) -> tuple[np.ndarray, int]:
    """The samples without the silence at the ends that are joined tightly, and how many were cut in front."""
    loud = np.flatnonzero(np.abs(samples) > SILENT)
    if not len(loud):
        return samples, 0
    first, last = loud[0] if before else 0, loud[-1] + 1 if after else len(samples)
    return samples[first:last], int(first)
