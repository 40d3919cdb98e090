"""Texts of a target: C strings and str objects, read from its memory."""

from __future__ import annotations

import struct

from leakscope.capture.memory import PAGE, MemoryUnreadable
from leakscope.capture.readonly.layout import (
    IS_STR,
    OB_TYPE,
    STR_LENGTH,
    STR_STATE,
    TP_FLAGS,
    Layout,
)
from leakscope.capture.readonly.windows import Source

LONGEST = 300
"""Characters of a name that are read, as in the other captures."""

_KIND_SHIFT, _KIND = 2, 7
_COMPACT, _ASCII = 1 << 5, 1 << 6
_ENCODINGS = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}


def number_at(source: Source, address: int) -> int:
    """Return the unsigned 64-bit number at `address`; raise `MemoryUnreadable` if none is."""
    return int.from_bytes(source.read(address, 8), "little")


def c_text(source: Source, address: int) -> str:
    """Return the text that ends with a zero byte at `address`, cut at `LONGEST` bytes.

    Raises `MemoryUnreadable`.
    """
    found = b""
    while b"\0" not in found and len(found) < LONGEST:
        at = address + len(found)
        found += source.read(at, min(LONGEST - len(found), PAGE - at % PAGE))
    return found.partition(b"\0")[0].decode("utf-8", "replace")


def is_str(source: Source, address: int) -> bool:
    """Return whether a str lies at `address`; raise `MemoryUnreadable` if nothing does."""
    kind = number_at(source, address + OB_TYPE)
    return bool(number_at(source, kind + TP_FLAGS) & IS_STR)


def str_text(source: Source, address: int, layout: Layout) -> str | None:
    """Return the text of the str at `address`, cut at `LONGEST` characters, None if it is no str.

    Lone surrogates stay as they are. Raises `MemoryUnreadable`.
    """
    if not is_str(source, address):
        return None
    (length,) = struct.unpack("<q", source.read(address + STR_LENGTH, 8))
    (state,) = struct.unpack("<I", source.read(address + STR_STATE, 4))
    width = state >> _KIND_SHIFT & _KIND
    if width not in _ENCODINGS or length < 0:
        return None
    if not state & _COMPACT:
        text = number_at(source, address + layout.other_text)
    else:
        text = address + (layout.ascii_text if state & _ASCII else layout.other_text)
    content = source.read(text, min(length, LONGEST) * width)
    try:
        return content.decode(_ENCODINGS[width], "surrogatepass")
    except UnicodeDecodeError:
        return None  # was written to while it was read


def has_text(source: Source, address: int, text: str, layout: Layout) -> bool:
    """Return whether the str `text` lies at `address`."""
    try:
        return str_text(source, address, layout) == text
    except MemoryUnreadable:
        return False
