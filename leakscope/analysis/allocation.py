"""What samples of allocations stand for: bytes in use and allocated by place, with bounds.

A block of `size` bytes is a sample with probability `1 - exp(-size / mean)`, each independently of
the others, `mean` being larger for large blocks. So the inverse of that is its weight (Horvitz and
Thompson 1952; Go's heap profile scales alike). Bounds are those of a weighted sum of Poisson counts
(Fay and Feuer 1997): exact for equal weights, and honest for the few samples that most places have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from leakscope.model.allocation import (
    LARGE_BYTES,
    LARGE_RARER,
    AllocationProfile,
    AllocationSite,
    SampledStack,
    Samples,
    TypeShare,
)
from leakscope.model.evidence import Site
from leakscope.model.trend import Interval

_BEYOND = 0.025
"""Probability that a total is above its bounds, and that it is below."""
_CERTAIN = 1e-15
"""Relative variance below which a total is known."""
_HEADERS = (0, 16, 32)
"""Bytes from the beginning of a block to the object in it: the header of the collector, and from
3.11 on what stands before that."""
_LEAST_OBJECT = 16

_Place = tuple[tuple[Site, ...], bool]


def estimate(value: float, variance: float, largest: float, least: float = 0.0) -> Interval:
    """Return an estimated total with its bounds.

    `variance` is that of `value`; `largest` the weight that one more sample would have had; `least`
    what was seen and so is there for certain.
    """
    low = _quantile(value, variance, _BEYOND)
    high = _quantile(value + largest, variance + largest * largest, 1 - _BEYOND)
    return Interval(value, min(max(low, least), value), max(high, value))


def _quantile(mean: float, variance: float, share: float) -> float:
    """Return the quantile of the gamma distribution with this mean and variance."""
    if variance <= _CERTAIN * mean * mean:
        return mean
    from scipy.special import gammaincinv

    return variance / mean * float(gammaincinv(mean * mean / variance, share))


def sampled_share(size: NDArray[np.float64], mean_bytes: int) -> NDArray[np.float64]:
    """Return with which probability blocks of these sizes are samples.

    `mean_bytes`: as in `Samples`.
    """
    mean = np.where(size >= LARGE_BYTES, mean_bytes * LARGE_RARER, mean_bytes)
    return -np.expm1(-size / mean)


def objects_in(samples: Samples, address: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the row of the object that is in each sampled block, -1 where none is.

    `address`: of all objects, ascending. Blocks that are the storage of a list, a dict or a buffer
    hold none.
    """
    found = np.full(len(samples.address), -1, np.int64)
    if not len(address):
        return found
    for header in _HEADERS:
        wanted = samples.address + np.uint64(header)
        row = np.minimum(np.searchsorted(address, wanted), len(address) - 1)
        fits = (address[row] == wanted) & (samples.size >= header + _LEAST_OBJECT)
        found = np.where((found < 0) & fits, row, found)
    return found


@dataclass(slots=True)
class _Tally:
    """What is added up for one place."""

    in_use: float = 0.0
    variance: float = 0.0
    largest: float = 0.0
    seen: float = 0.0
    objects: float = 0.0
    samples: int = 0
    allocated: float = 0.0
    allocated_variance: float = 0.0
    allocated_objects: float = 0.0
    types: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(_nothing))

    def add(self, size: float, share: float, type_name: str | None) -> None:
        """Add a sample that is alive."""
        weight = size / share
        self.in_use += weight
        self.variance += weight * weight * (1 - share)
        self.largest = max(self.largest, weight * (1 - share))
        self.seen += size
        self.objects += 1 / share
        self.samples += 1
        if type_name is not None:
            self.types[type_name][0] += 1 / share
            self.types[type_name][1] += weight

    def allocate(self, stack: SampledStack) -> None:
        """Add all that was allocated under a stack."""
        self.allocated += stack.bytes
        self.allocated_variance += stack.variance
        self.allocated_objects += stack.objects

    def forget_spread(self) -> None:
        """Take what was estimated for certain."""
        self.variance = self.largest = self.allocated_variance = 0.0

    def in_use_bytes(self) -> Interval:
        return estimate(self.in_use, self.variance, self.largest, self.seen)

    def allocated_bytes(self) -> Interval:
        typical = self.allocated_variance / self.allocated if self.allocated else 0.0
        return estimate(self.allocated, self.allocated_variance, typical)


def _nothing() -> list[float]:
    return [0.0, 0.0]


def profile_of(
    samples: Samples,
    *,
    pid: int,
    taken_at: float,
    types: Sequence[str] | None = None,
    caveats: Iterable[str] = (),
    bounds: bool = True,
) -> AllocationProfile:
    """Add samples up by the place that allocated.

    Without `bounds` those of estimates are the estimates: to have them takes scipy.

    `types`: for each sample the type of its object, empty for none; None where it is not known.
    """
    places: dict[_Place, _Tally] = {}
    everything = _Tally()
    tallies = []
    for stack in samples.stacks:
        tally = places.setdefault((stack.calls, stack.cut), _Tally())
        tallies.append(tally)
        tally.allocate(stack)
        everything.allocate(stack)
    shares = sampled_share(samples.size.astype(np.float64), samples.mean_bytes)
    for at, (size, share) in enumerate(zip(samples.size.tolist(), shares.tolist(), strict=True)):
        type_name = None if types is None else types[at]
        for tally in (tallies[int(samples.stack[at])], everything):
            tally.add(size, share, type_name)
    for tally in () if bounds else (*places.values(), everything):
        tally.forget_spread()
    sites = [_site(place, tally) for place, tally in places.items() if tally.allocated]
    sites.sort(key=_order)
    return AllocationProfile(
        pid=pid,
        seconds=samples.seconds,
        taken_at=taken_at,
        mean_bytes=samples.mean_bytes,
        sites=tuple(sites),
        in_use_bytes=everything.in_use_bytes(),
        allocated_bytes=everything.allocated_bytes(),
        samples=everything.samples,
        taken=samples.taken,
        caveats=(*caveats, *_caveats(samples)),
    )


def _site(place: _Place, tally: _Tally) -> AllocationSite:
    calls, cut = place
    types = [TypeShare(name, *of) for name, of in tally.types.items()]
    return AllocationSite(
        calls=calls,
        cut=cut,
        in_use_bytes=tally.in_use_bytes(),
        in_use_objects=tally.objects,
        allocated_bytes=tally.allocated_bytes(),
        allocated_objects=tally.allocated_objects,
        samples=tally.samples,
        types=tuple(sorted(types, key=lambda each: (-each.bytes, each.type))),
    )


def _order(site: AllocationSite) -> tuple[float, float, tuple[Site, ...]]:
    return -site.in_use_bytes.estimate, -site.allocated_bytes.estimate, site.calls


def _caveats(samples: Samples) -> list[str]:
    told = []
    if samples.displaced:
        told.append(
            "Somebody changed the interpreter's allocators meanwhile: the samples are of the time "
            "until then, and some of what they tell may have been freed since."
        )
    if samples.lost:
        told.append(
            f"There was no room for {samples.lost:,} samples: all figures are too small. A larger "
            "--sample-bytes needs less."
        )
    if samples.unplaced:
        told.append(f"There was no room for the stacks of {samples.unplaced:,} samples.")
    return told
