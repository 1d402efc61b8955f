"""The panel's calculators: form, faults, result and working in both languages; and that nothing of it stays."""

import html
import logging
import re

import pytest

from service.core.form import OPEN
from service.web.calculators import CALCULATORS, UNCONFIRMED
from service.web.panel.calculators import NAMES, NOT_CONFIRMED, OPTIONS, PROBLEMS, QUESTIONS
from tests.content.conftest import unchanged_files_are_read_once  # noqa: F401  the same for these tests
from tests.support import guide
from tests.web.panel_site import Markup, PanelSite, make_template, prompts_copy, text_of

MAN = {"kind": "M60", "birth_year": "1969", "birth_month": "12"}
PENSION = {**MAN, "months": "15", "index": "0.6", "balance": "60,000"}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("panel")
    site = PanelSite(tmp_path_factory.mktemp("site"), make_template(folder), prompts_copy(folder),
                     folder / "translations")
    yield site
    site.close()


@pytest.fixture
def site(running):
    running.reset()
    return running


def filled(site: PanelSite, calculator: str, fields: dict, language: str = "en"):
    """What the page answers to a form."""
    client = site.client("viewer")
    site.care.accounts.set_language(site.seed.accounts["viewer"], language)
    return site.post(client, f"/panel/calculators/{calculator}", fields)


