"""How much each object gained between two snapshots of one process, and lost.

Growth belongs to objects that were there before: each is credited with the new objects that it
dominates with no other old object in between, and with its own change in size; it is charged with
the objects that it so dominated before and that are gone. What replaces as much as it drops has
grown by nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from leakscope.analysis.dominators import DominatedHeap
from leakscope.analysis.kernels import SUPER_ROOT, Amounts, Mask, Rows, subtree_sums
from leakscope.analysis.survivors import Survivors, survivors


@dataclass(frozen=True, slots=True)
class TypeGain:
    """How much one type gained."""

    type: str
    objects: int
    """Made less freed; below 0 when more were freed."""
    bytes: int


@dataclass(frozen=True, slots=True)
class GrowthMap:
    """Gains and losses between two heaps, object by object of the later one."""

    earlier: DominatedHeap
    later: DominatedHeap
    same: Survivors
    new: Mask
    """Live objects of the later heap that were not there before."""
    gone: Mask
    """Live objects of the earlier heap that are no longer there."""
    bytes: Amounts
    """Gained by each old object, net; 0 for new ones."""
    objects: Amounts
    outside_bytes: int
    """Gained by what no single old object dominates, net."""
    outside_objects: int
    new_bytes: Amounts
    """Size of the new objects that each object dominates, itself included."""

    @property
    def gained_bytes(self) -> int:
        """All that was gained anywhere, not set off against what was lost elsewhere."""
        return int(self.bytes[self.bytes > 0].sum()) + max(0, self.outside_bytes)

    @property
    def gained_objects(self) -> int:
        """As `gained_bytes`, in objects."""
        return int(self.objects[self.objects > 0].sum()) + max(0, self.outside_objects)

    def resized(self) -> Amounts:
        """Return by how much each old object changed its own size; 0 for new ones."""
        change = np.zeros(len(self.new), np.int64)
        stayed = self.same.stayed
        sizes = self.earlier.graph.snapshot.size
        change[stayed] = (
            self.later.graph.snapshot.size[stayed] - sizes[self.same.earlier_of[stayed]]
        )
        return change

    def entries_gained(self, rows: Rows) -> Amounts:
        """Return by how many references each of `rows` refers to more than before."""
        before = np.append(np.diff(self.earlier.graph.outgoing.offsets), 0)
        gained: Amounts = np.diff(self.later.graph.outgoing.offsets)[rows]
        gained -= before[self.same.earlier_of[rows]]
        return gained

    def type_gains(self, new: Rows, gone: Rows) -> tuple[TypeGain, ...]:
        """Return what `new` objects of the later heap add, by type, less `gone` ones.

        Most bytes first, then objects, ties by name; types that did not change are left out.
        """
        objects: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for heap, rows, sign in ((self.later, new, 1), (self.earlier, gone, -1)):
            snapshot = heap.graph.snapshot
            types = snapshot.type[rows]
            counts = np.bincount(types)
            totals = np.bincount(types, weights=snapshot.size[rows])
            for index in np.flatnonzero(counts):
                objects[snapshot.type_names[index]] += sign * int(counts[index])
                sizes[snapshot.type_names[index]] += sign * int(totals[index])
        gains = [TypeGain(name, objects[name], sizes[name]) for name in objects]
        changed = [gain for gain in gains if gain.objects or gain.bytes]
        return tuple(sorted(changed, key=lambda gain: (-gain.bytes, -gain.objects, gain.type)))


def growth_map(earlier: DominatedHeap, later: DominatedHeap) -> GrowthMap:
    """Return what every object gained from the earlier to the later heap of one process."""
    same = survivors(earlier.graph, later.graph)
    new = later.graph.live & ~same.stayed
    gone = earlier.graph.live & (same.later_of < 0)
    size, was = later.graph.snapshot.size, earlier.graph.snapshot.size
    weight = np.where(new, size, 0)
    new_bytes = later.tree.sums(weight)
    weight[same.stayed] = size[same.stayed] - was[same.earlier_of[same.stayed]]
    gained_bytes = _own_sums(later, same.stayed, weight)
    gained = _own_sums(later, same.stayed, new.astype(np.int64))
    lost_bytes = _own_sums(earlier, ~gone, np.where(gone, was, 0))
    lost = _own_sums(earlier, ~gone, gone.astype(np.int64))
    outside = new & (later.tree.immediate == SUPER_ROOT)
    lost_outside = gone & (earlier.tree.immediate == SUPER_ROOT)
    return GrowthMap(
        earlier=earlier,
        later=later,
        same=same,
        new=new,
        gone=gone,
        bytes=_net(same, gained_bytes, lost_bytes),
        objects=_net(same, gained, lost),
        outside_bytes=int(gained_bytes[outside].sum() - lost_bytes[lost_outside].sum()),
        outside_objects=int(gained[outside].sum() - lost[lost_outside].sum()),
        new_bytes=new_bytes,
    )


def _own_sums(heap: DominatedHeap, old: Mask, weights: Amounts) -> Amounts:
    """Return for each object the weights of what it dominates with no old object in between."""
    tree = heap.tree
    # Cut loose from its dominator, an old object passes nothing on.
    cut = np.where(old & heap.graph.live, np.int32(SUPER_ROOT), tree.immediate)
    return subtree_sums(cut, tree.order, weights)


def _net(same: Survivors, gained: Amounts, lost: Amounts) -> Amounts:
    net = np.where(same.stayed, gained, 0)
    net[same.stayed] -= lost[same.earlier_of[same.stayed]]
    return net
