"""Adjustment: what is set from afar reaches the talk, and what the listener wishes stays."""

import datetime
from types import SimpleNamespace

import pytest

from service.care.adjusting import QUIET_DB, Adjustment
from service.care.care import open_care
from service.core.dialog import Session
from service.errors import BadRequest
from service.store.database import open_database
from service.store.talks import TalkStore
from service.talks import Talks
from tests import support
from tests.support import QUICK_HASHER

NOON = datetime.datetime(2026, 11, 23, 12, 0).astimezone()
"""Local time, as quiet hours are."""
NIGHT = NOON.replace(hour=23)
MENU_LINE = "怎么查社保，按一。"


# --- values -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("wrong", [
    {"pace_cpm": 150}, {"pace_cpm": "180"}, {"loudness_db": 7}, {"wait_s": 5}, {"wait_s": None}, {"detail": "long"},
    {"large_type": "yes"}, {"keys_only": None}, {"quiet_from": "22:00"}, {"quiet_to": "07:00"},
    {"quiet_from": "24:00", "quiet_to": "07:00"}, {"quiet_from": "9:00", "quiet_to": "10:00"},
    {"quiet_from": "22:00\n", "quiet_to": "07:00"}, {"quiet_from": "22:60", "quiet_to": "07:00"}], ids=repr)
def test_what_is_not_on_the_scales_is_refused(wrong):
    with pytest.raises(BadRequest):
        Adjustment(**wrong)


def test_an_adjustment_survives_the_store_and_another_version():
    wanted = Adjustment(140, -7, "xiaofang", 20.0, "short", True, True, "22:00", "06:30")
    assert Adjustment.from_json(wanted.to_json()) == wanted
    assert Adjustment.from_json({"pace_cpm": 140, "colour": "green"}) == Adjustment(pace_cpm=140)


@pytest.mark.parametrize("begin, end, quiet, loud", [
    ("22:00", "06:30", ["22:00", "23:59", "00:00", "06:29"], ["06:30", "12:00", "21:59"]),
    ("12:00", "14:00", ["12:00", "13:59"], ["11:59", "14:00", "00:00"]),
    ("22:00", "00:00", ["22:00", "23:59"], ["00:00", "21:59"]),
    ("08:00", "08:00", [], ["08:00", "20:00"]), ("", "", [], ["00:00", "12:00"])])
def test_quiet_hours_go_over_midnight(begin, end, quiet, loud):
    adjustment = Adjustment(quiet_from=begin, quiet_to=end)
    assert all(adjustment.is_quiet(datetime.time.fromisoformat(at)) for at in quiet)
    assert not any(adjustment.is_quiet(datetime.time.fromisoformat(at)) for at in loud)


def test_a_session_takes_a_version_over_once():
    wanted = Adjustment(140, 6, "xiaofang", 20.0, "short")
    session = wanted.applied(Session(node="m2"), 3)
    assert (session.pace_cpm, session.loudness_db, session.voice, session.wait_s, session.detail, session.node) == (
        140, 6, "xiaofang", 20.0, "short", "m2")
    assert Adjustment(pace_cpm=260).applied(session, 3) == session
    assert Adjustment(pace_cpm=260).applied(session, 4).pace_cpm == 260


def test_in_quiet_hours_nothing_begins_loud_and_what_is_soft_stays_so():
    assert Adjustment(loudness_db=6).applied(Session(), 1, quiet=True).loudness_db == QUIET_DB
    assert Adjustment(loudness_db=-14).applied(Session(), 1, quiet=True).loudness_db == -14


def test_only_what_was_asked_for_is_liked():
    adjustment = Adjustment(140, 6)
    assert adjustment.as_liked(Session(), Session(node="m2", wait_s=30)) is adjustment
    assert adjustment.as_liked(Session(), Session(loudness_db=-7)) == Adjustment(140, -7)


# --- in a talk ------------------------------------------------------------------------------------------------

class Home:
    """A device of a person, and talks at it."""

    def __init__(self, url, speaker, shared):
        self.now, self.engine = NOON, open_database(url)
        self.care = open_care(self.engine, bytes(32), lambda: self.now, QUICK_HASHER)
        owner = self.care.accounts.create_owner(self.care.accounts.owner_code(), "小芳", "correct horse")
        self.token = self.care.devices.register()
        person = self.care.people.create(owner.id, "妈妈", shared)
        self.care.devices.pair(self.care.devices.new_code(self.device.id), person, "客厅")
        self.talks = Talks(SimpleNamespace(edition=support.edition()), TalkStore(self.engine), speaker,
                           lambda: self.now, self.care)

    @property
    def device(self):
        return self.care.devices.by_token(self.token)

    def adjust(self, **wanted):
        self.care.devices.adjust(self.device.id, Adjustment(**wanted))


