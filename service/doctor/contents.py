"""Contents: the guide, the models and the voices, as they lie on the disk."""

from __future__ import annotations

import soundfile

from service.app import model_store
from service.content.check import load
from service.core.model import Guide, Lexicon
from service.doctor.finding import Finding, bad, good, poor
from service.errors import ModelError, VoiceError
from service.settings import Settings
from service.speech import kokoro
from service.speech.models import machine_memory_mb
from service.speech.pack import Pack, Recording, find_packs
from service.speech.pyttsx3_voice import Pyttsx3Voice
from service.speech.voice import USUAL_CPM
from service.voices import missing

SHORTER_S = 0.1
"""A recording that is shorter than its pack says by more than this is cut off, seconds."""
WORD = "好"


def read_guide(settings: Settings) -> tuple[Guide | None, int]:
    """(the guide or None, number of its problems)."""
    guide, problems = load(settings.prompts_dir)
    return guide, len(problems)


def guide_found(guide: Guide | None, problems: int) -> Finding:
    """Whether the service can use the guide."""
    if guide is None:
        return bad(f"有 {problems} 处问题，服务开不起来。", "请运行 python -m service check，照它说的改。",
                   f"{problems} problems")
    return good(f"一共 {len(guide.nodes)} 节，没有问题。")


def speech_model(settings: Settings) -> Finding:
    """Whether every file of the speech model is whole."""
    return _model(settings, settings.speech_model, bad) or good("文件完整。")


def natural_voice(settings: Settings) -> Finding:
    """Whether Kokoro can speak what nobody recorded."""
    if settings.voice != "natural":
        return good("照设置（VOICE=light）不用，录好的话不受影响。")
    try:
        needed_mb = model_store(settings).entry(kokoro.MODEL).memory_mb
    except ModelError:
        return _catalog_missing()
    if machine_memory_mb() < needed_mb:
        return good("这台机器内存小，不用它，录好的话不受影响。")
    return _model(settings, kokoro.MODEL, poor) or good("文件完整。")


def _model(settings: Settings, name: str, judged) -> Finding | None:
    """What is wrong with a model; None if nothing is."""
    try:
        store = model_store(settings)
    except ModelError:
        return _catalog_missing()
    try:
        faults = store.verify(name)
    except ModelError as e:
        return bad(f"{e}。", "请把设置 SPEECH_MODEL 改回 models/catalog.yaml 里有的名字。", "not in the catalog")
    if faults:
        return judged(f"{faults[0]}。", f"{store.remedy(name)}。", "not installed or damaged")
    return None


def _catalog_missing() -> Finding:
    return bad("模型的清单（models/catalog.yaml）读不出来。", "请把程序的文件夹重新复制一份。", "no catalog")


def voice_pack(settings: Settings, guide: Guide | None) -> Finding:
    """Whether all that the guide says is recorded, and every recording whole."""
    packs, errors = find_packs(settings.packs_dir)
    copy_again = "请把程序里的 prompts/voices 文件夹重新复制一份，在这以前由电脑来念。"
    if errors or not packs:
        return poor("录音的清单读不出来，或者没有录音。", copy_again, "no voice pack")
    cut = sum(_is_cut(pack, *kept) for pack in packs for kept in pack.recordings().items())
    if cut:
        return poor(f"有 {cut} 句录音坏了或者不见了。", copy_again, f"{cut} recordings damaged")
    if guide is None:
        return poor("录音没有坏，可是指南有问题，没法对照全不全。", "请先改好指南，再运行一次。", "no guide")
    lacking = len(missing(settings, guide))
    if lacking:
        return poor(f"有 {lacking} 句话还没有录音，由电脑来念。", "请运行 python -m service voices build，把它们录好。",
                    f"{lacking} sentences not recorded")
    return good("要说的话都录好了。")


def _is_cut(pack: Pack, key: str, recording: Recording) -> bool:
    try:
        length_s = soundfile.info(pack.folder / f"{key}.opus").duration
    except (OSError, soundfile.SoundFileError):
        return True
    return length_s < recording.length_s - SHORTER_S


def plain_voice(guide: Guide | None) -> Finding:
    """Whether the voice of last resort speaks a word."""
    voice = Pyttsx3Voice(guide.lexicon if guide else Lexicon())
    try:
        voice.synthesize(WORD, USUAL_CPM)
    except VoiceError as e:
        return bad("念不出声音。", "请在程序的文件夹里运行 make run，缺的会自己装上。", str(e))
    finally:
        voice.close()
    return good("念得出声音。")
