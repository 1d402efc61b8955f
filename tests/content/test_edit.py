"""Edits from a page: only the edited lines change, nothing wrong is published, and nobody's edit is lost."""

import datetime
import difflib
import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from service.content import saving
from service.content.check import load
from service.content.edit import TAUGHT, GuideEditor, NodeText, SentenceText, Stale
from service.content.effects import neighbours
from service.content.files import parse
from service.content.live import LiveGuide
from service.content.pairing import pairing
from service.content.rewrite import flow, written
from service.errors import ContentError, NotFound, StoreError
from tests.support import PROMPTS, guide

NODE_FILES = sorted(p.name for p in (PROMPTS / "nodes").glob("*.yaml"))
NASTY = ["<script>alert('x')</script>", '他说"好"：a: b # c', "{a: [b]}", "- 一", "&a *b !c", "不", "no", "null", "1", "~",
         "a\nb\r\nc\td", "\u2028\u0085\x00\x7f\ufeff", "😀👴", " 前后有空 ", "", "'", "\\", "\\n", "%x", "@", "`", "a #b",
         "，开头", "湖南 2025 年", "2026-11-23", "0x1F", "1_000", "===", "啊" * 10_000, "? 问", "| 管", "> 大", "..."]


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    """A copy of the guide that no test publishes to."""
    folder = tmp_path_factory.mktemp("shared") / "prompts"
    return Path(shutil.copytree(PROMPTS, folder, ignore=shutil.ignore_patterns("voices")))


@pytest.fixture
def reading(shared: Path) -> GuideEditor:
    return GuideEditor(shared)


@pytest.fixture
def editor(prompts: Path) -> GuideEditor:
    return GuideEditor(prompts)


def said(node: NodeText, place: int, sentence: SentenceText) -> NodeText:
    return replace(node, say=(*node.say[:place], sentence, *node.say[place + 1:]))


def reworded(node: NodeText, text: str) -> NodeText:
    """With other words in its first sentence."""
    return said(node, 0, replace(node.say[0], text=text))


