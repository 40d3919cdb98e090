"""One finding on a page: how fast, where it accumulates, what it keeps alive, and why."""

from __future__ import annotations

from leakscope.model.finding import Diagnosis, Finding, Status
from leakscope.report.cohorts import cohorts_text
from leakscope.report.descriptors import opened_text
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import bytes_text, short_count, sparkline, type_text
from leakscope.report.tree import holder_index, put_chain, site_text
from leakscope.report.unheld import put_looks, unheld_text
from leakscope.report.wording import (
    bytes_rate_text,
    companions_text,
    exhausted_text,
    filling_text,
    kept_text,
    length_text,
    pace_text,
    scaled_text,
    spread_text,
    unknown_text,
    what_text,
)

_FRAMES_SHOWN = 5


def put_finding(page: Page, finding: Finding, diagnosis: Diagnosis, place: int) -> None:
    """Add `finding`, the report's number `place`, to `page`."""
    _put_headline(page, finding, f"LEAK {place}/{len(diagnosis.findings)}")
    scaled = scaled_text(finding.growth, diagnosis)
    if scaled:
        page.put(scaled, indent="  ")
    if finding.exhausted is not None:
        page.put(exhausted_text(finding.exhausted), indent="  ")
    put_holder(page, finding, diagnosis)
    put_looks(page, finding.unheld)
    companions = companions_text(finding)
    if companions:
        page.labelled("with it", companions)
    if finding.cohorts:
        page.labelled("cohorts", cohorts_text(finding.cohorts))
    if finding.retained_bytes is not None:
        page.labelled("keeps alive", kept_text(finding.retained_bytes))
    if finding.allocated_at:
        frames = [site_text(site) for site in finding.allocated_at[:_FRAMES_SHOWN]]
        if len(finding.allocated_at) > _FRAMES_SHOWN:
            frames.append("…")
        page.labelled("allocated at", " ← ".join(frames))
    page.labelled("why", finding.why)


def _put_headline(page: Page, finding: Finding, title: str) -> None:
    sure = finding.status is Status.CONFIRMED
    fields: list[str | Span | tuple[Span, ...]] = [
        Span(title, Style.BAD if sure else Style.WARN),
        finding.status.value,
        (
            Span(pace_text(finding)),
            Span(what_text(finding), Style.STRONG),
            Span(f"per {finding.growth.unit}"),
            Span(spread_text(finding)),
        ),
    ]
    if size := bytes_rate_text(finding):
        fields.append(size)
    if len(finding.series) > 1:
        short = bytes_text if finding.growth.is_of_bytes else short_count
        first, last = short(finding.series[0]), short(finding.series[-1])
        fields.append(f"{first} {sparkline(finding.series, 16)} {last}")
    page.put(*fields, hang="  ")


def put_holder(page: Page, finding: Finding, diagnosis: Diagnosis) -> None:
    """Add the way to what `finding` is about, or what it is.

    What accumulates is said where the holder is.
    """
    holder = finding.holder
    index = None if holder is None else holder_index(finding.chain, holder)
    if holder is not None and index is None:
        page.labelled("held by", f"{holder.path} : {type_text(holder.type)},", length_text(holder))
    notes = {}
    if holder is not None and index is not None:
        notes[index] = f"accumulates here: {filling_text(holder, diagnosis)}"
    if finding.growth.is_of_bytes and finding.chain:
        notes[len(finding.chain) - 1] = "gets ever larger"
    if finding.unheld:
        notes[0] = unheld_text(finding.unheld)
    put_chain(page, finding.chain, notes=notes)
    if holder is None and not finding.chain and finding.types:
        page.labelled("held by", f"not known: {unknown_text(diagnosis)}")
    if finding.opened:
        page.labelled("opened", *map(opened_text, finding.opened))
