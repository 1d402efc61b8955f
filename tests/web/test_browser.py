"""The kiosk page in a real Chromium whose microphone is a recording."""

import os
import shutil
import wave

import pytest

from service.speech.audio import read_pcm
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


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """A WAV file for Chromium's microphone: quiet while the greeting plays, then the request."""
    path = tmp_path_factory.mktemp("microphone") / "request.wav"
    samples = read_pcm(RECORDINGS / "ask_counter_xiaoyi.opus")
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        # The fake microphone plays from the moment that it is opened; the page opens it at the
        # first gesture, and the test silences the greeting at once.
        out.writeframes(bytes(2 * 16_000 * 6) + samples.tobytes() + bytes(2 * 16_000 * 60))
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


def has(page, selector):
    page.wait_for_selector(selector, state="attached")


def test_voice_then_keys_then_a_tap_then_a_restart(service, open_page, speech):
    page = open_page(service.url, f"--use-file-for-fake-audio-capture={speech}%noloop")
    page.click("#start")
    has(page, 'body[data-node="root"][data-playing]')
    # A key silences the greeting, so that the room is quiet when the request comes.
    page.keyboard.press("9")
    has(page, 'body[data-turn]')
    for _ in range(20):
        page.evaluate("document.body.dataset.node")
        if page.get_attribute("body", "data-node") == "m1_counter":
            break
        page.keyboard.press("9")
        page.wait_for_timeout(450)

    has(page, 'body[data-node="m1_counter"][data-state="steps"]')
    caption = page.inner_text("#caption")
    assert "一共七步" in caption and "先问清楚大厅在哪里" in caption
    has(page, "body[data-playing]")

    page.keyboard.press("1")
    page.wait_for_function(READS, arg="带上您的身份证")
    page.click('#choices button[data-key="1"]')
    page.wait_for_function(READS, arg="先取个号")

    service.kill()
    has(page, 'body[data-lamp="offline"]')
    service.start()
    page.wait_for_function(READS, arg="刚才断了一下")
    assert "先取个号" in page.inner_text("#caption"), "the talk goes on at the same step"
    page.keyboard.press("1")
    page.wait_for_function(READS, arg="我要查社保")
    assert page.faults == []


READS = "(text) => document.querySelector('#caption').innerText.includes(text)"


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
