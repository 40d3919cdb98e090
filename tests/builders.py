"""Recordings drawn in code: `recording_of(types={"shop.Order": [10, 20, 30]}, work=100)`.

Series are given key by key, one value per census, as one would sketch them on paper; the builders
turn them into censuses. Containers are named by the path a reader would know them by, with their
type after a colon (`shop.audit.PENDING:list`, list when left out); the address that stands for
the path everywhere is `address_of(path)`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

from leakscope.model.census import Census, ContainerLength, ProcessMetrics, TypeTotal
from leakscope.model.evidence import (
    EntryShare,
    Evidence,
    HolderEvidence,
    Site,
    SiteGrowth,
    Step,
    TypeEvidence,
    Unheld,
)
from leakscope.model.recording import CaptureKind, Ending, Recording
from leakscope.model.target import MemoryLimit, Target

Series = Sequence[float | None]
"""One value per census; None where the key was not there."""

EPOCH = 1_700_000_000.0
"""When the first census of every drawn recording was taken."""

TARGET = Target(
    pid=4242,
    started=EPOCH - 60.0,
    cmdline=("python", "shop.py"),
    python="3.12.1",
    implementation="cpython",
)


def address_of(path: str) -> int:
    """Return the address that stands for the container `path` (its `:type` does not count)."""
    return 0x7F00_0000_0000 + zlib.crc32(path.partition(":")[0].encode()) * 16


def key_of(path: str) -> str:
    """Return the key under which trends speak of the container `path`."""
    return f"{address_of(path):#x}"


def census_of(
    types: Mapping[str, float] | None = None,
    *,
    sizes: Mapping[str, int] | None = None,
    lengths: Mapping[str, float] | None = None,
    at: float = EPOCH,
    work: float | None = None,
    rss: float | None = None,
    threads: float | None = None,
    fds: float | None = None,
    pause_ms: float = 10.0,
) -> Census:
    """Return one census; objects have 64 bytes unless `sizes` says otherwise."""
    sizes = sizes or {}
    containers = [
        ContainerLength(address_of(path), path.partition(":")[2] or "list", int(length))
        for path, length in (lengths or {}).items()
    ]
    return Census(
        at=at,
        work=work,
        types={
            name: TypeTotal(int(count), int(count) * sizes.get(name, 64))
            for name, count in (types or {}).items()
        },
        containers=tuple(sorted(containers, key=lambda c: (-c.length, c.address))),
        metrics=ProcessMetrics(rss=_whole(rss), threads=_whole(threads), fds=_whole(fds)),
        pause_ms=pause_ms,
    )


def recording_of(
    types: Mapping[str, Series] | None = None,
    *,
    lengths: Mapping[str, Series] | None = None,
    sizes: Mapping[str, int] | None = None,
    work: float | Sequence[float] | None = None,
    work_unit: str = "request",
    every: float = 5.0,
    samples: int | None = None,
    rss: Series | None = None,
    threads: Series | None = None,
    fds: Series | None = None,
    evidence: Evidence | None = None,
    target: Target = TARGET,
    kind: CaptureKind = CaptureKind.NATIVE,
    ending: Ending = Ending.COMPLETE,
    limit: MemoryLimit | None = None,
    caveats: Sequence[str] = (),
    start: float = EPOCH,
) -> Recording:
    """Return a recording of the series given.

    `work` is the counter at each census, or how much was done between two of them, or None for a
    recording that knows time only. `sizes` are bytes per object by type. `samples` is needed only
    when no series is given. Raises ValueError when series differ in length.
    """
    types, lengths = types or {}, lengths or {}
    process = [series for series in (rss, threads, fds) if series is not None]
    count = _length_of([*types.values(), *lengths.values(), *process])
    count = samples if samples is not None else count
    counter = _counter(work, count)
    censuses = tuple(
        census_of(
            _at(types, i),
            sizes=sizes,
            lengths=_at(lengths, i),
            at=start + i * every,
            work=None if counter is None else counter[i],
            rss=None if rss is None else rss[i],
            threads=None if threads is None else threads[i],
            fds=None if fds is None else fds[i],
        )
        for i in range(count)
    )
    return Recording(
        target=target,
        kind=kind,
        work_unit="second" if work is None else work_unit,
        censuses=censuses,
        evidence=evidence if evidence is not None else Evidence(),
        ending=ending,
        limit=limit,
        caveats=tuple(caveats),
        leakscope="0.0.0",
    )


def evidence_of(
    *about: HolderEvidence | TypeEvidence, sites: Sequence[SiteGrowth] = ()
) -> Evidence:
    """Return evidence made of what was learnt about holders and types."""
    return Evidence(
        holders=tuple(item for item in about if isinstance(item, HolderEvidence)),
        types=tuple(item for item in about if isinstance(item, TypeEvidence)),
        sites=tuple(sites),
    )


def holder(
    path: str,
    *,
    chain: str = "",
    entry: str = "",
    shares: Mapping[str, tuple[float, float]] | None = None,
    sampled: int = 8,
    site: Site | None = None,
    beside: Mapping[str, float] | None = None,
) -> HolderEvidence:
    """Return evidence for the container `path` of `recording_of(lengths=...)`.

    `chain` and `entry` are drawn as `steps` are; without a `chain` the path `a.b.NAME` becomes
    module `a.b` and its attribute NAME. `shares` are (objects, bytes) per entry by type,
    `beside` are objects that others hold as well.
    """
    name, _, kind = path.partition(":")
    kind = kind or "list"
    module, _, attribute = name.rpartition(".")
    drawn = chain or f"module {module} : module -> .{attribute} : {kind}"
    found = [EntryShare(type_, *share) for type_, share in (shares or {}).items()]
    return HolderEvidence(
        address=address_of(name),
        type=kind,
        chain=steps(drawn),
        entry=steps(entry),
        shares=tuple(sorted(found, key=lambda share: (-share.bytes, share.type))),
        entries_sampled=sampled,
        site=site,
        beside=tuple(EntryShare(name, objects, 0.0) for name, objects in (beside or {}).items()),
    )


def held_type(
    name: str, *, objects: int = 100, chain: str = "", unheld: Unheld | None = None
) -> TypeEvidence:
    """Return evidence for one type, with its chain drawn as `steps` are."""
    return TypeEvidence(type=name, objects=objects, chain=steps(chain), unheld=unheld)


def steps(drawn: str) -> tuple[Step, ...]:
    """Return a chain drawn as `module shop : module -> .ORDERS : list -> [17] : shop.Order`."""
    links = [link.strip() for link in drawn.split("->") if link.strip()]
    pairs = [link.rpartition(" : ") for link in links]
    return tuple(Step(edge.strip(), kind.strip()) for edge, _, kind in pairs)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _length_of(series: Sequence[Series]) -> int:
    lengths = {len(values) for values in series}
    if len(lengths) > 1:
        raise ValueError(f"series of different lengths: {sorted(lengths)}")
    return lengths.pop() if lengths else 1


def _counter(work: float | Sequence[float] | None, count: int) -> list[float] | None:
    if work is None:
        return None
    if isinstance(work, (int, float)):
        return [work * i for i in range(count)]
    if len(work) != count:
        raise ValueError(f"{len(work)} readings of the work counter for {count} censuses")
    return list(work)


def _at(series: Mapping[str, Series], index: int) -> dict[str, float]:
    there = {key: values[index] for key, values in series.items()}
    return {key: value for key, value in there.items() if value is not None}
