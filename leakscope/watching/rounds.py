"""The measuring loop of a check: the same work again and again, a sample after each round.

Between two samples the server has done a known amount of work and has come to rest. So a leak of
`k` objects per request gains the same in every round, and what is in flight under load, or waits
for the collector, is no noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from leakscope.analysis.kernels import GraphTooLarge, KernelsMissing
from leakscope.capture.heapreader import HeapTooLarge
from leakscope.capture.interface import Reading
from leakscope.capture.native import NotEnoughMemory
from leakscope.capture.portable import PortableCapture
from leakscope.capture.work import WorkMeter
from leakscope.errors import LeakscopeError, UsageError
from leakscope.load.interface import Load, Served
from leakscope.load.landing import lateness, no_success, too_few
from leakscope.model.recording import Ending, Recording
from leakscope.watching.canary import Canary
from leakscope.watching.captures import FrozenCensusCapture
from leakscope.watching.rest import Rest, ended_with
from leakscope.watching.series import Series

FEWEST_ROUNDS = 6
"""Counted rounds that a verdict needs."""
WARM_UP_SAMPLED = 2
"""Rounds of warm-up after which samples are taken: the last ones. The analysis drops them, and
tells by them what grew at first."""
_UNEVEN = 0.1
"""Share of the usual work below which a round was not like the others."""
_IDLE_S = 0.03
"""Processor time that a server uses at least for `_ENOUGH_WORK` requests: 50 us for each."""
_ENOUGH_WORK = 600
_LEAST_S = 50e-6
"""Processor time that a server uses at least for a round, however little was asked of it."""


class TooFewLanded(LeakscopeError):
    """The requests of a round did not reach the server, or were not served."""

    hint = "Send one by hand (curl -v URL): does the server answer it?"


class NothingServed(LeakscopeError):
    """The load ran and the server's work counter stood still."""

    hint = "Run the load command by itself: does it reach this server? Does --work count its work?"


class TooFewRounds(UsageError):
    """So few rounds can show nothing."""

    hint = f"Count {FEWEST_ROUNDS} rounds or more, with less work in each if that takes too long."


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """How many rounds are run."""

    counted: int = 8
    warm_up: int = 2

    def __post_init__(self) -> None:
        if self.counted < FEWEST_ROUNDS:
            raise TooFewRounds(f"{self.counted} rounds are too few to tell growth from chance")

    @property
    def samples(self) -> int:
        """How many samples that makes."""
        return self.counted + min(self.warm_up, WARM_UP_SAMPLED)


