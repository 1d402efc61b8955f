"""Notices: a section or a short message that is read out on a device, now, later, or again and again."""

from __future__ import annotations

import calendar
import datetime
import re
from dataclasses import dataclass
from typing import Callable

from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session as Orm

from service.care.adjusting import Adjustment
from service.care.feed import device_topic, person_topic, publish
from service.core.dialog import Notice
from service.core.redaction import NUMBER, plain, redacted
from service.core.wording import clauses
from service.errors import NotFound, Refused
from service.store.database import transaction
from service.store.tables import AccountRow, DeliveryRow, DeviceRow, NoticeRow

REPEATS = ("once", "daily", "weekly", "monthly", "yearly")
LONGEST_TEXT = 120
"""Characters: half a minute to listen to."""
WAITS = datetime.timedelta(hours=12)
"""A reading that nobody could be given is dropped after this: an old reminder only confuses."""
MOST_OF_A_DEVICE = 50
SHOWN = 50


_DIGIT = "[0-9０-９]"
_BAIT = re.compile("验证码|校验码|密码|转账|转钱|打钱|汇款|汇钱|安全账户|保证金")
"""What swindlers ask for."""
_WARNS = re.compile("不要|不能|不准|不可|不给|莫|别|骗")
"""What a clause has that warns of it."""
_OF_NOBODY = re.compile("|".join((
    # Days, years and times of the day; from and to; amounts of money; telephone numbers of services.
    rf"(?<!{_DIGIT})(?:19|20){_DIGIT}{{2}}(?:年|[-/.]{_DIGIT}{{1,2}}(?:[-/.]{_DIGIT}{{1,2}})?(?!{_DIGIT}|[-/.]{_DIGIT}))",
    r"[一二][九〇零][〇零一二三四五六七八九]{2}年",
    rf"(?<!{_DIGIT}){_DIGIT}{{1,2}}[:：]{_DIGIT}{{2}}(?!{_DIGIT})",
    rf"(?<!{_DIGIT}){_DIGIT}{{1,3}}[-~～—至到]{_DIGIT}{{1,3}}(?=\s*[%％点岁天次片粒个号日月周年元块斤度毫公分小米])",
    rf"(?<!{_DIGIT}){_DIGIT}{{1,6}}(?:\.{_DIGIT}{{1,2}})?(?=\s*多?\s*[元块万])",
    rf"(?<!{_DIGIT})(?:123(?:33|93|45|56|48|15|20|29|66|67|68)|96110|12306|100(?:00|10|86)|95{_DIGIT}{{3}})(?!{_DIGIT})",
)))
"""Numbers that may be spoken aloud: they belong to nobody."""


@dataclass(frozen=True)
class Planned:
    """A notice as the panel shows it, with its last reading."""

    id: int
    node: str | None
    text: str | None
    repeats: str
    first_at: datetime.datetime
    next_at: datetime.datetime | None
    sender: str | None
    due_at: datetime.datetime | None
    played_at: datetime.datetime | None
    answer: str | None
    answered_at: datetime.datetime | None
    asked_at: datetime.datetime
    """When this was read from the database."""

    @property
    def state(self) -> str:
        """planned, waiting (for the device), not_heard (nobody could be given it), played, heard or declined:
        of the last reading."""
        if self.due_at is None:
            return "planned"
        if self.played_at is None:
            return "waiting" if self.due_at > self.asked_at - WAITS else "not_heard"
        return self.answer or "played"


