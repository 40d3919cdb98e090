"""A diagnosis as SARIF 2.1.0, within what GitHub's code scanning takes.

Where a result is: at the line of the repository that allocates what accumulates, if allocation was
traced. Else at the module that holds it, else at the program that was started. Those two are named,
not located: the address of the result is the name itself, `gateway.audit`, and its description says
that the file is not known. Code scanning asks for an address and shows one that is no file of the
repository as it is, without a preview of code. A path made up from the name could be another file.

What a result is called in the next run: the finding's fingerprint. Code scanning matches alerts by
`primaryLocationLineHash` alone, so the fingerprint is there too: an alert then stays the same when
the line changes, and two leaks that one line feeds stay two.

Format: OASIS SARIF 2.1.0; limits: GitHub's "SARIF support for code scanning".
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from textwrap import dedent
from urllib.parse import quote

from leakscope import __version__
from leakscope.model.evidence import Site
from leakscope.model.finding import Diagnosis, Finding, Verdict
from leakscope.model.gate import GateResult
from leakscope.report.decision import Exceeded, Standing, exceeded, standings, unexplained
from leakscope.report.documents import Json, chain, dump
from leakscope.report.finding import put_holder
from leakscope.report.layout import Page
from leakscope.report.places import Checkout, line_of, module_of
from leakscope.report.text import printable, type_text
from leakscope.report.verdict import VERDICTS
from leakscope.report.wording import bytes_rate_text, companions_text, occurrences, rate_text

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
MOST_RESULTS = 5000
"""What code scanning shows of a run."""

_LEAK, _BUDGET = "memory-leak", "growth-budget"
_LEVELS = {Standing.OVER: "error", Standing.WITHIN: "note", Standing.SUSPECTED: "warning"}
_ROOT = "%SRCROOT%"
_FRAMES_KEPT = 100
"""Code scanning shows as many locations of a result."""
_WIDTH = 120
_LONGEST_NAME = 200
"""Characters of a name that stands for an address."""
_NAMELESS = "program"
_INTERPRETERS = ("python", "pypy")
_WITH_VALUE = ("-X", "-W", "--check-hash-based-pycs")
"""Options of Python that take the next word."""


def render_sarif(
    diagnosis: Diagnosis, gate: GateResult | None, checkout: Checkout | None = None
) -> str:
    """Return the SARIF log: one run, one result for each finding and each breach beside them.

    The level is `error` for what breaks a budget, `note` for what grows within its budget,
    `warning` for what is suspected. A measurement without a verdict has no meaning for alerts that
    are open; it says so in `invocations`, and is not to be uploaded.
    """
    run: dict[str, Json] = {
        "tool": {"driver": _driver()},
        "automationDetails": {"id": "leakscope/"},
        "invocations": [_invocation(diagnosis)],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "results": _results(diagnosis, gate, checkout or Checkout())[:MOST_RESULTS],
    }
    return dump({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _driver() -> Json:
    return {
        "name": "leakscope",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [
            _rule(
                _LEAK,
                "MemoryLeak",
                "Objects accumulate without end",
                "The number of live objects rises with the work that the service does, and nothing "
                "lets go of them.",
                "Follow the retention chain from its root to the container in which objects "
                "accumulate. Remove entries when they are done with, or bound the container. If "
                "the growth is wanted, give it a budget with --max-growth.",
            ),
            _rule(
                _BUDGET,
                "GrowthBudget",
                "A budget for growth was exceeded",
                "Something grew faster than the budget allows that was given for it.",
                "The lower bound of the growth is above the budget. Mend the leak, or raise the "
                "budget if the growth is wanted.",
            ),
        ],
    }


def _rule(name: str, title: str, short: str, full: str, remedy: str) -> Json:
    return {
        "id": name,
        "name": title,
        "shortDescription": {"text": short},
        "fullDescription": {"text": full},
        "help": {"text": remedy, "markdown": remedy},
        "defaultConfiguration": {"level": "error"},
        "properties": {
            "tags": ["memory", "reliability"],
            "precision": "high",
            "problem.severity": "error",
        },
    }


def _invocation(diagnosis: Diagnosis) -> Json:
    told = [f"{VERDICTS[diagnosis.verdict]}: {diagnosis.reason}", *diagnosis.caveats]
    unsure = diagnosis.verdict in (Verdict.INCONCLUSIVE, Verdict.NOT_MEASURED)
    levels = ["warning" if unsure else "note", *["note"] * len(diagnosis.caveats)]
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
        found.append(
            {
                **result,
                "locations": [_location(finding, diagnosis, checkout)],
                "partialFingerprints": _identity(finding.fingerprint, time),
                "stacks": _stacks(finding, checkout),
            }
        )
    if gate is not None:
        told = exceeded(gate, diagnosis.work.unit)
        found += [_breach(told[place], diagnosis) for place in unexplained(diagnosis, gate)]
    return found


def _finding(finding: Finding, standing: Standing, diagnosis: Diagnosis) -> dict[str, Json]:
    return {
        "ruleId": _LEAK,
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


def _location(finding: Finding, diagnosis: Diagnosis, checkout: Checkout) -> Json:
    line = line_of(finding, checkout)
    module = module_of(finding)
    if line is not None:
        physical: Json = {
            "artifactLocation": {"uri": _uri(line.path), "uriBaseId": _ROOT},
            "region": _region(line.number),
        }
    elif module is not None:
        physical = _named(module, "The Python module that holds it. Its file is not known.")
    else:
        physical = _program(diagnosis)
    located: dict[str, Json] = {"physicalLocation": physical}
    if finding.holder is not None:
        name = printable(finding.holder.path)
        located["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "variable"}]
    return located


def _breach(each: Exceeded, diagnosis: Diagnosis) -> Json:
    what = type_text(each.what)
    return {
        "ruleId": _BUDGET,
        "ruleIndex": 1,
        "level": "error",
        "message": {"text": f"{what} exceeds its budget. {each.growth}, {printable(each.budget)}."},
        "locations": [{"physicalLocation": _program(diagnosis)}],
        "partialFingerprints": _identity(f"budget {what}"),
    }


def _program(diagnosis: Diagnosis) -> Json:
    return _named(
        _program_of(diagnosis.target.cmdline),
        "The program that was measured. The file behind the growth is not known.",
    )


def _program_of(cmdline: Sequence[str]) -> str:
    """Return the module or script that Python was told to run, else the executable."""
    if not cmdline:
        return _NAMELESS
    executable = posixpath.basename(cmdline[0])
    words = iter(cmdline[1:] if executable.startswith(_INTERPRETERS) else ())
    for word in words:
        if word.startswith("-c"):
            break
        if word in _WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return posixpath.basename(word.rstrip("/"))
        elif not word.startswith("--") and word.endswith("m"):
            return next(words, executable)
    return executable


def _named(name: str, description: str) -> Json:
    """Return an address that is a name, whatever it is; code scanning wants a line of it too."""
    shown = printable(name)[:_LONGEST_NAME]
    return {
        "artifactLocation": {
            "uri": _uri(shown, safe="") if shown.strip(".") else _NAMELESS,
            "description": {"text": description},
        },
        "region": _region(1),
    }


def _stacks(finding: Finding, checkout: Checkout) -> list[Json]:
    frames = [_frame(site, checkout) for site in finding.allocated_at[:_FRAMES_KEPT]]
    text = "Where it was allocated, innermost first."
    return [{"message": {"text": text}, "frames": frames}] if frames else []


def _frame(site: Site, checkout: Checkout) -> Json:
    path = checkout.path_of(site)
    name = printable(site.function)
    scheme = "file://" if site.file.startswith("/") else ""
    address: dict[str, Json] = {"uri": scheme + _uri(site.file)}
    if path is not None:
        address = {"uri": _uri(path), "uriBaseId": _ROOT}
    return {
        "location": {
            "physicalLocation": {
                "artifactLocation": address,
                "region": _region(max(site.line, 1)),
            },
            "logicalLocations": [{"fullyQualifiedName": name, "kind": "function"}],
        }
    }


def _region(line: int) -> Json:
    return {"startLine": line, "startColumn": 1, "endLine": line}


def _uri(path: str, *, safe: str = "/") -> str:
    """Return a path as the path of a URI: what is not plain ASCII is percent-encoded."""
    return quote(path, safe=safe, errors="backslashreplace")
