"""Why objects of a heap are alive, from all its references: the ways in which they are held."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leakscope.analysis import kernels
from leakscope.analysis.dominators import dominated_by
from leakscope.analysis.heapgraph import rows_of_type, type_name
from leakscope.analysis.kernels import Amounts, Mask, Rows
from leakscope.analysis.names import path_of
from leakscope.analysis.retention import Chain, other_holders
from leakscope.capture.gathering import printable
from leakscope.model.explanation import Explanation, ObjectFacts, Referrer, TypeShare, Way
from leakscope.model.heap import ObjectFlag
from leakscope.watching.heap_chains import LONG, without_repetition
from leakscope.watching.heap_view import HeapView

LOOKED_AT = 200
"""Objects of a type whose chains are compared, spread evenly; there may be millions."""
WAYS_TOLD = 20
REFERRERS_TOLD = 12

_GLOBAL = 3
"""Objects of a chain up to which a global of a module, or an attribute of it, is told."""


def explain_type(view: HeapView, name: str, *, looked_at: int = LOOKED_AT) -> Explanation | None:
    """Return why objects of the type `name` are alive, None if there are none."""
    snapshot = view.snapshot
    rows = rows_of_type(snapshot, name)
    if not len(rows):
        return None
    live = rows[view.graph.live[rows]]
    grouped = ways_of(view, live, looked_at=looked_at)
    example = told(view, grouped[0])[-1] if grouped else int(rows[-1])
    return Explanation(
        type=printable(name),
        objects=len(rows),
        bytes=int(snapshot.size[rows].sum()),
        garbage=len(rows) - len(live),
        retained_bytes=freed_with(view, live),
        looked_at=sum(map(len, grouped)),
        ways=tuple(
            Way(len(chains), view.chains.chain(told(view, chains)))
            for chains in grouped[:WAYS_TOLD]
        ),
        example=explain_object(view, example),
    )


def explain_object(view: HeapView, row: int) -> ObjectFacts:
    """Return everything that is known of one object."""
    snapshot = view.snapshot
    chain = view.paths.to(row)
    others = other_holders(view.graph, chain) if chain else np.empty(0, np.int32)
    counted = not snapshot.flags[row] & (ObjectFlag.IMMORTAL | ObjectFlag.STATIC)
    return ObjectFacts(
        address=int(snapshot.address[row]),
        type=printable(type_name(snapshot, row)),
        bytes=int(snapshot.size[row]),
        refcount=int(snapshot.refcount[row]) if counted else None,
        retained_bytes=int(view.retained[row]),
        retained_objects=int(view.retained_objects[row]),
        is_garbage=not view.graph.live[row],
        chain=view.chains.chain(chain),
        referrers=tuple(_referrer(view, int(other), row) for other in others[:REFERRERS_TOLD]),
        more_referrers=max(0, len(others) - REFERRERS_TOLD),
        keeps=_keeps(view, row),
    )


def path_to(view: HeapView, row: int) -> str:
    """Return how an object is reached, dotted; empty when nothing leads to it."""
    return path_of(view.chain_to(row))


def freed_with(view: HeapView, rows: Rows) -> int:
    """Return the bytes that would be freed if all of `rows` went away, themselves included."""
    graph = view.graph
    gone = np.zeros(graph.snapshot.objects, np.bool_)
    gone[rows] = True
    left = kernels.reachable(graph.outgoing, graph.roots, blocked=gone)
    return int(graph.snapshot.size[graph.live & ~left].sum())


def most(weights: Amounts, count: int) -> Rows:
    """Return the indexes of the `count` largest of `weights` that are above 0, largest first."""
    order = np.argsort(-weights, kind="stable")[:count]
    found: Rows = order[weights[order] > 0].astype(np.int32)
    return found


def ways_of(view: HeapView, rows: Rows, *, looked_at: int) -> list[list[Chain]]:
    """Return the chains to `looked_at` of `rows`, those that are held alike together, most first.

    The objects that are looked at are spread evenly. Alike are chains through the same types from
    the same global, however often those of a linked list.
    """
    alike: dict[tuple[Sequence[int], ...], list[Chain]] = {}
    types = view.snapshot.type
    places = np.linspace(0, len(rows) - 1, min(len(rows), looked_at)).astype(np.int64)
    for row in rows[places].tolist():
        chain = view.paths.to(row)
        if not chain:
            continue
        folded = [at for part in without_repetition(view.snapshot, chain) for at in part]
        key = (chain[: min(_GLOBAL, len(chain) - 1)], tuple(types[folded].tolist()))
        alike.setdefault(key, []).append(chain)
        if len(chain) > LONG:
            break
    return sorted(alike.values(), key=lambda chains: -len(chains))


def told(view: HeapView, chains: Sequence[Chain]) -> Chain:
    """Return the one of `chains`, which are alike, that can best be told: the last of those."""
    named = [chain for chain in chains if view.chains.knows(chain)]
    return (named or chains)[-1]


def shares(view: HeapView, kept: Mask) -> tuple[TypeShare, ...]:
    """Return what a set of objects consists of: most bytes first, ties by name."""
    snapshot = view.snapshot
    types = snapshot.type[kept]
    counts, sizes = np.bincount(types), np.bincount(types, weights=snapshot.size[kept])
    totals: dict[str, tuple[int, int]] = {}
    for index in np.flatnonzero(counts).tolist():
        name = printable(snapshot.type_names[index])
        objects, size = totals.get(name, (0, 0))
        totals[name] = (objects + int(counts[index]), size + int(sizes[index]))
    found = [TypeShare(name, *figures) for name, figures in totals.items()]
    return tuple(sorted(found, key=lambda share: (-share.bytes, share.type)))


def _referrer(view: HeapView, row: int, held: int) -> Referrer:
    chain = view.paths.to(row)
    if not chain:
        edge, owner = view.chains.edge(row, held), row
    else:
        edge = view.chains.chain((*chain, held))[-1].edge
        owner = chain[-2] if len(chain) > 1 and view.chains.is_part(chain) else row
    return Referrer(
        edge=edge,
        type=printable(type_name(view.snapshot, owner)),
        address=int(view.snapshot.address[owner]),
        path=path_to(view, owner),
    )


def _keeps(view: HeapView, row: int) -> tuple[TypeShare, ...]:
    if not view.graph.live[row]:
        return ()
    kept = dominated_by(view.dominated.children, row)
    kept[row] = False
    return shares(view, kept)
