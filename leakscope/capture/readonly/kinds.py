"""What one type says of its objects: their name, their size, how their length is told."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from leakscope.capture.memory import MemoryUnreadable
from leakscope.capture.readonly.layout import (
    HAS_HEADER,
    HEADER,
    HEAP_TYPE,
    INLINE_VALUES,
    IS_DICT,
    IS_INT,
    IS_LIST,
    IS_TYPE,
    MANAGED_DICT,
    MANAGED_WEAKREF,
    READY,
    TP_BASE,
    TP_BASICSIZE,
    TP_FLAGS,
    TP_ITEMSIZE,
    TP_METHODS,
    TP_NAME,
    Builtins,
    Layout,
)
from leakscope.capture.readonly.names import TypeNames
from leakscope.capture.readonly.text import c_text, number_at
from leakscope.capture.readonly.windows import Source

_MOST_BASES = 64
_LARGEST_OBJECT = 1 << 24
_LARGEST_ITEM = 1 << 20
_MOST_VALUES = 1 << 10
_READ = TP_BASE + 8
_DEQUE, _SMALLEST_DEQUE = "collections.deque", 80
_WORD = 8


class Kind(Enum):
    """How an object's size and length are told."""

    PLAIN = 0
    LIST = 1
    DICT = 2
    ODICT = 3
    SET = 4
    DEQUE = 5
    TYPE = 6
    FRAME = 7
    """Ends in variables whose number its code tells, not the object itself."""


class Values(Enum):
    """Where instances keep the values of their attributes as long as they have no dict."""

    ELSEWHERE = 0
    """In a dict or in slots, which are part of the object."""
    POINTED_TO = 1
    """3.11: where the fourth word before the object says."""
    TAGGED = 2
    """3.12: where the third word before the object says, if it is odd."""
    INLINE = 3
    """3.13 and later: behind the object, as long as the third word before it is 0."""


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One type, and how its objects are built."""

    address: int
    name: str
    """`module.qualname`."""
    kind: Kind
    fixed: int
    """Bytes that every object takes, with all that lies before it."""
    item: int
    """Bytes per item; 0 where `ob_size` does not tell how many there are (an int's few digits)."""
    values: Values
    values_bytes: int
    """What the values of the attributes take."""


@dataclass(frozen=True, slots=True)
class _Fields:
    """Some fields of a type object."""

    name: int
    basic: int
    item: int
    flags: int
    methods: int
    base: int

    def describe_objects(self) -> bool:
        """Return whether they are what a type says whose objects have a header of gc."""
        return (
            self.flags & (READY | HAS_HEADER) == READY | HAS_HEADER
            and HEADER <= self.basic < _LARGEST_OBJECT
            and 0 <= self.item < _LARGEST_ITEM
        )


class Describer:
    """Describes types of one target at one moment."""

    def __init__(self, source: Source, layout: Layout, builtins: Builtins) -> None:
        self._source = source
        self._layout = layout
        self._builtins = builtins
        self._names = TypeNames(source, layout)

    def describe(self, address: int) -> ObjectType | None:
        """Return the type at `address`, None if it is none or its objects have no header."""
        try:
            fields = self._fields(address)
            if not fields.describe_objects():
                return None
            kind = self._kind(address, fields)
            values = self._values(fields.flags)
            return ObjectType(
                address=address,
                name=self._names.of(address, fields.flags),
                kind=kind,
                fixed=self._fixed(kind, fields),
                item=0 if kind is not Kind.PLAIN or fields.flags & IS_INT else fields.item,
                values=values,
                values_bytes=0 if values is Values.ELSEWHERE else self._values_bytes(address),
            )
        except MemoryUnreadable:
            return None

    def _fields(self, address: int) -> _Fields:
        content = self._source.read(address, _READ)
        return _Fields(
            name=_number(content, TP_NAME),
            basic=_signed(content, TP_BASICSIZE),
            item=_signed(content, TP_ITEMSIZE),
            flags=_number(content, TP_FLAGS),
            methods=_number(content, TP_METHODS),
            base=_number(content, TP_BASE),
        )

    def _bases(self, address: int, fields: _Fields) -> Iterator[tuple[int, _Fields]]:
        """Yield a type and what it inherits its structure from, up to `object`."""
        for _ in range(_MOST_BASES):
            yield address, fields
            address = fields.base
            if not address:
                return
            fields = self._fields(address)

    def _kind(self, address: int, fields: _Fields) -> Kind:
        for base, of_base in self._bases(address, fields):
            kind = self._kind_of_base(base, of_base)
            if kind is not Kind.PLAIN:
                return kind
        if fields.flags & IS_LIST:
            return Kind.LIST
        if fields.flags & IS_DICT:
            return Kind.DICT
        return Kind.TYPE if fields.flags & IS_TYPE else Kind.PLAIN

    def _kind_of_base(self, address: int, fields: _Fields) -> Kind:
        builtins = self._builtins
        if address == builtins.odict:
            return Kind.ODICT
        if address == builtins.frozendict:
            return Kind.DICT
        if address in builtins.sets:
            return Kind.SET
        if address in builtins.frames and self._layout.minor >= 11:
            return Kind.FRAME
        return Kind.DEQUE if self._is_deque(fields) else Kind.PLAIN

    def _is_deque(self, fields: _Fields) -> bool:
        """Known by its name: it has no symbol. Only types written in C have a table of methods."""
        return (
            fields.methods != 0
            and fields.basic >= _SMALLEST_DEQUE
            and c_text(self._source, fields.name) == _DEQUE
        )

    def _fixed(self, kind: Kind, fields: _Fields) -> int:
        basic = self._layout.heap_type_size if kind is Kind.TYPE else fields.basic
        before = MANAGED_DICT | (MANAGED_WEAKREF if self._layout.minor >= 12 else 0)
        has_words_before = self._layout.minor >= 11 and fields.flags & before
        return basic + HEADER + (2 * _WORD if has_words_before else 0)

    def _values(self, flags: int) -> Values:
        if self._layout.minor <= 10 or not flags & MANAGED_DICT or not flags & HEAP_TYPE:
            return Values.ELSEWHERE
        if self._layout.minor == 11:
            return Values.POINTED_TO
        if self._layout.minor == 12:
            return Values.TAGGED
        return Values.INLINE if flags & INLINE_VALUES else Values.ELSEWHERE

    def _values_bytes(self, address: int) -> int:
        layout = self._layout
        keys = number_at(self._source, address + layout.cached_keys)
        if not keys:
            return 0
        head = self._source.read(keys, layout.keys_indices)
        values = _signed(head, layout.keys_usable) + _signed(head, layout.keys_entries)
        return _WORD * values if 0 <= values < _MOST_VALUES else 0


def _number(content: bytes, at: int) -> int:
    return int(struct.unpack_from("<Q", content, at)[0])


def _signed(content: bytes, at: int) -> int:
    return int(struct.unpack_from("<q", content, at)[0])
