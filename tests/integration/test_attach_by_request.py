"""Getting in by `sys.remote_exec` alone, the way it is done on macOS, tried on Linux.

The leakscope of these tests runs under the target's own Python, in a process that has Linux's means
taken away (`tests/darwin_here.py`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from leakscope.capture.threads import process_state
from tests.attaching import (
    ASYNCIO_SERVER,
    CLIENT,
    Load,
    assert_no_traces,
    has_agent_thread,
    is_asked,
    server_state,
    traces,
)
from tests.pythons import ASKING, Controller, controller, interpreters
from tests.targets import eventually, read_line, spawn, tell

BUSY = """
import time
class Order: pass
kept = [Order() for _ in range(321)]
print("ready", flush=True)
while True:
    time.sleep(0.001)
"""
LEAKS = """
import time
class Order: pass
class Ledger: pass
ledger = Ledger()
ledger.pending = []
print("ready", flush=True)
while True:
    ledger.pending.append(Order())
    time.sleep(0.002)
"""
BLOCKED = """
import os
print("ready", flush=True)
while True:
    word = os.read(0, 100)
    for _ in range(100_000):
        pass
    print("awake", flush=True)
"""
"""Its main thread waits in a system call between two lines of stdin."""
ENDLESS_C = """
print("ready", flush=True)
sum(range(10 ** 15))
"""
NOBODY = 65534

every_asking_python = pytest.mark.parametrize("version", ASKING)


def controlling(version: str) -> Controller:
    """Return a Python of this version to run leakscope under; skips the test without one."""
    found = controller(version)
    if found is None:
        pytest.skip(f"no Python {version} that has leakscope's dependencies (LEAKSCOPE_SITES)")
    return found


@dataclass(frozen=True, slots=True)
class Leakscope:
    """`tests/asking.py` at work."""

    process: subprocess.Popen[bytes]

    def order(self, order: str, pid: int, argument: object = "-") -> Any:  # noqa: ANN401
        """Give an order and return the answer."""
        self.begin(order, pid, argument)
        return self.answer()

    def begin(self, order: str, pid: int, argument: object = "-") -> None:
        """Give an order that `answer` returns the answer to."""
        tell(self.process, f"{order} {pid} {argument}")

    def answer(self) -> Any:  # noqa: ANN401
        """Return the answer to what was begun."""
        return json.loads(read_line(self.process, deadline=60))


@contextmanager
def leakscope(version: str) -> Iterator[Leakscope]:
    """Start a leakscope under a Python of this version."""
    under = controlling(version)
    argv = ["-m", "tests.asking"]
    with spawn(under.python.path, argv, env=under.env) as process:
        yield Leakscope(process)


@contextmanager
def target_of(version: str, source: str) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Start a target of this version; yield it with the file that its stderr goes to."""
    path = controlling(version).python.path
    with tempfile.TemporaryFile() as said, spawn(path, source, stderr=said.fileno()) as target:
        yield target, said