def texts(answer) -> str:
    """What is read on a page, without marks."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text_of(answer))))


def test_everything_that_can_be_asked_and_told_has_words():
    for node in CALCULATORS.values():
        for field in guide().forms.of(node):
            if not field.sets:
                assert field.id in QUESTIONS and {o.value for o in field.options} <= OPTIONS.keys()
    assert NAMES.keys() == CALCULATORS.keys() and set(UNCONFIRMED) == NOT_CONFIRMED.keys()
    assert PROBLEMS.keys() == {"form_future", "form_range"}


def test_the_first_page_leads_to_each_and_shows_the_limits(site):
    page = site.client("stranger").get("/panel/calculators")
    for calculator, name in NAMES.items():
        assert f'href="/panel/calculators/{calculator}"' in text_of(page) and str(name._args[0]) in texts(page)
    assert "4072" in texts(page) and "2026 not confirmed" in texts(page)
    assert 'href="/panel/calculators"' in text_of(site.client("stranger").get("/panel/")), "in the navigation"


@pytest.mark.parametrize("calculator", CALCULATORS)
def test_a_form_asks_without_a_result(site, calculator):
    answer = site.client("stranger").get(f"/panel/calculators/{calculator}")
    page = text_of(answer)
    assert answer.status_code == 200 and Markup(page).wrong == [] and 'id="result"' not in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'aria-describedby="([^" ]+)', page)) <= set(ids)
    assert set(re.findall(r'\bfor="([^"]+)"', page)) <= set(ids)


def test_no_other_calculator_is_there(site):
    assert site.client("owner").get("/panel/calculators/lottery").status_code == 404
    assert filled(site, "lottery", {}).status_code == 404


@pytest.mark.parametrize("calculator, fields, field, told", [
    ("age", {**MAN, "birth_month": "13"}, "birth_month", "cannot be right"),
    ("age", {**MAN, "birth_year": "2030"}, "birth_year", "has not come yet"),
    ("age", {**MAN, "birth_year": "<b>"}, "birth_year", "cannot be right"),
    ("age", {**MAN, "kind": ""}, "kind", "Please answer this"),
    ("gap", MAN, "months", "Please answer this"),
    ("gap", {**MAN, "months": "14", "months-rest": "12"}, "months", "cannot be right"),
    ("gap", {**MAN, "months": "-1"}, "months", "cannot be right"),
    ("base", {"work": "employee", "wage": "a million"}, "wage", "cannot be right"),
    ("base", {"work": "flexible", "share": "own"}, "chosen", "Please answer this"),
    ("pension", {**PENSION, "balance": "99999999999"}, "balance", "cannot be right"),
    ("medical", {"sex": "F", "med_year": "2020", "med_months": "20", "med_local": "5"}, "med_year", "cannot be right"),
    ("medical", {"sex": "F", "med_year": "2028", "med_months": "20", "med_local": "21"}, "med_local",
     "cannot be right")])
def test_a_fault_is_told_beside_its_field_and_what_was_written_stays(site, calculator, fields, field, told):
    answer = filled(site, calculator, fields)
    page = text_of(answer)
    assert answer.status_code == 422 and 'id="result"' not in page and Markup(page).wrong == []
    assert told in re.search(f'id="{field}-fault">([^<]*)<', page)[1]
    assert len(re.findall(r'id="\w+-fault"', page)) == 1
    for name, value in fields.items():
        shown = html.escape(value)
        assert not value or f'name="{name}" value="{shown}"' in page


def test_what_does_not_count_is_no_fault(site):
    assert filled(site, "base", {"work": "flexible", "share": "floor", "wage": "nonsense"}).status_code == 200
    assert filled(site, "gap", {"kind": "special", "birth_year": "x"}).status_code == 200


@pytest.mark.parametrize("calculator, fields, wanted", [
    ("age", {"kind": "M60", "birth_year": "1970", "birth_month": "5"},
     ["60 years old", "64 ÷ 4", "17 months", "737 months = 61 years old and 5 months", "2031-10", "2034-10"]),
    ("gap", {**MAN, "months": "14", "months-rest": "2"},
     ["192 months = 16 years", "170 months = 14 years and 2 months", "192 − 170", "22 months", "2029-12"]),
    ("base", {"work": "employee", "wage": "3000"}, ["4072 × 8 %", "325.76 yuan", "湘人社规〔2025〕30号"]),
    ("base", {"work": "flexible", "share": OPEN}, ["814.40 yuan", "4072.20 yuan", "the highest base"]),
    ("pension", PENSION, ["7694 × (1 + 0.6) ÷ 2 × 15 × 1 %", "923.28 yuan", "60000 ÷ 130.3", "in whole tens",
                          "transitional pension", "That of 2026 is not confirmed"]),
    ("medical", {"sex": "F", "med_year": "2027", "med_months": "21", "med_months-rest": "8", "med_local": "10"},
     ["300 − 260", "40 months", "168 − 120", "48 months", "pooling"]),
    ("gap", {**MAN, "kind": "resident", "months": "10"},
     ["180 months = 15 years", "please ask the village", "it is not delayed"])])
def test_the_working_is_shown_step_by_step(site, calculator, fields, wanted):
    answer = filled(site, calculator, fields)
    assert answer.status_code == 200 and Markup(text_of(answer)).wrong == []
    found = texts(answer)
    assert [text for text in wanted if text not in found] == []
    for text in ("What was entered", "How it was worked out", "准数问", "Worked out on 2027-03-01", "checked 2026-11"):
        assert text in found


def test_each_case_has_a_table_of_its_own(site):
    found = texts(filled(site, "gap", {**MAN, "kind": "FX", "birth_year": "1980", "months-unknown": "yes"}))
    assert found.count("How it was worked out:") == 2 and "I do not know" in found
    found = texts(filled(site, "pension", {**PENSION, "index": OPEN, "balance": "", "balance-unknown": "yes"}))
    assert found.count("How it was worked out:") == 2 and "about the average base" in found


def test_who_is_outside_the_rules_gets_no_working(site):
    found = texts(filled(site, "age", {"kind": "special"}))
    assert "特殊工种另有规定" in found and "How it was worked out" not in found


def test_a_fact_that_is_due_is_said_to_be_so(site):
    assert "due since 2026-09-22" in texts(filled(site, "base", {"work": "employee", "wage": "5000"}))


def test_the_result_is_in_chinese_too(site):
    found = texts(filled(site, "pension", PENSION, "zh"))
    for text in ("怎么算的", "湖南计发基数", "923.28 元", "没有核实的", "填了什么", "2027-03-01", "大约是这样，准数问幺二三三三。"):
        assert text in found


def test_on_a_day_that_cannot_be_right_nothing_is_worked_out(site):
    site.now = site.now.replace(year=2000)
    for fields in (MAN, {"birth_year": "2030"}):
        found = texts(filled(site, "age", fields))
        assert "这台机器的日子不对" in found and "How it was worked out" not in found and "Worked out on" not in found


def test_it_can_be_printed(site):
    page = text_of(filled(site, "age", MAN))
    assert 'id="print" hidden' in page and "panel-print.js" in page
    client = site.client()
    assert "@media print" in text_of(client.get("/static/panel-calculators.css"))
    assert "size: A4" in text_of(client.get("/static/panel-calculators.css"))


def test_nothing_of_it_stays(site, caplog):
    caplog.set_level(logging.DEBUG)
    client, before = site.client("owner"), site.rows()
    for fields in ({"work": "employee", "wage": "31415.92"}, {"work": "employee", "wage": "31415x"}):
        answer = site.post(client, "/panel/calculators/base", fields)
        assert "Location" not in answer.headers and answer.headers["Cache-Control"] == "no-store"
    assert site.rows() == before and "31415" not in caplog.text
    assert "31415" not in text_of(client.get("/panel/calculators/base?wage=31415"))
