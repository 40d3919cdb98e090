"""How a frozen copy is asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leakscope.capture.native import niceness


def test_a_copy_with_little_to_do_is_as_nice_as_can_be() -> None:
    assert niceness(0.0) == 19
    assert niceness(0.05) == 19


def test_a_copy_of_gigabytes_is_not_starved_where_all_processors_are_busy() -> None:
    # A fifth of a processor, done in ten seconds: 1.25 ** -6 = 0.26 to 1 is just above that.
    assert niceness(2.0) == 6
    assert niceness(100.0) == 0


@given(st.floats(0, 1e4), st.floats(0, 1e4))
def test_more_work_never_makes_a_copy_nicer(one: float, other: float) -> None:
    assert niceness(min(one, other)) >= niceness(max(one, other))
    assert 0 <= niceness(one) <= 19
