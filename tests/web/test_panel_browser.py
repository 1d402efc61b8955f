"""The panel on a phone and a kiosk beside it, in two real browsers: paired, watched, taught, adjusted, edited."""

import re
import shutil
import wave

import pytest
from axe_playwright_python.sync_playwright import Axe

from service.core.dialog import Match, Session, advance
from service.speech.audio import RATE_HZ, read_pcm
from tests.fakes import record_family
from tests.running import RunningService
from tests.support import PROMPTS, RECORDINGS, guide, recognizer
from tests.web import test_browser
from tests.web.test_browser import SPY, has, length_s, open_page, playwright, reads  # noqa: F401  fixtures

pytestmark = test_browser.pytestmark
SAID = RECORDINGS / "oov_cabbage.opus"
"""Something that the guide does not understand, until it is taught."""
BEFORE_S, BEHIND_S = 6.0, 8.0
"""Silence around it; the microphone says it again and again."""
AT_ONCE_MS = 2_000
LEARNING_MS = 120_000
PASSWORD = "a quiet evening"
PHONE = {"width": 390, "height": 844}
CODE = re.compile(r"One-time code: (\d+) (\d+)")


@pytest.fixture
def service(tmp_path):
    """A service with files of its own that may be edited, and a family's voice whose lengths are known."""
    recognizer()
    prompts = shutil.copytree(PROMPTS, tmp_path / "prompts")
    _, menu = advance(guide(), Session(), Match(command="pair"), min(f.checked for f in guide().facts.values()))
    record_family(tmp_path / "data" / "voices", menu.sentences)
    running = RunningService(tmp_path / "data", VOICE="light", PROMPTS_DIR=str(prompts))
    yield running.start()
    running.stop()


@pytest.fixture
def microphone(tmp_path):
    """Chromium's flag for a microphone that says the same again and again."""
    path = tmp_path / "request.wav"
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        out.writeframes(bytes(2 * round(RATE_HZ * BEFORE_S)) + read_pcm(SAID).tobytes()
                        + bytes(2 * round(RATE_HZ * BEHIND_S)))
    return f"--use-file-for-fake-audio-capture={path}"


def submit(page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def is_accessible(page) -> None:
    """Nothing serious by axe-core, and nothing wider than the screen."""
    results = Axe().run(page)
    found = [(v["id"], v["nodes"][0]["html"]) for v in results.response["violations"]
             if v["impact"] in ("serious", "critical")]
    assert found == [], page.url
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


def test_a_caregiver_pairs_watches_teaches_adjusts_and_edits(service, open_page, microphone):  # noqa: F811
    code = "".join(CODE.search(service.log.read_text()).groups())
    panel = open_page(f"{service.url}/panel/first", viewport=PHONE)
    panel.fill("#code", code)
    panel.fill("#name", "小芳")
    panel.fill("#password", PASSWORD)
    submit(panel, "开始")
    panel.goto(f"{service.url}/panel/people")
    panel.fill("#name", "王奶奶")
    submit(panel, "添加")

    kiosk = open_page(service.url, microphone)
    kiosk.add_init_script(SPY)
    kiosk.reload()
    kiosk.click("#pair")
    reads(kiosk, "请家里人在他的网页上输这六个数。")
    kiosk.wait_for_function("() => /^[0-9]{6}$/.test(document.getElementById('notice').textContent)")
    panel.fill("#code", kiosk.inner_text("#notice"))
    panel.fill("#name", "客厅")
    submit(panel, "连上")
    kiosk.locator("#pair", has_text="已连家人").wait_for()
    reads(kiosk, "照看您的人看得到您哪里卡住了")

    # Pace and voice: the sentence after the one that is being spoken has them already.
    panel.select_option("#voice", "xiaofang")
    panel.select_option("#pace_cpm", "140")
    submit(panel, "马上改")
    line = "怎么查社保，按一。"
    kiosk.wait_for_function("lengths => lengths.some((l) => sounds.some((s) => Math.abs(s.length - l) < 0.1))",
                            arg=[length_s(text, 140) for text in sentences_of_menu()], timeout=30_000)
    assert line in kiosk.inner_text("#caption")

    # Twice not understood: whoever looks sees it at once.
    panel.goto(f"{service.url}/panel/")
    panel.locator(".calm").wait_for()
    reads(kiosk, "对不起，没听懂")
    panel.locator(".card.not_understood").wait_for(timeout=AT_ONCE_MS)
    is_accessible(panel)
    panel.get_by_role("link", name="看对话").click()
    said = panel.locator(".said").first.inner_text()
    assert "白菜" in said
    is_accessible(panel)

    # Taught, the same sentence is understood.
    panel.goto(f"{service.url}/panel/teach")
    is_accessible(panel)
    panel.get_by_role("link", name=said).click()
    panel.select_option("#other", "m2_med")
    is_accessible(panel)
    panel.locator("form button.main").click()
    panel.locator("#found").wait_for(timeout=LEARNING_MS)
    is_accessible(panel)
    panel.locator("form button.main").click()
    kiosk.locator('body[data-node="m2_med"]').wait_for(timeout=LEARNING_MS)

    # An edit that breaks a rule is refused, a good one is heard.
    panel.goto(f"{service.url}/panel/guide/m2_med")
    is_accessible(panel)
    first = panel.locator("#say-0")
    before = first.input_value()
    first.fill("打12333问。")
    panel.locator("#say-0-fault", has_text="有数字或者字母").wait_for()
    first.fill(f"您听好，{before}")
    panel.locator("#say-0-fault p").wait_for(state="detached")
    panel.locator("form button.main").first.click()
    panel.locator("#found").wait_for(timeout=LEARNING_MS)
    panel.locator("form button.main").click()
    panel.locator(".message.done").first.wait_for()
    kiosk.wait_for_timeout(3_000)
    kiosk.keyboard.press("*")
    kiosk.wait_for_timeout(500)
    kiosk.keyboard.press("3")
    reads(kiosk, f"您听好，{before}")
    assert kiosk.faults == [] and panel.faults == []


def sentences_of_menu() -> list[str]:
    _, menu = advance(guide(), Session(), Match(command="pair"), min(f.checked for f in guide().facts.values()))
    return list(menu.sentences)
