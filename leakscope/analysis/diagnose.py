"""From a recording to a verdict and the findings behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from leakscope.analysis.benign import not_leaks
from leakscope.analysis.findings import Found, Source, findings_of
from leakscope.analysis.forecast import forecast
from leakscope.analysis.growth import Growth, judge
from leakscope.analysis.layers import layers_of
from leakscope.analysis.native import native_findings
from leakscope.analysis.resources import resource_findings, with_descriptors
from leakscope.analysis.sites import with_sites
from leakscope.analysis.swelling import swelling_findings
from leakscope.analysis.verdict import caveats_of, verdict_of
from leakscope.model.finding import CaptureSummary, Diagnosis, Finding, Status, Verdict, Work
from leakscope.model.recording import Recording


def diagnose(recording: Recording) -> Diagnosis:
    """Return what `recording` says; pure, and the same for the same recording.

    Confirmed findings make the verdict `leaking`. Without one, findings are suspicions: keys so
    clearly on the rise that the recording cannot be called clean, and too few samples to confirm.
    """
    growth = judge(recording)
    found = _findings(recording, growth)
    findings = found.findings
    verdict, reason = verdict_of(recording, growth, findings)
    explained = {rate.type for finding in findings for rate in finding.types}
    measured = verdict is not Verdict.NOT_MEASURED
    rss = growth.rss.trend if growth.rss is not None else None
    leaking = verdict is Verdict.LEAKING
    return Diagnosis(
        verdict=verdict,
        reason=reason,
        target=recording.target,
        capture=_capture(recording),
        work=Work(recording.work_unit, growth.axis.total),
        seconds=recording.seconds,
        findings=findings,
        not_leaks=(
            not_leaks(growth, recording.evidence.holders, explained, found.filling)
            if measured
            else ()
        ),
        rss=rss,
        rss_series=_rss_series(recording),
        forecast=forecast(recording, rss.label) if leaking and rss is not None else None,
        caveats=caveats_of(recording, growth, findings),
        modules=recording.evidence.modules,
        layers=layers_of(recording),
    )


def _findings(recording: Recording, growth: Growth) -> Found:
    """Return what leaks: what is confirmed, else what grows beside objects, else suspicions."""
    found = Found()
    for status in () if growth.missing else (Status.CONFIRMED, Status.SUSPECTED):
        found = findings_of(Source(recording, growth, status))
        if found.findings:
            told = with_sites(found.findings, recording.evidence.sites)
            told = with_descriptors(told, recording, growth)
            told += tuple(swelling_findings(recording, growth, told))
            told += tuple(resource_findings(recording, growth, told))
            return replace(found, findings=_numbered(told))
        beside = [
            *swelling_findings(recording, growth),
            *resource_findings(recording, growth),
            *native_findings(recording, growth),
        ]
        if beside:
            return replace(found, findings=_numbered(beside))
    return found


def _numbered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(replace(each, id=f"L{place}") for place, each in enumerate(findings, 1))


def _capture(recording: Recording) -> CaptureSummary:
    pauses = [census.pause_ms for census in recording.censuses]
    return CaptureSummary(recording.kind, len(pauses), median(pauses), max(pauses))


def _rss_series(recording: Recording) -> tuple[float, ...]:
    sizes = [census.metrics.rss for census in recording.censuses]
    return tuple(float(size) for size in sizes if size is not None)
