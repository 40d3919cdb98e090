"""The heap of a real process, kept in a file: exactly, and small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from leakscope.capture.native import NativeCapture, OpenHeap
from leakscope.model.evidence import Evidence
from leakscope.model.image import HeapImage, KeptNames
from leakscope.storage.files import load, save
from tests.attaching import attached, every_python
from tests.pythons import Interpreter
from tests.storage.recordings import same, sample_recording
from tests.targets import spawn

PROGRAM = """
import sys, threading
class Order:
    def __init__(self, i):
        self.ident = 10**6 + i
        self.path = f"/orders/{i}"
        self.lines = [f"line {i % 50}", {"price": i / 7}]
orders = {i: Order(i) for i in range(20_000)}
def waits():
    kept = orders[7]
    yield kept
waiting = waits()
next(waiting)
threading.local().mine = orders
print("ready", flush=True)
sys.stdin.readline()
"""
MOST_BYTES_PER_OBJECT = 12
"""Of the whole file. It also holds some tables of a few hundred bytes each."""


@every_python
def test_the_heap_of_a_process_comes_back_from_a_small_file(
    python: Interpreter, tmp_path: Path
) -> None:
    with spawn(python.path, PROGRAM) as target, attached(target) as session:
        capture = NativeCapture(session, explain=lambda _heap, _suspects: Evidence())
        with capture.snapshot() as opened:
            image = kept(opened)
    recording = replace(sample_recording(), heaps=(image,))
    path = tmp_path / "a.lscope"

    save(recording, path)

    assert same(load(path), recording)
    assert image.snapshot.objects > 100_000
    assert path.stat().st_size <= MOST_BYTES_PER_OBJECT * image.snapshot.objects


def kept(opened: OpenHeap) -> HeapImage:
    """Return a heap with the names of some of its references and all code that waits in it."""
    heap, snapshot = opened.heap, opened.heap.snapshot
    sources = np.repeat(snapshot.address, np.diff(snapshot.offsets))
    ends = snapshot.address[snapshot.targets]
    pairs = [(int(sources[i]), int(ends[i])) for i in range(0, len(ends), len(ends) // 100)]
    generators = [i for i, name in enumerate(snapshot.type_names) if name.endswith("generator")]
    waiting = snapshot.address[np.isin(snapshot.type, generators)].tolist()
    assert waiting
    return HeapImage(
        at=1.0,
        work=None,
        pause_ms=opened.pause.held_ms,
        snapshot=snapshot,
        containers=heap.containers,
        roots=heap.roots,
        names=KeptNames(
            edges={pair: opened.names.edge(*pair) for pair in pairs},
            labels={end: opened.names.root(end) for _, end in pairs},
            suspended=dict(zip(waiting, opened.names.suspended(waiting), strict=True)),
        ),
    )
