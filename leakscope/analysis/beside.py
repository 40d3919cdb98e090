"""Findings of what grows beside Python's objects: memory, threads, descriptors. Pure."""

from __future__ import annotations

from leakscope.analysis.fingerprint import fingerprint
from leakscope.analysis.growth import Judged
from leakscope.model.finding import Finding, Growth, Status


def found_beside(name: str, growth: Growth, judged: Judged, why: str) -> Finding:
    """Return the finding that what is called `name` grows. It is confirmed, and nobody holds it."""
    return Finding(
        id="",
        fingerprint=fingerprint((), (), name, ""),
        status=Status.CONFIRMED,
        type=name,
        types=(),
        growth=growth,
        holder=None,
        chain=(),
        allocated_at=(),
        retained_bytes=None,
        why=why,
        series=tuple(judged.followed.values.tolist()),
    )
