"""The quick run of all benchmarks: that it runs, and what holds on any machine, however busy.

No time is held against a bound here, only one against another of the same process, and memory.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest

from tests.benchmarks.__main__ import Figures, run
from tests.benchmarks.aftermath import periods
from tests.benchmarks.crowds import CROWDS, Crowd, report
from tests.benchmarks.crowds import measure as told_of
from tests.benchmarks.heap_capture import PEERS
from tests.benchmarks.pairs import Estimate, estimate

GROWTH = PEERS.index("growth")


@pytest.fixture(scope="module")
def figures() -> Figures:
    return run(quick=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_census_holds_up_a_large_heap_a_twentieth_as_long_as_objgraph(figures: Figures) -> None:
    largest = figures.captured[-1]

    assert largest.objects > 900_000
    assert largest.ratios[GROWTH] > 20
    guppy = largest.ratios[PEERS.index("guppy3")]
    assert math.isnan(guppy) or guppy > 100


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_copy_takes_little_memory_of_its_own(figures: Figures) -> None:
    for row in figures.captured:
        assert 0 < row.copy_bytes < 0.2 * row.rss + (4 << 20)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_graph_takes_less_than_250_bytes_for_each_object(figures: Figures) -> None:
    captured = [row for row in figures.analysed if row.kind == "captured"]

    assert captured[-1].objects > 900_000
    for row in figures.analysed:
        assert 40 < row.bytes_per_object < 250


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_copies_and_leakscope_take_a_small_part_of_the_processors(figures: Figures) -> None:
    if figures.cost is None:
        pytest.skip("wrk is not installed")
    assert 0 < figures.cost.processor_share < 0.1


@pytest.mark.parametrize("crowd", CROWDS, ids=lambda crowd: crowd.counted)
def test_crowds_are_counted_whole(crowd: Crowd) -> None:
    if not crowd.is_possible:
        pytest.skip(f"there is no {crowd.package} (LEAKSCOPE_SITES)")
    told = told_of(replace(crowd, number=150), rounds=1)

    assert told.pause_ms > 0
    assert f"| 150 {crowd.counted} | `leakscope {crowd.command}` |" in report([told])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0, 3.0], Estimate(2.0, 1.0, 3.0)),
        (list(map(float, range(6))), Estimate(2.5, 0.0, 5.0)),
        # 13 of the 78 means may lie outside of either end, by the tables of the signed-rank test.
        ([*map(float, range(11)), 1e6], Estimate(5.5, 3.0, 9.5)),
    ],
)
def test_the_interval_of_pairs_is_that_of_the_signed_rank_test(
    values: list[float], expected: Estimate
) -> None:
    assert estimate(values) == expected
    assert estimate(values[::-1]) == expected


def test_the_interval_holds_the_true_value_as_often_as_it_says() -> None:
    draw = random.Random(1)
    held = 0
    for _ in range(1000):
        found = estimate([draw.gauss(0.0, 1.0) for _ in range(20)])
        held += found.low <= 0.0 <= found.high

    assert 930 <= held <= 980


def test_what_a_census_takes_is_held_against_the_calm_about_it() -> None:
    at = np.arange(0.0, 40.0, 0.25)
    census = 10.0
    lost = 100 * np.clip(at - census, 0.0, 0.5)
    rising = 1000 * at + 5 * at**2
    (halves,) = periods(np.array([at, rising - lost, 0 * at, 2 * at]), [census])
    missing = [1 - 100 / (1000 + 10 * 10.25) if half == 1 else 1.0 for half in range(3)]

    assert halves == pytest.approx(missing, abs=0.02)


def test_a_census_that_others_disturb_does_not_count() -> None:
    at = np.arange(0.0, 40.0, 0.25)
    others = 2 * np.clip(at - 19, 0.0, 1.0)
    columns = np.array([at, 1000 * at, others, 2 * at])

    assert len(periods(columns, [10.0, 20.0, 30.0])) == 2
    assert not periods(columns, [1.0, 39.0])
