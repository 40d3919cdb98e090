"""Who cannot be entered is told so in one line, at once, and has nothing done to it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from leakscope.capture import rendezvous
from leakscope.capture.attached import AlreadyAttached
from leakscope.capture.doors.interface import AgentNotLoaded
from leakscope.capture.entrance import Unattachable
from leakscope.capture.process import ProcessIdentity, TargetGone, identify
from leakscope.capture.runtime import NotPython
from leakscope.capture.session import Session, attach
from leakscope.errors import LeakscopeError
from tests.attaching import (
    agent_file,
    attached,
    every_python,
    has_agent_thread,
    newest,
    still_runs,
    traces,
)
from tests.pythons import Interpreter, interpreters
from tests.targets import ASLEEP, eventually, read_line, spawn, tell


@contextmanager
def refused(kind: type[LeakscopeError], message: str) -> Iterator[None]:
    with pytest.raises(kind, match=message) as caught:
        yield
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_a_stopped_process() -> None:
    with spawn(newest().path, ASLEEP) as target:
        before = traces(target.pid)
        target.send_signal(signal.SIGSTOP)
        os.waitpid(target.pid, os.WUNTRACED)
        with refused(Unattachable, "is stopped"):
            attached(target)
        target.send_signal(signal.SIGCONT)
        with attached(target) as session:
            assert still_runs(target, session)
        eventually(lambda: traces(target.pid) == before, "the agent goes")


def test_a_process_under_a_debugger() -> None:
    with spawn(interpreters()[0].path, ASLEEP) as target, traced(target.pid) as tracer:
        with refused(Unattachable, f"already traced by pid {tracer.pid}"):
            attached(target)
        assert not has_agent_thread(target.pid)


@contextmanager
def traced(pid: int) -> Iterator[subprocess.Popen[bytes]]:
    """Have another process trace `pid` without stopping it."""
    source = f"""
import ctypes, time
libc = ctypes.CDLL(None)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
assert libc.ptrace(0x4206, {pid}, 0, 0) == 0
print("ready", flush=True)
time.sleep(1000)
"""
    with spawn(sys.executable, source) as tracer:
        yield tracer


def test_a_zombie() -> None:
    with spawn(newest().path, "print('ready')") as target:
        identity = ProcessIdentity(target.pid, time.time())
        os.waitid(os.P_PID, target.pid, os.WEXITED | os.WNOWAIT)
        with refused(TargetGone, "has exited"):
            attach(identity)


def test_a_process_that_is_not_python() -> None:
    sleeper = subprocess.Popen(["sleep", "1000"])
    try:
        with refused(NotPython, "is not a Python process"):
            attach(identify(sleeper.pid))
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_second_leakscope() -> None:
    with spawn(newest().path, ASLEEP) as target, attached(target) as first:
        with refused(AlreadyAttached, rf"another leakscope \(pid {os.getpid()}\) .* since "):
            attached(target)
        assert still_runs(target, first)
    with spawn(newest().path, ASLEEP) as target:
        attached(target).close()
        with attached(target) as again:
            assert still_runs(target, again)


def test_a_second_leakscope_in_another_process_at_the_same_moment() -> None:
    """Of several that begin at once exactly one gets in; the others name it."""
    source = """
import sys
from pathlib import Path
from leakscope.capture.attached import AlreadyAttached
from leakscope.capture.process import identify
from leakscope.capture.session import Session, attach
print("ready", flush=True)
sys.stdin.readline()
try:
    session = attach(identify(int(sys.argv[1])), agent=Path(sys.argv[2]))
except AlreadyAttached as error:
    print("refused", error, flush=True)
else:
    print("in", flush=True)
    sys.stdin.readline()
    session.close()
"""
    with spawn(newest().path, ASLEEP) as target, ExitStack() as stack:
        arguments = ["-c", source, str(target.pid), str(agent_file("native-agent"))]
        rivals = [stack.enter_context(spawn(sys.executable, arguments)) for _ in range(3)]
        for rival in rivals:
            tell(rival, "go")
        said = [read_line(rival) for rival in rivals]
        assert sorted(line.split()[0] for line in said) == ["in", "refused", "refused"]
        winner = rivals[said.index("in")]
        assert all(f"(pid {winner.pid})" in line for line in said if line != "in")
        assert target.poll() is None


def test_a_killed_leakscope_does_not_keep_others_out() -> None:
    source = """
import sys, time
from pathlib import Path
from leakscope.capture.process import identify
from leakscope.capture.session import Session, attach
session = attach(identify(int(sys.argv[1])), agent=Path(sys.argv[2]))
print("ready", flush=True)
time.sleep(1000)
"""
    with spawn(newest().path, ASLEEP) as target:
        arguments = ["-c", source, str(target.pid), str(agent_file("native-agent"))]
        with spawn(sys.executable, arguments) as killed:
            killed.kill()
            killed.wait()
            with attached(target) as session:
                assert still_runs(target, session)


def test_what_killed_leakscopes_left_is_swept_away() -> None:
    """A locked folder, whose controller lives, and folders of others stay."""
    left = Path("/tmp/.ls-1-00112233aabbccdd")
    in_use = Path("/tmp/.ls-2-00112233aabbccdd")
    foreign = Path("/tmp/.ls-mine")
    folders = (left, in_use, foreign)
    for folder in folders:
        folder.mkdir(exist_ok=True)
    (left / rendezvous.AGENT).write_bytes(b"agent")
    try:
        locked = os.open(in_use, os.O_RDONLY)
        fcntl.flock(locked, fcntl.LOCK_EX)
        with spawn(newest().path, ASLEEP) as target, attached(target):
            assert [folder.exists() for folder in folders] == [False, True, True]
        os.close(locked)
    finally:
        for folder in folders:
            if folder.exists():
                folder.rmdir()


@every_python
def test_an_interpreter_that_is_just_starting_is_waited_for(python: Interpreter) -> None:
    """However early: between exec and the first line of Python."""
    for _ in range(5):
        with spawn(python.path, ASLEEP, wait_for=None) as target, attached_early(target) as session:
            assert still_runs(target, session)


def attached_early(target: subprocess.Popen[bytes]) -> Session:
    """Attach as soon as the process is the interpreter: before, it is still this one's copy."""
    early: list[Session] = []

    def is_in() -> bool:
        with suppress(NotPython):
            early.append(attached(target))
        return bool(early)

    eventually(is_in, "the process becomes Python")
    return early[0]


def test_an_agent_that_cannot_be_loaded_is_told_so(tmp_path: Path) -> None:
    broken = tmp_path / "agent.so"
    broken.write_bytes(b"\x7fELF but no more")
    with spawn(newest().path, ASLEEP) as target:
        before = traces(target.pid)
        with refused(AgentNotLoaded, "did not load the agent"):
            attach(identify(target.pid), agent=broken)
        assert traces(target.pid) == before
        with attached(target) as session:
            assert still_runs(target, session)
