"""From a recording to what a test is told."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.analysis.budgets import parse_budget, units_of
from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.gate import judge
from leakscope.analysis.risers import Riser, risers
from leakscope.errors import LeakscopeError, UsageError
from leakscope.model.finding import Diagnosis, Status, Verdict
from leakscope.model.gate import Budget, GateResult
from leakscope.model.recording import Ending, Recording
from leakscope.report.failure import render_failure
from leakscope.report.text import number, plural, type_text
from leakscope.testing.messages import Ended, Outcome
from leakscope.testing.tools import without_tools

_WIDTH = 100
_SHOWN = 3


class NotCounted(UsageError):
    """A budget is per something that nobody counted."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Holds recordings against budgets."""

    budgets: tuple[Budget, ...]
    exact: bool
    """Whether nothing but the work changes what is alive, so that the least rise counts."""

    @classmethod
    def of(cls, budgets: tuple[str, ...], *, exact: bool) -> Judge:
        """Return the judge for budgets as people write them; raise `BadBudget`."""
        return cls(tuple(map(parse_budget, budgets)), exact)

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
            return Ended(Outcome.NOT_MEASURED, str(failure), text)
        if told.result.passed and not told.risers:
            return Ended(Outcome.CLEAN, told.diagnosis.reason, text)
        rose = [_rose(riser, recording.work_unit) for riser in told.risers[:_SHOWN]]
        is_clean = told.diagnosis.verdict is Verdict.CLEAN
        reason = rose.pop(0) if rose and is_clean else told.diagnosis.reason
        text = "\n\n".join(("\n".join(rose), text)) if rose else text
        if told.leaks:
            return Ended(Outcome.LEAK, reason, text)
        measured = told.diagnosis.verdict is not Verdict.NOT_MEASURED
        whole = measured and recording.ending is Ending.COMPLETE
        return Ended(Outcome.INCONCLUSIVE if whole else Outcome.NOT_MEASURED, reason, text)

    def _told(self, recording: Recording) -> _Told:
        found = diagnose(recording)
        if not self.exact:
            return _Told(found, judge(found, recording, self.budgets))
        diagnosis = without_tools(found)
        result = judge(diagnosis, recording, self.budgets)
        over = {breach.fingerprint for breach in result.breaches}
        told = {breach.type for breach in (*result.breaches, *result.unsettled)}
        for finding in found.findings:
            if finding.fingerprint in over or finding not in diagnosis.findings:
                told.update(rate.type for rate in finding.types)
        return _Told(diagnosis, result, risers(recording, found, self.budgets, told=told))


@dataclass(frozen=True, slots=True)
class _Told:
    """What a recording says, held against budgets."""

    diagnosis: Diagnosis
    result: GateResult
    risers: tuple[Riser, ...] = ()

    @property
    def leaks(self) -> bool:
        """Whether a budget was exceeded for sure, or what is confirmed to grow rose throughout."""
        rose = {riser.type for riser in self.risers}
        confirmed = (f for f in self.diagnosis.findings if f.status is Status.CONFIRMED)
        return bool(self.result.breaches) or any(finding.type in rose for finding in confirmed)


def _rose(riser: Riser, unit: str) -> str:
    return (
        f"{type_text(riser.type)} rose in every round, by {plural(riser.gained, 'object')} in all "
        f"({number(riser.rate)} per {unit})"
    )
