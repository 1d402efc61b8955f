"""Cluster: two services, PostgreSQL, Redis and nginx, as they are deployed; one part after the other goes away."""

import os

import pytest

from service.faults import cluster as run
from service.lab.cluster import Cluster
from service.lab.servers import MissingProgram


def test_every_talk_goes_on_and_no_turn_is_lost_or_done_twice(tmp_path):
    try:
        cluster = Cluster(tmp_path, VOICE="light", DECODERS="grammar")
    except MissingProgram as e:
        if os.environ.get("REQUIRE_NGINX") == "1":
            pytest.fail(str(e), pytrace=False)
        pytest.skip(str(e))
    try:
        phases, missing = run.measured(cluster, tmp_path, 0.5, (
            "one of two services killed, started again", "PostgreSQL restarted", "Redis restarted"), pressing=2)
    finally:
        cluster.stop()
    assert len(phases) == 3 and all(phase.turns > 4 for phase in phases)
    assert missing == 0
    assert [phase.talks_lost for phase in phases] == [0, 0, 0]
    assert all(phase.calculator_went_on for phase in phases[:2]), "its answers are in Redis, not in the process"
