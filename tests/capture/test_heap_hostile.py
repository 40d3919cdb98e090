"""Whatever the target's own types do when they are followed, only a copy comes to grief."""

from __future__ import annotations

import signal

import numpy as np
import pytest

from leakscope.analysis.heapgraph import heap_graph
from leakscope.capture.heapreader import FrozenHeap, read_heap
from leakscope.capture.heapstream import HeapUnreadable
from leakscope.model.heap import ObjectFlag
from tests.frozen import FrozenTarget, freezing, with_broken_getter, with_broken_type
from tests.pythons import Interpreter, interpreters

some_pythons = pytest.mark.parametrize(
    "python", (interpreters()[0], interpreters()[-1]), ids=lambda i: i.version
)
every_python = pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)

FREEZE = """
freezer.freeze(limit_seconds={limit}); freezer.hand_over()
freezer.wait_for_order(); print(json.dumps(freezer.reap()))
print(json.dumps("still there")); sys.stdout.flush()
import os; os._exit(0)
"""
ON_A_SHORT_STACK = """
import threading
def freeze():
    freezer.freeze(); freezer.hand_over()
    freezer.wait_for_order(); print(json.dumps(freezer.reap()))
threading.stack_size(1 << 18)
thread = threading.Thread(target=freeze); thread.start(); thread.join()
print(json.dumps("still there")); sys.stdout.flush()
import os; os._exit(0)
"""
AT_BROKEN = " at the references of an object of type __main__.Broken"
EXITS = 1 << 8


def heap_of(target: FrozenTarget) -> FrozenHeap:
    """Return the heap of a target that then reports a copy that ended well."""
    stream = target.stream()
    heap = read_heap(stream)
    stream.close()
    target.order()
    assert target.said()[1:] == [0, False]
    assert target.said() == "still there"
    return heap


def assert_one_failure(
    python: Interpreter, source: str, *, limit: int, reason: str, status: int
) -> None:
    """Assert that a heap cannot be read for a reason, its copy ends so, and the target goes on."""
    with freezing(python, source + FREEZE.format(limit=limit)) as target:
        stream = target.stream()
        with pytest.raises(HeapUnreadable) as failure:
            read_heap(stream)
        stream.close()
        target.order()

        assert target.said()[1:] == [status, False]
        assert target.said() == "still there"
    assert str(failure.value).endswith(reason)
    assert "\n" not in str(failure.value)


@some_pythons
@pytest.mark.parametrize(
    ("kind", "reason", "status"),
    [
        ("reads_null", "crashed" + AT_BROKEN, signal.SIGSEGV),
        ("executes_nothing", "crashed" + AT_BROKEN, signal.SIGILL),
        ("overflows_the_stack", "crashed" + AT_BROKEN, signal.SIGSEGV),
        ("never_returns", "did not finish in time" + AT_BROKEN, signal.SIGALRM),
        ("visits_unmapped_memory", "crashed" + AT_BROKEN, signal.SIGSEGV),
        ("visits_what_looks_like_an_object", "crashed" + AT_BROKEN, signal.SIGSEGV),
        ("visits_the_middle_of_an_object", "an object that is none" + AT_BROKEN, EXITS),
        ("visits_zeroes", "an object that is none" + AT_BROKEN, EXITS),
        ("visits_its_own_code", "an object that is none" + AT_BROKEN, EXITS),
        ("visits_its_stack", "an object that is none" + AT_BROKEN, EXITS),
        ("visits_more_each_time", "does not tell the same references twice", EXITS),
        ("visits_less_each_time", "does not tell the same references twice", EXITS),
        ("visits_another_each_time", "does not tell the same references twice", EXITS),
    ],
)
def test_a_type_that_cannot_be_followed_is_one_failure(
    python: Interpreter, kind: str, reason: str, status: int
) -> None:
    limit = 1 if kind == "never_returns" else 60
    assert_one_failure(python, with_broken_type(kind), limit=limit, reason=reason, status=status)


@some_pythons
@pytest.mark.parametrize(
    ("kind", "odd"),
    [
        ("visits_null", 0),
        ("visits_an_odd_address", 1),
        ("visits_the_kernel", 1),
        ("returns_early", 0),
    ],
)
def test_a_type_that_tells_too_little_or_nonsense_is_passed_over(
    python: Interpreter, kind: str, odd: int
) -> None:
    with freezing(python, with_broken_type(kind) + FREEZE.format(limit=60)) as target:
        heap = heap_of(target)

    assert heap.summary.odd_references == odd
    assert not heap_graph(heap.snapshot).garbage.any()
    assert "__main__.Broken" in {kind.name for kind in heap.types}


@some_pythons
@pytest.mark.parametrize(
    ("kind", "reason", "status"),
    [
        ("reads_null", "crashed" + AT_BROKEN, signal.SIGSEGV),
        ("executes_nothing", "crashed" + AT_BROKEN, signal.SIGILL),
        ("never_returns", "did not finish in time" + AT_BROKEN, signal.SIGALRM),
        ("gets_unmapped_memory", "crashed" + AT_BROKEN, signal.SIGSEGV),
    ],
)
def test_a_greenlet_that_cannot_be_asked_is_one_failure(
    python: Interpreter, kind: str, reason: str, status: int
) -> None:
    limit = 1 if kind == "never_returns" else 60
    assert_one_failure(python, with_broken_getter(kind), limit=limit, reason=reason, status=status)


@some_pythons
@pytest.mark.parametrize("kind", ["gets_nothing", "gets_itself", "gets_an_odd_address"])
def test_what_is_no_frame_of_a_greenlet_is_passed_over(python: Interpreter, kind: str) -> None:
    with freezing(python, with_broken_getter(kind) + FREEZE.format(limit=60)) as target:
        snapshot = heap_of(target).snapshot

    (row,) = np.flatnonzero(snapshot.flags & ObjectFlag.GREENLET)
    assert snapshot.type_names[snapshot.type[row]] == "__main__.Broken"
    assert snapshot.refcount[row] == 1


@some_pythons
def test_metaclasses_as_deep_as_one_likes_are_walked(python: Interpreter) -> None:
    program = """
made = type
for i in range(20_000): made = type.__new__(made, "Meta", (type,), {})
"""
    with freezing(python, program + ON_A_SHORT_STACK) as target:
        heap = heap_of(target)

    metas = [i for i, kind in enumerate(heap.types) if kind.name == "__main__.Meta"]
    assert np.isin(heap.snapshot.type, metas).sum() == 19_999


DEEP = """
gc.collect(); gc.disable()
def fail(depth):
    if depth: fail(depth - 1)
    raise ValueError
sys.setrecursionlimit(10_000)
chained = None
for i in range(50_000):
    error = ValueError(); error.__context__ = chained; chained = error
try: fail(900)
except ValueError as error: deep = error
generators = []
for i in range(50_000):
    generators.append((lambda held: (x for x in held))(generators[-1:]))
"""


@some_pythons
def test_nested_generators_and_tracebacks_are_walked(python: Interpreter) -> None:
    with freezing(python, DEEP + ON_A_SHORT_STACK) as target:
        heap = heap_of(target)

    graph = heap_graph(heap.snapshot)
    counts = dict(
        zip(
            heap.snapshot.type_names,
            np.bincount(heap.snapshot.type, minlength=len(heap.types)).tolist(),
            strict=False,
        )
    )
    assert counts["builtins.generator"] == 50_000
    assert counts["builtins.ValueError"] == 50_001
    assert counts["builtins.traceback"] == 902
    assert graph.live.all()
