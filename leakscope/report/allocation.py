"""Where memory is allocated: as text, as folded stacks, as JSON, schema `leakscope.alloc/1`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from leakscope.model.allocation import (
    LARGE_BYTES,
    LARGE_RARER,
    AllocationProfile,
    AllocationSite,
)
from leakscope.model.evidence import Site
from leakscope.model.trend import Interval
from leakscope.report.documents import Json, dump, interval, site
from leakscope.report.groups import put_groups
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import bytes_text, duration, plural, type_text
from leakscope.report.tree import put_calls

SCHEMA = "leakscope.alloc/1"

CALLS_SHOWN = 8
_TYPES_SHOWN = 3
NOWHERE = "no Python code, or too much of it to tell"


def render_allocations(
    profile: AllocationProfile,
    *,
    allocated: bool = False,
    limit: int = 20,
    width: int = 100,
    color: bool = False,
) -> str:
    """Return the places that allocate most, with their stacks.

    With `allocated` all that was allocated counts, else what of it is still in use.
    """
    page = Page(width, color=color)
    total = _bytes(profile, allocated=allocated)
    what = "allocated" if allocated else "allocated and still in use"
    page.put(
        Span(f"{bytes_text(total.estimate)} {what}", Style.STRONG),
        f"within {duration(profile.seconds)}",
        f"{_bounds(total)}",
        hang="  ",
    )
    kept = profile.taken if allocated else profile.samples
    page.put(
        f"estimated from {plural(kept, 'sample')}, one per {bytes_text(profile.mean_bytes)} "
        f"allocated and one per {bytes_text(profile.mean_bytes * LARGE_RARER)} in blocks from "
        f"{bytes_text(LARGE_BYTES)} on; in brackets the bounds that hold the truth in 95 % of all "
        "cases",
        hang="  ",
    )
    for caveat in profile.caveats:
        page.put(Span(caveat, Style.WARN), hang="  ")
    sites = ordered(profile.sites, allocated=allocated)
    more = plural(len(sites) - limit, "more place") if len(sites) > limit else ""
    put_groups(page, sites[:limit], partial(_put_site, total=total, allocated=allocated), more)
    if not sites:
        page.blank()
        page.put(_nothing(profile, allocated=allocated), hang="  ")
    return page.text()


def render_folded(profile: AllocationProfile, *, allocated: bool = False) -> str:
    """Return one line per stack, outermost call first, with its bytes: for flame graphs."""
    lines = []
    for each in ordered(profile.sites, allocated=allocated):
        calls = [_frame(call) for call in reversed(each.calls)] or [NOWHERE]
        size = each.allocated_bytes if allocated else each.in_use_bytes
        lines.append(f"{';'.join(calls)} {round(size.estimate)}")
    return "\n".join(lines)


def render_allocations_json(profile: AllocationProfile) -> str:
    """Return all places as JSON."""
    return dump(
        {
            "schema": SCHEMA,
            "pid": profile.pid,
            "seconds": profile.seconds,
            "taken_at": profile.taken_at,
            "sample_bytes": profile.mean_bytes,
            "samples": {"alive": profile.samples, "taken": profile.taken},
            "in_use_bytes": interval(profile.in_use_bytes),
            "allocated_bytes": interval(profile.allocated_bytes),
            "caveats": list(profile.caveats),
            "sites": [_document(each) for each in profile.sites],
        }
    )


def ordered(
    sites: Sequence[AllocationSite], *, allocated: bool = False
) -> Sequence[AllocationSite]:
    """Return the places that count, most bytes first; all are in the order of bytes in use."""
    if not allocated:
        return [each for each in sites if each.samples]
    return sorted(sites, key=lambda each: -each.allocated_bytes.estimate)


def _nothing(profile: AllocationProfile, *, allocated: bool) -> str:
    if allocated or not profile.taken:
        return "Nothing was sampled: sample for longer (--for) or more densely (--sample-bytes)."
    return "Nothing that was sampled is still in use."


def _bytes(holder: AllocationProfile | AllocationSite, *, allocated: bool) -> Interval:
    return holder.allocated_bytes if allocated else holder.in_use_bytes


def _bounds(size: Interval) -> str:
    return f"[{bytes_text(size.low)}, {bytes_text(size.high)}]"


def _put_site(page: Page, each: AllocationSite, total: Interval, *, allocated: bool) -> None:
    size = _bytes(each, allocated=allocated)
    share = 100 * size.estimate / total.estimate if total.estimate else 0.0
    count = each.allocated_objects if allocated else each.in_use_objects
    page.put(
        Span(bytes_text(size.estimate), Style.STRONG),
        f"{share:.0f} %",
        _bounds(size),
        f"about {plural(max(1, round(count)), 'block')}",
        hang="  ",
    )
    more = " or more" if each.cut else ""
    put_calls(page, each.calls, CALLS_SHOWN, nowhere=NOWHERE, more=more)
    if each.types and not allocated:
        page.labelled("of", *_types(each))


def _types(each: AllocationSite) -> list[str]:
    whole = sum(of.bytes for of in each.types)
    told = [
        f"{type_text(of.type) if of.type else 'storage of containers'} "
        f"{100 * of.bytes / whole:.0f} %"
        for of in each.types[:_TYPES_SHOWN]
    ]
    beyond = len(each.types) - _TYPES_SHOWN
    return [*told, *([plural(beyond, "more type")] if beyond > 0 else [])]


def _frame(call: Site) -> str:
    """Return a call as a part of a folded stack, in which `;` and line ends have a meaning."""
    text = f"{call.function} ({call.file}:{call.line})"
    return "".join(" " if c in ";\r\n" or not c.isprintable() else c for c in text)


def _document(each: AllocationSite) -> Json:
    return {
        "calls": [site(call) for call in each.calls],
        "cut": each.cut,
        "in_use_bytes": interval(each.in_use_bytes),
        "in_use_objects": each.in_use_objects,
        "allocated_bytes": interval(each.allocated_bytes),
        "allocated_objects": each.allocated_objects,
        "samples": each.samples,
        "types": [
            {"type": of.type or None, "objects": of.objects, "bytes": of.bytes} for of in each.types
        ],
    }
