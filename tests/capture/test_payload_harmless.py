"""What the payload must never do to a target: run its code, break its threads, leave a trace."""

from typing import Any

import pytest

from leakscope.capture.portable import PortableCapture
from leakscope.model.evidence import Evidence, Suspects
from tests.capture.local_session import LocalSession
from tests.capture.unhurried import unhurried
from tests.pythons import Interpreter, interpreters

EVERY_PYTHON = pytest.mark.parametrize("python", interpreters(), ids=lambda p: p.version)

HOSTILE = """
import collections, functools, gc, sys
CALLED = []
def told(*args, **kwargs):
    CALLED.append(sys._getframe(1).f_code.co_name)
    raise RuntimeError("the target's code was run")
class Meta(type):
    __hash__ = __eq__ = __ne__ = __bool__ = __len__ = __repr__ = __str__ = told
    __subclasscheck__ = __instancecheck__ = told
    def __getattribute__(cls, name):
        told()
    __module__ = property(told)
class Hostile(metaclass=Meta):
    __hash__ = __eq__ = __ne__ = __bool__ = __len__ = __repr__ = __str__ = __sizeof__ = told
    __iter__ = __contains__ = __getattr__ = __dir__ = __reduce_ex__ = __del__x = told
    __class__ = property(told)
    item = property(told)
    def __getattribute__(self, name):
        told()
def hostile():
    return object.__new__(Hostile)
def kinds():
    for base in (list, dict, set, collections.deque, collections.OrderedDict):
        members = dict.fromkeys(
            "__hash__ __eq__ __bool__ __len__ __repr__ __sizeof__ __iter__ __contains__ "
            "__getitem__ keys values items __getattribute__ __reversed__".split(), told)
        members["__class__"] = property(told)
        yield type.__new__(Meta, base.__name__, (base,), members)
class Holder:
    pass
HOLDER = Holder()
HOLDER.objects = [hostile() for i in range(100)]
CONTAINERS = []
for cls in list(kinds()):
    box = next(b for b in type.__dict__["__mro__"].__get__(cls)[1:]).__new__(cls)
    CONTAINERS.append(box)
for i in range(50):
    list.append(CONTAINERS[0], hostile())
    dict.__setitem__(CONTAINERS[1], i, hostile())
    set.add(CONTAINERS[2], i)
    collections.deque.append(CONTAINERS[3], hostile())
    collections.OrderedDict.__setitem__(CONTAINERS[4], i, hostile())
KEYED = {}
for i in range(50):
    object.__setattr__(HOLDER, "slot%d" % i, hostile())
del CALLED[:]
"""


def looked_into(session: LocalSession, expressions: list[str], types: tuple[str, ...]) -> Evidence:
    """Return what a capture finds out about containers and types after three readings."""
    capture = PortableCapture(session)
    for _ in range(3):
        capture.census()
    ids = ", ".join(f"id({e})" for e in expressions)
    addresses: Any = session.evaluate(f"[{ids}]")
    with unhurried():
        return capture.gather(Suspects(tuple(addresses), types))


@EVERY_PYTHON
def test_no_code_of_the_target_is_run(python: Interpreter) -> None:
    with LocalSession(python.path, HOSTILE) as session:
        boxes = [f"CONTAINERS[{i}]" for i in range(5)]
        evidence = looked_into(
            session, ["HOLDER.objects", *boxes], ("__main__.Hostile", "__main__.Meta", "Hostile")
        )

        assert session.evaluate("CALLED") == []
        assert [h.entries_sampled for h in evidence.holders] == [24] * 6


@EVERY_PYTHON
def test_containers_that_lie_about_their_length_are_measured_all_the_same(
    python: Interpreter,
) -> None:
    with LocalSession(python.path, HOSTILE) as session:
        found = {c.address: c.length for c in PortableCapture(session).census().containers}
        PortableCapture(session).census()
        addresses: Any = session.evaluate("[id(c) for c in CONTAINERS]")

        assert [found.get(a) for a in addresses] == [50] * 5


