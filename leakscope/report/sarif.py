"""A diagnosis as SARIF 2.1.0, within what GitHub's code scanning takes.

What a result is called in the next run: the finding's fingerprint. Code scanning matches alerts by
`primaryLocationLineHash` alone, so the fingerprint is there too: an alert then stays the same when
the line changes, and two leaks that one line feeds stay two.

Format: OASIS SARIF 2.1.0; limits: GitHub's "SARIF support for code scanning".
"""

from __future__ import annotations

from textwrap import dedent

from leakscope.model.finding import Diagnosis, Finding, Verdict
from leakscope.model.gate import GateResult
from leakscope.report.decision import Exceeded, Standing, apart, exceeded, standings, unsettled
from leakscope.report.documents import Json, chain, dump
from leakscope.report.finding import put_holder
from leakscope.report.layout import Page
from leakscope.report.places import Checkout
from leakscope.report.sarif_places import ROOT, flows_of, location_of, program_of, stacks_of
from leakscope.report.sarif_rules import BUDGET, LEAK, driver
from leakscope.report.text import printable, type_text
from leakscope.report.verdict import VERDICTS
from leakscope.report.wording import bytes_rate_text, companions_text, occurrences, rate_text

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
MOST_RESULTS = 5000
"""What code scanning shows of a run."""

_LEVELS = {
    Standing.OVER: "error",
    Standing.SUSPECTED: "warning",
    Standing.WITHIN: "note",
    Standing.KNOWN: "note",
}
_WIDTH = 120


def render_sarif(
    diagnosis: Diagnosis, gate: GateResult | None, checkout: Checkout | None = None
) -> str:
    """Return the SARIF log: one run, one result for each finding and each breach beside them.

    The level is `error` for what breaks a budget, `note` for what keeps within its budget or is
    known, `warning` for what is suspected. What the baseline lets pass is suppressed. What may have
    broken a budget is no result: it would come and go from run to run. A measurement without a
    verdict has no meaning for alerts that are open; it says so in `invocations`, and is not to be
    uploaded.
    """
    run: dict[str, Json] = {
        "tool": {"driver": driver()},
        "automationDetails": {"id": "leakscope/"},
        "invocations": [_invocation(diagnosis, gate)],
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "results": _results(diagnosis, gate, checkout or Checkout())[:MOST_RESULTS],
    }
    return dump({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _invocation(diagnosis: Diagnosis, gate: GateResult | None) -> Json:
    told = [f"{VERDICTS[diagnosis.verdict]}: {diagnosis.reason}", *diagnosis.caveats]
    unsure = diagnosis.verdict in (Verdict.INCONCLUSIVE, Verdict.NOT_MEASURED)
    levels = ["warning" if unsure else "note", *["note"] * len(diagnosis.caveats)]
    if gate is not None:
        perhaps = unsettled(gate, diagnosis.work.unit)
        told += [f"perhaps {each.sentence()}" for each in perhaps]
        levels += ["warning"] * len(perhaps)
    return {
        "executionSuccessful": diagnosis.verdict is not Verdict.NOT_MEASURED,
        "toolExecutionNotifications": [
            {"level": level, "message": {"text": printable(text)}}
            for level, text in zip(levels, told, strict=True)
        ],
    }


def _results(diagnosis: Diagnosis, gate: GateResult | None, checkout: Checkout) -> list[Json]:
    stand, times = standings(diagnosis, gate), occurrences(diagnosis.findings)
    found: list[Json] = []
    for finding, standing, time in zip(diagnosis.findings, stand, times, strict=True):
        result = _finding(finding, standing, diagnosis)
        result["locations"] = [location_of(finding, diagnosis, checkout)]
        result["partialFingerprints"] = _identity(finding.fingerprint, time)
        result["stacks"] = stacks_of(finding, checkout)
        result["codeFlows"] = flows_of(finding, checkout)
        if standing is Standing.KNOWN and gate is not None:
            result["suppressions"] = _suppressions(finding, gate)
        found.append(result)
    if gate is not None:
        told = exceeded(gate, diagnosis.work.unit)
        found += [_breach(told[place], diagnosis) for place in apart(gate.breaches, diagnosis)]
    return found


def _suppressions(finding: Finding, gate: GateResult) -> list[Json]:
    return [
        {
            "kind": "external",
            "status": "accepted",
            "justification": printable(leak.reason) or "an entry of the baseline",
        }
        for leak in gate.known
        if leak.fingerprint == finding.fingerprint
    ]


def _finding(finding: Finding, standing: Standing, diagnosis: Diagnosis) -> dict[str, Json]:
    return {
        "ruleId": LEAK,
        "ruleIndex": 0,
        "level": _LEVELS[standing],
        "message": {"text": _message(finding, standing, diagnosis)},
        "properties": {
            "standing": standing.value,
            "holder": None if finding.holder is None else printable(finding.holder.path),
            "chain": chain(finding.chain),
            "objectsPerWork": finding.growth.objects.estimate,
            "unit": finding.growth.unit,
        },
    }


def _identity(name: str, time: int = 1) -> Json:
    shown = printable(name)
    return {"leakscope/v1": shown, "primaryLocationLineHash": f"{shown}:{time}"}


def _message(finding: Finding, standing: Standing, diagnosis: Diagnosis) -> str:
    """Return what grows and who holds it: the first sentence is what lists of alerts show."""
    where = "" if finding.holder is None else f" in {printable(finding.holder.path)}"
    size = bytes_rate_text(finding)
    rate = printable(rate_text(finding)) + (f", {size}" if size else "")
    page = Page(_WIDTH)
    put_holder(page, finding, diagnosis)
    companions = companions_text(finding)
    parts = [
        f"{type_text(finding.type)} accumulates{where}.",
        f"{rate}, {standing.value}.",
        printable(finding.why),
        dedent(page.text()),
        f"with it: {companions}" if companions else "",
    ]
    return "\n".join(part for part in parts if part)


def _breach(each: Exceeded, diagnosis: Diagnosis) -> Json:
    return {
        "ruleId": BUDGET,
        "ruleIndex": 1,
        "level": "error",
        "message": {"text": f"{each.what} exceeds its budget. {each.sentence()}."},
        "locations": [{"physicalLocation": program_of(diagnosis)}],
        "partialFingerprints": _identity(f"budget {each.what}"),
    }
