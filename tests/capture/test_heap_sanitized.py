"""Frozen copies at work under sanitizers: every access and every overflow of theirs is checked."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from leakscope.capture.native import NativeCapture, OpenHeap
from leakscope.capture.process import identify
from leakscope.capture.session import attach
from leakscope.model.evidence import Evidence, Suspects
from tests.capture.test_agent_sanitized import agent, runtime
from tests.targets import spawn

__all__ = ["agent"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to build with sanitizers"),
    pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake"),
]

HEAP = """
import asyncio, collections, contextvars, functools, sys, threading
class Record:
    def __init__(self, i): self.number, self.text = i, "\\u20ac" * i
class Slotted: __slots__ = ("one",)
def generator():
    local = [1]
    yield local
keep = [Record(i) for i in range(2000)], Slotted(), generator(), collections.deque(range(500))
keep[1].one = {"a": functools.partial(print, end=""), 7: (1, 2), b"x": frozenset({1, 2})}
next(keep[2])
worker = threading.Thread(target=sys.stdin.read, name="reader", daemon=True); worker.start()
variable = contextvars.ContextVar("v"); variable.set(Record(1))
print("ready", flush=True)
threading.Event().wait()
"""


def no_evidence(heap: OpenHeap, suspects: Suspects) -> Evidence:
    raise AssertionError(f"not asked for: {heap} {suspects}")


@pytest.mark.parametrize("allocator", ["pymalloc", "malloc"])
def test_a_frozen_copy_reads_only_what_is_there(
    agent: Path,
    tmp_path: Path,
    allocator: str,
) -> None:
    environment = {
        "LD_PRELOAD": f"{runtime('libasan.so')} {runtime('libubsan.so')}",
        "ASAN_OPTIONS": f"detect_leaks=0:log_path={tmp_path}/asan",
        "UBSAN_OPTIONS": f"log_path={tmp_path}/ubsan:print_stacktrace=1",
        "PYTHONMALLOC": allocator,
    }
    with (
        spawn(sys.executable, HEAP, env=environment) as target,
        attach(identify(target.pid), agent=agent, timeout=60) as session,
    ):
        capture = NativeCapture(session, explain=no_evidence)
        assert capture.census().types["__main__.Record"].objects == 2001
        with capture.snapshot() as opened:
            snapshot = opened.heap.snapshot
            for row in range(0, snapshot.objects, 7):
                first, last = snapshot.offsets[row : row + 2]
                for end in snapshot.targets[first:last][:20]:
                    opened.names.edge(int(snapshot.address[row]), int(snapshot.address[end]))

    reports = [path.read_text() for path in tmp_path.glob("*san.*")]
    assert reports == []
