"""All versions: queue the text as a pending call of the main thread.

`Py_AddPendingCall` needs neither the interpreter's lock nor malloc, so it may be called wherever
the main thread happens to be stopped. The interpreter runs the text between two bytecodes, or when
a wait for a lock is interrupted.
"""

from __future__ import annotations

from leakscope.capture.doors.frames import Call, ThreadState, write_calls
from leakscope.capture.doors.gadgets import find_restorer
from leakscope.capture.doors.interface import Knock
from leakscope.capture.doors.interruption import stopped_call
from leakscope.capture.doors.ptrace import StoppedThread
from leakscope.capture.doors.registers import Registers
from leakscope.capture.doors.site import Site
from leakscope.capture.doors.waiting import FUTEX, is_harmless

_STACK = 16 << 10


class PendingCall:
    """Calls `Py_AddPendingCall(PyRun_SimpleString, text)` on the main thread."""

    name = "pending call"
    patience_s = 0.15

    def __init__(self, site: Site) -> None:
        self._site = site

    def knock(self) -> Knock:
        """Queue the text, and wake the main thread if it waits for a lock."""
        site = self._site
        site.require_callable()
        function = site.python.require("PyRun_SimpleString")
        call = Call(site.python.require("Py_AddPendingCall"), (function, site.slot().address))
        among = site.mappings()
        restorer = find_restorer(site.memory, among)
        with StoppedThread(site.pid, site.pid) as thread:
            registers = Registers.unpack(thread.general_registers())
            state = ThreadState(
                registers.resumed(interrupted=self._wakes(registers)),
                thread.extended_state(),
                thread.signal_mask(),
            )
            entry = write_calls(site.memory, among, state, [call], restorer=restorer, needs=_STACK)
            thread.set_general_registers(entry.pack())
        return Knock(thread.held_s)

    def withdraw(self) -> None:
        """Leave it: what is queued finds the agent's file gone and does nothing."""

    def _wakes(self, registers: Registers) -> bool:
        """Only waits for locks look for pending calls; other waits are left alone."""
        waiting = stopped_call(registers)
        return (
            waiting is not None
            and waiting.number == FUTEX
            and is_harmless(waiting, self._site.pid, self._site.python)
        )
