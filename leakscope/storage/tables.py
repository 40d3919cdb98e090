"""The tables of a recording: their columns, and what their values may be.

A table is checked in the same way when it is written and when it is read, so whatever was saved
loads, and what no process can have (a negative count, an infinite time) never gets in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt

Cell = int | float | str | None
Numbers = npt.NDArray[np.number]
Cells = Sequence[Cell] | Numbers
"""A column's values. Numbers of which none is missing are an array once they were read."""
Columns = Mapping[str, Cells]
Item = TypeVar("Item")

MAX_ROWS = 20_000_000
"""Of most tables: a night of censuses every five seconds, of two thousand types each."""


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
    ROW = "row"
    """An integer from 0 to 2**31 - 1."""
    BITS = "bits"
    """An integer from 0 to 255."""
    TEXT = "text"


DTYPES: Mapping[Kind, np.dtype[np.number]] = {
    Kind.COUNT: np.dtype(np.int64),
    Kind.INTEGER: np.dtype(np.int64),
    Kind.ADDRESS: np.dtype(np.uint64),
    Kind.REAL: np.dtype(np.float64),
    Kind.AMOUNT: np.dtype(np.float64),
    Kind.ROW: np.dtype(np.int32),
    Kind.BITS: np.dtype(np.uint8),
}
"""How the numbers of a column are kept."""


class Packing(Enum):
    """What makes a column small, apart from zstd; any engine reads all of them."""

    DICTIONARY = "dictionary"
    """Few values that come again and again."""
    DELTA = "delta"
    """Values close to the ones before them."""
    PLAIN = "plain"
    """Neither."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    kind: Kind
    nullable: bool = False
    packing: Packing = Packing.DICTIONARY


@dataclass(frozen=True, slots=True)
class TableSpec:
    """The name and the columns of a table."""

    name: str
    about: str
    """What a row is, for readers of the file."""
    columns: tuple[Column, ...]
    most_rows: int = MAX_ROWS

    @property
    def member(self) -> str:
        """Name of the table's member in the file."""
        return f"{self.name}.parquet"


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length, as `spec` says."""

    spec: TableSpec
    columns: Columns

    @classmethod
    def of(cls, spec: TableSpec, rows: Iterable[Sequence[Cell]]) -> Table:
        """Return the table of `rows`, each of one cell per column, in the columns' order."""
        columns = list(zip(*rows, strict=True)) or [()] * len(spec.columns)
        return cls(spec, {c.name: cells for c, cells in zip(spec.columns, columns, strict=True)})

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.columns[self.spec.columns[0].name])

    def ints(self, name: str) -> Sequence[int]:
        """Return a column of integers that is not nullable."""
        return cast("Sequence[int]", _sequence(self.columns[name]))

    def floats(self, name: str) -> Sequence[float]:
        """Return a column of floats that is not nullable."""
        return cast("Sequence[float]", _sequence(self.columns[name]))

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


@dataclass(frozen=True, slots=True)
class Stream:
    """A table too large to be built as a whole."""

    spec: TableSpec
    pieces: Iterable[Columns]
    """Made one at a time, as they are asked for. Each becomes a row group."""


def _sequence(cells: Cells) -> Sequence[Cell]:
    """Return cells as Python's own numbers, made one by one as they are looked at."""
    return cells.data if isinstance(cells, np.ndarray) else cells


def check_numbers(where: str, kind: Kind, values: Numbers) -> None:
    """Raise `BadTable` for infinite and negative values where `kind` has none."""
    if kind in (Kind.REAL, Kind.AMOUNT) and not bool(np.isfinite(values).all()):
        raise BadTable(f"{where} holds a value that is no number")
    if kind not in (Kind.REAL, Kind.INTEGER) and len(values) and values.min() < 0:
        raise BadTable(f"{where} holds a negative value")


def owners(table: Table, column: str, count: int) -> Sequence[int]:
    """Return a column of row numbers of a table of `count` rows. Raises `BadTable` for others."""
    rows = table.ints(column)
    if rows and max(rows) >= count:
        raise BadTable(f"{table.spec.name}.{column} points to a row that is not there")
    return rows


def require_positions(table: Table, owner_rows: Sequence[int], column: str, count: int) -> None:
    """Raise `BadTable` unless `column` numbers the rows of each of `count` owners from 0."""
    seen = [0] * count
    for owner, position in zip(owner_rows, table.ints(column), strict=True):
        if position != seen[owner]:
            raise BadTable(f"{table.spec.name} are not in order")
        seen[owner] += 1


def grouped(owner_rows: Iterable[int], items: Iterable[Item], count: int) -> list[list[Item]]:
    """Return the items of each of `count` owners, in their order."""
    groups: list[list[Item]] = [[] for _ in range(count)]
    for owner, item in zip(owner_rows, items, strict=True):
        groups[owner].append(item)
    return groups
