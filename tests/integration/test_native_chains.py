"""Whatever holds an object, the chain to it says so in the words that the program uses.

Each case makes one `Held()`; the chain is what `leakscope why` prints for its type.
"""

from __future__ import annotations

from functools import cache

import pytest

from leakscope.capture.heapreader import read_heap
from leakscope.capture.native import OpenHeap, Pause
from leakscope.model.evidence import Step, Suspects
from leakscope.watching.heap_evidence import explain
from leakscope.watching.heap_keeping import view_of
from tests.frozen import freezing
from tests.pythons import Interpreter, interpreters

HERE = "module __main__"

CASES: dict[str, tuple[str, list[str]]] = {
    "module global": ("GLOBAL = Held()", [HERE, ".GLOBAL"]),
    "global of another module": (
        "sys.modules['shop.audit'] = types.ModuleType('shop.audit')\n"
        "sys.modules['shop.audit'].LAST = Held()",
        ["module shop.audit", ".LAST"],
    ),
    "class attribute": ("class Shop: last = Held()", [HERE, ".Shop", ".last"]),
    "attribute of a class in a class": (
        "class Outer:\n class Inner: last = Held()",
        [HERE, ".Outer", ".Inner", ".last"],
    ),
    "class attribute beside a metaclass": (
        "class Meta(type): pass\nclass Made(metaclass=Meta): last = Held()",
        [HERE, ".Made", ".last"],
    ),
    "instance attribute": ("plain = Plain(); plain.last = Held()", [HERE, ".plain", ".last"]),
    "instance attribute in its dict": (
        "shown = Plain(); vars(shown); shown.last = Held()",
        [HERE, ".shown", ".last"],
    ),
    "instance attribute of a name that is none": (
        "odd = Plain(); vars(odd)['a b'] = Held()",
        [HERE, ".odd", ".a b"],
    ),
    "one instance attribute of many": (
        "many = Plain()\nfor i in range(60): setattr(many, 'f%d' % i, i)\nmany.last = Held()",
        [HERE, ".many", ".last"],
    ),
    "slot": ("slotted = Slotted(); slotted.second = Held()", [HERE, ".slotted", ".second"]),
    "inherited slot": (
        "class Third(Slotted): __slots__ = ('third',)\nthird = Third(); third.first = Held()",
        [HERE, ".third", ".first"],
    ),
    "attribute beside slots": (
        "class Both(Slotted): pass\nboth = Both(); both.free = Held()",
        [HERE, ".both", ".free"],
    ),
    "dict in a dict": (
        "nested = {'by-name': {'deep': Held()}}",
        [HERE, ".nested", "['by-name']", "['deep']"],
    ),
    "key of another kind": ("numbered = {7: Held()}", [HERE, ".numbered", "[<builtins.int>]"]),
    "key that is no name": ("long = {'x' * 41: Held()}", [HERE, ".long", "[<str len 41>]"]),
    "key itself": ("keyed = {Held(): 1}", [HERE, ".keyed", "<key>"]),
    "list in a list": ("rows = [0, [1, Held()]]", [HERE, ".rows", "[1]", "[1]"]),
    "deque in a dict": (
        "rings = {'r': collections.deque([0, 1, Held()])}",
        [HERE, ".rings", "['r']", "[2]"],
    ),
    "set in a list": ("groups = [{Held()}]", [HERE, ".groups", "[0]", "<element>"]),
    "tuple": ("pair = (1, Held())", [HERE, ".pair", "[1]"]),
    "named tuple": ("named = Named(1, Held())", [HERE, ".named", ".right"]),
    "ordered dict": ("ordered = collections.OrderedDict(x=Held())", [HERE, ".ordered", "['x']"]),
    "attribute of a dict": (
        "class Table(dict): pass\ntable = Table(x=1); table.extra = Held()",
        [HERE, ".table", ".extra"],
    ),
    "closure cell": (
        "def enclosing():\n secret = Held()\n return lambda: secret\nclosed = enclosing()",
        [HERE, ".closed", "closure variable secret of enclosing.<locals>.<lambda>"],
    ),
    "default argument": (
        "def defaults(a=Held()): pass",
        [HERE, ".defaults", "default argument of defaults"],
    ),
    "default of a keyword": (
        "def only(*, b=Held()): pass",
        [HERE, ".only", "default of b in only"],
    ),
    "attribute of a function": (
        "def marked(): pass\nmarked.note = Held()",
        [HERE, ".marked", ".note"],
    ),
    "bound method": (
        "holder = Plain(); holder.last = Held(); method = holder.__init__; del holder",
        [HERE, ".method", ".__self__", ".last"],
    ),
    "method of a class of ours": (
        "calling = Calling(Held()).method",
        [HERE, ".calling", ".__self__", ".held"],
    ),
    "method of a builtin": ("append = [Held()].append", [HERE, ".append", ".__self__", "[0]"]),
    "partial": ("part = functools.partial(print, 1, Held())", [HERE, ".part", ".args[1]"]),
    "keyword of a partial": (
        "keyword = functools.partial(print, sep=Held())",
        [HERE, ".keyword", ".keywords['sep']"],
    ),
    "lru_cache": (
        "cached = functools.lru_cache(None)(lambda key: Held()); cached('k')",
        [HERE, ".cached", "lru_cache entries", "['k']"],
    ),
    "bounded lru_cache": (
        "bounded = functools.lru_cache(9)(lambda key: Held()); bounded('k')",
        [HERE, ".bounded", "lru_cache entry"],
    ),
    "argument of an lru_cache": (
        "known = functools.lru_cache(None)(lambda key: 1); known(Held())",
        [HERE, ".known", "lru_cache entries", "<key>", "[0]"],
    ),
    "property": (
        "class Shown: last = property(Calling(Held()))",
        [HERE, ".Shown", ".last", ".fget", ".held"],
    ),
    "generator local": (
        "def steps():\n waiting = Held()\n yield\nstepping = steps(); next(stepping)",
        [HERE, ".stepping", "local waiting of steps"],
    ),
    "local of a generator that another waits for": (
        "def inner():\n deep = Held()\n yield\ndef outer(): yield from inner()\n"
        "delegating = outer(); next(delegating)",
        [HERE, ".delegating", "awaited by outer", "local deep of inner"],
    ),
    "coroutine local": (
        "async def serve():\n request = Held()\n await pause()\n"
        "serving = serve(); serving.send(None)",
        [HERE, ".serving", "local request of serve"],
    ),
    "local of a coroutine that another awaits": (
        "async def query():\n row = Held()\n await pause()\nasync def view(): await query()\n"
        "viewing = view(); viewing.send(None)",
        [HERE, ".viewing", "awaited by view", "local row of query"],
    ),
    "async generator local": (
        "async def stream():\n part = Held()\n yield\nstreaming = stream()\n"
        "try: streaming.__anext__().send(None)\nexcept StopIteration: pass",
        [HERE, ".streaming", "local part of stream"],
    ),
    "result of a future": (
        "future = loop.create_future(); future.set_result(Held())",
        [HERE, ".future", "result"],
    ),
    "callback of a future": (
        "awaited = loop.create_future(); awaited.add_done_callback(Calling(Held()))",
        [HERE, ".awaited", "callback", ".held"],
    ),
    "running frame local of another thread": (
        "started, stop = threading.Event(), threading.Event()\n"
        "def work():\n mine = Held()\n started.set(); stop.wait()\n"
        "threading.Thread(target=work, name='worker-7', daemon=True).start(); started.wait()",
        ["thread worker-7 frame work (<string>:4)", "local mine"],
    ),
    "running frame local that a closure shares": (
        "began, end = threading.Event(), threading.Event()\n"
        "def share():\n mine = Held()\n began.set(); end.wait()\n return lambda: mine\n"
        "threading.Thread(target=share, name='worker-8', daemon=True).start(); began.wait()",
        ["thread worker-8 frame share (<string>:4)", "local mine"],
    ),
    "thread-local": (
        "storage = threading.local(); storage.mine = Held()",
        [HERE, ".storage", ".mine"],
    ),
    "contextvar": (
        "variable = contextvars.ContextVar('request_id'); variable.set(Held())",
        ["context of thread MainThread", "contextvar request_id"],
    ),
    "contextvar of a context": (
        "context = contextvars.Context()\ncontext.run(contextvars.ContextVar('user').set, Held())",
        [HERE, ".context", "contextvar user"],
    ),
    "default of a contextvar": (
        "fallback = contextvars.ContextVar('fallback', default=Held())",
        [HERE, ".fallback", ".default"],
    ),
    "exception traceback frame": (
        "def fail():\n order = Held()\n raise ValueError\n"
        "try: fail()\nexcept ValueError as error: failure = error",
        [HERE, ".failure", ".__traceback__", ".tb_next", ".tb_frame", "local order of fail"],
    ),
    "local of a call that called another whose frame is kept": (
        "def outer():\n order = Held()\n inner()\n"
        "def inner():\n global kept\n kept = sys._getframe()\nouter()",
        [HERE, ".kept", "caller of inner", "local order of outer"],
    ),
    "argument of an exception": ("wrong = ValueError(Held())", [HERE, ".wrong", ".args", "[0]"]),
    "cause of an exception": (
        "later = ValueError(); later.__cause__ = ValueError(Held())",
        [HERE, ".later", ".__cause__", ".args", "[0]"],
    ),
    "weakref callback": (
        "watched = Plain(); watching = weakref.ref(watched, Calling(Held()))",
        [HERE, ".watching", ".__callback__", ".held"],
    ),
    "finalizer": (
        "finalized = Plain(); weakref.finalize(finalized, print, Held())",
        ["module weakref", ".finalize", "._registry", "[<weakref.finalize>]", ".args", "[0]"],
    ),
    "value of a weak dict's key": (
        "key = Plain(); weak = weakref.WeakKeyDictionary(); weak[key] = Held()",
        [HERE, ".weak", ".data", "[<weakref.ReferenceType>]"],
    ),
    "object held only by C": (
        "ctypes.pythonapi.Py_IncRef(ctypes.py_object(Held()))",
        ["held by"],
    ),
    "list held only by C": (
        "ctypes.pythonapi.Py_IncRef(ctypes.py_object([Held()]))",
        ["held by", "[0]"],
    ),
}

