"""The kiosk page in a real Chromium whose microphone is a recording."""

import base64
import os
import shutil
import wave
from urllib.request import urlopen

import numpy as np
import pytest

from service.core.dialog import LOUDNESS_DB
from service.speech.audio import RATE_HZ, duration_s, read_pcm, write_wav
from service.speech.sound import levelled, loudness_lufs
from service.lab.process import RunningService
from tests.fakes import record_family
from tests.support import RECORDINGS, guide, recognizer

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
QUICK = {"pace_cpm": 260}
"""The quickest pace: where a test waits for sentences to end."""


@pytest.fixture
def speech(tmp_path, own_service):
    """A WAV file for Chromium's microphone: quiet while the greeting plays, then the request.

    Chromium plays it from the moment that the page opens the microphone, as the greeting begins.
    """
    greeting = own_service.call("POST", "/sessions", QUICK)["sentences"]
    greeting_s = sum(duration_s(urlopen(own_service.url + s["audio"]).read()) + 0.5 for s in greeting)
    path = tmp_path / "request.wav"
    samples = read_pcm(RECORDINGS / "ask_counter_xiaoyi.opus")
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        out.writeframes(bytes(2 * round(RATE_HZ * (greeting_s + 3))) + samples.tobytes() + bytes(2 * RATE_HZ * 90))
    return path


@pytest.fixture
def own_service(tmp_path):
    """A service that the test may kill."""
    recognizer()
    service = RunningService(tmp_path, VOICE="light")
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture(scope="module")
def playwright():
    with sync_playwright() as playwright:
        yield playwright


def launch(playwright, *flags):
    return playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])


@pytest.fixture(scope="module")
def browser(playwright):
    """The one browser of all pages that need no flags of their own."""
    browser = launch(playwright)
    yield browser
    browser.close()


