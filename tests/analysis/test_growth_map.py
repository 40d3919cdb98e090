"""What is gained and lost adds up, whatever the two heaps look like."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from leakscope.analysis.accumulation import heap_growth
from leakscope.analysis.dominators import dominated_heap
from leakscope.analysis.growth_map import growth_map
from leakscope.analysis.heapgraph import heap_graph
from tests.heaps import DrawnHeap, heap_of

NODES = 10
TYPES = ("dict", "list", "shop.Order", "web.Request")


@st.composite
def heaps(draw: st.DrawFn) -> DrawnHeap:
    node = st.integers(0, NODES - 1)
    size = st.integers(0, 100)
    edges = draw(st.lists(st.tuples(node, node), max_size=25))
    # The type of an object tells by its number, so that most addresses match.
    lines = [f"n{i}:{TYPES[i % len(TYPES)]}={draw(size)}" for i in range(draw(node) + 1)]
    drawn = {line.partition(":")[0] for line in lines}
    lines += [f"n{u} -> n{v}" for u, v in edges if {f"n{u}", f"n{v}"} <= drawn]
    held = draw(st.sets(st.sampled_from(sorted(drawn))))
    return heap_of(*lines, held=dict.fromkeys(held, 1))


@given(heaps(), heaps())
@settings(max_examples=300)
def test_gains_add_up_to_what_the_heap_gained(earlier: DrawnHeap, later: DrawnHeap) -> None:
    before = dominated_heap(heap_graph(earlier.snapshot))
    after = dominated_heap(heap_graph(later.snapshot))

    grown = growth_map(before, after)

    objects = int(after.graph.live.sum()) - int(before.graph.live.sum())
    bytes_ = int(after.graph.snapshot.size[after.graph.live].sum())
    bytes_ -= int(before.graph.snapshot.size[before.graph.live].sum())
    assert int(grown.objects.sum()) + grown.outside_objects == objects
    assert int(grown.bytes.sum()) + grown.outside_bytes == bytes_
    new, gone = np.flatnonzero(grown.new), np.flatnonzero(grown.gone)
    gains = grown.type_gains(new.astype(np.int32), gone.astype(np.int32))
    assert sum(gain.objects for gain in gains) == objects


@given(heaps(), heaps())
@settings(max_examples=300)
def test_what_is_found_in_any_two_heaps_makes_sense(earlier: DrawnHeap, later: DrawnHeap) -> None:
    before = dominated_heap(heap_graph(earlier.snapshot))
    after = dominated_heap(heap_graph(later.snapshot))

    found = heap_growth(before, after)

    points = [place.point for place in found.accumulations]
    assert len(set(points)) == len(points)
    order = [(-place.bytes, -place.objects) for place in found.accumulations]
    assert order == sorted(order)
    for place in found.accumulations:
        assert place.bytes > 0 or place.objects > 0
        assert place.point is None or after.graph.live[place.point]
        assert after.graph.live[place.entries].all()
        assert sum(gain.objects for gain in place.types) == place.objects


@given(heaps())
def test_a_heap_compared_with_itself_has_not_grown(heap: DrawnHeap) -> None:
    same = dominated_heap(heap_graph(heap.snapshot))

    found = heap_growth(same, same)

    assert (found.made, found.freed, found.bytes, found.accumulations) == (0, 0, 0, ())
