"""The tables of a recording: their columns, and what their values may be.

A table is checked in the same way when it is written and when it is read, so whatever was saved
loads, and what no process can have (a negative count, an infinite time) never gets in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar, cast

Cell = int | float | str | None
Item = TypeVar("Item")


class BadTable(Exception):
    """A table whose bytes or values make no sense; the message says what is wrong with it."""


class Kind(Enum):
    """What the cells of a column are."""

    COUNT = "count"
    """An integer from 0 to 2**63 - 1."""
    INTEGER = "integer"
    """An integer from -2**63 to 2**63 - 1."""
    ADDRESS = "address"
    """An integer from 0 to 2**64 - 1."""
    REAL = "real"
    """A finite float."""
    AMOUNT = "amount"
    """A finite float, not negative."""
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    kind: Kind
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class TableSpec:
    """The name and the columns of a table."""

    name: str
    columns: tuple[Column, ...]

    @property
    def member(self) -> str:
        """Name of the table's member in the file."""
        return f"{self.name}.parquet"


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length, as `spec` says."""

    spec: TableSpec
    columns: Mapping[str, Sequence[Cell]]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.columns[self.spec.columns[0].name])

    def ints(self, name: str) -> Sequence[int]:
        """Return a column of integers that is not nullable."""
        return cast("Sequence[int]", self.columns[name])

    def floats(self, name: str) -> Sequence[float]:
        """Return a column of floats that is not nullable."""
        return cast("Sequence[float]", self.columns[name])

    def texts(self, name: str) -> Sequence[str]:
        """Return a column of text that is not nullable."""
        return cast("Sequence[str]", self.columns[name])

    def maybe_ints(self, name: str) -> Sequence[int | None]:
        """Return a nullable column of integers."""
        return cast("Sequence[int | None]", self.columns[name])

    def maybe_floats(self, name: str) -> Sequence[float | None]:
        """Return a nullable column of floats."""
        return cast("Sequence[float | None]", self.columns[name])

    def maybe_texts(self, name: str) -> Sequence[str | None]:
        """Return a nullable column of text."""
        return cast("Sequence[str | None]", self.columns[name])


def check_column(spec: TableSpec, column: Column, cells: Sequence[Cell]) -> None:
    """Raise `BadTable` for missing, infinite and negative values."""
    where = f"{spec.name}.{column.name}"
    if not column.nullable and None in cells:
        raise BadTable(f"{where} lacks values")
    present = [c for c in cells if c is not None] if column.nullable else cells
    if column.kind is Kind.TEXT:
        if not all(isinstance(cell, str) for cell in present):
            raise BadTable(f"{where} holds something else than text")
        return
    numbers = cast("Sequence[float]", present)
    if column.kind in (Kind.REAL, Kind.AMOUNT) and not all(map(math.isfinite, numbers)):
        raise BadTable(f"{where} holds a value that is no number")
    if column.kind not in (Kind.REAL, Kind.INTEGER) and numbers and min(numbers) < 0:
        raise BadTable(f"{where} holds a negative value")


def owners(table: Table, column: str, count: int) -> Sequence[int]:
    """Return a column of row numbers of a table of `count` rows. Raises `BadTable` for others."""
    rows = table.ints(column)
    if rows and max(rows) >= count:
        raise BadTable(f"{table.spec.name}.{column} points to a row that is not there")
    return rows


def grouped(owner_rows: Iterable[int], items: Iterable[Item], count: int) -> list[list[Item]]:
    """Return the items of each of `count` owners, in their order."""
    groups: list[list[Item]] = [[] for _ in range(count)]
    for owner, item in zip(owner_rows, items, strict=True):
        groups[owner].append(item)
    return groups
