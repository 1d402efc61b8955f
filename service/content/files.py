"""Files: the YAML of ``prompts/`` as plain data that remembers its lines.

PyYAML lets the second of two equal keys win silently; here that is a Problem.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping

import yaml

from service.content.problems import Problem

LARGEST_FILE_BYTES = 2_000_000
"""A larger file is not a guide; it is refused before it is parsed."""
DEEPEST = 32
"""Lists and mappings within each other; the guide has a third of it. The C loader nests calls as deep as the file
does, and brings the process down where the stack ends."""
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
"""Whole numbers as everybody writes them. YAML 1.1 has others: 0x1f, 1_000, and 12:30 for 750."""
LONGEST_QUOTED = 30
"""Characters of a wrong value that a Problem repeats."""
VOICES = "voices"
"""The folder of the voice packs."""
Path_ = tuple[str | int, ...]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C loader's nodes carry the same marks as the Python one's, ten times quicker."""


@dataclass
class Document:
    """One parsed file."""

    name: str
    """Path below ``prompts/``, with slashes."""
    data: object
    lines: dict[Path_, int] = field(default_factory=dict)
    """Path of a value to its line, from 1."""

    def place(self, *path: str | int) -> str:
        """A path in words, with the line of its nearest known part."""
        words = "".join(f"[{p + 1}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return f"{words or '(文件)'} (第{self.lines[path[:end]]}行)"
        return words or "(文件)"

    def problem(self, path: Path_, fault: str, remedy: str) -> Problem:
        """A Problem of this file at that path."""
        return Problem(self.name, self.place(*path), fault, remedy)


def yaml_files(folder: Path) -> list[Path]:
    """The guide's files, sorted. The voice packs are left out: thousands of files, looked at each second."""
    found = [p for p in folder.glob("*.yaml")]
    for below in folder.glob("*"):
        if below.is_dir() and below.name != VOICES:
            found += below.rglob("*.yaml")
    return sorted(found)


def signature(folder: Path) -> tuple:
    """Changes whenever a YAML file below the folder is written, added or removed."""
    return tuple((str(p), s.st_mtime_ns, s.st_size) for p in yaml_files(folder) for s in [p.stat()])


def read_documents(folder: Path, overlay: Mapping[str, str] = {}) -> tuple[dict[str, Document], list[Problem], str]:
    """Every YAML file below ``folder`` by name, what is wrong with reading them, and a hash.

    ``overlay``: name to a text that stands for the file's, as if it were saved; "" as if it were deleted.
    """
    documents, problems, digest = {}, [], hashlib.sha256()
    # Sorted as paths, not as names, so that a folder with an edit has the hash it will have once it is saved.
    for path in sorted({*yaml_files(folder), *(folder / name for name in overlay)}):
        name = path.relative_to(folder).as_posix()
        if overlay.get(name) == "":
            continue
        try:
            data = overlay[name].encode("utf-8") if name in overlay else path.read_bytes()
        except OSError as e:
            problems.append(Problem(name, "(文件)", f"读不了：{e.strerror}", "看看文件在不在，权限对不对"))
            continue
        digest.update(name.encode() + b"\0" + data + b"\0")
        document, faults = parse(name, data)
        problems += faults
        if document:
            documents[name] = document
    return documents, problems, digest.hexdigest()[:16]


def texts(folder: Path) -> tuple[dict[str, str], str]:
    """The text of every YAML file below ``folder`` by name, and the hash that ``read_documents`` has for them.

    OSError or UnicodeDecodeError if one cannot be read.
    """
    digest, found = hashlib.sha256(), {}
    for path in sorted(yaml_files(folder)):
        name, data = path.relative_to(folder).as_posix(), path.read_bytes()
        digest.update(name.encode() + b"\0" + data + b"\0")
        found[name] = data.decode("utf-8")
    return found, digest.hexdigest()[:16]


def parse(name: str, data: bytes) -> tuple[Document | None, list[Problem]]:
    """One file's data and its faults; no document if it is not YAML at all."""
    if len(data) > LARGEST_FILE_BYTES:
        return None, [Problem(name, "(文件)", f"文件太大：{len(data)} 字节", "一个文件不要超过 2 MB")]
    try:
        text = data.decode("utf-8")
        line = _too_deep(text)
        if line:
            return None, [Problem(name, f"第{line}行", f"一层套一层，超过了 {DEEPEST} 层", "照别的文件的样子分层")]
        root = yaml.compose(text, Loader=_LOADER)
    except UnicodeDecodeError as e:
        return None, [Problem(name, "(文件)", f"第 {e.start} 个字节不是 UTF-8", "用 UTF-8 保存")]
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        place = f"第{mark.line + 1}行第{mark.column + 1}列" if mark else "(文件)"
        return None, [Problem(name, place, f"不是完整的 YAML：{getattr(e, 'problem', None) or e}",
                              "检查缩进、冒号和引号；文件是不是只存了一半")]
    document, problems = Document(name, None), []
    document.data = _value(document, root, (), problems, set()) if root else None
    return document, problems


def _too_deep(text: str) -> int:
    """The first line, from 1, of what is nested deeper than ``DEEPEST``; 0 if nothing is."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            return event.start_mark.line + 1
    return 0


def _value(document: Document, node: yaml.Node, path: Path_, problems: list[Problem], seen: set[int]):
    document.lines[path] = node.start_mark.line + 1
    if id(node) in seen:
        # An alias may hold itself, or grow without bound.
        problems.append(document.problem(path, "用 * 引用了别处", "把内容写出来，不用 & 和 *"))
        return None
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [_value(document, child, (*path, i), problems, seen) for i, child in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        out = {}
        for key_node, child in node.value:
            key = str(key_node.value)
            if key in out:
                problems.append(document.problem((*path, key), f"“{key}”写了两次", "删掉一个"))
            out[key] = _value(document, child, (*path, key), problems, seen)
        return out
    try:
        return _scalar(node)
    except (ValueError, KeyError):
        problems.append(document.problem(path, f"“{node.value[:LONGEST_QUOTED]}”不是 {node.tag} 的值",
                                         "去掉前面的 !!，改成对的值；不是数就加引号"))
        return None


def _scalar(node: yaml.ScalarNode):
    # Only whole numbers, booleans and nothing get a type; dates and the rest stay text.
    kind = node.tag.rsplit(":", 1)[-1]
    if kind == "int":
        if not _WHOLE.fullmatch(node.value):
            raise ValueError("not a whole number")
        return int(node.value)
    if kind in ("bool", "null"):
        return yaml.SafeLoader("").construct_object(node)
    return node.value
