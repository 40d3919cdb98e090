"""Following growth into containers that are themselves new, and out of linked lists."""

from __future__ import annotations

from collections import deque

from leakscope.analysis.dominators import DominatedHeap
from leakscope.analysis.growth_map import GrowthMap
from leakscope.analysis.heapgraph import type_name
from leakscope.analysis.kernels import Rows
from leakscope.model.explanation import EXPLAINS
from leakscope.model.typenames import is_plain

_DEEPEST = 32
"""No chain of containers that a person wrote goes deeper; a linked list does."""
_LINKS = 8
"""So many objects, each at the same place below one of its own type, are a linked list."""


def descend(grown: GrowthMap, point: int, entries: Rows) -> tuple[int, Rows]:
    """Return where below `point` its new `entries` really pile up, and the entries there.

    As long as one new object explains most of the new bytes, it is where they pile up, if in the
    end more objects hang on it than on `point`. A linked list piles up at its head, not within.
    """
    sizes, domains = grown.new_bytes, set[str]()
    at, hanging = point, entries
    for _ in range(_DEEPEST):
        if not len(hanging):
            return point, entries
        heaviest = int(hanging[sizes[hanging].argmax()])
        if sizes[heaviest] < EXPLAINS * sizes[hanging].sum():
            return (at, hanging) if len(hanging) > len(entries) else (point, entries)
        name = type_name(grown.later.graph.snapshot, heaviest)
        if not is_plain(name) and name in domains:
            return point, entries
        domains.add(name)
        below = grown.later.children.of(heaviest)
        at, hanging = heaviest, below[grown.new[below]]
    return point, entries


def head_of_links(heap: DominatedHeap, row: int) -> int:
    """Return what holds the linked list to which an object belongs, itself if to none."""
    for period in (1, 2, 3):
        above = _Upwards(heap, row)
        links = 0
        while above.repeats(period):
            above.climb(period)
            links += 1
        if links >= _LINKS:
            return above.row_at(period)
    return row


class _Upwards:
    """A window on an object and what dominates it, nearest first, as far as it is looked at."""

    def __init__(self, heap: DominatedHeap, row: int) -> None:
        self._above = heap.tree.immediate
        self._types = heap.graph.snapshot.type
        self._rows = deque([row])

    def row_at(self, level: int) -> int:
        """Return the dominator so many levels up, the last one there is if there are fewer."""
        while len(self._rows) <= level:
            above = int(self._above[self._rows[-1]])
            if above < 0:
                break
            self._rows.append(above)
        return self._rows[min(level, len(self._rows) - 1)]

    def repeats(self, period: int) -> bool:
        """Return whether `period` objects from here are of the same types as those above them."""
        self.row_at(2 * period - 1)
        rows, types = self._rows, self._types
        return len(rows) >= 2 * period and all(
            types[rows[level]] == types[rows[level + period]] for level in range(period)
        )

    def climb(self, levels: int) -> None:
        for _ in range(levels):
            self._rows.popleft()
