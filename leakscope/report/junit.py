"""A diagnosis as JUnit XML: one suite of test cases, for Jenkins, GitLab and whatever reads it.

What the elements mean, and why:

* A finding that breaks its budget is a `failure`, with all that the terminal report says of it. So
  is each budget that was exceeded.
* A confirmed finding within its budget passes: the budget says that it may grow.
* A finding that is only suspected is `skipped`. It was held against no budget, so it neither
  passed nor failed. Jenkins and GitLab show such a case and do not fail the build for it.
* Whether there is an answer at all is a case of its own, `measurement`. It is an `error` when
  nothing was measured and when the measurement is inconclusive. `skipped` would not do: Jenkins
  calls a build stable and GitLab a pipeline passed whose other cases are skipped, so a gate that
  could not tell would look like one that was passed. `failure` would not do either: no leak was
  shown.

A service that nothing grows in has that one case, which passes. Names of cases are the same in
every run, so that a server that keeps their history follows each leak.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from leakscope.model.finding import Diagnosis, Finding, Verdict
from leakscope.model.gate import GateResult
from leakscope.report.decision import (
    Exceeded,
    Standing,
    exceeded,
    is_decided,
    missable_text,
    outcome_of,
    outcome_text,
    standings,
)
from leakscope.report.finding import put_finding
from leakscope.report.layout import Page
from leakscope.report.text import printable, type_text
from leakscope.report.verdict import VERDICTS, advice_text, measured_text
from leakscope.report.wording import occurrences, rate_text

SUITE = "leakscope"
_WIDTH = 120


def render_junit(diagnosis: Diagnosis, gate: GateResult | None) -> str:
    """Return the XML document; every character in it is one that XML 1.0 allows."""
    suite = ET.Element("testsuite", name=SUITE)
    _add_measurement(suite, diagnosis, gate)
    if gate is not None:
        for each in exceeded(gate, diagnosis.work.unit):
            _add_budget(suite, each)
    stand, again = standings(diagnosis, gate), occurrences(diagnosis.findings)
    for place, (standing, time) in enumerate(zip(stand, again, strict=True)):
        _add_finding(suite, diagnosis, place, standing, _name(diagnosis.findings[place], time))
    seconds = f"{diagnosis.seconds:.3f}"
    for holder in (suite, root := ET.Element("testsuites", name=SUITE)):
        holder.set("tests", str(len(suite)))
        for attribute, tag in (("failures", "failure"), ("errors", "error")):
            holder.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
        holder.set("time", seconds)
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    root.append(suite)
    ET.indent(root)
    return f"""<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}"""


def _add_measurement(suite: ET.Element, diagnosis: Diagnosis, gate: GateResult | None) -> None:
    case = _case(suite, "measurement", "measurement")
    case.set("time", f"{diagnosis.seconds:.3f}")
    told = [f"{VERDICTS[diagnosis.verdict]}: {diagnosis.reason}"]
    if gate is not None:
        told += [f"{outcome_of(gate).value}: {outcome_text(gate)}"]
        told += [missable_text(gate, diagnosis.work.unit)]
    told += [advice_text(diagnosis), f"measured: {measured_text(diagnosis)}"]
    told += [f"note: {caveat}" for caveat in diagnosis.caveats]
    text = "\n".join(printable(line) for line in told if line)
    if is_decided(diagnosis, gate):
        ET.SubElement(case, "system-out").text = text
        return
    settled = diagnosis.verdict in (Verdict.CLEAN, Verdict.LEAKING)
    kind = Verdict.INCONCLUSIVE if settled else diagnosis.verdict
    reason = outcome_text(gate) if settled and gate is not None else diagnosis.reason
    error = ET.SubElement(case, "error", message=printable(reason), type=kind.value)
    error.text = text


def _add_budget(suite: ET.Element, each: Exceeded) -> None:
    what, budget = type_text(each.what), printable(each.budget)
    case = _case(suite, "budget", f"{what}: {budget}")
    message = f"{what} {printable(each.growth)}, {budget}"
    failure = ET.SubElement(case, "failure", message=message, type="budget-exceeded")
    failure.text = message


def _add_finding(
    suite: ET.Element, diagnosis: Diagnosis, place: int, standing: Standing, name: str
) -> None:
    case, finding = _case(suite, "finding", name), diagnosis.findings[place]
    page = Page(_WIDTH)
    put_finding(page, finding, diagnosis, place + 1)
    message = printable(f"{rate_text(finding)}, {standing.value}")
    if standing is Standing.OVER:
        ET.SubElement(case, "failure", message=message, type="leak").text = page.text()
        return
    if standing is Standing.SUSPECTED:
        ET.SubElement(case, "skipped", message=message)
    ET.SubElement(case, "system-out").text = page.text()


def _name(finding: Finding, time: int) -> str:
    """Return what the case is called in every run, and by no other case."""
    where = f" in {printable(finding.holder.path)}" if finding.holder is not None else ""
    again = f" {time}" if time > 1 else ""
    return f"{type_text(finding.type)}{where} [{printable(finding.fingerprint)}]{again}"


def _case(suite: ET.Element, group: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=f"{SUITE}.{group}", name=name, time="0.000")
