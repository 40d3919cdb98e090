"""Traffic without an end at the gateway, and how much of it is served from moment to moment.

How fast a shared machine is changes all the time, and by several percent from one second to the
next. What costs less than that shows where it is put in and taken out again every second or so,
many times, and what is served is counted in between.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from tests.benchmarks.processor import Witness, spent
from tests.integration.services import FIXTURES, Service

DISTURBED = 0.05
"""Share of the processors that others may take in a second that counts: what is told of a second is
exact to a fiftieth."""


@dataclass(frozen=True, slots=True)
class Served:
    """What was served within a while."""

    seconds: float
    requests: int
    gateway_s: float
    """Processor time of the gateway."""
    others: float
    """Share of the processors that others took."""

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def price(self) -> float:
        """Processor time of the gateway per request, in microseconds."""
        return 1e6 * self.gateway_s / max(1, self.requests)


@dataclass(frozen=True, slots=True)
class Traffic:
    """A gateway that wrk drives."""

    gateway: Service
    known: tuple[int, ...]
    """Processes that are no strangers either: wrk, the upstream."""

    def counted(self) -> tuple[float, int]:
        """Return the time, and how many requests were served until then."""
        requests = sum(self.gateway.counted().values())
        return time.perf_counter(), requests

    def serve(self, seconds: float) -> Served:
        """Wait, and return what was served meanwhile."""
        witness = Witness([self.gateway.pid, *self.known])
        own = spent(self.gateway.pid)
        begin, before = self.counted()
        time.sleep(seconds)
        end, after = self.counted()
        return Served(end - begin, after - before, spent(self.gateway.pid) - own, witness.others())


def wrk_command(gateway: Service, duration: str, *flags: str) -> list[str]:
    """Return the command that has wrk drive the gateway for so long (`10s`, `24h`)."""
    load = str(FIXTURES / "gateway" / "load.lua")
    address = f"http://127.0.0.1:{gateway.port}/"
    return ["wrk", "-t1", "-c8", f"-d{duration}", *flags, "-s", load, address]


def upstream_of(gateway: Service) -> list[int]:
    """Return the processes that answer for the gateway."""
    return [child.pid for child in psutil.Process(gateway.pid).children()]


@contextmanager
def driven(gateway: Service) -> Iterator[Traffic]:
    """Have wrk drive the gateway until the block is left."""
    wrk = subprocess.Popen(wrk_command(gateway, "24h"), stdout=subprocess.DEVNULL)
    traffic = Traffic(gateway, (wrk.pid, *upstream_of(gateway)))
    try:
        traffic.serve(5)  # until connections are up and caches warm
        yield traffic
    finally:
        wrk.kill()
        wrk.wait()
