"""What the frozen copy sees is what the interpreter itself says of its heap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from leakscope.capture.heapreader import FrozenHeap, read_census, read_heap
from leakscope.model.heap import ObjectFlag
from tests.frozen import freezing
from tests.pythons import Interpreter, interpreters

pytestmark = pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)

RICH = """
import array, asyncio, collections, datetime, decimal, enum, functools, io, logging, re, threading
import typing, unittest, weakref
class Plain:
    def __init__(self, i): self.number = i; self.items = [i]
class Slotted:
    __slots__ = ("a", "b", "__weakref__")
class MyList(list): pass
class MyDict(dict): pass
class MyStr(str): pass
class MyInt(int): pass
class MyTuple(tuple): pass
def generator():
    local = [1]
    yield local
async def coroutine(): await asyncio.sleep(0)
slotted = Slotted(); slotted.a = [1]; slotted.b = {2: 3}
with_dict = Plain(7); with_dict.__dict__["later"] = 1
keep = [
    [Plain(i) for i in range(500)], with_dict, slotted, MyList([1, 2]), MyDict(a=1), MyStr("x"),
    MyInt(7), MyTuple((1,)), {str(i) * 3: i for i in range(500)}, {i: str(i) for i in range(500)},
    {1, "a", 2.5}, frozenset(range(100)), collections.deque(range(1000)),
    collections.OrderedDict((str(i), i) for i in range(50)), collections.defaultdict(list, a=[]),
    collections.Counter("hello"), array.array("d", [1.5] * 100), bytearray(b"abc" * 50), b"x" * 300,
    "plain", "h\\xe9", "\\u20ac" * 9, "\\U0001f600" * 4, 1 << 200, -5, 0, 1.5, 2j, None, Ellipsis,
    memoryview(b"abc"), generator(), functools.partial(print, 1, end=""), re.compile("a(b)*"),
    io.StringIO("x"), weakref.ref(slotted), range(10), slice(1, 2), object(), threading.Lock(),
    datetime.datetime(2020, 1, 1), decimal.Decimal("1.5"), ValueError("x"), generator, Plain,
    type("New\\nline", (), {})(), type("Lone", (), {"__module__": "m\\udc80"})(),
]
started = generator(); next(started)
c = coroutine(); keep += [started, c, sys._getframe()]
"""

FACTS = """
gc.collect(); gc.disable()
freezer.freeze({depth})
objects = gc.get_objects()
{facts}
freezer.hand_over()
print(json.dumps(facts))
freezer.wait_for_order(); c.close()
print(json.dumps(freezer.reap()))
"""

TRACKED = """
import collections
module_of = type.__dict__["__module__"].__get__
qualname_of = type.__dict__["__qualname__"].__get__
facts = dict(collections.Counter(
    module_of(type(o)) + "." + qualname_of(type(o)) for o in objects))
"""

CLOSURE = """
def closure(objects):
    fresh = object()
    objects.append(fresh)
    fresh = id(fresh)
    seen = {{}}
    mine = {{id(seen), id(objects), id(sys._getframe())}}
    while objects:
        o = objects.pop()
        if id(o) not in seen and id(o) not in mine:
            seen[id(o)] = o
            objects += gc.get_referents(o)
    del o
    rows = [(i, sys.getsizeof(seen[i]), sys.getrefcount(seen[i]),
             [id(r) for r in gc.get_referents(seen[i])]) for i in list(seen)]
    extra = [row[2] for row in rows if row[0] == fresh][0]
    return [(i, size, count - extra, held) for i, size, count, held in rows if i != fresh]
