"""Processor time: who took it while something was measured."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable
from pathlib import Path

import psutil


def spent(pid: int) -> float:
    """Return the processor seconds that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def spent_by_reaped(pid: int) -> float:
    """Return the processor seconds of the children that a process has waited for."""
    times = psutil.Process(pid).cpu_times()
    return float(times.children_user + times.children_system)


class Witness:
    """Tells afterwards how much of the processors others than the named processes took.

    Others are everybody else on the machine, and the machines beside it that its host runs.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)
        self._busy, self._all = _machine()
        self._own = self._owned()

    def seconds(self) -> tuple[float, float]:
        """Return the processor seconds that others took since the beginning, and those of all."""
        busy, everything = _machine()
        return busy - self._busy - (self._owned() - self._own), everything - self._all

    def others(self) -> float:
        """Return the share of all processors that others took since the beginning, 0 to 1."""
        taken, everything = self.seconds()
        return max(0.0, taken / max(1e-9, everything))

    def _owned(self) -> float:
        mine = resource.getrusage(resource.RUSAGE_SELF)
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = sum(usage.ru_utime + usage.ru_stime for usage in (mine, reaped))
        return own + sum(spent(pid) + spent_by_reaped(pid) for pid in self._pids)


def wait_for_calm(share: float, patience: float) -> None:
    """Wait until the processors were idle for two seconds but for `share`, at most `patience`."""
    give_up = time.monotonic() + patience
    calm = 0
    while calm < 2 and time.monotonic() < give_up:
        busy, everything = _machine()
        time.sleep(1.0)
        busy_then, everything_then = _machine()
        calm = calm + 1 if busy_then - busy <= share * (everything_then - everything) else 0


def _machine() -> tuple[float, float]:
    """Return the seconds that all processors were busy, and all their seconds."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, idle, waiting, *rest = (int(f) / os.sysconf("SC_CLK_TCK") for f in fields)
    busy = user + nice + system + sum(rest)
    return busy, busy + idle + waiting
