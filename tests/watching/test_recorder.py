"""A recording keeps what was measured, whatever becomes of the target on the way."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from threading import Event

import pytest

from leakscope.analysis.diagnose import diagnose
from leakscope.capture.interface import Reading
from leakscope.capture.metrics import sample_metrics
from leakscope.capture.process import ProcessIdentity, TargetGone, identify
from leakscope.errors import LeakscopeError
from leakscope.model.census import ContainerLength, ProcessMetrics, TypeTotal
from leakscope.model.evidence import Evidence, Suspects, TypeEvidence
from leakscope.model.finding import Verdict
from leakscope.model.image import HeapImage
from leakscope.model.recording import CaptureKind, Ending, Recording
from leakscope.model.target import Target
from leakscope.watching import series as kept_series
from leakscope.watching.recorder import Plan, Recorder, plan
from leakscope.watching.series import Series
from tests.heaps import heap_of
from tests.views import ascending, image_of

MOMENTS = Plan(every=1.0, duration=12.0)


@dataclass
class Heap:
    """A target drawn for the test: between two looks a list grows by 100 orders."""

    fails_at: int = 10_000
    """The look at which the target is gone."""
    gathers_until: int = 10_000
    """The look after which nothing can be gathered any more."""
    orders: list[int] = field(default_factory=list)
    """How many orders there are at each look, if not 100 more at each."""
    takes: dict[int, float] = field(default_factory=dict)
    """Seconds that a look takes, where it takes any."""
    looks: int = 0
    time: float = 0.0
    asked: list[Suspects] = field(default_factory=list)
    sampling: list[bool] = field(default_factory=list)
    kind: CaptureKind = CaptureKind.PORTABLE
    caveats: tuple[str, ...] = ("Drawn.",)

    def census(self) -> Reading:
        self.looks += 1
        self.time += self.takes.get(self.looks, 0.0)
        if self.looks >= self.fails_at:
            raise TargetGone("process 1 has exited")
        length = self.orders[self.looks - 1] if self.orders else 100 * self.looks
        return Reading(
            types={"shop.Order": TypeTotal(length, 64 * length)},
            containers=(ContainerLength(0x1000, "builtins.list", length),),
            pause_ms=1.0,
        )

    def clock(self) -> float:
        return self.time

    def gather(self, suspects: Suspects) -> Evidence:
        self.asked.append(suspects)
        if self.looks > self.gathers_until:
            raise LeakscopeError("no answer")
        return Evidence(types=(TypeEvidence("shop.Order", self.looks, ()),))

    def trace_allocations(self, *, on: bool) -> None:
        del on

    def sample_allocations(self, *, on: bool) -> None:
        self.sampling.append(on)

    def close(self) -> None: ...


class Waiting(Event):
    """Nobody waits: the time of `heap` goes by instead."""

    def __init__(self, heap: Heap) -> None:
        super().__init__()
        self.heap = heap

    def wait(self, timeout: float | None = None) -> bool:
        if not self.is_set():
            self.heap.time += timeout or 0.0
        return self.is_set()


def recorder_of(heap: Heap) -> Recorder:
    me = identify(os.getpid())
    target = Target(me.pid, me.started, ("python",), "3.12.1", "cpython")
    series = Series(target, heap, now=heap.clock)
    return Recorder(series, stop=Waiting(heap), clock=heap.clock)


def moments(recording: Recording) -> list[float]:
    return [round(census.at, 3) for census in recording.censuses]


def test_a_recording_has_a_census_for_every_moment_of_the_plan() -> None:
    recording = recorder_of(Heap()).record(MOMENTS)

    assert len(recording.censuses) == MOMENTS.samples == 13
    assert recording.ending is Ending.COMPLETE
    assert recording.work_unit == "second"
    assert recording.caveats == ("Drawn.",)
    assert moments(recording) == list(range(13))


def test_samples_that_come_late_are_not_bunched_together() -> None:
    recording = recorder_of(Heap(takes={4: 3.2})).record(MOMENTS)

    # The fourth was due at 3.0. Those after it follow closer, not at once, until it is made good.
    late = [6.2, 6.45, 6.7, 6.95, 7.2]
    assert moments(recording) == [0.0, 1.0, 2.0, *late, 8.0, 9.0, 10.0, 11.0, 12.0]


def test_evidence_is_gathered_on_the_way_and_again_at_the_end() -> None:
    heap = Heap()

    recording = recorder_of(heap).record(MOMENTS)

    assert len(heap.asked) == 2
    assert heap.asked[-1].containers == (0x1000,)
    assert recording.evidence.types[0].objects == 13


def test_evidence_from_the_way_is_kept_when_the_end_gives_none() -> None:
    recording = recorder_of(Heap(gathers_until=9)).record(MOMENTS)

    assert recording.evidence.types[0].objects == 8
    assert recording.ending is Ending.LOST
    assert any("no answer" in caveat for caveat in recording.caveats)


def test_a_target_that_exits_leaves_what_was_seen() -> None:
    recording = recorder_of(Heap(fails_at=6)).record(MOMENTS)

    assert len(recording.censuses) == 5
    assert recording.ending is Ending.TARGET_EXITED
    assert any("exited" in caveat for caveat in recording.caveats)


def test_a_target_that_exits_while_its_copy_answers_leaves_what_was_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heap = Heap()

    def metrics(identity: ProcessIdentity) -> ProcessMetrics:
        if heap.looks == 6:
            raise TargetGone(f"process {identity.pid} has exited")
        return sample_metrics(identity)

    monkeypatch.setattr(kept_series, "sample_metrics", metrics)

    recording = recorder_of(heap).record(MOMENTS)

    assert len(recording.censuses) == 5
    assert recording.ending is Ending.TARGET_EXITED


def test_a_target_that_is_gone_at_once_is_an_error() -> None:
    with pytest.raises(TargetGone):
        recorder_of(Heap(fails_at=1)).record(MOMENTS)


def test_stopping_before_the_first_sample_still_takes_one() -> None:
    recorder = recorder_of(Heap())
    recorder.stop.set()

    recording = recorder.record(MOMENTS)

    assert len(recording.censuses) == 1
    assert recording.ending is Ending.INTERRUPTED


def test_a_caller_that_is_finished_ends_the_recording_as_complete() -> None:
    heap = Heap()
    recorder = recorder_of(heap)
    recorder.finished = lambda: heap.looks == 7

    recording = recorder.record(MOMENTS)

    assert len(recording.censuses) == 7
    assert recording.ending is Ending.COMPLETE


def test_a_long_recording_keeps_few_samples_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_series, "MOST_SAMPLES", 10)

    recording = recorder_of(Heap()).record(MOMENTS)

    assert len(recording.censuses) == 10
    assert any("13 samples were taken" in caveat for caveat in recording.caveats)


@dataclass
class Onlooker:
    """Writes down what it is told."""

    samples: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def sampled(self, recording: Recording, taken: int, of: int) -> None:
        del recording
        self.samples.append(f"{taken}/{of}")

    def gathering(self) -> None: ...

    def locating(self) -> None: ...

    def prolonged(self, reason: str, samples: int) -> None:
        del samples
        self.reasons.append(reason)


LATE = [100] * 8
"""Orders at the first samples of a service that begins to leak then."""


def longer(heap: Heap) -> tuple[Recorder, Onlooker]:
    onlooker = Onlooker()
    recorder = recorder_of(heap)
    recorder.longer, recorder.series.observer = True, onlooker
    return recorder, onlooker


def test_a_watch_that_can_not_tell_goes_on_once_for_as_long_again() -> None:
    recorder, onlooker = longer(Heap(orders=[*LATE, *range(600, 20_000, 500)]))

    recording = recorder.record(MOMENTS)

    assert len(recording.censuses) == 25
    assert onlooker.samples[12:14] == ["13/13", "14/25"]
    assert onlooker.samples[-1] == "25/25"
    assert len(onlooker.reasons) == 1
    assert "may be growing" in onlooker.reasons[0]
    assert moments(recording) == list(range(25))
    assert diagnose(recording).verdict is Verdict.LEAKING


def test_a_watch_that_still_can_not_tell_ends_there() -> None:
    recorder, onlooker = longer(Heap(orders=[100] * 20 + list(range(600, 9_000, 500))))

    recording = recorder.record(Plan(every=1.0, duration=1.0))

    assert len(recording.censuses) == 3
    assert len(onlooker.reasons) == 1
    assert diagnose(recording).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("orders", [[], [100] * 99], ids=["a leak", "no leak"])
def test_a_watch_that_can_tell_ends_when_it_was_to(orders: list[int]) -> None:
    recorder, onlooker = longer(Heap(orders=orders))

    assert len(recorder.record(MOMENTS).censuses) == 13
    assert onlooker.reasons == []


def test_a_watch_goes_on_only_if_it_may() -> None:
    recorder = recorder_of(Heap(orders=[*LATE, *range(600, 9_000, 500)]))

    assert len(recorder.record(MOMENTS).censuses) == 13


def test_a_target_that_exits_while_the_watch_goes_on_leaves_what_was_seen() -> None:
    recorder, _ = longer(Heap(orders=[*LATE, *range(600, 20_000, 500)], fails_at=20))

    recording = recorder.record(MOMENTS)

    assert len(recording.censuses) == 19
    assert recording.ending is Ending.TARGET_EXITED


def test_stopping_ends_a_watch_that_goes_on() -> None:
    recorder, onlooker = longer(Heap(orders=[*LATE, *range(600, 20_000, 500)]))
    onlooker.reasons = Stopping(recorder)

    recording = recorder.record(MOMENTS)

    assert len(recording.censuses) == 13
    assert recording.ending is Ending.INTERRUPTED


class Stopping(list[str]):
    """Stops a recorder at the first thing that is written down."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def append(self, reason: str) -> None:
        super().append(reason)
        self.recorder.stop.set()


