"""Meeting: what several do at the same time, and what they are told."""

import threading

import pytest
from sqlalchemy import event

from service.errors import Refused, StoreError


def code_of(call, *args, **options) -> str:
    """Code of the refusal."""
    with pytest.raises(Refused) as refused:
        call(*args, **options)
    return refused.value.code


def together(*calls) -> list:
    """What each of the calls gave or raised, all begun at the same time."""
    gate, results = threading.Barrier(len(calls)), []

    def run(call):
        gate.wait()
        try:
            results.append(call())
        except (Refused, StoreError) as e:
            results.append(e)
    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return results


def meet(engine, statement: str) -> None:
    """Two statements that begin like this wait for each other: the worst moment for both."""
    gate = threading.Barrier(2)

    def hold(_connection, _cursor, sql, *_):
        if sql.startswith(statement):
            try:
                gate.wait(2)
            except threading.BrokenBarrierError:
                pass
    event.listen(engine, "before_cursor_execute", hold)
