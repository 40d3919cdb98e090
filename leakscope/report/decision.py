"""What a gate decided, in words, and where that leaves each finding.

The one place that reports read a gate's result from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from leakscope.model.finding import Diagnosis, Finding, Status, Verdict
from leakscope.model.gate import Breach, GateResult
from leakscope.report.text import interval_text, number, plural, type_text


class Outcome(str, Enum):
    """How a gate ended; the value is what reports call it."""

    PASSED = "GATE PASSED"
    FAILED = "GATE FAILED"
    UNDECIDED = "GATE NOT PASSED"
    """No budget was exceeded, and that none is was not shown either."""


class Standing(str, Enum):
    """What a finding means for the gate; the value is what reports call it."""

    OVER = "over budget"
    WITHIN = "within budget"
    SUSPECTED = "suspected"
    """Not confirmed: held against no budget."""


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A budget that was exceeded, in words; the name as it came from the target."""

    what: str
    growth: str
    """`+1.00 per request [0.99, 1.01]`."""
    budget: str
    """`budget 0.010 (shop.*)`."""


def outcome_of(result: GateResult) -> Outcome:
    """Return how the gate ended."""
    if result.passed:
        return Outcome.PASSED
    return Outcome.FAILED if result.breaches else Outcome.UNDECIDED


def outcome_text(result: GateResult) -> str:
    """Return the decision as a clause."""
    if result.passed:
        return "no type grew faster than its budget"
    if not result.breaches:
        return "no budget was exceeded, but the measurement does not show that none is"
    return f"{plural(len(result.breaches), 'type')} grew faster than the budget allows"


def missable_text(result: GateResult, unit: str) -> str:
    """Return the smallest leak that the run could have missed; nothing if that is not known."""
    bounds = [item for item in (result.excluded, result.excluded_plain) if item is not None]
    if not bounds:
        return ""
    most = " or ".join(f"{number(item.rate)} {type_text(item.type)}" for item in bounds)
    return f"could have been missed: less than {most} per {unit}"


def exceeded(result: GateResult, unit: str) -> tuple[Exceeded, ...]:
    """Return the budgets that were exceeded, in the order of the result; rates are per `unit`."""
    return tuple(_in_words(breach, unit) for breach in result.breaches)


def is_decided(diagnosis: Diagnosis, result: GateResult | None) -> bool:
    """Return whether there is an answer: a verdict, and a gate that passed or failed."""
    if result is not None and outcome_of(result) is Outcome.UNDECIDED:
        return False
    return diagnosis.verdict in (Verdict.CLEAN, Verdict.LEAKING)


def standings(diagnosis: Diagnosis, result: GateResult | None) -> tuple[Standing, ...]:
    """Return where each finding stands, in their order; without a gate nothing may grow."""
    confirmed = [f for f in diagnosis.findings if f.status is Status.CONFIRMED]
    over = {f.id for f in confirmed}
    if result is not None:
        over = {f.id for breach in result.breaches for f in _about(breach, confirmed)}
    return tuple(_standing(finding, over) for finding in diagnosis.findings)


def unexplained(diagnosis: Diagnosis, result: GateResult) -> tuple[int, ...]:
    """Return which breaches no finding accounts for, as places in the result."""
    confirmed = [f for f in diagnosis.findings if f.status is Status.CONFIRMED]
    return tuple(
        place
        for place, breach in enumerate(result.breaches)
        if not any(True for _ in _about(breach, confirmed))
    )


def _standing(finding: Finding, over: set[str]) -> Standing:
    if finding.status is not Status.CONFIRMED:
        return Standing.SUSPECTED
    return Standing.OVER if finding.id in over else Standing.WITHIN


def _about(breach: Breach, confirmed: list[Finding]) -> Iterator[Finding]:
    """Yield the findings that the type leads; if there are none, those that it grows along with."""
    leading = [finding for finding in confirmed if finding.type == breach.type]
    yield from leading or (
        finding for finding in confirmed if any(rate.type == breach.type for rate in finding.types)
    )


def _in_words(breach: Breach, unit: str) -> Exceeded:
    slope, budget = breach.slope, breach.budget
    spread = interval_text(slope.estimate, slope.low, slope.high)
    return Exceeded(
        what=breach.type,
        growth=f"{number(slope.estimate, signed=True)} per {budget.unit or unit} {spread}",
        budget=f"budget {number(budget.rate)} ({budget.pattern})",
    )
