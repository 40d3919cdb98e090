"""Gates to render with the diagnoses of `samples`: what CI has to tell apart."""

from __future__ import annotations

from dataclasses import replace

from leakscope.model.finding import Diagnosis
from leakscope.model.gate import Breach, Budget, GateResult, Missable
from leakscope.model.trend import Interval
from tests.report.hostile import diagnosis_of
from tests.report.samples import CLEAN, INCONCLUSIVE, LEAKING, NOT_MEASURED, REQUEST

MISSABLE = Missable("gateway.audit.AuditRecord", 0.0031)
PLAIN_MISSABLE = Missable("builtins.str", 1.2)

OVER = Breach(REQUEST, Budget("aiohttp.*", 0.01, ""), Interval(1.0, 0.99, 1.01))
ELSEWHERE = Breach("shop.Basket", Budget("shop.*", 0.5, "second"), Interval(7.0, 6.5, 7.5))

FAILED = GateResult(False, (OVER,), MISSABLE, PLAIN_MISSABLE)
PASSED = GateResult(True, (), MISSABLE, PLAIN_MISSABLE)
UNDECIDED = GateResult(False, (), MISSABLE, None)

JUDGED: dict[str, tuple[Diagnosis, GateResult | None]] = {
    "failed": (LEAKING, FAILED),
    "failed-elsewhere": (LEAKING, replace(FAILED, breaches=(OVER, ELSEWHERE))),
    "within-budget": (LEAKING, PASSED),
    "passed": (CLEAN, PASSED),
    "undecided": (CLEAN, UNDECIDED),
    "inconclusive": (INCONCLUSIVE, UNDECIDED),
    "not-measured": (NOT_MEASURED, GateResult(False, ())),
    "ungated": (LEAKING, None),
}


def judged_of(text: str) -> tuple[Diagnosis, GateResult]:
    """Return a diagnosis and a gate with `text` wherever text from outside gets to."""
    diagnosis = diagnosis_of(text)
    breach = Breach(text, Budget(text, 0.0, text), OVER.slope)
    elsewhere = replace(breach, type=text + "elsewhere")
    return diagnosis, GateResult(False, (breach, elsewhere), Missable(text, 1.0), None)
