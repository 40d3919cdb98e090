"""A diagnosis as text for a person at a terminal: the verdict first, then what proves it."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.model.finding import Diagnosis, Verdict
from leakscope.report.finding import put_finding
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import sparkline, type_text
from leakscope.report.verdict import (
    VERDICTS,
    advice_text,
    command_text,
    ending_text,
    interpreter_text,
    label_text,
    layer_texts,
    limit_text,
    measured_text,
    pause_text,
    rss_texts,
)

_STYLES = {
    Verdict.LEAKING: Style.BAD,
    Verdict.CLEAN: Style.GOOD,
    Verdict.INCONCLUSIVE: Style.WARN,
    Verdict.NOT_MEASURED: Style.WARN,
}
_NOT_LEAKS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class TerminalRenderer:
    """Writes a diagnosis for a terminal of `width` columns, with colours if `color`."""

    width: int = 100
    color: bool = False

    def render(self, diagnosis: Diagnosis) -> str:
        """Return the report."""
        return render_terminal(diagnosis, width=self.width, color=self.color)


def render_terminal(diagnosis: Diagnosis, *, width: int = 100, color: bool = False) -> str:
    """Return the report of `diagnosis`: plain text without line end at its end.

    Lines are at most `width` columns, unless one word (a path, a type's name) is longer. Without
    `color` there is no escape character in it, whatever the target is called.
    """
    page = Page(width, color=color)
    _put_verdict(page, diagnosis)
    for place, finding in enumerate(diagnosis.findings, 1):
        page.blank()
        put_finding(page, finding, diagnosis, place)
    page.blank()
    _put_rss(page, diagnosis)
    _put_not_leaks(page, diagnosis)
    _put_measurement(page, diagnosis)
    for caveat in diagnosis.caveats:
        put_row(page, "note", caveat)
    return page.text()


def put_verdict_line(page: Page, verdict: Verdict, reason: str) -> None:
    """Add the line that a report begins with."""
    page.put((Span(VERDICTS[verdict] + ":", _STYLES[verdict]), Span(reason)), hang="  ")


def _put_verdict(page: Page, diagnosis: Diagnosis) -> None:
    put_verdict_line(page, diagnosis.verdict, diagnosis.reason)
    if diagnosis.forecast is not None:
        page.put(
            Span("out of memory " + ending_text(diagnosis.forecast), Style.BAD),
            limit_text(diagnosis.forecast, diagnosis.rss_series),
            hang="  ",
        )
    advice = advice_text(diagnosis)
    if advice:
        page.put((Span("next:", Style.STRONG), Span(advice)), hang="  ")


def _put_rss(page: Page, diagnosis: Diagnosis) -> None:
    series = diagnosis.rss_series
    if not series:
        return
    fields = rss_texts(diagnosis)
    if len(series) > 2:
        fields.append(sparkline(series, 16))
    put_row(page, "RSS", *fields)
    layers = layer_texts(diagnosis)
    if layers:
        put_row(page, "", *layers)


def _put_not_leaks(page: Page, diagnosis: Diagnosis) -> None:
    if not diagnosis.not_leaks:
        return
    shown = diagnosis.not_leaks[:_NOT_LEAKS_SHOWN]
    words = [f"{type_text(each.key)} ({label_text(each)})" for each in shown]
    rest = len(diagnosis.not_leaks) - len(shown)
    if rest:
        words.append(f"{rest:,} more (--json has them all)")
    put_row(page, "not leaks", " · ".join(words))


def _put_measurement(page: Page, diagnosis: Diagnosis) -> None:
    target = diagnosis.target
    put_row(page, "measured", measured_text(diagnosis))
    pause = pause_text(diagnosis)
    if pause:
        put_row(page, "pause", pause)
    put_row(page, "target", f"{interpreter_text(target)}:", command_text(target))


def put_row(page: Page, label: str, *fields: str) -> None:
    """Add fields on the whole measurement behind their label."""
    page.labelled(label, *fields, indent=0, column=11)
