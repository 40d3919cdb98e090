from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leakscope.errors import ExitCode
from leakscope.storage.errors import (
    CorruptedFile,
    ForeignFile,
    NewerFormat,
    NoSuchFile,
    TruncatedFile,
    UnreadableFile,
)
from leakscope.storage.files import load
from leakscope.storage.heaps import HEAP_TABLES
from leakscope.storage.manifest import FORMAT_VERSION, MAX_BYTES
from leakscope.storage.tables import MAX_ROWS
from tests.storage.forging import (
    Members,
    announce_rows,
    edit_manifest,
    edit_table,
    forge,
    members,
    packed,
    replace_table,
)
from tests.storage.make_fixture import CONTENTS, fixture
from tests.storage.recordings import same

GOOD = fixture(FORMAT_VERSION).read_bytes()
CONTENT = CONTENTS[FORMAT_VERSION]


def refused(path: Path) -> UnreadableFile:
    """Return the error that `path` is refused with: one printable line, a hint, exit 2 or 3."""
    with pytest.raises(UnreadableFile) as caught:
        load(path)
    error = caught.value
    assert str(path) in str(error)
    assert str(error).isprintable(), str(error)
    assert error.remedy
    assert error.exit_code in (ExitCode.USAGE, ExitCode.NOT_MEASURED)
    return error


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_forged_file_without_a_fault_loads(tmp_path: Path) -> None:
    path = forge(tmp_path / "a.lscope", lambda _: None)

    assert same(load(path), CONTENT)


def test_a_missing_file_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    error = refused(tmp_path / "nothing.lscope")

    assert isinstance(error, NoSuchFile)
    assert error.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    "content",
    [b"#!/bin/sh\n", b"\x80\x04\x95", b"PAR1" + b"x" * 100, b"{}", b"\x7fELF" + bytes(60)],
)
def test_another_kind_of_file_is_foreign(tmp_path: Path, content: bytes) -> None:
    error = refused(written(tmp_path / "a.lscope", content))

    assert isinstance(error, ForeignFile)
    assert error.exit_code == ExitCode.NOT_MEASURED


def test_an_empty_file_is_truncated(tmp_path: Path) -> None:
    assert isinstance(refused(written(tmp_path / "a.lscope", b"")), TruncatedFile)


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    for length in [*range(1, 60), *range(60, len(GOOD), 97), len(GOOD) - 1]:
        assert isinstance(refused(written(tmp_path / "a.lscope", GOOD[:length])), TruncatedFile)


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    for position in range(0, len(GOOD), 101):
        flipped = bytearray(GOOD)
        flipped[position] ^= 0x55
        path = written(tmp_path / "a.lscope", bytes(flipped))
        try:
            assert same(load(path), CONTENT)
        except UnreadableFile as error:
            assert str(error).isprintable()


def test_a_directory_a_device_and_a_pipe_are_foreign(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path, Path("/dev/zero"), tmp_path / "pipe"):
        assert isinstance(refused(path), ForeignFile)


def test_a_path_through_a_file_is_no_traceback(tmp_path: Path) -> None:
    written(tmp_path / "file", b"")

    assert "Not a directory" in str(refused(tmp_path / "file" / "a.lscope"))


def zip_of(contents: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", compression) as other:
        for name, content in contents.items():
            other.writestr(name, content)
    return sink.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        zip_of({"word/document.xml": b"<x/>"}),
        zip_of({"a.txt": b"hello"}),
        zip_of({"../../etc/passwd": b"x"}),
        zip_of({}),
        zip_of({f"{i}": b"" for i in range(100)}),
    ],
    ids=["document", "text", "path", "empty", "many members"],
)
def test_another_zip_is_foreign(tmp_path: Path, content: bytes) -> None:
    assert isinstance(refused(written(tmp_path / "a.lscope", content)), ForeignFile)


def test_a_zip_with_a_comment_is_foreign(tmp_path: Path) -> None:
    sink = io.BytesIO(GOOD)
    with zipfile.ZipFile(sink, "a") as commented:
        commented.comment = b"hello"

    assert isinstance(refused(written(tmp_path / "a.lscope", sink.getvalue())), ForeignFile)


