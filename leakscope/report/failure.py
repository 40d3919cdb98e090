"""Why a test failed, as text: what leaks, and what the measurement rests on."""

from __future__ import annotations

from dataclasses import replace

from leakscope.model.finding import Diagnosis
from leakscope.model.gate import GateResult
from leakscope.report.finding import put_finding
from leakscope.report.gate import breach_text, budget_text
from leakscope.report.layout import Page
from leakscope.report.text import printable, type_text
from leakscope.report.verdict import measured_text


def render_failure(diagnosis: Diagnosis, result: GateResult, *, width: int = 100) -> str:
    """Return the findings as the terminal report shows them, the budgets, and what was measured.

    Not the verdict itself: that is the first line of a failure, in the test's own words. Plain text
    without a line end at its end.
    """
    page = Page(width)
    # Growth per hour says something of a service, not of how fast a test repeats itself.
    untimed = replace(diagnosis, seconds=0.0)
    for place, finding in enumerate(diagnosis.findings, 1):
        page.blank()
        put_finding(page, finding, untimed, place)
    page.blank()
    unit = diagnosis.work.unit
    over = [("over budget", breach) for breach in result.breaches]
    for label, breach in [*over, *(("perhaps over", breach) for breach in result.unsettled)]:
        page.labelled(
            label,
            f"{type_text(breach.type)} {breach_text(breach, unit)}",
            f"budget {budget_text(breach.budget)}",
            *((f"({printable(breach.note)})",) if breach.note else ()),
            indent=0,
        )
    page.labelled("measured", measured_text(diagnosis), indent=0)
    for caveat in diagnosis.caveats:
        page.labelled("note", caveat, indent=0)
    return page.text()
