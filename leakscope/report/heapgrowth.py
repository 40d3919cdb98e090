"""Where a heap grew, as text and as a part of the JSON of a diff."""

from __future__ import annotations

from leakscope.model.heapgrowth import GrowthPlace, HeapComparison
from leakscope.model.unheld import UNHELD_CAUSE
from leakscope.report.cohorts import cohorts_document, cohorts_text
from leakscope.report.documents import Json, chain, site
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import bytes_text, plural, type_text
from leakscope.report.tree import put_chain, site_text
from leakscope.report.unheld import (
    pace_of,
    put_looks,
    series_document,
    stray_document,
    stray_texts,
    unheld_document,
    unheld_text,
)

_PLACES_SHOWN = 8
_TYPES_SHOWN = 8


def put_heap_comparison(page: Page, found: HeapComparison) -> None:
    """Add the places at which objects pile up, most bytes first, and what is garbage."""
    page.blank()
    page.put(
        (
            Span("the heap:", Style.STRONG),
            Span(
                f"{plural(found.made, 'object')} made, {found.freed:,} freed, "
                f"{bytes_text(found.bytes, signed=True)} alive"
                + _garbage(found.garbage_objects, found.garbage_bytes)
            ),
        ),
        hang="  ",
    )
    for place in found.places[:_PLACES_SHOWN]:
        page.blank()
        _put_place(page, place, found)
    rest = len(found.places) - _PLACES_SHOWN
    if rest > 0:
        page.put(f"and {plural(rest, 'more place')} (--json shows them)", hang="  ")
    for note in stray_texts(found.strays, found.unit):
        page.blank()
        page.put((Span("note:", Style.WARN), Span(note)), hang="  ")


def heap_comparison_document(found: HeapComparison) -> Json:
    """Return the same as an object."""
    return {
        "made": found.made,
        "freed": found.freed,
        "bytes": found.bytes,
        "garbage": {"objects": found.garbage_objects, "bytes": found.garbage_bytes},
        "places": [_place(place) for place in found.places],
        "unit": found.unit,
        "unheld": [series_document(each) for each in found.unheld],
        "strays": [stray_document(each) for each in found.strays],
    }


def _put_place(page: Page, place: GrowthPlace, found: HeapComparison) -> None:
    head = Span(f"{bytes_text(place.bytes, signed=True)}", Style.STRONG)
    page.put((head, Span(f"in {plural(place.objects, 'object')}")), hang="  ")
    if place.shared and not (place.is_rooted or place.unheld):
        page.put(
            "no reference in the heap accounts for it: C code or a running call holds it, or took "
            "references that it never gave back",
            indent="  ",
        )
    elif place.shared and not place.unheld:
        page.put("held by several, by no one object alone; most of it hangs here", indent="  ")
    end = len(place.chain) - 1
    notes = {end: _grows(place)} if place.chain and not place.shared else {}
    if place.holder is not None and place.holder != end:
        notes[place.holder] = "was there before; all below it is new"
    if place.unheld:
        notes[0] = unheld_text(place.unheld)
    put_chain(page, (*place.chain, *place.entry), notes=notes)
    put_looks(page, place.unheld)
    if pace := pace_of(place.unheld, found.unheld, found.unit):
        page.labelled("unheld", pace)
    page.labelled("gained", _types(place))
    if place.cohorts:
        page.labelled("cohorts", cohorts_text(place.cohorts))
    for path in place.also_held_by:
        page.labelled("also held by", path or "something without a name")
    if place.site is not None:
        page.labelled("code at", site_text(place.site))
    if place.unheld:
        page.labelled("why", f"{UNHELD_CAUSE}; `leakscope alloc PID` tells what allocates them")


def _grows(place: GrowthPlace) -> str:
    if place.spread:
        return "many objects below it grow, each a little"
    if not place.entries:
        return "it has itself grown"
    return f"accumulates here: {plural(place.entries, 'new entry')}"


def _types(place: GrowthPlace) -> str:
    words = [
        f"{share.objects:+,} {type_text(share.type)} ({bytes_text(share.bytes, signed=True)})"
        for share in place.types[:_TYPES_SHOWN]
    ]
    rest = len(place.types) - len(words)
    if rest > 0:
        words.append(plural(rest, "more type"))
    return " · ".join(words)


def _garbage(objects: int, size: int) -> str:
    if not objects:
        return ""
    return f"; {objects:+,} objects of uncollected garbage ({bytes_text(size, signed=True)})"


def _place(place: GrowthPlace) -> Json:
    return {
        "fingerprint": place.fingerprint,
        "path": place.path,
        "type": place.type,
        "shared": place.shared,
        "chain": chain(place.chain),
        "holder": place.holder,
        "entry": chain(place.entry),
        "entries": place.entries,
        "objects": place.objects,
        "bytes": place.bytes,
        "types": [
            {"type": share.type, "objects": share.objects, "bytes": share.bytes}
            for share in place.types
        ],
        "spread": place.spread,
        "also_held_by": place.also_held_by,
        "site": None if place.site is None else site(place.site),
        "cohorts": cohorts_document(place.cohorts),
        "unheld": [unheld_document(each) for each in place.unheld],
    }
