"""What every test run says at its end: which interpreters it did not cover."""

from __future__ import annotations

import pytest

from tests.pythons import interpreters, missing_versions


def pytest_report_header() -> str:
    found = ", ".join(i.version for i in interpreters())
    return f"target interpreters: {found}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = missing_versions()
    if missing:
        terminalreporter.section("interpreters that this machine lacks")
        terminalreporter.line(f"NOT TESTED on CPython {', '.join(missing)}")
