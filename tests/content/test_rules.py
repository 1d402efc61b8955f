"""A fault in the rules of the calculators is found with its place and a remedy."""

import dataclasses
import datetime
import re
from decimal import Decimal

import pytest

from service.content import check
from service.content.build import RULES, rules_of
from service.content.files import Document, parse
from service.content.problems import Problem
from service.core.rules import Block
from tests.support import PROMPTS

FACTS = "facts.yaml"
OF_RULES = (check._block_rules, check._limit_rules, check._table_rules, check._formula_rules)
SHIPPED = (PROMPTS / RULES).read_text(encoding="utf-8")


def document(name: str, text: str) -> Document:
    found, problems = parse(name, text.encode())
    assert found and not problems
    return found


def problems_with(old: str, new: str) -> list[Problem]:
    """What is wrong with the shipped rules after an edit; of the form first, as the whole check does it."""
    assert old in SHIPPED, f"the rules no longer have {old!r}"
    edited = document(RULES, SHIPPED.replace(old, new, 1))
    of_form = list(check.form_problems(edited))
    documents = {RULES: edited, FACTS: document(FACTS, (PROMPTS / FACTS).read_text(encoding="utf-8"))}
    return of_form or [p for rule in OF_RULES for p in rule(documents)]


def test_the_shipped_rules_have_no_fault():
    assert problems_with("kinds:", "kinds:") == []


def test_the_whole_check_looks_at_the_rules():
    assert set(OF_RULES) <= set(check.CHECKS)
    assert RULES in check._schema()["files"]


@pytest.mark.parametrize("old, new, fault, place", [
    ("facts: [C12], valid_from", "facts: [C99], valid_from", "没有事实 C99", "kinds.M60.facts"),
    ("facts: [C13, x_med_pool]", "facts: [x_med_pool]", "没有核实", "medical.facts"),
    ("confirmed: false,\n    pension_base_confirmed: false, document: 湘人社规〔2026",
     "confirmed: true,\n    pension_base_confirmed: false, document: 湘人社规〔2026", "没有核实", "limits.2026.facts"),
    ("valid_to: 2026-09-22", "valid_to: 2026-02-30", "没有 2026-02-30 这一天", "limits.2025.valid_to"),
    ("valid_to: 2026-09-22", "valid_to: 2024-09-22", "在开始以前", "limits.2025.valid_to"),
    ("floor: 4072", "floor: 40720", "从小到大", "limits.2025"),
    ("mean_wage: 6787", "mean_wage: 678", "从小到大", "limits.2025"),
    ("pension_base: 7694", "pension_base: null", "没有写", "limits.2025.pension_base"),
    ("  2016: {", "  2036: {", "从早到晚", "limits"),
    ("2034: 210, ", "", "一年接一年", "minimum.months"),
    ("2034: 210", "2034: 201", "反而少", "minimum.months"),
    ("2024: 11, ", "", "一年接一年", "medical.local_years"),
    ("61: 132, ", "", "少了 61 岁", "divisors.months"),
    ("61: 132", "61: 312", "没有变小", "divisors.months"),
    ("credited: 0.08", "credited: 0.8", "比交的还多", "rates.credited"),
    ("lowest_index: 0.6", "lowest_index: 6.0", "不比最高", "pension.lowest_index"),
    # Form
    ("first: 1965-01", "first: 1965-13", "1965-13", "kinds.M60.first"),
    ("step: 4", "step: 0", "0", "kinds.M60.step"),
    ("sex: M", "sex: 男", "不在", "kinds.M60.sex"),
    ("  F50: {", "  F45: {", "F50", "kinds"),
    ("floor: 4072, ", "", "少了 floor", "limits.2025"),
    ("own: 0.08", "own: 8", "8", "rates.own"),
    ("facts: [C11, x_resident]", "facts: []", "是空的", "resident.facts"),
    ("later: 36,", "later: 36, latest: 40,", "不认识 latest", "flexible"),
    ("{2023: 10,", "{第一年: 10,", "第一年", "medical.local_years"),
])
def test_a_fault_is_found_with_its_place_and_remedy(old: str, new: str, fault: str, place: str):
    problems = problems_with(old, new)
    found = [p for p in problems if fault in p.fault and p.place.startswith(place)]
    assert found, f"not found among {[str(p) for p in problems]}"
    assert re.search("[\u4e00-\u9fff]", found[0].remedy) and "第" in found[0].place


def test_rules_without_any_confirmed_year_are_refused():
    edited = SHIPPED.replace("confirmed: true", "confirmed: false")
    faults = [p.fault for p in check._limit_rules({RULES: document(RULES, edited)})]
    assert [f for f in faults if "没有一年的 confirmed" in f] and [f for f in faults if "pension_base_confirmed" in f]


def test_the_built_rules_are_typed():
    rules = rules_of(document(RULES, SHIPPED).data)
    assert list(rules.kinds) == ["M60", "F55", "F50"]
    assert rules.rates.flexible == Decimal("0.20") and rules.pension.highest_index == 3
    assert rules.limits[2025].valid_to == datetime.date(2026, 9, 22)
    assert rules.limits[2026].pension_base == 6843 and not rules.limits[2026].confirmed
    assert (rules.resident.age, rules.resident.months) == (60, 180)
    assert rules.medical.local_years[2026] == 13 and rules.divisors.part_years_confirmed is False


def test_every_block_names_facts():
    rules = rules_of(document(RULES, SHIPPED).data)
    parts = [getattr(rules, field.name) for field in dataclasses.fields(rules)]
    blocks = [b for part in parts for b in (part.values() if isinstance(part, dict) else [part])]
    assert all(isinstance(b, Block) and b.facts for b in blocks)
