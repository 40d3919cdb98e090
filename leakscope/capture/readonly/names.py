"""What the types of a target are called, read from the type objects.

The names are those of the native capture: `module.qualname` for classes, `builtins.` before a
static type whose name has no module.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from leakscope.capture.memory import MemoryUnreadable
from leakscope.capture.readonly.layout import (
    HEAP_TYPE,
    KEYS_GENERAL,
    KEYS_KIND,
    KEYS_LOG2_INDEX_BYTES,
    KEYS_SPLIT,
    MA_KEYS,
    TP_DICT,
    TP_NAME,
    Layout,
)
from leakscope.capture.readonly.text import LONGEST, c_text, has_text, number_at, str_text
from leakscope.capture.readonly.windows import Source

_MODULE = "__module__"
_MOST_ENTRIES = 1 << 15
_MOST_COMPARISONS = 1 << 16
"""Texts that are looked at to find it where it is not that of other types."""
_GENERAL_ENTRY, _STR_ENTRY = 3, 2
"""Words of an entry: hash, key, value, or key and value."""


class TypeNames:
    """Reads names of types. Learns where the text `__module__` lies, which most share."""

    def __init__(self, source: Source, layout: Layout) -> None:
        self._source = source
        self._layout = layout
        self._module_keys: set[int] = set()
        self._comparisons = _MOST_COMPARISONS

    def of(self, address: int, flags: int) -> str:
        """Return the name of the type at `address` with these `tp_flags`.

        Raises `MemoryUnreadable` where the type is not what it seemed.
        """
        if not flags & HEAP_TYPE:
            plain = c_text(self._source, number_at(self._source, address + TP_NAME))
            return plain if "." in plain else f"builtins.{plain}"
        qualname = number_at(self._source, address + self._layout.qualname)
        text = str_text(self._source, qualname, self._layout)
        if text is None:
            raise MemoryUnreadable(f"the type at {address:#x} has no name")
        module = self._module(address)
        return (f"{module}.{text}" if module else text)[:LONGEST]

    def _module(self, address: int) -> str | None:
        """Return the `__module__` in the dict of a type, None if there is none or it is no str."""
        try:
            namespace = number_at(self._source, address + TP_DICT)
            entries = [(key, value) for key, value in self._entries(namespace) if value]
            value = self._module_in(entries)
            return None if value is None else str_text(self._source, value, self._layout)
        except MemoryUnreadable:
            return None  # it grew while it was read

    def _module_in(self, entries: list[tuple[int, int]]) -> int | None:
        for key, value in entries:
            if key in self._module_keys:
                return value
        for key, value in entries[: self._comparisons]:
            self._comparisons -= 1
            if has_text(self._source, key, _MODULE, self._layout):
                self._module_keys.add(key)
                return value
        return None

    def _entries(self, namespace: int) -> Iterator[tuple[int, int]]:
        """Yield addresses of keys and values of a dict that has its keys for itself."""
        layout = self._layout
        keys = number_at(self._source, namespace + MA_KEYS)
        head = self._source.read(keys, layout.keys_indices)
        entries = int.from_bytes(head[layout.keys_entries : layout.keys_entries + 8], "little")
        general = True
        if layout.minor <= 10:
            indices = _index_bytes(int.from_bytes(head[8:16], "little"))
        else:
            indices = 1 << (head[KEYS_LOG2_INDEX_BYTES] & 63)
            general = head[KEYS_KIND] == KEYS_GENERAL
            if head[KEYS_KIND] == KEYS_SPLIT:
                return
        if entries > _MOST_ENTRIES:
            return
        words = _GENERAL_ENTRY if general else _STR_ENTRY
        content = self._source.read(keys + layout.keys_indices + indices, 8 * words * entries)
        table = np.frombuffer(content, dtype=np.uint64).reshape(-1, words)
        yield from zip(table[:, -2].tolist(), table[:, -1].tolist(), strict=True)


def _index_bytes(slots: int) -> int:
    """Return the size of the table of indices before the entries, in 3.9 and 3.10."""
    width = 1 if slots <= 0xFF else 2 if slots <= 0xFFFF else 4 if slots <= 0xFFFF_FFFF else 8
    return slots * width
