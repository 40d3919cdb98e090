"""Evidence from a frozen heap: who holds the suspects, and what an entry of them keeps alive.

The same words as the portable capture finds, so that reports and fingerprints read alike, from
every object and every reference instead of from what a search came across.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from leakscope.analysis.dominators import dominated_heap, retained_bytes
from leakscope.analysis.heapgraph import HeapGraph, heap_graph, rows_of_type, type_name
from leakscope.analysis.kernels import Rows
from leakscope.analysis.retention import RetentionPaths, retention_paths
from leakscope.capture.gathering import printable
from leakscope.capture.native import OpenHeap
from leakscope.model.evidence import (
    Evidence,
    HolderEvidence,
    Site,
    Step,
    Suspects,
    TypeEvidence,
)
from leakscope.watching.heap_chains import ChainNames, commonest
from leakscope.watching.heap_entries import Entries, EntriesFound
from leakscope.watching.heap_roots import KnownObjects, paths_apart, roots_of, rows_at

_LIBRARY = re.compile(r"<frozen |.*/lib(64)?/python3\.\d+/(?!(site|dist)-packages/)")


def explain(opened: OpenHeap, suspects: Suspects, known: KnownObjects | None = None) -> Evidence:
    """Find out who holds the suspects, in the order in which they are given.

    With what the same process had earlier as `known`, chains to the suspected types are those to
    objects that are new since. What is no longer there is left out.

    Raises what the naming of references raises, `KernelsMissing`, `GraphTooLarge`.
    """
    snapshot = opened.heap.snapshot
    graph = heap_graph(snapshot)
    work = _Explaining(opened, graph, suspects)
    containers = work.containers()
    return Evidence(
        holders=work.holders(containers),
        types=tuple(
            found for name in suspects.types if (found := work.type(name, known)) is not None
        ),
    )


class _Explaining:
    """One heap while it is asked about."""

    def __init__(self, opened: OpenHeap, graph: HeapGraph, suspects: Suspects) -> None:
        self._opened = opened
        self._graph = graph
        self._snapshot = graph.snapshot
        self._suspects = suspects
        self._roots = roots_of(graph, opened.heap.roots)
        self._names = ChainNames(graph.snapshot, opened.names, opened.heap.roots)
        self._paths = retention_paths(graph, named=self._roots.stages)

    def containers(self) -> Rows:
        """Return the suspected containers that are there, in the order of the suspects."""
        return rows_at(self._snapshot, self._suspects.containers)

    def holders(self, rows: Rows) -> tuple[HolderEvidence, ...]:
        """Return what there is to say on each of `rows`."""
        if not len(rows):
            return ()
        heap = dominated_heap(self._graph)
        entries = Entries(heap, retained_bytes(heap.graph, heap.tree), self._names)
        apart = paths_apart(self._graph, self._roots.modules, rows)
        lengths = {found.address: found.length for found in self._opened.heap.containers}
        return tuple(
            self._holder(
                int(row), apart, entries.of(int(row), lengths.get(int(self._snapshot.address[row])))
            )
            for row in rows
        )

    def _holder(
        self, row: int, apart: RetentionPaths, found: EntriesFound | None
    ) -> HolderEvidence:
        entry: tuple[Step, ...] = ()
        if found is not None:
            first = Step(found.edge, printable(type_name(self._snapshot, found.way[0])))
            entry = (first, *self._names.steps(found.way))
        return HolderEvidence(
            address=int(self._snapshot.address[row]),
            type=printable(type_name(self._snapshot, row)),
            chain=self._names.chain(apart.to(row) or self._paths.to(row)),
            entry=entry,
            shares=found.shares if found is not None else (),
            entries_sampled=found.sampled if found is not None else 0,
            site=self._site(found.code) if found is not None else None,
        )

    def type(self, name: str, known: KnownObjects | None) -> TypeEvidence | None:
        """Return why objects of a type are alive, None if there are none."""
        rows = rows_of_type(self._snapshot, name)
        if not len(rows):
            return None
        live = rows[self._graph.live[rows]]
        asked = live if known is None else known.new_of_type(self._snapshot, live, name)
        chain = commonest(self._snapshot, self._paths, asked if len(asked) else live)
        return TypeEvidence(name, len(rows), self._names.chain(chain))

    def _site(self, code: int | None) -> Site | None:
        if code is None:
            return None
        sites = self._opened.names.suspended([int(self._snapshot.address[code])])[0]
        return _telling(sites)


def _telling(sites: Sequence[Site]) -> Site | None:
    """Return the innermost place that is not the standard library's, or else the innermost."""
    own = [site for site in sites if not _LIBRARY.match(site.file)]
    told = (own or sites)[-1:]
    return next((Site(printable(s.file), s.line, printable(s.function)) for s in told), None)
