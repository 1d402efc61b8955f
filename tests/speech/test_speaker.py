"""Every sentence in the best voice that can be had in time.

The natural voice is a fake here, because how long it takes is what is tested; that the real one
keeps the same contract is shown in test_kokoro.py.
"""

import threading
import time

import numpy as np
import pytest

from service.core.wording import clauses, joint
from service.errors import VoiceError
from service.speech.pack import FAMILY, Pack, PackInfo, Recording
from service.speech.speaker import LATER_WAIT_S
from service.speech.voice import USUAL_CPM, Speech, spoken
from tests.support import guide, speaker

RECORDED = "您好，衡阳社保指南。"
UNSEEN = "您还差二十二个月，慢慢来。"
RATE_HZ = 24_000


class Natural:
    """Kokoro's contract without its model: speaks when it is let, and tells what it was asked."""

    name = "natural"

    def __init__(self):
        self.asked: list[str] = []
        self.let = threading.Event()
        self.let.set()
        self.fails = False

    def use_lexicon(self, lexicon) -> None:
        """See ``Voice``."""

    def synthesize(self, text: str, pace_cpm: int) -> Speech:
        spoken(text, guide().lexicon)
        self.asked.append(text)
        self.let.wait()
        if self.fails:
            raise VoiceError("broken")
        length_s = len(text) * 60 / pace_cpm
        times = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
        return Speech.of(0.2 * np.sin(2 * np.pi * 440 * times), RATE_HZ, ((0, 0.0), (2, 0.5)))

    def close(self) -> None:
        self.let.set()


@pytest.fixture
def natural():
    return Natural()


@pytest.fixture
def ready(tmp_path, natural):
    """A speaker with the shipped packs, a natural voice and pyttsx3."""
    made = speaker(tmp_path)
    made.voices.use_natural({"female": natural, "male": natural})
    yield made
    natural.let.set()
    made.close()


def is_natural(speech: Speech) -> bool:
    samples, rate_hz = speech.samples()
    spectrum = np.abs(np.fft.rfft(samples))
    return abs(np.argmax(spectrum) * rate_hz / len(samples) - 440) < 5


def pieces(ready, text: str, voice: str = "") -> list[Speech]:
    """A sentence as a client plays it."""
    found, number = [], 0
    while number is not None:
        piece = ready.piece(text, USUAL_CPM, voice, number, opening=True)
        found.append(piece.speech)
        number = piece.next
    return found


# --- the order -----------------------------------------------------------------------------------

def test_a_recorded_sentence_needs_no_engine_at_all(ready, natural):
    piece = ready.piece(RECORDED, USUAL_CPM, "", 0, opening=True)
    assert piece.next is None and piece.speech.marks
    assert natural.asked == []


def test_the_two_shipped_voices_are_two_voices(ready):
    female, male = (ready.speak(RECORDED, USUAL_CPM, v).wav for v in ("female", "male"))
    assert female != male and ready.speak(RECORDED, USUAL_CPM, "nobody").wav == female


def test_what_is_not_recorded_is_rendered_and_then_kept(ready, natural):
    assert is_natural(ready.speak(UNSEEN, USUAL_CPM))
    ready.speak(UNSEEN, USUAL_CPM)
    assert natural.asked == [UNSEEN]


def test_where_the_natural_voice_fails_the_plain_one_speaks(ready, natural):
    natural.fails = True
    speech = ready.speak(UNSEEN, USUAL_CPM)
    assert speech.length_s > 1 and not is_natural(speech)
    assert not any(is_natural(s) for s in pieces(ready, UNSEEN))


def test_without_a_natural_voice_the_plain_one_speaks_at_once(tmp_path):
    ready = speaker(tmp_path)
    piece = ready.piece(UNSEEN, USUAL_CPM, "", 0, opening=True)
    assert piece.next is None and piece.speech.length_s > 1
    ready.close()


def test_the_order_is_a_setting(tmp_path, natural):
    ready = speaker(tmp_path, order=("kokoro", "pack"))
    ready.voices.use_natural({"female": natural})
    assert is_natural(ready.speak(RECORDED, USUAL_CPM))
    ready.close()
    plain = speaker(tmp_path, order=("pyttsx3", "pack"))
    assert plain.speak(RECORDED, USUAL_CPM).marks == ()
    plain.close()


