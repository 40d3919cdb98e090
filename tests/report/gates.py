"""Gates to render with the diagnoses of `samples`: what CI has to tell apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from leakscope.model.finding import Diagnosis
from leakscope.model.gate import (
    RSS,
    Breach,
    Budget,
    GateResult,
    KnownLeak,
    Measure,
    Missable,
)
from leakscope.model.trend import Interval
from tests.report.hostile import diagnosis_of
from tests.report.samples import (
    CLEAN,
    INCONCLUSIVE,
    LEAKING,
    NOT_MEASURED,
    QUEUED_REQUESTS,
    REQUEST,
)

MISSABLE = Missable("gateway.audit.AuditRecord", 0.0031)
PLAIN_MISSABLE = Missable("builtins.str", 1.2)

OVER = Breach(
    REQUEST,
    Budget("aiohttp.*", 0.01, ""),
    Interval(1.0, 0.99, 1.01),
    holder="gateway.audit.PENDING",
    fingerprint=QUEUED_REQUESTS.fingerprint,
)
ELSEWHERE = Breach("shop.Basket", Budget("shop.*", 0.5, "second"), Interval(7.0, 6.5, 7.5))

FAILED = GateResult(False, (OVER,), MISSABLE, PLAIN_MISSABLE)
RESIDENT = Breach(
    RSS,
    Budget(RSS, 1024.0, "", Measure.BYTES),
    Interval(2365.0, 2301.0, 2420.0),
    note="it could only be read now and then",
)
KNOWN = KnownLeak(
    QUEUED_REQUESTS.fingerprint,
    REQUEST,
    "gateway.audit.PENDING",
    1.0,
    "request",
    "waits for the new audit service",
    date(2030, 1, 31),
)
FIXED = KnownLeak("77aa00b1c2d3", "gateway.policy.Rule", None, 0.5, "request")
PASSED = GateResult(True, (), MISSABLE, PLAIN_MISSABLE)
UNDECIDED = GateResult(False, (), MISSABLE, None)

JUDGED: dict[str, tuple[Diagnosis, GateResult | None]] = {
    "failed": (LEAKING, FAILED),
    "failed-elsewhere": (LEAKING, replace(FAILED, breaches=(OVER, ELSEWHERE))),
    "within-budget": (LEAKING, PASSED),
    "unsettled": (LEAKING, replace(UNDECIDED, unsettled=(RESIDENT,), known=(KNOWN,))),
    "known": (LEAKING, replace(PASSED, known=(KNOWN,), fixed=(FIXED,), found=(KNOWN,))),
    "passed": (CLEAN, PASSED),
    "undecided": (CLEAN, UNDECIDED),
    "inconclusive": (INCONCLUSIVE, UNDECIDED),
    "not-measured": (NOT_MEASURED, GateResult(False, ())),
    "ungated": (LEAKING, None),
}


def judged_of(text: str) -> tuple[Diagnosis, GateResult]:
    """Return a diagnosis and a gate with `text` wherever text from outside gets to."""
    diagnosis = diagnosis_of(text)
    breach = replace(OVER, type=text, budget=Budget(text, 0.0, text), holder=text, note=text)
    elsewhere = replace(breach, fingerprint=None)
    known = KnownLeak("", text, text, 1.0, text, text)
    gate = GateResult(False, (breach, elsewhere), Missable(text, 1.0), None)
    return diagnosis, replace(gate, unsettled=(elsewhere,), known=(known,), fixed=(known,))
