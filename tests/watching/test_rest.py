"""A server is at rest when it, and all it started, use no processor time."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass, field

import pytest

from leakscope.capture.process import identify
from leakscope.watching.rest import Rest, Used, ended_with
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
        rest.begin()
        try:
            assert not rest.wait()
            assert rest.restless
            assert rest.worked.children > 0
        finally:
            tell(target, "end")
            read_line(target)

        assert rest.wait()


@dataclass
class Clocks:
    """The time, and a server that uses so much of it each second."""

    seconds: float = 0.0
    spent: float = 0.0
    rate: float = 0.0

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds
        self.spent += seconds * self.rate


@dataclass
class Timed(Rest):
    """Uses the processor as its clocks say."""

    clocks: Clocks = field(default_factory=Clocks)

    def used(self) -> Used:
        return Used(self.clocks.spent, 0.0)


def test_what_a_server_uses_at_rest_is_no_work() -> None:
    clocks = Clocks(rate=0.05)
    rest = Timed(identify(os.getpid()), clocks=clocks, pause=clocks.pass_by)
    rest.now = lambda: clocks.seconds

    rest.begin()
    clocks.pass_by(10.0)
    assert rest.wait()
    assert rest.worked.own == pytest.approx(0.0, abs=1e-9)

    rest.begin()
    clocks.spent += 0.0004  # one request
    clocks.pass_by(10.0)
    assert rest.wait()
    assert rest.worked.own == pytest.approx(0.0004)

    rest.begin()
    clocks.rate = 1.0
    clocks.pass_by(2.0)
    assert not rest.wait()
    assert rest.worked.own == pytest.approx(0.0004 + 2.0 + rest.within)


def test_what_waits_for_a_server_is_told_of_its_end() -> None:
    told = threading.Event()
    with spawn(sys.executable, WORKER) as target, ended_with(identify(target.pid), told.set):
        assert not told.is_set()
        target.kill()
        target.wait(timeout=20)

        assert told.wait(20)
