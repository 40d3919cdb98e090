"""Which of the sampled allocations are whose: those that a holder keeps, those of a type."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from leakscope.analysis.allocation import objects_in, sampled_share
from leakscope.analysis.heapgraph import type_name
from leakscope.capture.gathering import printable, printable_site
from leakscope.model.allocation import Samples
from leakscope.model.evidence import HolderEvidence, Site, SiteGrowth
from leakscope.model.typenames import bare
from leakscope.watching.heap_roots import rows_at
from leakscope.watching.heap_view import HeapView

_TOLD = 3
"""Stacks of each holder and of each type that are told, those with most bytes."""
_HIGHEST = 200
"""Dominators of a sampled object that are looked at, the nearest."""

_REUSED = frozenset(
    {"tuple", "list", "dict", "float", "int", "method", "slice", "frame", "Context"}
)
"""Types whose memory the interpreter keeps for the next object of the type when one goes. So it may
have been asked for by code that has nothing to do with the object that has it now."""
_FEWEST_REUSED, _AGREEING = 8, 2 / 3
"""So many samples of such objects, and so large a share of them, must come from the same calls."""

_Calls = tuple[Site, ...]


def allocated_in(
    view: HeapView, samples: Samples, holders: Iterable[HolderEvidence], types: Sequence[str]
) -> tuple[SiteGrowth, ...]:
    """Return where what holders keep was allocated, and where the objects of types were.

    What a holder keeps is what it dominates. Where its entries themselves were allocated comes
    first: there is the code that puts them in. Storage of lists, dicts and buffers is no object: it
    counts like the objects that the same calls allocated.
    """
    return _Sampled(view, samples).sites(list(holders), types)


class _Sampled:
    """The samples of one heap, each with its object."""

    def __init__(self, view: HeapView, samples: Samples) -> None:
        self._view = view
        self._rows = objects_in(samples, view.snapshot.address).tolist()
        share = sampled_share(samples.size.astype(np.float64), samples.mean_bytes)
        self._blocks = (1 / share).tolist()
        self._bytes = (samples.size / share).tolist()
        calls = [stack.calls for stack in samples.stacks]
        self._calls = [calls[at] for at in samples.stack.tolist()]
        self._of_calls = self._objects_by_calls()

    def sites(self, holders: list[HolderEvidence], types: Sequence[str]) -> tuple[SiteGrowth, ...]:
        snapshot = self._view.snapshot
        addresses = [holder.address for holder in holders]
        entry_types = {holder.address: holder.entry[0].type for holder in holders if holder.entry}
        kept: dict[int, set[int]] = {int(row): set() for row in rows_at(snapshot, addresses)}
        entries: dict[int, set[int]] = {row: set() for row in kept}
        typed: dict[str, set[int]] = {name: set() for name in types}
        for at, row in enumerate(self._rows):
            if row < 0 or not self._view.graph.live[row]:
                continue
            name = type_name(snapshot, row)
            for steps, above in enumerate(self._view.dominated.tree.above(row, _HIGHEST)):
                if above in kept:
                    kept[above].add(at)
                    entry_type = entry_types.get(int(snapshot.address[above]))
                    if not steps and printable(name) == entry_type:
                        entries[above].add(at)
            if name in typed:
                typed[name].add(at)
        found = [
            growth
            for row, samples in kept.items()
            for growth in self._told(samples, entries[row], holder=int(snapshot.address[row]))
        ]
        found += [g for name in types for g in self._told(typed[name], set(), type_name=name)]
        return tuple(found)

    def _objects_by_calls(self) -> Mapping[_Calls, int]:
        counts: defaultdict[_Calls, int] = defaultdict(int)
        for row, calls in zip(self._rows, self._calls, strict=True):
            counts[calls] += row >= 0
        return counts

    def _told(
        self, samples: set[int], entries: set[int], *, holder: int = 0, type_name: str = ""
    ) -> list[SiteGrowth]:
        """Return the stacks of most of these samples' bytes, those of entries before all."""
        samples = self._telling(samples)
        first = {self._calls[at] for at in entries & samples}
        by_calls: defaultdict[_Calls, list[float]] = defaultdict(lambda: [0.0, 0.0, 0])
        for at in samples:
            tally = by_calls[self._calls[at]]
            tally[0] += self._bytes[at]
            tally[1] += self._blocks[at]
            tally[2] += 1
        if holder:
            self._add_storage(by_calls)
        ordered = sorted(
            (calls for calls in by_calls if calls),
            key=lambda calls: (calls not in first, -by_calls[calls][0], calls),
        )
        return [
            SiteGrowth(
                tuple(map(printable_site, calls)), round(size), round(blocks), holder, type_name
            )
            for calls in ordered[:_TOLD]
            for size, blocks, _ in [by_calls[calls]]
        ]

    def _telling(self, samples: set[int]) -> set[int]:
        """Return the samples that tell for sure: those of memory that is not used again and again.

        Where there are none, all of them if there are enough, and most come from the same calls.
        """
        snapshot = self._view.snapshot
        sure = {at for at in samples if bare(type_name(snapshot, self._rows[at])) not in _REUSED}
        most = max(Counter(self._calls[at] for at in samples).values(), default=0)
        agree = most >= max(_FEWEST_REUSED, _AGREEING * len(samples))
        return sure or (samples if agree else set())

    def _add_storage(self, by_calls: Mapping[_Calls, list[float]]) -> None:
        """Add the storage that the same calls allocated, as much of it as of their objects."""
        for at, row in enumerate(self._rows):
            tally = by_calls.get(self._calls[at]) if row < 0 else None
            if tally is not None:
                tally[0] += self._bytes[at] * tally[2] / self._of_calls[self._calls[at]]
