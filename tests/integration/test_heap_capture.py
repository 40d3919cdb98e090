"""Measuring a live target by frozen copies, through the agent, without the target noticing."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from leakscope.capture.native import NativeCapture, OpenHeap
from leakscope.model.evidence import Evidence, Suspects
from leakscope.model.recording import CaptureKind
from tests.attaching import attached
from tests.pythons import Interpreter, interpreters
from tests.targets import read_line, spawn

pytestmark = pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)

SERVICE = """
import os, signal, sys, threading
class Record:
    def __init__(self, i): self.text = "x" * i
seen = []
signal.signal(signal.SIGCHLD, lambda *a: seen.append("SIGCHLD"))
keep = [Record(i) for i in range(1000)]
stop = threading.Event()
worker = threading.Thread(target=stop.wait); worker.start()
print("ready", flush=True)
for line in sys.stdin:
    if line.strip() == "more":
        keep += [Record(i) for i in range(500)]
    if line.strip() == "children":
        try:
            seen.append(os.waitpid(-1, os.WNOHANG))
        except ChildProcessError:
            pass
    print(len(keep), seen, threading.active_count(), flush=True)
stop.set()
"""


def no_evidence(heap: OpenHeap, suspects: Suspects) -> Evidence:
    raise AssertionError(f"not asked for: {heap} {suspects}")


def ask(target: subprocess.Popen[bytes], order: str) -> str:
    assert target.stdin is not None
    target.stdin.write(order.encode() + b"\n")
    return read_line(target)


def test_a_census_counts_what_the_target_made_and_the_target_sees_nothing(
    python: Interpreter,
) -> None:
    with spawn(python.path, SERVICE) as target, attached(target) as session:
        capture = NativeCapture(session, explain=no_evidence)
        before = capture.census()
        assert ask(target, "more") == "1500 [] 2"
        after = capture.census()

        assert capture.kind is CaptureKind.NATIVE
        assert before.types["__main__.Record"].objects == 1000
        assert after.types["__main__.Record"].objects == 1500
        assert 0 < after.pause_ms < 1000
        lists = [c.length for c in after.containers if c.type == "builtins.list"]
        assert 1500 in lists
        assert ask(target, "children") == "1500 [] 2"


def test_a_snapshot_has_every_object_and_its_references(python: Interpreter) -> None:
    with spawn(python.path, SERVICE) as target, attached(target) as session:
        capture = NativeCapture(session, explain=no_evidence)
        with capture.snapshot() as opened:
            snapshot = opened.heap.snapshot
        assert ask(target, "children") == "1000 [] 2"

    records = np.isin(
        snapshot.type, [i for i, n in enumerate(snapshot.type_names) if n == "__main__.Record"]
    )
    rows = np.flatnonzero(records)
    referred = np.bincount(snapshot.targets, minlength=snapshot.objects)
    assert len(rows) == 1000
    assert (referred[rows] == 1).all()
    assert (snapshot.refcount[rows] == 1).all()
