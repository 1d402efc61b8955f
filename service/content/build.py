"""Build: from checked documents to the Guide. Call it only with documents that have no problems."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import re
from decimal import Decimal
from typing import Iterator, Mapping

from service.content.files import Document
from service.core import form, labels, model, rules
from service.core.form import Forms
from service.core.model import Guide, Sentence
from service.core.rules import Rules

NODE_FILES = "nodes/"
REQUEST_FILES = "requests/"
OUTSIDE = "requests/outside.yaml"
CHOICES = "requests/choices.yaml"
WORDS = "words.yaml"
PADDING = "padding.yaml"
JUDGE = "judge.yaml"
MISHEARD = "misheard.yaml"
PLACES = "places.yaml"
ALARMS = "alarms.yaml"
RULES = "rules.yaml"
FORMS = "forms.yaml"


def build(documents: Mapping[str, Document], version: str) -> Guide:
    """The Guide of these documents."""
    commands = documents["commands.yaml"].data
    facts = documents["facts.yaml"].data
    lexicon = documents["lexicon.yaml"].data
    requests: dict[str, dict[str, list[str]]] = collections.defaultdict(dict)
    for label, lines in entries(documents, REQUEST_FILES, "requests"):
        node_id, aspect = labels.parts(label)
        requests[node_id].setdefault(aspect, []).extend(lines)
    nodes = {node_id: _node(node_id, raw, requests[node_id])
             for node_id, raw in entries(documents, NODE_FILES, "nodes")}
    return Guide(
        version=version, nodes=nodes,
        commands={name: model.Command(name, tuple(c["phrases"]), c.get("key"), c.get("step_key"),
                                      c.get("exact", False))
                  for name, c in commands["commands"].items()},
        key_phrases={key: tuple(phrases) for key, phrases in commands["keys"].items()},
        facts={i: _fact(i, raw) for i, raw in facts["facts"].items()},
        sources={i: model.Source(i, **raw) for i, raw in facts["sources"].items()},
        prompts={i: tuple(p["say"]) for i, p in documents["system.yaml"].data["prompts"].items()},
        labels=documents["screen.yaml"].data["labels"],
        padding=model.Padding(**{name: words if name == "dialect" else tuple(words)
                                 for name, words in documents[PADDING].data.items()}),
        lexicon=model.Lexicon(tuple((r["text"], r["say"]) for r in lexicon["replace"]),
                              lexicon["readings"], lexicon["hearing"], lexicon["surnames"],
                              tuple(lexicon["titles"]), tuple(lexicon["not_surnames"]),
                              tuple(_around_names(documents["system.yaml"].data["prompts"]))),
        typed=_rule(documents[JUDGE].data["typed"]), spoken=_rule(documents[JUDGE].data["spoken"]),
        rules=rules_of(documents[RULES].data), forms=forms_of(documents[FORMS].data),
        misheard=documents[MISHEARD].data["learnt"],
        words=documents[WORDS].data["words"],
        choices={word: tuple(ids) for word, ids in documents[CHOICES].data["choices"].items()},
        places={said: name for name, names in documents[PLACES].data["places"].items() for said in names},
        alarms=_alarms(documents[ALARMS].data),
        outside=tuple(documents[OUTSIDE].data["outside"]))


def _around_names(prompts: Mapping[str, dict]) -> Iterator[tuple[str, str]]:
    """What stands before and behind the names of people in the prompts."""
    for prompt in prompts.values():
        for text in prompt["say"]:
            if named := re.fullmatch(r"([^{]*)\{(?:sender|names)\}([^{]*)", text):
                yield named[1], named[2]


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


def _node(node_id: str, raw: dict, requests: Mapping[str, list[str]]) -> model.Node:
    facts = tuple(raw.get("facts", ()))
    node = model.Node(
        id=node_id, title=raw["title"], parent=raw.get("parent", model.ROOT),
        say=_sentences(raw["say"], facts), brief=_sentences(raw.get("brief", ()), facts),
        options=tuple(model.Option(str(o["key"]), o["node"]) for o in raw.get("options", ())),
        steps=tuple(model.Step(s["id"], _sentences(s["say"], tuple(s.get("facts", facts))))
                    for s in raw.get("steps", {}).get("items", ())),
        more=tuple(_sentences(part, facts) for part in raw.get("more", ())),
        requests=tuple(requests.get("", ())),
        aspect_requests={aspect: tuple(lines) for aspect, lines in requests.items() if aspect},
        number=raw.get("number", ""), announced=raw.get("announced", True),
        solemn=raw.get("solemn", False), voice_only=raw.get("voice_only", False), asked=raw.get("asked", ""))
    return dataclasses.replace(node, aspects={name: _aspect(name, one, node, facts)
                                              for name, one in raw.get("aspects", {}).items()})


def _aspect(name: str, raw: dict, node: model.Node, facts: tuple[str, ...]) -> model.Aspect:
    # A sentence that the node has anyway rests on what it rests on there.
    own = {s.text: s for part in (*node.more, node.say) for s in part}
    said = (own.get(s, None) if isinstance(s, str) else None for s in raw["say"])
    return model.Aspect(name, tuple(found or sentence(s, facts) for found, s in zip(said, raw["say"])),
                        raw.get("number", ""), raw.get("instead", False), raw.get("calm", False))


def _alarms(raw: dict) -> model.Alarms:
    return model.Alarms(tuple(map(_alarm, raw["alarms"])),
                        *(tuple(raw[part]) for part in ("struck", "told", "past", "now")))


def _alarm(raw: dict) -> model.Alarm:
    node, aspect = labels.parts(raw["to"])
    return model.Alarm(node, aspect, tuple(map(tuple, raw["words"])), tuple(raw.get("unless", ())),
                       tuple(raw.get("at", ())))


def _rule(raw: dict) -> model.Rule:
    right, served = (model.Scale(float(s["bias"]), tuple(map(float, s["coefficients"])))
                     for s in (raw["right"], raw["served"]))
    return model.Rule(right, served, float(raw["act"]), float(raw["obey"]), float(raw["ask"]))


def _fact(fact_id: str, raw: dict) -> model.Fact:
    return model.Fact(
        id=fact_id, claim=raw["claim"], sources=tuple(raw["sources"]),
        checked=datetime.date.fromisoformat(raw["checked"]), confidence=raw["confidence"], scope=raw["scope"],
        review=datetime.date.fromisoformat(raw["review"]) if "review" in raw else None,
        spoken=raw.get("spoken", True))


def rules_of(raw: Mapping) -> Rules:
    """The Rules of the data of a ``rules.yaml`` without problems."""
    minimum, medical = raw["minimum"], raw["medical"]
    return Rules(
        kinds={i: rules.Kind(id=i, **_block(k) | {"first": rules.Month.parse(k["first"])})
               for i, k in raw["kinds"].items()},
        flexible=rules.Flexible(**_block(raw["flexible"])),
        minimum=rules.Minimum(**_block(minimum) | {"months": _by_number(minimum["months"])}),
        limits={int(y): rules.Limits(year=int(y), **_block(r)) for y, r in raw["limits"].items()},
        rates=rules.Rates(**_decimals(_block(raw["rates"]), "own", "employer", "flexible", "credited")),
        divisors=rules.Divisors(**_block(raw["divisors"]) | {"months": _by_number(raw["divisors"]["months"])}),
        pension=rules.PensionFormula(**_decimals(_block(raw["pension"]), "share", "lowest_index", "highest_index")),
        medical=rules.Medical(**_block(medical) | {"local_years": _by_number(medical["local_years"])}),
        resident=rules.Resident(**_block(raw["resident"])))


def _block(raw: dict) -> dict:
    days = {name: datetime.date.fromisoformat(raw[name]) for name in ("valid_from", "valid_to") if name in raw}
    return raw | days | {"facts": tuple(raw["facts"])}


def _by_number(raw: dict) -> dict[int, int]:
    return {int(number): value for number, value in raw.items()}


def _decimals(raw: dict, *names: str) -> dict:
    return raw | {name: Decimal(raw[name]) for name in names}


def forms_of(raw: Mapping) -> Forms:
    """The Forms of the data of a ``forms.yaml`` without problems."""
    return Forms({name: _field(name, one) for name, one in raw["fields"].items()},
                 {node: tuple(names) for node, names in raw["forms"].items()},
                 tuple(raw["unknown"]), tuple(raw["beside"]["before"]), tuple(raw["beside"]["after"]),
                 *(tuple(raw[part]) for part in ("refusals", "negations", "why", "explain", "leave")))


def _field(name: str, raw: dict) -> form.Field:
    parts = ("ask", "again", "read", "never", "unsure", "cues", "yearly", "monthly", "same")
    texts = {part: tuple(raw.get(part, ())) for part in parts}
    options = tuple(form.FieldOption(o["value"], o["label"], o["read"], tuple(o["phrases"]),
                                     str(o["key"]) if "key" in o else None, tuple(o.get("unless_before", ())),
                                     tuple(o.get("unless_behind", ())), o.get("unknown", False))
                    for o in raw.get("options", ()))
    return form.Field(name, raw["type"], raw["title"], open=raw.get("open", False), options=options,
                      sets=raw.get("sets", ""), refines=raw.get("refines", ""), implies=raw.get("implies", {}),
                      same_as=raw.get("same_as", ""), **texts)