@dataclass(slots=True)
class RoundRecorder:
    """Makes one recording of one connected server, round by round.

    Work is what `meter` says if there is one, else what the load counts, else rounds.
    What was measured before a failure is kept: see `failure`.
    """

    series: Series
    load: Load
    rest: Rest
    meter: WorkMeter | None = None
    stop: Event = field(default_factory=Event)
    doubt: Callable[[Recording], str | None] = lambda _recording: None
    """Whether a recording does not settle the matter, and what would; as many rounds are run again
    then, once."""
    canary: Canary | None = None
    """Is planted as work is done, if given, and kept out of the recording."""
    accept: Callable[[str], None] = lambda _unit: None
    """Told after the first round what is counted; raises a `UsageError` if that is of no use."""
    collected: bool = False
    """Whether the process does the rounds by itself and ends each with its garbage collected:
    whatever counts, counts what is alive, and no load can miss the process."""
    failure: LeakscopeError | None = None
    """Why it ended before all rounds were run, if it was not the server's end."""
    _exact: bool = True
    _rounds: int = 0
    _landed: int = 0
    _work: list[float] = field(default_factory=list)
    _problem: LeakscopeError | None = None
    _late: bool = False

    def record(self, plan: RoundPlan) -> Recording:
        """Run the rounds of `plan`; gather evidence about what grows.

        Raises what keeps anything from being measured: a load that fails before the first sample.
        """
        tells = isinstance(self.series.capture, FrozenCensusCapture | PortableCapture)
        self._exact = tells and not self.collected
        self.series.begin()
        self.series.at_rest = tells or self.collected
        with ended_with(self.series.identity, self.load.stop):
            ending = self._rounds_of(plan)
        if self.series.is_empty and self._problem is not None:
            raise self._problem
        if self.canary is not None and ending in (Ending.COMPLETE, Ending.INTERRUPTED):
            self.canary.remove()
        if ending in (Ending.COMPLETE, Ending.INTERRUPTED):
            ending = self.series.gather(ending)
        self._keep()
        if ending in (Ending.COMPLETE, Ending.INTERRUPTED):
            self._weigh()
        if ending is Ending.COMPLETE:
            with ended_with(self.series.identity, self.load.stop):
                self.series.locate(self._once_more)
        return self.series.finish(ending)

    def _once_more(self) -> None:
        """Run a round that does not count."""
        self.load.run_round(self._rounds)
        self._rounds += 1
        self.rest.wait()

    def _rounds_of(self, plan: RoundPlan) -> Ending:
        unsampled = plan.warm_up - WARM_UP_SAMPLED
        ending = self._run(plan.warm_up, of=plan.samples, unsampled=unsampled)
        self._keep()
        if ending is None:
            self._weigh()
        ending = ending or self._run(plan.counted, of=plan.samples) or self._settle(plan)
        return ending or self._done()

    def _done(self) -> Ending:
        """Return how it ends after all rounds: not well if nothing was seen to be served."""
        worked = self.rest.worked
        if not self.collected and worked.own < self._least_used():
            by_children = worked.children >= _IDLE_S
            self.failure = _served_by_children() if by_children else _served_by_nobody()
            return self.series.lost(self.failure)
        if self.rest.restless:
            self.series.at_rest = False
            self.series.caveat("The server did not come to rest between all rounds.")
        return Ending.COMPLETE

    def _least_used(self) -> float:
        """Return the processor time that a server which did this work has used, for sure.

        Of few requests nothing is said: what a counter counts may be less than a request.
        """
        if self.series.work_unit == "round":
            return _LEAST_S * self._rounds
        done = self._work[-1] - self._work[0] if self._work else 0.0
        return _IDLE_S if done >= _ENOUGH_WORK else 0.0

    def _settle(self, plan: RoundPlan) -> Ending | None:
        """Run as many rounds again if the first do not settle the matter."""
        ending = self.series.gather(Ending.COMPLETE)
        if ending is not Ending.COMPLETE:
            return ending
        self._weigh()
        reason = self.doubt(self.series.recording(ending))
        if reason is None:
            return None
        samples = plan.samples + plan.counted
        if self.series.observer is not None:
            self.series.observer.prolonged(reason, samples)
        self._keep()
        return self._run(plan.counted, of=samples)

    def _run(self, rounds: int, *, of: int, unsampled: int = 0) -> Ending | None:
        """Run so many rounds, sample after all but the first `unsampled`; None if all went well."""
        for number in range(rounds):
            try:
                self._round(of, sampled=number >= unsampled)
            except LeakscopeError as problem:
                return self._ended(problem)
            if self.stop.is_set():
                return Ending.INTERRUPTED
        return None

    def _round(self, of: int, *, sampled: bool) -> None:
        self.rest.begin()
        served = self.load.run_round(self._rounds)
        self.series.identity.verify()
        self._rounds += 1
        if self.stop.is_set():
            return
        self.rest.wait()
        _require_landed(served)
        late = lateness(served)
        if late is not None and not self._late:
            self._late = True
            self.series.caveat(f"{late[:1].upper()}{late[1:]}.")
        work = self._work_done(served)
        if not sampled:
            return
        if self.canary is not None:
            self.canary.plant(work)
        reading = self._reading()
        if self.canary is not None:
            reading = self.canary.taken_out(reading)
        self.series.add(reading, self.series.now(), work, of)
        self.series.escalate()

    def _work_done(self, served: Served) -> float:
        """Return the work done since the first round; settle at the first what is counted."""
        if self.meter is not None:
            reading = self.meter.read()
            unit, total = reading.unit, reading.total
        elif served.landed is not None:
            self._landed += served.landed
            unit, total = self.load.unit, float(self._landed)
        else:
            unit, total = "round", float(self._rounds)
        if not self._work:
            self.accept(unit)
            self.series.work_unit = unit
        elif unit != self.series.work_unit:
            raise TooFewLanded(f"round {self._rounds} did not say how many requests it sent")
        self._require_even(total)
        self._work.append(total)
        return total

    def _require_even(self, total: float) -> None:
        """Raise `NothingServed` if the server hardly worked in this round."""
        if not self._work:
            return
        done = total - self._work[-1]
        steps = sorted(b - a for a, b in zip(self._work, self._work[1:], strict=False))
        usual = steps[len(steps) // 2] if steps else done
        if done <= 0:
            raise NothingServed(f"nothing was served: the counter stood still at {total:g}")
        if done < _UNEVEN * usual:
            raise NothingServed(
                f"round {self._rounds} served {done:g} {self.series.work_unit}s, "
                f"the others {usual:g}: they are not alike"
            )

    def _reading(self) -> Reading:
        """Count what is alive, without what waits for the collector where that can be told."""
        capture = self.series.capture
        if self._exact and isinstance(capture, FrozenCensusCapture | PortableCapture):
            try:
                return capture.census_of_live()
            except (HeapTooLarge, KernelsMissing, GraphTooLarge, NotEnoughMemory) as problem:
                if not self.series.is_empty:
                    raise
                self._exact = self.series.at_rest = False
                self.series.caveat(f"Garbage that awaits collection is counted: {problem}.")
        return capture.census()

    def _keep(self) -> None:
        """Keep a heap snapshot of the server at rest, if that was asked for."""
        self.series.keep(self._work[-1] if self._work else None)

    def _weigh(self) -> None:
        """Find out where resident memory went, of the server at rest."""
        self.series.weigh(self._work[-1] if self._work else None)

    def _ended(self, problem: LeakscopeError) -> Ending:
        """Return how the recording ends, for it cannot go on."""
        self._problem = problem
        if self.series.identity.is_alive():
            self.failure = problem
        return self.series.lost(problem)


def _require_landed(served: Served) -> None:
    """Raise `TooFewLanded` if a round did not do the work that it should have done."""
    told = too_few(served) or no_success(served)
    if told is not None:
        raise TooFewLanded(told)


def _served_by_nobody() -> NothingServed:
    return NothingServed("the server did no work: it used no more processor time than at rest")


def _served_by_children() -> NothingServed:
    return NothingServed(
        "the process that was measured did nothing, its child processes did",
        hint="Start the server with one worker in the process itself, or give a worker's --pid; "
        "with --url, give the port that the process itself listens on.",
    )
