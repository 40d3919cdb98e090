"""Measuring a target by a frozen copy of its heap: a pause of one `fork`, whatever the heap holds.

The agent clones the target under the interpreter's lock; the copy walks its heap, says what it
found over a socket of its own, and ends. Nothing of the target is run, written or counted up.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from leakscope.capture.heapnames import HeapNames
from leakscope.capture.heapreader import FrozenHeap, HeapCensus, read_census, read_heap
from leakscope.capture.heapstream import FAILURES, HeapStream, HeapUnreadable, SnapshotFailed
from leakscope.capture.interface import CONTAINERS, SHORTEST, Reading
from leakscope.capture.limits import memory_bound, promise_bound, writable_bytes
from leakscope.capture.niceness import crowd, niceness
from leakscope.capture.session import Session
from leakscope.capture.wire import Opcode, SessionLost
from leakscope.errors import LeakscopeError
from leakscope.model.census import TypeTotal
from leakscope.model.evidence import Evidence, Suspects
from leakscope.model.recording import CaptureKind

CENSUS_WITHIN_S = 60
SNAPSHOT_WITHIN_S = 600
"""Seconds after which a frozen copy ends itself, whatever it is at."""

_LAST_WORDS_WITHIN_S = 2
"""Seconds that a copy whose time is up is given to say at what it was."""

_CENSUS, _FULL = 1, 2
_REQUEST = struct.Struct("=IIIIQ")
_OPENED = struct.Struct("=IiiIQQ")
_REAP = struct.Struct("=I")
_REAPED = struct.Struct("=iiI")
_REAP_WITHIN_MS = 5000
_MIB = 1 << 20
_LEAST_BUDGET = 64 * _MIB
_SHARE = {_CENSUS: 0.10, _FULL: 0.25}
"""Of the target's RSS: what a copy may come to take, the pages that the target writes meanwhile
(which are then there twice) and its own memory together."""
_WORK_S_PER_GB = {_CENSUS: 1.3, _FULL: 4.0}
"""Processor time that a copy takes for a GB of RSS (measured: 0.8 to 1.3, and 1.3 to 2.3)."""
_DONE_WITHIN_S = 10.0
"""How long a copy may take for that while all processors are busy: as long as it lives, what the
target writes costs more, and takes memory twice."""
_REFUSALS = {
    errno.EAGAIN: ": its user or control group may have no more processes",
    errno.ENOMEM: ": there is no memory for it, or none that may be promised",
}


_OF_ITS_OWN = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGILL,
        signal.SIGFPE,
        signal.SIGABRT,
        signal.SIGALRM,
    }
)
"""Signals that end a copy for what it was doing; others come from outside."""


class NotEnoughMemory(LeakscopeError):
    """A frozen copy might push the target over its memory limit."""

    hint = "Give it more memory, or use `--capture readonly`, which needs none in the target."


@dataclass(frozen=True, slots=True)
class Pause:
    """What one freeze cost the target."""

    waited_ms: float
    """For the interpreter's lock; the target runs on meanwhile."""
    held_ms: float
    """While the lock was held for the clone: how long the target stood still."""


class OpenHeap:
    """A heap snapshot whose frozen copy still waits, to be asked for names."""

    def __init__(self, heap: FrozenHeap, stream: HeapStream, pause: Pause) -> None:
        self.heap = heap
        self.pause = pause
        self.names = HeapNames(stream, heap.header.version, heap.roots)


Explain = Callable[[OpenHeap, Suspects], Evidence]
"""Finds out from a heap snapshot who holds the suspects."""


