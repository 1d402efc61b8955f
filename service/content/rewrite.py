"""Rewrite: new values for a few places of a YAML text, while every other line stays as it is.

A YAML library that writes a whole document again lays it out in its own way. Here only the spans of
what has changed are replaced, by the positions that PyYAML's compose gives; comments stay where they
are. The outcome is read again and compared; where a piece cannot be replaced, the whole value is.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

import yaml

from service.content.files import parse
from service.content.pairing import pairing

Edit = tuple[int, int, str]
"""(start, end, what stands there instead); the spans of one text do not overlap."""
_PLAIN = re.compile(r"\w(?:[\w，。、？！：；“”‘’（）《》—…·％/.~+-]| (?! ))*(?<! )")
_ESCAPED = re.compile(r'["\\]|[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]')


@dataclass(frozen=True)
class Text:
    """A YAML text and what compose says of it."""

    text: str
    root: yaml.Node

    @classmethod
    def read(cls, text: str) -> "Text":
        """yaml.YAMLError if it is no YAML. The slower loader: its positions count characters, also after a BOM."""
        return cls(text, yaml.compose(text, Loader=yaml.SafeLoader))

    @property
    def line_end(self) -> str:
        """As the file has it."""
        return "\r\n" if "\r\n" in self.text else "\n"

    def find(self, *path: str) -> yaml.Node:
        """The value at these keys; KeyError if there is none."""
        node = self.root
        for key in path:
            node = children(node)[key][1]
        return node

    def end(self, node: yaml.Node) -> int:
        """Where the last character of a value stands. A block's own end mark lies behind the comments after it."""
        if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
            start, end = node.start_mark.index, node.end_mark.index
            return start + len(self.text[start:end].rstrip())
        last = node.value[-1]
        return self.end(last[1] if isinstance(last, tuple) else last)

    def line_start(self, at: int) -> int:
        """Start of the line of that character."""
        return self.text.rfind("\n", 0, at) + 1

    def line_stop(self, at: int) -> int:
        """End of the line of that character, before its line end: a comment behind a value belongs to it."""
        stop = self.text.find("\n", at)
        stop = len(self.text) if stop < 0 else stop
        return stop - 1 if self.text[at:stop].endswith("\r") else stop

    def next_line(self, at: int) -> int:
        """Start of the line after that character."""
        stop = self.text.find("\n", at)
        return len(self.text) if stop < 0 else stop + 1

    def cut(self, start: int, stop: int, edits: Iterable[Edit]) -> str:
        """The piece from start to stop with its edits made."""
        out, at = [], start
        for first, last, new in sorted(edits):
            out += [self.text[at:first], new]
            at = last
        return "".join([*out, self.text[at:stop]])

    def edited(self, edits: Iterable[Edit]) -> str:
        """The whole text with these edits."""
        return self.cut(0, len(self.text), edits)


def children(node: yaml.Node) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """Key to (node of the key, node of the value); KeyError for what is no mapping."""
    if not isinstance(node, yaml.MappingNode):
        raise KeyError("no mapping")
    return {key.value: (key, value) for key, value in node.value}


# --- values as text -----------------------------------------------------------------------------

def scalar(value: object) -> str:
    """A value on one line that reads back as it is: plain where nobody can mistake it, else in quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if _PLAIN.fullmatch(text):
        document, problems = parse("", f"[{text}]".encode("utf-8"))
        if document and not problems and document.data == [text]:
            return text
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(found: re.Match) -> str:
    sign = found[0]
    return {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(sign) or f"\\u{ord(sign):04x}"


def flow(value: object) -> str:
    """Any plain data on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def block(value: object, column: int, line_end: str) -> str:
    """Plain data in the layout of the guide's files, to be put at that column: sentences and facts on one line."""
    indent = line_end + " " * column
    if isinstance(value, Mapping) and any(k in value for k in ("items", "id", "title")):
        return indent.join(_entry(k, v, column, line_end) for k, v in value.items())
    if isinstance(value, list) and value:
        return indent.join("- " + block(v, column + 2, line_end) for v in value)
    return flow(value)


def _entry(key: str, value: object, column: int, line_end: str) -> str:
    if key != "facts" and isinstance(value, (list, dict)) and value:
        return f"{scalar(key)}:{line_end}{' ' * (column + 2)}{block(value, column + 2, line_end)}"
    return f"{scalar(key)}: {flow(value)}"


# --- edits --------------------------------------------------------------------------------------

class Unwritable(ValueError):
    """The file is laid out in a way that cannot be edited piece by piece, nor as a whole."""


