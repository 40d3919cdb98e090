"""Measuring leaves nothing in the tests' process, and sessions without leak tests see nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.pytest_plugin.sessions import session

pytest_plugins = ["pytester"]

STATE = """
import gc
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

def state():
    return {
        "threads": [thread.name for thread in threading.enumerate()],
        "tasks": sorted(os.listdir("/proc/self/task")),
        "files": sorted(os.listdir("/proc/self/fd")),
        "modules": sorted(sys.modules),
        "gc": (gc.isenabled(), gc.get_threshold(), gc.get_debug(), len(gc.callbacks)),
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "filters": list(warnings.filters),
        "mapped": "leakscope" in Path("/proc/self/maps").read_text(),
        "code": (sys.gettrace(), sys.getprofile()),
    }

states = []
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_measuring_leaves_nothing_behind(pytester: pytest.Pytester) -> None:
    result = session(
        pytester,
        STATE
        + """
def test_before():
    states.append(state())

@pytest.mark.leaks
def test_leaky():
    ORDERS.append(Order())

@pytest.mark.leaks
def test_clean():
    Order()

def test_after():
    before = states[0]
    end = time.monotonic() + 20  # An agent that was told to go takes a moment.
    while any(state()[name] != before[name] for name in ("tasks", "files")):
        if time.monotonic() > end:
            break
        time.sleep(0.01)
    after = state()
    ours = "leakscope", "tempfile", "pickle", "_compat_pickle"
    new = set(after.pop("modules")) - set(before.pop("modules"))
    assert [name for name in sorted(new) if not name.startswith(ours)] == []
    assert after == before
""",
    )

    result.assert_outcomes(passed=3, failed=1)


def test_a_session_without_leak_tests_sees_nothing_of_it(pytester: pytest.Pytester) -> None:
    result = session(
        pytester,
        """
import sys

def test_it():
    import os
    ours = sorted(name for name in sys.modules if name.partition(".")[0] == "leakscope")
    assert ours == ["leakscope", "leakscope.pytest_plugin"]
    assert not {"numpy", "psutil", "click"} & set(sys.modules)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
""",
        "-p",
        "no:hypothesispytest",
        "-p",
        "no:cov",
        "-p",
        "no:xdist",
    )

    result.assert_outcomes(passed=1)


def test_the_plugin_takes_nothing_with_it_that_is_not_pytests() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import leakscope.pytest_plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["leakscope", "leakscope.pytest_plugin"]
