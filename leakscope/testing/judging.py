"""From a recording to what a test is told."""

from __future__ import annotations

from dataclasses import dataclass, replace

from leakscope.analysis.budgets import parse_budget, units_of
from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.gate import judge
from leakscope.analysis.risers import Riser, risers
from leakscope.errors import LeakscopeError, UsageError
from leakscope.model.finding import Diagnosis, Verdict
from leakscope.model.gate import Budget, GateResult
from leakscope.model.recording import Ending, Recording
from leakscope.report.failure import render_failure
from leakscope.report.text import number, plural, type_text
from leakscope.testing.messages import Ended, Outcome

_WIDTH = 100
_SHOWN = 3


class NotCounted(UsageError):
    """A budget is per something that nobody counted."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Holds recordings against budgets."""

    budgets: tuple[Budget, ...]
    collected: bool
    """Whether every census was taken at rest and without garbage, whatever took it."""

    @classmethod
    def of(cls, budgets: tuple[str, ...], *, collected: bool) -> Judge:
        """Return the judge for budgets as people write them; raise `BadBudget`."""
        return cls(tuple(map(parse_budget, budgets)), collected)

    def require_units(self, counted: str) -> None:
        """Raise `NotCounted` if a budget is per another unit of work than is counted."""
        for unit in units_of(self.budgets):
            if unit != counted:
                raise NotCounted(
                    f"a budget is per {unit}, but {counted}s are counted",
                    hint=f"Give the budget per {counted}, or per second.",
                )

    def doubt(self, recording: Recording) -> str | None:
        """Return why a recording is not enough to decide, None if it is.

        Before a test fails, what grows has to go on; nor does one pass while anything rises in
        every round.
        """
        told = self._told(recording)
        settled = told.result.passed and not told.risers
        return None if settled else "to be sure of what grows"

    def ended(self, recording: Recording, failure: LeakscopeError | None) -> Ended:
        """Return what `recording`, which `failure` ended early, amounts to."""
        told = self._told(recording)
        text = render_failure(told.diagnosis, told.result, width=_WIDTH)
        if failure is not None:
            return Ended(Outcome.NOT_MEASURED, f"{failure}\n{failure.remedy}\n\n{text}")
        if told.result.breaches:
            return Ended(Outcome.LEAK, text)
        if told.result.passed and not told.risers:
            return Ended(Outcome.CLEAN, text)
        measured = told.diagnosis.verdict is not Verdict.NOT_MEASURED
        whole = measured and recording.ending is Ending.COMPLETE
        rose = "".join(f"{_rose(riser, recording.work_unit)}\n" for riser in told.risers[:_SHOWN])
        outcome = Outcome.INCONCLUSIVE if whole else Outcome.NOT_MEASURED
        return Ended(outcome, f"{rose}\n{text}" if rose else text)

    def _told(self, recording: Recording) -> _Told:
        if self.collected:
            recording = replace(recording, at_rest=True)
        diagnosis = diagnose(recording)
        result = judge(diagnosis, recording, self.budgets)
        rising = risers(recording, diagnosis, self.budgets) if self.collected else ()
        return _Told(diagnosis, result, rising)


@dataclass(frozen=True, slots=True)
class _Told:
    """What a recording says, held against budgets."""

    diagnosis: Diagnosis
    result: GateResult
    risers: tuple[Riser, ...]


def _rose(riser: Riser, unit: str) -> str:
    return (
        f"{type_text(riser.type)} rose in every round, by {plural(riser.gained, 'object')} in all "
        f"({number(riser.rate)} per {unit})"
    )
