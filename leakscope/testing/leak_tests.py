"""The tests of one session that are marked `leaks`."""

from __future__ import annotations

import inspect
import os
import platform
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from _pytest.unittest import TestCaseFunction

from leakscope.capture.versions import NEWEST
from leakscope.errors import UsageError
from leakscope.testing.marks import BadMark, LeakPlan, number_of, plan_of
from leakscope.testing.measurer import Measurer
from leakscope.testing.messages import Rounds
from leakscope.testing.repeating import Repeating
from leakscope.testing.verdicts import fail, fail_unmeasured

_MARK = "leaks"


@dataclass(slots=True)
class LeakTests:
    """Measures the marked tests of one pytest session."""

    config: pytest.Config
    _measurer: Measurer | None = None
    _running: dict[str, Repeating] = field(default_factory=dict)
    """The test that runs now, by its node id."""

    def problem(self, items: Sequence[pytest.Item]) -> str | None:
        """Return what is wrong with the first marker that makes no sense, None if all do."""
        item: pytest.Item | None = None
        try:
            for item in items:
                self._plan(item)
        except UsageError as problem:
            where = "" if item is None else f"{item.nodeid}: "
            return f"{where}{problem}\n{problem.remedy}"
        return None

    def begin(self) -> None:
        """Make ready to measure, if that is wanted and can be done."""
        if unsupported() is None and not self.config.getoption("no_leaks"):
            self._ready_measurer()

    @contextmanager
    def around(self, item: pytest.Item) -> Iterator[None]:
        """Run one test; a test that passes without having been measured has not passed."""
        __tracebackhide__ = True
        if self.config.getoption("no_leaks"):
            yield
            return
        reason = unsupported()
        if reason is not None:
            yield
            pytest.skip(f"it passes, but does it leak? {reason}")
        if not isinstance(item, pytest.Function) or is_async_method(item):
            fail(f"leakscope does not measure {_kind(item)}")
        repeating = Repeating(item, self._plan(item), self._ready_measurer)
        self._running = {item.nodeid: repeating}
        try:
            if isinstance(item, TestCaseFunction):
                with repeating.in_place():
                    yield
            else:
                yield
        finally:
            self._running = {}
        if not repeating.measured and not getattr(item, "_excinfo", None):
            fail_unmeasured(f"pytest does not call the body of {_kind(item)} itself")

    @contextmanager
    def repeated(self, item: pytest.Function) -> Iterator[None]:
        """Have the body of the test that runs repeated, if it is to be measured."""
        repeating = self._running.get(item.nodeid)
        if repeating is None:
            yield
            return
        with repeating.in_place():
            yield

    def close(self) -> None:
        """End what measures. Idempotent."""
        measurer, self._measurer = self._measurer, None
        if measurer is not None:
            measurer.close()

    def _ready_measurer(self) -> Measurer:
        if self._measurer is None or not self._measurer.is_usable:
            self.close()
            self._measurer = Measurer()
        return self._measurer

    def _plan(self, item: pytest.Item) -> LeakPlan:
        mark = item.get_closest_marker(_MARK)
        assert mark is not None
        return plan_of(mark.args, mark.kwargs, self._defaults())

    def _defaults(self) -> LeakPlan:
        counted, warm_up, calls = (
            self._setting(name, usual)
            for name, usual in (("leaks_rounds", 8), ("leaks_warm_up", 2), ("leaks_calls", 10))
        )
        return LeakPlan(Rounds(counted, warm_up, ("*=0",)), calls)

    def _setting(self, name: str, usual: int) -> int:
        given = str(self.config.getini(name)).strip()
        if not given:
            return usual
        if not given.isdecimal():
            raise BadMark(f"the setting {name} must be a whole number, not {given!r}")
        return number_of(name, int(given), least=0)


def is_async_method(item: pytest.Item) -> bool:
    """Return whether it is a coroutine method that unittest itself runs, in a loop of its own."""
    return isinstance(item, TestCaseFunction) and inspect.iscoroutinefunction(item.obj)


def _kind(item: pytest.Item) -> str:
    if is_async_method(item):
        return "async methods of unittest.TestCase; write a function for pytest-asyncio"
    return f"tests of the kind {type(item).__name__}"


def unsupported() -> str | None:
    """Return why this interpreter cannot be measured, None if it can."""
    if os.name != "posix":
        return f"leakscope does not measure on {platform.system()}"
    if sys.implementation.name != "cpython":
        return f"leakscope does not measure {platform.python_implementation()}"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "leakscope does not measure free-threaded builds of CPython"
    if sys.version_info[:2] > NEWEST:
        return f"leakscope does not know CPython {platform.python_version()} yet"
    return None
