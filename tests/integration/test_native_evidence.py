"""Who holds what, from frozen copies of a live target's heap, for many kinds of holders."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import psutil
import pytest

from leakscope.capture.portable import PortableCapture
from leakscope.capture.session import Session
from leakscope.model.evidence import Evidence, HolderEvidence, Step, Suspects, TypeEvidence
from leakscope.model.recording import CaptureKind
from leakscope.watching.captures import capture_for
from tests.attaching import attached, newest
from tests.pythons import Interpreter, interpreters
from tests.targets import read_line, spawn, tell

PROGRAM = """
import asyncio, collections, functools, json, sys, threading, types
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
module("shop.audit", PENDING=[Record(Request(i)) for i in range(300)])
class Session:
    def __init__(self, i):
        self.user, self.page = "u%d" % i, "p%d" % i * 300
SESSIONS = {"%032x" % i: Session(i) for i in range(300)}
class Bus:
    registry = collections.deque((i, Request(i)) for i in range(300))
    def __init__(self):
        self.handlers = [functools.partial(print, Request(i)) for i in range(300)]
class Slotted:
    __slots__ = ("items",)
class App:
    def __init__(self):
        self.bus, self.slotted, self.table = Bus(), Slotted(), {"by-name": {"deep": []}, 7: []}
        self.slotted.items = {(i, "k%d" % i) for i in range(200)}
        self.table["by-name"]["deep"] += [Request(i) for i in range(50)]
        self.table[7] += [Request(i) for i in range(50)]
APP = App()
def signal():
    receivers = []
    def connect(body):
        def receiver():
            return len(body)
        receivers.append(receiver)
    connect.ids = id(receivers)
    return connect
CONNECT = signal()
for i in range(300):
    CONNECT(bytes(500 + i))
class Policy:
    def __init__(self, i):
        self.rules = [i] * 10
    @functools.lru_cache(maxsize=None)
    def check(self, n):
        return n
    @functools.lru_cache(maxsize=1000)
    def bounded(self, n):
        return n
for i in range(300):
    Policy(i).check(1)
    Policy(i).bounded(1)
def table_of(function):
    import gc
    return next(id(x) for x in gc.get_referents(function) if type(x) is dict and len(x) == 300)
PAGES = {"k%d" % i: bytes(2000 + i) for i in range(300)}
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
class Failed(Exception): pass
FAILURE = Failed()
def fail():
    try:
        raise FAILURE
    except Failed:
        pass
class Node:
    def __init__(self, next_):
        self.next = next_
HEAD = None
def handle():
    inbox = [object() for i in range(100)]
    global INBOX
    INBOX = id(inbox)
    STARTED.set()
    STOP.wait()
STARTED, STOP = threading.Event(), threading.Event()
THREAD = threading.Thread(target=handle, name="worker-7", daemon=True)
THREAD.start()
STARTED.wait()
def grow():
    global HEAD
    for i in range(500):
        fail()
        HEAD = Node(HEAD)
grow()
LATER = []
print("ready", json.dumps({
    "pending": id(sys.modules["shop.audit"].PENDING), "sessions": id(SESSIONS),
    "handlers": id(APP.bus.handlers), "registry": id(Bus.registry),
    "slots": id(APP.slotted.items), "nested": id(APP.table["by-name"]["deep"]),
    "by number": id(APP.table[7]), "closure": CONNECT.ids, "pages": id(PAGES),
    "lru": table_of(Policy.__dict__["check"]), "bounded": table_of(Policy.__dict__["bounded"]),
    "getters": id(QUEUE._getters), "generator": STOCK, "inbox": INBOX,
}), flush=True)
for line in sys.stdin:
    LATER += [Session(i) for i in range(50)]
    grow()
    print("done", flush=True)
