"""A family's voice: takes that are cleaned and judged, kept, exported, taken in and deleted."""

import errno
import io
import json
import os
import tempfile
import warnings
import zipfile

import av
import numpy as np
import pytest
import soundfile
import soxr

from service.errors import AudioError, AudioTooLong, BadRequest, NotFound, PackError
from service.speech import parcel, take
from service.speech.family import BadLabel, FamilyVoices
from service.speech.pack import MANIFEST
from service.speech.parcel import BrokenParcel, ForeignParcel, OtherFormat, ParcelTooLarge
from service.speech.sound import cleaned, loudness_lufs
from service.speech.take import KEPT_HZ, WORK_HZ, TakeEmpty, TakeTooLarge, read_take
from tests.support import guide, recognizer, wav

TEXT, OTHER = "你好，打扰一下，去社保局查社保要带些什么东西呀？", "您慢慢来，不着急。"
RECORDING = "ask_m1_counter_bring"
RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Clean speech with a microphone's own noise, at 48 kHz."""
    samples, _ = soundfile.read(io.BytesIO(wav(RECORDING, WORK_HZ)), dtype="float32")
    return samples + RNG.normal(0, 10 ** (-65 / 20), len(samples)).astype(np.float32)


@pytest.fixture
def families(tmp_path) -> FamilyVoices:
    return FamilyVoices(tmp_path / "voices")


def test_what_was_left_half_done_long_ago_goes_and_what_another_process_is_at_stays(tmp_path):
    left, busy = tmp_path / ".incoming-left", tmp_path / ".incoming-busy"
    for folder in (left, busy):
        folder.mkdir()
    os.utime(left, (0, 0))
    FamilyVoices(tmp_path)
    assert not left.exists() and busy.exists()


@pytest.fixture
def voice(families, speech) -> str:
    """The id of a voice with two sentences."""
    voice = families.create("孙女小芳", "female").info.id
    kept = soxr.resample(speech, WORK_HZ, KEPT_HZ)
    families.keep(voice, TEXT, kept, KEPT_HZ)
    families.keep(voice, OTHER, kept[:KEPT_HZ], KEPT_HZ)
    return voice


def wave(samples: np.ndarray, rate_hz: int = WORK_HZ, subtype: str = "PCM_16") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, format="WAV", subtype=subtype)
    return out.getvalue()


