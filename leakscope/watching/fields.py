"""What the fields of a class are called: learnt from a few of its objects, told of all.

Objects of one class with equally many references give them in the same order, as their class
lays them out. So what the third reference of one of them is called, it is called in all, if a few
of them agree. Containers are no such objects: their references are entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leakscope.analysis.heapgraph import row_of, type_name
from leakscope.model.heap import HeapSnapshot
from leakscope.model.image import FieldKey


@dataclass(frozen=True, slots=True)
class Fields:
    """The names of fields in one heap."""

    snapshot: HeapSnapshot
    names: Mapping[FieldKey, str]

    def name(self, owner: int | None, start: int, end: int) -> str | None:
        """Return what the reference between two addresses is called, None if that is not known.

        `owner` is what the object at `start` is only a part of, if it is (the object whose
        `__dict__` it is).
        """
        row, to = row_of(self.snapshot, start), row_of(self.snapshot, end)
        if row is None or to is None:
            return None
        above = None if owner is None else row_of(self.snapshot, owner)
        key = key_of(self.snapshot, above, row, to)
        return None if key is None else self.names.get(key)


def key_of(snapshot: HeapSnapshot, owner: int | None, row: int, to: int) -> FieldKey | None:
    """Return which field of its class a reference is, None if there is no such reference."""
    first, last = snapshot.offsets[row : row + 2].tolist()
    targets = snapshot.targets[first:last].tolist()
    if to not in targets:
        return None
    above = "" if owner is None else type_name(snapshot, owner)
    return (above, type_name(snapshot, row), len(targets), targets.index(to))


@dataclass(slots=True)
class FieldsLearnt:
    """Names of fields while they are learnt."""

    snapshot: HeapSnapshot
    _found: dict[FieldKey, str | None]

    @classmethod
    def of(cls, snapshot: HeapSnapshot) -> FieldsLearnt:
        """Return an empty collection."""
        return cls(snapshot, {})

    def learn(self, owner: int | None, row: int, to: int, text: str) -> None:
        """Take note of what one reference is called; where objects differ nothing is known."""
        key = key_of(self.snapshot, owner, row, to)
        if key is not None and self._found.setdefault(key, text) != text:
            self._found[key] = None

    def names(self) -> dict[FieldKey, str]:
        """Return what all that were looked at agree on, in order."""
        return dict(sorted((key, text) for key, text in self._found.items() if text is not None))
