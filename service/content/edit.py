"""Edit: changes to the files of the guide, each proposed, checked as a whole, and only then published."""

from __future__ import annotations

import functools
import re
import threading
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterable, Mapping

from service.content import saving
from service.content.build import NODE_FILES
from service.content.check import LONGEST_REQUEST, Knows, has_rule, load
from service.content.files import Document, read_documents
from service.content.problems import Problem
from service.content.proposal import DiffLine, Proposal, refused
from service.content.rewrite import Unwritable, scalar, written
from service.content.texts import (
    FactText, NodeText, SentenceText, fact_text, node_data, node_text, revision_of, step_ids)
from service.core.grammar import bare
from service.errors import ContentError, GuideError, NotFound

__all__ = ["DiffLine", "FactText", "GuideEditor", "NodeText", "Proposal", "SentenceText", "Stale"]

FACTS = "facts.yaml"
TAUGHT = "requests/taught.yaml"
"""What was taught on the page stands apart from what was written by hand."""
TAUGHT_HEADER = "# 在网页上教的问法，照原话写；每一句都可以在网页上撤回。\nrequests:\n"
SIGNS = "[](){}|<>;:*"
"""Signs with a meaning in templates; what is taught is literal."""
MOST_SENTENCES = 200
"""Of one node. It is a slip of the hand, and the check of each would take long."""
_NAME = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*\.yaml")


class Stale(GuideError):
    """Somebody else's edit came first."""

    code = "edit_stale"
    status = 409


def _alone(method: Callable) -> Callable:
    @functools.wraps(method)
    def locked(self, *args):
        with self._lock:
            return method(self, *args)
    return locked


