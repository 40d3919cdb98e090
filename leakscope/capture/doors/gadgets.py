"""Two snippets of machine code that every x86-64 process has somewhere in its C library.

Nothing is written into code: what is there is found and used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from leakscope.capture.memory import Mapping, Memory, MemoryUnreadable
from leakscope.errors import LeakscopeError

_RESTORER = b"\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05"  # mov $15 (rt_sigreturn), %rax; syscall
_LARGEST_CODE = 1 << 26

# mov %eax, displacement(%register); [add $n, %rsp;] pops; ret - with a callee-saved register
_STORE = re.compile(
    rb"""(?:\x48?\x89(?:(?P<rbx>\x03)|\x43(?P<rbx_8>.)|\x45(?P<rbp_8>.))
      |[\x41\x49]\x89(?:(?P<r14>\x06)|(?P<r15>\x07)|(?P<r12>\x04\x24)
         |\x46(?P<r14_8>.)|\x47(?P<r15_8>.)|\x45(?P<r13_8>.)|\x44\x24(?P<r12_8>.)))
    (?:\x48\x83\xc4(?P<add>[\x08\x10\x18\x20\x28\x38]))?
    (?P<pops>(?:\x41[\x5c-\x5f]|[\x5b\x5d])*)
    \xc3""",
    re.VERBOSE | re.DOTALL,
)


class NoGadget(LeakscopeError):
    """The target lacks a snippet of code that we need; its C library is an unusual one."""

    hint = "Run the service on Python 3.14 or later, where another way in exists."


@dataclass(frozen=True, slots=True)
class StoreGadget:
    """Code that stores eax, takes some words off the stack and returns."""

    address: int
    register: str
    """Callee-saved register that points to where eax is stored, less the displacement."""
    displacement: int
    pops: int
    """How many words it takes off the stack before it returns."""


def find_restorer(memory: Memory, among: Sequence[Mapping]) -> int:
    """Return the address of code that makes the system call `rt_sigreturn`."""
    for mapping, code in _code(memory, among):
        found = code.find(_RESTORER)
        if found >= 0:
            return mapping.start + found
    raise NoGadget(f"process {memory.pid} has no code that returns from signal handlers")


def find_store(memory: Memory, among: Sequence[Mapping]) -> StoreGadget:
    """Return code that stores a function's result."""
    for mapping, code in _code(memory, among):
        found = _STORE.search(code)
        if found is not None:
            return _store_gadget(mapping.start, found)
    raise NoGadget(f"process {memory.pid} has no code that stores a result")


def _store_gadget(start: int, found: re.Match[bytes]) -> StoreGadget:
    group = next(k for k, v in found.groupdict().items() if v is not None and k[0] == "r")
    register, _, wide = group.partition("_")
    displacement = int.from_bytes(found[group], "little", signed=True) if wide else 0
    pops = len(re.findall(rb"\x41?[\x5b-\x5f]", found["pops"]))
    skipped = found["add"][0] // 8 if found["add"] else 0
    return StoreGadget(start + found.start(), register, displacement, pops + skipped)


def _code(memory: Memory, among: Sequence[Mapping]) -> Iterator[tuple[Mapping, bytes]]:
    """Yield executable mappings of files with their content, the C library's first."""
    executable = [m for m in among if "x" in m.permissions and m.inode and m.size <= _LARGEST_CODE]
    for mapping in sorted(executable, key=_rank):
        with suppress(MemoryUnreadable):
            yield mapping, memory.read(mapping.start, mapping.size)


def _rank(mapping: Mapping) -> tuple[int, int]:
    is_libc = mapping.name.startswith(("libc.", "libc-", "ld-musl"))
    return (0 if is_libc else 1 if "python" in mapping.name else 2), mapping.start
