"""Processor time as psutil tells it, on any system."""

from __future__ import annotations

import psutil


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of process `pid`. Raises a `psutil.Error`."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
