"""What became of the entries that a container was given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cohort:
    """Entries of a container that came between two heap snapshots."""

    made: int
    alive: int
    """How many of them are in it at the last snapshot."""
