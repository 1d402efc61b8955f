"""The engine's process: what it may do wrong, and that the next sentence is spoken all the same."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.errors import VoiceError
from service.speech.engine import EngineProcess

ECHO = """
import json, sys
for line in sys.stdin.buffer:
    request = json.loads(line)
    {misdeed}
    data = request["text"].encode()
    sys.stdout.buffer.write(json.dumps({{"bytes": len(data), "pid": __import__("os").getpid()}}).encode() + b"\\n" + data)
    sys.stdout.buffer.flush()
"""


def engine(misdeed: str = "pass", timeout_s: float = 10.0, idle_s: float | None = None) -> EngineProcess:
    """A process that answers with the request's text; the misdeed comes before its answer."""
    return EngineProcess((sys.executable, "-c", ECHO.format(misdeed=misdeed)), timeout_s, idle_s)


@pytest.fixture
def opened():
    engines = []
    yield lambda *args, **options: engines.append(engine(*args, **options)) or engines[-1]
    for each in engines:
        each.close()


def when(condition, within_s: float = 5.0) -> bool:
    """True as soon as the condition holds, False if it does not in time."""
    until = time.monotonic() + within_s
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


def test_one_process_answers_one_request_after_the_other(opened):
    echo = opened()
    assert not echo.running
    answers = [echo.ask({"text": text}) for text in ("您好。", "好。", "x" * 500_000)]
    assert [data.decode() for _, data in answers] == ["您好。", "好。", "x" * 500_000]
    assert len({header["pid"] for header, _ in answers}) == 1 and echo.running


def test_requests_of_several_threads_get_their_own_answers(opened):
    echo, texts = opened(), [f"第{n}句" for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert [d.decode() for _, d in pool.map(lambda t: echo.ask({"text": t}), texts)] == texts


@pytest.mark.parametrize("misdeed", [
    "sys.exit(3)",
    "print('nonsense', flush=True)",
    "print('5', flush=True)",
    "print('[\"bytes\"]', flush=True)",
    "print('{\"bytes\": \"many\"}', flush=True)",
    "print('{}', flush=True)",
    "print('{\"bytes\": 1000}\\nonly this', flush=True); sys.exit(0)",
    "sys.stdout.buffer.write(bytes(range(256)) + b'\\n'); sys.stdout.flush()",
])
def test_an_answer_that_is_none_is_one_clear_error_and_the_process_goes(opened, misdeed):
    broken = opened(f"if request['text'] == 'bad':\n        {misdeed}")
    with pytest.raises(VoiceError):
        broken.ask({"text": "bad"})
    assert when(lambda: not broken.running)
    assert broken.ask({"text": "好"})[1].decode() == "好"


def test_an_error_that_the_engine_reports_keeps_its_process(opened):
    reporting = opened("if request['text'] == 'bad': print(json.dumps({'error': 'no voice'}), flush=True); continue")
    pid = reporting.ask({"text": "好"})[0]["pid"]
    with pytest.raises(VoiceError, match="no voice"):
        reporting.ask({"text": "bad"})
    assert reporting.ask({"text": "好"})[0]["pid"] == pid


def test_an_engine_that_hangs_is_killed_and_started_again(opened):
    hanging = opened("if request['text'] == 'bad': __import__('time').sleep(60)", timeout_s=1.0)
    began = time.monotonic()
    with pytest.raises(VoiceError):
        hanging.ask({"text": "bad"})
    assert time.monotonic() - began < 5
    assert hanging.ask({"text": "好"})[1].decode() == "好"


def test_an_engine_that_hangs_in_the_middle_of_its_answer_is_an_error_too(opened):
    half = "print(json.dumps({'bytes': 9}) + '\\nhalf', flush=True); __import__('time').sleep(60)"
    with pytest.raises(VoiceError):
        opened(half, timeout_s=1.0).ask({"text": "好"})


def test_an_engine_that_was_killed_between_two_sentences_is_started_again(opened):
    echo = opened()
    pid = echo.ask({"text": "好"})[0]["pid"]
    echo._process.kill()
    echo._process.wait()
    assert echo.ask({"text": "好"})[0]["pid"] != pid


def test_an_engine_that_is_not_there_is_one_clear_error():
    missing = EngineProcess(("/no/such/engine",), 10.0)
    with pytest.raises(VoiceError):
        missing.ask({"text": "好"})
    missing.close()


def test_an_engine_that_is_not_asked_gives_its_memory_back_and_comes_again(opened):
    idle = opened(idle_s=0.3)
    pid = idle.ask({"text": "好"})[0]["pid"]
    assert when(lambda: not idle.running)
    assert idle.ask({"text": "好"})[0]["pid"] != pid


def test_a_long_sentence_is_not_taken_for_idleness(opened):
    slow = opened("__import__('time').sleep(1.0)", idle_s=0.2)
    assert slow.ask({"text": "好"})[1].decode() == "好"


def test_it_can_be_closed_in_the_middle_of_a_sentence_and_starts_no_more(opened):
    hanging = opened("__import__('time').sleep(60)", timeout_s=60.0)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(hanging.ask, {"text": "好"})
        assert when(lambda: hanging.running)
        began = time.monotonic()
        hanging.close()
        with pytest.raises(VoiceError):
            asking.result(5)
    assert time.monotonic() - began < 5 and not hanging.running
    with pytest.raises(VoiceError):
        hanging.ask({"text": "好"})


def test_what_goes_in_is_one_line_of_json():
    program = "import sys; line = sys.stdin.buffer.readline(); print(len(line), file=sys.stderr); " \
              "print('{\"bytes\": %d}' % len(line), flush=True); sys.stdout.buffer.write(line); sys.stdout.flush()"
    reader = EngineProcess((sys.executable, "-c", program), 10.0)
    _, data = reader.ask({"text": "一\n二"})
    assert json.loads(data) == {"text": "一\n二"} and data.count(b"\n") == 1
    reader.close()


def test_an_engine_that_reads_no_more_fails_as_every_other(tmp_path):
    """What could not be sent is still in the pipe's buffer when the process is given up."""
    deaf = tmp_path / "deaf"
    program = f"import os, sys, time; sys.stdin.buffer.readline(); print('{{\"error\": \"no\"}}', flush=True); " \
              f"os.close(0); open({str(deaf)!r}, 'w'); time.sleep(60)"
    engine = EngineProcess((sys.executable, "-c", program), 10.0)
    with pytest.raises(VoiceError):
        engine.ask({"text": "好"})
    assert when(deaf.exists) and engine.running
    for _ in range(2):
        with pytest.raises(VoiceError):
            engine.ask({"text": "好"})
    engine.close()
