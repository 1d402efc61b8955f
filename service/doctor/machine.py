"""Machine: clock, browser, memory, port and certificate of the machine that a guide runs on."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Mapping

import psutil

from service import tls
from service.core.clock import is_believed, newest
from service.core.model import Fact
from service.doctor.finding import Finding, bad, good, poor
from service.settings import Settings
from service.web.probes import READY

BEIJING = datetime.timedelta(hours=8)
"""Offset of Asia/Shanghai from UTC, all the year round."""
SLACK = datetime.timedelta(days=1)
"""So much a clock may be behind what was written by it before: another time zone is not a wrong clock."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge",
            "firefox", "firefox-esr")
PROGRAM_S, ANSWER_S = 10.0, 5.0
"""Longest wait for another program, and for an answer over the network, seconds."""
LONGEST_ANSWER_BYTES = 1024 * 1024
LITTLE_MEMORY_MIB = 200
"""Free memory below which the service would be slowed down by swapping."""
EXPIRES_SOON = datetime.timedelta(days=14)


def clock(now: datetime.datetime, last_turn_at: datetime.datetime | None, prompts_dir: Path,
          facts: Mapping[str, Fact]) -> Finding:
    """Whether the clock can be right. ``now``: with the zone of this machine."""
    written = max((p.stat().st_mtime for p in prompts_dir.rglob("*.yaml")), default=0.0)
    guide_at = datetime.datetime.fromtimestamp(written, datetime.UTC)
    shown = f"现在显示的是 {now.year} 年 {now.month} 月 {now.day} 日 {now:%H:%M}"
    if now < guide_at - SLACK:
        return bad(f"钟慢了，{shown}。", "请把日期和时间调对，连上网会自己对时。", "before the newest file of the guide")
    if not is_believed(facts, now.date()):
        return bad(f"日子不对，{shown}，指南最近一次核对是 {newest(facts)}；算一算先不算。", "请把日期和时间调对，连上网会自己对时。",
                   "does not fit the facts")
    if last_turn_at and now < last_turn_at - SLACK:
        return bad(f"钟比上一次对话时还早，{shown}。", "请看看日期和时间对不对，把它调对。", "before the last turn")
    if now.utcoffset() != BEIJING:
        return poor(f"不是北京时间，{shown}。", "请运行 timedatectl set-timezone Asia/Shanghai，提醒才会按时念。",
                    f"offset {now:%z}")
    if _told(("timedatectl", "show", "-p", "NTPSynchronized", "--value")) == "no":
        return poor(f"没有和网上对过时，{shown}。", "请看一眼日期和时间对不对；连上网会自己对时。", "not synchronised")
    return good(f"{shown}。")


def browser() -> Finding:
    """Whether there is a browser for the kiosk page, and which version of it."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        return poor("没有找到。", "请装上 Chromium；用别的平板打开网页，或者在终端里用，就不用装。", "no browser")
    return good(f"{_told((found, '--version')) or Path(found).name}。")


def memory() -> Finding:
    """Whether there is memory left."""
    found = psutil.virtual_memory()
    free, whole = found.available // 2 ** 20, found.total // 2 ** 20
    if free < LITTLE_MEMORY_MIB:
        return poor(f"一共 {whole} MB，只剩 {free} MB。", "请关掉别的程序；机器小，可以设 VOICE=light。", f"{free} MiB free")
    return good(f"一共 {whole} MB，还有 {free} MB。")


def port(settings: Settings) -> Finding:
    """Whether the service can have its port, or has it already."""
    if settings.port == 0:
        return good("每次开起来时自己挑一个空的。")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    try:
        socket.create_connection((host, settings.port), ANSWER_S).close()
    except ConnectionRefusedError:
        return _bound(settings)
    except OSError as e:
        return bad(f"地址 {settings.host} 用不了。", "请看看设置 HOST 写得对不对。", type(e).__name__)
    ready = _readiness(host, settings)
    if ready is None:
        return bad(f"{settings.port} 被别的程序占用了。", "请关掉那个程序，或者把设置 PORT 改成别的数，比如 8081。", "taken")
    if not ready:
        return bad(f"{settings.port} 上服务开着，可是还不能用。", "请照有“✗”的几行做；刚开起来的，过半分钟再运行一次。", "not ready")
    return good(f"{settings.port} 上服务正开着。")


def certificate(settings: Settings, now: datetime.datetime) -> Finding:
    """Whether the certificate can be used, and for how long. The service's own one is made and renewed by itself."""
    own = settings.tls == tls.SELF
    folder = settings.data_dir / "tls" if own else Path(settings.tls)
    if own and not (folder / tls.CHAIN).exists():
        return good("还没有，服务第一次开起来时会自己做一个。")
    try:
        ends = tls.check(folder).not_valid_after_utc
    except tls.CertificateError:
        return bad("证书用不了。", f"请看看文件夹 {folder} 里有没有配得上的 {tls.CHAIN} 和 {tls.KEY}。", "unusable")
    day = f"{ends.year} 年 {ends.month} 月 {ends.day} 日"
    if not own and ends <= now:
        return bad(f"证书 {day}过期了，网页会打不开。", "请换上新的证书。", "expired")
    if not own and ends - now < EXPIRES_SOON:
        return poor(f"证书 {day}到期。", "请早点换上新的证书。", "expires soon")
    return good(f"证书用得到 {day}。")


def _bound(settings: Settings) -> Finding:
    """Whether the port can be had: it is, for a moment, without being listened to."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((settings.host, settings.port))
    except PermissionError:
        return bad(f"不许用 {settings.port}。", "请把设置 PORT 改成 1024 以上的数，比如 8080。", "not permitted")
    except OSError as e:
        return bad(f"地址 {settings.host} 上的 {settings.port} 用不了。", "请看看设置 HOST 和 PORT 写得对不对。",
                   type(e).__name__)
    return good(f"{settings.port} 空着，服务可以用。")


def _readiness(host: str, settings: Settings) -> bool | None:
    """Whether the service that answers there is ready; None if something else answers, or nothing."""
    scheme, named = "https" if settings.tls else "http", f"[{host}]" if ":" in host else host
    # Nothing is sent but the question, and the certificate is for another name than this address.
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"{scheme}://{named}:{settings.port}{READY}", timeout=ANSWER_S,
                                    context=unchecked) as answer:
            told = answer.read(LONGEST_ANSWER_BYTES)
    except urllib.error.HTTPError as e:
        told = e.read(LONGEST_ANSWER_BYTES)
    except (OSError, HTTPException):
        return None
    try:
        return bool(json.loads(told)["ready"])
    except (ValueError, KeyError, TypeError):
        return None


def _told(command: tuple[str, ...]) -> str:
    """What a program writes, in one line; empty if it does not run, fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_S, errors="replace",
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return re.sub(r"\s+", " ", done.stdout).strip() if done.returncode == 0 else ""
