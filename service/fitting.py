"""Fitting: learns the Classifier from the listed phrases, and keeps what was learnt.

    python -m service.fitting OUT [BEFORE] < EXAMPLES

A process of its own learns: it needs scikit-learn, which the running service then does not hold in
memory, and some minutes of a core, which the listener who is speaking then does not wait for.
"""

from __future__ import annotations

import contextlib
import collections
import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Callable, Sequence

import numpy as np

from service.core import labels
from service.core.classifier import CHARACTER_GRAMS, SYLLABLE_GRAMS, Classifier, Coefficients, grams
from service.core.model import Guide
from service.core.understanding import Example, examples
from service.errors import ModelError

log = logging.getLogger(__name__)
Begin = Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]
"""The coefficients and intercepts of labels to begin with."""
FORMAT = 3
"""Raised when the same examples would be learnt differently from nothing."""
STRENGTH = 150.0
"""Inverse of the penalty on large coefficients."""
STEPS, TOLERANCE = 150, 1e-4
"""Of the solver (L-BFGS): it ends where no step helps any more, or after so many steps."""
STEPS_ON = 15
"""The same where it goes on from what was learnt before: an edit of some phrases changes little."""
LEAST_KNOWN = 0.8
"""Share of the n-grams that must have been known before, to go on from there."""
LEAST_USES = 2
"""An n-gram of fewer examples only tells its own phrase."""
KEPT = 8
"""Files of older guides that are kept."""
AT_MOST_S = 1800
"""Learning that takes longer than this has hung."""


def classifier(guide: Guide, folder: Path) -> Classifier:
    """The Classifier of a guide: as kept in ``folder``, or learnt now and kept.

    What was learnt last for another guide is where it goes on from; an empty folder learns from nothing.
    ModelError if it can neither be read nor learnt.
    """
    listed = examples(guide)
    path = folder / f"requests-{_fingerprint(listed)}.npz"
    try:
        found = Classifier(_read(path))
        with contextlib.suppress(OSError):
            # The files that are used are the last to go.
            path.touch()
        return found
    except FileNotFoundError:
        log.info("learning %d ways of asking, which takes some minutes", len(listed))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as e:
        log.warning("%s is damaged and is made again: %s", path.name, e)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _learn(listed, path, next((p for p in _newest_first(folder) if p != path), None))
        learnt = _read(path)
        with contextlib.suppress(OSError):
            _drop_old(folder)
        return Classifier(learnt)
    except OSError as e:
        log.warning("what was learnt cannot be kept in %s: %s", folder.name, e)
    with tempfile.TemporaryDirectory(prefix="fitting-") as scratch:
        _learn(listed, Path(scratch, path.name), None)
        return Classifier(_read(Path(scratch, path.name)))


def _settings() -> list:
    """What changes what is learnt of the same examples."""
    return [FORMAT, SYLLABLE_GRAMS, CHARACTER_GRAMS, STRENGTH, STEPS, STEPS_ON, TOLERANCE, LEAST_USES]


def _fingerprint(listed: Sequence[Example]) -> str:
    told = json.dumps([*_settings(), [tuple(e) for e in listed]])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _learn(listed: Sequence[Example], path: Path, before: Path | None) -> None:
    try:
        ran = _run(listed, path, before)
    except subprocess.TimeoutExpired as e:
        raise ModelError(f"learning took more than {AT_MOST_S} s") from e
    if ran.returncode:
        if "OSError" in ran.stderr or "PermissionError" in ran.stderr:
            raise OSError(ran.stderr.strip().splitlines()[-1])
        raise ModelError(f"the requests cannot be learnt: {(ran.stderr.strip().splitlines() or ['?'])[-1]}")


def _run(listed: Sequence[Example], path: Path, before: Path | None) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "service.fitting", str(path), *map(str, filter(None, [before]))],
                          text=True, capture_output=True, timeout=AT_MOST_S,
                          input=json.dumps([tuple(e) for e in listed]), cwd=Path(__file__).resolve().parent.parent)


def _read(path: Path) -> Coefficients:
    with np.load(path, allow_pickle=False) as held:
        return Coefficients(tuple(held["labels"].tolist()), tuple(str(held["grams"]).split("\n")),
                            held["inverse_frequency"], held["weights"].astype(np.float32), held["bias"],
                            tuple(held["aspects"].tolist()), held["aspect_weights"].astype(np.float32),
                            held["aspect_bias"])


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("requests-*.npz"), key=lambda p: p.stat().st_mtime, reverse=True)


def _drop_old(folder: Path) -> None:
    for path in _newest_first(folder)[KEPT:]:
        path.unlink(missing_ok=True)


