"""Run: `python -m service doctor`, one look after the other, each within its time."""

from __future__ import annotations

import datetime
import json
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Callable, Iterator, TextIO

from service.core.model import Guide
from service.doctor import contents, machine, sound, stores
from service.doctor.finding import Finding, bad
from service.monitoring.health import DEGRADED, FAILED, OK
from service.settings import Settings

SIGNS = {OK: "✓", DEGRADED: "！", FAILED: "✗"}
CLOSING = {OK: "都好。", DEGRADED: "能用；有“！”的地方，有空时看一看。", FAILED: "有“✗”的地方，请照后面的话做，再运行一次。"}
LONGEST_S = 30.0
"""A look that takes longer is given up: twice what the longest one takes on a small machine."""


@dataclass(frozen=True)
class Look:
    """One thing that is looked at."""

    name: str
    """For programs."""
    title: str
    """In Chinese."""
    make: Callable[[], Finding]
    """May take time, and may break."""


class Patient:
    """The machine with its guide: what several looks need is read once."""

    def __init__(self, settings: Settings, sounds: bool):
        self.settings, self._sounds = settings, sounds

    @cached_property
    def _read(self) -> tuple[Guide | None, int]:
        return contents.read_guide(self.settings)

    @cached_property
    def _stored(self) -> stores.Stored:
        return stores.read_database(self.settings)

    def looks(self) -> Iterator[Look]:
        """Everything to be looked at, in the order in which somebody mends it."""
        settings = self.settings
        yield Look("clock", "时间", self._clock)
        yield Look("disk", "硬盘", lambda: stores.disk(settings))
        yield Look("memory", "内存", machine.memory)
        yield Look("database", "数据库", lambda: stores.database(settings, self._stored))
        if settings.redis_url:
            yield Look("redis", "Redis", lambda: stores.redis(settings))
        yield Look("secret key", "密钥", lambda: stores.secret_key(settings))
        yield Look("port", "端口", lambda: machine.port(settings))
        if settings.tls:
            yield Look("certificate", "证书", lambda: machine.certificate(settings, _now()))
        yield Look("guide", "指南", lambda: contents.guide_found(*self._read))
        yield Look("speech model", "听话的模型", lambda: contents.speech_model(settings))
        yield Look("voice pack", "录音", lambda: contents.voice_pack(settings, self._read[0]))
        yield Look("natural voice", "自然的声音", lambda: contents.natural_voice(settings))
        yield Look("plain voice", "电脑的声音", lambda: contents.plain_voice(self._read[0]))
        if is_kiosk(settings):
            yield Look("microphone", "麦克风", sound.microphone)
            yield Look("loudspeaker", "音箱", lambda: sound.loudspeaker(self._sounds))
            yield Look("browser", "浏览器", machine.browser)

    def _clock(self) -> Finding:
        guide, _ = self._read
        return machine.clock(_now(), self._stored.last_turn_at, self.settings.prompts_dir, guide.facts if guide else {})


def _now() -> datetime.datetime:
    """With the zone of this machine."""
    return datetime.datetime.now().astimezone()


def is_kiosk(settings: Settings) -> bool:
    """False for one of several servers: those who listen sit somewhere else."""
    return not settings.redis_url and settings.serves == "all"


def examined(look: Look, longest_s: float = LONGEST_S) -> Finding:
    """What a look found, also if it breaks or does not come back."""
    found: list[Finding] = []

    def make() -> None:
        try:
            found.append(look.make())
        except Exception as e:  # whatever is broken here, the other looks go on
            # The type alone: the text of a foreign error may hold an address.
            found.append(bad(f"没有查成（{type(e).__name__}）。", "请把这一行告诉管这台机器的人。", type(e).__name__))
    # A thread that nobody waits for at the end: what hangs cannot be stopped from outside.
    thread = threading.Thread(target=make, name=look.name, daemon=True)
    thread.start()
    thread.join(longest_s)
    return found[0] if found else bad(f"等了 {longest_s:.0f} 秒没有回音。", "请把机器关掉再开，再运行一次。", "no answer in time")


def line(look: Look, finding: Finding) -> str:
    """What is printed: a mark, what was looked at, how it is and what to do."""
    return f"{SIGNS[finding.state]} {look.title}：{finding.how}{finding.remedy}"


def run(settings: Settings, sounds: bool, as_json: bool, out: TextIO) -> int:
    """Look at everything and print what was found; 1 if something failed, 0 with warnings too."""
    found = []
    for look in Patient(settings, sounds).looks():
        finding = examined(look)
        found.append((look, finding))
        if not as_json:
            print(line(look, finding), file=out, flush=True)
    worst = max((finding.state for _, finding in found), key=list(SIGNS).index)
    if as_json:
        checks = [{"name": look.name, "state": finding.state, "reason": finding.reason, "title": look.title,
                   "how": finding.how, "remedy": finding.remedy} for look, finding in found]
        print(json.dumps({"state": worst, "checks": checks}, ensure_ascii=False), file=out)
    else:
        print(CLOSING[worst], file=out)
    return int(worst == FAILED)

