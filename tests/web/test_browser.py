"""The kiosk page in a real Chromium whose microphone is a recording."""

import os
import shutil
import wave
from urllib.request import urlopen

import pytest

from service.speech.audio import RATE_HZ, duration_s, read_pcm
from tests.running import RunningService
from tests.support import RECORDINGS, recognizer

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if os.environ.get("REQUIRE_BROWSER") != "1":
    # In one line; where the browser is required a missing one fails instead.
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine", allow_module_level=True)

from playwright.sync_api import sync_playwright  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.audio]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update",
         "--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream",
         "--use-fake-device-for-media-stream"]
WAIT_MS = 60_000


@pytest.fixture
def speech(tmp_path, service):
    """A WAV file for Chromium's microphone: quiet while the greeting plays, then the request.

    Chromium plays it from the moment that the page opens the microphone, as the greeting begins.
    """
    greeting = service.call("POST", "/sessions")["sentences"]
    greeting_s = sum(duration_s(urlopen(service.url + s["audio"]).read()) + 0.5 for s in greeting)
    path = tmp_path / "request.wav"
    samples = read_pcm(RECORDINGS / "ask_counter_xiaoyi.opus")
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        out.writeframes(bytes(2 * round(RATE_HZ * (greeting_s + 3))) + samples.tobytes() + bytes(2 * RATE_HZ * 90))
    return path


@pytest.fixture
def service(tmp_path):
    recognizer()
    service = RunningService(tmp_path).start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def playwright():
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture
def open_page(playwright):
    """Opens pages in a browser of the test's own."""
    browsers = []

    def open_page(url, *flags, **options):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        browsers.append(browser)
        page = browser.new_context(permissions=["microphone"], **options).new_page()
        page.set_default_timeout(WAIT_MS)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(url)
        return page
    yield open_page
    for browser in browsers:
        browser.close()


def reads(page, text):
    page.locator("#caption", has_text=text).wait_for()


def has(page, selector):
    page.wait_for_selector(selector, state="attached")


def test_voice_then_keys_then_a_tap_then_a_restart(service, open_page, speech):
    page = open_page(service.url, f"--use-file-for-fake-audio-capture={speech}%noloop")
    page.click("#start")
    has(page, 'body[data-node="root"][data-playing]')
    has(page, 'body[data-node="m1_counter"][data-state="steps"]')
    caption = page.inner_text("#caption")
    assert "一共七步" in caption and "先问清楚大厅在哪里" in caption
    has(page, "body[data-playing]")

    page.keyboard.press("1")
    reads(page, "带上您的身份证")
    # The same key within 0.4 s would be a trembling hand.
    page.wait_for_timeout(500)
    page.click('#choices button[data-key="1"]')
    reads(page, "先取个号")

    service.kill()
    has(page, 'body[data-lamp="offline"]')
    service.start()
    reads(page, "刚才断了一下")
    assert "先取个号" in page.inner_text("#caption"), "the talk goes on at the same step"
    page.keyboard.press("1")
    reads(page, "我要查社保")
    assert page.faults == []


def test_a_key_silences_the_voice_at_once(service, open_page):
    page = open_page(service.url)
    page.click("#start")
    has(page, "body[data-playing]")
    # The attribute goes in the same task as the sound; 100 ms is the target that bench measures.
    page.keyboard.press("0")
    has(page, 'body[data-node="help"]')
    assert page.faults == []


def test_it_works_without_a_microphone(service, open_page):
    page = open_page(service.url)
    page.context.clear_permissions()
    page.add_init_script("navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'))")
    page.reload()
    page.click("#start")
    has(page, 'body[data-node="root"]')
    page.click('#choices button[data-key="5"]')
    has(page, 'body[data-node="m5"]')
    assert "没有找到话筒" in page.inner_text("#microphone")


@pytest.mark.parametrize("width,height", [(1280, 800), (390, 844)])
def test_everything_is_large_and_within_the_screen(service, open_page, width, height):
    page = open_page(service.url, viewport={"width": width, "height": height})
    page.click("#start")
    has(page, '#choices button[data-key="5"]')
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    boxes = [b.bounding_box() for b in page.query_selector_all("#choices button, #keypad button")]
    assert len(boxes) == 17
    assert all(b["width"] >= 60 and b["height"] >= 60 for b in boxes), "targets of at least 60 px (MIIT)"
    sizes = page.eval_on_selector_all("#caption *, #choices button", "all => all.map(e => parseFloat(getComputedStyle(e).fontSize))")
    assert min(sizes) >= 24, "body text of at least 24 px"


def test_a_reader_of_the_screen_hears_the_reply_once_and_can_name_every_button(service, open_page):
    page = open_page(service.url)
    page.click("#start")
    has(page, '#choices button[data-key="1"]')
    assert page.get_attribute("#caption", "aria-live") == "polite"
    for button in page.get_by_role("button").all():
        assert button.inner_text().strip() or button.get_attribute("aria-label")
