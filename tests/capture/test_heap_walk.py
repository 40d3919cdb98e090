"""What the frozen copy sees is what the interpreter itself says of its heap."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import objgraph
import pytest

from leakscope.analysis.heapgraph import heap_graph
from leakscope.analysis.kernels import SUPER_ROOT
from leakscope.analysis.retention import retention_paths
from leakscope.capture.heapreader import FrozenHeap, read_census, read_heap
from leakscope.model.heap import ObjectFlag
from tests.frozen import freezing
from tests.pythons import Interpreter, interpreters

pytestmark = pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)

RICH = """
import argparse, array, ast, asyncio, collections, concurrent.futures, configparser, contextvars
import csv, ctypes, dataclasses, datetime, decimal, email.message, enum, fractions, functools
import hashlib, html.parser, http.client, http.cookies, http.server, inspect, io, itertools, json
import logging, mmap, multiprocessing, operator, pathlib, pickle, queue, random, re, select, socket
import sqlite3, ssl, string, struct, subprocess, tempfile, threading, types, typing, unittest.mock
import urllib.request, uuid, weakref, xml.etree.ElementTree as ElementTree, zipfile, zlib
class Plain:
    def __init__(self, i): self.number = i; self.items = [i]
class Slotted:
    __slots__ = ("a", "b", "__weakref__")
class MyList(list): pass
class MyDict(dict): pass
class MyStr(str): pass
class MyInt(int): pass
class MyTuple(tuple): pass
class MyDeque(collections.deque): pass
class MyError(Exception): pass
class Color(enum.Enum): RED = 1
class Named(typing.NamedTuple):
    left: int
class Fields(ctypes.Structure): _fields_ = [("x", ctypes.c_int)]
@dataclasses.dataclass
class Data: a: int = 1
def generator():
    local = [1]
    yield local
async def coroutine(): await asyncio.sleep(0)
async def waiting(queue): await queue.get()
def enclosing(a=Plain(3), *, k=Plain(4)):
    x, y = [1], {}
    return lambda: (x, y)
slotted = Slotted(); slotted.a = [1]; slotted.b = {2: 3}
with_dict = Plain(7); with_dict.__dict__["later"] = 1
context = contextvars.copy_context()
for i in range(60): context.run(contextvars.ContextVar("v%d" % i).set, [i])
storage = threading.local(); storage.x = [1]
try:
    try: raise MyError("a", 1)
    except MyError as error: raise KeyError("b") from error
except KeyError as error: failure = error
cached = functools.lru_cache(50)(lambda x: [x])
for i in range(100): cached(i)
database = sqlite3.connect(":memory:"); database.create_function("f", 1, lambda x: x)
keep = [
    [Plain(i) for i in range(500)], with_dict, slotted, MyList([1, 2]), MyDict(a=1), MyStr("x"),
    MyInt(7), MyTuple((1,)), {str(i) * 3: i for i in range(500)}, {i: str(i) for i in range(500)},
    {1, "a", 2.5}, frozenset(range(100)), collections.deque(range(1000)), MyDeque([1]),
    collections.OrderedDict((str(i), i) for i in range(50)), collections.defaultdict(list, a=[]),
    collections.Counter("hello"), array.array("d", [1.5] * 100), bytearray(b"abc" * 50), b"x" * 300,
    "plain", "h\\xe9", "\\u20ac" * 9, "\\U0001f600" * 4, 1 << 200, -5, 0, 1.5, 2j, None, Ellipsis,
    memoryview(b"abc"), generator(), functools.partial(print, 1, end=""), re.compile("a(b)*"),
    io.StringIO("x"), weakref.ref(slotted), range(10), slice(1, 2), object(), threading.Lock(),
    datetime.datetime(2020, 1, 1), decimal.Decimal("1.5"), ValueError("x"), generator, Plain,
    type("New\\nline", (), {})(), type("Lone", (), {"__module__": "m\\udc80"})(),
    Color.RED, Named(1), Fields(), (ctypes.c_int * 50)(), ctypes.pointer(ctypes.c_int(3)), Data(),
    failure, cached, database, database.execute("select 1"), enclosing(), context, storage,
    ElementTree.fromstring("<a x='1'><b/>text<c><d/></c></a>"), ssl.create_default_context(),
    mmap.mmap(-1, 8192), pickle.Pickler(io.BytesIO()), csv.writer(io.StringIO()), hashlib.md5(b"x"),
    zlib.compressobj(), ast.parse(inspect.getsource(operator)), io.TextIOWrapper(io.BytesIO(b"x")),
    compile("class A:\\n  def f(self): return [i for i in self]", "f", "exec"), iter([1]),
    iter({1: 2}.items()), reversed([1]), zip([1], [2]), map(str, [1]), enumerate([1]), {}.keys(),
    itertools.count(), itertools.cycle([1, 2]), itertools.chain([1], [2]), itertools.tee([1, 2]),
    itertools.groupby([1, 1, 2]), itertools.product([1], [2]), operator.itemgetter(1, 2),
    operator.attrgetter("a.b"), operator.methodcaller("x", 1, y=2), property(lambda self: 1),
    classmethod(len), staticmethod(len), types.MappingProxyType({}), types.SimpleNamespace(a=1),
    types.ModuleType("m"), types.MethodType(len, []), [].append, "".join, list.append, list[int],
    typing.Optional[str], typing.TypeVar("T"), random.Random(3), uuid.uuid4(), pathlib.Path("/x"),
    string.Template("$a"), argparse.ArgumentParser(), unittest.mock.Mock(), queue.SimpleQueue(),
    http.cookies.SimpleCookie("a=b"), configparser.ConfigParser(), fractions.Fraction(1, 3),
]
started = generator(); next(started)
c = coroutine(); keep += [started, c, sys._getframe()]
async def tasks():
    inbox = asyncio.Queue()
    keep.extend([asyncio.ensure_future(waiting(inbox)) for _ in range(5)])
    await asyncio.sleep(0)
