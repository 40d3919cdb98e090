"""Nothing in a target can tell that its heap was frozen, looked through and let go."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from leakscope.capture.native import NativeCapture, OpenHeap
from leakscope.model.evidence import Evidence, Suspects
from tests.attaching import assert_no_traces, attached, every_python, traces
from tests.pythons import Interpreter
from tests.targets import read_line, spawn, tell

# The collector is armed: one object more, if it is not one that lay ready, would start it.
TARGET = """
import ctypes, gc, json, os, signal, subprocess, sys
seen, runs, used_up = [], [], []
signal.signal(signal.SIGCHLD, lambda *a: seen.append("SIGCHLD"))
os.register_at_fork(before=lambda: seen.append("before fork"),
                    after_in_parent=lambda: seen.append("after fork"),
                    after_in_child=lambda: os.write(1, b"after fork in child "))
hook = ctypes.CFUNCTYPE(None)(lambda: seen.append("C hook"))
register = getattr(ctypes.CDLL(None), "__register_atfork", None)
if register: register(hook, hook, hook, None)
gc.callbacks.append(lambda phase, info: runs.append(phase))
class Record: pass
keep = [Record() for i in range(1000)]
held = [*keep, Record, gc, sys.modules, keep, seen, hook.__class__, None.__class__, __name__]
def counts(): return [sys.getrefcount(one) for one in held]
def look(): return len(runs)  # from 3.12 on the collector runs when a call begins
def children():
    told = []
    for wait in (lambda: os.waitpid(-1, os.WNOHANG), os.wait,
                 lambda: os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)):
        try: told.append(str(wait()))
        except ChildProcessError: told.append("none")
    child = os.posix_spawn("/bin/true", ["true"], {})
    told += [os.wait() == (child, 0), subprocess.run(["/bin/true"]).returncode]
    return told
orders = {
    "counts": counts, "children": children, "seen": lambda: seen[:]
}
print("ready", flush=True)
while True:
    del runs[:]
    used_up.append([[[] for i in range(100)], [{} for i in range(100)]])
    gc.set_threshold(gc.get_count()[0] - 1)  # the tuple that it made is gone by then
    order = os.read(0, 100)
    ran = look()
    gc.set_threshold(0)
    order = order.decode().strip()
    print(json.dumps(ran if order == "ran" else orders[order]()), flush=True)
"""


def no_evidence(heap: OpenHeap, suspects: Suspects) -> Evidence:
    raise AssertionError(f"not asked for: {heap} {suspects}")


def ask(target: subprocess.Popen[bytes], order: str) -> Any:  # noqa: ANN401
    tell(target, order)
    return json.loads(read_line(target))


def mappings(pid: int) -> int:
    return len(Path(f"/proc/{pid}/maps").read_text().splitlines())


@every_python
def test_no_count_no_collection_no_hook_no_child_and_no_trace(python: Interpreter) -> None:
    with spawn(python.path, TARGET) as target:
        before = traces(target.pid)
        with attached(target) as session:
            capture = NativeCapture(session, explain=no_evidence)
            capture.census()
            counts, mapped = ask(target, "counts"), mappings(target.pid)
            for _ in range(3):
                capture.census()
                with capture.snapshot() as opened:
                    opened.names.root(opened.heap.roots.modules[0].address)
                assert ask(target, "ran") == 0
            assert ask(target, "seen") == []
            assert ask(target, "counts") == counts
            assert mappings(target.pid) == mapped

            with capture.snapshot():
                told = ask(target, "children")
            assert told == ["none", "none", "none", True, 0]
            assert "SIGCHLD" in ask(target, "seen")  # of its own children
        assert_no_traces(target.pid, before)
        assert ask(target, "counts") == counts


@every_python
def test_the_collector_was_armed(python: Interpreter) -> None:
    """An object or two more, and it would have run."""
    source = TARGET.replace("    ran = look()\n", "    keep += [[], {}, []]; ran = look()\n")
    assert source != TARGET
    with spawn(python.path, source) as target:
        assert ask(target, "ran") > 0
