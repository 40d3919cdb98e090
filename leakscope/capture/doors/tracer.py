"""Tracing from a thread that ends: the kernel then lets go of whatever it still traces.

A thread that waits for a device cannot be stopped at once, and a request to stop it cannot be
taken back by its tracer. Were that to live on, the target's thread would stop when its device
answers, and stay so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_Result = TypeVar("_Result")


def as_passing_tracer(action: Callable[[], _Result]) -> _Result:
    """Return what `action` returns, or raise what it raises, run on a thread of its own.

    An interruption (Ctrl-C) is raised after `action` has ended, never in the middle of it.
    """
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(action())
        except BaseException as error:  # noqa: BLE001 - handed on to the caller
            future.set_exception(error)

    thread = threading.Thread(target=run, name="leakscope-tracer", daemon=True)
    interruptions = _interruptions(thread.start)
    while not future.done():
        interruptions += _interruptions(future.exception)
    while thread.is_alive():
        interruptions += _interruptions(thread.join)
    if interruptions:
        raise interruptions[0]
    return future.result()


def _interruptions(wait: Callable[[], object]) -> list[BaseException]:
    """Wait; return what was raised from outside meanwhile: by a signal's handler."""
    try:
        wait()
    except RuntimeError:
        raise  # no thread can be started
    except BaseException as error:  # noqa: BLE001 - raised when the action has ended
        return [error]
    return []
