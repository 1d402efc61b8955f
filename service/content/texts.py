"""Texts: what is edited of a node and of a fact, apart from how the files have it."""

from __future__ import annotations

import datetime
import hashlib
import re
from dataclasses import dataclass

from service.content.pairing import is_alike, pairing


@dataclass(frozen=True)
class SentenceText:
    """One sentence as it is written."""

    text: str
    facts: tuple[str, ...] = ()
    """Its own; empty: it rests on those of its step or node."""
    unverified: bool = False


Sentences = tuple[SentenceText, ...]


@dataclass(frozen=True)
class NodeText:
    """What is edited of a node; its options, parent and requests are not."""

    id: str
    title: str
    say: Sentences
    brief: Sentences = ()
    steps: tuple[Sentences, ...] = ()
    more: tuple[Sentences, ...] = ()


@dataclass(frozen=True)
class FactText:
    """What is edited of a fact; its sources are only shown."""

    id: str
    claim: str
    sources: tuple[str, ...]
    checked: datetime.date
    review: datetime.date | None
    confidence: str


def _sentence_text(raw: str | dict) -> SentenceText:
    if isinstance(raw, str):
        return SentenceText(raw)
    return SentenceText(raw["say"], tuple(raw.get("facts", ())), raw.get("unverified", False))


def _sentence_texts(raws: list) -> Sentences:
    return tuple(map(_sentence_text, raws))


def node_text(node_id: str, raw: dict) -> NodeText:
    """The text of a node's data. Any of KeyError, TypeError, AttributeError if its form is wrong."""
    return NodeText(
        node_id, raw["title"], _sentence_texts(raw["say"]), _sentence_texts(raw.get("brief", ())),
        tuple(_sentence_texts(step["say"]) for step in raw.get("steps", {"items": ()})["items"]),
        tuple(map(_sentence_texts, raw.get("more", ()))))


def fact_text(fact_id: str, raw: dict) -> FactText:
    """The text of a fact's data. As ``node_text``; ValueError for a day that no calendar has."""
    day = datetime.date.fromisoformat
    return FactText(fact_id, raw["claim"], tuple(raw["sources"]), day(raw["checked"]),
                    day(raw["review"]) if "review" in raw else None, raw["confidence"])


def step_ids(nodes: dict[str, dict]) -> set[str]:
    """The ids of all steps of these nodes' data."""
    return {step["id"] for raw in nodes.values() for step in raw.get("steps", {"items": ()})["items"]}


def node_data(raw: dict, wanted: NodeText, taken: set[str]) -> dict:
    """The node's data with the wanted text, its keys in the order of the guide's files.

    ``taken``: ids that a new step cannot have.
    """
    new = {**raw, "title": wanted.title}
    lists = {"say": _sentence_data(raw["say"], wanted.say), "brief": _sentence_data(raw.get("brief", []), wanted.brief),
             "steps": _steps_data(wanted, raw.get("steps", {}).get("items", []), taken),
             "more": _parts_data(raw.get("more", []), wanted.more)}
    if "aspects" in raw:
        new["aspects"] = _aspects_data(raw["aspects"], _reworded(node_text(wanted.id, raw), wanted))
    for key, items in lists.items():
        if items or key == "say":
            new[key] = {"count": len(items), "items": items} if key == "steps" else items
        else:
            new.pop(key, None)
    if "brief" in new and "brief" not in raw:
        rest = {key: value for key, value in new.items() if key not in ("title", "parent", "say", "brief")}
        new = {key: new[key] for key in ("title", "parent", "say", "brief") if key in new} | rest
    return new


def _sentence_data(raws: list, wanted: Sentences) -> list:
    # What is written in a way of its own, as {say: ...} alone, stays so unless it is edited.
    as_written = {_sentence_text(raw): raw for raw in raws}
    return [as_written.get(s, _sentence(s)) for s in wanted]


def _sentence(wanted: SentenceText) -> str | dict:
    more = {"facts": list(wanted.facts)} if wanted.facts else {}
    more |= {"unverified": True} if wanted.unverified else {}
    return {"say": wanted.text, **more} if more else wanted.text


def _parts_data(raws: list, wanted: tuple[Sentences, ...]) -> list:
    return [_sentence_data([r for part in raws for r in part], sentences) for sentences in wanted]


def _reworded(before: NodeText, wanted: NodeText) -> dict[str, str]:
    """The sentences whose words changed: as they were to as they are wanted."""
    old, new = ([s.text for part in (node.say, *node.more) for s in part] for node in (before, wanted))
    pairs = {old[i]: text for text, i in zip(new, pairing(old, new)) if i is not None}
    # Another sentence in the same place is not the same one in other words.
    return {text: other for text, other in pairs.items() if text != other and text not in new and is_alike(text, other)}


def _aspects_data(raws: dict, reworded: dict[str, str]) -> dict:
    """What the node says again where it is asked for by itself changes with it."""
    def changed(raw: str | dict) -> str | dict:
        before = _sentence_text(raw).text
        after = reworded.get(before, before)
        return after if isinstance(raw, str) else {**raw, "say": after}

    return {name: {**aspect, "say": [changed(raw) for raw in aspect["say"]]} for name, aspect in raws.items()}


def _steps_data(wanted: NodeText, raws: list, ids: set[str]) -> list:
    """Each step keeps its id and facts, also where it moves; a new one gets an id like its neighbours'."""
    told = [[_joined(sentences) for sentences in lists]
            for lists in ([_sentence_texts(raw["say"]) for raw in raws], wanted.steps)]
    stem = re.sub(r"\d+$", "", raws[-1]["id"]) if raws else f"st_{wanted.id}_"
    out, number = [], 0
    for sentences, place in zip(wanted.steps, pairing(*told)):
        if place is not None:
            out.append({**raws[place], "say": _sentence_data(raws[place]["say"], sentences)})
            continue
        number = next(n for n in range(max(number, len(raws)) + 1, 10_000) if f"{stem}{n}" not in ids)
        out.append({"id": f"{stem}{number}", "say": _sentence_data([], sentences)})
    return out


def _joined(sentences: Sentences) -> str:
    return "".join(s.text for s in sentences)


def revision_of(text: NodeText | FactText) -> str:
    """The same for the same text, however it is laid out and whatever else its file holds."""
    return hashlib.sha256(repr(text).encode("utf-8", "backslashreplace")).hexdigest()[:16]