"""

TYPES = (
    "__main__.Record",
    "__main__.Session",
    "builtins.traceback",
    "__main__.Node",
    "builtins.cell",
    "no.such.Type",
)


@dataclass(frozen=True, slots=True)
class Shop:
    """What was found out about the program above: by frozen copies, by Python in the target."""

    native: dict[str, HolderEvidence]
    portable: dict[str, HolderEvidence]
    types: dict[str, TypeEvidence]
    new: dict[str, TypeEvidence]
    """The types again, after the program made more."""


@cache
def shop_of(python: Interpreter) -> Shop:
    with spawn(python.path, PROGRAM, wait_for=None) as target:
        addresses: dict[str, int] = json.loads(read_line(target).removeprefix("ready "))
        suspects = Suspects(tuple(addresses.values()), TYPES)
        with attached(target) as session:
            capture = capture_for(session)
            assert capture.kind is CaptureKind.NATIVE
            native = capture.gather(suspects)
            tell(target, "more")
            assert read_line(target) == "done"
            again = capture.gather(suspects)
            assert capture.caveats == ()
            portable = other_way(session, suspects)
        return Shop(
            _by_name(native, addresses),
            _by_name(portable, addresses),
            {t.type: t for t in native.types},
            {t.type: t for t in again.types},
        )


def other_way(session: Session, suspects: Suspects) -> Evidence:
    portable = PortableCapture(session)
    for _ in range(3):
        portable.census()
    return portable.gather(suspects)


def _by_name(evidence: Evidence, addresses: dict[str, int]) -> dict[str, HolderEvidence]:
    found = {holder.address: holder for holder in evidence.holders}
    return {name: found[address] for name, address in addresses.items() if address in found}


@pytest.fixture(params=interpreters(), ids=lambda p: p.version)
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    yield shop_of(request.param)


def edges(steps: tuple[Step, ...]) -> list[str]:
    return [step.edge for step in steps]


@pytest.mark.parametrize(
    ("name", "chain"),
    [
        ("pending", ["module shop.audit", ".PENDING"]),
        ("sessions", ["module __main__", ".SESSIONS"]),
        ("handlers", ["module __main__", ".APP", ".bus", ".handlers"]),
        ("registry", ["module __main__", ".Bus", ".registry"]),
        ("slots", ["module __main__", ".APP", ".slotted", ".items"]),
        ("nested", ["module __main__", ".APP", ".table", "['by-name']", "['deep']"]),
        ("by number", ["module __main__", ".APP", ".table", "[<builtins.int>]"]),
        ("lru", ["module __main__", ".Policy", ".check", "lru_cache entries"]),
        ("bounded", ["module __main__", ".Policy", ".bounded", "lru_cache entries (at most 1000)"]),
        ("pages", ["module __main__", ".PAGES"]),
        ("getters", ["module __main__", ".QUEUE", "._getters"]),
        ("generator", ["module __main__", ".GENERATOR", "local stock of stocking"]),
    ],
)
def test_a_holder_is_named_from_a_module(shop: Shop, name: str, chain: list[str]) -> None:
    assert edges(shop.native[name].chain) == chain


def test_a_variable_of_a_closure_is_named_with_its_function(shop: Shop) -> None:
    chain = edges(shop.native["closure"].chain)

    assert chain[:2] == ["module __main__", ".CONNECT"]
    assert chain[2:] in (
        ["closure variable receivers of connect"],
        ["closure variable receivers of signal.<locals>.connect"],
    )


def test_what_only_a_running_function_holds_starts_at_its_thread(shop: Shop) -> None:
    line = next(i for i, text in enumerate(PROGRAM.splitlines(), 1) if "STOP.wait()" in text)

    assert edges(shop.native["inbox"].chain) == [
        f"thread worker-7 frame handle (<string>:{line})",
        "local inbox",
    ]


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("pending", [("[*]", "__main__.Record"), (".request", "__main__.Request")]),
        ("sessions", [("[*]", "__main__.Session")]),
        ("handlers", [("[*]", "functools.partial"), (".args[0]", "__main__.Request")]),
        ("registry", [("[*]", "builtins.tuple"), ("[1]", "__main__.Request")]),
        ("slots", [("<element>", "builtins.tuple")]),
        ("nested", [("[*]", "__main__.Request")]),
        ("closure", [("[*]", "builtins.function")]),
        ("lru", [("<key>", "builtins.tuple"), ("[0]", "__main__.Policy")]),
        ("bounded", [("<key>", "builtins.tuple"), ("[0]", "__main__.Policy")]),
        ("pages", [("[*]", "builtins.bytes")]),
    ],
)
def test_the_entry_is_named_by_what_accounts_for_most_of_it(
    shop: Shop, name: str, entry: list[tuple[str, str]]
) -> None:
    assert [(s.edge, s.type) for s in shop.native[name].entry] == entry


def test_a_task_that_waits_for_a_queue_is_what_the_queue_holds(shop: Shop) -> None:
    holder = shop.native["getters"]
    line = next(i for i, text in enumerate(PROGRAM.splitlines(), 1) if "QUEUE.get()" in text)

    assert holder.entry[0] == Step("[*]", "_asyncio.Future")
    assert holder.entry[-1].type == "_asyncio.Task"
    assert holder.site is not None
    assert (holder.site.file, holder.site.function) == ("<string>", "worker")
    assert holder.site.line == line


def test_a_function_is_told_by_where_it_was_defined(shop: Shop) -> None:
    site = shop.native["closure"].site

    assert site is not None
    assert PROGRAM.splitlines()[site.line - 1].strip() == "def receiver():"


def test_an_entry_keeps_alive_what_is_reached_through_it_alone(shop: Shop) -> None:
    shares = {s.type: s for s in shop.native["pending"].shares}

    assert shares["__main__.Record"].objects == 1
    assert shares["__main__.Request"].objects == 1
    assert shares["builtins.bytes"].objects == 1
    assert shares["builtins.bytes"].bytes == 3033
    assert shares["builtins.str"].objects >= 9
    assert "builtins.type" not in shares
    assert shop.native["pending"].entries_sampled == 24


def test_the_key_of_a_dict_is_part_of_its_entry(shop: Shop) -> None:
    shares = {s.type: s for s in shop.native["sessions"].shares}

    assert shares["builtins.str"].objects == 3
    assert [s.bytes for s in shop.native["sessions"].shares] == sorted(
        (s.bytes for s in shop.native["sessions"].shares), reverse=True
    )


def test_both_ways_of_looking_find_the_same(shop: Shop) -> None:
    for name, other in shop.portable.items():
        mine = shop.native[name]
        if name == "bounded" or not other.chain:
            continue  # the links of a bounded cache tell Python nothing
        assert mine.chain == other.chain, name
        assert edges(mine.entry) == edges(other.entry), name
        assert mine.site == other.site or name == "generator", name
    assert len(shop.portable) > 10


def test_an_instance_of_a_type_is_traced_to_its_module(shop: Shop) -> None:
    record = shop.types["__main__.Record"]

    assert record.objects == 300
    assert edges(record.chain)[:2] == ["module shop.audit", ".PENDING"]
    assert "no.such.Type" not in shop.types


def test_a_cell_is_called_by_its_variable(shop: Shop) -> None:
    edge = shop.types["builtins.cell"].chain[-1].edge

    assert edge.startswith("closure variable body of "), edge


def test_the_chain_to_a_type_is_that_to_what_is_new(shop: Shop) -> None:
    assert edges(shop.types["__main__.Session"].chain)[:2] == ["module __main__", ".SESSIONS"]
    assert edges(shop.new["__main__.Session"].chain)[:2] == ["module __main__", ".LATER"]
    assert shop.new["__main__.Session"].objects == shop.types["__main__.Session"].objects + 50


def test_a_list_of_links_is_told_by_where_it_hangs(shop: Shop) -> None:
    node = edges(shop.new["__main__.Node"].chain)
    traceback = edges(shop.new["builtins.traceback"].chain)

    assert node[:2] == ["module __main__", ".HEAD"]
    assert set(node[2:]) == {".next"}
    assert traceback[:3] == ["module __main__", ".FAILURE", ".__traceback__"]
    assert set(traceback[3:]) == {".tb_next"}
    assert max(len(node), len(traceback)) < 8


def test_without_room_for_a_copy_python_in_the_target_is_asked() -> None:
    with spawn(newest().path, PROGRAM, wait_for=None) as target:
        addresses: dict[str, int] = json.loads(read_line(target).removeprefix("ready "))
        suspects = Suspects((addresses["pending"],), ("__main__.Record",))
        with attached(target) as session:
            capture = capture_for(session)
            assert capture.gather(suspects).types[0].chain
            forbid_growth(target)
            evidence = capture.gather(suspects)

            assert edges(evidence.holders[0].chain) == ["module shop.audit", ".PENDING"]
            assert evidence.types[0].objects == 300
            assert "asked of Python in the target" in " ".join(capture.caveats)


def forbid_growth(target: subprocess.Popen[bytes]) -> None:
    """Let the target, and copies of it, map only a little more than it has."""
    most = psutil.Process(target.pid).memory_info().vms + (32 << 20)
    resource.prlimit(target.pid, resource.RLIMIT_AS, (most, most))


def test_allocation_sites_are_told_beside_the_evidence() -> None:
    with spawn(newest().path, PROGRAM, wait_for=None) as target:
        addresses: dict[str, int] = json.loads(read_line(target).removeprefix("ready "))
        with attached(target) as session:
            capture = capture_for(session)
            capture.trace_allocations(on=True)
            tell(target, "more")
            assert read_line(target) == "done"
            evidence = capture.gather(Suspects((addresses["pending"],), ()))
            capture.trace_allocations(on=False)

            assert evidence.holders[0].entry[-1].type == "__main__.Request"
            assert any("grow" in s.function for site in evidence.sites for s in site.stack)
