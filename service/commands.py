"""Commands that answer with one JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Iterable, TextIO

from service.app import learner, load_kokoro, load_listening, load_recognizer, load_speaker
from service.care import keeping
from service.content.check import load
from service.content.closeness import close_pairs
from service.content.live import LiveGuide
from service.core.dialog import Ask, Match, NoMatch
from service.core.model import ROOT, Guide
from service.core.understanding import Understanding, labelled_phrases
from service.errors import AudioError, NotFound
from service.listening import Listening
from service.settings import Settings
from service.speech.audio import LONGEST_FILE_S, read_pcm
from service.store.database import open_database
from service.talks import Library, is_nothing
from service.voices import missing


def understand(settings: Settings, texts: Iterable[str], out: TextIO) -> int:
    """What each text means at the main menu, with nothing said before."""
    guide = LiveGuide(settings.prompts_dir).current
    understanding = Understanding(guide, learner(settings)(guide))
    for text in texts:
        _line(out, text=text.rstrip("\n"), **outcome_json(guide, understanding.interpret(text)))
    return 0


def hear(settings: Settings, files: Iterable[Path], out: TextIO) -> int:
    """What each recording means at the main menu; 1 if a file could not be read."""
    listening, library = load_listening(settings, settings.decoders)
    failed = 0
    for path in files:
        try:
            _line(out, file=path.name, **_heard(listening, library, path))
        except AudioError as e:
            _line(out, file=path.name, error={"code": e.code, "message": str(e)}, outcome="no_match",
                  node=None, command=None, key=None, candidates=[], transcript="", tail_ms=None)
            failed = 1
    return failed


def _heard(listening: Listening, library: Library, path: Path) -> dict:
    listened = listening.once(read_pcm(path, LONGEST_FILE_S))
    hearing, edition = listened.hearing, library.edition
    outcome = NoMatch()
    if hearing and not is_nothing(hearing):
        outcome = edition.hear(hearing)
    return {"transcript": hearing.open.text if hearing else "",
            "grammar": hearing.grammar.text if hearing else "",
            **outcome_json(edition.guide, outcome), "audio_s": round(listened.audio_s, 3),
            "decode_s": round(hearing.decode_s if hearing else 0.0, 4),
            "tail_ms": round(listened.tail_s * 1000, 1)}


def outcome_json(guide: Guide, outcome: Match | Ask | NoMatch) -> dict:
    """An outcome at the main menu, where a key means the node behind it."""
    answer = {"outcome": "no_match", "node": None, "command": None, "key": None, "candidates": []}
    if isinstance(outcome, Match):
        answer |= {"outcome": "match", "node": outcome.node, "command": outcome.command, "key": outcome.key}
        _resolve_key(guide, answer)
        answer["candidates"] = [{"node": answer["node"], "command": answer["command"],
                                 "score": round(outcome.score, 3)}]
    else:
        scores = outcome.scores or (0.0,) * len(outcome.candidates)
        answer["candidates"] = [{"node": n, "score": round(s, 3)}
                                for n, s in zip(outcome.candidates, scores)]
        if isinstance(outcome, Ask):
            answer["outcome"] = "ask"
    return answer


def _resolve_key(guide: Guide, answer: dict) -> None:
    option = answer["key"] and guide.nodes[ROOT].option(answer["key"])
    if option:
        answer["node"] = option.node
    elif answer["key"]:
        answer["command"] = next((c.name for c in guide.commands.values() if c.key == answer["key"]), None)
    # At the main menu these all lead to its beginning.
    if answer["node"] == ROOT or answer["command"] in ("first", "hello"):
        answer |= {"node": ROOT, "command": "top"}


def say(settings: Settings, text: str, pace: int, voice: str, target: Path, out: TextIO) -> int:
    """Speak a text into a WAV file, in the voice of that id or, if it is empty, the usual one."""
    speaker = load_speaker(settings, LiveGuide(settings.prompts_dir))
    try:
        if voice and voice not in [c.id for c in speaker.voices.choices()]:
            raise NotFound(f"there is no voice {voice}")
        load_kokoro(settings, speaker)
        speech = speaker.speak(text, pace, voice)
    finally:
        speaker.close()
    target.write_bytes(speech.wav)
    _line(out, file=str(target), voice=speaker.voices.resolve(voice), audio_s=round(speech.length_s, 3),
          bytes=len(speech.wav))
    return 0


def check(settings: Settings, out: TextIO, close: bool = False) -> int:
    """Every problem of the guide's data; 1 if there is one. ``close``: also phrases of different
    meaning that sound alike, which are no problem but may be one for the listener."""
    recognizer = load_recognizer(settings)
    guide, problems = load(settings.prompts_dir, recognizer.knows if recognizer else None)
    for problem in problems:
        _line(out, **problem.to_json())
    summary = {"problems": len(problems), "spelling_checked": recognizer is not None}
    if guide:
        lacking = missing(settings, guide)
        for voice, text in lacking:
            _line(out, voice=voice, text=text, fault="没有录音", remedy="运行 python -m service voices build")
        for pair in close_pairs(guide) if close else ():
            _line(out, likeness=pair.likeness, phrases=[pair.first, pair.second], labels=pair.labels)
        summary["sentences_without_recording"] = len(lacking)
        summary |= {"version": guide.version, "nodes": len(guide.nodes), "facts": len(guide.facts),
                    "phrases": sum(1 for _ in labelled_phrases(guide))}
    _line(out, **summary)
    return 1 if problems else 0


def backup(settings: Settings, target: Path, out: TextIO) -> int:
    """Write all that the database holds into one file; a service may be running."""
    engine = open_database(settings.database_url)
    try:
        summary = keeping.backup(engine, target)
    finally:
        engine.dispose()
    _line(out, **_kept(summary, target), note="the file holds hashes of passwords and words that were said: keep it "
          "as safe as the database; secret.key of DATA_DIR is not in it, and without that every device has to "
          "be paired anew")
    return 0


def restore(settings: Settings, source: Path, force: bool, out: TextIO) -> int:
    """Put a backup in place of all that the database holds; a service may be running."""
    engine = open_database(settings.database_url)
    try:
        summary = keeping.restore(engine, source, force)
    finally:
        engine.dispose()
    _line(out, **_kept(summary, source), note="the database now holds the hashes of passwords and the words of the "
          "backup; devices stay paired only with the secret.key that was in DATA_DIR when it was made")
    return 0


def _kept(summary: keeping.Summary, path: Path) -> dict:
    return {"file": str(path), "bytes": summary.size, "created_at": summary.created_at,
            "revision": summary.revision, "installation": summary.installation, "rows": summary.rows}


def _line(out: TextIO, **values) -> None:
    print(json.dumps(values, ensure_ascii=False), file=out, flush=True)
