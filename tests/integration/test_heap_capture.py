"""Measuring a live target by frozen copies, through the agent, without the target noticing."""

from __future__ import annotations

import os
import signal
import subprocess

import numpy as np
import psutil
import pytest

from leakscope.capture.heapstream import SnapshotFailed
from leakscope.capture.native import NativeCapture, NotEnoughMemory, OpenHeap
from leakscope.model.evidence import Evidence, Suspects
from leakscope.model.recording import CaptureKind
from tests.attaching import attached
from tests.pythons import Interpreter, interpreters
from tests.targets import read_line, spawn

pytestmark = pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)

SERVICE = """
import os, resource, signal, sys, threading
class Record:
    def __init__(self, i): self.text = "x" * i
seen = []
signal.signal(signal.SIGCHLD, lambda *a: seen.append("SIGCHLD"))
keep = [Record(i) for i in range(1000)]
stop = threading.Event()
worker = threading.Thread(target=stop.wait); worker.start()
print("ready", flush=True)
for line in sys.stdin:
    if line.strip() == "more":
        keep += [Record(i) for i in range(500)]
    if line.strip() == "no more processes":
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    if line.strip() == "children":
        try:
            seen.append(os.waitpid(-1, os.WNOHANG))
        except ChildProcessError:
            pass
    print(len(keep), seen, threading.active_count(), flush=True)
stop.set()
"""

# Nobody may not even read the folder of the interpreter: imports come first.
AS_NOBODY = """
import os, resource, signal, sys, threading
os.setgroups([]); os.setgid(65534); os.setuid(65534)
"""


def no_evidence(heap: OpenHeap, suspects: Suspects) -> Evidence:
    raise AssertionError(f"not asked for: {heap} {suspects}")


def ask(target: subprocess.Popen[bytes], order: str) -> str:
    assert target.stdin is not None
    target.stdin.write(order.encode() + b"\n")
    return read_line(target)


def test_a_census_counts_what_the_target_made_and_the_target_sees_nothing(
    python: Interpreter,
) -> None:
    with spawn(python.path, SERVICE) as target, attached(target) as session:
        capture = NativeCapture(session, explain=no_evidence)
        before = capture.census()
        assert ask(target, "more") == "1500 [] 2"
        after = capture.census()

        assert capture.kind is CaptureKind.NATIVE
        assert before.types["__main__.Record"].objects == 1000
        assert after.types["__main__.Record"].objects == 1500
        assert 0 < after.pause_ms < 1000
        lists = [c.length for c in after.containers if c.type == "builtins.list"]
        assert 1500 in lists
        assert ask(target, "children") == "1500 [] 2"


def test_a_snapshot_has_every_object_and_its_references(python: Interpreter) -> None:
    with spawn(python.path, SERVICE) as target, attached(target) as session:
        capture = NativeCapture(session, explain=no_evidence)
        with capture.snapshot() as opened:
            snapshot = opened.heap.snapshot
        assert ask(target, "children") == "1000 [] 2"

    records = np.isin(
        snapshot.type, [i for i, n in enumerate(snapshot.type_names) if n == "__main__.Record"]
    )
    rows = np.flatnonzero(records)
    referred = np.bincount(snapshot.targets, minlength=snapshot.objects)
    assert len(rows) == 1000
    assert (referred[rows] == 1).all()
    assert (snapshot.refcount[rows] == 1).all()


def test_a_snapshot_names_what_the_target_called_its_objects(python: Interpreter) -> None:
    with spawn(python.path, SERVICE) as target, attached(target) as session:
        capture = NativeCapture(session, explain=no_evidence)
        with capture.snapshot() as opened:
            snapshot, roots = opened.heap.snapshot, opened.heap.roots
            module = next(m.address for m in roots.modules if m.name == "__main__")
            keep = next(c.address for c in opened.heap.containers if c.length == 1000)
            row = int(np.searchsorted(snapshot.address, np.uint64(keep)))
            last = snapshot.offsets[row + 1] - 1  # tp_traverse of a list begins at its end
            record = int(snapshot.address[snapshot.targets[last - 17]])
            row = int(np.searchsorted(snapshot.address, np.uint64(module)))
            held = snapshot.targets[snapshot.offsets[row] : snapshot.offsets[row + 1]]
            names = [
                opened.names.chain((module, int(snapshot.address[r]), keep, record)) for r in held
            ]
            assert opened.names.edge(0, module) == "module __main__"

    assert ("", ".keep", "[17]") in names


@pytest.mark.parametrize("collects", [True, False])
def test_it_is_told_whether_the_collector_is_on(python: Interpreter, collects: bool) -> None:
    source = SERVICE if collects else f"import gc; gc.disable()\n{SERVICE}"
    with spawn(python.path, source) as target, attached(target) as session:
        capture = NativeCapture(session, explain=no_evidence)
        with capture.snapshot() as opened:
            assert opened.names.collects() is collects


@pytest.mark.parametrize(("at_rest", "nicer"), [(True, False), (False, True)])
def test_a_copy_lets_a_target_at_work_go_first(
    python: Interpreter, at_rest: bool, nicer: bool
) -> None:
    with spawn(python.path, SERVICE) as target, attached(target) as session:
        capture = NativeCapture(session, explain=no_evidence, at_rest=at_rest)
        with capture.snapshot():
            (copy,) = psutil.Process(target.pid).children()
            assert (copy.nice() > psutil.Process(target.pid).nice()) is nicer


def test_a_target_without_room_for_a_copy_is_left_alone(python: Interpreter) -> None:
    limit = """
import resource
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (40 << 20), resource.RLIM_INFINITY))
"""
    with (
        spawn(python.path, limit + SERVICE) as target,
        attached(target) as session,
        pytest.raises(NotEnoughMemory, match=r"may take \d+ MiB, and RLIMIT_AS leaves the target"),
    ):
        NativeCapture(session, explain=no_evidence).census()


@pytest.mark.needs_root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_a_target_that_may_have_no_more_processes_is_left_alone(python: Interpreter) -> None:
    with spawn(python.path, AS_NOBODY + SERVICE) as target, attached(target) as session:
        ask(target, "no more processes")
        with pytest.raises(SnapshotFailed, match="may have no more processes"):
            NativeCapture(session, explain=no_evidence).census()
        assert ask(target, "children") == "1000 [] 2"


def test_a_copy_that_is_killed_is_one_failure_that_names_the_signal(python: Interpreter) -> None:
    with spawn(python.path, SERVICE) as target, attached(target) as session:
        capture = NativeCapture(session, explain=no_evidence)
        with (
            pytest.raises(SnapshotFailed, match="it was ended by SIGKILL"),
            capture.snapshot() as opened,
        ):
            os.kill(opened.heap.header.child, signal.SIGKILL)
            opened.names.chain([1, 2])

        assert capture.census().types["__main__.Record"].objects == 1000
        assert ask(target, "children") == "1000 [] 2"


WITHOUT_STDIN = """
import os, time
os.close(0)
print("ready", flush=True)
time.sleep(60)
"""


def test_a_daemon_that_closed_its_stdin_is_frozen_and_gets_none_of_ours(
    python: Interpreter,
) -> None:
    with spawn(python.path, WITHOUT_STDIN) as target, attached(target) as session:
        reading = NativeCapture(session, explain=no_evidence).census()

        assert reading.types
        assert not os.path.lexists(f"/proc/{target.pid}/fd/0")
