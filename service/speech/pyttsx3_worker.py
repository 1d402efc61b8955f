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


def use_bundled_espeak() -> None:
    """Let pyttsx3 find espeak-ng 1.52 of espeakng-loader instead of a system library.

    Debian 12's 1.51 reads Chinese characters as English letters. pyttsx3 loads
    ``libespeak-ng.so.1`` by name: one that is already loaded under this name is taken.
    """
    import espeakng_loader
    folder = Path(espeakng_loader.get_library_path()).parent
    ctypes.CDLL(str(folder / "libespeak-ng.so.1"), mode=ctypes.RTLD_GLOBAL)
    os.environ["ESPEAK_DATA_PATH"] = str(Path(espeakng_loader.get_data_path()).parent)


def open_engine():
    """The platform's pyttsx3 engine with a Mandarin voice; RuntimeError if it has none."""
    if sys.platform.startswith("linux"):
        use_bundled_espeak()
    import pyttsx3
    engine = pyttsx3.init()
    voice = mandarin_voice(engine.getProperty("voices"))
    if voice is None:
        raise RuntimeError("the system has no Mandarin voice")
    engine.setProperty("voice", voice)
    return engine


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
    """Id of the voice to use: espeak's pinyin reader, or the system's own Mandarin voice."""
    ids = [v.id for v in voices]
    if "sit/cmn-latn-pinyin" in ids:
        return "sit/cmn-latn-pinyin"
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
