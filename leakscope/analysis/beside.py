"""Findings of what grows beside the number of objects: memory, threads, descriptors. Pure."""

from __future__ import annotations

from leakscope.analysis.fingerprint import fingerprint
from leakscope.analysis.growth import Judged
from leakscope.model.evidence import Site, Step
from leakscope.model.finding import Finding, Growth, Status
from leakscope.model.trend import Interval

NO_OBJECTS = Interval(0.0, 0.0, 0.0)
"""Growth in objects of what grows in bytes."""


def found_beside(
    name: str,
    growth: Growth,
    judged: Judged,
    why: str,
    *,
    chain: tuple[Step, ...] = (),
    allocated_at: tuple[Site, ...] = (),
) -> Finding:
    """Return the finding that what is called `name` grows. It is confirmed, and has no holder.

    `chain` leads to the object that grows, if it is one.
    """
    return Finding(
        id="",
        fingerprint=fingerprint(chain, (), name, ""),
        status=Status.CONFIRMED,
        type=name,
        types=(),
        growth=growth,
        holder=None,
        chain=chain,
        allocated_at=allocated_at,
        retained_bytes=None,
        why=why,
        series=tuple(judged.followed.values.tolist()),
    )
