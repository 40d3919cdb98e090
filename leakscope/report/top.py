"""What there is most of in a heap, as a table and as JSON, schema `leakscope.top/1`."""

from __future__ import annotations

from collections.abc import Sequence

from leakscope.model.explanation import HeapSummary, HeapTop, TopObject, TopType
from leakscope.report.documents import Json, dump
from leakscope.report.layout import Page, Span, Style
from leakscope.report.table import FigureColumn, put_table
from leakscope.report.text import bytes_text, milliseconds, plural, type_text
from leakscope.report.unheld import put_unheld_table, unheld_type_document

SCHEMA = "leakscope.top/1"

NO_PATH = "held by nothing that has a name"


def render_top(top: HeapTop, *, width: int = 100, color: bool = False) -> str:
    """Return a heap's summary and the table of its first rows, in their order."""
    page = Page(width, color=color)
    summary = top.summary
    page.put(
        Span(
            f"{plural(summary.objects, 'object')} of {plural(summary.types, 'type')}, "
            f"{bytes_text(summary.bytes)}",
            Style.STRONG,
        ),
        hang="  ",
    )
    put_heap(page, summary)
    page.blank()
    if top.types:
        columns = _type_columns(top.types)
        put_table(page, columns, "type", [type_text(each.type) for each in top.types])
    elif top.unheld:
        put_unheld_table(page, top.unheld)
    elif top.objects:
        put_table(page, _object_columns(top.objects), "object", [_named(o) for o in top.objects])
    else:
        page.put("there is nothing of this kind")
    return page.text()


def render_top_json(top: HeapTop) -> str:
    """Return the same as JSON."""
    return dump(
        {
            "schema": SCHEMA,
            "heap": summary_document(top.summary),
            "types": [
                {
                    "type": each.type,
                    "objects": each.objects,
                    "bytes": each.bytes,
                    "retained_bytes": each.retained_bytes,
                    "garbage": {"objects": each.garbage_objects, "bytes": each.garbage_bytes},
                }
                for each in top.types
            ],
            "objects": [
                {
                    "address": each.address,
                    "type": each.type,
                    "path": each.path,
                    "bytes": each.bytes,
                    "retained": {"objects": each.retained_objects, "bytes": each.retained_bytes},
                    "entries": each.entries,
                }
                for each in top.objects
            ],
            "unheld": [unheld_type_document(each) for each in top.unheld],
        }
    )


def put_heap(page: Page, summary: HeapSummary) -> None:
    """Add a line on a heap snapshot: what it cost, and what in it is garbage."""
    garbage = (
        f"uncollected garbage: {plural(summary.garbage_objects, 'object')}, "
        f"{bytes_text(summary.garbage_bytes)}"
        if summary.garbage_objects
        else "no uncollected garbage"
    )
    page.put(
        f"heap snapshot: {plural(summary.references, 'reference')}; {garbage}; "
        f"held up for {milliseconds(summary.pause_ms)}",
        hang="  ",
    )


def summary_document(summary: HeapSummary) -> Json:
    """Return the size of a heap as an object."""
    return {
        "objects": summary.objects,
        "bytes": summary.bytes,
        "references": summary.references,
        "types": summary.types,
        "garbage": {"objects": summary.garbage_objects, "bytes": summary.garbage_bytes},
        "pause_ms": summary.pause_ms,
    }


def _type_columns(types: Sequence[TopType]) -> list[FigureColumn]:
    if not any(each.retained_bytes for each in types):
        return [
            FigureColumn("garbage", tuple(f"{t.garbage_objects:,}" for t in types)),
            FigureColumn("bytes", tuple(bytes_text(t.garbage_bytes) for t in types)),
            FigureColumn("of objects", tuple(f"{t.objects:,}" for t in types)),
        ]
    return [
        FigureColumn("objects", tuple(f"{t.objects:,}" for t in types)),
        FigureColumn("bytes", tuple(bytes_text(t.bytes) for t in types)),
        FigureColumn("retained", tuple(bytes_text(t.retained_bytes) for t in types)),
        FigureColumn("garbage", tuple(f"{t.garbage_objects:,}" for t in types)),
    ]


def _object_columns(objects: Sequence[TopObject]) -> list[FigureColumn]:
    columns = [
        FigureColumn("retained", tuple(bytes_text(o.retained_bytes) for o in objects)),
        FigureColumn("objects", tuple(f"{o.retained_objects:,}" for o in objects)),
    ]
    if any(each.entries is not None for each in objects):
        entries = tuple("" if o.entries is None else f"{o.entries:,}" for o in objects)
        columns.insert(0, FigureColumn("entries", entries))
    return columns


def _named(each: TopObject) -> str:
    return f"{each.path or NO_PATH} : {type_text(each.type)} @{each.address:#x}"
