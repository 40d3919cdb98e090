"""Labelled series: what grows in real services, leaks and everything else, drawn at random.

Each row of `ROWS` draws a series as a census would see it: `x` is the work counter at each of `n`
samples (some hundred requests apart, unevenly), the result the number of objects or entries.
Parameters are drawn anew for each series, so a rate over seeds speaks of the whole row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, Floats], Floats]


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of series."""

    name: str
    leaks: bool
    draw: Draw


@dataclass(frozen=True, slots=True)
class Drawn:
    """One series: the work counter and the value at each sample."""

    work: list[float]
    values: list[float]


def draw(row: Row, seed: int, n: int) -> Drawn:
    """Return the series of `row` for `seed` with `n` samples; the same for the same arguments."""
    rng = np.random.default_rng([seed, n, sum(map(ord, row.name))])
    rate = rng.uniform(100, 1000)
    steps = rate * rng.uniform(0.85, 1.15, n - 1)
    work = np.concatenate(([0.0], np.cumsum(np.round(steps))))
    values = np.maximum(0, np.round(row.draw(rng, work)))
    return Drawn(work.tolist(), values.tolist())


def _level(rng: np.random.Generator, low: float = 500, high: float = 50_000) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _in_flight(rng: np.random.Generator, x: Floats) -> Floats:
    """Return the objects of requests that are being served: a few, and never the same."""
    return rng.poisson(rng.uniform(1, 12), len(x)).astype(float)


def _white(rng: np.random.Generator, x: Floats, size: float) -> Floats:
    return rng.normal(0, size, len(x))


def _ar(rng: np.random.Generator, x: Floats, phi: float, size: float) -> Floats:
    noise = rng.normal(0, size * np.sqrt(1 - phi**2), len(x))
    noise[0] = rng.normal(0, size)
    for i in range(1, len(x)):
        noise[i] += phi * noise[i - 1]
    return noise


def _warm_up(rng: np.random.Generator, x: Floats) -> Floats:
    level = _level(rng)
    grown = level * rng.uniform(0.1, 3) * (1 - np.exp(-x / (x[-1] * rng.uniform(0.02, 0.1))))
    return np.asarray(level + grown + _white(rng, x, 0.005 * level * rng.uniform(0, 1)))


def _fill(rng: np.random.Generator, x: Floats) -> Floats:
    full_at = x[-1] * rng.uniform(0.15, 0.6)
    capacity = full_at * rng.uniform(0.1, 2)
    return np.asarray(np.minimum(x / full_at, 1) * capacity + _in_flight(rng, x))


def _lru_in_a_type(rng: np.random.Generator, x: Floats) -> Floats:
    return _level(rng) + _fill(rng, x)


def _exact_fill(rng: np.random.Generator, x: Floats) -> Floats:
    full_at = x[-1] * rng.uniform(0.2, 0.75)
    return np.asarray(np.floor(np.minimum(x, full_at) * rng.choice([0.2, 1.0, 2.0])))


def _ttl_store(rng: np.random.Generator, x: Floats) -> Floats:
    lifetime = x[-1] * rng.uniform(0.1, 0.5)
    stored = np.minimum(x, lifetime) * rng.uniform(0.2, 1)
    return np.asarray(stored + _white(rng, x, lifetime * 0.01))


def _client_ramp(rng: np.random.Generator, x: Floats) -> Floats:
    there = x[-1] * rng.uniform(0.15, 0.55)
    return np.asarray(rng.uniform(50, 500) * np.minimum(x / there, 1) + _in_flight(rng, x))


def _step(rng: np.random.Generator, x: Floats) -> Floats:
    level = _level(rng)
    at = rng.uniform(0.2, 0.9) * x[-1]
    return np.asarray(level + (x > at) * level * rng.uniform(0.1, 1) + _in_flight(rng, x))


def _ar_noise(rng: np.random.Generator, x: Floats) -> Floats:
    level = _level(rng)
    return level + _ar(rng, x, 0.9, level * rng.uniform(0.01, 0.05))


def _random_walk(rng: np.random.Generator, x: Floats) -> Floats:
    level = _level(rng)
    return level + np.cumsum(_white(rng, x, level * rng.uniform(0.005, 0.02)))


def _white_noise(rng: np.random.Generator, x: Floats) -> Floats:
    level = _level(rng, 20)
    return level + _white(rng, x, level * rng.uniform(0.01, 0.2))


def _busy(rng: np.random.Generator, x: Floats) -> Floats:
    return np.asarray(rng.integers(0, 2000) + _in_flight(rng, x) * rng.integers(1, 8))


def _few_more(rng: np.random.Generator, x: Floats) -> Floats:
    """Return a cache with an entry now and then: a handful in thousands of requests."""
    born = np.sort(rng.uniform(0, x[-1], rng.integers(1, 7)))
    return np.asarray(rng.integers(5, 200) + np.searchsorted(born, x).astype(float))


def _sawtooth(rng: np.random.Generator, x: Floats) -> Floats:
    period = x[-1] * rng.uniform(0.12, 0.45)
    level = _level(rng)
    return np.asarray(level + level * rng.uniform(0.1, 2) * ((x / period + rng.uniform()) % 1))


