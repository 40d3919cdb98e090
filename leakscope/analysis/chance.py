"""How probable it is that what does not grow looks as if it did: exact, for many series at once.

Both chances here are of the form P(z0² > r1·z1² + … + rm·zm²), z being independent standard normal
values. Craig (1991) writes P(|z0| > s) as an integral of exp(-s² / 2 sin²θ); the expectation of
that over the other values is a product, and the integral a short sum.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LONGEST = 48
"""Samples from which on a walk is so nearly Brownian motion that more make no difference."""

_INVERSE_SINES = 1 / np.sin((np.arange(48) + 0.5) * np.pi / 96) ** 2
_UNEXPLAINED = np.geomspace(1e-7, 0.75, 28)
_T = np.geomspace(0.05, 1e4, 72)
_LEAST = 1e-300


def walk_chance(samples: int, unexplained: Floats) -> Floats:
    """Return the chance that a random walk rises as straight as that.

    `unexplained` is the share of the variation over `samples` >= 3 that a straight line leaves
    unexplained. Of all noise with a memory a random walk feigns growth best: it has no level to
    come back to, and however long it is watched, its best line explains the same share of it.
    """
    known, chances = _walks(min(samples, LONGEST))
    return np.asarray(np.exp(np.interp(np.log(np.maximum(unexplained, 1e-9)), known, chances)))


def t_chance(freedom: int, t: Floats) -> Floats:
    """Return P(T > t) of Student's distribution; for t below 0.05 that of 0.05, nearly a half."""
    known, chances = _students(freedom)
    return np.asarray(np.exp(np.interp(np.log(np.maximum(t, _T[0])), known, chances)))


def t_bound(freedom: int) -> float:
    """Return the t that 95 % of Student's distribution lie within, on either side of 0."""
    known, chances = _students(freedom)
    return float(np.exp(np.interp(np.log(0.025), chances[::-1], known[::-1])))


@lru_cache(maxsize=64)
def _walks(samples: int) -> tuple[Floats, Floats]:
    """Return shares left unexplained and the chance of each, both as logarithms, one-sided.

    With the steps of a walk as z, the squares around its line less `u` times those around its mean
    are a quadratic form, (1 - u)·B - w·w' with B positive: one of its eigenvalues is negative. B is
    the inverse of the second difference, so its axes are sines. On them both that eigenvalue and
    the determinants that the product amounts to are sums.
    """
    turns = np.arange(1, samples) * np.pi / samples
    around_mean = 1 / (4 * np.sin(turns / 2) ** 2)
    axes = np.sqrt(2 / samples) * np.sin(np.multiply.outer(turns, np.arange(1, samples)))
    place = np.arange(samples) - (samples - 1) / 2
    along = (place / np.sqrt(place @ place))[::-1].cumsum()[::-1][1:]
    squares = (axes @ along) ** 2
    kept = np.multiply.outer(1 - _UNEXPLAINED, around_mean)
    negative = _root(squares, kept)
    scale = np.multiply.outer(1 / negative, _INVERSE_SINES)
    terms = 1 + scale[:, :, None] * kept[:, None, :]
    left = 1 - (scale[:, :, None] * squares / terms).sum(axis=2)
    # The determinant holds the negative eigenvalue too; its factor is divided out.
    logs = np.log(terms).sum(axis=2) + np.log(left / (1 - _INVERSE_SINES))
    chances = np.exp(-0.5 * logs).mean(axis=1) / 2
    return np.log(_UNEXPLAINED), np.log(np.maximum(chances, _LEAST))


def _root(squares: Floats, kept: Floats) -> Floats:
    """Return the x > 0 at which the sum of squares / (x + kept) is 1, for each row of `kept`."""
    low, high = np.zeros(len(kept)), np.full(len(kept), squares.sum())
    for _ in range(100):
        middle = (low + high) / 2
        above = (squares / (middle[:, None] + kept)).sum(axis=1) > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray((low + high) / 2)


@lru_cache(maxsize=256)
def _students(freedom: int) -> tuple[Floats, Floats]:
    chances = [_exceeds(np.full(freedom, t * t / freedom)) / 2 for t in _T]
    return np.log(_T), np.log(np.maximum(chances, _LEAST))


def _exceeds(ratios: Floats) -> float:
    """Return P(z0² > sum of `ratios` · z²)."""
    logs = -0.5 * np.log1p(np.multiply.outer(ratios, _INVERSE_SINES)).sum(axis=0)
    return float(np.exp(logs).mean())
