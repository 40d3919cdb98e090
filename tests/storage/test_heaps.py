from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakscope.model.heap import HeapSnapshot
from leakscope.model.image import HeapImage
from leakscope.model.recording import Recording
from leakscope.storage.codec import TABLES
from leakscope.storage.errors import CorruptedFile
from leakscope.storage.files import load, save
from leakscope.storage.graphs import encode_references
from leakscope.storage.heaps import HEAP_TABLES
from leakscope.storage.manifest import FORMAT_VERSION
from leakscope.storage.parquet import GROUP_ROWS
from tests.storage.forging import edit_table, forge
from tests.storage.make_fixture import CONTENTS, fixture
from tests.storage.recordings import random_heap, same, sample_heaps, sample_recording, snapshots


def recorded(*heaps: HeapImage) -> Recording:
    return replace(sample_recording(), heaps=heaps)


def test_a_recording_without_heaps_has_no_tables_of_heaps(tmp_path: Path) -> None:
    save(sample_recording(), tmp_path / "a.lscope")

    with ZipFile(tmp_path / "a.lscope") as archive:
        assert archive.namelist() == [*(spec.member for spec in TABLES), "manifest.json"]


@pytest.fixture(scope="module")
def three_heaps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of three heaps, larger than a row group, smaller, and empty of references."""
    path = tmp_path_factory.mktemp("heaps") / "a.lscope"
    save(THREE, path)
    return path


THREE = recorded(
    random_heap(GROUP_ROWS * 2 + 5, GROUP_ROWS * 3 + 7, 1),
    random_heap(1000, 2000, 2),
    random_heap(GROUP_ROWS, 0, 3),
)


def test_heaps_larger_than_a_row_group_come_back(three_heaps: Path) -> None:
    assert same(load(three_heaps), THREE)


@pytest.mark.parametrize(
    ("wanted", "indexes"),
    [
        (False, ()),
        ((), ()),
        ((0,), (0,)),
        ((-1,), (2,)),
        ((2, 0), (0, 2)),
        ((1, -2, 1), (1,)),
        ((0, 3, -4, 99), (0,)),
        (True, (0, 1, 2)),
    ],
)
def test_only_the_heaps_that_are_wanted_are_loaded(
    three_heaps: Path, wanted: bool | tuple[int, ...], indexes: tuple[int, ...]
) -> None:
    loaded = load(three_heaps, heaps=wanted)

    assert same(loaded, recorded(*(THREE.heaps[i] for i in indexes)))


def test_wanting_heaps_of_a_file_without_any_is_no_mistake() -> None:
    assert load(fixture(1), heaps=(-1,)) == CONTENTS[1]


def test_heaps_that_are_not_wanted_are_not_read(tmp_path: Path) -> None:
    content = bytearray(fixture(FORMAT_VERSION).read_bytes())
    with ZipFile(fixture(FORMAT_VERSION)) as archive:
        for spec in HEAP_TABLES:
            entry = archive.getinfo(spec.member)
            content[entry.header_offset + 30 + len(entry.filename) + 10] ^= 0xFF
    (tmp_path / "a.lscope").write_bytes(content)

    assert load(tmp_path / "a.lscope", heaps=False) == CONTENTS[1]
    with pytest.raises(CorruptedFile):
        load(tmp_path / "a.lscope")


def list_of(references: int) -> HeapImage:
    """Return a heap in which one object refers to another again and again."""
    offsets = np.array([0, references, references], np.int64)
    graph = replace(
        sample_heaps()[1].snapshot, offsets=offsets, targets=np.ones(references, np.int32)
    )
    return replace(sample_heaps()[1], snapshot=graph)


def uniform(objects: int) -> HeapImage:
    """Return a heap of objects that are all alike, at equal distances."""
    return HeapImage(
        at=1.0,
        work=None,
        pause_ms=1.0,
        snapshot=HeapSnapshot(
            ("builtins.float",),
            np.arange(0x1000, 0x1000 + 24 * objects, 24, dtype=np.uint64),
            np.zeros(objects, np.int32),
            np.full(objects, 24, np.int64),
            np.ones(objects, np.int64),
            np.zeros(objects, np.uint8),
            np.zeros(objects + 1, np.int64),
            np.empty(0, np.int32),
        ),
    )


@pytest.mark.parametrize(
    "heap", [list_of(4_000_000), uniform(2_000_000)], ids=["references", "objects"]
)
def test_a_heap_that_says_next_to_nothing_is_small_and_loads(
    tmp_path: Path, heap: HeapImage
) -> None:
    save(recorded(heap), tmp_path / "a.lscope")

    assert (tmp_path / "a.lscope").stat().st_size < 200_000
    assert same(load(tmp_path / "a.lscope"), recorded(heap))


@pytest.mark.parametrize("column", ["objects", "references"])
def test_a_small_file_that_claims_a_huge_heap_takes_no_memory(tmp_path: Path, column: str) -> None:
    path = forge(tmp_path / "a.lscope", edit_table("heaps", column, 90_000_000))
    load(fixture(2))  # so that only this file is measured

    tracemalloc.start()
    try:
        with pytest.raises(CorruptedFile):
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_heap_larger_than_our_memory_is_said_to_be(tmp_path: Path) -> None:
    save(recorded(uniform(4_000_000)), tmp_path / "a.lscope")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from leakscope.storage.errors import DoesNotFit\n"
        "from leakscope.storage.files import load\n"
        "path = Path(sys.argv[1])\n"
        "load(path, heaps=False)\n"
        "size = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + (90 << 20), resource.RLIM_INFINITY))\n"
        "try: load(path)\n"
        "except DoesNotFit as error: print(error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.lscope"],
        env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == f"{tmp_path / 'a.lscope'} does not fit into our memory\n", done.stderr


@settings(deadline=None)
@given(st.lists(snapshots(), max_size=3), st.integers(1, 7))
def test_each_reference_is_from_the_object_that_it_is_from(
    graphs: list[HeapSnapshot], rows: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("leakscope.storage.graphs.GROUP_ROWS", rows)
        pieces = list(encode_references(graphs).pieces)

    found = [
        row
        for piece in pieces
        for row in zip(*(map(int, piece[c]) for c in ("heap", "from", "to")), strict=True)
    ]
    assert found == list(references_of(graphs))
    assert all(0 < len(piece["to"]) <= rows for piece in pieces)


def references_of(graphs: list[HeapSnapshot]) -> Iterator[tuple[int, int, int]]:
    for heap, graph in enumerate(graphs):
        for row in range(graph.objects):
            for target in graph.targets[graph.offsets[row] : graph.offsets[row + 1]]:
                yield heap, row, int(target)
