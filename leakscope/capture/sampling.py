"""Sampling a target's allocations: hooks of the native agent, and what they have seen.

The other side is agent/sampler_service.c. What comes from there is data of a stranger: sizes and
numbers are checked before they are used.
"""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

import numpy as np

from leakscope.capture.linetable import line_at
from leakscope.capture.session import Session
from leakscope.capture.wire import Opcode, ProtocolError
from leakscope.errors import LeakscopeError
from leakscope.model.allocation import SampledStack, Samples
from leakscope.model.evidence import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

MEAN_BYTES = 512 * 1024
"""Bytes per sample, on average, where nothing else is asked for: Go's default."""
LEAST_BYTES = 256
MOST_BYTES = 1 << 40
DEEPEST = 64
"""Calls of a stack that are kept, the innermost."""

_REQUEST = struct.Struct("=QQ")
_STATE = struct.Struct("=I4BQQQQQQIIII")
_FUNCTION = struct.Struct("=iIII")
_STACK = struct.Struct("=IIddd")
_FRAME = struct.Struct("=Ii")
_SAMPLE = np.dtype([("address", "<u8"), ("size", "<u8"), ("stack", "<u4"), ("domain", "<u4")])

_ABSENT, _TOP, _BELOW, _UNKNOWN = range(4)
_FAILURES = {
    1: "the interpreter's allocators cannot be hooked",
    2: "the target has no memory for the samples",
    3: "allocations are not sampled",
    4: "no such rate",
}


class SamplingRefused(LeakscopeError):
    """The allocations of the target cannot be sampled."""

    hint = "`leakscope snapshot PID` needs no hooks; `--sites tracemalloc` asks Python itself."


class AllocationSampler:
    """The hooks in one target. They come off at `stop`, and when the session ends."""

    def __init__(self, session: Session) -> None:
        """Sample the target of `session`, which has to have a native agent.

        Raises `SamplingRefused` if it has another.
        """
        if session.kind != "native-agent":
            raise SamplingRefused("only the native agent samples allocations, and it is not there")
        self._session = session
        self._version = session.hexversion

    def start(self, mean_bytes: int = MEAN_BYTES, seed: int | None = None) -> None:
        """Put the hooks in, or begin anew.

        `mean_bytes`: bytes allocated per sample, from `LEAST_BYTES` to `MOST_BYTES`.
        Raises `SamplingRefused`, and what a request raises.
        """
        seed = random.getrandbits(64) if seed is None else seed
        reply = self._session.request(Opcode.SAMPLE_START, _REQUEST.pack(mean_bytes, seed))
        failure, *places = _state(reply.body)[:4]
        if failure and _UNKNOWN in places:
            raise SamplingRefused(
                "a hook that another tool put over those of an earlier sampling is in the way",
                hint="Stop that tool in the target, or restart the target.",
            )
        if failure:
            raise SamplingRefused(_FAILURES.get(failure, f"failure {failure}"))

    def read(self) -> Samples:
        """Return what is alive of what was sampled.

        Raises `SamplingRefused` if nothing is, and what a request raises.
        """
        return read_samples(self._session.request(Opcode.SAMPLE_READ, b"").body, self._version)

    def stop(self) -> bool:
        """Take the hooks out; return whether none is left.

        One is left if another tool's hook lies over it that cannot be seen through. It passes
        everything on.
        """
        reply = self._session.request(Opcode.SAMPLE_STOP, b"")
        return all(place == _ABSENT for place in _state(reply.body)[1:4])


def _state(body: bytes) -> tuple[int, ...]:
    if len(body) < _STATE.size:
        raise ProtocolError("the answer of the sampler is too short")
    return _STATE.unpack_from(body)


def read_samples(body: bytes, version: int) -> Samples:
    """Read what the sampler sent; `version` is the `PY_VERSION_HEX` of the target.

    Raises `ProtocolError` for what cannot be right, `SamplingRefused` if nothing is sampled.
    """
    failure, *places = _state(body)[:4]
    if failure:
        raise SamplingRefused(_FAILURES.get(failure, f"failure {failure}"))
    _, _, _, _, _, elapsed_ns, mean, taken, _, lost, unplaced, functions, stacks, alive, _ = _state(
        body
    )
    reader = _Reader(body, _STATE.size)
    known = [reader.function() for _ in reader.times(functions, _FUNCTION.size)]
    found = tuple(reader.stack(known, version) for _ in reader.times(stacks, _STACK.size))
    samples = reader.samples(alive)
    if len(samples) and int(samples["stack"].max()) >= max(1, len(found)):
        raise ProtocolError("a sample has a stack that there is not")
    return Samples(
        mean_bytes=mean,
        seconds=elapsed_ns / 1e9,
        stacks=found,
        address=samples["address"].copy(),
        size=samples["size"].copy(),
        stack=samples["stack"].copy(),
        taken=taken,
        lost=lost,
        unplaced=unplaced,
        displaced=_ABSENT in places,
    )


class _Function:
    """A function that stacks lead through."""

    def __init__(self, name: str, file: str, first_line: int, table: bytes) -> None:
        self._name, self._file = name, file
        self._first_line, self._table = first_line, table
        self._sites: dict[int, Site] = {}

    def site(self, version: int, offset: int) -> Site:
        known = self._sites.get(offset)
        if known is None:
            line = line_at(version, self._first_line, self._table, offset)
            known = self._sites[offset] = Site(self._file, line, self._name)
        return known


class _Reader:
    """Reads one record after the other; raises `ProtocolError` where there is none."""

    def __init__(self, body: bytes, at: int) -> None:
        self._body = body
        self._at = at

    def times(self, count: int, least: int) -> Iterator[int]:
        """Count to `count`, if so many records of at least so many bytes can follow."""
        if count * least > len(self._body) - self._at:
            raise ProtocolError("the answer of the sampler is too short")
        yield from range(count)

    def function(self) -> _Function:
        first_line, name, file, table = _FUNCTION.unpack(self._take(_FUNCTION.size))
        return _Function(
            self._take(name).decode("utf-8", "replace"),
            self._take(file).decode("utf-8", "replace"),
            first_line,
            self._take(table),
        )

    def stack(self, known: list[_Function], version: int) -> SampledStack:
        depth, cut, objects, size, variance = _STACK.unpack(self._take(_STACK.size))
        if depth > DEEPEST:
            raise ProtocolError("a stack is deeper than stacks are")
        frames = list(_FRAME.iter_unpack(self._take(depth * _FRAME.size)))
        if any(function >= len(known) for function, _ in frames):
            raise ProtocolError("a stack leads through a function that there is not")
        calls = tuple(known[function].site(version, offset) for function, offset in frames)
        return SampledStack(calls, bool(cut), objects, size, variance)

    def samples(self, count: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        return np.frombuffer(self._take(count * _SAMPLE.itemsize), _SAMPLE)

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._body):
            raise ProtocolError("the answer of the sampler is too short")
        taken = self._body[self._at : end]
        self._at = end
        return taken
