"""Memory that a read-only census looks into: a target's own, and only where something is."""

from __future__ import annotations

import sys

import numpy as np

from leakscope.capture.memory import Mapping, mapping_at, mappings
from leakscope.capture.readonly.regions import (
    RESERVATION,
    Regions,
    heap_mappings,
    image_constants,
    on_hand,
)
from tests.memories import PAGE
from tests.targets import read_line, spawn

# 64 MiB of which three pages were written to.
SPARSE = """
import ctypes, mmap, sys
memory = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
for page in (5, 6, 9000):
    memory[page * 4096] = 1
print("ready", flush=True)
print(ctypes.addressof(ctypes.c_char.from_buffer(memory)), flush=True)
sys.stdin.read()
"""


def test_pages_that_were_never_touched_are_not_read() -> None:
    with spawn(sys.executable, SPARSE) as target:
        start = int(read_line(target))
        whole = mapping_at(start, mappings(target.pid))
        assert whole is not None
        found = on_hand(target.pid, [whole])

    inside = [
        ((first - start) // PAGE, (end - start) // PAGE)
        for first, end in found
        if start <= first < start + (64 << 20)
    ]
    assert inside == [(5, 7), (9000, 9001)]


def test_the_heap_is_anonymous_memory_and_the_data_of_images() -> None:
    among = [
        mapping(1, "rw-p", "[heap]"),
        mapping(2, "rw-p", ""),
        mapping(3, "rw-p", "[anon: arena]"),
        mapping(4, "rw-p", "/usr/lib/libpython3.12.so.1.0"),
        mapping(5, "r--p", "/usr/lib/libpython3.12.so.1.0"),
        mapping(6, "r-xp", "/usr/lib/libpython3.12.so.1.0"),
        mapping(13, "r--p", "/srv/data.bin", inode=6),
        mapping(7, "rw-s", "/dev/shm/shared"),
        mapping(8, "---p", ""),
        mapping(9, "rw-p", "[stack]"),
        mapping(10, "rw-p", "/dev/dri/card0"),
        mapping(11, "r--p", "[vvar]"),
        mapping(12, "rw-p", "", size=RESERVATION),
    ]

    heap, reserved = heap_mappings(among)

    assert [m.start >> 44 for m in heap] == [1, 2, 3, 4]
    assert [m.start >> 44 for m in reserved] == [12]
    assert [m.start >> 44 for m in image_constants(among)] == [5, 6]


def test_regions_that_touch_are_one() -> None:
    regions = Regions.of([(0x1000, 0x2000), (0x2000, 0x3000), (0x5000, 0x6000)])

    assert list(zip(regions.starts, regions.ends, strict=True)) == [
        (0x1000, 0x3000),
        (0x5000, 0x6000),
    ]
    assert regions.size == 0x3000
    places = np.array(
        [0, 0xFFF, 0x1000, 0x2FFF, 0x3000, 0x5FFF, 0x6000, 2**64 - 1], dtype=np.uint64
    )
    assert regions.hold(places).tolist() == [False, False, True, True, False, True, False, False]


def test_no_regions_hold_nothing() -> None:
    assert not Regions.of([]).hold(np.array([0, 5], dtype=np.uint64)).any()
    assert Regions.of([]).size == 0


def mapping(
    number: int, permissions: str, path: str, *, size: int = PAGE, inode: int | None = None
) -> Mapping:
    inode = inode if inode is not None else int(path.startswith("/usr/lib"))
    return Mapping(number << 44, (number << 44) + size, permissions, 0, "00:00", inode, path)
