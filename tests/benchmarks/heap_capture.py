"""What a frozen copy costs a target, and what asking the same from inside would cost it.

    python -m tests.benchmarks.heap_capture [OBJECTS ...]

Every row is one process of this interpreter. Pauses are what the agent measured while it held the
interpreter's lock. What the copy takes for itself is read from outside, from the kernel's account
of it; if only root may see that, it is what the copy says. The peers answer inside the process,
which stands still meanwhile; guppy3 comes with `pip install -e '.[bench]'`.
"""

from __future__ import annotations

import math
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from leakscope.capture.native import NativeCapture, OpenHeap
from leakscope.model.evidence import Evidence, Suspects
from tests.attaching import attached
from tests.benchmarks.programs import Program, program
from tests.benchmarks.tables import count, machine, table

SIZES = (100_000, 1_000_000, 10_000_000)
QUICK_SIZES = (100_000, 1_000_000)
ROUNDS = 7
PEERS = ("counter", "growth", "guppy3")
PEER_NAMES = ("`Counter(map(type, …))`", "`objgraph.growth()`", "guppy3 `heap()`")


@dataclass(frozen=True, slots=True)
class Writing:
    """Seconds of a pass that writes to every order, in the same process."""

    alone: float
    after_census: float
    during_snapshot: float
    pages: int
    """Pages that were written first after a census."""

    def per_page_us(self, seconds: float) -> float:
        """Return by how much the first write to a page took longer, on average."""
        return (seconds - self.alone) / max(1, self.pages) * 1e6


@dataclass(frozen=True, slots=True)
class Captured:
    """One process. Medians of several rounds."""

    objects: int
    references: int
    tracked: int
    """By gc."""
    rss: int
    census_ms: float
    """How long a census held it up."""
    snapshot_ms: float
    census_s: float
    """From the question to the answer."""
    snapshot_s: float
    copy_bytes: int
    """Private memory of the copy at its most, census or snapshot."""
    writing: Writing
    peers_ms: tuple[float, float, float]
    """`PEERS`; nan for one that is not installed."""

    @property
    def per_gigabyte_ms(self) -> float:
        """Pause per GB of resident memory."""
        return self.census_ms / self.rss * 1e9

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many times longer than a census each of the peers holds the process up."""
        return tuple(peer / self.census_ms for peer in self.peers_ms)


def measure(objects: int, *, rounds: int = ROUNDS) -> Captured:
    """Measure one process with about `objects` objects."""
    with program(objects) as target:
        with attached(target.process) as session:
            capture = NativeCapture(session, explain=_no_evidence)
            rss = psutil.Process(target.process.pid).memory_info().rss
            census_ms, census_s, snapshot_ms, snapshot_s = [], [], [], []
            for _ in range(rounds):
                began = time.perf_counter()
                census_ms.append(capture.census().pause_ms)
                census_s.append(time.perf_counter() - began)
                began = time.perf_counter()
                with capture.snapshot() as opened:
                    snapshot_s.append(time.perf_counter() - began)
                    snapshot_ms.append(opened.pause.held_ms)
                    snapshot = opened.heap.snapshot
                    copy_bytes = _own_bytes(opened)
            with _most_private(target.process.pid) as most:
                capture.census()
            writing = _writing(target, capture)
        peers = tuple(1000 * target.seconds(question) for question in PEERS)
        return Captured(
            objects=snapshot.objects,
            references=snapshot.references,
            tracked=target.tracked(),
            rss=rss,
            census_ms=statistics.median(census_ms),
            snapshot_ms=statistics.median(snapshot_ms),
            census_s=statistics.median(census_s),
            snapshot_s=statistics.median(snapshot_s),
            copy_bytes=max(copy_bytes, *most),
            writing=writing,
            peers_ms=(peers[0], peers[1], peers[2]),
        )


def _writing(target: Program, capture: NativeCapture) -> Writing:
    alone, after, during = [], [], []
    pages = 0
    for _ in range(3):
        target.seconds("write")
        alone.append(target.seconds("write"))
        capture.census()
        before = _faults(target.process.pid)
        after.append(target.seconds("write"))
        pages = _faults(target.process.pid) - before
        with capture.snapshot():
            during.append(target.seconds("write"))
    return Writing(min(alone), min(after), min(during), pages)


def _faults(pid: int) -> int:
    """Return how many page faults of a process needed no disk."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[7])


def _private_bytes(pid: int) -> int:
    """Return the memory that a process shares with none; its page tables are not in it."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _own_bytes(opened: OpenHeap) -> int:
    """Return the memory that a waiting copy has for itself; what it says if only root may look."""
    try:
        return _private_bytes(opened.heap.header.child)
    except PermissionError:
        return opened.heap.summary.memory


@contextmanager
def _most_private(parent: int) -> Iterator[list[int]]:
    """Yield what will hold the private memory of a process's children, looked at all the time."""
    seen = [0]
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for child in psutil.Process(parent).children():
                with suppress(OSError):
                    seen.append(_private_bytes(child.pid))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        done.set()
        looking.join()


def _no_evidence(heap: OpenHeap, suspects: Suspects) -> Evidence:
    del heap, suspects
    return Evidence()


def report(rows: list[Captured]) -> str:
    """Return the tables."""
    cost = table(
        (
            *("objects", "tracked by gc", "references", "RSS", "pause of a census"),
            *("of a snapshot", "per GB", "census", "snapshot", "the copy's own memory"),
        ),
        [
            (
                *(count(row.objects), count(row.tracked), count(row.references)),
                f"{row.rss / 1e6:.0f} MB",
                f"{row.census_ms:.1f} ms",
                f"{row.snapshot_ms:.1f} ms",
                f"{row.per_gigabyte_ms:.0f} ms",
                f"{row.objects / row.census_s / 1e6:.1f} M objects/s",
                f"{row.objects / row.snapshot_s / 1e6:.1f} M objects/s",
                f"{row.copy_bytes / 1e6:.1f} MB, {100 * row.copy_bytes / row.rss:.1f} % of RSS",
            )
            for row in rows
        ],
    )
    peers = table(
        ("objects", "pause of a census", *PEER_NAMES),
        [
            (
                count(row.objects),
                f"{row.census_ms:.1f} ms",
                *(_peer(*pair) for pair in zip(row.peers_ms, row.ratios, strict=True)),
            )
            for row in rows
        ],
    )
    writing = table(
        ("objects", "alone", "after a census", "per page", "while a snapshot is open", "per page"),
        [
            (
                count(row.objects),
                f"{1000 * row.writing.alone:.0f} ms",
                f"{1000 * row.writing.after_census:.0f} ms",
                f"+{row.writing.per_page_us(row.writing.after_census):.1f} µs",
                f"{1000 * row.writing.during_snapshot:.0f} ms",
                f"+{row.writing.per_page_us(row.writing.during_snapshot):.1f} µs",
            )
            for row in rows
        ],
    )
    return (
        f"{cost}\nThe same question asked inside: how long the process stands still\n\n"
        f"{peers}\nA pass of the process that writes to all pages of its orders\n\n{writing}"
    )


def _peer(milliseconds: float, ratio: float) -> str:
    if math.isnan(milliseconds):
        return "not installed"
    return f"{milliseconds:,.0f} ms, {ratio:,.0f} times as long"


def main() -> None:
    """Measure the sizes given, or the usual ones, and print the tables."""
    sizes = tuple(int(text) for text in sys.argv[1:]) or SIZES
    rows = [measure(size) for size in sizes]
    print(machine(), report(rows), sep="\n\n")


if __name__ == "__main__":
    main()
