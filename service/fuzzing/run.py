"""Run: every target in a process of its own, so that one that dies or hangs is a failure and not the end.

What is printed: each target with its cases, failures, slowest case in ms and seconds. The smallest case of each
failure is written into a folder.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Iterator, TextIO

from service.errors import GuideError
from service.settings import Settings

CASES = 100_000
TARGETS = ("recording", "family_take", "family_parcel", "guide_file", "guide", "number", "answer", "request", "talk",
           "api", "api_body", "socket")
LEAST_CASES = 3
LONGEST_QUOTED = 4_000
"""Characters of a case that are written down."""


class MissingLibrary(GuideError):
    """What makes the cases is installed with the tests alone."""

    code = "library_missing"


def run(settings: Settings, cases: int, folder: Path | None, out: TextIO) -> int:
    """Print what came of ``cases`` cases over all targets; 1 if there were failures."""
    try:
        import hypothesis  # noqa: F401  said here, and not by each of the processes
        import schemathesis  # noqa: F401
    except ImportError as e:
        raise MissingLibrary(f"{e.name} is missing: pip install -r requirements.txt") from e
    folder = folder or Path(tempfile.mkdtemp(prefix="fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    rows = [_in_process(settings, name, cases, folder) for name in TARGETS]
    failures = sum(len(row["failures"]) for row in rows)
    json.dump({"cases": sum(row["cases"] for row in rows), "failures": failures,
               "seconds": round(time.monotonic() - began, 1), "folder": str(folder), "targets": rows}, out,
              ensure_ascii=False, indent=1)
    out.write("\n")
    return 1 if failures else 0


def _in_process(settings: Settings, name: str, cases: int, folder: Path) -> dict:
    """The row of one target."""
    result, began = folder / f"{name}.json", time.monotonic()
    result.unlink(missing_ok=True)
    process = multiprocessing.get_context("spawn").Process(target=hunt, args=(settings, name, cases, folder))
    process.start()
    process.join()
    if result.exists() and process.exitcode == 0:
        row = json.loads(result.read_text(encoding="utf-8"))
    else:
        row = {"target": name, "cases": 0, "failures": [f"the process ended with {process.exitcode}, see {name}.last"]}
    return row | {"seconds": round(time.monotonic() - began, 1)}


def hunt(settings: Settings, name: str, cases: int, folder: Path) -> None:
    """Hunt one target in this process and write its row and its failures into the folder."""
    from service.fuzzing.hunt import Hunt
    last = folder / f"{name}.last"
    with _targets(settings, name) as found:
        target = next(one for one in found if one.name == name)
        hunted = Hunt(target, last).run(max(LEAST_CASES, round(cases * target.share)))
    for number, (error, case) in enumerate(hunted.failures.items(), 1):
        (folder / f"{name}-{number}.txt").write_text(f"{error}\n\n{case[:LONGEST_QUOTED]}\n", encoding="utf-8",
                                                    errors="backslashreplace")
    row = {"target": name, "cases": hunted.cases, "failures": list(hunted.failures),
           "slowest_ms": round(hunted.slowest_ms, 1),
           "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
    (folder / f"{name}.json").write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8",
                                         errors="backslashreplace")
    last.unlink(missing_ok=True)


@contextlib.contextmanager
def _targets(settings: Settings, name: str) -> Iterator[list]:
    """The targets among which this one is: what each needs takes seconds to start."""
    from service.fuzzing import files
    if name in ("recording", "family_take", "family_parcel", "guide_file", "guide"):
        yield files.targets(settings)
    elif name in ("number", "answer", "request", "talk"):
        yield _sayings(settings)
    else:
        with _service(settings) as service:
            from service.fuzzing.service import api_targets, socket_targets
            yield [*api_targets(service.flask), *socket_targets(service.asgi, lambda: service.talks.open().talk_id)]


def _sayings(settings: Settings) -> list:
    from service.app import learner
    from service.content.live import LiveGuide
    from service.core.understanding import Understanding
    from service.fuzzing import sayings
    guide = LiveGuide(settings.prompts_dir).current
    return sayings.targets(Understanding(guide, learner(settings)(guide)), guide)


@contextlib.contextmanager
def _service(settings: Settings) -> Iterator:
    """A whole service with a database of its own."""
    from service.app import create_app
    with tempfile.TemporaryDirectory() as folder:
        own = dataclasses.replace(settings, data_dir=Path(folder), database="", redis_url="", voice="light",
                                  reload_guide=False, log_level="CRITICAL")
        service = create_app(own)
        try:
            yield service
        finally:
            service.close()
