"""What a gate's decision means for each finding, and what it is about beside them.

The words of the decision are those of `report.gate`; the reports for CI read a result here and
there only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from leakscope.model.finding import Diagnosis, Finding, Status, Verdict
from leakscope.model.gate import Breach, GateResult, KnownLeak
from leakscope.report.gate import (
    breach_text,
    budget_text,
    headline,
    known_text,
    missable_text,
)
from leakscope.report.text import printable, type_text


class Standing(str, Enum):
    """What a finding means for the gate; the value is what reports call it."""

    OVER = "over budget"
    WITHIN = "within budget"
    KNOWN = "known"
    """The baseline lets it pass."""
    SUSPECTED = "suspected"
    """Not confirmed: it fails no build."""


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A budget that was exceeded, or may have been, in printable words."""

    what: str
    """A type, with what holds it if that is known."""
    growth: str
    """`+1.00 per request [0.99, 1.01]`."""
    budget: str
    """`0.010 (shop.*)`."""
    note: str

    def sentence(self) -> str:
        """Return all of it."""
        note = f" ({self.note})" if self.note else ""
        return f"{self.what} {self.growth}, budget {self.budget}{note}"


def title_of(result: GateResult) -> str:
    """Return `GATE PASSED`, `GATE FAILED` or `GATE NOT PASSED`."""
    return headline(result)[1].removesuffix(":")


def decision_text(result: GateResult) -> str:
    """Return the decision as a clause."""
    return headline(result)[2]


def missed_text(result: GateResult, unit: str) -> str:
    """Return the smallest leak that the run could have missed; nothing if that is not known."""
    least = missable_text(result, unit)
    return f"could have been missed: {least}" if least else ""


def baseline_texts(result: GateResult) -> tuple[str, ...]:
    """Return what the baseline let pass and what of it is gone, one line each."""
    known = [known_text("known", leak) for leak in result.known]
    return (*known, *(known_text("fixed", leak) for leak in result.fixed))


def exceeded(result: GateResult, unit: str) -> tuple[Exceeded, ...]:
    """Return the budgets that were exceeded, in the order of the result; rates are per `unit`."""
    return tuple(_in_words(breach, unit) for breach in result.breaches)


def unsettled(result: GateResult, unit: str) -> tuple[Exceeded, ...]:
    """Return the budgets that may have been exceeded, likewise."""
    return tuple(_in_words(breach, unit) for breach in result.unsettled)


def apart(breaches: Sequence[Breach], diagnosis: Diagnosis) -> tuple[int, ...]:
    """Return which breaches are about no finding of `diagnosis`, as places among them."""
    told = {finding.fingerprint for finding in diagnosis.findings}
    return tuple(n for n, breach in enumerate(breaches) if breach.fingerprint not in told)


def is_decided(diagnosis: Diagnosis, result: GateResult | None) -> bool:
    """Return whether there is an answer: the gate's if there is one, else the verdict."""
    if result is not None:
        return result.passed or bool(result.breaches)
    return diagnosis.verdict in (Verdict.CLEAN, Verdict.LEAKING)


def standings(diagnosis: Diagnosis, result: GateResult | None) -> tuple[Standing, ...]:
    """Return where each finding stands, in their order; without a gate nothing may grow."""
    if result is None:
        over = {finding.fingerprint for finding in diagnosis.findings}
        known: set[str] = set()
    else:
        known = _fingerprints(result.known)
        over = {breach.fingerprint or "" for breach in result.breaches}
        over |= _fingerprints(result.found) - known
    return tuple(_standing(finding, over, known) for finding in diagnosis.findings)


def _standing(finding: Finding, over: set[str], known: set[str]) -> Standing:
    if finding.status is not Status.CONFIRMED:
        return Standing.SUSPECTED
    if finding.fingerprint in over:
        return Standing.OVER
    return Standing.KNOWN if finding.fingerprint in known else Standing.WITHIN


def _fingerprints(leaks: Sequence[KnownLeak]) -> set[str]:
    return {leak.fingerprint for leak in leaks}


def _in_words(breach: Breach, unit: str) -> Exceeded:
    where = f" in {printable(breach.holder)}" if breach.holder else ""
    return Exceeded(
        what=f"{type_text(breach.type)}{where}",
        growth=printable(breach_text(breach, unit)),
        budget=budget_text(breach.budget),
        note=printable(breach.note),
    )