@pytest.fixture
def open_page(playwright, browser):
    """Opens pages, each in a context of its own: nothing is kept of the pages before. With flags in a browser of
    its own too."""
    opened = []

    def open_page(url, *flags, **options):
        own = launch(playwright, *flags) if flags else browser
        context = own.new_context(permissions=["microphone"], **options)
        opened.append(own if flags else context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(url)
        return page
    yield open_page
    for one in opened:
        one.close()


GREETING = tuple(s.text for s in guide().nodes["root"].say)
CHANGED = "好，换这个声音讲。"
SPY = """
  window.sounds = [];
  const { start, stop } = AudioBufferSourceNode.prototype;
  AudioBufferSourceNode.prototype.start = function (when, from = 0) {
    this.seen = { began: performance.now() / 1000, from, length: this.buffer.duration, stopped: null };
    sounds.push(this.seen);
    return start.call(this, when, from);
  };
  AudioBufferSourceNode.prototype.stop = function (when) {
    this.seen.stopped ??= performance.now() / 1000;
    return stop.call(this, when);
  };
"""
"""Writes down every sound of the page: when it began, from where, how long it is, when it was stopped."""


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service with a family's voice, in which the length of every sentence is known. Each page has a talk of its
    own."""
    recognizer()
    folder = tmp_path_factory.mktemp("family")
    record_family(folder / "voices", (*GREETING, CHANGED))
    service = RunningService(folder, VOICE="light")
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture
def listens(open_page, service):
    """Opens the page of somebody who chose the family's voice, or nobody's."""
    def listens(likes=None, *flags, at=service, init=SPY):
        page = open_page(f"{at.url}/static/favicon.svg", *flags)
        page.evaluate("likes => likes && localStorage.setItem('likes', JSON.stringify(likes))", likes)
        page.add_init_script(init)
        page.goto(at.url)
        page.click("#start")
        return page
    return listens


def length_s(text, pace_cpm=180):
    """Of a sentence in the family's voice."""
    return len(text) * 60 / pace_cpm


def reads(page, text):
    page.locator("#caption", has_text=text).wait_for()


def has(page, selector):
    page.wait_for_selector(selector, state="attached")


def test_voice_then_keys_then_a_tap_then_a_restart(own_service, listens, speech):
    page = listens(QUICK, f"--use-file-for-fake-audio-capture={speech}%noloop", at=own_service)
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

    own_service.kill()
    has(page, 'body[data-lamp="offline"]')
    own_service.start()
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


MICROPHONES = """
  window.streams = [];
  const { getUserMedia } = MediaDevices.prototype;
  MediaDevices.prototype.getUserMedia = async function (wanted) {
    streams.push(await getUserMedia.call(this, wanted));
    return streams.at(-1);
  };
"""


def test_a_microphone_that_is_plugged_in_again_is_used_again(listens):
    page = listens(init=MICROPHONES)
    page.locator("#microphone", has_text="话筒开着").wait_for()
    page.evaluate("streams[0].getTracks()[0].dispatchEvent(new Event('ended'))")
    page.locator("#microphone", has_text="没有找到话筒").wait_for()
    page.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    page.locator("#microphone", has_text="话筒开着").wait_for()
    assert page.evaluate("streams.length") == 2
    assert page.faults == []


def test_a_turn_that_the_database_did_not_confirm_is_sent_again_as_the_same(listens):
    page, sent = listens(), []
    has(page, 'body[data-node="root"]')

    def fail_once(route):
        sent.append(route.request.post_data_json)
        if len(sent) == 1:
            return route.fulfill(status=503, json={"error": {"code": "store_failed", "message": "", "say": ""}})
        return route.continue_()
    page.route("**/turns", fail_once)
    page.keyboard.press("1")
    has(page, 'body[data-lamp="offline"]')
    page.wait_for_selector('body:not([data-node="root"])', state="attached")
    assert [turn["key"] for turn in sent] == ["1", "1"] and len({turn["turn_id"] for turn in sent}) == 1
    assert page.faults == []


def test_who_is_not_let_in_is_told_so_once_and_let_in_as_soon_as_there_is_room(open_page, service):
    page, asked, heard = open_page(f"{service.url}/static/favicon.svg"), [], []

    def refuse_twice(route):
        asked.append(route.request.post_data_json)
        if len(asked) > 2:
            return route.continue_()
        error = {"code": "busy", "message": "", "say": "现在人多，请稍等。"}
        return route.fulfill(status=503, json={"error": error}, headers={"Retry-After": "1"})
    page.route("**/sessions", refuse_twice)
    page.on("response", lambda answer: answer.url.endswith("/busy") and heard.append(answer.status))
    page.add_init_script(SPY)
    page.evaluate("localStorage.setItem('likes', JSON.stringify({pace_cpm: 160}))")
    page.goto(service.url)
    page.click("#start")
    has(page, '#notice[data-kind="busy"]:text-is("现在人多，请稍等。")')
    assert page.inner_text("#lamp-text") == "请稍等"
    page.wait_for_function("() => sounds.length === 1")
    page.keyboard.press("1")
    page.keyboard.press(" ")
    has(page, 'body[data-node="root"][data-playing]')
    assert [likes["pace_cpm"] for likes in asked] == [160] * 3, "how one likes to be spoken to is not forgotten"
    assert heard == [200] and page.get_attribute("body", "data-node") == "root"
    assert page.inner_text("#notice") == "" and page.faults == []


def test_it_works_without_a_microphone(service, open_page):
    page = open_page(service.url)
    page.context.clear_permissions()
    page.add_init_script("navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'))")
    page.reload()
    page.click("#start")
    has(page, 'body[data-node="root"]')
    page.click('#choices button[data-key="5"]')
    has(page, 'body[data-node="n"]')
    assert "没有找到话筒" in page.inner_text("#microphone")


def test_digits_of_a_number_are_collected_in_order_shown_and_ended_by_the_hash(service, open_page):
    page = open_page(service.url)
    page.click("#start")
    for key, place in (("4", '[data-node="m4"]'), ("1", '[data-node="m4_age"][data-state="form"]')):
        page.keyboard.press(key)
        has(page, f"body{place}")
    # The same key sooner is the same press.
    page.wait_for_timeout(450)
    page.keyboard.press("1")
    has(page, '#caption :text("您是哪一年出生的")')
    page.wait_for_timeout(450)
    page.keyboard.type("1965")
    has(page, '#notice[data-kind="entry"]:text-is("您按了 1965")')
    names = {k: page.inner_text(f'#keypad button[data-key="{k}"] .name') for k in "9*#"}
    assert names == {"9": "", "*": "重按", "#": "按完了"}
    page.keyboard.press("Enter")
    has(page, '#caption :text("是几月出生的")')
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    has(page, '#choices button[data-key="1"]:has-text("对")')
    assert page.inner_text('#keypad button[data-key="9"] .name') == "主菜单" and page.faults == []


@pytest.mark.parametrize("width,height", [(1280, 800), (390, 844)])
def test_everything_is_large_and_within_the_screen(service, open_page, width, height):
    page = open_page(service.url, viewport={"width": width, "height": height})
    page.click("#start")
    has(page, '#choices button[data-key="5"]')
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    boxes = [b.bounding_box() for b in page.query_selector_all("#choices button, #keypad button, #pause")]
    assert len(boxes) == 18
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


# --- pace, loudness, words, voices ---------------------------------------------------------------

@pytest.mark.parametrize("button", [True, False], ids=["button", "space bar"])
def test_it_stops_in_the_middle_of_a_sentence_and_goes_on_there(listens, button):
    page = listens({"voice": "xiaofang", **QUICK})
    toggle = (lambda: page.click("#pause")) if button else (lambda: page.keyboard.press(" "))
    has(page, 'body[data-playing="1"]')
    page.wait_for_timeout(2500)
    toggle()
    has(page, 'body[data-state="paused"]')
    reads(page, "好，我等您。")
    assert page.inner_text("#pause-text") == "接着讲"
    page.wait_for_timeout(500)
    toggle()
    has(page, 'body[data-state="menu"][data-playing="1"]')
    assert page.inner_text("#pause-text") == "停一下"
    assert page.inner_text("#caption p.now") == GREETING[1], "the very sentence goes on"
    length = length_s(GREETING[1], QUICK["pace_cpm"])
    cut, resumed = [s for s in page.evaluate("sounds") if abs(s["length"] - length) < 0.1]
    stopped_at_s = cut["stopped"] - cut["began"]
    assert 2 < stopped_at_s < length and cut["from"] == 0
    # It goes on at the beginning of the word that was cut; a word is two characters here.
    assert 0 <= stopped_at_s - resumed["from"] < length_s("两字", QUICK["pace_cpm"]) + 0.15
    assert page.faults == []


def test_who_reloads_the_page_hears_the_place_again(listens):
    page = listens({"voice": "xiaofang", **QUICK})
    has(page, 'body[data-playing="1"]')
    page.keyboard.press(" ")
    has(page, 'body[data-state="paused"]')
    page.reload()
    reads(page, "刚才断了一下")
    page.keyboard.press(" ")
    reads(page, "好，接着讲。")
    assert "怎么查社保，按一。" in page.inner_text("#caption")


def test_what_is_said_again_comes_slower_and_then_slower_still(listens):
    page = listens({"voice": "xiaofang"})
    has(page, 'body[data-playing="1"]')
    for pace_cpm in (153, 130):
        with page.expect_response("**/turns") as answer:
            page.keyboard.press("#")
        assert answer.value.json()["pace_cpm"] == pace_cpm
        assert answer.value.json()["sentences"][0]["text"] == GREETING[1], "from the sentence that was cut"
        page.wait_for_function("length => sounds.some(s => Math.abs(s.length - length) < 0.1)",
                               arg=length_s(GREETING[1], pace_cpm))
        page.wait_for_timeout(500)
    with page.expect_response("**/turns") as answer:
        page.keyboard.press("2")
    assert answer.value.json()["pace_cpm"] == 180


def test_the_word_being_spoken_is_marked_and_the_text_left_alone(listens):
    page = listens({"voice": "xiaofang", **QUICK})
    has(page, 'body[data-playing="0"]')
    page.evaluate("""() => {
      window.changes = 0;
      window.words = [];
      new MutationObserver((seen) => { changes += seen.length; })
        .observe(document.getElementById('caption'), { childList: true, characterData: true, subtree: true });
      const set = CSS.highlights.set.bind(CSS.highlights);
      CSS.highlights.set = (name, marked) => {
        words.push([...marked].join());
        return set(name, marked);
      };
    }""")
    page.wait_for_function("() => words.includes('上讲')")
    words = page.evaluate("words")
    assert words[words.index("直接"):][:4] == ["直接", "说", "我马", "上讲"]
    assert page.evaluate("CSS.highlights.has('word')")
    assert page.evaluate("changes") == 0, "a screen reader would say it again"
    page.keyboard.press(" ")
    has(page, 'body[data-state="paused"]')
    assert not page.evaluate("CSS.highlights.has('word')"), "nothing is known of the words of this sentence"


def test_without_highlights_nothing_is_marked_and_nothing_breaks(listens):
    page = listens()
    # A talk that is only then opened would be remembered, and gone on with, after it was to be forgotten.
    has(page, 'body[data-node="root"]')
    page.add_init_script("delete window.Highlight; delete CSS.highlights;")
    page.evaluate("""likes => {
      localStorage.setItem('likes', JSON.stringify(likes));
      sessionStorage.clear();
    }""", {"voice": "xiaofang", **QUICK})
    page.reload()
    page.click("#start")
    has(page, 'body[data-playing="1"]')
    assert page.inner_text("#caption p.now") == GREETING[1]
    assert page.faults == []


def test_another_voice_is_chosen_heard_and_remembered(listens):
    page = listens()
    for _ in range(3):  # round and round, past the voices that ship
        page.wait_for_timeout(500)
        before = page.inner_text("#voice-name")
        page.click("#voice")
        page.wait_for_function("before => document.getElementById('voice-name').textContent !== before", arg=before)
        if page.inner_text("#voice-name") == "孙女小芳":
            break
    assert page.inner_text("#voice") == "换个声音 孙女小芳"
    page.wait_for_function("length => Math.abs(sounds.at(-1).length - length) < 0.1", arg=length_s(CHANGED))
    page.keyboard.press("7")
    reads(page, "好，我讲慢一点。")
    page.evaluate("sessionStorage.clear()")
    page.reload()
    page.click("#start")
    page.wait_for_function("length => sounds.length && Math.abs(sounds[0].length - length) < 0.1",
                           arg=length_s(GREETING[0], 160))
    assert page.inner_text("#voice-name") == "孙女小芳"


def test_likes_that_the_service_refuses_do_not_keep_anybody_out(listens):
    page = listens({"voice": 5, "colour": "green"})
    has(page, 'body[data-node="root"][data-playing]')


PLAY = """async ({ sentences, pace_cpm, wav }) => {
  const { Player } = await import('/static/player.js');
  const bytes = Uint8Array.from(atob(wav), (c) => c.charCodeAt(0));
  const asked = [];
  const fetched = async (address, signal, piece) => {
    asked.push(`${address}/${piece}`);
    const next = piece + 1 < sentences[address] ? piece + 1 : null;
    return { encoded: bytes.slice().buffer, marks: [], next };
  };
  const begun = [];
  await new Promise((end) => {
    const player = new Player(fetched, { sentence: (i) => begun.push(i), word() {}, pause() {}, end, unreachable: end });
    const reply = { pace_cpm, loudness_db: 0, resumes: null,
                    sentences: Object.keys(sentences).map((audio) => ({ text: audio, audio })) };
    player.unlock().then(() => player.play(reply));
  });
  return { asked, begun, sounds };
}"""


def gaps_s(sounds):
    return [b["began"] - a["began"] - a["length"] for a, b in zip(sounds, sounds[1:])]


def plays(page, sentences, pace_cpm=180):
    wav = write_wav(np.full(round(0.5 * RATE_HZ), 1000, np.int16), RATE_HZ)
    return page.evaluate(PLAY, {"sentences": sentences, "pace_cpm": pace_cpm,
                                "wav": base64.b64encode(wav).decode()})


@pytest.fixture
def bench(open_page, service):
    """A page without the guide, on the same site."""
    page = open_page(f"{service.url}/api/v1/openapi.json")
    page.evaluate(f"() => {{ {SPY} }}")
    return page


def test_pieces_of_a_sentence_are_played_without_a_pause(bench):
    played = plays(bench, {"a": 3, "b": 1})
    assert played["asked"] == ["a/0", "a/1", "a/2", "b/0"] and played["begun"] == [0, 1]
    *within, between = gaps_s(played["sounds"])
    assert max(within) < 0.2 < 0.35 < between


def test_pauses_between_sentences_grow_with_slowness(bench):
    slow, quick = ([gaps_s(plays(bench, {"a": 1, "b": 1}, pace)["sounds"][-2:])[0]] for pace in (110, 260))
    assert slow[0] > quick[0] + 0.2


def test_eighteen_decibels_really_come_out(bench):
    speech = levelled(read_pcm(RECORDINGS / "ask_counter_yunyang.opus").astype(np.float32) / 32768, RATE_HZ)
    heard = bench.evaluate("""async ({ rate, stages, pcm }) => {
      const { limiter } = await import('/static/player.js');
      const samples = new Float32Array(Uint8Array.from(atob(pcm), (c) => c.charCodeAt(0)).buffer);
      const rendered = async (db) => {
        const context = new OfflineAudioContext(1, samples.length, rate);
        const buffer = context.createBuffer(1, samples.length, rate);
        buffer.copyToChannel(samples, 0);
        const source = new AudioBufferSourceNode(context, { buffer });
        const last = db > 0 ? limiter(context) : context.destination;
        if (db > 0) last.connect(context.destination);
        source.connect(new GainNode(context, { gain: 10 ** (db / 20) })).connect(last);
        source.start();
        return Array.from((await context.startRendering()).getChannelData(0));
      };
      return Promise.all(stages.map(rendered));
    }""", {"rate": RATE_HZ, "stages": LOUDNESS_DB, "pcm": base64.b64encode(speech.astype("<f4").tobytes()).decode()})
    stages = [np.clip(np.array(samples, np.float32), -1, 1) for samples in heard]
    loudness = [loudness_lufs(samples, RATE_HZ) for samples in stages]
    assert loudness == sorted(loudness) and loudness[-1] - loudness[0] >= 18
