from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given

from leakscope.model.cohorts import Cohort
from leakscope.model.evidence import Site, Step, Unheld
from leakscope.model.explanation import TypeShare
from leakscope.model.heapgrowth import GrowthPlace, HeapComparison
from leakscope.model.trend import Interval
from leakscope.model.unheld import StrayReferences, UnheldSeries
from leakscope.report.comparison import render_comparison, render_comparison_json
from leakscope.report.heapgrowth import put_heap_comparison
from leakscope.report.layout import Page
from tests.goldens import assert_golden
from tests.report.hostile import any_text, raw_in
from tests.report.test_comparison import COMPARISON

PLACE = GrowthPlace(
    fingerprint="9f3c00aa11bb",
    path="shop.app.APP.sessions",
    type="dict",
    chain=(
        Step("module shop.app", "module"),
        Step(".APP", "shop.App"),
        Step(".sessions", "dict"),
    ),
    shared=False,
    holder=1,
    entry=(Step("[*]", "shop.Session"), Step(".request", "web.Request")),
    entries=4_700,
    objects=47_000,
    bytes=9 << 20,
    types=tuple(TypeShare(f"shop.T{i}", 4_700, (10 - i) << 10) for i in range(10)),
    spread=False,
    also_held_by=("shop.index.BY_USER", ""),
    site=Site("shop/app.py", 12, "handle"),
    cohorts=(Cohort(2_200, 2_200), Cohort(2_500, 2_500)),
)
GROWN = HeapComparison(
    places=(PLACE, replace(PLACE, holder=2, cohorts=(Cohort(100, 0), Cohort(100, 100)))),
    made=60_000,
    freed=13_000,
    bytes=10 << 20,
    garbage_objects=120,
    garbage_bytes=9_000,
)


def text(found: HeapComparison, width: int = 100) -> str:
    page = Page(width)
    put_heap_comparison(page, found)
    return page.text()


def of(place: GrowthPlace) -> str:
    return text(replace(GROWN, places=(place,)), width=160)


def test_places_are_as_reviewed() -> None:
    assert_golden("heapgrowth-100.txt", text(GROWN))


def test_they_follow_the_table_of_types() -> None:
    report = render_comparison(COMPARISON, GROWN)

    assert report.startswith(render_comparison(COMPARISON))
    assert report.endswith(text(GROWN))


def test_what_becomes_of_entries_is_put_into_words() -> None:
    assert "what comes stays" in of(PLACE)
    assert "some of what comes stays" in of(
        replace(PLACE, cohorts=(Cohort(100, 70), Cohort(100, 100)))
    )
    assert "a cache or a backlog" in of(replace(PLACE, cohorts=(Cohort(100, 3), Cohort(100, 100))))
    assert "cohorts" not in of(replace(PLACE, cohorts=()))


def test_places_of_other_kinds_are_said_to_be_such() -> None:
    assert "many objects below it grow" in of(replace(PLACE, spread=True))
    assert "it has itself grown" in of(replace(PLACE, entries=0))
    assert "by no one object alone" in of(replace(PLACE, shared=True, holder=None))
    lost = (Step("held by", "list"),)
    for chain in ((), lost):
        place = replace(PLACE, chain=chain, shared=True, holder=None, entry=())
        assert "no reference in the heap accounts for it" in of(place)


LOST = replace(
    PLACE,
    path="",
    type="list",
    chain=(Step("held by", "list"),),
    shared=True,
    holder=None,
    entry=(),
    also_held_by=(),
    site=None,
    cohorts=(),
    unheld=(
        Unheld("list", 19_698, 19_698, 4 << 20, (Step("[*]", "tuple"),), 2),
        Unheld("shop.Reply", 100, 120, 9_000),
    ),
)
STRAY = StrayReferences(
    0x7F00_0000_1000, "type", "shop.Settings", (50, 350, 650), Interval(1.0, 0.99, 1.01)
)
LOSING = replace(
    GROWN,
    places=(LOST,),
    unheld=(
        UnheldSeries("list", (10, 9_800, 19_708), (10, 9_800, 19_708), Interval(2.0, 1.98, 2.02)),
    ),
    strays=(
        STRAY,
        replace(STRAY, address=0x7F00_0000_2000, path="shop.SETTINGS", type="shop.Settings"),
        replace(STRAY, address=0x7F00_0000_3000, path="", references=(1, 2, 90), slope=None),
    ),
    unit="request",
)


def test_what_nobody_holds_is_as_reviewed() -> None:
    assert_golden("heapgrowth-unheld-100.txt", text(LOSING))


def test_the_document_has_what_nobody_holds_heap_by_heap() -> None:
    heap = json.loads(render_comparison_json(COMPARISON, LOSING))["heap"]

    assert heap["unit"] == "request"
    assert heap["unheld"][0]["objects"] == [10, 9_800, 19_708]
    assert heap["strays"][0]["references"] == [50, 350, 650]
    assert heap["places"][0]["unheld"][1]["references"] == 120


def test_many_places_are_told_in_part() -> None:
    assert "and 4 more places" in text(replace(GROWN, places=(PLACE,) * 12))


def test_the_document_has_it_all() -> None:
    heap = json.loads(render_comparison_json(COMPARISON, GROWN))["heap"]

    assert heap["garbage"] == {"objects": 120, "bytes": 9_000}
    assert heap["places"][0]["cohorts"][0] == {"made": 2_200, "alive": 2_200}
    assert json.loads(render_comparison_json(COMPARISON))["heap"] is None


@given(any_text, any_text)
def test_hostile_names_reach_no_terminal(name: str, edge: str) -> None:
    place = replace(
        PLACE,
        path=edge,
        type=name,
        chain=(Step(edge, name),) * 3,
        entry=(Step(edge, name),),
        types=(TypeShare(name, 1, 1),),
        also_held_by=(edge,),
        site=Site(name, 1, edge),
    )
    lost = replace(place, shared=True, unheld=(Unheld(name, 2, 2, 9, (Step(edge, name),)),))
    stray = replace(STRAY, path=edge, type=name)

    assert not raw_in(text(replace(GROWN, places=(place, lost), strays=(stray,))))
