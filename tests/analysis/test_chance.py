"""The chances that verdicts rest on are exact."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from leakscope.analysis.chance import LONGEST, t_bound, t_chance, walk_chance
from leakscope.analysis.lines import lines_through, memory_of


@pytest.mark.parametrize("freedom", [1, 2, 3, 8, 21, 46])
def test_the_tail_of_t_is_that_of_scipy(freedom: int) -> None:
    t = np.array([0.1, 0.7, 1.5, 3.0, 8.0, 40.0])
    assert np.log(t_chance(freedom, t)) == pytest.approx(stats.t.logsf(t, freedom), rel=0.02)


@pytest.mark.parametrize("freedom", [3, 8, 21, 46])
def test_95_in_100_lie_within_the_bound_of_t(freedom: int) -> None:
    assert t_bound(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.01)


@pytest.mark.parametrize("n", [5, 9, 22, LONGEST])
def test_walks_rise_straight_as_often_as_said(n: int) -> None:
    walks = np.random.default_rng(n).normal(size=(200_000, n)).cumsum(axis=1)
    lines = lines_through(np.arange(float(n)), 1000 * walks)  # Rounding makes no difference.
    for unexplained in (0.02, 0.05, 0.1, 0.3):
        seen = ((lines.slope > 0) & (lines.unexplained <= unexplained)).mean()
        said = float(walk_chance(n, np.array([unexplained]))[0])
        assert seen == pytest.approx(said, rel=0.1, abs=1e-4)


def test_the_straighter_the_less_probable() -> None:
    chances = walk_chance(22, np.geomspace(1e-8, 0.7, 50))
    assert (np.diff(chances) >= 0).all()
    assert chances[0] < 1e-20


def test_watching_longer_does_not_make_a_walk_less_straight() -> None:
    unexplained = np.array([0.05])
    assert walk_chance(LONGEST, unexplained) == walk_chance(10 * LONGEST, unexplained)
    assert walk_chance(LONGEST, unexplained) == pytest.approx(
        walk_chance(LONGEST - 8, unexplained), rel=0.1
    )


def test_a_walk_keeps_to_its_line_as_seldom_as_said_whatever_its_steps() -> None:
    # Uneven and heavy-tailed steps: the chance is a bound for what wanders in other ways as well.
    steps = np.random.default_rng(1).laplace(size=(100_000, 22))
    lines = lines_through(np.arange(22.0), 1000 * steps.cumsum(axis=1))
    clear = (lines.slope > 0) & (walk_chance(22, lines.unexplained) <= 0.01)
    assert clear.mean() == pytest.approx(0.01, rel=0.3)


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6])
def test_memory_is_told_about_right_in_series_as_short_as_they_are(phi: float) -> None:
    noise = np.random.default_rng(2).normal(size=(20_000, 80))
    for i in range(1, 80):
        noise[:, i] += phi * noise[:, i - 1]
    lines = lines_through(np.arange(22.0), 100 * noise[:, -22:])
    assert np.median(memory_of(lines.residuals)) == pytest.approx(phi, abs=0.1)


def test_lines_are_those_of_scipy() -> None:
    rng = np.random.default_rng(4)
    x = np.cumsum(rng.uniform(0.5, 2, 15))
    y = 1000 * (rng.normal(size=(6, 15)) + 0.3 * x)
    lines = lines_through(x, y)
    for row, values in enumerate(y):
        expected = stats.linregress(x, values)
        assert lines.slope[row] == pytest.approx(expected.slope)
        assert lines.error[row] == pytest.approx(expected.stderr, rel=1e-4)
        assert lines.unexplained[row] == pytest.approx(1 - expected.rvalue**2, rel=1e-4)
