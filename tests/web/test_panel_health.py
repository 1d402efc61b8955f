"""The pages of health: how a device is doing, how the service is, who may know, and what is not told."""

import dataclasses
import datetime
import html
import re

import pytest

from service.care.health import percentile, usage
from service.monitoring.health import DEGRADED, FAILED, OK, Check
from service.store.database import transaction
from service.store.tables import AuditRow, DeliveryRow, DeviceRow, IncidentRow, PersonRow, RoleRow, TalkRow, TurnRow
from service.web.panel import LARGEST_ID, health
from tests.web.panel_site import NOW, Markup, PanelSite, make_template, prompts_copy, text_of

LINE = re.compile(r'<li class="(\w+)">.*?aria-hidden="true">(.)</span>\s*(.*?)</span>\s*'
                  r'<span class="told"><strong>(.*?)</strong> (.*?)</span>', re.S)
SECOND, DAY = datetime.timedelta(seconds=1), datetime.timedelta(days=1)
CHECKS = (Check("serving", OK), Check("database", FAILED, "database: OperationalError"),
          Check("speech model", DEGRADED, "not installed or damaged"), Check("something new", FAILED, "why"))


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("panel")
    site = PanelSite(tmp_path_factory.mktemp("site"), make_template(folder), prompts_copy(folder),
                     folder / "translations", health=lambda: CHECKS)
    yield site
    site.close()


@pytest.fixture
def site(running):
    """The service as it is at the beginning, its device paired and just heard of."""
    running.reset()
    return running


def lines(page: str) -> dict[str, tuple[str, str, str, str]]:
    """Title to (state, sign, word, sentence) of everything that the page tells."""
    return {title: (state, sign, word.strip(), html.unescape(said))
            for state, sign, word, title, said in LINE.findall(page)}


def page_of(site: PanelSite, role: str = "owner", household=None) -> str:
    """The page of a device's health."""
    answer = site.client(role).get(f"/panel/devices/{(household or site.seed.own).device}/health")
    assert answer.status_code == 200
    return text_of(answer)


def change(site: PanelSite, table, key, **values) -> None:
    with transaction(site.engine) as orm:
        for name, value in values.items():
            setattr(orm.get_one(table, key), name, value)


def add_talk(site: PanelSite, name: str, at: datetime.datetime, turns, household=None, **values) -> None:
    """A talk with turns of (source, outcome, took_ms), a second apart."""
    household = household or site.seed.own
    about = {"device_id": household.device, "person_id": household.person, "session": {}, **values}
    with transaction(site.engine) as orm:
        orm.add(TalkRow(id=name, turns=len(turns), created_at=at, updated_at=at + len(turns) * SECOND, **about))
        orm.flush()
        orm.add_all(TurnRow(talk_id=name, id=str(i), number=i, source=source, outcome=outcome, node="m1",
                            received_at=at + i * SECOND, took_ms=took_ms, reply={})
                    for i, (source, outcome, took_ms) in enumerate(turns))


def figures(page: str) -> dict[str, list[str]]:
    """Row of the table to its cells: the last 24 hours and seven days."""
    rows = re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', page, re.S)
    return {name: [re.sub(r"<.*?>", "", cell).strip() for cell in re.findall(r"<td>(.*?)</td>", cells, re.S)]
            for name, cells in rows}


# --- a device --------------------------------------------------------------------------------------------------

def test_a_device_that_is_well_has_nothing_but_good_signs(site):
    change(site, TalkRow, site.seed.own.talk, session={"adjusted": 2})
    change(site, IncidentRow, site.seed.own.incident, closed_at=NOW)
    add_talk(site, "more", NOW - DAY * 2, [("voice", "match", 40.0)] * 12)
    told = lines(page_of(site))
    assert {title: line[:3] for title, line in told.items()} == dict.fromkeys(
        ("There", "Hears", "Speaks", "Settings", "Understanding", "Answers", "Attention", "To be read out"),
        (OK, "✓", "in order"))
    assert Markup(page_of(site)).wrong == []


def test_a_device_that_can_neither_hear_nor_speak(site):
    change(site, DeviceRow, site.seed.own.device, listening=False, sounding=False)
    told = lines(page_of(site))
    assert told["There"][0] == OK and told["Hears"][:3] == told["Speaks"][:3] == (FAILED, "✗", "see to it")
    assert "microphone" in told["Hears"][3] and "loudspeaker" in told["Speaks"][3]


def test_of_a_silent_device_nobody_knows_what_it_can(site):
    site.now = NOW + 2 * DAY
    told = lines(page_of(site))
    assert told["There"][0] == FAILED and "switched on" in told["There"][3]
    assert told["Hears"][0] == told["Speaks"][0] == health.UNKNOWN


@pytest.mark.parametrize("adjusted, state", [(2, OK), (1, health.UNKNOWN)])
def test_whether_the_newest_settings_were_seen(site, adjusted, state):
    change(site, DeviceRow, site.seed.own.device, settings_version=2)
    change(site, TalkRow, site.seed.own.talk, session={"adjusted": adjusted})
    assert lines(page_of(site))["Settings"][0] == state


def test_what_is_open_and_what_waits(site):
    with transaction(site.engine) as orm:
        orm.add(DeliveryRow(notice_id=site.seed.own.notice, due_at=NOW - SECOND))
    told = lines(page_of(site))
    assert told["Attention"][:3] == (DEGRADED, "!", "have a look")
    assert told["Attention"][3].startswith("1 thing is open")
    assert told["To be read out"][0] == health.UNKNOWN and "1 message waits" in told["To be read out"][3]


