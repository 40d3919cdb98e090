"""What a frozen heap hangs from, and what its references are called.

Roots come with the snapshot; references are named on request, while the frozen copy waits. All
text is the target's: keys only where they look like names, never a value.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from leakscope.capture.heapstream import (
    BrokenStream,
    Frame,
    FrameKind,
    HeapStream,
    SnapshotFailed,
    text_of,
)
from leakscope.capture.linetable import line_at
from leakscope.model.evidence import Site
from leakscope.model.memory import MallocFigures
from leakscope.model.roots import HeapRoots, LocalRoot, ModuleRoot, ThreadRoot

_ROOT = struct.Struct("<IiQQiIII")
_HEAD = struct.Struct("<IIQ")
_LENGTH = struct.Struct("<I")
_MALLOC = struct.Struct("<4Q")
_DESCRIPTOR = struct.Struct("<Qi4x")
_ENABLED = struct.Struct("<i")
_NUMBER = struct.Struct("<Q")
_NO_NUMBER = (1 << 64) - 1
_MALLOC_WITHIN_S = 3.0
_MOST_AT_ONCE = 4096


class _RootKind(IntEnum):
    MODULE = 1
    THREAD = 2
    CALL = 3
    LOCAL = 4
    END = 5
    CONTEXT = 6


_ROOT_KINDS = frozenset(_RootKind)


class _Question(IntEnum):
    CHAIN = 1
    CALLS = 2
    LABELS = 3
    MALLOC = 4
    DESCRIPTORS = 5
    COLLECTOR = 6
    NUMBERS = 7
    MAKERS = 8


@dataclass(frozen=True, slots=True)
class _Record:
    kind: _RootKind
    first_line: int
    address: int
    thread: int
    offset: int
    name: str
    file: str
    table: bytes

    def site(self, version: int) -> Site:
        line = line_at(version, self.first_line, self.table, self.offset)
        return Site(self.file, line, self.name)


class RootsReader:
    """Gathers roots from the frames that hold them."""

    def __init__(self, version: int) -> None:
        self._version = version
        self._modules: list[ModuleRoot] = []
        self._threads: list[ThreadRoot] = []
        self._locals: list[LocalRoot] = []
        self._calls: list[Site] = []
        self._depth = -1
        self._site = Site("", 0, "")

    def read(self, stream: HeapStream, frame: Frame) -> None:
        """Read one frame of roots."""
        for record in _records(stream, frame):
            if record.kind is _RootKind.MODULE:
                self._modules.append(ModuleRoot(record.address, record.name, record.file))
            elif record.kind is _RootKind.THREAD:
                name = record.name or str(record.thread)
                native_id = max(0, record.offset)
                self._told()
                self._threads.append(
                    ThreadRoot(record.thread, name, record.address, native_id=native_id)
                )
                self._depth = -1
            elif record.kind is _RootKind.CONTEXT and self._threads:
                self._threads[-1] = replace(self._threads[-1], context=record.address)
            elif record.kind is _RootKind.CALL:
                self._depth += 1
                self._site = record.site(self._version)
                self._calls.append(self._site)
            elif record.kind is _RootKind.LOCAL and self._threads and self._depth >= 0:
                thread = self._threads[-1].name
                self._locals.append(
                    LocalRoot(record.address, record.name, thread, self._depth, self._site)
                )

    def _told(self) -> None:
        """Give the last thread the calls that came since."""
        if self._threads:
            self._threads[-1] = replace(self._threads[-1], calls=tuple(self._calls))
        self._calls.clear()

    def roots(self) -> HeapRoots:
        """Return what was read."""
        self._told()
        return HeapRoots(tuple(self._modules), tuple(self._threads), tuple(self._locals))


class HeapNames:
    """Names of references in a frozen heap. Usable until its frozen copy is let go."""

    def __init__(self, stream: HeapStream, version: int, roots: HeapRoots) -> None:
        self._stream = stream
        self._version = version
        self._roots = roots
        self._edges: dict[tuple[int, int], str] = {}

    def chain(self, addresses: Sequence[int]) -> tuple[str, ...]:
        """Name the references along a chain of objects, each of which refers to the next.

        One text per reference, as in `Step.edge`. It is empty where an object is only a part of
        the one before it (the `__dict__` of an instance, the cell of a closure variable);
        `<reference>` where the reference has no name or is not there.
        """
        if len(addresses) < 2:
            return ()
        texts: list[str] = []
        step = _MOST_AT_ONCE - 1
        for first in range(0, len(addresses) - 1, step):
            texts += self._texts(_Question.CHAIN, addresses[first : first + step + 1], parts=True)
        self._edges.update(
            zip(zip(addresses, addresses[1:], strict=False), texts, strict=True)  # noqa: RUF007
        )
        return tuple(texts)

    def knows(self, addresses: Sequence[int]) -> bool:
        """Return that every reference can be named: the copy is there to be asked."""
        del addresses
        return True

    def edge(self, start: int, end: int) -> str:
        """Name one reference; what `chain` said of it if it was asked before.

        From address 0 it names the object at `end` as a root.
        """
        if start == 0:
            return self.root(end)
        known = self._edges.get((start, end))
        return self.chain((start, end))[0] if known is None else known

    def root(self, address: int) -> str:
        """Return what an object is called as the beginning of a chain."""
        known = self._roots.label(address)
        if known is not None:
            return known
        label = self._texts(_Question.LABELS, [address])[0]
        if label:
            return f"class {label}"
        calls = self.suspended([address])[0]
        if calls:
            site = calls[0]
            return f"suspended {site.function} ({site.file}:{site.line})"
        return "held by C code"

    def suspended(self, addresses: Sequence[int]) -> list[tuple[Site, ...]]:
        """Return, for each object, where its code is suspended and what it awaits in turn.

        For tasks, coroutines, generators and frames, the outermost call first; empty for all else.
        """
        return self._calls(_Question.CALLS, addresses)

    def makers(self, addresses: Sequence[int]) -> list[tuple[Site, ...]]:
        """Return the calls that made each task, the outermost first; empty if nobody kept them.

        asyncio keeps the innermost of them in its debug mode.
        """
        return self._calls(_Question.MAKERS, addresses)

    def numbers(self, addresses: Sequence[int]) -> list[int | None]:
        """Return which number each task has among those of its process, None if it has none.

        asyncio numbers tasks as they are made. One that was given a name has no number.
        """
        found: list[int] = []
        for first in range(0, len(addresses), _MOST_AT_ONCE):
            asked = addresses[first : first + _MOST_AT_ONCE]
            for frame in self._answers(_Question.NUMBERS, asked, FrameKind.NAMES):
                content = self._stream.payload(frame)
                if len(content) != frame.count * _NUMBER.size:
                    raise BrokenStream("the numbers in the stream are cut")
                found += (number for (number,) in _NUMBER.iter_unpack(content))
        if len(found) != len(addresses):
            raise BrokenStream("the frozen copy did not answer what was asked")
        return [None if number == _NO_NUMBER else number for number in found]

    def descriptors(self) -> tuple[tuple[int, int], ...]:
        """Return the addresses of objects that have an open descriptor, each with its number.

        Sockets, files, epoll objects and memory maps, and objects derived from them.
        """
        found: list[tuple[int, int]] = []
        for frame in self._answers(_Question.DESCRIPTORS, (), FrameKind.NAMES):
            content = self._stream.payload(frame)
            if len(content) != frame.count * _DESCRIPTOR.size:
                raise BrokenStream("the descriptors in the stream are cut")
            found += _DESCRIPTOR.iter_unpack(content)
        return tuple(found)

    def collects(self) -> bool:
        """Return whether the garbage collector was on (`gc.isenabled`)."""
        told = self._figures(_Question.COLLECTOR, _ENABLED)
        if told is None:
            raise BrokenStream("the frozen copy did not answer what was asked")
        return bool(told[0])

    def malloc(self) -> MallocFigures | None:
        """Return what the C library's allocator says of itself, None if it says nothing.

        To be asked last: if another thread was at work in the allocator when the heap was frozen
        there is no answer, and the copy answers nothing more.
        """
        deadline = self._stream.deadline
        self._stream.deadline = min(deadline, time.monotonic() + _MALLOC_WITHIN_S)
        try:
            told = self._figures(_Question.MALLOC, _MALLOC)
        except SnapshotFailed:
            return None
        finally:
            self._stream.deadline = deadline
        return None if told is None else MallocFigures(*told)

    def _calls(self, question: _Question, addresses: Sequence[int]) -> list[tuple[Site, ...]]:
        """Ask for the calls of each object."""
        found: list[tuple[Site, ...]] = []
        for first in range(0, len(addresses), _MOST_AT_ONCE):
            asked = addresses[first : first + _MOST_AT_ONCE]
            sites: list[Site] = []
            before = len(found)
            for frame in self._answers(question, asked, FrameKind.ROOTS):
                for record in _records(self._stream, frame):
                    if record.kind is _RootKind.END:
                        found.append(tuple(sites))
                        sites = []
                    else:
                        sites.append(record.site(self._version))
            if len(found) - before != len(asked):
                raise BrokenStream("the frozen copy did not answer what was asked")
        return found

    def _figures(self, question: _Question, layout: struct.Struct) -> tuple[int, ...] | None:
        """Ask for one set of figures; None if there is none."""
        told = None
        for frame in self._answers(question, (), FrameKind.NAMES):
            content = self._stream.payload(frame)
            if frame.count and len(content) == layout.size:
                told = layout.unpack(content)
        return told

    def _texts(
        self, question: _Question, addresses: Sequence[int], *, parts: bool = False
    ) -> list[str]:
        texts: list[str] = []
        for frame in self._answers(question, addresses, FrameKind.NAMES):
            content = self._stream.payload(frame)
            at = 0
            for _ in range(frame.count):
                text, at = _text_at(content, at)
                texts.append(text)
        if len(texts) != len(addresses) - parts:
            raise BrokenStream("the frozen copy did not answer what was asked")
        return texts

    def _answers(
        self, question: _Question, addresses: Sequence[int], kind: FrameKind
    ) -> Iterator[Frame]:
        """Ask; yield the heads of the frames of the answer, whose payload the caller reads."""
        packed = struct.pack(f"<{len(addresses)}Q", *addresses)
        self._stream.send(_HEAD.pack(question, len(addresses), len(packed)) + packed)
        while (frame := self._stream.next_frame()).kind is not FrameKind.END:
            if frame.kind is not kind:
                raise BrokenStream("the frozen copy answers what was not asked")
            yield frame


def _text_at(content: bytearray, at: int) -> tuple[str, int]:
    """Read a text with its length before it; return it and where it ends."""
    if at + _LENGTH.size > len(content):
        raise BrokenStream("a name in the stream is cut")
    end = at + _LENGTH.size + int(_LENGTH.unpack_from(content, at)[0])
    if end > len(content):
        raise BrokenStream("a name in the stream is cut")
    return text_of(bytes(content[at + _LENGTH.size : end])), end


def _records(stream: HeapStream, frame: Frame) -> Iterator[_Record]:
    content = stream.payload(frame)
    at = 0
    for _ in range(frame.count):
        if at + _ROOT.size > len(content):
            raise BrokenStream("the roots in the stream are cut")
        kind, line, address, thread, offset, name, file, table = _ROOT.unpack_from(content, at)
        at += _ROOT.size
        texts = bytes(content[at : at + name + file + table])
        at += name + file + table
        if at > len(content) or kind not in _ROOT_KINDS:
            raise BrokenStream("the roots in the stream are cut")
        yield _Record(
            _RootKind(kind),
            line,
            address,
            thread,
            offset,
            text_of(texts[:name]),
            text_of(texts[name : name + file]),
            texts[name + file :],
        )
