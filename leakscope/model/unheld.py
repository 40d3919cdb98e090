"""What nobody holds who can be seen: references that are counted and found nowhere in the heap.

C code that forgets to give a reference back leaves such objects behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leakscope.model.trend import Interval

UNHELD_CAUSE = (
    "C code took references to them and did not give them back, or keeps them in memory of its own"
)
"""What makes objects pile up that nobody holds."""
STRAY_CAUSE = "C code has them, or objects that only C code holds and gc does not track"
"""Where references are that are found nowhere."""


@dataclass(frozen=True, slots=True)
class UnheldType:
    """How much of one type nobody seen holds, in one heap."""

    type: str
    objects: int
    """Objects that nobody seen holds."""
    references: int
    """Counted references that are found nowhere, to any object of the type."""
    retained_bytes: int
    """What would be freed with those objects."""


@dataclass(frozen=True, slots=True)
class UnheldSeries:
    """What nobody seen holds of one type, heap by heap."""

    type: str
    objects: tuple[int, ...]
    """As in `UnheldType`."""
    references: tuple[int, ...]
    """As in `UnheldType`."""
    slope: Interval | None
    """References per unit of work or second; None with fewer than three heaps."""


@dataclass(frozen=True, slots=True)
class StrayReferences:
    """One object that stays, and to which more and more references are found nowhere."""

    address: int
    type: str
    path: str
    """How it is reached, dotted; empty when no reference leads there."""
    references: tuple[int, ...]
    """Heap by heap."""
    slope: Interval | None
    """References per unit of work or second; None with fewer than three heaps."""

    @property
    def gained(self) -> int:
        """How many came from the first heap to the last."""
        return self.references[-1] - self.references[0]


def alike(strays: Sequence[StrayReferences]) -> list[list[StrayReferences]]:
    """Return the strays, those together that lack as many at all times: they have one cause."""
    groups: dict[tuple[int, ...], list[StrayReferences]] = {}
    for stray in strays:
        groups.setdefault(stray.references, []).append(stray)
    return list(groups.values())
