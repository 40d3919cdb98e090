"""Sizes in a frozen heap are those that `sys.getsizeof` gives, kind by kind."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leakscope.capture.heapreader import read_heap
from tests.frozen import freezing
from tests.pythons import Interpreter, interpreters

OBJECTS = {
    "array of doubles": "array.array('d', range(100))",
    "array with room": "grown(array.array('i'), 70)",
    "array without items": "array.array('b')",
    "array of a subclass": "type('Sub', (array.array,), {'__slots__': ()})('d', range(9))",
    "bytearray": "bytearray(b'x' * 100)",
    "bytearray with room": "grown(bytearray(), 77)",
    "bytearray cut at its beginning": "cut(bytearray(b'x' * 100))",
    "bytearray without bytes": "bytearray()",
    "bytes": "bytes(1000)",
    "bytes without bytes": "bytes()",
    "deque": "collections.deque(range(1000))",
    "deque without items": "collections.deque()",
    "deque that moved on": "moved(collections.deque(range(300)))",
    "deque with a bound": "collections.deque(range(100), maxlen=50)",
    "set in itself": "set(range(4))",
    "set of its own": "set(range(1000))",
    "set that shrank": "shrunk(set(range(1000)))",
    "frozenset": "frozenset(range(100))",
    "set without elements": "set()",
    "dict of strings": "{str(i): i for i in range(100)}",
    "dict of ints": "{i: i for i in range(100)}",
    "dict without items": "{}",
    "dict that was cleared": "cleared({1: 2})",
    "dict of few": "{'a': 1}",
    "dict copied": "{str(i): i for i in range(9)}.copy()",
    "dict that shares its keys": "vars(Attributes())",
    "dict of a subclass": "type('Sub', (dict,), {'__slots__': ()})(a=1)",
    "default dict": "collections.defaultdict(list, {i: [] for i in range(20)})",
    "ordered dict": "collections.OrderedDict((str(i), i) for i in range(1000))",
    "ordered dict of few": "collections.OrderedDict(a=1)",
    "ordered dict that shrank": "shrunk(collections.OrderedDict((i, i) for i in range(100)))",
    "ordered dict without items": "collections.OrderedDict()",
    "list": "list(range(100))",
    "list with room": "grown([], 55)",
    "list of exactly": "[None] * 9",
    "list without items": "[]",
    "tuple": "tuple(range(100))",
    "tuple without items": "()",
    "named tuple": "collections.namedtuple('Pair', 'a b')(1, 2)",
    "str of ASCII": "'x' * 100",
    "str of Latin-1": "'\\xe9' * 100",
    "str of the plane": "'\\u20ac' * 100",
    "str beyond": "'\\U0001f600' * 100",
    "str without characters": "''",
    "str with its UTF-8 cached": "cached('\\u20ac' * 100)",
    "str of a subclass": "type('Sub', (str,), {'__slots__': ()})('\\u20ac' * 9)",
    "int 0": "0",
    "int of one digit": "7",
    "int of two digits": "1 << 31",
    "int of many digits": "-(1 << 2000)",
    "int of a subclass": "type('Sub', (int,), {'__slots__': ()})(1 << 70)",
    "bool": "True",
    "float": "1.5",
    "complex": "2j",
    "memoryview": "memoryview(b'abc')",
    "memoryview of two dimensions": "memoryview(bytearray(60)).cast('I', [3, 5])",
    "range": "range(10)",
    "slice": "slice(1, 2)",
    "None": "None",
    "object": "object()",
    "instance with slots": "Slots()",
    "instance with slots and weak references": "WeakSlots()",
    "function": "grown",
    "lambda with defaults": "lambda a=1: a",
    "bound method": "Methods().method",
    "builtin method": "[].append",
    "partial": "functools.partial(print, 1)",
    "cell": "(lambda: Slots).__closure__ or iter([])",
    "property": "property(len)",
    "class": "Slots",
    "generator": "generator()",
    "generator that began": "begun(generator())",
    "coroutine": "coroutine()",
    "exception": "ValueError('x')",
    "weak reference": "weakref.ref(WeakSlots)",
    "iterator": "iter([1])",
    "bytes in memory": "io.BytesIO(bytes(1000))",
    "file buffer": "open('/dev/null', 'rb')",
    "decimal": "decimal.Decimal('1.5')",
    "date": "datetime.datetime(2020, 1, 1)",
    "element": "ElementTree.Element('a')",
    "element with children": "ElementTree.fromstring('<a x=\"1\">' + '<b/>' * 9 + '</a>')",
    "element with few": "ElementTree.fromstring('<a><b/></a>')",
    "module": "types.ModuleType('m')",
    "namespace": "types.SimpleNamespace(a=1)",
}

PROGRAM = """
import array, collections, ctypes, datetime, decimal, functools, io, types, weakref
import xml.etree.ElementTree as ElementTree
class Slots: __slots__ = ("a", "b")
class WeakSlots: __slots__ = ("a", "__weakref__")
class Attributes:
    def __init__(self): self.a = self.b = 1
class Methods:
    __slots__ = ()
    def method(self): pass
def generator():
    one = two = 1
    yield one
async def coroutine(): pass
def grown(made, count):
    for i in range(count): made.append(i)
    return made
def cut(made):
    del made[:30]
    return made
def moved(made):
    for _ in range(250): made.popleft()
    return made