def test_a_bomb_of_compressed_zeros_is_refused_unexpanded(tmp_path: Path) -> None:
    bomb = zip_of({"manifest.json": bytes(64 << 20)}, zipfile.ZIP_DEFLATED)

    error = refused(written(tmp_path / "a.lscope", bomb))

    assert isinstance(error, ForeignFile)
    assert "compressed" in str(error)


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    content = bytearray(zip_of({"manifest.json": b"a" * 4000, "types.parquet": b"b" * 4000}))
    second = content.rindex(b"PK\x01\x02")
    content[second + 42 : second + 46] = bytes(4)
    first_size = len(content).to_bytes(4, "little")
    content[second + 20 : second + 24] = content[second + 24 : second + 28] = first_size

    assert isinstance(refused(written(tmp_path / "a.lscope", bytes(content))), CorruptedFile)


def test_the_64_bit_extension_cannot_point_elsewhere(tmp_path: Path) -> None:
    end = bytearray(GOOD[-22:])
    locator = b"PK\x06\x07" + bytes(16)
    size = int.from_bytes(end[12:16], "little") + len(locator)
    end[12:16] = size.to_bytes(4, "little")

    path = written(tmp_path / "a.lscope", GOOD[:-22] + locator + bytes(end))
    assert isinstance(refused(path), ForeignFile)


def test_a_member_twice_is_refused(tmp_path: Path) -> None:
    sink = io.BytesIO(GOOD)
    with zipfile.ZipFile(sink, "a") as double, pytest.warns(UserWarning):
        double.writestr("types.parquet", b"again")

    assert isinstance(refused(written(tmp_path / "a.lscope", sink.getvalue())), CorruptedFile)


def test_a_later_format_says_to_upgrade(tmp_path: Path) -> None:
    def later(document: dict[str, object]) -> None:
        document.clear()
        document.update({"format": "leakscope.recording", "format_version": FORMAT_VERSION + 1})

    def change(changed: Members) -> None:
        edit_manifest(later)(changed)
        del changed["types.parquet"]

    content = members()
    change(content)
    error = refused(written(tmp_path / "a.lscope", packed(content)))

    assert isinstance(error, NewerFormat)
    assert f"format {FORMAT_VERSION + 1}" in str(error)
    assert "Upgrade" in error.remedy


LOST = {
    "row": 0,
    "type": "shop.Reply",
    "objects": 1,
    "references": 1,
    "retained_bytes": 1,
    "looks": [],
    "more": 0,
}


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("format",), "pickle"),
        (("format_version",), True),
        (("format_version",), 0),
        (("format_version",), "1"),
        (("target",), None),
        (("target", "pid"), -1),
        (("target", "pid"), 1.5),
        (("target", "pid"), 10**30),
        (("target", "started"), "now"),
        (("target", "started"), float("nan")),
        (("target", "started"), 10**400),
        (("target", "cmdline"), "python"),
        (("target", "cmdline"), [1]),
        (("how", "kind"), "\x1b[31mmagic"),
        (("how", "ending"), 3),
        (("limit",), {"bytes": -1, "source": "x"}),
        (("limit",), []),
        (("caveats",), [None]),
        (("leakscope",), None),
        (("work",), {"unit": 1}),
        (("unheld",), {}),
        (("unheld",), [None]),
        (("unheld",), [{"row": 0}]),
        (("unheld",), [{**LOST, "row": 99}]),
        (("unheld",), [{**LOST, "objects": -1}]),
        (("unheld",), [{**LOST, "looks": [{"edge": 1, "type": "x"}]}]),
        (("opened",), {}),
        (("opened",), [{"kind": "file", "where": "", "state": ""}]),
        (("opened",), [{"kind": 1, "where": "", "state": "", "descriptors": 1}]),
        (("opened",), [{"kind": "file", "where": "", "state": "", "descriptors": -1}]),
        (("most_open",), -1),
        (("most_open",), "many"),
        (("members",), []),
        (("members",), {}),
        (("members", "types.parquet"), None),
        (("members", "types.parquet", "rows"), -1),
        (("members", "types.parquet", "rows"), 2**62),
        (("members", "types.parquet", "rows"), 8),
    ],
)
def test_a_manifest_of_nonsense_is_refused(
    tmp_path: Path, keys: tuple[str, ...], value: object
) -> None:
    def set_value(document: dict[str, object]) -> None:
        part = document
        for key in keys[:-1]:
            inner = part[key]
            assert isinstance(inner, dict)
            part = inner
        part[keys[-1]] = value

    content = members()
    edit_manifest(set_value)(content)

    assert isinstance(refused(written(tmp_path / "a.lscope", packed(content))), CorruptedFile)


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000],
    ids=["empty", "list", "null", "binary", "deep lists", "deep objects", "huge number"],
)
def test_a_manifest_that_is_no_json_object_is_refused(tmp_path: Path, text: bytes) -> None:
    content = {**members(), "manifest.json": text}

    assert isinstance(refused(written(tmp_path / "a.lscope", packed(content))), CorruptedFile)


