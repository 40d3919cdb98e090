"""What differs between censuses of the same target, type by type."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.model.trend import Interval


@dataclass(frozen=True, slots=True)
class TypeChange:
    """How one type changed from the first census to the last."""

    type: str
    objects_first: int
    objects_last: int
    bytes_first: int
    bytes_last: int
    slope: Interval | None
    """Objects per unit of work or second; None with fewer than three censuses."""

    @property
    def objects(self) -> int:
        """Objects gained."""
        return self.objects_last - self.objects_first

    @property
    def bytes(self) -> int:
        """Bytes gained."""
        return self.bytes_last - self.bytes_first


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two or more censuses."""

    unit: str
    """What slopes are per: `request` or `second`."""
    censuses: int
    seconds: float
    work: float | None
    same_process: bool
    changes: tuple[TypeChange, ...]
    """Every type that changed, most objects gained first, then bytes, ties by name."""
    counts_differ: bool = False
    """Whether some censuses count every object and some only those that gc tracks; types that the
    latter do not have are then left out."""