def keeping(heap: Heap, *, fails: bool = False) -> Recorder:
    def keep(at: float, work: float | None) -> HeapImage:
        if fails:
            raise LeakscopeError("no room for a copy")
        return replace(image_of(ascending(heap_of("root:list"))), at=at, work=work)

    recorder = recorder_of(heap)
    recorder.series.keep_heap = keep
    return recorder


def test_heaps_are_kept_from_both_ends_and_from_where_growth_appears() -> None:
    recording = keeping(Heap()).record(MOMENTS)

    assert [round(image.at, 3) for image in recording.heaps] == [0.0, 7.0, 12.0]
    assert all(image.work is None for image in recording.heaps)


def test_one_sample_alone_keeps_one_heap() -> None:
    assert len(keeping(Heap()).record(Plan(1.0, 0.0)).heaps) == 1


def test_stopping_at_once_keeps_one_heap() -> None:
    recorder = keeping(Heap())
    recorder.stop.set()

    assert len(recorder.record(MOMENTS).heaps) == 1


def test_a_heap_that_cannot_be_kept_costs_no_measurement() -> None:
    recording = keeping(Heap(), fails=True).record(MOMENTS)

    assert (len(recording.censuses), recording.heaps) == (13, ())
    assert any("no room for a copy" in caveat for caveat in recording.caveats)


@pytest.mark.parametrize(
    ("every", "duration", "samples"),
    [(None, 60.0, 13), (None, 600.0, 121), (None, 30.0, 13), (1.0, 30.0, 31), (60.0, 30.0, 2)],
)
def test_samples_come_often_enough_for_a_verdict_unless_told_otherwise(
    every: float | None, duration: float, samples: int
) -> None:
    assert plan(every, duration).samples == samples
