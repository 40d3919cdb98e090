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
class Missable:
    """The smallest leak of objects of one type that a run could have missed."""

    type: str
    rate: float
    """Objects per unit of work: the upper bound of a growth that was let through."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate decided."""

    passed: bool
    breaches: tuple[Breach, ...]
    """Largest excess first, ties by type."""
    excluded: Missable | None = None
    """Of all types that have a meaning of their own, the one of which most could have been missed;
    None if none was counted."""
    excluded_plain: Missable | None = None
    """The same of the building blocks (`str`, `dict`…). Every program has many of them that come
    and go, so their bound is looser; what they leak with is mostly an object of the others."""