def test_a_manifest_too_large_to_be_one_is_refused_unread(tmp_path: Path) -> None:
    content = {**members(), "manifest.json": b" " * (MAX_BYTES + 1)}

    error = refused(written(tmp_path / "a.lscope", packed(content)))

    assert "too large" in str(error)


def test_a_missing_manifest_is_foreign(tmp_path: Path) -> None:
    content = members()
    del content["manifest.json"]

    assert isinstance(refused(written(tmp_path / "a.lscope", packed(content))), ForeignFile)


def test_missing_and_surplus_members_are_refused(tmp_path: Path) -> None:
    surplus = {**members(), "payload.pkl": b"\x80\x04."}

    for content in (*(without(name) for name in members() if name != "manifest.json"), surplus):
        path = written(tmp_path / "a.lscope", packed(content))
        assert isinstance(refused(path), CorruptedFile)


def without(name: str) -> Members:
    """Return the members of a good recording except for one, of which nothing speaks."""
    content = members()
    del content[name]
    edit_manifest(lambda document: document["members"].pop(name))(content)  # type: ignore[attr-defined]
    return content


def test_an_older_format_has_no_heaps(tmp_path: Path) -> None:
    content = members()
    edit_manifest(lambda document: document.update(format_version=1))(content)

    error = refused(written(tmp_path / "a.lscope", packed(content)))

    assert "the tables of its format" in str(error)


def test_tables_of_heaps_without_a_heap_are_refused(tmp_path: Path) -> None:
    def change(changed: Members) -> None:
        for spec in HEAP_TABLES:
            table = pq.read_table(pa.BufferReader(changed[spec.member]))
            replace_table(spec.name, table.slice(0, 0))(changed)

    error = refused(forge(tmp_path / "a.lscope", change))

    assert "the heaps are not numbered" in str(error)


def test_a_table_with_another_digest_is_refused_unread(tmp_path: Path) -> None:
    content = {**members(), "types.parquet": b"PAR1 not at all"}

    error = refused(written(tmp_path / "a.lscope", packed(content)))

    assert "types.parquet is not what was written" in str(error)


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"PAR1\xff\xff\xff\x7fPAR1"]
)
def test_a_table_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    def change(changed: Members) -> None:
        changed["types.parquet"] = content

    assert isinstance(refused(forge(tmp_path / "a.lscope", change)), CorruptedFile)