def test_how_it_is_used_and_how_quick_it_is(site):
    add_talk(site, "today", NOW - datetime.timedelta(hours=20), [
        ("start", "start", 10.0), ("voice", "no_match", 700.0), ("key", "key", 20.0), ("text", "ask", 30.0)])
    add_talk(site, "lately", NOW - 6 * DAY, [("voice", "match", 40.0)] * 4)
    add_talk(site, "long ago", NOW - 8 * DAY, [("voice", "no_match", 9000.0)] * 50)
    add_talk(site, "another's", NOW - DAY / 2, [("voice", "no_match", 9000.0)] * 50, site.seed.place)
    add_talk(site, "nobody's", NOW - DAY / 2, [("voice", "no_match", 9000.0)] * 50, person_id=None)
    assert figures(page_of(site)) == {
        "Number of talks": ["2", "3"], "Number of turns": ["5", "9"],
        "Not understood": ["33 % (1 of 3)", "14 % (1 of 7)"],
        "Time to the answer, half of the turns": ["20 ms", "40 ms"],
        "Time to the answer, 95 of 100 turns": ["700 ms", "700 ms"]}


def test_slow_answers_and_much_that_is_not_understood_are_pointed_out(site):
    add_talk(site, "bad", NOW - DAY, [("voice", "no_match", 900.0)] * 12)
    told = lines(page_of(site))
    assert told["Understanding"][0] == told["Answers"][0] == DEGRADED
    add_talk(site, "good", NOW - DAY, [("voice", "match", 20.0)] * 300)
    told = lines(page_of(site))
    assert told["Understanding"][0] == told["Answers"][0] == OK


def test_a_device_that_nobody_has_used(site):
    with transaction(site.engine) as orm:
        orm.query(TalkRow).delete()
    page = page_of(site)
    assert figures(page)["Number of turns"] == ["0", "0"] and figures(page)["Not understood"] == ["–", "–"]
    assert {lines(page)[title][0] for title in ("Settings", "Understanding", "Answers")} == {health.UNKNOWN}


@pytest.mark.parametrize("percent, value", [(50, 50), (95, 95), (100, 100), (1, 1)])
def test_percentiles(percent, value):
    assert percentile(range(1, 101), percent) == value
    assert percentile([7.0], percent) == 7.0 and percentile([], percent) is None


def test_keys_are_no_requests():
    turn = dataclasses.make_dataclass("Turn", ["talk_id", "source", "outcome", "took_ms"])
    found = usage([turn("a", "key", "no_match", 1.0), turn("a", "silence", "no_input", 1.0),
                   turn("b", "voice", "match", 1.0)])
    assert (found.talks, found.turns, found.requests, found.missed, found.missed_share) == (2, 3, 1, 0, 0.0)
    assert usage([]).missed_share is None


# --- who may know what ---------------------------------------------------------------------------------------

def test_who_wants_nobody_to_look_is_not_looked_at(site):
    add_talk(site, "private", NOW - DAY / 2, [("voice", "no_match", 900.0)] * 12)
    change(site, IncidentRow, site.seed.own.incident, kind="stuck")
    change(site, PersonRow, site.seed.own.person, sharing_paused_at=NOW)
    page = page_of(site)
    assert figures(page) == {} and "does not want anybody to look" in page
    told = lines(page)
    assert not {"Understanding", "Answers"} & told.keys() and told["Attention"][0] == OK and told["Hears"][0] == OK
    change(site, IncidentRow, site.seed.own.incident, kind="help")
    assert lines(page_of(site))["Attention"][0] == DEGRADED


def test_looking_is_noted_and_told_in_words(site):
    page_of(site, "viewer")
    with transaction(site.engine) as orm:
        found = orm.query(AuditRow).filter_by(action="looked", detail="health").all()
    assert [(row.account_id, row.person_id) for row in found] == [(site.seed.accounts["viewer"], site.seed.own.person)]
    assert "looked at how a device is doing" in text_of(site.client("owner").get("/panel/audit"))


def test_the_service_is_shown_to_those_alone_who_edit_the_guide(site):
    assert not {"Database", "Memory"} & lines(page_of(site, "owner")).keys()
    told = lines(text_of(site.client("editor").get("/panel/health")))
    assert {title: line[0] for title, line in told.items()} == {
        "Taking turns": OK, "Database": FAILED, "Speech model": DEGRADED, "something new": FAILED, "Voices": OK,
        "Memory": OK, "Running": OK}
    assert "models install" in told["Speech model"][3] and "service doctor" in told["something new"][3]
    assert "OperationalError" not in text_of(site.client("editor").get("/panel/health"))
    with transaction(site.engine) as orm:
        orm.add(RoleRow(account_id=site.seed.accounts["editor"], person_id=site.seed.own.person, role="viewer"))
    assert {"There", "Database", "Memory"} <= lines(page_of(site, "editor")).keys()


def test_in_chinese_every_state_has_its_word(site):
    change(site, DeviceRow, site.seed.own.device, listening=False)
    client = site.client("owner")
    site.care.accounts.set_language(site.seed.accounts["owner"], "zh")
    told = lines(text_of(client.get(f"/panel/devices/{site.seed.own.device}/health")))
    assert told["听"][:3] == (FAILED, "✗", "要处理") and told["说"][:3] == (OK, "✓", "正常")
    assert "麦克风" in told["听"][3]


def test_the_pages_are_linked(site):
    device = f"/panel/devices/{site.seed.own.device}"
    assert f'href="{device}/health"' in text_of(site.client("viewer").get(device))
    assert 'href="/panel/health"' in text_of(site.client("editor").get("/panel/"))
    assert 'href="/panel/health"' not in text_of(site.client("owner").get("/panel/"))
    assert site.client("owner").get(f"/panel/devices/{LARGEST_ID}/health").status_code == 404