loop = asyncio.new_event_loop(); loop.run_until_complete(tasks())
"""

EXACTLY = """
import heap_facts
gc.collect(); gc.disable()
heap_facts.gather()
freezer.freeze(); freezer.hand_over()
heap_facts.tell()
freezer.wait_for_order()
print(json.dumps(freezer.reap()))
sys.stdout.flush()
import os; os._exit(0)
"""

COUNTED = """
sys.path.append({folder!r})
import objgraph
gc.collect(); gc.disable()
stats = objgraph.typestats()
freezer.freeze(); freezer.hand_over()
print(json.dumps(stats))
freezer.wait_for_order()
print(json.dumps(freezer.reap()))
sys.stdout.flush()
import os; os._exit(0)
"""

PLAIN = 503
"""Objects of that class in the rich heap."""
FEW = 60
"""Objects that the target makes and drops between noting or counting and freezing."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the interpreter says of the objects that did not change before it froze."""

    tracked: npt.NDArray[np.uint64]
    """Addresses of the objects that the collector tracks."""
    address: npt.NDArray[np.uint64]
    size: npt.NDArray[np.int64]
    refcount: npt.NDArray[np.int64]
    source: npt.NDArray[np.uint64]
    target: npt.NDArray[np.uint64]
    """One row per reference."""


@cache
def rich(python: Interpreter) -> tuple[FrozenHeap, Facts]:
    """Return the rich heap as it was frozen, and what its interpreter says of it."""
    with freezing(python, RICH + EXACTLY) as target:
        stream = target.stream()
        heap = read_heap(stream)
        tracked, ids, sizes, counts, degrees, targets, working = (target.column() for _ in range(7))
        stream.close()
        target.order()
        assert target.said()[1:] == [0, False]
    same = ~np.isin(ids, working)
    sources = np.repeat(ids, degrees.astype(np.int64))
    lasting = ~np.isin(sources, working)
    return heap, Facts(
        tracked,
        ids[same],
        sizes[same].astype(np.int64),
        counts[same].astype(np.int64),
        sources[lasting],
        targets[lasting],
    )


