"""How fast heaps are analysed and how much memory that takes, at growing sizes.

    python -m tests.benchmarks.graph_analysis [objects ...]

Draws heaps shaped like those of a service: records that hold requests, with dictionaries, texts
and headers, each instance referring to its type, and some references across. Every size is
analysed in a process of its own, from the snapshot in memory to chains and retained sizes, then
compared with a snapshot from when it was nine tenths as large. Peak memory counts everything that
the process has beyond its imports, the snapshots themselves included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from leakscope.analysis.accumulation import heap_growth
from leakscope.analysis.dominators import dominated_heap, retained_bytes
from leakscope.analysis.heapgraph import heap_graph
from leakscope.analysis.retention import retention_paths
from leakscope.model.heap import HeapSnapshot

SIZES = (100_000, 1_000_000, 10_000_000)
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


def measure(folder: Path) -> dict[str, float]:
    """Analyse the heaps in `folder`; return seconds by step, and peak bytes."""
    base = _peak()
    later_snapshot = _load(folder / "later")
    seconds: dict[str, float] = {}
    graph = _timed(seconds, "graph", lambda: heap_graph(later_snapshot))
    later = _timed(seconds, "dominators", lambda: dominated_heap(graph))
    retained = _timed(seconds, "retained", lambda: retained_bytes(graph, later.tree))
    paths = _timed(seconds, "chains", lambda: retention_paths(graph))
    assert len(paths.to(graph.snapshot.objects - 1)) >= 4
    assert retained[0] == 64 * graph.snapshot.objects
    del paths, retained
    peak = _peak() - base
    earlier = dominated_heap(heap_graph(_load(folder / "earlier")))
    found = _timed(seconds, "growth", lambda: heap_growth(earlier, later))
    assert found.accumulations
    return seconds | {
        "objects": graph.snapshot.objects,
        "references": graph.snapshot.references,
        "peak": peak,
        "peak_growth": _peak() - base,
    }


def main(arguments: list[str]) -> None:
    """Print one row per size, or measure one size when called by itself."""
    if arguments[:1] == ["--measure"]:
        print(json.dumps(measure(Path(arguments[1]))))
        return
    print("  objects  references  graph  domin.  retained  chains    all  M obj/s  B/obj", end="")
    print("  | growth  B/obj")
    for objects in [int(argument) for argument in arguments] or SIZES:
        with tempfile.TemporaryDirectory() as folder:
            _save(service_heap(objects), Path(folder) / "later")
            _save(service_heap(objects * 9 // 10), Path(folder) / "earlier")
            command = [sys.executable, "-m", __spec__.name, "--measure", folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        print(_row(json.loads(done.stdout)))


def _row(figures: dict[str, float]) -> str:
    count = figures["objects"]
    steps = [figures[name] for name in ("graph", "dominators", "retained", "chains")]
    return (
        f"{count:9,.0f} {figures['references']:11,.0f} "
        f"{steps[0]:6.2f} {steps[1]:7.2f} {steps[2]:9.2f} {steps[3]:7.2f} {sum(steps):6.2f} "
        f"{count / sum(steps) / 1e6:8.2f} {figures['peak'] / count:6.0f}"
        f"  | {figures['growth']:6.2f} "
        f"{figures['peak_growth'] / count:6.0f}"
    )


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


def _load(folder: Path) -> HeapSnapshot:
    return HeapSnapshot(TYPE_NAMES, *(np.load(folder / f"{column}.npy") for column in COLUMNS))


if __name__ == "__main__":
    main(sys.argv[1:])
