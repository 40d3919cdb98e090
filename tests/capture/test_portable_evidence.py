"""Who holds what, on every interpreter, for one program with many kinds of holders."""

from collections.abc import Iterator
from typing import Any

import pytest

from leakscope.capture.portable import PortableCapture
from leakscope.model.evidence import Evidence, HolderEvidence, Step, Suspects
from tests.capture.local_session import LocalSession
from tests.capture.unhurried import unhurried
from tests.pythons import Interpreter, interpreters

PROGRAM = """
import asyncio, collections, functools, gc, sys, types
class Request:
    def __init__(self, i):
        self.path, self.body = "/x/%d" % i, bytes(3000)
        self.headers = {"h%d" % k: "v%d-%d" % (k, i) for k in range(8)}
class Record:
    def __init__(self, request):
        self.request = request
def module(name, **contents):
    made = sys.modules[name] = types.ModuleType(name)
    vars(made).update(contents)
    return made

module("shop.audit", PENDING=[Record(Request(i)) for i in range(300)])
module("shop.sessions", SESSIONS={
    "%032x" % i: {"user": "u%d" % i, "cart": [object()], "page": "p%d" % i * 300}
    for i in range(300)})
class Bus:
    registry = collections.deque((i, Request(i)) for i in range(300))
    def __init__(self):
        self.handlers = [functools.partial(print, Request(i)) for i in range(300)]
class Slotted:
    __slots__ = ("items",)
class Bare:
    pass
def stock(owner):
    owner.on_hand = [Request(i) for i in range(60)]
class App:
    def __init__(self):
        self.bus, self.slotted, self.table = Bus(), Slotted(), {"by-name": {"deep": []}, 7: []}
        self.slotted.items = {(i, "k%d" % i) for i in range(200)}
        self.table["by-name"]["deep"] += [Request(i) for i in range(50)]
        self.table[7] += [Request(i) for i in range(50)]
APP = App()
BARE = Bare()
stock(BARE)
def signal():
    receivers = []
    def connect(body):
        def receiver():
            return len(body)
        receivers.append(receiver)
    return connect
CONNECT = signal()
for i in range(300):
    CONNECT(bytes(500 + i))
def remember(request, _seen=[]):
    _seen.append(request)
for i in range(40):
    remember(Request(i))
class Policy:
    def __init__(self, i):
        self.rules = [i] * 10
    @functools.lru_cache(maxsize=None)
    def check(self, n):
        return n
for i in range(300):
    Policy(i).check(1)
PAGES = {"k%d" % i: bytes(2000 + i) for i in range(300)}
Point = collections.namedtuple("Point", "x payload")
POINTS = [Point(i, Request(i)) for i in range(40)]

async def worker(request):
    await QUEUE.get()
async def main():
    global QUEUE
    QUEUE = asyncio.Queue()
    for i in range(200):
        asyncio.ensure_future(worker(Request(i)))
    await asyncio.sleep(0)
LOOP = asyncio.new_event_loop()
LOOP.run_until_complete(main())
def stocking():
    stock = [Request(i) for i in range(100)]
    global STOCK
    STOCK = id(stock)
    yield
GENERATOR = stocking()
next(GENERATOR)
CYCLE = []
async def unrooted():
    waiting = [Request(i) for i in range(100)]
    global WAITING
    WAITING = id(waiting)
    await QUEUE.get()
gc.collect()
SEEN = remember.__defaults__[0]
CACHE = next(x for x in gc.get_referents(Policy.__dict__["check"])
             if type(x) is dict and len(x) == 300)
"""

HOLDERS = {
    "pending": "id(sys.modules['shop.audit'].PENDING)",
    "sessions": "id(sys.modules['shop.sessions'].SESSIONS)",
    "handlers": "id(APP.bus.handlers)",
    "registry": "id(Bus.registry)",
    "slots": "id(APP.slotted.items)",
    "nested": "id(APP.table['by-name']['deep'])",
    "by number": "id(APP.table[7])",
    "set from outside": "id(BARE.on_hand)",
    "closure": "id(CONNECT.__closure__[0].cell_contents)",
    "default": "id(SEEN)",
    "lru": "id(CACHE)",
    "pages": "id(PAGES)",
    "points": "id(POINTS)",
    "getters": "id(QUEUE._getters)",
    "generator": "STOCK",
}
TYPES = ("__main__.Record", "__main__.Policy", "_asyncio.Task", "builtins.tuple", "no.such.Type")


