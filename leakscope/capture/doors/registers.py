"""The registers of a stopped x86-64 thread, and what the kernel would do with them next."""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass

# fmt: off
_NAMES = (
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi",
    "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs",
    "gs",
)
# fmt: on
_LAYOUT = struct.Struct(f"<{len(_NAMES)}Q")
_ALL_ONES = (1 << 64) - 1
NO_SYSTEM_CALL = _ALL_ONES
_SYSCALL_INSTRUCTION = 2
_DIRECTION_AND_TRAP_FLAGS = 0x500

ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK = 512, 513, 514, 516


@dataclass(frozen=True, slots=True)
class Registers:
    """The general registers of one thread."""

    values: dict[str, int]

    @classmethod
    def unpack(cls, content: bytes) -> Registers:
        """Read what `PTRACE_GETREGSET` gives."""
        return cls(dict(zip(_NAMES, _LAYOUT.unpack(content[: _LAYOUT.size]), strict=True)))

    def pack(self) -> bytes:
        """Return what `PTRACE_SETREGSET` takes."""
        return _LAYOUT.pack(*(self.values[name] for name in _NAMES))

    def __getitem__(self, name: str) -> int:
        return self.values[name]

    def changed(self, **changes: int) -> Registers:
        """Return a copy with some registers set, each to its low 64 bits."""
        return Registers(self.values | {name: v & _ALL_ONES for name, v in changes.items()})

    @property
    def system_call(self) -> int | None:
        """Number of the system call it is in or has just left, None in user code."""
        number = self["orig_rax"]
        return number if number < 1 << 63 else None

    @property
    def error(self) -> int:
        """The error that its system call is about to return (positive), 0 for none."""
        return (1 << 64) - self["rax"] if self["rax"] >> 63 else 0

    @property
    def waits(self) -> bool:
        """Whether the stop interrupted a system call in which it waited."""
        return self.system_call is not None and self.error in (
            ERESTARTSYS,
            ERESTARTNOHAND,
            ERESTART_RESTARTBLOCK,
            errno.EINTR,
        )

    def resumed(self, *, interrupted: bool = False) -> Registers:
        """Return what these registers become when the thread goes on in user code.

        As the kernel does it after a signal without a handler: the call is made again. A call
        whose rest of time only the kernel knows (RESTARTBLOCK) returns EINTR, as after a handler.
        `interrupted`: so do all calls that may.
        """
        if self.system_call is None:
            return self.changed(orig_rax=NO_SYSTEM_CALL)
        may_restart = (ERESTARTSYS, ERESTARTNOHAND, ERESTARTNOINTR)
        if self.error == ERESTART_RESTARTBLOCK or (interrupted and self.error in may_restart[:2]):
            return self.changed(rax=-errno.EINTR, orig_rax=NO_SYSTEM_CALL)
        if self.error in may_restart:
            return self.changed(
                rax=self["orig_rax"],
                rip=self["rip"] - _SYSCALL_INSTRUCTION,
                orig_rax=NO_SYSTEM_CALL,
            )
        return self.changed(orig_rax=NO_SYSTEM_CALL)

    def calling(self, function: int, arguments: tuple[int, ...], stack: int) -> Registers:
        """Return the registers at the entry of a function, its return address being at `stack`."""
        names = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
        flags = self["eflags"] & ~_DIRECTION_AND_TRAP_FLAGS
        entered = self.changed(
            rip=function, rsp=stack, rax=0, orig_rax=NO_SYSTEM_CALL, eflags=flags
        )
        return entered.changed(**dict(zip(names, arguments, strict=False)))
