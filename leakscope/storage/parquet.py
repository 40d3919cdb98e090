"""A table as Parquet with zstd, which any engine reads, and back.

Reading trusts nothing: sizes are bounded before bytes are expanded, and repeated text stays
dictionary-encoded, so a small file cannot grow without bound.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from leakscope.storage.errors import cause
from leakscope.storage.pages import BadLayout, Layout, layout
from leakscope.storage.surrogates import from_utf8_text, to_utf8_text
from leakscope.storage.tables import (
    DTYPES,
    BadTable,
    Cell,
    Cells,
    Column,
    Kind,
    Numbers,
    Table,
    TableSpec,
    check_numbers,
)

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAX_ROWS = 20_000_000
"""Of one table: a night of censuses every five seconds, of two thousand types each."""
MAX_TABLE_BYTES = 1 << 30
"""Of one table, expanded."""

_BATCH_ROWS = 1 << 16
_MAX_ROW_GROUPS = 4096
_MAX_TEXT_BYTES = 1 << 24
"""Of one string in a Parquet footer."""


def to_parquet(table: Table) -> bytes:
    """Return `table` as a Parquet file, zstd. Raises `BadTable` for values no process can have."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    spec = table.spec
    if table.rows > MAX_ROWS:
        raise BadTable(f"{spec.name} has {table.rows:,} rows, more than {MAX_ROWS:,}")
    arrays = [_stored(spec, column, table.columns[column.name]) for column in spec.columns]
    content = pa.Table.from_arrays(arrays, schema=_schema(spec))
    sink = io.BytesIO()
    pq.write_table(content, sink, compression="zstd", store_schema=False)
    stored = sink.getvalue()
    _layout(spec, stored, table.rows)
    return stored


def from_parquet(spec: TableSpec, content: bytes, rows: int) -> Table:
    """Return the table of `rows` rows that `content` holds. Raises `BadTable` for all others."""
    pieces = list(_pieces(spec, content, rows))
    return Table(
        spec, {c.name: _joined(c, [piece[c.name] for piece in pieces]) for c in spec.columns}
    )


def _pieces(spec: TableSpec, content: bytes, rows: int) -> Iterator[dict[str, Cells]]:
    """Read a table piece by piece."""
    import pyarrow as pa

    words = {column.name: _Words() for column in spec.columns if column.kind is Kind.TEXT}
    try:
        file = _opened(spec, content, rows)
        read = 0
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
            batch.validate(full=True)
            read += batch.num_rows
            if read > rows:
                break
            piece: dict[str, Cells] = {}
            for column, array in zip(spec.columns, batch.columns, strict=True):
                _check(spec, column, array)
                if column.kind is Kind.TEXT:
                    piece[column.name] = words[column.name].of(array)
                elif column.nullable:
                    piece[column.name] = array.to_pylist()
                else:
                    piece[column.name] = array.to_numpy()
            yield piece
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, MemoryError) as why:
        raise BadTable(f"{spec.name} is not a readable table ({cause(why)})") from None
    if read != rows:
        raise BadTable(f"{spec.name} does not have the {rows:,} rows it announces")


def _joined(column: Column, pieces: list[Cells]) -> Cells:
    if column.kind is Kind.TEXT or column.nullable:
        return [cell for piece in pieces for cell in cast("list[Cell]", piece)]
    return np.concatenate([np.empty(0, DTYPES[column.kind]), *cast("list[Numbers]", pieces)])


def _stored(spec: TableSpec, column: Column, cells: Cells) -> pa.Array:
    """Return a column as it is written, checked."""
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


class _Words:
    """The texts of one column: equal ones become one object, each decoded once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._dictionary: pa.Array | None = None
        self._words: list[str | None] = []

    def of(self, array: pa.Array) -> list[str | None]:
        """Return the texts of a dictionary-encoded piece of the column."""
        if self._dictionary is None or not array.dictionary.equals(self._dictionary):
            self._dictionary = array.dictionary
            self._words = [self._word(word) for word in array.dictionary.to_pylist()]
        words = self._words
        return [None if index is None else words[index] for index in array.indices.to_pylist()]

    def _word(self, stored: str | None) -> str | None:
        if stored is None:
            return None
        return self._known.setdefault(stored, from_utf8_text(stored))


def _opened(spec: TableSpec, content: bytes, rows: int) -> pq.ParquetFile:
    """Return the file, to be read with text as dictionaries; its columns and sizes are right."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _layout(spec, content, rows)
    limits = {
        "thrift_string_size_limit": _MAX_TEXT_BYTES,
        "thrift_container_size_limit": _MAX_ROW_GROUPS * len(spec.columns),
    }
    plain = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False, **limits)
    if not plain.schema_arrow.equals(_schema(spec), check_metadata=False):
        raise BadTable(f"{spec.name} has other columns than this format's")
    return pq.ParquetFile(
        pa.BufferReader(content),
        metadata=plain.metadata,
        read_dictionary=[c.name for c in spec.columns if c.kind is Kind.TEXT],
        pre_buffer=False,
        **limits,
    )


def _layout(spec: TableSpec, content: bytes, rows: int) -> Layout:
    """Refuse absurd sizes before anything is expanded."""
    try:
        found = layout(content, len(spec.columns))
    except BadLayout as problem:
        raise BadTable(f"{spec.name} is not a readable table ({problem})") from None
    if found.rows != rows or rows > MAX_ROWS:
        raise BadTable(f"{spec.name} has {found.rows:,} rows where {rows:,} were announced")
    if len(found.groups) > _MAX_ROW_GROUPS or found.expanded > MAX_TABLE_BYTES:
        raise BadTable(f"{spec.name} takes more than {MAX_TABLE_BYTES >> 30} GiB expanded")
    return found


def _encoded_texts(where: str, cells: Sequence[Cell]) -> list[Cell]:
    """Return text as UTF-8 can hold it, each distinct text looked at once."""
    fit: dict[Cell, str | None] = {None: None}
    for cell in set(cells):
        if isinstance(cell, str):
            fit[cell] = to_utf8_text(cell)
        elif cell is not None:
            raise BadTable(f"{where} holds something else than text")
    return [fit[cell] for cell in cells]


def _schema(spec: TableSpec) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(pa.field(c.name, _plain_type(c), nullable=c.nullable) for c in spec.columns)


def _plain_type(column: Column) -> pa.DataType:
    import pyarrow as pa

    return pa.string() if column.kind is Kind.TEXT else pa.from_numpy_dtype(DTYPES[column.kind])
