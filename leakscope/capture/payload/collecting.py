"""Running the collector, so that only what is alive is counted afterwards."""

from __future__ import annotations

from gc import collect, isenabled
from time import perf_counter


def collect_garbage() -> float | None:
    """Collect all generations; return the seconds that took. None, and nothing, if gc is off."""
    if not isenabled():
        return None
    began = perf_counter()
    collect()
    return perf_counter() - began
