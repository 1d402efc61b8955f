"""What calculators ask for, what they refuse, and what they tell, with the figures of the facts guide's examples."""

import datetime
import itertools
import re
from decimal import Decimal

import pytest

from service.core import numerals
from service.core.assessment import NODES, assess, fault, needed, open_field, sentences
from service.core.calculators import to_ten
from service.core.form import OPEN
from service.core.rules import Month
from service.core.wording import length, unjointed

TODAY = datetime.date(2026, 11, 30)
MAN = {"kind": "M60", "birth_year": "1969", "birth_month": "12"}
WORKING_WOMAN = {"kind": "F50", "birth_year": "1976", "birth_month": "6"}
PENSIONER = {"kind": "M60", "birth_year": "1965", "birth_month": "1", "months": "180", "index": "0.6",
             "balance": "60000"}


@pytest.fixture(scope="module")
def told(guide):
    """Node, answers to what is told: (prompts in order, figures by case)."""
    def told(node, answers):
        found = assess(guide.rules, node, answers, TODAY)
        return [line.prompt for line in found.lines], {r.case: r.figures for r in found.results}
    return told


# --- which questions ----------------------------------------------------------------------------

@pytest.mark.parametrize("node, answers, names", [
    ("m4_age", {}, "kind birth_year birth_month"),
    ("m4_age", {"kind": "F"}, "kind woman birth_year birth_month"),
    ("m4_age", {"kind": "FX"}, "kind birth_year birth_month"),
    ("m4_age", {"kind": "resident"}, "kind birth_year birth_month"),
    ("m4_age", {"kind": "special"}, "kind"),
    ("m4_gap", MAN, "kind birth_year birth_month months"),
    ("m4_gap", {"kind": "retired"}, "kind"),
    ("m4_base", {}, "work"),
    ("m4_base", {"work": "employee"}, "work wage"),
    ("m4_base", {"work": "flexible"}, "work share"),
    ("m4_base", {"work": "flexible", "share": "own"}, "work share chosen"),
    ("m4_base", {"work": "flexible", "share": "floor"}, "work share"),
    ("m4_base", {"work": "resident"}, "work"),
    ("m4_pension", MAN, "kind birth_year birth_month months index balance"),
    ("m4_pension", {**MAN, "months": OPEN}, "kind birth_year birth_month months"),
    ("m4_pension", {"kind": "resident"}, "kind"),
    ("m4_medgap", {"kind": "F"}, "med_year med_months med_local"),
    ("m4_medgap", MAN, "med_months med_local"),
    ("m4_medgap", {"sex": "F", "med_months": OPEN}, "med_year med_months"),
    ("m4_medgap", {"sex": "resident"}, "sex"),
])
def test_only_what_counts_is_asked(guide, node, answers, names):
    assert set(needed(guide.rules, node, answers)) - {"sex"} == set(names.split()) - {"sex"}


def test_the_sex_counts_as_long_as_it_was_asked_for(guide):
    assert "sex" in needed(guide.rules, "m4_medgap", {})
    assert "sex" in needed(guide.rules, "m4_medgap", {"sex": "F"}), "what was asked is read back and can be corrected"
    assert "sex" not in needed(guide.rules, "m4_medgap", MAN)


@pytest.mark.parametrize("node", NODES)
def test_with_one_answer_after_the_other_nothing_is_open_at_last(guide, node):
    answers, asked = filled(guide, node, {})
    assert asked and len(asked) == len(set(asked)) and assess(guide.rules, node, answers, TODAY).lines


@pytest.mark.parametrize("node", NODES)
def test_whatever_was_answered_elsewhere_something_can_be_told(guide, node):
    kinds, sexes, works = (("", *(o.value for o in guide.forms.fields[f].options)) for f in ("kind", "sex", "work"))
    for kind, sex, work in itertools.product(kinds, sexes, works):
        known = {"kind": kind, "sex": sex, "work": work}
        answers, _ = filled(guide, node, {name: value for name, value in known.items() if value})
        assert assess(guide.rules, node, answers, TODAY).lines, answers


def filled(guide, node, answers):
    """The answers with one to every question that is open then, and these questions."""
    possible = {"kind": "F", "woman": "F50", "birth_year": "1976", "birth_month": "6", "months": "160", "index": OPEN,
                "balance": OPEN, "work": "flexible", "share": "own", "chosen": "5000", "wage": OPEN, "sex": "F",
                "med_year": OPEN, "med_months": "200", "med_local": OPEN}
    answers, asked = dict(answers), []
    while (name := open_field(guide.rules, node, answers)) and len(asked) < len(possible):
        asked.append(name)
        answers |= {guide.forms.fields[name].target: possible[name], name: possible[name]}
    return answers, asked


