"""The command line: one JSON object a line on standard output, and an exit code that tells."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from service.__main__ import main
from tests.support import PROMPTS, RECORDINGS, ROOT, recognizer

FIELDS = {"outcome", "node", "command", "key", "candidates"}
"""What the score script needs of every answer."""


def run(*arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "service", *arguments], input=given, text=True, cwd=ROOT,
                          capture_output=True, timeout=120, env={**os.environ, **environment})


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def no_model(tmp_path: Path, monkeypatch) -> None:
    """A folder of models in which none is installed."""
    (tmp_path / "models").mkdir()
    shutil.copy(ROOT / "models" / "catalog.yaml", tmp_path / "models")
    monkeypatch.setenv("MODELS_DIR", str(tmp_path / "models"))


def test_understand_answers_each_line_with_what_it_means_at_the_main_menu():
    texts = ["我医保卡里还有多少钱", "再说一遍", "按二", "养老钱", "明天会不会下雨", "", "\x00{\"a\": 1}", "返回主菜单", "你好"]
    done = run("understand", given="\n".join(texts) + "\n")
    assert done.returncode == 0
    answers = lines(done.stdout)
    assert [a["text"] for a in answers] == texts
    for answer in answers:
        assert answer.keys() == FIELDS | {"text"}
        assert answer["outcome"] in ("match", "ask", "no_match")
        assert answer["outcome"] != "match" or answer["node"] or answer["command"]
        scores = [c["score"] for c in answer["candidates"]]
        assert scores == sorted(scores, reverse=True)
    balance, again, two, money, stars, empty, noise, top, hello = answers
    assert (balance["outcome"], balance["node"], balance["candidates"][0]["node"]) == ("match", "m2_med", "m2_med")
    assert (again["node"], again["command"]) == (None, "repeat")
    assert (two["key"], two["node"]) == ("2", "m2")
    assert money["outcome"] == "ask" and "n_rural_pension" in [c["node"] for c in money["candidates"][:3]]
    assert [a["outcome"] for a in (stars, empty, noise)] == ["no_match"] * 3
    assert top["command"] == hello["command"] == "top"


@pytest.mark.audio
def test_hear_answers_each_file_and_a_bad_one_does_not_stop_the_others(tmp_path: Path):
    recognizer()
    samples, rate_hz = soundfile.read(RECORDINGS / "say_next.opus", dtype="int16")
    soundfile.write(tmp_path / "next.wav", samples, rate_hz)
    soundfile.write(tmp_path / "quiet.wav", samples[:1000] * 0, rate_hz)
    (tmp_path / "letter.wav").write_text("这不是声音")
    files = [RECORDINGS / "ask_m2_med.opus", tmp_path / "letter.wav", tmp_path / "gone.wav",
             tmp_path / "next.wav", tmp_path / "quiet.wav"]
    done = run("hear", *map(str, files), DECODERS="grammar")
    assert done.returncode == 1
    answers = lines(done.stdout)
    assert [a["file"] for a in answers] == [f.name for f in files]
    for answer in answers:
        assert answer.keys() >= FIELDS | {"file", "transcript", "tail_ms"}
    balance, letter, gone, following, quiet = answers
    for bad in (letter, gone):
        assert (bad["error"]["code"], bad["outcome"], bad["node"]) == ("audio_unreadable", "no_match", None)
    assert (balance["outcome"], balance["node"]) == ("match", "m2_med")
    assert following["command"] == "next"
    assert quiet["outcome"] == "no_match" and "error" not in quiet
    assert following["audio_s"] == pytest.approx(len(samples) / rate_hz, abs=0.01)
    for heard in (balance, following):
        assert heard["decode_s"] > 0 and heard["tail_ms"] >= 0


def test_hear_without_a_speech_model_fails_with_a_word(no_model, capsys):
    assert main(["hear", str(RECORDINGS / "say_next.opus")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("model_missing: ")


@pytest.mark.parametrize("pace", [140, 260])
def test_say_writes_a_wav_of_the_text(tmp_path: Path, capsys, pace: int):
    target = tmp_path / "said.wav"
    assert main(["say", "打幺二三三三问一问。", "--out", str(target), "--pace", str(pace)]) == 0
    [told] = lines(capsys.readouterr().out)
    with soundfile.SoundFile(target) as sound:
        length_s = sound.frames / sound.samplerate
    assert told["file"] == str(target) and told["audio_s"] == pytest.approx(length_s, abs=0.01)
    assert told["bytes"] == target.stat().st_size
    assert 0.5 < length_s / (9 * 60 / pace) < 2


def test_say_of_what_cannot_be_spoken_fails_and_writes_nothing(tmp_path: Path, capsys):
    assert main(["say", "?!", "--out", str(tmp_path / "said.wav")]) == 1
    assert capsys.readouterr().err.startswith("voice_failed: ")
    assert not (tmp_path / "said.wav").exists()


def test_check_of_the_shipped_guide_counts_what_is_there(no_model, capsys):
    assert main(["check"]) == 0
    [summary] = lines(capsys.readouterr().out)
    assert (summary["problems"], summary["spelling_checked"]) == (0, False)
    assert summary["nodes"] >= 38 and summary["facts"] >= 80 and summary["phrases"] > 1000


def test_check_tells_each_problem_on_a_line_and_fails(no_model, tmp_path: Path, monkeypatch, capsys):
    folder = Path(shutil.copytree(PROMPTS, tmp_path / "prompts", ignore=shutil.ignore_patterns("voices")))
    for name, old, new in (("nodes/m1.yaml", "count: 7", "count: 6"), ("screen.yaml", "choice_yes", "choice_yeah")):
        path = folder / name
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    monkeypatch.setenv("PROMPTS_DIR", str(folder))
    assert main(["check"]) == 1
    *problems, summary = lines(capsys.readouterr().out)
    assert [p["file"] for p in problems] == ["nodes/m1.yaml", "screen.yaml"]
    assert all(p.keys() == {"file", "place", "fault", "remedy"} and all(p.values()) for p in problems)
    assert summary["problems"] == 2


@pytest.mark.audio
def test_check_with_the_speech_model_looks_at_the_spelling():
    recognizer()
    from service.commands import check
    from service.settings import read_settings
    out = io.StringIO()
    assert check(read_settings({}), out) == 0
    assert lines(out.getvalue())[-1]["spelling_checked"] is True


def test_a_guide_that_cannot_be_used_ends_a_command_with_a_word(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("PROMPTS_DIR", str(tmp_path))
    assert main(["say", "好。", "--out", str(tmp_path / "said.wav")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("content_invalid: ") and "facts.yaml" in err


def test_a_bad_setting_ends_a_command_with_its_name(monkeypatch, capsys):
    monkeypatch.setenv("PORT", "http")
    assert main(["check"]) == 1
    assert capsys.readouterr().err == "settings_invalid: PORT must be a port from 0 to 65535\n"


@pytest.mark.parametrize("arguments", [[], ["sing"], ["say"], ["say", "好。"], ["hear"], ["check", "more"],
                                       ["say", "好。", "--out", "x", "--pace", "slow"]])
def test_wrong_usage_ends_with_2(arguments: list[str], capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err