def test_a_family_voice_falls_back_sentence_by_sentence(tmp_path, ready):
    family = Pack.create(tmp_path / "voices" / "aunt", PackInfo("aunt", "姑姑", FAMILY, "", ""))
    family.put(Recording(RECORDED, 1.0), np.full(RATE_HZ, 0.1, np.float32), RATE_HZ)
    ready.voices.look()
    assert [c.id for c in ready.voices.choices()] == ["aunt", "female", "male"]
    assert ready.speak(RECORDED, USUAL_CPM, "aunt").length_s == pytest.approx(1.0)
    assert ready.speak("第二步。", USUAL_CPM, "aunt").wav == ready.speak("第二步。", USUAL_CPM, "female").wav
    family.delete()
    ready.voices.look()
    assert ready.speak(RECORDED, USUAL_CPM, "aunt").wav == ready.speak(RECORDED, USUAL_CPM, "female").wav


def test_voices_follow_one_another_round_and_round(ready):
    assert ready.voices.after("") == ready.voices.after("female") == "male"
    assert ready.voices.after("male") == "female"


# --- in time -------------------------------------------------------------------------------------

def test_while_the_first_clause_is_rendered_a_recorded_sentence_bridges(ready, natural):
    natural.let.clear()
    first = ready.piece(UNSEEN, USUAL_CPM, "", 0, opening=True)
    assert first.speech.wav == ready.speak("好，我来念。", USUAL_CPM).wav and first.next == 1
    natural.let.set()
    rest = [ready.piece(UNSEEN, USUAL_CPM, "", n, opening=True) for n in (1, 2)]
    assert [is_natural(p.speech) for p in rest] == [True, True]
    assert [p.next for p in rest] == [2, None]
    assert natural.asked[:2] == list(clauses(UNSEEN))


def test_a_quick_natural_voice_needs_no_bridge(ready, monkeypatch):
    monkeypatch.setattr("service.speech.speaker.OPENING_WAIT_S", 5)
    said = pieces(ready, UNSEEN)
    assert len(said) == 2 and all(map(is_natural, said))


def test_the_marks_of_a_clause_count_from_the_beginning_of_the_sentence(ready):
    piece = ready.piece(UNSEEN, USUAL_CPM, "", 2, opening=True)
    assert [at for at, _ in piece.speech.marks] == [9, 11]


def test_later_sentences_are_waited_for_without_a_bridge_and_then_spoken_plainly(ready, natural, monkeypatch):
    monkeypatch.setattr("service.speech.speaker.LATER_WAIT_S", 0.1)
    natural.let.clear()
    piece = ready.piece(UNSEEN, USUAL_CPM, "", 0, opening=False)
    assert piece.next is None and not is_natural(piece.speech)
    assert LATER_WAIT_S < 10, "the page gives up after 10 s"


def test_what_will_be_said_next_is_rendered_before_it_is_asked_for(ready, natural):
    ready.prepare((RECORDED, UNSEEN, "另外一句。"), USUAL_CPM, "")
    give_up = time.monotonic() + 10
    while len(natural.asked) < 2 and time.monotonic() < give_up:
        time.sleep(0.01)
    assert natural.asked == [UNSEEN, "另外一句。"]


def test_only_what_is_not_recorded_is_rendered_for_some_day(ready, natural):
    texts = (RECORDED, f"回到{joint('用手机查')}。", UNSEEN)
    assert ready.unrendered(texts, "") == [UNSEEN]
    ready.render_spare(UNSEEN, "")
    assert natural.asked == [UNSEEN] and ready.unrendered(texts, "") == []
    assert is_natural(ready.speak(UNSEEN, USUAL_CPM))


# --- pace, joins, what cannot be spoken ----------------------------------------------------------

@pytest.mark.parametrize("pace_cpm", [140, 160, 205, 230, 260])
def test_every_pace_keeps_the_pitch_and_the_marks_with_the_words(ready, pace_cpm):
    usual, changed = ready.speak(UNSEEN, USUAL_CPM), ready.speak(UNSEEN, pace_cpm)
    assert changed.length_s == pytest.approx(usual.length_s * USUAL_CPM / pace_cpm, rel=0.02)
    assert is_natural(changed)
    assert changed.marks[1][1] == pytest.approx(usual.marks[1][1] * USUAL_CPM / pace_cpm, abs=0.01)


