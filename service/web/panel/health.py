"""Health: how a device is doing and, for those who edit the guide, how the service is."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Iterator

import psutil
from flask import Blueprint, render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from service.care.health import DeviceHealth, HealthReader
from service.errors import Forbidden
from service.monitoring.health import DEGRADED, FAILED, OK, Check
from service.web.panel.common import Panel, account, moment

UNKNOWN = "unknown"
"""State of what nobody can know just now."""
SLOW_MS = 500.0
"""A turn of which the 95th percentile takes longer is felt as a pause."""
MANY_MISSED, REQUESTS_TO_JUDGE = 0.3, 10
"""Share not understood from which somebody should see why, if there are so many requests to judge by."""
LITTLE_MEMORY_MIB = 200
NAMES = {"serving": _l("Taking turns"), "database": _l("Database"), "redis": "Redis", "disk": _l("Disk"),
         "clock": _l("Clock"), "speech model": _l("Speech model")}
"""Check of ``monitoring.health`` to what it is called."""
SENTENCES = {
    ("serving", OK): _l("New talks are taken."),
    ("serving", FAILED): _l("It is about to stop; another process goes on."),
    ("database", OK): _l("It answers."),
    ("database", FAILED): _l("It does not answer: no talk can be kept. Please see to its server or its disk."),
    ("redis", OK): _l("It answers."),
    ("redis", DEGRADED): _l("It does not answer. Talks go on; each server works by itself until it is back."),
    ("disk", OK): _l("There is enough room."),
    ("disk", DEGRADED): _l("There is little room left. Please delete what is not needed."),
    ("disk", FAILED): _l("It is full or cannot be read: no talk can be kept. Please make room now."),
    ("clock", OK): _l("Its day can be right."),
    ("clock", DEGRADED): _l("Its day cannot be right: the calculators work nothing out. Please set date and time on "
                            "the machine."),
    ("speech model", OK): _l("It is there: the guide hears."),
    ("speech model", DEGRADED): _l("It is missing or damaged: the guide works by keys and touch alone. "
                                   "Please run: python -m service models install"),
}
OTHERWISE = {OK: _l("As it should be."), DEGRADED: _l("Something is missing; talks go on."),
             FAILED: _l("It does not work. Please run on the machine: python -m service doctor")}
"""For checks that have no sentence of their own."""


@dataclass(frozen=True)
class Line:
    """One thing that is told, with its state as a word and a colour."""

    title: str
    state: str
    """OK, DEGRADED, FAILED or UNKNOWN."""
    said: str


def add_pages(panel_pages: Blueprint, panel: Panel) -> None:
    """The pages of health."""
    reader, devices, notices = HealthReader(panel.care.engine, panel.care.now), panel.care.devices, panel.care.notices

    def service() -> list[Line]:
        """How the service is, for those who can see to it."""
        if not account().edits_guide:
            return []
        return [*map(_check_line, panel.health()), _voices(panel), *_process()]

    @panel_pages.get("/devices/<int:device_id>/health")
    def device_health(device_id: int):
        row = devices.row(device_id)
        person = panel.person(row.person_id)
        found = reader.of_device(row, person)
        panel.looked([person.id], "health")
        waiting = sum(n.state == "waiting" for n in notices.of_device(row.id))
        lines = [*_abilities(row, found, panel), *_talks(found), _open(found), _waiting(waiting)]
        return render_template("panel/health.html", device=row, person=person, lines=lines, day=found.day,
                               week=found.week, service=service())

    @panel_pages.get("/health")
    def service_health():
        if not account().edits_guide:
            raise Forbidden("needs the right to edit the guide")
        return render_template("panel/health.html", device=None, service=service())


# --- a device ------------------------------------------------------------------------------------------------

def _abilities(row, found: DeviceHealth, panel: Panel) -> Iterator[Line]:
    last = moment(row.last_seen_at, panel.care.now)
    if found.silent:
        yield Line(_("There"), FAILED, _("Not heard of since %(when)s. Please see whether it is switched on and "
                                         "connected to the network.", when=last))
    else:
        yield Line(_("There"), OK, _("Last heard of %(when)s.", when=last))
    for title, able, well, ill in (
            (_("Hears"), row.listening, _("It has a microphone and a speech model."),
             _("It does not hear. Please see to the microphone; keys and touch go on working.")),
            (_("Speaks"), row.sounding, _("It has sound."),
             _("It makes no sound. Please see to the loudspeaker; the text stays on the screen."))):
        if found.silent:
            yield Line(title, UNKNOWN, _("Not known until it is heard of again."))
        else:
            yield Line(title, OK if able else FAILED, well if able else ill)
    yield _settings(found)


def _settings(found: DeviceHealth) -> Line:
    if found.settings_seen is None:
        return Line(_("Settings"), UNKNOWN, _("Nobody has talked yet; the first talk takes them over."))
    if not found.settings_seen:
        return Line(_("Settings"), UNKNOWN, _("Changed since the last talk; the next turn takes them over."))
    return Line(_("Settings"), OK, _("The last talk had the newest ones."))


def _talks(found: DeviceHealth) -> Iterator[Line]:
    """Judged over the week: a day has too few turns."""
    week = found.week
    if week is None:
        return
    if week.requests < REQUESTS_TO_JUDGE:
        yield Line(_("Understanding"), UNKNOWN, _("Too few requests within seven days to judge by."))
    elif week.missed_share > MANY_MISSED:
        yield Line(_("Understanding"), DEGRADED, _("Much was not understood. Please see under Teach what it was, and "
                                                   "whether the microphone is near enough."))
    else:
        yield Line(_("Understanding"), OK, _("Most was understood."))
    if week.p95_ms is None:
        yield Line(_("Answers"), UNKNOWN, _("No turn within seven days."))
    elif week.p95_ms > SLOW_MS:
        yield Line(_("Answers"), DEGRADED, _("Some come late: the machine has too much to do."))
    else:
        yield Line(_("Answers"), OK, _("They come without a pause."))


def _open(found: DeviceHealth) -> Line:
    count = found.open_incidents
    if not count:
        return Line(_("Attention"), OK, _("Nothing is open."))
    return Line(_("Attention"), DEGRADED, ngettext("%(num)d thing is open on the first page.",
                                                   "%(num)d things are open on the first page.", count))


def _waiting(count: int) -> Line:
    if not count:
        return Line(_("To be read out"), OK, _("Nothing waits."))
    return Line(_("To be read out"), UNKNOWN, ngettext("%(num)d message waits for the device.",
                                                       "%(num)d messages wait for the device.", count))


# --- the service -----------------------------------------------------------------------------------------------

def _check_line(check: Check) -> Line:
    said = SENTENCES.get((check.name, check.state), OTHERWISE[check.state])
    return Line(str(NAMES.get(check.name, check.name)), check.state, str(said))


def _voices(panel: Panel) -> Line:
    labels = [voice.label for voice in panel.talks.voices()]
    if not labels:
        return Line(_("Voices"), DEGRADED, _("No recordings: the computer's own voice speaks."))
    return Line(_("Voices"), OK, ", ".join(labels))


def _process() -> Iterator[Line]:
    """Memory and time of the process that made this page."""
    process, free = psutil.Process(), psutil.virtual_memory().available // 2 ** 20
    used = process.memory_info().rss // 2 ** 20
    said = _("%(used)d MB in use, %(free)d MB free on the machine.", used=used, free=free)
    yield Line(_("Memory"), OK if free >= LITTLE_MEMORY_MIB else DEGRADED, said)
    started = datetime.datetime.fromtimestamp(process.create_time(), datetime.UTC)
    up = datetime.datetime.now(datetime.UTC) - started
    yield Line(_("Running"), OK, _("for %(days)d days and %(hours)d hours.", days=up.days, hours=up.seconds // 3600))
