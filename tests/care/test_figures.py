"""Figures and their export, over a real database."""

import csv
import datetime
import io
import json
from pathlib import Path

import pytest

from service.care.figures import (COLUMNS, LONGEST_SPAN, Completion, Day, FiguresReader, NodeCount, Row, Totals,
                                  chart_data, to_csv, to_json)
from service.errors import BadRequest
from service.store.database import open_database, transaction
from service.store.tables import CountRow, DeviceRow, PersonRow

MONDAY = datetime.date(2026, 3, 2)
TUESDAY = MONDAY + datetime.timedelta(1)
WEDNESDAY = MONDAY + datetime.timedelta(2)
NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
VENDOR = Path(__file__).parents[2] / "service" / "web" / "static" / "vendor"


@pytest.fixture
def engine(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'guide.db'}")
    with transaction(engine) as orm:
        for person in (1, 2):
            orm.add(PersonRow(id=person, name=f"person {person}", created_at=NOON))
        orm.flush()
        for device, person, name in ((1, 1, "客厅"), (2, 1, "卧室"), (3, 2, "别人家"), (4, None, "")):
            orm.add(DeviceRow(id=device, person_id=person, name=name, token_hash=str(device), created_at=NOON,
                              last_seen_at=NOON, settings={}))
    yield engine
    engine.dispose()


@pytest.fixture
def reader(engine):
    return FiguresReader(engine)


@pytest.fixture
def count(engine):
    """Writes counts: (device, day, hour, node, measure, count) each."""
    def add(*rows):
        with transaction(engine) as orm:
            orm.add_all(CountRow(**dict(zip(("device_id", "day", "hour", "node", "measure", "count"), row)))
                        for row in rows)
    return add


def table(text: str) -> list[list[str]]:
    """The cells as a spreadsheet reads them."""
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


# --- read --------------------------------------------------------------------------------------------------


def test_without_counts_every_day_is_there_and_all_is_nought(reader):
    figures = reader.read([1], MONDAY, WEDNESDAY)
    assert figures.days == tuple(Day(day, 0, 0, 0, 0) for day in (MONDAY, TUESDAY, WEDNESDAY))
    assert (figures.nodes, figures.completion, figures.hours) == ((), (), (0,) * 24)
    assert figures.totals == Totals(0, 0, 0, 0, 0, 0, 0)


def test_days_sum_devices_hours_and_nodes(reader, count):
    count((1, MONDAY, 8, "root", "talk", 2), (2, MONDAY, 9, "root", "talk", 1), (1, MONDAY, 8, "m1", "understood", 3),
          (1, MONDAY, 8, "m2", "understood", 4), (1, WEDNESDAY, 8, "root", "asked", 5),
          (1, WEDNESDAY, 8, "root", "missed", 6))
    assert reader.read([1], MONDAY, WEDNESDAY).days == (
        Day(MONDAY, 3, 7, 0, 0), Day(TUESDAY, 0, 0, 0, 0), Day(WEDNESDAY, 0, 0, 5, 6))


def test_only_the_span_counts_with_both_its_ends(reader, count):
    count(*((1, MONDAY + datetime.timedelta(n), 8, "root", "talk", 1) for n in range(-1, 4)))
    assert reader.read([1], MONDAY, WEDNESDAY).totals.talks == 3
    assert reader.read([1], TUESDAY, TUESDAY).totals.talks == 1


def test_the_most_visited_node_is_first(reader, count):
    count((1, MONDAY, 8, "m1", "visit", 2), (2, TUESDAY, 9, "m1", "visit", 2), (1, MONDAY, 8, "m2", "visit", 5),
          (1, MONDAY, 8, "m1", "understood", 1), (1, MONDAY, 8, "m1", "missed", 7), (1, MONDAY, 8, "a", "visit", 4),
          (1, MONDAY, 8, "root", "talk", 9))
    assert reader.read([1], MONDAY, TUESDAY).nodes == (
        NodeCount("m2", 5, 0, 0), NodeCount("a", 4, 0, 0), NodeCount("m1", 4, 1, 7))


