"""Evidence from a frozen heap: who holds the suspects, and what an entry of them keeps alive.

The same words as the portable capture finds, so that reports and fingerprints read alike, from
every object and every reference instead of from what a search came across.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from leakscope.analysis.heapgraph import rows_of_type, type_name
from leakscope.analysis.kernels import Rows
from leakscope.analysis.retention import RetentionPaths, shortest_cycle
from leakscope.capture.gathering import printable, printable_site
from leakscope.model.evidence import (
    GARBAGE,
    Evidence,
    HolderEvidence,
    ModuleFile,
    Site,
    Step,
    Suspects,
    TypeEvidence,
    module_of,
)
from leakscope.watching.heap_chains import commonest
from leakscope.watching.heap_roots import KnownObjects, paths_apart, rows_at
from leakscope.watching.heap_unheld import lost_among, unheld_of
from leakscope.watching.heap_view import HeapView

_LIBRARY = re.compile(r"<frozen |.*/lib(64)?/python3\.\d+/(?!(site|dist)-packages/)")


def explain(view: HeapView, suspects: Suspects, known: KnownObjects | None = None) -> Evidence:
    """Find out who holds the suspects, in the order in which they are given.

    With what the same process had earlier as `known`, chains to the suspected types are those to
    objects that are new since. What is no longer there is left out.

    Raises what the naming of references raises, `KernelsMissing`, `GraphTooLarge`.
    """
    work = _Explaining(view)
    larger = [row for name in suspects.sizes if (row := work.grown(name, known)) is not None]
    containers = rows_at(view.snapshot, suspects.containers)
    holders = work.holders(np.array([*containers, *larger], np.int32))
    types = tuple(found for name in suspects.types if (found := work.type(name, known)) is not None)
    chains = [*(holder.chain for holder in holders), *(each.chain for each in types)]
    return Evidence(holders=holders, types=types, modules=_files_of(view, chains))


def _files_of(view: HeapView, chains: Iterable[Sequence[Step]]) -> tuple[ModuleFile, ...]:
    """Return the source files of the modules that chains begin at."""
    wanted = {module_of(chain) for chain in chains}
    files = {printable(m.name): printable(m.file) for m in view.image.roots.modules if m.file}
    return tuple(ModuleFile(name, files[name]) for name in sorted(files) if name in wanted)


class _Explaining:
    """One heap while it is asked about."""

    def __init__(self, view: HeapView) -> None:
        self._view = view
        self._snapshot = view.snapshot

    def holders(self, rows: Rows) -> tuple[HolderEvidence, ...]:
        """Return what there is to say on each of `rows`."""
        if not len(rows):
            return ()
        view = self._view
        apart = paths_apart(view.graph, view.roots.modules, rows)
        return tuple(self._holder(int(row), apart) for row in rows)

    def _holder(self, row: int, apart: RetentionPaths) -> HolderEvidence:
        view, address = self._view, int(self._snapshot.address[row])
        found = view.entries.of(row, view.lengths.get(address))
        entry: tuple[Step, ...] = ()
        if found is not None:
            first = Step(found.edge, printable(type_name(self._snapshot, found.way[0])))
            entry = (first, *view.chains.steps(found.way))
        return HolderEvidence(
            address=address,
            type=printable(type_name(self._snapshot, row)),
            chain=view.chains.chain(apart.to(row) or view.paths.to(row)),
            entry=entry,
            shares=found.shares if found is not None else (),
            entries_sampled=found.sampled if found is not None else 0,
            site=site_of(view, found.code) if found is not None else None,
            beside=found.beside if found is not None else (),
        )

    def grown(self, name: str, known: KnownObjects | None) -> int | None:
        """Return which object of a type grew most since `known`; None if that cannot be told."""
        rows = rows_of_type(self._snapshot, name)
        return None if known is None else known.grown_most(self._snapshot, rows, name)

    def type(self, name: str, known: KnownObjects | None) -> TypeEvidence | None:
        """Return why objects of a type are alive, None if there are none."""
        rows = rows_of_type(self._snapshot, name)
        if not len(rows):
            return None
        live = rows[self._view.graph.live[rows]]
        recent = rows if known is None else known.new_of_type(self._snapshot, rows, name)
        dead = recent[~self._view.graph.live[recent]]
        if 2 * len(dead) > len(recent):
            return TypeEvidence(name, len(rows), self._cycle(int(dead[-1])))
        asked = live if known is None else known.new_of_type(self._snapshot, live, name)
        asked = asked if len(asked) else live
        lost = lost_among(self._view, live)
        recent_lost = np.intersect1d(asked, lost)
        unheld = 2 * len(recent_lost) > len(asked)
        chain = commonest(self._snapshot, self._view.paths, recent_lost if unheld else asked)
        return TypeEvidence(
            name,
            len(rows),
            self._view.chains.chain(chain),
            unheld_of(self._view, lost) if unheld else None,
        )

    def _cycle(self, row: int) -> tuple[Step, ...]:
        """Return the way from an object that is garbage back to itself, as far as it is short."""
        start = Step(GARBAGE, printable(type_name(self._snapshot, row)))
        return (start, *self._view.chains.steps(shortest_cycle(self._view.graph, row)))


def site_of(view: HeapView, code: int | None) -> Site | None:
    """Return where code is suspended that best tells of it, None if it is not."""
    if code is None:
        return None
    return telling(view.names.suspended([int(view.snapshot.address[code])])[0])


def telling(sites: Sequence[Site]) -> Site | None:
    """Return, of calls of which the outermost comes first, the one that tells where they belong.

    The innermost that is not the standard library's, or else the innermost; None of none.
    """
    own = [site for site in sites if not _LIBRARY.match(site.file)]
    told = (own or sites)[-1:]
    return next(map(printable_site, told), None)
