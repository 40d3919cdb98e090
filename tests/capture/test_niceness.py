"""How nice copies, and those who watch, are."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.capture.niceness import crowd, niceness
from leakscope.capture.systems import Darwin

shares = st.floats(0, 1e3)
crowds = st.floats(1, 1e3)


def test_who_has_little_to_do_is_as_nice_as_can_be() -> None:
    assert niceness(0.0) == 19
    assert niceness(0.005) == 19


def test_who_has_much_to_do_is_not_starved_where_all_processors_are_busy() -> None:
    # A fifth of a processor: 1.25 ** -6 = 0.26 to 1 is just above that.
    assert niceness(0.2) == 6
    assert niceness(10.0) == 0


def test_a_crowd_leaves_a_share_all_the_same() -> None:
    # At level 3 one weighs 1.25 ** -3 = 0.51 beside four: a ninth.
    assert niceness(0.1, 4.0) == 3
    assert niceness(0.0, 4.0) == 12
    assert niceness(0.1, 100.0) == 0


@given(shares, shares, crowds)
def test_who_needs_more_is_never_nicer(one: float, other: float, others: float) -> None:
    assert niceness(min(one, other), others) >= niceness(max(one, other), others)
    assert 0 <= niceness(one, others) <= 19


@given(shares, crowds, crowds)
def test_nobody_is_nicer_in_a_larger_crowd(share: float, one: float, other: float) -> None:
    assert niceness(share, min(one, other)) >= niceness(share, max(one, other))


@dataclass(frozen=True)
class Busy(Darwin):
    """A system on which so many threads run."""

    threads: int

    def running(self) -> int:
        return self.threads


@pytest.mark.parametrize(
    ("lately", "running", "others"),
    [(0.2, 1, 1.0), (0.2, 0, 1.0), (8.0, 9, 1.0), (28.0, 1, 3.5), (0.2, 29, 3.5)],
)
def test_a_crowd_is_who_wants_each_processor(
    lately: float, running: int, others: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (lately, 0.0, 0.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 8)

    assert crowd(Busy(running)) == others


def test_a_crowd_nobody_can_count_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> tuple[float, float, float]:
        raise OSError("no such thing")

    monkeypatch.setattr(os, "getloadavg", unknown)

    assert crowd(Busy(0)) == 1.0