def test_hours_count_talks_and_visits_only(reader, count):
    count((1, MONDAY, 0, "root", "talk", 1), (1, TUESDAY, 0, "m1", "visit", 2), (1, MONDAY, 23, "m1", "visit", 4),
          (1, MONDAY, 23, "m1", "missed", 8))
    assert reader.read([1], MONDAY, TUESDAY).hours == (3, *(0,) * 22, 4)


def test_completion_of_step_lists(reader, count):
    count((1, MONDAY, 8, "m1_web", "begun", 4), (1, TUESDAY, 8, "m1_web", "finished", 3),
          (1, MONDAY, 8, "m1_counter", "begun", 1), (1, MONDAY, 8, "m1_counter", "finished", 2),
          (1, MONDAY, 0, "m1p_mini", "finished", 1))
    assert reader.read([1], MONDAY, TUESDAY).completion == (
        Completion("m1_web", 4, 3, 0.75), Completion("m1_counter", 1, 2, 1.0), Completion("m1p_mini", 0, 1, None))


def test_totals_are_of_everything(reader, count):
    count(*((1, MONDAY, 8, "m1_web", measure, n) for n, measure in enumerate(
        ("talk", "visit", "understood", "asked", "missed", "begun", "finished"), 1)))
    assert reader.read([1], MONDAY, MONDAY).totals == Totals(1, 2, 3, 4, 5, 6, 7)


def test_other_peoples_devices_and_those_of_nobody_do_not_count(reader, count):
    count(*((device, MONDAY, 8, "root", "talk", 10 ** device) for device in (1, 2, 3, 4)))
    assert reader.read([1], MONDAY, MONDAY).totals.talks == 110
    assert reader.read([2], MONDAY, MONDAY).totals.talks == 1_000
    assert reader.read(iter([1, 2]), MONDAY, MONDAY).days[0].talks == 1_110
    assert reader.read([], MONDAY, MONDAY).totals.talks == 0
    assert {row.device for row in reader.rows([1], MONDAY, MONDAY)} == {"客厅", "卧室"}
    assert list(reader.rows([], MONDAY, MONDAY)) == []


def test_what_a_device_did_before_it_was_cut_off_still_counts(engine, reader, count):
    count((1, MONDAY, 8, "root", "talk", 1))
    with transaction(engine) as orm:
        orm.get_one(DeviceRow, 1).revoked_at = NOON
    assert reader.read([1], MONDAY, MONDAY).totals.talks == 1


@pytest.mark.parametrize("ask", [FiguresReader.read, FiguresReader.rows])
def test_a_span_that_is_none_or_too_long_is_refused_at_once(reader, ask):
    with pytest.raises(BadRequest):
        ask(reader, [1], TUESDAY, MONDAY)
    with pytest.raises(BadRequest):
        ask(reader, [1], MONDAY, MONDAY + datetime.timedelta(LONGEST_SPAN))


def test_the_longest_span_has_400_days(reader):
    assert len(reader.read([1], MONDAY, MONDAY + datetime.timedelta(LONGEST_SPAN - 1)).days) == 400


# --- export ------------------------------------------------------------------------------------------------


def test_rows_come_in_the_order_of_time(reader, count):
    count((2, TUESDAY, 1, "m1", "visit", 1), (1, MONDAY, 9, "m1", "visit", 2), (2, MONDAY, 8, "m2", "asked", 3),
          (1, MONDAY, 8, "m2", "asked", 4))
    assert list(reader.rows([1], MONDAY, TUESDAY)) == [
        Row(MONDAY, 8, "客厅", "m2", "asked", 4), Row(MONDAY, 8, "卧室", "m2", "asked", 3),
        Row(MONDAY, 9, "客厅", "m1", "visit", 2), Row(TUESDAY, 1, "卧室", "m1", "visit", 1)]


