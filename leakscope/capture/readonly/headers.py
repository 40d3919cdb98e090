"""Objects that gc tracks, recognised in memory by the headers that gc puts before them.

A header has two words, the next and the previous header of a doubly linked list, whose lowest bits
are flags. The object comes behind: its reference count, its type. While gc collects a generation,
the second word holds a count instead. That one header's neighbour points back at it is what no
other memory does.

The target runs on meanwhile, so neighbours may have been read at different times. What does not
agree is looked at again, it and its neighbours alone, which takes microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leakscope.capture.readonly.layout import HEADER, Layout
from leakscope.capture.readonly.regions import Regions
from leakscope.capture.readonly.windows import Rows, Source, Window, Words, words_at
from leakscope.capture.vectored import Addresses, Mask

TYPE = 3
"""Words from the header on to the address of the object's type."""
LINK = np.uint64(0xFFFF_FFFF_FFFF_FFFC)
"""A link without its flags."""
_MISALIGNED = np.uint64(4)
_LOWEST, _HIGHEST = np.uint64(1 << 16), np.uint64(1 << 56)
_COLLECTING = np.uint64(2)
_COUNT_SHIFT = np.uint64(2)
_COUNT = np.uint64(0xFFFF_FFFF)
_ONE = np.uint64(1)
_ROWS_AT_ONCE = 1 << 16
_HEADERS_AT_ONCE = 4096
"""So few that the last is looked at soon after its neighbours were."""
_LOOKS = 4
"""How often what does not agree is looked at."""


@dataclass(frozen=True, slots=True)
class Headers:
    """What may be headers, in ascending order of address, as columns."""

    at: Rows
    """Index of the header's first word in its window."""
    address: Addresses
    next: Words
    previous: Words
    count: Words
    type: Addresses

    def __len__(self) -> int:
        return len(self.at)

    def where(self, mask: Mask | Rows) -> Headers:
        """Return those for which `mask` is true, or those in these rows."""
        return Headers(
            self.at[mask],
            self.address[mask],
            self.next[mask],
            self.previous[mask],
            self.count[mask],
            self.type[mask],
        )


def possible_objects(window: Window, layout: Layout) -> Rows:
    """Return where a header is followed by what may be an object, if it is a header at all.

    That is a small count and an aligned pointer. Headers lie at multiples of 16 bytes.
    """
    words = window.words
    last = len(words) // 2 - 1
    found = [
        _possible(words, first, min(first + _ROWS_AT_ONCE, last), layout)
        for first in range(0, last, _ROWS_AT_ONCE)
    ]
    rows: Rows = np.concatenate(found) if found else np.empty(0, dtype=np.int64)
    return rows


def _possible(words: Words, first: int, last: int, layout: Layout) -> Rows:
    count = words[2 * first + 2 : 2 * last + 2 : 2] & np.uint64(layout.count_bits)
    count -= _ONE  # what is 0 becomes the largest number
    rows = np.flatnonzero(count < np.uint64(layout.largest_count - 1)) + first
    kind = words[2 * rows + TYPE]
    at: Rows = 2 * rows[_are_pointers(kind) & (kind & np.uint64(7) == 0)]
    return at


def _are_pointers(words: Words) -> Mask:
    """Return which may be addresses: neither in the first pages nor beyond a process's memory."""
    likely: Mask = words - _LOWEST < _HIGHEST - _LOWEST
    return likely


def linked(at: Rows, words: Words) -> Rows:
    """Return which are in a list, if they are headers at all: both links are set."""
    after = words[at]
    at = at[_are_pointers(after) & (after & _MISALIGNED == 0)]
    found: Rows = at[words[at + 1] >= _COLLECTING]
    return found


def unlinked(at: Rows, words: Words) -> Rows:
    """Return which are in no list, if they are headers at all."""
    at = at[words[at] == 0]
    found: Rows = at[words[at + 1] < _COLLECTING]
    return found


