"""A recording as a manifest and tables, and back. The round trip is exact.

Rows of one owner are in order. Rows point to their owner by its row number: `census` to a row of
`census`, `holder` to one of `evidence_holders`, and so on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from leakscope.model.census import Census, ProcessMetrics, TypeTotal
from leakscope.model.image import HeapImage
from leakscope.model.recording import Recording
from leakscope.storage.containers import container_table, decode_containers, encode_containers
from leakscope.storage.evidence import EVIDENCE_TABLES, decode_evidence, encode_evidence
from leakscope.storage.heaps import encode_heaps
from leakscope.storage.manifest import Manifest
from leakscope.storage.tables import BadTable, Column, Kind, Stream, Table, TableSpec, owners

TYPES = TableSpec(
    "types",
    "all objects of one type at one census",
    (
        Column("census", Kind.COUNT),
        Column("type", Kind.TEXT),
        Column("objects", Kind.COUNT),
        Column("bytes", Kind.COUNT),
    ),
)
CONTAINERS = container_table(
    "containers", "the length of one large container at one census, longest first", "census"
)
CENSUS = TableSpec(
    "census",
    "one census: when, at which count of work, what the target took",
    (
        Column("index", Kind.COUNT),
        Column("at", Kind.REAL),
        Column("work", Kind.REAL, nullable=True),
        Column("pause_ms", Kind.AMOUNT),
        Column("rss", Kind.COUNT, nullable=True),
        Column("uss", Kind.COUNT, nullable=True),
        Column("threads", Kind.COUNT, nullable=True),
        Column("fds", Kind.COUNT, nullable=True),
        Column("cpu_seconds", Kind.AMOUNT, nullable=True),
    ),
)
TABLES = (TYPES, CONTAINERS, CENSUS, *EVIDENCE_TABLES)
"""Those of every recording, in the order of the file; `HEAP_TABLES` follow when it has heaps."""


def encode(recording: Recording) -> list[Table | Stream]:
    """Return the tables of `recording`, in the order of the file.

    Raises `BadTable` when there is no census, or a heap that cannot be.
    """
    censuses = recording.censuses
    if not censuses:
        raise BadTable("it holds no census")
    return [
        _encode_types(censuses),
        encode_containers(CONTAINERS, [census.containers for census in censuses]),
        _encode_census(censuses),
        *encode_evidence(recording.evidence),
        *(encode_heaps(recording.heaps) if recording.heaps else ()),
    ]


def decode(
    manifest: Manifest, tables: Mapping[str, Table], heaps: tuple[HeapImage, ...]
) -> Recording:
    """Return the recording that a manifest, the `TABLES` (by name) and heaps describe.

    Raises `BadTable` when the tables contradict each other.
    """
    return Recording(
        target=manifest.target,
        kind=manifest.kind,
        work_unit=manifest.work_unit,
        censuses=_decode_censuses(tables),
        evidence=replace(
            decode_evidence(tables, manifest.allocated_for, manifest.unheld),
            modules=manifest.modules,
            opened=manifest.opened,
            most_open=manifest.most_open,
        ),
        ending=manifest.ending,
        at_rest=manifest.at_rest,
        limit=manifest.limit,
        caveats=manifest.caveats,
        leakscope=manifest.leakscope,
        heaps=heaps,
        layers=manifest.layers,
    )


def _encode_types(censuses: Sequence[Census]) -> Table:
    return Table(
        TYPES,
        {
            "census": [i for i, census in enumerate(censuses) for _ in census.types],
            "type": [name for census in censuses for name in census.types],
            "objects": [total.objects for c in censuses for total in c.types.values()],
            "bytes": [total.bytes for c in censuses for total in c.types.values()],
        },
    )


def _encode_census(censuses: Sequence[Census]) -> Table:
    return Table(
        CENSUS,
        {
            "index": list(range(len(censuses))),
            "at": [census.at for census in censuses],
            "work": [census.work for census in censuses],
            "pause_ms": [census.pause_ms for census in censuses],
            "rss": [census.metrics.rss for census in censuses],
            "uss": [census.metrics.uss for census in censuses],
            "threads": [census.metrics.threads for census in censuses],
            "fds": [census.metrics.fds for census in censuses],
            "cpu_seconds": [census.metrics.cpu_seconds for census in censuses],
        },
    )


def _decode_censuses(tables: Mapping[str, Table]) -> tuple[Census, ...]:
    census = tables[CENSUS.name]
    if not census.rows:
        raise BadTable("it holds no census")
    if list(census.ints("index")) != list(range(census.rows)):
        raise BadTable("the censuses are not numbered in order")
    types = _decode_types(tables[TYPES.name], census.rows)
    containers = decode_containers(tables[CONTAINERS.name], census.rows)
    metrics = _decode_metrics(census)
    at, work, pauses = census.floats("at"), census.maybe_floats("work"), census.floats("pause_ms")
    return tuple(
        Census(
            at=at[i],
            work=work[i],
            types=types[i],
            containers=tuple(containers[i]),
            metrics=metrics[i],
            pause_ms=pauses[i],
        )
        for i in range(census.rows)
    )


def _decode_types(table: Table, censuses: int) -> list[dict[str, TypeTotal]]:
    """Return the totals of each census; equal totals are one object, as most never change."""
    known: dict[tuple[int, int], TypeTotal] = {}
    names, objects, sizes = table.texts("type"), table.ints("objects"), table.ints("bytes")
    decoded: list[dict[str, TypeTotal]] = [{} for _ in range(censuses)]
    for row, census in enumerate(owners(table, "census", censuses)):
        figures = (objects[row], sizes[row])
        total = known.get(figures)
        if total is None:
            total = known[figures] = TypeTotal(*figures)
        if names[row] in decoded[census]:
            raise BadTable("a type is counted twice in one census")
        decoded[census][names[row]] = total
    return decoded


def _decode_metrics(census: Table) -> list[ProcessMetrics]:
    return [
        ProcessMetrics(*row)
        for row in zip(
            census.maybe_ints("rss"),
            census.maybe_ints("uss"),
            census.maybe_ints("threads"),
            census.maybe_ints("fds"),
            census.maybe_floats("cpu_seconds"),
            strict=True,
        )
    ]
