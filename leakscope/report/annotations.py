"""A diagnosis as GitHub workflow commands: a line on stdout each, an annotation of the run each.

The commands are those of the runner: `::error file=…,line=…,title=…::message`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

from leakscope.model.finding import Diagnosis, Finding, Verdict
from leakscope.model.gate import GateResult
from leakscope.report.decision import (
    Standing,
    apart,
    baseline_texts,
    decision_text,
    exceeded,
    is_decided,
    missed_text,
    standings,
    title_of,
    unsettled,
)
from leakscope.report.finding import put_holder
from leakscope.report.layout import Page
from leakscope.report.places import Checkout, Line, place_of
from leakscope.report.text import plural, printable, type_text
from leakscope.report.verdict import VERDICTS, advice_text
from leakscope.report.wording import rate_text

MOST_OF_A_LEVEL = 10
"""What GitHub keeps of each level in a step; it drops the rest without a word."""

_WIDTH = 120
_LEVELS = {
    Standing.OVER: "error",
    Standing.SUSPECTED: "warning",
    Standing.WITHIN: "notice",
    Standing.KNOWN: "notice",
}


@dataclass(frozen=True, slots=True)
class _Annotation:
    level: str
    title: str
    message: str
    line: Line | None = None

    def command(self) -> str:
        properties = {"title": self.title}
        if self.line is not None:
            properties = {"file": self.line.path, "line": str(self.line.number), **properties}
        told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
        return f"::{self.level} {told}::{_data(self.message)}"


def render_annotations(
    diagnosis: Diagnosis, gate: GateResult | None, checkout: Checkout | None = None
) -> str:
    """Return one command for each finding, each breach beside them, and the verdict if it is none.

    `error` is what breaks a budget or was not measured, `warning` what is suspected or
    inconclusive, `notice` what keeps within its budget or is known, and a pass with what it could
    have missed. Where a line of the repository allocates what grows, the annotation is there, else
    at the file of the module that holds it.
    Errors come first. Of each level there are at most `MOST_OF_A_LEVEL`; if there are more the last
    one says how many.
    """
    found = [
        *_verdict(diagnosis, gate),
        *_breaches(diagnosis, gate),
        *_findings(diagnosis, gate, checkout or Checkout()),
    ]
    kept: list[_Annotation] = []
    for level in ("error", "warning", "notice"):
        kept += _capped([each for each in found if each.level == level])
    return "\n".join(each.command() for each in kept)


def _verdict(diagnosis: Diagnosis, gate: GateResult | None) -> Iterator[_Annotation]:
    word, reason = VERDICTS[diagnosis.verdict], diagnosis.reason
    if not is_decided(diagnosis, gate):
        decision = "" if gate is None else f"{title_of(gate)}: {decision_text(gate)}"
        level = "error" if diagnosis.verdict is Verdict.NOT_MEASURED else "warning"
        told = [f"{word}: {reason}", decision, advice_text(diagnosis)]
        title = "not measured" if level == "error" else "inconclusive"
        yield _Annotation(level, f"leakscope: {title}", _lines(told))
    elif gate is not None and gate.passed:
        told = [f"{word}: {reason}", decision_text(gate), missed_text(gate, diagnosis.work.unit)]
        yield _Annotation("notice", "leakscope: passed", _lines([*told, *baseline_texts(gate)]))
    elif gate is None and not diagnosis.findings:
        yield _Annotation("notice", "leakscope: clean", _lines([reason]))


def _breaches(diagnosis: Diagnosis, gate: GateResult | None) -> Iterator[_Annotation]:
    """Yield the breaches that no finding will speak of."""
    if gate is None:
        return
    unit = diagnosis.work.unit
    for level, breaches, told, before in (
        ("error", gate.breaches, exceeded(gate, unit), ""),
        ("warning", gate.unsettled, unsettled(gate, unit), "perhaps "),
    ):
        for each in (told[place] for place in apart(breaches, diagnosis)):
            title = f"{before}over budget: {each.what}"
            yield _Annotation(level, title, f"{before}{each.sentence()}")


def _findings(
    diagnosis: Diagnosis, gate: GateResult | None, checkout: Checkout
) -> Iterator[_Annotation]:
    for finding, standing in zip(diagnosis.findings, standings(diagnosis, gate), strict=True):
        yield _Annotation(
            _LEVELS[standing],
            _title(finding, standing),
            _message(finding, diagnosis),
            place_of(finding, diagnosis, checkout),
        )


def _title(finding: Finding, standing: Standing) -> str:
    where = "" if finding.holder is None else f" in {printable(finding.holder.path)}"
    return f"leak {standing.value}: {type_text(finding.type)}{where}"


def _message(finding: Finding, diagnosis: Diagnosis) -> str:
    page = Page(_WIDTH)
    put_holder(page, finding, diagnosis)
    return f"{printable(rate_text(finding))}\n{dedent(page.text())}\n{printable(finding.why)}"


def _capped(found: list[_Annotation]) -> list[_Annotation]:
    if len(found) <= MOST_OF_A_LEVEL:
        return found
    rest = plural(len(found) - MOST_OF_A_LEVEL + 1, "more finding")
    last = _Annotation(found[0].level, f"leakscope: {rest}", "The report has them all.")
    return [*found[: MOST_OF_A_LEVEL - 1], last]


def _lines(told: list[str]) -> str:
    return "\n".join(printable(line) for line in told if line)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")
