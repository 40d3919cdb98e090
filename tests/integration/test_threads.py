"""`leakscope threads` on real processes: what threads run, and those that run no Python."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from leakscope.model.threads import ThreadGroup, ThreadPicture
from leakscope.storage.files import save
from leakscope.watching.threads import threads_from_file, threads_from_process
from tests.frozen import built_from
from tests.integration.leakscope_runs import assert_refused, fastest, leakscope, report_of
from tests.pythons import Interpreter, interpreters
from tests.storage.make_fixture import CONTENTS, fixture
from tests.targets import spawn

PROGRAM = """
import ctypes, queue, sys, threading, time

def wait(jobs):
    jobs.get()

def handle(jobs):
    wait(jobs)

def plain():
    LOCK.acquire()

def spin():
    while not DONE:
        sum(range(100))
        time.sleep(0.001)

def deep(depth):
    return deep(depth - 1) if depth else plain()

JOBS, LOCK, DONE = queue.Queue(), threading.Lock(), []
LOCK.acquire()
start = lambda function, *args, name=None: threading.Thread(
    target=function, args=args, name=name, daemon=True).start()
for number in range(5):
    start(handle, JOBS, name=f"worker-{number}")
for number in range(3):
    start(plain)
start(deep, 200, name="deep")
start(spin, name="odd \\x1b[1m\\n name")
if len(sys.argv) > 1:
    library = ctypes.CDLL(sys.argv[1])
    library.begin()
print("ready", flush=True)
sys.stdin.read()
"""

NATIVE = """
#define _GNU_SOURCE
#include <pthread.h>
#include <unistd.h>
static void *idle(void *unused) { for (;;) pause(); return unused; }
void begin(void) {
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        pthread_create(&thread, 0, idle, 0);
        pthread_setname_np(thread, "native-pool");
    }
}
"""


def group_of(picture: ThreadPicture, function: str) -> ThreadGroup:
    (found,) = [g for g in picture.groups if any(c.function == function for c in g.calls)]
    return found


@pytest.mark.parametrize("python", interpreters(), ids=lambda python: python.version)
def test_threads_are_told_by_what_they_run(python: Interpreter) -> None:
    with spawn(python.path, PROGRAM) as target:
        picture = threads_from_process(target.pid)
        tids = {int(tid) for tid in os.listdir(f"/proc/{target.pid}/task")}  # noqa: PTH208

    assert picture.threads == picture.python == 11
    assert picture.sees_all
    assert picture.tells_calls
    workers = group_of(picture, "handle")
    assert workers is picture.groups[0]
    assert workers.threads == 5
    assert workers.names == tuple(f"worker-{number}" for number in range(5))
    assert workers.running == 0
    functions = [call.function for call in workers.calls]
    assert functions[functions.index("handle") :][:2] == ["handle", "wait"]
    assert workers.calls[functions.index("wait")].line == 5
    assert [call.line for call in workers.calls if call.function == "handle"] == [8]
    plain = [g for g in picture.groups if g.calls[-1].function == "plain"]
    assert sorted(group.threads for group in plain) == [1, 3]
    assert sum(call.function == "deep" for call in group_of(picture, "deep").calls) == 201
    odd = group_of(picture, "spin")
    assert odd.cpu_seconds is not None
    assert {tid for group in picture.groups for tid in group.native_ids} <= tids
    assert sum(len(group.native_ids) for group in picture.groups) == 11


def test_threads_of_c_code_are_told_by_name(tmp_path: Path) -> None:
    library = built_from(NATIVE, tmp_path / "native.so", "-lpthread")
    with spawn(sys.executable, ["-c", PROGRAM, library]) as target:
        run = report_of("threads", str(target.pid))
        text = leakscope("threads", str(target.pid))

    (native,) = [group for group in run.report["groups"] if not group["calls"]]
    assert (native["threads"], native["names"]) == (4, ["native-pool"])
    assert (run.report["threads"], run.report["python"]) == (15, 11)
    assert "15 threads   4 of them run no Python" in text.stdout
    assert "no Python code" in text.stdout
    assert "\x1b" not in text.stdout


def test_a_file_tells_what_threads_ran(tmp_path: Path) -> None:
    file = tmp_path / "threads.lscope"
    with spawn(sys.executable, PROGRAM) as target:
        now = report_of("threads", str(target.pid))
        taken = leakscope("snapshot", str(target.pid), "-o", file)
    assert taken.returncode == 0, taken.stderr
    later = json.loads(leakscope("threads", file, "--json", "-").stdout)

    def told(report: dict[str, object]) -> list[tuple[object, ...]]:
        groups = report["groups"]
        assert isinstance(groups, list)
        return [
            (g["calls"][:3], g["threads"], g["names"], g["native_ids"])
            for g in groups
            if "spin" not in {call["function"] for call in g["calls"]}
        ]

    assert told(later) == told(now.report)
    assert not later["sees_all"]
    assert later["groups"][0]["running"] is None


def test_a_file_of_an_earlier_version_says_that_it_does_not_tell(tmp_path: Path) -> None:
    old = replace(CONTENTS[2], heaps=CONTENTS[2].heaps[:1])
    new = replace(CONTENTS[3], heaps=CONTENTS[3].heaps[:1])
    save(old, tmp_path / "old.lscope")
    save(new, tmp_path / "new.lscope")

    assert not threads_from_file(tmp_path / "old.lscope").tells_calls
    told = leakscope("threads", tmp_path / "old.lscope")
    assert "an earlier leakscope wrote it" in told.stdout
    assert threads_from_file(tmp_path / "new.lscope").groups[0].native_ids == (4242,)
    assert leakscope("threads", fixture(2)).returncode == 0


def test_what_cannot_tell_threads_says_so_in_one_line() -> None:
    with spawn(sys.executable, PROGRAM) as target:
        portable = leakscope("threads", str(target.pid), "--capture", "portable")
        outside = leakscope("threads", str(target.pid), "--capture", "readonly")
    missing = leakscope("threads", "no-such-file.lscope")

    for done, code in ((portable, 3), (outside, 2), (missing, 2)):
        assert_refused(done, code)


MANY = """
import threading
threading.stack_size(65536)
EVENT = threading.Event()
def wait():
    EVENT.wait()
for _ in range(5000):
    threading.Thread(target=wait, daemon=True).start()
print("ready", flush=True)
EVENT.wait()
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_five_thousand_threads_take_no_longer_than_a_snapshot_of_them(tmp_path: Path) -> None:
    with spawn(sys.executable, MANY, deadline=120) as target:
        pid = str(target.pid)
        run = report_of("threads", pid)
        told = fastest("threads", pid)
        taken = fastest("snapshot", pid, "--force", "-o", tmp_path / "many.lscope")

    assert run.code == 0, run.stderr
    assert run.report["python"] == 5001
    assert run.report["groups"][0]["threads"] == 5000
    assert told <= 1.5 * taken
