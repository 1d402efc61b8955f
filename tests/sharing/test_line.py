"""Line: a Redis that is away costs nobody their turn, and is used again once it is back."""

import logging
import socket
import time

from service.sharing.line import ANSWER_TIMEOUT_S, LEFT_ALONE_S, Line


def test_it_answers_and_what_is_kept_is_there_for_another(line, redis):
    line.ask(lambda client: client.set("guide:a", b"1"), None)
    other = Line(redis.url)
    assert other.ask(lambda client: client.get("guide:a"), None) == b"1" and not other.away
    other.close()


def test_away_and_back(redis, caplog):
    caplog.set_level(logging.INFO, "service.sharing.line")
    at = [0.0]
    line = Line(redis.url, lambda: at[0])
    assert line.answers()
    redis.halt()
    assert not line.answers() and line.away
    redis.start()
    assert not line.answers(), "it is left alone for a moment"
    at[0] += LEFT_ALONE_S
    assert line.answers() and not line.away
    line.close()
    assert [record.getMessage().split()[2] for record in caplog.records] == ["away", "back"], "each told once"


def test_one_that_swallows_everything_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        line = Line(f"redis://:secret@127.0.0.1:{deaf.getsockname()[1]}")
        began = time.monotonic()
        assert line.ask(lambda client: client.get("a"), "otherwise") == "otherwise"
        assert time.monotonic() - began < 10 * ANSWER_TIMEOUT_S
        began = time.monotonic()
        assert all(line.ask(lambda client: client.get("a"), True) for _ in range(100))
        assert time.monotonic() - began < ANSWER_TIMEOUT_S, "nobody waits a second time so soon"
        line.close()


def test_its_password_is_in_no_log(caplog):
    caplog.set_level(logging.DEBUG)
    line = Line("redis://:secret@127.0.0.1:9")
    assert not line.answers()
    line.close()
    assert caplog.text and "secret" not in caplog.text
