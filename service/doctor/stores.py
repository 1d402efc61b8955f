"""Stores: disk, database, Redis and the secret key: where the service keeps things."""

from __future__ import annotations

import datetime
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from service.care.secrets import KEY_BYTES
from service.doctor.finding import Finding, bad, good, poor
from service.errors import StoreError
from service.monitoring.health import DEGRADED, FAILED, OK, disk_check, redis_check
from service.settings import Settings
from service.store.database import newest_revision
from service.store.inspection import Inspected, inspected

MIB = 1024 * 1024


@dataclass(frozen=True)
class Stored:
    """What a database told of itself."""

    inspected: Inspected | None
    """None: there is none yet, or it cannot be read."""
    error: str
    """Why it cannot be read; empty if it can."""

    @property
    def last_turn_at(self) -> datetime.datetime | None:
        """When the last turn came in, by the clock of then."""
        return self.inspected.last_turn_at if self.inspected else None


def read_database(settings: Settings) -> Stored:
    """How the database is; nothing in it is changed."""
    try:
        return Stored(inspected(settings.database_url), "")
    except StoreError as e:
        return Stored(None, str(e))


def database(settings: Settings, stored: Stored) -> Finding:
    """Whether the database can be read and written, and is of this version of the service."""
    found, is_server = stored.inspected, settings.database_url.startswith("postgresql")
    if stored.error and is_server:
        return bad("数据库的服务器连不上。", "请看看那台机器开着没有、网线插好没有、DATABASE_URL 写得对不对。", stored.error)
    if stored.error or found and found.damaged:
        return bad("数据库的文件坏了或者打不开。",
                   "请停下服务，把这个文件另存一份，再用最近的备份恢复：python -m service restore 备份文件。",
                   stored.error or "damaged")
    if found is None or found.revision is None:
        return good("还没有建，服务第一次开起来时会自己建。")
    if found.revision > newest_revision():
        return bad("数据库是更新的版本建的，这个版本用不了。", "请装上更新的版本，或者用这个版本的备份恢复。",
                   f"revision {found.revision}, not {newest_revision()}")
    if not found.writable:
        return bad("数据库只能看，写不进去。", "请让管这台机器的人给运行服务的用户写的权限。", "read only")
    if found.revision < newest_revision():
        return poor("数据库还是旧版本的。", "请先备份，再重新开一次服务，它会自己更新。",
                    f"revision {found.revision}, not {newest_revision()}")
    return good(f"打得开，写得进，{max(1, found.size_bytes // MIB)} MB。")


def redis(settings: Settings) -> Finding:
    """Whether the Redis of these settings answers."""
    check = redis_check(settings.redis_url)
    if check.state == OK:
        return good("连得上。")
    return poor("连不上，几台服务器暂时各做各的，对话不会断。",
                "请看看那台机器开着没有、网线插好没有、REDIS_URL 写得对不对。", check.reason)


def disk(settings: Settings) -> Finding:
    """Whether there is space for what is kept and installed, and it may be written there."""
    folders = (settings.data_dir, settings.models_dir, settings.learnt_dir)
    states = {disk_check(_existing(folder)).state for folder in folders}
    free = min(_free_mib(folder) for folder in folders)
    if FAILED in states:
        return bad(f"盘快满了，只剩 {free} MB，新的对话会记不下来。", "请删掉不用的文件，或者换一块大一点的盘。", f"{free} MiB free")
    if not _takes_writing(settings.data_dir):
        return bad(f"数据文件夹 {settings.data_dir} 写不进去。", "请让管这台机器的人给运行服务的用户写的权限。",
                   "data folder not writable")
    if DEGRADED in states:
        return poor(f"盘上只剩 {free} MB。", "请早点删掉不用的文件，腾出地方来。", f"{free} MiB free")
    if not all(map(_takes_writing, folders[1:])):
        return poor("模型的文件夹写不进去，不能装模型，也不能学新的说法。",
                    "请让管这台机器的人给运行服务的用户写的权限；已经装好的照样能用。", "models folder not writable")
    return good(f"还有 {free} MB，写得进。")


def secret_key(settings: Settings) -> Finding:
    """Whether the secret key is whole and for its owner alone."""
    try:
        found = settings.key_file.stat()
    except FileNotFoundError:
        if settings.key_path:
            return poor("设置里写的密钥文件不在。",
                        "请把别的服务器上的密钥文件复制过来；只有这一台服务器就不用管，服务会自己做一个。", "missing")
        return good("还没有，服务第一次开起来时会自己做一个。")
    if found.st_size < KEY_BYTES:
        return bad("密钥文件坏了，服务开不起来。", "请把备份的 secret.key 放回去；没有备份就删掉它，再把各台机器重新连一次家人。", "too short")
    if os.name == "posix" and found.st_mode & 0o077:
        return poor("别的用户也读得到密钥文件。", f"请运行 chmod 600 {settings.key_file}。", f"mode {found.st_mode & 0o777:o}")
    return good("只有运行服务的用户读得到。")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there already."""
    return next(p for p in (folder.absolute(), *folder.absolute().parents) if p.is_dir())


def _free_mib(folder: Path) -> int:
    return shutil.disk_usage(_existing(folder)).free // MIB


def _takes_writing(folder: Path) -> bool:
    """True if a file can be written there, or the folder be made; nothing stays behind."""
    if not folder.is_dir():
        return os.access(_existing(folder), os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
            file.flush()
        return True
    except OSError:
        return False
