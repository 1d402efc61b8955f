"""Voice packs: what is put in comes out, and nothing broken is ever used."""

import dataclasses
import errno
import json

import numpy as np
import pytest

from service.errors import PackError
from service.speech import pack as packs
from service.speech.pack import FAMILY, MANIFEST, NATURAL, Pack, PackInfo, Recording, find_packs

RATE_HZ = 24_000
INFO = PackInfo("female", "女声", NATURAL, "a model", "Apache-2.0")
TEXT, READING = "您好。", "nin2 hao3 。"


def tone(length_s: float = 0.5, hz: float = 220.0) -> np.ndarray:
    times = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * hz * times)).astype(np.float32)


@pytest.fixture
def pack(tmp_path) -> Pack:
    pack = Pack.create(tmp_path / "female", INFO)
    pack.put(Recording(TEXT, 0.5, ((0, 0.04), (1, 0.2)), 0), tone(), RATE_HZ, READING)
    return pack


def test_what_is_put_in_comes_out_of_the_opened_folder(pack):
    opened = Pack.open(pack.folder)
    assert opened.info == INFO
    assert opened.find(TEXT, READING) == Recording(TEXT, 0.5, ((0, 0.04), (1, 0.2)), 0)
    samples, rate_hz = opened.samples(TEXT, READING)
    assert rate_hz == RATE_HZ and len(samples) == RATE_HZ // 2
    assert np.corrcoef(samples[2400:-2400], tone()[2400:-2400])[0, 1] > 0.9


@pytest.mark.parametrize("text, reading", [("您好！", READING), (TEXT, "nin2 hao4 。")])
def test_another_text_or_a_mended_reading_has_no_recording(pack, text, reading):
    assert pack.find(text, reading) is None
    with pytest.raises(PackError):
        pack.samples(text, reading)


def test_people_read_by_themselves_so_a_mended_reading_keeps_their_recording(tmp_path):
    family = Pack.create(tmp_path / "f", dataclasses.replace(INFO, id="f", kind=FAMILY))
    family.put(Recording(TEXT, 0.5), tone(), RATE_HZ, READING)
    assert family.find(TEXT, "nin2 hao4 。") == Recording(TEXT, 0.5)


def test_a_sentence_put_again_replaces_the_first(pack):
    pack.put(Recording(TEXT, 1.0), tone(1.0), RATE_HZ, READING)
    assert len(pack.recordings()) == 1 and len(list(pack.folder.glob("*.opus"))) == 1
    assert len(pack.samples(TEXT, READING)[0]) == RATE_HZ


def test_what_is_dropped_is_gone_from_disk_and_strays_go_too(pack):
    (pack.folder / "tmpabc.part").write_bytes(b"half")
    pack.drop_strays()
    assert len(list(pack.folder.iterdir())) == 2
    pack.drop(list(pack.recordings()))
    assert [p.name for p in pack.folder.iterdir()] == [MANIFEST]
    assert Pack.open(pack.folder).recordings() == {}


def test_a_full_disk_is_one_clear_error_and_what_there_was_stays(pack, monkeypatch):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(packs.os, "replace", full)
        with pytest.raises(PackError, match="No space left"):
            pack.put(Recording("第二句。", 0.5), tone(), RATE_HZ, "x")
    assert list(Pack.open(pack.folder).recordings()) == list(pack.recordings())
    pack.put(Recording("第二句。", 0.5), tone(), RATE_HZ, "x")
    assert len(Pack.open(pack.folder).recordings()) == 2


def broken(change) -> str:
    data = {"format": packs.FORMAT, "voice": dataclasses.asdict(INFO), "recordings": {}}
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize("manifest", [
    "", "{", "[]", "null", "\x00\x01",
    broken(lambda d: d.update(format=99)), broken(lambda d: d.pop("voice")),
    broken(lambda d: d["voice"].update(id="../../etc")), broken(lambda d: d["voice"].update(kind="other")),
    broken(lambda d: d["voice"].pop("label")), broken(lambda d: d["voice"].update(extra=1)),
    broken(lambda d: d["recordings"].update({"../x": {"text": "a", "length_s": 1, "marks": []}})),
    broken(lambda d: d["recordings"].update({"0" * 20: {"text": "a"}})),
])
def test_a_foreign_or_damaged_pack_is_refused_and_the_others_are_found(pack, manifest):
    folder = pack.folder.parent / "foreign"
    folder.mkdir()
    (folder / MANIFEST).write_text(manifest)
    with pytest.raises(PackError):
        Pack.open(folder)
    found, errors = find_packs(pack.folder.parent)
    assert [p.info.id for p in found] == ["female"] and len(errors) == 1


def test_a_damaged_recording_is_an_error_of_that_sentence_only(pack):
    pack.put(Recording("第二句。", 0.5), tone(), RATE_HZ, "x")
    (pack.folder / f"{pack.key(TEXT, READING)}.opus").write_bytes(b"OggS nonsense")
    with pytest.raises(PackError):
        pack.samples(TEXT, READING)
    assert len(pack.samples("第二句。", "x")[0])


def test_a_deleted_pack_leaves_nothing(pack):
    pack.delete()
    assert not pack.folder.exists()
    assert find_packs(pack.folder.parent) == ([], [])


@pytest.mark.parametrize("length_s", [0.1, 0.3, 0.97, 0.99, 0.9935, 1.0, 1.01, 2.0, 7.3])
def test_recordings_of_any_length_can_be_read_again(pack, length_s):
    """Ogg pages of about a second once made files that libsndfile called malformed."""
    pack.put(Recording("长短。", length_s), tone(length_s), RATE_HZ, "x")
    assert len(pack.samples("长短。", "x")[0]) == round(length_s * RATE_HZ)