# --- what cannot be -------------------------------------------------------------------------------

@pytest.mark.parametrize("name, value, answers, prompt", [
    ("birth_year", "1965", {}, None), ("birth_year", "2027", {}, "form_future"),
    ("birth_year", "1915", {}, "form_range"),
    ("birth_year", "1916", {}, None), ("birth_year", "231", {}, "form_range"),
    ("birth_month", "12", {"birth_year": "1969"}, None), ("birth_month", "13", {}, "form_range"),
    ("birth_month", "0", {}, "form_range"), ("birth_month", "-3", {}, "form_range"),
    ("birth_month", "12", {"birth_year": "2026"}, "form_future"), ("birth_month", "11", {"birth_year": "2026"}, None),
    ("months", "0", {}, None), ("months", "720", {}, None), ("months", "721", {}, "form_range"),
    ("months", "999", MAN, "form_range"), ("months", "-1", {}, "form_range"), ("months", OPEN, {}, None),
    ("months", "504", MAN, None), ("months", "505", MAN, "form_range"),
    ("med_local", "120", {"med_months": "120"}, None), ("med_local", "121", {"med_months": "120"}, "form_range"),
    ("med_local", "121", {"med_months": OPEN}, None),
    ("wage", "0", {}, "form_range"), ("wage", "4072.5", {}, None), ("wage", "100000000", {}, "form_range"),
    ("chosen", "-500", {}, "form_range"), ("balance", "0", {}, None), ("balance", "-1", {}, "form_range"),
    ("balance", "1000000000000", {}, "form_range"),
    ("med_year", "2025", {}, "form_range"), ("med_year", "2026", {}, None), ("med_year", "2999", {}, "form_range"),
    ("kind", "M60", {}, None), ("share", "own", {}, None),
])
def test_an_answer_that_cannot_be_has_its_reason(name, value, answers, prompt):
    assert fault(name, value, answers, TODAY) == prompt


# --- when to retire ---------------------------------------------------------------------------------

@pytest.mark.parametrize("kind, birth, delay, month", [
    ("M60", "1964-12", 0, "2024-12"), ("M60", "1965-05", 2, "2025-07"), ("M60", "1970-05", 17, "2031-10"),
    ("F55", "1972-03", 7, "2027-10"), ("F50", "1975-03", 2, "2025-05"), ("F50", "1984-12", 60, "2039-12"),
])
def test_the_month_of_retirement(told, kind, birth, delay, month):
    year, born = birth.split("-")
    prompts, figures = told("m4_age", {"kind": kind, "birth_year": year, "birth_month": str(int(born))})
    assert (figures[""].delay, str(figures[""].month)) == (delay, month)
    past = figures[""].month <= Month(TODAY.year, TODAY.month)
    assert prompts[0] == ("age_past" if past else "age_when") and prompts[-1] == "result_end"


def test_who_has_still_time_hears_how_early_and_how_late(told):
    prompts, figures = told("m4_age", MAN)
    assert prompts == ["age_when", "age_then", "age_early", "age_late", "result_end"]
    assert (figures[""].earliest, figures[""].latest) == (Month(2029, 12), Month(2034, 3))
    prompts, _ = told("m4_age", {**MAN, "birth_year": "1964"})
    assert "age_past" in prompts and "age_early" not in prompts


@pytest.mark.parametrize("node, prompt", [("m4_age", "age_early_notice"), ("m4_gap", "gap_early_notice")])
def test_no_month_is_offered_for_which_it_is_too_late_to_tell_the_employer(guide, node, prompt):
    answers = {"kind": "M60", "birth_year": "1966", "birth_month": "9", "months": "300"}
    found = assess(guide.rules, node, answers, TODAY)
    said = [unjointed(s) for s in sentences(found, guide.prompts, guide.facts, TODAY)]
    at = said.index("想早退，要先写给单位，三个月后。")
    assert said[at + 1].startswith("最早二〇二七年二月") and prompt in [line.prompt for line in found.lines]


