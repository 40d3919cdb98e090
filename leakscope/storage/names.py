"""What was asked of frozen heaps as tables, and back. `heap` is a row of `heaps`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from leakscope.model.image import FieldKey, KeptNames
from leakscope.storage.stacks import decode_stacks, encode_stacks, stack_table
from leakscope.storage.tables import BadTable, Column, Kind, Table, TableSpec, grouped, owners

NAMES = TableSpec(
    "names",
    "what the reference from the object at `start` to the one at `end` is called; empty where "
    "`end` is only a part of `start`",
    (
        Column("heap", Kind.COUNT),
        Column("start", Kind.ADDRESS),
        Column("end", Kind.ADDRESS),
        Column("edge", Kind.TEXT),
    ),
)
FIELDS = TableSpec(
    "fields",
    "what a reference of every object of a class is called: of the `position`-th of `references`, "
    "`owner` being the type of the object that this one is only a part of, or empty",
    (
        Column("heap", Kind.COUNT),
        Column("owner", Kind.TEXT),
        Column("type", Kind.TEXT),
        Column("references", Kind.COUNT),
        Column("position", Kind.COUNT),
        Column("edge", Kind.TEXT),
    ),
)
LABELS = TableSpec(
    "labels",
    "what an object is called as the beginning of a chain",
    (Column("heap", Kind.COUNT), Column("address", Kind.ADDRESS), Column("label", Kind.TEXT)),
)
SUSPENSIONS = TableSpec(
    "suspensions",
    "a task, coroutine or generator that waits",
    (Column("heap", Kind.COUNT), Column("address", Kind.ADDRESS)),
)
SUSPENSION_FRAMES = stack_table(
    "suspension_frames",
    "one line where it waits, outermost first; `suspension` is a row of `suspensions`",
    "suspension",
)
NAME_TABLES = (NAMES, FIELDS, LABELS, SUSPENSIONS, SUSPENSION_FRAMES)

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def encode_names(names: Sequence[KeptNames]) -> list[Table]:
    """Return the tables of the names of each heap, in the order of `NAME_TABLES`."""
    of_heaps = list(enumerate(names))
    suspended = [(i, *item) for i, kept in of_heaps for item in kept.suspended.items()]
    return [
        Table.of(NAMES, ((i, *ends, edge) for i, k in of_heaps for ends, edge in k.edges.items())),
        Table.of(FIELDS, ((i, *key, edge) for i, k in of_heaps for key, edge in k.fields.items())),
        Table.of(LABELS, ((i, *item) for i, kept in of_heaps for item in kept.labels.items())),
        Table.of(SUSPENSIONS, ((i, address) for i, address, _ in suspended)),
        encode_stacks(SUSPENSION_FRAMES, [sites for _, _, sites in suspended]),
    ]


def decode_names(tables: Mapping[str, Table], heaps: int) -> list[KeptNames]:
    """Return the names of each heap. Raises `BadTable` on contradictions."""
    names, fields, labels, suspensions, frames = (tables[spec.name] for spec in NAME_TABLES)
    ends = zip(names.ints("start"), names.ints("end"), strict=True)
    by_heap = zip(
        _mappings(names, zip(ends, names.texts("edge"), strict=True), heaps),
        _mappings(fields, zip(_keys(fields), fields.texts("edge"), strict=True), heaps),
        _mappings(labels, zip(labels.ints("address"), labels.texts("label"), strict=True), heaps),
        _mappings(
            suspensions,
            zip(suspensions.ints("address"), decode_stacks(frames, suspensions.rows), strict=True),
            heaps,
        ),
        strict=True,
    )
    return [KeptNames(*row) for row in by_heap]


def _keys(fields: Table) -> Iterable[FieldKey]:
    return zip(
        fields.texts("owner"),
        fields.texts("type"),
        fields.ints("references"),
        fields.ints("position"),
        strict=True,
    )


def _mappings(
    table: Table, items: Iterable[tuple[Key, Value]], heaps: int
) -> list[dict[Key, Value]]:
    """Return what each heap's rows map, none of them twice."""
    groups = grouped(owners(table, "heap", heaps), items, heaps)
    mappings = [dict(group) for group in groups]
    if any(len(kept) != len(group) for kept, group in zip(mappings, groups, strict=True)):
        raise BadTable(f"{table.spec.name} say two things of one object")
    return mappings
