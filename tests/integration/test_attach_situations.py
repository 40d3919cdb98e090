"""The agent gets into every situation that a service can be in, on every version, and out again."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from leakscope.capture.doors.busy import BusyInC
from leakscope.capture.threads import threads, waiting_call
from tests.attaching import (
    AGENT_KINDS,
    assert_no_traces,
    attached,
    every_python,
    some_pythons,
    still_runs,
    traces,
)
from tests.pythons import Interpreter, interpreters
from tests.targets import eventually, read_line, spawn, tell

SITUATIONS = {
    "busy asyncio loop": """
import asyncio
async def main():
    print("ready", flush=True)
    while True:
        await asyncio.sleep(0)
        sum(range(200))
asyncio.run(main())
""",
    "many threads": """
import threading
def work():
    while True:
        sum(range(1000))
for _ in range(6):
    threading.Thread(target=work, daemon=True).start()
print("ready", flush=True)
work()
""",
    "inside malloc": """
print("ready", flush=True)
while True:
    [bytearray(5000) for _ in range(500)]
""",
    "waiting for a lock": """
import threading
lock = threading.Lock()
lock.acquire()
print("ready", flush=True)
lock.acquire()
""",
    "waiting for an event with a timeout": """
import threading
print("ready", flush=True)
threading.Event().wait(1000)
""",
    "asleep": """
import time
print("ready", flush=True)
time.sleep(1000)
""",
    "accepting connections": """
import socket
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print("ready", flush=True)
listener.accept()
""",
    "idle event loop": """
import asyncio
async def main():
    print("ready", flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
""",
    "reading from a pipe": """
import sys
print("ready", flush=True)
sys.stdin.buffer.read()
""",
    "joining a thread that sleeps": """
import threading, time
sleeper = threading.Thread(target=time.sleep, args=(1000,), daemon=True)
sleeper.start()
print("ready", flush=True)
sleeper.join()
""",
    "C calls of a tenth of a second with the lock held": """
print("ready", flush=True)
while True:
    pow(3, 10**6)
""",
    "deep recursion": """
import sys, time
sys.setrecursionlimit(3000)
def down(n):
    if n:
        return down(n - 1)
    down_more(200)  # the stack below is there, as in a service that has served
    print("ready", flush=True)
    time.sleep(1000)
def down_more(n):
    if n:
        down_more(n - 1)
down(2000)
""",
}


@every_python
@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_native_agent_comes_and_goes(python: Interpreter, situation: str) -> None:
    comes_and_goes_twice(python, situation, "native-agent")


@some_pythons
@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_python_agent_comes_and_goes(python: Interpreter, situation: str) -> None:
    comes_and_goes_twice(python, situation, "python-agent")


def comes_and_goes_twice(python: Interpreter, situation: str, kind: str) -> None:
    with spawn(python.path, SITUATIONS[situation]) as target:
        before = traces(target.pid)
        for _ in range(2):
            with attached(target, kind) as session:
                assert session.kind == kind
                assert still_runs(target, session)
                assert traces(target.pid).left_in_folders == ()
            assert_no_traces(target.pid, before)


HOLDS_THE_LOCK = """
import ctypes, sys
print("ready", flush=True)
ctypes.PyDLL(None).read(0, ctypes.create_string_buffer(8), 1)
print("done", sorted(vars(sys.modules["__main__"])), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    "python",
    [p for p in interpreters() if p.version not in ("3.14", "3.15")],  # those look during the call
    ids=lambda i: str(i.version),
)
def test_a_thread_that_computes_in_c_is_named(python: Interpreter) -> None:
    source = "import re\nprint('ready', flush=True)\nre.match('(a+)+b', 'a' * 60)"
    with spawn(python.path, source) as target:
        (at_start,) = threads(target.pid)
        eventually(lambda: threads(target.pid)[0].cpu_s > at_start.cpu_s + 0.1, "it computes")
        before = traces(target.pid)
        with pytest.raises(BusyInC, match=rf"thread {target.pid} \(.*\) has computed") as caught:
            attached(target, timeout=1.0)
        assert "since we asked at" in str(caught.value)
        assert target.poll() is None
        assert traces(target.pid) == before


@every_python
def test_a_thread_that_waits_with_the_lock_held_is_not_borrowed_but_named(
    python: Interpreter,
) -> None:
    with holding_the_lock(python) as target:
        before = traces(target.pid)
        with pytest.raises(BusyInC, match=rf"thread {target.pid} \(.*\) waits in read"):
            attached(target, timeout=1.0)
        assert traces(target.pid) == before
        tell(target, "")
        assert read_line(target).startswith("done")


@some_pythons
@pytest.mark.parametrize("kind", AGENT_KINDS)
def test_what_was_asked_in_vain_does_nothing_later(python: Interpreter, kind: str) -> None:
    """The text stays queued; when the C call ends it finds no file, prints and leaves nothing."""
    untouched = plain_names(python)
    with holding_the_lock(python, stderr=subprocess.PIPE) as target:
        with pytest.raises(BusyInC):
            attached(target, kind, timeout=1.0)
        tell(target, "")
        assert read_line(target) == f"done {untouched}"
        with attached(target, kind) as session:
            assert still_runs(target, session)
        assert target.stdin is not None and target.stderr is not None
        target.stdin.close()
        eventually(lambda: target.poll() is not None, "the target ends")
        assert target.returncode == 0
        assert target.stderr.read() == b""


def plain_names(python: Interpreter) -> list[str]:
    """Return what `HOLDS_THE_LOCK` prints when nobody touches it."""
    with spawn(python.path, HOLDS_THE_LOCK) as target:
        tell(target, "")
        return cast("list[str]", ast.literal_eval(read_line(target).removeprefix("done ")))


@contextmanager
def holding_the_lock(
    python: Interpreter, stderr: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a target whose main thread waits in `read` and holds the interpreter's lock."""
    with spawn(python.path, HOLDS_THE_LOCK, stderr=stderr) as target:
        eventually(
            lambda: (call := waiting_call(target.pid, target.pid)) is not None and call.number == 0,
            "the target waits",
        )
        yield target
