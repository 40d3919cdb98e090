from __future__ import annotations

import io
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.storage import pages
from leakscope.storage.pages import BadLayout, Layout, layout
from leakscope.storage.thrift import BadThrift, ThriftReader, Wire

NUMBERS = pa.table({"number": range(1000), "word": ["a", None, "c", "d"] * 250})


def parquet(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **{"compression": "zstd", "store_schema": False, **options})
    return sink.getvalue()


GOOD = parquet(NUMBERS, row_group_size=400)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_dictionary": False},
        {"data_page_version": "2.0"},
        {"data_page_size": 100, "write_batch_size": 10},
        {"write_statistics": False},
        {"write_page_index": True},
        {"write_page_checksum": True},
        {"store_schema": True},
        {"version": "1.0"},
        {"use_dictionary": False, "column_encoding": {"number": "DELTA_BINARY_PACKED"}},
    ],
    ids=str,
)
def test_the_layout_is_that_of_the_file(options: dict[str, object]) -> None:
    found = layout(parquet(NUMBERS, row_group_size=400, **options), 2)

    assert found.groups == (400, 400, 200)
    assert found.rows == 1000
    assert 0 < found.expanded < 20_000


def test_what_is_expanded_is_counted() -> None:
    content = parquet(pa.table({"number": range(100_000)}), use_dictionary=False)

    assert 800_000 <= layout(content, 1).expanded < 801_000


def test_a_file_of_no_rows_has_a_layout() -> None:
    assert layout(parquet(NUMBERS.slice(0, 0)), 2).rows == 0


@pytest.mark.parametrize("compression", ["snappy", "gzip", "brotli", "lz4", "none"])
def test_another_compression_is_refused(compression: str) -> None:
    with pytest.raises(BadLayout, match="compressed in another way"):
        layout(parquet(NUMBERS, compression=compression), 2)


def test_another_encoding_is_refused() -> None:
    encoded = {"column_encoding": {"word": "DELTA_BYTE_ARRAY"}, "use_dictionary": ["number"]}

    with pytest.raises(BadLayout, match="encoded in another way"):
        layout(parquet(NUMBERS, **encoded), 2)


def test_nested_columns_are_refused() -> None:
    with pytest.raises(BadLayout, match="not of one length"):
        layout(parquet(pa.table({"list": [[1, 2], [3]]})), 1)


def test_a_surplus_or_missing_column_is_refused() -> None:
    for columns in (1, 3):
        with pytest.raises(BadLayout, match="not of one length"):
            layout(GOOD, columns)


def test_a_page_that_expands_without_end_is_refused_unexpanded() -> None:
    bomb = parquet(pa.table({"word": ["x" * (60 << 20)]}), use_dictionary=False)
    assert len(bomb) < 4000

    tracemalloc.start()
    try:
        with pytest.raises(BadLayout, match="expands"):
            layout(bomb, 1)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("rows", [1, 1000, 1 << 16, 1 << 20, 5 << 20])
def test_a_table_of_equal_rows_is_never_refused(rows: int) -> None:
    equal = pa.table({name: pa.repeat(0, rows) for name in "abcd"})

    assert layout(parquet(equal), 4).rows == rows


def claiming(content: bytes, old: int, new: int) -> bytes:
    """Return a file that says one number, of equal length, wherever it said another."""
    changed = content.replace(varint(old), varint(new))
    assert changed != content and len(changed) == len(content)
    return changed


def varint(number: int) -> bytes:
    """Return a number as Thrift's compact protocol writes it."""
    number *= 2
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def test_a_header_that_claims_a_huge_page_is_refused() -> None:
    honest = parquet(pa.table({"word": ["x" * (3 << 19)]}), use_dictionary=False)
    size = layout(honest, 1).expanded

    with pytest.raises(BadLayout, match="expands"):
        layout(claiming(honest, size, pages.MAX_PAGE_BYTES - 1), 1)


def test_more_rows_than_bytes_can_tell_apart_are_refused() -> None:
    honest = parquet(pa.table({"zero": pa.repeat(0, 20_000)}))
    rows = (1 << 20) - 1
    assert layout(honest, 1).rows == 20_000
    assert pages.most_rows(len(honest)) < rows

    with pytest.raises(BadLayout, match="cannot hold 1,048,575 rows"):
        layout(claiming(honest, 20_000, rows), 1)


@given(st.data())
def test_no_change_of_a_file_gets_further_than_a_refusal(data: st.DataObject) -> None:
    changed = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        if not changed:
            return
    try:
        found = layout(bytes(changed), 2)
    except BadLayout as problem:
        assert str(problem).isprintable()
    else:
        assert isinstance(found, Layout)
        assert 0 <= found.rows <= pages.most_rows(len(changed))
        assert found.expanded <= (1 << 20) + pages.MAX_EXPANSION * len(changed)


@given(st.binary(max_size=200), st.sampled_from(Wire))
def test_arbitrary_thrift_is_passed_over_or_refused(content: bytes, wire: Wire) -> None:
    reader = ThriftReader(content, 0, len(content))
    try:
        reader.skip(wire)
    except BadThrift as problem:
        assert str(problem).isprintable()
    assert 0 <= reader.at <= len(content)


def test_deep_thrift_is_refused() -> None:
    with pytest.raises(BadThrift, match="nested"):
        ThriftReader(b"\x1c" * 1000, 0, 1000).skip(Wire.STRUCT)


@pytest.mark.parametrize(
    ("content", "wire", "length"),
    [
        (b"\x15\x02\x18\x03abc\x00", Wire.STRUCT, 8),
        (b"\x11\x12\x00", Wire.STRUCT, 3),
        (b"\x21\x01\x02", Wire.LIST, 3),
        (b"\xf5\x10" + b"\x01" * 16, Wire.LIST, 18),
        (b"\x02\x58\x01\x01a\x02\x01b", Wire.MAP, 8),
        (b"\x00", Wire.MAP, 1),
        (bytes(8), Wire.DOUBLE, 8),
        (b"\x07", Wire.BYTE, 1),
        (b"\xff" * 9 + b"\x01", Wire.I64, 10),
    ],
)
def test_a_value_of_every_kind_is_passed_over(content: bytes, wire: Wire, length: int) -> None:
    reader = ThriftReader(content + b"\xaa", 0, len(content) + 1)
    reader.skip(wire)

    assert reader.at == length


def test_a_list_that_claims_to_be_endless_ends_with_the_bytes() -> None:
    with pytest.raises(BadThrift, match="cut off"):
        ThriftReader(b"\xf5\xff\xff\xff\xff\x07\x01", 0, 7).skip(Wire.LIST)
