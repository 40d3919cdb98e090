"""Whoever stops a thread lets it go, whatever comes in between."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from leakscope.capture.doors.ptrace import StoppedThread, ThreadGone, TraceRefused
from leakscope.capture.doors.registers import Registers
from leakscope.capture.doors.tracer import as_passing_tracer
from leakscope.capture.threads import process_state
from tests.targets import ASLEEP, eventually, read_line, spawn


def is_traced(pid: int) -> bool:
    return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()


def test_a_thread_is_stopped_only_inside_the_context() -> None:
    with spawn(sys.executable, ASLEEP) as target:
        eventually(lambda: process_state(target.pid) == "S", "it sleeps")
        with StoppedThread(target.pid, target.pid) as thread:
            assert process_state(target.pid) == "t"
            before = thread.general_registers()
            assert Registers.unpack(before).waits
        assert not is_traced(target.pid)
        assert thread.held_s > 0
        eventually(lambda: process_state(target.pid) == "S", "it sleeps on")


def test_it_is_let_go_when_something_is_raised() -> None:
    with spawn(sys.executable, ASLEEP) as target:
        with pytest.raises(ZeroDivisionError), StoppedThread(target.pid, target.pid):
            raise ZeroDivisionError
        assert not is_traced(target.pid)


def test_a_thread_that_its_tracer_forgets_is_let_go_when_the_tracer_ends() -> None:
    with spawn(sys.executable, ASLEEP) as target:
        forgotten: list[StoppedThread] = []

        def forget() -> None:
            forgotten.append(StoppedThread(target.pid, target.pid).__enter__())
            assert is_traced(target.pid)

        as_passing_tracer(forget)
        eventually(lambda: not is_traced(target.pid), "the kernel lets it go")
        eventually(lambda: process_state(target.pid) == "S", "it sleeps on")


def test_results_and_errors_come_through() -> None:
    assert as_passing_tracer(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        as_passing_tracer(lambda: 1 // 0)


def test_an_interruption_waits_for_the_end_of_the_action() -> None:
    ended = threading.Event()

    def interrupt_and_go_on() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert not ended.wait(0.2)
        ended.set()

    with pytest.raises(KeyboardInterrupt):
        as_passing_tracer(interrupt_and_go_on)
    assert ended.is_set()


def test_signals_that_come_first_are_delivered() -> None:
    source = """
import signal, time
count = 0
def heard(number, frame):
    global count
    count += 1
    print("heard", flush=True)
signal.signal(signal.SIGUSR1, heard)
print("ready", flush=True)
while True:
    time.sleep(1000)
"""
    with spawn(sys.executable, source) as target:
        for _ in range(20):
            target.send_signal(signal.SIGUSR1)
            with StoppedThread(target.pid, target.pid):
                pass
            assert read_line(target) == "heard"


def test_a_thread_that_is_not_there_is_gone() -> None:
    with pytest.raises(ThreadGone), StoppedThread(2**22, 2**22):
        raise AssertionError("stopped")


def test_nobody_can_be_traced_twice() -> None:
    with spawn(sys.executable, ASLEEP) as target, StoppedThread(target.pid, target.pid):

        def second() -> None:
            with StoppedThread(target.pid, target.pid):
                raise AssertionError("stopped")

        with pytest.raises(TraceRefused):
            as_passing_tracer(second)


def test_the_exit_status_of_our_own_child_stays_its_parents() -> None:
    with spawn(sys.executable, ASLEEP) as target:
        with pytest.raises(ThreadGone), StoppedThread(target.pid, target.pid) as thread:
            target.kill()
            thread.run_to_next_system_call(float("inf"))
        assert target.wait(timeout=20) == -signal.SIGKILL
