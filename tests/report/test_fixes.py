"""The fix table: one sentence, a row for each leak, and how each rate came about."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.analysis.fixes import compare_runs
from leakscope.model.finding import Forecast
from leakscope.model.fixes import Basis, Fix, Fixes, Match, Row, Side
from leakscope.model.measurement import Rate, Rises
from leakscope.model.target import MemoryLimit
from leakscope.model.trend import Interval
from leakscope.report.fixes import render_fixes, render_fixes_markdown
from leakscope.report.fixes_json import render_fixes_json
from leakscope.report.fixes_wording import rate_text
from leakscope.report.layout import cells
from leakscope.report.markdown import MOST_BYTES
from tests.goldens import assert_golden
from tests.report.hostile import NASTY, any_text, raw_in
from tests.runs import OTHER, run, shop

BEFORE = replace(
    run(shop(1.0, rss=2365.0), "main.lscope"),
    forecast=Forecast(20_400.0, 22_200.0, MemoryLimit(512 << 20, "cgroup memory.max")),
)
AFTER = run(shop(0.0, target=OTHER), "branch.lscope")

LABELS = 14
"""Columns that labels at the beginning of a line take, where there is room for them."""

GREW = Rate(Interval(1.0, 0.99, 1.01), Rises.YES)
GONE = Rate(Interval(0.0, -0.001, 0.002), Rises.NO)
SLOWER = Rate(Interval(0.5, 0.49, 0.51), Rises.YES)
PERHAPS = Rate(Interval(0.03, 0.01, 0.05), Rises.PERHAPS)

FIXED = Row(
    "shop.Order",
    Side(GREW, Basis.FINDING, "shop.ORDERS", "5f0c9a41d2e7"),
    Side(GONE, Basis.TYPE),
    Fix.FIXED,
    None,
)
REDUCED = Row(
    "shop.Basket",
    Side(GREW, Basis.FINDING, "shop.BASKETS", "0b7d3c55a901"),
    Side(SLOWER, Basis.FINDING, "shop.Store.baskets", "9c1d00aa17f2"),
    Fix.REDUCED,
    Match.TYPE,
)
NEW = Row(
    "builtins.dict",
    Side(GONE, Basis.TYPE),
    Side(GREW, Basis.FINDING, "shop.cache.SEEN", "77aa00b1c2d3"),
    Fix.NEW,
    None,
)
DOUBTFUL = Row(
    "shop.Visit",
    Side(GREW, Basis.FINDING, "shop.VISITS", "1188aabbccdd"),
    Side(PERHAPS, Basis.TYPE, doubt="it rose in branch.lscope, and may go on"),
    Fix.UNCLEAR,
    None,
)
UNKNOWN = replace(
    DOUBTFUL, after=Side(None, None, doubt="branch.lscope is too short"), type="shop.Unseen"
)


def fixes_of(*rows: Row, fix: Fix) -> Fixes:
    return replace(compare_runs(BEFORE, AFTER), rows=rows, fix=fix)


MIXED = fixes_of(FIXED, REDUCED, DOUBTFUL, UNKNOWN, NEW, fix=Fix.NEW)


@pytest.mark.parametrize("width", [60, 100])
def test_the_table_is_as_reviewed(width: int) -> None:
    assert_golden(f"compare-{width}.txt", render_fixes(MIXED, width=width))


def test_the_fix_of_the_one_leak_is_as_reviewed() -> None:
    assert_golden("compare-fixed.txt", render_fixes(compare_runs(BEFORE, AFTER)))


def test_the_markdown_is_as_reviewed() -> None:
    assert_golden("compare.md", render_fixes_markdown(MIXED))


def test_the_answer_is_the_first_sentence() -> None:
    text = " ".join(render_fixes(fixes_of(FIXED, fix=Fix.FIXED)).split())

    assert text.startswith(
        "fixed: the rate of shop.Order in shop.ORDERS went from +1.00 per request [0.99, 1.01] "
        "to 0 [-0.0010, 0.0020]"
    )


@pytest.mark.parametrize(
    ("rate", "shown"),
    [
        (Rate(Interval(0.0, 0.0, 0.0), Rises.NO), ("0", "[0, 0]")),
        (Rate(Interval(0.0, -0.022, 0.022), Rises.NO), ("0", "[-0.022, 0.022]")),
        (Rate(Interval(0.0003, -0.001, 0.002), Rises.NO), ("+0.0003", "[-0.0010, 0.0020]")),
        (Rate(Interval(-0.2, -0.3, -0.1), Rises.NO), ("-0.20", "[-0.30, -0.10]")),
        (None, ("not known", "")),
    ],
)
def test_a_rate_has_the_decimals_of_its_interval(rate: Rate | None, shown: tuple[str, str]) -> None:
    assert rate_text(rate) == shown


def test_of_several_leaks_the_worst_is_told_and_all_are_counted() -> None:
    first = " ".join(render_fixes(MIXED).split("\n\n")[0].split())

    assert first.startswith("new: the rate of dict in shop.cache.SEEN went from 0")
    assert first.endswith("of 5 leaks: 1 fixed, 1 reduced, 1 new, 2 unclear")


def test_two_clean_runs_are_told_in_words() -> None:
    clean = compare_runs(run(shop(0.0), "a"), AFTER)

    assert render_fixes(clean).startswith("no leak: nothing leaked before, and nothing leaks after")


def test_a_narrow_page_shows_every_rate() -> None:
    text = " ".join(render_fixes(MIXED, width=40).split())

    assert "reduced shop.Basket in shop.BASKETS before +1.00 [0.99, 1.01] after +0.50" in text


def test_a_rate_that_is_not_known_is_told_with_its_reason() -> None:
    text = " ".join(render_fixes(fixes_of(UNKNOWN, fix=Fix.UNCLEAR)).split())

    assert "after it is not known" in text
    assert "branch.lscope is too short" in text


def test_the_document_has_every_row() -> None:
    document = json.loads(render_fixes_json(MIXED))

    assert document["schema"] == "leakscope.compare/1"
    assert document["verdict"] == "new"
    assert document["leaks"] is True
    assert [row["verdict"] for row in document["rows"]] == [
        "fixed",
        "reduced",
        "unclear",
        "unclear",
        "new",
    ]
    assert document["rows"][0] == {
        "type": "shop.Order",
        "verdict": "fixed",
        "matched_by": None,
        "before": {
            "holder": "shop.ORDERS",
            "fingerprint": "5f0c9a41d2e7",
            "rate": {"slope": {"estimate": 1.0, "low": 0.99, "high": 1.01}, "rises": "yes"},
            "measured": "finding",
            "doubt": "",
        },
        "after": {
            "holder": None,
            "fingerprint": None,
            "rate": {"slope": {"estimate": 0.0, "low": -0.001, "high": 0.002}, "rises": "no"},
            "measured": "type",
            "doubt": "",
        },
    }
    assert document["rss"]["verdict"] == "fixed"
    assert document["before"]["forecast"]["earliest_seconds"] == 20_400.0
    assert document["after"]["forecast"] is None


def hostile(text: str) -> Fixes:
    """Return fixes with `text` wherever text from a target or a file gets to."""
    side = Side(GREW, Basis.FINDING, text, text, text)
    rows = (Row(text, side, replace(side, holder=text + "x"), Fix.UNCHANGED, Match.TYPE),)
    told = replace(BEFORE, name=text, reason=text, unit=text)
    return replace(MIXED, rows=rows, before=told, after=told, unit=text, notes=(text,))


@given(any_text, st.integers(20, 200))
def test_hostile_names_are_harmless_and_lines_fit(text: str, width: int) -> None:
    report = render_fixes(hostile(text), width=width)

    assert not raw_in(report)
    for line in report.splitlines():
        words = line[LABELS:] if width >= 3 * LABELS else line
        assert cells(line) <= width or " " not in line.strip() or " " not in words.strip()


def test_hostile_names_are_no_markup() -> None:
    text = NASTY + "</code><script>|`` **@octocat** [a](http://b.c)"
    report = render_fixes_markdown(hostile(text))

    assert not raw_in(report)
    assert "<script" not in report
    assert "@octocat" not in report
    assert "](" not in report


def test_markdown_fits_where_it_goes() -> None:
    rows = tuple(replace(FIXED, type="x" * 90_000) for _ in range(100))

    assert len(render_fixes_markdown(replace(MIXED, rows=rows)).encode()) < MOST_BYTES + 1000
