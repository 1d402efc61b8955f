"""Speaker: every sentence in the best voice that can be had in time.

The order is a setting: the family's recording, the voice pack, Kokoro, pyttsx3. What is recorded or
was rendered before is there at once. For the rest Kokoro needs about as long as the sentence: it
renders ahead as soon as a text is known, clause by clause where somebody waits, while a recorded
"好，我来念" may bridge; and pyttsx3 speaks what would come too late.
"""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass, replace
from functools import partial
from typing import Callable, Iterable, Protocol

from service.core.model import Guide
from service.core.wording import JOINT, clauses
from service.errors import VoiceError
from service.speech.cache import AudioCache, MemoryCache
from service.speech.pack import FAMILY
from service.speech.queue import NOW, SOON, SPARE, RenderQueue
from service.speech.sound import at_tempo
from service.speech.voice import USUAL_CPM, Speech, Voice
from service.speech.voices import KOKORO, PACK, PYTTSX3, Voices

log = logging.getLogger(__name__)
OPENING_WAIT_S = 0.2
"""How long the first sentence of an answer may wait for Kokoro; first sound is due after 0.3 s."""
LATER_WAIT_S = 4.0
"""How long any other one may, because the one before it is being spoken meanwhile."""
WHOLE_WAIT_S = 60.0
"""How long the command line may."""
BRIDGE = "bridge"
"""The prompt that is spoken while the first clause is rendered."""


class Shared(Protocol):
    """Speech that several processes share."""

    def get(self, parts: tuple[str, ...], make: Callable[[], Speech]) -> Speech:
        """See ``AudioCache``."""


@dataclass(frozen=True)
class Piece:
    """A part of a sentence that is spoken without a break; mostly all of it."""

    speech: Speech
    next: int | None
    """Number of the piece that follows, or None."""


