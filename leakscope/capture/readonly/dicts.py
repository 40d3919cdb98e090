"""The tables of dicts: how large they are, and whether what looks like a dict has one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leakscope.capture.readonly.layout import HEADER, KEYS_GENERAL, OB_SIZE, Layout
from leakscope.capture.readonly.regions import Regions
from leakscope.capture.readonly.windows import Source, Window, Words, words_at
from leakscope.capture.vectored import Addresses, Mask

Numbers = npt.NDArray[np.int64]

IMPLAUSIBLE = 1 << 46
"""More bytes, or entries, than there is memory for: no size or length."""
_WORDS = 5
_LOOKS = 4
_WORD, _STR_ENTRY, _GENERAL_ENTRY = 8, 16, 24
_BYTE = np.uint64(0xFF)


def plausible(numbers: Words) -> Numbers:
    """Return what was read as numbers, 0 for those that are no sizes and no lengths."""
    return np.where(numbers < np.uint64(IMPLAUSIBLE), numbers, np.uint64(0)).astype(np.int64)


def lengths_now(dicts: Addresses, source: Source, readable: Regions, layout: Layout) -> Numbers:
    """Return the lengths of dicts, given the addresses of their headers; 0 for what is no dict.

    A dict has a table with no fewer entries than it says. Dict and table are read one right after
    the other; what does not agree is looked at again. Raises `TargetGone`.
    """
    found = np.zeros(len(dicts), dtype=np.int64)
    rest = np.arange(len(dicts))
    for _ in range(_LOOKS):
        fields, _ = words_at(source, dicts[rest] + np.uint64(HEADER + OB_SIZE), 3)
        tables = Tables.read(fields[:, 2], source, readable, layout)
        lengths = plausible(fields[:, 0])
        agree = (tables.entries >= lengths) & (tables.sizes > 0)
        found[rest[agree]] = lengths[agree]
        rest = rest[~agree]
        if not len(rest):
            break
    return found


@dataclass(frozen=True, slots=True)
class Tables:
    """The heads of tables of keys, one per dict, zeros where there is none."""

    heads: Words
    layout: Layout

    @classmethod
    def at(
        cls, keys: Addresses, window: Window, source: Source, readable: Regions, layout: Layout
    ) -> Tables:
        """Read them from the window, and from the target where they lie outside.

        Raises `TargetGone`.
        """
        here = window.index(keys, words=_WORDS)
        heads = window.words[here[:, None] + np.arange(_WORDS)]
        outside = here < 0
        heads[outside] = cls.read(keys[outside], source, readable, layout).heads
        return cls(heads, layout)

    @classmethod
    def read(cls, keys: Addresses, source: Source, readable: Regions, layout: Layout) -> Tables:
        """Read them from the target. Raises `TargetGone`."""
        heads = np.zeros((len(keys), _WORDS), dtype=np.uint64)
        there = readable.hold(keys)
        heads[there] = words_at(source, keys[there], _WORDS)[0]
        return cls(heads, layout)

    @property
    def are_owned(self) -> Mask:
        """Which belong to one dict alone."""
        owned: Mask = self.heads[:, 0] == 1
        return owned

    @property
    def entries(self) -> Numbers:
        """How many entries were ever used."""
        return plausible(self.heads[:, self.layout.keys_entries // _WORD])

    @property
    def sizes(self) -> Numbers:
        """Bytes of each, 0 for what makes no sense."""
        slots = self._slots()
        usable = 2 * slots // 3
        found = self.layout.keys_indices + self._index_bytes() + usable * self._stride()
        return np.where((slots > 0) & (found > 0) & (found < IMPLAUSIBLE), found, 0)

    @property
    def values_bytes(self) -> Numbers:
        """Bytes of the values of a dict that shares its keys with others."""
        if self.layout.minor <= 10:
            return _WORD * (2 * self._slots() // 3)
        usable = plausible(self.heads[:, self.layout.keys_usable // _WORD])
        return np.where(usable + self.entries < 1 << 10, _WORD * (usable + self.entries), 0)

    def _slots(self) -> Numbers:
        if self.layout.minor <= 10:
            return plausible(self.heads[:, 1])
        return _power_of_two(self.heads[:, 1] & _BYTE)

    def _index_bytes(self) -> Numbers:
        if self.layout.minor > 10:
            return _power_of_two(self.heads[:, 1] >> np.uint64(8) & _BYTE)
        slots = self._slots()
        small = (slots <= 0xFF, slots <= 0xFFFF, slots <= 0xFFFF_FFFF)
        width: Numbers = np.select(small, (1, 2, 4), 8)
        return slots * width

    def _stride(self) -> Numbers:
        if self.layout.minor <= 10:
            return np.full(len(self.heads), _GENERAL_ENTRY)
        general = self.heads[:, 1] >> np.uint64(16) & _BYTE == KEYS_GENERAL
        return np.where(general, _GENERAL_ENTRY, _STR_ENTRY)


def _power_of_two(exponents: Words) -> Numbers:
    """Return 2 to the power of each, 0 for those of more than there is memory for."""
    sane = exponents < 46
    return np.where(sane, 1 << np.where(sane, exponents, 0).astype(np.int64), 0)
