"""Labelled series: what grows in real services, leaks and everything else, drawn at random.

A series is a shape plus the noise of what is measured. Shapes are drawn over `u`, the work done as
a share of the whole watch; each function that draws one states the range that each parameter is
drawn from. How far a shape rises is drawn apart from it (`amount`), and so is where it begins
(`level`). What is measured decides on both and on the noise:

holder: a level of 0 to 200 entries, and 0.1 to 5 more per request. Whole numbers; 0 to 5 requests
in flight have an entry each.

objects: a level of 100 to 30 000 and 0.1 to 5 more per request. Whole numbers; 1 to 12 requests in
flight have 1 to 3 objects each.

memory: a level of 30 to 500 MB and 20 to 300 % more. Whole pages; white noise of 1 to 3 % of the
level.

The slow leak has a level of 1 000 to 20 000 (of memory: as above) and its own amount, and its
memory has noise of 3 %. What is in flight is Poisson about a mean that wanders: AR(0.6), 15 %.
Between two samples 100 to 1 000 requests are served, give or take 15 %; series of one batch share
them. Parameters are drawn anew for each series, so a rate over many speaks of the whole row.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rng = np.random.Generator

PAGE = 4096
BATCH = 25


class Noise(str, Enum):
    """What is measured, and so how much noise there is."""

    HOLDER = "holder"
    OBJECTS = "objects"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a shape is drawn into."""

    rng: Rng
    u: Floats
    """Share of the work of the watch that was done, at each sample."""
    work: float
    """Requests served in the whole watch."""
    level: float
    amount: float

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of series."""

    name: str
    leaks: bool
    draw: Callable[[Scene], Floats]
    measured: bool = True
    """Whether the noise of measuring memory comes on top; not where the row itself is noise."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Series that were measured together."""

    work: Floats
    """The work counter at each sample, shape (n,)."""
    values: Floats
    """Shape (series, n)."""


def draw(row: Row, noise: Noise, seed: int, n: int, series: int = BATCH) -> Batch:
    """Return series of `row` with `n` samples each; the same for the same arguments."""
    rng = np.random.default_rng([seed, n, zlib.crc32(f"{row.name} {noise.value}".encode())])
    rate = rng.uniform(100, 1000)
    steps = np.round(rate * rng.uniform(0.85, 1.15, n - 1))
    work = np.concatenate(([0.0], np.cumsum(steps)))
    return Batch(work, np.array([_one(rng, row, noise, work) for _ in range(series)]))


def _one(rng: Rng, row: Row, noise: Noise, work: Floats) -> Floats:
    total = float(work[-1])
    if noise is Noise.MEMORY:
        level = rng.uniform(30e6, 500e6)
        amount = level * rng.uniform(0.2, 3)
    else:
        level = rng.uniform(0, 200) if noise is Noise.HOLDER else _log_uniform(rng, 100, 30_000)
        amount = total * _log_uniform(rng, 0.1, 5)
        if row.draw is _slow:
            level = _log_uniform(rng, 1000, 20_000)
    values = row.draw(Scene(rng, work / total, total, level, amount))
    if noise is Noise.MEMORY:
        share = 0.03 if row.draw is _slow else rng.uniform(0.01, 0.03)
        strays = rng.normal(0, share * level, len(work)) if row.measured else 0.0
        return np.asarray(np.maximum(0, np.round((values + strays) / PAGE)) * PAGE)
    return np.asarray(
        np.maximum(0, np.floor(values + rng.uniform())) + _in_flight(rng, noise, work)
    )


def _in_flight(rng: Rng, noise: Noise, work: Floats) -> Floats:
    holder = noise is Noise.HOLDER
    mean = rng.uniform(0, 5) if holder else rng.uniform(1, 12)
    each = 1 if holder else int(rng.integers(1, 4))
    wandering = mean * np.exp(0.15 * _ar(rng, len(work), 0.6))
    return np.asarray(rng.poisson(wandering) * float(each))


