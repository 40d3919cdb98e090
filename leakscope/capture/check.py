"""One precondition of a diagnosis: whether it holds, why, and what to do if it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Check:
    """A check by its name, and how it came out."""

    name: str
    """What was checked, a few words, the same in every run."""
    status: Status
    """`failed` stands in the way of a diagnosis, `warning` narrows it, `skipped` was not tried."""
    detail: str
    """What was found, one line; it may hold text from the target."""
    remedy: str = ""
    """What to do about it, empty if there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check came out; whoever runs it knows its name."""

    status: Status
    detail: str
    remedy: str = ""

    def of(self, name: str) -> Check:
        """Return the check `name` with this outcome."""
        return Check(name, self.status, self.detail, self.remedy)


def ok(detail: str) -> Outcome:
    """Return the outcome of a check that holds."""
    return Outcome("ok", detail)


def warning(detail: str, remedy: str) -> Outcome:
    """Return the outcome of a check that narrows what can be diagnosed."""
    return Outcome("warning", detail, remedy)


def failed(detail: str, remedy: str) -> Outcome:
    """Return the outcome of a check that stands in the way."""
    return Outcome("failed", detail, remedy)


def skipped(detail: str) -> Outcome:
    """Return the outcome of a check that could not be made or does not matter."""
    return Outcome("skipped", detail)
