"""Check: every problem of the guide's data at once, each with file, place, fault and remedy.

First the form (JSON Schema), then what only the whole shows: references, counts, doubles,
what may be spoken as a fact, and what the speech model can spell.
"""

from __future__ import annotations

import collections
import datetime
import fnmatch
import functools
import re
import unicodedata
from decimal import Decimal
from pathlib import Path
from typing import Callable, Iterator, Mapping

import jsonschema
import yaml

from service.content.build import (ALARMS, CHOICES, FORMS, NODE_FILES, OUTSIDE, REQUEST_FILES, RULES, WORDS, build,
                                   sentence)
from service.content.files import Document, Path_, read_documents
from service.content.problems import Problem
from service.core import assessment, dialog, labels, wording
from service.core.grammar import bare, spell, unknown_characters
from service.core.model import ABOUT, HELP, ROOT, Guide, Lexicon
from service.core.templates import TemplateError, templates

LONGEST_SENTENCE = 28
"""Chinese characters; a sentence has about 25 at most, one idea each."""
HEDGES = ("没有核实", "没有查到", "没查到", "不能确定", "先打幺二", "要打幺二", "没有查清", "没核实",
          *(f"打{number}问" for number in ("幺二三三三", "幺二三九三", "幺二三四五")))
"""An unverified sentence says so in one of these words."""
LONGEST_REQUEST = 60
"""Chinese characters of one thing that is said: about fifteen seconds."""
UNSAYABLE = re.compile(r"[^\W_\u3007\u3400-\u9fff]|[%‰°±×÷=<>^~@&+/|$¥€£*\\\u2100-\u2bff\U0001f000-\U0001ffff]")
"""What no voice reads in a sentence of the guide and a reader would miss, each character folded (Unicode NFKC):
full-width letters and digits, units, signs, pictures. Marks that are only seen may stay."""
DIVISOR_AGES = range(40, 71)
"""Whole ages that 国发〔2005〕38号 has a divisor for."""
Knows = Callable[[str], bool]


@functools.cache
def _schema() -> dict:
    path = Path(__file__).with_name("schema") / "guide.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def load(folder: Path, knows: Knows | None = None,
         overlay: Mapping[str, str] = {}) -> tuple[Guide | None, list[Problem]]:
    """The Guide of a folder, or None and every problem that keeps it from being used.

    ``knows`` tells whether the speech model has a word; without it the spelling is not checked.
    ``overlay`` holds texts in place of files, as in ``read_documents``.
    """
    documents, problems, version = read_documents(folder, overlay)
    problems += [p for d in documents.values() for p in form_problems(d)]
    problems += _missing_files(documents)
    if problems:
        # References cannot be judged in files whose form is wrong; still say what can be said.
        return None, sorted(problems)
    problems = sorted(p for rule in CHECKS for p in rule(documents))
    if not problems and knows:
        problems = sorted(_spelling(documents, knows))
    return (None, problems) if problems else (build(documents, version), [])


# --- form -------------------------------------------------------------------------------------

def has_rule(name: str) -> bool:
    """True if the guide may have a file of that name."""
    return _rule(name) is not None


def _rule(name: str) -> str | None:
    return next((r for pattern, r in _schema()["files"].items() if fnmatch.fnmatch(name, pattern)), None)


def form_problems(document: Document) -> Iterator[Problem]:
    """Where the data of a file is not of the form that the schema wants."""
    schema, rule = _schema(), _rule(document.name)
    if rule is None:
        yield document.problem((), "没有用到这个文件", "删掉，或者改成约定的名字")
        return
    validator = jsonschema.Draft202012Validator({"$ref": f"#/$defs/{rule}", "$defs": schema["$defs"]})
    for error in validator.iter_errors(document.data):
        # Of a oneOf only the deepest complaint helps; the rest repeats it for the other forms.
        error = jsonschema.exceptions.best_match([error])
        yield document.problem(tuple(error.absolute_path), _fault(error),
                               schema["remedies"].get(error.validator, "照 prompts/README.md 的样子改"))


