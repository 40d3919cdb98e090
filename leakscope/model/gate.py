"""Budgets for growth, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.model.trend import Interval


@dataclass(frozen=True, slots=True)
class Budget:
    """How fast types that match a pattern may grow."""

    pattern: str
    """Shell-style pattern for type names; the most specific match (the longest) counts."""
    rate: float
    """Objects per unit of work."""
    unit: str
    """`request`, `second`…; empty for whatever the recording measures."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A type that grew faster than its budget."""

    type: str
    budget: Budget
    slope: Interval


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate decided."""

    passed: bool
    breaches: tuple[Breach, ...]
    """Largest excess first, ties by type."""
    excluded: float
    """Upper bound of the fastest growth that was let through: the smallest leak that the run
    could have missed, objects per unit of work."""