taken, objects = objects, None
facts = closure(taken)
"""

FEW = 60
"""Objects that the target makes and drops between freezing and counting."""


def frozen_with(python: Interpreter, facts: str, *, source: str = RICH) -> tuple[FrozenHeap, Any]:
    script = FACTS.format(depth="freezer.FULL", facts=facts.format())
    with freezing(python, source + script) as target:
        stream = target.stream()
        heap = read_heap(stream)
        said = target.said()
        stream.close()
        target.order()
        child, status, killed = target.said()
        assert (child > 0, status, killed) == (True, 0, False)
    return heap, said


def tracked_by_type(heap: FrozenHeap) -> dict[str, int]:
    # The collector puts immortal objects aside (3.12+), where `gc.get_objects` does not look.
    kinds = ObjectFlag.GC_TRACKED | ObjectFlag.IMMORTAL
    tracked = heap.snapshot.flags & kinds == ObjectFlag.GC_TRACKED
    counts = np.bincount(heap.snapshot.type[tracked], minlength=len(heap.types))
    found: dict[str, int] = {}
    for kind, count in zip(heap.types, counts.tolist(), strict=True):
        if count:
            found[kind.name] = found.get(kind.name, 0) + count
    return found


def test_counts_per_type_are_those_of_the_collector(python: Interpreter) -> None:
    heap, expected = frozen_with(python, TRACKED)

    found = tracked_by_type(heap)

    differing = {n for n in found.keys() | expected.keys() if found.get(n, 0) != expected.get(n, 0)}
    assert sum(abs(found.get(n, 0) - expected.get(n, 0)) for n in differing) <= FEW, {
        n: (found.get(n), expected.get(n)) for n in differing
    }
    assert found["__main__.Plain"] == 501
    assert "__main__.New\nline" in {t.name for t in heap.types}
    assert "m\udc80.Lone" in {t.name for t in heap.types}


def test_sizes_references_and_counts_are_those_of_the_interpreter(python: Interpreter) -> None:
    heap, facts = frozen_with(python, CLOSURE)
    snapshot = heap.snapshot
    row_of = {address: row for row, address in enumerate(snapshot.address.tolist())}
    total = missing = unknown = miscounted = tables = 0
    ordered: list[tuple[int, int]] = []

    for address, size, refcount, referents in facts:
        row = row_of.get(address)
        if row is None:
            unknown += 1
            continue
        total += size
        if heap.types[snapshot.type[row]].name == "collections.OrderedDict":
            ordered.append((int(snapshot.size[row]), size))
        found = snapshot.targets[snapshot.offsets[row] : snapshot.offsets[row + 1]].tolist()
        held = set(snapshot.address[found].tolist())
        if not held and len(referents) > 1000:
            tables += 1  # of interned strings, from 3.14 on: its references do not count
            continue
        missing += len(set(referents) - held)
        if snapshot.flags[row] & ObjectFlag.GC_TRACKED and snapshot.refcount[row] != refcount:
            miscounted += 1

    rows = [row_of[f[0]] for f in facts if f[0] in row_of]
    ours = int(snapshot.size[rows].sum()) - heap.summary.values_bytes
    assert unknown <= FEW
    assert missing <= FEW
    assert tables <= 1
    assert abs(ours - total) <= total * 0.01
    assert ordered
    assert all(ours == theirs for ours, theirs in ordered)
    assert miscounted <= FEW


def test_a_census_has_the_totals_of_the_full_snapshot(python: Interpreter) -> None:
    script = (
        "gc.collect(); gc.disable()\n"
        "for depth in (freezer.CENSUS, freezer.FULL):\n"
        "    freezer.freeze(depth, min_length=500)\n"
        "    freezer.hand_over(); freezer.wait_for_order(); freezer.reap()\n"
    )
    with freezing(python, RICH + script) as target:
        stream = target.stream()
        census = read_census(stream)
        target.order()
        full_stream = target.stream()
        full = read_heap(full_stream)
        full_stream.close()
        target.order()

    objects = np.bincount(full.snapshot.type, minlength=len(full.types))
    plain = {t.name: (t.objects, t.bytes) for t in census.types}["__main__.Plain"]
    kinds = {t.name: i for i, t in enumerate(full.types)}
    of_plain = full.snapshot.type == kinds["__main__.Plain"]
    assert plain == (501, int(full.snapshot.size[of_plain].sum()))
    assert abs(sum(t.objects for t in census.types) - int(objects.sum())) <= FEW
    assert abs(sum(t.bytes for t in census.types) - int(full.snapshot.size.sum())) <= 100 * FEW
    assert all(c.length >= 500 for c in census.containers)
    assert {c.type for c in census.containers} >= {"builtins.dict", "collections.deque"}
    ours = [c for c in census.containers if c.type == "collections.deque" and c.length == 1000]
    assert ours == [c for c in full.containers if c.type == "collections.deque"]
