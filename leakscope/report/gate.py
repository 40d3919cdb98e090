"""What the gate decided, as text, and as part of the JSON report."""

from __future__ import annotations

from collections.abc import Sequence

from leakscope.model.finding import Diagnosis
from leakscope.model.gate import (
    Breach,
    Budget,
    CanaryResult,
    GateResult,
    KnownLeak,
    Measure,
    Missable,
)
from leakscope.model.measurement import TypeTrend
from leakscope.report.documents import Json, dump, interval
from leakscope.report.json import report_document
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import (
    bytes_text,
    interval_text,
    number,
    plural,
    printable,
    type_text,
)


def render_gate(result: GateResult, unit: str, *, width: int = 100, color: bool = False) -> str:
    """Return the gate's decision; rates are per `unit`.

    A pass says what it does not exclude, a failure each budget that was exceeded.
    """
    page = Page(width, color=color)
    style, verdict, words = headline(result)
    page.put((Span(verdict, style), Span(words)), hang="  ")
    if result.passed:
        missed = missable_text(result, unit)
        if missed:
            page.put((Span(f"could have been missed: {missed}"),), indent="  ")
    if result.canary is not None:
        page.put((Span(canary_text(result.canary, unit)),), indent="  ", hang="    ")
    for breach in result.breaches:
        _put_breach(page, breach, unit, "")
    for breach in result.unsettled:
        _put_breach(page, breach, unit, "perhaps ")
    for title, leaks in (("known", result.known), ("fixed", result.fixed)):
        for leak in leaks:
            page.put((Span(known_text(title, leak)),), indent="  ", hang="    ")
    if result.fixed:
        page.put((Span("what is fixed can leave the baseline: --update-baseline"),), indent="  ")
    return page.text()


def headline(result: GateResult) -> tuple[Style, str, str]:
    """Return how the decision is shown, its name, and what it means."""
    if result.passed:
        known = f", {plural(len(result.known), 'known leak')} aside" if result.known else ""
        return Style.GOOD, "GATE PASSED:", f"nothing grew faster than its budget{known}"
    if result.breaches:
        count = plural(len(result.breaches), "type")
        return Style.BAD, "GATE FAILED:", f"{count} grew faster than the budget allows"
    if result.unsettled:
        count = plural(len(result.unsettled), "type")
        words = f"{count} may have grown faster than the budget allows"
        return Style.WARN, "GATE NOT PASSED:", f"{words}; more rounds would tell"
    words = "no budget was exceeded, but the measurement does not show that none is"
    return Style.WARN, "GATE NOT PASSED:", words


def missable_text(result: GateResult, unit: str) -> str:
    """Return the smallest leak that the run could have missed; empty if nothing was counted."""
    bounds = [item for item in (result.excluded, result.excluded_plain) if item is not None]
    if not bounds:
        return ""
    words = dict.fromkeys(f"{number(item.rate)} {_of(item)}" for item in bounds)
    return f"less than {' or '.join(words)} per {unit}"


def _of(item: Missable) -> str:
    return "objects of any type" if item.type == "*" else type_text(item.type)


def canary_text(canary: CanaryResult, unit: str) -> str:
    """Return what became of the canary, in a sentence."""
    slope = canary.slope
    measured = f"{number(slope.estimate)} {interval_text(slope.estimate, slope.low, slope.high)}"
    planted = f"a canary of {number(canary.rate)} objects per {unit} was planted"
    return f"{planted} and {'found' if canary.found else 'not found'}: {measured}"


def breach_text(breach: Breach, unit: str) -> str:
    """Return how fast something grew: `+1.00 per request [0.99, 1.01]`."""
    slope, per = breach.slope, breach.budget.unit or unit
    if breach.budget.measure is Measure.BYTES:
        low, high = bytes_text(slope.low), bytes_text(slope.high)
        return f"{bytes_text(slope.estimate, signed=True)} per {per} [{low}, {high}]"
    spread = interval_text(slope.estimate, slope.low, slope.high)
    return f"{number(slope.estimate, signed=True)} per {per} {spread}"


def budget_text(budget: Budget) -> str:
    """Return a budget as `0.010 (shop.*)`."""
    in_bytes = budget.measure is Measure.BYTES
    rate = bytes_text(budget.rate) if in_bytes else number(budget.rate)
    return f"{rate} ({printable(budget.pattern)})"


def known_text(title: str, leak: KnownLeak) -> str:
    """Return an entry of a baseline as a line: what and where it is, how fast, until when."""
    where = f" in {printable(leak.holder)}" if leak.holder else ""
    until = f", until {leak.expires.isoformat()}" if leak.expires is not None else ""
    reason = f": {printable(leak.reason)}" if leak.reason else ""
    pace = f"{number(leak.rate, signed=True)} per {printable(leak.unit)}"
    return f"{title}: {type_text(leak.type)}{where} {pace}{until}{reason}"


def render_gate_json(diagnosis: Diagnosis, result: GateResult) -> str:
    """Return the JSON report of `diagnosis` with the decision under `gate`."""
    unit = diagnosis.work.unit
    gate: dict[str, Json] = {
        "passed": result.passed,
        "excluded": _missable(result.excluded),
        "excluded_plain": _missable(result.excluded_plain),
        "breaches": _breaches(result.breaches, unit),
        "unsettled": _breaches(result.unsettled, unit),
        "known": [_known(leak) for leak in result.known],
        "fixed": [_known(leak) for leak in result.fixed],
        "canary": None
        if result.canary is None
        else {
            "rate": result.canary.rate,
            "slope": interval(result.canary.slope),
            "found": result.canary.found,
        },
        "rates": None if result.trends is None else [_rate(each) for each in result.trends],
    }
    return dump({**report_document(diagnosis), "gate": gate})


def _missable(item: Missable | None) -> Json:
    return None if item is None else {"type": item.type, "rate": item.rate}


def _rate(trend: TypeTrend) -> Json:
    slope = trend.slope
    return {
        "type": trend.type,
        "label": trend.label.value,
        "estimate": slope.estimate,
        "low": slope.low,
        "high": slope.high,
    }


def _breaches(breaches: Sequence[Breach], unit: str) -> list[Json]:
    return [
        {
            "type": breach.type,
            "holder": breach.holder,
            "fingerprint": breach.fingerprint,
            "pattern": breach.budget.pattern,
            "budget": breach.budget.rate,
            "measure": breach.budget.measure.value,
            "unit": breach.budget.unit or unit,
            "slope": interval(breach.slope),
            "note": breach.note,
        }
        for breach in breaches
    ]


def _known(leak: KnownLeak) -> Json:
    return {
        "fingerprint": leak.fingerprint,
        "type": leak.type,
        "holder": leak.holder,
        "rate": leak.rate,
        "unit": leak.unit,
        "reason": leak.reason,
        "expires": None if leak.expires is None else leak.expires.isoformat(),
    }


def _put_breach(page: Page, breach: Breach, unit: str, before: str) -> None:
    page.put(
        (Span(before + type_text(breach.type), Style.STRONG), Span(breach_text(breach, unit))),
        f"budget {budget_text(breach.budget)}",
        *((f"({printable(breach.note)})",) if breach.note else ()),
        indent="  ",
        hang="    ",
    )
