"""Pairs of runs drawn in code: a leak, its fix, and what can keep one from seeing it."""

from __future__ import annotations

from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.gate import judge
from leakscope.analysis.measurement import measurement_of
from leakscope.model.measurement import Measurement
from leakscope.model.recording import CaptureKind, Recording
from leakscope.model.target import Target
from leakscope.report.gate import render_gate_json
from tests.builders import TARGET, evidence_of, holder, recording_of

OTHER = Target(5151, TARGET.started + 900.0, TARGET.cmdline, TARGET.python, TARGET.implementation)
REQUESTS = 500.0
"""Between two samples."""


def shop(
    rate: float = 1.0,
    *,
    path: str = "shop.ORDERS",
    leading: str = "shop.Order",
    samples: int = 13,
    sway: float = 0.0,
    per_request: bool = True,
    target: Target = TARGET,
    kind: CaptureKind = CaptureKind.NATIVE,
    rss: float = 0.0,
) -> Recording:
    """Return a recording of a shop in which `rate` orders per request are never removed.

    The number of orders sways up and down by as much as `sway`.
    """
    steps = [rate * REQUESTS * i for i in range(samples)]
    swaying = [sway * (i % 2) for i in range(samples)]
    return recording_of(
        {
            leading: [1000 + step + more for step, more in zip(steps, swaying, strict=True)],
            "shop.Server": [1.0] * samples,
        },
        lengths={path: [1000 + step for step in steps]},
        work=REQUESTS if per_request else None,
        rss=[100e6 + rss * REQUESTS * i for i in range(samples)],
        target=target,
        kind=kind,
        evidence=evidence_of(holder(path, entry=f"[*] : {leading}", shares={leading: (1, 64)}))
        if rate > 0
        else None,
    )


def run(recording: Recording, name: str) -> Measurement:
    """Return what a recording measured."""
    return measurement_of(recording, name)


def gate_report(recording: Recording) -> str:
    """Return the JSON report that a check writes of a recording."""
    diagnosis = diagnose(recording)
    return render_gate_json(diagnosis, judge(diagnosis, recording))
