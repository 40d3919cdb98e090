"""One census as a table and as JSON, schema `leakscope.census/1`."""

from __future__ import annotations

from leakscope.model.census import Census
from leakscope.model.explanation import HeapSummary
from leakscope.model.recording import Recording
from leakscope.report.documents import dump
from leakscope.report.layout import Page, Span, Style
from leakscope.report.table import FigureColumn, put_table
from leakscope.report.text import bytes_text, milliseconds, plural, type_text
from leakscope.report.top import put_heap, summary_document

SCHEMA = "leakscope.census/1"

_CONTAINERS_SHOWN = 5


def render_census(
    recording: Recording,
    heap: HeapSummary | None = None,
    *,
    width: int = 100,
    rows: int = 15,
    color: bool = False,
) -> str:
    """Return the `rows` most numerous types of the last census, and its longest containers.

    `heap` is the size of the heap snapshot that was kept with it.
    """
    census = recording.censuses[-1]
    page = Page(width, color=color)
    page.put((Span(_summary(recording), Style.STRONG),), hang="  ")
    if heap is not None:
        put_heap(page, heap)
    page.blank()
    names = _by_count(census)[:rows]
    totals = [census.types[name] for name in names]
    columns = [
        FigureColumn("objects", tuple(f"{total.objects:,}" for total in totals)),
        FigureColumn("bytes", tuple(bytes_text(total.bytes) for total in totals)),
    ]
    put_table(page, columns, "type", [type_text(name) for name in names])
    rest = len(census.types) - len(names)
    if rest:
        page.put(f"and {plural(rest, 'more type')} (--json shows them)", hang="  ")
    longest = census.containers[:_CONTAINERS_SHOWN]
    if longest:
        page.blank()
        lengths = FigureColumn("entries", tuple(f"{each.length:,}" for each in longest))
        containers = [f"{type_text(each.type)} at {each.address:#x}" for each in longest]
        put_table(page, [lengths], "longest containers", containers)
    for caveat in recording.caveats:
        page.put((Span("note:", Style.DIM), Span(caveat)), hang="  ")
    return page.text()


def render_census_json(recording: Recording, heap: HeapSummary | None = None) -> str:
    """Return the last census as JSON: all types, most numerous first, ties by name."""
    census, target = recording.censuses[-1], recording.target
    return dump(
        {
            "schema": SCHEMA,
            "target": {
                "pid": target.pid,
                "started": target.started,
                "cmdline": target.cmdline,
                "python": target.python,
                "implementation": target.implementation,
            },
            "kind": recording.kind.value,
            "at": census.at,
            "pause_ms": census.pause_ms,
            "rss": census.metrics.rss,
            "types": [
                {
                    "type": name,
                    "objects": census.types[name].objects,
                    "bytes": census.types[name].bytes,
                }
                for name in _by_count(census)
            ],
            "containers": [
                {"address": each.address, "type": each.type, "length": each.length}
                for each in census.containers
            ],
            "heap": None if heap is None else summary_document(heap),
            "caveats": recording.caveats,
        }
    )


def _by_count(census: Census) -> list[str]:
    return sorted(census.types, key=lambda name: (-census.types[name].objects, name))


def _summary(recording: Recording) -> str:
    census = recording.censuses[-1]
    objects = sum(total.objects for total in census.types.values())
    size = sum(total.bytes for total in census.types.values())
    rss = census.metrics.rss
    return (
        f"pid {recording.target.pid}: {plural(objects, 'object')} of "
        f"{plural(len(census.types), 'type')}, {bytes_text(size)}"
        + ("" if rss is None else f" of {bytes_text(rss)} RSS")
        + f"; held up for {milliseconds(census.pause_ms)}"
    )
