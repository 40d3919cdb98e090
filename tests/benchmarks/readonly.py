"""How fast a read-only census is, and how far from the truth.

    python -m tests.benchmarks.readonly [OBJECTS_TRACKED_BY_GC ...]

Every row is one process with so many objects that gc tracks, of each interpreter that is found.
*Idle* it waits, and what it counts itself with `gc.get_objects()` is the truth. *Busy* one thread
makes objects and drops them and another runs `gc.collect()` all the time; the truth is the number
of those that stay. Times are the best of some rounds; where other programs share the machine,
processor time says more of the census and less of them.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil

from leakscope.capture.process import identify
from leakscope.capture.readonly.capture import ReadonlyCapture
from tests.pythons import Interpreter, interpreters
from tests.targets import read_line, spawn, tell

SIZES = (100_000, 1_000_000)
ROUNDS = 5

TARGET = """
import gc, sys, threading
class Node:
    __slots__ = ("items",)
    def __init__(self, i): self.items = [i, str(i), float(i)]
class Passing:
    def __init__(self): self.itself = self; self.tables = {{"a": [1]}}
keep = [Node(10**6 + i) for i in range({nodes})]
live = {{}}
def work():
    number = 0
    while True:
        number += 1
        live[number % 5000] = Passing()
def collect():
    while True: gc.collect()
gc.collect()
print("ready", flush=True)
sys.stdin.readline()
gc.unfreeze(); print(len(gc.get_objects()), flush=True)
sys.stdin.readline()
for function in (work, collect): threading.Thread(target=function, daemon=True).start()
print("busy", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One process."""

    python: str
    objects: int
    rss: int
    seconds: float
    processor_s: float
    idle_error: float
    busy_seconds: float
    busy_error: float
    """The largest in some rounds."""

    @property
    def cells(self) -> tuple[str, ...]:
        return (
            self.python,
            f"{self.objects / 1e6:.2f} M",
            f"{self.rss / 1e6:.0f} MB",
            f"{self.seconds:.3f} s",
            f"{self.objects / self.seconds / 1e6:.2f} M/s",
            f"{self.processor_s:.3f} s",
            f"{self.objects / self.processor_s / 1e6:.2f} M/s",
            f"{100 * self.idle_error:.4f} %",
            f"{self.busy_seconds:.3f} s",
            f"{100 * self.busy_error:.4f} %",
        )


HEADINGS = (
    "CPython",
    "objects",
    "RSS",
    "census",
    "rate",
    "processor",
    "rate",
    "error",
    "busy census",
    "busy error",
)


def measure(python: Interpreter, gc_objects: int) -> Row:
    """Measure one process with about `gc_objects` objects that gc tracks."""
    nodes = gc_objects // 2
    major, minor = map(int, python.version.split("."))
    with spawn(python.path, TARGET.format(nodes=nodes), deadline=120) as target:
        capture = ReadonlyCapture(identify(target.pid), (major, minor))
        truth = asked(target)
        idle = [timed(capture) for _ in range(ROUNDS)]
        rss = psutil.Process(target.pid).memory_info().rss
        tell(target, "begin")
        read_line(target)
        busy = [timed(capture) for _ in range(ROUNDS)]
    return Row(
        python.version,
        truth,
        rss,
        min(round_.seconds for round_ in idle),
        min(round_.processor_s for round_ in idle),
        max(abs(sum(round_.types.values()) - truth) for round_ in idle) / truth,
        min(round_.seconds for round_ in busy),
        max(abs(round_.types["__main__.Node"] - nodes) for round_ in busy) / nodes,
    )


def asked(target: subprocess.Popen[bytes]) -> int:
    tell(target, "count")
    return int(read_line(target, deadline=120))


@dataclass(frozen=True, slots=True)
class Round:
    """One census."""

    seconds: float
    processor_s: float
    types: dict[str, int]
    """Objects by type."""


def timed(capture: ReadonlyCapture) -> Round:
    """Take one census."""
    began, processor = time.perf_counter(), time.process_time()
    reading = capture.census()
    seconds, processor_s = time.perf_counter() - began, time.process_time() - processor
    types = {name: total.objects for name, total in reading.types.items()}
    return Round(seconds, processor_s, types)


def main() -> None:
    """Print one row per interpreter and size."""
    sizes = tuple(int(text) for text in sys.argv[1:]) or SIZES
    print(" | ".join(HEADINGS))
    for size in sizes:
        for python in interpreters():
            print(" | ".join(measure(python, size).cells), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
