"""Feed: word of every change to whoever waits for it, in this process and in others of the same database.

A change is a row that is written with what changed, in one transaction; each process looks for new rows
a few times a second. That is one small query for any number of pages, it needs no broker, and nothing is
told that was not committed. A message says only that something changed, never what.
"""

from __future__ import annotations

import collections
import datetime
import logging
import threading
from typing import Callable

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session as Orm

from service.errors import StoreError
from service.store.database import transaction
from service.store.tables import ChangeRow

log = logging.getLogger(__name__)
LOOK_EVERY_S = 0.3
OVERLAP = 200
"""So many rows behind the newest are read again: on PostgreSQL a lower id may be committed later."""


def device_topic(device_id: int) -> str:
    """Topic of a device: its settings, its pairing, its notices."""
    return f"device:{device_id}"


def person_topic(person_id: int) -> str:
    """Topic of a person: what their panel shows."""
    return f"person:{person_id}"


def publish(orm: Orm, topic: str, at: datetime.datetime) -> None:
    """Tell that something of a topic changes with this transaction."""
    orm.add(ChangeRow(topic=topic, at=at))


class Feed:
    """Looks for changes and calls the subscribers. Thread-safe."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self._subscribers: dict[str, set[Callable[[], None]]] = collections.defaultdict(set)
        self._lock = threading.Lock()
        with transaction(engine) as orm:
            self._last = orm.scalar(select(func.max(ChangeRow.id))) or 0
            self._seen = set(orm.scalars(select(ChangeRow.id).where(ChangeRow.id > self._last - OVERLAP)))

    def subscribe(self, topics: list[str], called: Callable[[], None]) -> Callable[[], None]:
        """Call ``called`` after each change of one of the topics; gives a function that ends it."""
        with self._lock:
            for topic in topics:
                self._subscribers[topic].add(called)

        def end() -> None:
            with self._lock:
                for topic in topics:
                    self._subscribers[topic].discard(called)
                    if not self._subscribers[topic]:
                        del self._subscribers[topic]
        return end

    def look(self) -> None:
        """Look for changes once."""
        with transaction(self._engine) as orm:
            rows = orm.execute(select(ChangeRow.id, ChangeRow.topic).where(ChangeRow.id > self._last - OVERLAP)).all()
        new = [row for row in rows if row.id not in self._seen]
        if not new:
            return
        self._last = max(self._last, *(row.id for row in new))
        self._seen = {row.id for row in rows if row.id > self._last - OVERLAP}
        with self._lock:
            calls = {called for topic in {row.topic for row in new} for called in self._subscribers.get(topic, ())}
        for called in calls:
            try:
                called()
            except Exception as e:
                # One page that is just going away keeps nobody else from hearing.
                log.debug("a subscriber fails: %s", type(e).__name__)

    def run(self, stop: threading.Event) -> None:
        """Look until ``stop`` is set."""
        failing = False
        while not stop.wait(LOOK_EVERY_S):
            try:
                self.look()
                failing = False
            except StoreError as e:
                if not failing:
                    log.warning("changes cannot be read: %s", e)
                failing = True
