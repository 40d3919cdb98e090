"""Pieces of another process's memory: what is there comes whole, what went stops nothing."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.capture.memory import Memory
from leakscope.capture.process import TargetGone
from leakscope.capture.vectored import PIECES_AT_ONCE, FromFile, FromProcess
from tests.memories import PAGE, START, DrawnMemory
from tests.targets import read_line, spawn

# Six pages with their number in every byte; the third and the fifth are given back.
HOLES = """
import ctypes, mmap, sys
libc = ctypes.CDLL(None)
pages = mmap.mmap(-1, 6 * 4096)
for number in range(6):
    pages[number * 4096 : (number + 1) * 4096] = bytes([number + 1]) * 4096
start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
for number in (2, 4):
    libc.munmap(ctypes.c_void_p(start + number * 4096), ctypes.c_size_t(4096))
print("ready", flush=True)
print(start, flush=True)
sys.stdin.read()
"""

both_ways = pytest.mark.parametrize("vectored", [True, False], ids=["vectored", "file"])


def words(*numbers: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(numbers, dtype=np.uint64)


@both_ways
def test_what_is_not_mapped_is_left_out_page_by_page(*, vectored: bool) -> None:
    with spawn(sys.executable, HOLES) as target:
        start = int(read_line(target))
        into = np.full(6 * PAGE + 16 + 8, 99, dtype=np.uint8)
        starts = words(start, start + PAGE, start + 4 * PAGE + 4090)
        with Memory(target.pid, vectored=vectored) as memory:
            whole = memory.read_pieces(starts, words(6 * PAGE, 16, 8), into)

    assert whole.tolist() == [False, True, False]
    assert into[: 6 * PAGE].reshape(6, PAGE)[:, [0, -1]].tolist() == [
        [number, number] for number in (1, 2, 0, 4, 0, 6)
    ]
    assert into[6 * PAGE : 6 * PAGE + 16].tolist() == [2] * 16
    assert into[-8:].tolist() == [0] * 6 + [6] * 2


@both_ways
def test_more_pieces_than_the_kernel_takes_at_once_are_read(*, vectored: bool) -> None:
    number = 3 * PIECES_AT_ONCE + 7
    mine = np.arange(number, dtype=np.uint64)
    backwards = words(*range(mine.ctypes.data, mine.ctypes.data + 8 * number, 8))[::-1]
    into = np.zeros(8 * number, dtype=np.uint8)
    with Memory(os.getpid(), vectored=vectored) as memory:
        whole = memory.read_pieces(backwards, np.full(number, 8, dtype=np.uint64), into)

    assert whole.all()
    assert (into.view(np.uint64) == mine[::-1]).all()


@both_ways
@pytest.mark.parametrize("address", [0, 1 << 47, 1 << 63, (1 << 64) - 8])
def test_addresses_that_nothing_can_be_at_are_left_out(address: int, *, vectored: bool) -> None:
    into = np.full(8, 99, dtype=np.uint8)
    with Memory(os.getpid(), vectored=vectored) as memory:
        assert not memory.read_pieces(words(address), words(8), into).any()

    assert not into.any()


@both_ways
def test_a_process_that_is_gone_is_told_as_such(*, vectored: bool) -> None:
    with spawn(sys.executable, HOLES) as target:
        start = int(read_line(target))
        with Memory(target.pid, vectored=vectored) as memory:
            target.kill()
            target.wait()
            with pytest.raises(TargetGone, match="has exited"):
                memory.read(start, 8)
            if vectored:
                with pytest.raises(TargetGone, match="has exited"):
                    memory.read_pieces(words(start), words(8), np.zeros(8, dtype=np.uint8))


def test_a_sandbox_without_the_system_call_is_read_through_the_file() -> None:
    mine = np.arange(10, dtype=np.uint64)
    into = np.zeros(80, dtype=np.uint8)

    def forbidden(pieces: object, into: object) -> int:
        del pieces, into
        raise PermissionError(1, "Operation not permitted")

    with Memory(os.getpid()) as memory:
        assert isinstance(memory.reader, FromProcess)
        memory.reader = forbidden
        assert memory.read_pieces(words(mine.ctypes.data), words(80), into).all()
        assert isinstance(memory.reader, FromFile)

    assert (into.view(np.uint64) == mine).all()


@given(
    st.lists(st.tuples(st.integers(-PAGE, 9 * PAGE), st.integers(0, 3 * PAGE)), max_size=12),
    st.sets(st.integers(0, 7), max_size=4),
)
def test_every_byte_that_is_there_is_read(pieces: list[tuple[int, int]], missing: set[int]) -> None:
    drawn = DrawnMemory(pages=8)
    drawn.content[:] = bytes(1 + n % 255 for n in range(8 * PAGE))
    drawn.missing = missing
    into = np.full(sum(size for _, size in pieces), 77, dtype=np.uint8)
    starts = words(*(START + offset for offset, _ in pieces))

    whole = drawn.read_pieces(starts, words(*(size for _, size in pieces)), into)

    there = [
        [
            drawn.content[at] if 0 <= at < 8 * PAGE and at // PAGE not in missing else 0
            for at in range(offset, offset + size)
        ]
        for offset, size in pieces
    ]
    assert into.tolist() == [byte for piece in there for byte in piece]
    assert whole.tolist() == [0 not in piece for piece in there]
