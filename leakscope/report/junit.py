"""A diagnosis as JUnit XML: one suite of test cases, for Jenkins, GitLab and whatever reads it.

What the elements mean, and why:

* A finding that breaks its budget is a `failure`, with all that the terminal report says of it. So
  is each budget that was exceeded.
* A confirmed finding within its budget passes: the budget says that it may grow.
* A finding that is only suspected is `skipped`, and so is a budget that may be exceeded and one
  that the baseline lets pass: none of them was shown to pass or to fail. Jenkins and GitLab show
  such a case and do not fail the build for it.
* Whether there is an answer at all is a case of its own, `measurement`. It is an `error` when
  nothing was measured and when the measurement is inconclusive. `skipped` would not do: Jenkins
  calls a build stable and GitLab a pipeline passed whose other cases are skipped, so a gate that
  could not tell would look like one that was passed. `failure` would not do either: no leak was
  shown.

A service that nothing grows in has that one case, which passes. Names of cases are the same in
every run, so that a server that keeps their history follows each leak.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from xml.etree import ElementTree as ET

from leakscope.model.finding import Diagnosis, Finding, Verdict
from leakscope.model.gate import GateResult
from leakscope.report.decision import (
    Exceeded,
    Standing,
    baseline_texts,
    decision_text,
    exceeded,
    is_decided,
    missed_text,
    standings,
    title_of,
    unsettled,
)
from leakscope.report.finding import put_finding
from leakscope.report.layout import Page
from leakscope.report.text import printable, type_text
from leakscope.report.verdict import VERDICTS, advice_text, measured_text
from leakscope.report.wording import rate_text

SUITE = "leakscope"
_WIDTH = 120


def render_junit(diagnosis: Diagnosis, gate: GateResult | None) -> str:
    """Return the XML document; every character in it is one that XML 1.0 allows."""
    suite = ET.Element("testsuite", name=SUITE)
    _add_measurement(suite, diagnosis, gate)
    if gate is not None:
        for each in exceeded(gate, diagnosis.work.unit):
            _add_budget(suite, each, sure=True)
        for each in unsettled(gate, diagnosis.work.unit):
            _add_budget(suite, each, sure=False)
    for place, standing in enumerate(standings(diagnosis, gate)):
        _add_finding(suite, diagnosis, place, standing)
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
        told += [f"{title_of(gate)}: {decision_text(gate)}", missed_text(gate, diagnosis.work.unit)]
        told += baseline_texts(gate)
    told += [advice_text(diagnosis), f"measured: {measured_text(diagnosis)}"]
    told += [f"note: {caveat}" for caveat in diagnosis.caveats]
    text = "\n".join(printable(line) for line in told if line)
    if is_decided(diagnosis, gate):
        ET.SubElement(case, "system-out").text = text
        return
    settled = diagnosis.verdict in (Verdict.CLEAN, Verdict.LEAKING)
    kind = Verdict.INCONCLUSIVE if settled else diagnosis.verdict
    reason = decision_text(gate) if settled and gate is not None else diagnosis.reason
    error = ET.SubElement(case, "error", message=printable(reason), type=kind.value)
    error.text = text


def _add_budget(suite: ET.Element, each: Exceeded, *, sure: bool) -> None:
    case = _case(suite, "budget", f"{each.what}: budget {each.budget}")
    message = each.sentence()
    if sure:
        ET.SubElement(case, "failure", message=message, type="budget-exceeded").text = message
    else:
        ET.SubElement(case, "skipped", message=f"perhaps {message}")


def _add_finding(suite: ET.Element, diagnosis: Diagnosis, place: int, standing: Standing) -> None:
    finding = diagnosis.findings[place]
    case = _case(suite, "finding", _name(finding))
    page = Page(_WIDTH)
    put_finding(page, finding, diagnosis, place + 1)
    message = printable(f"{rate_text(finding)}, {standing.value}")
    if standing is Standing.OVER:
        ET.SubElement(case, "failure", message=message, type="leak").text = page.text()
        return
    if standing in (Standing.SUSPECTED, Standing.KNOWN):
        ET.SubElement(case, "skipped", message=message)
    ET.SubElement(case, "system-out").text = page.text()


def _name(finding: Finding) -> str:
    where = f" in {printable(finding.holder.path)}" if finding.holder is not None else ""
    return f"{type_text(finding.type)}{where} [{printable(finding.fingerprint)}]"


def _case(suite: ET.Element, group: str, name: str) -> ET.Element:
    """Add a case that has its name for itself: servers tell cases apart by it."""
    classname = f"{SUITE}.{group}"
    taken = {case.get("name") for case in suite if case.get("classname") == classname}
    unique = next(told for told in _numbered(name) if told not in taken)
    return ET.SubElement(suite, "testcase", classname=classname, name=unique, time="0.000")


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name} {number}" for number in count(2))
