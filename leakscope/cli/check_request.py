"""What `leakscope check` was asked to do: the command line and the settings, put together."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from leakscope.errors import UsageError
from leakscope.load.plan import ClientPlan
from leakscope.model.gate import Budget
from leakscope.watching.captures import CaptureChoice
from leakscope.watching.recorder import Plan, plan
from leakscope.watching.rounds import RoundPlan
from leakscope.watching.series import Sites

_USUAL_EVERY_S = 2.0
_USUAL_DURATION_S = 30.0


class IncompleteCheck(UsageError):
    """The command line and the settings together do not say what to check."""

    hint = "For example: leakscope check --load 'wrk -d 2 http://127.0.0.1:8080/' -- python -m shop"


class BadPattern(UsageError):
    """A regular expression that is none."""


@dataclass(frozen=True, slots=True)
class ReadyWhen:
    """When the server can be driven; without a URL or a line, once it listens."""

    timeout: float = 30.0
    url: str | None = None
    line: re.Pattern[str] | None = None
    after: float | None = None
    """Seconds after which it can be driven whether it listens or not."""

    @classmethod
    def of(
        cls, timeout: float, url: str | None, line: str | None, after: float | None = None
    ) -> ReadyWhen:
        """Return the condition; raise `BadPattern` if `line` is no regular expression."""
        try:
            return cls(timeout, url, None if line is None else re.compile(line), after)
        except re.error as problem:
            raise BadPattern(f"--ready-line {line!r}: {problem}") from None


@dataclass(frozen=True, slots=True)
class Request:
    """Everything a check needs to know."""

    server: tuple[str, ...]
    pid: int | None
    load: str | None = None
    """A command; None for the built-in client."""
    client: ClientPlan = field(default_factory=ClientPlan)
    pace: RoundPlan | Plan = field(default_factory=RoundPlan)
    """Rounds, or samples by the clock."""
    ready: ReadyWhen = field(default_factory=ReadyWhen)
    budgets: tuple[Budget, ...] = ()
    work: str | None = None
    count: str | None = None
    round_timeout: float = 120.0
    longer: bool = True
    baseline: Path | None = None
    update_baseline: bool = False
    canary: float | None = None
    """Objects per unit of work that are planted, None for none."""
    choice: CaptureChoice = CaptureChoice.AUTO
    sites: Sites = Sites.AUTO

    def __post_init__(self) -> None:
        if (self.load is not None) == self.client.asks:
            raise IncompleteCheck(
                "there are two loads"
                if self.client.asks
                else "there is no load: nothing would be measured",
                hint="Give either --load with a command, or --url or --requests. A program that "
                "works by itself has --load 'sleep 5' --ready-after 2s: rounds of 5 seconds.",
            )
        if bool(self.server) == (self.pid is not None):
            raise IncompleteCheck("give either a server command behind `--` or --pid")
        if self.update_baseline and self.baseline is None:
            raise IncompleteCheck(
                "--update-baseline does not say which", hint="Name the file: --baseline FILE."
            )
        if self.canary is not None and not isinstance(self.pace, RoundPlan):
            raise IncompleteCheck(
                "a canary is planted after each round, and --for has none", hint="Leave out --for."
            )
        if self.pid is not None and self.ready.line is not None:
            raise IncompleteCheck(
                "--ready-line needs the server's output, and --pid has none",
                hint="Leave it out, or let leakscope start the server.",
            )


def pace_of(
    *, rounds: int | None, warm_up: int | None, every: float | None, duration: float | None
) -> RoundPlan | Plan:
    """Return how samples are to be taken: in rounds, or by the clock if --for or --every say so.

    Raises `IncompleteCheck` if both were asked for.
    """
    by_the_clock = every is not None or duration is not None
    if not by_the_clock:
        usual = RoundPlan()
        return RoundPlan(
            counted=usual.counted if rounds is None else rounds,
            warm_up=usual.warm_up if warm_up is None else warm_up,
        )
    if rounds is not None or warm_up is not None:
        raise IncompleteCheck(
            "--rounds and --warm-up sample after rounds, --for and --every by the clock",
            hint="Leave out one or the other.",
        )
    return plan(every, duration or _USUAL_DURATION_S, usual=_USUAL_EVERY_S)
