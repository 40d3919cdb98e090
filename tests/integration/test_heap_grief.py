"""A frozen copy of a live target that comes to grief: one clear line, and the target serves on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from leakscope.capture import native
from leakscope.capture.heapstream import HeapUnreadable, SnapshotFailed
from leakscope.capture.interface import Reading
from leakscope.capture.native import NativeCapture, NotEnoughMemory, OpenHeap
from leakscope.capture.session import Session
from leakscope.capture.wire import SessionLost
from leakscope.model.evidence import Evidence, Suspects
from leakscope.model.recording import CaptureKind
from leakscope.watching.captures import capture_for
from tests.attaching import assert_no_traces, attached, newest, some_pythons, traces
from tests.frozen import with_broken_type
from tests.pythons import Interpreter
from tests.targets import eventually, read_line, spawn, tell

SERVICE = """
import gc, os, signal, sys
seen = []
signal.signal(signal.SIGCHLD, lambda *a: seen.append("SIGCHLD"))
class Record: pass
keep = [Record() for i in range(1000)]
{more}
print("ready", flush=True)
for line in sys.stdin:
    order = line.strip()
    if order == "leave": os._exit(0)
    if order == "mend": mend()
    if order == "spoil": spoil()
    try:
        seen.append(os.waitpid(-1, os.WNOHANG))
    except ChildProcessError:
        pass
    print(order, seen, flush=True)
"""
AT_BROKEN = "at the references of an object of type __main__.Broken"
SUSPECTS = Suspects((), ("__main__.Record",))


def no_evidence(heap: OpenHeap, suspects: Suspects) -> Evidence:
    raise AssertionError(f"not asked for: {heap} {suspects}")


def serves(target: subprocess.Popen[bytes], order: str = "ping") -> bool:
    """Return whether a target answers, and has seen neither a child nor a signal of one."""
    tell(target, order)
    return read_line(target) == f"{order} []"


def copy_of(target: subprocess.Popen[bytes]) -> int:
    """Return the pid of the frozen copy that is at work."""
    eventually(lambda: bool(psutil.Process(target.pid).children()), "there is a copy")
    return int(psutil.Process(target.pid).children()[0].pid)


def has_ended(pid: int) -> bool:
    """Return whether a process is no more, though init may not have seen it yet."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@contextmanager
def stuck(python: Interpreter) -> Iterator[tuple[subprocess.Popen[bytes], int, Future[Reading]]]:
    """Yield a target, its copy that never comes to an end, and the census that waits for it."""
    source = SERVICE.format(more=with_broken_type("never_returns"))
    with (
        spawn(python.path, source) as target,
        attached(target) as session,
        ThreadPoolExecutor(1) as pool,
    ):
        census = pool.submit(NativeCapture(session, explain=no_evidence).census)
        yield target, copy_of(target), census


@some_pythons
def test_a_crash_is_told_with_its_signal_and_the_type_at_fault(python: Interpreter) -> None:
    source = SERVICE.format(more=with_broken_type("reads_null"))
    with spawn(python.path, source) as target:
        before = traces(target.pid)
        with attached(target) as session:
            capture = NativeCapture(session, explain=no_evidence)
            for freeze in (capture.census, lambda: capture.snapshot().__enter__()):
                with pytest.raises(HeapUnreadable) as failure:
                    freeze()
                assert str(failure.value) == (
                    f"the heap snapshot failed: the frozen copy crashed {AT_BROKEN} "
                    "(it was ended by SIGSEGV)"
                )
                assert "extension type" in failure.value.remedy
            assert serves(target, "mend")
            assert capture.census().types["__main__.Record"].objects == 1000
        assert_no_traces(target.pid, before)
        with attached(target) as session:
            again = NativeCapture(session, explain=no_evidence).census()

        assert again.types["__main__.Record"].objects == 1000
        assert serves(target)


@some_pythons
def test_a_copy_that_hangs_is_ended_in_time_while_the_target_serves(
    python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "CENSUS_WITHIN_S", 1)
    with stuck(python) as (target, copy, census):
        assert all(serves(target) for _ in range(50))
        with pytest.raises(HeapUnreadable, match=r"did not finish in time .*by SIGALRM") as failure:
            census.result(timeout=30)

        assert AT_BROKEN in str(failure.value)
        assert not psutil.pid_exists(copy)
        assert serves(target)


@some_pythons
def test_a_copy_that_is_killed_at_work_is_told_so(python: Interpreter) -> None:
    with stuck(python) as (target, copy, census):
        os.kill(copy, signal.SIGKILL)
        with pytest.raises(SnapshotFailed, match=r"\(it was ended by SIGKILL\)") as failure:
            census.result(timeout=30)

        assert not isinstance(failure.value, HeapUnreadable)  # nothing of the target's doing
        assert serves(target)