@pytest.mark.parametrize("birth_month, early", [("9", True), ("8", False), ("5", False)])
def test_who_retires_within_three_months_is_offered_no_earlier_one(told, birth_month, early):
    prompts, _ = told("m4_age", {"kind": "M60", "birth_year": "1966", "birth_month": birth_month})
    assert ("age_early_notice" in prompts) == early and "age_early" not in prompts


def test_who_does_not_know_the_kind_is_told_both(told):
    prompts, figures = told("m4_age", {"kind": "FX", "birth_year": "1980", "birth_month": "3"})
    assert [p for p in prompts if p.startswith("case_")] == ["case_F55", "case_F50"]
    assert (str(figures["F55"].month), str(figures["F50"].month)) == ("2037-10", "2032-11")


def test_a_residents_pension_is_not_delayed(told):
    prompts, figures = told("m4_age", {"kind": "resident", "birth_year": "1970", "birth_month": "3"})
    assert prompts[:2] == ["resident_when", "resident_rule"] and not figures


# --- years of contributions -------------------------------------------------------------------------

@pytest.mark.parametrize("answers, paid, required, missing, short, says", [
    (MAN, 170, 192, 22, 0, "gap_in_time"), (MAN, 192, 192, 0, 0, "gap_enough"),
    ({"kind": "F50", "birth_year": "1980", "birth_month": "3"}, 150, 198, 48, 0, "gap_in_time"),
    (WORKING_WOMAN, 160, 180, 20, 16, "gap_go_on"),
])
def test_months_that_are_missing(told, answers, paid, required, missing, short, says):
    prompts, figures = told("m4_gap", {**answers, "months": str(paid)})
    gap = figures[""]
    assert (gap.required, gap.missing, gap.short) == (required, missing, short)
    assert says in prompts and ("gap_short" in prompts) == bool(short)
    assert prompts[0] in ("gap_missing", "gap_lacking", "gap_enough"), "the answer comes first"


def test_who_lacks_years_hears_three_ways_and_whom_to_ask_last(guide):
    found = assess(guide.rules, "m4_gap", {**WORKING_WOMAN, "months": "160"}, TODAY)
    said = sentences(found, guide.prompts, guide.facts, TODAY)
    assert said[-3:] == ["还不够，可以接着往后交。", "也可以转成农村和居民养老。", "一次交清卡得很严，先打幺二三三三。"]
    assert "不要紧" not in "".join(said)


def test_early_retirement_needs_its_own_years(told):
    prompts, _ = told("m4_gap", {**MAN, "months": "170"})
    assert "gap_early" in prompts
    assert "gap_early" not in told("m4_gap", {**WORKING_WOMAN, "months": "160"})[0]


def test_unknown_months_leave_what_is_required(told):
    prompts, figures = told("m4_gap", {**MAN, "months": OPEN})
    assert prompts == ["gap_need", "gap_open", "result_end"] and not figures


def test_a_residents_pension_is_told_no_number_of_years(guide, told):
    assert needed(guide.rules, "m4_gap", {"kind": "resident"}) == ("kind",), "nothing follows from anything else"
    assert told("m4_gap", {"kind": "resident"})[0] == ["resident_years", "resident_rule"]
    assert told("m4_gap", {"kind": "resident", "months": "60"})[0] == ["resident_years", "resident_rule"]
    assert told("m4_gap", {"kind": "resident", "months": "180"})[0] == ["resident_enough", "resident_rule"]


# --- contributions --------------------------------------------------------------------------------

@pytest.mark.parametrize("answers, base, monthly, at", [
    ({"work": "employee", "wage": "3000"}, "4072", "325.76", "floor"),
    ({"work": "employee", "wage": "5000"}, "5000", "400", "within"),
    ({"work": "employee", "wage": "25000"}, "20361", "1628.88", "ceiling"),
    ({"work": "flexible", "share": "floor"}, "4072", "814.40", "within"),
    ({"work": "flexible", "share": "ceiling"}, "20361", "4072.20", "within"),
    ({"work": "flexible", "share": "own", "chosen": "5000"}, "5000", "1000", "within"),
])
def test_what_is_paid_a_month(told, answers, base, monthly, at):
    prompts, figures = told("m4_base", answers)
    paid = next(iter(figures.values()))
    assert (paid.base, paid.monthly) == (Decimal(base), Decimal(monthly))
    assert f"base_{at}" in prompts and ("base_credited" in prompts) == (answers["work"] == "flexible")


