"""How many requests a load command sent, as it says itself at its end."""

from __future__ import annotations

import re
from dataclasses import dataclass

from leakscope.errors import UsageError

_COUNT = r"(\d[\d,_]*)"

_REPORTS = (
    rf"^\s*{_COUNT} requests in ",  # wrk, wrk2
    rf"^Complete requests:\s+{_COUNT}\s*$",  # ab
    rf"^\s*http_reqs\.*:\s+{_COUNT}\b",  # k6
    rf"^Requests\s+\[total, rate, throughput\]\s+{_COUNT},",  # vegeta
    rf"^Transactions:\s+{_COUNT} hits",  # siege
    rf"^\s*Aggregated\s+{_COUNT}\s",  # locust
    rf"^http\.requests:\s*\.*\s*{_COUNT}\s*$",  # artillery
    rf"^finished in .*\nrequests: {_COUNT} total",  # h2load
    rf"^summary =\s+{_COUNT} in ",  # JMeter
    rf"^.*?\b{_COUNT} (?:requests|answers)\b",  # anything that says so in words
)
"""Lines of which the last that fits tells; each with the program that prints it."""

_BY_STATUS = (
    r"^\s*\[\d{3}\]\s+(\d+) responses\s*$",  # hey, oha
    r"^\s*1xx - (\d+), 2xx - (\d+), 3xx - (\d+), 4xx - (\d+), 5xx - (\d+)",  # bombardier
)
"""Lines that count answers by status; they are added up."""


class BadCount(UsageError):
    """The pattern that should find the number of requests is of no use."""

    hint = "Give a regular expression with one group, for example --count 'sent (\\d+) requests'."


@dataclass(frozen=True, slots=True)
class Counting:
    """Finds the number of requests in what a load command printed."""

    pattern: re.Pattern[str] | None = None
    """Its first group is the number; None to look for what known programs print."""

    @classmethod
    def by(cls, pattern: str | None) -> Counting:
        """Return what counts by a regular expression; raise `BadCount` if it is none."""
        if pattern is None:
            return cls()
        try:
            compiled = re.compile(pattern, re.MULTILINE)
        except re.error as problem:
            raise BadCount(f"{pattern!r} is no regular expression: {problem}") from None
        if compiled.groups != 1:
            raise BadCount(f"{pattern!r} has {compiled.groups} groups instead of one")
        return cls(compiled)

    def landed(self, printed: str) -> int | None:
        """Return how many requests were sent; None if it is not said."""
        if self.pattern is not None:
            return _last(self.pattern.findall(printed))
        for report in _REPORTS[:-1]:
            found = _last(re.findall(report, printed, re.MULTILINE))
            if found is not None:
                return found
        for report in _BY_STATUS:
            lines = re.findall(report, printed, re.MULTILINE)
            if lines:
                return sum(int(n) for line in lines for n in _numbers(line))
        return _last(re.findall(_REPORTS[-1], printed, re.MULTILINE))


def _last(found: list[str]) -> int | None:
    digits = re.sub(r"\D", "", found[-1]) if found else ""
    return int(digits) if digits else None


def _numbers(line: str | tuple[str, ...]) -> tuple[str, ...]:
    return (line,) if isinstance(line, str) else line
