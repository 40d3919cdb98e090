"""What holds for every test run: no hurry, and at the end the interpreters it did not cover."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.pythons import interpreters, missing_versions

# How long an example takes says more of the machine than of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_report_header() -> str:
    found = ", ".join(i.version for i in interpreters())
    return f"target interpreters: {found}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = missing_versions()
    if missing:
        terminalreporter.section("interpreters that this machine lacks")
        terminalreporter.line(f"NOT TESTED on CPython {', '.join(missing)}")
