"""Recordings that were tampered with by somebody who knows the format."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from leakscope.storage import archive
from leakscope.storage.manifest import FORMAT_VERSION
from tests.storage.make_fixture import fixture

Members = dict[str, bytes]


def members(version: int = FORMAT_VERSION) -> Members:
    """Return the members of a good recording, in the file's order."""
    with zipfile.ZipFile(fixture(version)) as good:
        return {name: good.read(name) for name in good.namelist()}


def forge(path: Path, change: Callable[[Members], None]) -> Path:
    """Write a good recording to `path`, changed; digests and row counts are made to fit."""
    changed = members()
    change(changed)
    path.write_bytes(packed(with_digests(changed)))
    return path


def packed(contents: Members) -> bytes:
    """Return a file of the given members."""
    sink = io.BytesIO()
    with archive.packing(sink) as packer:
        for name, content in contents.items():
            with packer.member(name) as member:
                member.write(content)
    return sink.getvalue()


def with_digests(changed: Members) -> Members:
    """Return members whose manifest agrees with the others."""
    manifest = json.loads(changed["manifest.json"])
    for name, content in changed.items():
        if name in manifest["members"]:
            manifest["members"][name]["sha256"] = hashlib.sha256(content).hexdigest()
    return {**changed, "manifest.json": json.dumps(manifest).encode()}


def edit_manifest(change: Callable[[dict[str, object]], None]) -> Callable[[Members], None]:
    """Return a change of the manifest, given as a change of its document."""

    def apply(changed: Members) -> None:
        document = json.loads(changed["manifest.json"])
        change(document)
        changed["manifest.json"] = json.dumps(document).encode()

    return apply


def replace_table(name: str, table: pa.Table, **options: object) -> Callable[[Members], None]:
    """Return a change that puts another table in the place of one."""

    def apply(changed: Members) -> None:
        sink = io.BytesIO()
        pq.write_table(table, sink, **{"store_schema": False, "compression": "zstd", **options})
        changed[f"{name}.parquet"] = sink.getvalue()
        announce_rows(name, table.num_rows)(changed)

    return apply


def edit_table(name: str, column: str, value: object, *, row: int = 0) -> Callable[[Members], None]:
    """Return a change of one column's value in one of a table's rows."""

    def apply(changed: Members) -> None:
        table = pq.read_table(pa.BufferReader(changed[f"{name}.parquet"]))
        cells = table.column(column).to_pylist()
        field = table.schema.field(column)
        cells[row] = value
        position = table.schema.get_field_index(column)
        changed_table = table.set_column(position, field, pa.array(cells, field.type))
        replace_table(name, changed_table)(changed)

    return apply


def announce_rows(name: str, rows: int) -> Callable[[Members], None]:
    """Return a change of the number of rows that the manifest announces for a table."""

    def apply(document: dict[str, object]) -> None:
        infos = document["members"]
        assert isinstance(infos, dict)
        infos[f"{name}.parquet"]["rows"] = rows

    return edit_manifest(apply)
