"""Reading the stream of a frozen heap, as the agent's child writes it (agent/heap_stream.c).

The stream is frames: a head (kind, count, bytes) and a payload. It comes from the target's process
and is treated as a stranger's data: every count, size, index and text is checked before use, and
what does not fit raises `BrokenStream`. Memory is bounded by what the stream announces, and that by
what the target's address space can hold.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from leakscope.errors import LeakscopeError

_HEAD = struct.Struct("<IIQ")
_HEADER = struct.Struct("<8sIIIIQQ")
_USED = struct.Struct("<Q")
_MAGIC = b"LSHEAP\r\n"
_FORMAT = 1
_LARGEST_FRAME = 64 << 20
_LOOK_EVERY_S = 0.25
LONGEST_NAME = 300
"""Characters of a type's name that are kept."""


class BrokenStream(LeakscopeError):
    """What the frozen copy sent cannot be right."""

    hint = "Try again; if it happens again, use `--capture portable` and report it."


class SnapshotFailed(LeakscopeError):
    """The frozen copy of the target did not finish its work; the target itself is unharmed."""

    hint = "Try again, or use `--capture portable`."


class HeapUnreadable(SnapshotFailed):
    """The frozen copy did not survive following the references of the target's objects.

    A copy was lost, nothing else. But nobody must try the same in the target itself, where it would
    crash or stall the service.
    """

    hint = (
        "Code of an extension type in the target is likely at fault: its garbage collection would "
        "come to the same grief. `--capture readonly` counts objects without running it."
    )


class FrameKind(IntEnum):
    """What a frame holds."""

    HEADER = 1
    LENGTHS = 2
    COUNTS = 3
    TYPES = 4
    OBJECTS = 5
    REFERENCES = 6
    ROOTS = 7
    END = 8
    FAILED = 9
    NAMES = 10


FAILURES = {
    1: "the interpreter lacks a function that every CPython from 3.9 to 3.15 has",
    2: "the interpreter is no CPython 3.9 to 3.15 with a GIL",
    3: "the lists of the garbage collector could not be recognised",
    4: "no socket could be made",
    5: "the kernel refused to copy the process",
    6: "another frozen copy is at work",
    7: "the frozen copy ran out of memory or used up its budget",
    8: "a list of the garbage collector is broken",
    9: "an extension type does not tell the same references twice",
    10: "the request was malformed",
    11: "the interpreter is on its way down",
    12: "something was referred to as an object that is none",
    13: "the frozen copy crashed",
    14: "the frozen copy did not finish in time",
}
"""What `enum ls_failure` in agent/heap.h means."""

_UNREADABLE = frozenset({8, 9, 12, 13, 14})
"""Those of which objects or types of the target are the cause."""
_AT_A_TYPE = frozenset({12, 13, 14})
"""Those that happen where the references of an object are followed."""
_OUT_OF_TIME = 14
_WHEN_LATE = (
    "Try again when the machine is less busy. If it stays so, an extension type of the target may "
    "never come to an end when it tells what it refers to."
)


@dataclass(frozen=True, slots=True)
class Frame:
    """The head of one frame."""

    kind: FrameKind
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """What the frozen copy says first."""

    version: int
    """`PY_VERSION_HEX` of the target."""
    full: bool
    """Whether objects and references follow, not totals alone."""
    child: int
    """Pid of the frozen copy, as the target's pid namespace has it."""
    modules: int
    """Address of `sys.modules`."""


class HeapStream:
    """The controller's end of the socket that a frozen copy writes to."""

    def __init__(
        self, connected: socket.socket, deadline: float, still_there: Callable[[], None]
    ) -> None:
        """Take over a connected socket.

        `deadline` is on the clock of `time.monotonic`. `still_there` is asked while waiting; it
        raises when the target has gone.
        """
        connected.settimeout(_LOOK_EVERY_S)
        self._socket = connected
        self._still_there = still_there
        self.deadline = deadline

    def header(self) -> StreamHeader:
        """Read what comes first."""
        frame = self.next_frame()
        if frame.kind is not FrameKind.HEADER or frame.size != _HEADER.size:
            raise BrokenStream("the stream of the frozen heap does not begin with its header")
        magic, form, version, depth, child, modules, _ = _HEADER.unpack(self.payload(frame))
        if magic != _MAGIC or form != _FORMAT or depth not in (1, 2):
            raise BrokenStream("the stream of the frozen heap is of another version of leakscope")
        return StreamHeader(version, depth == 2, child, modules)

    def next_frame(self) -> Frame:
        """Read the head of the next frame.

        Raises `SnapshotFailed` if the copy says that it gave up, or ends without a word.
        """
        head = bytearray(_HEAD.size)
        self.read_into(memoryview(head))
        number, count, size = _HEAD.unpack(head)
        if size > _LARGEST_FRAME or number not in set(FrameKind):
            raise BrokenStream("the stream of the frozen heap holds an impossible frame")
        frame = Frame(FrameKind(number), count, size)
        if frame.kind is FrameKind.FAILED:
            raise self._failure(frame)
        return frame

    def _failure(self, frame: Frame) -> SnapshotFailed:
        """Return what the last frame of a copy that gave up tells."""
        told = f"the heap snapshot failed: {FAILURES.get(frame.count, f'failure {frame.count}')}"
        if frame.count not in _UNREADABLE:
            return SnapshotFailed(told)
        name = text_of(bytes(self.payload(frame)[_USED.size :]))[:LONGEST_NAME]
        if name and frame.count in _AT_A_TYPE:
            told += f" at the references of an object of type {name}"
        return HeapUnreadable(told, hint=_WHEN_LATE if frame.count == _OUT_OF_TIME else None)

    def payload(self, frame: Frame) -> bytearray:
        """Read the whole payload of `frame`."""
        content = bytearray(frame.size)
        self.read_into(memoryview(content))
        return content

    def read_into(self, buffer: memoryview) -> None:
        """Fill `buffer`. Raises `SnapshotFailed` at the end of the stream or the deadline."""
        rest = buffer.cast("B")
        while rest:
            try:
                got = self._socket.recv_into(rest)
            except TimeoutError:
                self._look()
                continue
            except OSError:
                got = 0
            if not got:
                self._still_there()
                raise SnapshotFailed("the frozen copy of the target ended before its work was done")
            rest = rest[got:]

    def send(self, content: bytes) -> None:
        """Send a request. Raises `SnapshotFailed` if the copy has gone."""
        rest = memoryview(content)
        while rest:
            rest = rest[self._sent(rest) :]

    def _sent(self, content: memoryview) -> int:
        try:
            return self._socket.send(content)
        except TimeoutError:
            self._look()
            return 0
        except OSError as error:
            self._still_there()
            raise SnapshotFailed("the frozen copy of the target has gone") from error

    def close(self) -> None:
        """Hang up: the frozen copy ends. Idempotent."""
        self._socket.close()

    def _look(self) -> None:
        self._still_there()
        if time.monotonic() >= self.deadline:
            late = "the frozen copy of the target did not finish in time"
            raise HeapUnreadable(late, hint=_WHEN_LATE)


def text_of(content: bytes) -> str:
    """Return text of the target, lone surrogates included; what is no UTF-8 is replaced."""
    try:
        return content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return content.decode("utf-8", "replace")
