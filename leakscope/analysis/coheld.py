"""Sharing out what several holders keep alive together.

What a list and an index both refer to is dominated by neither, but by whatever holds both: a
module's names, or nothing at all. Here it goes to the object that refers to most of it, and the
others are named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from leakscope.analysis import kernels
from leakscope.analysis.growth_map import GrowthMap
from leakscope.analysis.kernels import Mask, Rows

_MOST = 0.5
"""The part of its entries to which another holder must refer to be named."""
_MOST_HOLDERS = 8
"""How many holders one place is shared out to, at most."""

_NONE: Rows = np.empty(0, np.int32)


@dataclass(frozen=True, slots=True)
class Pile:
    """Objects that are new in one place, and those that are gone from it."""

    point: int | None
    made: Rows
    """Rows of the later heap."""
    lost: Rows
    """Rows of the earlier heap."""
    resized: int
    """Bytes by which old objects in that place changed."""
    entries: Rows = field(default_factory=lambda: _NONE)
    """The objects that hang on the point itself and brought the growth."""
    spread: bool = False
    """Whether it is not the point that grows but what hangs on it."""

    def __add__(self, other: Pile) -> Pile:
        """Return both parts of what piles up at one point."""
        return Pile(
            self.point,
            np.concatenate([self.made, other.made]),
            np.concatenate([self.lost, other.lost]),
            self.resized + other.resized,
            np.union1d(self.entries, other.entries),
            self.spread and other.spread,
        )

    def net(self, grown: GrowthMap) -> tuple[int, int]:
        """Return (bytes, objects) gained."""
        made = grown.later.graph.snapshot.size[self.made].sum()
        lost = grown.earlier.graph.snapshot.size[self.lost].sum()
        return int(made - lost) + self.resized, len(self.made) - len(self.lost)


@dataclass(frozen=True, slots=True)
class _Held:
    """Which of the tops each referrer from elsewhere refers to, every pair once."""

    holders: Rows
    """Ascending."""
    holder: Rows
    """Index into `holders`, pair by pair, ascending."""
    top: Rows

    def by(self, index: int) -> Rows:
        """Return the tops of one holder, ascending."""
        first, last = np.searchsorted(self.holder, [index, index + 1])
        return self.top[first:last]


def piles_below(
    grown: GrowthMap, pile: Pile, tops: Rows, matters: Callable[[int, int], bool]
) -> list[Pile]:
    """Share a pile out to those who refer to its `tops`.

    `tops` are the new objects immediately below `pile.point`. Returns one pile per holder, and
    what is left to the point itself, as far as they matter; `matters(bytes, objects)` says so.
    """
    if pile.point is not None and _refers_to_most(grown, pile.point, tops):
        return [replace(pile, entries=tops)]
    made = _mask(grown.new, pile.made)
    lost = _mask(grown.gone, pile.lost)
    own = kernels.reachable(grown.later.children, tops, blocked=~grown.new)
    shares: list[Pile] = []
    while len(shares) < _MOST_HOLDERS and len(tops):
        part = _largest_share(grown, tops, own & made, lost)
        if part is None or not matters(*part.net(grown)):
            break
        shares.append(part)
        made[part.made] = False
        lost[part.lost] = False
        tops = tops[made[tops]]
    rest = Pile(pile.point, _rows(made), _rows(lost), pile.resized, tops)
    return [*shares, rest] if matters(*rest.net(grown)) else shares


def other_holders_of(grown: GrowthMap, pile: Pile) -> tuple[int, ...]:
    """Return what else grew and refers to most entries of a pile, ascending."""
    made = _mask(grown.new, pile.made)
    held = _held(grown, pile.entries[grown.new[pile.entries]], made)
    counts = np.bincount(held.holder, minlength=len(held.holders))
    most = counts >= max(1, _MOST * len(pile.entries))
    found = held.holders[most & (grown.entries_gained(held.holders) > 0)]
    return tuple(int(row) for row in found if row != pile.point)


def _refers_to_most(grown: GrowthMap, point: int, tops: Rows) -> bool:
    direct = np.isin(tops, grown.later.graph.outgoing.of(point))
    weight = grown.new_bytes[tops]
    return not len(tops) or bool(weight[direct].sum() >= _MOST * weight.sum())


def _largest_share(grown: GrowthMap, tops: Rows, made: Mask, lost: Mask) -> Pile | None:
    """Return the pile of the object that refers to most of `tops`, None if none from elsewhere."""
    held = _held(grown, tops, made)
    gained = grown.entries_gained(held.holders)
    pairs = np.bincount(held.holder, minlength=len(held.holders))
    # A holder that drops as many entries as it takes up has nothing piling up in it.
    kept = np.clip(gained / np.maximum(pairs, 1), 0, 1)
    weight = kept * np.bincount(held.holder, grown.new_bytes[held.top], len(held.holders))
    if not len(weight) or weight.max() <= 0:
        return None
    best = int(weight.argmax())
    entries = held.by(best)
    reached = kernels.reachable(grown.later.graph.outgoing, entries, blocked=~made)
    row = int(held.holders[best])
    return Pile(row, _rows(reached), _lost_by(grown, row, lost), 0, entries)


def _held(grown: GrowthMap, tops: Rows, made: Mask) -> _Held:
    heap = grown.later.graph
    index, referrers = heap.incoming.of_all(tops)
    elsewhere = heap.live[referrers] & ~made[referrers]
    pairs = referrers[elsewhere].astype(np.int64) << 32 | tops[index[elsewhere]]
    pairs = np.unique(pairs)
    holders, holder = np.unique((pairs >> 32).astype(np.int32), return_inverse=True)
    return _Held(holders, holder.astype(np.int32), (pairs & 0xFFFFFFFF).astype(np.int32))


def _lost_by(grown: GrowthMap, row: int, lost: Mask) -> Rows:
    """Return what is gone of `lost` and was reached through an object that is still there."""
    was = int(grown.same.earlier_of[row])
    if was < 0:
        return _NONE
    outgoing = grown.earlier.graph.outgoing
    return _rows(kernels.reachable(outgoing, outgoing.of(was), blocked=~lost))


def _mask(like: Mask, rows: Rows) -> Mask:
    mask = np.zeros_like(like)
    mask[rows] = True
    return mask


def _rows(mask: Mask) -> Rows:
    return np.flatnonzero(mask).astype(np.int32)
