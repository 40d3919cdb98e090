"""A recording of days stays small, and goes on telling the whole story."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from leakscope.model.census import Census, ProcessMetrics
from leakscope.watching.thinning import thin


def census(at: float) -> Census:
    return Census(at, None, {}, (), ProcessMetrics(), 0.0)


@given(samples=st.integers(2, 400), most=st.integers(3, 40))
def test_a_long_series_is_thinned_to_even_spacing(samples: int, most: int) -> None:
    kept: list[Census] = []
    for at in range(samples):
        kept.append(census(float(at)))
        thin(kept, most)

    times = [c.at for c in kept]
    gaps = [after - before for before, after in pairwise(times)]
    assert len(kept) == min(samples, most)
    assert times[0] == 0
    assert times[-1] == samples - 1
    # The spacing only ever doubles, so it is even but for the part that is being thinned.
    assert max(gaps) <= 4 * samples / len(kept)