def fit(listed: Sequence[Example], before: Coefficients | None = None) -> Coefficients:
    """Learn the coefficients from examples, going on from others if there are any; imports scikit-learn."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    found = [grams(e.text) for e in listed]
    uses = collections.Counter(g for one in found for g in one)
    kept = sorted(g for g, n in uses.items() if n >= LEAST_USES)
    place = {g: i for i, g in enumerate(kept)}
    inverse = np.array([np.log(len(listed) / uses[g]) + 1 for g in kept], np.float32)
    start = before and _Start(before, kept)
    if start and not start.is_enough:
        start = None
    values, columns, ends = [], [], [0]
    for one in found:
        rows = sorted(place[g] for g in one if g in place)
        weights = inverse[rows]
        values.append(weights / (np.linalg.norm(weights) or 1.0))
        columns.append(rows)
        ends.append(ends[-1] + len(rows))
    matrix = csr_matrix((np.concatenate(values), np.concatenate(columns).astype(np.int32), ends),
                        (len(listed), len(kept)), dtype=np.float32)
    told, weight = np.array([e.label for e in listed]), np.array([e.weight for e in listed])
    whole = np.array([labels.whole(label) for label in told])

    def learn(rows: np.ndarray, wanted: np.ndarray, begin: Begin | None) -> LogisticRegression:
        model = LogisticRegression(C=STRENGTH, max_iter=STEPS_ON if begin else STEPS, tol=TOLERANCE, warm_start=True)
        if begin:
            model.coef_, model.intercept_ = begin(np.unique(wanted[rows]))
        return model.fit(matrix[rows], wanted[rows], sample_weight=weight[rows])

    model = learn(np.arange(len(told)), whole, start and start.nodes)
    aspects, weights, bias = [], [], []
    for node in sorted({whole[i] for i in np.flatnonzero(told != whole)}):
        # Within a node, of the n-grams that it has at all.
        rows = np.flatnonzero(whole == node)
        within = learn(rows, told, start and start.aspects)
        if len(within.classes_) == 2:
            # Of two the library only says how much rather the second.
            within.coef_ = np.vstack([-within.coef_, within.coef_]) / 2
            within.intercept_ = np.concatenate([-within.intercept_, within.intercept_]) / 2
        aspects += within.classes_.tolist()
        weights += list(within.coef_.astype(np.float16))
        bias += within.intercept_.tolist()
    return Coefficients(tuple(model.classes_.tolist()), tuple(kept), inverse,
                        model.coef_.T.astype(np.float16), model.intercept_.astype(np.float32), tuple(aspects),
                        np.array(weights, np.float16).reshape(-1, len(kept)).T, np.array(bias, np.float32))


class _Start:
    """What was learnt before, in the order of other labels and n-grams."""

    def __init__(self, before: Coefficients, grams: Sequence[str]):
        row = {gram: i for i, gram in enumerate(before.grams)}
        shared = [(j, row[gram]) for j, gram in enumerate(grams) if gram in row]
        self._before, self._width = before, len(grams)
        self._to, self._origin = np.array(shared, int).reshape(-1, 2).T
        self.is_enough = len(shared) >= LEAST_KNOWN * len(grams)
        """True if so much was known before that a few steps lead on from there."""

    def nodes(self, wanted: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(coefficients, intercepts) of these nodes and commands, as scikit-learn has them; 0 for what is not known."""
        return self._of(wanted, self._before.labels, self._before.weights, self._before.bias)

    def aspects(self, wanted: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The same of the aspects of a node."""
        return self._of(wanted, self._before.aspects, self._before.aspect_weights, self._before.aspect_bias)

    def _of(self, wanted: Sequence[str], known: Sequence[str], weights: np.ndarray,
            bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        column = {label: i for i, label in enumerate(known)}
        coefficients, intercepts = np.zeros((len(wanted), self._width), np.float32), np.zeros(len(wanted), np.float32)
        for i, label in enumerate(wanted):
            if label in column:
                coefficients[i, self._to] = weights[self._origin, column[label]]
                intercepts[i] = bias[column[label]]
        if len(wanted) == 2:
            # Of two the library only has how much rather the second.
            return coefficients[1:] - coefficients[:1], intercepts[1:] - intercepts[:1]
        return coefficients, intercepts


def main(out: str, before: str = "") -> None:
    """Learn from the examples on standard input and write the file ``out``, going on from the file ``before``."""
    os.nice(5)
    learnt = fit([Example(*row) for row in json.load(sys.stdin)], _usable(before))
    scratch = Path(out).with_suffix(f".{os.getpid()}.tmp")
    with scratch.open("wb") as file:
        np.savez_compressed(file, labels=np.array(learnt.labels), grams=np.array("\n".join(learnt.grams)),
                            inverse_frequency=learnt.inverse_frequency, weights=learnt.weights,
                            bias=learnt.bias, aspects=np.array(learnt.aspects, str),
                            aspect_weights=learnt.aspect_weights, aspect_bias=learnt.aspect_bias,
                            settings=np.array(json.dumps(_settings())))
    os.replace(scratch, out)


def _usable(path: str) -> Coefficients | None:
    """What a file holds that was learnt with the present settings; None if there is none: then it is learnt from
    nothing."""
    try:
        with np.load(path, allow_pickle=False) as held:
            if str(held["settings"]) != json.dumps(_settings()):
                return None
        return _read(Path(path))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


if __name__ == "__main__":
    main(*sys.argv[1:])
