"""How large objects are and how long containers, as `sys.getsizeof` and `len` would say.

Read from the objects themselves; of what they point to only the tables of dicts. Left out are the
variables of frames and the buffers of extension types. A field that makes no sense, because it was
written to while it was read, counts as nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leakscope.capture.readonly.dicts import Numbers, Tables, plausible
from leakscope.capture.readonly.headers import Headers
from leakscope.capture.readonly.kinds import Kind, ObjectType, Values
from leakscope.capture.readonly.layout import HEADER, Layout
from leakscope.capture.readonly.regions import Regions
from leakscope.capture.readonly.windows import Rows, Source, Window, Words
from leakscope.capture.vectored import Mask

_SIZE = 4
"""Words from the header on to `ob_size`, `ma_used` and the like."""
_SET_USED = 5
_LIST_ALLOCATED = _SET_MASK = _DICT_KEYS = 6
_SET_TABLE = _DICT_VALUES = _DEQUE_LEFT = 7
_ODICT_NODES = 11
_BEFORE_VALUES, _BEFORE_DICT = -2, -1
_SMALL_TABLE = np.uint64(HEADER + 64)
_WORD, _SET_ENTRY, _ODICT_NODE = 8, 16, 32
_BLOCK_ITEMS, _BLOCK = 64, 528
_COUNTED_IN_SIZE = (Kind.LIST, Kind.DICT, Kind.ODICT, Kind.DEQUE)


@dataclass(frozen=True, slots=True)
class TypeColumns:
    """What is known of some types, one row per type."""

    kind: Numbers
    values: Numbers
    fixed: Numbers
    item: Numbers
    values_bytes: Numbers

    @classmethod
    def of(cls, types: Sequence[ObjectType]) -> TypeColumns:
        """Put types into columns."""
        rows = [(t.kind.value, t.values.value, t.fixed, t.item, t.values_bytes) for t in types]
        table = np.array(rows, dtype=np.int64).reshape(-1, 5)
        return cls(*table.T)


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects in one window: their headers and the row of the type of each in `types`."""

    headers: Headers
    type: Rows
    types: TypeColumns
    window: Window

    def where(self, mask: Mask) -> Objects:
        """Return those for which `mask` is true."""
        return Objects(self.headers.where(mask), self.type[mask], self.types, self.window)

    def lengths(self) -> Numbers:
        """Return how many entries each has, -1 for those that are no containers."""
        kind = self.types.kind[self.type]
        found = np.full(len(kind), -1, dtype=np.int64)
        counted = np.isin(kind, [k.value for k in _COUNTED_IN_SIZE])
        found[counted] = plausible(self.words(_SIZE, counted))
        sets = kind == Kind.SET.value
        found[sets] = plausible(self.words(_SET_USED, sets))
        return found

    def sizes(self, source: Source, readable: Regions, layout: Layout) -> Numbers:
        """Return the bytes of each. Raises `TargetGone`."""
        found = self.types.fixed[self.type]
        with_items = self.types.item[self.type] > 0
        items = plausible(self.words(_SIZE, with_items))
        found[with_items] += items * self.types.item[self.type[with_items]]
        self._add_values(found)
        self._add_buffers(found)
        kind = self.types.kind[self.type]
        dicts = (kind == Kind.DICT.value) | (kind == Kind.ODICT.value)
        tables = Tables.at(self.words(_DICT_KEYS, dicts), self.window, source, readable, layout)
        found[dicts] += np.where(tables.are_owned, tables.sizes, 0)
        shared = self.words(_DICT_VALUES, dicts) != 0
        found[dicts] += np.where(shared, tables.values_bytes, 0)
        return np.where(found <= readable.size, found, self.types.fixed[self.type])

    def words(self, offset: int, where: Mask) -> Words:
        """Return the word so many words from the header on, of the objects for which `where`."""
        found: Words = self.window.words[self.headers.at[where] + offset]
        return found

    def _add_values(self, sizes: Numbers) -> None:
        """Add the attribute values that instances without a dict keep."""
        kept = self.types.values[self.type]
        for values, offset in (
            (Values.POINTED_TO, _BEFORE_VALUES),
            (Values.TAGGED, _BEFORE_DICT),
            (Values.INLINE, _BEFORE_DICT),
        ):
            of_these = kept == values.value
            word = self.words(offset, of_these)
            there = {
                Values.POINTED_TO: word != 0,
                Values.TAGGED: word & np.uint64(1) != 0,
                Values.INLINE: word == 0,
            }[values]
            sizes[of_these] += np.where(there, self.types.values_bytes[self.type[of_these]], 0)

    def _add_buffers(self, sizes: Numbers) -> None:
        """Add what lists, sets, deques and ordered dicts have beside the object, but no keys."""
        kind = self.types.kind[self.type]
        lists = kind == Kind.LIST.value
        sizes[lists] += plausible(self.words(_LIST_ALLOCATED, lists)) * _WORD
        sets = kind == Kind.SET.value
        large = self.words(_SET_TABLE, sets) != self.headers.address[sets] + _SMALL_TABLE
        entries = plausible(self.words(_SET_MASK, sets)) + 1
        sizes[sets] += np.where(large, entries * _SET_ENTRY, 0)
        deques = kind == Kind.DEQUE.value
        end = plausible(self.words(_DEQUE_LEFT, deques)) + plausible(self.words(_SIZE, deques))
        sizes[deques] += -(-end // _BLOCK_ITEMS) * _BLOCK
        ordered = kind == Kind.ODICT.value
        sizes[ordered] += plausible(self.words(_ODICT_NODES, ordered)) * _WORD
        sizes[ordered] += plausible(self.words(_SIZE, ordered)) * _ODICT_NODE
