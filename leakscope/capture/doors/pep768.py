"""Python 3.14 and later: ask the main thread to run a file, as `sys.remote_exec` does (PEP 768).

The fields are written through /proc/PID/mem, so the controller may be any Python. No thread is
stopped, unless the main thread waits in the kernel and has to be woken.
"""

from __future__ import annotations

import os
import platform
import struct
import time
from contextlib import suppress
from dataclasses import dataclass

from leakscope.capture.doors.interface import DoorClosed, Knock, NoDoor
from leakscope.capture.doors.interruption import interrupt
from leakscope.capture.doors.site import Site
from leakscope.capture.memory import Memory
from leakscope.capture.rendezvous import is_loader
from leakscope.errors import LeakscopeError

_COOKIE = b"xdebugpy"
_WORDS = 160
_FINAL_RELEASE = 0xF0
_PLEASE_STOP = 1 << 5
_MAX_INTERPRETERS = 1024
_OPENED_WITHIN_S = 0.05
"""From the moment the request is taken to the file being open."""

# Word numbers in _Py_DebugOffsets (Include/internal/pycore_debug_offsets.h). The first group is
# the same in all versions, where the debugger's group begins is not.
_VERSION, _INTERPRETERS_HEAD, _INTERPRETER_ID, _INTERPRETER_NEXT, _THREADS_MAIN = 1, 5, 7, 8, 10
_LOCK_IS_HELD, _LOCK_HOLDER = 18, 19
_DEBUGGER_SUPPORT = {(3, 14): 89, (3, 15): 105}


@dataclass(frozen=True, slots=True)
class MainThread:
    """The interpreter's main thread, and where the fields lie by which it is asked."""

    address: int
    lock_is_held: int
    """Whether somebody holds the interpreter's lock; `lock_holder` is who has it, or had."""
    lock_holder: int
    eval_breaker: int
    pending: int
    script_path: int
    script_path_size: int


class RunFile:
    """Has the main thread run the loading text from its file at its next opportunity."""

    name = "PEP 768"
    patience_s = 0.05

    def __init__(self, site: Site) -> None:
        self._site = site
        self._asked: MainThread | None = None

    def knock(self) -> Knock:
        """Write the request; the main thread takes it when it next looks, if it is not waiting."""
        site = self._site
        fields = _main_thread(site)
        path = os.fsencode(site.loader) + b"\0"
        if len(path) > fields.script_path_size:
            raise NoDoor("the path of the loader is too long")
        if site.memory.u32(fields.pending):
            raise DoorClosed("another debugger's request is pending")
        site.memory.write(fields.script_path, path)
        site.memory.write(fields.pending, struct.pack("<i", 1))
        # Only the byte that holds the flag: the target changes the others without asking us.
        (flags,) = site.memory.read(fields.eval_breaker, 1)
        site.memory.write(fields.eval_breaker, bytes([flags | _PLEASE_STOP]))
        self._asked = fields
        return Knock(held_s=0.0)

    def withdraw(self) -> None:
        """Clear the request; otherwise the target would complain about a file that has gone.

        If it has just been taken, its file is opened about now: a moment is given for that.
        """
        asked, self._asked = self._asked, None
        if asked is None:
            return
        with suppress(LeakscopeError):
            if self._site.memory.u32(asked.pending):
                self._site.memory.write(asked.pending, struct.pack("<i", 0))
            else:
                time.sleep(_OPENED_WITHIN_S)


class WakeMainThread:
    """Interrupts the main thread's wait, so that it takes the request of `RunFile`."""

    name = "PEP 768, woken"
    patience_s = 0.1

    def __init__(self, site: Site) -> None:
        self._site = site

    def knock(self) -> Knock:
        """Interrupt the main thread where that is harmless and it may look for requests."""
        site = self._site
        if platform.machine() != "x86_64":
            raise NoDoor(f"interrupting a wait is not written for {platform.machine()}")
        thread = _main_thread(site)
        if (
            site.memory.u32(thread.lock_is_held)
            and site.memory.u64(thread.lock_holder) == thread.address
        ):
            # Python gives its lock back before it waits: this is foreign code, which may take an
            # interruption for a failure.
            raise DoorClosed("the main thread waits with the interpreter's lock held")
        return Knock(interrupt(site.pid, site.pid, site.python))

    def withdraw(self) -> None:
        """Do nothing: the interruption is over."""


def take_back_stale(site: Site) -> None:
    """Take back what a leakscope that was killed has asked for, if it was not met yet.

    Only for who holds the lock on the target, and so is the only leakscope. A target that met the
    request after its file had gone would complain.
    """
    with suppress(LeakscopeError):
        fields = _main_thread(site)
        if site.memory.u32(fields.pending):
            path = site.memory.read(fields.script_path, fields.script_path_size)
            if is_loader(os.fsdecode(path.partition(b"\0")[0])):
                site.memory.write(fields.pending, struct.pack("<i", 0))


def _main_thread(site: Site) -> MainThread:
    return locate(site.memory, site.python.symbol("_PyRuntime"), site.minor)


def locate(memory: Memory, runtime: int | None, minor: tuple[int, int]) -> MainThread:
    """Find the main thread, `runtime` being the address of `_PyRuntime`.

    Raises `NoDoor` if this interpreter runs no files on request.
    """
    if minor not in _DEBUGGER_SUPPORT:
        raise NoDoor(f"Python {minor[0]}.{minor[1]} does not run files on request")
    content = memory.read(runtime, 8 * _WORDS) if runtime is not None else b""
    if not content.startswith(_COOKIE):
        raise NoDoor("the interpreter does not describe itself")
    words = struct.unpack(f"<{_WORDS}Q", content)
    hexversion = words[_VERSION]
    if (hexversion >> 24 & 0xFF, hexversion >> 16 & 0xFF) != minor:
        raise NoDoor("the interpreter describes itself as another version")
    if hexversion & 0xF0 != _FINAL_RELEASE:
        raise NoDoor("the layout of a pre-release is not known")
    group = words[_DEBUGGER_SUPPORT[minor] :]
    eval_breaker, support, enabled, pending, path, path_size = group[:6]
    offsets = (*words[_INTERPRETERS_HEAD : _LOCK_HOLDER + 1], *group[:5])
    if max(offsets) > 1 << 24 or not 16 <= path_size <= 4096:
        raise NoDoor("the interpreter describes itself oddly")
    interpreter = _main_interpreter(memory, (runtime or 0) + words[_INTERPRETERS_HEAD], words)
    if memory.u32(interpreter + enabled) != 1:
        raise NoDoor("the target was started with remote debugging switched off")
    thread = memory.u64(interpreter + words[_THREADS_MAIN])
    if not thread:
        raise DoorClosed("the interpreter has no main thread")
    return MainThread(
        address=thread,
        lock_is_held=interpreter + words[_LOCK_IS_HELD],
        lock_holder=interpreter + words[_LOCK_HOLDER],
        eval_breaker=thread + eval_breaker,
        pending=thread + support + pending,
        script_path=thread + support + path,
        script_path_size=path_size,
    )


def _main_interpreter(memory: Memory, head: int, words: tuple[int, ...]) -> int:
    """Return the main interpreter; sub-interpreters come before it in the list."""
    interpreter = memory.u64(head)
    for _ in range(_MAX_INTERPRETERS):
        if not interpreter:
            break
        if memory.u64(interpreter + words[_INTERPRETER_ID]) == 0:
            return interpreter
        interpreter = memory.u64(interpreter + words[_INTERPRETER_NEXT])
    raise DoorClosed("the main interpreter is not to be found")
