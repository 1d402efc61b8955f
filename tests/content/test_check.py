"""The check finds every kind of fault, and says in which file, on which line and what to do."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import pytest

from service.content.check import load
from service.content.files import LARGEST_FILE_BYTES
from service.content.problems import Problem
from tests.support import PROMPTS, recognizer

Edit = Callable[[str], str | bytes | None]
"""From a file's text to its new content; None: the file is deleted."""
SOURCES_OF_FIRST_STEP = "st_web_1: {claim: 打开浏览器，进衡阳市人社局官网；网址没有查到，见 C04, sources: "


def swap(old: str, new: str) -> Edit:
    def edit(text: str) -> str:
        assert text.count(old) >= 1, f"the guide no longer has {old!r}"
        return text.replace(old, new, 1)
    return edit


def append(more: str) -> Edit:
    return lambda text: text + more


def become(content: str | bytes | None) -> Edit:
    return lambda _: content


@dataclass(frozen=True)
class Case:
    name: str
    edited: str
    edit: Edit
    fault: str
    """Words that the fault must have."""
    found_in: str = ""
    """File that is blamed, if it is not the edited one."""
    line_of: str = ""
    """Text on the line that is named; else the first line that was changed."""
    place: str = ""
    """Words that the place must have."""


CASES = [
    # References
    Case("an option leads nowhere", "nodes/m1.yaml", swap("node: m1_kiosk", "node: m1_kisok"),
         "没有节点 m1_kisok", place="m1.options[2]"),
    Case("a parent does not exist", "nodes/m1.yaml",
         swap("自助机\n    parent: m1", "自助机\n    parent: m9"), "没有节点 m9", place="m1_kiosk.parent"),
    Case("a parent is missing", "nodes/m1.yaml", swap("自助机\n    parent: m1\n", "自助机\n"),
         "没有 parent", line_of="title: 用大厅的自助机"),
    Case("a request is for no node", "requests/m2.yaml", swap("  m2_years:", "  m2_yaers:"),
         "没有节点 m2_yaers", line_of="- 缴费年限是什么", place="requests.m2_yaers"),
    Case("a choice offers no node", "requests/choices.yaml", swap("社保: [m1,", "社保: [m9,"),
         "没有节点 m9", place="choices.社保"),
    Case("no menu leads to a node", "nodes/m5.yaml", swap("      - {key: 4, node: n_aid}\n", ""),
         "没有菜单通到这里", found_in="nodes/events.yaml", line_of="title: 补贴和低保", place="n_aid"),
    Case("an aspect is asked for that its node does not have", "requests/events.yaml",
         swap('"n_death#burial"', '"n_death#grave"'), "没有节点 n_death#grave", line_of="- 土葬的领不领得到丧葬费",
         place="requests.n_death#grave"),
    Case("nobody can ask for a node", "requests/m2.yaml", swap("  m2_years:", "  m2_base_too:"),
         "没有人说话能问到这里", found_in="nodes/m2.yaml", line_of="title: 缴费年限", place="m2_years"),
    Case("a node that the program needs is missing", "nodes/help.yaml", swap("  help:", "  helf:"),
         "没有节点 help", found_in="nodes/", line_of="-"),
    Case("a node is written in two files", "nodes/elsewhere.yaml",
         append("\n  help:\n    title: 又一个\n    parent: root\n    say: [又一个。]\n    facts: [C05]\n"),
         "节点 help 写了两次", found_in="nodes/help.yaml", line_of="title: 找人帮忙"),
    # Keys and steps
    Case("a menu has a key twice", "nodes/m1.yaml", swap("{key: 2, node: m1_kiosk}", "{key: 1, node: m1_kiosk}"),
         "按键 1 用了两次", place="m1.options[2]"),
    Case("two commands have one key", "commands.yaml", swap('key: "9"', 'key: "0"'),
         "按键 0 用了两次", place="commands.top.key"),
    Case("a key is none of the menu's", "nodes/m1.yaml", swap("{key: 5, node: m1_proxy}", "{key: 6, node: m1_proxy}"),
         "6 不在", place="m1.options[5]"),
    Case("the step count is wrong", "nodes/m1.yaml", swap("count: 7", "count: 6"),
         "写的是 6 步，实际有 7 步", place="m1_counter.steps.count"),
    Case("number keys would mean two things", "nodes/m5.yaml",
         swap("    facts: [x_who, C06]\n", "    facts: [x_who, C06]\n    more: [[养老找人社。]]\n"),
         "数字键会打架", line_of="title: 哪个部门管哪样"),
    # Words of the program
    Case("a prompt is never spoken", "system.yaml", append("  extra: {say: [多余的话。]}\n"), "没有用到这句话",
         place="prompts.extra"),
    Case("a prompt is missing", "system.yaml", swap("  softest: {say: [已经是最小声了。]}\n", ""), "少了 softest",
         line_of="option_line"),
    Case("a placeholder is missing", "system.yaml", swap("您问的是{option}。", "您问的是这个。"),
         "空格用的是 （没有）", place="prompts.going"),
    Case("a placeholder is not filled", "system.yaml", swap("[对，按一。不对，按二。]", '["对，按{key}。"]'),
         "空格用的是 key", place="prompts.confirm_keys"),
    Case("a brace is not closed", "system.yaml", swap("您问的是{option}。", "您问的是{option。"), "大括号没有配对",
         place="prompts.going"),
    Case("a label of the buttons is missing", "screen.yaml", swap("  choice_next: 好了，下一步\n", ""),
         "少了 choice_next", line_of="title:"),
    Case("a command is unknown", "commands.yaml", swap("  slower:\n", "  slowly:\n"), "不认识这个命令",
         line_of='key: "7"', place="commands.slowly"),
    Case("a command is missing", "commands.yaml", swap("  slower:\n", "  slowly:\n"), "少了命令 slower",
         line_of="repeat:"),
    # Requests
    Case("two nodes have one request", "requests/m2.yaml", swap("    - 看不懂\n", "    - 看不懂\n    - 我要查社保\n"),
         "“我要查社保”已经写在 requests/m1.yaml", place="requests.m2"),
    Case("a request has nothing to be heard", "requests/m2.yaml", swap("    - 看不懂\n", "    - OK\n"), "没有汉字"),
    Case("a template says what another node's says", "requests/m2.yaml",
         swap("    - 看不懂\n", "    - 看不懂\n    - (我要|那就)查社保\n"), "“我要查社保”已经写在 requests/m1.yaml"),
    Case("a template's bracket is not closed", "requests/m2.yaml", swap("    - 看不懂\n", "    - (看不懂\n"), "看不懂"),
    Case("a template has an unknown word", "requests/m2.yaml", swap("    - 看不懂\n", "    - 看不懂<某某>\n"), "某某"),
    Case("a template stands for too much", "requests/m2.yaml",
         swap("    - 看不懂\n", "    - " + "(看|瞧|瞄)" * 6 + "不懂\n"), "400 多句"),
    Case("a word is no template", "words.yaml", swap("  么子: (什么", "  么子: ((什么"), "括号"),
    Case("a request is too long to be said", "requests/m2.yaml", swap("    - 看不懂\n", "    - " + "看不懂" * 21 + "\n"),
         "太长，最多 60 个字"),
    Case("an alarm leads nowhere", "alarms.yaml", swap("  - to: x_emergency#fall", "  - to: x_emergency#fell"),
         "没有节点 x_emergency#fell"),
    Case("an alarm counts nowhere", "alarms.yaml", swap("at: [m5_fraud, ", "at: [m5_frauds, "), "没有节点 m5_frauds"),
    # Facts
    Case("a fact has no source", "facts.yaml", swap(SOURCES_OF_FIRST_STEP + "[A]", SOURCES_OF_FIRST_STEP + "[]"),
         "没有来源", place="facts.st_web_1"),
    Case("a fact has an unknown source", "facts.yaml",
         swap(SOURCES_OF_FIRST_STEP + "[A]", SOURCES_OF_FIRST_STEP + "[Q7]"), "没有来源 Q7", place="facts.st_web_1"),
    Case("a fact has no date", "facts.yaml",
         swap(SOURCES_OF_FIRST_STEP + "[A], checked: 2026-11-23", SOURCES_OF_FIRST_STEP + "[A]"), "少了 checked",
         place="facts.st_web_1"),
    Case("a fact has a date that no calendar has", "facts.yaml",
         swap(SOURCES_OF_FIRST_STEP + "[A], checked: 2026-11-23", SOURCES_OF_FIRST_STEP + "[A], checked: 2026-02-30"),
         "没有 2026-02-30 这一天", place="facts.st_web_1.checked"),
    Case("a yearly fact has no review", "facts.yaml", swap(", review: 2026-09-22", ""), "没有写 review",
         place="facts.C09"),
    Case("a confidence is unknown", "facts.yaml",
         swap("sources: [S20, S21, S22, S23], checked: 2026-11-23, confidence: M",
              "sources: [S20, S21, S22, S23], checked: 2026-11-23, confidence: X"), "'X' 不在", place="facts.C01"),
    Case("a fact is never spoken", "facts.yaml",
         append("  x_new: {claim: 新的, sources: [A], checked: 2026-11-23, confidence: M, scope: city}\n"),
         "没有一句话用到它", place="facts.x_new"),
    Case("a source is never cited", "facts.yaml",
         swap("\nfacts:\n", '  S199: {what: 新的, address: "某处", date: "2026"}\n\nfacts:\n'),
         "没有用到这个来源", place="sources.S199"),
    Case("a sentence cites an unknown fact", "nodes/m2.yaml", swap("facts: [C15]", "facts: [C99]"),
         "没有事实 C99", place="m2_med.say[5]"),
    Case("a sentence rests on nothing", "nodes/m3.yaml", swap("    facts: [fq_cert]\n", ""), "没有依据",
         line_of="- 缴费证明，带身份证去社保大厅就能打。", place="m3_cert.say[1]"),
    Case("an unverified claim is spoken as a fact", "nodes/m2.yaml", swap("facts: [C21], unverified: true", "facts: [C21]"),
         "没有核实的事当成事实", place="m2_base.more[3][2]"),
    Case("an unverified sentence does not say so", "nodes/m2.yaml",
         swap("医保报销会不会多，没有核实。", "医保报销也会多些。"), "话里却没有说没核实", place="m2_base.more[3][2]"),
    # Sentences
    Case("a sentence is too long", "nodes/m2.yaml", swap("每种保险各算各的，您分开看。", "每种保险各算各的，" * 4 + "您看。"),
         "一句话有 34 个字", place="m2_years.say[5]"),
    Case("a sentence has digits", "nodes/m2.yaml", swap("十二个月算一年", "12个月算一年"), "有数字或者字母",
         place="m2_years.say[2]"),
    Case("a sentence has Latin letters", "nodes/m2.yaml", swap("您分开看。", "您分开看App。"), "有数字或者字母",
         place="m2_years.say[5]"),
    Case("a prompt has digits", "system.yaml", swap("好，我等您。", "好，等您10秒。"), "有数字或者字母",
         place="prompts.paused.say[1]"),
    *(Case(f"a sentence has {sign}, which no voice reads", "nodes/m2.yaml", swap("您分开看。", f"您分开看{sign}。"),
           f"念不出：{sign}", place="m2_years.say[5]") for sign in "℃㎡№％＋～８Ａ*%😀"),
    Case("a sentence is empty", "nodes/m2.yaml", swap("- 每种保险各算各的，您分开看。", '- ""'), "是空的"),
    # Form
    Case("a field is unknown", "nodes/m2.yaml", swap("    title: 缴费年限", "    titel: 缴费年限"), "不认识 titel",
         line_of="titel: 缴费年限", place="m2_years"),
    Case("a field is missing", "nodes/m2.yaml", swap("    title: 缴费年限\n", ""), "少了 title", place="m2_years"),
    Case("a title is too long for a button", "nodes/m2.yaml", swap("title: 缴费年限", "title: " + "缴费年限" * 4),
         "太长，最多 12", place="m2_years.title"),
    Case("a list stands where a table should", "system.yaml", become("- 好\n- 不好\n"), "type: object"),
    Case("a text stands where a table should", "nodes/m2.yaml", become("nodes: 没有\n"), "type: object", place="nodes"),
    Case("a file is empty", "commands.yaml", become(""), "type: object", line_of="-"),
    Case("a file has only comments", "commands.yaml", become("# 什么也没有\n"), "type: object", line_of="-"),
    # Files
    Case("a key is written twice", "screen.yaml", append("  title: 又一个\n"), "“title”写了两次", place="labels.title",
         line_of="title: 衡阳社保查询指南"),
    Case("a file is not YAML", "nodes/m2.yaml", append("  m2_x: [好\n"), "不是完整的 YAML", line_of="-"),
    Case("a file is half saved", "facts.yaml", lambda text: text[:text.index("sources: [A], checked")],
         "不是完整的 YAML", line_of="-"),
    Case("a file is not UTF-8", "screen.yaml", lambda text: text.encode("gbk"), "不是 UTF-8", line_of="-"),
    Case("a file is missing", "lexicon.yaml", become(None), "没有这个文件", line_of="-"),
    Case("a file is unknown", "notes.yaml", become("好: 的\n"), "没有用到这个文件"),
    Case("a file is too large", "screen.yaml", append("#" * LARGEST_FILE_BYTES), "文件太大", line_of="-"),
    Case("a value belies its tag", "nodes/m1.yaml", swap("count: 7", "count: !!int 七"), "七", place="m1_counter.steps.count"),
    Case("a value holds itself", "screen.yaml", append("  again: &a {again: *a}\n"), "引用了别处", place="again.again"),
]

