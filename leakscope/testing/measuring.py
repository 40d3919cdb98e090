"""The process that measures, from its inside: answers one request after the other.

It ends when the process that started it does, or says so; a service that it started ends with it.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from leakscope.capture.invited import Invited
from leakscope.capture.process import ProcessIdentity, identify
from leakscope.errors import LeakscopeError, UsageError
from leakscope.testing.driven import AtRest, Driven
from leakscope.testing.judging import Judge
from leakscope.testing.messages import (
    Channel,
    CheckService,
    Ended,
    LoadAgent,
    Loaded,
    MeasureMe,
    MeasurerGone,
    Outcome,
    Ready,
    Rounds,
    StartService,
)
from leakscope.testing.serving import served
from leakscope.watching.opening import Connected, connect_to
from leakscope.watching.rest import Rest
from leakscope.watching.rounds import RoundPlan, RoundRecorder
from leakscope.watching.series import Series


def main(reading: int, writing: int) -> None:
    """Serve the process at the other end of two pipes until it says farewell, or has gone."""
    with ExitStack() as at_end, suppress(MeasurerGone):
        _Measuring(Channel(reading, writing), at_end).serve()


class NothingToCheck(LeakscopeError):
    """A check of a service that was not started."""


@dataclass(slots=True)
class _Measuring:
    """One conversation."""

    channel: Channel
    at_end: ExitStack
    service: list[ProcessIdentity] = field(default_factory=list)

    def serve(self) -> None:
        """Answer until there is nothing more to answer; raise `MeasurerGone` if nobody is there."""
        while True:
            asked = self.channel.receive()
            try:
                if isinstance(asked, MeasureMe):
                    answer: Ended | Ready = self._process(asked)
                elif isinstance(asked, StartService):
                    answer = self._start(asked)
                elif isinstance(asked, CheckService):
                    answer = self._check(asked)
                else:
                    return
            except MeasurerGone:
                raise
            except LeakscopeError as problem:
                hint = problem.remedy if isinstance(problem, UsageError) else ""
                answer = Ended(Outcome.NOT_MEASURED, str(problem), hint)
            self.channel.send(answer)

    def _process(self, asked: MeasureMe) -> Ended:
        identity = identify(asked.pid)
        invited = Invited(asked.python, self._invite)
        with connect_to(identity, approach=invited, at_rest=True) as connected:
            load = Driven(self.channel, "call")
            return _measured(connected, load, AtRest(identity), asked.rounds, collected=True)

    def _check(self, asked: CheckService) -> Ended:
        if not self.service:
            raise NothingToCheck("no service was started")
        (identity,) = self.service
        with connect_to(identity, at_rest=True) as connected:
            load = Driven(self.channel, asked.unit)
            return _measured(connected, load, Rest(identity), asked.rounds, collected=False)

    def _start(self, asked: StartService) -> Ready:
        identity, ports = self.at_end.enter_context(served(asked))
        self.service.append(identity)
        return Ready(identity.pid, ports)

    def _invite(self, path: str) -> None:
        self.channel.send(LoadAgent(Path(path).read_bytes()))
        answer = self.channel.receive()
        if not isinstance(answer, Loaded):
            raise MeasurerGone("the process does not load anything")


def _measured(
    connected: Connected, load: Driven, rest: Rest, rounds: Rounds, *, collected: bool
) -> Ended:
    """Record so many rounds and judge them; `collected`: no garbage is there when they are over."""
    judge = Judge.of(rounds.budgets, exact=collected)
    system = connected.identity.system
    series = Series(connected.target, connected.capture, system=system)
    recorder = RoundRecorder(series, load, rest, collected=collected)
    recorder.accept = judge.require_units
    recorder.doubt = judge.doubt
    recording = recorder.record(RoundPlan(rounds.counted, rounds.warm_up))
    return judge.ended(recording, recorder.failure)