TYPES_SCHEMA = pa.schema(
    [
        pa.field("census", pa.int64(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("objects", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
    ]
)


def types_table(rows: int, name: str = "t", schema: pa.Schema = TYPES_SCHEMA) -> pa.Table:
    columns = ([0] * rows, [name] * rows, [1] * rows, [1] * rows)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def changed_field(position: int, field: pa.Field) -> pa.Schema:
    return TYPES_SCHEMA.set(position, field)


@pytest.mark.parametrize(
    "table",
    [
        types_table(2).drop_columns(["bytes"]),
        types_table(2).append_column("more", pa.array([1, 2])),
        types_table(2).rename_columns(["census", "type", "objects", "\x1b[31m"]),
        types_table(2, schema=changed_field(0, pa.field("census", pa.float64(), nullable=False))),
        types_table(2, schema=changed_field(0, pa.field("census", pa.int64(), nullable=True))),
        types_table(2, schema=changed_field(1, pa.field("type", pa.binary(), nullable=False))),
        pa.table({"census": [[0]], "type": [{"a": 1}], "objects": [None], "bytes": [True]}),
    ],
    ids=["missing", "surplus", "renamed", "float", "nullable", "binary", "nested"],
)
def test_other_columns_are_refused(tmp_path: Path, table: pa.Table) -> None:
    error = refused(forge(tmp_path / "a.lscope", replace_table("types", table)))

    assert "columns" in str(error)


@pytest.mark.parametrize(
    "change",
    [
        edit_table("types", "objects", -1),
        edit_table("types", "bytes", -(2**63)),
        edit_table("types", "census", 3),
        edit_table("types", "census", 2**62),
        edit_table("types", "census", -1),
        edit_table("containers", "length", -1),
        edit_table("containers", "census", 99),
        edit_table("census", "index", 1),
        edit_table("census", "at", float("nan")),
        edit_table("census", "at", float("inf")),
        edit_table("census", "work", float("nan")),
        edit_table("census", "pause_ms", -0.5),
        edit_table("census", "rss", -1),
        edit_table("census", "cpu_seconds", float("-inf")),
        edit_table("evidence_holders", "entries_sampled", -1),
        edit_table("evidence_holders", "site_file", None),
        edit_table("evidence_shares", "holder", 1),
        edit_table("evidence_shares", "bytes", float("nan")),
        edit_table("evidence_steps", "of", "\x1b[2J"),
        edit_table("evidence_steps", "part", "entry"),
        edit_table("evidence_steps", "row", 7),
        edit_table("evidence_steps", "position", 2),
        edit_table("evidence_types", "objects", -1),
        edit_table("evidence_frames", "allocation", 1),
        edit_table("evidence_frames", "position", 1),
        replace_table("types", types_table(2)),
        replace_table("census", pa.table({"index": pa.array([], pa.int64())})),
        announce_rows("types", 10),
    ],
)
def test_values_that_no_process_can_have_are_refused(
    tmp_path: Path, change: Callable[[Members], None]
) -> None:
    assert isinstance(refused(forge(tmp_path / "a.lscope", change)), CorruptedFile)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edit_table("heaps", "index", 1), "not numbered in order"),
        (edit_table("heaps", "at", float("nan")), "no number"),
        (edit_table("heaps", "work", float("inf")), "no number"),
        (edit_table("heaps", "pause_ms", -1.0), "negative"),
        (edit_table("heaps", "objects", -1), "negative"),
        (edit_table("heaps", "objects", 4), "objects are not as many"),
        (edit_table("heaps", "objects", 2**62), "objects are not as many"),
        (edit_table("heaps", "references", 7), "references are not as many"),
        (edit_table("heaps", "references", 2**62), "references are not as many"),
        (edit_table("heap_types", "heap", 2), "not there"),
        (edit_table("heap_types", "index", 1), "not in order"),
        (edit_table("heap_types", "index", -1), "negative"),
        (edit_table("heap_containers", "heap", 2), "not there"),
        (edit_table("heap_containers", "length", -1), "negative"),
        (edit_table("modules", "heap", 2), "not there"),
        (edit_table("threads", "heap", -1), "negative"),
        (edit_table("locals", "heap", 2**40), "not there"),
        (edit_table("locals", "depth", -1), "negative"),
        (edit_table("names", "heap", 2), "not there"),
        (edit_table("names", "end", 2**64 - 16, row=1), "two things"),
        (edit_table("labels", "heap", 2), "not there"),
        (edit_table("labels", "address", 0x7F12_3456_9000), "two things"),
        (edit_table("suspensions", "heap", 2), "not there"),
        (edit_table("suspensions", "address", 2**64 - 16), "two things"),
        (edit_table("suspension_frames", "suspension", 2), "not there"),
        (edit_table("suspension_frames", "position", 1), "not in order"),
        (edit_table("objects", "heap", 1), "not of the heap"),
        (edit_table("objects", "heap", -1), "negative"),
        (edit_table("objects", "row", 1), "not numbered in order"),
        (edit_table("objects", "address", 0x7F12_3456_0010), "ascending"),
        (edit_table("objects", "address", 2**64 - 1), "ascending"),
        (edit_table("objects", "type", 4), "a type that is not there"),
        (edit_table("objects", "type", -1), "negative"),
        (edit_table("objects", "type", 2**31 - 1), "a type that is not there"),
        (edit_table("objects", "size", -1), "negative"),
        (edit_table("references", "heap", 1), "not of the heap"),
        (edit_table("references", "from", -1), "negative"),
        (edit_table("references", "from", 3), "not in order"),
        (edit_table("references", "from", 2**31 - 1), "not in order"),
        (edit_table("references", "from", 5, row=5), "from a row that is not there"),
        (edit_table("references", "from", 2, row=6), "from a row that is not there"),
        (edit_table("references", "to", 5), "to a row that is not there"),
        (edit_table("references", "to", -1), "negative"),
        (edit_table("references", "to", 2**31 - 1), "to a row that is not there"),
        (edit_table("references", "to", 2, row=6), "to a row that is not there"),
    ],
)
def test_heaps_that_cannot_be_are_refused(
    tmp_path: Path, change: Callable[[Members], None], words: str
) -> None:
    error = refused(forge(tmp_path / "a.lscope", change))

    assert isinstance(error, CorruptedFile)
    assert words in str(error)