def _fault(error: jsonschema.ValidationError) -> str:
    match error.validator:
        case "required":
            missing = [k for k in error.validator_value if k not in error.instance]
            return f"少了 {'、'.join(missing)}"
        case "additionalProperties":
            known = set(error.schema.get("properties", ()))
            return f"不认识 {'、'.join(k for k in error.instance if k not in known)}"
        case "enum":
            return f"{error.instance!r} 不在 {error.validator_value} 里"
        case "minItems" | "minLength" | "minProperties":
            return "是空的，或者不够"
        case "maxItems" | "maxLength":
            return f"太长，最多 {error.validator_value}"
        case "dependentRequired":
            return "写了 changes，没有写 review"
        case _:
            return f"{str(error.instance)[:30]!r} 不合要求（{error.validator}: {str(error.validator_value)[:40]}）"


def _missing_files(documents: Mapping[str, Document]) -> Iterator[Problem]:
    for pattern in _schema()["files"]:
        if not fnmatch.filter(documents, pattern):
            yield Problem(pattern, "(文件)", "没有这个文件", "补上这个文件")


# --- references -------------------------------------------------------------------------------

def _nodes(documents: Mapping[str, Document]) -> Iterator[tuple[Document, str, dict]]:
    for name, document in documents.items():
        if name.startswith(NODE_FILES):
            for node_id, raw in document.data["nodes"].items():
                yield document, node_id, raw


def _node_ids(documents: Mapping[str, Document]) -> set[str]:
    return {node_id for _, node_id, _ in _nodes(documents)}


def _labels(documents: Mapping[str, Document]) -> set[str]:
    """What a request may lead to: the nodes, and what each has to be asked for by itself."""
    return _node_ids(documents) | {labels.of(node_id, name) for _, node_id, raw in _nodes(documents)
                                   for name in raw.get("aspects", ())}


def _node_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    ids, seen = _node_ids(documents), set()
    for document, node_id, raw in _nodes(documents):
        at = ("nodes", node_id)
        if node_id in seen:
            yield document.problem(at, f"节点 {node_id} 写了两次", "删掉一个")
        seen.add(node_id)
        if node_id != ROOT and "parent" not in raw:
            yield document.problem(at, "没有 parent，返回键不知道去哪里", "写上 parent")
        if raw.get("parent", ROOT) not in ids:
            yield document.problem((*at, "parent"), f"没有节点 {raw['parent']}", "改成有的节点")
        kinds = [k for k in ("options", "steps", "more") if k in raw]
        if len(kinds) > 1 and (kinds != ["options", "more"] or any(o["key"] == 1 for o in raw["options"])):
            yield document.problem(at, f"同时有 {' 和 '.join(kinds)}，数字键会打架", "只留一种；more 旁边的 options 从按键二写起")
        yield from _option_rules(document, at, raw, ids)
        steps = raw.get("steps")
        if steps and steps["count"] != len(steps["items"]):
            yield document.problem((*at, "steps", "count"),
                                   f"写的是 {steps['count']} 步，实际有 {len(steps['items'])} 步", "改正步数")
    for needed in (ROOT, HELP, ABOUT):
        if needed not in ids:
            yield Problem(NODE_FILES, needed, f"没有节点 {needed}", "补上这个节点")


def _option_rules(document: Document, at: Path_, raw: dict, ids: set[str]) -> Iterator[Problem]:
    keys = collections.Counter(o["key"] for o in raw.get("options", ()))
    for i, option in enumerate(raw.get("options", ())):
        here = (*at, "options", i)
        if option["node"] not in ids:
            yield document.problem(here, f"没有节点 {option['node']}", "改成有的节点")
        if keys[option["key"]] > 1:
            yield document.problem(here, f"按键 {option['key']} 用了两次", "每个选项用不同的按键")


def _reach_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    linked = {o["node"] for _, _, raw in _nodes(documents) for o in raw.get("options", ())}
    for document, node_id, raw in _nodes(documents):
        if node_id not in linked | {ROOT, HELP} and not raw.get("voice_only"):
            yield document.problem(("nodes", node_id), "没有菜单通到这里", "放进一个菜单的 options")


# --- facts ------------------------------------------------------------------------------------

