"""Where a process allocates, sampled for some time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

from leakscope.analysis.allocation import objects_in, profile_of
from leakscope.capture.gathering import printable
from leakscope.capture.sampling import MEAN_BYTES, AllocationSampler, SamplingRefused
from leakscope.errors import LeakscopeError
from leakscope.watching.captures import FrozenCensusCapture

if TYPE_CHECKING:
    from leakscope.capture.process import ProcessIdentity
    from leakscope.model.allocation import AllocationProfile, Samples
    from leakscope.watching.opening import Connected

_LOOK_EVERY_S = 0.25
"""How often it is seen whether the target still runs, and the samples are read."""
_READ_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """How long and how densely allocations are sampled."""

    seconds: float
    mean_bytes: int = MEAN_BYTES
    """Bytes allocated per sample, on average."""
    types: bool = True
    """Whether to look at the end, in a frozen copy, which types the samples are of."""


def profile_process(
    connected: Connected,
    plan: SamplingPlan,
    stop: Event,
    begun: Callable[[], None] = lambda: None,
) -> AllocationProfile:
    """Sample the allocations of a connected process; `stop` ends that early with what there is.

    `begun` is called as soon as there is something to tell. If the process exits later, what was
    read last is returned. Raises `SamplingRefused`, and what a request raises, if nothing was read
    before.
    """
    if connected.session is None:
        raise SamplingRefused("nothing runs in the target that could sample its allocations")
    sampler = AllocationSampler(connected.session)
    sampler.start(plan.mean_bytes)
    caveats: list[str] = []
    types = None
    samples = sampler.read()
    begun()
    try:
        for until in _readings(plan.seconds):
            ended = _wait(connected.identity, until, stop)
            samples = sampler.read()
            if ended:
                break
        if plan.types:
            samples, types = _with_types(connected, sampler, samples, caveats)
        if not sampler.stop():
            caveats.append(
                "Another tool put its hook over ours, which stays below it and passes all on."
            )
    except LeakscopeError as problem:
        caveats.append(f"Sampling ended early: {problem}.")
    return profile_of(
        samples, pid=connected.identity.pid, taken_at=time.time(), types=types, caveats=caveats
    )


def _readings(seconds: float) -> list[float]:
    """Return when samples are read, as `time.monotonic` tells: at the end, and now and then."""
    begin = time.monotonic()
    times = max(1, int(seconds / _READ_EVERY_S))
    return [begin + seconds * (at + 1) / times for at in range(times)]


def _wait(identity: ProcessIdentity, until: float, stop: Event) -> bool:
    """Wait; return whether to end before all of the time is over."""
    while (rest := until - time.monotonic()) > 0:
        if stop.wait(min(rest, _LOOK_EVERY_S)) or not identity.is_alive():
            return True
    return stop.is_set()


def _with_types(
    connected: Connected, sampler: AllocationSampler, before: Samples, caveats: list[str]
) -> tuple[Samples, list[str] | None]:
    """Return the samples of a frozen heap and the type of each one's object.

    They are read before the heap is frozen: what is freed in between has no object then, and counts
    as storage. Where the heap cannot be had, return what was read before, without types.
    """
    if not isinstance(connected.capture, FrozenCensusCapture):
        return before, None
    try:
        samples = sampler.read()
        with connected.capture.view() as view:
            rows = objects_in(samples, view.snapshot.address)
            names = view.snapshot.type_names
            of = [printable(names[view.snapshot.type[row]]) if row >= 0 else "" for row in rows]
        return samples, of
    except LeakscopeError as problem:
        caveats.append(f"Types are not told: {problem}.")
        return before, None
