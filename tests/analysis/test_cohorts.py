"""What became of a container's entries, told by their addresses and their order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from leakscope.analysis.cohorts import Addresses, cohorts
from leakscope.model.heapgrowth import Cohort


def entries(*addresses: int) -> Addresses:
    return np.array(addresses, np.uint64)


def test_in_a_leak_every_cohort_stays() -> None:
    found = cohorts([entries(1), entries(1, 2, 3), entries(1, 2, 3, 4), entries(1, 2, 3, 4, 5)])

    assert found == (Cohort(2, 2), Cohort(1, 1), Cohort(1, 1))


def test_in_a_cache_the_old_ones_go() -> None:
    found = cohorts([entries(1, 2), entries(3, 4), entries(5, 6)])

    assert found == (Cohort(2, 0), Cohort(2, 2))


def test_an_address_that_comes_back_behind_younger_ones_is_another_entry() -> None:
    # 1 was dropped, and what came last was given its place in memory.
    found = cohorts([entries(1, 2, 3), entries(2, 3, 1), entries(2, 3, 1)])

    assert found[0] == Cohort(1, 1)


def test_a_ring_of_reused_addresses_is_no_leak() -> None:
    first = list(range(1000))
    second = [*first[600:], *first[:600]]
    third = [*second[600:], *second[:600]]

    found = cohorts([entries(*first), entries(*second), entries(*third)])

    assert found[0].made == 400 or found[0].made == 600
    assert found[0].alive < 600


def test_where_there_is_no_order_an_address_is_an_identity() -> None:
    found = cohorts([entries(3, 1, 2), entries(1, 3, 4), entries(4, 3)], ordered=False)

    assert found == (Cohort(1, 1), Cohort(0, 0))


def test_a_container_that_came_late_has_no_first_entries() -> None:
    assert cohorts([entries(), entries(), entries(7)]) == (Cohort(0, 0), Cohort(1, 1))


@given(st.lists(st.lists(st.integers(1, 30), unique=True, max_size=20), min_size=2, max_size=5))
def test_never_more_is_alive_than_was_made_or_is_there(series: list[list[int]]) -> None:
    found = cohorts([entries(*addresses) for addresses in series])

    assert len(found) == len(series) - 1
    for cohort, came in zip(found, series[1:], strict=True):
        assert 0 <= cohort.alive <= min(cohort.made, len(series[-1]))
        assert cohort.made <= len(came)
    assert found[-1].alive == found[-1].made
