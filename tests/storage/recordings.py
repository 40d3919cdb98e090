"""Recordings of every shape that the format must hold."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from hypothesis import strategies as st

from leakscope.model.census import Census, ContainerLength, ProcessMetrics, TypeTotal
from leakscope.model.evidence import (
    EntryShare,
    Evidence,
    HolderEvidence,
    ModuleFile,
    Opened,
    Site,
    SiteGrowth,
    Step,
    TypeEvidence,
    Unheld,
)
from leakscope.model.heap import HeapSnapshot, ObjectFlag
from leakscope.model.image import HeapImage, KeptNames
from leakscope.model.memory import Layer, LayerKind, LayerReading, Ledger
from leakscope.model.recording import CaptureKind, Ending, Recording
from leakscope.model.roots import HeapRoots, LocalRoot, ModuleRoot, ThreadRoot
from leakscope.model.target import MemoryLimit, Target

texts = st.one_of(
    st.sampled_from(["", "builtins.dict", "\\ud800", "a\\\\udfff", "\ud800\udc00", "\x00", "ключ"]),
    st.text(st.characters(codec=None), max_size=12),
    st.text(st.sampled_from("\\ud8f0\ud800\udfff"), max_size=12),
)
"""Text with lone surrogates, and with what could be taken for escaped ones."""

counts = st.integers(0, 2**63 - 1)
addresses = st.integers(0, 2**64 - 1)
reals = st.floats(allow_nan=False, allow_infinity=False)
amounts = st.floats(0, allow_nan=False, allow_infinity=False)
lines = st.integers(-(2**63), 2**63 - 1)


def several(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


sites = st.builds(Site, texts, lines, texts)
steps = several(st.builds(Step, texts, texts))
censuses = st.builds(
    Census,
    at=reals,
    work=st.none() | reals,
    types=st.dictionaries(texts, st.builds(TypeTotal, counts, counts), max_size=4),
    containers=several(st.builds(ContainerLength, addresses, texts, counts)),
    metrics=st.builds(
        ProcessMetrics,
        rss=st.none() | counts,
        uss=st.none() | counts,
        threads=st.none() | counts,
        fds=st.none() | counts,
        cpu_seconds=st.none() | amounts,
    ),
    pause_ms=amounts,
)
evidence = st.builds(
    Evidence,
    holders=several(
        st.builds(
            HolderEvidence,
            address=addresses,
            type=texts,
            chain=steps,
            entry=steps,
            shares=several(st.builds(EntryShare, texts, amounts, amounts.filter(bool))),
            entries_sampled=counts,
            site=st.none() | sites,
            beside=several(st.builds(EntryShare, texts, amounts, st.just(0.0))),
        )
    ),
    types=several(
        st.builds(
            TypeEvidence,
            texts,
            counts,
            steps,
            st.none() | st.builds(Unheld, texts, counts, counts, counts, steps, counts),
        )
    ),
    sites=several(st.builds(SiteGrowth, several(sites), counts, counts, addresses, texts)),
    modules=several(st.builds(ModuleFile, texts, texts)),
    opened=several(st.builds(Opened, texts, texts, texts, counts)),
    most_open=st.none() | counts,
)


@st.composite
def snapshots(draw: st.DrawFn) -> HeapSnapshot:
    """Draw a small heap: any graph, any figures that its arrays can hold."""
    objects = draw(st.integers(0, 5))
    names = draw(st.lists(texts, min_size=min(objects, 1), max_size=3))

    def numbers(each: st.SearchStrategy[int], count: int = objects) -> list[int]:
        return draw(st.lists(each, min_size=count, max_size=count))

    degrees = numbers(st.integers(0, 3))
    return HeapSnapshot(
        tuple(names),
        np.array(sorted(draw(st.sets(addresses, min_size=objects, max_size=objects))), np.uint64),
        np.array(numbers(st.integers(0, max(0, len(names) - 1))), np.int32),
        np.array(numbers(counts), np.int64),
        np.array(numbers(lines), np.int64),
        np.array(numbers(st.integers(0, 255)), np.uint8),
        np.cumsum([0, *degrees], dtype=np.int64),
        np.array(numbers(st.integers(0, max(0, objects - 1)), sum(degrees)), np.int32),
    )


images = st.builds(
    HeapImage,
    at=reals,
    work=st.none() | reals,
    pause_ms=amounts,
    snapshot=snapshots(),
    containers=several(st.builds(ContainerLength, addresses, texts, counts)),
    roots=st.builds(
        HeapRoots,
        modules=several(st.builds(ModuleRoot, addresses, texts)),
        threads=several(
            st.builds(ThreadRoot, addresses, texts, addresses, addresses, counts, several(sites))
        ),
        locals=several(st.builds(LocalRoot, addresses, texts, texts, counts, sites)),
    ),
    names=st.builds(
        KeptNames,
        edges=st.dictionaries(st.tuples(addresses, addresses), texts, max_size=3),
        fields=st.dictionaries(st.tuples(texts, texts, counts, counts), texts, max_size=3),
        labels=st.dictionaries(addresses, texts, max_size=3),
        suspended=st.dictionaries(addresses, several(sites), max_size=3),
    ),
)
ledgers = st.builds(
    Ledger,
    resident=counts,
    layers=st.tuples(*(st.builds(Layer, st.just(kind), counts) for kind in LayerKind)),
    remainder=lines,
    objects=counts,
    garbage=counts,
    threads=counts,
    allocator=texts,
    tells_free=st.booleans(),
    swapped=counts,
    pause_ms=amounts,
)
recordings = st.builds(
    Recording,
    layers=several(st.builds(LayerReading, reals, st.none() | reals, ledgers)),
    target=st.builds(Target, counts, reals, several(texts), texts, texts),
    kind=st.sampled_from(CaptureKind),
    work_unit=texts,
    censuses=st.lists(censuses, min_size=1, max_size=3).map(tuple),
    evidence=evidence,
    ending=st.sampled_from(Ending),
    limit=st.none() | st.builds(MemoryLimit, counts, texts),
    caveats=several(texts),
    leakscope=texts,
    heaps=several(images),
)


def same(one: Recording, other: Recording) -> bool:
    """Return whether two recordings are equal, the arrays of their heaps to the last bit."""
    return (
        replace(one, heaps=()) == replace(other, heaps=())
        and len(one.heaps) == len(other.heaps)
        and all(map(_same_heap, one.heaps, other.heaps))
    )


def _same_heap(one: HeapImage, other: HeapImage) -> bool:
    for field in fields(HeapSnapshot):
        here, there = (getattr(image.snapshot, field.name) for image in (one, other))
        if isinstance(here, np.ndarray):
            if here.dtype != there.dtype or not np.array_equal(here, there):
                return False
        elif here != there:
            return False
    return replace(one, snapshot=other.snapshot) == other


def random_heap(objects: int, references: int, seed: int) -> HeapImage:
    """Return a heap without names in which every object has the same chance to be referred to."""
    source = np.random.default_rng(seed)
    degrees = np.bincount(source.integers(objects, size=references), minlength=objects)
    return HeapImage(
        at=float(seed),
        work=None,
        pause_ms=1.0,
        snapshot=HeapSnapshot(
            tuple(f"package.Type{i}" for i in range(100)),
            0x7F00_0000_0000 + np.cumsum(16 * source.integers(1, 9, objects)).astype(np.uint64),
            source.integers(100, size=objects, dtype=np.int32),
            16 * source.integers(1, 50, objects),
            source.integers(1, 9, objects),
            source.integers(8, size=objects, dtype=np.uint8),
            np.concatenate([[0], np.cumsum(degrees)]),
            source.integers(objects, size=references, dtype=np.int32),
        ),
    )


def sample_heaps_with_calls() -> tuple[HeapImage, ...]:
    """Return the heaps that `fixtures/snapshots/v3.lscope` holds: their threads run something."""
    first, *others = sample_heaps()
    main, other = first.roots.threads
    calls = (Site("gateway/audit.py", 41, "flush"), Site("gateway/__main__.py", 7, "<module>"))
    threads = (replace(main, native_id=4242, calls=calls), other)
    return (replace(first, roots=replace(first.roots, threads=threads)), *others)


def sample_heaps() -> tuple[HeapImage, ...]:
    """Return the heaps that `fixtures/snapshots/v2.lscope` holds: something in every table."""
    tracked, immortal = ObjectFlag.GC_TRACKED, ObjectFlag.IMMORTAL | ObjectFlag.STATIC
    module, pending, record, key = 0x7F12_3456_0010, 0x7F12_3456_7890, 0x7F12_3456_9000, 2**64 - 16
    site = Site("gateway/audit.py", 41, "flush")
    first = HeapSnapshot(
        ("module", "builtins.dict", "gateway.audit.Record", "builtins.str"),
        np.array([0x5000, module, pending, record, key], np.uint64),
        np.array([3, 0, 1, 2, 3], np.int32),
        np.array([49, 72, 2**40, 48, 85], np.int64),
        np.array([2**32 - 1, 3, 2, 1, -5], np.int64),
        np.array([immortal, tracked, tracked, tracked, 0], np.uint8),
        np.array([0, 0, 1, 3, 6, 6], np.int64),
        np.array([2, 4, 3, 0, 3, 0], np.int32),
    )
    second = HeapSnapshot(
        ("builtins.str", "builtins.str"),
        np.array([0x5000, 0x6000], np.uint64),
        np.array([0, 1], np.int32),
        np.array([49, 50], np.int64),
        np.array([1, 1], np.int64),
        np.array([0, 0], np.uint8),
        np.array([0, 1, 1], np.int64),
        np.array([1], np.int32),
    )
    return (
        HeapImage(
            at=1_760_000_101.5,
            work=17.0,
            pause_ms=21.25,
            snapshot=first,
            containers=(
                ContainerLength(pending, "builtins.dict", 1010),
                ContainerLength(record, "gateway.audit.Record", 3),
            ),
            roots=HeapRoots(
                modules=(ModuleRoot(module, "gateway.audit"), ModuleRoot(0x5000, "caf\udce9")),
                threads=(ThreadRoot(2**63, "MainThread", pending, record), ThreadRoot(7, "7", 0)),
                locals=(
                    LocalRoot(record, "record", "MainThread", 0, site),
                    LocalRoot(key, "key", "MainThread", 1, Site("a.py", -1, "<module>")),
                ),
            ),
            names=KeptNames(
                edges={(module, pending): ".PENDING", (pending, record): "", (pending, key): "[0]"},
                fields={
                    ("", "gateway.audit.Record", 2, 0): "",
                    ("gateway.audit.Record", "builtins.dict", 4, 1): ".request",
                },
                labels={module: "module gateway.audit", record: "suspended flush"},
                suspended={record: (site, Site("asyncio/queues.py", 158, "get")), key: ()},
            ),
        ),
        HeapImage(at=1_760_000_110.0, work=None, pause_ms=0.0, snapshot=second),
    )


def sample_recording() -> Recording:
    """Return the recording that `fixtures/snapshots/v1.lscope` holds: something in every table."""
    request, queue = "aiohttp.web_request.Request", "asyncio.queues.Queue"
    chain = (Step("module gateway.audit", "module"), Step(".PENDING", "builtins.dict"))
    entry = (Step("['9f3c…']", "gateway.audit.Record"), Step(".request", request))
    return Recording(
        target=Target(
            pid=4242,
            started=1_760_000_000.25,
            cmdline=("python", "-m", "gateway", "--name", "caf\udce9"),
            python="3.12.1",
            implementation="cpython",
        ),
        kind=CaptureKind.NATIVE,
        work_unit="request",
        censuses=tuple(
            Census(
                at=1_760_000_100.0 + 5 * i,
                work=1000.0 * i,
                types={
                    request: TypeTotal(10 + 1000 * i, 480 * (10 + 1000 * i)),
                    "builtins.dict": TypeTotal(9000 + 2000 * i, 232 * (9000 + 2000 * i)),
                    queue: TypeTotal(1, 48),
                },
                containers=(
                    ContainerLength(0x7F12_3456_7890, "builtins.dict", 10 + 1000 * i),
                    ContainerLength(2**64 - 16, "collections.deque", 7),
                ),
                metrics=ProcessMetrics(
                    rss=(100 << 20) + i * (2 << 20), uss=None, threads=9, fds=31, cpu_seconds=1.5
                ),
                pause_ms=12.5 + i,
            )
            for i in range(3)
        ),
        evidence=Evidence(
            holders=(
                HolderEvidence(
                    address=0x7F12_3456_7890,
                    type="builtins.dict",
                    chain=chain,
                    entry=entry,
                    shares=(EntryShare("builtins.dict", 2.0, 464.0), EntryShare(request, 1.0, 48)),
                    entries_sampled=20,
                    site=Site("gateway/audit.py", 41, "flush"),
                ),
            ),
            types=(TypeEvidence(request, 2010, (*chain, *entry)),),
            sites=(
                SiteGrowth(
                    (Site("gateway/audit.py", 88, "enqueue"), Site("gateway/proxy.py", 41, "go")),
                    96_000,
                    2000,
                ),
            ),
        ),
        ending=Ending.INTERRUPTED,
        limit=MemoryLimit(512 << 20, "cgroup memory.max"),
        caveats=("Stopped by hand.",),
        leakscope="0.1.0",
    )