@contextmanager
def blocked_target(version: str) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Start `BLOCKED`; yield it once its main thread waits in its system call."""
    with target_of(version, BLOCKED) as (target, said):
        eventually(lambda: process_state(target.pid) == "S", "it waits")
        yield target, said


def text_of(file: IO[bytes]) -> str:
    """Return all that was written to a file so far."""
    return os.pread(file.fileno(), 1 << 20, 0).decode()


def left_by(asking: Leakscope, pid: int) -> list[str]:
    """Return what is left in temporary folders of an attach to `pid`."""
    patterns = (f".ls-{asking.process.pid}-*", f".leakscope-{pid}-*")
    return [str(path) for pattern in patterns for path in Path("/var/tmp").glob(pattern)]


@every_asking_python
def test_a_busy_server_is_entered_measured_and_left_as_it_was(version: str) -> None:
    path = controlling(version).python.path
    with spawn(path, ASYNCIO_SERVER, wait_for=None) as server, leakscope(version) as asking:
        port = int(read_line(server).split()[1])
        with spawn(path, ["-c", CLIENT, str(port)]) as client:
            load = Load(client)
            state, before = server_state(port), traces(server.pid)
            for _ in range(5):
                kind, door, python = asking.order("attach", server.pid, 15)
                assert (kind, door) == ("python-agent", "sys.remote_exec")
                assert python.startswith(version + ".")
                assert has_agent_thread(server.pid)
                assert asking.order("census", server.pid)["builtins.function"] > 1000
                assert asking.order("detach", server.pid) == "detached"
            assert_no_traces(server.pid, before)
            assert server_state(port) == state
            assert left_by(asking, server.pid) == []
            sent, answered = load.finish()
        assert sent == answered > 0


@every_asking_python
def test_the_census_counts_what_there_is(version: str) -> None:
    with target_of(version, BUSY) as (target, said), leakscope(version) as asking:
        asking.order("attach", target.pid, 15)
        assert asking.order("census", target.pid)["__main__.Order"] == 321
        asking.order("detach", target.pid)
        python, implementation, types = asking.order("connect", target.pid)
        assert python.startswith(version + ".") and implementation == "cpython"
        assert "__main__.Order" in types
        assert text_of(said) == ""


@every_asking_python
def test_a_whole_watch_names_the_leak_and_its_holder(version: str) -> None:
    with target_of(version, LEAKS) as (target, said), leakscope(version) as asking:
        found = asking.order("watch", target.pid, "0.2/3.2")
        assert found["verdict"] == "leaking"
        assert found["holders"] == ["__main__.ledger.pending"]
        assert (found["kind"], found["ending"]) == ("portable", "complete")
        assert found["rss"] > 1 << 20
        assert found["limit"] == "host memory"
        assert left_by(asking, target.pid) == []
        assert text_of(said) == ""


@every_asking_python
def test_a_blocked_main_thread_is_told_and_hears_nothing_of_it_later(version: str) -> None:
    with blocked_target(version) as (target, said), leakscope(version) as asking:
        before = traces(target.pid)
        refused = asking.order("attach", target.pid, 1)
        assert refused["refused"] == "NotTaken"
        assert f"the main thread of process {target.pid} has run no Python" in refused["line"]
        assert "send it a request" in refused["hint"]
        assert left_by(asking, target.pid) == []

        tell(target, "wake up")
        assert read_line(target) == "awake"  # by then it has taken what was asked of it
        assert text_of(said) == ""
        assert traces(target.pid) == before

        asking.begin("attach", target.pid, 30)
        eventually(lambda: woken(target), "the agent comes in when the main thread runs")
        assert asking.answer()[0] == "python-agent"
        asking.order("detach", target.pid)
        assert_no_traces(target.pid, before)
        assert text_of(said) == ""


def woken(target: subprocess.Popen[bytes]) -> bool:
    """Have the target run some Python; return whether an agent is in it then."""
    tell(target, "wake up")
    return read_line(target) == "awake" and has_agent_thread(target.pid)


@every_asking_python
def test_without_being_taken_back_a_request_would_be_complained_of(
    version: str, tmp_path: Path
) -> None:
    """What the test above would see if nothing were done."""
    with blocked_target(version) as (target, said):
        script = tmp_path / "script.py"
        script.write_text("pass")
        asks = "import sys; sys.remote_exec(int(sys.argv[1]), sys.argv[2])"
        path = controlling(version).python.path
        subprocess.run([path, "-c", asks, str(target.pid), script], check=True, timeout=60)
        script.unlink()
        tell(target, "wake up")
        assert read_line(target) == "awake"
        assert "Can't open debugger script" in text_of(said)


@every_asking_python
def test_a_main_thread_that_computes_in_c_is_told(version: str) -> None:
    with target_of(version, ENDLESS_C) as (target, _), leakscope(version) as asking:
        refused = asking.order("attach", target.pid, 1)
        assert refused["refused"] == "NotTaken"
        assert "or is busy in C" in refused["line"]


@every_asking_python
@pytest.mark.parametrize("target_version", ["3.13", "other"])
def test_another_minor_version_is_told(version: str, target_version: str) -> None:
    wanted = target_version if target_version == "3.13" else (set(ASKING) - {version}).pop()
    other = next((i for i in interpreters() if i.version == wanted), None)
    if other is None:
        pytest.skip(f"no Python {wanted}")
    with spawn(other.path, BUSY) as target, leakscope(version) as asking:
        refused = asking.order("attach", target.pid, 15)
        assert refused["refused"] == "DoorClosed"
        assert f"Python {version} process" in refused["line"]
        assert f"Python {wanted} process" in refused["line"]
        assert f"It must run CPython {version}, as leakscope does here" in refused["hint"]
        assert left_by(asking, target.pid) == []
        assert target.poll() is None


@every_asking_python
def test_who_cannot_be_asked_is_told(version: str) -> None:
    path = controlling(version).python.path
    with leakscope(version) as asking:
        with spawn(path, BUSY, env={"PYTHON_DISABLE_REMOTE_DEBUG": "1"}) as target:
            refused = asking.order("attach", target.pid, 15)
            assert "not enabled in the remote process" in refused["line"]
            assert "PYTHON_DISABLE_REMOTE_DEBUG" in refused["hint"]
        with spawn("cat", [], wait_for=None) as target:
            refused = asking.order("attach", target.pid, 15)
            assert f"process {target.pid} cannot be asked in" in refused["line"]
        with spawn(path, BUSY) as target:
            target.send_signal(signal.SIGSTOP)
            os.waitpid(target.pid, os.WUNTRACED)
            refused = asking.order("attach", target.pid, 15)
            assert refused["refused"] == "Unattachable"
            assert refused["line"] == f"process {target.pid} is stopped"
        refused = asking.order("attach", target.pid, 15)
        assert refused["refused"] == "NoSuchProcess"


@every_asking_python
def test_a_target_that_is_killed_meanwhile_is_gone(version: str) -> None:
    with leakscope(version) as asking:
        with blocked_target(version) as (target, _):
            asking.begin("attach", target.pid, 60)
            eventually(lambda: is_asked(target.pid, version), "it asks")
            target.kill()
            target.wait()
            assert asking.answer()["refused"] == "TargetGone"
            assert left_by(asking, target.pid) == []
        with target_of(version, BUSY) as (target, _):
            asking.order("attach", target.pid, 15)
            target.kill()
            target.wait()
            refused = asking.order("census", target.pid)
            assert refused["refused"] == "SessionLost"
            assert "the target went away" in refused["line"]
            assert asking.order("detach", target.pid) == "detached"
            assert left_by(asking, target.pid) == []


@every_asking_python
def test_a_leakscope_that_is_killed_while_it_asks_leaves_no_complaint(version: str) -> None:
    with blocked_target(version) as (target, said), leakscope(version) as other:
        before = traces(target.pid)
        with leakscope(version) as killed:
            killed.begin("attach", target.pid, 60)
            eventually(lambda: is_asked(target.pid, version), "it asks")
            killed.process.kill()
            killed.process.wait()
            other.order("doctor", target.pid)  # sweeps what is left of others

            tell(target, "wake up")
            assert read_line(target) == "awake"
            assert_no_traces(target.pid, before)
            assert text_of(said) == ""
            other.order("doctor", target.pid)
            assert left_by(killed, target.pid) == []


@every_asking_python
def test_a_process_that_is_just_starting_is_given_time(version: str) -> None:
    path = controlling(version).python.path
    with leakscope(version) as asking:
        for _ in range(3):
            with spawn(path, BUSY, wait_for=None) as target:
                assert asking.order("attach", target.pid, 15)[0] == "python-agent"
                asking.order("detach", target.pid)


@every_asking_python
def test_two_leakscopes_do_not_mix(version: str) -> None:
    with (
        target_of(version, BUSY) as (target, _),
        leakscope(version) as one,
        leakscope(version) as other,
    ):
        one.order("attach", target.pid, 15)
        refused = other.order("attach", target.pid, 15)
        assert refused["refused"] == "AlreadyAttached"
        assert f"another leakscope (pid {one.process.pid}) is attached" in refused["line"]
        checks = {name: status for name, status, *_ in other.order("doctor", target.pid)}
        assert checks["other leakscope"] == "failed"

        one.process.kill()
        one.process.wait()
        eventually(lambda: not has_agent_thread(target.pid), "a killed leakscope's agent goes")
        assert other.order("attach", target.pid, 15)[0] == "python-agent"
        other.order("detach", target.pid)
        assert left_by(other, target.pid) == []


@every_asking_python
def test_doctor_says_what_it_can_without_running_anything(version: str) -> None:
    with blocked_target(version) as (target, said), leakscope(version) as asking:
        before = traces(target.pid)
        checks = {
            name: (status, detail) for name, status, detail, _ in asking.order("doctor", target.pid)
        }
        assert {status for status, _ in checks.values()} <= {"ok", "warning", "skipped"}
        assert checks["own interpreter"][0] == checks["way in"][0] == "ok"
        assert checks["ptrace scope"] == ("skipped", "Linux only")
        assert (
            checks["interpreter"][0] == "ok" and f"Python {version} by" in checks["interpreter"][1]
        )
        assert checks["folder"] == ("ok", "the agent can be put into /var/tmp")
        assert "host memory" in checks["memory"][1]
        assert traces(target.pid) == before
        assert text_of(said) == ""


@pytest.mark.needs_root
@every_asking_python
def test_root_enters_another_users_process(version: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    path = controlling(version).python.path
    drops = f"import os\nos.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n" + BUSY
    with spawn(path, drops) as target, leakscope(version) as asking:
        before = traces(target.pid)
        assert asking.order("attach", target.pid, 15)[0] == "python-agent"
        assert asking.order("census", target.pid)["__main__.Order"] == 321
        asking.order("detach", target.pid)
        assert_no_traces(target.pid, before)
        assert left_by(asking, target.pid) == []
