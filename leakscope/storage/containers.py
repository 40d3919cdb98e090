"""The lengths of large containers as a table, and back: of each census, and of each heap."""

from __future__ import annotations

from collections.abc import Sequence

from leakscope.model.census import ContainerLength
from leakscope.storage.tables import Column, Kind, Table, TableSpec, grouped, owners


def container_table(name: str, about: str, owner: str) -> TableSpec:
    """Return the table whose first column says at which of its owners a length was measured."""
    return TableSpec(
        name,
        about,
        (
            Column(owner, Kind.COUNT),
            Column("address", Kind.ADDRESS),
            Column("type", Kind.TEXT),
            Column("length", Kind.COUNT),
        ),
    )


def encode_containers(spec: TableSpec, of: Sequence[Sequence[ContainerLength]]) -> Table:
    """Return the table of the containers of each owner."""
    return Table.of(
        spec,
        (
            (owner, each.address, each.type, each.length)
            for owner, containers in enumerate(of)
            for each in containers
        ),
    )


def decode_containers(table: Table, count: int) -> list[list[ContainerLength]]:
    """Return the containers of each of `count` owners. Raises `BadTable`."""
    rows = zip(table.ints("address"), table.texts("type"), table.ints("length"), strict=True)
    of = owners(table, table.spec.columns[0].name, count)
    return grouped(of, (ContainerLength(*row) for row in rows), count)