def rows_of(heap: FrozenHeap, addresses: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return the rows of objects, all of which must be there."""
    rows = np.searchsorted(heap.snapshot.address, addresses)
    rows = np.minimum(rows, heap.snapshot.objects - 1)
    assert (heap.snapshot.address[rows] == addresses).all()
    return rows.astype(np.int64)


def types_of(heap: FrozenHeap, rows: npt.NDArray[np.int64]) -> dict[str, int]:
    return dict(Counter(heap.snapshot.type_names[t] for t in heap.snapshot.type[rows].tolist()))


def pairs(sources: npt.NDArray[np.int64], targets: npt.NDArray[np.int64]) -> Any:  # noqa: ANN401
    """Return each reference as one number, and how often it is there."""
    return np.unique((sources << 32) | targets, return_counts=True)


def test_what_the_collector_tracks_is_what_is_found_tracked(python: Interpreter) -> None:
    heap, facts = rich(python)
    flags = heap.snapshot.flags

    rows = rows_of(heap, facts.tracked)

    assert ((flags[rows] & ObjectFlag.GC_TRACKED) != 0).all()
    # The collector puts immortal objects aside (3.12+), where `gc.get_objects` does not look.
    mortal = (flags & (ObjectFlag.GC_TRACKED | ObjectFlag.IMMORTAL)) == ObjectFlag.GC_TRACKED
    mortal[rows] = False
    later = types_of(heap, np.flatnonzero(mortal))
    assert sum(later.values()) <= FEW
    assert not [name for name in later if name.startswith("__main__.")]


def test_counts_per_type_are_objgraphs(python: Interpreter) -> None:
    folder = str(Path(objgraph.__file__).parent)
    with freezing(python, RICH + COUNTED.format(folder=folder)) as target:
        stream = target.stream()
        heap = read_heap(stream)
        expected: dict[str, int] = target.said()
        stream.close()
        target.order()
        assert target.said()[1:] == [0, False]
    kinds = ObjectFlag.GC_TRACKED | ObjectFlag.IMMORTAL
    tracked = np.flatnonzero(heap.snapshot.flags & kinds == ObjectFlag.GC_TRACKED)
    found: Counter[str] = Counter()
    for name, objects in types_of(heap, tracked).items():
        found[name.rpartition(".")[2]] += objects

    differing = {n: (found[n], expected.get(n, 0)) for n in found.keys() | expected.keys()}
    differing = {n: counts for n, counts in differing.items() if counts[0] != counts[1]}
    assert sum(abs(ours - theirs) for ours, theirs in differing.values()) <= FEW, differing
    assert "Plain" not in differing
    assert found["Plain"] == PLAIN


def test_every_object_is_found_and_has_its_size(python: Interpreter) -> None:
    """But for attribute values kept beside objects, which `sys.getsizeof` leaves out."""
    heap, facts = rich(python)

    rows = rows_of(heap, facts.address)

    ours = int(heap.snapshot.size[rows].sum()) - heap.summary.values_bytes
    assert abs(ours - int(facts.size.sum())) <= 0.005 * int(facts.size.sum())


def test_every_reference_is_found_as_often_as_it_is_there(python: Interpreter) -> None:
    heap, facts = rich(python)
    snapshot = heap.snapshot
    sources, targets = rows_of(heap, facts.source), rows_of(heap, facts.target)
    table = of_interned_strings(heap, sources)
    kept = ~np.isin(sources, table)

    wanted, times = pairs(sources[kept], targets[kept])
    degrees = np.diff(snapshot.offsets)
    found, counts = pairs(
        np.repeat(np.arange(snapshot.objects), degrees), snapshot.targets.astype(np.int64)
    )

    places = np.minimum(np.searchsorted(found, wanted), len(found) - 1)
    there = np.where(found[places] == wanted, counts[places], 0)
    assert (there >= times).all()
    assert len(table) == (python.version in ("3.14", "3.15"))


def of_interned_strings(heap: FrozenHeap, sources: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the table of interned strings (3.14+), whose references do not count."""
    many = np.flatnonzero(np.bincount(sources, minlength=heap.snapshot.objects) > 1000)
    found: npt.NDArray[np.int64] = many[np.diff(heap.snapshot.offsets)[many] == 0]
    return found


def test_reference_counts_are_those_of_the_interpreter(python: Interpreter) -> None:
    heap, facts = rich(python)
    rows = rows_of(heap, facts.address)
    mortal = heap.snapshot.flags[rows] & ObjectFlag.IMMORTAL == 0

    differing = mortal & (heap.snapshot.refcount[rows] != facts.refcount)

    assert np.count_nonzero(differing) <= FEW
    assert not [n for n in types_of(heap, rows[differing]) if n.startswith("__main__.")]


def test_all_that_lives_hangs_from_a_root(python: Interpreter) -> None:
    heap, _ = rich(python)

    graph = heap_graph(heap.snapshot)

    assert types_of(heap, np.flatnonzero(graph.garbage)) == {}
    assert (retention_paths(graph).parents >= SUPER_ROOT).all()
    assert len(graph.roots) < heap.snapshot.objects / 2


def test_names_are_as_odd_as_they_are(python: Interpreter) -> None:
    heap, _ = rich(python)

    assert {"__main__.New\nline", "m\udc80.Lone"} <= {t.name for t in heap.types}


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
    assert plain == (PLAIN, int(full.snapshot.size[of_plain].sum()))
    assert abs(sum(t.objects for t in census.types) - int(objects.sum())) <= FEW
    assert abs(sum(t.bytes for t in census.types) - int(full.snapshot.size.sum())) <= 100 * FEW
    assert all(c.length >= 500 for c in census.containers)
    assert {c.type for c in census.containers} >= {"builtins.dict", "collections.deque"}
    ours = [c for c in census.containers if c.type == "collections.deque" and c.length == 1000]
    assert ours == [c for c in full.containers if c.type == "collections.deque"]


POOL = """
import os
pool = {name: name for name in [sys.intern("name of a pool %d" % i) for i in range(2000)]}
freezer.freeze(); freezer.hand_over()
print(json.dumps(id(pool)))
freezer.wait_for_order(); print(json.dumps(freezer.reap())); sys.stdout.flush(); os._exit(0)
"""


def test_a_pool_of_interned_strings_is_no_table_of_the_interpreter(python: Interpreter) -> None:
    with freezing(python, POOL) as target:
        stream = target.stream()
        snapshot = read_heap(stream).snapshot
        address = target.said()
        stream.close()
        target.order()
        assert target.said()[1:] == [0, False]

    row = int(np.flatnonzero(snapshot.address == np.uint64(address))[0])
    held = snapshot.targets[snapshot.offsets[row] : snapshot.offsets[row + 1]]
    mortal = snapshot.flags[held] & ObjectFlag.IMMORTAL == 0
    assert len(held) == 2 * 2000
    assert (snapshot.refcount[held][mortal] == 2).all()
