"""What holds for every test run: no hurry, and at the end the interpreters it did not cover."""

from __future__ import annotations

import math
import os
import random
import signal
import time

import pytest
from hypothesis import settings

from tests.pythons import interpreters, missing_versions

# How long an example takes says more of the machine than of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


WORKERS_PER_CORE = 2
"""Most tests wait for a process of theirs, or for time to go by."""
SLOW_UNTIL = float(os.environ.get("LEAKSCOPE_SLOW_UNTIL", "inf"))
"""When the last slow test may begin, in seconds since the epoch."""


def pytest_configure() -> None:
    # `nohup` and `&` have them ignored, here and by all that is started from here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_xdist_auto_num_workers() -> int:
    return WORKERS_PER_CORE * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where time is short, let what could harm a target come first, and the rest by turns."""
    if math.isinf(SLOW_UNTIL):
        return
    files = sorted({str(item.path) for item in items})
    random.Random(time.strftime("%F", time.gmtime(SLOW_UNTIL))).shuffle(files)
    items.sort(key=lambda item: ("/capture/" not in str(item.path), files.index(str(item.path))))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("slow") is not None and time.time() > SLOW_UNTIL:
        pytest.skip("no time was left for slow tests")


def pytest_report_header() -> str:
    found = ", ".join(i.version for i in interpreters())
    return f"target interpreters: {found}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = missing_versions()
    if missing:
        terminalreporter.section("interpreters that this machine lacks")
        terminalreporter.line(f"NOT TESTED on CPython {', '.join(missing)}")
