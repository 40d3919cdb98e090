"""The body of a test, called again and again and measured in between."""

from __future__ import annotations

import functools
import gc
import inspect
import os
import platform
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import pytest

from leakscope.testing.fresh import Fresh
from leakscope.testing.marks import LeakPlan
from leakscope.testing.measurer import Measurement, Measurer
from leakscope.testing.messages import MeasureMe, MeasurerGone
from leakscope.testing.verdicts import fail_unmeasured, require_clean

Body = Callable[..., object]


@dataclass(slots=True)
class Repeating:
    """Takes the place of a test's body: one call of it makes all rounds."""

    item: pytest.Function
    plan: LeakPlan
    measurer: Callable[[], Measurer]
    """Gives the process that measures."""
    measured: bool = False
    """Whether the test's body was asked for at all."""

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Have the test's body repeated where it is called once, until the context is left."""
        __tracebackhide__ = True
        body = self.item.obj
        self.item.obj = self._instead_of(body)
        try:
            yield
        finally:
            self.item.obj = body

    def _instead_of(self, body: Body) -> Body:
        """Return what is to be called instead of `body`: a coroutine function if that is one."""
        return self._async(body) if inspect.iscoroutinefunction(body) else self._sync(body)

    def _sync(self, body: Body) -> Body:
        @functools.wraps(body)
        def repeated(*args: object, **kwargs: object) -> None:
            __tracebackhide__ = True
            with self._calls() as calls:
                for _ in calls:
                    body(*args, **kwargs)

        return repeated

    def _async(self, body: Body) -> Body:
        @functools.wraps(body)
        async def repeated(*args: object, **kwargs: object) -> None:
            __tracebackhide__ = True
            with self._calls() as calls:
                for _ in calls:
                    awaited = body(*args, **kwargs)
                    assert isinstance(awaited, Awaitable)
                    await awaited

        return repeated

    @contextmanager
    def _calls(self) -> Iterator[Iterator[None]]:
        """Yield what says when the body is to be called; fail the test if it leaks.

        What the body raises is the test's own failure and goes through.
        """
        __tracebackhide__ = True
        self.measured = True
        measurer = self.measurer()
        asked = MeasureMe(os.getpid(), platform.python_version(), self.plan.rounds)
        try:
            with (
                measurer.measure(asked) as measurement,
                closing(self._paced(measurement, Fresh(self.item))) as calls,
            ):
                yield calls
        except MeasurerGone as gone:
            reason = str(gone)
        else:
            require_clean(measurement.ended)
            return
        fail_unmeasured(reason, measurer.said())

    def _paced(self, measurement: Measurement, fresh: Fresh) -> Generator[None, None, None]:
        """Yield before each call; a census is taken after each round, when its garbage is gone."""
        with ExitStack() as later:
            first = True
            while measurement.wants_round():
                for _ in range(self.plan.calls):
                    if not first:
                        fresh.begin()
                    yield
                    if first:
                        later.enter_context(fresh.apart())
                        first = False
                gc.collect()
                measurement.done(landed=self.plan.calls)
