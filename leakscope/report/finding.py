"""One finding on a page: how fast, where it accumulates, what it keeps alive, and why."""

from __future__ import annotations

from leakscope.model.finding import Diagnosis, Finding, Growth, Holder, Status
from leakscope.model.recording import CaptureKind
from leakscope.report.cohorts import cohorts_text
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import (
    bytes_text,
    interval_text,
    many,
    number,
    plural,
    short_count,
    sparkline,
    type_text,
)
from leakscope.report.tree import holder_index, put_chain, site_text

_COMPANIONS_SHOWN = 6
_FRAMES_SHOWN = 5
_RARE = 0.1
"""Objects per unit of work below which a rate is easier to grasp per thousand."""


def put_finding(page: Page, finding: Finding, diagnosis: Diagnosis, place: int) -> None:
    """Add `finding`, the report's number `place`, to `page`."""
    _put_headline(page, finding, f"LEAK {place}/{len(diagnosis.findings)}")
    scaled = _scaled(finding.growth, diagnosis)
    if scaled:
        page.put(scaled, indent="  ")
    _put_holder(page, finding, diagnosis)
    companions = _companions(finding)
    if companions:
        page.labelled("with it", companions)
    if finding.cohorts:
        page.labelled("cohorts", cohorts_text(finding.cohorts))
    if finding.retained_bytes is not None:
        kept = f"{bytes_text(finding.retained_bytes)} by all that accumulated so far"
        page.labelled("keeps alive", kept)
    if finding.allocated_at:
        frames = [site_text(site) for site in finding.allocated_at[:_FRAMES_SHOWN]]
        if len(finding.allocated_at) > _FRAMES_SHOWN:
            frames.append("…")
        page.labelled("allocated at", " ← ".join(frames))
    page.labelled("why", finding.why)


def _put_headline(page: Page, finding: Finding, title: str) -> None:
    growth = finding.growth
    objects = growth.objects
    sure = finding.status is Status.CONFIRMED
    fields: list[str | Span | tuple[Span, ...]] = [
        Span(title, Style.BAD if sure else Style.WARN),
        finding.status.value,
        (
            Span(number(objects.estimate, signed=True)),
            Span(type_text(finding.type), Style.STRONG),
            Span(f"per {growth.unit}"),
            Span(interval_text(objects.estimate, objects.low, objects.high)),
        ),
    ]
    if growth.bytes is not None:
        fields.append(f"{bytes_text(growth.bytes.estimate, signed=True)}/{growth.unit}")
    if len(finding.series) > 1:
        first, last = short_count(finding.series[0]), short_count(finding.series[-1])
        fields.append(f"{first} {sparkline(finding.series, 16)} {last}")
    page.put(*fields, hang="  ")


def _scaled(growth: Growth, diagnosis: Diagnosis) -> str:
    """Return the growth in units that a person can feel: per hour, and per thousand if rare."""
    rate, size = growth.objects.estimate, growth.bytes
    if rate <= 0:
        return ""
    parts = []
    per_second = 1.0
    if growth.unit != "second":
        if rate < _RARE:
            parts.append(f"{number(1000 * rate)} per 1,000 {many(growth.unit)}")
        if diagnosis.seconds <= 0 or diagnosis.work.total <= 0:
            return "= " + parts[0] if parts else ""
        per_second = diagnosis.work.total / diagnosis.seconds
    hourly = f"{short_count(rate * per_second * 3600)} per hour"
    if size is not None:
        hourly += f" ({bytes_text(size.estimate * per_second * 3600)})"
    if growth.unit != "second":
        hourly += f" at {number(per_second)} {many(growth.unit)}/s"
    return "= " + ", ".join([*parts, hourly])


def _put_holder(page: Page, finding: Finding, diagnosis: Diagnosis) -> None:
    holder = finding.holder
    index = None if holder is None else holder_index(finding.chain, holder)
    if holder is not None and index is None:
        page.labelled("held by", f"{holder.path} : {type_text(holder.type)},", _length(holder))
    notes = {}
    if holder is not None and index is not None:
        notes[index] = f"accumulates here: {_length(holder)}{_holder_rate(holder, diagnosis)}"
    put_chain(page, finding.chain, notes=notes)
    if holder is None and not finding.chain:
        page.labelled("held by", f"not known: {_why_unknown(diagnosis)}")


def _why_unknown(diagnosis: Diagnosis) -> str:
    if diagnosis.capture.kind is CaptureKind.READONLY:
        return "a read-only census names no holders"
    return "no way from a module, thread or task was found"


def _length(holder: Holder) -> str:
    entries = "entry" if holder.last_length == 1 else "entries"
    return f"{holder.last_length:,} {entries} (at first {holder.first_length:,})"


def _holder_rate(holder: Holder, diagnosis: Diagnosis) -> str:
    if diagnosis.work.total <= 0:
        return ""
    rate = (holder.last_length - holder.first_length) / diagnosis.work.total
    return f", {number(rate, signed=True)}/{diagnosis.work.unit}"


def _companions(finding: Finding) -> str:
    """Return what grows along with the leading type, fastest first as the finding has it."""
    others = [rate for rate in finding.types if rate.type != finding.type]
    words = [
        f"{number(rate.objects_per_work, signed=True)} {type_text(rate.type)}"
        for rate in others[:_COMPANIONS_SHOWN]
    ]
    if len(others) > _COMPANIONS_SHOWN:
        words.append(plural(len(others) - _COMPANIONS_SHOWN, "more type"))
    return f"{' · '.join(words)} per {finding.growth.unit}" if words else ""
