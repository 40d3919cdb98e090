"""Which source line an instruction belongs to, from a code object's table of lines.

The tables of three formats: 3.9 (`co_lnotab`), 3.10 (`co_linetable`, PEP 626), 3.11 and later
(`co_linetable` with columns, Objects/locations.md in CPython).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

_NO_LINE = -128
_CODE_UNIT = 2


@lru_cache(maxsize=2048)  # Many tasks wait at few places.
def line_at(version: int, first_line: int, table: bytes, offset: int) -> int:
    """Return the line of the instruction at `offset` bytes; `first_line` where it has none.

    `version` is the `PY_VERSION_HEX` of the interpreter whose table it is. A table that makes no
    sense gives some line, never an error.
    """
    minor = version >> 16 & 0xFF
    ranges = _with_columns if minor >= 11 else _by_range if minor == 10 else _by_step
    found = first_line
    for start, end, line in ranges(first_line, table):
        if start <= offset < end:
            return first_line if line is None else line
        if line is not None and start <= offset:
            found = line
    return found


def _by_step(first_line: int, table: bytes) -> Iterator[tuple[int, int, int | None]]:
    """Read pairs of steps: of the address, then of the line that begins there."""
    start, line = 0, first_line
    address = 0
    for step, line_step in zip(table[::2], table[1::2], strict=False):
        if step:
            if address + step > start:
                yield start, address + step, line
            address += step
            start = address
        line += line_step - 256 if line_step >= 128 else line_step
    yield start, 1 << 31, line


def _by_range(first_line: int, table: bytes) -> Iterator[tuple[int, int, int | None]]:
    """Read pairs: the length of a range, and the step to its line."""
    address, line = 0, first_line
    for length, line_step in zip(table[::2], table[1::2], strict=False):
        step = line_step - 256 if line_step >= 128 else line_step
        if step != _NO_LINE:
            line += step
        yield address, address + length, None if step == _NO_LINE else line
        address += length


def _with_columns(first_line: int, table: bytes) -> Iterator[tuple[int, int, int | None]]:
    """Read entries: a byte with kind and length, then what the kind has of lines and columns."""
    address, line, at = 0, first_line, 0
    while at < len(table):
        kind = table[at] >> 3 & 15
        end = address + ((table[at] & 7) + 1) * _CODE_UNIT
        if kind in (13, 14):
            line += _signed(table, at + 1)
        elif 10 <= kind <= 12:
            line += kind - 10
        yield address, end, None if kind == 15 else line
        address = end
        at += 1
        while at < len(table) and table[at] < 128:
            at += 1


def _signed(table: bytes, at: int) -> int:
    """Read a signed number of six bits a byte; the lowest bit is the sign."""
    value = shift = 0
    while at < len(table):
        value |= (table[at] & 63) << shift
        if not table[at] & 64:
            break
        shift += 6
        at += 1
    return -(value >> 1) if value & 1 else value >> 1
