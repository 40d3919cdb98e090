"""Load without end: round after round in the background, until told to stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from leakscope.errors import LeakscopeError
from leakscope.load.interface import Load

_GRACE_S = 10.0


class LoadLoop:
    """Runs the rounds of a load one after the other; the first that fails is the last."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self.failure: LeakscopeError | None = None
        """Why it has ended, None while it goes on."""

    def failed(self) -> bool:
        """Return whether a round has failed."""
        return self.failure is not None

    def start(self) -> None:
        """Start the first round."""
        self._thread.start()

    def stop(self) -> None:
        """End the current round and the loop; bounded in time."""
        self._stopping.set()
        self._load.stop()
        self._thread.join(_GRACE_S)

    def _go_on(self) -> None:
        number = 0
        while not self._stopping.is_set():
            try:
                self._load.run_round(number)
            except LeakscopeError as problem:
                self.failure = problem
                return
            number += 1


@contextmanager
def load_running(load: Load) -> Iterator[LoadLoop]:
    """Run the rounds of `load` over and over; stop it on leaving."""
    loop = LoadLoop(load)
    loop.start()
    try:
        yield loop
    finally:
        loop.stop()
