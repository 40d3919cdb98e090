"""What a Parquet file expands to, read from its footer and page headers before anything is.

The libraries that expand pages take each header's word for the size of the page, before they have
seen whether there is as much. So a table is refused here for what it says of itself. Only what
writing produces is let through: flat columns of zstd, in a few encodings, whose pages lie one
after the other.

Source: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from leakscope.storage.thrift import BadThrift, ThriftReader

MAX_ROWS_PER_BYTE = 1 << 11
"""Of the whole table, beyond the first `_FREE_ROWS`: that much only says that all rows are alike.
A row group of 2**20 rows takes some hundred bytes a column, whatever is in it."""
MAX_EXPANSION = 1 << 14
"""How many times its size a table may become, beyond the first `_FREE_BYTES`. zstd makes 2**17
equal bytes out of four, to which a page and its group add a hundred."""
MAX_PAGE_BYTES = 64 << 20

_FREE_ROWS = 1 << 16
_FREE_BYTES = 1 << 20
_MAX_FOOTER_BYTES = 16 << 20
_MAGIC = b"PAR1"
_TAIL_BYTES = 8
_ZSTD = 6
_ENCODINGS = {0, 2, 3, 5, 8}
"""Plain, dictionary (old and new), run lengths, binary packed differences."""


class BadLayout(Exception):
    """A Parquet file that contradicts itself or expands too much; the message says how."""


class _PageType(IntEnum):
    DATA = 0
    DICTIONARY = 2
    DATA_V2 = 3


@dataclass(frozen=True, slots=True)
class Layout:
    """What a Parquet file is made of."""

    groups: tuple[int, ...]
    """The rows of each row group."""
    expanded: int
    """Bytes of all pages once they are expanded."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(self.groups)


def layout(content: bytes, columns: int) -> Layout:
    """Return what the Parquet file `content`, of so many columns, is made of.

    Raises `BadLayout` for everything that writing does not produce: what passes takes at most
    `MAX_EXPANSION` times its size to expand, a page at most `MAX_PAGE_BYTES` at once, and has at
    most `MAX_ROWS_PER_BYTE` rows per byte; the first mebibyte and the first 65,536 rows are free.
    """
    try:
        found = _footer(content, columns)
    except BadThrift as problem:
        raise BadLayout(str(problem)) from None
    if found.rows > most_rows(len(content)):
        raise BadLayout(f"{len(content):,} bytes cannot hold {found.rows:,} rows")
    return found


def most_rows(size: int) -> int:
    """Return how many rows a table of `size` bytes may have."""
    return _FREE_ROWS + MAX_ROWS_PER_BYTE * size


def _footer(content: bytes, columns: int) -> Layout:
    """Read the footer, and the headers of the pages that it points to."""
    end = len(content) - _TAIL_BYTES
    if end < len(_MAGIC) or not content.startswith(_MAGIC) or not content.endswith(_MAGIC):
        raise BadLayout("it is no Parquet")
    size = int.from_bytes(content[end : end + 4], "little")
    if size > min(end - len(_MAGIC), _MAX_FOOTER_BYTES):
        raise BadLayout("its footer does not fit")
    footer = ThriftReader(content, end - size, end)
    budget = _Budget(content, end - size)
    groups: list[int] = []
    for field, wire in footer.fields():
        if field == 4:
            groups += [_group(footer, budget, columns) for _ in footer.structs(wire)]
        elif field in (8, 9):
            raise BadLayout("it is encrypted")
        else:
            footer.skip(wire)
    return Layout(tuple(groups), budget.expanded)


class _Budget:
    """The pages of a file, and what is left of the bytes that they may become."""

    def __init__(self, content: bytes, end: int) -> None:
        self.content = content
        self.end = end
        self.expanded = 0
        self._most = _FREE_BYTES + MAX_EXPANSION * len(content)

    def spend(self, size: int) -> None:
        """Take the bytes of one expanded page."""
        self.expanded += size
        if not 0 <= size <= MAX_PAGE_BYTES or self.expanded > self._most:
            raise BadLayout("it expands to more than a recording holds")