class NativeCapture:
    """A target measured by frozen copies. Not for use from several threads."""

    def __init__(self, session: Session, *, explain: Explain, at_rest: bool = False) -> None:
        """Measure the target of `session`; `explain` answers `gather`, from a full snapshot.

        Copies of a target that is `at_rest` whenever it is measured need not let it go first.
        """
        self._session = session
        self._explain = explain
        self._at_rest = at_rest
        self._passed_over = 0

    @property
    def kind(self) -> CaptureKind:
        """How it measures."""
        return CaptureKind.NATIVE

    @property
    def caveats(self) -> tuple[str, ...]:
        """What readers of its figures must know."""
        if not self._passed_over:
            return ()
        return (
            f"An extension type tells of references that lead to no object ({self._passed_over}); "
            "they were passed over.",
        )

    def census(self) -> Reading:
        """Count what is alive now; see `Capture.census`.

        Everything counts, tracked by gc or not; bytes are exact. Cyclic garbage that gc has not got
        to yet is alive for a census.

        Raises `NotEnoughMemory`, `SnapshotFailed`, `BrokenStream`, or what a request raises.
        """
        with self._frozen(_CENSUS, CENSUS_WITHIN_S) as (stream, pause):
            census = read_census(stream, containers=CONTAINERS)
        self._passed_over = max(self._passed_over, census.summary.odd_references)
        return Reading(_totals(census), census.containers, pause.held_ms)

    @contextmanager
    def snapshot(self) -> Iterator[OpenHeap]:
        """Take a full snapshot; its frozen copy waits to be asked until the block is left.

        Raises as `census` does.
        """
        with self._frozen(_FULL, SNAPSHOT_WITHIN_S) as (stream, pause):
            heap = read_heap(stream, containers=CONTAINERS)
            self._passed_over = max(self._passed_over, heap.summary.odd_references)
            yield OpenHeap(heap, stream, pause)

    def gather(self, suspects: Suspects) -> Evidence:
        """Find out who holds the suspects; see `Capture.gather`."""
        if not suspects:
            return Evidence()
        with self.snapshot() as heap:
            return self._explain(heap, suspects)

    def trace_allocations(self, *, on: bool) -> None:
        """Do nothing: a frozen heap does not tell where its objects were allocated."""

    def sample_allocations(self, *, on: bool) -> None:
        """Do nothing, likewise."""

    def close(self) -> None:
        """Detach; see `Capture.close`."""
        self._session.close()

    @contextmanager
    def _frozen(self, depth: int, within_s: int) -> Iterator[tuple[HeapStream, Pause]]:
        """Freeze the heap and yield the stream; reap the copy at the end."""
        identity = self._session.identity
        resident = _resident(identity.pid)
        budget = self._budget(depth, resident)
        work_s = _WORK_S_PER_GB[depth] * resident / 1e9
        share = work_s / _DONE_WITHIN_S
        nice = 0 if self._at_rest else niceness(share, crowd(identity.system))
        request = _REQUEST.pack(depth, SHORTEST, within_s, nice, budget)
        reply = self._session.request(Opcode.HEAP_FREEZE, request)
        stream = self._stream(reply.body, reply.descriptor, within_s)
        failed: SnapshotFailed | None = None
        lost: SessionLost | None = None
        ending = 0
        try:
            yield stream, Pause(reply.waited_ns / 1e6, reply.held_ns / 1e6)
        except SnapshotFailed as failure:
            failed = failure
        finally:
            stream.close()
            try:
                ending = self._reap()
            except SessionLost as gone:
                lost = gone
        if failed is not None and lost is not None:
            raise lost from failed  # The copy ends with its target, which may take longer to end.
        if failed is not None:
            kind = HeapUnreadable if ending in _OF_ITS_OWN else type(failed)
            by = f" (it was ended by {_signal_name(ending)})" if ending else ""
            hint = failed.remedy if kind is type(failed) else None
            raise kind(f"{failed}{by}", hint=hint) from failed

    def _stream(self, opened: bytes, descriptor: int | None, within_s: int) -> HeapStream:
        failure, error, _, _, _, _ = _OPENED.unpack(opened)
        if failure or descriptor is None:
            if descriptor is not None:
                os.close(descriptor)
            reason = FAILURES.get(failure, f"failure {failure}")
            detail = f" ({os.strerror(error)}{_REFUSALS.get(error, '')})" if error else ""
            raise SnapshotFailed(f"the heap could not be frozen: {reason}{detail}")
        connected = socket.socket(fileno=descriptor)
        deadline = time.monotonic() + within_s + _LAST_WORDS_WITHIN_S
        return HeapStream(connected, deadline, self._session.require_alive)

    def _budget(self, depth: int, resident: int) -> int:
        """Return how many bytes a copy may take, after making sure that they are there."""
        pid = self._session.identity.pid
        budget = _LEAST_BUDGET + int(_SHARE[depth] * resident)
        require_promise(pid, budget)
        bound = memory_bound(pid)
        if bound is not None and bound.headroom_bytes < budget:
            raise NotEnoughMemory(
                f"a frozen copy may take {budget // _MIB} MiB, and {bound.source} leaves the "
                f"target {bound.headroom_bytes // _MIB} MiB"
            )
        return budget

    def _reap(self) -> int:
        """Have the agent reap the copy; return the signal that had ended it, 0 if none had.

        Raises `SessionLost` if the agent, or the whole target, has gone.
        """
        try:
            reply = self._session.request(Opcode.HEAP_REAP, _REAP.pack(_REAP_WITHIN_MS))
        except SessionLost:
            raise
        except LeakscopeError:
            return 0
        child, status, killed = _REAPED.unpack(reply.body)
        return 0 if child <= 0 or killed or not os.WIFSIGNALED(status) else os.WTERMSIG(status)


def require_promise(pid: int, budget: int, *, proc: Path = Path("/proc")) -> None:
    """Raise `NotEnoughMemory` if the kernel will not promise memory to a copy of process `pid`."""
    promise = promise_bound(proc=proc)
    needed = budget + writable_bytes(pid, proc=proc)
    if promise is not None and promise.headroom_bytes < needed:
        raise NotEnoughMemory(
            f"a frozen copy has to be promised {needed // _MIB} MiB, and {promise.source} leaves "
            f"{promise.headroom_bytes // _MIB} MiB to promise"
        )


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _totals(census: HeapCensus) -> dict[str, TypeTotal]:
    """Add up types that share a name."""
    totals: dict[str, TypeTotal] = {}
    for found in census.types:
        before = totals.get(found.name, TypeTotal(0, 0))
        totals[found.name] = TypeTotal(before.objects + found.objects, before.bytes + found.bytes)
    return totals
