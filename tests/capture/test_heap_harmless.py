"""A frozen copy that fails is one failed snapshot; the target goes on as if nothing had been."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from leakscope.capture.heapreader import read_heap
from leakscope.capture.heapstream import SnapshotFailed
from tests.frozen import FrozenTarget, freezing
from tests.pythons import Interpreter, interpreters

every_python = pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)
some_pythons = pytest.mark.parametrize(
    "python", (interpreters()[0], interpreters()[-1]), ids=lambda i: i.version
)

# More than the socket holds, so that a copy that nobody listens to waits in the middle.
LARGE = "keep = [[i] for i in range(200_000)]\n"
FREEZE = """
opened = freezer.freeze({arguments})
print(json.dumps([opened.failure, opened.child]))
freezer.hand_over()
freezer.wait_for_order()
print(json.dumps(freezer.reap({wait})))
print(json.dumps(len(gc.get_objects()) > 0))
"""


def freeze(arguments: str = "", wait: str = "") -> str:
    return FREEZE.format(arguments=arguments, wait=wait)


def child_of(target: FrozenTarget) -> int:
    failure, child = target.said()
    assert failure == 0
    return int(child)


def still_runs(target: FrozenTarget) -> bool:
    return bool(target.said()) and target.process.wait(timeout=30) == 0


def scheduled(pid: int) -> tuple[int, int]:
    """Return how nice a process is, and its scheduling policy."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[16]), int(fields[38])


@some_pythons
@pytest.mark.parametrize(("target_is", "asked", "copy_is"), [(0, 7, 7), (12, 7, 12), (0, 99, 19)])
def test_a_copy_is_as_nice_as_asked_and_never_less_than_its_target(
    python: Interpreter, target_is: int, asked: int, copy_is: int
) -> None:
    source = f"import os; os.nice({target_is})\n" + LARGE + freeze(f"niceness={asked}")
    with freezing(python, source) as target:
        child = child_of(target)
        stream = target.stream()
        stream.header()

        assert scheduled(child) == (copy_is, os.SCHED_OTHER)
        assert scheduled(target.process.pid)[0] == target_is
        stream.close()
        target.order()
        target.said()
        assert still_runs(target)


@pytest.mark.needs_root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
@some_pythons
def test_a_copy_of_a_real_time_target_is_not_real_time(python: Interpreter) -> None:
    urgent = "import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))\n"
    with freezing(python, LARGE + urgent + freeze()) as target:
        child = child_of(target)
        stream = target.stream()
        stream.header()

        assert scheduled(child) == (19, os.SCHED_OTHER)
        assert scheduled(target.process.pid)[1] == os.SCHED_RR
        stream.close()
        target.order()
        target.said()
        assert still_runs(target)


@every_python
def test_a_killed_copy_is_a_failed_snapshot(python: Interpreter) -> None:
    with freezing(python, LARGE + freeze()) as target:
        os.kill(child_of(target), signal.SIGKILL)
        with pytest.raises(SnapshotFailed, match="ended before its work was done"):
            read_heap(target.stream())
        target.order()

        assert target.said()[1:] == [signal.SIGKILL, False]
        assert still_runs(target)


@every_python
def test_a_broken_traverse_crashes_the_copy_and_not_the_target(python: Interpreter) -> None:
    broken = """
import ctypes
class Broken: pass
gc.disable()
instance = Broken()
traverse = ctypes.c_void_p.from_address(id(Broken) + 184)
before = traverse.value
traverse.value = 16
"""
    with freezing(python, broken + freeze() + "traverse.value = before\n") as target:
        child_of(target)
        with pytest.raises(SnapshotFailed):
            read_heap(target.stream())
        target.order()

        assert target.said()[1:] == [signal.SIGSEGV, False]
        assert still_runs(target)


@some_pythons
def test_a_copy_that_outgrows_its_budget_says_so(python: Interpreter) -> None:
    with freezing(python, LARGE + freeze("limit_bytes=1 << 20")) as target:
        child_of(target)
        with pytest.raises(SnapshotFailed, match="ran out of memory or used up its budget"):
            read_heap(target.stream())
        target.order()

        assert target.said()[1:] == [256, False]  # it exited by itself, with status 1
        assert still_runs(target)