@some_pythons
@pytest.mark.parametrize("order", ["leave", "kill"])
def test_a_target_that_exits_takes_its_copy_along(python: Interpreter, order: str) -> None:
    with stuck(python) as (target, copy, census):
        if order == "leave":
            tell(target, order)
        else:
            target.kill()
        with pytest.raises(SessionLost, match="the target went away"):
            census.result(timeout=30)

        eventually(lambda: has_ended(copy), "the copy goes")


def test_what_a_copy_came_to_grief_at_is_not_tried_in_the_target() -> None:
    source = SERVICE.format(more=with_broken_type("reads_null"))
    with spawn(newest().path, source) as target, attached(target) as session:
        with pytest.raises(HeapUnreadable):
            capture_for(session)
        assert serves(target, "mend")
        capture = capture_for(session)
        assert capture.kind is CaptureKind.NATIVE
        assert serves(target, "spoil")

        evidence = capture.gather(SUSPECTS)

        assert evidence == Evidence()
        assert "Who holds what is not told: the heap snapshot failed" in " ".join(capture.caveats)
        assert serves(target)


def test_references_to_nothing_are_passed_over_and_told() -> None:
    source = SERVICE.format(more=with_broken_type("visits_an_odd_address"))
    with spawn(newest().path, source) as target, attached(target) as session:
        capture = NativeCapture(session, explain=no_evidence)
        assert capture.caveats == ()
        with capture.snapshot() as opened:
            assert opened.heap.summary.odd_references == 1

        assert "lead to no object (1)" in " ".join(capture.caveats)
        assert serves(target)


# Every clone with no flags at all, which is how a copy is made, fails as if there were too many.
REFUSES_COPIES = """
import ctypes, platform, struct
number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
def op(code, true, false, value): return struct.pack("HBBI", code, true, false, value)
program = b"".join([
    op(0x20, 0, 0, 0), op(0x15, 0, 3, number),  # load the number; is it clone?
    op(0x20, 0, 0, 16), op(0x15, 0, 1, 0),      # load its flags; are there none?
    op(0x06, 0, 0, 0x00050000 | 11),            # EAGAIN
    op(0x06, 0, 0, 0x7FFF0000),                 # go on
])
buffer = ctypes.create_string_buffer(program)
class Program(ctypes.Structure): _fields_ = [("length", ctypes.c_ushort), ("at", ctypes.c_void_p)]
filter = Program(len(program) // 8, ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
if libc.prctl(22, 2, ctypes.byref(filter), 0, 0) != 0:
    print("not filtered", flush=True)
"""


@some_pythons
def test_a_kernel_that_refuses_the_copy_is_told_and_python_is_asked(python: Interpreter) -> None:
    with spawn(python.path, SERVICE.format(more=REFUSES_COPIES), wait_for=None) as target:
        if read_line(target) != "ready":
            pytest.skip("system calls cannot be filtered here")
        with attached(target) as session:
            refused = (
                "the kernel refused to copy the process (Resource temporarily unavailable: its "
                "user or control group may have no more processes)"
            )
            with pytest.raises(SnapshotFailed) as failure:
                NativeCapture(session, explain=no_evidence).census()
            capture = capture_for(session)

            assert str(failure.value) == f"the heap could not be frozen: {refused}"
            assert capture.kind is CaptureKind.PORTABLE
            assert refused in capture.caveats[0]
            assert capture.census().types["__main__.Record"].objects == 1000
            assert serves(target)


@contextmanager
def in_a_memory_group(target: subprocess.Popen[bytes], room: int) -> Iterator[str]:
    """Put a target into a control group that leaves it `room` bytes; yield the limit's name."""
    usage = psutil.Process(target.pid).memory_info().rss
    for base, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = base / f"leakscope-{target.pid}"
        with suppress(OSError):
            group.mkdir()
            try:
                (group / limit).write_text(str(usage + room))
                (group / "cgroup.procs").write_text(str(target.pid))
                yield f"cgroup /{group.name} {limit}"
            finally:
                target.kill()
                target.wait()
                eventually(partial(removed, group), "the group is removed")
            return
    pytest.skip("no control group for memory can be made here")


def removed(group: Path) -> bool:
    with suppress(OSError):
        group.rmdir()
    return not group.exists()


def ask_nothing(session: Session) -> bool:
    """Return whether no request was made in a session."""
    return session.busy_ms == session.waited_ms == 0.0


def test_a_target_near_the_limit_of_its_group_is_not_copied() -> None:
    with (
        spawn(newest().path, SERVICE.format(more="")) as target,
        in_a_memory_group(target, 40 << 20) as limit,
        attached(target) as session,
    ):
        with pytest.raises(NotEnoughMemory) as refusal:
            NativeCapture(session, explain=no_evidence).census()

        said = str(refusal.value)
        assert said.startswith("a frozen copy may take ")
        assert f"{limit} leaves the target " in said
        assert said.count(" MiB") == 2
        assert ask_nothing(session)
        assert serves(target)
