"""The facts of one finding in words: the same in every report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from leakscope.model.finding import Diagnosis, Exhausted, Finding, Growth, Holder
from leakscope.model.recording import CaptureKind
from leakscope.report.text import (
    bytes_text,
    duration,
    interval_text,
    many,
    number,
    plural,
    short_count,
    type_text,
)

_COMPANIONS_SHOWN = 6
_RARE = 0.1
"""Objects per unit of work below which a rate is easier to grasp per thousand."""


def rate_text(finding: Finding) -> str:
    """Return `+1.00 shop.Order per request [0.99, 1.01]`."""
    per = f"per {finding.growth.unit}"
    return f"{pace_text(finding)} {type_text(finding.type)} {per} {spread_text(finding)}"


def occurrences(findings: Sequence[Finding]) -> tuple[int, ...]:
    """Return for each finding how many with its fingerprint there are up to it, from 1 on.

    Leaks that differ in a key or index only have one fingerprint.
    """
    seen: Counter[str] = Counter()
    told = []
    for finding in findings:
        seen[finding.fingerprint] += 1
        told.append(seen[finding.fingerprint])
    return tuple(told)


def pace_text(finding: Finding) -> str:
    """Return how many objects come with each unit of work: `+1.00`; of memory how much."""
    memory = finding.growth.of_memory
    if memory is not None:
        return bytes_text(memory.estimate, signed=True)
    return number(finding.growth.objects.estimate, signed=True)


def what_text(finding: Finding) -> str:
    """Return what comes with each unit of work: a type; `entries of list` where it is no new one.

    A list that the same few objects are added to again and again has the list's own type.
    """
    holder, told = finding.holder, type_text(finding.type)
    is_entry = holder is not None and finding.type == holder.type
    leads_on = bool(finding.chain) and finding.chain[-1].type != finding.type
    return f"entries of {told}" if is_entry and not leads_on and not finding.types else told


def spread_text(finding: Finding) -> str:
    """Return the interval around the rate: `[0.99, 1.01]`."""
    memory, objects = finding.growth.of_memory, finding.growth.objects
    if memory is not None:
        return f"[{bytes_text(memory.low)}, {bytes_text(memory.high)}]"
    return interval_text(objects.estimate, objects.low, objects.high)


def bytes_rate_text(finding: Finding) -> str:
    """Return `+1.9 KiB/request`; nothing if sizes are not known."""
    growth = finding.growth
    if growth.bytes is None or growth.is_of_bytes:
        return ""
    return f"{bytes_text(growth.bytes.estimate, signed=True)}/{growth.unit}"


def exhausted_text(exhausted: Exhausted) -> str:
    """Return `out of open descriptors in 7m (limit 20,000)`."""
    when = f"in {duration(exhausted.seconds)}" if exhausted.seconds >= 1 else "any moment"
    return f"out of open descriptors {when} (limit {exhausted.limit:,})"


def scaled_text(growth: Growth, diagnosis: Diagnosis) -> str:
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


def length_text(holder: Holder) -> str:
    """Return `97,412 entries (at first 1,204)`."""
    entries = "entry" if holder.last_length == 1 else "entries"
    return f"{holder.last_length:,} {entries} (at first {holder.first_length:,})"


def filling_text(holder: Holder, diagnosis: Diagnosis) -> str:
    """Return how many entries there are and how fast they come, as far as that is known."""
    if diagnosis.work.total <= 0:
        return length_text(holder)
    rate = (holder.last_length - holder.first_length) / diagnosis.work.total
    return f"{length_text(holder)}, {number(rate, signed=True)}/{diagnosis.work.unit}"


def unknown_text(diagnosis: Diagnosis) -> str:
    """Return why it is not known who holds what accumulates."""
    if diagnosis.capture.kind is CaptureKind.READONLY:
        return "a read-only census names no holders"
    return "no way from a module, thread or task was found"


def companions_text(finding: Finding) -> str:
    """Return what grows along with the leading type, fastest first as the finding has it."""
    others = [rate for rate in finding.types if rate.type != finding.type]
    words = [
        f"{number(rate.objects_per_work, signed=True)} {type_text(rate.type)}"
        for rate in others[:_COMPANIONS_SHOWN]
    ]
    if len(others) > _COMPANIONS_SHOWN:
        words.append(plural(len(others) - _COMPANIONS_SHOWN, "more type"))
    return f"{' · '.join(words)} per {finding.growth.unit}" if words else ""


def kept_text(retained_bytes: int) -> str:
    """Return how much all that accumulated keeps alive."""
    return f"{bytes_text(retained_bytes)} by all that accumulated so far"