@pytest.mark.parametrize("answers", [{"work": "employee", "wage": OPEN}, {"work": "flexible", "share": OPEN},
                                     {"work": "flexible", "share": "own", "chosen": OPEN}])
def test_who_does_not_know_the_base_is_told_the_lowest_and_the_highest(told, answers):
    prompts, figures = told("m4_base", answers)
    assert {"base_lowest", "base_highest"} <= set(prompts) and set(figures) == {"floor", "ceiling"}


def test_a_year_without_confirmed_limits_is_never_computed(told):
    prompts, figures = told("m4_base", {"work": "employee", "wage": "5000"})
    assert figures[next(iter(figures))].limits.year == 2025 and "base_unconfirmed" in prompts


# --- pension ------------------------------------------------------------------------------------

@pytest.mark.parametrize("changes, basic, account, total", [
    ({}, "923.28", "433.53", "1356.81"),
    ({"index": "1", "months": "360", "balance": "150000"}, "2308.20", "1083.82", "3392.02"),
    ({"kind": "F50", "birth_year": "1975", "birth_month": "5", "months": "240", "balance": "70000"},
     "1231.04", "361.20", "1592.24"),
])
def test_the_pension_of_the_examples(told, changes, basic, account, total):
    prompts, figures = told("m4_pension", {**PENSIONER, **changes})
    assert (figures[""].basic, figures[""].account, figures[""].total) == tuple(map(Decimal, (basic, account, total)))
    assert {"pension_total", "pension_transition", "result_end"} <= set(prompts)


@pytest.mark.parametrize("months", [170, 180, 203, 300, 360])
@pytest.mark.parametrize("balance", ["17777", "60000", "150000"])
def test_the_parts_make_the_sum_as_they_are_spoken(guide, told, months, balance):
    figures = told("m4_pension", {**PENSIONER, "months": str(months), "balance": balance})[1][""]
    assert figures.spoken_total == to_ten(figures.basic) + to_ten(figures.account)
    found = assess(guide.rules, "m4_pension", {**PENSIONER, "months": str(months), "balance": balance}, TODAY)
    lines = {line.prompt: line.values for line in found.lines}
    assert amount(lines["pension_total"]["amount"]) == sum(map(amount, lines["pension_split"].values()))


def test_an_unknown_balance_is_left_out_and_said_so(told):
    prompts, figures = told("m4_pension", {**PENSIONER, "balance": OPEN})
    assert figures[""].account is None and "pension_no_balance" in prompts and "pension_split" not in prompts


@pytest.mark.parametrize("index", [OPEN, "0.6"])
@pytest.mark.parametrize("who", [MAN, {**WORKING_WOMAN, "kind": "FX"}])
def test_that_the_balance_is_not_in_it_is_told_whatever_else_gives_way(guide, who, index):
    found = assess(guide.rules, "m4_pension", {**who, "months": "143", "index": index, "balance": OPEN}, TODAY)
    assert guide.prompts["pension_no_balance"][0] in sentences(found, guide.prompts, guide.facts, TODAY)


def test_an_unknown_index_is_told_low_and_mean(told):
    prompts, figures = told("m4_pension", {**PENSIONER, "index": OPEN})
    assert list(figures) == ["0.6", "1"] and prompts[:2] == ["pension_low", "pension_mean"]


def test_two_kinds_of_the_same_pension_are_told_once(told):
    woman = {"kind": "FX", "birth_year": "1975", "birth_month": "5", "months": "240", "index": "0.6"}
    prompts, figures = told("m4_pension", {**woman, "balance": OPEN})
    assert prompts.count("pension_total") == 1 and not {"pension_F55", "pension_F50"} & set(prompts)
    assert list(figures) == ["F55", "F50"]
    prompts, _ = told("m4_pension", {**woman, "balance": "70000"})
    assert {"pension_F55", "pension_F50"} <= set(prompts)
    prompts, figures = told("m4_pension", {**woman, "index": OPEN, "balance": "70000"})
    assert {"pension_least", "pension_most"} <= set(prompts) and len(figures) == 4


def test_a_pension_to_come_says_which_year_it_is_computed_with(told):
    prompts, figures = told("m4_pension", {**MAN, "months": "170", "index": "1", "balance": OPEN})
    assert figures[""].limits.year == 2025
    assert {"pension_later", "pension_so_far", "pension_short"} <= set(prompts) and prompts[0] == "pension_later"


