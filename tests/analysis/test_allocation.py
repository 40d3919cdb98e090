"""What samples of allocations stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.analysis.allocation import estimate, objects_in, profile_of, sampled_share
from leakscope.model.allocation import LARGE_BYTES, LARGE_RARER, SampledStack, Samples
from leakscope.model.evidence import Site
from leakscope.model.trend import Interval

MEAN = 1000
LEAK = Site("shop.py", 7, "keep")
OTHER = Site("shop.py", 9, "serve")
NOBODY = SampledStack((), False, 0.0, 0.0, 0.0)


def stack_of(*calls: Site, allocations: int, size: int) -> SampledStack:
    share = 1 - math.exp(-size / MEAN)
    weight = size / share
    return SampledStack(
        calls,
        False,
        allocations / share,
        allocations * weight,
        allocations * weight**2 * (1 - share),
    )


def samples_of(
    *blocks: tuple[int, int, int], stacks: tuple[SampledStack, ...], **changes: int | bool
) -> Samples:
    """Return samples of `(address, size, stack)`."""
    address, size, stack = zip(*blocks, strict=True) if blocks else ((), (), ())
    told: dict[str, int | bool] = {"lost": 0, "unplaced": 0, "displaced": False, **changes}
    return Samples(
        mean_bytes=MEAN,
        seconds=30.0,
        stacks=stacks,
        address=np.array(address, np.uint64),
        size=np.array(size, np.uint64),
        stack=np.array(stack, np.uint32),
        taken=len(blocks) + 3,
        **told,  # type: ignore[arg-type]
    )


def test_a_sample_stands_for_the_bytes_between_samples() -> None:
    small = samples_of((0x1000, 10, 1), stacks=(NOBODY, stack_of(LEAK, allocations=1, size=10)))
    (site,) = profile_of(small, pid=1, taken_at=0.0).sites

    assert site.in_use_bytes.estimate == pytest.approx(1005, rel=0.01)
    assert site.in_use_objects == pytest.approx(100.5, rel=0.01)


def test_a_block_that_is_larger_than_the_rate_stands_for_itself() -> None:
    large = samples_of(
        (0x1000, 30_000, 1), stacks=(NOBODY, stack_of(LEAK, allocations=1, size=30_000))
    )
    (site,) = profile_of(large, pid=1, taken_at=0.0).sites

    told = site.in_use_bytes
    assert [told.estimate, told.low, told.high] == pytest.approx([30_000] * 3)


def test_places_are_told_together_most_bytes_in_use_first() -> None:
    stacks = (
        NOBODY,
        stack_of(LEAK, OTHER, allocations=2, size=10),
        stack_of(OTHER, allocations=9, size=10),
        stack_of(LEAK, OTHER, allocations=1, size=10),
    )
    found = samples_of(
        (0x1000, 10, 1), (0x2000, 10, 3), (0x3000, 10, 1), (0x4000, 10, 2), stacks=stacks
    )
    profile = profile_of(found, pid=1, taken_at=0.0)

    assert [(site.calls, site.samples) for site in profile.sites] == [
        ((LEAK, OTHER), 3),
        ((OTHER,), 1),
    ]
    assert [round(site.allocated_objects) for site in profile.sites] == [302, 905]
    assert profile.samples == 4
    total = sum(site.in_use_bytes.estimate for site in profile.sites)
    assert profile.in_use_bytes.estimate == pytest.approx(total)


def test_what_was_allocated_and_freed_is_told_with_nothing_in_use() -> None:
    gone = samples_of(stacks=(NOBODY, stack_of(LEAK, allocations=4, size=10)))
    (site,) = profile_of(gone, pid=1, taken_at=0.0).sites

    assert site.in_use_bytes == Interval(0.0, 0.0, 0.0)
    assert site.samples == 0
    assert site.allocated_bytes.low < 4 * 1005 < site.allocated_bytes.high


def test_types_are_told_by_their_bytes() -> None:
    stacks = (NOBODY, stack_of(LEAK, allocations=3, size=10))
    found = samples_of((0x1000, 10, 1), (0x2000, 10, 1), (0x3000, 10, 1), stacks=stacks)
    profile = profile_of(found, pid=1, taken_at=0.0, types=["dict", "", "dict"])

    assert [(of.type, round(of.objects)) for of in profile.sites[0].types] == [
        ("dict", 201),
        ("", 101),
    ]


def test_what_went_wrong_is_told() -> None:
    odd = samples_of(stacks=(NOBODY,), lost=3, unplaced=2, displaced=True)
    profile = profile_of(odd, pid=1, taken_at=0.0, caveats=["first"])

    assert len(profile.caveats) == 4
    assert profile.caveats[0] == "first"


def test_an_object_is_found_behind_the_headers_of_its_block() -> None:
    blocks = [(0x1000, 48), (0x2000, 64), (0x3000, 80), (0x4000, 16), (0x5000, 500)]
    found = samples_of(*((address, size, 0) for address, size in blocks), stacks=(NOBODY,))
    # Plain; behind the collector's header; behind that of a managed dict; the next block's object;
    # none.
    address = np.array([0x1000, 0x2010, 0x3020, 0x4010], np.uint64)

    assert objects_in(found, address).tolist() == [0, 1, 2, -1, -1]
    assert objects_in(found, np.array([], np.uint64)).tolist() == [-1] * 5


def test_bounds_of_equal_weights_are_those_of_a_poisson_count() -> None:
    """Garwood's exact bounds for a count of 10: 4.795 and 18.39 (Fay and Feuer 1997, table 1)."""
    told = estimate(10.0, 10.0, 1.0)

    assert told.low == pytest.approx(4.795, abs=0.001)
    assert told.high == pytest.approx(18.390, abs=0.001)


@given(
    st.floats(1, 1e12),
    st.floats(0, 1e18),
    st.floats(0, 1e9),
    st.floats(0, 1),
)
def test_bounds_hold_the_estimate(
    value: float, variance: float, largest: float, least: float
) -> None:
    told = estimate(value, variance, largest, least * value)

    assert least * value <= told.low <= told.estimate <= told.high < math.inf


def test_large_blocks_are_sampled_more_rarely() -> None:
    size = np.array([LARGE_BYTES - 1, LARGE_BYTES], np.float64)

    assert sampled_share(size, 1 << 20) == pytest.approx(
        [-math.expm1(-size[0] / (1 << 20)), -math.expm1(-size[1] / (LARGE_RARER << 20))]
    )


@pytest.mark.parametrize("sizes", [[16] * 3000, [64, 5000] * 300, [900] * 100 + [20_000] * 5])
def test_bounds_hold_the_truth_as_often_as_they_say(sizes: list[int]) -> None:
    """In 95 % of 400 drawn profiles; fewer than 367 come once in a thousand times."""
    random = np.random.default_rng(7)
    size = np.array(sizes, np.float64)
    share = sampled_share(size, MEAN)
    inside = 0
    for _ in range(400):
        taken = random.random(len(size)) < share
        blocks = [(0x1000 * (i + 1), int(s), 0) for i, s in enumerate(size[taken])]
        profile = profile_of(samples_of(*blocks, stacks=(NOBODY,)), pid=1, taken_at=0.0)
        inside += profile.in_use_bytes.low <= size.sum() <= profile.in_use_bytes.high

    assert inside >= 367
