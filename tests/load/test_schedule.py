"""Every round has the same requests, evenly spaced, with the same share going wrong."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from leakscope.load.faults import Fault, Shares, spread
from leakscope.load.rates import due_at, is_late
from leakscope.load.schedule import round_of

_shares = st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)).map(
    lambda three: Shares(*(share / max(1.0, sum(three)) for share in three))
)


def test_a_tenth_is_every_tenth() -> None:
    faults = spread(300, Shares(disconnect=0.1))
    where = [index for index, fault in enumerate(faults) if fault is Fault.DISCONNECT]

    assert len(where) == 30
    assert {after - before for before, after in pairwise(where)} == {10}


@given(st.integers(0, 400), _shares)
def test_each_fault_has_exactly_its_share(count: int, shares: Shares) -> None:
    often = Counter(spread(count, shares))

    assert sum(often.values()) == count
    for fault in Fault:
        wanted = round(count * getattr(shares, fault.value))
        assert wanted - 1 <= often[fault] <= wanted


@given(st.integers(1, 400), st.floats(0, 1))
def test_one_fault_is_spread_evenly(count: int, share: float) -> None:
    faults = spread(count, Shares(slow=share))
    wanted = round(count * share)

    for until in range(count + 1):
        so_far = sum(fault is Fault.SLOW for fault in faults[:until])
        assert abs(so_far - until * wanted / count) <= 1


@given(st.integers(1, 300), st.integers(1, 20), _shares)
def test_different_requests_take_turns_within_each_fault(
    count: int, templates: int, shares: Shares
) -> None:
    jobs = round_of(count, templates, shares=shares, rate=None)

    for fault in (None, *Fault):
        often = Counter(job.template for job in jobs if job.fault is fault)
        of_each = [often[template] for template in range(templates)]
        assert max(of_each) - min(of_each) <= 1


def test_of_two_requests_each_is_left_by_its_client_at_times() -> None:
    jobs = round_of(300, 2, shares=Shares(disconnect=0.1), rate=None)

    left = Counter(job.template for job in jobs if job.fault is Fault.DISCONNECT)
    assert left == {0: 15, 1: 15}


@given(st.integers(0, 10_000), st.floats(0.01, 10_000))
def test_requests_are_due_at_the_rate_asked_for(index: int, rate: float) -> None:
    assert abs(due_at(index, rate) * rate - index) < 1e-6 * max(1, index)


def test_without_a_rate_everything_is_due_at_once_and_nothing_is_late() -> None:
    assert due_at(250, None) == 0
    assert not is_late(0, 3600, None)


def test_a_request_is_late_when_it_had_to_wait() -> None:
    assert is_late(1.0, 1.2, 10)
    assert not is_late(1.0, 1.05, 10)
