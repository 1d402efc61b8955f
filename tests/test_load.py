"""Several talk at once: a whole service, and kiosks that speak to it with real recordings over real sockets."""

import asyncio
import contextlib
import os
import threading
import time
from dataclasses import replace

import pytest
import uvicorn
from scipy.stats import binom

from service import app
from service.admission import Admission
from service.bench_load import DUTY, EXCEEDED, Tally, kiosks_for
from service.bench_soak import slope
from service.lab.kiosk import Heard, Kiosk, Microphone, Refused, listen
from service.lab.resources import resources
from service.settings import read_settings
from service.speech.audio import read_pcm
from tests.support import RECORDINGS, recognizer

SAID = {"ask_counter_xiaoyi": "m1_counter", "ask_m3_cert": "m3_cert", "ask_m2_formula": "m2_formula"}
"""Recording to where it leads."""
WINDOW_S = 60


class Clock:
    """Stands still until it is set."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(scope="module")
def clock():
    return Clock()


@pytest.fixture(scope="module")
def admission(clock):
    return Admission(clock=clock)


@pytest.fixture(scope="module")
def url(tmp_path_factory, admission):
    """Address of a service whose admission is played."""
    recognizer()
    settings = replace(read_settings({}), data_dir=tmp_path_factory.mktemp("load"), voice="light", decoders="grammar",
                       reload_guide=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "Admission", lambda *_: admission)
        service = app.create_app(settings)
    server = uvicorn.Server(uvicorn.Config(service.asgi, port=0, lifespan="off", ws="websockets-sansio",
                                           log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
    service.close()


@pytest.fixture
def kiosks(url, clock):
    """Three that have a talk."""
    clock.now_s += WINDOW_S
    kiosks = [Kiosk(url) for _ in SAID]
    for kiosk in kiosks:
        kiosk.open()
    yield kiosks
    for kiosk in kiosks:
        kiosk.end()
        kiosk.close()


def speak_at_once(kiosks: list[Kiosk]) -> list[Heard]:
    async def speak() -> list[Heard]:
        microphones = [await Microphone(kiosk, realtime=False).open() for kiosk in kiosks]
        try:
            return await asyncio.gather(*(microphone.listen(read_pcm(RECORDINGS / f"{recording}.opus"))
                                          for microphone, recording in zip(microphones, SAID)))
        finally:
            for microphone in microphones:
                await microphone.close()
    return asyncio.run(speak())


def crowd(admission: Admission) -> None:
    """So many speak that audio waits for its decoding."""
    for number in range(1000):
        admission.decoded(number % 10, wait_s=0.6, audio_s=0.1, work_s=0.05)


@pytest.mark.audio
def test_three_who_speak_at_once_are_each_answered(kiosks):
    heard = speak_at_once(kiosks)
    assert [h.reply["node"] for h in heard] == list(SAID.values())
    assert all(0 < h.outcome_s < h.first_sound_s for h in heard)
    assert [kiosk.journal[-1].node for kiosk in kiosks] == list(SAID.values())
    assert all([entry.number for entry in kiosk.journal] == [1, 2] for kiosk in kiosks)


@pytest.mark.audio
def test_one_more_is_refused_politely_while_the_others_go_on_and_then_let_in(kiosks, admission, clock, url):
    crowd(admission)
    newcomer = Kiosk(url)
    with pytest.raises(Refused) as refusal:
        newcomer.try_to_open()
    assert (refusal.value.status, refusal.value.code) == (503, "busy")
    assert refusal.value.say == "现在人多，请稍等。" and refusal.value.retry_after_s > 0
    assert newcomer.sound({"audio": "/api/v1/busy"}).startswith(b"RIFF")

    # Neither turns nor a microphone that comes back are refused, nor a page that was reloaded.
    assert [h.reply["node"] for h in speak_at_once(kiosks)] == list(SAID.values())
    assert [kiosk.press("9")["node"] for kiosk in kiosks] == ["root"] * len(kiosks)
    assert kiosks[0].rejoin()["node"] == "root"
    assert sum(kiosk.refused_openings + kiosk.lost_talks + kiosk.retries for kiosk in kiosks) == 0

    clock.now_s += WINDOW_S
    assert newcomer.open()["node"] == "root" and newcomer.refused_openings == 1
    newcomer.end()


@pytest.mark.audio
def test_whoever_speaks_is_counted(kiosks, admission, clock):
    counted = []
    decoded = admission.decoded
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admission, "decoded", lambda *of: counted.append(of) or decoded(*of))
        listen(kiosks[0], read_pcm(RECORDINGS / "ask_counter_xiaoyi.opus"), realtime=False)
    # What is measured holds the utterance and the silence that ended it, and not all that was sent.
    spoken_s = sum(audio_s for _, _, audio_s, _ in counted)
    assert 1 < spoken_s < 4 and all(wait_s >= 0 and work_s > 0 for _, wait_s, _, work_s in counted)
    assert len({stream for stream, *_ in counted}) == 1


# --- what the benchmark counts with ---------------------------------------------------------------

@pytest.mark.parametrize("served", [1, 3, 16])
def test_as_many_kiosks_as_rarely_want_more_than_is_there(served):
    kiosks = kiosks_for(served, idle=0.0)
    assert binom.sf(served, kiosks, DUTY) <= EXCEEDED < binom.sf(served, kiosks + 1, DUTY)


def test_open_microphones_take_some_of_the_room():
    assert kiosks_for(0, idle=0.0) == 0
    # Where a silent one takes a fifth of a talk, 30 would leave no room for anybody's word.
    few = kiosks_for(6, idle=0.2)
    assert 6 < few < kiosks_for(6, idle=0.0) < 30
    assert kiosks_for(16, idle=0.1) < kiosks_for(16, idle=0.0)


def test_a_level_breaks_by_an_error_or_by_late_outcomes():
    tally = Tally()
    assert tally.breaks, "nothing was heard"
    for _ in range(20):
        tally.heard(Heard("nothing", None, 0.1, None))
    assert not tally.breaks and tally.figures()["taken_for_noise"] == 20
    tally.failed(Refused(503, {"code": "store_failed"}))
    assert tally.breaks and tally.figures()["errors"] == {"store_failed": 1}
    late = Tally()
    for outcome_s in [0.1] * 10 + [0.9] * 10:
        late.heard(Heard("nothing", None, outcome_s, None))
    assert late.breaks


def test_growth_is_that_of_the_second_half():
    samples = [{"at_s": 10.0 * i, "files": 50 if i < 20 else 50 + (i - 20)} for i in range(40)]
    growth = slope(samples, "files")
    assert growth == {"per_hour": 360.0, "residual": 0.0, "first": 50.0, "last": 69.0}
    assert slope(samples[:20], "files")["per_hour"] == 0
    assert slope(samples[:3], "files") is None


def test_what_a_process_uses_is_seen():
    before, done, many = resources(os.getpid()), threading.Event(), 20
    with contextlib.ExitStack() as files:
        for _ in range(many):
            files.enter_context(open(os.devnull))
        threads = [threading.Thread(target=done.wait) for _ in range(many)]
        for thread in threads:
            thread.start()
        during = resources(os.getpid())
    done.set()
    for thread in threads:
        thread.join()
    # The service of the other tests is still there, and opens a few itself.
    assert abs(during.files - before.files - many) < 10 and abs(during.threads - before.threads - many) < 10
    assert 1 < during.service_mb < 10_000 and during.cpu_s >= before.cpu_s
