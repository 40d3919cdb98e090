"""A live target counted by reading its memory: what it counts itself, and it does not notice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leakscope.capture.memory import Memory, mappings
from leakscope.capture.native import NativeCapture, OpenHeap
from leakscope.capture.process import TargetGone, identify
from leakscope.capture.readonly import capture as readonly
from leakscope.capture.readonly import types
from leakscope.capture.readonly.capture import ReadonlyCapture
from leakscope.capture.readonly.census import count
from leakscope.capture.readonly.layout import Builtins, HeapNotUnderstood, layout_of
from leakscope.capture.readonly.regions import on_hand, survey
from leakscope.capture.runtime import cpython_image
from leakscope.capture.vectored import Addresses, Bytes, Mask
from leakscope.model.census import TypeTotal
from leakscope.model.evidence import Evidence, Suspects
from leakscope.model.recording import CaptureKind
from tests.attaching import attached, every_python, newest, some_pythons, traces
from tests.pythons import Interpreter, interpreters
from tests.targets import eventually, read_line, spawn, tell

FEW = 10
"""Objects that a target has for the sake of counting, or of waiting for its input."""

RICH = """
import asyncio, collections, enum, functools, gc, io, json, logging, re, sys, threading, weakref
class Plain:
    def __init__(self, i): self.number = i; self.items = [i]
class Slotted:
    __slots__ = ("a", "b", "__weakref__")
class Meta(type): pass
class Made(metaclass=Meta): pass
class Level(enum.IntEnum):
    LOW = 1
class Items(list): __slots__ = ()
class Table(dict): __slots__ = ()
class Marks(set): __slots__ = ()
class Queue(collections.deque): __slots__ = ()
class Ordered(collections.OrderedDict): __slots__ = ()
class Pair(tuple): __slots__ = ()
def generator():
    local = [1]
    yield local
async def coroutine(): await asyncio.sleep(0)
slotted = Slotted(); slotted.a = [1]; slotted.b = {2: 3}
with_dict = Plain(7); with_dict.__dict__["later"] = 1
stop = threading.Event()
workers = [threading.Thread(target=stop.wait, daemon=True) for _ in range(3)]
for worker in workers: worker.start()
started = generator(); next(started)
keep = [
    [Plain(i) for i in range(3000)], with_dict, slotted, [Made() for _ in range(50)],
    [Items(range(i)) for i in range(40)], [Table({j: [j] for j in range(i)}) for i in range(40)],
    [Marks(range(i)) for i in range(70)], [Queue(range(i)) for i in range(0, 700, 7)],
    [Ordered((j, []) for j in range(i)) for i in range(40)], [Pair(([],) * i) for i in range(9)],
    collections.defaultdict(list, a=[]), functools.partial(print, []), weakref.ref(slotted),
    generator(), started, coroutine(), io.StringIO(), ValueError([1]), Level.LOW,
    type("gr\\xf6\\xdfe", (), {})(), type("\\u540d\\u5b57", (), {})(),
    type("\\U0001f600", (), {})(),
    type("New\\nline", (), {})(), type("Lone", (), {"__module__": "m\\udc80"})(),
]
plain = {str(i): i for i in range(1234)}
module_of = type.__dict__["__module__"].__get__
qualname_of = type.__dict__["__qualname__"].__get__
def told():
    totals = {}
    for o in gc.get_objects():
        kind = type(o)
        entry = totals.setdefault(module_of(kind) + "." + qualname_of(kind), [0, 0])
        entry[0] += 1
        entry[1] += sys.getsizeof(o)
    return totals
gc.collect(); gc.disable()
"""
ANSWERS = """
print("ready", flush=True)
for line in sys.stdin:
    # 3.12 and later put immortal objects aside, where get_objects does not look.
    gc.unfreeze()
    answer = json.dumps(told())
    print(answer, flush=True)
    answer = None
"""

# 60,000 objects that stay, many that come and go, and one more thread that collects all the time.
BUSY = """
import gc, sys, threading
class Kept:
    def __init__(self, i): self.items = [i]
class Passing:
    def __init__(self): self.itself = self; self.tables = {"a": [1]}
