from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leakscope.model.recording import Recording
from leakscope.storage.codec import TABLES
from leakscope.storage.files import export, load, save
from leakscope.storage.surrogates import from_utf8_text, to_utf8_text
from tests.storage.make_fixture import HOST, SNAPSHOTS
from tests.storage.recordings import recordings, sample_recording, texts


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recordings)
def test_what_is_loaded_equals_what_was_saved(recording: Recording) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "a.lscope"
        save(recording, path)

        assert load(path) == recording


def test_order_survives_too(tmp_path: Path) -> None:
    save(sample_recording(), tmp_path / "a.lscope")

    loaded = load(tmp_path / "a.lscope")

    for census, original in zip(loaded.censuses, sample_recording().censuses, strict=True):
        assert list(census.types) == list(original.types)


def test_the_same_recording_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        save(sample_recording(), tmp_path / name, host=HOST)

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


@pytest.mark.parametrize("version", [1])
def test_every_past_format_version_stays_loadable(version: int) -> None:
    assert load(SNAPSHOTS / f"v{version}.lscope") == sample_recording()


def test_other_engines_read_the_tables_without_leakscope(tmp_path: Path) -> None:
    files = export(SNAPSHOTS / "v1.lscope", tmp_path / "out")

    assert [file.name for file in files] == [*(t.member for t in TABLES), "manifest.json"]
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


def test_the_tables_are_compressed_and_the_zip_is_not() -> None:
    with ZipFile(SNAPSHOTS / "v1.lscope") as archive:
        assert all(entry.compress_type == 0 for entry in archive.infolist())
        with archive.open("types.parquet") as member:
            group = pq.ParquetFile(member).metadata.row_group(0)

    assert {group.column(i).compression for i in range(group.num_columns)} == {"ZSTD"}


def test_the_manifest_says_what_the_recording_is_of() -> None:
    with ZipFile(SNAPSHOTS / "v1.lscope") as archive:
        assert archive.namelist()[0] == "manifest.json"
        manifest = json.loads(archive.read("manifest.json"))

    assert manifest["format"] == "leakscope.recording"
    assert manifest["format_version"] == 1
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
