"""A leak is told from everything else that grows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakscope.analysis.axis import axis_of
from leakscope.analysis.follow import Followed
from leakscope.analysis.growth import judge, judge_keys, trends
from leakscope.analysis.window import missing_samples
from leakscope.model.recording import Recording
from leakscope.model.trend import KeyKind, Label, Trend
from tests.analysis.series import ROWS, Noise, Row, draw
from tests.builders import key_of, recording_of


def trend_of(recording: Recording, key: str = "shop.T") -> Trend:
    return next(trend for trend in trends(recording) if trend.key == key)


def series(values: list[float], work: float | list[float] | None = 500.0) -> Trend:
    return trend_of(recording_of({"shop.T": values}, work=work))


def drawn(row: Row, seed: int, n: int) -> tuple[list[float], list[float]]:
    """Return the work counter and the values of one series of objects."""
    batch = draw(row, Noise.OBJECTS, seed, n, series=1)
    return batch.work.tolist(), batch.values[0].tolist()


def label_of(work: list[float], values: list[float]) -> Label:
    return series(values, work).label


def test_one_per_request_is_one_per_request_whatever_is_in_flight() -> None:
    rng = np.random.default_rng(1)
    work = np.cumsum([0, *rng.integers(380, 620, 12)])
    read_apart = work + rng.integers(-20, 20, 13)
    trend = series((work + rng.poisson(5, 13)).tolist(), read_apart.tolist())
    assert trend.label is Label.LINEAR
    assert trend.slope.estimate == pytest.approx(1.0, abs=0.01)
    assert trend.slope.high - trend.slope.low < 0.05
    assert trend.slope.low <= 1.0 <= trend.slope.high


def test_one_object_in_five_requests_is_found() -> None:
    trend = series([(100 * i) // 5 for i in range(13)], work=100)
    assert trend.label is Label.LINEAR
    assert trend.slope.estimate == pytest.approx(0.2)


@pytest.mark.parametrize("share", [0.33, 0.5])
@pytest.mark.parametrize("n", [9, 13, 25])
def test_a_bounded_cache_of_2500_entries_that_fills_while_watched_is_filled(
    share: float, n: int
) -> None:
    steps = np.linspace(0, 1, n)
    trend = series(np.floor(2500 * np.minimum(1, steps / share)).tolist(), work=600)
    assert trend.label is Label.FILLED
    assert trend.slope.high < 0.01
    assert "2,500" in trend.reason


def test_a_cache_that_was_full_when_the_watch_had_hardly_begun_was_warming_up() -> None:
    assert series([0, 800, 2500, *[2500.0] * 10]).label is Label.WARM_UP


def test_an_entry_now_and_then_is_no_growth() -> None:
    assert series([40, 40, 41, 41, 41, 42, 42, 42, 43, 43, 44, 44, 44]).label is Label.FLAT


def test_what_asking_for_the_counter_may_leave_behind_is_no_leak() -> None:
    # Two connections at each sample, which wait for gc. Nobody asks where seconds are counted.
    connections = [15.0 + 2 * i for i in range(16)]
    assert series(connections, work=200).label is Label.FLAT
    assert series(connections, work=None).label is Label.LINEAR


def test_one_object_in_a_thousand_requests_is_found_once_enough_were_served() -> None:
    assert series([20 * i for i in range(13)], work=20_000).label is Label.LINEAR


def test_a_queue_that_was_worked_off_is_a_backlog() -> None:
    trend = series([20, 20, 700, 1500, 2200, 1600, 900, 300, 20, 20, 20, 20, 20])
    assert trend.label is Label.BACKLOG
    assert "2,200" in trend.reason


def test_warm_up_that_takes_longer_than_a_quarter_is_no_part_of_a_leak() -> None:
    # A cache that takes 2 of each request fills in the first third; 1 of each request leaks.
    work = [500.0 * i for i in range(13)]
    trend = series([w + 2 * min(w, 2000.0) for w in work], work)
    assert trend.label is Label.LINEAR
    assert trend.slope.estimate == pytest.approx(1.0)


def test_a_rise_that_slows_down_is_no_leak_however_long_it_goes_on() -> None:
    trend = series([1000 * float(np.log1p(i)) for i in range(60)])
    assert trend.label is Label.SATURATING


@pytest.mark.parametrize("n", [48, 60, 120])
def test_long_watches_are_judged_as_short_ones(n: int) -> None:
    rising = series([500.0 * i for i in range(n)])
    assert rising.label is Label.LINEAR
    assert rising.slope.estimate == pytest.approx(1.0)
    assert series([min(500.0 * i, 500 * n / 2) for i in range(n)]).label is Label.FILLED


def test_intervals_allow_for_noise_that_follows_itself() -> None:
    steps = np.random.default_rng(5).normal(0, 40, 23)
    following = [float(2 * steps[: i + 1][::-1] @ 0.7 ** np.arange(i + 1)) for i in range(23)]
    plain = series([1000.0 * i + 2 * step for i, step in enumerate(steps)])
    wide = series([1000.0 * i + noise for i, noise in enumerate(following)])
    assert wide.label is plain.label is Label.LINEAR
    spread = plain.slope.high - plain.slope.low
    assert wide.slope.high - wide.slope.low > 2 * spread


def test_what_falls_is_shrinking() -> None:
    assert series([5000 - 100 * i for i in range(13)]).label is Label.SHRINKING


def test_what_only_grew_in_the_second_half_waits_for_more_samples() -> None:
    trend = series([100.0] * 8 + [600, 1100, 1600, 2100, 2600])
    assert trend.label is Label.UNCONFIRMED


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
def test_too_few_samples_say_how_many_more_are_needed(n: int) -> None:
    trend = series([500.0 * i for i in range(n)])
    if missing_samples(n):
        assert trend.label is Label.TOO_SHORT
        assert f"{missing_samples(n)} more needed" in trend.reason
    else:
        assert trend.label is Label.LINEAR


def test_six_samples_are_enough_for_a_verdict() -> None:
    assert [missing_samples(n) for n in (1, 2, 5, 6, 7, 13)] == [5, 4, 1, 0, 0, 0]


def test_samples_without_work_between_them_do_not_hide_a_leak() -> None:
    # The load begins late and ends early.
    work = [0.0, 0, 0, *np.arange(1, 11) * 500.0, 5000, 5000]
    trend = series([100 + w for w in work], work)
    assert trend.label is Label.LINEAR
    assert trend.slope.estimate == pytest.approx(1.0)


@pytest.mark.parametrize(
    "late",
    [
        [*np.arange(9) * 0.3, *(4.2 + np.arange(5) * 0.04)],
        [*np.arange(9) * 0.3, 3.0, *(4.4 + np.arange(4) * 0.03)],
        [*np.arange(5) * 0.3, *(3.2 + np.arange(4) * 0.04), 3.6, 3.9, *(5.5 + np.arange(3) * 0.04)],
    ],
)
def test_samples_that_come_late_and_at_once_do_not_hide_a_leak(late: list[float]) -> None:
    work = [1000.0 * at for at in late]
    assert series([np.floor(x / 5) for x in work], work).label is Label.LINEAR


def test_a_queue_that_drains_when_the_load_ends_is_no_leak() -> None:
    work = [*np.arange(11) * 500.0, 5000, 5000]
    queue = [*np.arange(11) * 100.0, 300, 0]
    assert series(queue, work).label is not Label.LINEAR


def test_a_counter_that_starts_anew_does_not_change_the_slope() -> None:
    counter = [*np.arange(6) * 500.0, *np.arange(1, 9) * 500.0]
    trend = series([500.0 * i for i in range(14)], counter)
    assert trend.label is Label.LINEAR
    assert trend.slope.estimate == pytest.approx(1.0)


def test_a_container_that_is_swapped_for_a_fresh_one_now_and_then_is_no_leak() -> None:
    # The same address is used again: each generation grows from nothing.
    generations = [(400 * i) % 2000 for i in range(25)]
    lengths = [float(v) if v >= 8 else None for v in generations]
    recording = recording_of(
        lengths={"shop.BATCH": [*lengths[:-1], 1900], "shop.LEAST": [8] * 25}, work=400
    )
    assert trend_of(recording, key_of("shop.BATCH")).label is not Label.LINEAR


def test_a_container_that_appears_late_is_not_confirmed() -> None:
    late = [None] * 7 + [100, 600, 1100, 1600, 2100, 2600]
    recording = recording_of(lengths={"shop.NEW": late, "shop.LEAST": [8] * 13}, work=500)
    assert trend_of(recording, key_of("shop.NEW")).label is not Label.LINEAR


def test_one_key_among_many_that_move_needs_better_evidence() -> None:
    rising = np.random.default_rng(3).normal(0, 300, 13).cumsum() + 700 * np.arange(13.0)
    wandering = np.random.default_rng(4).normal(0, 300, (300, 13)).cumsum(axis=1) + 9000
    alone = recording_of({"shop.T": rising.tolist()}, work=500)
    many = recording_of(
        {"shop.T": rising.tolist(), **{f"shop.W{i}": w.tolist() for i, w in enumerate(wandering)}},
        work=500,
    )
    assert trend_of(alone).label is Label.LINEAR
    assert trend_of(many).label is Label.UNCONFIRMED
    assert "among so many keys" in trend_of(many).reason


def test_hundreds_of_keys_that_wander_are_no_leaks() -> None:
    rng = np.random.default_rng(8)
    walks = 9000 + rng.normal(0, 90, (2000, 23)).cumsum(axis=1)
    recording = recording_of({f"shop.W{i}": w.tolist() for i, w in enumerate(walks)}, work=500)
    assert not [trend.key for trend in trends(recording) if trend.label is Label.LINEAR]


def test_types_come_first_then_containers_then_memory() -> None:
    recording = recording_of(
        {"b.B": [1, 2], "a.A": [1, 1]}, lengths={"shop.X": [8, 9]}, rss=[1e6, 2e6]
    )
    kinds = [(trend.kind, trend.key) for trend in trends(recording)]
    assert kinds == [
        (KeyKind.TYPE, "a.A"),
        (KeyKind.TYPE, "b.B"),
        (KeyKind.CONTAINER, key_of("shop.X")),
        (KeyKind.RSS, "rss"),
    ]


def test_threads_and_files_are_followed_as_well() -> None:
    recording = recording_of(threads=[4.0 + 2 * i for i in range(13)], fds=[9.0] * 13, work=100)
    threads, files = judge(recording).process
    assert (threads.trend.kind, threads.trend.label) == (KeyKind.THREADS, Label.LINEAR)
    assert threads.trend.slope.estimate == pytest.approx(0.02)
    assert (files.trend.kind, files.trend.label) == (KeyKind.FDS, Label.FLAT)


@pytest.mark.parametrize(
    ("kind", "floor"),
    [(KeyKind.SITE, 64 << 10), (KeyKind.LAYER, 1 << 20), (KeyKind.TASKS, 10), (KeyKind.FDS, 5)],
)
def test_keys_of_any_kind_can_be_judged_by_what_they_are_counted_in(
    kind: KeyKind, floor: int
) -> None:
    axis = axis_of(recording_of(work=100, samples=13))
    gains = (0.9 * floor, 12.0 * floor)
    keys = [Followed(kind, f"{gain}", "", gain * np.linspace(0, 1, 13)) for gain in gains]
    little, much = judge_keys(keys, axis)
    assert (little.trend.kind, little.trend.label) == (kind, Label.FLAT)
    assert (much.trend.kind, much.trend.label) == (kind, Label.LINEAR)
    assert much.trend.slope.estimate == pytest.approx(floor / 100)


def test_a_process_that_may_not_be_looked_at_has_no_trend_of_its_own() -> None:
    recording = recording_of({"shop.T": [1.0] * 13}, work=100)
    assert judge(recording).process == ()


def test_every_rejection_says_why() -> None:
    for row in ROWS:
        for seed in range(5):
            work, values = drawn(row, seed, 13)
            assert series(values, work).reason


rows = st.sampled_from(ROWS)
seeds = st.integers(0, 10_000)
lengths = st.sampled_from([6, 9, 13, 23, 61])


@settings(max_examples=60, deadline=None)
@given(rows, seeds, lengths, st.integers(1, 10**9))
def test_labels_do_not_depend_on_when_the_watch_began(
    row: Row, seed: int, n: int, later: int
) -> None:
    work, values = drawn(row, seed, n)
    assert label_of([w + later for w in work], values) is label_of(work, values)


@settings(max_examples=60, deadline=None)
@given(rows, seeds, lengths, st.sampled_from([2, 4, 64]))
def test_slopes_scale_with_the_unit_of_work(row: Row, seed: int, n: int, factor: int) -> None:
    # Both above the work at which the least gain that counts no longer depends on it.
    work, values = drawn(row, seed, n)
    enough = 1000
    plain = series(values, [enough * w for w in work])
    scaled = series(values, [enough * factor * w for w in work])
    assert scaled.label is plain.label
    assert scaled.slope.estimate == pytest.approx(plain.slope.estimate / factor)


@settings(max_examples=40, deadline=None)
@given(rows, seeds, lengths, st.integers(2, 50))
def test_a_leak_does_not_stop_being_one_when_it_is_larger(
    row: Row, seed: int, n: int, factor: int
) -> None:
    work, values = drawn(row, seed, n)
    if label_of(work, values) is Label.LINEAR:
        assert label_of(work, [factor * value for value in values]) is Label.LINEAR


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(rows, seeds), min_size=2, max_size=8), st.randoms())
def test_what_a_key_is_called_does_not_matter(keys: list[tuple[Row, int]], random: object) -> None:
    values = [drawn(row, seed, 13)[1] for row, seed in keys]
    names = [f"shop.T{i}" for i in range(len(values))]
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first = trends(recording_of(dict(zip(names, values, strict=True)), work=500))
    second = trends(recording_of(dict(zip(shuffled, values, strict=True)), work=500))
    labels = {t.key: t.label for t in first}
    relabelled = {t.key: t.label for t in second}
    assert [labels[n] for n in names] == [relabelled[n] for n in shuffled]


@settings(max_examples=20, deadline=None)
@given(rows, seeds, lengths)
def test_the_same_recording_gives_the_same_trends(row: Row, seed: int, n: int) -> None:
    work, values = drawn(row, seed, n)
    recording = recording_of({"shop.T": values}, work=work)
    assert trends(recording) == trends(recording)
