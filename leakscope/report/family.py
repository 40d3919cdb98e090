"""The diagnosis of a master and its workers as text: what they share, then each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from leakscope.model.family import FamilyDiagnosis, Member, Role, SharedFinding, Unwatched
from leakscope.model.finding import Verdict
from leakscope.report.finding import put_finding
from leakscope.report.layout import Page, Span, Style
from leakscope.report.table import FigureColumn, put_table
from leakscope.report.terminal import put_row, put_verdict_line
from leakscope.report.text import bytes_text, duration, milliseconds, number, plural
from leakscope.report.verdict import VERDICTS, command_text

_PIDS_SHOWN = 16


def render_family(family: FamilyDiagnosis, *, width: int = 100, color: bool = False) -> str:
    """Return the report of `family`: plain text without line end at its end.

    Lines and colours are as in `render_terminal`.
    """
    page = Page(width, color=color)
    put_verdict_line(page, family.verdict, family.reason)
    if family.verdict is Verdict.INCONCLUSIVE:
        longer = duration(max(60, round(2 * family.seconds)))
        advice = f"watch for longer under steady load: leakscope watch {family.master} --children"
        page.put((Span("next:", Style.STRONG), Span(f"{advice} --for {longer}")), hang="  ")
    findings = tuple(shared.finding for shared in family.findings)
    for place, shared in enumerate(family.findings, 1):
        page.blank()
        whole = replace(shared.member.diagnosis, findings=findings)
        put_finding(page, shared.finding, whole, place)
        _put_shares(page, shared)
    page.blank()
    _put_members(page, family)
    page.blank()
    put_row(page, "measured", measured_text(family))
    put_row(
        page, "target", f"pid {family.master}:", command_text(family.members[0].diagnosis.target)
    )
    for reason, pids in _by_reason(family.unwatched):
        put_row(page, "unwatched", f"{pids_text(pids)}: {reason}")
    for caveat in family.caveats:
        put_row(page, "note", caveat)
    return page.text()


def sharing_text(shared: SharedFinding) -> str:
    """Return `7 of 8 workers share this slope: +0.98 to +1.02 per request each, +7.9 in all`.

    Workers of which it cannot be told are not among the eight.
    """
    unit = shared.finding.growth.unit
    told = partial(bytes_text if shared.finding.growth.is_of_bytes else number, signed=True)
    low, high = map(told, shared.slopes)
    each = low if low == high else f"{low} to {high}"
    some = len(shared.workers)
    if not some:
        return f"only the master has this slope: {each} per {unit}"
    all_of = some + len(shared.others)
    subject = f"{some} of {plural(all_of, 'worker')} {'has' if some == 1 else 'share'} this slope"
    master = ", and so does the master" if len(shared.shares) > some else ""
    return f"{subject}{master}: {each} per {unit} each, {told(shared.total)} in all"


def pids_text(pids: Sequence[int]) -> str:
    """Return `pid 12, 13, 14`, the first of them if they are many."""
    shown = ", ".join(map(str, pids[:_PIDS_SHOWN]))
    rest = len(pids) - _PIDS_SHOWN
    return f"pid {shown}" + (f" and {rest:,} more" if rest > 0 else "")


def measured_text(family: FamilyDiagnosis) -> str:
    """Return how much was measured: workers, samples, time."""
    workers = sum(member.role is Role.WORKER for member in family.members)
    master = " and the master" if workers < len(family.members) else ""
    samples = sum(member.diagnosis.capture.samples for member in family.members)
    kinds = sorted({member.diagnosis.capture.kind.value for member in family.members})
    sampled = plural(samples, f"{' and '.join(kinds)} sample")
    return (
        f"{plural(workers, 'worker')}{master}, one after the other: {sampled} in "
        f"{duration(family.seconds)}"
    )


def _put_shares(page: Page, shared: SharedFinding) -> None:
    page.labelled("shared", sharing_text(shared))
    page.labelled("found in", pids_text([share.member.pid for share in shared.shares]))
    if shared.others:
        page.labelled("not in", pids_text([member.pid for member in shared.others]))
    if shared.untold:
        page.labelled("cannot tell", pids_text([member.pid for member in shared.untold]))
    page.labelled("shown as in", f"pid {shared.member.pid}, where it grows most")


def _put_members(page: Page, family: FamilyDiagnosis) -> None:
    members = family.members
    columns = [
        FigureColumn("pid", tuple(str(member.pid) for member in members)),
        FigureColumn("RSS", tuple(map(_rss_text, members))),
        FigureColumn(f"per {family.unit}", tuple(map(_slope_text, members))),
        FigureColumn("longest pause", tuple(map(_pause_text, members))),
    ]
    put_table(page, columns, "verdict", [_verdict_text(member) for member in members])


def _rss_text(member: Member) -> str:
    series = member.diagnosis.rss_series
    return f"{bytes_text(series[0])} → {bytes_text(series[-1])}" if series else "?"


def _slope_text(member: Member) -> str:
    rss = member.diagnosis.rss
    if rss is None:
        return "?"
    return bytes_text(rss.slope.estimate, signed=True) if rss.slope.estimate else rss.label.value


def _pause_text(member: Member) -> str:
    return milliseconds(member.diagnosis.capture.pause_max_ms)


def _verdict_text(member: Member) -> str:
    words = VERDICTS[member.diagnosis.verdict].lower()
    if member.role is Role.MASTER:
        words = f"{words} (the master)"
    if member.came_after:
        words += f", came after {duration(member.came_after)}"
    if member.exited:
        words += f", exited after {duration(member.came_after + member.diagnosis.seconds)}"
    return words


def _by_reason(unwatched: Sequence[Unwatched]) -> list[tuple[str, list[int]]]:
    """Return the pids for each reason, in the order in which reasons first came."""
    grouped: dict[str, list[int]] = {}
    for each in unwatched:
        grouped.setdefault(each.reason, []).append(each.pid)
    return list(grouped.items())
