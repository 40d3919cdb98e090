"""Whatever a stranger sends in place of a heap, it is refused in one line or read as one."""

from __future__ import annotations

import resource
import socket
import struct
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakscope.capture.heapnames import HeapNames
from leakscope.capture.heapreader import HeapTooLarge, read_census, read_heap
from leakscope.capture.heapstream import BrokenStream, FrameKind, HeapStream, SnapshotFailed
from leakscope.errors import LeakscopeError
from leakscope.model.roots import HeapRoots

VERSION = 0x030C0100


def frame(kind: FrameKind, count: int, payload: bytes = b"") -> bytes:
    return struct.pack("<IIQ", kind, count, len(payload)) + payload


def header(depth: int = 2) -> bytes:
    return frame(
        FrameKind.HEADER, 1, struct.pack("<8sIIIIQQ", b"LSHEAP\r\n", 1, VERSION, depth, 7, 64, 0)
    )


def kind_of(name: bytes, objects: int) -> bytes:
    return struct.pack("<QQQII", 64, objects, 100, 0, len(name)) + name


def heap(
    *, targets: tuple[int, ...] = (1, 0), degrees: tuple[int, ...] = (1, 1), types: int = 1
) -> bytes:
    """Two objects that refer to each other."""
    address = np.array([64, 128], "<u8").tobytes()
    size = np.array([56, 57], "<u8").tobytes()
    refcount = np.array([1, 1], "<i8").tobytes()
    kinds = np.array([0, types - 1], "<u4").tobytes()
    degree = np.array(degrees, "<u4").tobytes()
    objects = address + size + refcount + kinds + degree + bytes([1, 1]) + bytes(6)
    return b"".join(
        [
            header(),
            frame(FrameKind.LENGTHS, 1, struct.pack("<QqQ", 128, 5, 0)),
            frame(FrameKind.COUNTS, 1, struct.pack("<QQQ", 2, 2, 1)),
            frame(FrameKind.TYPES, 1, kind_of(b"shop.A", 2)),
            frame(FrameKind.REFERENCES, len(targets), np.array(targets, "<u4").tobytes()),
            frame(FrameKind.OBJECTS, 2, objects),
            frame(FrameKind.ROOTS, 1, struct.pack("<IiQQiIII", 1, 0, 64, 0, 0, 4, 0, 0) + b"shop"),
            frame(FrameKind.END, 1, struct.pack("<QQQQ", 0, 0, 0, 0)),
        ]
    )


def stream_of(content: bytes) -> HeapStream:
    """Return a stream that says `content` and hangs up."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        with theirs:
            theirs.sendall(content)

    threading.Thread(target=send, daemon=True).start()
    return HeapStream(ours, time.monotonic() + 10, lambda: None)


def refused(read: Callable[[HeapStream], object], content: bytes) -> str:
    stream = stream_of(content)
    with pytest.raises((BrokenStream, SnapshotFailed, HeapTooLarge)) as caught:
        read(stream)
    stream.close()
    return str(caught.value)


def test_a_well_formed_heap_is_read() -> None:
    found = read_heap(stream_of(heap()))

    assert found.snapshot.type_names == ("shop.A",)
    assert found.snapshot.targets.tolist() == [1, 0]
    assert found.snapshot.offsets.tolist() == [0, 1, 2]
    assert [(c.address, c.length) for c in found.containers] == [(128, 5)]
    assert [m.name for m in found.roots.modules] == ["shop"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ended before"),
        (heap()[:-1], "ended before"),
        (frame(FrameKind.END, 1), "does not begin with its header"),
        (header(1), "a census came"),
        (header() + frame(FrameKind.FAILED, 7, bytes(8)), "ran out of memory"),
        (header() + frame(FrameKind.FAILED, 13, bytes(8)), "the frozen copy crashed"),
        (header() + frame(FrameKind.FAILED, 13, bytes(8) + b"\xff" * 999), "of type \ufffd"),
        (header() + frame(FrameKind.FAILED, 13, b"\xff"), "the frozen copy crashed"),
        (header() + frame(FrameKind.FAILED, 99, bytes(8)), "failure 99"),
        (header() + frame(FrameKind.COUNTS, 1, bytes(8)), "no counts"),
        (header() + struct.pack("<IIQ", 3, 1, 1 << 60), "impossible frame"),
        (header() + struct.pack("<IIQ", 99, 1, 0), "impossible frame"),
        (
            header() + frame(FrameKind.COUNTS, 1, struct.pack("<QQQ", 1 << 40, 1, 1)),
            "larger than a heap can be",
        ),
        (heap(targets=(2, 0)), "has no target"),
        (heap(targets=(1,)), "fewer objects or references"),
        (heap(targets=(1, 0, 0)), "more references"),
        (heap(degrees=(2, 2)), "fewer objects or references"),
        (heap(types=3), "has no type"),
    ],
)
def test_what_contradicts_itself_is_refused(content: bytes, reason: str) -> None:
    assert reason in refused(read_heap, content)


def test_a_heap_that_announces_much_and_sends_little_takes_no_memory() -> None:
    """The columns are made as their pages fill, not when they are announced."""
    content = header() + frame(FrameKind.COUNTS, 1, struct.pack("<QQQ", 1 << 30, 1 << 33, 0))

    assert refused(read_heap, content)


@pytest.mark.parametrize("end", [b"", frame(FrameKind.END, 0, bytes(32))], ids=["cut", "ended"])
def test_objects_that_do_not_come_take_no_memory(end: bytes) -> None:
    announced = 1 << 28
    content = header() + frame(FrameKind.COUNTS, 1, struct.pack("<QQQ", announced, 0, 0)) + end
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert refused(read_heap, content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < announced >> 10


@settings(max_examples=300, deadline=None)
@given(
    at=st.integers(0, len(heap()) - 1),
    replacement=st.binary(min_size=1, max_size=9),
    depth=st.sampled_from([read_census, read_heap]),
)
def test_a_changed_stream_is_read_or_refused(
    at: int, replacement: bytes, depth: Callable[[HeapStream], object]
) -> None:
    content = heap()
    stream = stream_of(content[:at] + replacement + content[at + len(replacement) :])
    try:
        depth(stream)
    except LeakscopeError:
        pass
    finally:
        stream.close()


@settings(max_examples=200, deadline=None)
@given(answer=st.binary(max_size=200))
def test_names_that_nobody_asked_for_are_refused(answer: bytes) -> None:
    names = HeapNames(stream_of(frame(FrameKind.NAMES, 1, answer)), VERSION, HeapRoots())
    with pytest.raises(LeakscopeError):
        names.chain([64, 128])
