"""Which memory of a process may hold objects: writable, its own, and really there.

Pages that were never touched are not read, so that reading never makes the kernel provide them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leakscope.capture.memory import PAGE, Mapping, mappings
from leakscope.capture.process import TargetGone
from leakscope.capture.vectored import Addresses, Mask

RESERVATION = 1 << 40
"""Bytes from which a mapping is address space that somebody set aside, not a heap."""
_PAGES_AT_ONCE = 1 << 20
_ON_HAND = np.uint64(62)
"""Of an entry of pagemap, the bits from here on say that the page is in memory or in swap."""
_NO_HEAP = ("[stack", "[v", "/dev/")


@dataclass(frozen=True, slots=True)
class Regions:
    """Ranges of addresses in ascending order that do not overlap."""

    starts: Addresses
    ends: Addresses

    @classmethod
    def of(cls, ranges: Sequence[tuple[int, int]]) -> Regions:
        """Make them of (start, end) in ascending order; what touches becomes one."""
        table = np.array(ranges, dtype=np.uint64).reshape(-1, 2)
        apart = np.ones(len(table) + 1, dtype=np.bool_)
        apart[1:-1] = table[1:, 0] != table[:-1, 1]
        return cls(table[apart[:-1], 0], table[apart[1:], 1])

    @property
    def size(self) -> int:
        """Bytes in all of them."""
        return int((self.ends - self.starts).sum())

    def hold(self, addresses: Addresses) -> Mask:
        """Return which of `addresses` lie in one of them."""
        if not len(self.starts):
            return np.zeros(len(addresses), dtype=np.bool_)
        at = np.searchsorted(self.starts, addresses, side="right") - 1
        inside: Mask = (at >= 0) & (addresses < self.ends[at])
        return inside


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is to look into."""

    heap: Regions
    """Where objects may be."""
    readable: Regions
    """That, and the constants of images: what a pointer may be followed to."""
    reserved: bool
    """Whether a mapping was left out because it is too large to be a heap."""


def survey(pid: int) -> Survey:
    """Return what there is to look into in process `pid` now.

    Raises `TargetGone` or `MapsUnreadable`.
    """
    among = mappings(pid)
    heap, reserved = heap_mappings(among)
    there = on_hand(pid, heap)
    constants = [(m.start, m.end) for m in image_constants(among)]
    return Survey(Regions.of(there), Regions.of(sorted([*there, *constants])), bool(reserved))


def heap_mappings(among: Sequence[Mapping]) -> tuple[list[Mapping], list[Mapping]]:
    """Return the mappings that may hold objects, and those left out because they are too large.

    Anonymous memory, whoever asked for it, the heap, and the data of images.
    """
    found = [
        m
        for m in among
        if m.permissions.startswith("rw") and m.permissions.endswith("p") and not _is_no_heap(m)
    ]
    return (
        [m for m in found if m.size < RESERVATION],
        [m for m in found if m.size >= RESERVATION],
    )


def image_constants(among: Sequence[Mapping]) -> list[Mapping]:
    """Return what cannot be written of the executable and the libraries: names are there."""
    images = {(m.device, m.inode) for m in among if m.inode and "x" in m.permissions}
    return [m for m in among if m.permissions.startswith("r-") and (m.device, m.inode) in images]


def on_hand(pid: int, among: Sequence[Mapping]) -> list[tuple[int, int]]:
    """Return start and end of the parts of mappings whose pages are in memory or in swap.

    All of them where the kernel does not tell. Raises `TargetGone`.
    """
    with _pagemap(pid) as descriptor:
        if descriptor is None:
            return [(m.start, m.end) for m in among]
        return [run for m in among for run in _runs(descriptor, m)]


def _is_no_heap(mapping: Mapping) -> bool:
    return mapping.path.startswith(_NO_HEAP)


def _runs(descriptor: int, mapping: Mapping) -> Iterator[tuple[int, int]]:
    for start in range(mapping.start, mapping.end, _PAGES_AT_ONCE * PAGE):
        pages = (min(mapping.end, start + _PAGES_AT_ONCE * PAGE) - start) // PAGE
        entries = np.frombuffer(os.pread(descriptor, 8 * pages, start // PAGE * 8), dtype=np.uint64)
        there = np.zeros(len(entries) + 2, dtype=np.int8)
        there[1:-1] = entries >> _ON_HAND != 0
        edges = np.flatnonzero(np.diff(there)) * PAGE + start
        yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


@contextmanager
def _pagemap(pid: int) -> Iterator[int | None]:
    try:
        descriptor = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError) as error:
        if not Path(f"/proc/{pid}").exists():
            raise TargetGone(f"process {pid} has exited") from error
        descriptor = None
    except OSError:
        descriptor = None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)
