"""A family's voice recorded in a real Chromium, heard on the kiosk, exported, deleted and taken in again."""

import io
import shutil
import wave
from urllib.request import urlopen

import numpy as np
import pytest
import soundfile
import soxr

from service.lab.process import RunningService
from service.speech.audio import RATE_HZ, read_pcm
from tests.support import RECORDINGS, guide, recognizer
from tests.web import test_browser
from tests.web.test_browser import browser, has, open_page, playwright  # noqa: F401  fixtures

pytestmark = test_browser.pytestmark
SPOKEN = RECORDINGS / "oov_mahjong.opus"
BEFORE_S = 1.0


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The one service of these tests."""
    recognizer()
    running = RunningService(tmp_path_factory.mktemp("family"), VOICE="light")
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def service(running):
    """It without a family's voice, as every test finds it."""
    yield running
    for voice in family_voices(running):
        running.fetch(f"/family/api/voices/{voice['id']}", method="DELETE", Origin=running.url)


@pytest.fixture
def microphone(tmp_path):
    """Chromium's flag for a microphone that speaks once, from the moment it is opened."""
    path = tmp_path / "microphone.wav"
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        out.writeframes(bytes(2 * round(RATE_HZ * BEFORE_S)) + read_pcm(SPOKEN).tobytes() + bytes(2 * RATE_HZ * 90))
    return f"--use-file-for-fake-audio-capture={path}%noloop"


def family_voices(service) -> list[dict]:
    return [v for v in service.call("GET", "/voices")["voices"] if v["kind"] == "family"]


def likeness(sound: bytes, other: bytes) -> float:
    """Highest correlation of two sounds at any shift, from 0 to 1."""
    def at_rate(data: bytes) -> np.ndarray:
        samples, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32")
        return soxr.resample(samples, rate_hz, RATE_HZ)
    a, b = at_rate(sound), at_rate(other)
    size = len(a) + len(b)
    shifted = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    return float(np.abs(shifted).max() / np.sqrt((a ** 2).sum() * (b ** 2).sum()))


def test_record_hear_keep_choose_export_delete_and_take_in_again(service, open_page, microphone, tmp_path):  # noqa: F811
    page = open_page(f"{service.url}/family", microphone)
    page.fill("#label", "孙女小芳")
    page.press("#label", "Enter")
    greeting = guide().nodes["root"].say[0].text
    page.wait_for_selector("#studio:not([hidden])")
    while page.inner_text("#sentence") != greeting:
        page.click("#skip")
    page.click("#record")
    has(page, 'body[data-state="recording"]')
    levels = []
    while max(levels, default=0) < 0.5:
        levels.append(page.evaluate("document.getElementById('level').value"))
        assert len(levels) < 200, "the level shows the voice"
        page.wait_for_timeout(50)
    page.wait_for_timeout(1000 * (soundfile.info(SPOKEN).duration + 0.5))
    page.keyboard.press("Enter")
    has(page, 'body[data-state="tried"]')
    assert "听起来不太像这一句" in page.inner_text("#questions"), "a question, no refusal"
    page.click("#listen")
    page.click("#keep")
    page.locator("#progress", has_text="已录 1 /").wait_for()
    assert page.inner_text("#sentence") != greeting

    [voice] = family_voices(service)
    spoken = service.call("POST", "/sessions", {"voice": voice["id"], "pace_cpm": 180})["sentences"]
    heard = [urlopen(service.url + s["audio"]).read() for s in spoken[:2]]
    assert spoken[0]["text"] == greeting and likeness(heard[0], SPOKEN.read_bytes()) > 0.8, "the family's recording"
    assert likeness(heard[1], SPOKEN.read_bytes()) < 0.5, "what is not recorded comes from another voice"

    page.click("#back")
    with page.expect_download() as download:
        page.click(".export")
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.name == "孙女小芳.voice"
    page.click(".delete")
    page.click("#delete-no")
    assert page.locator("#voice-list li").count() == 1
    page.click(".delete")
    assert "1 句会全部删掉" in page.inner_text("#delete-loss")
    page.click("#delete-yes")
    page.locator("#notice", has_text="已经删干净了").wait_for()
    assert not family_voices(service)
    assert not list((service.folder / "voices").iterdir())

    page.set_input_files("#import-file", file)
    page.locator("#notice", has_text="放进来了：孙女小芳").wait_for()
    assert voice in service.call("GET", "/voices")["voices"]
    page.set_input_files("#import-file", SPOKEN)
    page.locator("#notice", has_text="不是从这里存出去的声音").wait_for()
    assert page.faults == []


@pytest.mark.parametrize("width, height", [(1280, 800), (390, 844)])
def test_everything_is_large_and_within_the_screen(service, open_page, width, height):  # noqa: F811
    page = open_page(f"{service.url}/family", viewport={"width": width, "height": height})
    page.wait_for_selector("#voices:not([hidden])")

    def looked_at() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = [b.bounding_box() for b in page.query_selector_all("button, .button, input[type=text]")]
        assert all(b["width"] >= 60 and b["height"] >= 60 for b in boxes if b), "targets of at least 60 px (MIIT)"
        sizes = page.eval_on_selector_all(
            "body *", "all => all.filter(e => e.innerText).map(e => parseFloat(getComputedStyle(e).fontSize))")
        assert min(sizes) >= 18
        for button in page.get_by_role("button").all():
            assert button.inner_text().strip() or button.get_attribute("aria-label")
    looked_at()
    page.fill("#label", "外公")
    page.click("#create button")
    page.wait_for_selector("#studio:not([hidden])")
    looked_at()
    page.set_input_files("#upload-file", SPOKEN)
    has(page, 'body[data-state="tried"]')
    looked_at()
    page.click("#keep")
    has(page, 'body[data-state="idle"]')
    page.click("#previous")
    page.wait_for_selector("#forget:not([hidden])")
    looked_at()


def test_without_a_microphone_a_recording_can_still_be_brought(service, open_page, tmp_path):  # noqa: F811
    page = open_page(f"{service.url}/family")
    page.add_init_script("navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'))")
    page.reload()
    page.fill("#label", "外公")
    page.click("#create button")
    page.click("#record")
    page.locator("#notice", has_text="没有找到话筒").wait_for()
    page.set_input_files("#upload-file", {"name": "a.mp3", "mimeType": "audio/mpeg", "buffer": b"no sound at all" * 99})
    page.locator("#notice", has_text="这个文件不是录音").wait_for()
    shutil.copy(SPOKEN, tmp_path / "a.opus")
    page.set_input_files("#upload-file", tmp_path / "a.opus")
    has(page, 'body[data-state="tried"]')
    assert page.faults == []