def apply(folder: Path, name: str, edit: Edit) -> tuple[str, str]:
    """Edit one file; its text before and after."""
    path = folder / name
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    after = edit(before)
    if after is None:
        path.unlink()
        return before, ""
    path.write_bytes(after if isinstance(after, bytes) else after.encode())
    return before, after if isinstance(after, str) else ""


def first_change(before: str, after: str) -> int:
    """Line from 1 of the first difference."""
    old, new = before.splitlines(), after.splitlines()
    return next((i for i, (a, b) in enumerate(zip(old, new), 1) if a != b), min(len(old), len(new)) + 1)


def line_with(folder: Path, name: str, text: str) -> int:
    lines = (folder / name).read_text(encoding="utf-8").splitlines()
    return next(i for i, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_a_fault_is_found_with_its_file_line_and_remedy(prompts: Path, case: Case):
    before, after = apply(prompts, case.edited, case.edit)
    guide, problems = load(prompts)
    assert guide is None
    blamed = case.found_in or case.edited
    found = [p for p in problems if p.file == blamed and case.fault in p.fault and case.place in p.place]
    assert found, f"not found among {[str(p) for p in problems]}"
    assert re.search("[\u4e00-\u9fff]", found[0].remedy)
    if case.line_of != "-":
        line = line_with(prompts, blamed, case.line_of) if case.line_of else first_change(before, after)
        assert f"(第{line}行)" in found[0].place


def test_the_shipped_guide_has_no_fault():
    guide, problems = load(PROMPTS)
    assert not problems
    assert guide is not None


@pytest.mark.audio
def test_the_speech_model_can_spell_all_of_the_shipped_guide():
    assert load(PROMPTS, recognizer().knows)[1] == []


@pytest.mark.audio
@pytest.mark.parametrize("name, old, new, where", [
    ("requests/m2.yaml", "    - 看不懂\n", "    - 看不懂龘字\n", "requests.m2"),
    ("requests/choices.yaml", "  社保: [", "  龘保: [", "choices.龘保"),
    ("commands.yaml", "      - 慢点\n", "      - 慢点龘\n", "commands.slower"),
    ("lexicon.yaml", "  冇: 冒\n", "", None),
], ids=["request", "choice", "command", "hearing"])
def test_a_phrase_that_the_speech_model_cannot_spell_is_found(prompts: Path, name, old, new, where):
    before, after = apply(prompts, name, swap(old, new))
    guide, problems = load(prompts, recognizer().knows)
    assert guide is None
    if where is None:
        assert all("冇" in p.fault for p in problems)
        return
    assert [p.file for p in problems] == [name]
    assert "龘" in problems[0].fault and "hearing" in problems[0].remedy
    assert where in problems[0].place and f"(第{first_change(before, after)}行)" in problems[0].place


def test_faults_of_several_files_are_all_told_at_once(prompts: Path):
    apply(prompts, "nodes/m1.yaml", swap("count: 7", "count: 6"))
    apply(prompts, "facts.yaml", swap(SOURCES_OF_FIRST_STEP + "[A]", SOURCES_OF_FIRST_STEP + "[]"))
    apply(prompts, "system.yaml", swap("您问的是{option}。", "您问的是这个。"))
    apply(prompts, "requests/m2.yaml", swap("    - 看不懂\n", "    - 看不懂\n    - 我要查社保\n    - 手机查\n"))
    _, problems = load(prompts)
    assert [p.file for p in problems] == ["facts.yaml", "nodes/m1.yaml", "requests/m2.yaml",
                                          "requests/m2.yaml", "system.yaml"]


def test_faults_of_form_and_of_files_are_told_together(prompts: Path):
    apply(prompts, "nodes/m1.yaml", swap("{key: 5, node: m1_proxy}", "{key: 6, node: m1_proxy}"))
    apply(prompts, "screen.yaml", become("labels: [\n"))
    apply(prompts, "lexicon.yaml", become(None))
    apply(prompts, "notes.yaml", become("好: 的\n"))
    _, problems = load(prompts)
    assert {p.file for p in problems} >= {"nodes/m1.yaml", "screen.yaml", "lexicon.yaml", "notes.yaml"}


def test_an_empty_folder_lacks_every_file(tmp_path: Path):
    guide, problems = load(tmp_path)
    assert guide is None
    assert {"facts.yaml", "system.yaml", "nodes/*.yaml"} <= {p.file for p in problems}


@pytest.mark.parametrize("name", ["nodes/m1.yaml", "facts.yaml", "requests/m1.yaml"])
@pytest.mark.parametrize("part", [0.01, 0.5, 0.9])
def test_the_first_part_of_a_file_is_never_taken_for_the_whole(prompts: Path, name: str, part: float):
    data = (PROMPTS / name).read_bytes()
    (prompts / name).write_bytes(data[:int(len(data) * part)])
    guide, problems = load(prompts)
    assert guide is None and problems


def test_a_problem_reads_as_one_line_with_its_four_parts():
    problem = Problem("nodes/m1.yaml", "nodes.m1 (第3行)", "没有 parent", "写上 parent")
    assert str(problem) == "nodes/m1.yaml: nodes.m1 (第3行): 没有 parent → 写上 parent"
    assert problem.to_json() == {"file": "nodes/m1.yaml", "place": "nodes.m1 (第3行)",
                                 "fault": "没有 parent", "remedy": "写上 parent"}


def test_the_same_files_give_the_same_version_and_an_edit_another(prompts: Path):
    version = load(prompts)[0].version
    assert version == load(PROMPTS)[0].version
    apply(prompts, "screen.yaml", append("# 一句注释\n"))
    assert load(prompts)[0].version != version
