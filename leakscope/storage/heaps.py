"""Heap snapshots as tables, and back. `heap` is a row of `heaps` in all of them.

The objects and references, which are many, are in `graphs`; what a heap hangs from in `roots`,
what was asked of it in `names`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

from leakscope.model.heap import HeapSnapshot
from leakscope.model.image import HeapImage
from leakscope.storage.containers import container_table, decode_containers, encode_containers
from leakscope.storage.graphs import (
    OBJECTS,
    REFERENCES,
    Graph,
    ObjectArrays,
    check_snapshot,
    decode_objects,
    decode_references,
    encode_objects,
    encode_references,
)
from leakscope.storage.names import NAME_TABLES, decode_names, encode_names
from leakscope.storage.parquet import StoredTable
from leakscope.storage.roots import (
    ROOT_TABLES,
    THREAD_CALLS,
    THREAD_IDS,
    decode_roots,
    encode_roots,
)
from leakscope.storage.tables import (
    BadTable,
    Column,
    Kind,
    Stream,
    Table,
    TableSpec,
    grouped,
    owners,
    require_positions,
)

HEAPS = TableSpec(
    "heaps",
    "one heap snapshot: when, at which count of work, how long the target was held up for it",
    (
        Column("index", Kind.COUNT),
        Column("at", Kind.REAL),
        Column("work", Kind.REAL, nullable=True),
        Column("pause_ms", Kind.AMOUNT),
        Column("objects", Kind.COUNT),
        Column("references", Kind.COUNT),
    ),
)
HEAP_TYPES = TableSpec(
    "heap_types",
    "the name of a type; `index` is what `objects` call it in that heap",
    (Column("heap", Kind.COUNT), Column("index", Kind.COUNT), Column("type", Kind.TEXT)),
)
HEAP_CONTAINERS = container_table(
    "heap_containers", "the length of one large container in one heap, longest first", "heap"
)
_SMALL = (HEAPS, HEAP_TYPES, HEAP_CONTAINERS, *ROOT_TABLES, *NAME_TABLES)
HEAP_TABLES = (*_SMALL, OBJECTS, REFERENCES)
"""In the order of the file."""
_SINCE = {THREAD_IDS.name: 3, THREAD_CALLS.name: 3}
"""The version of the format that brought a table, if not the first with heaps."""


def heap_tables(version: int) -> tuple[TableSpec, ...]:
    """Return the tables of heaps in a version of the format."""
    return tuple(spec for spec in HEAP_TABLES if _SINCE.get(spec.name, 0) <= version)


def encode_heaps(heaps: Sequence[HeapImage]) -> list[Table | Stream]:
    """Return the tables of `heaps`, in the order of `HEAP_TABLES`.

    Raises `BadTable` for heaps that cannot be.
    """
    snapshots = [heap.snapshot for heap in heaps]
    for snapshot in snapshots:
        check_snapshot(snapshot)
    names = [(i, *each) for i, s in enumerate(snapshots) for each in enumerate(s.type_names)]
    return [
        Table.of(HEAPS, (_row(i, heap) for i, heap in enumerate(heaps))),
        Table.of(HEAP_TYPES, names),
        encode_containers(HEAP_CONTAINERS, [heap.containers for heap in heaps]),
        *encode_roots([heap.roots for heap in heaps]),
        *encode_names([heap.names for heap in heaps]),
        encode_objects(snapshots),
        encode_references(snapshots),
    ]


def decode_heaps(
    table: Callable[[TableSpec], Table],
    stored: Callable[[TableSpec], StoredTable],
    wanted: Sequence[int] | None,
) -> tuple[HeapImage, ...]:
    """Return the heaps that are `wanted`, by their index (as a list's), None for all.

    `table` and `stored` read a table, as a whole or as its rows are asked for. Raises `BadTable`
    when the tables contradict each other.
    """
    tables = {spec.name: table(spec) for spec in _SMALL}
    heaps = tables[HEAPS.name]
    count = heaps.rows
    if not count or list(heaps.ints("index")) != list(range(count)):
        raise BadTable("the heaps are not numbered in order")
    chosen = (
        range(count)
        if wanted is None
        else sorted({i % count for i in wanted if -count <= i < count})
    )
    snapshots = _decode_snapshots(tables, stored, chosen)
    containers = decode_containers(tables[HEAP_CONTAINERS.name], count)
    roots, names = decode_roots(tables, count), decode_names(tables, count)
    at, work, pauses = heaps.floats("at"), heaps.maybe_floats("work"), heaps.floats("pause_ms")
    return tuple(
        HeapImage(
            at=at[i],
            work=work[i],
            pause_ms=pauses[i],
            snapshot=snapshot,
            containers=tuple(containers[i]),
            roots=roots[i],
            names=names[i],
        )
        for i, snapshot in zip(chosen, snapshots, strict=True)
    )


def _row(index: int, heap: HeapImage) -> tuple[int | float | None, ...]:
    snapshot = heap.snapshot
    return (index, heap.at, heap.work, heap.pause_ms, snapshot.objects, snapshot.references)


def _decode_snapshots(
    tables: Mapping[str, Table],
    stored: Callable[[TableSpec], StoredTable],
    chosen: Sequence[int],
) -> list[HeapSnapshot]:
    """Return the graphs of the chosen heaps, checked."""
    heaps = tables[HEAPS.name]
    names = _decode_type_names(tables[HEAP_TYPES.name], heaps.rows)
    counts, references = heaps.ints("objects"), heaps.ints("references")
    # One table after the other, so that the bytes of only one of them are held at a time.
    objects = _decode_objects(stored(OBJECTS), counts, chosen)
    graphs = _decode_references(stored(REFERENCES), references, counts, chosen)
    snapshots = [
        HeapSnapshot(names[i], of.address, of.type, of.size, of.refcount, of.flags, *graph)
        for i, of, graph in zip(chosen, objects, graphs, strict=True)
    ]
    for snapshot in snapshots:
        check_snapshot(snapshot)
    return snapshots


def _decode_objects(
    table: StoredTable, counts: Sequence[int], chosen: Sequence[int]
) -> list[ObjectArrays]:
    firsts = _firsts(table, counts)
    return [decode_objects(table, i, firsts[i], counts[i]) for i in chosen]


def _decode_references(
    table: StoredTable, counts: Sequence[int], objects: Sequence[int], chosen: Sequence[int]
) -> list[Graph]:
    firsts = _firsts(table, counts)
    return [decode_references(table, i, firsts[i], counts[i], objects[i]) for i in chosen]


def _firsts(table: StoredTable, counts: Sequence[int]) -> list[int]:
    """Return where the rows of each heap begin, and where the last one's end."""
    firsts = [0, *accumulate(counts)]
    if table.layout.rows != firsts[-1]:
        raise BadTable(f"{table.spec.name} are not as many as the heaps have")
    return firsts


def _decode_type_names(table: Table, heaps: int) -> list[tuple[str, ...]]:
    of = owners(table, "heap", heaps)
    require_positions(table, of, "index", heaps)
    return [tuple(names) for names in grouped(of, table.texts("type"), heaps)]
