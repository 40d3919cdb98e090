"""A test's body that is called again must find what it found at first: nothing of its last call.

What a call prints, logs and warns is kept by pytest for the report. That grows with every call, and
the next one would see it in its `caplog`, `capsys` or `recwarn`. So all of it is dropped when a
call begins: a report shows what the last call left.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from pytest import CaptureFixture, LogCaptureFixture, WarningsRecorder


@dataclass(slots=True)
class Fresh:
    """Drops what the calls of one test's body leave with pytest."""

    item: pytest.Function
    _warned: list[warnings.WarningMessage] = field(default_factory=list)

    def begin(self) -> None:
        """Drop what the last call left."""
        manager = self.item.config.pluginmanager
        capturing = manager.getplugin("capturemanager")
        if capturing is not None and capturing.is_globally_capturing():
            capturing.read_global_capture()
        logging = manager.getplugin("logging-plugin")
        for name in ("caplog_handler", "report_handler"):
            handler = getattr(logging, name, None)
            if handler is not None:
                handler.clear()
        for value in self.item.funcargs.values():
            if isinstance(value, CaptureFixture):
                value.readouterr()
            elif isinstance(value, LogCaptureFixture | WarningsRecorder):
                value.clear()
        self._warned.clear()
        with warnings.catch_warnings():
            pass  # Where a warning is shown once, this has it shown again.

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Keep warnings out of the session's summary; they are those of the first call again.

        A test that records its warnings itself goes on doing so.
        """
        if any(isinstance(value, WarningsRecorder) for value in self.item.funcargs.values()):
            yield
            return
        with warnings.catch_warnings(record=True) as self._warned:
            yield
