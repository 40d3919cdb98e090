"""What a sampler sends, read as the data of a stranger."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.capture.sampling import SamplingRefused, read_samples
from leakscope.capture.wire import ProtocolError
from leakscope.model.evidence import Site

VERSION = 0x030C0100
# One line: the instruction at 0 is on the first line (Objects/locations.md, a long form).
TABLE = bytes([0x80 | 14 << 3, 0, 0])


def state(functions: int, stacks: int, alive: int, *, failure: int = 0, place: int = 1) -> bytes:
    places = (place, place, place, 0)
    totals = (4096, 10, 6, 1, 2)
    return struct.pack(
        "=I4BQQQQQQIIII", failure, *places, 2 * 10**9, *totals, functions, stacks, alive, 0
    )


def function(name: bytes, file: bytes, line: int) -> bytes:
    head = struct.pack("=iIII", line, len(name), len(file), len(TABLE))
    return head + name + file + TABLE


def stack(*frames: tuple[int, int], cut: int = 0) -> bytes:
    head = struct.pack("=IIddd", len(frames), cut, 3.5, 900.0, 4.0)
    return head + b"".join(struct.pack("=Ii", *frame) for frame in frames)


def sample(address: int, size: int, of: int) -> bytes:
    return struct.pack("=QQII", address, size, of, 2)


WHOLE = (
    state(2, 2, 1)
    + function(b"keep", b"shop.py", 7)
    + function("\u20ac\udcff".encode("utf-8", "surrogatepass"), b"", 1)
    + stack()
    + stack((0, 0), (1, 0), cut=1)
    + sample(0x1000, 64, 1)
)


def test_stacks_and_samples_are_read() -> None:
    samples = read_samples(WHOLE, VERSION)

    assert samples.mean_bytes == 4096
    assert (samples.seconds, samples.taken, samples.lost, samples.unplaced) == (2.0, 10, 1, 2)
    assert samples.stacks[1].calls[0] == Site("shop.py", 7, "keep")
    assert samples.stacks[1].calls[1].function.startswith("\u20ac")
    assert samples.stacks[1].cut
    assert (samples.stacks[1].objects, samples.stacks[1].bytes) == (3.5, 900.0)
    assert (samples.address.tolist(), samples.size.tolist()) == ([0x1000], [64])
    assert not samples.displaced


def test_a_hook_that_is_not_there_any_more_is_told() -> None:
    assert read_samples(state(0, 1, 0, place=0) + stack(), VERSION).displaced


def test_what_is_not_sampled_is_refused() -> None:
    with pytest.raises(SamplingRefused, match="not sampled"):
        read_samples(state(0, 0, 0, failure=3), VERSION)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        WHOLE[:-1],
        WHOLE[:80],
        state(1 << 31, 0, 0),
        state(0, 1 << 31, 0),
        state(0, 1, 1 << 31) + stack(),
        state(0, 1, 1) + stack() + sample(1, 1, 1),
        state(0, 1, 0) + stack((0, 0)),
        state(0, 1, 0) + struct.pack("=IIddd", 65, 0, 0, 0, 0) + bytes(65 * 8),
    ],
)
def test_what_cannot_be_right_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_samples(body, VERSION)


@given(st.binary(max_size=300), st.integers(0, len(WHOLE)))
def test_no_bytes_do_harm(noise: bytes, at: int) -> None:
    with suppress(ProtocolError, SamplingRefused):
        read_samples(WHOLE[:at] + noise, VERSION)
