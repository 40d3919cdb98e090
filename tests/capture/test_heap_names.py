"""References and roots of a frozen heap have the names that the program gave them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from leakscope.capture.heapnames import HeapNames
from leakscope.capture.heapreader import FrozenHeap, read_heap
from tests.frozen import freezing
from tests.pythons import Interpreter, interpreters

pytestmark = pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)

PROGRAM = """
import asyncio, collections, contextvars, functools, threading, types, weakref

class Thing: pass
class Slotted: __slots__ = ("first", "second")
class Named(collections.namedtuple("Named", "left right")): pass
class Holder: kept = Thing()

def closing():
    secret = Thing()
    other = Thing()
    return lambda: (other, secret)
def defaults(a=Thing(), *, b=Thing()): pass
def generator():
    waiting = Thing()
    yield waiting
async def inner():
    held = Thing()
    await asyncio.Future(loop=loop)
async def outer():
    await inner()
class Methods:
    def method(self): pass

chains = {}
def chain(name, *objects):
    chains[name] = [id(o) for o in objects]

module = sys.modules["__main__"]
GLOBAL = Thing()
chain("module global", module, vars(module), GLOBAL)
plain = Thing(); plain.attribute = Thing()
chain("instance attribute", plain, plain.attribute)
with_dict = Thing(); with_dict.attribute = Thing(); with_dict.__dict__["x y"] = Thing()
chain("instance dict", with_dict, with_dict.__dict__, with_dict.__dict__["x y"])
slotted = Slotted(); slotted.second = Thing()
chain("slot", slotted, slotted.second)
listed = [0, Thing()]
chain("list", listed, listed[1])
dictionary = {"short_name": Thing(), "x" * 41: Thing(), 7: Thing(), ("a", 1): Thing()}
chain("dict name", dictionary, dictionary["short_name"])
chain("dict long", dictionary, dictionary["x" * 41])
chain("dict int", dictionary, dictionary[7])
chain("dict tuple", dictionary, dictionary["a", 1])
queue = collections.deque(range(100)); queue.append(Thing()); queue.popleft()
chain("deque", queue, queue[-1])
members = {Thing()}
chain("set", members, next(iter(members)))
named = Named(Thing(), Thing())
chain("named tuple", named, named.right)
nested = {"a": [{"b": collections.deque([Thing()])}]}
chain("nested", nested, nested["a"], nested["a"][0], nested["a"][0]["b"], nested["a"][0]["b"][0])
closed = closing()
cell = closed.__closure__[closed.__code__.co_freevars.index("secret")]
chain("closure", closed, closed.__closure__, cell, cell.cell_contents)
chain("default", defaults, defaults.__defaults__, defaults.__defaults__[0])
chain("keyword default", defaults, defaults.__kwdefaults__, defaults.__kwdefaults__["b"])
bound = Methods().method
chain("bound method", bound, bound.__self__)
part = functools.partial(print, Thing(), sep=Thing())
chain("partial argument", part, part.args, part.args[0])
chain("partial keyword", part, part.keywords, part.keywords["sep"])
if sys.version_info < (3, 12):
    namespace = type.__dict__["__dict__"].__get__(Holder)
    chain("class attribute", Holder, gc.get_referents(namespace)[0], Holder.kept)
else:
    chain("class attribute", Holder, *gc.get_referents(type.__dict__["__dict__"].__get__(Holder)),
          Holder.kept)
suspended = generator(); next(suspended)
local = suspended.gi_frame.f_locals["waiting"]
path = [suspended, suspended.gi_frame] if sys.version_info < (3, 11) else [suspended]
chain("generator", *path, local)
error = ValueError("x")
def fail():
    in_failure = Thing()
    chains["failure"] = [id(in_failure)]
    raise error
try: fail()
except ValueError: pass
chain("traceback", error, error.__traceback__)
target = Thing()
callback = weakref.ref(target, closed)
chain("weakref callback", callback, closed)
cached = functools.lru_cache(maxsize=None)(lambda key: Thing())
kept_by_cache = cached("k")
chain("lru_cache", cached, kept_by_cache)
def cache_of(maxsize, **replaced):
    made = functools.lru_cache(maxsize=maxsize)(lambda key: Thing())
    made("k"); vars(made).update(replaced)
    return made, next(r for r in gc.get_referents(made) if type(r) is dict and r is not vars(made))
unbound = 7
def telling(maxsize): return lambda: maxsize
class Telling: __closure__ = (1,)
def untold():
    if unbound: return lambda: maxsize
    maxsize = 1
for name, (made, table) in {
    "bounded": cache_of(1234), "large": cache_of(10**15), "unbounded": cache_of(None),
    "no int": cache_of(5, cache_parameters=telling("many")),
    "huge int": cache_of(5, cache_parameters=telling(1 << 200)),
    "too large int": cache_of(5, cache_parameters=telling(1 << 64)),
    "largest int": cache_of(5, cache_parameters=telling((1 << 64) - 2)),
    "zero": cache_of(5, cache_parameters=telling(0)),
    "negative int": cache_of(5, cache_parameters=telling(-7)),
    "huge negative int": cache_of(5, cache_parameters=telling(-(1 << 64))),
    "empty cell": cache_of(5, cache_parameters=untold()),
    "no closure": cache_of(5, cache_parameters=lambda: 5),
    "no function": cache_of(5, cache_parameters=Telling()),
}.items():
    chain(name + " cache", made, table)
    globals()[name] = made
