"""A service that a test starts, drives and has measured."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from types import TracebackType
from typing import TypeGuard

from leakscope.errors import UsageError
from leakscope.load.interface import Load, Served
from leakscope.testing.marks import FEWEST_ROUNDS, Growth, budgets_of, number_of
from leakscope.testing.measurer import Measurer
from leakscope.testing.messages import (
    CheckService,
    Ended,
    MeasurerGone,
    Ready,
    Rounds,
    StartService,
)
from leakscope.testing.verdicts import fail, fail_unmeasured, require_clean


class BadDrive(UsageError):
    """What drives a service makes no sense."""

    hint = "Give a function that does one round of work and returns how many requests that were."


Drive = Callable[[], int | None]
"""Does one round of work, the same each time, and may return how many requests it was."""


@dataclass(slots=True)
class Service:
    """A service that runs and can be driven."""

    pid: int
    """Of its Python process."""
    ports: tuple[int, ...]
    """It listens on, ascending."""
    _measurer: Measurer
    _measuring: bool
    _unit: str = field(default="request")

    @property
    def port(self) -> int:
        """The lowest port that it listens on."""
        return self.ports[0]

    @property
    def url(self) -> str:
        """Its address on this machine, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def check(
        self,
        drive: Drive | Load,
        *,
        rounds: int = 8,
        warm_up: int = 2,
        max_growth: Growth = "0",
    ) -> None:
        """Fail the test if the service keeps more with every request, or every round.

        `drive` does one round of work and returns the number of requests, or None: growth is per
        round then. Or it is a `Load`. With `--no-leaks` one round is done, and nothing measured.
        """
        __tracebackhide__ = True
        unit = drive.unit if _is_load(drive) else "request"
        try:
            budgets = budgets_of(max_growth, units=(unit, "round"))
            counted = number_of("rounds", rounds, least=FEWEST_ROUNDS)
            before = number_of("warm_up", warm_up, least=0)
        except UsageError as problem:
            fail(f"check of a service: {problem}", problem.remedy)
        if not self._measuring:
            _driven(drive, 0)
            return
        asked = CheckService(unit, Rounds(counted, before, budgets))
        try:
            ended = self._measured(asked, drive)
        except MeasurerGone as gone:
            fail_unmeasured(str(gone), subject="the service")
        require_clean(ended, subject="the service")

    def _measured(self, asked: CheckService, drive: Drive | Load) -> Ended | None:
        __tracebackhide__ = True
        number = 0
        with self._measurer.measure(asked) as measurement:
            while measurement.wants_round():
                served = _driven(drive, number)
                number += 1
                measurement.done(asked=served.asked, landed=served.landed, failures=served.failures)
        return measurement.ended


class StartsServices:
    """Starts services and ends them; what the fixture `leakscope_service` gives."""

    def __init__(self, *, measuring: bool) -> None:
        self._measuring = measuring
        self._started: list[tuple[str, Measurer]] = []

    def __call__(
        self, command: Sequence[str | PurePath], *, ready: str | None = None, within: float = 30.0
    ) -> Service:
        """Start `command` and return the service once it can be driven.

        That is once it listens on a port, and besides: once a URL is answered (`ready="http://…"`,
        or a path, `ready="/health"`), or a line was printed that the regular expression `ready`
        matches. Fails the test after `within` seconds.
        """
        __tracebackhide__ = True
        words = tuple(map(str, command))
        measurer = Measurer()
        self._started.append((shlex.join(words), measurer))
        is_url = ready is not None and ("://" in ready or ready.startswith("/"))
        asked = StartService(
            words, within, url=ready if is_url else None, line=None if is_url else ready
        )
        try:
            answer = measurer.start(asked)
        except MeasurerGone as gone:
            fail(f"the service could not be started: {gone}")
        if not isinstance(answer, Ready):
            fail(f"the service could not be started: {answer.reason}", answer.text)
        return Service(answer.pid, answer.ports, measurer, self._measuring)

    def __enter__(self) -> StartsServices:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        while self._started:
            self._started.pop()[1].close()

    def outputs(self) -> list[tuple[str, str]]:
        """Return what each service has printed until now, with a title; none that said nothing."""
        said = [(f"output of {words}", measurer.said()) for words, measurer in self._started]
        return [(title, text) for title, text in said if text.strip()]


def _is_load(drive: Drive | Load) -> TypeGuard[Load]:
    return hasattr(drive, "run_round")


def _driven(drive: Drive | Load, number: int) -> Served:
    __tracebackhide__ = True
    if _is_load(drive):
        return drive.run_round(number)
    if not callable(drive):
        raise BadDrive(f"{drive!r} cannot be called")
    done = drive()
    if done is None:
        return Served()
    if not isinstance(done, int) or isinstance(done, bool) or done < 0:
        raise BadDrive(f"a round returned {done!r}, which is no number of requests")
    return Served(asked=None, landed=done)
