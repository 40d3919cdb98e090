"""What only running functions hold is found, though no collector knows of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from leakscope.analysis.heapgraph import heap_graph
from leakscope.capture.heapreader import FrozenHeap, read_heap
from tests.frozen import freezing
from tests.pythons import Interpreter, interpreters

pytestmark = pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)

FREEZES = """
def freeze():
    freezer.freeze(); freezer.hand_over()
    freezer.wait_for_order(); print(json.dumps(freezer.reap())); sys.stdout.flush()
"""


@contextmanager
def frozen_in(python: Interpreter, program: str) -> Iterator[tuple[FrozenHeap, Any]]:
    """Yield the heap of a program that calls `freeze()`, and what it says before."""
    with freezing(python, FREEZES + program) as target:
        stream = target.stream()
        heap = read_heap(stream)
        stream.close()
        target.order()
        assert target.said()[1:] == [0, False]
        yield heap, target.said()


def sizes_of(heap: FrozenHeap, least: int) -> dict[str, list[int]]:
    """Return the sizes of the objects of at least that size, by type."""
    snapshot = heap.snapshot
    found: dict[str, list[int]] = {}
    for row in np.flatnonzero(snapshot.size >= least):
        name = snapshot.type_names[snapshot.type[row]]
        found[name] = [*found.get(name, []), int(snapshot.size[row])]
    return found


LOCALS = """
import threading
started, stop = threading.Event(), threading.Event()
def work():
    buffer = bytearray(3_000_000)
    text = "x" * 3_000_000
    started.set(); stop.wait()
threading.Thread(target=work, name="worker", daemon=True).start(); started.wait()
def main(argument):
    shared = bytes(4_000_000)
    def inner():
        sizes = sys.getsizeof(argument), sys.getsizeof(shared)
        freeze()
        print(json.dumps(sizes)); sys.stdout.flush()
    inner()
main(bytes(5_000_000))
import os; os._exit(0)
"""


def test_what_only_a_local_variable_holds_is_found_and_named(python: Interpreter) -> None:
    with frozen_in(python, LOCALS) as (heap, sizes):
        pass

    found = sizes_of(heap, 2_900_000)
    assert sorted(found.pop("builtins.bytes")) == sorted(sizes)
    assert {name: len(of_type) for name, of_type in found.items()} == {
        "builtins.bytearray": 1,
        "builtins.str": 1,
    }
    variables = {(local.thread, local.variable) for local in heap.roots.locals}
    assert {("worker", "buffer"), ("worker", "text")} <= variables
    assert {("MainThread", "argument"), ("MainThread", "shared")} <= variables
    graph = heap_graph(heap.snapshot)
    assert graph.live[heap.snapshot.size >= 2_900_000].all()


DYING = """
class Last:
    def __del__(self): freeze()
def returns():
    gone = bytearray(5_000_000)
    last = Last()
    return 1
def raises():
    gone = bytearray(5_000_000)
    last = Last()
    raise ValueError
def yields():
    gone = bytearray(5_000_000)
    last = Last()
    yield
def main():
    kept = bytes(4_000_000)
    try: {call}
    except ValueError: pass
    print(json.dumps(0)); sys.stdout.flush()
main()
import os; os._exit(0)
"""


@pytest.mark.parametrize("call", ["returns()", "raises()", "list(yields())", "next(yields())"])
def test_a_function_that_gives_up_its_variables_is_not_looked_into(
    python: Interpreter, call: str
) -> None:
    with frozen_in(python, DYING.format(call=call)) as (heap, _):
        pass

    found = sizes_of(heap, 3_900_000)
    assert list(found) == ["builtins.bytes"]


DEEP = """
def descend(depth):
    if depth:
        descend(depth - 1)
    else:
        freeze()
def main():
    kept = bytes(4_000_000)
    descend(900 if sys.version_info < (3, 11) else 50_000)
    print(json.dumps(0)); sys.stdout.flush()
sys.setrecursionlimit(100_000)
main()
import os; os._exit(0)
"""


def test_the_first_of_many_calls_is_looked_into(python: Interpreter) -> None:
    with frozen_in(python, DEEP) as (heap, _):
        pass

    assert list(sizes_of(heap, 3_900_000)) == ["builtins.bytes"]
