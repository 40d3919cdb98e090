"""A server is at rest when it, and all it started, use no processor time."""

from __future__ import annotations

import sys
import threading

from leakscope.capture.process import identify
from leakscope.watching.rest import Rest, ended_with
from tests.targets import read_line, spawn, tell

# Works while it is told to, in itself or in a child; says when it has begun.
WORKER = """
import subprocess, sys, threading
SPIN = "print('spinning', flush=True)\\nwhile True: pass"
print("ready", flush=True)
for line in sys.stdin:
    if line == "child\\n":
        child = subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE, text=True)
        print(child.stdout.readline().strip(), flush=True)
    elif line == "end\\n":
        child.kill()
        child.wait()
        print("ended", flush=True)
"""


def test_a_server_that_waits_is_at_rest() -> None:
    with spawn(sys.executable, WORKER) as target:
        assert Rest(identify(target.pid)).wait()


def test_a_child_that_works_keeps_it_from_rest_until_it_ends() -> None:
    with spawn(sys.executable, WORKER) as target:
        rest = Rest(identify(target.pid), within=0.5)
        tell(target, "child")
        read_line(target)
        before = rest.used()
        try:
            assert not rest.wait()
            assert rest.restless
            assert rest.used()[1] > before[1]
        finally:
            tell(target, "end")
            read_line(target)

        assert rest.wait()


def test_what_waits_for_a_server_is_told_of_its_end() -> None:
    told = threading.Event()
    with spawn(sys.executable, WORKER) as target, ended_with(identify(target.pid), told.set):
        assert not told.is_set()
        target.kill()
        target.wait(timeout=20)

        assert told.wait(20)
