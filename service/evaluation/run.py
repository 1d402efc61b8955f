"""``python -m service eval``: how well the guide understands, on the project's own sets."""

from __future__ import annotations

import dataclasses
import itertools
import time
from pathlib import Path
from typing import Callable, Iterable, Sequence, TextIO

import numpy as np
import yaml

from service.app import learner
from service.content.build import JUDGE, MISHEARD
from service.content.live import LiveGuide
from service.core.classifier import Classifier
from service.core.dialog import NoMatch
from service.core.grammar import bare
from service.core.model import Guide, Rule, Scale
from service.core.understanding import Expectation, Understanding, labelled_phrases
from service.evaluation import hearings, misheard, scoring, sets, tuning
from service.evaluation.rooms import CONDITIONS
from service.evaluation.scoring import Judged
from service.evaluation.sets import TUNE, Item
from service.settings import Settings
from service.speech.recognizer import Hearing
from service.talks import is_nothing

TYPED_LIMITS = tuning.Limits(wrong=0.027, accepted=0.025, asked=0.08)
SPOKEN_LIMITS = tuning.Limits(wrong=0.055, accepted=0.02, asked=0.10)
"""What tuning keeps within, as far as it can."""
OPENINGS = ("不是这个，我问的是", "不对不对，我要问的是", "你听错了，我讲的是", "不是的，我想问", "搞错了，我是问", "不是不是，",
            "哎呀不对，我说的是", "我问的不是这个，是")
"""How somebody begins who was misunderstood; the guide lists only some of them."""
SITUATIONS = {
    "at the beginning": ("", Expectation()),
    "behind a topic": ("", Expectation("n_payday", topic="n_payday")),
    "at a question in doubt": ("", Expectation("root", asked=("m2_base", "m4_base"))),
    "at a calculator's question": ("", Expectation("m4_age", form="m4_age", field="sex")),
    "as a correction": ("不是的，", Expectation("m3_cert")),
    "behind a story": ("姑娘，我跟你讲，我今天去了社保局，", Expectation()),
}
"""Where something urgent is said: what is said before it, and what was said to the listener."""
CONFUSIONS = 15
"""The most frequent ones that are printed."""


def run(settings: Settings, folder: Path, split: str, every: int, tune: bool, workers: int,
        out: TextIO) -> int:
    """Print the tables of a split, after tuning if wanted; ``every``: each Nth recording, 0: none. 0."""
    guide = LiveGuide(settings.prompts_dir).current
    classifier = learner(settings)(guide)
    if tune:
        guide = _tuned(settings, guide, classifier, folder, workers)
    understanding = Understanding(guide, classifier)
    report = _Report(out)
    _typed(report, guide, understanding, sets.read(folder, split))
    _follow_ups(report, understanding, sets.read_follow_ups(folder, split))
    if every:
        items = sets.read_recordings(folder, split)[::every]
        _spoken(report, guide, understanding, items, hearings.hear(settings, items, workers))
    return 0


# --- typed ----------------------------------------------------------------------------------------

def typed(understanding: Understanding, items: Sequence[Item]) -> list[Judged]:
    """The verdicts on texts."""
    return [scoring.judge(item, understanding.interpret(item.text)) for item in items]


def corrected(guide: Guide, understanding: Understanding, items: Sequence[Item]) -> list[Judged]:
    """The verdicts on requests behind the opening of a correction, said at a wrong node."""
    wanted = [item for item in items if item.group == "requests" and item.kind in ("plain", "detail")]
    others = itertools.cycle(sorted(guide.nodes))
    found = []
    for item, opening in zip(wanted, itertools.cycle(OPENINGS)):
        wrong = next(n for n in others if not item.wants(n) and n != "root")
        outcome = understanding.interpret(opening + item.text, Expectation(node=wrong))
        found.append(scoring.judge(item, outcome))
    return found


def urgent(guide: Guide, understanding: Understanding, items: Sequence[Item]) -> dict[str, list[Judged]]:
    """The verdicts on what must be heard first, in each situation in which it may be said."""
    wanted = [item for item in items if _is_urgent(guide, item)]
    return {name: [scoring.judge(item, understanding.interpret(opening + item.text, there)) for item in wanted]
            for name, (opening, there) in SITUATIONS.items()}


def _is_urgent(guide: Guide, item: Item) -> bool:
    node = guide.nodes.get(item.label)
    return node is not None and node.is_urgent


