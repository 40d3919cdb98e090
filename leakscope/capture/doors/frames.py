"""Function calls on a stopped thread that undo themselves, as chained real signal frames.

Each call returns into the kernel's own `rt_sigreturn`, which restores all registers, the vector
state and the signal mask from a frame on the stack: those of the next call, and at last those of
the interrupted program. Once the registers are set nothing depends on us any more. If we die, or
give up waiting, the thread finds its way back alone.

The frames lie below the red zone of the interrupted function. Layout: `struct rt_sigframe`,
arch/x86/include/asm/sigframe.h and uapi/asm/sigcontext.h of Linux.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from leakscope.capture.doors.gadgets import StoreGadget
from leakscope.capture.doors.registers import Registers
from leakscope.capture.memory import Mapping, Memory, mapping_at
from leakscope.errors import LeakscopeError

RED_ZONE_AND_MORE = 1024
_FRAME_GAP = 512
"""Between two frames; also the stack that a leaf function would want below its own frame."""
_LARGEST_FRAME = 768
_SIGINFO = 128
_SIGNAL_MASK = 8
_XSTATE_HEADER = 512
_SOFTWARE_RESERVED = 464
_TILE_DATA = 1 << 18
_TILE_DATA_SIZE = 8192
_MAGIC1, _MAGIC2 = 0x46505853, 0x46505845
_UC_FLAGS = 7
"""Extended state, ss saved, ss restored strictly."""
_LEAVE_ALTERNATE_STACK = 0x7FFFFFF
"""Invalid flags: the kernel then leaves the alternate signal stack as it is."""
# fmt: off
_CONTEXT_ORDER = (
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax",
    "rcx", "rsp", "rip", "eflags",
)
# fmt: on


class NoRoomOnStack(LeakscopeError):
    """The thread's stack has no room for our frames and the call."""

    hint = "Try again when the thread has returned from deep recursion."


@dataclass(frozen=True, slots=True)
class Call:
    """A function to call in the target, by address, with integer arguments."""

    function: int
    arguments: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ThreadState:
    """All that has to be restored when the calls are done."""

    registers: Registers
    """As they are to be when the program goes on."""
    extended: bytes
    signal_mask: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the first call's result (32 bits) is to be stored, and the code that does it."""

    address: int
    gadget: StoreGadget


def write_calls(
    memory: Memory,
    among: Sequence[Mapping],
    state: ThreadState,
    calls: Sequence[Call],
    *,
    restorer: int,
    needs: int,
    stored: Stored | None = None,
) -> Registers:
    """Write the frames for `calls`, first one first; return the registers that start them.

    `restorer` is the address of code that makes the system call `rt_sigreturn`; `needs` is how
    many bytes of stack the calls want. Raises `NoRoomOnStack`, or when the stack cannot be
    written; nothing has changed for the thread then.
    """
    top = state.registers["rsp"] - RED_ZONE_AND_MORE & ~63
    bottom = top - len(state.extended) - 256 - (_LARGEST_FRAME + _FRAME_GAP) * len(calls)
    _require_room(among, state.registers["rsp"], bottom, needs)
    extended_at = top - len(state.extended) - 68 & ~63
    memory.write(extended_at, _extended_area(state.extended))
    following, stack = state.registers, extended_at
    for number, call in reversed(list(enumerate(calls))):
        is_storing = stored if number == 0 else None
        content = _frame(following, extended_at, state.signal_mask, restorer)
        pops = is_storing.gadget.pops + 1 if is_storing else 0
        # A function finds its return address 8 bytes off a multiple of 16.
        frame_at = (stack - len(content) & ~15) - 8 - 8 * (pops % 2)
        memory.write(frame_at, content)
        entry = frame_at - 8 * pops
        following = state.registers.calling(call.function, call.arguments, entry)
        if is_storing:
            memory.write(
                entry, struct.pack("<Q", is_storing.gadget.address) + bytes(8 * (pops - 1))
            )
            register = is_storing.gadget.register
            where = is_storing.address - is_storing.gadget.displacement
            following = following.changed(**{register: where})
        stack = entry - _FRAME_GAP
    return following


def _require_room(among: Sequence[Mapping], stack: int, bottom: int, needs: int) -> None:
    """Check that the frames lie in mapped stack; below that the main thread's grows by itself."""
    mapping = mapping_at(stack, among)
    if mapping is None or not mapping.permissions.startswith("rw") or bottom < mapping.start:
        raise NoRoomOnStack("the thread's stack has no room for a call")
    if mapping.path != "[stack]" and bottom - needs < mapping.start:
        raise NoRoomOnStack("the thread's stack has no room for a call")


def _extended_area(extended: bytes) -> bytes:
    """Return the vector state as a signal frame holds it: marked, with its end marked too."""
    area = bytearray(_accepted(extended))
    (features,) = struct.unpack_from("<Q", area, _SOFTWARE_RESERVED)
    if not features:
        (features,) = struct.unpack_from("<Q", area, _XSTATE_HEADER)
    reserved = struct.pack("<IIQI28x", _MAGIC1, len(area) + 4, features, len(area))
    area[_SOFTWARE_RESERVED:_XSTATE_HEADER] = reserved
    return bytes(area) + struct.pack("<I", _MAGIC2)


def _accepted(extended: bytes) -> bytes:
    """Return as much of the vector state as the kernel takes back.

    Where the processor has tiles (AMX), a debugger is shown their data of every thread, the last 8
    KiB. A signal frame may hold them only in a process that asked for tiles; in any other the
    kernel forgets all vector registers over them, and says nothing. So they stay where one is used.
    """
    (used,) = struct.unpack_from("<Q", extended, _XSTATE_HEADER)
    without_tiles = len(extended) - _TILE_DATA_SIZE
    if used & _TILE_DATA or without_tiles <= _XSTATE_HEADER:
        return extended
    return extended[:without_tiles]


def _frame(registers: Registers, extended_at: int, signal_mask: bytes, restorer: int) -> bytes:
    """Return a `struct rt_sigframe` that restores `registers`; it begins with a return address."""
    context = struct.pack("<18Q", *(registers[name] for name in _CONTEXT_ORDER))
    context += struct.pack("<HHHH", registers["cs"], 0, 0, registers["ss"])
    context += struct.pack("<5Q", 0, 0, 0, 0, extended_at) + bytes(64)
    ucontext = struct.pack("<QQQiiQ", _UC_FLAGS, 0, 0, _LEAVE_ALTERNATE_STACK, 0, 0)
    return struct.pack("<Q", restorer) + ucontext + context + signal_mask + bytes(_SIGINFO)
