"""The payload's census on every interpreter, in a child that was not attached to."""

from collections.abc import Iterator
from typing import Any

import pytest

from leakscope.capture.interface import Reading
from leakscope.capture.portable import PortableCapture
from tests.capture.local_session import LocalSession
from tests.pythons import Interpreter, interpreters

EVERY_PYTHON = pytest.mark.parametrize("python", interpreters(), ids=lambda p: p.version)

PROGRAM = """
import asyncio, collections, decimal, email.message, gc, json, sys
class Order:
    def __init__(self, i):
        self.lines, self.note = [i], {"n": [i]}
    class Line(dict):
        pass
class Slim:
    __slots__ = ("a", "b")
ORDERS = [Order(i) for i in range(1234)]
LINES = [Order.Line({j: [j] for j in range(i % 40)}) for i in range(321)]
SLIM = [Slim() for i in range(77)]
for s in SLIM:
    s.a = s.b = []
class Quick(collections.deque):
    pass
LONG = {"list": list(range(5000)), "dict": {i: [] for i in range(4001)},
        "set": set(range(3003)), "deque": collections.deque(range(2002)),
        "ordered": collections.OrderedDict((i, []) for i in range(1801)),
        "default": collections.defaultdict(list, {i: [] for i in range(1701)}),
        "quick": Quick(range(1601))}
def counts():
    found = collections.Counter(map(type, gc.get_objects()))
    return {"%s.%s" % (t.__module__, t.__qualname__): n for t, n in found.items()}
gc.collect()
"""

OF_THE_COUNTING = {
    "builtins.function",
    "builtins.tuple",
    "builtins.dict",
    "builtins.list",
    "builtins.set",
    "builtins.cell",
}
"""Types of which the payload itself and the counting by `counts()` have a few."""


class Shop(LocalSession):
    """The program above, with a capture of it that has learnt the sizes of its objects."""

    def __init__(self, python: Interpreter) -> None:
        super().__init__(python.path, PROGRAM)
        self.capture = PortableCapture(self)
        for _ in range(3):
            self.capture.census()


@pytest.fixture(params=interpreters(), ids=lambda p: p.version, scope="module")
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    with Shop(request.param) as session:
        yield session


def settled(shop: Shop) -> Reading:
    """Return a reading of a heap that gc has just been through."""
    shop.run("gc.collect()")
    return shop.capture.census()


def test_counts_by_qualified_name_are_those_of_a_counter(shop: Shop) -> None:
    reading = settled(shop)
    expected: Any = shop.evaluate("counts()")

    counted = {name: total.objects for name, total in reading.types.items()}

    assert counted["__main__.Order"] == 1234
    assert counted["__main__.Order.Line"] == 321
    assert counted["__main__.Slim"] == 77
    others = counted.keys() | expected.keys()
    assert {n: counted.get(n) for n in others - OF_THE_COUNTING} == {
        n: expected.get(n) for n in others - OF_THE_COUNTING
    }
    for name in OF_THE_COUNTING:
        assert abs(expected[name] - counted[name]) < 120


def test_bytes_come_close_to_the_sum_of_all_sizes(shop: Shop) -> None:
    reading = settled(shop)
    exact: Any = shop.evaluate("sum(map(sys.getsizeof, gc.get_objects()))")
    lines: Any = shop.evaluate("sum(map(sys.getsizeof, LINES))")

    assert sum(t.bytes for t in reading.types.values()) == pytest.approx(exact, rel=0.05)
    assert reading.types["__main__.Order.Line"].bytes == pytest.approx(lines, rel=0.1)


def test_the_long_containers_are_told_longest_first(shop: Shop) -> None:
    reading = settled(shop)
    expected: Any = shop.evaluate("{k: (id(v), len(v)) for k, v in LONG.items()}")

    found = {c.address: (c.type, c.length) for c in reading.containers}
    lengths = [c.length for c in reading.containers]
    assert lengths == sorted(lengths, reverse=True)
    assert [found[expected[kind][0]] for kind in expected] == [
        ("builtins.list", 5000),
        ("builtins.dict", 4001),
        ("builtins.set", 3003),
        ("collections.deque", 2002),
        ("collections.OrderedDict", 1801),
        ("collections.defaultdict", 1701),
        ("__main__.Quick", 1601),
    ]


def test_a_census_of_a_heap_at_rest_is_the_same_every_time(shop: Shop) -> None:
    first = settled(shop)
    second = settled(shop)

    assert {n: t.objects for n, t in first.types.items()} == {
        n: t.objects for n, t in second.types.items()
    }
    assert first.containers == second.containers


def test_growth_between_two_censuses_is_exactly_what_was_made(shop: Shop) -> None:
    before = settled(shop)
    shop.run("LATER = [Order(i) for i in range(500)]")
    after = settled(shop)
    shop.run("del LATER")

    grown = {
        name: total.objects - before.types[name].objects
        for name, total in after.types.items()
        if name in before.types and total.objects != before.types[name].objects
    }
    assert grown.pop("__main__.Order") == 500
    assert grown.pop("builtins.list") == 1001
    assert 500 <= grown.pop("builtins.dict") <= 1000
    assert grown == {}


def test_the_pause_is_stated(shop: Shop) -> None:
    assert settled(shop).pause_ms > 0


@EVERY_PYTHON
def test_a_long_dict_of_text_is_seen_although_gc_does_not_track_it(python: Interpreter) -> None:
    program = """
class Cache:
    def __init__(self):
        self.pages = {"k%d" % i: "page %d" % i for i in range(100)}
PAGES, CACHE = {"k%d" % i: b"page" for i in range(300)}, Cache()
"""
    with LocalSession(python.path, program) as session:
        capture = PortableCapture(session)
        addresses: Any = session.evaluate("(id(PAGES), id(CACHE.pages))")
        for _ in range(4):
            reading = capture.census()
            session.run("for i in range(50): CACHE.pages['x%d' % len(CACHE.pages)] = 'page'")
        found = {c.address: (c.type, c.length) for c in reading.containers}

        assert found[addresses[0]] == ("builtins.dict", 300)
        assert found[addresses[1]] == ("builtins.dict", 250)


@EVERY_PYTHON
def test_nothing_of_the_payload_is_loaded_as_a_module(python: Interpreter) -> None:
    program = "import sys\nBEFORE = set(sys.modules)"
    with LocalSession(python.path, program) as session:
        capture = PortableCapture(session)
        capture.census()

        assert session.evaluate("sorted(set(sys.modules) - BEFORE - {'ast', '_ast'})") == []