def _typed(report: _Report, guide: Guide, understanding: Understanding, items: Sequence[Item]) -> None:
    report.title("Text")
    took, judged = [], []
    for item in items:
        began = time.perf_counter()
        outcome = understanding.interpret(item.text)
        took.append(time.perf_counter() - began)
        judged.append(scoring.judge(item, outcome))
    report.verdicts([("text", judged)])
    right = scoring.shares(corrected(guide, understanding, items), "requests")
    report.line(f"corrections: n {right['n']}, right {right['right']:.3f}, served {right['served']:.3f}")
    for situation, rows in urgent(guide, understanding, items).items():
        report.first_try(situation, rows)
    report.line(f"text to outcome: median {np.median(took) * 1000:.1f} ms, P95 {np.percentile(took, 95) * 1000:.1f} ms")
    report.details(judged, lambda item: item.kind)
    weighed = [(item, understanding.weigh(item.text)) for item in items]
    report.reliability(_confidences(understanding, weighed))


def followed_up(understanding: Understanding, items: Sequence[Item]) -> list[Judged]:
    """The verdicts on what is said behind a topic."""
    return [scoring.judge(i, understanding.interpret(i.text, Expectation(i.topic, topic=i.topic))) for i in items]


def whither(item: Item) -> str:
    """Whether somebody asks on about the topic or leaves it."""
    return "the same topic" if item.label == item.topic else "another topic"


def _follow_ups(report: _Report, understanding: Understanding, items: Sequence[Item]) -> None:
    report.line("\nBehind a topic that was just told:\n")
    report.groups(followed_up(understanding, items), whither)


# --- spoken ---------------------------------------------------------------------------------------

def spoken(understanding: Understanding, items: Sequence[Item], heard: hearings.Heard,
           condition: str) -> list[Judged]:
    """The verdicts on recordings in one condition."""
    return [scoring.judge(item, _outcome(understanding, heard[item.recording.stem, condition]))
            for item in items]


def _outcome(understanding: Understanding, hearing: Hearing | None):
    if hearing is None or is_nothing(hearing):
        return NoMatch()
    return understanding.hear(*_words(hearing))


def _words(hearing: Hearing) -> tuple[str, str, float, float]:
    closed, opened = hearing.grammar, hearing.open
    return closed.text, opened.text, closed.confidence, opened.confidence


def _spoken(report: _Report, guide: Guide, understanding: Understanding, items: Sequence[Item],
            heard: hearings.Heard) -> None:
    report.title("Recordings")
    judged = {c.name: spoken(understanding, items, heard, c.name) for c in CONDITIONS}
    report.verdicts(list(judged.items()))
    together = [one for rows in judged.values() for one in rows]
    for name, rows in judged.items():
        report.first_try(name, [j for j in rows if _is_urgent(guide, j.item)])
    report.line("\nAll conditions together, per kind of speaker:\n")
    report.groups(together, lambda item: f"voice {item.voice}")
    report.groups(together, lambda item: f"accent {item.accent}")
    report.groups(together, lambda item: f"speed {item.speed}")
    report.details(together, lambda item: item.kind)
    weighed = [(item, understanding.weigh_heard(*_words(hearing))) for c in CONDITIONS for item in items
               if (hearing := heard[item.recording.stem, c.name]) and not is_nothing(hearing)]
    report.reliability(_confidences(understanding, weighed))


def _confidences(understanding: Understanding, weighed) -> list[tuple[float, bool]]:
    return [(understanding.judge(w).confidence, item.wants(w.ranked[0][0])) for item, w in weighed
            if w and w.evidence.best]


# --- tuning ---------------------------------------------------------------------------------------

def _tuned(settings: Settings, guide: Guide, classifier: Classifier, folder: Path, workers: int) -> Guide:
    """The guide with what is misheard and the Judge learnt anew on the tuning set, and written to
    ``prompts/``."""
    items = sets.read_recordings(folder, TUNE)
    heard = hearings.hear(settings, items, workers)
    guide = dataclasses.replace(guide, misheard=_learn_misheard(settings, guide, items, heard))
    understanding = Understanding(guide, classifier)
    cases = [tuning.Case(item, None if (w := understanding.weigh(item.text)) else understanding.interpret(item.text), w)
             for item in sets.read(folder, TUNE)]
    typed_rule, typed_figures = tuning.choose(cases, TYPED_LIMITS)
    cases = []
    for condition, item in itertools.product(CONDITIONS, items):
        hearing = heard[item.recording.stem, condition.name]
        weighed = None
        if hearing and not is_nothing(hearing):
            weighed = understanding.weigh_heard(*_words(hearing))
        cases.append(tuning.Case(item, None if weighed else _outcome(understanding, hearing), weighed))
    spoken_rule, spoken_figures = tuning.choose(cases, SPOKEN_LIMITS)
    _write(settings.prompts_dir / JUDGE, {"typed": (typed_rule, typed_figures),
                                          "spoken": (spoken_rule, spoken_figures)})
    return dataclasses.replace(guide, typed=typed_rule, spoken=spoken_rule)