class Shop:
    """What was found out about the program above."""

    def __init__(self, session: LocalSession) -> None:
        self.session = session
        self.capture = PortableCapture(session)
        for _ in range(3):
            self.capture.census()
        ids = ", ".join(HOLDERS.values())
        addresses: Any = session.evaluate(f"[{ids}]")
        with unhurried():
            self.evidence: Evidence = self.capture.gather(Suspects(tuple(addresses), TYPES))
        by_address = {h.address: h for h in self.evidence.holders}
        self.holders = {name: by_address[a] for name, a in zip(HOLDERS, addresses, strict=True)}


@pytest.fixture(params=interpreters(), ids=lambda p: p.version, scope="module")
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    with LocalSession(request.param.path, PROGRAM) as session:
        yield Shop(session)


def edges(steps: tuple[Step, ...]) -> list[str]:
    return [step.edge for step in steps]


def path(holder: HolderEvidence) -> list[str]:
    return edges(holder.chain)


@pytest.mark.parametrize(
    ("name", "chain"),
    [
        ("pending", ["module shop.audit", ".PENDING"]),
        ("sessions", ["module shop.sessions", ".SESSIONS"]),
        ("handlers", ["module __main__", ".APP", ".bus", ".handlers"]),
        ("registry", ["module __main__", ".Bus", ".registry"]),
        ("slots", ["module __main__", ".APP", ".slotted", ".items"]),
        ("nested", ["module __main__", ".APP", ".table", "['by-name']", "['deep']"]),
        ("by number", ["module __main__", ".APP", ".table", "[<builtins.int>]"]),
        ("set from outside", ["module __main__", ".BARE", ".on_hand"]),
        ("default", ["module __main__", ".SEEN"]),
        ("pages", ["module __main__", ".PAGES"]),
        ("points", ["module __main__", ".POINTS"]),
        ("getters", ["module __main__", ".QUEUE", "._getters"]),
        ("generator", ["module __main__", ".GENERATOR", "local stock of stocking"]),
        ("lru", ["module __main__", ".CACHE"]),
    ],
)
def test_a_holder_is_named_from_a_module(shop: Shop, name: str, chain: list[str]) -> None:
    assert path(shop.holders[name]) == chain


def test_a_variable_of_a_closure_is_named_with_its_function(shop: Shop) -> None:
    chain = path(shop.holders["closure"])

    assert chain[:2] == ["module __main__", ".CONNECT"]
    assert chain[2] in (
        "closure variable receivers of connect",
        "closure variable receivers of signal.<locals>.connect",
    )
    assert len(chain) == 3


def test_the_chain_says_what_each_reference_leads_to(shop: Shop) -> None:
    assert [s.type for s in shop.holders["handlers"].chain] == [
        "builtins.module",
        "__main__.App",
        "__main__.Bus",
        "builtins.list",
    ]


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("pending", [("[*]", "__main__.Record"), (".request", "__main__.Request")]),
        ("sessions", [("[*]", "builtins.dict")]),
        ("handlers", [("[*]", "functools.partial"), (".args[0]", "__main__.Request")]),
        ("registry", [("[*]", "builtins.tuple"), ("[1]", "__main__.Request")]),
        ("slots", [("<element>", "builtins.tuple")]),
        ("nested", [("[*]", "__main__.Request")]),
        ("closure", [("[*]", "builtins.function")]),
        ("lru", [("<key>", "builtins.tuple"), ("[0]", "__main__.Policy")]),
        ("pages", [("[*]", "builtins.bytes")]),
        ("points", [("[*]", "__main__.Point"), (".payload", "__main__.Request")]),
    ],
)
def test_the_entry_is_named_by_what_accounts_for_most_of_it(
    shop: Shop, name: str, entry: list[tuple[str, str]]
) -> None:
    assert [(s.edge, s.type) for s in shop.holders[name].entry] == entry


def test_a_task_that_waits_for_a_queue_is_what_the_queue_holds(shop: Shop) -> None:
    holder = shop.holders["getters"]

    assert holder.entry[0] == Step("[*]", "_asyncio.Future")
    assert holder.entry[-1].type == "_asyncio.Task"
    assert holder.site is not None
    assert (holder.site.file, holder.site.function) == ("<program>", "worker")
    assert PROGRAM.splitlines()[holder.site.line - 1].strip() == "await QUEUE.get()"


