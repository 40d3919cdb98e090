"""All versions: borrow a thread that waits in the kernel with the interpreter's lock given back.

On it run, one after the other, `PyGILState_Ensure`, the text and `PyGILState_Release`; then it
waits on. Only threads in system calls that are known to be harmless are borrowed, never one that
waits for the interpreter's lock or holds it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import islice

from leakscope.capture.doors.frames import Call, NoRoomOnStack, Stored, ThreadState, write_calls
from leakscope.capture.doors.gadgets import find_restorer, find_store
from leakscope.capture.doors.interface import DoorClosed, Knock
from leakscope.capture.doors.interruption import stopped_call
from leakscope.capture.doors.ptrace import NotStopped, StoppedThread, ThreadGone
from leakscope.capture.doors.registers import Registers
from leakscope.capture.doors.site import Site
from leakscope.capture.doors.waiting import is_harmless
from leakscope.capture.memory import Mapping, MemoryUnreadable
from leakscope.capture.threads import own_threads, waiting_call

_STACK = 192 << 10
"""For compiling and running the text and for the dynamic linker."""
_CHECK_STACK = 8 << 10
_CHECK_WITHIN_S = 1.0
_UNSTORED = 0xFFFFFFFF
_RT_SIGRETURN = 15
_GILSTATE_UNLOCKED = 1
_MOST_THREADS = 64


class BlockedThread:
    """Runs the text on the first thread that may be borrowed, the main thread if possible."""

    name = "blocked thread"
    patience_s = 0.5

    def __init__(self, site: Site) -> None:
        self._site = site

    def knock(self) -> Knock:
        """Borrow a thread; raises `DoorClosed` if none may be borrowed now."""
        site = self._site
        site.require_callable()
        candidates = self._candidates()
        borrowing = _Borrowing(site) if candidates else None
        held_s = 0.0
        for tid in candidates:
            thread = StoppedThread(site.pid, tid)
            is_borrowed = False
            # It may have ended, have no room, or not stop: another one may do.
            with suppress(ThreadGone, NotStopped, NoRoomOnStack, MemoryUnreadable), thread:
                is_borrowed = borrowing is not None and borrowing.borrow(thread)
            held_s += thread.held_s
            if is_borrowed:
                return Knock(held_s)
        raise DoorClosed("no thread waits where it may be borrowed")

    def _candidates(self) -> list[int]:
        """Return the threads that wait harmlessly as seen from outside, the main thread first.

        Never an agent's: one may have come this very moment.
        """
        pid = self._site.pid
        waiting = ((view.tid, waiting_call(pid, view.tid)) for view in own_threads(pid))
        harmless = (
            tid
            for tid, call in waiting
            if call is not None and is_harmless(call, pid, self._site.python)
        )
        return list(islice(harmless, _MOST_THREADS))

    def withdraw(self) -> None:
        """Leave it: the thread finishes by itself, and finds the agent's file gone."""


class _Borrowing:
    """What is needed to borrow threads of one target, looked up before any is stopped."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._among: tuple[Mapping, ...] = site.mappings()
        self._restorer = find_restorer(site.memory, self._among)
        self._result = Stored(site.slot().result_address, find_store(site.memory, self._among))
        self._check = Call(site.python.require("PyGILState_Check"))
        self._calls = (
            Call(site.python.require("PyGILState_Ensure")),
            Call(site.python.require("PyRun_SimpleString"), (site.slot().address,)),
            # What Ensure has returned: the thread was found not to hold the lock.
            Call(site.python.require("PyGILState_Release"), (_GILSTATE_UNLOCKED,)),
        )

    def borrow(self, thread: StoppedThread) -> bool:
        """Have the text run on a stopped thread as soon as it is let go; False if it may not."""
        registers = Registers.unpack(thread.general_registers())
        call = stopped_call(registers)
        if call is None or not is_harmless(call, self._site.pid, self._site.python):
            return False
        state = ThreadState(registers.resumed(), thread.extended_state(), thread.signal_mask())
        if self._holds_lock(thread, state):
            return False
        entry = write_calls(
            self._site.memory,
            self._among,
            state,
            self._calls,
            restorer=self._restorer,
            needs=_STACK,
        )
        thread.set_general_registers(entry.pack())
        return True

    def _holds_lock(self, thread: StoppedThread, state: ThreadState) -> bool:
        """Ask the interpreter whether this thread holds its lock; leaves it ready to go on."""
        memory = self._site.memory
        memory.write(self._result.address, _UNSTORED.to_bytes(8, "little"))
        entry = write_calls(
            memory,
            self._among,
            state,
            [self._check],
            restorer=self._restorer,
            needs=_CHECK_STACK,
            stored=self._result,
        )
        thread.set_general_registers(entry.pack())
        deadline = time.monotonic() + _CHECK_WITHIN_S
        while True:
            thread.run_to_next_system_call(deadline)
            after = Registers.unpack(thread.general_registers())
            if all(after[name] == state.registers[name] for name in ("rip", "rsp", "rbp", "rbx")):
                break
            if time.monotonic() > deadline:
                raise NotStopped(f"thread {thread.tid} does not answer")
        return memory.u32(self._result.address) != 0
