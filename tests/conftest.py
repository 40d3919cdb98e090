"""What holds for every test run: no hurry, and at the end the interpreters it did not cover."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.pythons import interpreters, missing_versions

# How long an example takes says more of the machine than of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


WORKERS_PER_CORE = 2
"""Most tests wait for a process of theirs, or for time to go by."""


def pytest_xdist_auto_num_workers() -> int:
    return WORKERS_PER_CORE * (os.cpu_count() or 1)


def pytest_report_header() -> str:
    found = ", ".join(i.version for i in interpreters())
    return f"target interpreters: {found}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = missing_versions()
    if missing:
        terminalreporter.section("interpreters that this machine lacks")
        terminalreporter.line(f"NOT TESTED on CPython {', '.join(missing)}")