def test_a_function_is_told_by_where_it_was_defined(shop: Shop) -> None:
    site = shop.holders["closure"].site

    assert site is not None
    assert PROGRAM.splitlines()[site.line - 1].strip() == "def receiver():"


def test_shares_are_what_only_the_entry_keeps_alive(shop: Shop) -> None:
    shares = {s.type: s for s in shop.holders["pending"].shares}
    record: Any = shop.session.evaluate(
        "(lambda r: [sys.getsizeof(r), sys.getsizeof(r.request), sys.getsizeof(r.request.body),"
        " sys.getsizeof(r.request.headers)])(sys.modules['shop.audit'].PENDING[200])"
    )

    assert shares["__main__.Record"].objects == 1
    assert shares["__main__.Record"].bytes == record[0]
    assert shares["__main__.Request"].bytes == record[1]
    assert shares["builtins.bytes"].bytes == record[2]
    assert shares["builtins.dict"].bytes >= record[3]
    assert shares["builtins.str"].objects >= 9
    assert shop.holders["pending"].entries_sampled == 24


def test_what_all_entries_share_is_nobodys(shop: Shop) -> None:
    shares = {s.type for s in shop.holders["handlers"].shares}

    assert "builtins.builtin_function_or_method" not in shares
    assert "builtins.type" not in shares


def test_shares_are_told_most_bytes_first(shop: Shop) -> None:
    for holder in shop.evidence.holders:
        sizes = [s.bytes for s in holder.shares]
        assert sizes == sorted(sizes, reverse=True)


def test_an_instance_of_a_type_is_traced_to_its_module(shop: Shop) -> None:
    types = {t.type: t for t in shop.evidence.types}

    assert types["__main__.Record"].objects == 300
    chain = edges(types["__main__.Record"].chain)
    assert chain[:2] == ["module shop.audit", ".PENDING"]
    assert chain[2].startswith("[")
    assert len(chain) == 3
    assert types["_asyncio.Task"].chain[-1].type == "_asyncio.Task"


def test_a_tuple_is_counted_but_never_held(shop: Shop) -> None:
    types = {t.type: t for t in shop.evidence.types}

    assert types["builtins.tuple"].objects > 500
    assert types["builtins.tuple"].chain == ()


def test_suspects_that_are_not_there_are_left_out(shop: Shop) -> None:
    assert "no.such.Type" not in {t.type for t in shop.evidence.types}
    assert shop.capture.gather(Suspects((1, 2, 3), ())).holders == ()


@pytest.mark.parametrize("python", interpreters(), ids=lambda p: p.version)
def test_what_only_suspended_code_holds_starts_at_that_code(python: Interpreter) -> None:
    program = """
import asyncio, ctypes
class Request:
    pass
async def consume():
    backlog = [Request() for i in range(100)]
    global BACKLOG
    BACKLOG = id(backlog)
    await asyncio.get_running_loop().create_future()
def hide(coroutine):
    coroutine.send(None)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))
def main():
    async def inner():
        hide(consume())
    asyncio.new_event_loop().run_until_complete(inner())
main()
"""
    with LocalSession(python.path, program) as session:
        capture = PortableCapture(session)
        capture.census()
        address: Any = session.evaluate("BACKLOG")
        chain = capture.gather(Suspects((address,), ())).holders[0].chain

        assert chain[0].edge == "coroutine consume (<program>:9)"
        assert edges(chain)[1:] == ["local backlog of consume"]


@pytest.mark.parametrize("python", interpreters(), ids=lambda p: p.version)
def test_what_only_a_running_function_holds_starts_at_its_thread(python: Interpreter) -> None:
    program = """
import threading
STARTED, STOP = threading.Event(), threading.Event()
def handle():
    inbox = [object() for i in range(100)]
    global INBOX
    INBOX = id(inbox)
    STARTED.set()
    STOP.wait()
THREAD = threading.Thread(target=handle, name="worker-7", daemon=True)
THREAD.start()
STARTED.wait()
"""
    with LocalSession(python.path, program) as session:
        capture = PortableCapture(session)
        capture.census()
        address: Any = session.evaluate("INBOX")
        chain = capture.gather(Suspects((address,), ())).holders[0].chain
        session.run("STOP.set()\nTHREAD.join()")

        assert edges(chain) == ["thread worker-7 frame handle (<program>:9)", "local inbox"]