def _sentences(documents: Mapping[str, Document]) -> Iterator[tuple[Document, Path_, object, tuple]]:
    """Every content sentence: (document, path, as written, facts of its step or node)."""
    for document, node_id, raw in _nodes(documents):
        at, facts = ("nodes", node_id), tuple(raw.get("facts", ()))
        for field in ("say", "brief"):
            for i, said in enumerate(raw.get(field, ())):
                yield document, (*at, field, i), said, facts
        for i, step in enumerate(raw.get("steps", {}).get("items", ())):
            for j, said in enumerate(step["say"]):
                yield document, (*at, "steps", "items", i, "say", j), said, tuple(step.get("facts", facts))
        for i, part in enumerate(raw.get("more", ())):
            for j, said in enumerate(part):
                yield document, (*at, "more", i, j), said, facts
        for name, aspect in raw.get("aspects", {}).items():
            for i, said in enumerate(aspect["say"]):
                yield document, (*at, "aspects", name, "say", i), said, facts


def _fact_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    document = documents["facts.yaml"]
    facts, sources = document.data["facts"], document.data["sources"]
    cited_sources = {s for f in facts.values() for s in f["sources"]}
    for fact_id, fact in facts.items():
        at = ("facts", fact_id)
        for source in fact["sources"]:
            if source not in sources:
                yield document.problem(at, f"没有来源 {source}", "在 sources 里补上")
        for field in ("checked", "review"):
            if field in fact and not _is_day(fact[field]):
                yield document.problem((*at, field), f"没有 {fact[field]} 这一天", "改成日历上有的日子")
        if not fact["sources"] and fact["confidence"] != "N":
            yield document.problem(at, "没有来源", "写上来源；查不到来源的，把 confidence 写成 N")
    for source in sources.keys() - cited_sources:
        yield document.problem(("sources", source), "没有用到这个来源", "删掉，或者让事实引用它")
    yield from _citations(documents, facts)


def _is_day(text: str) -> bool:
    try:
        return bool(datetime.date.fromisoformat(text))
    except ValueError:
        return False


def _citations(documents: Mapping[str, Document], facts: Mapping[str, dict]) -> Iterator[Problem]:
    cited, menus = set(), {i for _, i, raw in _nodes(documents) if "options" in raw}
    for document, path, raw, inherited in _sentences(documents):
        said = sentence(raw, inherited)
        cited.update(said.facts)
        unknown = [f for f in said.facts if f not in facts]
        if unknown:
            yield document.problem(path, f"没有事实 {'、'.join(unknown)}", "在 facts.yaml 里补上")
        elif not said.facts and path[1] not in menus:
            yield document.problem(path, "这句话没有依据", "在句子或者节点上写 facts")
        elif not said.unverified and any(facts[f]["confidence"] == "N" for f in said.facts):
            yield document.problem(path, "把没有核实的事当成事实讲了",
                                   "写 unverified: true，并且在话里说没有核实，或者先打电话问")
        if said.unverified and not any(h in said.text for h in HEDGES):
            yield document.problem(path, "写了 unverified，话里却没有说没核实",
                                   f"话里要有：{'、'.join(HEDGES[:4])}")
    for fact_id, fact in facts.items():
        if fact_id not in cited and fact.get("spoken", True):
            yield documents["facts.yaml"].problem(("facts", fact_id), "没有一句话用到它",
                                                  "让一句话引用它；不讲的写 spoken: false")


# --- words ------------------------------------------------------------------------------------

def _sentence_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    texts = [(d, p, sentence(raw, ()).text) for d, p, raw, _ in _sentences(documents)]
    system = documents["system.yaml"]
    texts += [(system, ("prompts", i, "say", j), re.sub(r"\{\w*\}", "", text))
              for i, prompt in system.data["prompts"].items() for j, text in enumerate(prompt["say"])]
    for document, path, text in texts:
        if len(bare(text)) > LONGEST_SENTENCE:
            yield document.problem(path, f"一句话有 {len(bare(text))} 个字", "拆成两句，一句一个意思")
        if re.search(r"[A-Za-z0-9]", text):
            yield document.problem(path, "有数字或者字母，读出来不可靠", "写成汉字：二〇二五年、幺二三三三")
        lost = [c for c in re.sub(r"[A-Za-z0-9]", "", text) if UNSAYABLE.search(unicodedata.normalize("NFKC", c))]
        if lost:
            yield document.problem(path, f"念不出：{' '.join(lost)}", "写成汉字")


