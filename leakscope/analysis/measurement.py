"""What a recording measured, to be held against another one. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.growth import judge
from leakscope.analysis.names import path_of
from leakscope.model.finding import Finding, Status
from leakscope.model.measurement import (
    MeasuredLeak,
    Measurement,
    Rate,
    Rises,
    rate_of,
    type_rate_of,
)
from leakscope.model.recording import Recording
from leakscope.model.trend import Label


def measurement_of(recording: Recording, name: str) -> Measurement:
    """Return what `recording`, which is called `name`, measured."""
    diagnosis = diagnose(recording)
    growth = judge(recording)
    containers = {
        _key(item.trend.key, item.followed.type): rate_of(item.trend.label, item.trend.slope)
        for item in growth.containers
        if item.trend.label is not Label.TOO_SHORT
    }
    known = _named(recording, containers)
    rss = growth.rss
    return Measurement(
        name=name,
        verdict=diagnosis.verdict,
        reason=diagnosis.reason,
        target=recording.target,
        kind=recording.kind,
        unit=recording.work_unit,
        work=growth.axis.total,
        seconds=recording.seconds,
        steady=not recording.at_rest,
        leaks=tuple(
            _leak(finding, known, containers)
            for finding in diagnosis.findings
            if not finding.growth.is_of_bytes  # Resident memory has a rate of its own.
        ),
        rates=None
        if growth.missing
        else {
            item.trend.key: type_rate_of(item.trend.label, item.trend.slope)
            for item in growth.types
        },
        containers=containers,
        rss=None
        if rss is None or rss.trend.label is Label.TOO_SHORT
        else rate_of(rss.trend.label, rss.trend.slope),
        forecast=diagnosis.forecast,
    )


def _named(recording: Recording, containers: Mapping[str, Rate]) -> dict[str, str]:
    """Return the keys of the containers whose path is known, by path."""
    known: dict[str, str] = {}
    for holder in recording.evidence.holders:
        key = _key(f"{holder.address:#x}", holder.type)
        if holder.chain and key in containers:
            known.setdefault(path_of(holder.chain), key)
    return known


def _leak(
    finding: Finding, known: Mapping[str, str], containers: Mapping[str, Rate]
) -> MeasuredLeak:
    objects = finding.growth.objects
    sure = finding.status is Status.CONFIRMED
    holder = None if finding.holder is None else finding.holder.path
    container = None if holder is None else known.get(holder)
    entries = 0.0 if container is None else containers[container].slope.estimate
    return MeasuredLeak(
        fingerprint=finding.fingerprint,
        type=finding.type,
        holder=holder,
        rate=Rate(objects, Rises.YES if sure else Rises.PERHAPS),
        types={rate.type: rate.objects_per_work for rate in finding.types},
        container=container if entries > 0 else None,
        per_entry=objects.estimate / entries if entries > 0 else 1.0,
    )


def _key(address: str, kind: str) -> str:
    return f"{address} {kind}"