variable = contextvars.ContextVar("request_id"); variable.set(Thing())
context = contextvars.Context(); context.run(variable.set, Thing())
tree = gc.get_referents(context)[0]
chain("contextvar", context, tree, *gc.get_referents(tree), context[variable])
storage = threading.local(); storage.mine = Thing()
per_thread = [r for r in gc.get_referents(storage) if type(r) is dict and r][-1]
chain("thread-local", storage, per_thread, *per_thread.values(), storage.mine)

loop = asyncio.new_event_loop()
future = loop.create_future(); future.set_result(Thing())
chain("future", future, future.result())
task = loop.create_task(outer())
loop.call_soon(loop.stop); loop.run_forever()
coroutine = task.get_coro()
chain("task", task, coroutine)
chains["suspended"] = [id(task)]

started = threading.Event(); stop = threading.Event()
def work():
    in_thread = Thing()
    chains["thread local variable"] = [id(in_thread)]
    started.set(); stop.wait()
worker = threading.Thread(target=work, name="the worker"); worker.start(); started.wait()
chains["class"] = [id(Slotted)]
freezer.freeze(); freezer.hand_over(); print(json.dumps(chains), flush=True)
freezer.wait_for_order(); print(json.dumps(freezer.reap()))
stop.set()
"""

EXPECTED = {
    "module global": ["", ".GLOBAL"],
    "instance attribute": [".attribute"],
    "instance dict": ["", ".x y"],
    "slot": [".second"],
    "list": ["[1]"],
    "dict name": ["['short_name']"],
    "dict long": ["[<str len 41>]"],
    "dict int": ["[<builtins.int>]"],
    "dict tuple": ["[<tuple len 2>]"],
    "deque": ["[99]"],
    "set": ["<element>"],
    "named tuple": [".right"],
    "nested": ["['a']", "[0]", "['b']", "[0]"],
    "closure": ["", "", "closure variable secret of closing.<locals>.<lambda>"],
    "default": ["", "default argument of defaults"],
    "keyword default": ["", "default of b in defaults"],
    "bound method": [".__self__"],
    "partial argument": ["", ".args[0]"],
    "partial keyword": ["", ".keywords['sep']"],
    "class attribute": ["", ".kept"],
    "traceback": [".__traceback__"],
    "weakref callback": [".__callback__"],
    "lru_cache": ["lru_cache entry"],
    "bounded cache": ["lru_cache entries (at most 1234)"],
    "large cache": ["lru_cache entries (at most 1000000000000000)"],
    "largest int cache": [f"lru_cache entries (at most {(1 << 64) - 2})"],
    "zero cache": ["lru_cache entries (at most 0)"],
    **{
        f"{name} cache": ["lru_cache entries"]
        for name in (
            "unbounded",
            "no int",
            "huge int",
            "too large int",
            "negative int",
            "huge negative int",
            "empty cell",
            "no closure",
            "no function",
        )
    },
    "task": ["coroutine"],
    "future": ["result"],
    "contextvar": ["", "", "contextvar request_id"],
    "thread-local": ["", "", ".mine"],
}


@contextmanager
def named_heap(python: Interpreter) -> Iterator[tuple[FrozenHeap, HeapNames, Any]]:
    with freezing(python, PROGRAM) as target:
        stream = target.stream()
        heap = read_heap(stream)
        yield heap, HeapNames(stream, heap.header.version, heap.roots), target.said()
        stream.close()
        target.order()
        assert target.said()[1:] == [0, False]


def test_every_kind_of_reference_has_its_name(python: Interpreter) -> None:
    with named_heap(python) as (_, names, chains):
        expected = dict(EXPECTED)
        if python.version == "3.9" or python.version == "3.10":  # no qualified names in code yet
            expected["closure"] = ["", "", "closure variable secret of <lambda>"]
            expected["instance attribute"] = ["<reference>"]  # the dict is between them
        found = {name: list(names.chain(chains[name])) for name in expected}
        generator = names.chain(chains["generator"])

    assert found == expected
    assert generator[-1] == "local waiting of generator"
    assert generator[:-1] in ((), ("",))


def test_roots_are_named(python: Interpreter) -> None:
    with named_heap(python) as (heap, names, chains):
        module = names.edge(0, chains["module global"][0])
        local = names.edge(0, chains["thread local variable"][0])
        kind = names.edge(0, chains["class"][0])
        suspended = names.suspended(chains["suspended"])
        elsewhere = names.edge(0, chains["list"][0])

    line = next(i for i, text in enumerate(PROGRAM.splitlines(), 2) if "stop.wait()" in text)
    awaiting = next(i for i, text in enumerate(PROGRAM.splitlines(), 2) if "Future(loop" in text)
    own = [root for root in heap.roots.locals if root.thread == "the worker"]
    depth = next(root.depth for root in own if root.variable == "in_thread")
    assert module == "module __main__"
    assert local == f"thread the worker frame work (<string>:{line}) local in_thread"
    assert depth > 0
    assert kind == "class __main__.Slotted"
    assert [(s.function, s.file) for s in suspended[0]] == [
        ("outer", "<string>"),
        ("inner", "<string>"),
    ]
    assert suspended[0][1].line == awaiting
    assert "MainThread" in {thread.name for thread in heap.roots.threads}
    assert elsewhere == "held by C code"
