from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leakscope.model.image import HeapImage
from leakscope.model.recording import Recording
from leakscope.storage.codec import TABLES
from leakscope.storage.files import export, load, save
from leakscope.storage.heaps import HEAP_TABLES
from leakscope.storage.manifest import FORMAT_VERSION
from leakscope.storage.surrogates import from_utf8_text, to_utf8_text
from tests.storage.make_fixture import CONTENTS, HOST, SNAPSHOTS, fixture
from tests.storage.recordings import recordings, same, texts


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recordings)
def test_what_is_loaded_equals_what_was_saved(recording: Recording) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "a.lscope"
        save(recording, path)

        assert same(load(path), recording)


def test_order_survives_too(tmp_path: Path) -> None:
    recording = CONTENTS[2]
    save(recording, tmp_path / "a.lscope")

    loaded = load(tmp_path / "a.lscope")

    for census, original in zip(loaded.censuses, recording.censuses, strict=True):
        assert list(census.types) == list(original.types)
    for heap, made in zip(loaded.heaps, recording.heaps, strict=True):
        for mapping, of in zip(_mappings(heap), _mappings(made), strict=True):
            assert list(mapping) == list(of)


def _mappings(heap: HeapImage) -> list[Mapping[Any, object]]:
    return [heap.names.edges, heap.names.labels, heap.names.suspended]


def test_the_same_recording_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        save(CONTENTS[2], tmp_path / name, host=HOST)

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@given(texts)
def test_any_text_fits_utf8_and_comes_back(text: str) -> None:
    stored = to_utf8_text(text)

    stored.encode("utf-8")
    assert from_utf8_text(stored) == text


@given(st.text(st.characters(codec="utf-8")))
def test_ordinary_text_is_stored_as_it_is(text: str) -> None:
    if "\\ud" not in text:
        assert to_utf8_text(text) == text


def test_every_format_version_has_a_file() -> None:
    assert {path.name for path in SNAPSHOTS.iterdir()} == {
        f"v{version}.lscope" for version in CONTENTS
    }
    assert max(CONTENTS) == FORMAT_VERSION


@pytest.mark.parametrize("version", CONTENTS)
def test_every_past_format_version_stays_loadable(version: int) -> None:
    assert same(load(fixture(version)), CONTENTS[version])


def test_todays_format_is_that_of_its_file(tmp_path: Path) -> None:
    # Another version of Arrow packs the same values into other bytes.
    save(CONTENTS[FORMAT_VERSION], tmp_path / "a.lscope", host=HOST)

    with ZipFile(tmp_path / "a.lscope") as new, ZipFile(fixture(FORMAT_VERSION)) as kept:
        assert new.namelist() == kept.namelist()
        for name in new.namelist()[:-1]:
            written, there = (pq.read_table(io.BytesIO(z.read(name))) for z in (new, kept))
            assert written.equals(there)
            assert written.schema.equals(there.schema)


def test_other_engines_read_the_tables_without_leakscope(tmp_path: Path) -> None:
    files = export(fixture(FORMAT_VERSION), tmp_path / "out")

    members = [spec.member for spec in (*TABLES, *HEAP_TABLES)]
    assert [file.name for file in files] == [*members, "manifest.json"]
    types = pq.read_table(tmp_path / "out" / "types.parquet").to_pylist()
    assert types[0] == {
        "census": 0,
        "type": "aiohttp.web_request.Request",
        "objects": 10,
        "bytes": 4800,
    }
    assert len(types) == 9
    steps = pq.read_table(tmp_path / "out" / "evidence_steps.parquet").to_pylist()
    assert steps[1] == {
        "of": "holder",
        "row": 0,
        "part": "chain",
        "position": 1,
        "edge": ".PENDING",
        "type": "builtins.dict",
    }
    objects = pq.read_table(tmp_path / "out" / "objects.parquet").to_pylist()
    assert objects[2] == {
        "heap": 0,
        "row": 2,
        "address": 0x7F12_3456_7890,
        "type": 1,
        "size": 2**40,
        "refcount": 2,
        "flags": 1,
    }
    references = pq.read_table(tmp_path / "out" / "references.parquet").to_pylist()
    assert [(row["heap"], row["from"], row["to"]) for row in references] == [
        (0, 1, 2),
        (0, 2, 4),
        (0, 2, 3),
        (0, 3, 0),
        (0, 3, 3),
        (0, 3, 0),
        (1, 0, 1),
    ]


def test_the_tables_are_compressed_and_the_zip_is_not() -> None:
    for version in CONTENTS:
        with ZipFile(fixture(version)) as archive:
            assert all(entry.compress_type == 0 for entry in archive.infolist())
            for name in archive.namelist():
                if name.endswith(".parquet"):
                    group = pq.ParquetFile(io.BytesIO(archive.read(name))).metadata.row_group(0)
                    used = {group.column(i).compression for i in range(group.num_columns)}
                    assert used == {"ZSTD"}


def test_the_manifest_says_what_the_recording_is_of() -> None:
    with ZipFile(fixture(2)) as archive:
        manifest = json.loads(archive.read("manifest.json"))

    assert manifest["format"] == "leakscope.recording"
    assert manifest["format_version"] == 2
    assert manifest["target"]["pid"] == 4242
    assert manifest["interpreter"] == {"python": "3.12.1", "implementation": "cpython"}
    assert manifest["host"]["machine"] == "x86_64"
    assert manifest["how"] == {"kind": "native", "ending": "interrupted"}
    assert manifest["work"] == {"unit": "request", "total": 2000.0}
    assert manifest["pause_ms"] == {"median": 13.5, "max": 14.5}
    assert manifest["members"]["types.parquet"]["rows"] == 9
    assert len(manifest["members"]["types.parquet"]["sha256"]) == 64


def test_arrow_is_loaded_only_when_a_file_is_read_or_written() -> None:
    code = "import sys, leakscope.storage.files; print('pyarrow' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
