"""Where a heap grew between two snapshots: the few objects at which what is new piles up.

Growth is followed down the dominator tree of the later heap as far as one object accounts for it.
What piles up in one place is one accumulation whatever its types, so a leaked request and its
thirty dictionaries are one. Nothing here says that it is a leak: one pair of snapshots cannot tell
a leak from a cache that fills.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from leakscope.analysis import kernels
from leakscope.analysis.coheld import Pile, other_holders_of, piles_below
from leakscope.analysis.dominators import DominatedHeap
from leakscope.analysis.growth_map import GrowthMap, TypeGain, growth_map
from leakscope.analysis.kernels import Rows
from leakscope.analysis.links import descend, head_of_links

MIN_SHARE = 0.05
"""What gathers less than this part of all growth is no accumulation."""


@dataclass(frozen=True, slots=True)
class Accumulation:
    """One place in which objects pile up."""

    point: int | None
    """Row of the object to which what is new belongs; None if only C code or running frames
    hold it."""
    holder: int | None
    """Row of the nearest object above it, or itself, that existed before; None as for `point`."""
    bytes: int
    """Gained net of what was freed there."""
    objects: int
    types: tuple[TypeGain, ...]
    """What was gained, most bytes first, then objects, ties by name."""
    entries: Rows
    """The objects that hang on the point itself and brought the growth, ascending."""
    spread: bool
    """Whether it is not the point that grows but many old objects below it, each a little."""
    also_held_by: tuple[int, ...]
    """Rows of other objects that refer to most of the entries: to free them, let go there too."""


@dataclass(frozen=True, slots=True)
class HeapGrowth:
    """What changed between two heaps of one process."""

    accumulations: tuple[Accumulation, ...]
    """Disjoint; most bytes first, then objects, ties by address of the point."""
    made: int
    """New objects that live."""
    freed: int
    """Objects that lived before and are gone."""
    bytes: int
    """Bytes of live objects gained."""
    garbage_objects: int
    """Cyclic garbage gained."""
    garbage_bytes: int


@dataclass(frozen=True, slots=True)
class _Least:
    """What is too little to matter."""

    bytes: int
    objects: int

    def reached_by(self, bytes_: int, objects: int) -> bool:
        return bytes_ >= self.bytes or objects >= self.objects


def heap_growth(
    earlier: DominatedHeap, later: DominatedHeap, *, min_share: float = MIN_SHARE
) -> HeapGrowth:
    """Return where the heap of one process grew from one snapshot to a later one.

    An object is an accumulation if it gathers `min_share` of all bytes or of all objects gained,
    not counting what is gathered below it by another.
    """
    grown = growth_map(earlier, later)
    least = _Least(
        max(1, ceil(min_share * grown.gained_bytes)), max(1, ceil(min_share * grown.gained_objects))
    )
    piles: dict[int | None, Pile] = {}
    for pile in (*_claimed(grown, least), *_outside(grown, least)):
        piles[pile.point] = piles[pile.point] + pile if pile.point in piles else pile
    # What gathers enough may still have freed as much elsewhere below it.
    kept = [pile for pile in piles.values() if least.reached_by(*(2 * n for n in pile.net(grown)))]
    found = [_accumulation(grown, pile) for pile in kept]
    addresses = later.graph.snapshot.address
    found.sort(key=lambda a: (-a.bytes, -a.objects, 0 if a.point is None else addresses[a.point]))
    live = (later.graph.live, earlier.graph.live)
    sizes = (later.graph.snapshot.size, earlier.graph.snapshot.size)
    return HeapGrowth(
        accumulations=tuple(found),
        made=int(grown.new.sum()),
        freed=int(grown.gone.sum()),
        bytes=int(sizes[0][live[0]].sum() - sizes[1][live[1]].sum()),
        garbage_objects=int((~live[0]).sum()) - int((~live[1]).sum()),
        garbage_bytes=int(sizes[0][~live[0]].sum() - sizes[1][~live[1]].sum()),
    )


def _claimed(grown: GrowthMap, least: _Least) -> list[Pile]:
    """Return what piles up at single objects of the dominator tree."""
    later, earlier = grown.later, grown.earlier
    tree = (later.tree.immediate, later.tree.order)
    by_bytes, _ = kernels.claims(*tree, grown.bytes, least.bytes)
    claimed, _ = kernels.claims(*tree, grown.objects, least.objects, forced=by_bytes)
    points = np.flatnonzero(claimed).astype(np.int32)
    below = kernels.traverse(later.children, [points]).origins
    made = kernels.group(np.where(grown.new, below, kernels.UNREACHED), len(points))
    known = grown.same.earlier_of[points]
    index = np.flatnonzero(known >= 0).astype(np.int32)
    was_below = kernels.traverse(earlier.children, [known[index]]).origins
    freed_below = np.flatnonzero(grown.gone & (was_below >= 0))
    lost_by = np.full(len(grown.gone), kernels.UNREACHED, np.int32)
    lost_by[freed_below] = index[was_below[freed_below]]
    lost = kernels.group(lost_by, len(points))
    resized = np.where(below >= 0, grown.resized(), 0)
    stretched = np.bincount(below[below >= 0], resized[below >= 0], len(points))
    found: list[Pile] = []
    for i, point in enumerate(points):
        pile = Pile(int(point), made.of(i), lost.of(i), int(stretched[i]))
        found += _at(grown, least, pile, int(point))
    return found


def _at(grown: GrowthMap, least: _Least, pile: Pile, point: int) -> list[Pile]:
    """Return what one claimed object amounts to: itself, or several that share what it gathers."""
    gained, objects = pile.net(grown)
    below = grown.later.children.of(point)
    if 2 * grown.bytes[point] < gained and 2 * grown.objects[point] < objects:
        growing = below[(grown.new_bytes[below] > 0) | grown.new[below]]
        return [replace(pile, entries=growing, spread=True)]
    return piles_below(grown, pile, below[grown.new[below]], least.reached_by)


def _outside(grown: GrowthMap, least: _Least) -> list[Pile]:
    """Return what piles up with no single object dominating it."""
    if not least.reached_by(grown.outside_bytes, grown.outside_objects):
        return []
    tops, was_tops = grown.later.tree.tops(), grown.earlier.tree.tops()
    tops, was_tops = tops[grown.new[tops]], was_tops[grown.gone[was_tops]]
    made = kernels.reachable(grown.later.children, tops, blocked=~grown.new)
    lost = kernels.reachable(grown.earlier.children, was_tops, blocked=~grown.gone)
    pile = Pile(None, _rows(made), _rows(lost), 0)
    return piles_below(grown, pile, tops, least.reached_by)


def _accumulation(grown: GrowthMap, pile: Pile) -> Accumulation:
    bytes_, objects = pile.net(grown)
    point, entries, holder = pile.point, pile.entries, None
    also = other_holders_of(grown, pile)
    if point is not None:
        if not pile.spread and not also:
            point, entries = descend(grown, point, entries)
        holder = _old_above(grown, point)
        if point == holder:
            point = holder = head_of_links(grown.later, holder)
    return Accumulation(
        point=point,
        holder=holder,
        bytes=bytes_,
        objects=objects,
        types=grown.type_gains(pile.made, pile.lost),
        entries=np.sort(entries),
        spread=pile.spread,
        also_held_by=also,
    )


def _old_above(grown: GrowthMap, row: int) -> int | None:
    """Return the nearest of an object and its dominators that existed before."""
    while row >= 0 and not grown.same.stayed[row]:
        row = int(grown.later.tree.immediate[row])
    return row if row >= 0 else None


def _rows(mask: kernels.Mask) -> Rows:
    return np.flatnonzero(mask).astype(np.int32)