@pytest.fixture(scope="module")
def speaker(tmp_path_factory):
    speaker = support.speaker(tmp_path_factory.mktemp("speaker"))
    yield speaker
    speaker.close()


@pytest.fixture
def home(tmp_path, speaker):
    home = Home(f"sqlite:///{tmp_path / 'guide.db'}", speaker, False)
    yield home
    home.engine.dispose()


@pytest.fixture
def hall(tmp_path, speaker):
    """A device for everybody."""
    hall = Home(f"sqlite:///{tmp_path / 'hall.db'}", speaker, True)
    yield hall
    hall.engine.dispose()


def test_a_talk_opens_as_its_device_is_set_whatever_the_page_says(home):
    home.adjust(pace_cpm=140, loudness_db=-7, wait_s=20.0)
    reply = home.talks.open("", 260, 6, home.device).reply
    assert (reply.pace_cpm, reply.loudness_db, reply.hint_after_s) == (140, -7, 20.0)


def test_what_is_set_from_afar_reaches_a_talk_at_its_next_turn(home):
    talk = home.talks.open(device=home.device)
    assert talk.reply.pace_cpm == 180
    home.adjust(pace_cpm=140, wait_s=30.0, detail="short")
    reply = home.talks.press(talk.talk_id, "a", "1").reply
    assert (reply.pace_cpm, reply.hint_after_s) == (140, 30.0)


def test_what_is_set_from_afar_is_heard_from_the_next_sentence_on(home):
    talk = home.talks.open(device=home.device)
    index = talk.reply.sentences.index(MENU_LINE)
    length = lambda: home.talks.audio(talk.talk_id, talk.turn_id, index).speech.length_s
    usual = length()
    home.adjust(pace_cpm=140)
    assert length() == pytest.approx(usual * 180 / 140, rel=0.1)


def test_a_repetition_is_still_slower_than_the_pace_that_was_set_meanwhile(home):
    talk = home.talks.open(device=home.device).talk_id
    again = home.talks.command(talk, "a", "repeat").reply
    index = again.sentences.index(MENU_LINE)
    assert again.pace_cpm == 153
    before = home.talks.audio(talk, "a", index).speech.length_s
    home.adjust(pace_cpm=260)
    quick = home.talks.audio(talk, "a", index).speech.length_s
    assert quick == pytest.approx(before * 153 / (260 * 0.85), rel=0.1)


def test_what_the_listener_asks_for_stays_on_their_own_device(home):
    talk = home.talks.open(device=home.device).talk_id
    assert home.talks.say(talk, "a", "讲慢一点").reply.pace_cpm == 160
    home.talks.command(talk, "b", "louder")
    assert (home.device.adjustment.pace_cpm, home.device.adjustment.loudness_db) == (160, 6)
    reply = home.talks.open(device=home.device).reply
    assert (reply.pace_cpm, reply.loudness_db) == (160, 6)
    assert home.talks.press(talk, "c", "1").reply.pace_cpm == 160, "and in the talk that is going on"


def test_on_a_device_for_everybody_a_wish_ends_with_the_talk(hall):
    talk = hall.talks.open(device=hall.device).talk_id
    assert hall.talks.say(talk, "a", "讲慢一点").reply.pace_cpm == 160 == hall.talks.press(talk, "b", "1").reply.pace_cpm
    assert hall.device.adjustment == Adjustment()
    assert hall.talks.open(device=hall.device).reply.pace_cpm == 180


def test_a_talk_that_opens_in_quiet_hours_is_soft(home):
    home.adjust(loudness_db=6, quiet_from="22:00", quiet_to="07:00")
    assert home.talks.open(device=home.device).reply.loudness_db == 6
    home.now = NIGHT
    assert home.talks.open(device=home.device).reply.loudness_db == QUIET_DB
    assert home.device.adjustment.loudness_db == 6, "nobody asked for it"


def test_who_asks_for_more_in_quiet_hours_gets_it(home):
    home.adjust(loudness_db=6, quiet_from="22:00", quiet_to="07:00")
    home.now = NIGHT
    talk = home.talks.open(device=home.device).talk_id
    assert home.talks.say(talk, "a", "大声一点").reply.loudness_db > QUIET_DB


def test_without_a_device_nothing_is_set_from_afar(home):
    home.adjust(pace_cpm=140)
    talk = home.talks.open(pace_cpm=205)
    home.talks.say(talk.talk_id, "a", "讲慢一点")
    assert talk.reply.pace_cpm == 205 and home.device.adjustment == Adjustment(pace_cpm=140)
