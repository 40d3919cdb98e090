"""Real pytest sessions in a folder of their own, and what they said."""

from __future__ import annotations

import pytest

_QUIET = ("-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")

ORDERS = """
import pytest

class Order:
    pass

ORDERS = []
"""
"""How the modules of inner sessions begin."""


def session(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    """Run `source`, after `ORDERS`, as a module of tests in a session of its own."""
    pytester.makepyfile(test_orders=ORDERS + source)
    return again(pytester, *arguments)


def again(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run the session in this folder once more."""
    return pytester.runpytest_subprocess(*_QUIET, *arguments, timeout=150)


def failure(result: pytest.RunResult, test: str) -> str:
    """Return what the report says of one failed test, without its heading."""
    lines = result.outlines
    heads = [i for i, line in enumerate(lines) if line.startswith(("___", "==="))]
    for at, head in enumerate(heads):
        if lines[head].strip("_ ") == test:
            return "\n".join(lines[head + 1 : heads[at + 1]])
    raise AssertionError(f"{test} did not fail:\n{result.stdout}")