def shrunk(made):
    for _ in range(90): made.popitem() if hasattr(made, "popitem") else made.pop()
    return made
def cleared(made):
    made.clear()
    return made
def cached(made):
    ctypes.pythonapi.PyUnicode_AsUTF8(ctypes.py_object(made))
    return made
def begun(made):
    next(made)
    return made
Attributes()
made = {{}}
for name, source in {objects!r}.items():
    made[name] = eval(source)
sizes = {{name: (id(one), sys.getsizeof(one)) for name, one in made.items()}}
freezer.freeze(); freezer.hand_over()
print(json.dumps(sizes))
freezer.wait_for_order()
made["coroutine"].close()
print(json.dumps(freezer.reap()))
"""


@cache
def sizes_of(python: Interpreter) -> dict[str, tuple[int, int]]:
    """Return, by name, the size that was found and the size that the interpreter gave."""
    with freezing(python, PROGRAM.format(objects=OBJECTS)) as target:
        stream = target.stream()
        snapshot = read_heap(stream).snapshot
        said: dict[str, tuple[int, int]] = target.said()
        stream.close()
        target.order()
        assert target.said()[1:] == [0, False]
    found = dict(zip(snapshot.address.tolist(), snapshot.size.tolist(), strict=True))
    return {name: (found[address], size) for name, (address, size) in said.items()}


@pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)
def test_sizes_are_getsizeofs(python: Interpreter) -> None:
    sizes = sizes_of(python)

    assert {n: pair for n, pair in sizes.items() if pair[0] != pair[1]} == {}


BESIDE = """
class Plain:
    def __init__(self): self.a = self.b = self.c = 1
plain, with_dict = Plain(), Plain()
vars(with_dict)["d"] = 1
sizes = [(id(one), sys.getsizeof(one)) for one in (plain, with_dict, vars(with_dict))]
freezer.freeze(); freezer.hand_over()
print(json.dumps(sizes))
freezer.wait_for_order(); print(json.dumps(freezer.reap()))
"""


@pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)
def test_attribute_values_beside_an_instance_count_as_its_own(python: Interpreter) -> None:
    """`sys.getsizeof` leaves them out of the instance, and has them in a dict that shows them."""
    with freezing(python, BESIDE) as target:
        stream = target.stream()
        heap = read_heap(stream)
        said = target.said()
        stream.close()
        target.order()
        assert target.said()[1:] == [0, False]
    snapshot = heap.snapshot
    found = dict(zip(snapshot.address.tolist(), snapshot.size.tolist(), strict=True))

    plain, with_dict, its_dict = (found[address] - size for address, size in said)

    beside = python.version not in ("3.9", "3.10")
    assert plain >= 3 * 8 if beside else plain == 0
    assert plain % 8 == 0
    assert with_dict in (0, plain)  # 3.13+: the values stay in the instance
    assert its_dict == 0
    assert (heap.summary.values_bytes > 0) == beside


ARRAYS = {
    "vector": "numpy.arange(1000.0)",
    "matrix": "numpy.zeros((30, 40), numpy.int16)",
    "matrix by columns": "numpy.zeros((30, 40), order='F')",
    "turned cube": "numpy.empty_like(numpy.zeros((3, 4, 5)).transpose(1, 0, 2))",
    "bytes": "numpy.zeros(1000, numpy.uint8)",
    "records": "numpy.zeros(10, [('a', 'i4'), ('b', 'f8')])",
    "texts": "numpy.array(['abc', 'de'])",
    "objects": "numpy.array([[], {}, None], object)",
    "nothing": "numpy.zeros(0)",
    "one row": "numpy.zeros((1, 50))",
    "view": "numpy.zeros(1000)[10:20]",
    "view of bytes": "numpy.frombuffer(bytes(800))",
    "view of a column": "numpy.zeros((100, 100))[:, 3]",
    "view that repeats": "numpy.broadcast_to(numpy.zeros(3), (1000, 3))",
    "view of the other way": "numpy.zeros(1000)[::-1]",
    "subclass": "numpy.zeros(100).view(Sub).copy()",
}
NUMPY = """
import numpy
class Sub(numpy.ndarray): pass
made = {{name: eval(source) for name, source in {arrays!r}.items()}}
sizes = {{name: (id(one), sys.getsizeof(one)) for name, one in made.items()}}
freezer.freeze(); freezer.hand_over()
print(json.dumps(sizes))
freezer.wait_for_order(); print(json.dumps(freezer.reap()))
"""


def test_arrays_of_numpy_count_their_own_data_and_views_none() -> None:
    ours = Interpreter("of the tests", Path(sys.executable))
    with freezing(ours, NUMPY.format(arrays=ARRAYS)) as target:
        stream = target.stream()
        snapshot = read_heap(stream).snapshot
        said: dict[str, Any] = target.said()
        stream.close()
        target.order()
        assert target.said()[1:] == [0, False]
    found = dict(zip(snapshot.address.tolist(), snapshot.size.tolist(), strict=True))

    sizes = {name: (found[address], size) for name, (address, size) in said.items()}
    large = int(np.zeros(1000).nbytes)

    assert {n: pair for n, pair in sizes.items() if pair[0] != pair[1]} == {}
    assert sizes["vector"][0] > large
    assert all(sizes[name][0] < 200 for name in ARRAYS if name.startswith("view"))
