"""A diagnosis as GitHub's Markdown: the summary of a job, a comment on a pull request."""

from __future__ import annotations

from textwrap import dedent

from leakscope.model.finding import Diagnosis, Finding
from leakscope.model.gate import GateResult
from leakscope.report.cohorts import cohorts_text
from leakscope.report.decision import (
    Exceeded,
    Standing,
    baseline_texts,
    decision_text,
    exceeded,
    missed_text,
    standings,
    title_of,
    unsettled,
)
from leakscope.report.finding import put_holder
from leakscope.report.layout import Page
from leakscope.report.markup import code, fenced, folded, html_code, prose, table
from leakscope.report.text import plural, type_text
from leakscope.report.tree import site_text
from leakscope.report.verdict import (
    VERDICTS,
    advice_text,
    command_text,
    ending_text,
    interpreter_text,
    label_text,
    limit_text,
    measured_text,
    pause_text,
    rss_texts,
)
from leakscope.report.wording import (
    bytes_rate_text,
    companions_text,
    exhausted_text,
    kept_text,
    pace_text,
    scaled_text,
    spread_text,
)

MOST_BYTES = 900_000
"""Of UTF-8. GitHub refuses job summaries of more than 1 MiB, other things of the job included."""

_WIDEST = 10_000
"""Columns of code blocks: they scroll, so their lines are not broken."""
_FINDINGS_LISTED = 100
_NOT_LEAKS_LISTED = 100
_FRAMES_SHOWN = 20


def render_markdown(diagnosis: Diagnosis, gate: GateResult | None) -> str:
    """Return the report of `diagnosis`, and of what a gate decided if there was one.

    At most `MOST_BYTES` long: what does not fit is left out from the end on, and that is said. No
    text of the target acts as markup. There is no line end at its end.
    """
    sections = [*_head(diagnosis, gate), *_exceeded(diagnosis, gate), *_findings(diagnosis, gate)]
    sections += [_fold(finding, diagnosis) for finding in diagnosis.findings[:_FINDINGS_LISTED]]
    sections += [*_not_leaks(diagnosis), _measurement(diagnosis), *_caveats(diagnosis)]
    return fitting(sections)


def _head(diagnosis: Diagnosis, gate: GateResult | None) -> list[str]:
    word = VERDICTS[diagnosis.verdict]
    lines = [f"**{word}:** {prose(diagnosis.reason)}"]
    if gate is not None:
        lines.append(f"**{title_of(gate)}:** {prose(decision_text(gate))}")
        missed = missed_text(gate, diagnosis.work.unit)
        lines += [prose(text) for text in (missed, *baseline_texts(gate)) if text]
    forecast = diagnosis.forecast
    if forecast is not None:
        end = f"out of memory {ending_text(forecast)}"
        lines.append(f"**{end}** {prose(limit_text(forecast, diagnosis.rss_series))}")
    advice = advice_text(diagnosis)
    if advice:
        lines.append(f"**next:** {prose(advice)}")
    title = word if gate is None else title_of(gate)
    return [f"## leakscope: {title}", "\n\n".join(lines)]


def _exceeded(diagnosis: Diagnosis, gate: GateResult | None) -> list[str]:
    if gate is None:
        return []
    unit = diagnosis.work.unit
    parts = []
    for title, told in (
        ("### Budgets exceeded", exceeded(gate, unit)),
        ("### Budgets that may be exceeded", unsettled(gate, unit)),
    ):
        if told:
            head = ("what", "how fast", "budget", "")
            parts += [title, table(head, [_budget_row(each) for each in told[:_FINDINGS_LISTED]])]
    return parts


def _budget_row(each: Exceeded) -> list[str]:
    return [code(each.what), prose(each.growth), prose(each.budget), prose(each.note)]