def changed_lines(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def teach(editor: GuideEditor, node_id: str, phrase: str) -> None:
    proposal = editor.propose_request(node_id, phrase)
    assert proposal.problems == ()
    editor.publish(proposal)


# --- the text -------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", NODE_FILES)
def test_without_a_change_every_byte_stays_and_with_one_only_its_line_changes(name: str):
    text = (PROMPTS / "nodes" / name).read_text(encoding="utf-8")
    for node_id, raw in parse(name, text.encode())[0].data["nodes"].items():
        assert written(name, text, ("nodes", node_id), raw) == text
        lists = [raw["say"], raw.get("brief", []), *raw.get("more", []),
                 *(s["say"] for s in raw.get("steps", {}).get("items", []))]
        for sentences in (s for s in lists if s):
            # The data is the test's own: changed and put back.
            old = sentences[-1]
            sentences[-1] = "换成这一句。" if isinstance(old, str) else {**old, "say": "换成这一句。"}
            new = written(name, text, ("nodes", node_id), raw)
            sentences[-1] = old
            removed, added = [line for line in changed_lines(text, new)]
            assert removed[0] == "-" and added[0] == "+" and "换成这一句。" in added
            assert removed[2:].split("- ")[0] == added[2:].split("- ")[0]


@pytest.mark.parametrize("value", NASTY, ids=range(len(NASTY)))
def test_any_text_reads_back_as_it_was_typed(value: str):
    for text in ("a: {b: x, c: y}\nd: z\n", "a:\n  b: |\n    x\n    y\n  c: y # why\nd: z\n", "a:\n  b: 'x'\n  c: y"):
        for old in (value, [value], {"say": value, "facts": [value]}):
            data = parse("x", written("x", text, ("a", "b"), old).encode())[0].data
            assert data["a"]["b"] == old and data["a"]["c"] == "y"
    assert "\n" not in flow(value)


def test_plain_words_are_written_without_quotes():
    assert [flow(t) for t in ("打幺二三三三问。", "湖南 2025 年", "您好，这里是“指南”。")] == [
        "打幺二三三三问。", "湖南 2025 年", "您好，这里是“指南”。"]


LAID_OUT = """\
# top
nodes:
  a:  # the first
    title: 甲
    say:
      # before one
      - 一。  # behind one

      # before two
      - 二。
      - "三。"
      # at the end
    facts: [F]
    more:
      - - 四。
        # before five
        - 五。
      # before the part
      - - 六。
  b: {title: 乙, say: [七。]}
# bottom
"""


@pytest.mark.parametrize("change, gone, come", [
    ({"say": ["一。", "二二。", "三。"]}, ["      - 二。"], ["      - 二二。"]),
    ({"say": ["一。", "二。", "新的。", "三。"]}, [], ["      - 新的。"]),
    ({"say": ["新的。", "一。", "二。", "三。"]}, [], ["      - 新的。"]),
    ({"say": ["一。", "二。", "三。", "新的。"]}, [], ["      - 新的。"]),
    ({"say": ["二。", "三。"]}, ["      - 一。  # behind one"], []),
    ({"say": ["一。", "二。"]}, ['      - "三。"'], []),
    ({"more": [["四。", "五五。"], ["六。"]]}, ["        - 五。"], ["        - 五五。"]),
    ({"more": [["四。", "五。"], ["六。"], ["新的。"]]}, [], ["      - - 新的。"]),
    ({"more": [["四。", "五。"]]}, ["      # before the part", "      - - 六。"], []),
    ({"brief": ["短。"]}, [], ["    brief:", "      - 短。"]),
    ({"title": "丙"}, ["    title: 甲"], ["    title: 丙"]),
])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_comments_blank_lines_and_quotes_stay(change: dict, gone: list, come: list, line_end: str):
    text = LAID_OUT.replace("\n", line_end)
    raw = parse("x", text.encode())[0].data["nodes"]["a"]
    new = written("x", text, ("nodes", "a"), {**raw, **change})
    lines = changed_lines(text, new)
    assert ([x[2:] for x in lines if x[0] == "-"], [x[2:] for x in lines if x[0] == "+"]) == (gone, come)
    assert new.count("\n") == new.count(line_end)


def test_a_moved_sentence_takes_its_comment_along():
    raw = parse("x", LAID_OUT.encode())[0].data["nodes"]["a"]
    new = written("x", LAID_OUT, ("nodes", "a"), {**raw, "say": ["二。", "一。", "三。"]})
    assert "      # before two\n      - 二。\n      - 一。  # behind one\n" in new
    turned = written("x", LAID_OUT, ("nodes", "a"), {**raw, "more": [["五。", "四。"], ["六。"]]})
    assert "      - - 五。\n        # before five\n        - 四。\n" in turned


def test_what_is_written_on_one_line_is_written_anew_there():
    new = written("x", LAID_OUT, ("nodes", "b"), {"title": "乙", "say": ["七。", "八。"]})
    assert changed_lines(LAID_OUT, new) == ["-   b: {title: 乙, say: [七。]}", "+   b: {title: 乙, say: [七。, 八。]}"]


@pytest.mark.parametrize("old, new, pairs", [
    ("abc", "abc", [0, 1, 2]), ("abc", "axc", [0, 1, 2]), ("abc", "bc", [1, 2]), ("abc", "cab", [2, 0, 1]),
    ("abc", "axcd", [0, 1, 2, None]), ("abc", "xabc", [None, 0, 1, 2]), ("", "ab", [None, None]),
    ("aab", "aab", [0, 1, 2]),
])
def test_an_item_is_known_by_its_words_or_by_its_neighbours(old: str, new: str, pairs: list):
    assert pairing(old, new) == pairs


# --- nodes ----------------------------------------------------------------------------------------

def test_a_node_is_read_as_it_is_written(reading: GuideEditor):
    node, _ = reading.node("m1p_mini")
    assert node.title == "微信小程序" and len(node.steps) == 3 and node.brief == () and node.more == ()
    assert node.say[0] == SentenceText("会用微信的，用湖南智慧人社这个小程序。")
    assert node.say[1].facts == ("ch_mini_xsb",) and node.say[1].unverified
    with pytest.raises(NotFound):
        reading.node("m9")


def test_a_node_or_fact_proposed_as_it_is_changes_nothing(reading: GuideEditor, monkeypatch):
    monkeypatch.setattr("service.content.edit.load", lambda *args: (guide(), []))
    for node_id in list(guide().nodes)[::3]:
        assert reading.propose_node(*reading.node(node_id)).files == {}
    for fact_id in list(guide().facts)[::25]:
        assert reading.propose_fact(*reading.fact(fact_id)).files == {}


def test_an_edit_is_seen_as_a_difference_and_only_its_line_changes(editor: GuideEditor, prompts: Path):
    node, revision = editor.node("m2_years")
    before = content(prompts)
    proposal = editor.propose_node(reworded(node, "缴费年限，就是总共交了多少个月。"), revision)
    assert proposal.problems == () and proposal.guide.nodes["m2_years"].say[0].text == "缴费年限，就是总共交了多少个月。"
    assert [(d.kind, d.text.strip()) for d in proposal.difference if d.kind != "same"] == [
        ("removed", "- 缴费年限，就是一共交了多少个月。"), ("added", "- 缴费年限，就是总共交了多少个月。")]
    assert len(proposal.difference) == 6 and {d.file for d in proposal.difference} == {"nodes/m2.yaml"}
    assert content(prompts) == before, "a proposal touches nothing"
    editor.publish(proposal)
    after = content(prompts)
    assert [name for name in before if before[name] != after[name]] == ["nodes/m2.yaml"]
    assert before.keys() == after.keys()
    assert load(prompts)[0].version == proposal.guide.version


@pytest.mark.parametrize("sentence, fault, remedy", [
    (SentenceText("这句话实在是太长了，长得没有人能一口气听完，听到后面就忘了前面讲的么子。"), "个字", "拆成两句"),
    (SentenceText("长" * 10_000), "太长", "写短一些"),
    (SentenceText("满15年就够。"), "有数字", "写成汉字"),
    (SentenceText("交满十五年就够。", ("nothing",)), "没有事实 nothing", "facts.yaml"),
    (SentenceText("这个很准。", (), True), "没有说没核实", "话里要有"),
    (SentenceText(""), "不够", "写上内容"),
    (SentenceText("一行\n两行。"), "有换行", "写在一行里"),
    (SentenceText("半个\ud83d字。"), "半个字", "删掉重写"),
    (SentenceText("好。", ("a: b",)), "a: b", "按要求的样子写"),
])
def test_a_wrong_sentence_is_refused_with_file_place_and_remedy(reading, sentence, fault, remedy):
    node, revision = reading.node("m2_years")
    proposal = reading.propose_node(said(node, 1, sentence), revision)
    assert proposal.guide is None
    assert any(p.file == "nodes/m2.yaml" and "m2_years.say" in p.place and fault in p.fault and remedy in p.remedy
               for p in proposal.problems), proposal.problems
    with pytest.raises(ValueError):
        reading.publish(proposal)


def test_a_sentence_that_rests_on_nothing_is_refused(reading: GuideEditor):
    node, revision = reading.node("m1_proxy")
    part = (replace(node.more[0][0], text="另外的话。"), *node.more[0][1:])
    assert reading.propose_node(replace(node, more=(part, *node.more[1:])), revision).problems == ()
    phone, revision = reading.node("m1_phone")
    steps = ((SentenceText("先点这里。"),), (SentenceText("再点那里。"),))
    problems = reading.propose_node(replace(phone, steps=steps), revision).problems
    assert any("数字键会打架" in p.fault for p in problems)
    web, revision = reading.node("m1_web")
    bare = (replace(web.say[1], text="官网怎么进，谁都晓得。", unverified=False), )
    problems = reading.propose_node(replace(web, say=(web.say[0], *bare)), revision).problems
    assert [(p.file, p.fault) for p in problems] == [("nodes/m1.yaml", "把没有核实的事当成事实讲了")]


def test_steps_are_added_moved_and_removed_and_the_count_follows(editor: GuideEditor, prompts: Path):
    node, revision = editor.node("m1_counter")
    added = (*node.steps[:2], (SentenceText("把眼镜也带上。"),), *node.steps[2:])
    proposal = editor.propose_node(replace(node, steps=added), revision)
    assert proposal.problems == ()
    editor.publish(proposal)
    steps = proposal.guide.nodes["m1_counter"].steps
    assert [s.id[-1] for s in steps] == list("12834567")
    assert "count: 8" in (prompts / "nodes/m1.yaml").read_text("utf-8")
    assert steps[2].sentences[0].facts == ("ch_counter",), "a new step rests on the facts of its node"

    node, revision = editor.node("m1_counter")
    proposal = editor.propose_node(replace(node, steps=(*node.steps[:2], *node.steps[3:])), revision)
    editor.publish(proposal)
    assert (prompts / "nodes/m1.yaml").read_bytes() == (PROMPTS / "nodes/m1.yaml").read_bytes()

    node, revision = editor.node("m1_counter")
    moved = (node.steps[1], node.steps[0], *node.steps[2:])
    found = editor.propose_node(replace(node, steps=moved), revision).guide.nodes["m1_counter"].steps
    assert [(s.id, s.sentences[-1].facts) for s in found[:2]] == [
        ("st_counter_2", ("st_counter_2",)), ("st_counter_1", ("C25", "x_hours"))]
    one = editor.propose_node(replace(node, steps=node.steps[:1]), revision)
    assert any("steps" in p.place for p in one.problems)


def test_what_an_aspect_says_again_changes_with_its_node(editor: GuideEditor, prompts: Path):
    node, revision = editor.node("n_backpay")
    last = node.say[-1]
    assert last.text in (prompts / "nodes/pay.yaml").read_text("utf-8").split("lump:")[1]
    wanted = said(node, len(node.say) - 1, replace(last, text="收钱帮您补齐的，都是骗子。"))
    proposal = editor.propose_node(wanted, revision)
    assert not proposal.problems
    assert [s.text for s in proposal.guide.nodes["n_backpay"].aspects["lump"].say][-1] == "收钱帮您补齐的，都是骗子。"
    before, after = proposal.files["nodes/pay.yaml"]
    assert len(changed_lines(before, after)) == 4


def test_an_aspect_keeps_what_its_node_no_longer_says(editor: GuideEditor):
    node, revision = editor.node("n_backpay")
    proposal = editor.propose_node(replace(node, say=node.say[:-1]), revision)
    assert not proposal.problems
    assert [s.text for s in proposal.guide.nodes["n_backpay"].aspects["lump"].say][-1] == node.say[-1].text


def test_parts_and_the_short_form_come_and_go(reading: GuideEditor):
    node, revision = reading.node("m1_proxy")
    wanted = replace(node, brief=(SentenceText("托人去查，要带委托书。"),), more=node.more[1:], title="请人代查")
    found = reading.propose_node(wanted, revision)
    assert found.problems == () or {p.fault for p in found.problems} == {"没有一句话用到它"}
    after = found.files["nodes/m1.yaml"][1]
    data = parse("x", after.encode())[0].data["nodes"]["m1_proxy"]
    assert data["brief"] == ["托人去查，要带委托书。"] and len(data["more"]) == 1 and list(data)[3] == "brief"
    root, revision = reading.node("m1")
    found = reading.propose_node(replace(root, brief=()), revision)
    assert found.problems == () and found.guide.nodes["m1"].brief == ()


def test_too_many_sentences_are_refused_at_once(reading: GuideEditor):
    node, revision = reading.node("m1_proxy")
    started = time.perf_counter()
    found = reading.propose_node(replace(node, say=node.say * 10_000), revision)
    assert found.problems and found.files == {} and time.perf_counter() - started < 1


def test_script_tags_and_quotes_round_trip(editor: GuideEditor):
    for text in ("他问：“好不好？”'是' # 是 {的}。", '“"好": 的，- 是"”。'):
        node, revision = editor.node("m2_years")
        proposal = editor.propose_node(reworded(node, text), revision)
        assert proposal.problems == ()
        editor.publish(proposal)
        assert editor.node("m2_years")[0].say[0].text == text
    fact, revision = editor.fact("C13")
    claim = "<script>alert('一')</script>\n\"二\": # 😀 " + "三" * 10_000
    editor.publish(editor.propose_fact(replace(fact, claim=claim), revision))
    assert editor.fact("C13")[0].claim == claim


# --- two at once ----------------------------------------------------------------------------------

def test_the_second_edit_of_one_node_is_stale_and_of_another_node_is_not(editor: GuideEditor, prompts: Path):
    other = GuideEditor(prompts)
    (mine, revision), (kiosk, kiosk_revision) = editor.node("m1_counter"), other.node("m1_kiosk")
    wanted = reworded(mine, "不会用手机的，去大厅最好。")
    first, second = editor.propose_node(wanted, revision), other.propose_node(wanted, revision)
    editor.publish(first)
    with pytest.raises(Stale):
        other.publish(second)
    with pytest.raises(Stale) as stale:
        other.propose_node(wanted, revision)
    assert stale.value.status == 409 and stale.value.code == "edit_stale"
    other.publish(other.propose_node(reworded(kiosk, "有的大厅有自助机，自己就能查。"), kiosk_revision))
    assert editor.node("m1_counter")[0] == wanted


def test_two_sound_edits_that_are_wrong_together_do_not_both_get_in(editor: GuideEditor, prompts: Path):
    first, second = (editor.propose_request(node, "这张纸上的名堂怎么讲") for node in ("m2", "m3"))
    by_hand = (prompts / "requests/m3.yaml").read_text("utf-8") + "    - 这张纸上的名堂怎么讲\n"
    (prompts / "requests/m3.yaml").write_text(by_hand, "utf-8")
    with pytest.raises(Stale, match="已经写在"):
        editor.publish(first)
    assert not (prompts / TAUGHT).exists() and second.problems == ()


def test_of_many_who_publish_the_same_one_gets_through(editor: GuideEditor):
    node, revision = editor.node("m1_counter")
    proposals = [editor.propose_node(reworded(node, f"不会用手机的，{who}去大厅。"), revision) for who in "您他她"]
    outcomes = []

    def publish(proposal):
        try:
            editor.publish(proposal)
            outcomes.append("published")
        except Stale:
            outcomes.append("stale")
    threads = [threading.Thread(target=publish, args=(p,)) for p in proposals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["published", "stale", "stale"]


# --- facts ----------------------------------------------------------------------------------------

def test_a_fact_is_checked_again_and_only_its_line_changes(editor: GuideEditor, prompts: Path):
    fact, revision = editor.fact("C13")
    assert fact.review == datetime.date(2027, 1, 1) and fact.sources == ("S12", "S13", "S14")
    wanted = replace(fact, checked=datetime.date(2026, 12, 1), review=datetime.date(2028, 1, 15), confidence="M")
    proposal = editor.propose_fact(wanted, revision)
    editor.publish(proposal)
    removed, added = [d.text for d in proposal.difference if d.kind != "same"]
    assert added == removed.replace("2026-11-23", "2026-12-01").replace("2027-01-01", "2028-01-15").replace(
        "confidence: H", "confidence: M")
    assert editor.fact("C13")[0] == wanted and proposal.guide.facts["C13"].review == wanted.review
    with pytest.raises(Stale):
        editor.propose_fact(wanted, revision)
    added = editor.propose_fact(*(lambda f, r: (replace(f, review=wanted.review), r))(*editor.fact("C14")))
    assert added.problems == () and added.guide.facts["C14"].review == wanted.review


def test_a_wrong_fact_is_refused(reading: GuideEditor):
    fact, revision = reading.fact("C13")
    for wanted, fault in ((replace(fact, review=None), "没有写 review"), (replace(fact, confidence="X"), "'X' 不在"),
                          (replace(fact, sources=("A",)), "来源改了"), (replace(fact, claim=""), "不够")):
        assert any(fault in p.fault and "facts.C13" in p.place for p in reading.propose_fact(wanted, revision).problems)
    with pytest.raises(NotFound):
        reading.fact("C99")


# --- requests -------------------------------------------------------------------------------------

def test_a_taught_phrase_is_in_the_guide_and_withdrawn_it_leaves_no_trace(editor: GuideEditor, prompts: Path):
    before = content(prompts)
    teach(editor, "m2", " 这张纸上的名堂怎么讲？ ")
    teach(editor, "m2", "纸上的名堂看得头昏")
    one = content(prompts)
    teach(editor, "m3", "我这边出了个怪事")
    assert "这张纸上的名堂怎么讲" in load(prompts)[0].nodes["m2"].requests
    assert (prompts / TAUGHT).read_text("utf-8").startswith("# ")
    editor.publish(editor.withdraw_request("m3", "我这边出了个怪事。"))
    assert content(prompts) == one
    for phrase in ("这张纸上的名堂怎么讲", "纸上的名堂看得头昏"):
        editor.publish(editor.withdraw_request("m2", phrase))
    assert content(prompts) == before
    for phrase in ("这张纸上的名堂怎么讲", "看不懂"):
        with pytest.raises(NotFound):
            editor.withdraw_request("m2", phrase)


@pytest.mark.parametrize("phrase, fault", [
    *((f"看不懂{sign}这个", sign) for sign in "[]()|{}<>;:*"), ("看不懂\n这个", "有换行"), ("", "没有写"),
    (" 。？ ", "没有写"), ("看不懂" * 21, "太长，最多 60"), ("长" * 10_000, "太长"), ("abc", "没有汉字"),
    ("我要查社保", "已经写在 requests/m1.yaml"),
    ("半\ud800个", "半个字")])
def test_what_cannot_be_a_way_of_asking_is_refused(reading: GuideEditor, phrase: str, fault: str):
    found = reading.propose_request("m2", phrase)
    assert found.guide is None and any(p.file == TAUGHT and fault in p.fault and p.remedy for p in found.problems)


def test_what_the_speech_model_cannot_spell_is_refused(shared: Path):
    found = GuideEditor(shared, lambda word: "龘" not in word).propose_request("m2", "龘是么子意思")
    assert any("龘" in p.fault for p in found.problems)


def test_a_phrase_for_no_node_and_a_half_saved_file_are_errors(editor: GuideEditor, prompts: Path):
    with pytest.raises(NotFound):
        editor.propose_request("m9", "随便问问")
    (prompts / TAUGHT).write_text("requests: {m2: [一", "utf-8")
    with pytest.raises(ContentError):
        editor.propose_request("m2", "这张纸上的名堂怎么讲")
    (prompts / "nodes/m1.yaml").write_text("nodes: {m1: [一", "utf-8")
    with pytest.raises(ContentError):
        editor.node("m1")


def test_a_node_of_a_wrong_form_is_an_error_with_its_problems(editor: GuideEditor, prompts: Path):
    (prompts / "nodes/help.yaml").write_text("nodes: {help: {title: 帮忙, say: 3}, root2: []}", "utf-8")
    with pytest.raises(ContentError):
        editor.node("help")


# --- files and publishing -------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["../x.yaml", "nodes/../../x.yaml", "/etc/x.yaml", "nodes/../m1.yaml", "x.yaml",
                                  "nodes/x.txt", "voices/x.yaml", "nodes\\x.yaml", "", "nodes//x.yaml", "nodes/.x.yaml",
                                  "nodes/x\n.yaml"])