def headers_at(at: Rows, window: Window) -> Headers:
    """Return the headers at `at` that are the window's own, which their objects are in as well."""
    address = window.address(at)
    own = window.owns(address, 2 * HEADER)
    at, words = at[own], window.words
    return Headers(at, address[own], words[at], words[at + 1], words[at + 2], words[at + TYPE])


def confirmed(headers: Headers, window: Window, source: Source, readable: Regions) -> Mask:
    """Return which of `headers`, all of objects of known types, gc's lists confirm.

    Raises `TargetGone`.
    """
    sure = _next_one_agrees(headers, window, source, readable)
    doubtful = np.flatnonzero(~sure)
    sure[doubtful] = _previous_one_agrees(headers.where(doubtful), window)
    doubtful = np.flatnonzero(~sure)
    for first in range(0, len(doubtful), _HEADERS_AT_ONCE):
        part = doubtful[first : first + _HEADERS_AT_ONCE]
        sure[part] = _agree_now(headers.where(part), source, readable)
    return sure


def _next_one_agrees(headers: Headers, window: Window, source: Source, readable: Regions) -> Mask:
    """Return with which headers the next one agrees, in the window or in the target."""
    after = headers.next & LINK
    here = window.index(after, words=2)
    back = window.words[here + 1]
    outside = np.flatnonzero(here < 0)
    outside = outside[np.argsort(after[outside])]  # twice as fast to read
    back[outside] = _readable_words(after[outside], 8, source, readable)
    return _next_agrees(back, headers.address, headers.previous, headers.count)


def _previous_one_agrees(headers: Headers, window: Window) -> Mask:
    """Return with which headers the previous one agrees, as far as those are in the window."""
    before = window.index(headers.previous & LINK)
    points_on: Mask = window.words[before] & LINK == headers.address
    return points_on & (before >= 0)


def _next_agrees(back: Words, own: Addresses, previous: Words, count: Words) -> Mask:
    """Return which headers' next one, whose second word is `back`, agrees.

    It points back, or gc is at work on both: then the second word of a header is how many
    references are not explained yet, no more than there are.
    """
    unexplained = previous >> _COUNT_SHIFT
    agrees: Mask = (back & LINK == own) | (
        (previous & back & _COLLECTING != 0) & (unexplained <= count & _COUNT)
    )
    return agrees


def _agree_now(headers: Headers, source: Source, readable: Regions) -> Mask:
    """Ask the target's memory as it is now which headers have a neighbour that agrees.

    What does not agree and does not change either is no header.
    """
    sure = np.zeros(len(headers), dtype=np.bool_)
    rest = np.arange(len(headers))
    seen = np.stack((headers.next, headers.previous, headers.count, headers.type), axis=1)
    for _ in range(_LOOKS):
        now, whole = words_at(source, headers.address[rest], 4)
        still = whole & (now[:, TYPE] == headers.type[rest]) & (now[:, 0] != 0)
        rest, now, seen = rest[still], now[still], seen[still]
        agree = _neighbours_agree(headers.address[rest], now, source, readable)
        sure[rest[agree]] = True
        changed = (now[:, :2] != seen[:, :2]).any(axis=1)
        rest, seen = rest[~agree & changed], now[~agree & changed]
        if not len(rest):
            break
    return sure


def _neighbours_agree(own: Addresses, now: Words, source: Source, readable: Regions) -> Mask:
    """Return which of the headers at `own`, with the words `now`, have a neighbour that agrees."""
    back = _readable_words(now[:, 0] & LINK, 8, source, readable)
    agree = _next_agrees(back, own, now[:, 1], now[:, 2])
    rest = np.flatnonzero(~agree)
    on = _readable_words(now[rest, 1] & LINK, 0, source, readable)
    agree[rest] = on & LINK == own[rest]
    return agree


def _readable_words(headers: Addresses, field: int, source: Source, readable: Regions) -> Words:
    """Return the word `field` bytes behind each address, 0 where there is no memory."""
    addresses = headers + np.uint64(field)
    found = np.zeros(len(addresses), dtype=np.uint64)
    there = readable.hold(addresses)
    found[there] = words_at(source, addresses[there], 1)[0][:, 0]
    return found
