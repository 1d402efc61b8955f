"""Voices on the command line: `python -m service voices [list|build]`."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Iterator, TextIO

import numpy as np
from tqdm import tqdm

from service.app import load_recognizer, model_store
from service.content.live import LiveGuide
from service.content.sentences import sentences
from service.core.model import Guide
from service.errors import GuideError, PackError
from service.settings import Settings
from service.speech import kokoro, pack
from service.speech.misheard import hears, misheard
from service.speech.pack import MANIFEST, Pack, PackInfo, Recording
from service.speech.recognizer import Recognizer
from service.speech.voice import USUAL_CPM, spoken

SPEEDS = (1.0, 1.06, 0.95, 1.12)
"""Each a way of saying it, as shares of the usual pace; the one best understood is kept."""
LABELS = {"female": "女声", "male": "男声"}
LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Job:
    """One sentence that a pack needs."""

    pack: Pack
    text: str
    reading: str

    @property
    def found(self) -> Recording | None:
        """Its recording, if there is one."""
        return self.pack.find(self.text, self.reading)


def build(settings: Settings, workers: int, tries: int, again: int, out: TextIO) -> int:
    """Render what the packs lack, drop what is stale; 1 if something could not be rendered.

    ``tries``: ways in which a sentence is said at the most, until the speech model understands all
    of it; 1: it is said once and not judged. ``again``: judge what there is, too, say anew what has
    more than this many syllables misheard, the worst first, and keep the best; -1: leave it.
    May be stopped and started again at any time.
    """
    guide = LiveGuide(settings.prompts_dir).current
    builder = _Builder(guide, model_store(settings).path(kokoro.MODEL), workers,
                       load_recognizer(settings) if tries > 1 else None, SPEEDS[:tries])
    packs = [_open(settings, timbre) for timbre in kokoro.TIMBRES]
    jobs = [job for p in packs for job in _wanted(p, guide)]
    for p in packs:
        p.drop(p.recordings().keys() - {j.pack.key(j.text, j.reading) for j in jobs if j.pack is p})
        p.drop_strays()
    with builder:
        builder.each(builder.render, [j for j in jobs if j.found is None])
        if again >= 0:
            builder.each(builder.judge, [j for j in jobs if j.found and j.found.misheard is None])
            bad = [j for j in jobs if j.found and (j.found.misheard or 0) > again]
            builder.each(builder.render, sorted(bad, key=lambda j: -j.found.misheard / len(j.text)))
    for job, error in builder.failed:
        print(f"{job.pack.info.id}：“{job.text}”没有录成：{error}", file=out)
    return list_packs(settings, out) or int(bool(builder.failed))


def list_packs(settings: Settings, out: TextIO) -> int:
    """What packs there are and what they lack; 1 if a sentence has no recording."""
    guide, lacking = LiveGuide(settings.prompts_dir).current, 0
    packs, errors = pack.find_packs(settings.packs_dir)
    for p in packs:
        jobs = list(_wanted(p, guide))
        missing = [j for j in jobs if j.found is None]
        recordings, lacking = p.recordings().values(), lacking + len(missing)
        size = sum(path.stat().st_size for path in p.folder.iterdir())
        print(f"{p.info.id}  {p.info.label}  {len(jobs) - len(missing)}/{len(jobs)} 句  "
              f"{sum(r.length_s for r in recordings) / 60:.0f} 分钟  {size / 1e6:.1f} MB", file=out)
        for job in missing:
            print(f"  没有录：{job.text}", file=out)
    for error in errors:
        print(error, file=out)
    return int(bool(lacking or errors))


def missing(settings: Settings, guide: Guide) -> list[tuple[str, str]]:
    """(voice, sentence) of everything in the guide that a pack lacks."""
    packs, _ = pack.find_packs(settings.packs_dir)
    return [(p.info.id, job.text) for p in packs for job in _wanted(p, guide) if job.found is None]


def _open(settings: Settings, timbre: str) -> Pack:
    folder = settings.packs_dir / timbre
    if (folder / MANIFEST).exists():
        return Pack.open(folder)
    origin = f"{kokoro.MODEL}/{kokoro.TIMBRES[timbre].voice}"
    return Pack.create(folder, PackInfo(timbre, LABELS[timbre], pack.NATURAL, origin, LICENCE))


def _wanted(p: Pack, guide: Guide) -> Iterator[Job]:
    for text in sentences(guide):
        yield Job(p, text, spoken(text, guide.lexicon).reading)


class _Builder:
    """Renders and judges, some sentences at once."""

    def __init__(self, guide: Guide, model: Path, workers: int, recognizer: Recognizer | None,
                 shares: tuple[float, ...]):
        self._guide, self._recognizer, self._shares, self._workers = guide, recognizer, shares, workers
        self._engines = [kokoro.KokoroEngine(model, threads=1, idle_s=None) for _ in range(workers)]
        self._free = list(self._engines)
        self.failed: list[tuple[Job, GuideError]] = []
        """Sentences that could not be rendered, and why."""

    def __enter__(self) -> _Builder:
        return self

    def __exit__(self, *_error) -> None:
        for engine in self._engines:
            engine.close()

    def each(self, work: Callable[[Job], None], jobs: list[Job]) -> None:
        """Do the work for every job, with a progress bar. PackError if a pack cannot be written."""
        with ThreadPoolExecutor(self._workers) as pool:
            for _ in tqdm(pool.map(work, jobs), total=len(jobs), unit="句", file=sys.stderr, disable=not jobs):
                pass

    def judge(self, job: Job) -> None:
        """Count what the speech model mishears of the recording that there is."""
        samples, rate_hz = job.pack.samples(job.text, job.reading)
        job.pack.note(replace(job.found, misheard=self._misheard(job, samples, rate_hz)), job.reading)

    def render(self, job: Job) -> None:
        """Say it until the speech model understands all of it, or in every way; keep the best."""
        engine = self._free.pop()
        try:
            self._render(job, kokoro.KokoroVoice(job.pack.info.id, self._guide.lexicon, engine))
        except PackError:
            raise
        except GuideError as e:
            self.failed.append((job, e))
        finally:
            self._free.append(engine)

    def _render(self, job: Job, voice: kokoro.KokoroVoice) -> None:
        best = job.found and job.found.misheard
        for share in self._shares:
            speech = voice.synthesize(job.text, round(USUAL_CPM * share))
            samples, rate_hz = speech.samples()
            wrong = self._misheard(job, samples, rate_hz)
            if best is None or wrong is not None and wrong < best:
                job.pack.put(Recording(job.text, round(len(samples) / rate_hz, 3), speech.marks, wrong),
                             samples, rate_hz, job.reading)
                best = wrong
            if not best:
                return

    def _misheard(self, job: Job, samples: np.ndarray, rate_hz: int) -> int | None:
        if self._recognizer is None:
            return None
        return misheard(job.text, hears(self._recognizer, samples, rate_hz), self._guide.lexicon)[0]
