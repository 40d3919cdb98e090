"""Heaps as deep or as wide as they come, from the frozen copy to the chain that a person reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from leakscope.analysis.dominators import dominated_heap, retained_bytes
from leakscope.analysis.heapgraph import heap_graph, row_of
from leakscope.capture.heapreader import read_heap
from leakscope.capture.native import OpenHeap, Pause
from leakscope.model.evidence import Suspects
from leakscope.watching.heap_evidence import explain
from leakscope.watching.heap_keeping import view_of
from tests.attaching import newest
from tests.frozen import freezing

pytestmark = pytest.mark.slow

FREEZE = """
gc.disable()
class Last: pass
{program}
freezer.freeze(limit_seconds=600); freezer.hand_over()
print(json.dumps(addresses))
freezer.wait_for_order(); print(json.dumps(freezer.reap()))
sys.stdout.flush()
import os; os._exit(0)
"""


@contextmanager
def frozen(program: str) -> Iterator[tuple[OpenHeap, list[int]]]:
    """Yield the heap of a program and the `addresses` that it tells."""
    with freezing(newest(), FREEZE.format(program=program)) as target:
        stream = target.stream()
        heap = OpenHeap(read_heap(stream), stream, Pause(0.0, 0.0))
        yield heap, target.said()
        stream.close()
        target.order()
        assert target.said()[1:] == [0, False]


def test_a_linked_list_of_five_million_nodes_is_followed_to_its_end() -> None:
    nodes = 5_000_000
    program = f"""
last = Last(); node = [last]; addresses = [id(last)]
del last
for _ in range({nodes - 1}): node = [node]
addresses.append(id(node))
"""
    with frozen(program) as (heap, (last, first)):
        snapshot = heap.heap.snapshot
        graph = heap_graph(snapshot)
        dominated = dominated_heap(graph)
        retained = retained_bytes(graph, dominated.tree)
        evidence = explain(view_of(heap), Suspects((first,), ("__main__.Last",)))

    row, end = row_of(snapshot, first), row_of(snapshot, last)
    assert row is not None
    assert end is not None
    assert graph.live[end]
    sizes = int(snapshot.size[row]) * nodes
    assert retained[row] >= sizes + int(snapshot.size[end])
    above = dominated.tree.above(end, nodes + 10)
    assert above.index(row) == nodes - 1
    assert [step.edge for step in evidence.types[0].chain][:3] == [
        "module __main__",
        ".node",
        "[0]",
    ]
    assert len(evidence.types[0].chain) < 6
    shares = {share.type: share.objects for share in evidence.holders[0].shares}
    assert shares["builtins.list"] == nodes - 1
    assert shares["__main__.Last"] == 1


def test_a_list_of_ten_million_references_is_told_as_what_holds_them() -> None:
    entries = 10_000_000
    program = f"""
many = [None] * {entries}
many[7_654_321] = Last(); addresses = [id(many)]
"""
    with frozen(program) as (heap, (many,)):
        snapshot = heap.heap.snapshot
        evidence = explain(view_of(heap), Suspects((many,), ("__main__.Last",)))

    row = row_of(snapshot, many)
    assert row is not None
    assert np.diff(snapshot.offsets)[row] == entries
    assert [step.edge for step in evidence.types[0].chain] == [
        "module __main__",
        ".many",
        "[7654321]",
    ]
    assert [step.edge for step in evidence.holders[0].chain] == ["module __main__", ".many"]
