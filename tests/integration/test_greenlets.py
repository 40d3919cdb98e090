"""Greenlets of real processes: where they wait, and what they hold."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from leakscope.analysis.heapgraph import rows_of_type, unseen_references
from leakscope.capture.process import identify
from leakscope.model.tasks import TaskPicture, Waiter
from leakscope.watching.captures import CaptureChoice
from leakscope.watching.explaining import looking_into
from leakscope.watching.heap_view import HeapView
from leakscope.watching.tasks import tasks_from_process
from tests.attaching import every_python
from tests.integration.leakscope_runs import leakscope, report_of
from tests.pythons import Interpreter, folder_with
from tests.targets import spawn

PROGRAM = """
import sys
sys.path.append(sys.argv[1])
from greenlet import greenlet

class Order: pass
class Shop: pass
class Job(greenlet): pass

WAITING = []

def inner(order):
    answer = {"to": order}
    HUB.switch()
    return answer

def chunks(order):
    yield inner(order)

def handle():
    order = Order()
    held_by_a_cell = Order()
    for _ in chunks(order):
        (lambda: held_by_a_cell)()

def serve():
    for _ in range(50):
        WAITING.append(Job(handle))
        WAITING[-1].switch()
    ended = greenlet(len)
    ended.switch([])
    not_begun = greenlet(handle)
    print("ready", flush=True)
    sys.stdin.read()

HUB = greenlet(serve)

def main():
    shop = Shop()
    HUB.switch()

main()
"""
JOBS = 50
GEVENT = """
from gevent import monkey; monkey.patch_all()
import gevent
from gevent.event import Event

class Order: pass

NEVER = Event()

def upstream(order):
    NEVER.wait()

def handle():
    order = Order()
    upstream(order)
"""
MANY = """
for _ in range(30):
    gevent.spawn(handle)
gevent.sleep(0.01)
print("ready", flush=True)
gevent.sleep(1000)
"""
EVER_MORE = """
print("ready", flush=True)
while True:
    gevent.spawn(handle)
    gevent.sleep(0.005)
"""


@contextmanager
def serving(python: Interpreter) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program with greenlets; skips the test where there is no greenlet."""
    folder = folder_with(python, "greenlet")
    if folder is None:
        pytest.skip(f"no greenlet for Python {python.version} (LEAKSCOPE_SITES)")
    with spawn(python.path, ["-c", PROGRAM, folder]) as target:
        yield target


@contextmanager
def heap_of(pid: int) -> Iterator[HeapView]:
    with looking_into(identify(pid), CaptureChoice.NATIVE, "objects", lambda _stage: None) as view:
        yield view


def waiting(picture: TaskPicture) -> dict[tuple[str, ...], int]:
    assert all(group.waiter is Waiter.GREENLET for group in picture.groups)
    return {tuple(call.function for call in group.calls): group.count for group in picture.groups}


@every_python
def test_suspended_greenlets_are_told_by_where_they_wait(python: Interpreter) -> None:
    with serving(python) as target:
        picture = tasks_from_process(target.pid)

    assert (picture.tasks, picture.greenlets) == (0, JOBS + 1)
    assert waiting(picture) == {("handle", "chunks", "inner"): JOBS, ("<module>", "main"): 1}
    jobs = picture.groups[0]
    assert [call.line for call in jobs.calls] == [23, 18, 14]
    assert [step.edge for step in jobs.chain[:2]] == ["module __main__", ".WAITING"]
    assert jobs.retained_bytes > JOBS * 100
    assert jobs.stranded == 0


@every_python
def test_what_the_calls_of_greenlets_hold_is_held_by_them(python: Interpreter) -> None:
    with serving(python) as target, heap_of(target.pid) as view:
        orders = rows_of_type(view.snapshot, "__main__.Order")
        (shop,) = rows_of_type(view.snapshot, "__main__.Shop")
        told = {view.chain_to(row)[-1].edge for row in orders}
        edges = [step.edge for step in view.chain_to(shop)]
        unseen = unseen_references(view.snapshot)
        assert not unseen[[shop, *rows_of_type(view.snapshot, "__main__.Job")]].any()

    assert len(orders) == 2 * JOBS
    assert told <= {
        "local order of handle",
        "local order of chunks",
        "local order of inner",
        "local held_by_a_cell of handle",
    }
    assert "local held_by_a_cell of handle" in told
    assert edges[-1] == "local shop of main"


@every_python
def test_looking_at_greenlets_changes_nothing(python: Interpreter) -> None:
    with serving(python) as target:
        with heap_of(target.pid) as first:
            before = np.sort(first.snapshot.refcount[rows_of_type(first.snapshot, "__main__.Job")])
            for row in rows_of_type(first.snapshot, "__main__.Order"):
                first.chain_to(row)
        with heap_of(target.pid) as second:
            after = np.sort(second.snapshot.refcount[rows_of_type(second.snapshot, "__main__.Job")])
            orders = len(rows_of_type(second.snapshot, "__main__.Order"))
        assert target.poll() is None

    assert before.tolist() == after.tolist() == [1] * JOBS
    assert orders == 2 * JOBS


def test_a_process_and_a_file_tell_the_same_of_gevent(tmp_path: Path) -> None:
    file = tmp_path / "greenlets.lscope"
    with spawn(sys.executable, GEVENT + MANY) as target:
        run = report_of("tasks", str(target.pid))
        text = leakscope("tasks", str(target.pid))
        why = leakscope("why", str(target.pid), "Order")
        taken = leakscope("snapshot", str(target.pid), "-o", file)
    assert run.code == 0, run.stderr
    assert taken.returncode == 0, taken.stderr
    later = json.loads(leakscope("tasks", file, "--json", "-").stdout)

    groups = run.report["groups"]
    assert isinstance(groups, list)
    assert (groups[0]["greenlets"], groups[0]["tasks"]) == (30, 0)
    assert [call["function"] for call in groups[0]["calls"]] == ["handle", "upstream"]
    assert [(g["greenlets"], g["calls"]) for g in later["groups"]] == [
        (g["greenlets"], g["calls"]) for g in groups
    ]
    assert "30 greenlets wait" in text.stdout
    assert "└─ local order of" in why.stdout
    assert ".NEVER" in why.stdout


def test_greenlets_that_wait_for_ever_are_a_leak_that_is_told_with_its_place() -> None:
    with spawn(sys.executable, GEVENT + EVER_MORE) as target:
        run = report_of("watch", str(target.pid), "--for", "4s", "--every", "400ms")

    assert run.code == 1, run.report or run.stderr
    assert run.finding["holder"]["path"].startswith("__main__.NEVER")
    assert run.finding["type"].endswith("Greenlet")
    assert "Greenlets wait at <string>:11 in upstream for something" in run.finding["why"]
    assert len(run.report["findings"]) == 1
    assert not [caveat for caveat in run.report["caveats"] if "nobody seen holds" in caveat]


def test_what_only_greenlets_hold_begins_with_the_place_where_one_waits() -> None:
    source = """
import ctypes, greenlet, sys
class Order: pass
def handle():
    order = Order()
    greenlet.getcurrent().parent.switch()
job = greenlet.greenlet(handle)
job.switch()
ctypes.pythonapi.Py_IncRef(ctypes.py_object(job))
del job
print("ready", flush=True)
sys.stdin.read()
"""
    with spawn(sys.executable, source) as target, heap_of(target.pid) as view:
        (order,) = rows_of_type(view.snapshot, "__main__.Order")
        edges = [step.edge for step in view.chain_to(order)]

    assert edges == ["greenlet handle (<string>:6)", "local order of handle"]