def test_without_months_there_is_no_pension(told):
    assert told("m4_pension", {**MAN, "months": OPEN}) == (["pension_no_months"], {})
    assert told("m4_pension", {**MAN, "months": "0"}) == (["pension_never"], {})


# --- medical ------------------------------------------------------------------------------------

@pytest.mark.parametrize("sex, year, total, local, need, missing", [
    ("F", "2027", "260", "120", (300, 168), (40, 48, 48)), ("M", "2026", "360", "156", (360, 156), (0, 0, 0)),
    ("M", "2040", "300", "180", (360, 180), (60, 0, 60)),
])
def test_medical_years(told, sex, year, total, local, need, missing):
    prompts, figures = told("m4_medgap", {"sex": sex, "med_year": year, "med_months": total, "med_local": local})
    gap = figures[""]
    assert (gap.need_total, gap.need_local) == need
    assert (gap.missing_total, gap.missing_local, gap.missing) == missing
    assert prompts[0] == ("med_missing" if missing[2] else "med_enough") and "med_pool" in prompts


def test_an_unknown_year_is_told_for_this_year_and_for_the_last_step(told):
    _, figures = told("m4_medgap", {"sex": "F", "med_year": OPEN, "med_months": "260", "med_local": "120"})
    assert list(figures) == ["2026", "2028"]


def test_the_year_follows_from_what_is_known_of_the_retirement(told):
    _, figures = told("m4_medgap", {**MAN, "med_months": "300", "med_local": "300"})
    assert figures[""].need_total == 360 and figures[""].need_local == 180
    _, figures = told("m4_medgap", {**MAN, "kind": "FX", "med_months": "300", "med_local": "300"})
    assert {one.need_total for one in figures.values()} == {300}


def test_local_years_that_are_unknown_are_not_counted_as_enough(told):
    prompts, _ = told("m4_medgap", {"sex": "F", "med_year": "2027", "med_months": "300", "med_local": OPEN})
    assert {"med_enough_total", "med_open_local"} <= set(prompts) and "med_enough" not in prompts


# --- outside the rules ------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["special", "sick", "official", "retired"])
@pytest.mark.parametrize("node", ["m4_age", "m4_gap", "m4_pension"])
def test_who_is_outside_the_rules_is_told_whom_to_ask(told, node, kind):
    assert told(node, {"kind": kind}) == ([f"result_{kind}"], {})


@pytest.mark.parametrize("node, answers, prompt", [
    ("m4_base", {"work": "retired"}, "result_retired"), ("m4_medgap", {"sex": "retired"}, "result_retired_medical"),
    ("m4_medgap", {"kind": "retired"}, "result_retired_medical"), ("m4_base", {"work": "resident"}, "resident_other"),
    ("m4_pension", {"kind": "resident"}, "resident_other"), ("m4_medgap", {"sex": "resident"}, "med_resident"),
    ("m4_age", {**MAN, "birth_year": "2015"}, "result_young"),
    ("m4_pension", {**PENSIONER, "birth_year": "1950"}, "result_retired"),
])
def test_others_get_no_figure(told, node, answers, prompt):
    prompts, figures = told(node, answers)
    assert prompts[0] == prompt and not figures


# --- figures that may be out of date ----------------------------------------------------------------

@pytest.mark.parametrize("node, answers, day, warning", [
    ("m4_pension", PENSIONER, TODAY, "stale"),
    ("m4_pension", {**MAN, "months": "170", "index": "1", "balance": OPEN}, TODAY, None),
    ("m4_base", {"work": "employee", "wage": "5000"}, TODAY, None),
    ("m4_medgap", {"sex": "F", "med_year": "2027", "med_months": "260", "med_local": "120"}, TODAY, None),
    ("m4_medgap", {"sex": "F", "med_year": "2027", "med_months": "260", "med_local": "120"},
     datetime.date(2027, 2, 1), "stale_medical"),
])
def test_a_figure_that_is_due_is_told_with_one_warning_in_place_of_the_reserve(guide, node, answers, day, warning):
    said = sentences(assess(guide.rules, node, answers, day), guide.prompts, guide.facts, day)
    warnings = [name for name in ("stale", "stale_medical") if set(guide.prompts[name]) & set(said)]
    assert warnings == ([warning] if warning else [])
    assert said[-1] == guide.prompts[warning or "result_end" + "_medical" * (node == "m4_medgap")][0]