def _daily_cycle(rng: np.random.Generator, x: Floats) -> Floats:
    level = _level(rng)
    turns = rng.uniform(1, 4)
    swing = np.sin(2 * np.pi * (turns * x / x[-1] + rng.uniform()))
    return np.asarray(level * (1 + rng.uniform(0.05, 0.3) * swing) + _white(rng, x, 0.01 * level))


def _bursts(rng: np.random.Generator, x: Floats) -> Floats:
    bursts = (rng.uniform(size=len(x)) < 0.3) * rng.exponential(rng.uniform(50, 2000), len(x))
    return rng.uniform(0, 100) + bursts + _in_flight(rng, x)


def _logarithmic(rng: np.random.Generator, x: Floats) -> Floats:
    level = _level(rng)
    grown = np.log1p(x / (x[-1] * rng.uniform(0.005, 0.05)))
    return np.asarray(level + level * rng.uniform(0.05, 0.5) * grown + _in_flight(rng, x))


def _steady(rng: np.random.Generator, x: Floats) -> Floats:
    """Return a leak as its holder's length shows it: some number of entries per request."""
    return np.asarray(rng.choice([0.5, 1.0, 2.0, 5.0]) * x + _in_flight(rng, x))


def _steady_type(rng: np.random.Generator, x: Floats) -> Floats:
    """Return the same leak as the count of a type shows it of which there are many."""
    return _level(rng, 100, 30_000) + _steady(rng, x) + _white(rng, x, 3)


def _fractional(rng: np.random.Generator, x: Floats) -> Floats:
    return np.floor(0.2 * x + rng.uniform()) + rng.poisson(0.5, len(x))


def _staircase(rng: np.random.Generator, x: Floats) -> Floats:
    stair = x[-1] / rng.uniform(6, 14)
    climbed = np.floor(x / stair + rng.uniform()) * stair
    return np.asarray(_level(rng) + climbed + _in_flight(rng, x))


def _leaking_sawtooth(rng: np.random.Generator, x: Floats) -> Floats:
    period = x[-1] * rng.uniform(0.05, 0.15)
    tooth = rng.uniform(0.1, 0.35) * x[-1] * ((x / period + rng.uniform()) % 1)
    return np.asarray(_level(rng, 500, 5000) + x + tooth)


def _leaking_ar(rng: np.random.Generator, x: Floats) -> Floats:
    return _level(rng, 500, 5000) + x + _ar(rng, x, 0.6, x[-1] * rng.uniform(0.02, 0.1))


def _after_long_warm_up(rng: np.random.Generator, x: Floats) -> Floats:
    cache = np.minimum(x, x[-1] * rng.uniform(0.1, 0.3)) * rng.uniform(0.5, 1.5)
    return np.asarray(1000 + x + cache + _in_flight(rng, x))


def _slow_holder(rng: np.random.Generator, x: Floats) -> Floats:
    """5 to 15 % over the window, with the little noise that a container's length has."""
    level = _level(rng, 1000, 20_000)
    grown = level * (1 + rng.uniform(0.05, 0.15) * x / x[-1])
    return np.asarray(grown + _white(rng, x, 0.003 * level))


def _slow_noisy(rng: np.random.Generator, x: Floats) -> Floats:
    level = _level(rng, 1000, 20_000)
    grown = level * (1 + rng.uniform(0.05, 0.15) * x / x[-1])
    return np.asarray(grown + _white(rng, x, 0.03 * level))


ROWS = (
    Row("warm-up", leaks=False, draw=_warm_up),
    Row("cache fill", leaks=False, draw=_fill),
    Row("cache fill among many", leaks=False, draw=_lru_in_a_type),
    Row("exact cache fill", leaks=False, draw=_exact_fill),
    Row("ttl store", leaks=False, draw=_ttl_store),
    Row("client ramp", leaks=False, draw=_client_ramp),
    Row("step", leaks=False, draw=_step),
    Row("AR(0.9) noise", leaks=False, draw=_ar_noise),
    Row("random walk", leaks=False, draw=_random_walk),
    Row("white noise", leaks=False, draw=_white_noise),
    Row("requests in flight", leaks=False, draw=_busy),
    Row("a few more", leaks=False, draw=_few_more),
    Row("sawtooth", leaks=False, draw=_sawtooth),
    Row("daily cycle", leaks=False, draw=_daily_cycle),
    Row("bursts", leaks=False, draw=_bursts),
    Row("logarithmic", leaks=False, draw=_logarithmic),
    Row("LEAK steady holder", leaks=True, draw=_steady),
    Row("LEAK steady type", leaks=True, draw=_steady_type),
    Row("LEAK fractional", leaks=True, draw=_fractional),
    Row("LEAK staircase", leaks=True, draw=_staircase),
    Row("LEAK with sawtooth", leaks=True, draw=_leaking_sawtooth),
    Row("LEAK with AR(0.6)", leaks=True, draw=_leaking_ar),
    Row("LEAK after long warm-up", leaks=True, draw=_after_long_warm_up),
    Row("LEAK slow holder", leaks=True, draw=_slow_holder),
    Row("LEAK slow and noisy", leaks=True, draw=_slow_noisy),
)
