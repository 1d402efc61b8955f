"""The WebSocket: real audio in, turns made by voice out, on a running service."""

import json

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from service.speech.audio import read_pcm
from service.lab.kiosk import Kiosk
from service.lab.process import RunningService
from service.web.socket import Pace
from tests.support import RECORDINGS, recognizer

pytestmark = pytest.mark.audio
SILENCE = bytes(2 * 16_000 * 2)
"""Two seconds."""
ANSWER_S = 30


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    recognizer()
    service = RunningService(tmp_path_factory.mktemp("socket"), VOICE="light").start()
    yield service
    service.stop()


class Microphone:
    """A page's side of the socket."""

    def __init__(self, service: RunningService, talk: str, **options):
        address = service.url.replace("http", "ws") + f"/api/v1/listen?session={talk}"
        self.socket = connect(address, legacy=True, **options)

    def hear(self, recording: str) -> None:
        self.send(read_pcm(RECORDINGS / f"{recording}.opus").tobytes() + SILENCE)

    def send(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), 3200):
            self.socket.send(pcm[start:start + 3200])

    def tell(self, **message) -> None:
        self.socket.send(json.dumps(message))

    def until(self, *kinds: str) -> dict:
        while True:
            message = json.loads(self.socket.recv(timeout=ANSWER_S))
            if message["type"] in kinds:
                return message

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def talk(service):
    # Tests speak faster than people, so that there may be no room for a moment.
    kiosk = Kiosk(service.url)
    yield kiosk.open()
    kiosk.close()


@pytest.fixture
def microphone(service, talk):
    microphone = Microphone(service, talk["session"])
    yield microphone
    microphone.close()


def test_a_spoken_request_leads_to_its_first_step(microphone):
    microphone.hear("ask_counter_xiaoyi")
    microphone.until("hearing")
    turn = microphone.until("turn")
    reply = turn["reply"]
    assert reply["node"] == "m1_counter" and reply["step"] == {"number": 1, "count": 7}
    assert list(turn["timing"]) == ["receive", "endpoint", "decode", "interpret", "advance", "commit"]
    assert 600 <= turn["timing"]["endpoint"] < 1_400 and turn["timing"]["decode"] > 0


def test_who_sends_faster_than_one_speaks_waits_by_their_own_fault():
    pace, second = Pace(), bytes(2 * 16_000)
    assert [pace.due_s(second, 10.0) for _ in range(3)] == pytest.approx([10.0, 10.91, 11.82], abs=0.01)
    assert pace.due_s(second, 20.0) == 20.0, "a pause makes up for it"
    assert pace.due_s(second, 21.0) == 21.0, "as fast as one speaks"


def test_the_talk_goes_on_from_voice_to_keys(service, talk, microphone):
    microphone.hear("ask_counter_yunyang")
    microphone.until("turn")
    reply = service.call("POST", f"/sessions/{talk['session']}/turns", {"turn_id": "k1", "key": "1"})
    assert reply["step"]["number"] == 2 and reply["number"] == 3


def test_while_the_guide_speaks_a_hot_word_interrupts(service, talk, microphone):
    microphone.tell(type="speaking", turn_id=talk["turn_id"], sentence=1)
    microphone.hear("say_pause_halt")
    assert microphone.until("turn", "nothing").get("reply", {}).get("state") == "paused"


def test_while_the_guide_speaks_a_request_does_not_interrupt(talk, microphone):
    microphone.tell(type="speaking", turn_id=talk["turn_id"], sentence=1)
    microphone.hear("oov_weather")
    assert microphone.until("turn", "nothing")["type"] == "nothing"


def test_the_guide_does_not_answer_its_own_voice(service, talk, microphone):
    """Every sentence of the greeting, rendered by the guide's own voice, comes back by the microphone."""
    from urllib.request import urlopen
    for index, sentence in enumerate(talk["sentences"]):
        microphone.tell(type="speaking", turn_id=talk["turn_id"], sentence=index)
        with urlopen(service.url + sentence["audio"], timeout=20) as answer:
            microphone.send(read_pcm(answer.read()).tobytes())
    microphone.send(SILENCE)
    microphone.tell(type="silent")
    # Whatever was made of it, no turn was: the talk still stands at its first.
    microphone.socket.close()
    assert service.call("GET", f"/sessions/{talk['session']}")["number"] == 1


def test_a_key_makes_it_forget_the_words_in_progress(service, talk, microphone):
    speech = read_pcm(RECORDINGS / "ask_counter_xiaoxiao.opus").tobytes()
    microphone.send(speech[:len(speech) // 4 * 2])
    microphone.until("hearing")
    microphone.tell(type="forget")
    assert microphone.until("turn", "nothing")["type"] == "nothing"
    microphone.hear("say_top")
    assert microphone.until("turn")["reply"]["node"] == "root"


def test_a_socket_that_stops_in_mid_word_leaves_the_talk_as_it_was(service, talk):
    cut = Microphone(service, talk["session"])
    speech = read_pcm(RECORDINGS / "ask_counter_xiaoxiao.opus").tobytes()
    cut.send(speech[:len(speech) // 4 * 2])
    cut.socket.socket.close()
    again = Microphone(service, talk["session"])
    again.hear("ask_counter_xiaoxiao")
    assert again.until("turn")["reply"]["number"] == 2
    again.close()


@pytest.mark.parametrize("message", [
    "not json", "[]", '{"type": "dance"}', '{"type": "speaking"}', '{"type":' * 30_000,
    '{"type": "speaking", "turn_id": "a", "sentence": Infinity}', b"\0" * 400_000],
    ids=["no JSON", "a list", "unknown", "half", "deep", "endless", "too long"])
def test_a_message_that_is_none_is_answered_and_the_socket_closed(service, talk, message):
    microphone = Microphone(service, talk["session"])
    microphone.socket.send(message)
    assert microphone.until("error")["error"]["code"] == "bad_request"
    with pytest.raises(ConnectionClosed):
        microphone.socket.recv(timeout=ANSWER_S)
    assert service.call("GET", f"/sessions/{talk['session']}")["number"] == 1


def test_a_session_that_does_not_exist_is_refused(service):
    microphone = Microphone(service, "nobody")
    assert microphone.until("error", "ready")["error"]["code"] == "not_found"


def test_another_site_may_not_listen(service, talk):
    with pytest.raises(InvalidStatus):
        Microphone(service, talk["session"], origin="http://elsewhere.example")


def test_the_service_stops_cleanly_while_somebody_listens(tmp_path):
    service = RunningService(tmp_path, VOICE="light").start()
    try:
        microphone = Microphone(service, service.call("POST", "/sessions")["session"])
        microphone.until("ready")
        assert service.terminate() == 0
    finally:
        service.stop()