def test_a_name_outside_of_the_guide_is_refused(reading: GuideEditor, name: str):
    found = reading.propose_files({name: "nodes: {}\n"})
    assert found.problems and found.files == {} and found.guide is None


def test_a_link_out_of_the_folder_is_refused(editor: GuideEditor, prompts: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (prompts / "nodes/away").symlink_to(tmp_path / "elsewhere")
    assert editor.propose_files({"nodes/away/x.yaml": "nodes: {}\n"}).files == {}


def test_earlier_texts_can_be_put_back(editor: GuideEditor, prompts: Path):
    before = content(prompts)
    teach(editor, "m2", "这张纸上的名堂怎么讲")
    node, revision = editor.node("m1_counter")
    edit = editor.propose_node(reworded(node, "去大厅最省心。"), revision)
    editor.publish(edit)
    back = editor.propose_files({TAUGHT: "", **{name: old for name, (old, _) in edit.files.items()}})
    assert back.problems == ()
    editor.publish(back)
    assert content(prompts) == before
    assert editor.propose_files({"screen.yaml": ""}).problems and editor.propose_files({"screen.yaml": "a: ["}).problems


@pytest.mark.parametrize("failing", [1, 2])
def test_all_files_are_written_or_none(editor: GuideEditor, prompts: Path, monkeypatch, failing: int):
    before, calls, real = content(prompts), [], os.replace

    def fails_once(source, target):
        calls.append(target)
        if len(calls) == failing:
            raise OSError(28, "No space left on device")
        real(source, target)
    texts = {n: (prompts / n).read_text("utf-8") + "# 一\n" for n in ("nodes/m1.yaml", "nodes/m2.yaml", "screen.yaml")}
    proposal = editor.propose_files(texts)
    monkeypatch.setattr(saving.os, "replace", fails_once)
    with pytest.raises(StoreError, match="No space"):
        editor.publish(proposal)
    assert len(calls) >= failing and content(prompts) == before
    editor.publish(proposal)
    assert {n: (prompts / n).read_text("utf-8") for n in texts} == texts and content(prompts).keys() == before.keys()


def test_a_file_that_cannot_be_prepared_leaves_all_as_they_are(editor: GuideEditor, prompts: Path, monkeypatch):
    proposal = editor.propose_files({"requests/sub/x.yaml": "requests:\n  m2:\n    - 这张纸上的名堂怎么讲\n",
                                     "screen.yaml": (prompts / "screen.yaml").read_text("utf-8") + "# 一\n"})
    before = content(prompts)
    with pytest.raises(StoreError):
        editor.publish(proposal)
    assert content(prompts) == before


def test_a_file_keeps_its_mode(editor: GuideEditor, prompts: Path):
    (prompts / "nodes/m1.yaml").chmod(0o664)
    node, revision = editor.node("m1_counter")
    editor.publish(editor.propose_node(reworded(node, "去大厅最省心。"), revision))
    assert (prompts / "nodes/m1.yaml").stat().st_mode & 0o777 == 0o664


def test_the_running_guide_takes_a_published_edit_up(editor: GuideEditor, prompts: Path):
    live = LiveGuide(prompts)
    node, revision = editor.node("m1_counter")
    proposal = editor.propose_node(reworded(node, "去大厅最省心。"), revision)
    assert live.look() is False
    editor.publish(proposal)
    assert live.look() is True
    assert live.current.nodes["m1_counter"].say[0].text == "去大厅最省心。"
    assert live.current.version == proposal.guide.version


# --- effects --------------------------------------------------------------------------------------

def test_the_neighbours_of_a_phrase_are_other_nodes_ways_of_asking():
    neighbours(guide(), "m2", "查社保")
    started = time.perf_counter()
    found = neighbours(guide(), "m2", "我要查社宝。")
    assert time.perf_counter() - started < 0.3
    assert found[0].phrase == "我要查社保" and found[0].node == "m1" and found[0].score > 0.9
    assert len(found) == 3 and [n.score for n in found] == sorted((n.score for n in found), reverse=True)
    assert all(n.node != "m1" for n in neighbours(guide(), "m1", "我要查社保", at_most=5))
    assert neighbours(guide(), "m1", "abc") == ()
