"""Bad input, in short: a few cases for everything that takes input; ``bench fuzz`` tries a hundred thousand."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import strategies as st

from service.fuzzing import files, run, sayings
from service.fuzzing.hunt import Hunt
from service.fuzzing.service import api_targets
from service.fuzzing.target import Target
from service.settings import Settings
from tests.support import PROMPTS, edition
from tests.web.conftest import app, talks  # noqa: F401  the same service as for the API's own tests

SHORT = {"recording": 60, "family_take": 30, "family_parcel": 20, "guide_file": 60, "guide": 1, "number": 150,
         "answer": 80,
         "request": 80, "talk": 40, "api": 60, "api_body": 15}
SEED = 20261123


def hunted(target: Target) -> Hunt:
    return Hunt(target).run(SHORT[target.name], SEED)


@pytest.fixture(scope="module")
def targets(app):  # noqa: F811
    found = [*files.targets(Settings(prompts_dir=PROMPTS)), *sayings.targets(edition().understanding, edition().guide),
             *api_targets(app)]
    return {target.name: target for target in found}


@pytest.mark.parametrize("name", SHORT)
def test_nothing_breaks_by_it(targets, name):
    hunt = hunted(targets[name])
    assert hunt.failures == {} and hunt.cases >= SHORT[name]


def test_the_long_form_knows_every_target(targets):
    # The socket needs a speech model to be opened.
    assert {*targets, "socket"} == set(run.TARGETS)
    assert sum(t.share for t in targets.values()) == pytest.approx(1, abs=0.01)


# --- the hunt itself ---------------------------------------------------------------------------------

def test_a_failure_is_noted_with_its_smallest_case():
    def check(number: int) -> None:
        if number >= 1000:
            raise ValueError("too large")
    hunt = Hunt(Target("number", 1, st.integers(0, 10 ** 9), check)).run(200)
    (error, case), = hunt.failures.items()
    assert error.startswith("ValueError at test_fuzz.py:") and error.endswith("too large") and case == "1000"
    assert hunt.cases >= 200


def test_the_same_seed_tries_the_same_cases():
    tried = [[], []]
    for cases in tried:
        Hunt(Target("text", 1, st.text(), cases.append)).run(30, SEED)
    assert tried[0] == tried[1] and len(set(tried[0])) > 10


def test_a_process_that_dies_is_a_failure_with_its_last_case(tmp_path, monkeypatch):
    class Dying:
        exitcode = -11

        def __init__(self, target, args):
            (args[3] / f"{args[1]}.last").write_text("'[[['")

        def start(self): ...

        def join(self): ...
    monkeypatch.setattr(run.multiprocessing, "get_context", lambda _kind: SimpleNamespace(Process=Dying))
    row = run._in_process(Settings(), "guide_file", 100, tmp_path)
    assert row["failures"] == ["the process ended with -11, see guide_file.last"]


def test_one_target_of_the_long_form_leaves_its_row(tmp_path):
    run.hunt(Settings(prompts_dir=PROMPTS), "family_parcel", 100, tmp_path)
    row = json.loads((tmp_path / "family_parcel.json").read_text())
    assert row["cases"] >= run.LEAST_CASES and row["failures"] == [] and row["slowest_ms"] > 0
    assert [p.name for p in tmp_path.iterdir()] == ["family_parcel.json"]
