"""A recording as a manifest and tables, and back. The round trip is exact.

Rows of one owner are in order. Rows point to their owner by its row number: `census` to a row of
`census`, `holder` to one of `evidence_holders`, and so on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from leakscope.model.census import Census, ContainerLength, ProcessMetrics, TypeTotal
from leakscope.model.recording import Recording
from leakscope.storage.evidence import EVIDENCE_TABLES, decode_evidence, encode_evidence
from leakscope.storage.manifest import Manifest
from leakscope.storage.tables import BadTable, Column, Kind, Table, TableSpec, grouped, owners

TYPES = TableSpec(
    "types",
    (
        Column("census", Kind.COUNT),
        Column("type", Kind.TEXT),
        Column("objects", Kind.COUNT),
        Column("bytes", Kind.COUNT),
    ),
)
CONTAINERS = TableSpec(
    "containers",
    (
        Column("census", Kind.COUNT),
        Column("address", Kind.ADDRESS),
        Column("type", Kind.TEXT),
        Column("length", Kind.COUNT),
    ),
)
CENSUS = TableSpec(
    "census",
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
"""Every table of the format, in the order of the file."""


def encode(recording: Recording) -> list[Table]:
    """Return the tables of `recording`, in the order of `TABLES`."""
    censuses = recording.censuses
    return [
        _encode_types(censuses),
        _encode_containers(censuses),
        _encode_census(censuses),
        *encode_evidence(recording.evidence),
    ]


def decode(manifest: Manifest, tables: Mapping[str, Table]) -> Recording:
    """Return the recording that a manifest and tables (by name) describe.

    Raises `BadTable` when the tables contradict each other.
    """
    return Recording(
        target=manifest.target,
        kind=manifest.kind,
        work_unit=manifest.work_unit,
        censuses=_decode_censuses(tables),
        evidence=decode_evidence(tables),
        ending=manifest.ending,
        limit=manifest.limit,
        caveats=manifest.caveats,
        leakscope=manifest.leakscope,
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


def _encode_containers(censuses: Sequence[Census]) -> Table:
    containers = [(i, each) for i, census in enumerate(censuses) for each in census.containers]
    return Table(
        CONTAINERS,
        {
            "census": [i for i, _ in containers],
            "address": [each.address for _, each in containers],
            "type": [each.type for _, each in containers],
            "length": [each.length for _, each in containers],
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
    containers = _decode_containers(tables[CONTAINERS.name], census.rows)
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


def _decode_containers(table: Table, censuses: int) -> list[list[ContainerLength]]:
    rows = zip(table.ints("address"), table.texts("type"), table.ints("length"), strict=True)
    return grouped(
        owners(table, "census", censuses), (ContainerLength(*row) for row in rows), censuses
    )


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
