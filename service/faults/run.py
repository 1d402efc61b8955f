"""The fault run: every fault on real processes, one row each, as one JSON object.

    python -m service bench faults [--turns N] [--only NAME]

Linux. Faults of disks need the right to mount, those of servers their Debian packages, that of the clock
libfaketime; what cannot be tried is a row that says so.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import random
import tempfile
import time
from pathlib import Path
from typing import Callable, Mapping, TextIO

from service.bench import machine
from service.errors import GuideError
from service.faults import databases, disk, processes, surroundings
from service.faults.scene import Lab, Row, Skipped
from service.lab.kiosk import Refused, Unreachable

log = logging.getLogger(__name__)
TURNS = 1_000
SEED = 7
FAULTS: Mapping[str, Callable[[Lab], Row]] = {
    "kill": processes.kills,
    "terminate": processes.terminated,
    "disk-full": disk.full,
    "disk-read-only": databases.sqlite_read_only,
    "database-locked": databases.locked,
    "database-replaced": databases.file_replaced,
    "postgres-restarted": databases.postgres_restarted,
    "postgres-away": databases.postgres_away,
    "postgres-read-only": databases.postgres_read_only,
    "redis": databases.redis_gone,
    "model": disk.model_damaged,
    "voices": disk.voices_damaged,
    "learnt": disk.learnt_damaged,
    "edit": disk.edit_while_running,
    "edit-at-start": disk.edit_at_start,
    "microphone": surroundings.microphone,
    "clock": surroundings.clock,
    "slow-clients": surroundings.slow_clients,
    "memory-watermark": processes.memory_watermark,
    "memory-limit": processes.memory_limit,
    "two-on-one-port": processes.two_on_one_port,
    "two-on-one-database": processes.two_on_one_database,
}
"""Name for ``--only`` to what makes the fault."""


def run(turns: int, only: str | None, out: TextIO, seed: int = SEED) -> int:
    """Try every fault, or one, and print the rows; 1 if one was not survived."""
    began = time.monotonic()
    rows = [tried(name, turns, seed) for name in FAULTS if only in (None, name)]
    figures = {"machine": machine(), "seed": seed, "took_s": round(time.monotonic() - began),
               "faults": [dataclasses.asdict(row) for row in rows]}
    print(json.dumps(figures, ensure_ascii=False, indent=2), file=out)
    return int(any(row.survived is False for row in rows))


def tried(name: str, turns: int, seed: int = SEED, times: int = 3) -> Row:
    """One fault in a folder of its own; what cannot be tried and what breaks is a row as well."""
    log.info("fault %s", name)
    with tempfile.TemporaryDirectory(prefix=f"fault-{name}-", ignore_cleanup_errors=True) as folder:
        lab = Lab(Path(folder), random.Random(seed), turns, times)
        try:
            return FAULTS[name](lab)
        except Skipped as e:
            return Row(name, "", "", None, None, None, note=f"not tried: {e}")
        except (GuideError, Refused, Unreachable) as e:
            return Row(name, "", "", None, None, False, note=f"broke: {type(e).__name__}: {str(e)[-2_000:]}")
