"""Running the collector, so that only what is alive is counted afterwards."""

from __future__ import annotations

from gc import collect
from time import perf_counter


def collect_garbage() -> float:
    """Collect all generations; return the seconds that took."""
    began = perf_counter()
    collect()
    return perf_counter() - began
