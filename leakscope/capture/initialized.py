"""Where a running interpreter keeps whether it is initialised, read from its machine code.

The flag lies in `_PyRuntime`, at an offset that differs from version to version and from build to
build. `Py_IsInitialized` does nothing but load it, so its few instructions say where it is.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

CODE_SIZE = 32
"""How many bytes of `Py_IsInitialized` are looked at."""

_X86_64 = re.compile(
    rb"""(?:\xf3\x0f\x1e\xfa)?                        # endbr64
    (?:\x8b\x05(?P<direct>.{4})                       # mov  eax, [rip + direct]
      |\x48\x8b\x05(?P<pointer>.{4})                  # mov  rax, [rip + pointer]
       \x8b(?:\x40(?P<short>.)|\x80(?P<long>.{4})))   # mov  eax, [rax + offset]
    \xc3""",
    re.VERBOSE | re.DOTALL,
)
_RET = 0xD65F03C0
_BTI_C = 0xD503245F


def flag_address(
    code: bytes, address: int, machine: str, read_pointer: Callable[[int], int]
) -> int | None:
    """Return the address of the flag that `Py_IsInitialized` loads, None if it is not plain code.

    `code` are its first `CODE_SIZE` bytes, `address` is where they lie, `machine` the processor
    (`x86_64`, `aarch64`); `read_pointer` reads a pointer of the process.
    """
    if machine == "x86_64":
        return _flag_x86_64(code, address, read_pointer)
    if machine == "aarch64":
        return _flag_aarch64(code, address, read_pointer)
    return None


def _flag_x86_64(code: bytes, address: int, read_pointer: Callable[[int], int]) -> int | None:
    found = _X86_64.match(code)
    if found is None:
        return None
    if found["direct"] is not None:
        return address + found.end("direct") + _signed(found["direct"])
    runtime = read_pointer(address + found.end("pointer") + _signed(found["pointer"]))
    return runtime + _signed(found["short"] or found["long"])


def _flag_aarch64(code: bytes, address: int, read_pointer: Callable[[int], int]) -> int | None:
    words = list(struct.unpack(f"<{len(code) // 4}I", code[: len(code) // 4 * 4]))
    if words[:1] == [_BTI_C]:
        del words[0]
        address += 4
    if _RET not in words[:5]:
        return None
    body = words[: words.index(_RET)]
    if len(body) not in (2, 3) or body[0] & 0x9F000000 != 0x90000000:  # adrp
        return None
    page = _adrp_page(body[0], address)
    if len(body) == 2:
        return _loaded_from(body[1], page, size=4)
    if body[1] & 0xFFC00000 == 0x91000000:  # add x, x, #offset
        return _loaded_from(body[2], page + (body[1] >> 10 & 0xFFF), size=4)
    pointer = _loaded_from(body[1], page, size=8)
    return None if pointer is None else _loaded_from(body[2], read_pointer(pointer), size=4)


def _adrp_page(word: int, address: int) -> int:
    pages = (word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3
    return (address & ~0xFFF) + ((pages ^ 1 << 20) - (1 << 20) << 12)


def _loaded_from(word: int, start: int, *, size: int) -> int | None:
    """Return the address that `ldr` of `size` bytes with an unsigned offset loads from."""
    opcode = {4: 0xB9400000, 8: 0xF9400000}[size]
    return start + (word >> 10 & 0xFFF) * size if word & 0xFFC00000 == opcode else None


def _signed(field: bytes) -> int:
    return int.from_bytes(field, "little", signed=True)