def test_an_export_that_is_given_up_leaves_the_database_free(reader, count):
    count(*((1, MONDAY, hour, "m1", "visit", 1) for hour in range(24)))
    rows = reader.rows([1], MONDAY, MONDAY)
    next(rows)
    rows.close()
    count((1, TUESDAY, 8, "m1", "visit", 1))
    assert len(list(reader.rows([1], MONDAY, TUESDAY))) == 25


def test_csv_opens_in_excel_with_chinese_titles():
    text = to_csv([Row(MONDAY, 8, "客厅", "m1_web", "visit", 2), Row(MONDAY, 9, "客厅", "gone", "missed", 1)],
                  {"m1_web": "网上查询, “八步”"}, {"day": "日期", "count": "次数", "visit": "到过"})
    assert text.encode().startswith(b"\xef\xbb\xbf")
    assert text.count("\r\n") == text.count("\n") == 3
    assert table(text) == [["日期", "hour", "device", "node", "title", "measure", "次数"],
                           ["2026-03-02", "8", "客厅", "m1_web", "网上查询, “八步”", "到过", "2"],
                           ["2026-03-02", "9", "客厅", "gone", "gone", "missed", "1"]]


def test_csv_without_rows_has_its_header():
    assert table(to_csv([], {}, {})) == [list(COLUMNS)]


@pytest.mark.parametrize("name", [
    "=1+1", "+86", "-2", "@SUM(A1)", "\t=1", "\rx", " =1+1", "＝1", '=HYPERLINK("https://a.example","，")'])
def test_csv_text_is_never_a_formula(name):
    [_, row] = table(to_csv([Row(MONDAY, 8, name, "m1", "visit", 1)], {"m1": name}, {"visit": name}))
    assert row[2] == row[4] == row[5] == f"'{name}"


@pytest.mark.parametrize("name", ["", "客厅 = 1", "奶奶的-平板", '引号" 和, 逗号', "两\n行"])
def test_csv_other_text_stays_as_it_is(name):
    [_, row] = table(to_csv([Row(MONDAY, 8, name, "m1", "visit", 1)], {}, {}))
    assert row[2] == name


def test_json_has_the_rows_as_they_are():
    text = to_json([Row(MONDAY, 8, "=客厅", "m1_web", "visit", 2)], {"m1_web": "网上查询"})
    assert "网上查询" in text
    assert json.loads(text) == [{"day": "2026-03-02", "hour": 8, "device": "=客厅", "node": "m1_web",
                                 "title": "网上查询", "measure": "visit", "count": 2}]
    assert json.loads(to_json([], {})) == []


# --- charts ------------------------------------------------------------------------------------------------


def test_chart_data_has_titles_and_can_be_json(reader, count):
    count((1, MONDAY, 8, "m1_web", "visit", 2), (1, MONDAY, 8, "m1_web", "begun", 2),
          (1, MONDAY, 8, "m1_web", "finished", 1))
    data = chart_data(reader.read([1], MONDAY, MONDAY), {"m1_web": "网上查询"}, {"visits": "到过"})
    assert json.loads(json.dumps(data)) == {
        "days": [{"day": "2026-03-02", "talks": 0, "understood": 0, "asked": 0, "missed": 0}],
        "nodes": [{"title": "网上查询", "node": "m1_web", "visits": 2, "understood": 0, "missed": 0}],
        "hours": [0] * 8 + [2] + [0] * 15,
        "completion": [{"title": "网上查询", "node": "m1_web", "begun": 2, "finished": 1, "share": 0.5}],
        "labels": {"visits": "到过"}}


def test_the_vendored_library_needs_nothing_that_the_policy_forbids():
    code = (VENDOR / "chart.umd.min.js").read_text(encoding="utf-8")
    assert code.startswith("/*!\n * Chart.js v4.6.1\n")
    for forbidden in ("sourceMappingURL", "eval(", "new Function", "createElement(", "insertRule", "innerHTML"):
        assert forbidden not in code
    assert "MIT License" in (VENDOR / "chart.LICENSE.md").read_text(encoding="utf-8")
