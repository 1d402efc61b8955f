"""The calculators' API: what is asked, what follows, what cannot be; and that nothing of it stays."""

import datetime
import logging
from types import SimpleNamespace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.core.form import OPEN
from service.core.wording import JOINT
from service.web.api import PREFIX, register_errors
from service.web.body import LARGEST_JSON_BYTES, description
from service.web.calculators import CALCULATORS, create_calculators
from tests.support import guide
from tests.web.test_openapi import assert_described, schema_of

NOW = datetime.datetime(2026, 11, 30, 4, tzinfo=datetime.UTC)
WOMAN = {"kind": "F50", "birth_year": "1980", "birth_month": "3"}
MAN = {"kind": "M60", "birth_year": "1969", "birth_month": "12"}


def client_at(now: datetime.datetime) -> FlaskClient:
    """The calculators alone, at a time."""
    prompts = guide().prompts
    talks = SimpleNamespace(edition=SimpleNamespace(guide=guide()), fault=lambda e: "".join(prompts[e.prompt]))
    flask = Flask("service.web")
    register_errors(flask, talks)
    flask.register_blueprint(create_calculators(talks, lambda: now, PREFIX))
    return flask.test_client()


@pytest.fixture
def client() -> FlaskClient:
    return client_at(NOW)


def asked(client: FlaskClient, calculator: str, answers: dict):
    """The answer to a call, which is as the API describes it."""
    answer = client.post(f"{PREFIX}/calculators/{calculator}", json={"answers": answers})
    assert_described(answer, "/calculators/{calculator}", "post")
    assert answer.headers["Cache-Control"] == "no-store"
    return answer


def figures(client: FlaskClient, calculator: str, answers: dict) -> dict[str, dict]:
    """Case to figures."""
    return {r["case"]: r["figures"] for r in asked(client, calculator, answers).json["results"]}


def part(found: dict, **wanted) -> dict:
    return {name: found[name] for name in wanted}


# --- what is asked --------------------------------------------------------------------------------------

def test_the_five_calculators_are_listed_with_their_questions(client):
    answer = client.get(f"{PREFIX}/calculators")
    assert_described(answer, "/calculators", "get")
    assert answer.headers["Cache-Control"] == "no-store"
    found = {c["id"]: c for c in answer.json["calculators"]}
    assert {name: c["node"] for name, c in found.items()} == dict(CALCULATORS)
    months = next(f for f in found["gap"]["fields"] if f["id"] == "months")
    assert months["type"] == "months" and months["may_be_open"] and months["question"].endswith("？")
    kind = found["age"]["fields"][0]
    assert not kind["may_be_open"] and {"M60", "F55", "F50", "FX"} <= {o["value"] for o in kind["options"]}


def test_the_limits_say_what_is_confirmed(client):
    limits = {one["year"]: one for one in client.get(f"{PREFIX}/calculators").json["limits"]}
    assert (limits[2025]["floor"], limits[2025]["ceiling"], limits[2025]["pension_base"]) == (4072, 20361, 7694)
    assert limits[2025]["confirmed"] and limits[2025]["document"] == "湘人社规〔2025〕30号"
    assert not limits[2026]["confirmed"] and not limits[2026]["pension_base_confirmed"]


def test_the_description_knows_every_field_and_calculator():
    schemas = description()["components"]["schemas"]
    names = schemas["CalculatorInput"]["properties"]["answers"]["propertyNames"]["enum"]
    assert set(names) == guide().forms.fields.keys()
    assert schemas["CalculatorId"]["enum"] == list(CALCULATORS)


@pytest.mark.parametrize("calculator, answers, still_open", [
    ("age", {}, ["kind", "birth_year", "birth_month"]),
    ("age", {"kind": "F"}, ["woman", "birth_year", "birth_month"]),
    ("age", {"kind": "F", "woman": "F50", "birth_year": "1980"}, ["birth_month"]),
    ("gap", MAN, ["months"]), ("base", {}, ["work"]), ("base", {"work": "flexible"}, ["share"]),
    ("base", {"work": "flexible", "share": "own"}, ["chosen"]),
    ("pension", MAN | {"months": "180"}, ["index", "balance"]),
    ("medical", {"sex": "F", "med_year": OPEN}, ["med_months", "med_local"])])
