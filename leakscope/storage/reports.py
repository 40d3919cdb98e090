"""JSON reports that are read again, schema `leakscope.report/1`, without trust."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TypeVar

from leakscope.model.finding import Forecast, Status, Verdict
from leakscope.model.measurement import (
    REPORT_SCHEMA,
    MeasuredLeak,
    Measurement,
    Rate,
    Rises,
    rate_of,
    type_rate_of,
)
from leakscope.model.recording import CaptureKind
from leakscope.model.target import MemoryLimit, Target
from leakscope.model.trend import Interval, Label
from leakscope.storage.errors import NoSuchFile, UnreadableFile, cause

MOST_BYTES = 64 << 20
_MOST_ENTRIES = 100_000
_LONGEST_TEXT = 100_000

Member = TypeVar("Member", bound=Enum)


class BadReport(UnreadableFile):
    """The file is no report of leakscope, or one that contradicts itself."""

    hint = "Name a report that `leakscope check --json FILE` has written, or a .lscope recording."


def is_report(path: Path) -> bool:
    """Return whether a file may be a JSON report rather than a recording."""
    try:
        with path.open("rb") as file:
            return file.read(256).lstrip()[:1] == b"{"
    except (OSError, ValueError):
        return False


def load_report(path: Path, name: str) -> Measurement:
    """Return what the run measured that a JSON report tells of; it is called `name`.

    Raises `NoSuchFile`, or `BadReport` for whatever is wrong with it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise BadReport(f"{path} is no report of leakscope: it is too large")
        document = json.loads(content, parse_constant=_refuse)
        return _measurement(_Part(document, "the report"), name)
    except FileNotFoundError:
        raise NoSuchFile(f"there is no file {path}") from None
    except OSError as problem:
        raise BadReport(f"cannot read {path}: {problem.strerror}") from None
    except (ValueError, OverflowError) as problem:
        raise BadReport(f"{path} is no report of leakscope: {cause(problem)}") from None
    except RecursionError:
        raise BadReport(f"{path} is no report of leakscope: it is nested too deeply") from None
    except MemoryError:
        raise BadReport(f"{path} does not fit into our memory") from None


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


class _Part:
    """An object of the document whose keys are read by type; says where a wrong one is."""

    def __init__(self, value: object, place: str) -> None:
        """Raise ValueError unless `value` is an object."""
        if not isinstance(value, dict):
            raise ValueError(f"{place} is no object")
        self._values: Mapping[str, object] = value
        self._place = place

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def text(self, key: str) -> str:
        value = self._values.get(key)
        if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
            raise self._wrong(key, "text")
        return value

    def number(self, key: str) -> float:
        value = self._values.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, "number")
        if not math.isfinite(value):
            raise self._wrong(key, "number")
        return float(value)

    def member(self, key: str, kind: type[Member]) -> Member:
        text = self.text(key)
        try:
            return kind(text)
        except ValueError:
            raise self._wrong(key, kind.__name__.lower()) from None

    def part(self, key: str) -> _Part:
        return _Part(self._values.get(key), f"{key!r} of {self._place}")

    def _list(self, key: str) -> list[object]:
        value = self._values.get(key)
        if not isinstance(value, list) or len(value) > _MOST_ENTRIES:
            raise self._wrong(key, "list")
        return value

    def parts(self, key: str) -> list[_Part]:
        return [_Part(value, f"an entry of {key!r}") for value in self._list(key)]

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._list(key)
        found = tuple(value for value in values if isinstance(value, str))
        if len(found) < len(values):
            raise self._wrong(key, "list of texts")
        return found

    def interval(self) -> Interval:
        found = Interval(self.number("estimate"), self.number("low"), self.number("high"))
        if not found.low <= found.estimate <= found.high:
            raise ValueError(f"{self._place} is no interval")
        return found

    def _wrong(self, key: str, wanted: str) -> ValueError:
        return ValueError(f"{self._place} has no {wanted} {key!r}")


def _measurement(report: _Part, name: str) -> Measurement:
    if "schema" not in report or report.text("schema") != REPORT_SCHEMA:
        raise ValueError(f"its schema is not {REPORT_SCHEMA}")
    work = report.part("work")
    gate = report.part("gate") if "gate" in report else None
    unit = work.text("unit")
    return Measurement(
        name=name,
        verdict=report.member("verdict", Verdict),
        reason=report.text("reason"),
        target=_target(report.part("target")),
        kind=report.part("capture").member("kind", CaptureKind),
        unit=unit,
        work=work.number("total"),
        seconds=report.number("seconds"),
        steady=gate is None,  # A check may have measured at rest, round after round.
        leaks=tuple(_leak(finding, unit) for finding in report.parts("findings")),
        rates=None
        if gate is None or "rates" not in gate
        else {each.text("type"): _type_rate(each) for each in gate.parts("rates")},
        rss=_rss(report),
        forecast=_forecast(report.part("forecast")) if "forecast" in report else None,
    )


def _target(target: _Part) -> Target:
    pid = target.number("pid")
    return Target(
        pid=int(pid),
        started=target.number("started"),
        cmdline=target.texts("cmdline"),
        python=target.text("python"),
        implementation=target.text("implementation"),
    )


def _leak(finding: _Part, unit: str) -> MeasuredLeak:
    growth = finding.part("growth")
    if growth.text("unit") != unit:
        raise ValueError(f"a finding is per {growth.text('unit')[:40]}, the report per {unit[:40]}")
    sure = finding.member("status", Status) is Status.CONFIRMED
    return MeasuredLeak(
        fingerprint=finding.text("fingerprint"),
        type=finding.text("type"),
        holder=finding.part("holder").text("path") if "holder" in finding else None,
        rate=Rate(growth.part("objects").interval(), Rises.YES if sure else Rises.PERHAPS),
        types={
            each.text("type"): each.number("objects_per_work") for each in finding.parts("types")
        },
    )


def _type_rate(each: _Part) -> Rate:
    return type_rate_of(each.member("label", Label), each.interval())


def _rss(report: _Part) -> Rate | None:
    if "rss" not in report or "label" not in report.part("rss"):
        return None
    rss = report.part("rss")
    label = rss.member("label", Label)
    if label is Label.TOO_SHORT:
        return None
    return rate_of(label, rss.part("slope").interval())


def _forecast(forecast: _Part) -> Forecast:
    limit = forecast.part("limit")
    latest = forecast.number("latest_seconds") if "latest_seconds" in forecast else None
    return Forecast(
        earliest_seconds=forecast.number("earliest_seconds"),
        latest_seconds=latest,
        limit=MemoryLimit(int(limit.number("bytes")), limit.text("source")),
    )