def _log_uniform(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _ar(rng: Rng, n: int, phi: float) -> Floats:
    """Return noise of standard deviation 1 that follows itself."""
    noise = rng.normal(0, np.sqrt(1 - phi**2), n)
    noise[0] = rng.normal()
    for i in range(1, n):
        noise[i] += phi * noise[i - 1]
    return np.asarray(noise)


def _warm_up(s: Scene) -> Floats:
    """Settle exponentially, with a time constant of 2 to 10 % of the watch."""
    return s.level + s.amount * (1 - np.exp(-s.u / s.uniform(0.02, 0.1)))


def _long_warm_up(s: Scene) -> Floats:
    """Settle exponentially, with a time constant of 10 to 20 %."""
    return s.level + s.amount * (1 - np.exp(-s.u / s.uniform(0.1, 0.2)))


def _filling(s: Scene) -> Floats:
    """Fill a bounded cache, which is full after 15 to 70 % of the watch."""
    return s.level + s.amount * np.minimum(s.u / s.uniform(0.15, 0.7), 1)


def _lru(s: Scene) -> Floats:
    """Fill a cache of 200 entries; one request in 1 to 5 brings a new one."""
    return np.asarray(s.level + np.minimum(s.work * s.u * s.uniform(0.2, 1), 200))


def _random_keys(s: Scene) -> Floats:
    """Fill a cache with keys asked for at random: 63 % are there after 10 to 30 % of the watch."""
    return s.level + s.amount * (1 - np.exp(-s.u / s.uniform(0.1, 0.3)))


def _ttl_store(s: Scene) -> Floats:
    """Keep sessions for 10 to 50 % of the watch; how many are stored varies by 1 %."""
    lifetime = s.uniform(0.1, 0.5)
    stored = np.minimum(s.u / lifetime, 1)
    return np.asarray(s.level + s.amount * (stored + s.rng.normal(0, 0.01, len(s.u))))


def _client_ramp(s: Scene) -> Floats:
    """Connect 50 to 500 clients, all within the first 15 to 55 % of the watch."""
    clients = s.uniform(50, 500) if s.level < 1e6 else s.amount
    return np.asarray(s.level + clients * np.minimum(s.u / s.uniform(0.15, 0.55), 1))


def _step(s: Scene) -> Floats:
    """Load a configuration: one step anywhere in the watch."""
    return np.asarray(s.level + s.amount * (s.u > s.uniform(0.05, 0.95)))


def _two_steps(s: Scene) -> Floats:
    """Load two, the smaller a third of the larger at least."""
    share = s.uniform(0.25, 0.75)
    first, second = np.sort(s.rng.uniform(0.05, 0.95, 2))
    return np.asarray(s.level + s.amount * (share * (s.u > first) + (1 - share) * (s.u > second)))


def _ar_noise(s: Scene) -> Floats:
    """Go up and down by 1 to 5 % of the level, closely following itself: AR(0.9)."""
    level = s.level + s.amount
    return level * (1 + s.uniform(0.01, 0.05) * _ar(s.rng, len(s.u), 0.9))


def _random_walk(s: Scene) -> Floats:
    """Go 0.5 to 2 % of the level up or down at each sample, from wherever it is."""
    level = s.level + s.amount
    return np.asarray(level * (1 + s.uniform(0.005, 0.02) * np.cumsum(s.rng.normal(size=len(s.u)))))


def _white_noise(s: Scene) -> Floats:
    """Stray from the level by 1 to 20 %."""
    level = s.level + s.amount
    return np.asarray(level * (1 + s.uniform(0.01, 0.2) * s.rng.normal(size=len(s.u))))


def _busy(s: Scene) -> Floats:
    """Hold nothing but what is in flight: up to 8 objects for each of 1 to 12 requests."""
    return np.asarray(s.level + s.rng.poisson(s.uniform(1, 12), len(s.u)) * s.uniform(1, 8))


def _few_more(s: Scene) -> Floats:
    """Add an entry now and then: 1 to 6 in the whole watch."""
    born = np.sort(s.rng.uniform(0, 1, s.rng.integers(1, 7)))
    return np.asarray(s.level + np.searchsorted(born, s.u).astype(float))


def _sawtooth(s: Scene) -> Floats:
    """Rise and fall back, every 12 to 45 % of the watch."""
    turns = s.u / s.uniform(0.12, 0.45) + s.uniform(0, 1)
    return np.asarray(s.level + s.amount * (turns % 1))


def _daily_cycle(s: Scene) -> Floats:
    """Turn 1 to 4 times in the watch, by 5 to 30 % of the level, 1 % uneven."""
    level = s.level + s.amount
    swing = s.uniform(0.05, 0.3) * np.sin(2 * np.pi * (s.uniform(1, 4) * s.u + s.uniform(0, 1)))
    return level * (1 + swing + s.rng.normal(0, 0.01, len(s.u)))


def _bursts(s: Scene) -> Floats:
    """Catch a queue with something in it, at 3 samples of 10."""
    caught = s.rng.uniform(size=len(s.u)) < 0.3
    return np.asarray(s.level + s.amount / 4 * caught * s.rng.exponential(1, len(s.u)))


def _backlog(s: Scene) -> Floats:
    """Pile up a queue for 20 to 50 % of the watch and work it off 1 to 4 times as fast."""
    begin, piling = s.uniform(0.05, 0.3), s.uniform(0.2, 0.5)
    up = np.clip((s.u - begin) / piling, 0, 1)
    down = np.clip((s.u - begin - piling) / piling * s.uniform(1, 4), 0, 1)
    return np.asarray(s.level + s.amount * (up - down))


def _logarithmic(s: Scene) -> Floats:
    """Grow ever more slowly, without an end: log(1 + u / c), c from 0.5 to 5 %."""
    c = s.uniform(0.005, 0.05)
    return np.asarray(s.level + s.amount * np.log1p(s.u / c) / np.log1p(1 / c))


def _linear(s: Scene) -> Floats:
    """Leak as much for every request."""
    return s.level + s.amount * s.u


def _fractional(s: Scene) -> Floats:
    """Leak one object in 5 requests."""
    amount = 0.2 * s.work if s.level < 1e6 else s.amount
    return s.level + amount * s.u


def _staircase(s: Scene) -> Floats:
    """Leak in 6 to 14 steps: one for every tenant, every batch."""
    steps = s.uniform(6, 14)
    return np.asarray(s.level + s.amount * np.floor(s.u * steps + s.uniform(0, 1)) / steps)


def _with_sawtooth(s: Scene) -> Floats:
    """Leak under a sawtooth of 10 to 35 % of the growth, every 5 to 15 % of the watch."""
    turns = s.u / s.uniform(0.05, 0.15) + s.uniform(0, 1)
    return np.asarray(s.level + s.amount * (s.u + s.uniform(0.1, 0.35) * (turns % 1)))


def _with_ar(s: Scene) -> Floats:
    """Leak under noise of 2 to 10 % of the growth that follows itself: AR(0.6)."""
    return s.level + s.amount * (s.u + s.uniform(0.02, 0.1) * _ar(s.rng, len(s.u), 0.6))


def _after_warm_up(s: Scene) -> Floats:
    """Leak from the first request on, while a cache fills in the first 10 to 30 % of the watch.

    The cache takes half as much to one and a half times as much as leaks meanwhile.
    """
    full = s.uniform(0.1, 0.3)
    cache = np.minimum(s.u, full) * s.uniform(0.5, 1.5)
    return np.asarray(s.level + s.amount * (s.u + cache))


def _slow(s: Scene) -> Floats:
    """Leak 5 to 15 % of the level in the whole watch."""
    return s.level * (1 + s.uniform(0.05, 0.15) * s.u)


ROWS = (
    Row("warm-up", False, _warm_up),
    Row("long warm-up", False, _long_warm_up),
    Row("cache fill", False, _filling),
    Row("LRU of 200", False, _lru),
    Row("cache of random keys", False, _random_keys),
    Row("TTL store", False, _ttl_store),
    Row("client ramp", False, _client_ramp),
    Row("step", False, _step),
    Row("two steps", False, _two_steps),
    Row("AR(0.9) noise", False, _ar_noise, measured=False),
    Row("random walk", False, _random_walk, measured=False),
    Row("white noise", False, _white_noise, measured=False),
    Row("requests in flight", False, _busy),
    Row("a few more", False, _few_more),
    Row("sawtooth", False, _sawtooth),
    Row("daily cycle", False, _daily_cycle, measured=False),
    Row("bursts", False, _bursts),
    Row("backlog", False, _backlog),
    Row("logarithmic", False, _logarithmic),
    Row("LEAK linear", True, _linear),
    Row("LEAK fractional", True, _fractional),
    Row("LEAK staircase", True, _staircase),
    Row("LEAK with sawtooth", True, _with_sawtooth),
    Row("LEAK with AR(0.6)", True, _with_ar),
    Row("LEAK after warm-up", True, _after_warm_up),
    Row("LEAK slow", True, _slow),
)