def encoded(samples: np.ndarray, form: str, codec: str) -> bytes:
    """As a browser's recorder or a telephone would send it."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream(codec, rate=WORK_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None, :], "flt", "mono")
        frame.sample_rate = WORK_HZ
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return out.getvalue()


def tried(data: bytes, text: str = TEXT, ears=None) -> take.Take:
    return read_take(data, text, guide().lexicon, ears)


def db(samples: np.ndarray) -> float:
    return 10 * np.log10(np.mean(samples.astype(np.float64) ** 2) + 1e-12)


# --- cleaning -------------------------------------------------------------------------------------

def line_db(samples: np.ndarray, hz: float, width_hz: float = 2.0) -> float:
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / WORK_HZ)
    return 10 * np.log10(power[abs(frequencies - hz) < width_hz].sum())


@pytest.mark.parametrize("mains_hz", [49.9, 50.0, 50.1])
def test_hum_falls_by_12_db_and_its_lowest_tone_by_30_while_the_voice_stays(speech, mains_hz):
    at_s = np.arange(len(speech)) / WORK_HZ
    hum = sum(a * np.sin(2 * np.pi * mains_hz * n * at_s + n) for n, a in
              ((1, .03), (2, .03), (3, .02), (4, .02), (5, .02), (7, .02)))
    humming = (speech + hum).astype(np.float32)
    calm = cleaned(humming, WORK_HZ)
    pause = slice(0, int(0.3 * WORK_HZ))
    assert db(humming[pause]) - db(calm[pause]) > 12
    assert line_db(humming, mains_hz) - line_db(calm, mains_hz) > 30
    for hz, width_hz in ((450, 140), (1500, 800), (4500, 2000)):
        assert abs(line_db(speech, hz, width_hz) - line_db(calm, hz, width_hz)) < 1.0, f"the voice at {hz} Hz"


@pytest.mark.parametrize("click", [[.6], [.6, -.5], [.5, -.4, .3, -.2],
                                   list(.6 * np.exp(-np.arange(12) / 4) * np.cos(np.arange(12) * 1.5))],
                         ids=["one sample", "two", "four", "a quarter of a millisecond"])
def test_clicks_fall_by_18_db_while_the_voice_stays(speech, click):
    clicks = np.zeros_like(speech)
    for at in RNG.integers(2000, len(speech) - 2000, 40):
        clicks[at:at + len(click)] += np.array(click, np.float32)
    left = cleaned(speech + clicks, WORK_HZ) - cleaned(speech, WORK_HZ)
    assert db(clicks) - db(left) > 18


def test_a_steady_noise_falls_by_8_db(speech):
    noisy = speech + RNG.normal(0, 10 ** (-45 / 20), len(speech)).astype(np.float32)
    pause = slice(int(0.05 * WORK_HZ), int(0.3 * WORK_HZ))
    assert db(noisy[pause]) - db(cleaned(noisy, WORK_HZ)[pause]) > 8


def test_clean_speech_is_left_as_it_is(speech):
    calm = cleaned(speech, WORK_HZ)
    assert abs(db(calm) - db(speech)) < 0.3
    for hz, width_hz in ((200, 60), (450, 140), (1500, 800), (4500, 2000)):
        assert abs(line_db(speech, hz, width_hz) - line_db(calm, hz, width_hz)) < 0.5


# --- takes ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("form, codec", [
    ("webm", "libopus"), ("ogg", "libopus"), ("mp4", "aac"), ("mp3", "libmp3lame"), ("flac", "flac"), ("adts", "aac")])
def test_any_form_of_a_browser_or_a_telephone_becomes_a_take(speech, form, codec):
    kept = tried(encoded(speech, form, codec))
    assert kept.questions == () and kept.length_s == pytest.approx(3.9, abs=0.5)
    assert loudness_lufs(kept.samples, KEPT_HZ) == pytest.approx(-18, abs=1)


@pytest.mark.parametrize("subtype, channels, rate_hz", [
    ("FLOAT", 2, 48_000), ("PCM_24", 2, 44_100), ("PCM_U8", 1, 8_000), ("DOUBLE", 1, 96_000)])
def test_any_wav_becomes_a_take(subtype, channels, rate_hz):
    kept = tried(wav(RECORDING, rate_hz, subtype, channels))
    assert kept.samples.ndim == 1 and kept.length_s == pytest.approx(3.9, abs=0.5)


@pytest.mark.parametrize("data, error", [
    (b"", AudioError), (b"\x00" * 5000, AudioError), ("只是一段话。".encode() * 500, AudioError),
    (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", AudioError),
    (wave(np.zeros(WORK_HZ, np.float32)), TakeEmpty), (wave(np.zeros(0, np.float32)), AudioError),
    (wave(RNG.normal(0, .1, 300 * 8000), 8000, "PCM_U8"), AudioTooLong),
    (b"RIFF" + bytes(take.LARGEST_BYTES), TakeTooLarge),
    (wave(np.full(WORK_HZ, np.nan, np.float32), subtype="FLOAT"), TakeEmpty),
], ids=["0 bytes", "zeros", "a text", "a playlist", "silence", "no samples", "5 minutes",
        "too large", "not a number"])
def test_what_is_no_sound_is_refused(data, error):
    with pytest.raises(error):
        tried(data)


def test_questions_are_asked_and_the_take_can_be_kept_all_the_same(speech):
    def asked(samples: np.ndarray, text: str = TEXT) -> tuple[str, ...]:
        kept = tried(wave(samples), text)
        assert len(kept.samples)
        return kept.questions
    assert asked(speech) == ()
    assert asked(speech * 0.02) == ("quiet",)
    assert asked(np.clip(speech * 30, -1, 1)) == ("clipped",)
    assert asked(speech, "好。") == ("long",)
    assert asked(speech[:int(1.2 * WORK_HZ)]) == ("short",)
    assert "no_speech" in asked(RNG.normal(0, 0.05, 3 * WORK_HZ).astype(np.float32))


@pytest.mark.parametrize("form, codec", [("wav", None), ("webm", "libopus"), ("mp4", "aac")])
def test_a_take_cut_in_the_middle_is_asked_about_or_refused(speech, form, codec):
    whole = encoded(speech, form, codec) if codec else wave(speech)
    try:
        kept = tried(whole[:len(whole) // 2])
    except AudioError:
        return
    assert {"cut", "short"} & set(kept.questions)


def test_silence_at_the_ends_is_cut_off_and_a_knock_there_too(speech):
    quiet = RNG.normal(0, 1e-3, 2 * WORK_HZ).astype(np.float32)
    knock = quiet.copy()
    knock[WORK_HZ:WORK_HZ + 400] += np.hanning(400).astype(np.float32) * np.sin(np.arange(400) * .3)
    alone, framed = tried(wave(speech)), tried(wave(np.concatenate([knock, speech, knock])))
    assert framed.length_s == pytest.approx(alone.length_s, abs=0.3)


@pytest.mark.audio
def test_another_sentence_is_asked_about_where_there_is_a_speech_model(speech):
    assert tried(wave(speech), ears=recognizer()).questions == ()
    other = "今天天气真好，我们去公园里面走一走，看看花，好不好呀？"
    assert tried(wave(speech), other, recognizer()).questions == ("other",)
    assert tried(wave(speech), other).questions == ()


# --- keeping --------------------------------------------------------------------------------------

def test_a_voice_is_there_with_what_was_kept_and_a_second_take_replaces_the_first(families, voice, speech):
    assert [p.info.label for p in families.all()] == ["孙女小芳"]
    short = soxr.resample(speech, WORK_HZ, KEPT_HZ)[:KEPT_HZ // 2]
    families.keep(voice, TEXT, short, KEPT_HZ)
    samples, rate_hz = families.sound(voice, TEXT)
    assert len(samples) / rate_hz == pytest.approx(0.5, abs=0.01)
    families.drop(voice, OTHER)
    with pytest.raises(NotFound):
        families.sound(voice, OTHER)
    assert len(list(families.get(voice).folder.glob("*.opus"))) == 1


@pytest.mark.parametrize("label", ["", "  ", "<script>alert(1)</script>", "长" * 500, "a\nb\x00", "../etc", "小芳\u202e"])
def test_a_name_that_is_none_is_refused_and_nothing_is_made(families, label):
    with pytest.raises(BadLabel):
        families.create(label, "female")
    with pytest.raises(BadRequest):
        families.create("小芳", "nobody")
    assert families.all() == ()


@pytest.mark.parametrize("voice_id", ["family-00000000", "..", "../voices", "", "a/b", "A" * 300])
def test_an_unknown_voice_is_not_found(families, voice, voice_id):
    for action in (families.get, families.delete, families.export):
        with pytest.raises(NotFound):
            action(voice_id)


def test_a_full_disk_loses_nothing_and_the_next_take_is_kept(families, voice, speech, monkeypatch):
    folder = families.get(voice).folder
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    real = tempfile.NamedTemporaryFile

    def full(*args, **options):
        file = real(*args, **options)

        def write(_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file.write = write
        return file
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    samples = np.ones(KEPT_HZ, np.float32) / 9
    for text in (TEXT, "新的一句。"):
        with pytest.raises(PackError, match="No space left"):
            families.keep(voice, text, samples, KEPT_HZ)
    with pytest.raises(PackError):
        families.create("外公", "male")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in folder.parent.iterdir()] == [voice], "nothing half is left"
    monkeypatch.undo()
    families.keep(voice, "新的一句。", samples, KEPT_HZ)
    assert len(families.get(voice).recordings()) == 3


def test_a_deleted_voice_leaves_nothing_and_a_broken_off_deletion_is_completed(families, voice, tmp_path):
    second = families.create("外公", "male").info.id
    families.delete(voice)
    assert [p.name for p in (tmp_path / "voices").iterdir()] == [second]
    (tmp_path / "voices" / second).rename(tmp_path / "voices" / f".deleted-{second}-1")
    assert families.all() == ()
    assert FamilyVoices(tmp_path / "voices").all() == () and not list((tmp_path / "voices").iterdir())


# --- as one file ----------------------------------------------------------------------------------

@pytest.fixture
def exported(families, voice) -> bytes:
    with families.export(voice)[1] as file:
        return file.read()


def changed(exported: bytes, change=None, manifest=None, method=zipfile.ZIP_STORED) -> bytes:
    """The archive with its files, or its manifest, changed."""
    with zipfile.ZipFile(io.BytesIO(exported)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    if manifest:
        data = json.loads(files[MANIFEST])
        manifest(data)
        files[MANIFEST] = json.dumps(data).encode()
    if change:
        change(files)
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_an_exported_voice_is_the_same_on_another_machine(families, voice, exported, tmp_path):
    elsewhere = FamilyVoices(tmp_path / "elsewhere")
    arrived = elsewhere.take_in(io.BytesIO(exported))
    assert arrived.info == families.get(voice).info
    assert {r.text for r in arrived.recordings().values()} == {TEXT, OTHER}
    assert np.array_equal(elsewhere.sound(voice, TEXT)[0], families.sound(voice, TEXT)[0])
    assert [m.compress_type for m in zipfile.ZipFile(io.BytesIO(exported)).infolist()] == [zipfile.ZIP_STORED] * 3


def test_a_voice_that_is_there_stays_unless_it_is_to_be_replaced(families, voice, exported):
    families.drop(voice, OTHER)
    second = families.take_in(io.BytesIO(exported))
    assert second.info.id != voice and len(families.all()) == 2
    assert len(families.sound(second.info.id, OTHER)[0]) and len(families.get(voice).recordings()) == 1
    assert families.take_in(io.BytesIO(exported), replacing=True).info.id == voice
    assert len(families.all()) == 2 and len(families.get(voice).recordings()) == 2


def sentence(files: dict) -> str:
    return next(name for name in files if name != MANIFEST)


def bomb(files: dict) -> None:
    files[sentence(files)] = bytes(80_000_000)


@pytest.mark.parametrize("make, error", [
    (lambda z: b"", ForeignParcel),
    (lambda z: b"no archive at all" * 99, ForeignParcel),
    (lambda z: z[:len(z) // 2], BrokenParcel),
    (lambda z: changed(z, lambda f: f.clear()), ForeignParcel),
    (lambda z: changed(z, lambda f: f.update({"word/document.xml": b"<a/>"})), ForeignParcel),
    (lambda z: changed(z, lambda f: f.update({"../../evil.opus": b"x"})), ForeignParcel),
    (lambda z: changed(z, lambda f: f.update({"..\\evil.opus": b"x"})), ForeignParcel),
    (lambda z: changed(z, lambda f: f.pop(MANIFEST)), ForeignParcel),
    (lambda z: changed(z, lambda f: f.pop(sentence(f))), BrokenParcel),
    (lambda z: changed(z, lambda f: f.update({sentence(f): b"OggS nonsense"})), BrokenParcel),
    (lambda z: changed(z, lambda f: f.update({sentence(f): wave(np.ones(99, np.float32))})), ForeignParcel),
    (lambda z: changed(z, lambda f: f.update({MANIFEST: b"{"})), BrokenParcel),
    (lambda z: changed(z, lambda f: f.update({MANIFEST: b"[" * 100_000})), BrokenParcel),
    (lambda z: changed(z, lambda f: f.update({MANIFEST: b"[]"})), ForeignParcel),
    (lambda z: changed(z, bomb, method=zipfile.ZIP_DEFLATED), ParcelTooLarge),
    (lambda z: changed(z, lambda f: f.update({sentence(f): bytes(2_000_000)}), method=zipfile.ZIP_DEFLATED),
     ParcelTooLarge),
    (lambda z: changed(z, method=zipfile.ZIP_LZMA), ForeignParcel),
    (lambda z: changed(z, lambda f: f.update({f"{n}.opus": b"" for n in range(6000)})), ParcelTooLarge),
    (lambda z: changed(z, manifest=lambda m: m.update(format=2)), OtherFormat),
    (lambda z: changed(z, manifest=lambda m: m["voice"].update(kind="natural")), ForeignParcel),
    (lambda z: changed(z, manifest=lambda m: m["voice"].update(id="../x")), ForeignParcel),
    (lambda z: changed(z, manifest=lambda m: m["voice"].update(label="<b>")), ForeignParcel),
    (lambda z: changed(z, manifest=lambda m: m["voice"].update(label=5)), ForeignParcel),
    (lambda z: changed(z, manifest=lambda m: m["recordings"].update(x={"text": "没有这个。"})), BrokenParcel),
    (lambda z: changed(z, manifest=lambda m: m["recordings"].popitem()[1].update(text=1)), None),
], ids=["nothing", "no zip", "cut in half", "an empty zip", "a document", "a path out", "a path out by backslash",
        "no manifest", "a recording missing", "a recording damaged", "a WAV", "half a manifest", "nested deeply",
        "a list", "a bomb", "a large recording", "packed in another way", "6000 files", "another format",
        "another kind", "an id that is a path", "a label that is HTML", "a label that is no text",
        "a name without a file", "a file too many"])
def test_a_file_that_is_no_voice_is_refused_and_nothing_of_it_is_left(families, exported, voice, make, error):
    folder = families.get(voice).folder.parent
    if error is None:
        families.take_in(io.BytesIO(make(exported)))
        return
    with pytest.raises(error):
        families.take_in(io.BytesIO(make(exported)))
    assert [p.name for p in folder.iterdir()] == [voice]
    assert families.take_in(io.BytesIO(exported)), "the next file is taken"


def test_what_a_file_says_of_its_own_size_is_not_believed(families, exported):
    """A directory entry that promises little, over a member that unpacks to much."""
    data = bytearray(changed(exported, lambda f: f.update({sentence(f): bytes(3_000_000)}), method=zipfile.ZIP_DEFLATED))
    size = (3_000_000).to_bytes(4, "little")
    assert size in data
    with pytest.raises((BrokenParcel, ParcelTooLarge)):
        families.take_in(io.BytesIO(bytes(data).replace(size, (900).to_bytes(4, "little"))))


def test_the_bounds_leave_room_for_a_whole_guide(families, exported):
    assert len(exported) / 2 * 1000 < parcel.LARGEST_BYTES
