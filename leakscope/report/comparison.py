"""What differs between censuses, as a table and as JSON, schema `leakscope.diff/1`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leakscope.model.comparison import Comparison, TypeChange
from leakscope.model.heapgrowth import HeapComparison
from leakscope.report.documents import Json, dump, interval
from leakscope.report.heapgrowth import heap_comparison_document, put_heap_comparison
from leakscope.report.layout import Page, Span, Style
from leakscope.report.table import FigureColumn, put_table
from leakscope.report.text import (
    bytes_text,
    duration,
    interval_text,
    number,
    plural,
    type_text,
)

SCHEMA = "leakscope.diff/1"


def render_comparison(
    comparison: Comparison,
    heaps: HeapComparison | None = None,
    *,
    width: int = 100,
    rows: int = 25,
    color: bool = False,
) -> str:
    """Return a table of the first `rows` types that changed, in the order of `comparison`.

    Where heaps were compared, it is followed by the places at which they grew.
    """
    page = Page(width, color=color)
    page.put((Span(_summary(comparison), Style.STRONG),), hang="  ")
    for note in _notes(comparison):
        page.put((Span("note:", Style.WARN), Span(note)), hang="  ")
    _put_changes(page, comparison, rows)
    if heaps is not None:
        put_heap_comparison(page, heaps)
    return page.text()


def _notes(comparison: Comparison) -> Iterator[str]:
    if not comparison.same_process:
        yield "these are different processes; what differs need not have grown"
    if comparison.counts_differ:
        yield (
            "some of these count every object, some only those that gc tracks: types that only "
            "the former have are left out, and tuples and dicts differ by those not tracked"
        )


def _put_changes(page: Page, comparison: Comparison, rows: int) -> None:
    changes = comparison.changes[:rows]
    if not changes:
        page.put("no type gained or lost an object")
        return
    page.blank()
    put_table(page, _columns(comparison, changes), "type", [type_text(c.type) for c in changes])
    rest = len(comparison.changes) - len(changes)
    if rest:
        page.put(f"and {plural(rest, 'more type')} (--top or --json shows them)", hang="  ")


def render_comparison_json(comparison: Comparison, heaps: HeapComparison | None = None) -> str:
    """Return all changes as JSON, in the order of `comparison`."""
    return dump(
        {
            "schema": SCHEMA,
            "unit": comparison.unit,
            "censuses": comparison.censuses,
            "seconds": comparison.seconds,
            "work": comparison.work,
            "same_process": comparison.same_process,
            "counts_differ": comparison.counts_differ,
            "changes": [_change(change) for change in comparison.changes],
            "heap": None if heaps is None else heap_comparison_document(heaps),
        }
    )


def _summary(comparison: Comparison) -> str:
    over = f"{plural(comparison.censuses, 'census')} over {duration(comparison.seconds)}"
    if comparison.work is not None and comparison.unit != "second":
        over += f" and {plural(comparison.work, comparison.unit)}"
    grown = sum(1 for change in comparison.changes if change.objects > 0)
    return f"{over}: {plural(len(comparison.changes), 'type')} changed, {grown:,} grew"


def _columns(comparison: Comparison, changes: Sequence[TypeChange]) -> list[FigureColumn]:
    """Return the columns, the most wanted first."""
    columns = [
        FigureColumn("gained", tuple(f"{c.objects:+,}" for c in changes)),
        FigureColumn("objects", tuple(f"{c.objects_last:,}" for c in changes)),
        FigureColumn("bytes", tuple(bytes_text(c.bytes, signed=True) for c in changes)),
    ]
    if any(change.slope is not None for change in changes):
        slopes = tuple(_slope(change) for change in changes)
        columns.insert(2, FigureColumn(f"per {comparison.unit}", slopes))
        columns.append(FigureColumn("95 % between", tuple(_bounds(c) for c in changes)))
    return columns


def _slope(change: TypeChange) -> str:
    return "" if change.slope is None else number(change.slope.estimate, signed=True)


def _bounds(change: TypeChange) -> str:
    slope = change.slope
    return "" if slope is None else interval_text(slope.estimate, slope.low, slope.high)


def _change(change: TypeChange) -> Json:
    return {
        "type": change.type,
        "objects": {
            "first": change.objects_first,
            "last": change.objects_last,
            "gained": change.objects,
        },
        "bytes": {"first": change.bytes_first, "last": change.bytes_last, "gained": change.bytes},
        "slope": interval(change.slope),
    }
