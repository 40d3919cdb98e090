"""What only waits for the collector is told from what lives, without running the collector."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from leakscope.analysis.heapgraph import HeapGraph, heap_graph
from leakscope.capture.heapreader import read_heap
from leakscope.model.heap import ObjectFlag
from tests.frozen import freezing
from tests.pythons import Interpreter, interpreters

pytestmark = pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)

CYCLES = """
import collections, contextvars, functools, itertools, threading, types, weakref
class Node: pass
class Slotted: __slots__ = ("me", "__weakref__")
class Finalized:
    def __del__(self): pass
class Subclassed(list): pass

def itself(kept):
    for make in (list, dict, collections.deque, collections.OrderedDict, Subclassed):
        one = make()
        one.append(one) if hasattr(one, "append") else one.update(me=one)
        kept.append(one)
    for make in (Node, Slotted, Finalized, types.SimpleNamespace):
        one = make(); one.me = one; kept.append(one)
def two(kept):
    one, other = Node(), Node()
    one.other, other.other = other, one
    left = []; right = (left, {1: left}); left.append(right)
    kept += [one, left]
def instance_dict(kept):
    one = Node(); vars(one)["me"] = one; one.__dict__["a b"] = [1]; kept.append(one)
    many = Node(); many.me = many; kept.append(many)
    for i in range(60): setattr(many, "f%d" % i, [i])
def closure(kept):
    def inner(): return inner
    def remembers(seen=[]): return seen
    remembers().append(remembers)
    kept += [inner, remembers]
def exception(kept):
    def fail(depth):
        if depth: fail(depth - 1)
        me = error
        raise me
    error = ValueError("x")
    try: fail(5)
    except ValueError: pass
    try:
        try: raise KeyError(1)
        except KeyError as first: raise TypeError(first) from first
    except TypeError as second: held = second
    kept += [error, held]
def frame(kept):
    def stay(): return sys._getframe()
    one = stay(); kept.append([one])
    mine = sys._getframe()
def classes(kept):
    class Meta(type): pass
    class Local(metaclass=Meta): kept = [1]
    kept.append(Local)
def weak(kept):
    one = Node(); one.reference = weakref.ref(one, lambda gone: None); one.me = one
    kept.append(one)
def held_by_extensions(kept):
    for make in (functools.partial(print), functools.lru_cache(None)(lambda key: inside),
                 functools.lru_cache(9)(lambda key: inside)):
        inside = [make]
        one = functools.partial(make, inside) if type(make) is functools.partial else make
        if one is make: one(1)
        inside.append(one); kept.append(one)
    inside = []; one = itertools.cycle([inside]); inside.append(one); kept.append(one)
    inside = []; one = types.MethodType(len, inside); inside.append(one); kept.append(one)
    inside = []; one = property(inside); inside.append(one); kept.append(one)
    inside = {}; one = types.MappingProxyType(inside); inside[1] = one; kept.append(one)
    one = types.ModuleType("gone"); one.me = one; kept.append(one)
    one = threading.local(); one.me = one; kept.append(one)
    context, variable = contextvars.Context(), contextvars.ContextVar("v")
    context.run(variable.set, [context, variable]); kept.append(context)
    inside = []; one = slice(inside); inside.append(one); kept.append(inside)
    inside = []; one = iter(inside); inside.append(one); kept.append(one)

ways = [itself, two, instance_dict, closure, exception, frame, classes, weak, held_by_extensions]
gc.collect(); gc.disable()
keep = []
for way in ways: way(keep)
"""

WITH_CYCLES = """
for way in ways:
    for _ in range(3): way([])
"""

FREEZES = """
way = None
if {set_aside}: gc.freeze()
freezer.freeze(); freezer.hand_over()
gc.unfreeze()
if {finalized}: gc.set_debug(gc.DEBUG_SAVEALL)
gc.collect(); gc.set_debug(0)
print(json.dumps([[id(one), type(one).__name__] for one in gc.garbage]))
freezer.wait_for_order(); print(json.dumps(freezer.reap()))
sys.stdout.flush()
import os; os._exit(0)
"""


def graph_of(python: Interpreter, program: str) -> tuple[HeapGraph, dict[int, str]]:
    """Return the graph, and what the collector then found to be garbage."""
    with freezing(python, program) as target:
        stream = target.stream()
        snapshot = read_heap(stream).snapshot
        found = dict(target.said())
        stream.close()
        target.order()
        assert target.said()[1:] == [0, False]
    return heap_graph(snapshot), found


def garbage_of(graph: HeapGraph, *, tracked: bool = False) -> dict[int, str]:
    rows = np.flatnonzero(graph.garbage)
    if tracked:
        rows = rows[graph.snapshot.flags[rows] & ObjectFlag.GC_TRACKED != 0]
    names = graph.snapshot.type_names
    return {
        int(graph.snapshot.address[row]): names[graph.snapshot.type[row]].rpartition(".")[2]
        for row in rows
    }


@pytest.mark.parametrize("set_aside", [False, True], ids=["in generations", "set aside"])
def test_garbage_is_what_the_collector_then_finds(python: Interpreter, set_aside: bool) -> None:
    program = CYCLES + WITH_CYCLES + FREEZES.format(set_aside=set_aside, finalized=True)
    graph, expected = graph_of(python, program)

    found = garbage_of(graph, tracked=True)

    assert {expected[address] for address in expected.keys() - found.keys()} == set()
    assert {found[address] for address in found.keys() - expected.keys()} <= unseen_in(python)
    assert Counter(found.values())["Node"] == 3 * 6
    assert len(expected) > 150


def unseen_in(python: Interpreter) -> set[str]:
    """Return the types of garbage that the collector is blind to, though it goes with the rest.

    Before 3.13.3 it is not told that an instance holds the dict that shows its attributes.
    """
    return {"dict"} if python.version == "3.13" else set()


def test_nothing_that_lives_is_called_garbage(python: Interpreter) -> None:
    """The same shapes, held from a list."""
    graph, _ = graph_of(python, CYCLES + FREEZES.format(set_aside=False, finalized=True))

    assert garbage_of(graph) == {}


SUSPENDED = """
import asyncio
class Held: pass
class Kept: pass
loop = asyncio.new_event_loop()
def wait(kind):
    mine = kind(); me = yield
    yield
async def follow(future, kind):
    mine = kind()
    await future
async def give(kind):
    mine = kind()
    yield mine
def make(kind, keep):
    one = wait(kind); next(one); one.send(one); keep.append(one)
    future = loop.create_future(); task = loop.create_task(follow(future, kind))
    keep += [task, future]; loop.call_soon(loop.stop); loop.run_forever()
    one = give(kind)
    try: one.__anext__().send(None)
    except StopIteration: pass
    inside = kind(); inside.source = one; inside.me = inside; keep.append(inside)
keep = []
gc.collect(); gc.disable()
for _ in range(7):
    make(Held, [])
    make(Kept, keep)
"""


def test_suspended_functions_that_nothing_will_resume_are_garbage(python: Interpreter) -> None:
    program = SUSPENDED + FREEZES.format(set_aside=False, finalized=False)
    graph, _ = graph_of(python, program)

    found = Counter(garbage_of(graph).values())

    assert found["Held"] == 7 * 4
    assert found["Kept"] == 0
    assert found["generator"] == found["Task"] == found["coroutine"] == 7
    assert found["async_generator"] == 7
