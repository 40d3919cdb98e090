"""How often each kind of series is called a leak, held against bounds.

The seeds are those that are reported, not those on which thresholds were tuned. `python -m
tests.benchmarks.growth` prints the whole table.
"""

from __future__ import annotations

from functools import partial

import pytest
from scipy import stats

from leakscope.analysis.judging import judged
from leakscope.model.trend import Label
from tests.analysis.confusion import REPORTED, labels_given
from tests.analysis.series import BATCH, ROWS, Noise, Row, draw
from tests.benchmarks.growth import FLOORS, MOVING, SAMPLES, keys_of, seconds_of, slopes_one_by_one

FALSE_LEAKS = 0.01
"""Share of a row without leaks that may be called one, with any noise."""

FOUND_IN_23 = {
    noise: dict.fromkeys((row.name for row in ROWS if row.leaks), 0.95) for noise in Noise
}
"""Share of a row of leaks that must be found with 23 samples."""
FOUND_IN_23[Noise.HOLDER]["LEAK slow"] = 0.8
FOUND_IN_23[Noise.OBJECTS]["LEAK slow"] = 0.8
FOUND_IN_23[Noise.MEMORY]["LEAK slow"] = 0.4

FOUND_IN_13 = {noise: dict(found) for noise, found in FOUND_IN_23.items()}
"""The same with 13, the fewest that a watch takes: noise as large as a third of the growth hides it
in so few samples, and growth as small as the noise is not to be seen."""
FOUND_IN_13[Noise.HOLDER]["LEAK with AR(0.6)"] = 0.9
FOUND_IN_13[Noise.OBJECTS] |= {"LEAK with sawtooth": 0.88, "LEAK with AR(0.6)": 0.88}
FOUND_IN_13[Noise.MEMORY] |= {
    "LEAK with sawtooth": 0.9,
    "LEAK with AR(0.6)": 0.9,
    "LEAK after warm-up": 0.9,
    "LEAK slow": 0.0,
}

SURE = 0.999
"""Certainty with which a row that just keeps its bound passes; all of them must."""

LENGTHS = (13, 23)


def check(row: Row, noise: Noise, samples: int, batches: int) -> None:
    given = labels_given(row, noise, samples, REPORTED[:batches])
    leaks, series = given[Label.LINEAR], batches * BATCH
    if row.leaks:
        least = (FOUND_IN_13 if samples == 13 else FOUND_IN_23)[noise][row.name]
        assert leaks >= stats.binom.ppf(1 - SURE, series, least), given
    else:
        assert leaks <= stats.binom.ppf(SURE, series, FALSE_LEAKS), given


@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_leaks_are_found_and_nothing_else_is_called_one(row: Row, samples: int) -> None:
    for noise in Noise:
        check(row, noise, samples, batches=12)


@pytest.mark.parametrize("samples", [9, 48, 120])
@pytest.mark.parametrize("row", [row for row in ROWS if not row.leaks], ids=lambda row: row.name)
def test_nothing_else_is_called_a_leak_in_fewer_samples_or_in_many(row: Row, samples: int) -> None:
    for noise in (Noise.HOLDER, Noise.OBJECTS):
        check(row, noise, samples, batches=6)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("noise", Noise, ids=lambda noise: noise.value)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_reported_shares_keep_their_bounds(row: Row, noise: Noise) -> None:
    batches = 160
    for samples in LENGTHS:
        given = labels_given(row, noise, samples, REPORTED[:batches])
        share = given[Label.LINEAR] / (batches * BATCH)
        if not row.leaks:
            assert share <= FALSE_LEAKS, given
        else:
            least = FOUND_IN_13 if samples == 13 else FOUND_IN_23
            assert share >= least[noise][row.name], given


def most_given(name: str, noise: Noise, samples: int) -> Label:
    row = next(row for row in ROWS if row.name == name)
    return labels_given(row, noise, samples, REPORTED[:4]).most_common(1)[0][0]


@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("noise", [Noise.HOLDER, Noise.OBJECTS], ids=lambda noise: noise.value)
@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("warm-up", Label.WARM_UP),
        ("cache fill", Label.FILLED),
        ("cache of random keys", Label.FILLED),
        ("step", Label.STEP),
        ("two steps", Label.STEP),
        ("sawtooth", Label.SAWTOOTH),
        ("bursts", Label.BACKLOG),
        ("backlog", Label.BACKLOG),
        ("logarithmic", Label.SATURATING),
        ("random walk", Label.NOISE),
        ("white noise", Label.NOISE),
        ("daily cycle", Label.NOISE),
        ("requests in flight", Label.FLAT),
        ("a few more", Label.FLAT),
    ],
)
def test_what_is_no_leak_is_called_what_it_is(
    name: str, label: Label, noise: Noise, samples: int
) -> None:
    assert most_given(name, noise, samples) is label


def test_ten_thousand_keys_take_less_time_than_scipys_slopes_of_a_hundred() -> None:
    table = keys_of(MOVING)
    work = draw(ROWS[0], Noise.OBJECTS, 0, SAMPLES).work
    ours = seconds_of(partial(judged, work, table, FLOORS))
    theirs = seconds_of(partial(slopes_one_by_one, work, table[-100:]), times=1)
    assert table.shape == (10_000, 60)
    assert ours < theirs
