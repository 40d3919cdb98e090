"""Screen and confirmation: growth must show on the earlier samples and again on fresh ones."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.analysis.ranks import Floats, rising_p, sen_slopes

FRESH_FROM = 10
"""Samples from which on the later half is kept fresh; with fewer, all are screened and the last
third must not contradict."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Screen and confirmation of `K` series."""

    screen_p: Floats
    """One-sided p-value of a rise on the screened samples."""
    screen_slope: Floats
    fresh_p: Floats
    """The same on the confirming samples (on all, where no half can be kept fresh)."""
    fresh_slope: Floats
    fresh: int
    """How many samples confirm."""


def trial_of(x: Floats, y: Floats) -> Trial:
    """Return the trial of the rows of `y`, shape (K, n), over `x`, n >= 3."""
    n = len(x)
    halves = n >= FRESH_FROM
    fresh = n - n // 2 if halves else max(3, -(-n // 3))
    screened = n - fresh if halves else n
    return Trial(
        screen_p=rising_p(y[:, :screened]),
        screen_slope=sen_slopes(x[:screened], y[:, :screened]).estimate,
        fresh_p=rising_p(y[:, -fresh:] if halves else y),
        fresh_slope=sen_slopes(x[-fresh:], y[:, -fresh:]).estimate,
        fresh=fresh,
    )