def _prompt_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    document = documents["system.yaml"]
    prompts = document.data["prompts"]
    for name in prompts.keys() - dialog.PROMPTS.keys():
        yield document.problem(("prompts", name), "程序没有用到这句话", "删掉，或者改正名字")
    for name in dialog.PROMPTS.keys() - prompts.keys():
        yield document.problem(("prompts",), f"少了 {name}", "补上这句话")
    for name in prompts.keys() & dialog.PROMPTS.keys():
        used, at = set(), ("prompts", name)
        for text in prompts[name]["say"]:
            try:
                used |= wording.placeholders(text)
            except ValueError:
                yield document.problem(at, "大括号没有配对", "写成 {名字}")
        if used != dialog.PROMPTS[name]:
            wanted = "、".join(sorted(dialog.PROMPTS[name])) or "（没有）"
            yield document.problem(at, f"空格用的是 {'、'.join(sorted(used)) or '（没有）'}", f"要用 {wanted}")


def _label_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    document = documents["screen.yaml"]
    labels = document.data["labels"]
    for name in set(dialog.CHOICE_LABELS) - labels.keys():
        yield document.problem(("labels",), f"少了 {name}", "补上这个词")


def phrases(documents: Mapping[str, Document]) -> Iterator[tuple[Document, Path_, str, str]]:
    """Every line of what can be said: (document, path, template, what it leads to)."""
    for name, document in documents.items():
        if name.startswith(REQUEST_FILES) and "requests" in document.data:
            for node_id, items in document.data["requests"].items():
                for i, phrase in enumerate(items):
                    yield document, ("requests", node_id, i), phrase, node_id
    for i, phrase in enumerate(documents[OUTSIDE].data["outside"]):
        yield documents[OUTSIDE], ("outside", i), phrase, "~"
    for word in documents[CHOICES].data["choices"]:
        yield documents[CHOICES], ("choices", word), word, "?"
    document = documents["commands.yaml"]
    for command, raw in document.data["commands"].items():
        for i, phrase in enumerate(raw["phrases"]):
            yield document, ("commands", command, "phrases", i), phrase, f"!{command}"
    for key, items in document.data["keys"].items():
        for i, phrase in enumerate(items):
            yield document, ("keys", key, i), phrase, f"#{key}"


def _request_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    known, asked = _labels(documents), set()
    for document, path, phrase, owner in phrases(documents):
        if path[0] == "requests":
            asked.add(owner)
            if owner not in known:
                yield document.problem(path[:2], f"没有节点 {owner}", "改成有的节点，或者节点里有的一样")
    yield from _template_rules(documents)
    for document, node_id, raw in _nodes(documents):
        for name in raw.get("aspects", ()):
            if labels.of(node_id, name) not in asked:
                yield document.problem(("nodes", node_id, "aspects", name), "没有人说话能问到这里", "在 requests/ 里写几种问法")
    for document, node_id, _ in _nodes(documents):
        if node_id not in asked:
            yield document.problem(("nodes", node_id), "没有人说话能问到这里", "在 requests/ 里写几种问法")
    for word, nodes in documents[CHOICES].data["choices"].items():
        for node_id in set(nodes) - _node_ids(documents):
            yield documents[CHOICES].problem(("choices", word), f"没有节点 {node_id}", "改成有的节点")


def _alarm_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    document, ids, known = documents[ALARMS], _node_ids(documents), _labels(documents)
    for i, alarm in enumerate(document.data["alarms"]):
        if alarm["to"] not in known:
            yield document.problem(("alarms", i, "to"), f"没有节点 {alarm['to']}", "改成有的节点，或者节点里有的一样")
        for node_id in set(alarm.get("at", ())) - ids:
            yield document.problem(("alarms", i, "at"), f"没有节点 {node_id}", "改成有的节点")


def _template_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    try:
        reader = templates(documents[WORDS].data["words"])
    except TemplateError as e:
        yield documents[WORDS].problem(("words", e.word), str(e), "照别的词的样子改")
        return
    owners: dict[str, tuple[str, str, str]] = {}
    for document, path, line, owner in phrases(documents):
        try:
            texts = [bare(text) for text in reader.expand(line)]
        except TemplateError as e:
            yield document.problem(path, str(e), "写简单一些，或者拆成几行")
            continue
        if not all(texts):
            yield document.problem(path, "这句话没有汉字", "写成汉字")
        elif max(map(len, texts)) > LONGEST_REQUEST:
            yield document.problem(path, f"太长，最多 {LONGEST_REQUEST} 个字", "写短一些，拆成两句")
        place = f"{document.name} {document.place(*path)}"
        for text in texts:
            other = owners.setdefault(text, (owner, line, place))
            # Two templates of one node may overlap; a line that says nothing new is a mistake.
            if other[2] != place and (other[0] != owner or line == text == bare(other[1])):
                yield document.problem(path, f"“{text}”已经写在 {other[2]} 里", "只留一处")
                break


