"""Tables as Parquet with zstd, which any engine reads, and back.

Reading trusts nothing: sizes are bounded before bytes are expanded, and repeated text stays
dictionary-encoded, so a small file cannot grow without bound.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, cast

import numpy as np

from leakscope.storage.archive import ArchiveTooLarge, Sink
from leakscope.storage.arrow import ArrowReader, schema, to_arrow
from leakscope.storage.errors import cause
from leakscope.storage.pages import BadLayout, Layout, layout, most_rows
from leakscope.storage.tables import (
    DTYPES,
    BadTable,
    Cell,
    Cells,
    Column,
    Kind,
    Numbers,
    Packing,
    Stream,
    Table,
    TableSpec,
)

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MAX_TABLE_BYTES = 1 << 30
"""Of one table that is read as a whole, expanded."""
GROUP_ROWS = 1 << 17
"""Of a piece of a stream, at most: so much is held while it is written or read."""

_BATCH_ROWS = 1 << 16
_MAX_ROW_GROUPS = 1 << 13
_READING = (OSError, ValueError, TypeError, OverflowError)
_MAX_TEXT_BYTES = 1 << 24
"""Of one string in a Parquet footer."""


def to_parquet(table: Table) -> bytes:
    """Return `table` as a Parquet file.

    Raises `BadTable` for values no process can have, `ArchiveTooLarge` for too many rows.
    """
    sink = io.BytesIO()
    rows = _write(Stream(table.spec, [table.columns]), sink, statistics=False)
    content = sink.getvalue()
    _check_whole(table.spec, _layout(table.spec, content, rows))
    return content


def stream_parquet(stream: Stream, sink: Sink) -> int:
    """Write a table piece by piece; return its rows.

    Raises `BadTable`, `ArchiveTooLarge` for more rows than are read again, or what `sink` raises.
    """
    # They let an engine pass over the row groups of other heaps and addresses.
    rows = _write(stream, sink, statistics=True)
    if rows > most_rows(sink.size):
        raise BadTable(f"{stream.spec.name} has more rows than its bytes can tell apart")
    return rows


def from_parquet(spec: TableSpec, content: bytes, rows: int) -> Table:
    """Return the table of `rows` rows that `content` holds. Raises `BadTable` for all others."""
    stored = StoredTable(spec, content, rows)
    _check_whole(spec, stored.layout)
    pieces = list(stored.pieces(0, rows))
    return Table(
        spec, {c.name: _joined(c, [piece[c.name] for piece in pieces]) for c in spec.columns}
    )


class StoredTable:
    """A table whose rows are read as they are asked for."""

    def __init__(self, spec: TableSpec, content: bytes, rows: int) -> None:
        """Look at what `content` says of itself. Raises `BadTable` if it is not `rows` rows."""
        self.spec = spec
        self.layout = _layout(spec, content, rows)
        self._content = content
        self._starts = [0, *accumulate(self.layout.groups)]

    def pieces(self, first: int, stop: int) -> Iterator[dict[str, Cells]]:
        """Yield the rows from `first` up to `stop`, piece by piece.

        Only the row groups that they are in are read. Raises `BadTable`.
        """
        import pyarrow as pa

        ends = self._starts[1:]
        groups = [
            group
            for group, (start, end) in enumerate(zip(self._starts, ends, strict=False))
            if start < stop and end > first
        ]
        at = self._starts[groups[0]] if groups else stop
        reader = ArrowReader(self.spec)
        try:
            for batch in _open(self.spec, self._content).iter_batches(
                batch_size=_BATCH_ROWS, row_groups=groups, use_threads=False
            ):
                wanted = batch[max(0, first - at) : max(0, stop - at)]
                at += batch.num_rows
                if wanted.num_rows:
                    yield reader.columns(wanted)
        except MemoryError:
            raise
        except (pa.ArrowException, *_READING) as problem:
            raise _unreadable(self.spec, cause(problem)) from None
        if at < stop:
            raise _unreadable(self.spec, "rows are missing")


def _write(stream: Stream, sink: io.BytesIO | Sink, *, statistics: bool) -> int:
    import pyarrow.parquet as pq

    spec = stream.spec
    packed = {packing: _names(spec, packing) for packing in Packing}
    writer = pq.ParquetWriter(
        sink,
        schema(spec),
        compression="zstd",
        use_dictionary=packed[Packing.DICTIONARY],
        column_encoding={
            **dict.fromkeys(packed[Packing.DELTA], "DELTA_BINARY_PACKED"),
            **dict.fromkeys(packed[Packing.PLAIN], "PLAIN"),
        },
        write_statistics=statistics,
        store_schema=False,
    )
    rows = 0
    try:
        for piece in stream.pieces:
            content = to_arrow(spec, piece)
            rows += content.num_rows
            if rows > spec.most_rows:
                raise ArchiveTooLarge(f"{spec.name} has more than {spec.most_rows:,} rows")
            writer.write_table(content)
    except BaseException:
        with suppress(Exception):
            writer.close()
        raise
    writer.close()
    return rows


def _names(spec: TableSpec, packing: Packing) -> list[str]:
    return [column.name for column in spec.columns if column.packing is packing]


def _joined(column: Column, pieces: list[Cells]) -> Cells:
    if column.kind is Kind.TEXT or column.nullable:
        return [cell for piece in pieces for cell in cast("list[Cell]", piece)]
    return np.concatenate([np.empty(0, DTYPES[column.kind]), *cast("list[Numbers]", pieces)])


def _open(spec: TableSpec, content: bytes) -> pq.ParquetFile:
    """Return the file, to be read with text as dictionaries; its columns are right."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    limits = {
        "thrift_string_size_limit": _MAX_TEXT_BYTES,
        "thrift_container_size_limit": _MAX_ROW_GROUPS * len(spec.columns),
    }
    plain = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False, **limits)
    if not plain.schema_arrow.equals(schema(spec), check_metadata=False):
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
        raise _unreadable(spec, str(problem)) from None
    if found.rows != rows:
        raise BadTable(f"{spec.name} has {found.rows:,} rows where {rows:,} were announced")
    if rows > spec.most_rows:
        raise BadTable(f"{spec.name} has {rows:,} rows, more than {spec.most_rows:,}")
    if len(found.groups) > _MAX_ROW_GROUPS:
        raise BadTable(f"{spec.name} is cut into {len(found.groups):,} row groups")
    return found


def _check_whole(spec: TableSpec, found: Layout) -> None:
    if found.expanded > MAX_TABLE_BYTES:
        raise BadTable(f"{spec.name} takes more than {MAX_TABLE_BYTES >> 30} GiB expanded")


def _unreadable(spec: TableSpec, reason: str) -> BadTable:
    return BadTable(f"{spec.name} is not a readable table ({reason})")
