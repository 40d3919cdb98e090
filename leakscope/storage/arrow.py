"""Columns as Arrow has them, and back; checked in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from leakscope.storage.errors import cause
from leakscope.storage.surrogates import from_utf8_text, to_utf8_text
from leakscope.storage.tables import (
    DTYPES,
    BadTable,
    Cell,
    Cells,
    Column,
    Columns,
    Kind,
    TableSpec,
    check_numbers,
)

if TYPE_CHECKING:
    import pyarrow as pa


def schema(spec: TableSpec) -> pa.Schema:
    """Return the names and types of a table's columns."""
    import pyarrow as pa

    return pa.schema(pa.field(c.name, _plain_type(c), nullable=c.nullable) for c in spec.columns)


def to_arrow(spec: TableSpec, columns: Columns) -> pa.Table:
    """Return columns as they are written. Raises `BadTable` for what they may not hold."""
    import pyarrow as pa

    arrays = [_stored(spec, column, columns[column.name]) for column in spec.columns]
    return pa.Table.from_arrays(arrays, schema=schema(spec))


class ArrowReader:
    """Turns pieces of one table, with its texts as dictionaries, into cells."""

    def __init__(self, spec: TableSpec) -> None:
        self._spec = spec
        self._words = {c.name: _Words() for c in spec.columns if c.kind is Kind.TEXT}

    def columns(self, batch: pa.RecordBatch) -> dict[str, Cells]:
        """Return the cells of a piece. Raises `BadTable`, or what Arrow raises."""
        batch.validate(full=True)
        read: dict[str, Cells] = {}
        for column, array in zip(self._spec.columns, batch.columns, strict=True):
            _check(self._spec, column, array)
            if column.kind is Kind.TEXT:
                read[column.name] = self._words[column.name].of(array)
            elif column.nullable:
                read[column.name] = array.to_pylist()
            else:
                read[column.name] = array.to_numpy()
        return read


class _Words:
    """The texts of one column: equal ones become one object, each decoded once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._dictionary: pa.Array | None = None
        self._words: list[str | None] = []

    def of(self, array: pa.Array) -> list[str | None]:
        """Return the texts of a piece of the column."""
        if self._dictionary is None or not array.dictionary.equals(self._dictionary):
            self._dictionary = array.dictionary
            self._words = [self._word(word) for word in array.dictionary.to_pylist()]
        words = self._words
        return [None if index is None else words[index] for index in array.indices.to_pylist()]

    def _word(self, stored: str | None) -> str | None:
        if stored is None:
            return None
        return self._known.setdefault(stored, from_utf8_text(stored))


def _stored(spec: TableSpec, column: Column, cells: Cells) -> pa.Array:
    import pyarrow as pa

    where = f"{spec.name}.{column.name}"
    if column.kind is Kind.TEXT:
        cells = _encoded_texts(where, cast("Sequence[Cell]", cells))
    try:
        array = pa.array(cells, type=_plain_type(column))
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as problem:
        raise BadTable(f"{where}: {cause(problem)}") from None
    _check(spec, column, array)
    return array


def _check(spec: TableSpec, column: Column, array: pa.Array) -> None:
    """Raise `BadTable` for missing, infinite and negative values."""
    where = f"{spec.name}.{column.name}"
    if array.null_count and not column.nullable:
        raise BadTable(f"{where} lacks values")
    if column.kind is not Kind.TEXT:
        check_numbers(where, column.kind, array.drop_null().to_numpy())


def _encoded_texts(where: str, cells: Sequence[Cell]) -> list[Cell]:
    """Return text as UTF-8 can hold it, each distinct text looked at once."""
    fit: dict[Cell, str | None] = {None: None}
    for cell in set(cells):
        if isinstance(cell, str):
            fit[cell] = to_utf8_text(cell)
        elif cell is not None:
            raise BadTable(f"{where} holds something else than text")
    return [fit[cell] for cell in cells]


def _plain_type(column: Column) -> pa.DataType:
    import pyarrow as pa

    return pa.string() if column.kind is Kind.TEXT else pa.from_numpy_dtype(DTYPES[column.kind])
