"""Build: from checked documents to the Guide. Call it only with documents that have no problems."""

from __future__ import annotations

import datetime
from typing import Iterator, Mapping

from service.content.files import Document
from service.core import model
from service.core.model import Guide, Sentence

NODE_FILES = "nodes/"
REQUEST_FILES = "requests/"
OUTSIDE = "requests/outside.yaml"
CHOICES = "requests/choices.yaml"
WORDS = "words.yaml"
PADDING = "padding.yaml"
JUDGE = "judge.yaml"
MISHEARD = "misheard.yaml"


def build(documents: Mapping[str, Document], version: str) -> Guide:
    """The Guide of these documents."""
    commands = documents["commands.yaml"].data
    facts = documents["facts.yaml"].data
    lexicon = documents["lexicon.yaml"].data
    requests = dict(entries(documents, REQUEST_FILES, "requests"))
    nodes = {node_id: _node(node_id, raw, requests.get(node_id, ()))
             for node_id, raw in entries(documents, NODE_FILES, "nodes")}
    return Guide(
        version=version, nodes=nodes,
        commands={name: model.Command(name, tuple(c["phrases"]), c.get("key"), c.get("step_key"))
                  for name, c in commands["commands"].items()},
        key_phrases={key: tuple(phrases) for key, phrases in commands["keys"].items()},
        facts={i: _fact(i, raw) for i, raw in facts["facts"].items()},
        sources={i: model.Source(i, **raw) for i, raw in facts["sources"].items()},
        prompts={i: tuple(p["say"]) for i, p in documents["system.yaml"].data["prompts"].items()},
        labels=documents["screen.yaml"].data["labels"],
        padding=model.Padding(**{name: words if name == "dialect" else tuple(words)
                                 for name, words in documents[PADDING].data.items()}),
        lexicon=model.Lexicon(tuple((r["text"], r["say"]) for r in lexicon["replace"]),
                              lexicon["readings"], lexicon["hearing"]),
        typed=_rule(documents[JUDGE].data["typed"]), spoken=_rule(documents[JUDGE].data["spoken"]),
        misheard=documents[MISHEARD].data["learnt"],
        words=documents[WORDS].data["words"],
        choices={word: tuple(ids) for word, ids in documents[CHOICES].data["choices"].items()},
        outside=tuple(documents[OUTSIDE].data["outside"]))


def entries(documents: Mapping[str, Document], prefix: str, key: str) -> Iterator[tuple[str, object]]:
    """(id, value) of the mapping ``key`` in every document below ``prefix``."""
    for name, document in documents.items():
        if name.startswith(prefix) and key in document.data:
            yield from document.data[key].items()


def sentence(raw: str | dict, facts: tuple[str, ...]) -> Sentence:
    """A sentence as written, resting on ``facts`` unless it names its own."""
    if isinstance(raw, str):
        return Sentence(raw, facts)
    return Sentence(raw["say"], tuple(raw.get("facts", facts)), raw.get("unverified", False))


def _sentences(raws: list, facts: tuple[str, ...]) -> tuple[Sentence, ...]:
    return tuple(sentence(raw, facts) for raw in raws)


def _node(node_id: str, raw: dict, requests: tuple[str, ...]) -> model.Node:
    facts = tuple(raw.get("facts", ()))
    return model.Node(
        id=node_id, title=raw["title"], parent=raw.get("parent", model.ROOT),
        say=_sentences(raw["say"], facts), brief=_sentences(raw.get("brief", ()), facts),
        options=tuple(model.Option(str(o["key"]), o["node"]) for o in raw.get("options", ())),
        steps=tuple(model.Step(s["id"], _sentences(s["say"], tuple(s.get("facts", facts))))
                    for s in raw.get("steps", {}).get("items", ())),
        more=tuple(_sentences(part, facts) for part in raw.get("more", ())),
        requests=tuple(requests))


def _rule(raw: dict) -> model.Rule:
    right, served = (model.Scale(float(s["bias"]), tuple(map(float, s["coefficients"])))
                     for s in (raw["right"], raw["served"]))
    return model.Rule(right, served, float(raw["act"]), float(raw["obey"]), float(raw["ask"]))


def _fact(fact_id: str, raw: dict) -> model.Fact:
    return model.Fact(
        id=fact_id, claim=raw["claim"], sources=tuple(raw["sources"]),
        checked=datetime.date.fromisoformat(raw["checked"]), confidence=raw["confidence"],
        review=datetime.date.fromisoformat(raw["review"]) if "review" in raw else None,
        spoken=raw.get("spoken", True))
