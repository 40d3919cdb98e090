"""ELF images of a running process and their exported symbols, read from its memory.

Nothing is read from files: the images may have been deleted, replaced, or live in another mount
namespace. Whatever an image says of itself is checked before it is used, so a damaged or hostile
one gives a `MalformedImage` (or an unreadable address), never anything else, and always ends.

Source: System V ABI, chapters 4 and 5; the GNU hash section as glibc's `do_lookup_x` reads it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from leakscope.capture.memory import Mapping, Memory, MemoryUnreadable
from leakscope.errors import LeakscopeError

_HEADER = struct.Struct("<4sBBBB8xHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_DYNAMIC_ENTRY = struct.Struct("<QQ")
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_GNU_HASH = 4, 5, 6, 0x6FFFFEF5
_MAX_SEGMENTS = 256
_MAX_DYNAMIC = 1 << 16
_MAX_CHAIN = 1 << 12
_WRITABLE = 2
_STT_GNU_IFUNC = 10


class MalformedImage(LeakscopeError):
    """A mapped file is not the 64-bit little-endian ELF image that it should be."""

    hint = "The target changed while it was looked at, or is not what it seems: try again."


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of an image that is loaded; addresses as in the running process."""

    start: int
    size: int
    """Bytes in memory; behind them the last page is zero and unused."""
    writable: bool

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.start + self.size


class Image:
    """One loaded ELF image."""

    def __init__(self, memory: Memory, base: int, path: str) -> None:
        """Read the headers of the image that is mapped at `base` from the file `path`.

        Raises `MalformedImage`, `MemoryUnreadable` or `TargetGone`.
        """
        self.path = path
        self.base = base
        self._memory = memory
        headers = _segment_headers(memory, base)
        loads = [header for header in headers if header.kind == _PT_LOAD]
        if not loads:
            raise MalformedImage(f"image at {base:#x} loads nothing")
        first = loads[0].address
        self.bias = base - (first - first % max(loads[0].alignment, 1))
        """What to add to an address in the file."""
        self.segments = tuple(
            Segment(self.bias + load.address, load.memory_size, bool(load.flags & _WRITABLE))
            for load in loads
        )
        self._end = max(segment.end for segment in self.segments)
        self._tags = self._dynamic(headers)

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.removesuffix(" (deleted)").rpartition("/")[2]

    def covers(self, address: int) -> bool:
        """Return whether `address` lies in one of the image's segments."""
        return any(segment.start <= address < segment.end for segment in self.segments)

    def symbol(self, name: str) -> int | None:
        """Return the address of an exported function or object, None if there is none.

        Raises `MalformedImage`, `MemoryUnreadable` or `TargetGone`.
        """
        if _DT_SYMTAB not in self._tags or _DT_STRTAB not in self._tags:
            return None
        if _DT_GNU_HASH in self._tags:
            return self._by_gnu_hash(name.encode())
        if _DT_HASH in self._tags:
            return self._by_hash(name.encode())
        return None

    def require(self, name: str) -> int:
        """Return the address of an exported symbol; raise `MalformedImage` if there is none."""
        address = self.symbol(name)
        if address is None:
            raise MalformedImage(f"{self.name} does not export {name}")
        return address

    def _dynamic(self, headers: Sequence[_Header]) -> dict[int, int]:
        """Return the first value of each dynamic tag."""
        found = next((h for h in headers if h.kind == _PT_DYNAMIC), None)
        if found is None:
            return {}
        size = min(found.memory_size, _MAX_DYNAMIC) // _DYNAMIC_ENTRY.size * _DYNAMIC_ENTRY.size
        tags: dict[int, int] = {}
        for tag, value in _DYNAMIC_ENTRY.iter_unpack(
            self._memory.read(self.bias + found.address, size)
        ):
            if tag == 0:
                break
            tags.setdefault(tag, value)
        return tags

    def _table(self, tag: int) -> int:
        """Return the address of a table; glibc has made it absolute, musl and the vDSO have not."""
        value = self._tags[tag]
        address = value if self.base <= value < self._end else self.bias + value
        if not self.base <= address < self._end:
            raise MalformedImage(f"{self.name}: table {tag:#x} lies outside of the image")
        return address

    def _by_gnu_hash(self, name: bytes) -> int | None:
        table = self._table(_DT_GNU_HASH)
        buckets, first_symbol, bloom_words, _ = struct.unpack("<IIII", self._memory.read(table, 16))
        if buckets == 0:
            return None
        digest = _gnu_hash(name)
        bucket_table = table + 16 + 8 * bloom_words
        index = self._memory.u32(bucket_table + 4 * (digest % buckets))
        if index < first_symbol:
            return None
        chain = bucket_table + 4 * buckets
        for index in range(index, index + _MAX_CHAIN):  # noqa: B020
            value = self._memory.u32(chain + 4 * (index - first_symbol))
            if value | 1 == digest | 1:
                address = self._defined(index, name)
                if address is not None:
                    return address
            if value & 1:
                return None
        raise MalformedImage(f"{self.name}: a hash chain does not end")

    def _by_hash(self, name: bytes) -> int | None:
        table = self._table(_DT_HASH)
        buckets, symbols = struct.unpack("<II", self._memory.read(table, 8))
        if buckets == 0:
            return None
        index = self._memory.u32(table + 8 + 4 * (_sysv_hash(name) % buckets))
        for _ in range(_MAX_CHAIN):
            if index == 0:
                return None
            if index >= symbols:
                raise MalformedImage(f"{self.name}: a hash chain leaves its table")
            address = self._defined(index, name)
            if address is not None:
                return address
            index = self._memory.u32(table + 8 + 4 * (buckets + index))
        raise MalformedImage(f"{self.name}: a hash chain does not end")

    def _defined(self, index: int, name: bytes) -> int | None:
        """Return the address of symbol `index` if it has this name and is defined here."""
        entry = self._memory.read(self._table(_DT_SYMTAB) + _SYMBOL.size * index, _SYMBOL.size)
        name_offset, info, _, section, value, _ = _SYMBOL.unpack(entry)
        strings = self._table(_DT_STRTAB)
        if section == 0 or info & 0xF == _STT_GNU_IFUNC:
            return None
        try:
            found = self._memory.read(strings + name_offset, len(name) + 1)
        except MemoryUnreadable:
            return None  # the string table ends earlier, so it is another name
        return self.bias + value if found == name + b"\0" else None


