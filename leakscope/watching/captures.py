"""Which capture measures a target: frozen copies where they can be had, Python source elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import Enum

import psutil

from leakscope.analysis import kernels
from leakscope.analysis.kernels import GraphTooLarge, KernelsMissing, MalformedGraph
from leakscope.capture.heapreader import HeapTooLarge
from leakscope.capture.heapstream import BrokenStream, HeapUnreadable, SnapshotFailed
from leakscope.capture.interface import Capture, Planted, Planting, Reading
from leakscope.capture.native import NativeCapture, NotEnoughMemory
from leakscope.capture.portable import PortableCapture
from leakscope.capture.sampling import AllocationSampler, SamplingRefused
from leakscope.capture.session import Session
from leakscope.errors import LeakscopeError, UsageError
from leakscope.model.allocation import Samples
from leakscope.model.evidence import Evidence, HolderEvidence, Suspects
from leakscope.model.image import HeapImage
from leakscope.model.recording import CaptureKind
from leakscope.model.typenames import bare
from leakscope.watching.heap_evidence import explain
from leakscope.watching.heap_keeping import kept, view_of
from leakscope.watching.heap_live import live_reading
from leakscope.watching.heap_roots import KnownObjects
from leakscope.watching.heap_sites import allocated_in
from leakscope.watching.heap_view import HeapView
from leakscope.watching.stray_watch import StrayWatch

REMEMBERED_AT = 2
REMEMBERED_AT_ONCE = 2_000_000
"""Objects up to which a heap is remembered at this census, not only when it is looked into."""
BYTES_PER_OBJECT = 200
"""Memory that leakscope needs for a heap while it looks into it, at most."""
SAMPLE_BYTES = 64 * 1024
"""Bytes allocated per sample while it is asked where what grows is allocated."""
CLOSE_SAMPLE_BYTES = 512
"""And where a little work has to tell, whatever that costs."""
LARGEST = 30_000_000
"""Objects that can be looked into within about half a minute."""


class CaptureChoice(str, Enum):
    """What the user asked for."""

    AUTO = "auto"
    NATIVE = "native"
    PORTABLE = "portable"
    READONLY = "readonly"


class NothingRuns(UsageError):
    """A read-only census was asked for, and something that takes code in the target."""

    hint = "Leave `--capture readonly` out: leakscope then runs a little code in the target."


def require_code(choice: CaptureChoice, what: str) -> None:
    """Raise `NothingRuns` if `what`, which takes code that runs in the target, cannot be had."""
    if choice is CaptureChoice.READONLY:
        raise NothingRuns(f"{what} cannot be read from outside: it takes code in the target")


class NativeNotThere(LeakscopeError):
    """Native capture was asked for, and this installation or target does not have it."""

    hint = "Install leakscope on Linux with a C compiler there, or use --capture portable."


UNREADABLE = (HeapUnreadable, BrokenStream, MalformedGraph)
"""What a heap snapshot may fail with that is not to be tried again in the target itself."""
UNEXPLAINED = (SnapshotFailed, NotEnoughMemory, HeapTooLarge, KernelsMissing, GraphTooLarge)
"""What it may fail with otherwise: the target can still be asked in another way."""


class FrozenCensusCapture:
    """Counts in frozen copies of the heap, and looks there for who holds the suspects.

    Either holds the target up for the length of one fork. Where a copy with all references cannot
    be had, evidence comes from Python source that runs in the target. So do the places where
    functions are defined, and where objects were allocated if all of that is to be traced.
    """

    def __init__(
        self, native: NativeCapture, portable: PortableCapture, sampler: AllocationSampler
    ) -> None:
        self._native = native
        self._sampler = sampler
        self._samples: Samples | None = None
        self._is_sampling = False
        self._portable = portable
        self._known: KnownObjects | None = None
        self._censuses = self._objects = 0
        self._traces = False
        self.strays = StrayWatch()
        self._caveats: list[str] = []

    @property
    def kind(self) -> CaptureKind:
        """How it measures."""
        return self._native.kind

    @property
    def caveats(self) -> tuple[str, ...]:
        """What readers of its figures must know."""
        return (*self._native.caveats, *self._caveats, *self._sampled())

    def census(self) -> Reading:
        """Count what is alive now; see `Capture.census`.

        At the second time, which says that there will be more, what there is in a heap of modest
        size is remembered, to tell later what is new, unless the heap was looked into before.
        """
        reading = self._native.census()
        self._censuses += 1
        self._objects = sum(total.objects for total in reading.types.values())
        late = self._censuses >= REMEMBERED_AT and self._known is None
        if late and self._objects <= REMEMBERED_AT_ONCE:
            with suppress(*UNREADABLE, *UNEXPLAINED), self._native.snapshot() as heap:
                self._known = KnownObjects.of(heap.heap.snapshot)
                self.follow(view_of(heap))
        return reading

    def census_of_live(self) -> Reading:
        """Count what is alive now, without cyclic garbage that gc has not got to yet.

        Where the collector is off it never gets to that, so it counts. Counting takes a snapshot:
        the pause is the same, the copy works longer than for a census. What there is at the second
        time is remembered, to tell later what is new. Raises `HeapTooLarge`, `KernelsMissing`, or
        what a snapshot raises.
        """
        self._require_room()
        with self._native.snapshot() as opened:
            view = view_of(opened)
            self.follow(view)
            collects = opened.names.collects()
        self._censuses += 1
        if self._censuses >= REMEMBERED_AT and self._known is None:
            self._known = KnownObjects.of(view.snapshot)
        reading = live_reading(view, with_garbage=not collects)
        self._objects = view.snapshot.objects
        return reading

    def gather(self, suspects: Suspects) -> Evidence:
        """Find out who holds the suspects; see `Capture.gather`."""
        try:
            evidence = self._explained(suspects)
        except UNREADABLE as problem:
            self._caveat(f"Who holds what is not told: {problem}.")
            return Evidence()
        except UNEXPLAINED as problem:
            self._caveat(f"Who holds what was asked of Python in the target: {problem}.")
            return self._portable.gather(suspects)
        return self._with_sites(evidence)

    def trace_allocations(self, *, on: bool) -> None:
        """Start or stop recording where objects are allocated; see `Capture`."""
        self._portable.trace_allocations(on=on)
        self._traces = on

    @property
    def objects(self) -> int:
        """How many objects the last census counted."""
        return self._objects

    def sample_allocations(self, *, on: bool) -> None:
        """Start or stop sampling where objects are allocated; see `Capture`."""
        if on == self._is_sampling:
            return
        try:
            if on:
                self._sampler.start(SAMPLE_BYTES)
            else:
                self._sampler.stop()
        except SamplingRefused as problem:
            self._caveat(f"Where what grows is allocated is not told: {problem}.")
        else:
            self._is_sampling = on

    def sample_closely(self) -> None:
        """Begin to sample anew, so often that one round of work tells; it costs the target more.

        `sample_allocations` ends it. Raises `SamplingRefused`, and what a request raises.
        """
        self._sampler.start(CLOSE_SAMPLE_BYTES)
        self._is_sampling = True

    def plant(self, objects: int) -> Planted:
        """Have the target keep so many more objects; see `Planting.plant`."""
        return self._portable.plant(objects)

    def close(self) -> None:
        """Detach; see `Capture.close`."""
        self._portable.close()

    @contextmanager
    def view(
        self,
        *,
        at: float = 0.0,
        work: float | None = None,
        told: Callable[[str], None] = lambda _stage: None,
        follow: bool = True,
    ) -> Iterator[HeapView]:
        """Freeze the heap and look into it; its copy waits until the block is left.

        `at` and `work` say when, for an image that is to be kept; `told` is told what is about to
        be done. At the end of the block it is taken note of (see `follow`) unless that says no; a
        block that asks the copy a last question does so itself. Raises `HeapTooLarge`,
        `KernelsMissing`, or what a snapshot raises.
        """
        self._require_room()
        told("objects and references")
        with self._native.snapshot() as heap:
            view = view_of(heap, at=at, work=work, told=told)
            yield view
            if follow:
                self.follow(view)
        self._known = KnownObjects.of(heap.heap.snapshot)

    def follow(self, view: HeapView) -> None:
        """Take note of what lacks references in a heap whose frozen copy waits."""
        with suppress(LeakscopeError, *UNREADABLE, *UNEXPLAINED):
            self.strays.see(view, time.time())

    def _require_room(self) -> None:
        if not kernels.available():
            raise KernelsMissing("the graph kernels were not built")
        if self._objects > LARGEST:
            raise HeapTooLarge(f"{self._objects} objects take too long to look into")
        if psutil.virtual_memory().available < BYTES_PER_OBJECT * self._objects:
            raise HeapTooLarge(f"no memory here for the graph of {self._objects} objects")

    def _explained(self, suspects: Suspects) -> Evidence:
        if not suspects:
            return Evidence()
        if not self._is_sampling:
            with self.view() as view:
                return explain(view, suspects, self._known)
        self._samples = self._sampler.read()  # First: what is in the heap was allocated before.
        with self.view() as view:
            evidence = explain(view, suspects, self._known)
            types = (*suspects.types, *suspects.sizes)
            sites = allocated_in(view, self._samples, evidence.holders, types)
        return replace(evidence, sites=sites)

    def _with_sites(self, evidence: Evidence) -> Evidence:
        """Add what only the interpreter itself can tell: source lines."""
        unplaced = [h.address for h in evidence.holders if h.site is None and _is_function(h)]
        if not unplaced and not self._traces:
            return evidence
        try:
            told = self._portable.gather(Suspects(containers=tuple(unplaced)))
        except LeakscopeError as problem:
            self._caveat(f"Source lines are not told: {problem}.")
            return evidence
        sites = {holder.address: holder.site for holder in told.holders}
        holders = tuple(
            replace(h, site=sites.get(h.address)) if h.address in unplaced else h
            for h in evidence.holders
        )
        return replace(evidence, holders=holders, sites=(*evidence.sites, *told.sites))

    def _sampled(self) -> tuple[str, ...]:
        if self._samples is None:
            return ()
        mean = self._samples.mean_bytes
        per_sample = f"{mean >> 10} KiB" if mean >= 1 << 10 else f"{mean} bytes"
        return (
            f"In the last {max(1, round(self._samples.seconds))} s allocations were sampled, to "
            f"tell where what grows is allocated: one per {per_sample}, "
            f"{self._samples.taken:,} in all.",
        )

    def _caveat(self, text: str) -> None:
        if text not in self._caveats:
            self._caveats.append(text)


def _is_function(holder: HolderEvidence) -> bool:
    """Return whether it is functions that pile up, which are told by where they were defined."""
    return bool(holder.entry) and bare(holder.entry[-1].type) == "function"


def planting(capture: Capture) -> Planting:
    """Return `capture` as one that can plant objects; raise `NothingRuns` if it cannot."""
    if isinstance(capture, FrozenCensusCapture | PortableCapture):
        return capture
    raise NothingRuns("a canary cannot be planted from outside: it takes code in the target")


def heap_keeper(
    capture: Capture, told: Callable[[str], None] = lambda _stage: None
) -> Callable[[float, float | None], HeapImage] | None:
    """Return what takes a heap snapshot to be kept, None if this capture cannot take any.

    It is given the time and the work done until now, and raises as `FrozenCensusCapture.view`.
    `told` is told what is about to be done.
    """
    if not isinstance(capture, FrozenCensusCapture):
        return None

    def keep(at: float, work: float | None) -> HeapImage:
        with capture.view(at=at, work=work, told=told) as view:
            return kept(view)

    return keep


class CarriedOnCapture(PortableCapture):
    """Portable capture of a target whose heap could not be frozen, which it says."""

    def __init__(self, session: Session, reason: LeakscopeError) -> None:
        super().__init__(session)
        self._reason = reason

    @property
    def caveats(self) -> tuple[str, ...]:
        """What readers of its figures must know, the reason first."""
        return (f"The heap could not be frozen: {self._reason}.", *super().caveats)


def capture_for(
    session: Session, choice: CaptureChoice = CaptureChoice.AUTO, *, at_rest: bool = False
) -> Capture:
    """Return the capture to measure the target of `session` with; `at_rest` when it is measured.

    `AUTO` takes frozen copies if the agent can make one now, else Python source; but a heap that a
    copy came to grief in is not to be followed in the target. Raises `NativeNotThere` if frozen
    copies were asked for and this agent cannot make them, `HeapUnreadable`, and what keeps copies
    from being made if they were asked for.
    """
    if choice is CaptureChoice.PORTABLE:
        return PortableCapture(session)
    if session.kind != "native-agent":
        if choice is CaptureChoice.NATIVE:
            raise NativeNotThere("the native agent is not there")
        return PortableCapture(session)
    portable = PortableCapture(session)
    native = NativeCapture(
        session, explain=lambda heap, asked: explain(view_of(heap), asked), at_rest=at_rest
    )
    try:
        native.census()
    except (SnapshotFailed, NotEnoughMemory) as problem:
        if choice is CaptureChoice.NATIVE or isinstance(problem, HeapUnreadable):
            raise
        return CarriedOnCapture(session, problem)
    return FrozenCensusCapture(native, portable, AllocationSampler(session))