def test_what_is_not_answered_is_named(client, calculator, answers, still_open):
    assert asked(client, calculator, answers).json == {"open": still_open}


# --- what follows -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("answers, wanted", [
    (MAN, {"delay": 15, "month": "2031-03", "age_months": 735, "earliest": "2029-12", "latest": "2034-03"}),
    ({"kind": "M60", "birth_year": "1970", "birth_month": "5"}, {"delay": 17, "month": "2031-10"}),
    ({"kind": "F", "woman": "F50"} | {k: WOMAN[k] for k in ("birth_year", "birth_month")},
     {"delay": 32, "month": "2032-11"})])
def test_when_somebody_retires(client, answers, wanted):
    assert part(figures(client, "age", answers)[""], **wanted) == wanted


@pytest.mark.parametrize("answers, wanted", [
    (MAN | {"months": "170"}, {"required": 192, "missing": 22, "left": 52, "short": 0}),
    (WOMAN | {"months": "150"}, {"required": 198, "missing": 48, "left": 72, "short": 0}),
    ({"kind": "F50", "birth_year": "1976", "birth_month": "6", "months": "160"},
     {"required": 180, "missing": 20, "left": 4, "short": 16})])
def test_what_is_missing_to_the_pension(client, answers, wanted):
    assert part(figures(client, "gap", answers)[""], **wanted) == wanted


@pytest.mark.parametrize("answers, wanted", [
    ({"wage": "3000"}, {"base": "4072", "at": "floor", "monthly": "325.76"}),
    ({"work": "employee", "wage": "5000"}, {"base": "5000", "at": "within", "monthly": "400.00"}),
    ({"wage": "25000.50"}, {"base": "20361", "at": "ceiling"}),
    ({"work": "flexible", "share": "floor"}, {"monthly": "814.40", "credited": "325.76"})])
def test_what_is_paid(client, answers, wanted):
    (found,) = figures(client, "base", answers).values()
    assert part(found, **wanted) == wanted


def test_how_high_the_pension_is(client):
    answers = {"kind": "M60", "birth_year": "1965", "birth_month": "1", "months": "180", "index": "0.6",
               "balance": "60000"}
    wanted = {"basic": "923.28", "account": "433.53", "total": "1356.81", "divisor": "138.4", "account_low": "431.65",
              "account_high": "454.55", "divisor_is_exact": False, "spoken_total": "1350"}
    assert part(figures(client, "pension", answers)[""], **wanted) == wanted


def test_what_is_missing_to_medical_insurance(client):
    answers = {"sex": "F", "med_year": "2027", "med_months": "260", "med_local": "120"}
    wanted = {"missing_total": 40, "missing_local": 48, "missing": 48}
    assert part(figures(client, "medical", answers)[""], **wanted) == wanted


def test_what_is_left_open_is_worked_out_for_each_case(client):
    both = figures(client, "age", {**WOMAN, "kind": "FX"})
    assert {case: one["month"] for case, one in both.items()} == {"F55": "2037-10", "F50": "2032-11"}
    assert len(figures(client, "pension", {**MAN, "months": "200", "index": OPEN, "balance": OPEN})) == 2
    assert asked(client, "gap", {**MAN, "months": OPEN}).json["results"] == []


def test_an_answer_says_what_it_rests_on_and_for_which_day(client):
    told = asked(client, "base", {"wage": "5000"}).json
    assert told["worked_out_for"] == "2026-11-30" and told["about"] == "大约是这样，准数问幺二三三三。"
    assert told["answers"] == {"work": "employee", "wage": "5000"}
    limits = next(f for f in told["facts"] if f["id"] == "C09")
    assert limits["due"] and told["due"] and limits["checked"] and limits["sources"][0]["what"]
    assert not set(guide().prompts["stale"]) & set(told["sentences"]), "what is unconfirmed says it"
    assert len(told["unconfirmed"]) == 1 and told["unconfirmed"][0] in told["sentences"]
    assert not any(JOINT in sentence for sentence in told["sentences"])
    assert not asked(client, "age", MAN).json["due"]


@pytest.mark.parametrize("year", [1970, 2025, 2037])
@pytest.mark.parametrize("answers", [MAN, {"birth_year": "2030"}, {}])
def test_on_a_day_that_cannot_be_right_nothing_is_worked_out(year, answers):
    told = asked(client_at(NOW.replace(year=year)), "age", answers).json
    assert told["results"] == [] and told["answers"] == {} and told["about"] == ""
    assert told["sentences"] == list(guide().prompts["clock_wrong"])


