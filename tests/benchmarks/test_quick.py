"""The quick run of all benchmarks: that it runs, and what holds on any machine, however busy.

No time is held against a bound here, only one against another of the same process, and memory.
"""

from __future__ import annotations

import math

import pytest

from tests.benchmarks.__main__ import Figures, run
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


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0, 3.0], Estimate(2.0, 1.0, 3.0)),
        (list(map(float, range(6))), Estimate(2.5, 0.0, 5.0)),
        # The third of twelve from either end: 1 - 2 * 79/4096 = 0.961.
        (list(map(float, range(12))), Estimate(5.5, 2.0, 9.0)),
    ],
)
def test_the_interval_of_a_median_is_that_of_the_sign_test(
    values: list[float], expected: Estimate
) -> None:
    assert estimate(values) == expected
    assert estimate(values[::-1]) == expected
