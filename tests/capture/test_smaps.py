"""How much of each mapping is in memory, as the kernel tells it."""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.capture.process import TargetGone
from leakscope.capture.smaps import parsed, resident_map

TEXT = b"""\
55d0c0a00000-55d0c0a21000 rw-p 00000000 00:00 0                          [heap]
Size:                132 kB
Rss:                 100 kB
Swap:                  8 kB
7f0000000000-7f0000001000 ---p 00000000 00:00 0
Rss:                   0 kB
7f0000001000-7f0000801000 rw-p 00000000 00:00 0
Rss:                  16 kB
AnonHugePages:         0 kB
7f1000000000-7f1000100000 r-xp 00001000 08:01 1234                       /usr/lib/a lib.so
Rss:                1024 kB
"""


def test_mappings_are_read_with_what_is_in_memory() -> None:
    found = parsed(TEXT)

    assert [(r.name, r.permissions, r.resident >> 10) for r in found.regions] == [
        ("[heap]", "rw-p", 100),
        ("", "---p", 0),
        ("", "rw-p", 16),
        ("/usr/lib/a lib.so", "r-xp", 1024),
    ]
    assert (found.resident, found.swapped) == (1140 << 10, 8 << 10)
    assert (found.regions[0].start, found.regions[0].end) == (0x55D0C0A00000, 0x55D0C0A21000)


@given(st.binary(max_size=200))
def test_lines_that_make_no_sense_are_passed_over(noise: bytes) -> None:
    assert len(parsed(TEXT + b"\n" + noise + b"\n").regions) >= 4


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs /proc/PID/smaps")
def test_all_of_this_process_is_told() -> None:
    with mmap.mmap(-1, 1 << 22) as memory:
        memory.write(b"x" * (1 << 22))
        found = resident_map(os.getpid())
    rollup = Path("/proc/self/smaps_rollup").read_text()
    rss = int(rollup.split("Rss:")[1].split()[0]) << 10
    assert abs(found.resident - rss) < 8 << 20
    assert any(region.resident >= 1 << 22 for region in found.regions)


def test_a_process_that_has_gone_is_told() -> None:
    with pytest.raises(TargetGone):
        resident_map(2**22 + 5)
    assert sys.platform
