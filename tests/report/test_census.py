from __future__ import annotations

import json
from dataclasses import replace

from leakscope.model.census import Census, ContainerLength, ProcessMetrics, TypeTotal
from leakscope.model.explanation import HeapSummary
from leakscope.model.recording import CaptureKind, Recording
from leakscope.report.census import render_census, render_census_json
from tests.goldens import assert_golden
from tests.report.hostile import NASTY, raw_in
from tests.report.samples import GATEWAY


def snapshot(**types: int) -> Recording:
    census = Census(
        at=1_760_000_100.0,
        work=None,
        types={f"shop.{name}": TypeTotal(n, 48 * n) for name, n in types.items()},
        containers=(ContainerLength(0x7F00, "builtins.dict", 600),),
        metrics=ProcessMetrics(rss=300 << 20),
        pause_ms=12.6,
    )
    return Recording(GATEWAY, CaptureKind.NATIVE, "second", (census,))


def test_the_table_is_as_reviewed() -> None:
    assert_golden("census-100.txt", render_census(snapshot(Order=6000, Line=6000, Cart=2)))


def test_a_heap_snapshot_is_told_with_its_garbage_and_its_pause() -> None:
    heap = HeapSummary(12_002, 1 << 20, 30_000, 7, 500, 3, 4.25)

    report = render_census(snapshot(Order=6000, Line=6000, Cart=2), heap)
    document = json.loads(render_census_json(snapshot(Order=1), heap))

    assert (
        "heap snapshot: 30,000 references; uncollected garbage: 7 objects, 500 B; "
        "held up for 4.2 ms" in report
    )
    assert document["heap"]["garbage"] == {"objects": 7, "bytes": 500}
    assert json.loads(render_census_json(snapshot(Order=1)))["heap"] is None


def test_the_most_numerous_types_come_first_and_ties_by_name() -> None:
    document = json.loads(render_census_json(snapshot(Cart=2, Order=6000, Line=6000)))

    assert [each["type"] for each in document["types"]] == ["shop.Line", "shop.Order", "shop.Cart"]
    assert document["types"][0] == {"type": "shop.Line", "objects": 6000, "bytes": 288_000}
    assert document["containers"] == [{"address": 0x7F00, "type": "builtins.dict", "length": 600}]


def test_types_that_are_not_shown_are_counted() -> None:
    report = render_census(snapshot(Order=3, Line=2, Cart=1), rows=1)

    assert "shop.Line" not in report
    assert "and 2 more types" in report


def test_hostile_type_names_are_harmless() -> None:
    assert not raw_in(render_census(snapshot(**{NASTY: 5})))


def test_caveats_and_a_census_without_rss_are_told() -> None:
    (census,) = snapshot(Order=3).censuses
    bare = replace(census, metrics=ProcessMetrics(), containers=())
    report = render_census(replace(snapshot(), censuses=(bare,), caveats=("Sizes are flat.",)))

    assert report.splitlines()[0] == ("pid 4242: 3 objects of 1 type, 144 B; held up for 13 ms")
    assert report.splitlines()[-1] == "note: Sizes are flat."
