"""The process that owns pyttsx3: one JSON request a line in, one WAV out.

A process of its own, because pyttsx3 prints to standard output, wants the main thread on macOS,
plays with global state of a C library, and a driver that hangs must be possible to kill.

    in   {"text": "ni3 hao3", "rate": 160}\n
    out  {"bytes": 12345}\n followed by that many bytes, or {"error": "why"}\n
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import tempfile
from pathlib import Path

WAV_HEADER_BYTES = 44
TIMBRE = "Annie"
"""Which of espeak-ng's variants speaks: of those tried, the speech model understands this one best."""
VOICE_FILE = """name guide
language cmn-latn-pinyin
phonemes cmn
dictionary cmn
dict_min 100000
words 0
"""
"""espeak-ng's reader of pinyin, but without the gap that its own voice leaves behind every syllable."""


def use_bundled_espeak() -> Path:
    """Let pyttsx3 find espeak-ng 1.52 of espeakng-loader instead of a system library; its data folder.

    Debian 12's 1.51 reads Chinese characters as English letters. pyttsx3 loads
    ``libespeak-ng.so.1`` by name: one that is already loaded under this name is taken.
    """
    import espeakng_loader
    folder = Path(espeakng_loader.get_library_path()).parent
    ctypes.CDLL(str(folder / "libespeak-ng.so.1"), mode=ctypes.RTLD_GLOBAL)
    data = Path(espeakng_loader.get_data_path())
    os.environ["ESPEAK_DATA_PATH"] = str(data.parent)
    return data


def open_engine():
    """The platform's pyttsx3 engine with a Mandarin voice; RuntimeError if it has none."""
    bundled = use_bundled_espeak() if sys.platform.startswith("linux") else None
    import pyttsx3
    engine = pyttsx3.init()
    if bundled:
        use_mandarin_timbre(bundled)
        return engine
    voice = mandarin_voice(engine.getProperty("voices"))
    if voice is None:
        raise RuntimeError("the system has no Mandarin voice")
    engine.setProperty("voice", voice)
    return engine


def use_mandarin_timbre(data: Path) -> None:
    """Have espeak-ng read pinyin in our timbre; RuntimeError if it cannot.

    By the library's own function: pyttsx3 chooses among installed voices by name only.
    """
    from pyttsx3.drivers import _espeak
    variant = (data / "voices" / "!v" / TIMBRE).read_text(encoding="utf-8")
    with tempfile.NamedTemporaryFile("w", suffix=".voice", delete=False) as file:
        # The lines of a variant that name it are not for a voice of its own.
        file.write(VOICE_FILE + "".join(line for line in variant.splitlines(True)
                                        if not line.startswith(("name", "language"))))
    try:
        if _espeak.dll.espeak_ng_SetVoiceByFile(file.name.encode()):
            raise RuntimeError("espeak-ng refuses the Mandarin voice")
    finally:
        os.unlink(file.name)


def settle() -> None:
    """Wait until the engine has nothing more to do.

    espeak speaks in a thread of its own, and pyttsx3 2.99's runAndWait returns before it has
    spoken. If the next sentence is given while that thread still finishes the one before, its
    sound is dropped or it keeps the old rate.
    """
    espeak = sys.modules.get("pyttsx3.drivers._espeak")
    if espeak:
        espeak.Synchronize()


def mandarin_voice(voices) -> str | None:
    """Id of the system's own Mandarin voice, None if it has none."""
    for voice in voices:
        languages = " ".join(map(str, voice.languages or ())).lower().replace("_", "-")
        words = f"{voice.id} {voice.name} {languages}".lower()
        if "zh-cn" in words or "chinese (simplified" in words or "ting-ting" in words or "tingting" in words:
            return voice.id
    return None


def render(engine, text: str, rate: int, target: Path) -> bytes:
    """The text as WAV bytes; RuntimeError if the engine gave no sound."""
    engine.setProperty("rate", rate)
    settle()
    engine.save_to_file(text, str(target))
    engine.runAndWait()
    settle()
    if not target.exists() or target.stat().st_size <= WAV_HEADER_BYTES:
        raise RuntimeError("the engine gave no sound")
    data = target.read_bytes()
    target.unlink()
    return data


def main() -> None:
    """Serve requests until standard input ends."""
    # pyttsx3 prints what it saves: keep the real output for our answers alone.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    engine = open_engine()
    with tempfile.TemporaryDirectory(prefix="voice-") as folder:
        for number, line in enumerate(sys.stdin.buffer):
            data = b""
            try:
                request = json.loads(line)
                data = render(engine, request["text"], request["rate"], Path(folder) / f"{number}.wav")
                header = {"bytes": len(data)}
            except Exception as e:  # whatever a driver raises, the owner must hear of it
                header = {"error": f"{type(e).__name__}: {e}"}
            out.write(json.dumps(header).encode() + b"\n" + data)
            out.flush()


if __name__ == "__main__":
    main()
