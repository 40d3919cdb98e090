"""A diagnosis as text for a person at a terminal: the verdict first, then what proves it."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.model.finding import Diagnosis, Forecast, Verdict
from leakscope.report.finding import put_finding
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import (
    bytes_text,
    duration,
    milliseconds,
    number,
    plural,
    sparkline,
    type_text,
)

_VERDICTS = {
    Verdict.LEAKING: ("LEAKING", Style.BAD),
    Verdict.CLEAN: ("CLEAN", Style.GOOD),
    Verdict.INCONCLUSIVE: ("INCONCLUSIVE", Style.WARN),
    Verdict.NOT_MEASURED: ("NOT MEASURED", Style.WARN),
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
        _row(page, "note", caveat)
    return page.text()


def _put_verdict(page: Page, diagnosis: Diagnosis) -> None:
    word, style = _VERDICTS[diagnosis.verdict]
    page.put((Span(word + ":", style), Span(diagnosis.reason)), hang="  ")
    if diagnosis.forecast is not None:
        page.put(
            Span("out of memory " + _ending_text(diagnosis.forecast), Style.BAD),
            _limit_text(diagnosis.forecast, diagnosis.rss_series),
            hang="  ",
        )
    advice = _advice(diagnosis)
    if advice:
        page.put((Span("next:", Style.STRONG), Span(advice)), hang="  ")


def _advice(diagnosis: Diagnosis) -> str:
    """Return what would settle a verdict that is none."""
    pid = diagnosis.target.pid
    if diagnosis.verdict is Verdict.INCONCLUSIVE:
        longer = max(60, round(2 * diagnosis.seconds))
        return f"watch for longer under steady load: leakscope watch {pid} --for {duration(longer)}"
    if diagnosis.verdict is Verdict.NOT_MEASURED:
        return (
            f"make sure that the service is up and has work to do, then ask leakscope doctor {pid}"
        )
    return ""


def _ending_text(forecast: Forecast) -> str:
    earliest, latest = forecast.earliest_seconds, forecast.latest_seconds
    if earliest <= 0 and (latest is None or latest <= 0):
        return "any moment"
    if latest is None:
        return f"in {duration(max(earliest, 0))} at the earliest"
    first, last = duration(max(earliest, 0)), duration(latest)
    return f"in {first}" if first == last else f"in {first} to {last}"


def _limit_text(forecast: Forecast, rss: tuple[float, ...]) -> str:
    now = f", now {bytes_text(rss[-1])}" if rss else ""
    limit = forecast.limit
    return f"(limit {bytes_text(limit.limit_bytes)} from {limit.source}{now})"


def _put_rss(page: Page, diagnosis: Diagnosis) -> None:
    series = diagnosis.rss_series
    if not series:
        return
    fields = [f"{bytes_text(series[0])} → {bytes_text(series[-1])}"]
    if diagnosis.rss is not None:
        slope = diagnosis.rss.slope
        fields.append(
            f"{bytes_text(slope.estimate, signed=True)}/{diagnosis.work.unit} "
            f"[{bytes_text(slope.low)}, {bytes_text(slope.high)}], {diagnosis.rss.label.value}"
        )
    if len(series) > 2:
        fields.append(sparkline(series, 16))
    _row(page, "RSS", *fields)


def _put_not_leaks(page: Page, diagnosis: Diagnosis) -> None:
    if not diagnosis.not_leaks:
        return
    shown = diagnosis.not_leaks[:_NOT_LEAKS_SHOWN]
    words = [f"{type_text(each.key)} ({_explained(each.label, each.reason)})" for each in shown]
    rest = len(diagnosis.not_leaks) - len(shown)
    if rest:
        words.append(f"{rest:,} more (--json has them all)")
    _row(page, "not leaks", " · ".join(words))


def _explained(label: str, reason: str) -> str:
    return f"{label}: {reason}" if reason else label


def _put_measurement(page: Page, diagnosis: Diagnosis) -> None:
    capture, work, target = diagnosis.capture, diagnosis.work, diagnosis.target
    done = f"{plural(capture.samples, f'{capture.kind.value} sample')}"
    done += f" in {duration(diagnosis.seconds)}"
    if work.unit != "second":
        rate = f" ({number(work.total / diagnosis.seconds)}/s)" if diagnosis.seconds > 0 else ""
        done += f", {plural(work.total, work.unit)}{rate}"
    _row(page, "measured", done)
    if capture.samples:
        median, longest = capture.pause_median_ms, capture.pause_max_ms
        _row(
            page,
            "pause",
            f"{milliseconds(median)} median, {milliseconds(longest)} at most: "
            "how long a sample held the target up",
        )
    interpreter = _IMPLEMENTATIONS.get(target.implementation, target.implementation)
    _row(
        page,
        "target",
        f"pid {target.pid}, {interpreter} {target.python}:",
        *_command(target.cmdline),
    )


_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy"}


def _command(cmdline: tuple[str, ...]) -> tuple[str, ...]:
    line = " ".join(cmdline)
    return (line if len(line) <= 300 else line[:297] + "...",) if line else ("?",)


def _row(page: Page, label: str, *fields: str) -> None:
    page.labelled(label, *fields, indent=0, column=11)
