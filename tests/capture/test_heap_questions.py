"""A frozen copy answers whatever it is asked: for any object, any reference, any address."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakscope.capture.heapnames import HeapNames
from leakscope.capture.heapreader import FrozenHeap, read_heap
from leakscope.capture.heapstream import FrameKind, HeapStream, SnapshotFailed
from tests.capture.test_heap_walk import RICH
from tests.frozen import FrozenTarget, freezing
from tests.pythons import Interpreter, interpreters

every_python = pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)
some_pythons = pytest.mark.parametrize(
    "python", (interpreters()[0], interpreters()[-1]), ids=lambda i: i.version
)

FREEZE = """
gc.collect(); gc.disable()
freezer.freeze(limit_seconds=600); freezer.hand_over()
freezer.wait_for_order(); print(json.dumps(freezer.reap()))
sys.stdout.flush()
import os; os._exit(0)
"""
CHAIN, CALLS, LABELS, NUMBERS, MAKERS = 1, 2, 3, 7, 8
QUESTIONS = (CHAIN, CALLS, LABELS, NUMBERS, MAKERS)
LARGEST = 1 << 64


class Copy:
    """A frozen copy of a rich heap that waits to be asked."""

    def __init__(self, target: FrozenTarget) -> None:
        self.target = target
        self.stream: HeapStream = target.stream()
        self.heap: FrozenHeap = read_heap(self.stream)
        self.names = HeapNames(self.stream, self.heap.header.version, self.heap.roots)

    def ask(self, question: int, addresses: list[int]) -> int:
        """Ask without looking at what comes; return how many answers there are."""
        packed = struct.pack(f"<{len(addresses)}Q", *addresses)
        self.stream.send(struct.pack("<IIQ", question, len(addresses), len(packed)) + packed)
        answers = 0
        while (frame := self.stream.next_frame()).kind is not FrameKind.END:
            assert frame.kind in (FrameKind.NAMES, FrameKind.ROOTS)
            self.stream.payload(frame)
            answers += frame.count
        return answers

    def end(self) -> None:
        """Let go; the copy must have lived until now."""
        self.stream.close()
        self.target.order()
        assert self.target.said()[1:] == [0, False]


@contextmanager
def copy_of(python: Interpreter) -> Iterator[Copy]:
    with freezing(python, RICH + FREEZE) as target:
        copy = Copy(target)
        yield copy
        copy.end()


_kept = ExitStack()


@pytest.fixture(scope="module", autouse=True)
def _copies_end() -> Iterator[None]:
    with _kept:
        yield


@cache
def kept_copy(python: Interpreter) -> Copy:
    """Return one copy for all examples of this module."""
    return _kept.enter_context(copy_of(python))


def ask_of_all(python: Interpreter, step: int) -> None:
    """Ask for the names of every `step`th object and reference."""
    with copy_of(python) as copy:
        snapshot = copy.heap.snapshot
        sources = np.repeat(snapshot.address, np.diff(snapshot.offsets))[::step]
        ends = snapshot.address[snapshot.targets][::step]
        for row in range(0, len(sources), 2000):  # there and on to the next: no reference, mostly
            pairs = np.stack([sources[row : row + 2000], ends[row : row + 2000]], axis=1).ravel()
            assert len(copy.names.chain(pairs.tolist())) == len(pairs) - 1
        objects = snapshot.address[::step]
        for row in range(0, len(objects), 4000):
            some = objects[row : row + 4000].tolist()
            assert copy.ask(LABELS, some) == len(some)
            assert len(copy.names.suspended(some)) == len(some)
            assert len(copy.names.numbers(some)) == len(some)
            assert len(copy.names.makers(some)) == len(some)


@every_python
def test_any_object_and_any_reference_can_be_asked_for(python: Interpreter) -> None:
    ask_of_all(python, step=23)


@pytest.mark.slow
@every_python
def test_every_object_and_every_reference_can_be_asked_for(python: Interpreter) -> None:
    ask_of_all(python, step=1)


@st.composite
def addresses(draw: st.DrawFn, of: FrozenHeap) -> int:
    """Draw an address: of an object, within or beside one, or of anything or nothing."""
    anywhere = st.one_of(
        st.integers(0, LARGEST - 1),
        st.integers(0, 1 << 47).map(lambda n: n & ~7),
        st.sampled_from([0, 1, 7, 8, 16, (1 << 47) - 8, 1 << 47, LARGEST - 8, LARGEST - 1]),
    )
    known = of.snapshot.address
    row = draw(st.one_of(st.none(), st.integers(0, len(known) - 1)))
    if row is None:
        return draw(anywhere)
    beside = draw(st.sampled_from([0, 0, 0, 0, 1, 4, 8, 16, -8, -16, 64, 1 << 21]))
    return (int(known[row]) + beside) % LARGEST


@some_pythons
@settings(max_examples=80)
@given(data=st.data())
def test_any_address_can_be_asked_for(python: Interpreter, data: st.DataObject) -> None:
    copy = kept_copy(python)
    question = data.draw(st.sampled_from(QUESTIONS))
    asked = data.draw(st.lists(addresses(copy.heap), max_size=40))

    answers = copy.ask(question, asked)

    if question in (CALLS, MAKERS):
        assert answers >= len(asked)
    else:
        assert answers == (max(0, len(asked) - 1) if question == CHAIN else len(asked))


@every_python
def test_a_hundred_thousand_addresses_can_be_asked_for(python: Interpreter) -> None:
    draw = np.random.default_rng(int(python.version[2:]))
    with copy_of(python) as copy:
        known = copy.heap.snapshot.address
        for question in QUESTIONS * 6:
            objects = draw.choice(known, 3000)
            beside = draw.choice(known, 500) + draw.choice(np.array([1, 8, 16, 64], np.uint64), 500)
            wild = draw.integers(0, LARGEST - 1, 500, np.uint64, endpoint=True)
            asked = draw.permutation(np.concatenate([objects, beside, wild])).tolist()
            assert copy.ask(question, asked) >= len(asked) - 1


@some_pythons
@pytest.mark.parametrize(
    "request_",
    [
        struct.pack("<IIQ", CHAIN, 1, 16) + bytes(16),
        struct.pack("<IIQ", CHAIN, 4097, 8 * 4097) + bytes(8 * 4097),
        struct.pack("<IIQ", LABELS, 0xFFFFFFFF, 0x7FFFFFFF8),
        struct.pack("<IIQ", CALLS, 2, LARGEST - 8),
        struct.pack("<IIQ", 99, 1, 8) + bytes(8),
        struct.pack("<IIQ", 0, 0, 0),
    ],
    ids=["more bytes", "too many", "all there are", "endless", "of no kind", "nothing"],
)
def test_what_is_no_question_ends_the_copy_with_a_word(
    python: Interpreter, request_: bytes
) -> None:
    with freezing(python, FREEZE) as target:
        stream = target.stream()
        read_heap(stream)
        stream.send(request_)
        with pytest.raises(SnapshotFailed, match="the request was malformed"):
            stream.next_frame()
        stream.close()
        target.order()

        assert target.said()[1:] == [1 << 8, False]
