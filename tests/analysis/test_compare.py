"""Two snapshots differ by types; three have slopes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leakscope.analysis.compare import NothingToCompare, compare
from leakscope.model.recording import CaptureKind, Recording
from leakscope.model.target import Target
from tests.builders import TARGET, recording_of


def snapshot(
    orders: int, *, at: float = 0.0, work: float | None = None, target: Target = TARGET, **more: int
) -> Recording:
    """Return a recording of one census with so many orders."""
    types = {"shop.Order": [orders], **{f"shop.{name}": [n] for name, n in more.items()}}
    counter = None if work is None else [work]
    return recording_of(types, work=counter, target=target, start=1_700_000_000 + at)


def test_types_that_changed_are_listed_most_gained_first() -> None:
    comparison = compare([snapshot(5, A=3, B=9, C=4), snapshot(9, A=13, B=1, C=4)])
    assert [(c.type, c.objects, c.bytes) for c in comparison.changes] == [
        ("shop.A", 10, 640),
        ("shop.Order", 4, 256),
        ("shop.B", -8, -512),
    ]


def test_types_that_came_and_went_count_from_and_to_zero() -> None:
    comparison = compare([snapshot(5, Old=2), snapshot(5, New=3)])
    assert [(c.type, c.objects_first, c.objects_last) for c in comparison.changes] == [
        ("shop.New", 0, 3),
        ("shop.Old", 2, 0),
    ]


def test_what_only_one_of_two_captures_counts_is_left_out() -> None:
    everything = snapshot(5, A=3, text=900, gone=4)
    tracked = replace(snapshot(9, A=13, fresh=2), kind=CaptureKind.READONLY)

    comparison = compare([everything, tracked])

    assert comparison.counts_differ
    assert [(c.type, c.objects) for c in comparison.changes] == [
        ("shop.A", 10),
        ("shop.Order", 4),
        ("shop.fresh", 2),
    ]


def test_captures_that_count_the_same_leave_nothing_out() -> None:
    portable = replace(snapshot(5, A=3), kind=CaptureKind.PORTABLE)
    readonly = replace(snapshot(5, B=3), kind=CaptureKind.READONLY)

    comparison = compare([portable, readonly])

    assert not comparison.counts_differ
    assert {c.type for c in comparison.changes} == {"shop.A", "shop.B"}


def test_two_snapshots_have_no_slopes() -> None:
    (change,) = compare([snapshot(1), snapshot(2, at=10)]).changes
    assert change.slope is None


def test_three_snapshots_have_slopes_per_second() -> None:
    comparison = compare([snapshot(10 * i, at=5.0 * i) for i in range(3)])
    (change,) = comparison.changes
    assert (comparison.unit, comparison.seconds, comparison.work) == ("second", 10, None)
    assert change.slope is not None
    assert change.slope.estimate == 2


def test_work_is_the_measure_where_every_snapshot_knows_it() -> None:
    comparison = compare([snapshot(10 * i, at=5.0 * i, work=100 + 40 * i) for i in range(3)])
    (change,) = comparison.changes
    assert (comparison.unit, comparison.work) == ("request", 80)
    assert change.slope is not None
    assert change.slope.estimate == pytest.approx(0.25)


def test_snapshots_of_two_processes_share_no_work_counter() -> None:
    other = Target(4243, TARGET.started, TARGET.cmdline, "3.12.1", "cpython")
    comparison = compare([snapshot(1, work=10), snapshot(2, at=9, work=30, target=other)])
    assert not comparison.same_process
    assert (comparison.unit, comparison.work) == ("second", None)


def test_the_same_pid_at_another_time_is_another_process() -> None:
    later = Target(4242, TARGET.started + 1, TARGET.cmdline, "3.12.1", "cpython")
    assert not compare([snapshot(1), snapshot(2, target=later)]).same_process
    assert compare([snapshot(1), snapshot(2)]).same_process


def test_of_recordings_the_last_samples_are_compared() -> None:
    one = recording_of({"shop.Order": [1, 2, 3]})
    other = recording_of({"shop.Order": [7, 8, 9]}, start=1_700_000_100)
    (change,) = compare([one, other]).changes
    assert (change.objects_first, change.objects_last) == (3, 9)


def test_one_recording_is_compared_with_itself_first_to_last() -> None:
    comparison = compare([recording_of({"shop.Order": [1, 4, 9]}, work=10)])
    (change,) = comparison.changes
    assert (comparison.censuses, change.objects) == (3, 8)
    assert change.slope is not None


def test_snapshots_given_in_the_wrong_order_have_no_slopes() -> None:
    (change,) = compare([snapshot(i, at=10.0 - i) for i in range(3)]).changes
    assert change.slope is None


def test_one_snapshot_alone_cannot_be_compared() -> None:
    with pytest.raises(NothingToCompare, match="one census alone"):
        compare([snapshot(5)])


def test_equal_snapshots_do_not_differ() -> None:
    assert compare([snapshot(5), snapshot(5, at=9)]).changes == ()