keep = [Kept(i) for i in range(60000)]
live = {}
def work():
    number = 0
    while True:
        number += 1
        live[number % 2000] = Passing()
def collect():
    while True: gc.collect()
for target in (work, collect):
    threading.Thread(target=target, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


def capture_of(target: subprocess.Popen[bytes], python: Interpreter) -> ReadonlyCapture:
    major, minor = map(int, python.version.split("."))
    return ReadonlyCapture(identify(target.pid), (major, minor))


def told_by(target: subprocess.Popen[bytes]) -> dict[str, TypeTotal]:
    tell(target, "tell")
    told: dict[str, list[int]] = json.loads(read_line(target))
    return {name: TypeTotal(*total) for name, total in told.items()}


def assert_counts_agree(found: dict[str, TypeTotal], told: dict[str, TypeTotal]) -> None:
    nothing = TypeTotal(0, 0)
    differing = {
        name: (found.get(name, nothing).objects, told.get(name, nothing).objects)
        for name in found.keys() | told.keys()
        if found.get(name, nothing).objects != told.get(name, nothing).objects
    }
    assert sum(abs(ours - theirs) for ours, theirs in differing.values()) <= FEW, differing
    assert not [name for name in differing if name.startswith("__main__")], differing


@every_python
def test_an_idle_target_is_counted_as_it_counts_itself(python: Interpreter) -> None:
    with spawn(python.path, RICH + ANSWERS) as target:
        told_by(target)  # the first time makes some things that stay
        told = told_by(target)
        found = capture_of(target, python).census()

    assert_counts_agree(found.types, told)
    assert found.types["__main__.Plain"].objects == 3001
    assert found.types["__main__.Made"].objects == 50
    assert found.types["__main__.New\nline"].objects == 1
    assert found.types["m\udc80.Lone"].objects == 1
    for name in ("gr\xf6\xdfe", "\u540d\u5b57", "\U0001f600"):
        assert found.types[f"__main__.{name}"].objects == 1
    assert found.pause_ms == 0.0


@every_python
def test_containers_have_the_size_and_the_length_that_they_say(python: Interpreter) -> None:
    with spawn(python.path, RICH + ANSWERS) as target:
        told_by(target)
        told = told_by(target)
        found = capture_of(target, python).census()

    for name in ("Items", "Table", "Marks", "Queue", "Ordered", "Pair", "Slotted"):
        assert found.types[f"__main__.{name}"] == told[f"__main__.{name}"], name
    queues = [c.length for c in found.containers if c.type == "__main__.Queue"]
    assert queues == list(range(693, 7, -7))
    assert [c.length for c in found.containers if c.type == "__main__.Table"] == list(
        range(39, 7, -1)
    )
    assert 1234 in [c.length for c in found.containers if c.type == "builtins.dict"]


@every_python
def test_classes_have_the_totals_of_the_native_census(python: Interpreter) -> None:
    with spawn(python.path, RICH + ANSWERS) as target:
        told_by(target)
        with attached(target) as session:
            native = NativeCapture(session, explain=no_evidence).census()
        found = capture_of(target, python).census()

    names = {name for name in native.types if name.startswith("__main__.")}
    names -= {"__main__.Meta", "__main__.Level"}  # a class's own tables, an int's digits: left out
    assert {n: found.types.get(n) for n in names} == {n: native.types[n] for n in names}


def no_evidence(heap: OpenHeap, suspects: Suspects) -> Evidence:
    raise AssertionError(f"not asked for: {heap} {suspects}")


@some_pythons
@pytest.mark.parametrize("allocator", ["debug", "malloc", "malloc_debug", "pymalloc"])
def test_it_does_not_matter_where_objects_are_allocated(
    python: Interpreter, allocator: str
) -> None:
    with spawn(python.path, RICH + ANSWERS, env={"PYTHONMALLOC": allocator}) as target:
        told_by(target)
        told = told_by(target)
        found = capture_of(target, python).census()

    assert_counts_agree(found.types, told)


@every_python
def test_frozen_objects_count_as_well(python: Interpreter) -> None:
    frozen = ANSWERS.replace(
        "gc.unfreeze()", "gc.freeze() if line == 'freeze\\n' else gc.unfreeze()"
    )
    with spawn(python.path, RICH + frozen) as target:
        told_by(target)
        told = told_by(target)
        tell(target, "freeze")
        assert len(json.loads(read_line(target))) < len(told)
        found = capture_of(target, python).census()

    assert_counts_agree(found.types, told)


@every_python
def test_what_stays_is_counted_exactly_while_others_come_and_go(python: Interpreter) -> None:
    with spawn(python.path, BUSY) as target:
        capture = capture_of(target, python)
        censuses = [capture.census() for _ in range(4)]

    for census in censuses:
        # 0.01 % of them.
        assert abs(census.types["__main__.Kept"].objects - 60_000) <= 6
        assert census.types["__main__.Passing"].objects > 0
        assert census.containers[0].length == 60_000


@some_pythons
def test_what_leaks_meanwhile_is_counted_between_before_and_after(python: Interpreter) -> None:
    leaks = """
import sys, threading
class Leak: pass
leaks = []
def work():
    while True: leaks.append(Leak())
print("ready", flush=True)
sys.stdin.readline()
threading.Thread(target=work, daemon=True).start()
for line in sys.stdin: print(len(leaks), flush=True)
"""
    with spawn(python.path, leaks) as target:
        capture = capture_of(target, python)
        tell(target, "begin")
        for _ in range(3):
            tell(target, "count")
            before = int(read_line(target))
            found = capture.census().types
            tell(target, "count")
            after = int(read_line(target))
            there = found.get("__main__.Leak", TypeTotal(0, 0)).objects
            assert before * 0.9999 - 1 <= there <= after


@every_python
def test_the_target_is_not_touched(python: Interpreter) -> None:
    with spawn(python.path, RICH + ANSWERS) as target:
        told_by(target)
        eventually(lambda: state_of(target.pid) == "S", "it waits for its input")
        capture = capture_of(target, python)
        before = observed(target.pid)
        states: set[str] = set()
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                states.add(state_of(target.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        for _ in range(5):
            capture.census()
        done.set()
        watcher.join()
        capture.close()

        assert observed(target.pid) == before
        assert states == {"S"}


def observed(pid: int) -> tuple[Any, ...]:
    """Return threads, files, mappings, memory of its own, and who traces or woke the process."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    there = on_hand(pid, [m for m in mappings(pid) if "w" in m.permissions and not m.inode])
    return (
        traces(pid),
        Path(f"/proc/{pid}/maps").read_text(),
        there,
        [line for line in status if line.startswith(("TracerPid", "voluntary", "RssAnon"))],
    )


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_stopped_target_is_counted_and_stays_stopped() -> None:
    with spawn(newest().path, RICH + ANSWERS) as target:
        told_by(target)
        told = told_by(target)
        target.send_signal(signal.SIGSTOP)
        os.waitpid(target.pid, os.WUNTRACED)
        found = capture_of(target, newest()).census()
        assert state_of(target.pid) == "T"
        target.send_signal(signal.SIGCONT)

    assert_counts_agree(found.types, told)


def test_where_the_system_call_is_forbidden_the_file_says_the_same() -> None:
    with spawn(newest().path, RICH + ANSWERS) as target:
        told_by(target)
        told = told_by(target)
        with Memory(target.pid, vectored=False) as memory:
            found = counted(memory)

    assert_counts_agree(found, told)


def counted(memory: Memory) -> dict[str, TypeTotal]:
    major, minor = map(int, newest().version.split("."))
    return count(
        memory,
        survey(memory.pid),
        layout_of((major, minor)),
        Builtins.of(cpython_image(memory)),
        window=1 << 20,
    ).types


class Interrupted(Memory):
    """Memory of a target to which something happens before a read."""

    def __init__(self, pid: int, happening: Callable[[], None], *, at: int) -> None:
        super().__init__(pid)
        self._happening = happening
        self._left = at

    def read_pieces(self, starts: Addresses, sizes: Addresses, into: Bytes) -> Mask:
        self._left -= 1
        if not self._left:
            self._happening()
        return super().read_pieces(starts, sizes, into)


@pytest.mark.parametrize("at", [1, 2, 3, 8])
def test_a_target_that_is_killed_in_mid_census_is_gone(at: int) -> None:
    with spawn(newest().path, RICH + ANSWERS) as target:
        capture = capture_of(target, newest())

        def kill() -> None:
            target.kill()
            os.waitid(os.P_PID, target.pid, os.WEXITED | os.WNOWAIT)  # a zombie, not yet reaped

        with (
            Interrupted(target.pid, kill, at=at) as memory,
            pytest.raises(TargetGone, match="has exited"),
        ):
            counted(memory)
        with pytest.raises(TargetGone, match="has exited"):
            capture.census()


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.05])
def test_a_kill_at_any_moment_ends_in_one_clear_error(seconds: float) -> None:
    with spawn(
        newest().path, RICH + "extra = [Plain(i) for i in range(300000)]" + ANSWERS
    ) as target:
        capture = capture_of(target, newest())
        killer = threading.Timer(seconds, target.kill)
        killer.start()
        with pytest.raises(TargetGone, match="has exited"):
            for _ in range(1000):
                capture.census()
        killer.join()


def test_memory_that_is_given_back_in_mid_census_is_left_out() -> None:
    source = (
        RICH
        + """
import mmap
spare = [mmap.mmap(-1, 1 << 20) for _ in range(30)]
for each in spare: each.write(b"x" * len(each))
"""
        + ANSWERS.replace("gc.unfreeze()", "spare.clear(); gc.unfreeze()")
    )
    with spawn(newest().path, source) as target:
        told: list[dict[str, TypeTotal]] = []

        def give_back() -> None:
            told_by(target)
            told.append(told_by(target))

        with Interrupted(target.pid, give_back, at=2) as memory:
            found = counted(memory)

    assert abs(found["__main__.Plain"].objects - told[0]["__main__.Plain"].objects) <= FEW


def test_a_process_that_becomes_another_program_is_told_as_such() -> None:
    source = """
import os, sys
print("ready", flush=True)
sys.stdin.readline()
os.execvp("sleep", ["sleep", "1000"])
"""
    with spawn(sys.executable, source) as target:
        capture = ReadonlyCapture(identify(target.pid), sys.version_info[:2])
        capture.census()
        tell(target, "exec")
        eventually(
            lambda: Path(f"/proc/{target.pid}/comm").read_text() == "sleep\n", "it is another"
        )
        with pytest.raises(HeapNotUnderstood, match="runs another program by now"):
            capture.census()


def test_it_says_what_it_is_and_names_no_holders() -> None:
    with spawn(sys.executable, RICH + ANSWERS) as target:
        capture = ReadonlyCapture(identify(target.pid), sys.version_info[:2])
        capture.trace_allocations(on=True)
        census = capture.census()

        assert capture.kind is CaptureKind.READONLY
        assert capture.gather(Suspects((census.containers[0].address,), ("builtins.dict",))) == (
            Evidence()
        )
        assert any("only objects that gc tracks" in caveat for caveat in capture.caveats)
        assert any("cannot be named" in caveat for caveat in capture.caveats)


def test_address_space_that_is_only_reserved_is_left_out_and_told() -> None:
    reserves = """
import mmap
space = mmap.mmap(-1, 2 << 40, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)
"""
    with spawn(newest().path, RICH + reserves + ANSWERS) as target:
        told_by(target)
        told = told_by(target)
        capture = capture_of(target, newest())
        found = capture.census()

    assert_counts_agree(found.types, told)
    assert any("by the terabyte" in caveat for caveat in capture.caveats)


def test_what_limits_a_census_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(types, "MOST_TYPES", 5)
    monkeypatch.setattr(readonly, "_WORTH_A_WORD_S", 0.0)
    with spawn(newest().path, RICH + ANSWERS) as target:
        capture = capture_of(target, newest())
        assert 1 <= len(capture.census().types) <= 5

    assert any("too many types" in caveat for caveat in capture.caveats)
    assert any("ran on while it was read" in caveat for caveat in capture.caveats)


def test_a_version_whose_objects_are_not_known_is_refused() -> None:
    with (
        spawn(interpreters()[0].path, "print('ready'); input()") as target,
        pytest.raises(HeapNotUnderstood, match=r"CPython 3\.8 are not known"),
    ):
        ReadonlyCapture(identify(target.pid), (3, 8))