@dataclass(frozen=True, slots=True)
class _Header:
    """A program header, addresses as in the file."""

    kind: int
    flags: int
    address: int
    memory_size: int
    alignment: int


def images(memory: Memory, among: Sequence[Mapping]) -> Iterator[Image]:
    """Yield the images of a process: its executable, what has `python` in its name, the others.

    What is not an ELF image is left out. Within each of the three groups in order of address.
    Raises `TargetGone` when the process ends on the way.
    """
    try:
        executable = str(Path(f"/proc/{memory.pid}/exe").readlink())
    except OSError:
        executable = ""
    bases: dict[tuple[str, int, str], Mapping] = {}
    for mapping in among:
        if mapping.inode and mapping.offset == 0 and "r" in mapping.permissions:
            bases.setdefault((mapping.device, mapping.inode, mapping.path), mapping)

    def rank(mapping: Mapping) -> tuple[int, int]:
        group = 0 if mapping.path == executable else 1 if "python" in mapping.name else 2
        return group, mapping.start

    for mapping in sorted(bases.values(), key=rank):
        with suppress(MalformedImage, MemoryUnreadable):
            yield Image(memory, mapping.start, mapping.path)


def _segment_headers(memory: Memory, base: int) -> list[_Header]:
    magic, word_size, order, *_ = header = _HEADER.unpack(memory.read(base, _HEADER.size))
    offset, entry_size, count = header[9], header[13], header[14]
    if magic != b"\x7fELF" or word_size != 2 or order != 1:
        raise MalformedImage(f"no 64-bit ELF image at {base:#x}")
    if entry_size != _SEGMENT.size or not 0 < count <= _MAX_SEGMENTS or offset > 1 << 20:
        raise MalformedImage(f"image at {base:#x}: odd program headers")
    headers = []
    table = memory.read(base + offset, entry_size * count)
    for kind, flags, _, address, _, _, memory_size, alignment in _SEGMENT.iter_unpack(table):
        if address + memory_size > 1 << 47:
            raise MalformedImage(f"image at {base:#x}: a segment beyond the address space")
        headers.append(_Header(kind, flags, address, memory_size, alignment))
    return headers


def _gnu_hash(name: bytes) -> int:
    digest = 5381
    for byte in name:
        digest = (digest * 33 + byte) & 0xFFFFFFFF
    return digest


def _sysv_hash(name: bytes) -> int:
    digest = 0
    for byte in name:
        digest = (digest << 4) + byte
        digest = (digest ^ (digest >> 24 & 0xF0)) & 0x0FFFFFFF
    return digest
