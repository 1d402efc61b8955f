"""The audio cache: rendered once, bounded, and never in the way of speaking."""

import errno
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.errors import VoiceError
from service.speech import cache as caches
from service.speech.cache import AudioCache, MemoryCache
from service.speech.voice import Speech

LIMIT = 10_000_000


class CountingVoice:
    """Makes speech of known bytes and counts how often it was asked."""

    def __init__(self):
        self.asked = []

    def make(self, name: str):
        return lambda: self.asked.append(name) or Speech(b"RIFF" + name.encode() * 100, ((0, 0.03), (2, 0.5)))


@pytest.fixture
def voice():
    return CountingVoice()


def test_what_was_rendered_once_comes_from_the_cache_with_its_marks(tmp_path, voice):
    first = AudioCache(tmp_path, LIMIT).get(("v", "您好。"), voice.make("a"))
    assert AudioCache(tmp_path, LIMIT).get(("v", "您好。"), voice.make("a")) == first
    assert first.marks == ((0, 0.03), (2, 0.5)) and voice.asked == ["a"]


@pytest.fixture(params=["files", "memory"])
def cache(tmp_path, request):
    """Both keep the same contract."""
    return AudioCache(tmp_path / "not there yet", LIMIT) if request.param == "files" else MemoryCache()


def test_only_what_is_there_is_found(cache, voice):
    assert cache.find(("v", "您好。")) is None
    made = cache.get(("v", "您好。"), voice.make("a"))
    assert cache.find(("v", "您好。")) == made


@pytest.mark.parametrize("parts", [("v", "您好。", "140"), ("w", "您好。", "180"), ("v", "您好", "。180"), ("v", "您好。180")])
def test_what_differs_in_any_part_is_rendered_anew(cache, voice, parts):
    cache.get(("v", "您好。", "180"), voice.make("a"))
    cache.get(parts, voice.make("b"))
    assert voice.asked == ["a", "b"]


def test_memory_holds_the_latest_and_writes_no_file(tmp_path, voice, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cache = MemoryCache(most=2)
    for name in "abac":
        cache.get((name,), voice.make(name))
    assert voice.asked == ["a", "b", "c"] and cache.find(("b",)) is None and cache.find(("a",)) is not None
    assert not list(tmp_path.iterdir())


def test_what_is_asked_for_twice_at_once_is_made_once(tmp_path, voice):
    cache, begun, go_on = AudioCache(tmp_path, LIMIT), threading.Event(), threading.Event()
    def slowly() -> Speech:
        begun.set()
        assert go_on.wait(10)
        return voice.make("a")()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(cache.get, ("same",), slowly) for _ in range(4)]
        assert begun.wait(10)
        go_on.set()
        assert len({f.result(10).wav for f in asked}) == 1
    assert voice.asked == ["a"]


def test_what_cannot_be_made_is_an_error_and_is_tried_again(tmp_path, voice):
    cache = AudioCache(tmp_path, LIMIT)
    def fail() -> Speech:
        raise VoiceError("no voice")
    with pytest.raises(VoiceError):
        cache.get(("same",), fail)
    assert cache.get(("same",), voice.make("a")).wav.startswith(b"RIFF")


def test_it_keeps_within_its_bound_and_keeps_what_is_used(tmp_path, voice):
    cache = AudioCache(tmp_path, 5_000)
    for number in range(40):
        cache.get((str(number),), voice.make("once"))
        cache.get(("usual",), voice.make("usual"))
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) <= 5_000
    assert voice.asked.count("usual") == 1


@pytest.mark.parametrize("damaged", [b"", b"nonsense", b"[[0, 1]]\nno sound", b"[[0", b"\x00" * 100, b"null\nRIFF", b"[3]\nRIFF"])
def test_a_damaged_file_is_rendered_anew(tmp_path, voice, damaged):
    cache = AudioCache(tmp_path, LIMIT)
    made = cache.get(("same",), voice.make("a"))
    next(tmp_path.iterdir()).write_bytes(damaged)
    assert cache.find(("same",)) is None
    assert cache.get(("same",), voice.make("a")) == made == cache.find(("same",))


def test_a_folder_that_cannot_be_made_still_speaks(tmp_path, voice):
    (tmp_path / "file").write_text("in the way")
    assert AudioCache(tmp_path / "file" / "audio", LIMIT).get(("same",), voice.make("a"))


def test_a_full_disk_still_speaks_and_is_not_filled_with_halves(tmp_path, voice, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")
    cache = AudioCache(tmp_path, LIMIT)
    monkeypatch.setattr(caches.os, "replace", full)
    assert cache.get(("same",), voice.make("a"))
    assert list(tmp_path.iterdir()) == []