@pytest.mark.parametrize("kind", ["special", "sick", "official", "retired"])
def test_who_is_outside_the_rules_hears_so_without_a_figure(client, kind):
    told = asked(client, "age", {"kind": kind}).json
    assert told["results"] == [] and told["sentences"] == list(guide().prompts[f"result_{kind}"])


# --- what cannot be ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("calculator, answers, field, prompt", [
    ("age", {"kind": "X1"}, "kind", "form_range"), ("age", {"kind": OPEN}, "kind", "form_range"),
    ("age", {"birth_year": "65"}, "birth_year", "form_range"),
    ("age", {"birth_year": "１９６５"}, "birth_year", "form_range"),
    ("age", {"birth_year": "1816"}, "birth_year", "form_range"),
    ("age", {"birth_year": "2027"}, "birth_year", "form_future"),
    ("age", {"birth_year": "2026", "birth_month": "12"}, "birth_month", "form_future"),
    ("age", {"birth_month": "13"}, "birth_month", "form_range"),
    ("gap", {"months": "999"}, "months", "form_range"), ("gap", {"months": "-5"}, "months", "form_range"),
    ("gap", {"months": "12.5"}, "months", "form_range"), ("gap", {"months": ""}, "months", "form_range"),
    ("base", {"wage": "0"}, "wage", "form_range"), ("base", {"wage": "1e9"}, "wage", "form_range"),
    ("base", {"wage": "NaN"}, "wage", "form_range"), ("base", {"chosen": "1000001"}, "chosen", "form_range"),
    ("pension", {"balance": "10000000.01"}, "balance", "form_range"),
    ("pension", {"balance": "1.234"}, "balance", "form_range"), ("pension", {"index": "0.7"}, "index", "form_range"),
    ("medical", {"med_year": "2025"}, "med_year", "form_range"),
    ("medical", {"med_months": "100", "med_local": "101"}, "med_local", "form_range")])
def test_an_answer_that_cannot_be_is_refused_with_a_sentence(client, calculator, answers, field, prompt):
    answer = asked(client, calculator, answers)
    error = answer.json["error"]
    assert answer.status_code == 400
    assert (error["code"], error["field"], error["say"]) == (
        "answer_impossible", field, "".join(guide().prompts[prompt]))
    assert answers[field] == "" or answers[field] not in error["message"]


@pytest.mark.parametrize("body", [
    {}, [], {"answers": []}, {"answers": {"name": "王"}}, {"answers": {"months": 12}}, {"answers": {"months": None}},
    {"answers": {"wage": "5000"}}, {"answers": {"months": "9" * 21}}, {"answers": {}, "today": "2030-01-01"},
    {"answers": {"today": "2030-01-01"}}])
def test_what_is_not_asked_is_refused(client, body):
    answer = client.post(f"{PREFIX}/calculators/gap", json=body)
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "bad_request")
    assert schema_of({"$ref": "#/components/schemas/Error"}).is_valid(answer.json)


def test_a_huge_body_is_refused_and_so_is_no_json(client):
    url = f"{PREFIX}/calculators/age"
    assert client.post(url, data=b"{" + b" " * LARGEST_JSON_BYTES + b"}").status_code == 413
    assert client.post(url, data=b"[" * 60_000).status_code == 400
    assert client.post(url).status_code == 400


def test_there_are_no_others(client):
    answer = client.post(f"{PREFIX}/calculators/lottery", json={"answers": {}})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store")
    assert client.get(f"{PREFIX}/calculators/age").status_code == 405


# --- nothing stays ------------------------------------------------------------------------------------------

def test_nothing_of_it_is_stored_or_logged(talks, app, caplog):
    caplog.set_level(logging.DEBUG)

    def rows() -> list[str]:
        with talks.care.engine.connect() as connection:
            return list(connection.connection.driver_connection.iterdump())
    before, client = rows(), app.test_client()
    for answers in ({"wage": "31415.92"}, {"wage": "314159265"}, {"wage": "31415.92", "months": "3"}):
        client.post(f"{PREFIX}/calculators/base", json={"answers": answers})
    assert rows() == before
    assert "31415" not in caplog.text
