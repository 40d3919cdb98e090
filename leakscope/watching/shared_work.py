"""Whose work a counter counts that several processes may serve.

Behind one port a page is served by whichever worker takes the connection. If each counts for
itself, the counter jumps from one count to another, and no rate per request can be had from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from leakscope.capture.process import ProcessIdentity
from leakscope.capture.work import PrometheusCounter, WorkMeter, WorkNotRead, WorkReading

_PROBES = 8
"""Readings one after the other before anything is measured."""
_STARTED = "process_start_time_seconds"
"""A page has this if it tells of one process alone."""
_SAME_START_S = 0.05
_AS_GOOD_AS_NEW_S = 0.05
"""For so long a reading stands for the next one too: workers are sampled one after the other."""


@dataclass(slots=True)
class SharedWork:
    """Reads one counter for all workers and finds out whether it is one counter.

    It is several if it ever falls, or if its page tells of processes that started at different
    times.
    """

    counter: PrometheusCounter
    clock: Callable[[], float] = time.monotonic
    mixed: bool = False
    """Whether several processes answer, each with a count of its own."""
    _meter: WorkMeter = field(init=False)
    _last: WorkReading | None = None
    _at: float = 0.0
    _tells: bool = True
    """Whether the page tells when the process that serves it started."""
    _starts: set[float] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._meter = WorkMeter(self.counter)

    def probe(self) -> str:
        """Read it a few times in a row; return the unit that it counts. Raises as `read`."""
        for _ in range(_PROBES):
            reading = self._read()
            # Twice: where workers take turns, every other page may be of the same one.
            self.look()
            self.look()
        return reading.unit

    def read(self) -> WorkReading:
        """Return the counter now, or a moment ago; raises a `WorkNotRead` if it has no value."""
        if self._last is None or self.clock() - self._at > _AS_GOOD_AS_NEW_S:
            return self._read()
        return self._last

    def look(self) -> None:
        """Look who answers, if pages tell; that one does not is no failure."""
        if self._tells:
            started = PrometheusCounter(self.counter.url, _STARTED, self.counter.authorization)
            try:
                self._starts.add(started.read()[1])
            except WorkNotRead:
                self._tells = bool(self._starts)
            self.mixed = self.mixed or len(self._starts) > 1

    def assumption(self, workers: Collection[ProcessIdentity]) -> str:
        """Return whose work the counter is taken to count, in one sentence."""
        where = self.counter.url
        if self.mixed:
            seen = (
                "several processes answer there"
                if len(self._starts) > 1
                else "it falls and rises from one reading to the next"
            )
            return (
                f"Rates per unit of work cannot be told from the counter at {where}: {seen}, so "
                "each worker counts for itself; rates are per second."
            )
        served = [
            worker.pid
            for worker in workers
            if any(abs(worker.started - start) < _SAME_START_S for start in self._starts)
        ]
        if served:
            return (
                f"The counter at {where} is one worker's own (pid {served[0]}); the others are "
                "taken to do as much work each."
            )
        return (
            f"The counter at {where} is taken to count the work of all workers together: the rate "
            "of each worker is per unit of work that any of them did."
        )

    def _read(self) -> WorkReading:
        reading = self._meter.read()
        self.mixed = self.mixed or reading.reset
        self._last, self._at = replace(reading, reset=False), self.clock()
        return self._last