class Notices:
    """All notices of the database. Thread-safe."""

    def __init__(self, engine: Engine, now: Callable[[], datetime.datetime]):
        self._engine, self._now = engine, now

    # --- the side of those who care -------------------------------------------------------------------------

    def plan(self, device_id: int, by: int, node: str | None, text: str | None, at: datetime.datetime | None,
             repeats: str) -> int:
        """Have a node or a text read out at a time, or now. Refused: the text is empty, too long or holds a
        long number, or asks for money or a code; too many are planned."""
        now, text = self._now(), plain(text or "") or None
        if (node is None) == (text is None):
            raise Refused("notice_empty")
        if text and len(text) > LONGEST_TEXT:
            raise Refused("notice_long")
        if text and NUMBER in redacted(_OF_NOBODY.sub("；", text)):
            # A number that is spoken aloud in a living room can be written down by anybody there.
            raise Refused("notice_number")
        if text and any(_BAIT.search(c) and not _WARNS.search(c) for c in clauses(text)):
            # Whoever has got hold of an account would ask just for this, in the voice that the listener trusts.
            raise Refused("notice_money")
        if repeats not in REPEATS:
            raise Refused("repeats_unknown")
        at = max(at or now, now)
        with transaction(self._engine) as orm:
            count = orm.scalar(select(func.count()).select_from(NoticeRow)
                               .where(NoticeRow.device_id == device_id, NoticeRow.next_at.is_not(None)))
            if count >= MOST_OF_A_DEVICE:
                raise Refused("notices_many")
            row = NoticeRow(device_id=device_id, created_by=by, created_at=now, node=node, text=text,
                            repeats=repeats, first_at=at, next_at=at)
            orm.add(row)
            orm.flush()
            return row.id

    def cancel(self, device_id: int, notice_id: int) -> None:
        """Read it out no more; NotFound if the device has none of that number."""
        with transaction(self._engine) as orm:
            row = orm.scalar(select(NoticeRow).filter_by(id=notice_id, device_id=device_id))
            if row is None:
                raise NotFound("no such notice")
            row.next_at = None
            orm.query(DeliveryRow).filter_by(notice_id=notice_id, played_at=None).delete()
            publish(orm, device_topic(device_id), self._now())

    def of_device(self, device_id: int) -> list[Planned]:
        """The notices of a device, the newest first."""
        last = (select(DeliveryRow.notice_id, func.max(DeliveryRow.id).label("id"))
                .group_by(DeliveryRow.notice_id).subquery())
        query = (select(NoticeRow.id, NoticeRow.node, NoticeRow.text, NoticeRow.repeats, NoticeRow.first_at,
                        NoticeRow.next_at, AccountRow.name, DeliveryRow.due_at, DeliveryRow.played_at,
                        DeliveryRow.answer, DeliveryRow.answered_at)
                 .outerjoin(AccountRow, AccountRow.id == NoticeRow.created_by)
                 .outerjoin(last, last.c.notice_id == NoticeRow.id)
                 .outerjoin(DeliveryRow, DeliveryRow.id == last.c.id)
                 .where(NoticeRow.device_id == device_id).order_by(NoticeRow.id.desc()).limit(SHOWN))
        with transaction(self._engine) as orm:
            return [Planned(*row, self._now()) for row in orm.execute(query)]

    # --- the device's side ------------------------------------------------------------------------------------

    def come_due(self) -> None:
        """Make a reading of each notice whose time has come, outside of the quiet hours of its device.

        Two processes that look at once make one: the reading's time is unique for its notice.
        """
        now = self._now()
        with transaction(self._engine) as orm:
            rows = orm.execute(select(NoticeRow, DeviceRow).join(DeviceRow, DeviceRow.id == NoticeRow.device_id)
                               .where(NoticeRow.next_at <= now, DeviceRow.revoked_at.is_(None))).all()
            for notice, device in rows:
                if Adjustment.from_json(device.settings).is_quiet(now.astimezone().time()):
                    continue
                due = notice.next_at
                taken = orm.execute(update(NoticeRow).where(NoticeRow.id == notice.id, NoticeRow.next_at == due)
                                    .values(next_at=following(notice.first_at, notice.repeats, now)))
                if taken.rowcount:
                    orm.add(DeliveryRow(notice_id=notice.id, due_at=due))
                    publish(orm, device_topic(device.id), now)
                    publish(orm, person_topic(device.person_id), now)

    def waiting(self, device_id: int) -> int | None:
        """Number of the reading that the device should do next, if any; none in its quiet hours."""
        query = (select(DeliveryRow.id, DeviceRow.settings).select_from(DeliveryRow).join(NoticeRow).join(DeviceRow)
                 .where(NoticeRow.device_id == device_id, *self._open()).order_by(DeliveryRow.id).limit(1))
        with transaction(self._engine) as orm:
            row = orm.execute(query).one_or_none()
        quiet = row and Adjustment.from_json(row.settings).is_quiet(self._now().astimezone().time())
        return row.id if row and not quiet else None

    def _open(self) -> tuple:
        """Conditions for a reading that can still be done."""
        return (DeliveryRow.played_at.is_(None), DeliveryRow.due_at > self._now() - WAITS,
                DeviceRow.revoked_at.is_(None))

    def read(self, device_id: int, delivery_id: int) -> Notice:
        """What is to be read out; Refused if it was already, is too old, or is of another device."""
        query = (select(NoticeRow.node, NoticeRow.text, AccountRow.name).select_from(DeliveryRow)
                 .join(NoticeRow).join(DeviceRow).outerjoin(AccountRow, AccountRow.id == NoticeRow.created_by)
                 .where(DeliveryRow.id == delivery_id, NoticeRow.device_id == device_id, *self._open()))
        with transaction(self._engine) as orm:
            row = orm.execute(query).one_or_none()
        if row is None:
            raise Refused("notice_gone")
        node, text, sender = row
        return Notice(delivery_id, sender or "", text=text or "", node=node or "")

    def played(self, orm: Orm, delivery_id: int, person_id: int | None, at: datetime.datetime) -> None:
        """It is being read out; Refused if another page was quicker."""
        taken = orm.execute(update(DeliveryRow).where(DeliveryRow.id == delivery_id, DeliveryRow.played_at.is_(None))
                            .values(played_at=at))
        if not taken.rowcount:
            raise Refused("notice_gone")
        if person_id:
            publish(orm, person_topic(person_id), at)


def following(first: datetime.datetime, repeats: str, after: datetime.datetime) -> datetime.datetime | None:
    """The next time of a notice after ``after``, at the same local time of the day; None if it is not
    repeated. A day that a month lacks becomes its last one."""
    if repeats == "once":
        return None
    local, count = first.astimezone(), 0
    while True:
        count += 1
        match repeats:
            case "daily":
                day = local.date() + datetime.timedelta(days=count)
            case "weekly":
                day = local.date() + datetime.timedelta(weeks=count)
            case _:
                months = local.month - 1 + count * (12 if repeats == "yearly" else 1)
                year, month = local.year + months // 12, months % 12 + 1
                day = datetime.date(year, month, min(local.day, calendar.monthrange(year, month)[1]))
        at = datetime.datetime.combine(day, local.time()).astimezone()
        if at > after:
            return at.astimezone(datetime.UTC)