def _command_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    document = documents["commands.yaml"]
    commands = document.data["commands"]
    for name in commands.keys() ^ set(dialog.COMMANDS):
        fault = "程序不认识这个命令" if name in commands else f"少了命令 {name}"
        yield document.problem(("commands", name), fault, "改正名字，或者补上")
    for field in ("key", "step_key"):
        used = collections.Counter(c[field] for c in commands.values() if field in c)
        for name, command in commands.items():
            if used[command.get(field)] > 1:
                yield document.problem(("commands", name, field), f"按键 {command[field]} 用了两次",
                                       "每个按键只做一件事")


# --- rules of the calculators -----------------------------------------------------------------

def _blocks(document: Document) -> Iterator[tuple[Path_, dict]]:
    """Every block of rules with its path."""
    for name, raw in document.data.items():
        if name in ("kinds", "limits"):
            yield from (((name, part), block) for part, block in raw.items())
        else:
            yield (name,), raw


def _block_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    document, facts = documents[RULES], documents["facts.yaml"].data["facts"]
    for at, block in _blocks(document):
        unknown = [f for f in block["facts"] if f not in facts]
        used = any(block.get(field, True) for field in ("confirmed", "pension_base_confirmed"))
        if unknown:
            yield document.problem((*at, "facts"), f"没有事实 {'、'.join(unknown)}", "在 facts.yaml 里补上")
        elif used and all(facts[f]["confidence"] == "N" for f in block["facts"]):
            yield document.problem((*at, "facts"), "用了没有核实的数", "先核实，或者把 confirmed 写成 false")
        days = [(field, block[field]) for field in ("valid_from", "valid_to") if field in block]
        for field, day in days:
            if not _is_day(day):
                yield document.problem((*at, field), f"没有 {day} 这一天", "改成日历上有的日子")
        if len(days) == 2 and days[0][1] > days[1][1]:
            yield document.problem((*at, "valid_to"), "结束的日子在开始以前", "改正日子")


def _limit_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    document = documents[RULES]
    limits = document.data["limits"]
    for year, row in limits.items():
        at = ("limits", year)
        if not row["floor"] < row["mean_wage"] < row["ceiling"]:
            yield document.problem(at, "下限、基准值、上限不是从小到大", "照文件改正")
        if row["pension_base_confirmed"] and row["pension_base"] is None:
            yield document.problem((*at, "pension_base"), "核实了计发基数，却没有写",
                                   "补上，或者把 pension_base_confirmed 写成 false")
    if list(limits) != sorted(limits):
        yield document.problem(("limits",), "年份不是从早到晚", "按年份排好")
    for field in ("confirmed", "pension_base_confirmed"):
        if not any(row[field] for row in limits.values()):
            yield document.problem(("limits",), f"没有一年的 {field} 是 true，算不出来", "补上核实过的一年")


def _table_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    document = documents[RULES]
    for at in (("minimum", "months"), ("medical", "local_years")):
        table = document.data[at[0]][at[1]]
        years, values = [int(year) for year in table], list(table.values())
        if years != list(range(years[0], years[0] + len(years))):
            yield document.problem(at, "年份不是一年接一年", "补上缺的年份，从早到晚排好")
        if values != sorted(values):
            yield document.problem(at, "后面的年份反而少", "照文件改正")
    at, divisors = ("divisors", "months"), document.data["divisors"]["months"]
    missing = [str(age) for age in DIVISOR_AGES if str(age) not in divisors]
    if missing:
        yield document.problem(at, f"少了 {'、'.join(missing)} 岁", "从四十岁到七十岁，每一岁都写上")
    by_age = [divisors[age] for age in sorted(divisors)]
    if any(later >= earlier for earlier, later in zip(by_age, by_age[1:])):
        yield document.problem(at, "岁数大的，计发月数没有变小", "照文件改正")


