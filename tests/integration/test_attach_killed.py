"""A leakscope that is killed at any moment leaves a service that serves, and no agent."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.attaching import (
    AGENT_KINDS,
    ASYNCIO_SERVER,
    agent_file,
    attached,
    every_python,
    has_agent_thread,
    newest,
    server_state,
    some_pythons,
    still_runs,
    traces,
)
from tests.pythons import Interpreter
from tests.targets import ASLEEP, eventually, read_line, spawn

# Attaches again and again until it is killed.
CONTROLLER = """
import sys
from pathlib import Path
from leakscope.capture.process import identify
from leakscope.capture.session import attach
pid, agent = int(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
while True:
    with attach(identify(pid), agent=agent, timeout=60) as session:
        session.execute("def busy():\\n    return sum(range(20000))")
        for _ in range(3):
            session.call("busy")
"""
# Stays in its session.
SITTER = """
import sys, time
from pathlib import Path
from leakscope.capture.process import identify
from leakscope.capture.session import attach
session = attach(identify(int(sys.argv[1])), agent=Path(sys.argv[2]))
print("ready", flush=True)
time.sleep(1000)
"""
KILLS = 12


@some_pythons
def test_killing_it_in_mid_attach_harms_no_busy_server(python: Interpreter) -> None:
    with spawn(python.path, ASYNCIO_SERVER, wait_for=None) as server:
        port = int(read_line(server).split()[1])
        state = server_state(port)
        kill_often(server, seed=1)
        assert server_state(port) == state
        assert_attachable_and_clean(server)


@some_pythons
def test_killing_it_in_mid_attach_harms_no_sleeping_target(python: Interpreter) -> None:
    with spawn(python.path, ASLEEP) as target:
        kill_often(target, seed=2)
        assert_attachable_and_clean(target)


@pytest.mark.slow
@every_python
@pytest.mark.parametrize("source", [ASYNCIO_SERVER, ASLEEP], ids=["busy", "asleep"])
def test_killing_it_a_hundred_times(python: Interpreter, source: str) -> None:
    with spawn(python.path, source) as target:
        for seed in range(100 // KILLS + 1):
            kill_often(target, seed=100 + seed)
        assert_attachable_and_clean(target)


def kill_often(target: subprocess.Popen[bytes], *, seed: int) -> None:
    """Kill controllers at moments that are spread over an attach and a session."""
    moments = random.Random(seed)
    for _ in range(KILLS):
        with controller(CONTROLLER, target, "native-agent") as killed:
            delay = time.monotonic() + moments.uniform(0.0, 0.25)
            while time.monotonic() < delay:
                assert target.poll() is None
            killed.kill()
            killed.wait()
        assert target.poll() is None


def assert_attachable_and_clean(target: subprocess.Popen[bytes]) -> None:
    eventually(lambda: not has_agent_thread(target.pid), "the agent goes", deadline=10)
    with attached(target, timeout=60) as session:
        assert still_runs(target, session)
    eventually(lambda: not has_agent_thread(target.pid), "the agent goes", deadline=10)
    assert not [path for path in traces(target.pid).mapped_files if "/.ls-" in path]


@every_python
@pytest.mark.parametrize("kind", AGENT_KINDS)
def test_the_agent_goes_when_its_controller_is_killed(python: Interpreter, kind: str) -> None:
    with spawn(python.path, ASLEEP) as target:
        before = traces(target.pid)
        with controller(SITTER, target, kind) as sitter:
            assert has_agent_thread(target.pid)
            sitter.kill()
            sitter.wait()
            eventually(lambda: traces(target.pid) == before, "the agent goes", deadline=10)
        assert target.poll() is None


def test_a_stopped_controller_does_not_wedge_the_target() -> None:
    """It has asked for more than a socket holds, and takes none of it."""
    with spawn(newest().path, ASYNCIO_SERVER, wait_for=None) as server:
        port = int(read_line(server).split()[1])
        asking = SITTER.replace(
            "time.sleep(1000)", "session.execute('_reply = bytes(1 << 25)'); time.sleep(1000)"
        ).replace("print(", "import threading, os\nprint(")
        with controller(asking, server, "native-agent") as stopped:
            os.kill(stopped.pid, signal.SIGSTOP)
            for _ in range(20):
                assert "asyncio" in str(server_state(port)["modules"])
        eventually(lambda: not has_agent_thread(server.pid), "the agent goes", deadline=10)
        assert "asyncio" in str(server_state(port)["modules"])


def controller(source: str, target: subprocess.Popen[bytes], kind: str):  # type: ignore[no-untyped-def] # noqa: ANN201
    """Start another leakscope on the target."""
    return spawn(sys.executable, ["-c", source, str(target.pid), str(agent_file(kind))])
