"""What grew from one heap profile to another: as text and as JSON, `leakscope.profile-diff/1`."""

from __future__ import annotations

from collections.abc import Sequence

from leakscope.model.allocation import HeapProfile, PlaceGrowth
from leakscope.report.allocation import CALLS_SHOWN, NOWHERE
from leakscope.report.documents import dump, interval, site
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import bytes_text, duration, plural
from leakscope.report.tree import put_calls

SCHEMA = "leakscope.profile-diff/1"


def render_profile_growth(
    before: HeapProfile,
    after: HeapProfile,
    growths: Sequence[PlaceGrowth],
    *,
    rows: int = 25,
    width: int = 100,
    color: bool = False,
) -> str:
    """Return the places that grew, in their order."""
    page = Page(width, color=color)
    first, last = (sum(place.bytes for place in each.places) for each in (before, after))
    fields = [f"in use: {bytes_text(first)} → {bytes_text(last)}"]
    if after.taken_at > before.taken_at > 0:
        fields.append(f"in {duration(after.taken_at - before.taken_at)}")
    page.put(Span(f"{bytes_text(last - first, signed=True)}", Style.STRONG), *fields, hang="  ")
    page.put("in brackets the bounds that hold the true growth in 95 % of all cases", hang="  ")
    grown = [each for each in growths if each.growth.estimate > 0]
    for each in grown[:rows]:
        page.blank()
        _put_place(page, each)
    page.blank()
    if len(grown) > rows:
        page.put(f"and {plural(len(grown) - rows, 'more place')} (--top shows more)")
    shrunk = [each for each in growths if each.growth.estimate < 0]
    if shrunk:
        less = -sum(each.growth.estimate for each in shrunk)
        page.put(f"{plural(len(shrunk), 'place')} shrank, by {bytes_text(less)}")
    if not grown:
        page.put("nothing grew")
    return page.text()


def render_profile_growth_json(
    before: HeapProfile, after: HeapProfile, growths: Sequence[PlaceGrowth]
) -> str:
    """Return all places as JSON."""
    return dump(
        {
            "schema": SCHEMA,
            "taken_at": [before.taken_at, after.taken_at],
            "places": [
                {
                    "calls": [site(call) for call in each.calls],
                    "bytes": [each.bytes_before, each.bytes_after],
                    "growth_bytes": interval(each.growth),
                }
                for each in growths
            ],
        }
    )


def _put_place(page: Page, each: PlaceGrowth) -> None:
    bounds = [bytes_text(bound, signed=True) for bound in (each.growth.low, each.growth.high)]
    page.put(
        Span(bytes_text(each.growth.estimate, signed=True), Style.STRONG),
        f"[{bounds[0]}, {bounds[1]}]",
        f"{bytes_text(each.bytes_before)} → {bytes_text(each.bytes_after)}",
        hang="  ",
    )
    put_calls(page, each.calls, CALLS_SHOWN, nowhere=NOWHERE)
