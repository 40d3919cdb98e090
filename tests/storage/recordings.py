"""Recordings of every shape that the format must hold."""

from __future__ import annotations

from hypothesis import strategies as st

from leakscope.model.census import Census, ContainerLength, ProcessMetrics, TypeTotal
from leakscope.model.evidence import (
    EntryShare,
    Evidence,
    HolderEvidence,
    Site,
    SiteGrowth,
    Step,
    TypeEvidence,
)
from leakscope.model.recording import CaptureKind, Ending, Recording
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
            shares=several(st.builds(EntryShare, texts, amounts, amounts)),
            entries_sampled=counts,
            site=st.none() | sites,
        )
    ),
    types=several(st.builds(TypeEvidence, texts, counts, steps)),
    sites=several(st.builds(SiteGrowth, several(sites), counts, counts)),
)
recordings = st.builds(
    Recording,
    target=st.builds(Target, counts, reals, several(texts), texts, texts),
    kind=st.sampled_from(CaptureKind),
    work_unit=texts,
    censuses=st.lists(censuses, min_size=1, max_size=3).map(tuple),
    evidence=evidence,
    ending=st.sampled_from(Ending),
    limit=st.none() | st.builds(MemoryLimit, counts, texts),
    caveats=several(texts),
    leakscope=texts,
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
