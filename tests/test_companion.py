"""Companion: a terminal as a device that somebody may care for."""

import os
import queue

import pytest

from service.care.care import open_care
from service.store.database import open_database
from service.talks import utc_now
from service.terminal.companion import Companion
from tests.support import QUICK_HASHER


@pytest.fixture
def care(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'guide.db'}")
    yield open_care(engine, bytes(32), utc_now, QUICK_HASHER)
    engine.dispose()


@pytest.fixture
def states():
    return queue.Queue()


@pytest.fixture
def companion(care, tmp_path, states):
    made = Companion(care, tmp_path / "device.token", states.put, lambda: (False, True))
    yield made
    made.close()


def pair(care, companion) -> int:
    owner = care.accounts.create_owner(care.accounts.owner_code(), "小芳", "correct horse")
    code = care.devices.new_code(companion.device().id)
    return care.devices.pair(code, care.people.create(owner.id, "妈妈", False), "客厅")


def test_it_stays_the_same_device_and_its_token_is_its_owners_alone(companion, tmp_path):
    device = companion.device()
    assert companion.device().id == device.id and not device.paired
    assert os.stat(tmp_path / "device.token").st_mode & 0o077 == 0


def test_who_was_cut_off_may_be_paired_anew(care, companion):
    first = pair(care, companion)
    care.devices.revoke(first)
    again = companion.device()
    assert again.id != first and not again.paired


def test_a_damaged_token_is_replaced(companion, tmp_path):
    (tmp_path / "device.token").write_bytes(b"\xff\xfe")
    assert companion.device() is not None


def test_the_loop_is_told_how_it_stands_and_the_panel_that_it_cannot_hear(care, companion, states):
    device = pair(care, companion)
    care.notices.plan(device, 1, None, "多穿一件。", None, "once")
    care.notices.come_due()
    companion.start()
    state = states.get(timeout=5)
    assert state.device.paired and state.notice is not None
    assert not care.devices.row(device).listening and care.devices.row(device).sounding


def test_a_change_is_told_at_once(care, companion, states):
    companion.start()
    assert not states.get(timeout=5).device.paired
    pair(care, companion)
    care.feed.look()
    assert states.get(timeout=5).device.paired