def _group(footer: ThriftReader, budget: _Budget, columns: int) -> int:
    """Read one row group; return its rows."""
    rows = -1
    values: list[int] = []
    for field, wire in footer.fields():
        if field == 1:
            values += [_chunk(footer, budget) for _ in footer.structs(wire)]
        elif field == 3:
            rows = footer.integer(wire)
        else:
            footer.skip(wire)
    if rows < 0 or len(values) != columns or any(count != rows for count in values):
        raise BadLayout("its columns are not of one length")
    return rows


def _chunk(footer: ThriftReader, budget: _Budget) -> int:
    """Read where one column of a row group is, and its pages; return the number of its values."""
    values = None
    for field, wire in footer.fields():
        if field == 3:
            footer.require_struct(wire)
            values = _chunk_description(footer, budget)
        elif field in (1, 8, 9):
            raise BadLayout("a column is elsewhere or encrypted")
        else:
            footer.skip(wire)
    if values is None:
        raise BadLayout("a column is not described")
    return values


_CODEC, _VALUES, _COMPRESSED, _DATA, _DICTIONARY = 4, 5, 7, 9, 11


def _chunk_description(footer: ThriftReader, budget: _Budget) -> int:
    found = dict.fromkeys((_CODEC, _VALUES, _COMPRESSED, _DATA, _DICTIONARY), 0)
    for field, wire in footer.fields():
        if field in found:
            found[field] = footer.integer(wire)
        else:
            footer.skip(wire)
    if found[_CODEC] != _ZSTD:
        raise BadLayout("it is compressed in another way")
    start, values = found[_DATA], found[_VALUES]
    if not values:
        return 0  # Whatever pages it has are never looked at.
    if 0 < found[_DICTIONARY] < start:
        start = found[_DICTIONARY]
    end = start + found[_COMPRESSED]
    if not len(_MAGIC) <= start <= end <= budget.end:
        raise BadLayout("a column lies outside of it")
    if _pages(budget, start, end) != values:
        raise BadLayout("a column has other values than it says")
    return values


def _pages(budget: _Budget, at: int, end: int) -> int:
    """Read the headers of the pages from `at` to `end`; return how many values they have."""
    values = 0
    while at < end:
        header = ThriftReader(budget.content, at, end)
        page = _page(header)
        budget.spend(page.expanded)
        if page.type == _PageType.DICTIONARY:
            # A dictionary's values are whole bytes; room for all of them is made at once.
            if page.values > page.expanded:
                raise BadLayout("a dictionary has fewer words than it says")
        else:
            values += page.values
        at = header.at + page.compressed
        if page.compressed < 0 or page.values < 0 or at > end:
            raise BadLayout("a page lies outside of its column")
    return values


@dataclass(slots=True)
class _Page:
    type: int = -1
    expanded: int = -1
    compressed: int = -1
    values: int = -1
    encoding: int = -1


_BODIES = {5: (_PageType.DATA, 2), 7: (_PageType.DICTIONARY, 2), 8: (_PageType.DATA_V2, 4)}
"""By field of the page header: the type of page it describes, the field of its encoding."""


def _page(header: ThriftReader) -> _Page:
    page = _Page()
    described = -1
    for field, wire in header.fields():
        if field == 1:
            page.type = header.integer(wire)
        elif field == 2:
            page.expanded = header.integer(wire)
        elif field == 3:
            page.compressed = header.integer(wire)
        elif field in _BODIES:
            described, encoding = _BODIES[field]
            header.require_struct(wire)
            _page_body(header, page, encoding)
        else:
            header.skip(wire)
    if described != page.type:
        raise BadLayout("a page is of an unknown type")
    if page.encoding not in _ENCODINGS:
        raise BadLayout("a page is encoded in another way")
    return page


def _page_body(header: ThriftReader, page: _Page, encoding: int) -> None:
    for field, wire in header.fields():
        if field == 1:
            page.values = header.integer(wire)
        elif field == encoding:
            page.encoding = header.integer(wire)
        else:
            header.skip(wire)
