"""Settings: everything that can be set from outside, read strictly from the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Mapping

from service.errors import SettingsError
from service.speech.kokoro import TIMBRES
from service.speech.recognizer import DECODERS
from service.speech.voices import LAYERS

VOICES = ("natural", "light")
PARTS = ("all", "audio", "pages")
"""What a process may serve."""
KEPT = ("talks", "incidents", "misses", "deliveries", "audit", "counts", "invitations", "devices")
"""Kinds of records that are deleted when their time is over; how long that is says ``care.keeping.RETENTION``."""
MOST_DAYS = 36_500
SHORTEST_TOKEN = 16
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
    learnt_dir: Path = PROJECT / "models" / "learnt"
    """Folder of what was learnt from the ways of asking (LEARNT_DIR)."""
    speech_model: str = "vosk-model-small-cn-0.22"
    """Name of the recogniser's model in the catalog (SPEECH_MODEL)."""
    decoders: str = "both"
    """``both`` or ``grammar``: open decoding costs ten times the closed grammar (DECODERS)."""
    voice: str = "natural"
    """``natural``, or ``light``: without Kokoro, for machines with little memory (VOICE)."""
    voice_order: tuple[str, ...] = LAYERS
    """Where a sentence is looked for, the best first (VOICE_ORDER); pyttsx3 is always the last resort."""
    usual_voice: str = "female"
    """Voice of those who have not chosen one: ``female`` or ``male`` (USUAL_VOICE)."""
    audio_cache_bytes: int = 200 * 1024 * 1024
    """Bound of the audio cache on disk (AUDIO_CACHE_MB, in MiB)."""
    reload_guide: bool = True
    """True if edited files of the guide are taken up while running (RELOAD_GUIDE)."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR (LOG_LEVEL)."""
    database: str = field(default="", repr=False)
    """Address of the database (DATABASE_URL); empty: SQLite in ``data_dir``. It may hold a password."""
    public_url: str = ""
    """Address by which others reach this service, for links and printed codes (PUBLIC_URL); empty: the one
    that they asked by."""
    proxies: int = 0
    """Number of proxies in front whose X-Forwarded headers are believed (PROXIES)."""
    retention_days: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Kind of record to the days that it is kept, where that is not the usual (RETENTION_DAYS)."""
    redis_url: str = field(default="", repr=False)
    """Address of the Redis or Valkey that several processes share (REDIS_URL); empty: one process alone. It may
    hold a password."""
    serves: str = "all"
    """``all``, or a part where several processes share the work: ``audio``, turns made by voice, or ``pages``,
    everything else (SERVES)."""
    key_path: Path | None = None
    """File of the key that tokens are hashed with, the same for all processes (SECRET_KEY_FILE); None: in
    ``data_dir``, made where it is missing."""
    tls: str = ""
    """``self``: a certificate that the service makes itself; a folder with fullchain.pem and privkey.pem; empty:
    no TLS here (TLS)."""
    plain_http: bool = False
    """True if pages may be read over plain HTTP from other machines (PLAIN_HTTP)."""
    metrics_token: str = field(default="", repr=False)
    """Token by which other machines may read /metrics (METRICS_TOKEN); empty: this machine alone."""
    most_memory_bytes: int = 0
    """Memory of the process above which no new talk is begun (MOST_MEMORY_MB, in MiB); 0: no limit."""

    @property
    def packs_dir(self) -> Path:
        """Where the voice packs lie that ship with the guide."""
        return self.prompts_dir / "voices"

    @property
    def family_dir(self) -> Path:
        """Where the voices lie that families recorded."""
        return self.data_dir / "voices"

    @property
    def key_file(self) -> Path:
        """File of the secret key."""
        return self.key_path or self.data_dir / "secret.key"

    @property
    def database_url(self) -> str:
        """Where talks are kept."""
        return self.database or f"sqlite:///{self.data_dir / 'guide.db'}"


def _boolean(text: str) -> bool:
    values = {"1": True, "true": True, "yes": True, "on": True,
              "0": False, "false": False, "no": False, "off": False}
    return values[text.lower()]


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


def _address(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", text):
        raise ValueError
    return text


def _few(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 5:
        raise ValueError
    return number


def _token(text: str) -> str:
    if len(text) < SHORTEST_TOKEN:
        raise ValueError
    return text


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


def _order(text: str) -> tuple[str, ...]:
    order = tuple(part.strip() for part in text.split(","))
    if not set(order) <= set(LAYERS) or len(set(order)) < len(order):
        raise ValueError
    return order


def _database(text: str) -> str:
    # Only where it is needed: the import takes longer than all the rest of this module.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # What the parser says may quote a part of the password.
        raise ValueError from None
    in_memory = url.database in (None, "", ":memory:") or url.database.startswith("file:")
    is_file = text.startswith("sqlite:///") and not in_memory
    is_server = url.drivername in ("postgresql", "postgresql+psycopg") and url.database
    if not (is_file or is_server):
        raise ValueError
    return text


def _redis(text: str) -> str:
    from redis.connection import parse_url
    if not re.match(r"(redis|rediss|unix)://", text):
        raise ValueError
    try:
        parse_url(text)
    except ValueError:
        # What the parser says may quote a part of the password.
        raise ValueError from None
    return text


def _days(text: str) -> dict[str, int]:
    days = {}
    for part in text.split(","):
        kind, _, number = (word.strip() for word in part.partition("="))
        if kind not in KEPT or kind in days or not (number.isascii() and number.isdecimal()):
            raise ValueError
        days[kind] = int(number)
        if not 1 <= days[kind] <= MOST_DAYS:
            raise ValueError
    return days


_READERS: dict[str, tuple[str, Callable, str]] = {
    "HOST": ("host", str, "an address"),
    "PORT": ("port", _port, "a port from 0 to 65535"),
    "DATA_DIR": ("data_dir", Path, "a folder"),
    "PROMPTS_DIR": ("prompts_dir", Path, "a folder"),
    "MODELS_DIR": ("models_dir", Path, "a folder"),
    "LEARNT_DIR": ("learnt_dir", Path, "a folder"),
    "SPEECH_MODEL": ("speech_model", str, "a model's name"),
    "DECODERS": ("decoders", _one_of(*DECODERS), f"one of {', '.join(DECODERS)}"),
    "VOICE": ("voice", _one_of(*VOICES), f"one of {', '.join(VOICES)}"),
    "VOICE_ORDER": ("voice_order", _order, f"some of {', '.join(LAYERS)}, each once, with commas"),
    "USUAL_VOICE": ("usual_voice", _one_of(*TIMBRES), f"one of {', '.join(TIMBRES)}"),
    "AUDIO_CACHE_MB": ("audio_cache_bytes", _mebibytes, "a whole number from 1"),
    "RELOAD_GUIDE": ("reload_guide", _boolean, "true or false"),
    "PUBLIC_URL": ("public_url", _address, "an address that begins with http:// or https://"),
    "PROXIES": ("proxies", _few, "a number from 0 to 5"),
    "LOG_LEVEL": ("log_level", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "a log level"),
    "DATABASE_URL": ("database", _database, "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"),
    "REDIS_URL": ("redis_url", _redis, "redis://HOST, rediss://HOST or unix://PATH"),
    "SERVES": ("serves", _one_of(*PARTS), f"one of {', '.join(PARTS)}"),
    "SECRET_KEY_FILE": ("key_path", Path, "a file"),
    "TLS": ("tls", str, "self or a folder"),
    "PLAIN_HTTP": ("plain_http", _boolean, "true or false"),
    "METRICS_TOKEN": ("metrics_token", _token, f"at least {SHORTEST_TOKEN} characters"),
    "MOST_MEMORY_MB": ("most_memory_bytes", _mebibytes, "a whole number from 1"),
    "RETENTION_DAYS": ("retention_days", _days,
                       f"KIND=DAYS with commas, each kind once, of {', '.join(KEPT)}, days from 1 to {MOST_DAYS}"),
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
