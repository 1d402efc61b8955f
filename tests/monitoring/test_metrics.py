"""Metrics: they move with what happens, and several services in one process count apart."""

from prometheus_client.parser import text_string_to_metric_families

from service.errors import Busy, NotFound
from service.monitoring.metrics import Metrics
from service.monitoring.steps import COMMIT, RECEIVE, Steps


def samples(metrics: Metrics) -> dict[tuple, float]:
    """(name, values of its labels in the order of their names) to its value."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {(s.name, *(s.labels[name] for name in sorted(s.labels))): s.value
            for family in families for s in family.samples}


def test_turns_and_their_steps_are_counted():
    metrics, steps = Metrics(), Steps()
    steps.add(RECEIVE, 0.2)
    steps.add(COMMIT, 0.4)
    for source in ("start", "key", "key"):
        metrics.turn(source, source, steps)
    found = samples(metrics)
    assert found["guide_turns_total", "key", "key"] == 2 and found["guide_talks_opened_total",] == 1
    assert found["guide_turn_step_seconds_count", "commit"] == 3
    assert found["guide_turn_step_seconds_bucket", "0.15", "receive"] == 0
    assert found["guide_turn_step_seconds_bucket", "0.25", "receive"] == 3
    assert not any(name.startswith("guide_turns") for name, *_ in samples(Metrics()))


def test_errors_are_counted_by_their_codes_and_refused_talks_apart():
    metrics = Metrics()
    for error in (NotFound("no"), NotFound("no"), Busy("full")):
        metrics.error(error)
    found = samples(metrics)
    assert found["guide_errors_total", "not_found"] == 2 and found["guide_errors_total", "busy"] == 1
    assert found["guide_talks_refused_total",] == 1


def test_the_process_and_what_runs_are_told():
    metrics = Metrics()
    metrics.use_edition("one")
    metrics.use_edition("two")
    metrics.decoding_waited(0.3)
    found = samples(metrics)
    assert [key[1] for key in found if key[0] == "guide_build_info"] == ["two"]
    assert found["process_threads",] >= 1 and found["process_resident_memory_bytes",] > 1_000_000
    assert found["process_open_fds",] > 2 and found["guide_decoding_wait_seconds_count",] == 1
