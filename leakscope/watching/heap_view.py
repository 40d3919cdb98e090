"""One heap while it is looked into: its graph and what is computed from it, each once and late."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from leakscope.analysis.dominators import (
    DominatedHeap,
    dominated_heap,
    retained_bytes,
    retained_objects,
)
from leakscope.analysis.heapgraph import HeapGraph, heap_graph, unseen_references
from leakscope.analysis.kernels import Amounts, Mask, Rows
from leakscope.analysis.retention import RetentionPaths, retention_paths
from leakscope.analysis.unheld import in_calls, unheld_objects
from leakscope.model.evidence import Step
from leakscope.model.explanation import EXPLAINS
from leakscope.model.heap import HeapSnapshot
from leakscope.model.image import HeapImage
from leakscope.watching.heap_chains import ChainNames
from leakscope.watching.heap_entries import Entries
from leakscope.watching.heap_roots import Roots, greenlets_of, roots_of
from leakscope.watching.naming import RecordedNames, ReferenceNames


class HeapView:
    """A heap with its graph, dominators, chains and names.

    Everything raises what the graph kernels raise (`KernelsMissing`, `GraphTooLarge`,
    `MalformedGraph`), and chains what the naming of references raises.
    """

    def __init__(
        self,
        image: HeapImage,
        names: ReferenceNames | None = None,
        *,
        told: Callable[[str], None] = lambda _stage: None,
    ) -> None:
        """Look into `image`; `names` answers for its references, or else what the image kept.

        `told` is told what is about to be computed, where that may take a while.
        """
        self.image = image
        self.names = RecordedNames(image) if names is None else names
        self.told = told

    def asking(self, names: ReferenceNames) -> HeapView:
        """Return a view of the same heap, nothing computed anew, for which `names` answers."""
        other = HeapView(self.image, names)
        for name in ("graph", "dominated", "retained", "retained_objects", "roots", "paths"):
            other.__dict__[name] = getattr(self, name)
        return other

    @property
    def snapshot(self) -> HeapSnapshot:
        """The objects and references."""
        return self.image.snapshot

    @cached_property
    def graph(self) -> HeapGraph:
        """The references both ways, and what is alive."""
        self.told("what is alive")
        return heap_graph(self.snapshot)

    @cached_property
    def dominated(self) -> DominatedHeap:
        """The dominator tree."""
        graph = self.graph
        self.told("who alone keeps what alive")
        return dominated_heap(graph)

    @cached_property
    def retained(self) -> Amounts:
        """Bytes that would be freed with each object."""
        return retained_bytes(self.graph, self.dominated.tree)

    @cached_property
    def retained_objects(self) -> Amounts:
        """Objects that would be freed with each object, itself included."""
        return retained_objects(self.dominated.tree)

    @cached_property
    def keepers(self) -> Mask:
        """Which objects keep much that is not all one other object's.

        What only leads to one object that accounts for most of it, as every link of a linked list
        does, keeps nothing to speak of.
        """
        above, retained = self.dominated.tree.immediate, self.retained
        heaviest: Amounts = np.zeros(len(retained), np.int64)
        below = np.flatnonzero(above >= 0)
        np.maximum.at(heaviest, above[below], retained[below])
        found: Mask = heaviest < EXPLAINS * retained
        return found

    @cached_property
    def roots(self) -> Roots:
        """Where chains may start."""
        return roots_of(self.graph, self.image.roots)

    @cached_property
    def unheld(self) -> Mask:
        """Which objects nobody holds who can be seen."""
        return unheld_objects(self.dominated, self.unseen, self.roots.held)

    @cached_property
    def unseen(self) -> Amounts:
        """How many references to each object are counted and not found in the heap."""
        return unseen_references(self.snapshot)

    @property
    def in_calls(self) -> int:
        """How many references to one object, or objects of one type, calls may hold unseen."""
        return in_calls(len(self.image.roots.threads), len(self.greenlets))

    @cached_property
    def greenlets(self) -> Rows:
        """The greenlets that are alive, suspended or not, ascending."""
        return greenlets_of(self.graph)

    @cached_property
    def paths(self) -> RetentionPaths:
        """The shortest chain to every object, from the best root that leads to it."""
        stages = self.roots.stages
        self.told("ways from the roots")
        return retention_paths(self.graph, named=stages)

    @cached_property
    def chains(self) -> ChainNames:
        """What chains are called."""
        return ChainNames(self.snapshot, self.names, self.image.roots)

    @cached_property
    def entries(self) -> Entries:
        """What the entries of containers are."""
        return Entries(self.dominated, self.retained, self.chains)

    @cached_property
    def lengths(self) -> dict[int, int]:
        """Entries of the longest containers, by address."""
        return {found.address: found.length for found in self.image.containers}

    def chain_to(self, row: int) -> tuple[Step, ...]:
        """Return the chain to an object in words; empty when nothing leads to it."""
        return self.chains.chain(self.paths.to(row))
