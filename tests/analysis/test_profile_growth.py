"""What grew from one heap profile to a later one."""

from __future__ import annotations

import pytest

from leakscope.analysis.profile_growth import profile_growth
from leakscope.model.allocation import HeapProfile, ProfiledPlace
from leakscope.model.evidence import Site
from leakscope.report.profile_growth import render_profile_growth
from tests.goldens import assert_golden

KEEP, SERVE, ONCE = (
    Site("shop.py", line, name) for line, name in ((7, "keep"), (9, "serve"), (1, "once"))
)
MIB = 1 << 20
RATE = 512 << 10


def profile(at: float, **sizes: int) -> HeapProfile:
    calls = {"keep": (KEEP, SERVE), "serve": (SERVE,), "once": (ONCE,)}
    places = (ProfiledPlace(calls[name], size, size // 100) for name, size in sizes.items())
    return HeapProfile(at, RATE, tuple(places))


BEFORE = profile(1000.0, keep=2 * MIB, serve=9 * MIB, once=MIB)
AFTER = profile(1600.0, keep=22 * MIB, serve=8 * MIB)


def test_what_grew_comes_first_and_what_shrank_last() -> None:
    grown = profile_growth(BEFORE, AFTER)

    assert [(g.calls, g.bytes_before, g.bytes_after) for g in grown] == [
        ((KEEP, SERVE), 2 * MIB, 22 * MIB),
        ((ONCE,), MIB, 0),
        ((SERVE,), 9 * MIB, 8 * MIB),
    ]
    assert grown[0].growth.estimate == 20 * MIB


def test_growth_is_as_uncertain_as_its_samples_are_few() -> None:
    """22 MiB and 2 MiB in samples of half a MiB are 48 samples: ± 1.96 times their root."""
    grown = profile_growth(BEFORE, AFTER)[0].growth

    assert abs((grown.high - grown.low) / 2 - 1.96 * 48**0.5 * RATE) < 0.001 * RATE * 48


def test_large_blocks_are_certain() -> None:
    calls = (KEEP,)
    before = HeapProfile(0.0, RATE, (ProfiledPlace(calls, 100 * MIB, 1),))
    after = HeapProfile(1.0, RATE, (ProfiledPlace(calls, 300 * MIB, 3),))

    assert profile_growth(before, after)[0].growth.low == pytest.approx(200 * MIB, rel=1e-4)


def test_growth_is_told() -> None:
    assert_golden(
        "profile-diff.txt", render_profile_growth(BEFORE, AFTER, profile_growth(BEFORE, AFTER))
    )
    nothing = render_profile_growth(BEFORE, BEFORE, profile_growth(BEFORE, BEFORE))
    assert "nothing grew" in nothing
