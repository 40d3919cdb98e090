"""Who tells what references are called: a frozen copy while it waits, or what was kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from leakscope.analysis.heapgraph import row_of, type_name
from leakscope.model.evidence import HELD_BY, Site
from leakscope.model.image import HeapImage, KeptNames
from leakscope.model.typenames import bare
from leakscope.watching.fields import Fields

UNNAMED = "<reference>"
"""A reference of which nothing more is known."""

_ELEMENT = "[*]"
_ANONYMOUS = {
    "list": _ELEMENT,
    "tuple": _ELEMENT,
    "dict": _ELEMENT,
    "collections.deque": _ELEMENT,
    "collections.OrderedDict": _ELEMENT,
    "collections.defaultdict": _ELEMENT,
    "set": "<element>",
    "frozenset": "<element>",
}
"""By type: what a reference out of it is called when its key or index was not kept."""


class ReferenceNames(Protocol):
    """Names the references and roots of one heap; see `leakscope.capture.heapnames.HeapNames`."""

    def chain(self, addresses: Sequence[int]) -> tuple[str, ...]:
        """Name the reference from each object to the next."""
        ...

    def knows(self, addresses: Sequence[int]) -> bool:
        """Return whether `chain` names every reference for certain."""
        ...

    def root(self, address: int) -> str:
        """Return what an object is called as the beginning of a chain."""
        ...

    def suspended(self, addresses: Sequence[int]) -> list[tuple[Site, ...]]:
        """Return where the code of each object is suspended, the outermost call first."""
        ...

    def numbers(self, addresses: Sequence[int]) -> list[int | None]:
        """Return the number of each task in the order they were made, None if it has none."""
        ...

    def makers(self, addresses: Sequence[int]) -> list[tuple[Site, ...]]:
        """Return the calls that made each task, the outermost first; empty if nobody kept them."""
        ...


class NotingNames:
    """Passes questions on and keeps the answers."""

    def __init__(self, names: ReferenceNames) -> None:
        self._names = names
        self._edges: dict[tuple[int, int], str] = {}
        self._labels: dict[int, str] = {}
        self._suspended: dict[int, tuple[Site, ...]] = {}

    def chain(self, addresses: Sequence[int]) -> tuple[str, ...]:
        """Name the reference from each object to the next."""
        texts = self._names.chain(addresses)
        told = list(zip(pairwise(addresses), texts, strict=True))
        # The first is named without what comes before it, which may tell it better.
        for pair, text in told[:1]:
            self._edges.setdefault(pair, text)
        self._edges.update(told[1:])
        return texts

    def knows(self, addresses: Sequence[int]) -> bool:
        """Return whether every reference is named for certain."""
        return self._names.knows(addresses)

    def root(self, address: int) -> str:
        """Return what an object is called as the beginning of a chain."""
        label = self._labels[address] = self._names.root(address)
        return label

    def suspended(self, addresses: Sequence[int]) -> list[tuple[Site, ...]]:
        """Return where the code of each object is suspended, the outermost call first."""
        found = self._names.suspended(addresses)
        self._suspended.update(zip(addresses, found, strict=True))
        return found

    def numbers(self, addresses: Sequence[int]) -> list[int | None]:
        """Return the number of each task in the order they were made; it is not kept."""
        return self._names.numbers(addresses)

    def makers(self, addresses: Sequence[int]) -> list[tuple[Site, ...]]:
        """Return the calls that made each task, the outermost first; they are not kept."""
        return self._names.makers(addresses)

    def kept(self) -> KeptNames:
        """Return all answers so far, in order of address."""
        return KeptNames(
            edges=dict(sorted(self._edges.items())),
            labels=dict(sorted(self._labels.items())),
            suspended=dict(sorted(self._suspended.items())),
        )


class RecordedNames:
    """Answers from what was kept.

    A reference that was not asked for then is called as in other objects of the class if those
    agree, else told without its key or index.
    """

    def __init__(self, image: HeapImage) -> None:
        self._snapshot = image.snapshot
        self._kept = image.names
        self._fields = Fields(image.snapshot, image.names.fields)

    def chain(self, addresses: Sequence[int]) -> tuple[str, ...]:
        """Name the reference from each object to the next, as far as that is known."""
        texts: list[str] = []
        owner: int | None = None
        for start, end in pairwise(addresses):
            text = self._kept.edges.get((start, end))
            if text is None:
                text = self._fields.name(owner, start, end)
            texts.append(self._anonymous(start) if text is None else text)
            owner = start if text == "" else None
        return tuple(texts)

    def knows(self, addresses: Sequence[int]) -> bool:
        """Return whether every reference was asked for."""
        return all(pair in self._kept.edges for pair in pairwise(addresses))

    def root(self, address: int) -> str:
        """Return what an object is called as the beginning of a chain."""
        return self._kept.labels.get(address, HELD_BY)

    def suspended(self, addresses: Sequence[int]) -> list[tuple[Site, ...]]:
        """Return where the code of each object is suspended, the outermost call first."""
        return [self._kept.suspended.get(address, ()) for address in addresses]

    def numbers(self, addresses: Sequence[int]) -> list[int | None]:
        """Return that nobody knows."""
        return [None] * len(addresses)

    def makers(self, addresses: Sequence[int]) -> list[tuple[Site, ...]]:
        """Return that nobody knows."""
        return [()] * len(addresses)

    def _anonymous(self, start: int) -> str:
        row = row_of(self._snapshot, start)
        kind = "" if row is None else bare(type_name(self._snapshot, row))
        return _ANONYMOUS.get(kind, UNNAMED)