def written(name: str, text: str, path: Sequence[str], value: object) -> str:
    """The text with ``value`` at that path, and nothing else in it changed.

    ValueError for a text that is no YAML; KeyError if there is no such path.
    """
    before, problems = parse(name, text.encode("utf-8"))
    if before is None:
        raise Unwritable(str(problems[0]))
    expected = holder = copy.deepcopy({"": before.data})
    for key in ("", *path[:-1]):
        holder = holder[key]
    old, holder[path[-1]] = holder[path[-1]], value
    for edit in (_change, _anew):
        try:
            source = Text.read(text)
            new = source.edited(edit(source, source.find(*path), old, value))
        except (KeyError, yaml.YAMLError):
            continue
        after, faults = parse(name, new.encode("utf-8"))
        # What was written must read back exactly, and all else as it was.
        if after is not None and after.data == expected[""] and len(faults) <= len(problems):
            return new
    raise Unwritable(name)


def _anew(text: Text, node: yaml.Node, old: object, new: object) -> list[Edit]:
    start, column = node.start_mark.index, node.start_mark.column
    in_block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    laid_out = block(new, column, text.line_end) if in_block else flow(new)
    return [(start, text.end(node), laid_out)]


def _change(text: Text, node: yaml.Node, old: object, new: object) -> list[Edit]:
    if old == new:
        return []
    if isinstance(node, yaml.MappingNode) and isinstance(new, dict):
        return _mapping(text, node, old, new)
    if isinstance(node, yaml.SequenceNode) and isinstance(new, list):
        return _sequence(text, node, old, new)
    return _anew(text, node, old, new)


def _mapping(text: Text, node: yaml.Node, old: dict, new: dict) -> list[Edit]:
    known = children(node)
    anchor = [key for key in known if key in new][-1:]
    if not anchor or node.flow_style and old.keys() != new.keys():
        return _anew(text, node, old, new)
    edits = [e for key in known if key in new for e in _change(text, known[key][1], old[key], new[key])]
    for key in known.keys() - new.keys():
        name, value = known[key]
        edits.append((text.line_start(name.start_mark.index), text.next_line(text.end(value)), ""))
    order = list(new)
    for key in (key for key in order if key not in known):
        before = order[order.index(key) - 1:order.index(key)]
        after = known[before[0] if before and before[0] in known else anchor[0]][1]
        column, at = node.start_mark.column, text.line_stop(text.end(after))
        edits.append((at, at, text.line_end + " " * column + _entry(key, new[key], column, text.line_end)))
    return edits


def _sequence(text: Text, node: yaml.Node, old: list, new: list) -> list[Edit]:
    """An item keeps the comments in front of it and behind it, also where it moves; with an item they go."""
    pairs = pairing([_name(item) for item in old], [_name(item) for item in new])
    if pairs == list(range(len(old))):
        return [e for item, a, b in zip(node.value, old, new) for e in _change(text, item, a, b)]
    if node.flow_style or not new or not old:
        return [(node.start_mark.index, text.end(node), flow(new))]
    at, column = node.start_mark.index, node.start_mark.column
    # Behind another dash there is no room for the comments of the item that comes first.
    inline = bool(text.text[text.line_start(at):at].strip())
    region, leads, bodies = at if inline else text.line_start(at), [], []
    for i, item in enumerate(node.value):
        dash = text.text.rfind("-", at, item.start_mark.index) if i else at
        # Between two items stand only whole lines: comments, or nothing.
        leads.append(text.text[at:text.line_start(dash)] if i else "")
        bodies.append((dash, text.line_stop(text.end(item))))
        at = text.next_line(bodies[-1][1])
    out, waiting = [], ""
    for j, (value, i) in enumerate(zip(new, pairs)):
        lead, body = "", "- " + block(value, column + 2, text.line_end)
        if i is not None:
            lead, body = leads[i], text.cut(*bodies[i], _change(text, node.value[i], old[i], value))
        if inline and j == 0:
            waiting = lead
            out.append(body)
        else:
            out.append(f"{waiting}{lead}{' ' * column}{body}")
            waiting = ""
    if waiting:
        out.append(waiting.rstrip("\r\n"))
    return [(region, bodies[-1][1], text.line_end.join(out))]


def _name(item: object) -> str:
    """What an item of a list is told by: the id of a step, the words of a sentence."""
    if isinstance(item, dict):
        return str(item.get("id", item.get("say")))
    return "".join(map(_name, item)) if isinstance(item, list) else str(item)