OLDER = {
    "closure cell": [HERE, ".closed", "closure variable secret of <lambda>"],
}
"""3.9 and 3.10, whose code has no qualified names."""
OLDEST = {"value of a weak dict's key": [HERE, ".weak", ".data", "[<builtins.weakref>]"]}

PROGRAM = """
import asyncio, collections, contextvars, ctypes, functools, threading, types, weakref
class Plain: pass
class Slotted: __slots__ = ("first", "second")
class Calling:
    def __init__(self, held): self.held = held
    def __call__(self, *args): pass
    def method(self): pass
Named = collections.namedtuple("Named", "left right")
Plain.__init__ = lambda self: None
loop = asyncio.new_event_loop()
@types.coroutine
def pause(): yield
for name, source in {sources!r}.items():
    Held = type("Held of " + name, (), {{}})
    exec(source, globals())
del Held, name, source
freezer.freeze(); freezer.hand_over()
freezer.wait_for_order()
print(json.dumps(freezer.reap())); sys.stdout.flush()
import os; os._exit(0)
"""


@cache
def chains_of(python: Interpreter) -> dict[str, tuple[Step, ...]]:
    """Return the chain to what each case holds."""
    names = {f"__main__.Held of {name}": name for name in CASES}
    sources = {name: source for name, (source, _) in CASES.items()}
    with freezing(python, PROGRAM.format(sources=sources)) as target:
        stream = target.stream()
        heap = OpenHeap(read_heap(stream), stream, Pause(0.0, 0.0))
        evidence = explain(view_of(heap), Suspects((), tuple(names)))
        stream.close()
        target.order()
        assert target.said()[1:] == [0, False]
    return {names[found.type]: found.chain for found in evidence.types}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)
def test_a_chain_is_told_in_the_words_of_the_program(python: Interpreter, name: str) -> None:
    expected = CASES[name][1]
    if python.version in ("3.9", "3.10"):
        expected = OLDER.get(name, expected)
    if python.version == "3.9":
        expected = OLDEST.get(name, expected)

    chain = chains_of(python)[name]

    assert [step.edge for step in chain] == expected
    assert chain[-1].type == f"__main__.Held of {name}"
