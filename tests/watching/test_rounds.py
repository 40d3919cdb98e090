"""Rounds of identical work: a sample after each, at rest, and what ends them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from leakscope.analysis.diagnose import diagnose
from leakscope.capture.interface import Reading
from leakscope.capture.process import TargetGone, identify
from leakscope.errors import ExitCode, LeakscopeError
from leakscope.load.interface import LoadFailed, Served
from leakscope.model.census import ContainerLength, TypeTotal
from leakscope.model.evidence import Evidence, Site, SiteGrowth, Suspects
from leakscope.model.finding import Verdict
from leakscope.model.recording import CaptureKind, Ending, Recording
from leakscope.model.target import Target
from leakscope.watching.captures import FrozenCensusCapture
from leakscope.watching.rest import Rest, Used
from leakscope.watching.rounds import (
    NothingServed,
    RoundPlan,
    RoundRecorder,
    TooFewLanded,
    TooFewRounds,
)
from leakscope.watching.series import Series, Sites
from leakscope.watching.stray_watch import StrayWatch


@dataclass
class Service:
    """A server drawn for the test: it keeps `kept` orders of each request that it serves."""

    kept: float = 1.0
    until: int = 1 << 60
    """Requests after which it keeps no more."""
    requests: int = 0
    looks: int = 0
    asked: list[Suspects] = field(default_factory=list)
    sampling: list[bool] = field(default_factory=list)
    kind: CaptureKind = CaptureKind.PORTABLE
    caveats: tuple[str, ...] = ()

    def census(self) -> Reading:
        self.looks += 1
        orders = int(self.kept * min(self.requests, self.until))
        return Reading(
            types={"shop.Order": TypeTotal(orders, 64 * orders)},
            containers=(ContainerLength(0x1000, "builtins.list", orders),),
            pause_ms=1.0,
        )

    def gather(self, suspects: Suspects) -> Evidence:
        self.asked.append(suspects)
        return Evidence()

    def trace_allocations(self, *, on: bool) -> None:
        del on

    def sample_allocations(self, *, on: bool) -> None:
        self.sampling.append(on)

    def close(self) -> None: ...


@dataclass
class Driven:
    """Serves 100 requests a round, or what is written for the rounds one by one."""

    service: Service
    landed: Sequence[int | LeakscopeError | None] = ()
    counts: bool = True
    asked: int | None = 100
    unit: str = "request"
    rounds: int = 0

    def run_round(self, number: int) -> Served:
        assert number == self.rounds
        self.rounds += 1
        done = self.landed[number] if number < len(self.landed) else 100
        if isinstance(done, LeakscopeError):
            raise done
        self.service.requests += done or 0
        if not self.counts or done is None:
            return Served()
        missing = (self.asked or done) - done
        return Served(self.asked, done, (("connection refused", missing),) if missing else ())

    def stop(self) -> None: ...


@dataclass
class Resting(Rest):
    """Is at rest at once, and has used a second for every round."""

    seconds: float = 1.0
    by_children: float = 0.0

    def wait(self) -> bool:
        own, children = self.worked
        self.worked = Used(own + self.seconds, children + self.by_children)
        return True


def recorder_of(load: Driven, *, seconds: float = 1.0) -> RoundRecorder:
    me = identify(os.getpid())
    target = Target(me.pid, me.started, ("python",), "3.12.1", "cpython")
    series = Series(target, load.service, now=lambda: float(load.rounds))
    return RoundRecorder(series, load, Resting(me, seconds=seconds))


def test_there_is_a_sample_after_each_round_and_the_work_is_what_landed() -> None:
    recording = recorder_of(Driven(Service())).record(RoundPlan())

    assert [c.work for c in recording.censuses] == [100.0 * n for n in range(1, 11)]
    assert recording.work_unit == "request"
    assert recording.ending is Ending.COMPLETE


def test_a_leak_is_found_at_its_rate() -> None:
    load = Driven(Service(kept=0.2))

    diagnosis = diagnose(recorder_of(load).record(RoundPlan()))

    assert diagnosis.verdict is Verdict.LEAKING
    assert diagnosis.findings[0].growth.objects.estimate == pytest.approx(0.2)
    assert load.service.asked, "who holds it was not asked"


def test_only_the_last_rounds_of_a_long_warm_up_are_sampled() -> None:
    load = Driven(Service())

    recording = recorder_of(load).record(RoundPlan(counted=6, warm_up=20))

    assert load.rounds == 26
    assert recording.censuses[0].work == 1900.0
    assert len(recording.censuses) == 8


def test_as_many_rounds_are_run_again_while_there_is_doubt() -> None:
    load = Driven(Service(until=1000))
    recorder = recorder_of(load)
    doubts = []

    def doubt(recording: object) -> str:
        doubts.append(recording)
        return "to be sure"

    recorder.doubt = doubt

    recording = recorder.record(RoundPlan())

    assert len(doubts) == 1
    assert len(recording.censuses) == 18
    assert diagnose(recording).verdict is Verdict.CLEAN


def test_rounds_are_the_work_where_nobody_counts_requests() -> None:
    recording = recorder_of(Driven(Service(), counts=False)).record(RoundPlan())

    assert recording.work_unit == "round"
    assert recording.censuses[-1].work == 10.0


def test_a_server_that_used_no_processor_time_served_nothing() -> None:
    recorder = recorder_of(Driven(Service(), counts=False), seconds=0.00001)

    recording = recorder.record(RoundPlan())

    assert isinstance(recorder.failure, NothingServed)
    assert recording.ending is Ending.LOST


def test_of_few_requests_nothing_is_said_by_processor_time() -> None:
    load = Driven(Service(), landed=[20] * 10, asked=None)
    recorder = recorder_of(load, seconds=0.0)

    recorder.record(RoundPlan())

    assert recorder.failure is None


def test_work_that_children_did_is_not_measured() -> None:
    recorder = recorder_of(Driven(Service()), seconds=0.0001)
    assert isinstance(recorder.rest, Resting)
    recorder.rest.by_children = 1.0

    recorder.record(RoundPlan())

    assert isinstance(recorder.failure, NothingServed)
    assert "its child processes did" in str(recorder.failure)


def test_requests_that_do_not_land_end_it_before_it_begins() -> None:
    with pytest.raises(TooFewLanded, match="60 of 100 requests landed; 40: connection refused"):
        recorder_of(Driven(Service(), landed=[60])).record(RoundPlan())


def test_what_was_measured_before_a_round_failed_is_kept() -> None:
    recorder = recorder_of(Driven(Service(), landed=[100] * 7 + [60]))

    recording = recorder.record(RoundPlan())

    assert len(recording.censuses) == 7
    assert isinstance(recorder.failure, TooFewLanded)
    assert recording.ending is Ending.LOST
    assert any("60 of 100" in caveat for caveat in recording.caveats)


def test_a_round_that_serves_next_to_nothing_is_not_like_the_others() -> None:
    recorder = recorder_of(Driven(Service(), landed=[1000] * 6 + [50], asked=None))

    recorder.record(RoundPlan())

    assert isinstance(recorder.failure, NothingServed)
    assert "round 7 served 50 requests, the others 1000" in str(recorder.failure)


def test_a_load_that_fails_is_the_reason() -> None:
    recorder = recorder_of(Driven(Service(), landed=[100, 100, 100, LoadFailed("status 9")]))

    recorder.record(RoundPlan())

    assert str(recorder.failure) == "status 9"


def test_a_server_that_is_gone_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = recorder_of(Driven(Service(), landed=[100] * 4 + [TargetGone("it exited")]))
    monkeypatch.setattr(type(recorder.series.identity), "is_alive", lambda _self: False)

    recording = recorder.record(RoundPlan())

    assert recording.ending is Ending.TARGET_EXITED
    assert recorder.failure is None


def test_stopping_leaves_what_was_seen() -> None:
    load = Driven(Service())
    recorder = recorder_of(load)

    class Stopping:
        def sampled(self, recording: object, taken: int, of: int) -> None:
            del recording, of
            if taken == 5:
                recorder.stop.set()

        def gathering(self) -> None: ...

        def locating(self) -> None: ...

        def prolonged(self, reason: str, samples: int) -> None: ...

    recorder.series.observer = Stopping()

    recording = recorder.record(RoundPlan())

    assert len(recording.censuses) == 5
    assert recording.ending is Ending.INTERRUPTED


def test_what_is_counted_can_be_refused_after_the_first_round() -> None:
    load = Driven(Service(), counts=False)
    recorder = recorder_of(load)

    def refuse(unit: str) -> None:
        raise TooFewRounds(f"per {unit}")

    recorder.accept = refuse

    with pytest.raises(TooFewRounds, match="per round"):
        recorder.record(RoundPlan())
    assert load.rounds == 1


def test_too_few_rounds_are_refused() -> None:
    with pytest.raises(TooFewRounds) as refused:
        RoundPlan(counted=5)

    assert refused.value.exit_code == ExitCode.USAGE


OTHER = SiteGrowth((Site("shop.py", 9, "page"),), 99, 1, type="shop.Page")
SITE = SiteGrowth((Site("shop.py", 7, "order"),), 640, 10, type="shop.Order")


class Sampling(FrozenCensusCapture):
    """Looks into a drawn server; says where it allocates: `first`, closely looked at `SITE`."""

    def __init__(self, service: Service, first: tuple[SiteGrowth, ...] = ()) -> None:
        self.service = service
        self.sites = first
        self.looked_closely = 0
        self.strays = StrayWatch()

    @property
    def kind(self) -> CaptureKind:
        return CaptureKind.NATIVE

    @property
    def caveats(self) -> tuple[str, ...]:
        return ()

    def census_of_live(self) -> Reading:
        return self.service.census()

    def gather(self, suspects: Suspects) -> Evidence:
        self.service.gather(suspects)
        return Evidence(sites=self.sites)

    def sample_allocations(self, *, on: bool) -> None:
        self.service.sample_allocations(on=on)

    def sample_closely(self) -> None:
        self.looked_closely += 1
        self.sites = (SITE,)


def sampled(capture: Sampling, sites: Sites = Sites.AUTO) -> tuple[Driven, Recording]:
    load = Driven(capture.service)
    recorder = recorder_of(load)
    recorder.series.capture = capture
    recorder.series.sites = sites
    return load, recorder.record(RoundPlan())


def test_one_more_round_tells_where_what_grows_is_allocated() -> None:
    capture = Sampling(Service(kept=0.2), (OTHER,))

    load, recording = sampled(capture)

    assert (capture.looked_closely, load.rounds, len(recording.censuses)) == (1, 11, 10)
    assert recording.evidence.sites == (OTHER, SITE)
    (finding,) = diagnose(recording).findings
    assert finding.allocated_at == SITE.stack
    assert finding.growth.objects.estimate == pytest.approx(0.2)
    assert capture.service.sampling[-1] is False


@pytest.mark.parametrize(
    ("kept", "first", "sites"),
    [
        (0.2, (SITE,), Sites.AUTO),  # known already
        (0.0, (), Sites.AUTO),  # nothing grows
        (0.2, (), Sites.NEVER),
    ],
)
def test_no_round_is_added_for_nothing(
    kept: float, first: tuple[SiteGrowth, ...], sites: Sites
) -> None:
    capture = Sampling(Service(kept=kept), first)

    load, recording = sampled(capture, sites)

    assert (capture.looked_closely, load.rounds, len(recording.censuses)) == (0, 10, 10)


def test_a_load_that_fails_in_the_added_round_loses_nothing() -> None:
    capture = Sampling(Service(kept=0.2))
    load = Driven(capture.service, landed=[*[100] * 10, LoadFailed("it is over")])
    recorder = recorder_of(load)
    recorder.series.capture = capture
    recorder.series.sites = Sites.AUTO

    recording = recorder.record(RoundPlan())

    assert recording.ending is Ending.COMPLETE
    assert recorder.failure is None
    assert diagnose(recording).verdict is Verdict.LEAKING
