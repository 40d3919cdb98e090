"""The facts of a diagnosis in words: the same in every report."""

from __future__ import annotations

from leakscope.model.finding import Diagnosis, Forecast, NotLeak, Verdict
from leakscope.model.memory import LayerKind
from leakscope.model.target import Target
from leakscope.report.text import bytes_text, duration, milliseconds, number, plural

VERDICTS = {
    Verdict.LEAKING: "LEAKING",
    Verdict.CLEAN: "CLEAN",
    Verdict.INCONCLUSIVE: "INCONCLUSIVE",
    Verdict.NOT_MEASURED: "NOT MEASURED",
}
"""The word that a report begins with."""

_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy"}
_LONGEST_COMMAND = 300
_SLIGHT = 0.02
"""Share of the layer that grew most, below which another one is left out."""


def advice_text(diagnosis: Diagnosis) -> str:
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


def ending_text(forecast: Forecast) -> str:
    """Return when memory ends: `in 5h40m to 6h10m`."""
    earliest, latest = forecast.earliest_seconds, forecast.latest_seconds
    if earliest <= 0 and (latest is None or latest <= 0):
        return "any moment"
    if latest is None:
        return f"in {duration(max(earliest, 0))} at the earliest"
    first, last = duration(max(earliest, 0)), duration(latest)
    return f"in {first}" if first == last else f"in {first} to {last}"


def limit_text(forecast: Forecast, rss: tuple[float, ...]) -> str:
    """Return what ends it, and how far it is: `(limit 512 MiB from cgroup memory.max, …)`."""
    now = f", now {bytes_text(rss[-1])}" if rss else ""
    limit = forecast.limit
    return f"(limit {bytes_text(limit.limit_bytes)} from {limit.source}{now})"


def rss_texts(diagnosis: Diagnosis) -> list[str]:
    """Return where the resident memory went, and how fast; nothing if it was not measured."""
    series = diagnosis.rss_series
    if not series:
        return []
    texts = [f"{bytes_text(series[0])} → {bytes_text(series[-1])}"]
    if diagnosis.rss is not None:
        slope = diagnosis.rss.slope
        texts.append(
            f"{bytes_text(slope.estimate, signed=True)}/{diagnosis.work.unit} "
            f"[{bytes_text(slope.low)}, {bytes_text(slope.high)}], {diagnosis.rss.label.value}"
        )
    return texts


def layer_texts(diagnosis: Diagnosis) -> list[str]:
    """Return the layers of resident memory that grew or shrank, most first; nothing if none did."""
    growth = diagnosis.layers
    if growth is None:
        return []
    rates = {kind: growth.rate(kind) for kind in LayerKind}
    most = max(abs(rate) for rate in rates.values())
    ordered = sorted(LayerKind, key=lambda kind: -abs(rates[kind]))
    told = [
        f"{kind.value} {bytes_text(rates[kind], signed=True)}"
        for kind in ordered
        if most and abs(rates[kind]) >= _SLIGHT * most
    ]
    if not told:
        return []
    whole = f"{bytes_text(growth.resident_rate, signed=True)}/{growth.unit} ="
    return [f"after warm-up {whole}", " · ".join(told)]


def measured_text(diagnosis: Diagnosis) -> str:
    """Return how much was measured: samples, time, work."""
    capture, work = diagnosis.capture, diagnosis.work
    done = f"{plural(capture.samples, f'{capture.kind.value} sample')}"
    done += f" in {duration(diagnosis.seconds)}"
    if work.unit != "second":
        rate = f" ({number(work.total / diagnosis.seconds)}/s)" if diagnosis.seconds > 0 else ""
        done += f", {plural(work.total, work.unit)}{rate}"
    return done


def pause_text(diagnosis: Diagnosis) -> str:
    """Return how long a sample held the target up; nothing if there was none."""
    capture = diagnosis.capture
    if not capture.samples:
        return ""
    median, longest = capture.pause_median_ms, capture.pause_max_ms
    return (
        f"{milliseconds(median)} median, {milliseconds(longest)} at most: "
        "how long a sample held the target up"
    )


def label_text(item: NotLeak) -> str:
    """Return what a key that is no leak looks like, and why."""
    return f"{item.label}: {item.reason}" if item.reason else item.label


def interpreter_text(target: Target) -> str:
    """Return `pid 4242, CPython 3.12.1`."""
    name = _IMPLEMENTATIONS.get(target.implementation, target.implementation)
    return f"pid {target.pid}, {name} {target.python}"


def command_text(target: Target) -> str:
    """Return what was started, cut if it is endless, `?` if that is not known."""
    line = " ".join(target.cmdline)
    return (line if len(line) <= _LONGEST_COMMAND else line[: _LONGEST_COMMAND - 3] + "...") or "?"
