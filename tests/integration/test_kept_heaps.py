"""What is kept of a heap answers later as the frozen copy did, on every Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

import pytest

from leakscope.analysis.heapgraph import row_of
from leakscope.model.evidence import Step
from leakscope.model.explanation import Explanation
from leakscope.model.image import HeapImage
from leakscope.watching.captures import FrozenCensusCapture, capture_for
from leakscope.watching.heap_compare import compare_heaps
from leakscope.watching.heap_keeping import kept
from leakscope.watching.heap_view import HeapView
from leakscope.watching.heap_ways import explain_object, explain_type
from tests.attaching import attached
from tests.pythons import Interpreter, interpreters
from tests.targets import read_line, spawn, tell

PROGRAM = """
import collections, json, sys
class Request:
    def __init__(self, i):
        self.path, self.body = "/x/%d" % i, bytes(3000)
        self.headers = {"h%d" % k: "v%d-%d" % (k, i) for k in range(3)}
class Record:
    __slots__ = ("number", "request")
    def __init__(self, i):
        self.number, self.request = 10**6 + i, Request(i)
class Page:
    def __init__(self, i):
        self.text = "p%d" % i * 30
class App:
    def __init__(self):
        self.recent, self.sessions = collections.deque(), {}
APP = App()
PENDING = []
CACHE = collections.OrderedDict()
made = 0
def more(count):
    global made
    for i in range(made, made + count):
        PENDING.append(Record(i))
        APP.sessions["user-%d" % i] = Request(-i)
        CACHE["page-%d" % i] = Page(i)
        if len(CACHE) > 150:
            CACHE.popitem(last=False)
    made += count
more(400)
print("ready", flush=True)
for line in sys.stdin:
    more(int(line))
    print(json.dumps([id(PENDING[-7]), id(APP.sessions["user-5"].headers)]), flush=True)
"""


@cache
def images(interpreter: Interpreter) -> tuple[tuple[HeapImage, ...], list[Explanation], list[int]]:
    """Keep three heaps of one process; return what the copy of the last answered, too."""
    with spawn(interpreter.path, PROGRAM) as target, attached(target) as session:
        capture = capture_for(session)
        assert isinstance(capture, FrozenCensusCapture)
        capture.census()
        found, told, addresses = [], [], []
        for round_ in range(3):
            if round_:
                tell(target, "300")
                addresses = json.loads(read_line(target))
            with capture.view() as view:
                found.append(kept(view))
                if round_ == 2:
                    told = [explained(view, name) for name in TYPES]
    return tuple(found), told, addresses


TYPES = ("__main__.Request", "__main__.Record", "__main__.App", "__main__.Page")


def explained(view: HeapView, name: str) -> Explanation:
    found = explain_type(view, name)
    assert found is not None
    return found


@pytest.fixture(params=interpreters(), ids=lambda interpreter: interpreter.version)
def interpreter(request: pytest.FixtureRequest) -> Iterator[Interpreter]:
    yield request.param


def shape(chain: tuple[Step, ...]) -> list[tuple[str, str]]:
    """Return a chain without keys and indexes, which need not be kept for each entry."""
    return [("[]" if step.edge.startswith("[") else step.edge, step.type) for step in chain]


def test_the_ways_in_which_objects_are_held_are_told_alike(interpreter: Interpreter) -> None:
    heaps, told, _ = images(interpreter)
    view = HeapView(heaps[-1])

    for name, then in zip(TYPES, told, strict=True):
        now = explained(view, name)
        assert (now.objects, now.retained_bytes) == (then.objects, then.retained_bytes)
        assert [way.objects for way in now.ways] == [way.objects for way in then.ways]
        assert [shape(way.chain) for way in now.ways] == [shape(way.chain) for way in then.ways]


def test_any_object_is_told_by_the_names_of_its_class(interpreter: Interpreter) -> None:
    heaps, _, (record, headers) = images(interpreter)
    view = HeapView(heaps[-1])
    row = row_of(view.snapshot, record)
    inner = row_of(view.snapshot, headers)

    assert row is not None
    assert inner is not None
    assert shape(explain_object(view, row).chain) == [
        ("module __main__", "builtins.module"),
        (".PENDING", "builtins.list"),
        ("[]", "__main__.Record"),
    ]
    assert shape(explain_object(view, inner).chain) == [
        ("module __main__", "builtins.module"),
        (".APP", "__main__.App"),
        (".sessions", "builtins.dict"),
        ("[]", "__main__.Request"),
        (".headers", "builtins.dict"),
    ]


def test_growth_is_found_where_it_is_with_what_stays_and_what_goes(
    interpreter: Interpreter,
) -> None:
    heaps, _, _ = images(interpreter)

    found = compare_heaps([HeapView(image) for image in heaps])

    places = {place.path: place for place in found.places}
    assert set(places) == {"__main__.PENDING", "__main__.APP.sessions"}
    pending = places["__main__.PENDING"]
    assert pending.entries == 600
    assert [cohort.made for cohort in pending.cohorts] == [300, 300]
    assert all(cohort.alive == cohort.made for cohort in pending.cohorts)
    assert shape(pending.entry)[:2] == [
        ("[]", "__main__.Record"),
        (".request", "__main__.Request"),
    ]
