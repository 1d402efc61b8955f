"""Settings: everything that can be set from outside, read strictly from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping

from service.errors import SettingsError
from service.speech.recognizer import DECODERS

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """How one process runs."""

    host: str = "127.0.0.1"
    """Address to bind to (HOST)."""
    port: int = 8080
    """TCP port (PORT); 0 takes a free one."""
    data_dir: Path = PROJECT / "data"
    """Folder of the database and the audio cache (DATA_DIR)."""
    prompts_dir: Path = PROJECT / "prompts"
    """Folder of the guide (PROMPTS_DIR)."""
    models_dir: Path = PROJECT / "models"
    """Folder of the catalog and the installed models (MODELS_DIR)."""
    speech_model: str = "vosk-model-small-cn-0.22"
    """Name of the recogniser's model in the catalog (SPEECH_MODEL)."""
    decoders: str = "both"
    """``both`` or ``grammar``: open decoding costs ten times the closed grammar (DECODERS)."""
    audio_cache_bytes: int = 200 * 1024 * 1024
    """Bound of the audio cache on disk (AUDIO_CACHE_MB, in MiB)."""
    reload_guide: bool = True
    """True if edited files of the guide are taken up while running (RELOAD_GUIDE)."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR (LOG_LEVEL)."""

    @property
    def database_url(self) -> str:
        """Where talks are kept."""
        return f"sqlite:///{self.data_dir / 'guide.db'}"


def _boolean(text: str) -> bool:
    values = {"1": True, "true": True, "yes": True, "on": True,
              "0": False, "false": False, "no": False, "off": False}
    return values[text.lower()]


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


def _mebibytes(text: str) -> int:
    size = int(text)
    if size < 1:
        raise ValueError
    return size * 1024 * 1024


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError
        return text
    return read


_READERS: dict[str, tuple[str, Callable, str]] = {
    "HOST": ("host", str, "an address"),
    "PORT": ("port", _port, "a port from 0 to 65535"),
    "DATA_DIR": ("data_dir", Path, "a folder"),
    "PROMPTS_DIR": ("prompts_dir", Path, "a folder"),
    "MODELS_DIR": ("models_dir", Path, "a folder"),
    "SPEECH_MODEL": ("speech_model", str, "a model's name"),
    "DECODERS": ("decoders", _one_of(*DECODERS), f"one of {', '.join(DECODERS)}"),
    "AUDIO_CACHE_MB": ("audio_cache_bytes", _mebibytes, "a whole number from 1"),
    "RELOAD_GUIDE": ("reload_guide", _boolean, "true or false"),
    "LOG_LEVEL": ("log_level", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "a log level"),
}


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of an environment; SettingsError names the variable that cannot be taken.

    An empty value counts as not set. Variables that are not ours are left alone.
    """
    values = {}
    for name, (field, read, wanted) in _READERS.items():
        text = environment.get(name, "").strip()
        if not text:
            continue
        try:
            values[field] = read(text)
        except (ValueError, KeyError) as e:
            raise SettingsError(f"{name} must be {wanted}") from e
    return Settings(**values)
