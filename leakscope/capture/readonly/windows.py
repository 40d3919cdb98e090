"""A target's memory, a bounded part of it at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from leakscope.capture.memory import PAGE
from leakscope.capture.readonly.regions import Regions
from leakscope.capture.vectored import Addresses, Bytes, Mask

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

WINDOW = 32 << 20
"""Bytes that are looked at together."""
BEYOND = 32
"""Words of zeros behind a window, so that no field of an object at its end is out of reach."""


class Source(Protocol):
    """Memory that can be read; see `leakscope.capture.memory.Memory`."""

    def read(self, address: int, size: int) -> bytes:
        """Return exactly `size` bytes, or raise `MemoryUnreadable` or `TargetGone`."""
        ...

    def read_pieces(self, starts: Addresses, sizes: Addresses, into: Bytes) -> Mask:
        """Read pieces into `into`; return which came whole, what did not being zero."""
        ...


def words_at(source: Source, addresses: Addresses, words: int) -> tuple[Words, Mask]:
    """Return rows of `words` words that lie at `addresses`, and which could be read."""
    found = np.zeros((len(addresses), words), dtype=np.uint64)
    sizes = np.full(len(addresses), 8 * words, dtype=np.uint64)
    whole = source.read_pieces(addresses, sizes, found.reshape(-1).view(np.uint8))
    return found, whole


@dataclass(frozen=True, slots=True)
class Window:
    """Some pieces of memory, one behind the other in `words`, in ascending order of address."""

    words: Words
    """Zeros for what could not be read, and `BEYOND` of them at the end."""
    starts: Addresses
    """Where each piece begins in the target."""
    ends: Addresses
    rows: Rows
    """Index of the first word of each piece."""
    own_starts: Addresses
    """From here on a piece is this window's own; before lies the end of the one before."""
    own_ends: Addresses

    def index(self, addresses: Addresses, words: int = 1) -> Rows:
        """Return where the word at each address is, -1 if it or what follows is not here."""
        piece = np.searchsorted(self.starts, addresses, side="right") - 1
        left = self.ends[piece] - addresses
        inside = (piece >= 0) & (addresses < self.ends[piece]) & (left >= np.uint64(8 * words))
        offset = (addresses - self.starts[piece]) >> np.uint64(3)
        return np.where(inside, self.rows[piece] + offset.astype(np.int64), -1)

    def address(self, indices: Rows) -> Addresses:
        """Return the address of each word, given in ascending order."""
        piece = np.searchsorted(self.rows, indices, side="right") - 1
        found: Addresses = self.starts[piece] + ((indices - self.rows[piece]) << 3).astype(
            np.uint64
        )
        return found

    def owns(self, addresses: Addresses, size: int) -> Mask:
        """Return which `addresses` in its pieces are its own, `size` bytes being there."""
        piece = np.searchsorted(self.starts, addresses, side="right") - 1
        own: Mask = (
            (addresses >= self.own_starts[piece])
            & (addresses < self.own_ends[piece])
            & (addresses + np.uint64(size) <= self.ends[piece])
        )
        return own


def windows(source: Source, regions: Regions, size: int = WINDOW) -> Iterator[Window]:
    """Read `regions` window by window; a window is void as soon as the next is asked for.

    A region that is cut has a page before and behind the cut in both windows.
    """
    buffer = np.zeros((min(size, regions.size) + 2 * PAGE) // 8 + BEYOND, dtype=np.uint64)
    for pieces in _shared_out(regions, size):
        table = np.array(pieces, dtype=np.uint64)
        starts, ends = table[:, 0], table[:, 3]
        sizes = ends - starts
        used = int(sizes.sum()) // 8
        source.read_pieces(starts, sizes, buffer[:used].view(np.uint8))
        buffer[used : used + BEYOND] = 0
        rows = np.concatenate(([0], np.cumsum(sizes >> np.uint64(3))[:-1])).astype(np.int64)
        yield Window(buffer[: used + BEYOND], starts, ends, rows, table[:, 1], table[:, 2])


def _shared_out(regions: Regions, size: int) -> Iterator[list[tuple[int, int, int, int]]]:
    """Yield the pieces of each window: where they begin, where what is its own does and ends, end.

    A window has `size` bytes of its own at most, a multiple of the page size.
    """
    pieces: list[tuple[int, int, int, int]] = []
    room = size
    for start, end in zip(regions.starts.tolist(), regions.ends.tolist(), strict=True):
        at = start
        while at < end:
            until = min(end, at + room)
            pieces.append((max(start, at - PAGE), at, until, min(end, until + PAGE)))
            room -= until - at
            at = until
            if room == 0:
                yield pieces
                pieces, room = [], size
    if pieces:
        yield pieces
