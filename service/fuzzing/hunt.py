"""Hunt: many cases against one target, in rounds, until as many as wanted were tried."""

from __future__ import annotations

import faulthandler
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky

from service.fuzzing.target import Target

ROUND = 2_000
"""Cases that hypothesis makes at once: it keeps all that it has seen in memory."""
SLOWEST_S, HANGS_S = 10.0, 120.0
"""A case that takes more of the processor is a failure, whatever else the machine does; so long by the clock, and the
process is ended."""
MOST_GROWTH_MB = 400
"""Memory that one case may make the process grow by."""
MOST_FAILURES = 20
"""Of one target; then it has had enough."""


class TooSlow(Exception):
    """A case took far too long."""


class TooMuchMemory(Exception):
    """A case made the process grow by far too much."""


@dataclass
class Hunt:
    """What came of a target so far."""

    target: Target
    last: Path | None = None
    """File that has the case that is being tried, for whoever finds the process dead."""
    cases: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """What went wrong and where, to the smallest case that was found for it."""
    slowest_ms: float = 0.0

    def run(self, count: int, first_seed: int = 0) -> "Hunt":
        """Try at least ``count`` cases, the same ones for the same seed."""
        number = first_seed
        while self.cases < count and len(self.failures) < MOST_FAILURES:
            self._round(min(ROUND, count - self.cases), number)
            number += 1
        faulthandler.cancel_dump_traceback_later()
        return self

    def _round(self, count: int, number: int) -> None:
        @seed(number)
        @settings(max_examples=count, database=None, deadline=None, print_blob=False,
                  suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink))
        @given(self.target.cases)
        def one(case: object) -> None:
            self._try(case)
        before = self.cases
        try:
            one()
        except (Exception, Flaky):
            # Noted already, with its smallest case.
            pass
        # A round that tries nothing would be repeated for ever.
        self.cases = max(self.cases, before + 1)

    def _try(self, case: object) -> None:
        self.cases += 1
        if self.last:
            self.last.write_text(repr(case), encoding="utf-8", errors="backslashreplace")
            faulthandler.dump_traceback_later(HANGS_S, exit=True)
        began, worked, memory = time.perf_counter(), time.process_time(), _peak_mb()
        try:
            self.target.check(case)
            self.slowest_ms = max(self.slowest_ms, (time.perf_counter() - began) * 1000)
            if time.process_time() - worked > SLOWEST_S:
                raise TooSlow(f"more than {SLOWEST_S:.0f} s of the processor")
            if _peak_mb() - memory > MOST_GROWTH_MB:
                raise TooMuchMemory(f"more than {MOST_GROWTH_MB} MB")
        except Exception as e:
            self.failures[_where(e)] = repr(case)
            raise


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _where(error: Exception) -> str:
    """An error by its type, the line that raised it, and what it says."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__} at {place}: {str(error)[:200]}"