class GuideEditor:
    """Reads, proposes and publishes edits of a folder. Thread-safe; other processes may edit it too."""

    def __init__(self, folder: Path, knows: Knows | None = None):
        """``knows`` as for ``load``."""
        self._folder, self._knows = folder, knows
        self._lock = threading.RLock()

    # --- nodes --------------------------------------------------------------------------------

    @_alone
    def node(self, node_id: str) -> tuple[NodeText, str]:
        """A node's text and its revision, which other nodes of its file have no part in. NotFound."""
        text = self._node(node_id)[2]
        return text, revision_of(text)

    @_alone
    def propose_node(self, wanted: NodeText, revision: str) -> Proposal:
        """The node with this text. NotFound, or Stale if it is no longer the one of that revision."""
        document, raw, present = self._node(wanted.id)
        _expect(revision, present)
        at = ("nodes", wanted.id)
        parts = {"say": [wanted.say], "brief": [wanted.brief], "steps": wanted.steps, "more": wanted.more}
        problems = [document.problem((*at, "title"), *fault) for fault in _faults(wanted.title)]
        problems += [document.problem((*at, field), *fault) for field, lists in parts.items()
                     for said in lists for s in said for t in (s.text, *s.facts) for fault in _faults(t)]
        if sum(len(said) for lists in parts.values() for said in lists) > MOST_SENTENCES:
            return refused(document.problem(at, f"一个节点有 {MOST_SENTENCES} 多句话", "删掉一些，或者分成几个节点"))
        taken = self._sound(step_ids, document.data["nodes"])
        return self._rewritten(document, at, node_data(raw, wanted, taken), problems)

    def _node(self, node_id: str) -> tuple[Document, dict, NodeText]:
        document, raw = self._entry(NODE_FILES, "nodes", node_id)
        return document, raw, self._sound(node_text, node_id, raw)

    # --- facts --------------------------------------------------------------------------------

    @_alone
    def fact(self, fact_id: str) -> tuple[FactText, str]:
        """A fact's text and its revision. NotFound."""
        text = self._fact(fact_id)[2]
        return text, revision_of(text)

    @_alone
    def propose_fact(self, wanted: FactText, revision: str) -> Proposal:
        """The fact with this text. NotFound, or Stale if it is no longer the one of that revision."""
        document, raw, present = self._fact(wanted.id)
        _expect(revision, present)
        at, problems = ("facts", wanted.id), []
        if wanted.sources != present.sources:
            problems.append(document.problem((*at, "sources"), "来源改了", "来源只能在文件里改"))
        problems += [document.problem((*at, "claim"), *fault) for fault in _faults(wanted.claim, lines=True)]
        new = {**raw, "claim": wanted.claim, "checked": wanted.checked.isoformat(), "confidence": wanted.confidence}
        new.pop("review", None)
        if wanted.review:
            new["review"] = wanted.review.isoformat()
        return self._rewritten(document, at, new, problems)

    def _fact(self, fact_id: str) -> tuple[Document, dict, FactText]:
        document, raw = self._entry(FACTS, "facts", fact_id)
        return document, raw, self._sound(fact_text, fact_id, raw)

    # --- requests -----------------------------------------------------------------------------

    @_alone
    def propose_request(self, node_id: str, phrase: str) -> Proposal:
        """One more way of asking for a node, meant as it stands. NotFound."""
        self._entry(NODE_FILES, "nodes", node_id)
        phrase = _trimmed(phrase)
        faults = list(_phrase_faults(phrase))
        if faults:
            return refused(*(Problem(TAUGHT, f"requests.{node_id}", *fault) for fault in faults))
        document, taught = self._taught()
        if document is None:
            text = f"{TAUGHT_HEADER}  {node_id}:\n    - {scalar(phrase)}\n"
            return self._proposal({TAUGHT: text})
        return self._rewritten(document, ("requests",), {**taught, node_id: [*taught.get(node_id, ()), phrase]})

    @_alone
    def withdraw_request(self, node_id: str, phrase: str) -> Proposal:
        """The guide without what was taught; without a file if nothing is left. NotFound."""
        phrase, (document, taught) = _trimmed(phrase), self._taught()
        if phrase not in taught.get(node_id, ()):
            raise NotFound("没有教过这句话")
        left = [p for p in taught[node_id] if p != phrase]
        new = {i: left if i == node_id else phrases for i, phrases in taught.items() if i != node_id or left}
        if not new:
            return self._proposal({TAUGHT: ""})
        return self._rewritten(document, ("requests",), new)

    def _taught(self) -> tuple[Document | None, dict[str, list[str]]]:
        documents, problems = read_documents(self._folder)[:2]
        broken = [p for p in problems if p.file == TAUGHT]
        if broken:
            raise ContentError(broken)
        document = documents.get(TAUGHT)
        return document, self._sound(_phrases, document) if document else {}

    # --- files --------------------------------------------------------------------------------

    @_alone
    def propose_files(self, files: Mapping[str, str]) -> Proposal:
        """Whole texts, as for going back to earlier ones; "" takes the file away."""
        return self._proposal(files)

    @_alone
    def publish(self, proposal: Proposal) -> None:
        """Save a proposal, all of its files or none.

        ValueError if it has problems, Stale if the guide has been edited since so that the proposal does
        not fit any more, StoreError if the files cannot be written.
        """
        if proposal.problems or proposal.guide is None or not all(map(self._is_ours, proposal.files)):
            raise ValueError("a proposal with problems cannot be published")
        if any(self._text(name) != before for name, (before, _) in proposal.files.items()):
            raise Stale("这些文件刚刚被别人改过，请重新打开再改")
        after = {name: text for name, (_, text) in proposal.files.items()}
        # Another file may have been edited: the two may be sound alone and wrong together.
        if read_documents(self._folder, after)[2] != proposal.guide.version:
            problems = load(self._folder, self._knows, after)[1]
            if problems:
                raise Stale(f"别处刚刚改过，现在合不上了：{problems[0]}")
        saving.save(self._folder, proposal.files)

    # --- what they share ------------------------------------------------------------------------

    def _entry(self, prefix: str, key: str, name: str) -> tuple[Document, dict]:
        """(document, value) of that id below ``key``. NotFound, or ContentError if a file is not whole."""
        documents, problems = read_documents(self._folder)[:2]
        for document in documents.values():
            held = document.data.get(key) if isinstance(document.data, dict) else None
            if document.name.startswith(prefix) and isinstance(held, dict) and name in held:
                return document, held[name]
        broken = [p for p in problems if p.file.startswith(prefix)]
        raise ContentError(broken) if broken else NotFound(f"没有 {name}")

    def _sound(self, read: Callable, *args):
        # A file that is being edited by hand may have any form; then its own problems are the answer.
        try:
            return read(*args)
        except (AttributeError, KeyError, TypeError, ValueError) as e:
            raise ContentError(load(self._folder)[1]) from e

    def _rewritten(self, document: Document, path: tuple[str, ...], value: object,
                   problems: Iterable[Problem] = ()) -> Proposal:
        problems = tuple(problems)
        try:
            text = written(document.name, self._text(document.name), path, value)
        except (Unwritable, UnicodeError):
            # Half a character cannot be stored; its own problem says so.
            return refused(*problems or [document.problem(path, "这里的写法，网页上改不了", "直接在文件里改")])
        found = self._proposal({document.name: text})
        return replace(found, problems=(*problems, *found.problems), guide=None) if problems else found

    def _proposal(self, after: Mapping[str, str]) -> Proposal:
        problems = [Problem(name, "(文件)", "不是指南的文件名", "改成约定的名字")
                    for name in after if not self._is_ours(name)]
        problems += [Problem(name, "(文件)", *fault) for name, text in after.items() for fault in _halves(text)]
        if problems:
            return refused(*problems)
        texts = {name: (self._text(name), text) for name, text in after.items()}
        texts = {name: pair for name, pair in texts.items() if pair[0] != pair[1]}
        guide, found = load(self._folder, self._knows, {name: new for name, (_, new) in texts.items()})
        return Proposal(texts, tuple(found), guide)

    def _is_ours(self, name: str) -> bool:
        """True for a name that the guide may have, inside of its folder also if a link leads elsewhere."""
        return bool(_NAME.fullmatch(name)) and has_rule(name) and (
            self._folder / name).resolve().is_relative_to(self._folder.resolve())

    def _text(self, name: str) -> str:
        try:
            return (self._folder / name).read_bytes().decode("utf-8")
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as e:
            raise ContentError([Problem(name, "(文件)", f"第 {e.start} 个字节不是 UTF-8", "用 UTF-8 保存")]) from e


