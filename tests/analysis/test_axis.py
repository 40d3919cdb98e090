"""Growth is measured against work that was done."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from leakscope.analysis.axis import axis_of, work_done
from tests.builders import census_of, recording_of


def work_of(*counter: float | None) -> list[float]:
    """Return the work done at censuses 5 s apart whose counter reads as given."""
    censuses = [census_of(at=5.0 * i, work=value) for i, value in enumerate(counter)]
    return [float(done) for done in work_done(censuses)]


def axis_x(work: Sequence[float]) -> list[float]:
    return [float(x) for x in axis_of(recording_of(work=work, samples=len(work))).x]


def test_work_counts_from_the_first_census() -> None:
    assert work_of(1000, 1100, 1250) == [0, 100, 250]


def test_a_counter_that_falls_was_reset_and_goes_on_from_zero() -> None:
    assert work_of(500, 600, 40, 140) == [0, 100, 140, 240]


def test_a_reading_that_is_missing_lies_between_its_neighbours() -> None:
    assert work_of(0, None, 200) == [0, 100, 200]


def test_a_counter_that_was_read_once_says_nothing() -> None:
    assert work_of(None, 70, None) == [0, 0, 0]


def test_samples_without_work_between_them_count_once_and_the_last_of_them_counts() -> None:
    recording = recording_of(work=[0, 0, 100, 200, 200, 200], samples=6)
    axis = axis_of(recording)
    assert axis.x.tolist() == [0, 100, 200]
    assert axis.samples.tolist() == [1, 2, 5]


def test_the_few_requests_of_whoever_reads_the_counter_are_no_work() -> None:
    assert axis_x([0, 1, 2, 502, 1002, 1003, 1004]) == [2, 502, 1004]


def test_without_any_work_there_is_one_sample() -> None:
    assert axis_x([7, 7, 7, 7]) == [0]


def test_without_a_counter_time_is_the_measure() -> None:
    axis = axis_of(recording_of(every=2.5, samples=4))
    assert axis.x.tolist() == [0, 2.5, 5, 7.5]
    assert axis.per_second == 1


def test_work_per_second_is_over_the_whole_recording() -> None:
    axis = axis_of(recording_of(work=[0, 100, 300], every=5.0, samples=3))
    assert axis.per_second == pytest.approx(30)
