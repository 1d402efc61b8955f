"""The shipped voice packs: they hold all that the guide says, sound alike, and can be built again."""

import io
import random
import shutil

import pytest

from service.content.sentences import sentences
from service.settings import Settings, read_settings
from service.speech.pack import MANIFEST, NATURAL, Pack, find_packs
from service.speech.sound import loudness_lufs
from service.speech.voice import spoken
from service.voices import build, list_packs
from tests.support import PROMPTS, guide, kokoro_model

VOICES = PROMPTS / "voices"
LARGEST_BYTES = 45_000_000
"""Five of them numbers for the calculators; 25 was the aim before these."""
SAMPLE = 25


def shipped() -> list[Pack]:
    packs, errors = find_packs(VOICES)
    assert errors == []
    return packs


def reading(text: str) -> str:
    return spoken(text, guide().lexicon).reading


def test_a_female_and_a_male_voice_ship_under_a_free_licence():
    assert [(p.info.id, p.info.label, p.info.kind) for p in shipped()] == [
        ("female", "女声", NATURAL), ("male", "男声", NATURAL)]
    assert all(p.info.licence == "Apache-2.0" and p.info.origin for p in shipped())


@pytest.mark.parametrize("voice", ["female", "male"])
def test_every_sentence_of_the_guide_is_recorded(voice):
    pack = Pack.open(VOICES / voice)
    assert [t for t in sentences(guide()) if pack.find(t, reading(t)) is None] == []


@pytest.mark.parametrize("voice", ["female", "male"])
def test_no_recording_is_missing_stale_or_too_much(voice):
    pack = Pack.open(VOICES / voice)
    files = {p.name for p in pack.folder.iterdir()} - {MANIFEST}
    assert files == {f"{key}.opus" for key in pack.recordings()}
    assert pack.recordings().keys() == {pack.key(t, reading(t)) for t in sentences(guide())}


def test_the_packs_are_small_enough_to_ship():
    assert sum(p.stat().st_size for p in VOICES.rglob("*") if p.is_file()) < LARGEST_BYTES


@pytest.mark.parametrize("voice", ["female", "male"])
def test_recordings_are_equally_loud_and_as_long_as_the_manifest_says(voice):
    pack = Pack.open(VOICES / voice)
    for text in random.Random(7).sample(sentences(guide()), SAMPLE):
        samples, rate_hz = pack.samples(text, reading(text))
        assert loudness_lufs(samples, rate_hz) == pytest.approx(-18, abs=1), text
        assert len(samples) / rate_hz == pytest.approx(pack.find(text, reading(text)).length_s, abs=0.01)


def test_the_list_names_a_sentence_that_was_edited(tmp_path):
    prompts = shutil.copytree(PROMPTS, tmp_path / "prompts")
    system = prompts / "system.yaml"
    system.write_text(system.read_text().replace("直接说也行。", "直接说也可以。"))
    out = io.StringIO()
    assert list_packs(Settings(prompts_dir=prompts), out) == 1
    assert out.getvalue().count("没有录：直接说也可以。") == 2


def test_a_build_renders_what_is_missing_drops_what_is_stale_and_leaves_the_rest(tmp_path):
    kokoro_model()
    prompts = shutil.copytree(PROMPTS, tmp_path / "prompts")
    system = prompts / "system.yaml"
    system.write_text(system.read_text().replace("直接说也行。", "直接说也可以。"))
    stray = prompts / "voices" / "female" / "tmp1.part"
    stray.write_bytes(b"half a write")
    kept = {p: p.stat().st_mtime_ns for p in (prompts / "voices").rglob("*.opus")}
    settings = Settings(prompts_dir=prompts, models_dir=read_settings().models_dir)
    out = io.StringIO()
    assert build(settings, workers=1, tries=2, again=-1, out=out) == 0
    for voice in ("female", "male"):
        pack = Pack.open(prompts / "voices" / voice)
        assert pack.find("直接说也可以。", reading("直接说也可以。")).misheard is not None
        assert pack.find("直接说也行。", reading("直接说也行。")) is None
    now = {p: p.stat().st_mtime_ns for p in (prompts / "voices").rglob("*.opus")}
    assert len(kept.keys() - now.keys()) == 2 and not stray.exists()
    assert all(now[p] == kept[p] for p in kept.keys() & now.keys())
    assert build(settings, workers=1, tries=2, again=-1, out=out) == 0, "nothing is left to do"
