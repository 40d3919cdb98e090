"""Rank statistics are those of SciPy, and exact where SciPy approximates."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from leakscope.analysis.ranks import false_discoveries_controlled, rising_p, sen_slopes


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


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_the_chance_of_a_rise_is_counted_over_all_orders(n: int) -> None:
    orders = np.array(list(itertools.permutations(range(n))), dtype=float)
    i, j = np.triu_indices(n, 1)
    scores = np.sign(orders[:, j] - orders[:, i]).sum(axis=1)

    p = rising_p(orders)

    for order in range(len(orders)):
        assert p[order] == pytest.approx((scores >= scores[order]).mean())


def test_the_chance_of_a_rise_with_ties_is_that_of_kendalls_tau() -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        y = rng.integers(0, 6, 25).astype(float)
        expected = stats.kendalltau(np.arange(25), y, method="asymptotic", alternative="greater")
        # Ours has a continuity correction of one pair.
        assert rising_p(y[None, :])[0] == pytest.approx(expected.pvalue, abs=0.015)


def test_a_series_that_never_changes_does_not_rise() -> None:
    assert rising_p(np.full((1, 10), 7.0))[0] >= 0.5


def test_many_rows_are_judged_as_each_alone() -> None:
    rng = np.random.default_rng(5)
    x = np.arange(60.0)
    y = rng.normal(0, 1, (5000, 60))  # More pairs than fit into one chunk.

    together, alone = sen_slopes(x, y), sen_slopes(x, y[-1:])

    assert together.estimate[-1] == alone.estimate[0]
    assert rising_p(y)[-1] == rising_p(y[-1:])[0]


@pytest.mark.parametrize("seed", range(5))
def test_false_discoveries_are_those_of_benjamini_and_hochberg(seed: int) -> None:
    p = np.random.default_rng(seed).beta(0.3, 2, 40)
    expected = stats.false_discovery_control(p) <= 0.05
    assert (false_discoveries_controlled(p) == expected).all()


def test_without_discoveries_there_are_no_false_ones() -> None:
    assert false_discoveries_controlled(np.array([])).size == 0