@EVERY_PYTHON
def test_odd_names_cross_over_as_text_that_can_be_written(python: Interpreter) -> None:
    program = r"""
ODD = type("Odd", (), {"__module__": "mo'dule\x00"})
ODD.__qualname__ = "line\nbreak \ud800 \u202e"
UNNAMED = type("Fine", (), {"__module__": 42})
KEEP = [ODD() for i in range(9)] + [UNNAMED() for i in range(9)]
"""
    with LocalSession(python.path, program) as session:
        types = PortableCapture(session).census().types

        assert types["mo'dule\x00.line\nbreak \\ud800 \u202e"].objects == 9
        assert types["Fine"].objects == 9
        assert all(name.encode() for name in types)


@EVERY_PYTHON
def test_threads_that_build_tuples_never_see_theirs_held(python: Interpreter) -> None:
    """A tuple that grows while it is built must have one reference: its builder's."""
    program = """
import sys, threading, time
sys.setswitchinterval(1e-5)
ERRORS, BUILT, STOP = [], [0], []
def slowly(n):
    for i in range(n):
        yield [i]
def build():
    while not STOP:
        try:
            tuple(slowly(150))
            BUILT[0] += 1
        except BaseException as error:
            ERRORS.append(repr(error))
THREADS = [threading.Thread(target=build, daemon=True) for i in range(2)]
HOLDER = [[i] for i in range(100)]
for thread in THREADS:
    thread.start()
"""
    with LocalSession(python.path, program) as session:
        capture = PortableCapture(session)
        address: Any = session.evaluate("id(HOLDER)")
        while int(str(session.evaluate("BUILT[0]"))) < 50:
            pass
        for _ in range(15):
            capture.census()
        capture.gather(Suspects((address,), ("builtins.list", "builtins.tuple")))
        session.run("STOP.append(1)\nfor thread in THREADS: thread.join()")

        assert session.evaluate("ERRORS") == []


@EVERY_PYTHON
def test_nothing_is_held_once_evidence_is_gathered(python: Interpreter) -> None:
    program = """
import gc, sys, weakref
class Session:
    def __init__(self, i):
        self.cart = [i]
SESSIONS = {i: Session(i) for i in range(200)}
MORE_THAN_ARE_TOLD = [list(range(8 + i % 3)) for i in range(4500)]
def references():
    return [sys.getrefcount(s) for s in SESSIONS.values()], sys.getrefcount(SESSIONS)
BEFORE = references()
REFS = [weakref.ref(s) for s in SESSIONS.values()]
"""
    with LocalSession(python.path, program) as session:
        looked_into(session, ["SESSIONS"], ("__main__.Session",))

        assert session.evaluate("references() == BEFORE")
        session.run("SESSIONS.clear()")
        assert session.evaluate("[r() for r in REFS if r() is not None]") == []


@pytest.mark.parametrize(
    "python",
    [p for p in interpreters() if p.version not in ("3.9", "3.10")],
    ids=lambda p: p.version,
)
def test_the_attribute_dict_of_an_instance_that_has_none_is_not_made(python: Interpreter) -> None:
    program = """
import gc, sys
class Request:
    def __init__(self, i):
        self.path, self.body = "/%d" % i, [i] * 500
class Record:
    def __init__(self, i):
        self.request = Request(i)
RECORDS = [Record(i) for i in range(100)]
def dicts():
    return sum(type(x) is dict for r in RECORDS for o in (r, r.request)
               for x in gc.get_referents(o))
"""
    with LocalSession(python.path, program) as session:
        evidence = looked_into(session, ["RECORDS"], ("__main__.Request",))

        assert [s.edge for s in evidence.holders[0].entry] == ["[*]", ".request"]
        assert session.evaluate("dicts()") == 0


@EVERY_PYTHON
def test_locals_that_were_read_are_not_kept_alive_by_their_frame(python: Interpreter) -> None:
    program = """
import weakref
class Thing:
    pass
def worker():
    queue = [Thing() for i in range(100)]
    queue.append(queue)
    global QUEUE_ID, FIRST
    QUEUE_ID, FIRST = id(queue), weakref.ref(queue[0])
    yield
    del queue[:]
    yield
WORKER = worker()
next(WORKER)
"""
    with LocalSession(python.path, program) as session:
        capture = PortableCapture(session)
        capture.census()
        address: Any = session.evaluate("QUEUE_ID")
        evidence = capture.gather(Suspects((address,), ()))
        session.run("next(WORKER)")

        assert evidence.holders[0].chain[-1].edge == "local queue of worker"
        assert session.evaluate("FIRST() is None")
