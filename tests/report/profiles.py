"""Allocation profiles for the tests of what is made of them."""

from __future__ import annotations

from leakscope.model.allocation import AllocationProfile, AllocationSite, TypeShare
from leakscope.model.evidence import Site
from leakscope.model.trend import Interval
from tests.builders import EPOCH

KEEP = Site("/srv/shop/audit.py", 88, "Audit.keep")
SERVE = Site("/srv/shop/app.py", 41, "serve")
MAIN = Site("/srv/shop/__main__.py", 9, "<module>")
MIB = 1 << 20


def site(*calls: Site, in_use: float, allocated: float, **more: object) -> AllocationSite:
    told: dict[str, object] = {"cut": False, "samples": 12 if in_use else 0, **more}
    return AllocationSite(
        calls=calls,
        in_use_bytes=Interval(in_use, in_use * 0.6, in_use * 1.5),
        in_use_objects=in_use / 100,
        allocated_bytes=Interval(allocated, allocated * 0.9, allocated * 1.1),
        allocated_objects=allocated / 100,
        **told,  # type: ignore[arg-type]
    )


def profile(*sites: AllocationSite, **more: object) -> AllocationProfile:
    told: dict[str, object] = {"samples": 14, "taken": 400, "caveats": (), **more}
    in_use = sum(each.in_use_bytes.estimate for each in sites)
    allocated = sum(each.allocated_bytes.estimate for each in sites)
    return AllocationProfile(
        pid=4242,
        seconds=30.0,
        taken_at=EPOCH,
        mean_bytes=512 << 10,
        sites=sites,
        in_use_bytes=Interval(in_use, in_use * 0.7, in_use * 1.4),
        allocated_bytes=Interval(allocated, allocated * 0.9, allocated * 1.1),
        **told,  # type: ignore[arg-type]
    )


LEAKING = profile(
    site(
        KEEP,
        SERVE,
        MAIN,
        in_use=6 * MIB,
        allocated=6 * MIB,
        types=(
            TypeShare("shop.audit.Record", 40_000, 4 * MIB),
            TypeShare("", 9000, 2 * MIB),
        ),
    ),
    site(
        *(Site(f"/srv/deep{n}.py", n, f"f{n}") for n in range(1, 13)),
        in_use=1 * MIB,
        allocated=90 * MIB,
        cut=True,
    ),
    site(SERVE, MAIN, in_use=0, allocated=200 * MIB),
    site(in_use=0, allocated=1 * MIB),
    caveats=("There was no room for 3 samples.",),
)