def test_a_recording_without_a_census_is_refused(tmp_path: Path) -> None:
    def change(changed: Members) -> None:
        for name in ("census", "types", "containers"):
            table = pq.read_table(pa.BufferReader(changed[f"{name}.parquet"]))
            replace_table(name, table.slice(0, 0))(changed)

    error = refused(forge(tmp_path / "a.lscope", change))

    assert "no census" in str(error)


def test_more_rows_than_any_recording_has_are_refused_unread(tmp_path: Path) -> None:
    rows = MAX_ROWS + 1
    zeros = np.zeros(rows, dtype="int64")
    names = pa.DictionaryArray.from_arrays(zeros.astype("int32"), pa.array(["t"]))
    table = pa.Table.from_arrays(
        [pa.array(zeros), names.cast(pa.string()), pa.array(zeros), pa.array(zeros)],
        schema=TYPES_SCHEMA,
    )

    path = forge(tmp_path / "a.lscope", replace_table("types", table, compression="zstd"))

    assert path.stat().st_size < 1 << 20
    assert "rows" in str(refused(path))


def test_long_text_repeated_without_end_takes_little_memory(tmp_path: Path) -> None:
    rows, length = 200_000, 100_000
    counts = np.arange(rows, dtype="int64")
    names = pa.DictionaryArray.from_arrays(np.zeros(rows, dtype="int32"), pa.array(["x" * length]))
    schema = changed_field(1, pa.field("type", names.type, nullable=False))
    zeros = pa.array(np.zeros(rows, dtype="int64"))
    table = pa.Table.from_arrays([zeros, names, pa.array(counts), zeros], schema=schema)
    path = forge(tmp_path / "a.lscope", replace_table("types", table, compression="zstd"))
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from leakscope.storage.files import load\n"
        "from leakscope.storage.errors import UnreadableFile\n"
        "import pyarrow, pyarrow.parquet\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "try: load(Path(sys.argv[1]))\n"
        "except UnreadableFile as error: print(error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )

    assert "counted twice" in done.stdout
    assert rows * length > 4 << 30
