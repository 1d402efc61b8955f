"""Recording: what is kept of a turn for those who care, in the transaction of the turn itself."""

from __future__ import annotations

import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session as Orm

from service.care.devices import Device
from service.care.feed import person_topic, publish
from service.core import attention
from service.core.dialog import Ask, Fill, Match, NoMatch, Outcome, Session, Start, Told
from service.core.model import Guide
from service.core.redaction import redacted
from service.store.tables import CountRow, DeliveryRow, IncidentRow, MissRow, TurnRow
from service.store.talks import Turn

LONGEST_MEANING = 128
_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def meaning(outcome: Outcome) -> str | None:
    """What was understood, in a word: a node, !command, ?node,node, or nothing. Never a key: keys may be
    the digits of a number that belongs to somebody."""
    match outcome:
        case Match(node=str() as node):
            return node
        case Match(command=str() as command):
            return f"!{command}"
        case Ask(candidates):
            return f"?{','.join(candidates)}"[:LONGEST_MEANING]
    return None


def kept(device: Device | None, said: str | None, before: Session,
         outcome: Outcome) -> tuple[str | None, str | None]:
    """(what may be kept of what was said, what was understood): nothing without a device whose person
    lets others look, nothing of what others say while the listener rests."""
    private = isinstance(outcome, Told) and outcome.prompt == "private_done" or _is_about_oneself(before, outcome)
    if device is None or not device.watched or private or _is_beside(before, outcome):
        return None, None
    return said and redacted(said), meaning(outcome)


def record(orm: Orm, guide: Guide, device: Device, turn: Turn, before: Session, outcome: Outcome,
           after: Session) -> None:
    """Write everything that a turn at a device leaves behind but for the turn itself."""
    at = turn.received_at
    if device.watched:
        _count(orm, device, at, _measures(guide, before, outcome, after))
        found = attention.incident(guide, before, outcome, after)
        if found:
            _open(orm, device, turn.talk_id, found, at)
        _miss(orm, device, turn, outcome)
    elif device.paired and attention.asks_for_help(guide, outcome):
        # Who calls for help wants to be found, whatever else nobody may see.
        _open(orm, device, None, attention.incident(guide, before, outcome, after), at)
    if before.notice and after.answered:
        orm.execute(update(DeliveryRow).where(DeliveryRow.id == before.notice.delivery)
                    .values(answer=after.answered, answered_at=at))
        publish(orm, person_topic(device.person_id), at)


def _is_about_oneself(before: Session, outcome: Outcome) -> bool:
    """True for what is said to a calculator, or for one."""
    at_form = before.form is not None and before.form.node == before.node
    return at_form or isinstance(outcome, Fill) or isinstance(outcome, (Match, Ask)) and bool(outcome.values)


def _is_beside(before: Session, outcome: Outcome) -> bool:
    """True for what is said in the room while the listener asked to wait."""
    return isinstance(outcome, NoMatch) and (before.paused or before.waiting)


def _measures(guide: Guide, before: Session, outcome: Outcome, after: Session) -> list[tuple[str, str]]:
    """(node, measure) of everything that is counted."""
    if isinstance(outcome, Start):
        return [(after.node, "talk")]
    found = []
    if isinstance(outcome, Match) and outcome.node:
        found.append((outcome.node, "understood"))
    elif isinstance(outcome, Ask):
        found.append((before.node, "asked"))
    elif isinstance(outcome, NoMatch) and not _is_beside(before, outcome):
        found.append((before.node, "missed"))
    if after.node != before.node:
        found.append((after.node, "visit"))
        if after.node in guide.nodes and guide.nodes[after.node].steps:
            found.append((after.node, "begun"))
    if after.done and not before.done:
        found.append((after.node, "finished"))
    return found


def _count(orm: Orm, device: Device, at: datetime.datetime, measures: list[tuple[str, str]]) -> None:
    if not measures:
        return
    local = at.astimezone()
    insert = _insert(orm, CountRow).values([
        {"device_id": device.id, "day": local.date(), "hour": local.hour, "node": node, "measure": measure, "count": 1}
        for node, measure in measures])
    orm.execute(insert.on_conflict_do_update(
        index_elements=["device_id", "day", "hour", "node", "measure"], set_={"count": CountRow.count + 1}))


def _open(orm: Orm, device: Device, talk_id: str | None, found: attention.Incident, at: datetime.datetime) -> None:
    """One open incident of a kind at a place; what happens again is counted."""
    row = orm.scalar(select(IncidentRow).filter_by(device_id=device.id, kind=found.kind, node=found.node,
                                                   person_id=device.person_id, closed_at=None).limit(1))
    if row:
        row.count, row.updated_at, row.step, row.talk_id = row.count + 1, at, found.step, talk_id
    else:
        orm.add(IncidentRow(person_id=device.person_id, device_id=device.id, talk_id=talk_id, kind=found.kind,
                            node=found.node, step=found.step, opened_at=at, updated_at=at))
    publish(orm, person_topic(device.person_id), at)


def _miss(orm: Orm, device: Device, turn: Turn, outcome: Outcome) -> None:
    at = turn.received_at
    if isinstance(outcome, NoMatch) and turn.said:
        _keep(orm, device, turn.said, "not_understood", None, at)
    elif isinstance(outcome, Match) and outcome.corrected and outcome.node:
        # The sentence that led astray is the one before, in the same talk.
        wrong = orm.scalar(select(TurnRow.said).where(TurnRow.talk_id == turn.talk_id, TurnRow.number < turn.number,
                                                      TurnRow.said.is_not(None), TurnRow.outcome == "match",
                                                      TurnRow.meaning.not_like("!%"))
                           .order_by(TurnRow.number.desc()).limit(1))
        if wrong:
            _keep(orm, device, wrong, "corrected", outcome.node, at)


def _keep(orm: Orm, device: Device, text: str, kind: str, meant: str | None, at: datetime.datetime) -> None:
    """Two devices of one person may keep the same at once."""
    insert = _insert(orm, MissRow).values(person_id=device.person_id, text=text, kind=kind, meant=meant, count=1,
                                          last_at=at)
    orm.execute(insert.on_conflict_do_update(
        index_elements=["person_id", "text"],
        set_={"count": MissRow.count + 1, "last_at": at, "kind": kind, "settled_at": None,
              "meant": func.coalesce(insert.excluded.meant, MissRow.meant)}))


def _insert(orm: Orm, table):
    """An insert that knows what to do about a row that is there already."""
    return _INSERT[orm.get_bind().dialect.name](table)