class Speaker:
    """Speaks sentences in the voices that there are. Thread-safe."""

    def __init__(self, voices: Voices, cache: AudioCache, shared: Shared | None = None):
        """``shared``: what other processes have rendered."""
        self.voices, self._cache, self._memory, self._shared = voices, cache, MemoryCache(), shared
        self._renderer = RenderQueue()
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._bridge, self._version = "", ""

    def use_guide(self, guide: Guide) -> None:
        """Speak by this guide's lexicon from now on."""
        self.voices.use_lexicon(guide.lexicon)
        # Only the lexicon changes how a text sounds: other edits keep what was rendered.
        self._version = hashlib.sha256(repr(guide.lexicon).encode()).hexdigest()[:16]
        self._bridge = "".join(guide.prompts[BRIDGE])

    # --- what is asked for -----------------------------------------------------------------------

    def speak(self, text: str, pace_cpm: int, voice_id: str = "") -> Speech:
        """A whole sentence in the best voice, however long it takes; VoiceError if none can speak it."""
        return self._in_time(text, pace_cpm, voice_id, WHOLE_WAIT_S)

    def piece(self, text: str, pace_cpm: int, voice_id: str, number: int, opening: bool) -> Piece:
        """Piece ``number`` (from 0) of a sentence; VoiceError if no voice can speak it.

        ``opening``: nothing is being spoken before it, so that the listener waits in silence.
        Piece 0 is the whole sentence, or else its first clause or a bridge; piece n is clause n.
        """
        if number:
            return self._clause(text, pace_cpm, voice_id, number)
        self.voices.require_speakable(text)
        if self._is_better_rendered(text, voice_id) and not opening:
            return Piece(self._in_time(text, pace_cpm, voice_id, LATER_WAIT_S), None)
        ready = self._ready(text, pace_cpm, voice_id)
        if ready:
            return Piece(ready, None)
        if not opening or not self._waits_for_kokoro(voice_id):
            return Piece(self._in_time(text, pace_cpm, voice_id, LATER_WAIT_S), None)
        return self._opening(text, pace_cpm, voice_id)

    def prepare(self, texts: tuple[str, ...], pace_cpm: int, voice_id: str) -> None:
        """Get sentences ready that will be asked for next."""
        for number, text in enumerate(texts):
            self._ahead.submit(self._get_ready, text, pace_cpm, voice_id, number == 0)

    def unrendered(self, texts: Iterable[str], voice_id: str) -> list[str]:
        """Those of the texts that Kokoro would have to speak and has not spoken yet."""
        voice = self.voices.natural(voice_id)
        if voice is None or not self._waits_for_kokoro(voice_id):
            return []
        return [text for text in texts
                if not any(self.voices.is_recorded(text, voice_id, layer) for layer in self._recorded_layers())
                and self._cache_of(text).find(self._parts(voice, text)) is None]

    def render_spare(self, text: str, voice_id: str) -> None:
        """Render a sentence that may be asked for some day, when there is nothing else to do, and wait for it;
        VoiceError if that cannot be done."""
        if self.voices.natural(voice_id) is not None:
            self._rendered(text, voice_id, SPARE).result()

    def close(self) -> None:
        """End the threads and the voices."""
        self._ahead.shutdown(wait=False, cancel_futures=True)
        self._renderer.close()
        self.voices.close()
        self._ahead.shutdown()

    # --- pieces ----------------------------------------------------------------------------------

    def _opening(self, text: str, pace_cpm: int, voice_id: str) -> Piece:
        parts = self._render_clauses(text, voice_id)
        try:
            first = parts[0].result(OPENING_WAIT_S)
        except TooLate:
            bridge = self._bridge and self._recorded(self._bridge, pace_cpm, voice_id)
            if bridge:
                # Its words are not those of the sentence.
                return Piece(replace(bridge, marks=()), 1)
        except VoiceError:
            log.debug("the natural voice cannot speak it")
        else:
            return Piece(self._at_pace(first, pace_cpm, self._cache_of(text)), 2 if len(parts) > 1 else None)
        return Piece(self._plain(text, pace_cpm), None)

    def _clause(self, text: str, pace_cpm: int, voice_id: str, number: int) -> Piece:
        parts = clauses(text)
        if number > len(parts):
            raise VoiceError("no such piece")
        part, begins = parts[number - 1], len("".join(parts[:number - 1]))
        speech = self._in_time(part, pace_cpm, voice_id, LATER_WAIT_S)
        marks = tuple((begins + at, when) for at, when in speech.marks)
        return Piece(replace(speech, marks=marks), number + 1 if number < len(parts) else None)

    def _render_clauses(self, text: str, voice_id: str) -> list[Future]:
        futures = [self._rendered(part, voice_id, NOW) for part in clauses(text) or (text,)]
        # The next time it is there as a whole, with the melody of a whole sentence.
        self._rendered(text, voice_id, SPARE)
        return futures

    # --- in order --------------------------------------------------------------------------------

    def _in_time(self, text: str, pace_cpm: int, voice_id: str, wait_s: float) -> Speech:
        for layer in self._order(text):
            if layer == PYTTSX3:
                break
            if layer == KOKORO:
                speech = self._from_kokoro(text, pace_cpm, voice_id, wait_s)
            else:
                speech = self._recorded(text, pace_cpm, voice_id, layer)
            if speech:
                return speech
        return self._plain(text, pace_cpm)

    def _ready(self, text: str, pace_cpm: int, voice_id: str) -> Speech | None:
        """What can be spoken without waiting, in the first voice of the order that has it."""
        for layer in self._order(text):
            if layer == PYTTSX3:
                return None if self._waits_for_kokoro(voice_id) else self._plain(text, pace_cpm)
            if layer == KOKORO:
                voice = self.voices.natural(voice_id)
                speech = voice and self._cache_of(text).find(self._parts(voice, text))
                speech = speech and self._at_pace(speech, pace_cpm, self._cache_of(text))
            else:
                speech = self._recorded(text, pace_cpm, voice_id, layer)
            if speech:
                return speech
        return None

    def _order(self, text: str) -> tuple[str, ...]:
        """The layers in the order in which they are tried for a sentence.

        Figures that are joined from recorded parts are misheard three times as often as a whole sentence, so that
        Kokoro goes before them where it is in time.
        """
        order = self.voices.order
        if JOINT not in text or not {PACK, KOKORO} <= set(order) or order.index(KOKORO) < order.index(PACK):
            return order
        return tuple({PACK: KOKORO, KOKORO: PACK}.get(layer, layer) for layer in order)

    def _is_better_rendered(self, text: str, voice_id: str) -> bool:
        return JOINT in text and self._waits_for_kokoro(voice_id)

    def _waits_for_kokoro(self, voice_id: str) -> bool:
        order = self.voices.order
        before = order[:order.index(PYTTSX3)] if PYTTSX3 in order else order
        return KOKORO in before and self.voices.natural(voice_id) is not None

    def _from_kokoro(self, text: str, pace_cpm: int, voice_id: str, wait_s: float) -> Speech | None:
        if self.voices.natural(voice_id) is None:
            return None
        try:
            return self._at_pace(self._rendered(text, voice_id, NOW).result(wait_s), pace_cpm, self._cache_of(text))
        except TooLate:
            log.info("the natural voice was late")
        except VoiceError as e:
            log.debug("the natural voice failed: %s", e)
        return None

    def _rendered(self, text: str, voice_id: str, urgency: int) -> Future:
        voice = self.voices.natural(voice_id)
        parts = self._parts(voice, text)
        make = partial(voice.synthesize, text, USUAL_CPM)
        if self._shared and JOINT not in text:
            make = partial(self._shared.get, parts, make)
        return self._renderer.submit(parts, partial(self._cache_of(text).get, parts, make), urgency)

    def _recorded(self, text: str, pace_cpm: int, voice_id: str, layer: str | None = None) -> Speech | None:
        for name in [layer] if layer else self._recorded_layers():
            speech = self.voices.recorded(text, voice_id, name)
            if speech:
                # A family's is deleted for good, and so lies nowhere else.
                return self._at_pace(speech, pace_cpm, self._cache_of(text) if name != FAMILY else None)
        return None

    def _recorded_layers(self) -> list[str]:
        return [layer for layer in self.voices.order if layer not in (KOKORO, PYTTSX3)]

    def _plain(self, text: str, pace_cpm: int) -> Speech:
        voice = self.voices.plain
        return self._cache_of(text).get((*self._parts(voice, text), str(pace_cpm)),
                                        lambda: voice.synthesize(text, pace_cpm))

    def _cache_of(self, text: str) -> AudioCache | MemoryCache:
        """What is joined from figures says something about the listener, and is in no file."""
        return self._memory if JOINT in text else self._cache

    def _at_pace(self, speech: Speech, pace_cpm: int, cache: AudioCache | MemoryCache | None) -> Speech:
        """The speech at another pace and the same pitch, kept in ``cache`` if there is one."""
        factor = pace_cpm / USUAL_CPM
        if factor == 1:
            return speech
        def stretch() -> Speech:
            samples, rate_hz = speech.samples()
            marks = tuple((at, round(when / factor, 3)) for at, when in speech.marks)
            return Speech.of(at_tempo(samples, rate_hz, factor), rate_hz, marks)
        if cache is None:
            return stretch()
        return cache.get((hashlib.sha256(speech.wav).hexdigest(), str(pace_cpm)), stretch)

    def _parts(self, voice: Voice, text: str) -> tuple[str, ...]:
        return voice.name, self._version, text

    # --- ahead -----------------------------------------------------------------------------------

    def _get_ready(self, text: str, pace_cpm: int, voice_id: str, opening: bool) -> None:
        try:
            if self._is_better_rendered(text, voice_id):
                self._rendered(text, voice_id, SOON)
                return
            if self._ready(text, pace_cpm, voice_id):
                return
            if not self._waits_for_kokoro(voice_id):
                self._plain(text, pace_cpm)
            elif opening:
                self._render_clauses(text, voice_id)
            else:
                self._rendered(text, voice_id, SOON)
        except VoiceError as e:
            log.warning("a sentence could not be got ready: %s", e)
        except Exception:  # in a thread of its own nobody else would hear of it
            log.exception("getting ready failed")