def test_a_question_in_doubt_is_joined_from_recorded_titles_where_the_natural_voice_is_late(ready, natural, monkeypatch):
    monkeypatch.setattr("service.speech.speaker.LATER_WAIT_S", 0.1)
    natural.let.clear()
    titles = ("缴费基数", "缴费年限", "打哪个电话")
    question = f"{joint(titles[0])}，{joint(titles[1])}，还是{joint(titles[2])}？"
    speech = ready.piece(question, USUAL_CPM, "", 0, opening=False).speech
    assert not is_natural(speech)
    # Tight joins lose the silence at the ends of the parts.
    assert speech.length_s > 0.6 * sum(ready.speak(title, USUAL_CPM).length_s for title in titles)
    begins = [at for at, _ in speech.marks]
    assert begins == sorted(begins) and begins[0] <= 1


FIGURES = f"养老一共交了{joint('十二年', '零三个月')}。"
"""A sentence whose figures are recorded parts."""


def test_figures_are_rendered_whole_where_that_is_in_time_and_joined_where_it_is_not(ready, natural, monkeypatch):
    assert is_natural(ready.piece(FIGURES, USUAL_CPM, "", 0, opening=False).speech)
    assert is_natural(ready.piece(FIGURES, USUAL_CPM, "", 0, opening=True).speech), "it is there by now"
    monkeypatch.setattr("service.speech.speaker.LATER_WAIT_S", 0.1)
    natural.let.clear()
    other = f"养老一共交了{joint('十三年', '零三个月')}。"
    for opening in (True, False):
        piece = ready.piece(other, USUAL_CPM, "", 0, opening)
        assert not is_natural(piece.speech) and piece.next is None


def test_figures_are_joined_tightly_within_a_clause(ready, natural):
    ready.voices.use_natural({})
    speech = ready.speak(FIGURES, USUAL_CPM)
    parts = [ready.speak(part, USUAL_CPM).length_s for part in ("养老一共交了", "十二年", "零三个月")]
    assert natural.asked == [] and max(parts) < speech.length_s < sum(parts)
    begins, times = zip(*speech.marks)
    assert list(begins) == sorted(begins) and list(times) == sorted(times) and times[-1] < speech.length_s
    assert {0, FIGURES.index("十二"), FIGURES.index("零三")} <= set(begins)


def test_what_is_joined_from_figures_lies_in_no_file(ready, tmp_path):
    before = set(tmp_path.rglob("*.speech"))
    for pace in (140, 260):
        assert ready.speak(FIGURES, pace).length_s > 0.5
    ready.speak(f"现在{joint('没有录的数')}块。", 140)
    assert set(tmp_path.rglob("*.speech")) == before
    ready.speak("没有录的话。", 140)
    assert set(tmp_path.rglob("*.speech")) > before


@pytest.mark.parametrize("text", ["", "。", "🙂🙂", "好" * 5000])
def test_what_no_voice_can_say_is_one_clear_error_and_the_next_sentence_works(ready, text):
    with pytest.raises(VoiceError, match=f"{len(text)} characters"):
        ready.piece(text, USUAL_CPM, "", 0, opening=True)
    with pytest.raises(VoiceError):
        ready.speak(text, USUAL_CPM)
    assert ready.speak("好了按一。", USUAL_CPM).length_s > 0.3


def test_a_damaged_recording_is_rendered_instead(tmp_path, ready, natural):
    family = Pack.create(tmp_path / "voices" / "aunt", PackInfo("aunt", "姑姑", FAMILY, "", ""))
    family.put(Recording(UNSEEN, 1.0), np.full(RATE_HZ, 0.1, np.float32), RATE_HZ)
    (family.folder / f"{family.key(UNSEEN)}.opus").write_bytes(b"half")
    ready.voices.find_families()
    assert is_natural(ready.speak(UNSEEN, USUAL_CPM, "aunt"))
