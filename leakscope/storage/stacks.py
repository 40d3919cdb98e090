"""Stacks of source lines as a table, and back: of each allocation, and of each suspension."""

from __future__ import annotations

from collections.abc import Sequence

from leakscope.model.evidence import Site
from leakscope.storage.tables import (
    Column,
    Kind,
    Table,
    TableSpec,
    grouped,
    owners,
    require_positions,
)


def stack_table(name: str, about: str, owner: str) -> TableSpec:
    """Return the table whose first column says whose stack a line is in, the second where."""
    return TableSpec(
        name,
        about,
        (
            Column(owner, Kind.COUNT),
            Column("position", Kind.COUNT),
            Column("file", Kind.TEXT),
            Column("line", Kind.INTEGER),
            Column("function", Kind.TEXT),
        ),
    )


def encode_stacks(spec: TableSpec, stacks: Sequence[Sequence[Site]]) -> Table:
    """Return the table of the stacks of each owner."""
    return Table.of(
        spec,
        (
            (owner, position, site.file, site.line, site.function)
            for owner, stack in enumerate(stacks)
            for position, site in enumerate(stack)
        ),
    )


def decode_stacks(table: Table, count: int) -> list[tuple[Site, ...]]:
    """Return the stack of each of `count` owners. Raises `BadTable`."""
    rows = zip(table.texts("file"), table.ints("line"), table.texts("function"), strict=True)
    of = owners(table, table.spec.columns[0].name, count)
    require_positions(table, of, "position", count)
    return [tuple(stack) for stack in grouped(of, (Site(*row) for row in rows), count)]
