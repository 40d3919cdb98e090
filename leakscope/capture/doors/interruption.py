"""Letting a thread's system call return EINTR, as after a signal with a handler.

CPython then looks whether there is something to do before it waits on.
"""

from __future__ import annotations

from leakscope.capture.doors.interface import DoorClosed
from leakscope.capture.doors.ptrace import StoppedThread
from leakscope.capture.doors.registers import Registers
from leakscope.capture.doors.waiting import is_harmless
from leakscope.capture.elf import Image
from leakscope.capture.threads import WaitingCall, waiting_call


def stopped_call(registers: Registers) -> WaitingCall | None:
    """Return the system call that a stop has interrupted, None if it interrupted none."""
    if registers.system_call is None or not registers.waits:
        return None
    names = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
    return WaitingCall(registers.system_call, tuple(registers[name] for name in names))


def interrupt(pid: int, tid: int, python: Image) -> float:
    """Interrupt a thread's wait; return for how long (seconds) it was stopped.

    Raises `DoorClosed` if it does not wait in a call that may be interrupted, and what stopping a
    thread raises.
    """
    before = waiting_call(pid, tid)
    if before is None or not is_harmless(before, pid, python):
        raise DoorClosed(f"thread {tid} waits for nothing that may be interrupted")
    with StoppedThread(pid, tid) as thread:
        registers = Registers.unpack(thread.general_registers())
        call = stopped_call(registers)
        if call is not None and is_harmless(call, pid, python):
            thread.set_general_registers(registers.resumed(interrupted=True).pack())
    return thread.held_s
