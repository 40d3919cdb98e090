from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from leakscope.model.comparison import Comparison, TypeChange
from leakscope.model.trend import Interval
from leakscope.report.comparison import render_comparison, render_comparison_json
from leakscope.report.layout import cells
from tests.goldens import assert_golden
from tests.report.hostile import any_text, raw_in

GROWN = TypeChange("shop.Order", 10, 6010, 1000, 3_000_000, Interval(1.0, 0.99, 1.01))
SHRUNK = TypeChange("builtins.dict", 100, 90, 10_000, 9_000, Interval(-0.01, -0.02, 0.0))
LONG = TypeChange("shop." + "very.deeply.nested." * 6 + "Thing", 0, 3, 0, 90, None)
COMPARISON = Comparison("request", 12, 60.0, 6000.0, True, (GROWN, LONG, SHRUNK))


def test_the_table_is_as_reviewed() -> None:
    assert_golden("diff-100.txt", render_comparison(COMPARISON))


def test_a_row_tells_what_was_gained_how_many_there_are_and_how_fast() -> None:
    (row,) = [line for line in render_comparison(COMPARISON).splitlines() if "shop.Order" in line]

    assert row.split() == [
        "+6,000",
        "6,010",
        "+1.00",
        "+2.9",
        "MiB",
        "[0.99,",
        "1.01]",
        "shop.Order",
    ]


def test_captures_that_count_different_things_are_told() -> None:
    mixed = replace(COMPARISON, counts_differ=True)

    assert "some only those that gc tracks" in " ".join(render_comparison(mixed).split())
    assert "gc tracks" not in render_comparison(COMPARISON)
    assert json.loads(render_comparison_json(mixed))["counts_differ"]


def test_two_censuses_have_no_slopes() -> None:
    two = replace(COMPARISON, censuses=2, changes=(replace(GROWN, slope=None),))

    assert "per request" not in render_comparison(two)


def test_rows_that_are_not_shown_are_counted() -> None:
    report = render_comparison(COMPARISON, rows=1)

    assert "and 2 more types" in report
    assert "dict" not in report


def test_another_process_is_pointed_out() -> None:
    assert "different processes" in render_comparison(replace(COMPARISON, same_process=False))
    assert "different processes" not in render_comparison(COMPARISON)


def test_no_change_is_said_in_words() -> None:
    report = render_comparison(replace(COMPARISON, changes=()))

    assert report.endswith("no type gained or lost an object")


def test_the_document_has_every_change() -> None:
    document = json.loads(render_comparison_json(COMPARISON))

    assert document["schema"] == "leakscope.diff/1"
    assert [change["type"] for change in document["changes"]] == [
        "shop.Order",
        LONG.type,
        "builtins.dict",
    ]
    assert document["changes"][0]["objects"] == {"first": 10, "last": 6010, "gained": 6000}
    assert document["changes"][0]["slope"] == {"estimate": 1.0, "low": 0.99, "high": 1.01}
    assert document["changes"][1]["slope"] is None


@given(any_text, st.integers(20, 200))
def test_hostile_type_names_are_harmless_and_lines_fit(name: str, width: int) -> None:
    changes = (replace(GROWN, type=name or "x"), SHRUNK)
    report = render_comparison(replace(COMPARISON, changes=changes), width=width)

    assert not raw_in(report)
    for line in report.splitlines():
        assert cells(line) <= width or " " not in line.strip()
