"""Reading Thrift's compact protocol, in which Parquet writes footers and page headers.

Only what is asked for is read; everything else is passed over without being built, so a reader's
memory does not depend on what the bytes claim. Malformed bytes raise `BadThrift`.

Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

_DEEPEST = 24
_LONGEST_VARINT = 10
_LONG_LIST = 15


class BadThrift(Exception):
    """The bytes are not what they should be."""


class Wire(IntEnum):
    """How a field is written."""

    TRUE = 1
    FALSE = 2
    BYTE = 3
    I16 = 4
    I32 = 5
    I64 = 6
    DOUBLE = 7
    BINARY = 8
    LIST = 9
    SET = 10
    MAP = 11
    STRUCT = 12


_WIRES = {wire.value: wire for wire in Wire}
_INTEGERS = (Wire.I16, Wire.I32, Wire.I64)
_FIXED = {Wire.TRUE: 0, Wire.FALSE: 0, Wire.BYTE: 1, Wire.DOUBLE: 8}


class ThriftReader:
    """A place in some bytes; every read moves it on."""

    def __init__(self, content: bytes | memoryview, at: int, end: int) -> None:
        """Read from `at`, never at or beyond `end`."""
        self._content = content
        self._end = min(end, len(content))
        self.at = at

    def fields(self) -> Iterator[tuple[int, Wire]]:
        """Yield the number and wire type of each field of a struct; its value is the next read."""
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            yield number, self._wire(head & 15)

    def integer(self, wire: Wire) -> int:
        """Read an integer."""
        if wire not in _INTEGERS:
            raise BadThrift("a number is missing")
        return self._zigzag()

    def structs(self, wire: Wire) -> Iterator[None]:
        """Yield once for each struct of a list; its fields are the next read."""
        if wire is not Wire.LIST:
            raise BadThrift("a list is missing")
        length, inner = self._list()
        if inner is not Wire.STRUCT:
            raise BadThrift("a list holds something else than structs")
        for _ in range(length):
            yield

    def require_struct(self, wire: Wire) -> None:
        """Refuse everything but a struct."""
        if wire is not Wire.STRUCT:
            raise BadThrift("a struct is missing")

    def skip(self, wire: Wire, depth: int = 0) -> None:
        """Pass over a value."""
        if depth > _DEEPEST:
            raise BadThrift("too much is nested")
        if wire in _INTEGERS:
            self._varint()
        elif wire is Wire.BINARY:
            self._advance(self._varint())
        elif wire is Wire.STRUCT:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        elif wire in (Wire.LIST, Wire.SET, Wire.MAP):
            self._skip_items(wire, depth)
        else:
            self._advance(_FIXED[wire])

    def _skip_items(self, wire: Wire, depth: int) -> None:
        if wire is Wire.MAP:
            length = self._varint()
            kinds = self._byte() if length else 0x11
            wires = [self._wire(kinds >> 4), self._wire(kinds & 15)]
        else:
            length, inner = self._list()
            wires = [inner]
        for _ in range(length):
            for each in wires:
                # Among others of its kind a truth value takes a byte of its own.
                self.skip(Wire.BYTE if each in (Wire.TRUE, Wire.FALSE) else each, depth + 1)

    def _list(self) -> tuple[int, Wire]:
        head = self._byte()
        length = head >> 4
        return self._varint() if length == _LONG_LIST else length, self._wire(head & 15)

    def _wire(self, number: int) -> Wire:
        wire = _WIRES.get(number)
        if wire is None:
            raise BadThrift("a value is of an unknown kind")
        return wire

    def _byte(self) -> int:
        at = self.at
        if at >= self._end:
            raise BadThrift("it is cut off")
        self.at = at + 1
        return self._content[at]

    def _advance(self, count: int) -> None:
        if count > self._end - self.at:
            raise BadThrift("it is cut off")
        self.at += count

    def _varint(self) -> int:
        value = self._byte()
        if value < 0x80:
            return value
        value &= 0x7F
        for position in range(1, _LONGEST_VARINT):
            byte = self._byte()
            value |= (byte & 0x7F) << (7 * position)
            if byte < 0x80:
                return value
        raise BadThrift("a number is too long")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