def _learn_misheard(settings: Settings, guide: Guide, items: Sequence[Item], heard: hearings.Heard) -> dict[str, str]:
    path = settings.prompts_dir / MISHEARD
    text = path.read_text(encoding="utf-8")
    pairs = [(item.text, hearing.open.text) for condition, item in itertools.product(CONDITIONS, items)
             if (hearing := heard[item.recording.stem, condition.name])]
    listed = " ".join(bare(phrase) for phrase in (*(p for p, _ in labelled_phrases(guide)), *guide.outside))
    learnt = misheard.learn(yaml.safe_load(text)["terms"], pairs, listed)
    rows = yaml.safe_dump({"learnt": learnt}, allow_unicode=True, default_flow_style=False)
    path.write_text(text[:text.index("\nlearnt:") + 1] + rows, encoding="utf-8")
    return learnt


def _write(path: Path, rules: dict[str, tuple[Rule, dict]]) -> None:
    def plain(scale: Scale) -> dict:
        return {"bias": str(scale.bias), "coefficients": [str(c) for c in scale.coefficients]}

    data = {name: {"right": plain(rule.right), "served": plain(rule.served), "act": str(rule.act),
                   "obey": str(rule.obey), "ask": str(rule.ask),
                   "chosen": {g: {k: str(v) for k, v in row.items()} for g, row in figures.items()}}
            for name, (rule, figures) in rules.items()}
    text = yaml.safe_dump(data, allow_unicode=True, sort_keys=False, default_flow_style=None, width=110)
    path.write_text("# 由 python -m service eval --tune 写成，不用手改。chosen 是选定时在调试集上的成绩。\n" + text,
                    encoding="utf-8")


# --- printing -------------------------------------------------------------------------------------

class _Report:
    """Markdown on a stream."""

    def __init__(self, out: TextIO):
        self._out = out

    def line(self, text: str = "") -> None:
        print(text, file=self._out, flush=True)

    def title(self, text: str) -> None:
        self.line(f"\n## {text}\n")

    def verdicts(self, rows: Sequence[tuple[str, Sequence[Judged]]]) -> None:
        """The project's table."""
        self.line("| | requests: n | right | served | wrong | commands: n | right | wrong | outside: n "
                  "| accepted | asked |")
        self.line("|---|---|---|---|---|---|---|---|---|---|---|")
        for name, judged in rows:
            asked, told, other = (scoring.shares(judged, g) for g in ("requests", "commands", "outside"))
            self.line(f"| {name} | {asked['n']} | {asked['right']:.3f} | {asked['served']:.3f} | "
                      f"{asked['wrong']:.3f} | {told['n']} | {told['right']:.3f} | {told['wrong']:.3f} | "
                      f"{other['n']} | {other['accepted']:.3f} | {other['asked']:.3f} |")
        self.line()

    def first_try(self, where: str, judged: Sequence[Judged]) -> None:
        """How many of what is urgent is helped at once."""
        found = scoring.shares(judged, "requests")
        self.line(f"urgent, {where}: n {found['n']}, right {found['right']:.3f}")

    def groups(self, judged: Sequence[Judged], key: Callable[[Item], str]) -> None:
        """Right and served of the requests of each group."""
        for name, rows in scoring.by(judged, key).items():
            found = scoring.shares(rows, "requests")
            if found["n"]:
                self.line(f"- {name}: n {found['n']}, right {found['right']:.3f}, served {found['served']:.3f}, "
                          f"wrong {found['wrong']:.3f}")

    def details(self, judged: Sequence[Judged], kind: Callable[[Item], str]) -> None:
        """Per kind, per node, and the confusions."""
        self.line()
        self.groups(judged, kind)
        self.line("\nPer node or command (right of n):\n")
        inside = [j for j in judged if j.item.group != "outside"]
        self.line(", ".join(f"{label} {sum(j.verdict == 'right' for j in rows)}/{len(rows)}"
                            for label, rows in scoring.by(inside, lambda item: item.label).items()))
        self.line("\nTaken for something else (wanted > taken for):\n")
        found = scoring.confusions(judged, CONFUSIONS)
        self.line(", ".join(f"{wanted} > {taken}: {n}" for wanted, taken, n in found) or "nothing")

    def reliability(self, pairs: Iterable[tuple[float, bool]]) -> None:
        """The curve, of what is not listed."""
        self.line("\nReliability of the confidence, of what is not listed:\n\n| from | mean | right | n |\n"
                  "|---|---|---|---|")
        for low, mean, right, n in scoring.reliability(pairs):
            self.line(f"| {low:.1f} | {mean:.2f} | {right:.2f} | {n} |")
