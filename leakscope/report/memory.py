"""Where the memory of a process went: as text and as JSON, schema `leakscope.memory/1`."""

from __future__ import annotations

from leakscope.model.memory import LayerKind, Ledger
from leakscope.report.documents import dump
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import bytes_text, milliseconds, plural

SCHEMA = "leakscope.memory/1"

_BAR = 20
_SLIGHT = 0.03
"""Share of all that the remainder may be without a word."""
LAYER_NAMES = {
    LayerKind.OBJECTS: "live_objects",
    LayerKind.GARBAGE: "uncollected_garbage",
    LayerKind.PYTHON_FREE: "python_free",
    LayerKind.NATIVE: "native_in_use",
    LayerKind.MALLOC_FREE: "malloc_free",
    LayerKind.STACKS: "thread_stacks",
    LayerKind.FILES: "mapped_files",
    LayerKind.SHARED: "shared_memory",
    LayerKind.OTHER: "other_mappings",
}


def render_ledger(ledger: Ledger, *, width: int = 100, color: bool = False) -> str:
    """Return the layers that have anything, largest first, and what each means."""
    page = Page(width, color=color)
    page.put(
        Span(f"RSS {bytes_text(ledger.resident)}", Style.STRONG),
        *([f"{bytes_text(ledger.swapped)} more in swap"] if ledger.swapped else []),
        f"held up for {milliseconds(ledger.pause_ms)}",
        hang="  ",
    )
    page.blank()
    for layer in sorted(ledger.layers, key=lambda each: -each.bytes):
        if layer.bytes:
            share = layer.bytes / max(1, ledger.resident)
            head = f"{bytes_text(layer.bytes):>10}  {100 * share:3.0f} %  {_bar(share)}  "
            page.put(Span(layer.kind.value, Style.STRONG), indent=head)
            page.put(meaning(ledger, layer.kind), indent=" " * len(head))
    if abs(ledger.remainder) > _SLIGHT * ledger.resident:
        page.blank()
        page.put(f"not told apart: {bytes_text(ledger.remainder, signed=True)}")
    return page.text()


def render_ledger_json(ledger: Ledger) -> str:
    """Return the same as JSON."""
    return dump(
        {
            "schema": SCHEMA,
            "resident_bytes": ledger.resident,
            "layers": {LAYER_NAMES[layer.kind]: layer.bytes for layer in ledger.layers},
            "remainder_bytes": ledger.remainder,
            "swapped_bytes": ledger.swapped,
            "objects": ledger.objects,
            "garbage_objects": ledger.garbage,
            "threads": ledger.threads,
            "allocator": ledger.allocator,
            "tells_free": ledger.tells_free,
            "pause_ms": ledger.pause_ms,
        }
    )


def meaning(ledger: Ledger, kind: LayerKind) -> str:
    """Return what a layer is, and what to do if it is what grows."""
    free = "" if ledger.tells_free else f", in use or free: {ledger.allocator} does not tell"
    return {
        LayerKind.OBJECTS: f"{plural(ledger.objects, 'object')}; `leakscope watch` and `leakscope "
        "top` tell of which types, and who holds them",
        LayerKind.GARBAGE: f"{plural(ledger.garbage, 'object')} in cycles that gc has not got to; "
        "`leakscope top --by garbage` tells of which types",
        LayerKind.PYTHON_FREE: "blocks between objects that are alive; used again for small "
        "objects, given back only when a whole arena of 1 MiB is free",
        LayerKind.NATIVE: "what C code has beside Python's objects: extensions, libraries, the "
        f"interpreter itself{free}; `leakscope alloc` tells what was asked for through Python",
        LayerKind.MALLOC_FREE: "freed, and not given back to the system; if it grows memory is "
        "fragmented: try MALLOC_ARENA_MAX=2, or jemalloc",
        LayerKind.STACKS: f"of {plural(ledger.threads, 'thread')}; `leakscope threads` tells what "
        "they run",
        LayerKind.FILES: "programs, libraries, their data, and files that are mapped; what is only "
        "read is given back when memory is short",
        LayerKind.SHARED: "shared with other processes: /dev/shm, memfd, shared mappings",
        LayerKind.OTHER: "mapped by C code itself: other allocators, buffers, code made at run "
        "time",
    }[kind]


def _bar(share: float) -> str:
    filled = round(_BAR * min(1.0, max(0.0, share)))
    return "█" * filled + "·" * (_BAR - filled)