def _findings(diagnosis: Diagnosis, gate: GateResult | None) -> list[str]:
    if not diagnosis.findings:
        return []
    stand = standings(diagnosis, gate)
    told = list(zip(diagnosis.findings, stand, strict=True))[:_FINDINGS_LISTED]
    rows = [_row(finding, standing) for finding, standing in told]
    head = ("", "what grows", "how fast", "held by", "allocated at")
    parts = ["### Findings", table(head, rows)]
    rest = len(diagnosis.findings) - len(told)
    return [*parts, f"{plural(rest, 'more finding')} (--json has them all)"] if rest else parts


def _row(finding: Finding, standing: Standing) -> list[str]:
    mark = f"**{finding.id}** {standing.value}"
    pace = f"{pace_text(finding)} per {finding.growth.unit} {spread_text(finding)}"
    size = bytes_rate_text(finding)
    return [
        mark,
        code(type_text(finding.type)),
        prose(f"{pace}, {size}" if size else pace),
        _holder(finding),
        code(site_text(finding.allocated_at[0])) if finding.allocated_at else "",
    ]


def _holder(finding: Finding) -> str:
    if finding.holder is None:
        return "not known" if finding.types else ""
    return code(finding.holder.path)


def _fold(finding: Finding, diagnosis: Diagnosis) -> str:
    place = f" in {html_code(finding.holder.path)}" if finding.holder is not None else ""
    title = f"{finding.id}: {html_code(type_text(finding.type))}{place}, {finding.status.value}"
    page = Page(_WIDEST)
    put_holder(page, finding, diagnosis)
    gone = finding.exhausted
    items = [
        ("growth", scaled_text(finding.growth, diagnosis).removeprefix("= ")),
        ("limit", "" if gone is None else exhausted_text(gone)),
        ("with it", companions_text(finding)),
        ("cohorts", cohorts_text(finding.cohorts) if finding.cohorts else ""),
        (
            "keeps alive",
            "" if finding.retained_bytes is None else kept_text(finding.retained_bytes),
        ),
        ("why", finding.why),
    ]
    told = [f"- {label}: {prose(text)}" for label, text in items if text]
    if finding.allocated_at:
        frames = [code(site_text(site)) for site in finding.allocated_at[:_FRAMES_SHOWN]]
        told.append(f"- allocated at: {' ← '.join(frames)}")
    told.append(f"- fingerprint: {code(finding.fingerprint)}")
    return folded(title, fenced(dedent(page.text())) + "\n\n" + "\n".join(told))


def _not_leaks(diagnosis: Diagnosis) -> list[str]:
    found = diagnosis.not_leaks
    if not found:
        return []
    shown = found[:_NOT_LEAKS_LISTED]
    lines = [f"- {code(type_text(each.key))}: {prose(label_text(each))}" for each in shown]
    if len(found) > len(shown):
        lines.append(f"- {len(found) - len(shown):,} more (--json has them all)")
    return [folded(f"Not leaks: {len(found):,}", "\n".join(lines))]


def _measurement(diagnosis: Diagnosis) -> str:
    items = [
        ("RSS", prose(", ".join(rss_texts(diagnosis)))),
        ("measured", prose(measured_text(diagnosis))),
        ("pause", prose(pause_text(diagnosis))),
        (
            "target",
            f"{prose(interpreter_text(diagnosis.target))}: {code(command_text(diagnosis.target))}",
        ),
    ]
    return "\n".join(f"- {label}: {text}" for label, text in items if text)


def _caveats(diagnosis: Diagnosis) -> list[str]:
    if not diagnosis.caveats:
        return []
    return ["\n".join(f"- note: {prose(caveat)}" for caveat in diagnosis.caveats)]


def fitting(sections: list[str]) -> str:
    """Return the sections that fit into `MOST_BYTES`, and how many do not."""
    kept: list[str] = []
    room = MOST_BYTES
    for place, section in enumerate(sections):
        room -= len(section.encode()) + 2
        if room < 0:
            left = plural(len(sections) - place, "part")
            kept.append(f"{left} of this report left out: too long (--json has all of it)")
            break
        kept.append(section)
    return "\n\n".join(kept)
