"""What the gate decided, as text, and as part of the JSON report."""

from __future__ import annotations

from leakscope.model.finding import Diagnosis
from leakscope.model.gate import Breach, GateResult, Missable
from leakscope.report.documents import Json, dump, interval
from leakscope.report.json import report_document
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import interval_text, number, plural, type_text


def render_gate(result: GateResult, unit: str, *, width: int = 100, color: bool = False) -> str:
    """Return the gate's decision; rates are objects per `unit`.

    A pass says what it does not exclude, a failure each budget that was exceeded.
    """
    page = Page(width, color=color)
    if result.passed:
        words = Span("no type grew faster than its budget")
        page.put((Span("GATE PASSED:", Style.GOOD), words), hang="  ")
        _put_missable(page, result, unit)
    elif not result.breaches:
        page.put(
            (
                Span("GATE NOT PASSED:", Style.WARN),
                Span("no budget was exceeded, but the measurement does not show that none is"),
            ),
            hang="  ",
        )
    else:
        count = plural(len(result.breaches), "type")
        words = Span(f"{count} grew faster than the budget allows")
        page.put((Span("GATE FAILED:", Style.BAD), words), hang="  ")
    for breach in result.breaches:
        _put_breach(page, breach, unit)
    return page.text()


def render_gate_json(diagnosis: Diagnosis, result: GateResult) -> str:
    """Return the JSON report of `diagnosis` with the decision under `gate`."""
    gate: dict[str, Json] = {
        "passed": result.passed,
        "excluded": _missable(result.excluded),
        "excluded_plain": _missable(result.excluded_plain),
        "breaches": [
            {
                "type": breach.type,
                "pattern": breach.budget.pattern,
                "budget": breach.budget.rate,
                "unit": breach.budget.unit or diagnosis.work.unit,
                "slope": interval(breach.slope),
            }
            for breach in result.breaches
        ],
    }
    return dump({**report_document(diagnosis), "gate": gate})


def _put_missable(page: Page, result: GateResult, unit: str) -> None:
    """Say the smallest leak that the run could have missed."""
    bounds = [item for item in (result.excluded, result.excluded_plain) if item is not None]
    if not bounds:
        return
    most = " or ".join(f"{number(item.rate)} {type_text(item.type)}" for item in bounds)
    page.put((Span(f"could have been missed: less than {most} per {unit}"),), indent="  ")


def _missable(item: Missable | None) -> Json:
    return None if item is None else {"type": item.type, "rate": item.rate}


def _put_breach(page: Page, breach: Breach, unit: str) -> None:
    slope, budget = breach.slope, breach.budget
    page.put(
        (
            Span(type_text(breach.type), Style.STRONG),
            Span(f"{number(slope.estimate, signed=True)} per {budget.unit or unit}"),
            Span(interval_text(slope.estimate, slope.low, slope.high)),
        ),
        f"budget {number(budget.rate)} ({budget.pattern})",
        indent="  ",
        hang="    ",
    )