@pytest.mark.parametrize("python", interpreters(), ids=lambda p: p.version)
def test_a_running_function_is_a_better_root_than_a_cache_that_knows_the_application(
    python: Interpreter,
) -> None:
    program = """
import functools, threading
STARTED, STOP = threading.Event(), threading.Event()
class App:
    def __init__(self):
        self.inbox = [object() for i in range(100)]
@functools.lru_cache
def route(app, path):
    return path
def run_app(app):
    global INBOX
    INBOX = id(app.inbox)
    route(app, "/")
    STARTED.set()
    STOP.wait()
def main():
    run_app(App())
THREAD = threading.Thread(target=main, name="server", daemon=True)
THREAD.start()
STARTED.wait()
"""
    with LocalSession(python.path, program) as session:
        capture = PortableCapture(session)
        capture.census()
        address: Any = session.evaluate("INBOX")
        chain = capture.gather(Suspects((address,), ())).holders[0].chain
        session.run("STOP.set()\nTHREAD.join()")

        assert edges(chain) == ["thread server frame run_app (<program>:15)", "local app", ".inbox"]


@pytest.mark.parametrize("python", interpreters(), ids=lambda p: p.version)
def test_a_dict_that_gc_does_not_track_is_found_again_by_its_address(python: Interpreter) -> None:
    program = """
class Cache:
    def __init__(self):
        self.pages = {"k%d" % i: "page %d" % i for i in range(100)}
CACHE = [Cache()]
"""
    with LocalSession(python.path, program) as session:
        address: Any = session.evaluate("id(CACHE[0].pages)")
        chain = PortableCapture(session).gather(Suspects((address,), ())).holders[0].chain

        assert edges(chain) == ["module __main__", ".CACHE", "[0]", ".pages"]


@pytest.mark.parametrize("python", interpreters(), ids=lambda p: p.version)
def test_a_chain_does_not_lead_through_another_suspect(python: Interpreter) -> None:
    program = """
class Request:
    def __init__(self, app):
        self.app = app
class App:
    def __init__(self):
        self.inbox = []
class Deep:
    def __init__(self, child):
        self.child = child
def setup():
    app = App()
    app.inbox += [object() for i in range(50)]
    return [Request(app) for i in range(50)], Deep(Deep(Deep(app))), id(app.inbox)
LEAK, ROOT, INBOX = setup()
"""
    with LocalSession(python.path, program) as session:
        capture = PortableCapture(session)
        capture.census()
        addresses: Any = session.evaluate("(id(LEAK), INBOX)")
        holders = capture.gather(Suspects(addresses, ())).holders

        assert edges(holders[1].chain) == [
            "module __main__",
            ".ROOT",
            ".child",
            ".child",
            ".child",
            ".inbox",
        ]


@pytest.mark.parametrize("python", interpreters(), ids=lambda p: p.version)
def test_what_code_allocated_since_tracing_began_is_told_by_stack(python: Interpreter) -> None:
    program = """
import tracemalloc
KEPT = []
def allocate(n):
    KEPT.append(bytes(n))
def serve(n):
    allocate(n)
"""
    with LocalSession(python.path, program) as session:
        capture = PortableCapture(session)
        capture.census()
        assert capture.gather(Suspects((), ())).sites == ()
        capture.trace_allocations(on=True)
        session.run("for i in range(10): serve(50_000)")
        top = capture.gather(Suspects((), ())).sites[0]
        functions = [(s.file, s.line, s.function) for s in top.stack[:2]]
        capture.trace_allocations(on=False)

        assert functions == [("<program>", 5, "allocate"), ("<program>", 7, "serve")]
        assert top.bytes == pytest.approx(500_000, rel=0.01)
        assert top.blocks in (10, 11)  # the list itself may have moved
        assert session.evaluate("tracemalloc.is_tracing()") is False


def test_tracing_that_somebody_else_began_goes_on() -> None:
    program = "import tracemalloc\ntracemalloc.start(3)"
    with LocalSession(interpreters()[0].path, program) as session:
        capture = PortableCapture(session)
        capture.trace_allocations(on=True)
        capture.trace_allocations(on=False)

        assert session.evaluate("tracemalloc.is_tracing(), tracemalloc.get_traceback_limit()") == (
            True,
            3,
        )
