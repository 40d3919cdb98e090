"""Whole services at work, drawn at random: every type and container of a clean proxy."""

from __future__ import annotations

from typing import Any

import numpy as np

from leakscope.model.recording import Recording
from tests.builders import recording_of


def clean_service(seed: int, *, samples: int = 13, counted: bool = True) -> Recording:
    """Return a recording of a proxy under constant load that leaks nothing.

    In it: types whose numbers never change, types that come and go with the requests in flight,
    a load that drifts, garbage that is collected now and then, caches that get a late entry, one
    that fills, a log queue that is shipped in batches, and warm-up.
    """
    rng = np.random.default_rng([seed, samples])
    work = np.concatenate(([0.0], np.cumsum(rng.poisson(500, samples - 1)))).astype(float)
    share = np.linspace(0, 1, samples)
    busy = _drifting(rng, samples, rng.uniform(3, 40))
    types: dict[str, Any] = {}
    for i in range(150):
        types[f"steady.T{i}"] = np.full(samples, rng.integers(1, 5000))
    for i in range(40):
        held = rng.poisson(busy * rng.choice([0.2, 0.5, 1, 1, 2]))
        types[f"flight.T{i}"] = rng.integers(0, 30) + held
    for i, name in enumerate(("dict", "list", "tuple", "cell", "function", "method")):
        garbage = rng.uniform(0, 700, samples)
        types[f"builtins.{name}"] = 9000 - 1000 * i + rng.poisson(9 * busy) + garbage
    for i in range(8):
        born = np.sort(rng.uniform(0, 1, rng.integers(0, 6)))
        types[f"late.T{i}"] = rng.integers(3, 60) + np.searchsorted(born, share)
    full = rng.uniform(0.1, 0.6)
    filled = np.floor(2500 * np.minimum(1, share / full))
    types["app.Product"] = filled
    types["warm.T"] = 400 * (1 - np.exp(-share / 0.05))
    types["log.Entry"] = (0.97 * work) % 50
    lengths: dict[str, Any] = {
        "app.CACHE:dict": filled,
        "log.PENDING": [v if v >= 8 else None for v in types["log.Entry"]],
        "flight.TASKS:set": [v if v >= 8 else None for v in rng.poisson(busy)],
        "late.CACHE:dict": 20 + np.searchsorted(np.sort(rng.uniform(0, 1, 4)), share),
    }
    return recording_of(
        {name: values.tolist() for name, values in types.items()},
        lengths={name: list(values) for name, values in lengths.items()},
        work=work.tolist() if counted else None,
        rss=(6e7 + 4e6 * (1 - np.exp(-share / 0.1)) + rng.uniform(0, 3e5, samples)).tolist(),
    )


def _drifting(rng: np.random.Generator, samples: int, level: float) -> np.ndarray[Any, Any]:
    """Return how many requests are in flight: a level that wanders."""
    noise = rng.normal(0, 1, samples)
    for i in range(1, samples):
        noise[i] += 0.6 * noise[i - 1]
    return np.asarray(level * np.exp(0.15 * noise))
