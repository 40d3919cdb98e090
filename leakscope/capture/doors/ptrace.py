"""Stopping one thread of another process, looking at it, and letting it go.

Nothing here steps a thread or keeps it: whoever stops one, detaches it again within milliseconds.
If this process dies in between, the kernel detaches it. Only the thread that stops one may use
it; see `tracer` for which thread that should be.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import time
from contextlib import suppress
from types import TracebackType

from leakscope.errors import LeakscopeError

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

_CONT, _DETACH, _SYSCALL = 7, 17, 24
_GETREGSET, _SETREGSET, _SEIZE, _INTERRUPT, _GETSIGMASK = 0x4204, 0x4205, 0x4206, 0x4207, 0x420A
_O_TRACESYSGOOD = 1
_EVENT_STOP = 128
_SYSCALL_STOP = signal.SIGTRAP | 0x80
_WALL = 0x40000000
_NT_PRSTATUS, _NT_X86_XSTATE = 1, 0x202
_XSTATE_LIMIT = 1 << 16
_STOP_WITHIN_S = 2.0


class TraceRefused(LeakscopeError):
    """The kernel does not let us trace a thread."""

    hint = "Run as the target's owner, or grant CAP_SYS_PTRACE; no debugger may be attached."


class ThreadGone(LeakscopeError):
    """The thread ended while it was looked at."""

    hint = "Try again."


class NotStopped(LeakscopeError):
    """The thread did not come to a stop in time: it waits for a device, or has no turn."""

    hint = "Try again when the machine is less busy."


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class StoppedThread:
    """A thread, stopped from entering the context to leaving it."""

    def __init__(self, pid: int, tid: int) -> None:
        self.pid = pid
        self.tid = tid
        self.held_s = 0.0
        """How long it was stopped; complete once the context is left."""
        self._attached = False
        self._stopped = False
        self._since: float | None = None

    def __enter__(self) -> StoppedThread:
        """Stop it. Raises `TraceRefused`, `ThreadGone` or `NotStopped`."""
        self._request(_SEIZE, 0, _O_TRACESYSGOOD)
        self._attached = True
        try:
            self._since = time.perf_counter()
            self._interrupt()
        except BaseException:
            self._detach()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._detach()

    def general_registers(self) -> bytes:
        """Return the general registers as the kernel lays them out."""
        return self._get_registers(_NT_PRSTATUS, 1 << 10)

    def set_general_registers(self, content: bytes) -> None:
        """Give the thread these general registers, all at once."""
        buffer = ctypes.create_string_buffer(content, len(content))
        vector = _Vector(ctypes.addressof(buffer), len(content))
        self._request(_SETREGSET, _NT_PRSTATUS, ctypes.addressof(vector))

    def extended_state(self) -> bytes:
        """Return floating point and vector registers as XSAVE lays them out."""
        return self._get_registers(_NT_X86_XSTATE, _XSTATE_LIMIT)

    def signal_mask(self) -> bytes:
        """Return the set of blocked signals, 8 bytes."""
        buffer = ctypes.create_string_buffer(8)
        self._request(_GETSIGMASK, 8, ctypes.addressof(buffer))
        return buffer.raw

    def run_to_next_system_call(self, deadline: float) -> None:
        """Let it run until it enters or leaves a system call; signals on the way are delivered.

        Raises `NotStopped` at the deadline (a `time.monotonic` value); it runs on then.
        """
        pending = 0
        while True:
            self._stopped = False
            self._request(_SYSCALL, 0, pending)
            stop = self._wait(deadline)
            if stop == _SYSCALL_STOP:
                return
            pending = 0 if stop >> 8 == _EVENT_STOP else stop & 0x7F

    def _interrupt(self) -> None:
        """Stop it; a signal that comes first is delivered."""
        deadline = time.monotonic() + _STOP_WITHIN_S
        self._request(_INTERRUPT, 0, 0)
        while True:
            stop = self._wait(deadline)
            if stop >> 8 == _EVENT_STOP or stop == _SYSCALL_STOP:
                return  # the latter consumes the interrupt: any stop is a stop
            self._stopped = False
            self._request(_CONT, 0, stop & 0x7F)
            self._request(_INTERRUPT, 0, 0)

    def _wait(self, deadline: float) -> int:
        """Return how it stopped: a signal number, and above the low byte a ptrace event."""
        pause = 0.00002
        options = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT | _WALL
        while True:
            try:
                found = os.waitid(os.P_PID, self.tid, options)
            except ChildProcessError as gone:
                self._attached = False
                raise ThreadGone(f"thread {self.tid} has ended") from gone
            if found is not None:
                break
            if time.monotonic() > deadline:
                raise NotStopped(f"thread {self.tid} does not stop")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.002)
        if found.si_code not in (os.CLD_TRAPPED, os.CLD_STOPPED):
            self._bury()
            raise ThreadGone(f"thread {self.tid} has ended")
        os.waitid(os.P_PID, self.tid, os.WSTOPPED | _WALL)
        self._stopped = True
        return found.si_status

    def _bury(self) -> None:
        """Collect a dead thread, so that its real parent may; our own child's status is not ours.

        Whoever started the target waits for its exit status.
        """
        self._attached = False
        if not _is_child_of_ours(self.tid):
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self.tid, os.WEXITED | os.WNOHANG | _WALL)

    def _detach(self) -> None:
        if self._attached and not self._stopped:
            try:
                self._interrupt()
            except LeakscopeError:
                self._attached = False  # it has ended, or is let go when our own thread ends
        if self._attached:
            with suppress(LeakscopeError):
                self._request(_DETACH, 0, 0)
        self._attached = False
        if self._since is not None:
            self.held_s += time.perf_counter() - self._since
            self._since = None

    def _get_registers(self, kind: int, limit: int) -> bytes:
        buffer = ctypes.create_string_buffer(limit)
        vector = _Vector(ctypes.addressof(buffer), limit)
        self._request(_GETREGSET, kind, ctypes.addressof(vector))
        return buffer.raw[: vector.length]

    def _request(self, request: int, address: int, data: int) -> None:
        if _libc.ptrace(request, self.tid, address, data) != -1:
            return
        number = ctypes.get_errno()
        if number == errno.ESRCH:
            raise ThreadGone(f"thread {self.tid} has ended")
        raise TraceRefused(f"tracing thread {self.tid}: {os.strerror(number)}")


def _is_child_of_ours(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            stat = file.read()
    except OSError:
        return False
    return int(stat[stat.rindex(b")") + 2 :].split()[1]) == os.getpid()