def _formula_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    document = documents[RULES]
    rates, pension = document.data["rates"], document.data["pension"]
    if Decimal(rates["credited"]) > Decimal(rates["flexible"]):
        yield document.problem(("rates", "credited"), "进账户的比交的还多", "照文件改正")
    if Decimal(pension["lowest_index"]) >= Decimal(pension["highest_index"]):
        yield document.problem(("pension", "lowest_index"), "最低指数不比最高指数小", "照文件改正")


# --- the questions of the calculators -----------------------------------------------------------

def _form_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    document = documents[FORMS]
    forms, fields = document.data["forms"], document.data["fields"]
    for node in forms.keys() ^ set(assessment.NODES):
        yield document.problem(("forms", node), f"算一算的节点 {node} 多了或者少了", f"要正好是 {'、'.join(assessment.NODES)}")
    for node, names in forms.items():
        for i, name in enumerate(names):
            if name not in fields:
                yield document.problem(("forms", node, i), f"没有问题 {name}", "在 fields 里补上")
    for name in fields.keys() - {n for names in forms.values() for n in names}:
        yield document.problem(("fields", name), "没有用到这个问题", "删掉，或者写进 forms")
    for name, one in fields.items():
        yield from _field_rules(document, fields, name, one)
    yield from _answer_rules(documents)


def _field_rules(document: Document, fields: dict, name: str, one: dict) -> Iterator[Problem]:
    at, options = ("fields", name), one.get("options", [])
    if (one["type"] == "choice") != bool(options):
        yield document.problem((*at, "options"), "只有 choice 要有 options", "补上，或者删掉")
    keys = [o["key"] for o in options if "key" in o]
    if keys != list(range(1, len(keys) + 1)):
        yield document.problem((*at, "options"), "按键不是从一数起", "照次序写 1、2、3")
    for part in ("sets", "same_as"):
        if one.get(part, name) not in fields:
            yield document.problem((*at, part), f"没有问题 {one[part]}", "改正名字")
    if not (one.get("open") or one.get("unsure") or any(o.get("unknown") for o in options)):
        yield document.problem(at, "不晓得的人怎么办，没有写", "写上 open、unsure，或者一个 unknown 的答法")
    for i, text in enumerate(one["read"]):
        if wording.placeholders(text) - fields.keys():
            yield document.problem((*at, "read", i), "大括号里不是问题的名字", "改正名字")


def _answer_rules(documents: Mapping[str, Document]) -> Iterator[Problem]:
    try:
        reader = templates(documents[WORDS].data["words"])
    except TemplateError:
        return  # Said where the words are checked.
    for document, path, text, _ in _answers(documents[FORMS]):
        try:
            reader.expand(text)
        except TemplateError as e:
            yield document.problem(path, str(e), "照 Home Assistant 的写法改")


CHECKS = (_node_rules, _reach_rules, _fact_rules, _sentence_rules, _prompt_rules, _label_rules,
          _request_rules, _alarm_rules, _command_rules, _block_rules, _limit_rules, _table_rules, _formula_rules, _form_rules)


def _answers(document: Document) -> Iterator[tuple[Document, Path_, str, str]]:
    """Every answer to a question of a calculator that is no number, as ``phrases`` has them."""
    for part in ("unknown", "why", "explain", "leave"):
        for i, text in enumerate(document.data[part]):
            yield document, (part, i), text, ""
    for name, one in document.data["fields"].items():
        for i, text in enumerate(one.get("same", ())):
            yield document, ("fields", name, "same", i), text, ""
        for n, option in enumerate(one.get("options", ())):
            for i, text in enumerate(option["phrases"]):
                yield document, ("fields", name, "options", n, "phrases", i), text, ""


def _spelling(documents: Mapping[str, Document], knows: Knows) -> Iterator[Problem]:
    """Phrases that the speech model cannot spell: they could never be heard."""
    heard = Lexicon(hearing=documents["lexicon.yaml"].data["hearing"]).heard
    words = documents[WORDS]
    named = [(words, ("words", name), text, "") for name, text in words.data["words"].items()]
    for document, path, phrase, _ in [*phrases(documents), *named, *_answers(documents[FORMS])]:
        phrase = re.sub("<.*?>", "", phrase)
        if spell(heard(phrase), knows) is None:
            unknown = unknown_characters(heard(phrase), knows)
            yield document.problem(path, f"语音模型没有“{unknown}”，永远听不到这句话",
                                   "换一个同义的字，或者在 lexicon.yaml 的 hearing 里写一个同音字")
