"""The sets: their size, and that what measures is kept from what tunes and from what is learnt."""

import collections

import pytest
import soundfile
import yaml

from service.core.grammar import bare
from service.core.model import HELP, ROOT
from service.core.labels import OUTSIDE
from service.evaluation import sets
from service.evaluation.sets import MEASURE, SPLITS, TUNE, SetsError
from tests.support import ROOT as PROJECT

SETS = PROJECT / "tests" / "sets"


@pytest.fixture(scope="module")
def items():
    return {split: sets.read(SETS, split) for split in SPLITS}


@pytest.fixture(scope="module")
def recordings():
    return {split: sets.read_recordings(SETS, split) for split in SPLITS}


def test_there_are_enough(items):
    count = collections.Counter(i.group for rows in items.values() for i in rows)
    assert count["requests"] >= 1500 and count["commands"] >= 200 and count["outside"] >= 300


@pytest.mark.parametrize("split", SPLITS)
def test_every_node_and_command_has_its_requests(guide, items, split):
    """Whoever adds a node adds its requests."""
    count = collections.Counter(i.label for i in items[split])
    nodes = {n: count[n] for n in guide.nodes}
    assert {n for n, c in nodes.items() if c < (10 if n == ROOT else 15)} == set()
    # Another voice is asked for in words of the voice packs, which a test of its own covers.
    # Of what only counts word by word nothing is to be understood by likeness.
    exact = {f"!{c.name}" for c in guide.commands.values() if c.exact}
    commands = {f"!{c}" for c in guide.commands} - {"!help", "!voice", "!pair"} - exact
    assert {c for c in commands if count[c] < 8} == set()


@pytest.mark.parametrize("split", SPLITS)
def test_labels_are_those_of_the_guide(guide, items, split):
    known = {*guide.nodes, *(f"!{c}" for c in guide.commands), OUTSIDE, HELP}
    assert {label for i in items[split] for label in (i.label, *i.also)} <= known


def test_no_sentence_is_in_both_splits(items):
    tune, measure = ({bare(i.text) for i in items[s]} for s in (TUNE, MEASURE))
    assert len(tune) == len(items[TUNE]) and len(measure) == len(items[MEASURE])
    # Two who write of the same things both write 太快了; nothing longer may be the same.
    assert {t for t in tune & measure if len(t) > 6} == set()
    assert len(tune & measure) <= len(measure) * 0.06


def test_what_measures_is_not_what_is_listed(guide, items):
    """Neither split is written from the templates: only short phrases, which everybody says, meet."""
    from service.core.understanding import labelled_phrases
    listed = {bare(text) for text, _ in labelled_phrases(guide)} | {bare(o) for o in guide.outside}
    for split in SPLITS:
        met = [i.text for i in items[split] if bare(i.text) in listed]
        assert len(met) <= len(items[split]) * 0.2
        assert [t for t in met if len(bare(t)) > 14] == []


def test_what_is_said_behind_a_topic_is_of_the_guide_and_in_one_split_only(guide):
    rows = {split: sets.read_follow_ups(SETS, split) for split in SPLITS}
    assert {n for found in rows.values() for i in found for n in (i.topic, i.label)} <= {*guide.nodes}
    assert not {(i.topic, bare(i.text)) for i in rows[TUNE]} & {(i.topic, bare(i.text)) for i in rows[MEASURE]}
    assert all(sum(i.label == i.topic for i in found) >= 50 <= len(found) - 10 for found in rows.values())


def test_there_are_enough_recordings_and_all_can_be_heard(recordings):
    every = [i for rows in recordings.values() for i in rows]
    assert len(every) >= 400 and sum(i.group == "outside" for i in every) >= 80
    assert len({i.voice for i in every}) >= 4 and len({i.speed for i in every}) >= 3
    assert {i.accent for i in every} == {"none", "light", "strong"}
    for item in every:
        assert 0.5 < soundfile.info(item.recording).duration < 25, item.recording.name


def test_no_voice_is_in_both_splits(recordings):
    assert not {i.voice for i in recordings[TUNE]} & {i.voice for i in recordings[MEASURE]}


def test_the_recordings_are_small_enough_for_the_repository():
    assert sum(p.stat().st_size for p in SETS.rglob("*.opus")) < 12_000_000


@pytest.mark.parametrize("broken", ["requests: [", "requests: {m1: [{kind: short}]}", "requests: {m1: 3}", "- 1"])
def test_a_broken_set_is_named(tmp_path, broken):
    (tmp_path / TUNE).mkdir()
    (tmp_path / TUNE / "requests_a.yaml").write_text(broken, encoding="utf-8")
    with pytest.raises(SetsError, match=TUNE):
        sets.read(tmp_path, TUNE)


def test_a_recording_of_an_unknown_sentence_is_named(tmp_path, items):
    below = tmp_path / TUNE
    (below / "recordings").mkdir(parents=True)
    for name in ("commands", "outside"):
        (below / f"{name}.yaml").write_text((SETS / TUNE / f"{name}.yaml").read_text("utf-8"), encoding="utf-8")
    row = {"id": "t1", "text": "没有这句话", "voice": "zf_xiaoyi", "speed": 1.0}
    (below / "recordings" / "recordings.yaml").write_text(yaml.safe_dump({"recordings": [row]}), encoding="utf-8")
    with pytest.raises(SetsError, match="recordings"):
        sets.read_recordings(tmp_path, TUNE)
