"""What a frozen copy costs a target, against what looking from inside costs it.

    python -m tests.benchmarks.heap_capture [OBJECTS_TRACKED_BY_GC ...]

Every row is one process (this interpreter) with so many objects that gc tracks and about three
times as many that it does not. Pauses are what the agent measured while it held the interpreter's
lock; the others are what the same process needs for the same question, with all else stopped.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass

import psutil

from leakscope.capture.native import NativeCapture, OpenHeap
from leakscope.model.evidence import Evidence, Suspects
from tests.attaching import attached
from tests.targets import read_line, spawn

SIZES = (100_000, 1_000_000, 2_000_000)
ROUNDS = 5

TARGET = """
import collections, gc, sys, time, objgraph
class Node:
    __slots__ = ("items",)
    def __init__(self, i): self.items = [i, str(i), float(i)]
keep = [Node(10**6 + i) for i in range({nodes})]
gc.collect()
print("ready", flush=True)
def count(): return collections.Counter(map(type, gc.get_objects()))
def growth(): return objgraph.growth(shortnames=False)
for line in sys.stdin:
    began = time.perf_counter()
    globals()[line.strip()]()
    print(time.perf_counter() - began, flush=True)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One process."""

    objects: int
    references: int
    rss: int
    census_ms: float
    snapshot_ms: float
    census_s: float
    snapshot_s: float
    copy_bytes: int
    counter_ms: float
    growth_ms: float

    @property
    def cells(self) -> tuple[str, ...]:
        gigabytes = self.rss / 1e9
        return (
            f"{self.objects / 1e6:.1f} M",
            f"{self.references / 1e6:.1f} M",
            f"{self.rss / 1e6:.0f} MB",
            f"{self.census_ms:.1f} ms",
            f"{self.snapshot_ms:.1f} ms",
            f"{self.snapshot_ms / gigabytes:.0f} ms",
            f"{self.objects / self.census_s / 1e6:.1f} M/s",
            f"{self.objects / self.snapshot_s / 1e6:.1f} M/s",
            f"{100 * self.copy_bytes / self.rss:.1f} %",
            f"{self.counter_ms:.0f} ms",
            f"{self.growth_ms:.0f} ms",
            f"{self.growth_ms / self.census_ms:.0f}x",
        )


HEADINGS = (
    "objects",
    "references",
    "RSS",
    "census pause",
    "snapshot pause",
    "per GB",
    "census",
    "snapshot",
    "copy",
    "Counter(type)",
    "objgraph.growth",
    "ratio",
)


def measure(gc_objects: int) -> Row:
    """Measure one process with about `gc_objects` objects that gc tracks."""
    with spawn(sys.executable, TARGET.format(nodes=gc_objects // 2)) as target:
        with attached(target) as session:
            capture = NativeCapture(session, explain=_no_evidence)
            rss = psutil.Process(target.pid).memory_info().rss
            censuses, census_s = [], []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                censuses.append(capture.census().pause_ms)
                census_s.append(time.perf_counter() - began)
            pauses, seconds = [], []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                with capture.snapshot() as opened:
                    seconds.append(time.perf_counter() - began)
                    pauses.append(opened.pause.held_ms)
                    heap = opened.heap
        inside = {}
        for question in ("count", "growth"):
            assert target.stdin is not None
            target.stdin.write(question.encode() + b"\n")
            inside[question] = 1000 * float(read_line(target, deadline=600))
    return Row(
        heap.snapshot.objects,
        heap.snapshot.references,
        rss,
        statistics.median(censuses),
        statistics.median(pauses),
        statistics.median(census_s),
        statistics.median(seconds),
        heap.summary.memory,
        inside["count"],
        inside["growth"],
    )


def _no_evidence(heap: OpenHeap, suspects: Suspects) -> Evidence:
    del heap, suspects
    return Evidence()


def main() -> None:
    """Print one row per size."""
    sizes = tuple(int(text) for text in sys.argv[1:]) or SIZES
    print(" | ".join(HEADINGS))
    for size in sizes:
        print(" | ".join(measure(size).cells), flush=True)


if __name__ == "__main__":
    main()