def test_who_is_past_the_statutory_month_handles_medical_insurance_now(guide):
    told = assess(guide.rules, "m4_medgap", {"kind": "M60", "birth_year": "1964", "birth_month": "1", "med_months": "360",
                                       "med_local": "132"}, TODAY)
    assert told.results[0].figures.need_local == 13 * 12 and told.results[0].figures.missing == 24


def test_one_kind_that_has_retired_does_not_retire_the_other(guide):
    told = assess(guide.rules, "m4_pension", {"kind": "FX", "birth_year": "1972", "birth_month": "6", "months": "240",
                                        "index": "1", "balance": "60000"}, TODAY)
    prompts = [line.prompt for line in told.lines]
    assert prompts[:3] == ["pension_later", "pension_retired", "pension_total"]


# --- how it is told -----------------------------------------------------------------------------------

def cases():
    """Answers of many people: (node, answers)."""
    born = [(str(y), str(m)) for y in range(1956, 1992, 5) for m in (2, 9, 11, 12)]
    for kind, (year, month) in itertools.product(("M60", "F55", "F50", "FX", "resident"), born):
        who = {"kind": kind, "birth_year": year, "birth_month": month}
        yield "m4_age", who
        for paid in (OPEN, "0", "7", "143", "180", "239", "300"):
            yield "m4_gap", {**who, "months": paid}
            for index, balance in itertools.product((OPEN, "0.6", "3"), (OPEN, "60000", "437777")):
                yield "m4_pension", {**who, "months": paid, "index": index, "balance": balance}
            for local in (OPEN, "7", "143"):
                yield "m4_medgap", {**who, "med_months": paid, "med_local": local, "sex": "M" if kind == "M60" else "F",
                                    "med_year": OPEN}
    for wage in ("3000", "4072", "5678", "25000", OPEN):
        yield "m4_base", {"work": "employee", "wage": wage}
        yield "m4_base", {"work": "flexible", "share": "own", "chosen": wage}
    for share in ("floor", "ceiling", OPEN):
        yield "m4_base", {"work": "flexible", "share": share}


@pytest.mark.parametrize("day", [TODAY, *(datetime.date(*day) for day in ((2027, 2, 1), (2029, 8, 9), (2031, 12, 31)))])
def test_a_result_is_short_and_has_one_reserve_at_its_end(guide, day):
    names = ("result_end", "result_end_medical", "stale", "stale_medical")
    ends = {text for name in names for text in guide.prompts[name]}
    for node, answers in cases():
        found = assess(guide.rules, node, answers, day)
        said = [unjointed(s) for s in sentences(found, guide.prompts, guide.facts, day)]
        told = "".join(said)
        assert sum(map(length, said)) <= 75, said
        assert max(map(length, said)) <= 22, said
        assert sum(told.count(hedge) for hedge in ("没有查到", "没有核实", "没查到", "没核实")) <= 1, said
        assert sum(s in ends for s in said[:-1]) == 0, said
        assert not found.results or said[-1] in ends or said[-1] == guide.prompts["gap_go_on"][-1], said
        assert not re.search("零个月|(?<![零年])(十[二三四五六七八九]|[二三四五六七八九]十.?)个月", told), said


@pytest.mark.parametrize("node", NODES)
def test_no_part_of_a_rule_says_twice_that_something_is_not_known(guide, node):
    for part in (guide.nodes[node].say, *guide.nodes[node].more):
        told = "".join(sentence.text for sentence in part)
        assert sum(told.count(hedge) for hedge in ("没有查到", "没有核实")) <= 1, told
        assert not re.search("[一二三四五六七八九]十.?个月|一百.*个月", told), "years and months, as people say it"


@pytest.mark.parametrize("node, answers", [
    ("m4_base", {"work": "employee", "wage": "5000"}), ("m4_base", {"work": "flexible", "share": OPEN}),
    ("m4_pension", {**MAN, "months": "170", "index": OPEN, "balance": OPEN}),
    ("m4_pension", {**MAN, "months": "200", "index": "1", "balance": "60000"})])
def test_figures_of_a_past_year_come_behind_where_to_ask_and_with_their_year(guide, node, answers):
    said = sentences(assess(guide.rules, node, answers, TODAY), guide.prompts, guide.facts, TODAY)
    assert said[0] == "今年的数，打幺二三三三问。"
    assert all("二〇二五年" in s for s in said if "每月" in s or "领" in s and "块" in s)


def amount(spoken: str) -> int:
    """Yuan as they are spoken."""
    return int(numerals.amount(unjointed(spoken)).value)
