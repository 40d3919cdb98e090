"""When a server has come to rest after a round of load: what was in flight is done then.

And when it has come to its end, so that no load waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from leakscope.capture.process import ProcessIdentity

_WINDOW_S = 0.1
_WINDOWS = 3
"""So many windows in a row must be quiet."""
_QUIET = 0.1
"""Share of a processor up to which a window is quiet; one tick of the kernel's clock is so much."""
_RESTLESS_S = 1.0
"""How long a server is waited for that did not come to rest before."""


@dataclass(slots=True)
class Rest:
    """Waits until a server, with all processes that it started, uses next to no processor time."""

    identity: ProcessIdentity
    within: float = 5.0
    """Seconds after which it is waited for no longer."""
    pause: Callable[[float], None] = time.sleep
    """Lets so much time pass."""
    restless: bool = False
    """Whether it once did not come to rest."""

    def wait(self) -> bool:
        """Return whether it came to rest in time. Raises `TargetGone` if it has exited."""
        windows = int((_RESTLESS_S if self.restless else self.within) / _WINDOW_S)
        quiet = 0
        before = sum(self.used())
        for _ in range(max(_WINDOWS, windows)):
            self.pause(_WINDOW_S)
            used = sum(self.used())
            quiet = quiet + 1 if used - before <= _QUIET * _WINDOW_S + 1e-6 else 0
            if quiet == _WINDOWS:
                return True
            before = used
        self.restless = True
        return False

    def used(self) -> tuple[float, float]:
        """Return the processor time used so far, in seconds: by the process, by its children.

        Children that have ended are not counted.
        """
        self.identity.verify()
        try:
            server = psutil.Process(self.identity.pid)
            children = server.children(recursive=True)
        except psutil.Error:
            return 0.0, 0.0
        return _seconds(server), sum(map(_seconds, children))


@contextmanager
def ended_with(identity: ProcessIdentity, stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` as soon as the process ends, if it does so before the block is left."""
    left = threading.Event()

    def follow() -> None:
        while not left.wait(_WINDOW_S):
            if not identity.is_alive():
                stop()
                return

    thread = threading.Thread(target=follow, name="ended", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)
