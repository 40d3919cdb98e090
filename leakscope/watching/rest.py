"""When a server has come to rest after a round of load: what was in flight is done then.

And when it has come to its end, so that no load waits for it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import psutil

from leakscope.capture.process import ProcessIdentity

_WINDOW_S = 0.1
_WINDOWS = 3
"""So many windows in a row must be quiet."""
_QUIET = 0.1
"""Share of a processor up to which a window is quiet; one tick of the kernel's clock is so much."""
_RESTLESS_S = 1.0
"""How long a server is waited for that did not come to rest before."""


class Used(NamedTuple):
    """Processor time in seconds."""

    own: float
    """By the server's process."""
    children: float
    """By the processes that it started, and those that they started, as long as they run."""

    @property
    def both(self) -> float:
        """All of it."""
        return self.own + self.children


_NOTHING = Used(0.0, 0.0)


@dataclass(slots=True)
class Rest:
    """Waits until a server, with all processes that it started, uses next to no processor time."""

    identity: ProcessIdentity
    within: float = 5.0
    """Seconds after which it is waited for no longer."""
    pause: Callable[[float], None] = time.sleep
    """Lets so much time pass."""
    now: Callable[[], float] = time.monotonic
    """Tells the time in seconds."""
    restless: bool = False
    """Whether it once did not come to rest."""
    worked: Used = _NOTHING
    """For the work of all rounds: what was used from `begin` until the server was at rest, less
    what it uses in the same time at rest."""
    _begun: tuple[float, Used] | None = None

    def begin(self) -> None:
        """Say that a round of work begins. Raises `TargetGone` if the server has exited."""
        self._begun = self.now(), self.used()

    def wait(self) -> bool:
        """Return whether it came to rest in time. Raises `TargetGone` if it has exited."""
        windows = int((_RESTLESS_S if self.restless else self.within) / _WINDOW_S)
        looks = deque([(self.now(), self.used())], maxlen=_WINDOWS + 1)
        quiet = 0
        for _ in range(max(_WINDOWS, windows)):
            self.pause(_WINDOW_S)
            looks.append((self.now(), self.used()))
            used = looks[-1][1].both - looks[-2][1].both
            quiet = quiet + 1 if used <= _QUIET * _WINDOW_S + 1e-6 else 0
            if quiet == _WINDOWS:
                self._count(looks[0], looks[-1])
                return True
        self.restless = True
        self._count(looks[-1], looks[-1])
        return False

    def used(self) -> Used:
        """Return what was used so far; children that have ended are not counted."""
        self.identity.verify()
        try:
            children = psutil.Process(self.identity.pid).children(recursive=True)
        except psutil.Error:
            return _NOTHING
        return Used(
            self._seconds(self.identity.pid), sum(self._seconds(child.pid) for child in children)
        )

    def _seconds(self, pid: int) -> float:
        try:
            return self.identity.system.cpu_seconds(pid)
        except (psutil.Error, OSError):
            return 0.0

    def _count(self, rested: tuple[float, Used], end: tuple[float, Used]) -> None:
        """Add to `worked` what was used from `begin` to `rested`; it was at rest until `end`."""
        if self._begun is None:
            return
        (began, before), (until, after), (ended, at_end) = self._begun, rested, end
        share = (until - began) / (ended - until) if ended > until else 0.0
        self.worked = Used(
            *(
                total + max(0.0, b - a - share * max(0.0, c - b))
                for total, a, b, c in zip(self.worked, before, after, at_end, strict=True)
            )
        )
        self._begun = None


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
