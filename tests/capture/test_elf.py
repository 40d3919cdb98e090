"""Symbols are found where the dynamic linker finds them, and damaged images only give errors."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leakscope.capture.elf import Image, MalformedImage, images
from leakscope.capture.memory import Memory, MemoryUnreadable, mappings
from leakscope.capture.runtime import cpython_image
from leakscope.errors import LeakscopeError
from tests.attaching import every_python
from tests.pythons import Interpreter
from tests.targets import read_line, spawn

NAMES = ("PyRun_SimpleString", "Py_AddPendingCall", "PyGILState_Ensure", "_PyRuntime", "Py_Exit")
TELLS_ADDRESSES = f"""
import ctypes
print("ready", flush=True)
for name in {NAMES!r}:
    print(ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value, flush=True)
input()
"""


@every_python
def test_symbols_are_where_the_dynamic_linker_finds_them(python: Interpreter) -> None:
    with spawn(python.path, TELLS_ADDRESSES) as target:
        told = [int(read_line(target)) for _ in NAMES]
        with Memory(target.pid) as memory:
            image = cpython_image(memory)
            assert [image.symbol(name) for name in NAMES] == told
            assert all(image.covers(address) for address in told)
            assert image.symbol("PyRun_NoSuchThing") is None
            assert image.symbol("") is None
            with pytest.raises(MalformedImage, match="does not export"):
                image.require("PyRun_NoSuchThing")


def test_every_image_of_a_process_is_found_once_and_nothing_else() -> None:
    with Memory(os.getpid()) as memory:
        found = [image.path for image in images(memory, mappings(os.getpid()))]
    assert len(found) == len(set(found))
    loaded = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
    assert {path for path in loaded if path.endswith(".so")} <= set(found)
    assert not [path for path in found if "locale" in path]


ELF = bytearray(Path("/proc/self/exe").read_bytes()[: 1 << 16])
HEADER_AND_SEGMENTS = 64 + 56 * 16


@settings(max_examples=400, deadline=None)
@given(
    damage=st.lists(
        st.tuples(st.integers(0, HEADER_AND_SEGMENTS), st.binary(min_size=1, max_size=8)),
        max_size=12,
    )
)
@example(damage=[(32, struct.pack("<Q", 1 << 63))])
@example(damage=[(54, b"\xff\xff\xff\xff")])
def test_damaged_headers_give_a_leakscope_error_or_an_answer(
    damage: list[tuple[int, bytes]],
) -> None:
    content = bytearray(ELF)
    for offset, replacement in damage:
        content[offset : offset + len(replacement)] = replacement
    look_up_in(bytes(content))


def look_up_in(content: bytes) -> int | None:
    """Look a symbol up in an image that lies in our own memory."""
    buffer = ctypes.create_string_buffer(content, len(content))
    with Memory(os.getpid()) as memory:
        try:
            return Image(memory, ctypes.addressof(buffer), "/damaged").symbol("malloc")
        except LeakscopeError:
            return None


def image_with(tables: dict[int, bytes]) -> bytes:
    """Return an image of one segment whose dynamic section points to the given tables."""
    at = 0x1000
    dynamic, body = b"", b""
    for tag, table in tables.items():
        dynamic += struct.pack("<QQ", tag, at + len(body))
        body += table.ljust(-(-len(table) // 16) * 16, b"\0")
    dynamic += bytes(16)
    header = struct.pack(
        "<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0
    )
    size = at + len(body)
    segments = struct.pack("<IIQQQQQQ", 1, 6, 0, 0, 0, size, size, 0x1000)
    segments += struct.pack("<IIQQQQQQ", 2, 6, 0, 0x800, 0, len(dynamic), len(dynamic), 8)
    return (header + segments).ljust(0x800, b"\0") + dynamic.ljust(0x800, b"\0") + body


SYMBOL = struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0x1234, 8)
STRINGS = b"\0malloc\0"
SYSV = struct.pack("<IIIII", 1, 2, 1, 0, 0)


def test_the_older_hash_table_is_understood() -> None:
    assert look_up_in(image_with({6: bytes(24) + SYMBOL, 5: STRINGS, 4: SYSV})) is not None


@pytest.mark.parametrize(
    "table",
    [
        struct.pack("<IIIII", 0, 0, 0, 0, 0),
        struct.pack("<IIIII", 1, 2, 7, 0, 0),
        struct.pack("<IIIII", 1, 2, 2, 0, 2),
        struct.pack("<IIIII", 1, 0xFFFFFFFF, 0xFFFFFFF0, 0, 0),
    ],
    ids=["no buckets", "beyond its table", "a loop", "far away"],
)
def test_a_hostile_older_hash_table_ends(table: bytes) -> None:
    other = b"\0mallob\0"
    assert look_up_in(image_with({6: bytes(24) + SYMBOL * 2, 5: other, 4: table})) is None


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<IIII", 0, 1, 1, 0),
        struct.pack("<IIII", 1, 0, 0xFFFFFFFF, 0),
        struct.pack("<IIII", 0xFFFFFFFF, 1, 0, 0),
        struct.pack("<IIII", 1, 0, 0, 0),
    ],
    ids=["no buckets", "a filter without end", "buckets without end", "a chain without end"],
)
def test_a_hostile_gnu_hash_table_ends(header: bytes) -> None:
    tables = {6: bytes(24) + SYMBOL, 5: b"\0mallob\0", 0x6FFFFEF5: header + bytes(4096)}
    assert look_up_in(image_with(tables)) is None


def test_memory_that_is_not_there_is_an_error_of_ours() -> None:
    with Memory(os.getpid()) as memory:
        for address, size in [(0, 8), (1 << 62, 8), (-8, 8), (1 << 70, 8), (0x1000, 1 << 40)]:
            with pytest.raises(MemoryUnreadable):
                memory.read(address, size)
