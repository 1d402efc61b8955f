"""Every node is reached by keys alone, by touch alone and by voice alone."""

import collections
import datetime
from dataclasses import replace

import pytest

from service.core import labels
from service.core.dialog import Ask, Key, Match, Session, Start, advance
from service.core.model import HELP, KEYS, ROOT, Node
from service.core.understanding import Expectation, labelled_phrases

TODAY = datetime.date(2026, 11, 30)


DIGITS = {"birth_year": "1969", "birth_month": "12", "months": "1402", "balance": "60000", "wage": "5000",
          "chosen": "5000", "med_year": "2027", "med_months": "2108", "med_local": "1000"}
"""An answer by keys to every question that takes digits."""


def reached(guide, keys_of) -> tuple[set[str], set[str]]:
    """Nodes that a listener comes to, and sentences heard, with only the keys that ``keys_of(reply)`` gives.

    Where digits are taken it is a whole answer, 0 or nothing.
    """
    session, reply = advance(guide, Session(), Start(), TODAY)
    seen, said, queue = {place(session)}, set(reply.sentences), collections.deque([(session, reply)])
    while queue:
        session, reply = queue.popleft()
        digits = (DIGITS[session.form.field] + "#", "0#", "*") if reply.entry is not None else ()
        for keys in digits or keys_of(reply):
            after, answer = session, reply
            for key in keys:
                after, answer = advance(guide, after, Key(key), TODAY)
            # Where one can go does not depend on the voice or on what was heard before.
            after = replace(after, pace_cpm=180, loudness_db=0, visited=())
            said.update(answer.sentences)
            if place(after) not in seen:
                seen.add(place(after))
                queue.append((after, answer))
    return {node for node, *_ in seen}, said


def place(session: Session) -> tuple:
    """Where somebody is, without what was answered elsewhere or earlier."""
    form = session.form if session.form and session.form.node == session.node else None
    return (session.node, session.part, session.done, session.asked, session.paused, session.waiting, session.origin,
            form and (form.stage, form.field, form.tries > 0))


def keyed(guide) -> list[Node]:
    """The nodes that some menu offers; urgent ones and what the guide does not have are asked for by voice."""
    offered = {ROOT, HELP, *(o.node for n in guide.nodes.values() for o in n.options)}
    return [n for n in guide.nodes.values() if n.id in offered]


def content(guide) -> set[str]:
    """Everything in the sections but their brief words."""
    parts = (part for n in keyed(guide) for part in (n.say, *(s.sentences for s in n.steps), *n.more))
    return {sentence.text for part in parts for sentence in part}


def test_by_keys_alone(guide):
    nodes, said = reached(guide, lambda reply: KEYS)
    assert nodes == {n.id for n in keyed(guide)} and content(guide) <= said


def test_by_touch_alone(guide):
    def shown(reply):
        return [*(c.key for c in reply.choices), "*", "0", "9"]
    nodes, said = reached(guide, shown)
    # At the help itself nothing is offered but the help.
    further = {s.text for n in guide.nodes.values() if n.is_urgent for part in n.more for s in part}
    assert nodes == {n.id for n in keyed(guide)} and content(guide) - further <= said


def test_no_node_is_deeper_than_four_keys(guide):
    depth, here = {ROOT: 0, HELP: 1}, [ROOT]
    for node_id in here:
        for option in guide.nodes[node_id].options:
            if option.node not in depth:
                depth[option.node] = depth[node_id] + 1
                here.append(option.node)
    assert depth.keys() == {n.id for n in keyed(guide)} and max(depth.values()) <= 4


PLACES = (Expectation(ROOT), Expectation("m1_counter"), Expectation("m5"), Expectation(HELP),
          Expectation("m2_med", asked=("m2_pension", "m4_pension")))


@pytest.mark.parametrize("place", PLACES, ids=lambda p: p.node + "?" * len(p.asked))
def test_by_voice_alone(guide, understanding, place):
    for node in guide.nodes.values():
        found = understanding.interpret(node.requests[0], place)
        assert isinstance(found, Match) and found.node == node.id \
            or isinstance(found, Ask) and node.id in found.candidates, node.requests[0]


def test_every_listed_request_means_its_node(guide, understanding):
    every = [(phrase, label) for phrase, label in labelled_phrases(guide) if labels.is_node(label)]
    found = [(phrase, label, understanding.interpret(phrase)) for phrase, label in every[::5]]
    wrong = [(phrase, label, outcome) for phrase, label, outcome in found
             if not isinstance(outcome, Match) or outcome.node != labels.whole(label)]
    assert len(every) > 20_000 and not wrong


def test_every_title_is_understood(guide, understanding):
    """Who reads a title off the screen gets there, or is asked about it."""
    for node in guide.nodes.values():
        found = understanding.interpret(node.title)
        assert isinstance(found, Match) and found.node == node.id \
            or isinstance(found, Ask) and node.id in found.candidates, node.title


def test_every_listed_command_and_key_means_itself(guide, understanding):
    for phrase, label in [e for e in labelled_phrases(guide) if not labels.is_node(e[1])][::2]:
        found = understanding.interpret(phrase)
        if label == "!help":
            assert found.node == HELP, phrase
        elif label.startswith("!"):
            assert found.command == label[1:], phrase
        elif label.startswith("#"):
            assert found.key == label[1:], phrase


FORMS = {"1": ("一", "按一", "第一个", "第一项", "我选一"), "2": ("二", "按二", "第二个", "第二项", "我选二"),
         "3": ("三", "按三", "第三个", "第三项", "我选三"), "4": ("四", "按四", "第四个", "第四项", "我选四"),
         "5": ("五", "按五", "第五个", "第五项", "我选五")}


def test_every_option_is_chosen_by_saying_its_number(guide, understanding):
    for menu in (n for n in guide.nodes.values() if n.options):
        for option in menu.options:
            for spoken in FORMS[option.key]:
                found = understanding.interpret(spoken, Expectation(menu.id))
                session, reply = advance(guide, Session(node=menu.id), found, TODAY)
                assert reply.node == option.node, (menu.id, spoken)


def test_every_option_is_chosen_by_its_title(guide, understanding):
    for menu in (n for n in guide.nodes.values() if n.options):
        for option in menu.options:
            found = understanding.interpret(guide.nodes[option.node].title, Expectation(menu.id))
            session, reply = advance(guide, Session(node=menu.id), found, TODAY)
            assert reply.node == option.node or option.node in session.asked, option.node


@pytest.mark.parametrize("said, command", [
    ("好了", "next"), ("上一步", "back"), ("再说一遍", "repeat"), ("再听一遍", "repeat"), ("继续", "resume"),
    ("你好", "hello"), ("讲慢一点", "slower"), ("从头来", "first"), ("返回", "up"), ("都不是", "no"), ("对", "yes"),
    ("不对", "no"), ("还想听细一点", "next"), ("听细一点", "next"), ("好了，下一步", "next")])
def test_what_the_guide_tells_people_to_say_it_understands(guide, understanding, said, command):
    told = [s for prompt in guide.prompts.values() for s in prompt] + list(guide.labels.values())
    told += [s.text for n in guide.nodes.values() for part in (n.say, *n.more) for s in part]
    assert any(said in text for text in told), "the guide no longer says so"
    assert understanding.interpret(said).command == command


def test_what_is_not_for_the_guide_is_hardly_ever_taken_for_a_request(guide, understanding):
    wrong = [s for s in guide.outside if isinstance(understanding.interpret(s), Match)]
    assert len(wrong) <= len(guide.outside) / 100, wrong
