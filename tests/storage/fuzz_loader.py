"""Fuzzes the loader, guided by coverage: whatever a file holds, it loads or is refused in one line.

    python -m tests.storage.fuzz_loader -runs=20000 [options of libFuzzer] [corpus]

Needs atheris (`pip install 'leakscope-toolkit[fuzz]'`). Without a corpus it starts from the fixture
of every format version. Files are mutated as by somebody who knows the format: their digests are
right, and often the tables are still Parquet, with other values in them. What loads must be sound,
and save and load again as it is. A traceback, an abort or more memory than `MOST_BYTES` ends the
run.
"""

from __future__ import annotations

import os
import random
import resource
import sys
import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

# Arrow's own allocators reserve far more than they use.
os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"

import atheris

with atheris.instrument_imports(include=["leakscope.storage", "leakscope.model"]):
    from leakscope.model.heap import HeapSnapshot
    from leakscope.storage.errors import UnreadableFile
    from leakscope.storage.files import load, save

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.storage.forging import Members, edit_table, members, packed, replace_table, with_digests
from tests.storage.make_fixture import CONTENTS, fixture
from tests.storage.recordings import same

MEMORY = Path("/dev/shm")
MOST_BYTES = 3 << 30
MOST_FILE_BYTES = 1 << 17
NUMBERS = (-1, 0, 1, 2, 3, 7, 2**32)
REALS = (float("nan"), float("inf"), -1.0, 0.0, 1e308)
LARGE = ("heaps.parquet", "objects.parquet", "references.parquet") * 4
TEXTS = (None, "", "x", "holder", "chain", "\ud800", "\x1b[2J", "\\ud800", "x" * 3000)
_NO_LONGER_WHOLE = (
    *(pa.ArrowException, OSError, LookupError),
    *(ValueError, TypeError, ArithmeticError, AttributeError),
)
"""What editing raises where another mutation left no table or no manifest."""
GOOD = {version: members(version) for version in CONTENTS}


def fuzz(directory: Path) -> None:
    """Run libFuzzer with the options that this program was given."""

    def one(content: bytes) -> None:
        path = directory / "a.lscope"
        path.write_bytes(content)
        try:
            loaded = load(path)
        except UnreadableFile as error:
            assert str(error).isprintable()
            assert error.remedy
            return
        for heap in loaded.heaps:
            require_sound(heap.snapshot)
        save(loaded, directory / "b.lscope", force=True)
        assert same(load(directory / "b.lscope"), loaded)

    options = sys.argv[1:]
    if all(option.startswith("-") for option in options):
        corpus = directory / "corpus"
        corpus.mkdir()
        for version in CONTENTS:
            (corpus / f"v{version}").write_bytes(fixture(version).read_bytes())
        options = [*options, str(corpus)]
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    arguments = [sys.argv[0], f"-max_len={MOST_FILE_BYTES}", "-mutate_depth=1", *options]
    atheris.Setup(arguments, one, custom_mutator=mutated)
    atheris.Fuzz()


def require_sound(graph: HeapSnapshot) -> None:
    """Fail unless every number leads to where it should."""
    assert (np.diff(graph.address.astype(object)) > 0).all()
    assert all(0 <= kind < len(graph.type_names) for kind in graph.type)
    assert all(0 <= target < graph.objects for target in graph.targets)
    assert (graph.size >= 0).all()
    ends = graph.offsets.tolist()
    assert [ends[0], *sorted(ends[1:])] == ends
    assert (len(ends), ends[0], ends[-1]) == (graph.objects + 1, 0, graph.references)


def mutated(content: bytes, most: int, seed: int) -> bytes:
    """Return a file that is a little different, from this one or from a good one."""
    source = random.Random(seed)
    parts = GOOD[source.choice(list(GOOD))] if source.randrange(2) else _members(content)
    if not parts:
        return bytes(atheris.Mutate(content, most))
    changed = dict(parts)
    for _ in range(source.choice([1, 1, 2, 3])):
        name = source.choice([*parts, *(member for member in LARGE if member in parts)])
        if name == "manifest.json" or source.randrange(4) == 0:
            changed[name] = atheris.Mutate(parts[name], len(parts[name]) + 64)
        elif source.randrange(20) == 0:
            changed.pop(name, None)
        else:
            _edit(changed, name.removesuffix(".parquet"), source)
    with suppress(*_NO_LONGER_WHOLE):
        return packed(with_digests(changed))[:most]
    return packed(changed)[:most]


def _members(content: bytes) -> Members:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, NotImplementedError):
        return {}


def _edit(changed: Members, name: str, source: random.Random) -> None:
    """Give a table other rows, or one of them another value, if it still is one."""
    with suppress(*_NO_LONGER_WHOLE):
        file = pq.ParquetFile(pa.BufferReader(changed[f"{name}.parquet"]))
        table = file.read(use_threads=False)
        column = source.choice(table.column_names)
        rows = range(table.num_rows)
        match source.randrange(8):
            case 0:
                taken = [source.choice(rows) for _ in range(source.randrange(6))]
                replace_table(name, table.take(pa.array(taken, pa.int64())))(changed)
            case 1:
                replace_table(name, table.slice(source.choice(rows), source.randrange(4)))(changed)
            case _:
                value = _value(table.column(column), source)
                edit_table(name, column, value, row=source.choice(rows))(changed)


def _value(column: pa.ChunkedArray, source: random.Random) -> object:
    """Return a value that a column can hold: one of its own, one next to it, or an odd one."""
    own = source.choice(column.to_pylist())
    if pa.types.is_string(column.type):
        return source.choice([own, *TEXTS])
    if pa.types.is_floating(column.type):
        return source.choice([own, *REALS])
    limits = np.iinfo(column.type.to_pandas_dtype())
    near = (own or 0) + source.choice([-1, 1])
    value = source.choice([own, near, *NUMBERS, int(limits.max), int(limits.min)])
    return min(max(value or 0, int(limits.min)), int(limits.max))


if __name__ == "__main__":
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        fuzz(Path(folder))
