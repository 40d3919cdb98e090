"""A target's memory drawn in code: an interpreter's types, and objects in the collector's lists."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import numpy as np

from leakscope.capture.memory import READ_LIMIT, MemoryUnreadable
from leakscope.capture.readonly.census import Counted, count
from leakscope.capture.readonly.layout import (
    HAS_HEADER,
    HEADER,
    HEAP_TYPE,
    IS_DICT,
    IS_LIST,
    IS_STR,
    IS_TYPE,
    READY,
    TP_BASE,
    TP_BASICSIZE,
    TP_DICT,
    TP_FLAGS,
    TP_ITEMSIZE,
    TP_NAME,
    Builtins,
    Layout,
    layout_of,
)
from leakscope.capture.readonly.regions import Regions, Survey
from leakscope.capture.readonly.windows import WINDOW
from leakscope.capture.vectored import Addresses, Bytes, Mask, read_pieces

START = 0x7F12_3400_0000
PAGE = 4096
_TYPE_SIZE = 1024
_COMPACT = 1 << 5
_COMPACT_ASCII = 1 << 2 | _COMPACT | 1 << 6
_PLAIN_SIZE = 16


class DrawnMemory:
    """Pages from `START` on. Whatever is drawn takes the next free place in them."""

    def __init__(self, *, minor: int = 12, pages: int = 64) -> None:
        self.layout: Layout = layout_of((3, minor))
        self.content = bytearray(pages * PAGE)
        self.missing: set[int] = set()
        """Numbers of pages that cannot be read."""
        self.reads = 0
        self.calls = 0
        self.before_read: Callable[[int], None] = lambda _number: None
        """Called before each read with its number, from 1: what a target does meanwhile."""
        self._free = 64
        self._interned: dict[str, int] = {}
        self.builtins = self._draw_builtins()

    # What is in it

    @property
    def regions(self) -> Regions:
        """All pages, as one region."""
        return Regions.of([(START, START + len(self.content))])

    def poke(self, address: int, *words: int) -> None:
        """Write words, one behind the other."""
        at = address - START
        self.content[at : at + 8 * len(words)] = struct.pack(f"<{len(words)}Q", *words)

    def peek(self, address: int) -> int:
        """Return the word at an address."""
        return int(struct.unpack_from("<Q", self.content, address - START)[0])

    def room(self, size: int, *, at: int | None = None) -> int:
        """Return the address of `size` unused bytes, a multiple of 16, or take them at `at`."""
        address = START + self._free if at is None else at
        self._free = max(self._free, address - START + (size + 15) // 16 * 16)
        assert self._free <= len(self.content), "the drawing is full"
        return address

    def interned(self, text: str) -> int:
        """Return the one address of a text that is the same object wherever it is drawn."""
        if text not in self._interned:
            self._interned[text] = self.text(text)
        return self._interned[text]

    def text(self, text: str) -> int:
        """Draw a str of ASCII characters; return its address."""
        address = self.room(self.layout.ascii_text + len(text) + 1)
        self.poke(address, 1, self.builtins.str, len(text), 0, _COMPACT_ASCII)
        at = address + self.layout.ascii_text - START
        self.content[at : at + len(text)] = text.encode()
        return address

    def wide_text(self, text: str, width: int) -> int:
        """Draw a str that is not ASCII, of 1, 2 or 4 bytes per character; return its address."""
        content = text.encode(
            {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[width], "surrogatepass"
        )
        address = self.room(self.layout.other_text + len(content))
        self.poke(address, 1, self.builtins.str, len(text), 0, width << 2 | _COMPACT)
        at = address + self.layout.other_text - START
        self.content[at : at + len(content)] = content
        return address

    def static_type(
        self, name: str, *, basic: int = _PLAIN_SIZE, item: int = 0, flags: int = 0, base: int = 0
    ) -> int:
        """Draw a type written in C whose objects have a header; return its address."""
        address = self.room(_TYPE_SIZE)
        at = self.room(len(name) + 1)
        self.content[at - START : at - START + len(name) + 1] = name.encode() + b"\0"
        self._fill_type(address, basic, item, flags | READY | HAS_HEADER, base)
        self.poke(address + TP_NAME, at)
        return address

    def class_(
        self,
        name: str,
        *,
        module: str | None = "shop",
        basic: int = _PLAIN_SIZE,
        flags: int = 0,
        base: int = 0,
        metaclass: int = 0,
    ) -> int:
        """Draw a class; return its address."""
        address = self.room(_TYPE_SIZE)
        self._fill_type(address, basic, 0, flags | READY | HAS_HEADER | HEAP_TYPE, base)
        self.poke(address + 8, metaclass or self.builtins.type)
        self.poke(address + self.layout.qualname, self.text(name))
        names = {} if module is None else {"__module__": self.text(module)}
        self.poke(address + TP_DICT, self.namespace(names))
        self.poke(address + TP_NAME, self.text("not the name"))
        return address

    def namespace(self, entries: dict[str, int], *, interned: bool = True) -> int:
        """Draw a dict that gc does not track, from texts to addresses; return its address."""
        name_at = self.interned if interned else self.text
        layout, stride = self.layout, 24
        keys = self.room(layout.keys_indices + 64 + stride * (len(entries) + 1))
        if layout.minor <= 10:
            self.poke(keys, 1, 64, 0, 0, len(entries))
        else:
            self.poke(keys, 1, 6 | 6 << 8, 0, len(entries))
        for number, (name, value) in enumerate(entries.items()):
            entry = keys + layout.keys_indices + 64 + stride * number
            self.poke(entry, 0, name_at(name), value)
        header = self.object_(self.builtins.dict, len(entries), 0, keys, 0)
        return header + HEADER

    def object_(
        self, kind: int, *fields: int, count: int = 1, at: int | None = None, before: int = 0
    ) -> int:
        """Draw an object in no list, `before` words before its header; return the header."""
        size = HEADER + 16 + 8 * max(len(fields), 2)
        header = self.room(8 * before + size, at=None if at is None else at - 8 * before)
        header += 8 * before
        self.poke(header, 0, 0, count, kind, *fields)
        return header

    def objects(self, kind: int, number: int) -> list[int]:
        """Draw objects of one type, in no list."""
        return [self.object_(kind) for _ in range(number)]

    def track(self, headers: Sequence[int], *, next_flags: int = 0, previous_flags: int = 0) -> int:
        """Put headers into a list of their own; return its head."""
        head = self.room(HEADER + 64)
        ring = [head, *headers]
        for place, header in enumerate(ring):
            after, before = ring[(place + 1) % len(ring)], ring[place - 1]
            inner = header != head
            self.poke(header, after | next_flags * inner, before | previous_flags * inner)
        return head

    def untrack(self, header: int) -> None:
        """Take a header out of its list."""
        after, before = self.peek(header) & ~3, self.peek(header + 8) & ~3
        self.poke(before, after)
        self.poke(after + 8, before)
        self.poke(header, 0, 0)

    # How it is read

    def read(self, address: int, size: int) -> bytes:
        """See `Source`."""
        if not (0 <= size <= READ_LIMIT and 0 <= address < 1 << 63):
            raise MemoryUnreadable(f"{size} bytes at {address:#x} make no sense")
        found = np.zeros(size, dtype=np.uint8)
        if self(np.array([[address, size]], dtype=np.uint64), found) != size:
            raise MemoryUnreadable(f"nothing at {address:#x}")
        return found.tobytes()

    def read_pieces(self, starts: Addresses, sizes: Addresses, into: Bytes) -> Mask:
        """See `Source`."""
        self.reads += 1
        self.before_read(self.reads)
        return read_pieces(self, starts, sizes, into)

    def __call__(self, pieces: Addresses, into: Bytes) -> int:
        """Read page by page, as the kernel does, up to the first that is not there."""
        self.calls += 1
        done = 0
        for address, size in pieces.tolist():
            end = address + size
            while address < end:
                until = min(end, (address // PAGE + 1) * PAGE)
                at = address - START
                if not 0 <= at < len(self.content) or at // PAGE in self.missing:
                    return done
                part = self.content[at : at + until - address]
                into[done : done + len(part)] = np.frombuffer(part, dtype=np.uint8)
                done += len(part)
                address = until
        return done

    def census(self, *, window: int = WINDOW) -> Counted:
        """Count what is drawn."""
        survey = Survey(self.regions, self.regions, reserved=False)
        return count(self, survey, self.layout, self.builtins, window=window)

    def counts(self, *, window: int = WINDOW) -> dict[str, int]:
        """Return how many objects there are by type."""
        return {name: total.objects for name, total in self.census(window=window).types.items()}

    def _draw_builtins(self) -> Builtins:
        kind = self.room(_TYPE_SIZE)
        self.builtins = Builtins(kind, 0, 0, 0, 0, (), ())
        self._fill_type(kind, 400, 40, READY | HAS_HEADER | IS_TYPE, 0)
        name = self.room(8)
        self.content[name - START : name - START + 5] = b"type\0"
        self.poke(kind + TP_NAME, name)
        text = self.static_type("str", basic=80, flags=IS_STR)
        mapping = self.static_type("dict", basic=48, flags=IS_DICT)
        self.list = self.static_type("list", basic=40, flags=IS_LIST)
        self.tuple = self.static_type("tuple", basic=24, item=8)
        self.deque = self.static_type("collections.deque", basic=80)
        self.poke(self.deque + 232, START)
        sets = tuple(self.static_type(name, basic=200) for name in ("set", "frozenset"))
        ordered = self.static_type(
            "collections.OrderedDict", basic=112, flags=IS_DICT, base=mapping
        )
        frames = (self.static_type("frame", basic=88, item=8), self.static_type("generator"))
        return Builtins(kind, text, mapping, 0, ordered, sets, frames)

    def _fill_type(self, address: int, basic: int, item: int, flags: int, base: int) -> None:
        self.poke(address, 1, self.builtins.type)
        self.poke(address + TP_BASICSIZE, basic)
        self.poke(address + TP_ITEMSIZE, item)
        self.poke(address + TP_FLAGS, flags)
        self.poke(address + TP_BASE, base)
