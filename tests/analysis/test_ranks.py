"""Slopes and false discoveries are those of SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from leakscope.analysis.ranks import false_discoveries_controlled, sen_slopes


@pytest.mark.parametrize("n", [2, 3, 5, 10, 23, 45])
@pytest.mark.parametrize("decimals", [6, 0], ids=["distinct", "with ties"])
def test_slopes_and_intervals_are_those_of_theilslopes(n: int, decimals: int) -> None:
    rng = np.random.default_rng(n)
    x = np.cumsum(rng.uniform(0.5, 2, n))
    y = np.round(rng.normal(0, 2, (40, n)) + 0.3 * x, decimals)

    slopes = sen_slopes(x, y)

    for row, values in enumerate(y):
        expected = stats.theilslopes(values, x)
        assert slopes.estimate[row] == pytest.approx(expected.slope)
        assert slopes.low[row] == pytest.approx(expected.low_slope)
        assert slopes.high[row] == pytest.approx(expected.high_slope)


def test_many_rows_are_judged_as_each_alone() -> None:
    rng = np.random.default_rng(5)
    x = np.arange(60.0)
    y = rng.normal(0, 1, (5000, 60))  # More pairs than fit into one chunk.

    together, alone = sen_slopes(x, y), sen_slopes(x, y[-1:])

    assert together.estimate[-1] == alone.estimate[0]
    assert together.high[-1] == alone.high[0]


@pytest.mark.parametrize("seed", range(5))
def test_false_discoveries_are_those_of_benjamini_and_hochberg(seed: int) -> None:
    p = np.random.default_rng(seed).beta(0.3, 2, 40)
    expected = stats.false_discovery_control(p) <= 0.05
    assert (false_discoveries_controlled(p) == expected).all()


def test_without_discoveries_there_are_no_false_ones() -> None:
    assert false_discoveries_controlled(np.array([])).size == 0
