"""In which system calls a thread may be interrupted, or borrowed, without harm (x86-64).

A thread that waits in one of these holds no lock of malloc's, of the dynamic linker's, or of the
interpreter: it waits for something from outside. Anything that is not listed is refused.
"""

from __future__ import annotations

from pathlib import Path

from leakscope.capture.elf import Image
from leakscope.capture.threads import WaitingCall

# fmt: off
_ON_DESCRIPTOR = {0: "read", 1: "write", 19: "readv", 20: "writev"}
_ALWAYS = {
    7: "poll", 23: "select", 34: "pause", 35: "nanosleep", 43: "accept", 44: "sendto",
    45: "recvfrom", 46: "sendmsg", 47: "recvmsg", 61: "wait4", 73: "flock", 128: "rt_sigtimedwait",
    230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid", 270: "pselect6", 271: "ppoll",
    281: "epoll_pwait", 288: "accept4", 299: "recvmmsg", 441: "epoll_pwait2",
}
# fmt: on
FUTEX = 202
_FUTEX_OPERATION = 0x7F
_FUTEX_WAIT_BITSET = 9
_SLOW_FILES = ("socket:", "pipe:", "anon_inode:", "/dev/pts/", "/dev/tty")


def describe_call(call: WaitingCall) -> str:
    """Return the call's name, or its number if it is none that a service waits in."""
    if call.number == FUTEX:
        return "futex"
    name = _ALWAYS.get(call.number) or _ON_DESCRIPTOR.get(call.number)
    return name or f"system call {call.number}"


def is_harmless(call: WaitingCall, pid: int, python: Image) -> bool:
    """Return whether a thread that waits in `call` may be interrupted or borrowed.

    Of futexes only a wait with a bit set (semaphores, condition variables): a plain wait may be for
    malloc's lock. And none in the interpreter's own data: that thread waits for the interpreter's
    lock, and to borrow it would deadlock.
    """
    if call.number in _ALWAYS:
        return True
    if call.number in _ON_DESCRIPTOR:
        return _is_slow_file(pid, call.arguments[0])
    if call.number == FUTEX:
        operation = call.arguments[1] & _FUTEX_OPERATION
        return operation == _FUTEX_WAIT_BITSET and not python.covers(call.arguments[0])
    return False


def _is_slow_file(pid: int, descriptor: int) -> bool:
    """Return whether a descriptor waits for others; a read from a disk may be the linker's."""
    try:
        target = str(Path(f"/proc/{pid}/fd/{descriptor & 0xFFFFFFFF}").readlink())
    except OSError:
        return False
    return target.startswith(_SLOW_FILES)
