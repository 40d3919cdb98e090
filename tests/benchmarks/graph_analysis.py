"""How fast heaps are analysed and how much memory that takes, at growing sizes.

    python -m tests.benchmarks.graph_analysis [OBJECTS ...]

Two kinds of heaps. One is captured from a process (see programs.py) before and after it took a
tenth more orders. The other is drawn, shaped like that of a service: records that hold requests,
with dictionaries, texts and headers, each instance referring to its type, and some references
across. Every heap is analysed in a process of its own, from files of plain columns to dominators,
retained sizes and chains, then compared with how it was a tenth smaller. Peak memory counts
everything that the process has beyond its imports, the snapshots themselves included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from leakscope.analysis.accumulation import heap_growth
from leakscope.analysis.dominators import dominated_heap, retained_bytes
from leakscope.analysis.heapgraph import HeapGraph, heap_graph
from leakscope.analysis.kernels import SUPER_ROOT
from leakscope.analysis.retention import RetentionPaths, retention_paths
from leakscope.capture.native import NativeCapture, OpenHeap
from leakscope.model.evidence import Evidence, Suspects
from leakscope.model.heap import HeapSnapshot
from tests.attaching import attached
from tests.benchmarks.programs import program
from tests.benchmarks.tables import count, machine, table

SIZES = (100_000, 1_000_000, 10_000_000)
QUICK_SIZES = (100_000, 1_000_000)
KINDS = ("captured", "drawn")
STEPS = ("load", "graph", "dominators", "retained", "chains")
TYPE_NAMES = ("dict", "module", "list", "type", "audit.Record", "web.Request", "web.Headers", "str")
HEAD = 7
"""Objects that are there once: the table of modules, a module, its names, the list, three types."""
BLOCK = (4, 0, 7, 5, 0, 7, 7, 6, 2, 7)
"""Types of the ten objects of a record; its references are `BLOCK_EDGES`."""
BLOCK_EDGES = ((0, 1), (1, 2), (1, 3), (3, 4), (4, 5), (4, 6), (4, 7), (7, 8), (8, 9))
BLOCK_TYPES = ((0, 4), (3, 5), (7, 6))
"""Which object of a record refers to which of the types at the head."""

COLUMNS = ("address", "type", "size", "refcount", "flags", "offsets", "targets")
T = TypeVar("T")


def service_heap(objects: int, *, seed: int = 1) -> HeapSnapshot:
    """Return the heap of a service that holds as many records as make up `objects`."""
    records = max(1, (objects - HEAD) // len(BLOCK))
    count = HEAD + records * len(BLOCK)
    firsts = HEAD + np.arange(records, dtype=np.int64) * len(BLOCK)
    draw = np.random.default_rng(seed)
    # One object in ten refers to another record's text, as shared values do.
    crossing = firsts[draw.random(records) < 0.5]
    other = firsts[draw.integers(0, records, len(crossing))] + 2
    pairs = [
        (np.array([0, 1, 2, 2, 2, 2]), np.array([1, 2, 3, 4, 5, 6])),
        (np.full(records, 3), firsts),
        *((firsts + start, firsts + end) for start, end in BLOCK_EDGES),
        *((firsts + start, np.full(records, kind)) for start, kind in BLOCK_TYPES),
        (crossing + 4, other),
    ]
    sources = np.concatenate([start for start, _ in pairs])
    targets = np.concatenate([end for _, end in pairs]).astype(np.int32)
    order = np.argsort(sources, kind="stable")
    lengths = np.bincount(sources, minlength=count)
    refcount = np.bincount(targets, minlength=count)
    refcount[0] += 1
    return HeapSnapshot(
        type_names=TYPE_NAMES,
        address=np.arange(count, dtype=np.uint64) * 64 + 0x7F0000000000,
        type=np.concatenate([[0, 1, 0, 2, 3, 3, 3], np.tile(BLOCK, records)]).astype(np.int32),
        size=np.full(count, 64, np.int64),
        refcount=refcount.astype(np.int64),
        flags=np.zeros(count, np.uint8),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        targets=targets[order],
    )


@dataclass(frozen=True, slots=True)
class Analysed:
    """One heap. Seconds, and bytes beyond the imports at the most."""

    kind: str
    """`captured` or `drawn`."""
    objects: int
    references: int
    seconds: dict[str, float]
    """By step: `STEPS`, then `growth`."""
    peak: int
    """When all `STEPS` were done."""
    peak_growth: int
    """With both heaps."""

    @property
    def whole(self) -> float:
        """Seconds from the files to the answers."""
        return sum(self.seconds[step] for step in STEPS)

    @property
    def objects_per_second(self) -> float:
        return self.objects / self.whole

    @property
    def bytes_per_object(self) -> float:
        return self.peak / self.objects


def analyse(kind: str, objects: int) -> Analysed:
    """Make a heap of about `objects` objects and analyse it, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        {"captured": _capture, "drawn": _draw}[kind](objects, Path(folder))
        command = [sys.executable, "-m", __spec__.name, "--measure", folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Analysed(kind, **json.loads(done.stdout))


def _capture(objects: int, folder: Path) -> None:
    with program(int(objects / 1.1)) as target, attached(target.process) as session:
        capture = NativeCapture(session, explain=_no_evidence)
        for name in ("earlier", "later"):
            with capture.snapshot() as opened:
                _save(opened.heap.snapshot, folder / name)
            target.seconds("grow")


def _draw(objects: int, folder: Path) -> None:
    _save(service_heap(objects), folder / "later")
    _save(service_heap(objects * 9 // 10), folder / "earlier")


def _no_evidence(heap: OpenHeap, suspects: Suspects) -> Evidence:
    del heap, suspects
    return Evidence()


def measure(folder: Path) -> dict[str, object]:
    """Analyse the heaps in `folder`; return the fields of `Analysed`."""
    base = _peak()
    seconds: dict[str, float] = {}
    snapshot = _timed(seconds, "load", lambda: _load(folder / "later"))
    graph = _timed(seconds, "graph", lambda: heap_graph(snapshot))
    later = _timed(seconds, "dominators", lambda: dominated_heap(graph))
    retained = _timed(seconds, "retained", lambda: retained_bytes(graph, later.tree))
    paths = _timed(seconds, "chains", lambda: retention_paths(graph))
    assert retained[later.tree.tops()].sum() == snapshot.size[graph.live].sum()
    _check_chains(graph, paths)
    del paths, retained
    peak = _peak() - base
    earlier = dominated_heap(heap_graph(_load(folder / "earlier")))
    found = _timed(seconds, "growth", lambda: heap_growth(earlier, later))
    assert found.accumulations
    return {
        "objects": snapshot.objects,
        "references": snapshot.references,
        "seconds": seconds,
        "peak": peak,
        "peak_growth": _peak() - base,
    }


def _check_chains(graph: HeapGraph, paths: RetentionPaths) -> None:
    """Make sure that there are chains to what is alive and to nothing else."""
    assert bool(((paths.parents >= SUPER_ROOT) == graph.live).all())
    live = np.flatnonzero(graph.live)
    for row in live[:: len(live) // 100 + 1]:
        assert paths.to(int(row))[-1] == row


def report(rows: list[Analysed]) -> str:
    """Return the table."""
    return table(
        (
            *("heap", "objects", "references", *(f"{step}, s" for step in STEPS), "all, s"),
            *("objects/s", "bytes per object", "growth, s", "bytes with both heaps"),
        ),
        [
            (
                *(row.kind, count(row.objects), count(row.references)),
                *(f"{row.seconds[step]:.2f}" for step in STEPS),
                f"{row.whole:.2f}",
                count(row.objects_per_second),
                f"{row.bytes_per_object:.0f}",
                f"{row.seconds['growth']:.2f}",
                f"{row.peak_growth / row.objects:.0f}",
            )
            for row in rows
        ],
    )


def main(arguments: list[str]) -> None:
    """Print one row per size, or measure one heap when called by itself."""
    if arguments[:1] == ["--measure"]:
        print(json.dumps(measure(Path(arguments[1]))))
        return
    sizes = [int(argument) for argument in arguments] or SIZES
    rows = [analyse(kind, size) for kind in KINDS for size in sizes]
    print(machine(), report(rows), sep="\n\n")


def _timed(seconds: dict[str, float], name: str, run: Callable[[], T]) -> T:
    start = time.perf_counter()
    result = run()
    seconds[name] = time.perf_counter() - start
    return result


def _peak() -> int:
    """Return the most memory this process ever had; unlike getrusage, without its parent's."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024


def _save(snapshot: HeapSnapshot, folder: Path) -> None:
    folder.mkdir()
    for column in COLUMNS:
        np.save(folder / column, getattr(snapshot, column))
    (folder / "types.json").write_text(json.dumps(snapshot.type_names))


def _load(folder: Path) -> HeapSnapshot:
    names = tuple(json.loads((folder / "types.json").read_text()))
    return HeapSnapshot(names, *(np.load(folder / f"{column}.npy") for column in COLUMNS))


if __name__ == "__main__":
    main(sys.argv[1:])
