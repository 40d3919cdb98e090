"""How small a heap's file is, and what writing and reading it cost.

    python -m tests.benchmarks.heap_file [OBJECTS ...]

Every row is the heap of one process (this interpreter) that holds records: instances with and
without `__dict__`, dicts, lists, tuples, texts and numbers, and references across. `fresh` is one
that only ever grew. `worn` has replaced its records at random three times over, so that neighbours
in memory have nothing to do with each other.

Writing and reading run on one core, each in a process of its own. Times are the processor's, per
million objects, the best of three: all but the waiting for the disk and for other programs. Peaks
are of the first time: what the process had beyond its imports and, for writing, the heap itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import ZipFile

import pyarrow.parquet as pq

from leakscope.capture.native import NativeCapture
from leakscope.model.evidence import Evidence
from leakscope.model.image import HeapImage
from leakscope.model.recording import Recording
from leakscope.storage.files import load, save
from tests.attaching import attached
from tests.benchmarks.tables import machine, table
from tests.storage.make_fixture import fixture
from tests.storage.recordings import same, sample_recording
from tests.targets import spawn

SIZES = (1_000_000, 5_000_000)
QUICK_SIZES = (200_000,)
PER_RECORD = 11
"""Objects that one record of the target comes to, about."""
ROUNDS = 3
HEADINGS = (
    "heap",
    "objects",
    "references",
    "bytes per object",
    "of it objects",
    "of it references",
    "write s/M",
    "read s/M",
    "write peak B/object",
    "read peak B/object",
    "beyond the result",
)
MEMBERS = ("objects.parquet", "references.parquet")

TARGET = """
import random, sys
random.seed(1)
class Request:
    def __init__(self, i):
        self.ident = 10**6 + i
        self.path = f"/orders/{i}"
        self.headers = {"host": "example.org", "agent": f"client {i % 1000}", "length": str(i)}
class Entry:
    __slots__ = ("request", "before", "at", "tags")
    def __init__(self, i, before):
        self.request = Request(i)
        self.before = before
        self.at = (time_of(i), 1000 + i)
        self.tags = [f"tag {random.randrange(50)}" for _ in range(i % 3)]
def time_of(i): return 1e9 + i / 7
keep, by_path = [None] * RECORDS, {}
def put(place, i):
    keep[place] = entry = Entry(i, keep[random.randrange(RECORDS)] if i % 4 == 0 else None)
    if i % 2: by_path[place] = entry.request
for i in range(RECORDS): put(i, i)
for i in range(RECORDS, WORN): put(random.randrange(RECORDS), i)
print("ready", flush=True)
sys.stdin.readline()
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one step took."""

    seconds: float
    peak: int
    """Bytes."""


def main() -> None:
    """Print a row per heap."""
    sizes = tuple(int(text) for text in sys.argv[1:]) or SIZES
    print(machine(), report(sizes), sep="\n\n")


def report(sizes: Sequence[int]) -> str:
    """Measure heaps of these sizes; return the table."""
    rows = []
    for size in sizes:
        for wear in ("fresh", "worn"):
            with tempfile.TemporaryDirectory() as directory:
                rows.append(measure(wear, size, Path(directory)))
    return table(HEADINGS, rows)


def measure(wear: str, size: int, directory: Path) -> tuple[str, ...]:
    """Measure one heap of about `size` objects."""
    captured, again = directory / "captured.lscope", directory / "again.lscope"
    save(recorded(heap_of(wear, size // PER_RECORD)), captured)
    objects, references = counts(captured)
    written, read = (_alone(step, captured, again) for step in ("write", "read"))
    with ZipFile(again) as archive:
        parts = [archive.getinfo(name).file_size / objects for name in MEMBERS]
    per_million = 1e6 / objects
    return (
        wear,
        f"{objects / 1e6:.1f} M",
        f"{references / 1e6:.1f} M",
        f"{again.stat().st_size / objects:.2f}",
        *(f"{part:.2f}" for part in parts),
        f"{written.seconds * per_million:.2f}",
        f"{read.seconds * per_million:.2f}",
        f"{written.peak / objects:.0f}",
        f"{read.peak / objects:.0f}",
        f"{(read.peak - result_bytes(objects, references)) / objects:.0f}",
    )


def heap_of(wear: str, records: int) -> HeapImage:
    """Return the heap of a process that holds so many records."""
    worn = records * (4 if wear == "worn" else 1)
    source = TARGET.replace("RECORDS", str(records)).replace("WORN", str(worn))
    with spawn(sys.executable, source, deadline=600) as target, attached(target) as session:
        capture = NativeCapture(session, explain=lambda _heap, _suspects: Evidence())
        with capture.snapshot() as opened:
            heap = opened.heap
            return HeapImage(
                at=time.time(),
                work=None,
                pause_ms=opened.pause.held_ms,
                snapshot=heap.snapshot,
                containers=heap.containers,
                roots=heap.roots,
            )


def recorded(heap: HeapImage) -> Recording:
    """Return a recording of one heap and three small censuses."""
    return replace(sample_recording(), heaps=(heap,))


def counts(path: Path) -> tuple[int, int]:
    """Return how many objects and references a file has."""
    with ZipFile(path) as archive, archive.open("heaps.parquet") as member:
        row = pq.read_table(member).to_pylist()[0]
    return row["objects"], row["references"]


def result_bytes(objects: int, references: int) -> int:
    """Return what the arrays of a snapshot take."""
    return objects * (8 + 4 + 8 + 8 + 1 + 8) + 4 * references


def _alone(step: str, captured: Path, again: Path) -> Cost:
    """Run a step in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, step, str(captured), str(again)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, peak = done.stdout.split()
    return Cost(float(seconds), int(peak))


def _step(step: str, captured: Path, again: Path) -> None:
    """Write or read, on one core, and print the seconds and the peak memory in bytes."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    load(fixture(2))  # so that all imports are done
    if step == "write":
        recording = load(captured)
        _print(lambda: save(recording, again, force=True))
        assert same(load(again), recording)
    else:
        _print(lambda: load(captured))


def _print(action: Callable[[], object]) -> None:
    # Writing 5 there sets the peak to what is resident now.
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    seconds = [_seconds(action)]
    peak = _peak() - before
    seconds += [_seconds(action) for _ in range(ROUNDS - 1)]
    print(min(seconds), peak)


def _seconds(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return next(
        int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")
    )


if __name__ == "__main__":
    if sys.argv[1:2] in (["write"], ["read"]):
        _step(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
