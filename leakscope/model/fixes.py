"""What became of the leaks of one run in another: the fix table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from leakscope.model.measurement import Measurement, Rate, Rises

SMALL = 0.1
"""Share of the rate before below which the upper bound of the rate after must be.

A fix that leaves a tenth buys ten times as long until memory ends, but is none. Runs as long as
those that find a leak bound what is left by a few hundredths, so a fix is not kept from being seen.
"""


class Fix(str, Enum):
    """What became of a leak."""

    FIXED = "fixed"
    """It is gone: what growth may be left is a small share of what it was."""
    REDUCED = "reduced"
    """It grows for sure, and more slowly for sure."""
    UNCHANGED = "unchanged"
    """It grows for sure, and as fast as before as far as one can tell."""
    WORSE = "worse"
    NEW = "new"
    """It was not there before."""
    UNCLEAR = "unclear"
    """One of the two measurements could not show it."""


class Match(str, Enum):
    """By what a finding was found again."""

    FINGERPRINT = "fingerprint"
    HOLDER = "type and holder"
    TYPE = "type"


class Basis(str, Enum):
    """What a rate was measured of."""

    FINDING = "finding"
    TYPE = "type"
    """All objects of the leading type, those of other findings aside."""
    CONTAINER = "container"
    """The same container of the same process."""


@dataclass(frozen=True, slots=True)
class Side:
    """A leak in one of the two measurements."""

    rate: Rate | None
    """None if it is not known."""
    basis: Basis | None
    holder: str | None = None
    """Of the finding, None if there is none."""
    fingerprint: str | None = None
    """Of the finding, None if there is none."""
    doubt: str = ""
    """Why the rate is not known, in a clause."""

    @property
    def rises(self) -> Rises | None:
        """Whether it grows, None if that is not known."""
        return None if self.rate is None else self.rate.rises


@dataclass(frozen=True, slots=True)
class Row:
    """One leak before and after."""

    type: str
    before: Side
    after: Side
    fix: Fix
    match: Match | None
    """None where only one of the two has a finding."""

    @property
    def holder(self) -> str | None:
        """Where it accumulates; as it was before if that differs."""
        return self.before.holder or self.after.holder


@dataclass(frozen=True, slots=True)
class Resident:
    """Resident memory before and after, in bytes per unit of work."""

    before: Rate | None
    after: Rate | None
    fix: Fix | None
    """None if it rose in neither, or was not read in both."""


@dataclass(frozen=True, slots=True)
class Fixes:
    """What became of the leaks of `before` in `after`."""

    before: Measurement
    after: Measurement
    unit: str
    """What all rates are per."""
    rows: tuple[Row, ...]
    """The findings of `before` in their order, then what only `after` has, in its order."""
    fix: Fix | None
    """The worst of all rows; None if nothing leaks in either."""
    rss: Resident
    notes: tuple[str, ...]
    """What the reader must know to read the figures right, a clause each."""

    @property
    def leaks(self) -> bool:
        """Whether something goes on growing for sure."""
        return any(row.after.rises is Rises.YES for row in self.rows)
