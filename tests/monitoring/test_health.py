"""Health: each check says what it found, and one that hangs or breaks costs no answer."""

import threading
from pathlib import Path

import pytest

from service.monitoring import health
from service.monitoring.health import DEGRADED, FAILED, OK, Check, Health, clock_check, database_check, disk_check
from service.monitoring.health import is_ready, redis_check, speech_model_check
from service.store.database import open_database


def test_the_database_is_there_and_gone(tmp_path: Path):
    engine = open_database(f"sqlite:///{tmp_path / 'guide.db'}")
    assert database_check(engine) == Check("database", OK)
    for file in tmp_path.glob("guide.db*"):
        file.unlink()
    assert database_check(engine).state == FAILED
    engine.dispose()


def test_a_redis_that_is_away_is_no_reason_to_send_nobody(unused_port: int):
    found = redis_check(f"redis://:very-secret@127.0.0.1:{unused_port}/0")
    assert (found.name, found.state) == ("redis", DEGRADED)
    assert "secret" not in found.reason and str(unused_port) not in found.reason


@pytest.fixture
def unused_port() -> int:
    import socket
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize("free, state", [(10 ** 12, OK), (100 * 1024 ** 2, DEGRADED), (1024 ** 2, FAILED)])
def test_a_disk_that_fills_up_is_told_in_time(tmp_path: Path, monkeypatch, free: int, state: str):
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _: health.shutil._ntuple_diskusage(0, 0, free))
    assert disk_check(tmp_path).state == state


def test_a_folder_that_is_gone_has_no_space(tmp_path: Path):
    assert disk_check(tmp_path / "gone").state == FAILED
    assert disk_check(tmp_path).state != FAILED


def test_without_a_speech_model_talks_go_on_by_keys():
    assert speech_model_check(True).state == OK
    assert is_ready((speech_model_check(False),)) and speech_model_check(False).reason


def test_a_day_that_cannot_be_right_is_told_and_talks_go_on():
    assert clock_check(True).state == OK
    assert is_ready((clock_check(False),)) and clock_check(False).reason


def test_all_checks_are_made_and_a_broken_one_fails():
    def broken() -> Check:
        raise RuntimeError("postgresql://user:secret@host/")
    checks = Health({"one": lambda: Check("one", OK), "two": broken}).checks()
    assert checks == (Check("serving", OK), Check("one", OK), Check("two", FAILED, "RuntimeError"))
    assert not is_ready(checks)


def test_one_that_hangs_fails_in_time_and_is_not_started_again():
    release, started = threading.Event(), []

    def hang() -> Check:
        started.append(1)
        release.wait()
        return Check("slow", OK)
    slow = Health({"slow": hang}, longest_s=0.05)
    for _ in range(3):
        assert slow.checks()[1] == Check("slow", FAILED, "no answer in time")
    assert len(started) == 1
    release.set()
    assert Health({"slow": hang}).checks()[1].state == OK


def test_a_process_that_is_about_to_stop_is_not_ready():
    draining = Health({})
    assert is_ready(draining.checks())
    draining.drain()
    assert draining.checks() == (Check("serving", FAILED, "draining"),)
    assert draining.draining and not is_ready(draining.checks())
