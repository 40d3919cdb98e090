"""Which processes below a master are its workers."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

from leakscope.capture.process import identify
from leakscope.capture.process_tree import interpreters_below
from tests.targets import read_line, spawn

SPAWNS = """
import multiprocessing, os, subprocess, sys, time

def work(told):
    told.put(os.getpid())
    time.sleep(60)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    worker = context.Process(target=work, args=(told,), daemon=True)
    worker.start()
    helper = subprocess.Popen(["sleep", "60"])
    print("ready", told.get(), flush=True)
    time.sleep(60)
"""

NESTED = """
import subprocess, sys
code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
shell = f"{sys.executable} -c '{code}'; true"
subprocess.run(["sh", "-c", shell])
"""


def test_a_worker_counts_and_what_the_interpreter_or_a_tool_runs_beside_it_does_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "spawns.py").write_text(SPAWNS)
    with spawn(sys.executable, [tmp_path / "spawns.py"], wait_for=None) as master:
        worker = int(read_line(master).split()[1])
        children = psutil.Process(master.pid).children()
        assert len(children) == 3, "the worker, what keeps account of shared memory, a tool"

        found = interpreters_below(identify(master.pid))

    assert [each.pid for each in found] == [worker]


def test_a_worker_that_is_known_is_not_found_again(tmp_path: Path) -> None:
    (tmp_path / "spawns.py").write_text(SPAWNS)
    with spawn(sys.executable, [tmp_path / "spawns.py"], wait_for=None) as master:
        worker = identify(int(read_line(master).split()[1]))

        assert interpreters_below(identify(master.pid), {worker}) == ()


def test_a_worker_below_a_shell_is_found() -> None:
    with spawn(sys.executable, NESTED, wait_for=None) as master:
        worker = int(read_line(master))

        assert [each.pid for each in interpreters_below(identify(master.pid))] == [worker]


def test_nothing_is_below_a_process_that_has_exited() -> None:
    with spawn(sys.executable, NESTED, wait_for=None) as master:
        read_line(master)
        me = identify(master.pid)
        master.kill()
        master.wait()

        assert interpreters_below(me) == ()