def _expect(revision: str, present: NodeText | FactText) -> None:
    if revision_of(present) != revision:
        raise Stale("这里刚刚被别人改过，请重新打开再改")


def _phrases(document: Document) -> dict[str, list[str]]:
    return {node_id: list(phrases) for node_id, phrases in document.data["requests"].items()}


# --- what was typed -------------------------------------------------------------------------------

def _faults(text: str, lines: bool = False) -> Iterable[tuple[str, str]]:
    """(fault, remedy) of signs that can be typed or pasted but neither said nor shown."""
    yield from _halves(text)
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") and not (lines and c == "\n") for c in text):
        yield "有换行，或者看不见的符号", "写在一行里，把看不见的符号删掉"


def _halves(text: str) -> Iterable[tuple[str, str]]:
    if any("\ud800" <= c <= "\udfff" for c in text):
        yield "有半个字，存不下来", "删掉重写"


def _trimmed(phrase: str) -> str:
    return phrase.strip().rstrip("。？！.?! \t\u3000").strip()


def _phrase_faults(phrase: str) -> Iterable[tuple[str, str]]:
    yield from _faults(phrase)
    signs = [sign for sign in dict.fromkeys(phrase) if sign in SIGNS]
    if signs:
        yield f"有 {' '.join(signs)}，这些符号在问法里另有意思", "只写怎么问，不要这些符号"
    if not phrase:
        yield "没有写怎么问", "写上一句话"
    elif len(phrase) > LONGEST_REQUEST or len(bare(phrase)) > LONGEST_REQUEST:
        yield f"太长，最多 {LONGEST_REQUEST} 个字", "写短一些，拆成两句"
