"""Whose work a counter counts: one counter of all, one worker's own, or several that take turns."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable

import pytest

from leakscope.capture.process import ProcessIdentity
from leakscope.capture.work import CounterUnreachable, PrometheusCounter
from leakscope.watching.shared_work import SharedWork
from tests.capture.test_work import serving

NAME = "http_requests_total"
ME = ProcessIdentity(os.getpid(), 1_700_000_000.25)
OTHER = ProcessIdentity(1, 1_700_000_009.0)


def page_of(count: float, started: float | None = None) -> tuple[int, bytes]:
    start = "" if started is None else f"process_start_time_seconds {started}\n"
    return 200, f"{NAME} {count}\n{start}".encode()


def probed(answer: Callable[[], tuple[int, bytes]]) -> SharedWork:
    with serving(answer) as url:
        work = SharedWork(PrometheusCounter(url, NAME))
        assert work.probe() == "request"
        return work


def test_a_counter_that_only_rises_is_taken_to_count_the_work_of_all() -> None:
    counts = itertools.count(100)

    work = probed(lambda: page_of(next(counts)))

    assert not work.mixed
    assert "the work of all workers together" in work.assumption((ME, OTHER))


def test_a_counter_that_falls_and_rises_is_several() -> None:
    counts = itertools.cycle((100, 220, 90, 130))

    work = probed(lambda: page_of(next(counts)))

    assert work.mixed
    assert "falls and rises" in work.assumption((ME, OTHER))
    assert "per second" in work.assumption((ME, OTHER))


def test_pages_of_processes_that_started_at_different_times_are_several_counters() -> None:
    counts, workers = itertools.count(100), itertools.cycle((ME, OTHER))

    work = probed(lambda: page_of(next(counts), next(workers).started))

    assert work.mixed
    assert "several processes answer there" in work.assumption((ME, OTHER))


def test_a_page_of_one_worker_is_taken_for_what_each_of_them_does() -> None:
    counts = itertools.count(100)

    work = probed(lambda: page_of(next(counts), OTHER.started))

    assert not work.mixed
    assert "one worker's own (pid 1)" in work.assumption((ME, OTHER))
    assert "the work of all workers together" in work.assumption((ME,))


def test_a_counter_that_falls_later_is_noticed_then_and_never_told_as_started_anew() -> None:
    counts = iter((*range(100, 130), 50))
    ticks = itertools.count()
    with serving(lambda: page_of(next(counts))) as url:
        work = SharedWork(PrometheusCounter(url, NAME), clock=lambda: float(next(ticks)))
        work.probe()
        while not work.mixed:
            assert not work.read().reset


def test_workers_sampled_right_after_each_other_share_a_reading() -> None:
    counts = itertools.count(100)
    with serving(lambda: page_of(next(counts))) as url:
        work = SharedWork(PrometheusCounter(url, NAME), clock=lambda: 0.0)
        first = work.read()

        assert work.read() == first


def test_a_counter_that_is_not_served_is_an_error() -> None:
    work = SharedWork(PrometheusCounter("http://127.0.0.1:9/metrics", NAME))

    with pytest.raises(CounterUnreachable):
        work.probe()