@some_pythons
def test_a_copy_that_nobody_listens_to_ends_itself(python: Interpreter) -> None:
    with freezing(python, LARGE + freeze("limit_seconds=1", wait="20000")) as target:
        child_of(target)
        stream = target.stream()
        target.order()

        assert target.said()[1:] == [signal.SIGALRM, False]
        stream.close()
        assert still_runs(target)


@some_pythons
def test_a_copy_that_does_not_end_is_killed(python: Interpreter) -> None:
    with freezing(python, LARGE + freeze(wait="0")) as target:
        child_of(target)
        stream = target.stream()
        target.order()

        assert target.said()[1:] == [signal.SIGKILL, True]
        stream.close()
        assert still_runs(target)


@some_pythons
def test_a_copy_ends_when_its_target_does(python: Interpreter) -> None:
    with freezing(python, LARGE + freeze()) as target:
        child_of(target)
        stream = target.stream()
        target.process.kill()
        target.process.wait(timeout=30)

        with pytest.raises(SnapshotFailed):
            read_heap(stream)


@every_python
def test_a_copy_keeps_no_connection_of_the_target_open(python: Interpreter) -> None:
    program = """
import socket
ours, theirs = socket.socketpair()
theirs.settimeout(20)
freezer.freeze(); freezer.hand_over()
ours.close()
print(json.dumps(theirs.recv(1).decode()))
freezer.wait_for_order()
print(json.dumps(freezer.reap()))
"""
    with freezing(python, program) as target:
        stream = target.stream()
        read_heap(stream)

        assert target.said() == ""
        stream.close()
        target.order()
        assert target.said()[1:] == [0, False]


@every_python
def test_the_target_sees_no_child_and_no_signal(python: Interpreter) -> None:
    program = """
import os, signal
seen = []
signal.signal(signal.SIGCHLD, lambda *a: seen.append("SIGCHLD"))
for _ in range(3):
    freezer.freeze(freezer.CENSUS); freezer.hand_over()
    try:
        seen.append(os.waitpid(-1, os.WNOHANG))
    except ChildProcessError:
        pass
    freezer.wait_for_order()
    freezer.reap()
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    seen.append("no child")
print(json.dumps(seen))
"""
    with freezing(python, program) as target:
        for _ in range(3):
            target.stream().close()
            target.order()

        assert target.said() == ["no child"]


def linked(python: Interpreter, nodes: int) -> None:
    program = f"""
gc.disable()
node = None
for _ in range({nodes}): node = [node]
freezer.freeze(); freezer.hand_over(); freezer.wait_for_order(); print(json.dumps(freezer.reap()))
sys.stdout.flush(); import os; os._exit(0)
"""
    with freezing(python, program) as target:
        stream = target.stream()
        heap = read_heap(stream)
        stream.close()
        target.order()
        assert target.said()[1:] == [0, False]

    lists = {t.name: t.objects for t in heap.types}["builtins.list"]
    assert nodes <= lists < nodes + 10_000


@some_pythons
def test_a_long_linked_list_is_walked(python: Interpreter) -> None:
    linked(python, 300_000)


@pytest.mark.slow
@every_python
def test_a_linked_list_of_five_million_nodes_is_walked(python: Interpreter) -> None:
    linked(python, 5_000_000)


@some_pythons
def test_an_object_with_ten_million_references_is_walked(python: Interpreter) -> None:
    program = """
many = [None] * 10_000_000
freezer.freeze(min_length=10_000_000); freezer.hand_over()
freezer.wait_for_order(); print(json.dumps(freezer.reap()))
"""
    with freezing(python, program) as target:
        stream = target.stream()
        heap = read_heap(stream)
        stream.close()
        target.order()
        assert target.said()[1:] == [0, False]

    assert [c.length for c in heap.containers] == [10_000_000]
    assert int(np.diff(heap.snapshot.offsets).max()) == 10_000_000
