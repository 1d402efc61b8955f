"""Sentences: everything that the guide says, as the voices need it: ahead of time, most heard first.

What is said is fixed but for the names and numbers that are filled into the sentences of
``system.yaml``. Those are few, so that each comes out as a whole sentence; only the questions in
doubt, which name any two or three of all sections, are said in clauses, and the calculators' figures
in the parts that ``wording.pieces`` tells.
"""

from __future__ import annotations

import collections
import datetime
import itertools
from typing import Iterable

from service.core import assessment, dialog, wording
from service.core.dialog import Match, Session, Start
from service.core.model import Guide, Node
from service.core.wording import clauses

ASKED_AT_MOST = dialog.OFFER_AT_MOST
FREE = {"code", "name", "names", "sender"}
"""Placeholders that anything may be filled into: such a sentence cannot be recorded."""
JOINED = {*assessment.PROMPTS, "form_got", "form_fixed", "going", "corrected", "then_offer", "back_to", "confirm",
          "notice_node", "where_place", "ask_two", "ask_three", "ask_key"}
"""Prompts whose placeholders are filled with recorded parts."""
WRONG_AT_MOST = 5
"""Answers that can be named as wrong."""


def sentences(guide: Guide) -> tuple[str, ...]:
    """Every sentence, and every clause of a question in doubt, the most heard first."""
    heard = _heard(guide)
    every = dict.fromkeys((*_content(guide), *_system(guide), *_forms(guide), *guide.places.values(),
                           *wording.number_parts()))
    return tuple(sorted(every, key=lambda text: -heard[text]))


def _heard(guide: Guide) -> collections.Counter:
    """How often each sentence comes up if every section is asked for and told to its end once."""
    heard: collections.Counter = collections.Counter()
    today = max((f.checked for f in guide.facts.values()), default=datetime.date.min)
    for node in guide.nodes.values():
        session, reply = dialog.advance(guide, Session(), Start(), today)
        heard.update(reply.sentences)
        turns = [Match(node=node.id), *[Match(command="next")] * max(len(node.steps), len(node.more))]
        turns += [Match(node=node.id, aspect=aspect) for aspect in node.aspects]
        for outcome in turns:
            session, reply = dialog.advance(guide, session, outcome, today)
            heard.update(reply.sentences)
    return heard


def _content(guide: Guide) -> Iterable[str]:
    for node in guide.nodes.values():
        parts = (node.say, node.brief, *(s.sentences for s in node.steps), *node.more,
                 *(aspect.say for aspect in node.aspects.values()))
        yield from _fixed([wording.joint(node.spoken_title)])
        yield from (sentence.text for part in parts for sentence in part)


def _forms(guide: Guide) -> Iterable[str]:
    """Questions, what can be answered, and the parts of what is read back."""
    option_line = guide.prompts["option_line"]
    for one in guide.forms.fields.values():
        yield from (*one.ask, *one.again, *one.unsure, *one.never)
        yield from (text.removesuffix("。") for text in one.never)
        yield from _fixed(one.read)
        labels = [(o.label, o.key) for o in one.options if o.key]
        labels += [(one.title, str(n)) for n in range(1, WRONG_AT_MOST + 1) if one.read]
        yield from (t.format(option=label, key=wording.key_name(key)) for label, key in labels for t in option_line)
        yield from (part for o in one.options for part in clauses(o.read))


def _fixed(texts: Iterable[str]) -> Iterable[str]:
    """What stands around the placeholders."""
    for text in texts:
        empty = text.format(**{name: wording.JOINT for name in wording.placeholders(text)})
        yield from (part for part, _ in wording.pieces(empty))


def _system(guide: Guide) -> Iterable[str]:
    for prompt, names in dialog.PROMPTS.items():
        if names & FREE:
            yield from (text for text in guide.prompts[prompt] if not wording.placeholders(text))
        elif prompt in JOINED and names:
            yield from _fixed(_with_keys(guide.prompts[prompt]))
        else:
            for values in _values(guide, prompt) if names else [{}]:
                yield from (text.format(**values) for text in guide.prompts[prompt])


def _with_keys(texts: Iterable[str]) -> Iterable[str]:
    """The texts with each key that a question in doubt may name."""
    for text in texts:
        keys = "123"[:ASKED_AT_MOST] if "key" in wording.placeholders(text) else [""]
        yield from (text.replace("{key}", wording.key_name(key) if key else "") for key in keys)


def _values(guide: Guide, prompt: str) -> Iterable[dict[str, str]]:
    """Everything that is filled into a prompt's placeholders."""
    nodes = list(guide.nodes.values())
    titles = {node.id: node.title for node in nodes}
    match prompt:
        case "option_line":
            return [{"option": titles[o.node], "key": wording.key_name(o.key)} for node in nodes for o in node.options]
        case "ask_none":
            return [{"key": wording.key_name(str(n + 1))} for n in range(2, ASKED_AT_MOST + 1)]
        case "steps_count" | "steps_done":
            return [{"count": wording.count(n)} for n in sorted({len(n.steps) for n in nodes if n.steps})]
        case "step_ordinal":
            longest = max((len(n.steps) for n in nodes), default=0)
            return [{"ordinal": wording.number(n + 1)} for n in range(longest)]
        case "about_checked":
            return [{"date": wording.date(max(f.checked for f in guide.facts.values()))}]
        case "about_due":
            return [{"count": wording.count(n)} for n in _due(guide)]
        case _:
            raise ValueError(f"nothing is known to fill into {prompt}")


def _due(guide: Guide) -> list[int]:
    """How many facts can be due for review, on any day."""
    reviews = collections.Counter(f.review for f in guide.facts.values() if f.review)
    return list(itertools.accumulate(reviews[day] for day in sorted(reviews)))
