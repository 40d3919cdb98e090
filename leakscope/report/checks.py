"""What `leakscope doctor` found, as text and as JSON, schema `leakscope.doctor/1`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from leakscope.report.documents import dump
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import plural

SCHEMA = "leakscope.doctor/1"

_WORDS = {
    "ok": ("ok", Style.GOOD),
    "warning": ("warning", Style.WARN),
    "failed": ("FAILED", Style.BAD),
    "skipped": ("skipped", Style.DIM),
}
_COLUMN = 9


class CheckResult(Protocol):
    """One precondition, and how its check came out."""

    @property
    def name(self) -> str:
        """What was checked."""
        ...

    @property
    def status(self) -> str:
        """`ok`, `warning`, `failed` or `skipped`."""
        ...

    @property
    def detail(self) -> str:
        """What was found."""
        ...

    @property
    def remedy(self) -> str:
        """What to do about it, or nothing."""
        ...


def render_checks(checks: Sequence[CheckResult], *, width: int = 100, color: bool = False) -> str:
    """Return the conclusion, then each check on a line, what to do about it below."""
    page = Page(width, color=color)
    page.put(_conclusion(checks), hang="  ")
    page.blank()
    names = max((len(check.name) for check in checks), default=0)
    for check in checks:
        word, style = _WORDS.get(check.status, (check.status, Style.PLAIN))
        lead = f"{word:{_COLUMN}}{check.name:{names}}  "
        if len(lead) > page.width // 2:
            page.put((Span(word, style), Span(f"{check.name}: {check.detail}")), hang="    ")
            lead = "    "
        else:
            page.put(check.detail, indent=Span(lead, style), hang=" " * len(lead))
        if check.remedy:
            page.put((Span("do:", Style.STRONG), Span(check.remedy)), indent=" " * len(lead))
    return page.text()


def render_checks_json(checks: Sequence[CheckResult]) -> str:
    """Return the checks as JSON, in their order."""
    return dump(
        {
            "schema": SCHEMA,
            "ready": not any(check.status == "failed" for check in checks),
            "checks": [
                {
                    "name": check.name,
                    "status": str(check.status),
                    "detail": check.detail,
                    "remedy": check.remedy,
                }
                for check in checks
            ],
        }
    )


def _conclusion(checks: Sequence[CheckResult]) -> tuple[Span, ...]:
    failed = sum(1 for check in checks if check.status == "failed")
    warnings = sum(1 for check in checks if check.status == "warning")
    if failed:
        return (Span("NOT READY:", Style.BAD), Span(f"{plural(failed, 'check')} failed"))
    if warnings:
        return (Span("READY,", Style.WARN), Span(f"with {plural(warnings, 'warning')}"))
    return (Span("READY:", Style.GOOD), Span("nothing stands in the way"))
