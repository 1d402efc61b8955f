"""The running guide takes up good edits and refuses bad ones as a whole."""

import logging
import threading
from pathlib import Path

import pytest

from service.content.last_good import LastGood
from service.content.live import LiveGuide, watch
from service.errors import ContentError

GREETING = "您好，衡阳社保指南。"


def edit(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def greeting(live: LiveGuide) -> str:
    return live.current.nodes["root"].say[0].text


@pytest.fixture
def live(prompts: Path) -> LiveGuide:
    return LiveGuide(prompts)


def test_without_an_edit_there_is_nothing_new(live: LiveGuide):
    before = live.current
    assert live.look() is False
    assert live.current is before


def test_an_edit_is_taken_up_and_every_listener_gets_it(live: LiveGuide, prompts: Path):
    heard = [], []
    for listener in heard:
        live.on_change(listener.append)
    edit(prompts, "nodes/root.yaml", GREETING, "您好，我是社保指南。")
    assert live.look() is True
    assert greeting(live) == "您好，我是社保指南。"
    for listener in heard:
        assert [g.nodes["root"].say[0].text for g in listener] == [GREETING, "您好，我是社保指南。"]


def test_a_bad_edit_is_refused_with_its_list_and_the_guide_keeps_running(live: LiveGuide, prompts: Path, caplog):
    running, heard = live.current, []
    live.on_change(heard.append)
    edit(prompts, "nodes/root.yaml", GREETING, "您好，我是社保指南。")
    edit(prompts, "nodes/m1.yaml", "count: 7", "count: 6")
    edit(prompts, "screen.yaml", "choice_yes", "choice_yeah")
    with caplog.at_level(logging.WARNING):
        assert live.look() is False
    assert live.current is running and heard == [running]
    assert [p.file for p in live.refused] == ["nodes/m1.yaml", "screen.yaml"]
    assert "2 problem(s)" in caplog.text


def test_a_refused_edit_is_taken_up_once_it_is_repaired(live: LiveGuide, prompts: Path):
    edit(prompts, "nodes/m1.yaml", "count: 7", "count: 6")
    live.look()
    edit(prompts, "nodes/m1.yaml", "count: 6", "count: 7")
    edit(prompts, "nodes/root.yaml", GREETING, "您好，我是社保指南。")
    assert live.look() is True
    assert greeting(live) == "您好，我是社保指南。" and live.refused == ()


def test_a_half_saved_edit_waits_for_its_other_half(live: LiveGuide, prompts: Path):
    path, running = prompts / "nodes" / "m2.yaml", live.current
    whole = path.read_text(encoding="utf-8").replace("您分开看。", "您分开来看。")
    path.write_text(whole[:len(whole) // 2], encoding="utf-8")
    assert live.look() is False
    assert live.current is running and live.refused
    path.write_text(whole, encoding="utf-8")
    assert live.look() is True
    assert live.current.nodes["m2_years"].say[-1].text == "每种保险各算各的，您分开来看。"


def test_a_removed_file_is_refused(live: LiveGuide, prompts: Path):
    running = live.current
    (prompts / "lexicon.yaml").unlink()
    assert live.look() is False
    assert live.current is running
    assert [p.file for p in live.refused] == ["lexicon.yaml"]


def test_a_file_saved_unchanged_is_no_new_guide(live: LiveGuide, prompts: Path):
    heard = []
    live.on_change(heard.append)
    (prompts / "screen.yaml").write_bytes((prompts / "screen.yaml").read_bytes())
    assert live.look() is False
    assert len(heard) == 1


def test_edits_that_the_speech_model_cannot_spell_are_refused_once_it_is_there(live: LiveGuide, prompts: Path):
    running = live.current
    live.check_spelling(lambda word: "龘" not in word)
    edit(prompts, "requests/m2.yaml", "    - 看不懂\n", "    - 看不懂龘字\n")
    assert live.look() is False
    assert live.current is running and "龘" in live.refused[0].fault


def test_a_bad_folder_is_no_guide_and_the_error_lists_why(prompts: Path, tmp_path: Path):
    edit(prompts, "nodes/m1.yaml", "count: 7", "count: 6")
    with pytest.raises(ContentError, match="nodes/m1.yaml.*实际有 7 步") as error:
        LiveGuide(prompts)
    assert len(error.value.problems) == 1
    with pytest.raises(ContentError):
        LiveGuide(tmp_path / "nowhere")


@pytest.fixture
def last_good(tmp_path: Path) -> LastGood:
    return LastGood(tmp_path / "data" / "guide.json")


def test_a_start_in_the_middle_of_an_edit_serves_the_guide_of_before(prompts: Path, last_good: LastGood, caplog):
    before = LiveGuide(prompts, last_good).current
    root = prompts / "nodes" / "root.yaml"
    whole = root.read_text(encoding="utf-8").replace(GREETING, "您好，我是社保指南。")
    root.write_text(whole[:len(whole) // 2], encoding="utf-8")
    (prompts / "nodes" / "new.yaml").write_text("half:", encoding="utf-8")
    live = LiveGuide(prompts, last_good)
    assert live.current == before and live.refused and "last good" in caplog.text
    assert not live.look(), "it stays until the edit is whole"
    root.write_text(whole, encoding="utf-8")
    (prompts / "nodes" / "new.yaml").unlink()
    assert live.look() and live.current.nodes["root"].say[0].text == "您好，我是社保指南。"
    assert LiveGuide(prompts, last_good).current.version == live.current.version


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": "x", "files": {"nodes/root.yaml": "half:"}}'])
def test_without_a_good_copy_a_bad_folder_is_no_guide(prompts: Path, last_good: LastGood, tmp_path: Path, damage: str):
    LiveGuide(prompts, last_good)
    (tmp_path / "data" / "guide.json").write_text(damage)
    (prompts / "nodes" / "root.yaml").write_text("half:", encoding="utf-8")
    with pytest.raises(ContentError):
        LiveGuide(prompts, last_good)


def test_where_no_copy_can_be_kept_the_guide_is_served_all_the_same(prompts: Path, tmp_path: Path, caplog):
    (tmp_path / "file").write_text("")
    assert LiveGuide(prompts, LastGood(tmp_path / "file" / "guide.json")).current
    assert "no copy" in caplog.text


def test_the_watch_takes_up_edits_by_itself_and_outlives_a_bad_one(live: LiveGuide, prompts: Path):
    changed, refused, stop = threading.Event(), threading.Event(), threading.Event()
    taking_up, broken = live.look, [OSError("gone"), ValueError("unforeseen")]

    def look() -> None:
        if broken:
            raise broken.pop()
        if not taking_up() and live.refused:
            refused.set()
    live.look = look
    live.on_change(lambda guide: changed.set() if guide.nodes["root"].say[0].text != GREETING else None)
    thread = watch(live, 0.02, stop)
    try:
        edit(prompts, "facts.yaml", "checked: 2026-11-23", "checked: 2026-02-31")
        assert refused.wait(10)
        edit(prompts, "facts.yaml", "checked: 2026-02-31", "checked: 2026-11-23")
        edit(prompts, "nodes/root.yaml", GREETING, "您好，我是社保指南。")
        assert changed.wait(10)
    finally:
        stop.set()
        thread.join(5)
    assert not thread.is_alive()
